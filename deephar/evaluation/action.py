"""Scores of the actions on a video data set: accuracy, confusion, and the poses along the way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deephar import metrics
from deephar.data.clips import (
    frame_labels,
)
from deephar.data.samples import whole_of
from deephar.evaluation.pose import (
    DepthScores,
    PoseScores,
    facts_of,
    in_space,
    score_mpjpe,
    score_pckh,
    score_penn,
)
from deephar.inference.actions import ActionPredictions

TOP = 5


@dataclass(frozen=True, eq=False)
class ActionScores:
    """Scores of all prediction blocks; `deephar.evaluation.tables` makes tables of it.

    Attributes:
        data: name of the data set and of the split, e.g. "penn test".
        source: the annotation that was read, as the data set tells it; "" if it does not.
        videos: number of videos scored.
        videos_in_split: number of videos of the whole split.
        actions: names of the C actions.
        blocks: accuracy, one `deephar.metrics.Score` a prediction block, in percent; `per_group`
            holds the accuracy of each action.
        top5: the same, right if the true action is among the five best.
        confusion: int (C, C), videos by true action (row) and the last block's answer (column).
        poses: PCKh, or PCK where the head sizes are not known, of the frames that the clips show;
            None of a network that takes poses, and without joint labels.
        depth: MPJPE of these frames; None of 2D poses, and without 3D labels.
        predictions: what was scored.
    """

    data: str
    source: str
    videos: int
    videos_in_split: int
    actions: tuple[str, ...]
    blocks: tuple[metrics.Score, ...]
    top5: tuple[metrics.Score, ...]
    confusion: np.ndarray
    poses: PoseScores | None
    depth: DepthScores | None
    predictions: ActionPredictions

    @property
    def answer(self):
        """The `Score` to report: the last block's, whether or not another block does better."""
        return self.blocks[-1]


# -------------------------------------------------------------------------------------- scoring


def score_actions(predictions, dataset):
    """Scores predictions: accuracy, top-5 accuracy, confusion, and the poses along the way.

    The poses are scored on every frame that a clip shows, once each: by PCKh where the data set
    has head sizes, else by the PCK of Penn Action; and by MPJPE where it has 3D labels.

    Args:
        predictions: `ActionPredictions`.
        dataset: the data set they were made for.

    Returns:
        `ActionScores`.

    Raises:
        ValueError: the videos are not those of the data set, or the model gave NaN.
    """
    names = tuple(dataset[i].name for i in range(len(dataset)))
    if names != predictions.names:
        raise ValueError(
            f"the predictions are of other videos than the data set ({len(predictions.names)} and "
            f"{len(names)}): score them with the data set they were made for"
        )
    bad = ~np.isfinite(predictions.scores).all(axis=(0, 2))
    if bad.any():
        raise ValueError(
            f"the model predicts NaN or infinity, first for {names[np.argmax(bad)]}: its training "
            "has probably diverged"
        )
    labels, actions = predictions.labels, predictions.actions
    confusion = np.zeros((len(actions), len(actions)), int)
    np.add.at(confusion, (labels, predictions.scores[-1].argmax(axis=1)), 1)
    poses, depth = _score_poses(predictions, dataset)
    facts = facts_of(dataset)
    return ActionScores(
        data=facts["data"],
        source=facts["source"],
        videos=len(dataset),
        videos_in_split=facts["persons_in_split"],
        actions=actions,
        blocks=tuple(metrics.accuracy(block, labels, actions) for block in predictions.scores),
        top5=tuple(
            metrics.accuracy(_within(block, labels, TOP), labels, actions)
            for block in predictions.scores
        ),
        confusion=confusion,
        poses=poses,
        depth=depth,
        predictions=predictions,
    )


def _within(scores, labels, top):
    """The label itself where it is among the `top` best classes, else -1 (no answer)."""
    best = np.argsort(-scores, axis=1, kind="stable")[:, :top]
    return np.where((best == labels[:, None]).any(axis=1), labels, -1)


def _score_poses(predictions, dataset):
    if predictions.poses is None:
        return None, None
    frames = _FrameLabels(dataset, predictions.frames)
    poses = depth = None
    if frames.known_head_sizes:
        poses = score_pckh(predictions.poses, frames)
    elif frames.known_joints:
        poses = score_penn(predictions.poses, frames)
    if predictions.poses.depth is not None and frames.known_in_space:
        depth = score_mpjpe(predictions.poses, frames)
    return poses, depth


class _FrameLabels:
    """The labels of some frames of a video data set, as a still data set without pictures."""

    def __init__(self, dataset, frames):
        self.dataset = dataset
        self.name, self.skeleton = dataset.name, dataset.skeleton
        whole = whole_of(dataset)
        self.split, self.source = getattr(whole, "split", ""), getattr(whole, "source", "")
        self.samples = []
        videos = {}
        for number, frame in frames:
            if number not in videos:
                videos = {number: dataset[number]}
            self.samples.append(frame_labels(videos[number], frame))
        self.known_joints = any(
            (np.isfinite(sample.joints).all(axis=1) & (sample.visible == 1)).any()
            for sample in self.samples
        )
        self.known_head_sizes = all(sample.head_size > 0 for sample in self.samples)
        self.known_in_space = any(map(in_space, self.samples))

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        return self.samples[index]
