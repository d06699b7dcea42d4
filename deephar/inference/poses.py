"""Poses of the persons of a data set: from a network to joints in image pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from deephar.data.crops import crop_sample
from deephar.data.images import crop_image, load_image, normalize
from deephar.data.inputs import InputSpec
from deephar.data.loading import batches_of, loaded_ahead
from deephar.data.samples import Sample
from deephar.geometry import (
    BOX_MARGIN,
    apply_affine,
    crop_affine,
    invert_affine,
    square_window,
)
from deephar.inference.network import (
    MIRROR,
    call_network,
    poses_of,
    stacked,
    stills_network,
)
from deephar.progress import ProgressBar
from deephar.skeletons import Skeleton, get_skeleton

if TYPE_CHECKING:
    from deephar.inference.network import Config, Model

CROPS = ("single", "flip", "multi")
"""Crops of a person that a pose is made of: one; it and its mirror image; ten, some displaced."""

# Crops that put a joint further apart than this fraction of the window's side do not agree.
_AGREEMENT = 1 / 16

# For "multi": the window in place, and displaced by 1/24 of its side (10.7 of 256 crop pixels)
# along each axis; each with its mirror image. The paper averages displaced and mirrored crops
# without giving the displacements. This one is not a multiple of the networks' strides (8 to 64
# crop pixels), so that a joint is in another part of a cell of the heat maps each time. It is small
# enough that no limb leaves the usual window.
_DISPLACEMENT = 1 / 24
_DISPLACEMENTS = _DISPLACEMENT * np.array([(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)])


@dataclass(frozen=True, eq=False)
class Predictions:
    """Poses that a network predicted for the persons of a data set, in the order of the data set.

    Attributes:
        joints: float64 (P, N, J, 2), pixels of each person's image, one entry per prediction
            block; the last block is the answer.
        visibility: float64 (P, N, J), in [0, 1].
        names: N names, those of the samples.
        skeleton: the joint layout, or its name.
        crops_per_person: number of crops that each pose is made of: 1, 2 or 10.
        depth: float64 (P, N, J), in [0, 1]: 0.5 is the depth of the root, 1 is 1 m behind it (see
            `depth_mm`); None of a network without depth.
    """

    joints: np.ndarray
    visibility: np.ndarray
    names: tuple[str, ...]
    skeleton: str | Skeleton
    crops_per_person: int
    depth: np.ndarray | None = None


def predict_poses(
    model: Model,
    config: Config,
    dataset: Sequence[Sample],
    *,
    crops: str = "single",
    batch_size: int = 16,
    progress: bool = False,
) -> Predictions:
    """Predicts the pose of every person of a data set.

    Crops are those that training uses (`deephar.data.crop_sample`), without
    augmentation; predictions are mapped back to image pixels with the inverse of its affine map.
    Each person's image is decoded once, and no more than about two batches of crops are held.
    For several crops, see `merge_crops`.

    Args:
        model: a `keras.Model`, or a function, from float32 images (B, S, S, 3) to
            ``{"pose": (B, P, J, dim + 1)}``: x, y (, z) in the unit crop, then visibility. Always
            called with the same B, so that it is traced once. It can also be a `keras.Model` of
            clips.
        config: its `ModelConfig`; `image_size` and `skeleton` are used.
        dataset: `len()` and `[i]` -> `deephar.data.samples.Sample`.
        crops: ``"single"``, one crop; ``"flip"``, with its mirror image; or ``"multi"``, five
            positions of the window (in place, and displaced by 1/24 of its side to the left, right,
            top, bottom), each with its mirror image: ten times the work.
        batch_size: crops per call of the model.
        progress: shows a progress bar on a terminal.

    Returns:
        `Predictions`.

    Raises:
        ValueError: The data set is empty, an image or a window cannot be used (names it), the
            model's output has another form, or `crops` is none of the above.
        FileNotFoundError: An image is missing.
    """
    if crops not in CROPS:
        raise ValueError(f"crops must be one of {', '.join(CROPS)}, got {crops!r}.")
    if len(dataset) == 0:
        raise ValueError("The data set is empty: there is no person to predict the pose of.")
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}.")
    displacements = _DISPLACEMENTS if crops == "multi" else _DISPLACEMENTS[:1]
    mirror = crops != "single"
    crops_per_person = len(displacements) * (2 if mirror else 1)
    batch_size = min(batch_size, crops_per_person * len(dataset))
    flip = get_skeleton(config.skeleton).flip
    bar = ProgressBar(len(dataset), "person", shown=progress)
    network = stills_network(model)

    merged, names, unmerged = [], [], []
    made = _person_crops(dataset, config, displacements, mirror, batch_size)
    for batch in batches_of(made, batch_size):
        images = stacked([crop.image for crop in batch], batch_size)
        poses = poses_of(call_network(network, images), config)
        for crop, pose in zip(batch, poses[: len(batch)], strict=True):
            unmerged.append(pose_in_image(pose, crop.affine, flip, mirrored=crop.mirrored))
            if len(unmerged) == crops_per_person:
                merged.append(merge_crops(np.stack(unmerged), crop.side))
                names.append(crop.name)
                unmerged = []
        bar.update(len(names))
    return predictions_from(np.stack(merged, axis=1), names, config.skeleton, crops_per_person)


def merge_crops(poses: np.ndarray, side: float) -> np.ndarray:
    """One pose from several crops of a person, joint by joint.

    Crops agree on a joint if they put it within 1/16 of the window's side. If they do not all
    agree, some may have confused limbs, and the average of two places would be neither. So a joint
    is the average of the largest group of crops that agree, weighted by their visibility. If all
    agree, that is the plain average of the papers.

    Args:
        poses: (C, ..., J, dim + 1) of C crops, x and y in image pixels, visibility last.
        side: side of the person's window, in pixels.

    Returns:
        (..., J, dim + 1); depth and visibility are averaged over the same crops.
    """
    xy = poses[..., :2]
    # "Not further" is true of NaN, so that NaN is kept: scoring reports a broken network.
    agree = ~(np.linalg.norm(xy[:, None] - xy, axis=-1) > side * _AGREEMENT)
    votes = np.sum(agree * poses[..., -1], axis=1)
    chosen = np.take_along_axis(agree, np.argmax(votes, axis=0)[None, None], axis=0)[0]
    return np.mean(poses, axis=0, where=chosen[..., None])


def pose_in_image(
    pose: np.ndarray, affine: np.ndarray, flip: np.ndarray | None, *, mirrored: bool = False
) -> np.ndarray:
    """A pose in a crop as a pose in the image.

    Args:
        pose: (..., J, dim + 1), as the network gives it.
        affine: (3, 3), image pixels to the unit crop.
        flip: `Skeleton.flip` of its joints; used if the crop is mirrored.
        mirrored: whether the crop is mirrored, so that left and right change names.

    Returns:
        A new array of the same shape: x and y in pixels, the rest (depth, visibility) as it was.
    """
    pose = np.concatenate(
        [apply_affine(invert_affine(affine), pose[..., :2]), pose[..., 2:]], axis=-1
    )
    return pose[..., flip, :] if mirrored else pose


def predictions_from(
    poses: np.ndarray, names: Sequence[str], skeleton: str | Skeleton, crops_per_person: int
) -> Predictions:
    """`Predictions` of poses (P, N, J, dim + 1): x, y in pixels (, depth), visibility."""
    return Predictions(
        joints=poses[..., :2],
        visibility=poses[..., -1],
        names=tuple(names),
        skeleton=skeleton,
        crops_per_person=crops_per_person,
        depth=poses[..., 2] if poses.shape[-1] == 4 else None,
    )


class FrameCrop(NamedTuple):
    """A part of a frame as input of a network.

    Attributes:
        image: float32 (S, S, 3) in [-1, 1].
        affine: (3, 3), image pixels to the unit crop.
        size: (width, height) of the frame, pixels.
    """

    image: np.ndarray
    affine: np.ndarray
    size: tuple[int, int]


def crop_frame(
    frame: str | np.ndarray, box: np.ndarray, image_size: int, *, margin: float = BOX_MARGIN
) -> FrameCrop:
    """The crop around a box (4,) in a frame, which is a path or a uint8 RGB array.

    Raises:
        FileNotFoundError: The frame is missing.
        ValueError: The frame is not an image.
    """
    frame = load_image(frame)
    affine = crop_affine(*square_window(box, margin))
    image = normalize(crop_image(frame, affine, image_size))
    return FrameCrop(image, affine, frame.shape[1::-1])


def poses_in_crops(
    network: Callable[[np.ndarray], dict],
    config: Config,
    crops: Sequence[FrameCrop],
    batch_size: int,
) -> list[np.ndarray]:
    """The last block's poses in `FrameCrop` images: (J, dim + 1) each, x and y in pixels."""
    flip = get_skeleton(config.skeleton).flip
    images = stacked([crop.image for crop in crops], batch_size)
    poses = poses_of(call_network(network, images), config)[: len(crops), -1]
    return [pose_in_image(pose, crop.affine, flip) for pose, crop in zip(poses, crops, strict=True)]


def confidence_of(pose: np.ndarray) -> float:
    """How well a pose (J, 3) of x, y and visibility is seen: the mean visibility, in [0, 1].

    It is lower where nobody is.
    """
    return float(pose[:, -1].mean())


def presence_of(pose: np.ndarray) -> float:
    """How surely a pose (J, 3) of x, y and visibility is of somebody, in [0, 1].

    The mean visibility of those half of the joints that are seen best. Of somebody in front of a
    webcam, or behind a table, no more is in the picture.
    """
    return float(np.sort(pose[:, -1])[len(pose) // 2 :].mean())


def poses_in_boxes(
    network: Callable[[np.ndarray], dict],
    config: Config,
    images: Sequence[np.ndarray],
    boxes: Sequence[np.ndarray],
    *,
    margin: float = BOX_MARGIN,
    batch_size: int,
) -> list[np.ndarray]:
    """The last block's pose (J, dim + 1) in each image, seen in the window around its box.

    The network is always called with `batch_size` crops, so it is traced once.
    """
    crops = [
        crop_frame(image, box, config.image_size, margin=margin)
        for image, box in zip(images, boxes, strict=True)
    ]
    return [
        pose
        for batch in batches_of(crops, batch_size)
        for pose in poses_in_crops(network, config, batch, batch_size)
    ]


@dataclass(frozen=True, eq=False)
class _PersonCrop:
    """One crop of one person."""

    name: str
    image: np.ndarray
    affine: np.ndarray
    side: float
    mirrored: bool


def _person_crops(dataset, config, displacements, mirror, batch_size):
    """All crops of all persons in order, made by threads while the network is busy."""
    # Enough persons in advance for one batch, and no more: memory stays bounded.
    ahead = 1 + batch_size // (len(displacements) * (2 if mirror else 1))
    jobs = (
        partial(_crops_of, dataset, person, config, displacements, mirror)
        for person in range(len(dataset))
    )
    for crops in loaded_ahead(jobs, ahead):
        yield from crops


def _crops_of(dataset, person, config, displacements, mirror):
    """The crops of one person; each is followed by its mirror image."""
    sample = dataset[person]
    if len(displacements) > 1 and not isinstance(sample.image, np.ndarray):
        sample = replace(sample, image=load_image(sample.image))
    first = crop_sample(sample, InputSpec.of(config))
    images = [(first.image, first.affine)]
    for displacement in displacements[1:]:
        affine = crop_affine(sample.center + sample.side * displacement, sample.side)
        images.append((normalize(crop_image(sample.image, affine, config.image_size)), affine))
    crops = []
    for image, affine in images:
        crops.append(_PersonCrop(sample.name, image, affine, sample.side, False))
        if mirror:
            mirrored = MIRROR @ affine
            crops.append(_PersonCrop(sample.name, image[:, ::-1], mirrored, sample.side, True))
    return crops
