"""From a person in an image to the network's input and target."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deephar.data.augment import Augmentation, draw_change
from deephar.data.images import crop_and_size
from deephar.data.samples import Sample
from deephar.data.targets import pose_target
from deephar.skeletons import Skeleton, get_skeleton


@dataclass(frozen=True, eq=False)
class Crop:
    """A sample as the network takes it.

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
    image_size: int = 256,
    skeleton: str | Skeleton = "pa16j",
    augmentation: Augmentation | None = None,
    rng: np.random.Generator | None = None,
    dim: int = 2,
) -> Crop:
    """The network's input and target for one person.

    Args:
        sample: the person.
        image_size: side S of the crop in pixels.
        skeleton: skeleton of the target.
        augmentation: random changes; None for none.
        rng: source of all random choices; needed with `augmentation`.
        dim: coordinates of a joint in the target, 2 or 3.

    Returns:
        The crop.

    Raises:
        FileNotFoundError: the image file does not exist.
        ValueError: the image cannot be decoded; the sample's window is empty or does not touch the
            image; it has the wrong number of joints; augmentation without `rng`.
    """
    _check_sample(sample)
    draw = draw_change(augmentation, rng)
    affine = draw.affine(sample.center, sample.side)
    pixels, size = crop_and_size(sample.image, affine, image_size)
    if not window_touches(sample, size):
        raise ValueError(
            outside_message(f"Sample {sample.name!r}", sample.center, sample.side, size)
        )
    depth = None if sample.joints_3d is None else sample.joints_3d[:, 2]
    return Crop(
        image=draw.finish(pixels),
        target=pose_target(sample.joints, sample.skeleton, skeleton, affine, draw.flip, dim, depth),
        affine=affine,
    )


def crop_batch(
    samples: Sequence[Sample],
    seeds: Sequence[Sequence[int]] | None,
    image_size: int = 256,
    skeleton: str | Skeleton = "pa16j",
    augmentation: Augmentation | None = None,
    dim: int = 2,
) -> tuple[np.ndarray, np.ndarray]:
    """The crops of several persons, stacked.

    Args:
        samples: B persons.
        seeds: for each person what `numpy.random.default_rng` takes; None without augmentation.
        image_size: side S of the crops in pixels.
        skeleton: skeleton of the targets.
        augmentation: random changes; None for none.
        dim: coordinates of a joint in the targets, 2 or 3.

    Returns:
        Images float32 (B, S, S, 3) and targets float32 (B, joints, dim + 1).

    Raises:
        FileNotFoundError: as `crop_sample`.
        ValueError: as `crop_sample`.
    """
    images = np.empty((len(samples), image_size, image_size, 3), np.float32)
    targets = np.empty((len(samples), get_skeleton(skeleton).num_joints, dim + 1), np.float32)
    for i, sample in enumerate(samples):
        rng = None if augmentation is None else np.random.default_rng(seeds[i])
        crop = crop_sample(sample, image_size, skeleton, augmentation, rng, dim)
        images[i], targets[i] = crop.image, crop.target
    return images, targets


def window_touches(sample: Sample, size: Sequence[int]) -> bool:
    """Whether any of an image of `size` (width, height) is inside the sample's crop window."""
    return touches(sample.center, sample.side, size)


def touches(center: np.ndarray, side: float, size: Sequence[int]) -> bool:
    """Whether any of an image of `size` (width, height) is inside a square window."""
    low, high = center - side / 2, center + side / 2
    return bool((high > -0.5).all() and (low < np.array(size) - 0.5).all())


def outside_message(who: str, center: np.ndarray, side: float, size: Sequence[int]) -> str:
    """The error for a window that does not touch the image."""
    low, high = center - side / 2, center + side / 2
    return (
        f"{who} lies wholly outside of its image of {size[0]} x {size[1]} pixels: its window is "
        f"({low[0]:.0f}, {low[1]:.0f}, {high[0]:.0f}, {high[1]:.0f}). Correct its position and "
        "scale in the annotation, or remove it."
    )


def _check_sample(sample):
    where = f"Sample {sample.name!r}"
    if np.shape(sample.joints) != (get_skeleton(sample.skeleton).num_joints, 2):
        raise ValueError(
            f"{where} has joints of shape {np.shape(sample.joints)}; its skeleton "
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
