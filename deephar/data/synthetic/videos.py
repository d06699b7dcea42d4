"""The built-in data set: videos of drawn persons doing twelve actions, with exact labels.

Nothing is downloaded or stored: bodies, motions, views, clothes and surroundings follow from a
seed, and frames are drawn on demand.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from numbers import Integral

import cv2
import numpy as np

from deephar.camera import Camera
from deephar.data.samples import Video
from deephar.data.synthetic.body import SIDES, Body, Figure
from deephar.data.synthetic.motions import ACTIONS, Style, perform
from deephar.data.synthetic.render import (
    LazyFrames,
    Light,
    Look,
    Solids,
    draw_solids,
    figure_solids,
    hidden_behind,
)
from deephar.data.synthetic.scenery import Cover, Scenery, cast_shadow, surroundings
from deephar.skeletons import get_skeleton

SPLITS = ("train", "validation", "test")
VIEWS = {"all": range(8), "front": (-1, 0)}
"""Eighths of the circle around a person from which it is filmed; 0 starts in front of it."""

_SKELETON = get_skeleton("pa16j")
_KEPT = 64  # videos whose labels and surroundings stay in memory, less than 1 MB each
_FRAME_RATE = 12.5  # per second; 24 to 48 frames last 2 to 4 seconds

# The azimuths of the three splits, degrees modulo 45: all around the person, without overlap.
_AZIMUTHS = {"train": (0.0, 27.0), "validation": (30.0, 35.0), "test": (38.0, 43.0)}

# A surface hides a joint if it is nearer by this fraction of the stature, which is slightly more
# than the depth of the joint in its own limb.
_DEPTH_OF_JOINT = {
    "pelvis": 0.115,
    "thorax": 0.100,
    "neck": 0.060,
    "head_top": 0.060,
    "shoulder": 0.060,
    "hip": 0.080,
    "knee": 0.055,
    "ankle": 0.045,
    "elbow": 0.045,
    "wrist": 0.035,
}

_SHADOW_PAIRS = (
    ("pelvis", "thorax", 0.075),
    ("neck", "head_top", 0.04),
    *(
        (f"{side}_{start}", f"{side}_{end}", width)
        for side in SIDES
        for start, end, width in (
            ("hip", "knee", 0.035),
            ("knee", "ankle", 0.025),
            ("heel", "toe", 0.02),
            ("shoulder", "elbow", 0.025),
            ("elbow", "hand", 0.018),
        )
    ),
)


class Synthetic:
    """Videos of drawn persons, with exact 2D and 3D joints, visibility, action and camera.

    Person k of a split does each of the twelve actions once, in videos 12 k to 12 k + 11, in random
    order. So the classes are balanced, and the first videos do not depend on `videos`. Splits
    differ in their persons, motions, clothes and surroundings, and in the azimuths from which the
    persons are seen.

    Args:
        split: ``"train"``, ``"validation"`` or ``"test"``.
        videos: number of videos.
        image_size: width and height of the frames in pixels. The videos are the same at all sizes,
            except for details of the surroundings.
        seed: another seed gives other videos.
        frames: number of frames of each video, or (least, most), at 12.5 per second.
        views: ``"all"`` for persons seen from all around, ``"front"`` from the front half.

    Attributes:
        split, videos, image_size, seed, frames, views: as given.
        actions: names of the classes.
        source: how the data were made, in words.

    Raises:
        ValueError: Unknown split, or a number out of range.
    """

    name = "synthetic"
    skeleton = _SKELETON.name
    held_out_by = "videos"
    actions = ACTIONS

    def __init__(
        self,
        split: str = "train",
        videos: int = 240,
        *,
        image_size: int = 256,
        seed: int = 0,
        frames: int | tuple[int, int] = (24, 48),
        views: str = "all",
    ):
        if split not in SPLITS:
            raise ValueError(f"Synthetic has the splits {', '.join(SPLITS)}, not {split!r}.")
        if views not in VIEWS:
            raise ValueError(f"Synthetic has the views {', '.join(VIEWS)}, not {views!r}.")
        least, most = (frames, frames) if isinstance(frames, Integral) else _pair(frames)
        require_whole_numbers(
            "Synthetic",
            ("videos", videos, 1, 10**7),
            ("image_size", image_size, 32, 2048),
            ("seed", seed, 0, 2**63),
            ("frames", least, 1, 1000),
            ("frames", most, least, 1000),
        )
        self.split = split
        self.videos = int(videos)
        self.image_size = int(image_size)
        self.seed = int(seed)
        self.frames = (int(least), int(most))
        self.views = views
        self.source = f"drawn by deephar from seed {self.seed}"
        self._kept = OrderedDict()

    def __len__(self):
        return self.videos

    def __getitem__(self, index):
        if not -len(self) <= index < len(self):
            raise IndexError(f"{self!r} has no video {index}.")
        index = int(index) % len(self)
        video = self._kept.get(index)
        if video is None:
            video = self._kept[index] = self._video(index)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        # Copies, so that a caller's changes do not stay.
        copies = ("joints", "visible", "boxes", "joints_3d", "head_sizes")
        return replace(video, **{name: getattr(video, name).copy() for name in copies})

    def __getstate__(self):
        return self.__dict__ | {"_kept": OrderedDict()}

    def __repr__(self):
        return (
            f"Synthetic(split={self.split!r}, videos={self.videos}, image_size={self.image_size}, "
            f"seed={self.seed}, frames={self.frames}, views={self.views!r})"
        )

    def _video(self, index):
        key = (self.seed, SPLITS.index(self.split))
        number, place = divmod(index, len(ACTIONS))
        person = np.random.default_rng([*key, 0, number])
        action = int(person.permutation(len(ACTIONS))[place])
        left_handed = bool(person.random() < 0.3)
        body = Body.random(person)
        rng = np.random.default_rng([*key, 1, index])
        count = int(rng.integers(self.frames[0], self.frames[1] + 1))
        seconds = np.arange(count) / _FRAME_RATE
        style = Style.random(rng, left_handed)
        figure, props = perform(ACTIONS[action], body, style, seconds)
        camera = _random_camera(rng, figure, self.split, self.views, self.image_size)
        look = Look.random(person, rng)
        solids = figure_solids(figure, body, look, camera, props=props)
        frames = DrawnFrames(solids, figure, body, camera, self.image_size, [*key, 2, index])
        labels = video_labels(figure, body, camera, solids, frames)
        return Video(
            frames=frames,
            skeleton=self.skeleton,
            size=(self.image_size, self.image_size),
            action=action,
            name=f"{self.split}_person{number:04d}_{ACTIONS[action]}",
            camera=camera,
            frame_rate=_FRAME_RATE,
            **labels,
        )


def require_whole_numbers(who: str, *ranges: tuple[str, object, int, int]) -> None:
    """Checks that arguments are whole numbers in their ranges.

    Args:
        who: name of the class.
        *ranges: name and value of an argument, and the least and the largest number allowed.

    Raises:
        ValueError: One is not.
    """
    for what, value, low, high in ranges:
        if not isinstance(value, Integral) or not low <= value <= high:
            raise ValueError(
                f"{who} needs `{what}` to be a whole number from {low} to {high}, got {value!r}."
            )


def _pair(frames):
    """Least and most number of frames."""
    try:
        least, most = frames
    except (TypeError, ValueError):
        raise ValueError(
            f"Synthetic needs `frames` to be a whole number or (least, most), got {frames!r}."
        ) from None
    return least, most


def video_labels(
    figure: Figure, body: Body, camera: Camera, solids: Solids, frames: "DrawnFrames"
) -> dict[str, np.ndarray]:
    """``joints``, ``visible``, ``boxes``, ``joints_3d`` and ``head_sizes`` of a `Video`."""
    joints_3d = camera.to_camera(
        np.stack([figure.points[name] for name in _SKELETON.joints], axis=1)
    )
    joints = camera.project(joints_3d)
    slack = body.stature * np.array([_DEPTH_OF_JOINT[_part(name)] for name in _SKELETON.joints])
    hidden = hidden_behind(solids, np.concatenate([joints, joints_3d[..., 2:]], axis=-1), slack)
    size = frames.size
    hidden |= ((joints < -0.5) | (joints >= size - 0.5)).any(axis=-1)
    if frames.cover is not None:
        hidden |= frames.cover.hides(joints)
    ends = [joints_3d[:, _SKELETON.index(name)] for name in ("neck", "head_top")]
    depth = (ends[0] + ends[1])[:, 2] / 2
    # The box of the head is that around a ball from the upper neck to the top of the head; MPII
    # takes 0.6 of its diagonal.
    ball = camera.focal[0] * np.linalg.norm(ends[1] - ends[0], axis=-1) / depth
    return {
        "joints": joints,
        "visible": 1.0 - hidden,
        "boxes": np.clip(solids.boxes(), 0, size - 1),
        "joints_3d": joints_3d,
        "head_sizes": 0.6 * np.sqrt(2) * ball,
    }


def _part(joint):
    """Name of a joint without its side."""
    for side in SIDES:
        joint = joint.removeprefix(f"{side}_")
    return joint


def _random_camera(rng, figure, split, views, size):
    """A camera that sees the whole motion, from an azimuth of the split."""
    low, high = _AZIMUTHS[split]
    eighths = VIEWS[views]
    eighth = eighths[rng.integers(len(eighths))]
    azimuth = 45 * eighth + rng.uniform(low, high)
    # A lying person is filmed from above; otherwise little would be seen.
    lies = _middle(_points(figure))[2] < 600
    elevation = rng.uniform(8, 32) if lies else rng.uniform(-4, 20)
    return framing_camera(rng, figure, azimuth, elevation, size)


def framing_camera(
    rng: np.random.Generator, figure: Figure, azimuth: float, elevation: float, size: int
) -> Camera:
    """A camera in whose picture the person is large, at a random place of it.

    Args:
        rng: draws the lens, and how large the person is and where.
        figure: where the body is.
        azimuth: degrees, 0 in front of the person, if it faces y.
        elevation: degrees above the horizon.
        size: width and height of the picture in pixels.
    """
    points = _points(figure)
    middle = _middle(points)
    azimuth, elevation = np.radians(azimuth), np.radians(elevation)
    away = np.array(
        [
            np.cos(elevation) * np.sin(azimuth),
            np.cos(elevation) * np.cos(azimuth),
            np.sin(elevation),
        ]
    )
    focal = size * rng.uniform(1.2, 2.4)
    fill = rng.uniform(0.64, 0.86)  # fraction of the picture that the whole motion fills
    room = 0.5 * (0.97 - fill) + (0.1 if rng.random() < 0.15 else 0)  # sometimes it is cut off
    goal = (0.5 + rng.uniform(-room, room, 2)) * size - 0.5
    distance = 3000.0
    # Nearer, a person who reaches towards the camera would be behind it.
    nearest = 1.3 * np.linalg.norm(points - middle, axis=-1).max()
    for _ in range(8):
        camera = _looking(middle + distance * away, -away, focal, size)
        pixels = camera.project(camera.to_camera(points))
        lowest, highest = pixels.min(axis=0), pixels.max(axis=0)
        off = (lowest + highest) / 2 - goal
        middle = middle + distance / focal * (off @ camera.rotation[:2])
        distance = max(distance * (highest - lowest).max() / (fill * size), nearest)
    return camera


def _points(figure):
    return np.stack(list(figure.points.values()), axis=1).reshape(-1, 3)


def _middle(points):
    return (points.min(axis=0) + points.max(axis=0)) / 2


def _looking(place, direction, focal, size):
    right = np.cross(direction, (0, 0, 1.0))
    right /= np.linalg.norm(right)
    return Camera(
        focal=np.array([focal, focal]),
        center=np.full(2, (size - 1) / 2),
        rotation=np.stack([right, np.cross(direction, right), direction]),
        translation=place,
    )


class DrawnFrames(LazyFrames):
    """The frames of a video, drawn on demand: uint8 (size, size, 3), RGB.

    Args:
        solids: the person and its things, as seen by the camera.
        figure: where the body is, for its shadow.
        body: the person's measures.
        camera: the camera.
        size: width and height in pixels.
        key: seed of light and surroundings.
        photo: picture behind the person, uint8 (size, size, 3), in place of drawn surroundings.

    Attributes:
        solids, size: as given.
        cover: what stands in front of the person; None for nothing.
    """

    def __init__(
        self,
        solids: Solids,
        figure: Figure,
        body: Body,
        camera: Camera,
        size: int,
        key: Sequence[int],
        *,
        photo: np.ndarray | None = None,
    ):
        super().__init__(len(solids.start))
        self.size = size
        self.solids, self._figure, self._body, self._camera = solids, figure, body, camera
        self._key, self._photo = key, photo
        rng = np.random.default_rng(key)
        azimuth, height = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(30, 75))
        # Not from behind: the person would be a silhouette.
        side = np.array([np.cos(azimuth), -abs(np.sin(azimuth)) * 0.8 - 0.2])
        side *= np.cos(height) / np.linalg.norm(side)
        flat = camera.rotation[2] * (1, 1, 0)
        flat = flat / max(np.linalg.norm(flat), 1e-6)
        self._sun = side[0] * camera.rotation[0] + side[1] * flat + [0, 0, np.sin(height)]
        self._light = Light(camera.rotation @ self._sun, rng.uniform(0.38, 0.6))
        self._shade = float(rng.uniform(0.15, 0.55))
        self.cover = self._random_cover(rng) if rng.random() < 0.35 else None

    def _random_cover(self, rng):
        """Something in front of the person; None if it would hide most of the person."""
        boxes = self.solids.boxes()
        cover = Cover.random(rng, self.size, boxes[rng.integers(len(boxes))])
        points = np.stack(list(self._figure.points.values()))
        hidden = cover.hides(self._camera.project(self._camera.to_camera(points)))
        return cover if hidden.mean() < 0.35 else None

    def draw(self, index: int) -> np.ndarray:
        scenery = self.scenery
        picture = scenery.background.astype(np.float32)
        cast_shadow(picture, self._shadow(index), scenery.floor, self._shade)
        draw_solids(picture, self.solids, index, self._light)
        if self.cover is not None:
            self.cover.draw(picture)
        return scenery.developed(picture, index)

    @cached_property
    def scenery(self) -> Scenery:
        """What is behind the person."""
        rng = np.random.default_rng([*self._key, 1])
        depth = float(self.solids.centre[..., 2].mean())
        scenery = surroundings(rng, self.size, self._camera, depth * rng.uniform(1.7, 2.8))
        if self._photo is not None:  # nobody knows where its floor is, so there is no shadow
            scenery = replace(
                scenery, background=self._photo.copy(), floor=np.zeros_like(scenery.floor)
            )
        if rng.random() < 0.3:
            self._add_passer_by(rng, scenery, depth * rng.uniform(1.35, 1.6))
        return scenery

    def _add_passer_by(self, rng, scenery, depth):
        """Draws another person into the background, further away and to one side."""
        body, look = Body.random(rng), Look.random(rng, rng)
        action = ("walk", "wave")[rng.integers(2)]
        figure, _ = perform(action, body, Style.random(rng), np.arange(2) / _FRAME_RATE)
        across = rng.choice([-1, 1]) * rng.uniform(0.2, 0.42) * self.size * depth
        place = self._camera.to_world([across / self._camera.focal[0], 0, depth]) * (1, 1, 0)
        figure = figure.rotated(rng.uniform(0, 360)).moved(place)
        picture = scenery.background.astype(np.float32)
        draw_solids(picture, figure_solids(figure, body, look, self._camera), 0, self._light)
        np.copyto(scenery.background, np.clip(picture, 0, 255).astype(np.uint8))

    def _shadow(self, index):
        """Picture of half the size, 255 where the body casts a shadow on the floor."""
        size = self.size // 2
        shadow = np.zeros((size, size), np.uint8)
        for start, end, width in _SHADOW_PAIRS:
            ends = np.stack([self._figure.points[name][index] for name in (start, end)])
            ends = self._camera.to_camera(ends - ends[:, 2:] / self._sun[2] * self._sun)
            pixels = self._camera.project(ends) / 2
            if not np.isfinite(pixels).all() or np.abs(pixels).max() > 20 * size:
                continue
            wide = width * self._body.stature * self._camera.focal[0] / ends[:, 2].mean()
            (a, b) = np.rint(pixels).astype(int).tolist()
            cv2.line(shadow, a, b, 255, max(1, round(wide)), cv2.LINE_AA)
        return shadow
