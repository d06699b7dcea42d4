"""2D pose on a data set: from a network to joints in image pixels, and from there to scores.

Two steps, so that predictions can be kept, drawn and scored by others: `predict_poses`, then
`score_mpii` or `score_lsp`.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from deephar import metrics
from deephar.data.samples import Subset
from deephar.data.transforms import crop_image, crop_sample, load_image, normalize
from deephar.geometry import apply_affine, crop_affine, invert_affine
from deephar.skeletons import convert, get_skeleton, joint_map

# Multi-crop: the window where it is, and displaced by 1/24 of its side (10.7 of 256 crop pixels)
# along either axis; each with its mirror image. The paper averages displaced and mirrored crops
# without giving the displacements. This one is not a multiple of the networks' strides (8 to 64
# crop pixels), so that a joint falls differently into the cells of the heat maps each time, and
# small enough that no limb leaves the usual window.
_DISPLACEMENT = 1 / 24
_DISPLACEMENTS = _DISPLACEMENT * np.array([(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)])
_MIRROR = np.array([[-1.0, 0.0, 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])  # u -> 1 - u

_LOADERS = 2  # threads that decode and crop while the network works


@dataclass(frozen=True, eq=False)
class Predictions:
    """Poses that a network predicted for the persons of a data set, in the order of the data set.

    Attributes:
        joints: float64 (P, N, J, 2), pixels of each person's image, one entry a prediction block;
            the last block is the answer.
        visibility: float64 (P, N, J), in [0, 1].
        names: N names, those of the samples.
        skeleton: name of the joint layout.
        views: crops that were averaged for each person, 1 or 10.
    """

    joints: np.ndarray
    visibility: np.ndarray
    names: tuple[str, ...]
    skeleton: str
    views: int


@dataclass(frozen=True, eq=False)
class PoseScores:
    """Scores of all prediction blocks; `deephar.evaluation.report` makes tables and files of it.

    Attributes:
        data: name of the data set and of the split, e.g. "mpii valid".
        source: the annotation that was read, as the data set tells it; "" if it does not.
        persons: number of persons scored.
        persons_in_split: number of persons of the whole split.
        views: crops that were averaged for each person.
        measure: "PCKh" or "PCK".
        unit: what distances are divided by, in words.
        skeleton: name of the joint layout that is scored, that of the data set.
        threshold: of `blocks`, in units of `unit`.
        strict_threshold: of `strict`.
        blocks: one `deephar.metrics.Score` a prediction block, in percent.
        strict: the same at the strict threshold.
        curves: one `deephar.metrics.Curve` a block.
        distances: float64 (N, J), of the last block, in units of `unit`; NaN where the true joint
            is unlabelled.
    """

    data: str
    source: str
    persons: int
    persons_in_split: int
    views: int
    measure: str
    unit: str
    skeleton: str
    threshold: float
    strict_threshold: float
    blocks: tuple[metrics.Score, ...]
    strict: tuple[metrics.Score, ...]
    curves: tuple[metrics.Curve, ...]
    distances: np.ndarray

    @property
    def answer(self):
        """The `Score` to report: the last block's, whether or not another block does better."""
        return self.blocks[-1]

    @property
    def person_scores(self):
        """(N,) percent of each person's scored joints that the last block has right; NaN if none.

        Joints outside all groups (MPII: pelvis, thorax) are left out, as they are of the total.
        """
        distances = self.distances[:, scored_joints(self.skeleton)]
        labelled = np.isfinite(distances)
        correct = (labelled & (distances <= self.threshold)).sum(axis=1)
        counts = labelled.sum(axis=1)
        return np.where(counts > 0, 100.0 * correct / np.maximum(counts, 1), np.nan)


# ----------------------------------------------------------------------------------- prediction


def predict_poses(model, config, dataset, multi_crop=False, batch_size=16, progress=False):
    """Predicts the pose of every person of a data set.

    Crops are those that training uses (`deephar.data.transforms.crop_sample`), without
    augmentation; predictions are mapped back to image pixels with the inverse of its affine map.
    Each person's image is decoded once, and no more than about two batches of crops are held.

    Args:
        model: a `keras.Model`, or a function, from float32 images (B, S, S, 3) to
            ``{"pose": (B, P, J, dim + 1)}``: x, y (, z) in the unit crop, then visibility. Always
            called with the same B, so that it is traced once.
        config: its `ModelConfig`; `image_size` and `skeleton` are used.
        dataset: `len()` and `[i]` -> `deephar.data.samples.Sample`.
        multi_crop: averages, in image pixels, over 5 positions of the window (in place, and
            displaced by 1/24 of its side to the left, right, top, bottom), each with its mirror
            image. Ten times the work.
        batch_size: crops a call of the model.
        progress: shows a Keras progress bar.

    Returns:
        `Predictions`.

    Raises:
        ValueError: the data set is empty, an image or a window cannot be used (names it), or the
            model's output does not have the form above.
        FileNotFoundError: an image is missing.
    """
    if len(dataset) == 0:
        raise ValueError("the data set is empty: there is nobody to predict the pose of")
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    displacements = _DISPLACEMENTS if multi_crop else _DISPLACEMENTS[:1]
    views = len(displacements) * (2 if multi_crop else 1)
    batch_size = min(batch_size, views * len(dataset))
    flip = get_skeleton(config.skeleton).flip
    bar = _progress_bar(len(dataset)) if progress else None

    joints = visibility = None
    names = []
    batches = _batches(_views(dataset, config, displacements, multi_crop, batch_size), batch_size)
    for batch in batches:
        poses = _predict(model, config, batch, batch_size)
        if joints is None:
            shape = (poses.shape[1], len(dataset), poses.shape[2])
            joints, visibility = np.zeros((*shape, 2)), np.zeros(shape)
        for view, pose in zip(batch, poses, strict=True):
            xy, seen = apply_affine(invert_affine(view.affine), pose[..., :2]), pose[..., -1]
            if view.mirrored:
                xy, seen = xy[:, flip], seen[:, flip]
            joints[:, view.person] += xy / views
            visibility[:, view.person] += seen / views
            if view.person == len(names):
                names.append(view.name)
        if bar is not None:
            bar.update(len(names))
    return Predictions(joints, visibility, tuple(names), config.skeleton, views)


@dataclass(frozen=True, eq=False)
class _View:
    """One crop of one person."""

    person: int
    name: str
    image: np.ndarray
    affine: np.ndarray
    mirrored: bool


def _views(dataset, config, displacements, mirror, batch_size):
    """All crops of all persons in order, made by threads while the network is busy."""

    def views_of(person):
        sample = dataset[person]
        if len(displacements) > 1 and not isinstance(sample.image, np.ndarray):
            sample = dataclasses.replace(sample, image=load_image(sample.image))
        first = crop_sample(sample, config.image_size, config.skeleton)
        crops = [(first.image, first.affine)]
        for displacement in displacements[1:]:
            affine = crop_affine(sample.center + sample.side * displacement, sample.side)
            image = normalize(crop_image(sample.image, affine, config.image_size))
            crops.append((image, affine))
        views = []
        for image, affine in crops:
            views.append(_View(person, sample.name, image, affine, False))
            if mirror:
                mirrored = _MIRROR @ affine
                views.append(_View(person, sample.name, image[:, ::-1], mirrored, True))
        return views

    # Enough persons in advance for one batch, and no more: memory stays bounded.
    ahead = 1 + batch_size // (len(displacements) * (2 if mirror else 1))
    with ThreadPoolExecutor(_LOADERS) as pool:
        waiting = deque()
        for person in range(len(dataset)):
            waiting.append(pool.submit(views_of, person))
            if len(waiting) > ahead:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


def _batches(items, size):
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _predict(model, config, batch, batch_size):
    """Poses float64 (len(batch), P, J, dim + 1); a short batch is filled up with empty images."""
    images = np.zeros((batch_size, config.image_size, config.image_size, 3), np.float32)
    for place, view in enumerate(batch):
        images[place] = view.image
    if hasattr(model, "predict_on_batch"):
        outputs = model.predict_on_batch(images)
    else:
        outputs = model(images)
    if not isinstance(outputs, dict) or "pose" not in outputs:
        raise ValueError("expected a model that gives a dict with the key 'pose'")
    from keras import ops  # late: Keras takes seconds to import, scoring alone does not need it

    poses = np.asarray(ops.convert_to_numpy(outputs["pose"]), np.float64)
    num_joints = get_skeleton(config.skeleton).num_joints
    if poses.ndim != 4 or poses.shape[2] != num_joints or poses.shape[3] < 3:
        raise ValueError(
            f"expected poses of shape (batch, predictions, {num_joints}, 3 or more) for the "
            f"skeleton {config.skeleton!r}, the model gives {poses.shape}"
        )
    return poses[: len(batch)]


def _progress_bar(total):
    from keras.utils import Progbar

    return Progbar(total, unit_name="person")


# -------------------------------------------------------------------------------------- scoring


def score_mpii(predictions, dataset):
    """Scores predictions by the protocol of MPII (single person).

    PCKh@0.5, PCKh@0.1 and the area under the curve from 0 to 0.5; distances are divided by 0.6 x
    the diagonal of the head box; unlabelled joints are skipped; pelvis and thorax are left out of
    the total, which pools all other joints. Joints outside the crop count like any other.
    Source: Andriluka et al., CVPR 2014, and the benchmark's evaluation code.

    Args:
        predictions: `Predictions` in a skeleton that has all 16 joints of MPII.
        dataset: the MPII data set they were made for, with a head size for every person.

    Returns:
        `PoseScores`.

    Raises:
        ValueError: the skeleton lacks a joint, the persons are not those of the data set, the
            model gave NaN, or a head size is unknown.
    """
    predicted, samples = _matched(predictions, dataset, "mpii16")
    true = np.stack([sample.joints for sample in samples])
    head = np.array([sample.head_size for sample in samples], float)
    lacking = [sample.name for sample in samples if not sample.head_size > 0]
    if lacking:
        raise ValueError(
            f"PCKh needs the head size of every person, it is unknown for {len(lacking)} of "
            f"{len(samples)}, first {lacking[0]}: evaluate on a split that has it"
        )
    return PoseScores(
        **_facts(predictions, dataset),
        measure="PCKh",
        unit="head size (0.6 x diagonal of the head box)",
        skeleton="mpii16",
        threshold=0.5,
        strict_threshold=0.1,
        blocks=tuple(metrics.pckh(block, true, head, 0.5) for block in predicted),
        strict=tuple(metrics.pckh(block, true, head, 0.1) for block in predicted),
        curves=tuple(metrics.pckh_curve(block, true, head) for block in predicted),
        distances=_distances(predicted[-1], true, head),
    )


def score_lsp(predictions, dataset):
    """Scores predictions by the protocol of LSP, person-centric.

    PCK@0.2, PCK@0.1 and the area under the curve from 0 to 0.2; distances are divided by the torso
    size, from the left shoulder to the right hip; all 14 joints count, those outside the crop too.
    Source: Pishchulin et al., CVPR 2016 (the evaluation code at human-pose.mpi-inf.mpg.de).

    Args:
        predictions: `Predictions` in a skeleton that has all 14 joints of LSP.
        dataset: the LSP data set they were made for.

    Returns:
        `PoseScores`.

    Raises:
        ValueError: the skeleton lacks a joint, the persons are not those of the data set, or the
            model gave NaN.
    """
    predicted, samples = _matched(predictions, dataset, "lsp14")
    true = np.stack([sample.joints for sample in samples])
    torso = metrics.torso_size(true)
    return PoseScores(
        **_facts(predictions, dataset),
        measure="PCK",
        unit="torso size (left shoulder to right hip)",
        skeleton="lsp14",
        threshold=0.2,
        strict_threshold=0.1,
        blocks=tuple(metrics.pck(block, true, torso, 0.2) for block in predicted),
        strict=tuple(metrics.pck(block, true, torso, 0.1) for block in predicted),
        curves=tuple(metrics.pck_curve(block, true, torso) for block in predicted),
        distances=_distances(predicted[-1], true, torso),
    )


def scored_joints(skeleton):
    """Indices of the joints that count in the total: those in a group of the skeleton."""
    skeleton = get_skeleton(skeleton)
    grouped = {name for names in skeleton.groups.values() for name in names}
    return np.array([i for i, name in enumerate(skeleton.joints) if name in grouped])


def _matched(predictions, dataset, skeleton):
    """Predictions in `skeleton`, (P, N, J, 2), and the samples; they must be the same persons."""
    samples = [dataset[i] for i in range(len(dataset))]
    if tuple(sample.name for sample in samples) != tuple(predictions.names):
        raise ValueError(
            f"the predictions are of other persons than the data set ({len(predictions.names)} and "
            f"{len(samples)}): score them with the data set they were made for"
        )
    other = {sample.skeleton for sample in samples} - {skeleton}
    if other:
        raise ValueError(f"expected a data set in {skeleton!r}, this one is in {other.pop()!r}")
    return in_skeleton(predictions, skeleton), samples


def in_skeleton(predictions, skeleton):
    """The predicted joints in another joint layout.

    Args:
        predictions: `Predictions`.
        skeleton: name of a layout.

    Returns:
        float64 (P, N, J, 2).

    Raises:
        ValueError: the skeleton of the predictions lacks a joint, or a prediction is not finite.
    """
    if not np.isfinite(predictions.joints).all():
        person = int(np.argwhere(~np.isfinite(predictions.joints))[0, 1])
        raise ValueError(
            f"the model predicts NaN or infinity, first for {predictions.names[person]}: its "
            "training has probably diverged"
        )
    require_joints(predictions.skeleton, skeleton)
    return convert(predictions.joints, predictions.skeleton, skeleton)


def require_joints(source, target):
    """Checks that a pose in one joint layout can be scored in another.

    Args:
        source: name of the layout that is predicted.
        target: name of the layout that is scored.

    Raises:
        ValueError: `source` lacks a joint of `target`; names it.
    """
    found = joint_map(source, target) >= 0
    if not found.all():
        joints = get_skeleton(target).joints
        lacking = ", ".join(joints[i] for i in np.flatnonzero(~found))
        raise ValueError(
            f"the network predicts the skeleton {source!r}, which lacks {lacking} of {target!r}: "
            "it cannot be scored there; use a network with a skeleton that has them"
        )


def _facts(predictions, dataset):
    whole = dataset
    while isinstance(whole, Subset):
        whole = whole.dataset
    return {
        "data": f"{whole.name} {getattr(whole, 'split', '')}".rstrip(),
        "source": getattr(whole, "source", ""),
        "persons": len(dataset),
        "persons_in_split": len(whole),
        "views": predictions.views,
    }


def _distances(predicted, true, size):
    return np.linalg.norm(predicted - true, axis=-1) / size[:, None]
