"""Scores of poses on a data set, by the protocols of the benchmarks.

`score_mpii`, `score_lsp`, `score_penn` and `score_coco`, or for any data set `score_in_box`,
`score_pckh` and `score_mpjpe`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from deephar import metrics
from deephar.data.samples import Sample, whole_of
from deephar.data.targets import depth_mm
from deephar.evaluation.keypoints import KeypointScores, score_keypoints
from deephar.evaluation.scores import Scores, require_finite, require_same_items, split_facts
from deephar.geometry import BOX_MARGIN
from deephar.inference.network import require_joints
from deephar.inference.poses import Predictions
from deephar.skeletons import Skeleton, convert, get_skeleton

_ROOT = "pelvis"


@dataclass(frozen=True, eq=False, kw_only=True)
class PoseScores(Scores):
    """Scores of poses in images: PCKh or PCK of all prediction blocks, in percent.

    Attributes:
        predictions: what was scored.
        skeleton: the joint layout that is scored, that of the data set, or its name.
        measure: "PCKh" or "PCK".
        unit: what distances are divided by, in words.
        threshold: of `blocks`, in units of `unit`.
        strict_threshold: of `strict`.
        strict: as `blocks`, at the strict threshold.
        curves: one `deephar.metrics.Curve` per block.
        distances: float64 (N, J), of the last block, in units of `unit`; NaN where the true joint
            is unlabelled.
        depth: MPJPE of the same persons; None where it was not scored.
        keypoints: COCO's scores of the same persons; None where they were not computed.
    """

    predictions: Predictions
    skeleton: str | Skeleton
    measure: str
    unit: str
    threshold: float
    strict_threshold: float
    strict: tuple[metrics.Score, ...]
    curves: tuple[metrics.Curve, ...]
    distances: np.ndarray
    depth: DepthScores | None = None
    keypoints: KeypointScores | None = None

    @property
    def person_scores(self) -> np.ndarray:
        """(N,) percent of each person's joints that the last block has right; NaN without labels.

        Joints outside all groups (MPII: pelvis, thorax) are left out, as they are of the total.
        """
        skeleton = get_skeleton(self.skeleton)
        grouped = [skeleton.index(name) for names in skeleton.groups.values() for name in names]
        distances = self.distances[:, grouped]
        labelled = np.isfinite(distances)
        correct = (labelled & (distances <= self.threshold)).sum(axis=1)
        counts = labelled.sum(axis=1)
        return np.where(counts > 0, 100.0 * correct / np.maximum(counts, 1), np.nan)


@dataclass(frozen=True, eq=False, kw_only=True)
class DepthScores(Scores):
    """Scores of poses in space: the errors of all prediction blocks, in mm.

    Attributes:
        predictions: what was scored.
        skeleton: the joint layout that is scored, that of the data set, or its name.
        blocks: MPJPE of each block, relative to the root joint.
        aligned: P-MPJPE of each block: the error after the best alignment of each person.
        protocol: 1 if the MPJPE is the score to report, 2 if the P-MPJPE is, as the data set says.
        actions: MPJPE and P-MPJPE of the last block by name of the action; empty if the samples
            have no actions.
    """

    predictions: Predictions
    skeleton: str | Skeleton
    aligned: tuple[metrics.Score, ...]
    protocol: int = 1
    actions: dict[str, tuple[metrics.Score, metrics.Score]] = field(default_factory=dict)

    @property
    def answer(self) -> metrics.Score:
        """The `Score` to report: that of the last block, by the protocol."""
        return (self.blocks if self.protocol == 1 else self.aligned)[-1]

    @property
    def measure(self) -> str:
        """What `answer` is: "MPJPE" or "P-MPJPE"."""
        return "MPJPE" if self.protocol == 1 else "P-MPJPE"

    @property
    def mean_of_actions(self) -> tuple[float, float]:
        """Mean MPJPE and mean P-MPJPE of the actions, which count alike; NaN without actions."""
        totals = [[score.total for score in scores] for scores in self.actions.values()]
        return tuple(np.mean(totals, axis=0).tolist()) if totals else (float("nan"),) * 2


@dataclass(frozen=True)
class _Measure:
    """A measure of `deephar.metrics` with its thresholds."""

    name: str
    unit: str
    metric: Callable
    curve: Callable
    threshold: float
    strict_threshold: float = 0.1


_PCKH = _Measure(
    "PCKh",
    "head size (0.6 x diagonal of the head box)",
    metrics.pckh,
    metrics.pckh_curve,
    0.5,
)
_PCK_OF_TORSO = _Measure(
    "PCK", "torso size (left shoulder to right hip)", metrics.pck, metrics.pck_curve, 0.2
)
_PCK_OF_BOX = _Measure(
    "PCK", "longer side of the person's box", metrics.pck, metrics.pck_curve, 0.2
)


# ------------------------------------------------------------------------------ poses in images


def score_mpii(predictions: Predictions, dataset: Sequence[Sample]) -> PoseScores:
    """Scores predictions by the protocol of MPII (single person).

    PCKh@0.5, PCKh@0.1 and the area under the curve from 0 to 0.5. Distances are divided by 0.6 x
    the diagonal of the head box. Unlabelled joints are skipped. Pelvis and thorax are left out of
    the total, which pools all other joints. Joints outside the crop count like any other.
    Source: Andriluka et al., CVPR 2014, and the benchmark's evaluation code.

    Args:
        predictions: in a skeleton that has all 16 joints of MPII.
        dataset: the MPII data set they were made for, with a head size for every person.

    Returns:
        `PoseScores`.

    Raises:
        ValueError: The skeleton lacks a joint, the persons are not those of the data set, the
            model gave NaN, or a head size is unknown.
    """
    return _score_by_head(predictions, dataset, "mpii16")


def score_pckh(predictions: Predictions, dataset: Sequence[Sample]) -> PoseScores:
    """As `score_mpii`, for a data set in any joint layout, such as `deephar.data.Synthetic`.

    Persons of one image or video, whose names agree up to ``#``, are not independent; the interval
    takes them together.

    Args:
        predictions: in a skeleton that has all joints of the data set.
        dataset: the data set they were made for, with a head size for every person.

    Returns:
        `PoseScores`.

    Raises:
        ValueError: As for `score_mpii`.
    """
    return _score_by_head(
        predictions, dataset, dataset.skeleton, _images_or_videos(predictions.names)
    )


def _score_by_head(predictions, dataset, skeleton, dependent=None):
    samples = _matching_samples(predictions, dataset, skeleton)
    lacking = [sample.name for sample in samples if not sample.head_size > 0]
    if lacking:
        raise ValueError(
            f"PCKh needs the head size of every person. It is unknown for {len(lacking)} of "
            f"{len(samples)}, first {lacking[0]}. Use a split that has it."
        )
    true = np.stack([sample.joints for sample in samples])
    size = np.array([sample.head_size for sample in samples], float)
    return _score(_PCKH, predictions, dataset, skeleton, true, size, dependent)


def score_lsp(predictions: Predictions, dataset: Sequence[Sample]) -> PoseScores:
    """Scores predictions by the protocol of LSP, person-centric.

    PCK@0.2, PCK@0.1 and the area under the curve from 0 to 0.2. Distances are divided by the torso
    size, from the left shoulder to the right hip. All 14 joints count, those outside the crop too.
    Persons without labels of these two joints, as in LSP-extended, are left out.
    Source: Pishchulin et al., CVPR 2016 (the evaluation code at human-pose.mpi-inf.mpg.de).

    Args:
        predictions: in a skeleton that has all 14 joints of LSP.
        dataset: the LSP data set they were made for.

    Returns:
        `PoseScores`.

    Raises:
        ValueError: The skeleton lacks a joint, the persons are not those of the data set, the model
            gave NaN, or the torso size of nobody is known.
    """
    samples = _matching_samples(predictions, dataset, "lsp14")
    true = np.stack([sample.joints for sample in samples])
    true, size, count = _of_known_size(true, metrics.torso_size(true), "torso size")
    scores = _score(_PCK_OF_TORSO, predictions, dataset, "lsp14", true, size)
    return replace(scores, num_scored=count)


def score_penn(predictions: Predictions, dataset: Sequence[Sample]) -> PoseScores:
    """Scores predictions by the protocol of Penn Action.

    PCK@0.2, PCK@0.1 and the area under the curve from 0 to 0.2. Distances are divided by the longer
    side of the person's box. Hidden joints are left out: their labels are guesses or placeholders.
    Frames without a box are left out as well. The interval takes the frames of a video together.
    Source: Y. Luo et al., "LSTM Pose Machines", CVPR 2018, section 4.2.

    Args:
        predictions: in a skeleton that has all joints of the data set.
        dataset: the frames they were made for; the window of a frame (`Sample.side`) is 1.25 times
            the longer side of the box, as in `deephar.data.Frames`.

    Returns:
        `PoseScores`.

    Raises:
        ValueError: The skeleton lacks a joint, the persons are not those of the data set, no joint
            is visible, or the model gave NaN.
    """
    samples = _matching_samples(predictions, dataset, dataset.skeleton)
    size = np.array([sample.side for sample in samples], float) / BOX_MARGIN
    true = np.stack([sample.joints for sample in samples])
    visible = np.stack([sample.visible for sample in samples]) == 1
    true, size, _ = _of_known_size(np.where(visible[..., None], true, np.nan), size, "box")
    groups = _images_or_videos(predictions.names)
    return _score(_PCK_OF_BOX, predictions, dataset, dataset.skeleton, true, size, groups)


def score_in_box(predictions: Predictions, dataset: Sequence[Sample]) -> PoseScores:
    """Scores predictions by the PCK of the person's box, on any data set.

    PCK@0.2, PCK@0.1 and the area under the curve from 0 to 0.2. Distances are divided by the longer
    side of the box. All labelled joints count, hidden ones as well. The interval takes the persons
    of an image together.

    Args:
        predictions: in a skeleton that has all joints of the data set.
        dataset: the data set they were made for; the window of a person (`Sample.side`) is 1.25
            times the longer side of the box, as in `deephar.data.CocoKeypoints`.

    Returns:
        `PoseScores`.

    Raises:
        ValueError: As for `score_penn`.
    """
    samples = _matching_samples(predictions, dataset, dataset.skeleton)
    true = np.stack([sample.joints for sample in samples])
    size = np.array([sample.side for sample in samples], float) / BOX_MARGIN
    groups = _images_or_videos(predictions.names)
    return _score(_PCK_OF_BOX, predictions, dataset, dataset.skeleton, true, size, groups)


def score_coco(predictions: Predictions, dataset: Sequence[Sample]) -> PoseScores:
    """Scores predictions as COCO does, with the PCK of `score_in_box` besides.

    The average precision is of the persons' true boxes, so it is not that of a detector. A
    prediction has the mean visibility of its joints as its score.

    Args:
        predictions: in a skeleton that has all joints of the data set.
        dataset: a `deephar.data.CocoKeypoints`, or a part of one.

    Returns:
        `PoseScores` with `keypoints`.

    Raises:
        ValueError: As for `score_in_box`, or pycocotools is not installed.
    """
    scores = score_in_box(predictions, dataset)
    return replace(scores, keypoints=score_keypoints(predictions, dataset))


def _of_known_size(true, size, name):
    """True poses and sizes, so that persons whose size is unknown are left out, and their number.

    `name` says in an error what the size is.
    """
    known = np.isfinite(size) & (size > 0)
    if not known.any():
        raise ValueError(f"The {name} is unknown for all {len(size)} persons. Nothing is scored.")
    return np.where(known[:, None, None], true, np.nan), np.where(known, size, 1), int(known.sum())


def _score(measure, predictions, dataset, skeleton, true, size, dependent=None):
    """`PoseScores` by a measure.

    Args:
        true: (N, J, 2), NaN where a joint is not to be scored.
        size: (N,), what the distances of each person are divided by.
        dependent: `groups` of the metric, which persons are not independent; None if all are.
    """
    predicted = joints_in_skeleton(predictions, skeleton)

    def scores_at(threshold):
        return tuple(
            measure.metric(block, true, size, threshold, skeleton, dependent) for block in predicted
        )

    return PoseScores(
        **split_facts(dataset),
        blocks=scores_at(measure.threshold),
        predictions=predictions,
        skeleton=skeleton,
        measure=measure.name,
        unit=measure.unit,
        threshold=measure.threshold,
        strict_threshold=measure.strict_threshold,
        strict=scores_at(measure.strict_threshold),
        curves=tuple(measure.curve(block, true, size, skeleton=skeleton) for block in predicted),
        distances=np.linalg.norm(predicted[-1] - true, axis=-1) / size[:, None],
    )


# ------------------------------------------------------------------------------- poses in space


def score_mpjpe(predictions: Predictions, dataset: Sequence[Sample]) -> DepthScores:
    """Scores predictions by the MPJPE: the mean distance of the joints in space, in mm.

    The predicted x and y are taken back to pixels, z to mm with the true depth of the root, and
    the camera takes the three back into space (the protocol of the paper for Human3.6M). Both
    poses are relative to the root. The root's own error is therefore 0, and it counts, as is
    usual: with 17 joints it lowers the mean by a factor of 16/17. The interval takes persons
    together whose names agree up to ``#``. The P-MPJPE is computed as well, and both are given for
    each action if the samples have actions.

    Args:
        predictions: with depth, in a skeleton that has all joints of the data set.
        dataset: the data set they were made for; persons without 3D labels are left out.

    Returns:
        `DepthScores`.

    Raises:
        ValueError: The network gives no depth, no person has 3D labels, the skeleton lacks a joint
            or the root, or the model gave NaN.
    """
    found, true, persons = poses_relative_to_root(predictions, dataset)
    skeleton = get_skeleton(dataset.skeleton)
    dependent = np.array(_images_or_videos([predictions.names[person] for person in persons]))
    actions = np.array([dataset[person].action or "" for person in persons])

    def errors(block, rows=slice(None)):
        arguments = block[rows], true[rows], skeleton, dependent[rows]
        return metrics.mpjpe(*arguments), metrics.p_mpjpe(*arguments)

    blocks, aligned = zip(*map(errors, found), strict=True)
    return DepthScores(
        **{**split_facts(dataset), "num_scored": len(persons)},
        blocks=blocks,
        predictions=predictions,
        skeleton=dataset.skeleton,
        aligned=aligned,
        protocol=getattr(whole_of(dataset), "protocol", 1),
        actions={
            action: errors(found[-1], actions == action)
            for action in dict.fromkeys(actions.tolist())
            if action
        },
    )


def poses_relative_to_root(
    predictions: Predictions, dataset: Sequence[Sample]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predicted and true poses in mm, relative to the root, as `score_mpjpe` compares them.

    Args:
        predictions: see `score_mpjpe`.
        dataset: see `score_mpjpe`.

    Returns:
        Predicted (P, M, J, 3) and true (M, J, 3), in the skeleton of the data set, in directions of
        the camera; and (M,) which persons of the data set they are: those with 3D labels.

    Raises:
        ValueError: As `score_mpjpe`.
    """
    if predictions.depth is None:
        raise ValueError(
            "The network gives no depth (dim=2), so its error in space is unknown. Use a network "
            "with dim=3."
        )
    samples = _matching_samples(predictions, dataset, dataset.skeleton)
    persons = np.flatnonzero([has_3d_labels(sample) for sample in samples])
    if len(persons) == 0:
        raise ValueError(
            f"MPJPE needs 3D labels and a camera, none of the {len(samples)} persons has 3D "
            "labels. Use another data set or measure."
        )
    skeleton = get_skeleton(dataset.skeleton)
    root = skeleton.index(_ROOT)
    joints = joints_in_skeleton(predictions, skeleton)
    depth = depth_mm(convert(predictions.depth[..., None], predictions.skeleton, skeleton)[..., 0])
    found, true = [], []
    for person in persons:
        sample = samples[person]
        z = depth[:, person] + sample.joints_3d[root, 2]
        points = sample.camera.unproject(joints[:, person], z)
        found.append(points - points[:, root, None])
        true.append(sample.joints_3d - sample.joints_3d[root])
    return np.stack(found, axis=1), np.stack(true), persons


def has_3d_labels(sample: Sample) -> bool:
    """Whether a sample has a 3D label of any joint, and the camera that sees it."""
    return (
        sample.joints_3d is not None
        and sample.camera is not None
        and bool(np.isfinite(sample.joints_3d).any())
    )


# --------------------------------------------------------------------------------------- shared


def joints_in_skeleton(predictions: Predictions, skeleton: str | Skeleton) -> np.ndarray:
    """The predicted joints in another joint layout.

    Args:
        predictions: `Predictions`.
        skeleton: the layout, or its name.

    Returns:
        float64 (P, N, J, 2).

    Raises:
        ValueError: The skeleton of the predictions lacks a joint, or a prediction is not finite.
    """
    require_finite(predictions.joints, predictions.names)
    require_joints(predictions.skeleton, skeleton)
    return convert(predictions.joints, predictions.skeleton, skeleton)


def _matching_samples(predictions, dataset, skeleton):
    """The samples of the data set, which must be those of the predictions, in `skeleton`."""
    # Without the pictures, which may be arrays and would not all fit into memory.
    samples = [replace(dataset[i], image="") for i in range(len(dataset))]
    require_same_items(predictions.names, [sample.name for sample in samples], "persons")
    other = {sample.skeleton for sample in samples} - {skeleton}
    if other:
        raise ValueError(
            f"The data set has joints in {other.pop()!r}, this score takes {skeleton!r}. Use the "
            "score of the data set."
        )
    return samples


def _images_or_videos(names):
    """Which image or video each person is from: what its name has before ``#``."""
    return [name.split("#")[0] for name in names]
