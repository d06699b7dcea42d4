"""Drawing of persons from shaded rods and ellipsoids, in front of textured backgrounds.

A person is a set of *solids*: rods (cones with round ends) and ellipsoids, given in pixels with
a depth. Each covers a patch of the picture, where its surface is computed pixel by pixel, shaded,
and compared with the depth of what is already there. Edges are antialiased. The same formulas find
the joints that are hidden. It uses only NumPy and OpenCV, and takes about 5 ms for a person of 200
pixels.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deephar.camera import Camera
from deephar.data.synthetic.body import SIDES, Body, Figure
from deephar.data.synthetic.motions import Prop

_SKINS = ((250, 215, 190), (235, 190, 155), (205, 150, 110), (160, 105, 70), (105, 65, 45))
_HAIRS = (
    (25, 20, 18),
    (60, 40, 25),
    (120, 80, 45),
    (205, 170, 100),
    (150, 150, 150),
    (140, 60, 30),
)


@dataclass(frozen=True)
class Look:
    """Colours, (red, green, blue) from 0 to 255, and clothes of a person.

    Attributes:
        skin, hair, shirt, trousers, shoes: colours.
        stripe: second colour of the shirt.
        stripes: number of stripes from the hips to the neck; 0 = plain.
        sleeves: fraction of the arm that is covered, 0 to 1.
        legs: fraction of the leg that is covered, 0 to 1.
        long_hair, bald: hair style.
    """

    skin: tuple[float, ...]
    hair: tuple[float, ...]
    shirt: tuple[float, ...]
    stripe: tuple[float, ...]
    trousers: tuple[float, ...]
    shoes: tuple[float, ...]
    stripes: int = 0
    sleeves: float = 0.3
    legs: float = 1.0
    long_hair: bool = False
    bald: bool = False

    @classmethod
    def random(cls, person: np.random.Generator, clothes: np.random.Generator) -> "Look":
        """Random skin and hair of a person, random clothes of the day."""
        skin = np.array(_SKINS[person.integers(len(_SKINS))]) * person.uniform(0.9, 1.03)
        hair = np.array(_HAIRS[person.integers(len(_HAIRS))]) * person.uniform(0.8, 1.15)
        if abs(np.mean(hair - skin)) < 55:  # front and back of the head should differ
            hair = 0.35 * skin
        long_hair, bald = person.random() < 0.35, person.random() < 0.05
        return cls(
            skin=tuple(skin.clip(0, 255)),
            hair=tuple(hair.clip(0, 255)),
            shirt=_colour(clothes),
            stripe=_colour(clothes),
            trousers=_colour(clothes, 0.7),
            shoes=_colour(clothes, 0.6) if clothes.random() < 0.6 else (225, 225, 225),
            stripes=int(clothes.integers(3, 9)) if clothes.random() < 0.35 else 0,
            sleeves=float(clothes.choice([0.0, 0.3, 0.32, 1.0])),
            legs=float(clothes.choice([0.32, 0.4, 1.0, 1.0])),
            long_hair=bool(long_hair and not bald),
            bald=bool(bald),
        )


def _colour(rng, value=1.0):
    hue, saturation = rng.random(), rng.beta(1.2, 1.4)
    light = value * rng.uniform(0.18, 1.0)
    channels = np.clip(np.abs((hue * 6 + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)
    return tuple(255 * light * (1 - saturation + saturation * channels))


@dataclass(frozen=True)
class Solids:
    """Rods and ellipsoids in N frames, as the camera sees them.

    Attributes:
        start, end: (N, R, 3), ends of the rods: x, y in pixels, depth in mm.
        radius: (N, R, 2), at the start and at the end, pixels.
        bulk: (N, R, 2), the same radii in the unit of the depth.
        rod_colour: (R, 3).
        centre: (N, E, 3), of the ellipsoids: x, y in pixels, depth.
        scale: (N, E), pixels for a unit of the depth.
        form: (N, E, 3, 3), symmetric matrices Q: the surface is p' Q p = 1, p from the centre in
            camera directions.
        view: (N, E, 2), x / z and y / z of the ray through the centre.
        ellipsoid_colour: (E, 3).
        up: (N, E, 3), axis across which an ellipsoid is striped.
        stripe_colour: (E, 3), second colour.
        stripe_width: (E,), mm; 0 = plain.
        body_rods: number of rods of the body, which come first; the others are things.
        opacity: (N, R), of the rods; None = 1.
    """

    start: np.ndarray
    end: np.ndarray
    radius: np.ndarray
    bulk: np.ndarray
    rod_colour: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    form: np.ndarray
    view: np.ndarray
    ellipsoid_colour: np.ndarray
    up: np.ndarray
    stripe_colour: np.ndarray
    stripe_width: np.ndarray
    body_rods: int
    opacity: np.ndarray | None = None

    def boxes(self) -> np.ndarray:
        """Boxes (N, 4) around the body in each frame, pixels."""
        body = slice(self.body_rods)
        rods = np.concatenate([self.start[:, body, :2], self.end[:, body, :2]], axis=1)
        radius = self.radius[:, body].swapaxes(1, 2).reshape(len(rods), -1, 1)
        low, high = [rods - radius], [rods + radius]
        if self.centre.shape[1]:
            half = self._extent()
            low.append(self.centre[..., :2] - half)
            high.append(self.centre[..., :2] + half)
        low, high = np.concatenate(low, axis=1), np.concatenate(high, axis=1)
        return np.concatenate([low.min(axis=1), high.max(axis=1)], axis=-1)

    def _extent(self):
        """Half widths and heights (N, E, 2) of the ellipsoids, pixels."""
        variance = np.diagonal(np.linalg.inv(self.form), axis1=-2, axis2=-1)[..., :2]
        return np.sqrt(variance) * self.scale[..., None]


# Radii of the limbs at both ends as fractions of the stature, for average girth.
_RODS = {
    "thigh": (0.050, 0.034),
    "shank": (0.034, 0.021),
    "upper_arm": (0.029, 0.023),
    "forearm": (0.024, 0.016),
}


def figure_solids(
    figure: Figure, body: Body, look: Look, camera: Camera, *, props: Sequence[Prop] = ()
) -> Solids:
    """The solids of a person and of its things.

    Args:
        figure: where the body is, in the world.
        body: the person's measures, for the thickness of the limbs.
        look: colours and clothes.
        camera: the camera.
        props: things to draw with it.

    Returns:
        The solids in the camera's pixels.
    """
    rods = [*_limbs(figure, body, look), *_head_rods(figure, body, look)]
    rods += [(p.start, p.end, p.radius, p.radius, p.colour) for p in props]
    ellipsoids = _trunk(figure, body, look) + _head(figure, body, look)
    return _seen(rods, ellipsoids, camera, look.stripe, len(rods) - len(props))


def _limbs(figure, body, look):
    """Rods (start, end, radius, radius, colour) of arms, legs and shoulders."""
    p, size = figure.points, body.stature * body.girth
    rods = []
    for side in SIDES:
        joint = {name: p[f"{side}_{name}"] for name in _LIMB_POINTS}
        leg = [(joint["hip"], joint["knee"], "thigh"), (joint["knee"], joint["ankle"], "shank")]
        arm = [
            (joint["shoulder"], joint["elbow"], "upper_arm"),
            (joint["elbow"], joint["wrist"], "forearm"),
        ]
        for limb, covered, cloth in (
            (leg, look.legs, look.trousers),
            (arm, look.sleeves, look.shirt),
        ):
            rods += _covered(limb, covered, look.skin, cloth, size)
        rods += [
            (joint["wrist"], joint["hand"], 0.0165 * size, 0.015 * size, look.skin),
            (joint["heel"], joint["toe"], 0.024 * size, 0.017 * size, look.shoes),
            (joint["ankle"], joint["heel"], 0.021 * size, 0.022 * size, look.shoes),
            (joint["shoulder"], p["thorax"], 0.031 * size, 0.036 * size, look.shirt),
        ]
    return rods


_LIMB_POINTS = (
    "shoulder elbow wrist hand hip knee ankle heel toe".split()  # each has a right and a left one
)


def _covered(limb, covered, skin, cloth, size):
    """The two rods of a limb; a fraction `covered` from its start is dressed."""
    rods = []
    for number, (start, end, name) in enumerate(limb):
        first, last = (radius * size for radius in _RODS[name])
        share = np.clip(2 * covered - number, 0, 1)
        if share < 1:
            rods.append((start, end, first, last, skin))
        if share > 0:
            radius = first + share * (last - first)
            rods.append((start, start + share * (end - start), 1.1 * first, 1.12 * radius, cloth))
    return rods


def _trunk(figure, body, look):
    """Ellipsoids (centre, axes in columns, half lengths, colour, stripe width) of the trunk."""
    p, size, girth = figure.points, body.stature, body.girth
    wide = 0.5 * (girth + 1) * size
    deep = girth * size
    trunk, pelvis = figure.axes["trunk"], figure.axes["pelvis"]
    spine = p["thorax"] - p["pelvis"]
    middle = np.stack([trunk[..., 0], trunk[..., 1] + pelvis[..., 1], spine], axis=-1)
    middle = middle / np.linalg.norm(middle, axis=-2, keepdims=True)
    stripe = 0.62 * body.lengths["trunk"] / look.stripes if look.stripes else 0.0
    chest = p["thorax"] - trunk[..., 2] * 0.074 * size
    belly = p["pelvis"] + 0.36 * spine
    seat = p["pelvis"] + pelvis[..., 2] * 0.012 * size - pelvis[..., 1] * 0.008 * size
    return [
        (chest, trunk, (0.101 * wide, 0.064 * deep, 0.112 * size), look.shirt, stripe),
        (belly, middle, (0.088 * wide, 0.060 * deep, 0.118 * size), look.shirt, stripe),
        (seat, pelvis, (0.094 * wide, 0.066 * deep, 0.068 * size), look.trousers, 0.0),
    ]


def _head(figure, body, look):
    p, size, axes = figure.points, body.stature, figure.axes["head"]
    right, forward, up = np.moveaxis(axes, -1, 0)
    middle = 0.45 * p["neck"] + 0.55 * p["head_top"] + 0.010 * size * forward
    long = 0.46 * body.lengths["head"]
    head = [(middle, axes, (0.045 * size, 0.054 * size, long), look.skin, 0.0)]
    if not look.bald:
        crown = middle - 0.015 * size * forward + 0.013 * size * up
        head.append((crown, axes, (0.0475 * size, 0.050 * size, 0.98 * long), look.hair, 0.0))
    for sign in (-1, 1):
        eye = middle + size * (0.049 * forward + 0.018 * sign * right + 0.006 * up)
        head.append((eye, axes, (0.0085 * size, 0.006 * size, 0.007 * size), (30, 25, 25), 0.0))
    return head


def _head_rods(figure, body, look):
    p, size, axes = figure.points, body.stature, figure.axes["head"]
    forward, up = axes[..., 1], axes[..., 2]
    middle = (p["neck"] + p["head_top"]) / 2 + 0.008 * size * forward
    throat = p["neck"] + 0.012 * size * up
    nose = middle + size * (0.054 * forward + 0.004 * up)
    dark = tuple(0.86 * np.array(look.skin))
    rods = [
        (p["thorax"], throat, 0.034 * size, 0.031 * size, look.skin),
        (nose, nose + size * (0.010 * forward - 0.016 * up), 0.006 * size, 0.010 * size, dark),
    ]
    if look.long_hair:
        back = middle - 0.032 * size * forward
        end = p["thorax"] - 0.06 * size * forward - 0.02 * size * up
        rods.append((back, end, 0.040 * size, 0.026 * size, look.hair))
    return rods


def _seen(rods, ellipsoids, camera, stripe, body_rods):
    start, end = (_to_pixels(camera, np.stack([r[i] for r in rods], axis=1)) for i in (0, 1))
    bulk = np.array([r[2:4] for r in rods], float)
    depth = np.stack([start[..., 2], end[..., 2]], axis=-1)
    centre = np.stack([e[0] for e in ellipsoids], axis=1)
    axes = np.stack([e[1] for e in ellipsoids], axis=1)
    half = np.array([e[2] for e in ellipsoids])
    # Columns: unit axes in camera directions; form = A diag(1 / half^2) A'.
    axes = camera.rotation @ axes
    form = (axes / half[:, None] ** 2) @ np.swapaxes(axes, -1, -2)
    inside = camera.to_camera(centre)
    colours = np.array([e[3] for e in ellipsoids], float)
    return Solids(
        start=start,
        end=end,
        radius=camera.focal[0] * bulk / depth,
        bulk=np.broadcast_to(bulk, depth.shape),
        rod_colour=np.array([r[4] for r in rods], float),
        centre=_to_pixels(camera, centre),
        scale=camera.focal[0] / inside[..., 2],
        form=form,
        view=inside[..., :2] / inside[..., 2:],
        ellipsoid_colour=colours,
        up=axes[..., 2],
        stripe_colour=np.broadcast_to(np.asarray(stripe, float), colours.shape),
        stripe_width=np.array([e[4] for e in ellipsoids]),
        body_rods=body_rods,
    )


def _to_pixels(camera, world):
    points = camera.to_camera(world)
    return np.concatenate([camera.project(points), points[..., 2:]], axis=-1)


# ---------------------------------------------------------------------------------------- surfaces


def _rod_surface(x, y, start, end, radius, bulk):
    """The surface of a rod seen at pixels.

    Args:
        x, y: pixels, any shapes that broadcast.
        start, end: sequences x, y, depth.
        radius, bulk: sequences of two.

    Returns:
        Coverage from 0 to 1, depth, and the normal's x, y and (towards the viewer) z.
    """
    x, y = x - start[0], y - start[1]
    dx, dy = end[0] - start[0], end[1] - start[1]
    square = dx * dx + dy * dy
    t = np.clip((x * dx + y * dy) / (square + 1e-6), 0, 1)
    x, y = x - t * dx, y - t * dy
    r = radius[0] + t * (radius[1] - radius[0])
    distance = x * x + y * y
    coverage = np.clip(r + 0.5 - np.sqrt(distance), 0, 1)
    inverse = 1 / r
    z = np.sqrt(np.maximum(1 - distance * (inverse * inverse), 0))
    depth = start[2] + t * (end[2] - start[2]) - z * (bulk[0] + t * (bulk[1] - bulk[0]))
    return coverage, depth, x * inverse, y * inverse, z


def _ellipsoid_surface(x, y, centre, scale, form, view):
    """As `_rod_surface`, for an ellipsoid; `form` is indexed [row][column], `view` [x or y]."""
    x, y = (x - centre[0]) / scale, (y - centre[1]) / scale
    # The ray is (x, y, 0) + w (view, 1); form gives a w^2 + 2 b w + c = 0.
    v0, v1 = view[0], view[1]
    fx = form[0][0] * v0 + form[0][1] * v1 + form[0][2]
    fy = form[0][1] * v0 + form[1][1] * v1 + form[1][2]
    fz = form[0][2] * v0 + form[1][2] * v1 + form[2][2]
    a = fx * v0 + fy * v1 + fz
    b = fx * x + fy * y
    c = (form[0][0] * x + 2 * form[0][1] * y) * x + form[1][1] * y * y - 1
    square = b * b - a * c
    # Distance to the outline, to first order: the discriminant over its gradient.
    gx = fx * b - a * (form[0][0] * x + form[0][1] * y)
    gy = fy * b - a * (form[0][1] * x + form[1][1] * y)
    slope = 2 * np.sqrt(gx * gx + gy * gy) + 1e-12
    coverage = np.clip(0.5 + square / slope * scale, 0, 1)
    w = (-b - np.sqrt(np.maximum(square, 0))) / a
    px, py = x + w * v0, y + w * v1
    nx = form[0][0] * px + form[0][1] * py + form[0][2] * w
    ny = form[0][1] * px + form[1][1] * py + form[1][2] * w
    nz = form[0][2] * px + form[1][2] * py + form[2][2] * w
    norm = 1 / np.sqrt(nx * nx + ny * ny + nz * nz + 1e-20)
    return coverage, centre[2] + w, nx * norm, ny * norm, -nz * norm, (px, py, w)


def hidden_behind(solids: Solids, points: np.ndarray, slack: np.ndarray) -> np.ndarray:
    """Which points are behind a solid.

    Args:
        solids: what may hide them, in N frames.
        points: (N, J, 3): x, y in pixels, depth in mm.
        slack: (J,), mm by which a surface must be in front of a point to hide it, more than the
            point's depth in its own limb.

    Returns:
        Booleans (N, J).
    """
    x, y = points[..., None, 0], points[..., None, 1]
    limit = (points[..., 2] - slack)[..., None]

    def parameters(values):
        return np.moveaxis(values[:, None], -1, 0)

    coverage, depth, *_ = _rod_surface(
        x,
        y,
        parameters(solids.start),
        parameters(solids.end),
        parameters(solids.radius),
        parameters(solids.bulk),
    )
    hidden = ((coverage > 0.5) & (depth < limit)).any(axis=-1)
    form = np.moveaxis(solids.form[:, None], (-2, -1), (0, 1))
    coverage, depth, *_ = _ellipsoid_surface(
        x, y, parameters(solids.centre), solids.scale[:, None], form, parameters(solids.view)
    )
    return hidden | ((coverage > 0.5) & (depth < limit)).any(axis=-1)


# ----------------------------------------------------------------------------------------- drawing


class LazyFrames(Sequence):
    """Frames that are drawn on demand; subclasses have ``draw(index)``.

    Args:
        count: number of frames.
    """

    def __init__(self, count: int):
        self._count = count

    def __len__(self):
        return self._count

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"The video has {len(self)} frames and no frame {index}.")
        return self.draw(int(index) % len(self))

    @abstractmethod
    def draw(self, index: int) -> np.ndarray:
        """The frame of an index from 0, uint8 (H, W, 3), RGB."""


@dataclass(frozen=True)
class Light:
    """Light from one side and from everywhere.

    Attributes:
        direction: (3,), unit vector to the light in camera directions.
        ambient: fraction of the light that comes from everywhere, 0 to 1.
    """

    direction: np.ndarray
    ambient: float = 0.45


def draw_solids(picture: np.ndarray, solids: Solids, frame: int, light: Light) -> None:
    """Draws the solids of one frame into a picture.

    Args:
        picture: float32 (H, W, 3), RGB, 0 to 255; it is changed.
        solids: what to draw.
        frame: which frame of it.
        light: how it is lit.
    """
    height, width = picture.shape[:2]
    nearest = np.full((height, width), np.inf, np.float32)
    rods = np.concatenate(
        [solids.start[frame], solids.end[frame], solids.radius[frame], solids.bulk[frame]], axis=1
    )
    jobs = [(-(r[2] + r[5]) / 2, 0, i) for i, r in enumerate(rods.tolist()) if sum(r) == sum(r)]
    jobs += [(-c[2], 1, i) for i, c in enumerate(solids.centre[frame].tolist()) if c[0] == c[0]]
    half = solids._extent()[frame] + 1 if solids.centre.shape[1] else None
    for _, kind, i in sorted(jobs):  # from far to near, for the soft edges
        if kind == 0:
            r = rods[i].tolist()
            box = _rod_box(r, width, height)
        else:
            (cx, cy), (hx, hy) = solids.centre[frame, i, :2].tolist(), half[i].tolist()
            box = _clipped(cx - hx, cy - hy, cx + hx, cy + hy, width, height)
        if box is None:
            continue
        x1, y1, x2, y2 = box
        x = np.arange(x1, x2, dtype=np.float32)
        y = np.arange(y1, y2, dtype=np.float32)[:, None]
        if kind == 0:
            surface = list(_rod_surface(x, y, r[0:3], r[3:6], r[6:8], r[8:10]))
            if solids.opacity is not None:
                surface[0] *= np.float32(solids.opacity[frame, i])
            colour = solids.rod_colour[i]
        else:
            form = solids.form[frame, i].tolist()
            centre, view = solids.centre[frame, i].tolist(), solids.view[frame, i].tolist()
            *surface, inner = _ellipsoid_surface(
                x, y, centre, float(solids.scale[frame, i]), form, view
            )
            colour = _ellipsoid_colour(solids, frame, i, inner)
        patch = (slice(y1, y2), slice(x1, x2))
        _blend(picture[patch], nearest[patch], surface, colour, light)


def _rod_box(r, width, height):
    radius = max(r[6], r[7]) + 1
    return _clipped(
        min(r[0], r[3]) - radius,
        min(r[1], r[4]) - radius,
        max(r[0], r[3]) + radius,
        max(r[1], r[4]) + radius,
        width,
        height,
    )


def _clipped(x1, y1, x2, y2, width, height):
    x1, y1 = max(int(np.floor(x1)), 0), max(int(np.floor(y1)), 0)
    x2, y2 = min(int(np.ceil(x2)) + 1, width), min(int(np.ceil(y2)) + 1, height)
    return (x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None


def _ellipsoid_colour(solids, frame, i, inner):
    colour = solids.ellipsoid_colour[i]
    if not solids.stripe_width[i]:
        return colour
    up = solids.up[frame, i].tolist()
    along = inner[0] * up[0] + inner[1] * up[1] + inner[2] * up[2]
    second = np.sin(along * (np.pi / solids.stripe_width[i])) > 0
    return np.where(second[..., None], solids.stripe_colour[i], colour).astype(np.float32)


def _blend(picture, nearest, surface, colour, light):
    coverage, depth, nx, ny, nz = surface
    coverage = coverage * (depth < nearest)
    lx, ly, lz = light.direction.tolist()
    lit = np.maximum(nx * lx + ny * ly - nz * lz, 0)
    shade = light.ambient * (0.75 + 0.25 * nz) + (1.05 - light.ambient) * lit
    alpha = coverage[..., None]
    picture += alpha * (shade[..., None] * np.asarray(colour, np.float32) - picture)
    np.copyto(nearest, depth, where=coverage > 0.5)
