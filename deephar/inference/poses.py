"""Poses of the persons of a data set: from a network to joints in image pixels."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from deephar.data.crops import crop_sample
from deephar.data.images import crop_image, load_image, normalize
from deephar.data.inputs import InputSpec
from deephar.data.loading import batches_of, loaded_ahead
from deephar.data.samples import Sample
from deephar.geometry import apply_affine, crop_affine, invert_affine
from deephar.inference.network import (
    MIRROR,
    call_network,
    poses_of,
    stacked,
    stills_network,
)
from deephar.inference.progress import ProgressBar
from deephar.skeletons import get_skeleton

if TYPE_CHECKING:
    from deephar.inference.network import Config, Model

CROPS = ("single", "flip", "multi")
"""What a person's pose is made of: one crop, it and its mirror image, or ten, displaced, too."""

# Of the side of a person's window: views that put a joint further apart mean different places.
_AGREEMENT = 1 / 16

# Of "multi": the window where it is, and displaced by 1/24 of its side (10.7 of 256 crop pixels)
# along either axis; each with its mirror image. The paper averages displaced and mirrored crops
# without giving the displacements. This one is not a multiple of the networks' strides (8 to 64
# crop pixels), so that a joint falls differently into the cells of the heat maps each time, and
# small enough that no limb leaves the usual window.
_DISPLACEMENT = 1 / 24
_DISPLACEMENTS = _DISPLACEMENT * np.array([(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)])


@dataclass(frozen=True, eq=False)
class Predictions:
    """Poses that a network predicted for the persons of a data set, in the order of the data set.

    Attributes:
        joints: float64 (P, N, J, 2), pixels of each person's image, one entry a prediction block;
            the last block is the answer.
        visibility: float64 (P, N, J), in [0, 1].
        names: N names, those of the samples.
        skeleton: name of the joint layout.
        views: crops that each person's pose is made of: 1, 2 or 10.
        depth: float64 (P, N, J), in [0, 1]: 0.5 is the depth of the root, 1 is 1 m behind it (see
            `depth_mm`); None of a network without depth.
    """

    joints: np.ndarray
    visibility: np.ndarray
    names: tuple[str, ...]
    skeleton: str
    views: int
    depth: np.ndarray | None = None


# ----------------------------------------------------------------------------------- prediction


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
    Of several crops, see `merge_views`.

    Args:
        model: a `keras.Model`, or a function, from float32 images (B, S, S, 3) to
            ``{"pose": (B, P, J, dim + 1)}``: x, y (, z) in the unit crop, then visibility. Always
            called with the same B, so that it is traced once. A `keras.Model` of clips is taken as
            well.
        config: its `ModelConfig`; `image_size` and `skeleton` are used.
        dataset: `len()` and `[i]` -> `deephar.data.samples.Sample`.
        crops: what the pose is made of: ``"single"``, one crop; ``"flip"``, with its mirror image;
            ``"multi"``, 5 positions of the window (in place, and displaced by 1/24
            of its side to the left, right, top, bottom), each with its mirror image: ten times the
            work.
        batch_size: crops a call of the model.
        progress: shows a progress bar on a terminal.

    Returns:
        `Predictions`.

    Raises:
        ValueError: the data set is empty, an image or a window cannot be used (names it), the
            model's output does not have the form above, or `crops` is something else.
        FileNotFoundError: an image is missing.
    """
    if crops not in CROPS:
        raise ValueError(f"crops must be one of {', '.join(CROPS)}, got {crops!r}.")
    if len(dataset) == 0:
        raise ValueError("The data set is empty: there is no person to predict the pose of.")
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}.")
    displacements = _DISPLACEMENTS if crops == "multi" else _DISPLACEMENTS[:1]
    mirror = crops != "single"
    views = len(displacements) * (2 if mirror else 1)
    batch_size = min(batch_size, views * len(dataset))
    flip = get_skeleton(config.skeleton).flip
    bar = ProgressBar(len(dataset), "person", shown=progress)
    network = stills_network(model)

    merged, views_of_person, names = [], [], []
    for batch in batches_of(_views(dataset, config, displacements, mirror, batch_size), batch_size):
        images = stacked([view.image for view in batch], batch_size)
        poses = poses_of(call_network(network, images), config)
        for view, pose in zip(batch, poses[: len(batch)], strict=True):
            views_of_person.append(pose_in_image(pose, view.affine, flip, mirrored=view.mirrored))
            if len(views_of_person) == views:
                merged.append(merge_views(np.stack(views_of_person), view.side))
                names.append(view.name)
                views_of_person = []
        bar.update(len(names))
    return predictions_from(np.stack(merged, axis=1), names, config.skeleton, views)


def merge_views(poses: np.ndarray, side: float) -> np.ndarray:
    """One pose of several views of a person, joint by joint.

    A joint is the average of the views that agree on it, to within 1/16 of the window's side. Where
    they do not all agree (each may have taken another limb for it), the middle of two places is
    neither: the place counts that most views are for, weighed by their visibility. Where all agree,
    that is the plain average of the papers.

    Args:
        poses: (V, ..., J, dim + 1), x and y in image pixels, visibility last.
        side: of the person's window, in pixels.

    Returns:
        (..., J, dim + 1); depth and visibility are averaged over the same views.
    """
    xy = poses[..., :2]
    # "Not further" is true of NaN, too: a broken network is told of where it is scored.
    agree = ~(np.linalg.norm(xy[:, None] - xy, axis=-1) > side * _AGREEMENT)
    votes = np.sum(agree * poses[..., -1], axis=1)
    chosen = np.take_along_axis(agree, np.argmax(votes, axis=0)[None, None], axis=0)[0]
    return np.mean(poses, axis=0, where=chosen[..., None])


def pose_in_image(
    pose: np.ndarray, affine: np.ndarray, flip: np.ndarray | None, *, mirrored: bool = False
) -> np.ndarray:
    """A pose in the crop as one in the image.

    Args:
        pose: (..., J, dim + 1), as the network gives it.
        affine: (3, 3), image pixels to the unit crop.
        flip: `Skeleton.flip` of its joints.
        mirrored: whether the crop is mirrored, so that left and right change names.

    Returns:
        A new array of the same shape: x and y in pixels, the rest (depth, visibility) as it was.
    """
    pose = np.concatenate(
        [apply_affine(invert_affine(affine), pose[..., :2]), pose[..., 2:]], axis=-1
    )
    return pose[..., flip, :] if mirrored else pose


def predictions_from(
    poses: np.ndarray, names: Sequence[str], skeleton: str, views: int
) -> Predictions:
    """`Predictions` of poses (P, N, J, dim + 1): x, y in pixels (, depth), visibility."""
    depth = poses[..., 2] if poses.shape[-1] == 4 else None
    return Predictions(poses[..., :2], poses[..., -1], tuple(names), skeleton, views, depth)


@dataclass(frozen=True, eq=False)
class _View:
    """One crop of one person."""

    name: str
    image: np.ndarray
    affine: np.ndarray
    side: float
    mirrored: bool


def _views(dataset, config, displacements, mirror, batch_size):
    """All crops of all persons in order, made by threads while the network is busy."""

    def views_of(person):
        sample = dataset[person]
        if len(displacements) > 1 and not isinstance(sample.image, np.ndarray):
            sample = dataclasses.replace(sample, image=load_image(sample.image))
        first = crop_sample(sample, InputSpec.of(config))
        crops = [(first.image, first.affine)]
        for displacement in displacements[1:]:
            affine = crop_affine(sample.center + sample.side * displacement, sample.side)
            image = normalize(crop_image(sample.image, affine, config.image_size))
            crops.append((image, affine))
        views = []
        for image, affine in crops:
            views.append(_View(sample.name, image, affine, sample.side, False))
            if mirror:
                mirrored = MIRROR @ affine
                views.append(_View(sample.name, image[:, ::-1], mirrored, sample.side, True))
        return views

    # Enough persons in advance for one batch, and no more: memory stays bounded.
    ahead = 1 + batch_size // (len(displacements) * (2 if mirror else 1))
    jobs = (partial(views_of, person) for person in range(len(dataset)))
    for views in loaded_ahead(jobs, ahead):
        yield from views
