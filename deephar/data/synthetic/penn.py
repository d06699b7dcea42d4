"""Penn Action with drawn frames: real motion and the official split, without the videos.

A figure is drawn at the 13 labelled joints of each frame, by the renderer of `Synthetic`. Scores on
these pictures are not scores on Penn Action; the data set is named ``penn-drawn``.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np

from deephar.camera import Camera
from deephar.data.samples import Video
from deephar.data.sets.penn import PennAction
from deephar.data.synthetic.body import SIDES, unit_vectors
from deephar.data.synthetic.render import LazyFrames, Light, Look, Solids, draw_solids
from deephar.data.synthetic.scenery import surroundings
from deephar.skeletons import get_skeleton

_JOINTS = get_skeleton("penn13").joints

# Bone lengths as fractions of the stature (see deephar.data.synthetic.body), to guess the stature.
_BONES = (
    ("shoulder", "hip", 0.29),
    ("hip", "knee", 0.245),
    ("knee", "ankle", 0.246),
    ("shoulder", "elbow", 0.186),
    ("elbow", "wrist", 0.146),
)

# Limbs: from, to, radii as fractions of the stature, name. Tips at the ends of limbs: name, length,
# radius.
_LIMBS = (
    ("hip", "knee", 0.052, 0.036, "thigh"),
    ("knee", "ankle", 0.036, 0.024, "shank"),
    ("shoulder", "elbow", 0.031, 0.025, "upper_arm"),
    ("elbow", "wrist", 0.026, 0.018, "forearm"),
)
_TIPS = {"forearm": ("hand", 0.07, 0.018), "shank": ("foot", 0.03, 0.028)}

_KEPT = 16  # videos whose surroundings stay in memory, about 1 MB each

_SHORTEST = 1e-6  # length that the direction of a limb is divided by at least
_FAINT = 0.3  # opacity of limbs that end in a hidden joint


class DrawnPenn:
    """The videos of Penn Action with frames that are drawn from the labels.

    Pelvis and neck are put in the middle of hips and shoulders. Limbs that end in a hidden joint
    are drawn faintly behind the others; those that end in an unlabelled joint are left out.

    Args:
        root: folder with the ``labels`` of Penn Action.
        split: ``"train"`` or ``"test"``.
        image_size: longer side of the frames in pixels; the labels are scaled along. None for the
            size of the real frames.
        seed: seed of clothes and surroundings.
        actions: names of the actions, as for `PennAction`.

    Attributes:
        split, actions: as in `PennAction`.
        head: name of the action head for these actions, which is that of the real videos.
        source: what was read, and that it was drawn.

    Raises:
        FileNotFoundError: As `PennAction`.
        ValueError: As `PennAction`, or a size or seed out of range.
    """

    name = "penn-drawn"
    skeleton = "penn13"
    held_out_by = "videos"
    head = PennAction.name

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        *,
        image_size: int | None = 320,
        seed: int = 0,
        actions: Sequence[str] | None = None,
    ):
        if image_size is not None and not 32 <= image_size <= 2048:
            raise ValueError(f"image_size must be from 32 to 2048, or None, got {image_size}.")
        if seed < 0:
            raise ValueError(f"The seed must not be negative, got {seed}.")
        self.labels = PennAction(root, split, frames=False, actions=actions)
        self.split = split
        self.image_size = image_size
        self.seed = seed
        self.actions = self.labels.actions
        self.source = f"{self.labels.source}, frames drawn from the labels"
        self._kept = OrderedDict()

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        video = _resized(self.labels[index], self.image_size)
        return replace(video, frames=self._frames(video))

    def names(self) -> list[str]:
        """Names of all videos, in order."""
        return self.labels.names()

    def _frames(self, video):
        """The frames of a video; those of the last few videos are kept with their surroundings."""
        frames = self._kept.pop(video.name, None)
        if frames is None:
            number = int.from_bytes(video.name.encode()[-8:])
            frames = DrawnPennFrames(video, [self.seed, number])
        self._kept[video.name] = frames
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return frames

    def __getstate__(self):
        return self.__dict__ | {"_kept": OrderedDict()}

    def __repr__(self):
        return f"DrawnPenn({len(self)} videos, split={self.split!r}): {self.source}"


def _resized(video: Video, longer: int | None) -> Video:
    """The labels of a video whose frames are scaled to a longer side in pixels."""
    if longer is None:
        return video
    factor = longer / max(video.size)
    size = tuple(max(1, round(side * factor)) for side in video.size)
    # Each side has its own factor, since sizes are integers. The centre of pixel 0 is at 0.
    scale = np.array(size) / video.size
    return replace(
        video,
        joints=(video.joints + 0.5) * scale - 0.5,
        boxes=(video.boxes + 0.5) * np.tile(scale, 2) - 0.5,
        size=size,
    )


class DrawnPennFrames(LazyFrames):
    """Frames that show a figure at the labelled joints: uint8 (H, W, 3), RGB.

    Args:
        video: the labels, with 13 joints; `size` is the size to draw.
        key: seed of clothes and surroundings.
    """

    def __init__(self, video: Video, key: Sequence[int]):
        super().__init__(len(video.joints))
        # Copies, so that a caller's changes to the labels are not drawn.
        self._joints, self._visible = video.joints.copy(), video.visible.copy()
        self._size = video.size
        self._key = list(key)

    def draw(self, index: int) -> np.ndarray:
        picture = self._scenery.background.astype(np.float32)
        draw_solids(picture, self._solids, index, self._light)
        return self._scenery.developed(picture, index)

    @cached_property
    def _light(self):
        rng = np.random.default_rng([*self._key, 1])
        angle = rng.uniform(-1, 1)
        direction = np.array([np.sin(angle), -0.8, -rng.uniform(0.4, 1.0)])
        return Light(direction / np.linalg.norm(direction), rng.uniform(0.4, 0.6))

    @cached_property
    def _scenery(self):
        rng = np.random.default_rng([*self._key, 2])
        (width, height), side = self._size, max(self._size)
        pitch = np.radians(rng.uniform(2, 14))
        forward = np.array([0, np.cos(pitch), -np.sin(pitch)])
        camera = Camera(
            focal=np.full(2, 1.4 * side),
            center=np.array([(width - 1) / 2, (height - 1) / 2]),
            rotation=np.stack([[1, 0, 0], np.cross(forward, [1, 0, 0]), forward]),
            translation=np.array([0, 0, rng.uniform(1200, 2400)]),
        )
        whole = surroundings(rng, side, camera, rng.uniform(6000, 15000))
        return replace(
            whole,
            background=np.ascontiguousarray(whole.background[:height, :width]),
            floor=whole.floor[:height],
            grain=whole.grain[:height, :width],
        )

    @cached_property
    def _solids(self) -> Solids:
        rng = np.random.default_rng([*self._key, 3])
        return flat_figure(self._joints, self._visible, Look.random(rng, rng))


def flat_figure(joints: np.ndarray, visible: np.ndarray, look: Look) -> Solids:
    """The solids of a figure at given 2D joints.

    Args:
        joints: (N, 13, 2), pixels, in the order of ``penn13``, NaN where unlabelled.
        visible: (N, 13), 1 = visible, 0 = hidden.
        look: colours and clothes.

    Returns:
        Solids in pixels, in depth too; NaN where a joint is unlabelled. The limbs of the side
        with more visible joints are nearest; hidden limbs are behind everything and faint.
    """
    size = _stature(_by_name(joints))
    at, hidden = _by_name(_without_strays(joints, size)), _by_name(visible == 0)
    front = [np.nansum(visible[:, [_JOINTS.index(n) for n in at if side in n]]) for side in SIDES]
    near = SIDES[int(np.argmax(front))]
    rods = []
    for side in SIDES:
        depth = -(0.16 if side == near else 0.11) * size
        rods += _side_rods(at, hidden, side, depth, size, look)
    rods.append(_neck(at, size, look))
    start, end, radius, colour, faint = zip(*rods, strict=True)
    radius = size[:, None, None] * np.array(radius)
    ellipsoids = _trunk(at, size, look) + _head(at, size, look)
    centre, form, up, fill, stripe = zip(*ellipsoids, strict=True)
    count = len(joints)
    return Solids(
        start=np.stack(start, axis=1),
        end=np.stack(end, axis=1),
        radius=radius,
        bulk=radius,
        rod_colour=np.array(colour, float),
        centre=np.stack(centre, axis=1),
        scale=np.ones((count, len(ellipsoids))),
        form=np.stack(form, axis=1),
        view=np.zeros((count, len(ellipsoids), 2)),
        ellipsoid_colour=np.array(fill, float),
        up=np.stack(up, axis=1),
        stripe_colour=np.tile(np.asarray(look.stripe, float), (len(ellipsoids), 1)),
        stripe_width=np.array(stripe),
        body_rods=len(rods),
        opacity=np.where(np.stack(faint, axis=1), _FAINT, 1.0),
    )


def _by_name(values):
    return dict(zip(_JOINTS, np.moveaxis(values, 1, 0), strict=True))


def _stature(at):
    """The person's height in each frame, (N,), pixels, guessed from the lengths of the bones."""
    lengths = [
        np.linalg.norm(at[f"{side}_{start}"] - at[f"{side}_{end}"], axis=-1) / part
        for side in SIDES
        for start, end, part in _BONES
    ]
    lengths = np.stack(lengths, axis=-1)
    # Foreshortened bones look too short, misplaced joints make them too long.
    guess = np.full(len(lengths), np.nan)
    known = np.isfinite(lengths).any(axis=-1)
    guess[known] = np.nanpercentile(lengths[known], 75, axis=-1)
    if not known.any():
        return np.full(len(lengths), 100.0)
    middle = np.median(guess[known])
    guess = np.clip(np.where(known, guess, middle), 0.6 * middle, 1.6 * middle)
    width = min(15, (len(guess) - 1) // 2)  # the camera may zoom, but not from frame to frame
    padded = np.pad(guess, width, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * width + 1)
    return np.maximum(np.median(windows, axis=-1), 10.0)


def _without_strays(joints, size):
    """Joints (N, 13, 2), NaN where far from all others, as some guesses of annotators are."""
    known = np.isfinite(joints).all(axis=-1).any(axis=-1)
    middle = np.zeros((len(joints), 1, 2))
    middle[known] = np.nanmedian(joints[known], axis=1, keepdims=True)
    far = np.linalg.norm(joints - middle, axis=-1) > 0.9 * size[:, None]
    return np.where(far[..., None], np.nan, joints)


def _side_rods(at, hidden, side, depth, size, look):
    """Rods (start, end, radii, colour, faint) of an arm and a leg."""
    cloth = {
        "thigh": look.trousers,
        "shank": look.trousers if look.legs > 0.5 else look.skin,
        "upper_arm": look.shirt if look.sleeves else look.skin,
        "forearm": look.shirt if look.sleeves > 0.5 else look.skin,
        "hand": look.skin,
        "foot": look.shoes,
    }
    rods = []
    for start, end, first, last, what in _LIMBS:
        a, b = at[f"{side}_{start}"], at[f"{side}_{end}"]
        faint = hidden[f"{side}_{start}"] | hidden[f"{side}_{end}"]
        z = np.where(faint, 0.3 * size, depth)
        rods.append((_at_depth(a, z), _at_depth(b, z), (first, last), cloth[what], faint))
        if what in _TIPS:
            name, beyond, radius = _TIPS[what]
            tip = b + beyond * size[:, None] * unit_vectors(b - a, least=_SHORTEST)
            rods.append((_at_depth(b, z), _at_depth(tip, z), (radius, radius), cloth[name], faint))
    ends = [_at_depth(p, 0 * size) for p in (at[f"{side}_shoulder"], _middle(at, "shoulder"))]
    return [*rods, (*ends, (0.033, 0.037), look.shirt, np.zeros(len(size), bool))]


def _neck(at, size, look):
    base, head = _middle(at, "shoulder"), at["head_top"]
    z = -0.01 * size
    end = base + 0.6 * (head - base)
    never = np.zeros(len(size), bool)
    return _at_depth(base, z), _at_depth(end, z), (0.033, 0.030), look.skin, never


def _trunk(at, size, look):
    """Ellipsoids (centre, form, up, colour, stripe width) of the trunk."""
    top, bottom = _middle(at, "shoulder"), _middle(at, "hip")
    up = unit_vectors(top - bottom, least=_SHORTEST)
    long = np.linalg.norm(top - bottom, axis=-1)
    wide = {
        name: np.linalg.norm(at[f"right_{name}"] - at[f"left_{name}"], axis=-1) / 2
        for name in ("shoulder", "hip")
    }
    chest = (np.fmax(0.9 * wide["shoulder"], 0.066 * size), 0.064 * size, 0.40 * long)
    belly = (np.fmax(0.75 * wide["shoulder"], 0.062 * size), 0.060 * size, 0.42 * long)
    seat = (np.fmax(wide["hip"] + 0.035 * size, 0.066 * size), 0.066 * size, 0.068 * size)
    middle = np.nanmedian(long) if np.isfinite(long).any() else 1.0
    stripe = 0.62 * float(middle) / look.stripes if look.stripes else 0.0
    flat = np.zeros(len(size))
    return [
        (*_ellipsoid(top - 0.26 * long[:, None] * up, flat, up, chest), look.shirt, stripe),
        (*_ellipsoid(bottom + 0.38 * long[:, None] * up, flat, up, belly), look.shirt, stripe),
        (*_ellipsoid(bottom, flat, up, seat), look.trousers, 0.0),
    ]


def _head(at, size, look):
    head = at["head_top"]
    up = unit_vectors(head - _middle(at, "shoulder"), least=_SHORTEST)
    up = np.where(np.isfinite(up), up, (0.0, -1.0))
    z = -0.02 * size
    face = (0.046 * size, 0.054 * size, 0.066 * size)
    ellipsoids = [(*_ellipsoid(head, z, up, face), look.skin, 0.0)]
    if not look.bald:
        hair = (0.0475 * size, 0.054 * size, 0.058 * size)
        crown = head + 0.017 * size[:, None] * up
        ellipsoids.append((*_ellipsoid(crown, z - 0.004 * size, up, hair), look.hair, 0.0))
    return ellipsoids


def _ellipsoid(centre, depth, up, half):
    """Centre, form and axis of an upright ellipsoid in the plane of the picture."""
    up = np.where(np.isfinite(up), up, (0.0, -1.0))
    axes = np.zeros((len(up), 3, 3))
    axes[:, :2, 0] = np.stack([-up[:, 1], up[:, 0]], axis=-1)
    axes[:, 2, 1] = 1.0
    axes[:, :2, 2] = up
    half = np.stack(half, axis=-1)
    half = np.where(np.isfinite(half), np.maximum(half, 0.5), 1.0)
    form = (axes / half[:, None] ** 2) @ axes.swapaxes(-1, -2)
    return _at_depth(centre, depth), form, axes[..., 2]


def _middle(at, joint):
    """The point between a joint of both sides; of one side, if the other is unlabelled."""
    right, left = (at[f"{side}_{joint}"] for side in SIDES)
    return np.where(np.isnan(right), left, np.where(np.isnan(left), right, (right + left) / 2))


def _at_depth(points, depth):
    return np.concatenate([points, depth[:, None]], axis=-1)
