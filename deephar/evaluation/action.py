"""Scores of the actions on a video data set: accuracy, confusion, and the poses along the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import ClassVar

import numpy as np

from deephar import metrics
from deephar.data.clips import frame_labels
from deephar.data.samples import Video, names_of, whole_of
from deephar.evaluation.pose import (
    DepthScores,
    PoseScores,
    has_3d_labels,
    score_mpjpe,
    score_pckh,
    score_penn,
)
from deephar.evaluation.scores import (
    Scores,
    label_if_among_best,
    require_finite,
    require_same_items,
    split_facts,
)
from deephar.inference.actions import ActionPredictions

TOP = 5
"""How many of the best actions count for the second accuracy."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ActionScores(Scores):
    """Scores of actions: accuracy of all prediction blocks, in percent.

    Attributes:
        predictions: what was scored.
        actions: names of the C actions.
        blocks: accuracy of each block; `per_group` holds the accuracy of each action.
        top5: as `blocks`, right if the true action is among the five best.
        confusion: int (C, C), videos by true action (row) and the last block's answer (column).
        poses: PCKh of the frames that the clips show, or PCK where head sizes are unknown; None
            without joint labels, and of a network that takes poses.
        depth: MPJPE of these frames; None without 3D labels, and of 2D poses.
    """

    predictions: ActionPredictions
    actions: tuple[str, ...]
    top5: tuple[metrics.Score, ...]
    confusion: np.ndarray
    poses: PoseScores | None
    depth: DepthScores | None

    items: ClassVar[str] = "videos"

    @property
    def calibration_error(self) -> float:
        """That of the last block, see `deephar.metrics.expected_calibration_error`."""
        predictions = self.predictions
        return metrics.expected_calibration_error(predictions.scores[-1], predictions.labels)


def score_actions(predictions: ActionPredictions, dataset: Sequence[Video]) -> ActionScores:
    """Scores predictions: accuracy, top-5 accuracy, confusion, and the poses along the way.

    Each frame that a clip shows is scored once: by PCKh where the data set has head sizes, else by
    the PCK of Penn Action; and by the MPJPE where it has 3D labels.

    Args:
        predictions: what a network predicts for the videos.
        dataset: the data set they were made for.

    Returns:
        `ActionScores`.

    Raises:
        ValueError: The videos are not those of the data set, or the model gave NaN.
    """
    require_same_items(predictions.names, names_of(dataset), "videos")
    require_finite(predictions.scores, predictions.names)
    labels, actions = predictions.labels, predictions.actions
    confusion = np.zeros((len(actions), len(actions)), int)
    np.add.at(confusion, (labels, predictions.scores[-1].argmax(axis=1)), 1)
    poses, depth = _score_poses(predictions, dataset)
    return ActionScores(
        **split_facts(dataset),
        blocks=tuple(metrics.accuracy(block, labels, actions) for block in predictions.scores),
        predictions=predictions,
        actions=actions,
        top5=tuple(
            metrics.accuracy(label_if_among_best(block, labels, TOP), labels, actions)
            for block in predictions.scores
        ),
        confusion=confusion,
        poses=poses,
        depth=depth,
    )


def _score_poses(predictions, dataset):
    """`PoseScores` and `DepthScores` of the frames, each None where it cannot be had."""
    if predictions.poses is None:
        return None, None
    frames = _LabelledFrames(dataset, predictions.frames)
    poses = depth = None
    if all(sample.head_size > 0 for sample in frames):
        poses = score_pckh(predictions.poses, frames)
    elif any(map(_has_visible_joint, frames)):
        poses = score_penn(predictions.poses, frames)
    if predictions.poses.depth is not None and any(map(has_3d_labels, frames)):
        depth = score_mpjpe(predictions.poses, frames)
    return poses, depth


def _has_visible_joint(sample):
    return (np.isfinite(sample.joints).all(axis=1) & (sample.visible == 1)).any()


class _LabelledFrames(list):
    """The labels of some frames of a video data set, as a data set of stills without pictures."""

    def __init__(self, dataset, frames):
        super().__init__()
        for number, rows in groupby(frames, key=itemgetter(0)):
            video = dataset[number]
            self += [frame_labels(video, frame) for _, frame in rows]
        whole = whole_of(dataset)
        self.name, self.skeleton = whole.name, whole.skeleton
        self.split, self.source = getattr(whole, "split", ""), getattr(whole, "source", "")
