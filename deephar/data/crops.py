"""From a person in an image to the network's input and target."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deephar.data.augment import Augmentation, Seed, generators, sample_change
from deephar.data.images import crop_and_size
from deephar.data.inputs import InputSpec
from deephar.data.samples import Sample
from deephar.data.targets import pose_target
from deephar.skeletons import get_skeleton


@dataclass(frozen=True, eq=False)
class Crop:
    """A sample as the network takes it: input and target.

    Attributes:
        image: float32 (S, S, 3), RGB in [-1, 1]; -1 (black) outside of the picture.
        target: float32 (joints, dim + 1), see `pose_target`.
        affine: (3, 3), image pixels to the unit crop, with all augmentation in it.
    """

    image: np.ndarray
    target: np.ndarray
    affine: np.ndarray


def crop_sample(
    sample: Sample,
    spec: InputSpec,
    *,
    augmentation: Augmentation | None = None,
    rng: np.random.Generator | None = None,
) -> Crop:
    """The network's input and target for one person.

    Args:
        sample: the person.
        spec: size of the crop, skeleton and coordinates of the target.
        augmentation: random changes; None for none.
        rng: source of all random choices; needed with `augmentation`.

    Returns:
        The crop.

    Raises:
        FileNotFoundError: The image file does not exist.
        ValueError: The image cannot be decoded; the sample's window is empty or does not touch the
            image; the number of joints is wrong; augmentation without `rng`.
    """
    _check_sample(sample)
    change = sample_change(augmentation, rng)
    center, side = change.window(sample.joints, sample.skeleton, sample.center, sample.side)
    affine = change.affine(center, side)
    pixels, size = crop_and_size(sample.image, affine, spec.image_size)
    check_touches(f"Sample {sample.name!r}", sample.center, sample.side, size)
    depth = None if sample.joints_3d is None else sample.joints_3d[:, 2]
    target = pose_target(
        sample.joints,
        affine,
        source=sample.skeleton,
        skeleton=spec.skeleton,
        flip=change.flip,
        dim=spec.dim,
        depth=depth,
    )
    return Crop(image=change.finish(pixels), target=target, affine=affine)


def crop_batch(
    samples: Sequence[Sample],
    spec: InputSpec,
    *,
    seeds: Sequence[Seed] | None = None,
    augmentation: Augmentation | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The crops of several persons, stacked.

    Args:
        samples: B persons.
        spec: size of the crops, skeleton and coordinates of the targets.
        seeds: for each person what `numpy.random.default_rng` takes; needed with `augmentation`.
        augmentation: random changes; None for none.

    Returns:
        Images float32 (B, S, S, 3) and targets float32 (B, joints, dim + 1).

    Raises:
        FileNotFoundError: As `crop_sample`.
        ValueError: As `crop_sample`.
    """
    images = np.empty((len(samples), spec.image_size, spec.image_size, 3), np.float32)
    targets = np.empty((len(samples), spec.num_joints, spec.dim + 1), np.float32)
    for i, (sample, rng) in enumerate(zip(samples, generators(seeds, len(samples)), strict=True)):
        crop = crop_sample(sample, spec, augmentation=augmentation, rng=rng)
        images[i], targets[i] = crop.image, crop.target
    return images, targets


def touches(center: np.ndarray, side: float, size: Sequence[int]) -> bool:
    """Whether a square window shows any part of an image.

    Args:
        center: (2,), centre of the window, pixels.
        side: its side, pixels.
        size: (width, height) of the image, pixels.
    """
    low, high = center - side / 2, center + side / 2
    return bool((high > -0.5).all() and (low < np.array(size) - 0.5).all())


def check_touches(who: str, center: np.ndarray, side: float, size: Sequence[int]) -> None:
    """Raises unless a window shows a part of the image.

    Args:
        who: what the window is of, the beginning of the error message.
        center: as for `touches`.
        side: as for `touches`.
        size: as for `touches`.

    Raises:
        ValueError: The window does not touch the image.
    """
    if touches(center, side, size):
        return
    low, high = center - side / 2, center + side / 2
    raise ValueError(
        f"{who} lies wholly outside of its image of {size[0]} x {size[1]} pixels: its window is "
        f"({low[0]:.0f}, {low[1]:.0f}, {high[0]:.0f}, {high[1]:.0f}). Correct its position and "
        "scale in the annotation, or remove it."
    )


def _check_sample(sample):
    where = f"Sample {sample.name!r}"
    if np.shape(sample.joints) != (get_skeleton(sample.skeleton).num_joints, 2):
        raise ValueError(
            f"{where} has joints of shape {np.shape(sample.joints)}, but its skeleton "
            f"{sample.skeleton!r} needs ({get_skeleton(sample.skeleton).num_joints}, 2)."
        )
    if sample.joints_3d is not None and np.shape(sample.joints_3d) != (len(sample.joints), 3):
        raise ValueError(
            f"{where} has joints_3d of shape {np.shape(sample.joints_3d)}, expected "
            f"({len(sample.joints)}, 3)."
        )
    if not (np.isfinite(sample.side) and sample.side > 0 and np.isfinite(sample.center).all()):
        raise ValueError(
            f"{where} has no window to crop: centre {sample.center}, side {sample.side} pixels. "
            "Correct its position and scale in the annotation, or remove it."
        )
