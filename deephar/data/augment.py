"""Random changes to training images, drawn from a `numpy.random.Generator` that is passed in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from deephar.data.images import normalize
from deephar.geometry import crop_affine


@dataclass(frozen=True)
class Augmentation:
    """Ranges of the random changes to a training image. The defaults are those of the paper.

    Attributes:
        rotation: largest angle to either side, degrees.
        scale: smallest and largest factor on the side of the crop window; the person appears
            smaller in a larger window.
        flip: probability of a horizontal flip (with left and right joints swapped).
        translation: largest shift of the window to any side, as a fraction of its side before
            scaling. The paper gives no number; 0.1 keeps most joints of most people in the crop.
        channel_power: smallest and largest exponent on each channel's values in [0, 1].
        colour: largest relative change of each channel's brightness; 0 = off.
        occlusion: probability of hiding a random rectangle (sides 0.1 to 0.4 of the crop) under a
            random colour; 0 = off. Targets stay, so that the network learns to guess.

    Raises:
        ValueError: a range is empty or out of bounds.
    """

    rotation: float = 40.0
    scale: tuple[float, float] = (0.7, 1.3)
    flip: float = 0.5
    translation: float = 0.1
    channel_power: tuple[float, float] = (0.9, 1.1)
    colour: float = 0.0
    occlusion: float = 0.0

    def __post_init__(self):
        for name in ("scale", "channel_power"):
            low, high = getattr(self, name)
            if not 0 < low <= high < np.inf:
                raise ValueError(
                    f"{name} must be (low, high) with 0 < low <= high, got {low, high}."
                )
        for name, high in (("rotation", 180), ("translation", 1)):
            if not 0 <= getattr(self, name) <= high:
                raise ValueError(f"{name} must be 0 to {high}, got {getattr(self, name)}.")
        for name in ("flip", "colour", "occlusion"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be 0 to 1, got {getattr(self, name)}.")

    def draw(self, rng: np.random.Generator) -> "Draw":
        """Picks one random change within the ranges."""
        # Always as many numbers in the same order: switching one change on or off leaves the rest
        # of an experiment's random choices as they were.
        u = rng.random(20)
        size = 0.1 + 0.3 * u[13:15]
        corner = u[15:17] * (1 - size)
        return Draw(
            angle=_between(-self.rotation, self.rotation, u[0]),
            scale=_between(*self.scale, u[1]),
            flip=bool(u[2] < self.flip),
            shift=_between(-self.translation, self.translation, u[3:5]),
            power=_between(*self.channel_power, u[5:8]),
            gain=_between(1 - self.colour, 1 + self.colour, u[8:11]),
            hidden=np.concatenate([corner, corner + size]) if u[11] < self.occlusion else None,
            hidden_colour=255 * u[17:20],
        )


class Draw(NamedTuple):
    """One random change, as `Augmentation.draw` picks it; by default none.

    Attributes:
        angle: degrees, counter-clockwise on the screen.
        scale: factor on the side of the window.
        flip: whether to mirror the crop.
        shift: (2,), shift of the window in x and y, as a fraction of its side.
        power: (3,), exponents of the channels.
        gain: (3,), factors of the channels.
        hidden: rectangle (x1, y1, x2, y2) of the unit crop to hide, or None.
        hidden_colour: (3,), its colour, 0 to 255.
    """

    angle: float = 0.0
    scale: float = 1.0
    flip: bool = False
    shift: Sequence[float] = (0.0, 0.0)
    power: Sequence[float] = (1.0, 1.0, 1.0)
    gain: Sequence[float] = (1.0, 1.0, 1.0)
    hidden: Sequence[float] | None = None
    hidden_colour: Sequence[float] = (0.0, 0.0, 0.0)

    def affine(self, center: Sequence[float], side: float) -> np.ndarray:
        """Map (3, 3) from image pixels to the unit crop of the changed window.

        Args:
            center: (2,), centre of the window before the change, pixels.
            side: its side, pixels.
        """
        center = np.asarray(center) + side * np.asarray(self.shift)
        return crop_affine(center, side * self.scale, self.angle, self.flip)

    def finish(self, pixels: np.ndarray) -> np.ndarray:
        """Network input float32 (S, S, 3) of a crop uint8 (S, S, 3), with the change of colours.

        Writes the hidden rectangle into `pixels`.
        """
        if self.hidden is not None:
            x1, y1, x2, y2 = np.rint(np.multiply(self.hidden, len(pixels))).astype(int)
            pixels[y1:y2, x1:x2] = self.hidden_colour
        return normalize(pixels, self.power, self.gain)


def draw_change(augmentation: Augmentation | None, rng: np.random.Generator | None) -> Draw:
    """One random change; without `augmentation`, the one that changes nothing.

    Raises:
        ValueError: augmentation without `rng`.
    """
    if augmentation is None:
        return Draw()
    if rng is None:
        raise ValueError("Augmentation needs `rng`, a numpy.random.Generator to draw from.")
    return augmentation.draw(rng)


def _between(low, high, u):
    return low + (high - low) * u
