"""Random changes to training images, drawn from a given `numpy.random.Generator`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from deephar.data.images import normalize
from deephar.geometry import box_around, crop_affine, square_window
from deephar.skeletons import Skeleton, get_skeleton

Seed = int | Sequence[int]
"""What `numpy.random.default_rng` takes as a seed."""

_UPPER = 0.75  # how often half a body is the upper one
_LOWER_BODY = ("pelvis", "hip", "knee", "ankle", "foot")
_LEAST_JOINTS = 3  # with a label, for half a body
_HALF_MARGIN = 1.5  # of the box around its joints
_LEAST_PART = 0.4  # of the side of the whole window


@dataclass(frozen=True)
class Augmentation:
    """Ranges of the random changes to a training image. The defaults are those of the paper.

    Windows around half a body, which is what a webcam shows, are in the manner of J. Wang et al.,
    "Deep High-Resolution Representation Learning for Visual Recognition", 2019.

    Attributes:
        rotation: largest angle to either side, degrees.
        scale: smallest and largest factor on the side of the crop window; the person appears
            smaller in a larger window.
        flip: probability of a horizontal flip (with left and right joints swapped).
        translation: largest shift of the window to any side, as a fraction of its side before
            scaling. The paper gives no number; 0.1 keeps most joints of most people in the crop.
        channel_power: smallest and largest exponent on each channel's values in [0, 1].
        half_body: probability of a window around the labelled joints of the upper or of the lower
            body, in stills.

    Raises:
        ValueError: A range is empty or out of bounds.
    """

    rotation: float = 40.0
    scale: tuple[float, float] = (0.7, 1.3)
    flip: float = 0.5
    translation: float = 0.1
    channel_power: tuple[float, float] = (0.9, 1.1)
    half_body: float = 0.0

    def __post_init__(self):
        check_factors(self, scale=np.inf, channel_power=np.inf)
        check_limits(self, rotation=180, flip=1, translation=1, half_body=1)

    def sample(self, rng: np.random.Generator) -> "ImageChange":
        """Draws one random change within the ranges."""
        # Always 20 numbers, of which some are unused: the crops of a seed stay the same when a
        # change is switched off, or another kind of change is added.
        u = rng.random(20)
        return ImageChange(
            angle=between(-self.rotation, self.rotation, u[0]),
            scale=between(*self.scale, u[1]),
            flip=bool(u[2] < self.flip),
            shift=between(-self.translation, self.translation, u[3:5]),
            power=between(*self.channel_power, u[5:8]),
            half=("upper" if u[9] < _UPPER else "lower") if u[8] < self.half_body else None,
        )


def check_factors(augmentation: object, **most: float) -> None:
    """Checks ranges of factors, (low, high), of an augmentation.

    Args:
        augmentation: has the ranges as attributes.
        **most: the name of a range -> its largest value; ``inf`` for none.

    Raises:
        ValueError: A range is empty, or not above 0 or up to its largest value.
    """
    for name, limit in most.items():
        low, high = getattr(augmentation, name)
        if not (0 < low <= high <= limit and high < np.inf):
            upper = "" if limit == np.inf else f" <= {limit}"
            raise ValueError(
                f"{name} must be (low, high) with 0 < low <= high{upper}, got {low, high}."
            )


def check_limits(augmentation: object, **most: float) -> None:
    """Checks numbers of an augmentation that are 0 or more.

    Args:
        augmentation: has the numbers as attributes.
        **most: the name of a number -> its largest value.

    Raises:
        ValueError: A number is below 0 or too large.
    """
    for name, limit in most.items():
        if not 0 <= getattr(augmentation, name) <= limit:
            raise ValueError(f"{name} must be 0 to {limit}, got {getattr(augmentation, name)}.")


class ImageChange(NamedTuple):
    """One random change, as `Augmentation.sample` draws it; by default none.

    Attributes:
        angle: degrees, counter-clockwise on the screen.
        scale: factor on the side of the window.
        flip: whether to mirror the crop.
        shift: (2,), shift of the window in x and y, as a fraction of its side.
        power: (3,), exponents of the channels.
        half: the half of the body that is in the window, ``"upper"`` or ``"lower"``; None for all
            of it.
    """

    angle: float = 0.0
    scale: float = 1.0
    flip: bool = False
    shift: Sequence[float] = (0.0, 0.0)
    power: Sequence[float] = (1.0, 1.0, 1.0)
    half: str | None = None

    def window(
        self,
        joints: np.ndarray,
        skeleton: str | Skeleton,
        center: Sequence[float],
        side: float,
    ) -> tuple[np.ndarray, float]:
        """Centre (2,) and side of the window in pixels, around half of the body if `half` says so.

        Args:
            joints: (joints, 2), pixels, NaN where unlabelled.
            skeleton: the skeleton of `joints`.
            center: (2,), centre of the window around the whole person. It stays if this half of
                the body has few labels.
            side: its side.
        """
        names = get_skeleton(skeleton).joints
        inside = [(name.split("_")[-1] in _LOWER_BODY) == (self.half == "lower") for name in names]
        inside &= np.isfinite(joints).all(axis=-1)
        if self.half is None or inside.sum() < _LEAST_JOINTS:
            return np.asarray(center, float), side
        middle, length = square_window(box_around(joints[inside]), _HALF_MARGIN)
        return middle, max(length, _LEAST_PART * side)

    def affine(self, center: Sequence[float], side: float) -> np.ndarray:
        """Map (3, 3) from image pixels to the unit crop of the changed window.

        Args:
            center: (2,), centre of the window before the change, pixels.
            side: its side, pixels.
        """
        center = np.asarray(center) + side * np.asarray(self.shift)
        return crop_affine(center, side * self.scale, angle=self.angle, flip=self.flip)

    def finish(self, pixels: np.ndarray) -> np.ndarray:
        """Network input float32 (S, S, 3) of a crop uint8 (S, S, 3), with the change of colours."""
        return normalize(pixels, self.power)


def sample_change(
    augmentation: Augmentation | None, rng: np.random.Generator | None
) -> ImageChange:
    """One random change; without `augmentation`, the one that changes nothing.

    Raises:
        ValueError: Augmentation without `rng`.
    """
    if augmentation is None:
        return ImageChange()
    check_generator(rng)
    return augmentation.sample(rng)


def check_generator(rng: np.random.Generator | None) -> None:
    """Raises ValueError if there is no generator for the random choices of an augmentation."""
    if rng is None:
        raise ValueError("Augmentation needs rng, a numpy.random.Generator. Give one.")


def generators(seeds: Sequence[Seed] | None, count: int) -> list[np.random.Generator | None]:
    """The generator of each of `count` items: from its seed, or None if there are no seeds."""
    if seeds is None:
        return [None] * count
    return [np.random.default_rng(seed) for seed in seeds]


def between(low: float, high: float, u: float | np.ndarray) -> float | np.ndarray:
    """Random numbers `u` in [0, 1), stretched to the range from `low` to `high`."""
    return low + (high - low) * u
