"""Textured surroundings of a drawn person: floor, wall, things behind it and in front of it."""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from deephar.camera import Camera


@dataclass(frozen=True)
class Scenery:
    """Everything behind a person in a video.

    Attributes:
        background: uint8 (H, W, 3), RGB.
        floor: float32 (H, 1), 1 on the floor, 0 on the wall.
        grain: int16 (H, W, 1), noise of the sensor.
    """

    background: np.ndarray
    floor: np.ndarray
    grain: np.ndarray

    def developed(self, picture: np.ndarray, frame: int) -> np.ndarray:
        """A complete float32 picture (H, W, 3) as the sensor gives it, uint8; it is changed."""
        # The same grain, shifted for each frame: drawing random numbers takes longer than drawing
        # the person.
        picture += np.roll(self.grain, (37 * frame, 61 * frame), axis=(0, 1))
        return np.clip(picture, 0, 255, out=picture).astype(np.uint8)


def surroundings(rng: np.random.Generator, size: int, camera: Camera, end: float) -> Scenery:
    """Random scenery.

    Args:
        rng: source of all choices.
        size: width and height of the picture in pixels.
        camera: the camera; the floor is z = 0 of its world.
        end: distance of the wall from the camera, mm.

    Returns:
        The scenery.
    """
    picture = _wall(rng, size)
    mask = _lay_floor(rng, picture, camera, end)
    picture *= rng.uniform(0.75, 1.1) * (1 + rng.normal(0, 0.04, 3)).astype(np.float32)
    # Another generator, so that `rng` gives as many numbers at all sizes.
    noise = np.random.default_rng(rng.integers(2**32))
    grain = noise.normal(0, noise.uniform(1, 6), (size, size, 1)).astype(np.int16)
    return Scenery(np.clip(picture, 0, 255).astype(np.uint8), mask, grain)


def texture(rng: np.random.Generator, size: int, contrast: float) -> np.ndarray:
    """Random smooth noise of several scales, float32 (size, size, 1) about 0."""
    total = np.zeros((size, size), np.float32)
    for cells in (3, 7, 17, 45):
        cells = min(cells, size)
        grid = rng.normal(0, 1, (cells, cells)).astype(np.float32)
        layer = cv2.resize(grid, (size, size), interpolation=cv2.INTER_LINEAR)
        total += layer * np.float32(contrast * rng.uniform(3, 18))
    return total[..., None]


def _tinted(rng, size, contrast):
    """Noise in colour, float32 (size, size, 3)."""
    tint = (1 + rng.normal(0, 0.1, 3)).astype(np.float32)
    return texture(rng, size, contrast) * tint


def _paint(rng, dark=30, bright=225):
    # Mostly muted: few rooms and places are pink or purple.
    spread = rng.choice([6, 14, 30], p=[0.35, 0.45, 0.2])
    return np.clip(rng.uniform(dark, bright) + rng.normal(0, spread, 3), 5, 250).astype(np.float32)


def _wall(rng, size):
    top, bottom = _paint(rng), _paint(rng)
    ramp = np.linspace(0, 1, size, dtype=np.float32)[:, None, None]
    wall = top + ramp * (0.5 * (bottom - top)) + _tinted(rng, size, rng.uniform(0.2, 1.3))
    kind = rng.integers(4)
    if kind == 0:
        _bricks(rng, wall, size)
    elif kind == 1:
        _panels(rng, wall, size)
    for _ in range(rng.integers(0, 7)):
        _thing(rng, wall, size)
    return wall


def _bricks(rng, wall, size):
    rows = int(rng.integers(8, 22))
    tall = size / rows
    long = tall * rng.uniform(1.5, 3)
    joint = tuple((0.6 * _paint(rng)).tolist())
    for row in range(rows + 1):
        y = round(row * tall)
        cv2.line(wall, (0, y), (size, y), joint, 1)
        for x in np.arange((row % 2) * long / 2, size, long):
            cv2.line(wall, (round(x), y), (round(x), round(y + tall)), joint, 1)


def _panels(rng, wall, size):
    count = int(rng.integers(3, 14))
    edges = np.sort(rng.integers(0, size, count))
    for left, right in zip(edges[:-1:2], edges[1::2], strict=False):
        wall[:, left:right] += rng.normal(0, 22, 3).astype(np.float32)


def _thing(rng, wall, size):
    """A window, a ball, a pole, a bush, a sloping beam: something behind the person."""
    colour = tuple(_paint(rng).tolist())
    x, y = rng.uniform(0, size, 2)
    w, h = rng.uniform(0.04, 0.35, 2) * size
    kind = rng.integers(5)
    if kind == 0:
        cv2.rectangle(wall, (int(x), int(y)), (int(x + w), int(y + h)), colour, -1)
        if rng.random() < 0.6:
            frame = tuple(_paint(rng).tolist())
            cv2.rectangle(wall, (int(x), int(y)), (int(x + w), int(y + h)), frame, 2)
    elif kind == 1:
        cv2.ellipse(
            wall, (int(x), int(y)), (int(w / 2), int(h / 2)), 0, 0, 360, colour, -1, cv2.LINE_AA
        )
    elif kind == 2:
        cv2.line(wall, (int(x), 0), (int(x), size), colour, max(1, int(0.15 * w)))
    elif kind == 3:
        spots = (x, y) + rng.normal(0, 0.35, (14, 2)) * (w, h)
        for spot in spots.astype(int).tolist():
            shade = tuple((np.array(colour) * rng.uniform(0.7, 1.2)).tolist())
            cv2.circle(wall, spot, max(1, int(0.12 * (w + h))), shade, -1, cv2.LINE_AA)
    else:
        x2, y2 = rng.uniform(0, size, 2)
        width = max(1, int(rng.uniform(0.01, 0.06) * size))
        cv2.line(wall, (int(x), int(y)), (int(x2), int(y2)), colour, width, cv2.LINE_AA)


def _lay_floor(rng, picture, camera, end):
    """Draws the floor into a picture; returns where it is, (H, 1)."""
    size = len(picture)
    tiles = _floor_texture(rng, 192)
    scale = rng.uniform(28, 45)  # mm of the floor for a pixel of the texture
    # The wall stands where a point of the floor straight ahead is `end` away.
    ahead = camera.rotation[2] * (1, 1, 0)
    foot = camera.translation * (1, 1, 0) + ahead / max(np.linalg.norm(ahead), 1e-6) * end
    edge = float(camera.project(camera.to_camera(foot))[1])
    first = int(np.clip(np.floor(edge), 0, size - 1))
    # Floor (x, y, 1) to pixels is K R [e1 e2 -t]; before it, texture pixels to the floor.
    intrinsic = np.diag([camera.focal[0], camera.focal[1], 1.0])
    intrinsic[:2, 2] = camera.center - (0, first)
    plane = np.eye(3)
    plane[:, 2] = -camera.translation
    middle = np.array([[scale, 0, -96 * scale], [0, scale, -96 * scale], [0, 0, 1]])
    floor = cv2.warpPerspective(
        tiles,
        intrinsic @ camera.rotation @ plane @ middle,
        (size, size - first),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )
    mask = np.clip(np.arange(size)[:, None] - edge + 0.5, 0, 1).astype(np.float32)
    picture[first:] += mask[first:, None] * (floor - picture[first:])
    return mask


def _floor_texture(rng, size):
    base = _paint(rng)
    tiles = base + _tinted(rng, size, rng.uniform(0.3, 1.2))
    kind = rng.integers(4)
    if kind == 0:  # tiles or a chess board
        step = int(rng.integers(10, 30))
        index = np.arange(size) // step
        odd = ((index[:, None] + index) % 2).astype(np.float32)
        tiles += odd[..., None] * rng.normal(0, 18, 3).astype(np.float32)
    elif kind == 1:  # boards
        step = int(rng.integers(6, 16))
        tiles += np.repeat(
            rng.normal(0, 10, (size // step + 1, 1, 1)).astype(np.float32), step, axis=0
        )[:size]
    elif kind == 2:  # lines of a sports field
        for at in rng.integers(0, size, 3).tolist():
            tiles[at : at + 2] = 225
            tiles[:, at : at + 2] = 225
    return tiles.astype(np.float32)


@dataclass(frozen=True)
class Cover:
    """Something in front of a person: a pole, a bench, a box or a bush.

    Attributes:
        mask: uint8 (H, W), its opacity.
        seed: of its looks.
    """

    mask: np.ndarray
    seed: int

    @classmethod
    def random(cls, rng: np.random.Generator, size: int, box: np.ndarray) -> "Cover":
        """Something in front of part of a box (4,), in a picture of `size` x `size` pixels."""
        mask = np.zeros((size, size), np.uint8)
        (_pole, _bench, _crate, _bush)[rng.integers(4)](rng, mask, size, box)
        return cls(mask, int(rng.integers(2**32)))

    def hides(self, points: np.ndarray) -> np.ndarray:
        """Whether it hides points (..., 2), pixels; booleans (...)."""
        last = np.array(self.mask.shape[::-1]) - 1
        x, y = np.moveaxis(np.clip(np.rint(points), 0, last).astype(int), -1, 0)
        return self.mask[y, x] > 127

    def draw(self, picture: np.ndarray) -> None:
        """Draws it into a float32 picture (H, W, 3)."""
        patch, alpha, colour = self._patch
        picture[patch] += alpha * (colour - picture[patch])

    @cached_property
    def _patch(self):
        x, y, width, height = cv2.boundingRect(self.mask)
        patch = (slice(y, y + height), slice(x, x + width))
        rng = np.random.default_rng(self.seed)
        colour = _paint(rng) + _tinted(rng, len(self.mask), 1.2)[patch]
        return patch, self.mask[patch][..., None].astype(np.float32) / 255, np.clip(colour, 0, 255)


def _pole(rng, mask, size, box):
    x = int(rng.uniform(box[0], box[2]))
    cv2.line(mask, (x, 0), (x, size), 255, max(2, int(rng.uniform(0.03, 0.065) * size)))


def _bench(rng, mask, size, box):
    y = int(box[3] - rng.uniform(0.05, 0.45) * (box[3] - box[1]))
    tall = max(2, int(rng.uniform(0.05, 0.16) * size))
    cv2.rectangle(mask, (0, y), (size, y + tall), 255, -1)


def _crate(rng, mask, size, box):
    into = rng.uniform(0.1, 0.4) * (box[2] - box[0])
    y = int(box[3] - rng.uniform(0.1, 0.35) * (box[3] - box[1]))
    if rng.random() < 0.5:
        cv2.rectangle(mask, (0, y), (int(box[0] + into), size), 255, -1)
    else:
        cv2.rectangle(mask, (int(box[2] - into), y), (size, size), 255, -1)


def _bush(rng, mask, size, box):
    height = rng.uniform(0.12, 0.4) * (box[3] - box[1])
    middle = np.array([rng.uniform(box[0], box[2]), box[3] - 0.3 * height])
    for place in middle + rng.normal(0, 0.35, (70, 2)) * height:
        leaf = (max(1, round(0.16 * height)), max(1, round(0.07 * height)))
        at = tuple(np.rint(place).astype(int).tolist())
        cv2.ellipse(mask, at, leaf, rng.uniform(0, 180), 0, 360, 255, -1, cv2.LINE_AA)


def cast_shadow(
    picture: np.ndarray, shadow: np.ndarray, floor: np.ndarray, strength: float
) -> None:
    """Darkens the floor of a picture.

    Args:
        picture: float32 (H, W, 3); it is changed.
        shadow: uint8 of any size, 255 in the shadow.
        floor: (H, 1), 1 on the floor.
        strength: fraction of the light that is missing in the shadow.
    """
    size = picture.shape[1::-1]
    soft = cv2.GaussianBlur(shadow, (0, 0), 0.012 * shadow.shape[0] + 0.4)
    factor = cv2.resize(soft, size, interpolation=cv2.INTER_LINEAR).astype(np.float32)
    picture *= (1 - factor * floor * np.float32(strength / 255))[..., None]
