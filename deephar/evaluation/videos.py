"""Scores of the actions of whole video files, and of telling that a video shows none of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from deephar import metrics
from deephar.data.samples import OTHER, whole_of
from deephar.data.sets.folder import LabelledVideo
from deephar.evaluation.scores import Scores, label_if_among_best, require_finite
from deephar.inference.videos import VideoPredictions

_TOP = 3
"""How many of the best actions count for the second accuracy."""

KEPT = 90.0
"""Percentage of the known videos to keep, at which the rejection is reported."""


@dataclass(frozen=True, eq=False)
class Rejection:
    """What happens if videos are rejected by their doubt. All in percent of videos.

    The doubt is 1 minus the score of the best action other than `OTHER`. A video is rejected if its
    doubt exceeds the threshold; else this action is its answer.

    Attributes:
        thresholds: float (T,), rising from 0.
        kept: float (T,), videos of known actions that are not rejected.
        kept_and_right: float (T,), those of them whose answer is right.
        rejected: float (T,), videos of none of the actions that are rejected.
    """

    thresholds: np.ndarray
    kept: np.ndarray
    kept_and_right: np.ndarray
    rejected: np.ndarray

    @property
    def working_point(self) -> dict[str, float]:
        """The values at the threshold that rejects most, of those that keep `KEPT` percent.

        ``"least_score"`` is what the best action has to score in a video that is kept.
        """
        most = self.rejected[np.argmax(self.kept >= KEPT)]
        number = int(np.flatnonzero(self.rejected == most)[-1])  # keeps most of the known videos
        return {
            "least_score": 1 - float(self.thresholds[number]),
            "kept": float(self.kept[number]),
            "kept_and_right": float(self.kept_and_right[number]),
            "rejected": float(self.rejected[number]),
        }


@dataclass(frozen=True, eq=False, kw_only=True)
class VideoScores(Scores):
    """Scores of the actions of video files, in percent.

    The known videos are those of the actions but `OTHER`. The answer is the action of the highest
    score, `OTHER` among them: for a known video, it is an error.

    Attributes:
        predictions: what was scored.
        blocks: accuracy of the known videos, as a tuple of one `Score`; `per_group` holds the
            accuracy of each action. Intervals draw whole groups of videos.
        top3: as `blocks`, right if the true action is among the three best.
        class_mean: mean over the actions of their accuracies.
        confusion: int (C, C), videos by true action (row) and answer (column).
        calibration_error: see `deephar.metrics.expected_calibration_error`, of all videos.
        others: share of the videos of none of the actions whose answer is `OTHER`, as a `Score`;
            None without such videos.
        rejection: the `Rejection` by thresholds; None without such videos.
        left_out: videos of none of the actions, which a network without `OTHER` cannot be scored
            on.
        settings: how the predictions were made, for results.json.
    """

    predictions: VideoPredictions
    top3: metrics.Score
    class_mean: float
    confusion: np.ndarray
    calibration_error: float
    others: metrics.Score | None
    rejection: Rejection | None
    left_out: tuple[LabelledVideo, ...]
    settings: dict[str, Any]

    items: ClassVar[str] = "videos"

    @property
    def actions(self) -> tuple[str, ...]:
        """Names of the C actions."""
        return self.predictions.actions

    @property
    def num_known(self) -> int:
        """The number of videos of known actions."""
        return self.answer.count

    @property
    def majority(self) -> float:
        """Accuracy of whoever always answers with the most frequent of the known actions."""
        counts = self.confusion.sum(axis=1)
        known = [n for n, action in zip(counts, self.actions, strict=True) if action != OTHER]
        return 100 * float(max(known) / sum(known))

    @property
    def per_action(self) -> dict[str, float]:
        """Accuracy of each action, `OTHER` among them; NaN for an action without videos."""
        others = {} if self.others is None else {OTHER: self.others.total}
        return self.answer.per_group | others

    @property
    def notes(self) -> list[str]:
        """What to know about the scores, in sentences."""
        notes = []
        known = [action for action, value in self.answer.per_group.items() if value == value]
        if len(known) == 1:
            notes.append(
                f"All known videos are of one action, {known[0]}. A network that always gives this "
                "answer would get 100 %."
            )
        if self.left_out:
            notes.append(
                f"The videos of {OTHER!r} ({len(self.left_out)}) are left out: the network has no "
                "such action, so it cannot tell that a video shows none of its actions."
            )
        return notes


def score_videos(
    predictions: VideoPredictions,
    dataset: Sequence[LabelledVideo],
    *,
    left_out: Sequence[LabelledVideo] = (),
    settings: Mapping[str, Any] = {},
) -> VideoScores:
    """Scores the actions of video files: accuracy, confusion, calibration and rejection.

    Args:
        predictions: what a network predicts for the videos.
        dataset: the folder of the videos, or a part of it (`limited`).
        left_out: see `VideoScores`.
        settings: see `VideoScores`.

    Returns:
        `VideoScores`.

    Raises:
        ValueError: No video of a known action could be read, one is of an action that the network
            does not have, or the network gave NaN.
    """
    scores, actions = predictions.scores, predictions.actions
    require_finite(scores[None], [video.name for video in predictions.videos])
    unknown = sorted({video.action for video in predictions.videos} - set(actions))
    if unknown:
        raise ValueError(
            f"There are videos of {', '.join(map(repr, unknown))}, which the network does not "
            f"know. Its actions are {', '.join(actions)}. Leave these videos out."
        )
    labels = np.array([actions.index(video.action) for video in predictions.videos])
    groups = np.array([video.group for video in predictions.videos])
    is_other = np.array([video.action == OTHER for video in predictions.videos])
    if is_other.all():
        raise ValueError(
            f"None of the videos of known actions can be read; all that can are labelled {OTHER!r}."
        )
    known = {"class_names": actions, "groups": groups[~is_other]}
    answer = metrics.accuracy(scores[~is_other], labels[~is_other], **known)
    top3 = label_if_among_best(scores[~is_other], labels[~is_other], _TOP)
    confusion = np.zeros((len(actions), len(actions)), int)
    np.add.at(confusion, (labels, scores.argmax(axis=1)), 1)
    whole, others, rejection = whole_of(dataset), None, None
    if is_other.any():
        others = metrics.accuracy(scores[is_other], labels[is_other], groups=groups[is_other])
        rejection = _rejection(scores, labels, actions.index(OTHER))
    return VideoScores(
        data=whole.name,
        source=whole.source,
        num_scored=len(predictions.videos),
        num_in_split=len(whole) - len(left_out),
        blocks=(answer,),
        predictions=predictions,
        top3=metrics.accuracy(top3, labels[~is_other], **known),
        class_mean=float(np.nanmean(list(answer.per_group.values()))),
        confusion=confusion,
        calibration_error=metrics.expected_calibration_error(scores, labels),
        others=others,
        rejection=rejection,
        left_out=tuple(left_out),
        settings=dict(settings),
    )


def _rejection(scores, labels, other):
    """`Rejection` at 0 and at every doubt."""
    of_known = np.where(np.arange(scores.shape[1]) == other, -1, scores)
    doubt, best, is_known = 1 - of_known.max(axis=1), of_known.argmax(axis=1), labels != other
    thresholds = np.unique([0.0, *doubt])

    def percent_up_to(chosen, of):
        ranked = np.sort(doubt[chosen])
        return 100 * np.searchsorted(ranked, thresholds, side="right") / of.sum()

    return Rejection(
        thresholds=thresholds,
        kept=percent_up_to(is_known, of=is_known),
        kept_and_right=percent_up_to(is_known & (best == labels), of=is_known),
        rejected=100 - percent_up_to(~is_known, of=~is_known),
    )
