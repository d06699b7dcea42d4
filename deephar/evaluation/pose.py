"""Scores of poses on a data set, by the protocols of the benchmarks.

`score_mpii`, `score_lsp` and `score_penn`, or for any data set `score_pckh` and `score_mpjpe`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import numpy as np

from deephar import metrics
from deephar.data.samples import whole_of
from deephar.data.targets import depth_mm
from deephar.geometry import BOX_MARGIN
from deephar.inference.network import (
    require_joints,
)
from deephar.skeletons import convert, get_skeleton


@dataclass(frozen=True, eq=False)
class PoseScores:
    """Scores of all prediction blocks; `deephar.evaluation.tables` makes tables of it.

    Attributes:
        data: name of the data set and of the split, e.g. "mpii valid".
        source: the annotation that was read, as the data set tells it; "" if it does not.
        persons: number of persons scored.
        persons_in_split: number of persons of the whole split.
        views: crops that each person's pose is made of.
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
        depth: scores in space, where the network gives depth and it is known; else None.
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
    depth: DepthScores | None = None

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
    return _score_by_head(predictions, dataset, "mpii16")


def score_pckh(predictions, dataset):
    """As `score_mpii`, for a data set in any joint layout, such as `deephar.data.Synthetic`'s.

    The interval is over what stands before ``#`` in the names: over videos, not their frames.

    Args:
        predictions: `Predictions` in a skeleton that has all joints of the data set.
        dataset: the data set they were made for, with a head size for every person.

    Returns:
        `PoseScores`.

    Raises:
        ValueError: as for `score_mpii`.
    """
    return _score_by_head(predictions, dataset, dataset.skeleton, _groups(predictions.names))


def _score_by_head(predictions, dataset, skeleton, groups=None):
    predicted, samples = _matched(predictions, dataset, skeleton)
    lacking = [sample.name for sample in samples if not sample.head_size > 0]
    if lacking:
        raise ValueError(
            f"PCKh needs the head size of every person, it is unknown for {len(lacking)} of "
            f"{len(samples)}, first {lacking[0]}: evaluate on a split that has it"
        )
    return _score(
        metrics.pckh,
        metrics.pckh_curve,
        predicted,
        np.stack([sample.joints for sample in samples]),
        np.array([sample.head_size for sample in samples], float),
        groups,
        **_facts(predictions, dataset),
        measure="PCKh",
        unit="head size (0.6 x diagonal of the head box)",
        skeleton=skeleton,
        threshold=0.5,
        strict_threshold=0.1,
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
    return _score(
        metrics.pck,
        metrics.pck_curve,
        predicted,
        true,
        metrics.torso_size(true),
        **_facts(predictions, dataset),
        measure="PCK",
        unit="torso size (left shoulder to right hip)",
        skeleton="lsp14",
        threshold=0.2,
        strict_threshold=0.1,
    )


def score_penn(predictions, dataset):
    """Scores predictions by the protocol of Penn Action.

    PCK@0.2, PCK@0.1 and the area under the curve from 0 to 0.2; distances are divided by the longer
    side of the person's box. Hidden joints are left out: their labels are guesses or placeholders.
    Frames without a box are left out as well. The interval is over videos, not their frames.
    Source: Y. Luo et al., "LSTM Pose Machines", CVPR 2018, section 4.2.

    Args:
        predictions: `Predictions` in a skeleton that has all joints of the data set.
        dataset: the frames they were made for; the window of a frame (`Sample.side`) is 1.25 times
            the longer side of the box, as `deephar.data.Frames` has it.

    Returns:
        `PoseScores`.

    Raises:
        ValueError: the skeleton lacks a joint, the persons are not those of the data set, no joint
            is visible, or the model gave NaN.
    """
    predicted, samples = _matched(predictions, dataset, dataset.skeleton)
    size = np.array([sample.side for sample in samples], float) / BOX_MARGIN
    known = np.isfinite(size) & (size > 0)
    true = np.stack([sample.joints for sample in samples])
    visible = np.stack([sample.visible for sample in samples]) == 1
    return _score(
        metrics.pck,
        metrics.pck_curve,
        predicted,
        np.where((visible & known[:, None])[..., None], true, np.nan),
        np.where(known, size, 1),
        _groups(predictions.names),
        **_facts(predictions, dataset),
        measure="PCK",
        unit="longer side of the person's box",
        skeleton=dataset.skeleton,
        threshold=0.2,
        strict_threshold=0.1,
    )


def _score(metric, curve, predicted, true, size, groups=None, **facts):
    """`PoseScores` by a metric of `deephar.metrics`; `facts` are the other fields."""
    skeleton = facts["skeleton"]
    return PoseScores(
        **facts,
        blocks=tuple(
            metric(block, true, size, facts["threshold"], skeleton, groups) for block in predicted
        ),
        strict=tuple(
            metric(block, true, size, facts["strict_threshold"], skeleton, groups)
            for block in predicted
        ),
        curves=tuple(curve(block, true, size, skeleton=skeleton) for block in predicted),
        distances=_distances(predicted[-1], true, size),
    )


@dataclass(frozen=True, eq=False)
class DepthScores:
    """Errors in space of all prediction blocks, in millimetres.

    Attributes:
        data, source, persons, persons_in_split, views, skeleton: as in `PoseScores`.
        blocks: MPJPE, one `deephar.metrics.Score` a prediction block, relative to the root joint.
        aligned: the same after the best alignment of each person (P-MPJPE).
        protocol: 1 if the MPJPE is the score to report, 2 if the P-MPJPE is, as the data set says.
        actions: both of the last block, by name of the action; empty where it is not told.
    """

    data: str
    source: str
    persons: int
    persons_in_split: int
    views: int
    skeleton: str
    blocks: tuple[metrics.Score, ...]
    aligned: tuple[metrics.Score, ...]
    protocol: int = 1
    actions: dict[str, tuple[metrics.Score, metrics.Score]] = field(default_factory=dict)

    @property
    def answer(self):
        """The `Score` to report: the last block's, by the protocol."""
        return (self.blocks if self.protocol == 1 else self.aligned)[-1]

    @property
    def measure(self):
        """What `answer` is: "MPJPE" or "P-MPJPE"."""
        return "MPJPE" if self.protocol == 1 else "P-MPJPE"

    @property
    def mean_of_actions(self):
        """Mean MPJPE and mean P-MPJPE of the actions, each counted the same; NaN if not told."""
        totals = [[score.total for score in scores] for scores in self.actions.values()]
        return tuple(np.mean(totals, axis=0).tolist()) if totals else (float("nan"),) * 2


ROOT = "pelvis"


def score_mpjpe(predictions, dataset):
    """MPJPE in mm: the mean distance of the joints in space, after the roots are laid together.

    The predicted x and y are taken back to pixels, z to mm with the true depth of the root, and
    the camera takes the three back into space (the protocol of the paper for Human3.6M). The
    root's own error is 0 by construction and counts, as is usual: with 17 joints it lowers the
    mean by a factor of 16/17. The interval is over what stands before ``#`` in the names. The
    P-MPJPE comes along, and both of each action, where `Sample.action` tells it.

    Args:
        predictions: `Predictions` with depth, in a skeleton that has all joints of the data set.
        dataset: the data set they were made for; persons without 3D labels are left out.

    Returns:
        `DepthScores`.

    Raises:
        ValueError: the network gives no depth, no person has 3D labels, the skeleton lacks a joint
            or the root, or the model gave NaN.
    """
    found, true, _, samples = _in_space(predictions, dataset)
    skeleton = get_skeleton(dataset.skeleton)
    groups = np.array(_groups([sample.name for sample in samples]))
    actions = np.array([sample.action or "" for sample in samples])

    def scores(block, rows=slice(None)):
        parts = block[rows], true[rows], skeleton, groups[rows]
        return metrics.mpjpe(*parts), metrics.p_mpjpe(*parts)

    blocks, aligned = zip(*map(scores, found), strict=True)
    return DepthScores(
        **{**_facts(predictions, dataset), "persons": len(true)},
        skeleton=skeleton.name,
        blocks=blocks,
        aligned=aligned,
        protocol=getattr(whole_of(dataset), "protocol", 1),
        actions={
            action: scores(found[-1], actions == action)
            for action in dict.fromkeys(actions.tolist())
            if action
        },
    )


def poses_in_space(predictions, dataset):
    """Predicted and true poses in mm, relative to the root, as `score_mpjpe` compares them.

    Args:
        predictions, dataset: see `score_mpjpe`.

    Returns:
        Predicted (P, M, J, 3) and true (M, J, 3), in the skeleton of the data set, in directions of
        the camera; and (M,) which persons of the data set they are: those with 3D labels.

    Raises:
        ValueError: as `score_mpjpe`.
    """
    return _in_space(predictions, dataset)[:3]


def in_space(sample):
    """Whether a `Sample` has 3D labels, of any joint, and the camera that they are seen by."""
    return (
        sample.joints_3d is not None
        and sample.camera is not None
        and bool(np.isfinite(sample.joints_3d).any())
    )


def _in_space(predictions, dataset):
    """As `poses_in_space`, and the M samples, without their pictures."""
    if predictions.depth is None:
        raise ValueError("the network gives no depth (dim=2): its error in space is unknown")
    predicted, samples = _matched(predictions, dataset, dataset.skeleton)
    labelled = list(map(in_space, samples))
    if not any(labelled):
        raise ValueError(
            f"none of the {len(samples)} persons has 3D labels and a camera: MPJPE takes them"
        )
    skeleton = get_skeleton(dataset.skeleton)
    root = skeleton.index(ROOT)
    depth = convert(predictions.depth[..., None], predictions.skeleton, skeleton)[..., 0]
    true, found = [], []
    persons = np.flatnonzero(labelled)
    for person in persons:
        sample = samples[person]
        z = depth_mm(depth[:, person]) + sample.joints_3d[root, 2]
        points = sample.camera.unproject(predicted[:, person], z)
        found.append(points - points[:, root, None])
        true.append(sample.joints_3d - sample.joints_3d[root])
    return np.stack(found, axis=1), np.stack(true), persons, [samples[i] for i in persons]


def _groups(names):
    """What stands before ``#``: persons of one image, frames of one video."""
    return [name.split("#")[0] for name in names]


def scored_joints(skeleton):
    """Indices of the joints that count in the total: those in a group of the skeleton."""
    skeleton = get_skeleton(skeleton)
    grouped = {name for names in skeleton.groups.values() for name in names}
    return np.array([i for i, name in enumerate(skeleton.joints) if name in grouped])


def _matched(predictions, dataset, skeleton):
    """Predictions in `skeleton`, (P, N, J, 2), and the samples; they must be the same persons."""
    # Without the pictures, which may be arrays and would not all fit into memory.
    samples = [dataclasses.replace(dataset[i], image="") for i in range(len(dataset))]
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


def _facts(predictions, dataset):
    return {**facts_of(dataset), "views": predictions.crops_per_person}


def facts_of(dataset):
    """What the scores on a data set tell of it: fields of `PoseScores`, as a dict."""
    whole = whole_of(dataset)
    return {
        "data": f"{whole.name} {getattr(whole, 'split', '')}".rstrip(),
        "source": getattr(whole, "source", ""),
        "persons": len(dataset),
        "persons_in_split": len(whole),
    }


def _distances(predicted, true, size):
    return np.linalg.norm(predicted - true, axis=-1) / size[:, None]
