"""Scores of actions: accuracy, confusion, and the poses along the way."""

import numpy as np
import pytest
from dots import LABELS, MULTI, always, by_brightness, poses_only

from deephar.data import Subset
from deephar.data.clips import clip_of
from deephar.data.inputs import InputSpec
from deephar.evaluation import score_actions
from deephar.inference import ActionPredictions, ActionProtocol, predict_actions
from deephar.models import ModelConfig


def test_always_wrong_gives_zero_by_every_protocol(clip_config, dot_videos, clips):
    dataset = dot_videos((9, 1, 3, 12, 2))  # three are shorter than a clip
    for number in range(5):
        dataset = dataset.changed(number, action=1)
    for protocol in (
        ActionProtocol(),
        ActionProtocol(mirror=True),
        ActionProtocol(clips="multi"),
        MULTI,
    ):
        predictions = predict_actions(clips(always(0, 2)), clip_config, dataset, protocol=protocol)
        scores = score_actions(predictions, dataset)
        assert scores.answer.total == 0
        assert scores.answer.count == scores.num_scored == 5
        assert (predictions.clips_per_video >= 1).all()
        assert scores.confusion[1, 1] == 0
        assert scores.confusion.sum() == 5


def test_scores_of_all_blocks_and_the_confusion_of_the_last(clip_config, dot_videos, clips):
    dataset = dot_videos((5, 5, 5, 5))
    predictions = predict_actions(clips(always(0, 1, 1, 2), 2), clip_config, dataset, batch_size=4)
    predictions.scores[0] = np.eye(3)[[0, 1, 2, 0]]  # the first block is better
    scores = score_actions(predictions, dataset)
    assert [block.total for block in scores.blocks] == [100, 50]
    assert scores.answer is scores.blocks[-1]
    np.testing.assert_array_equal(scores.confusion, [[1, 0, 1], [0, 1, 0], [0, 1, 0]])
    assert scores.answer.per_group == {"bowl": 50, "squat": 100, "tennis_serve": 0}
    assert scores.answer.interval == pytest.approx((0, 100))
    assert [top.total for top in scores.top5] == [100, 100]
    assert (scores.data, scores.source) == ("dots test", "drawn by the tests")


def test_labelled_poses_as_input_are_not_scored(dot_videos):
    dataset = dot_videos(frames=False)
    scores = score_actions(predict_actions(poses_only(always(0)), LABELS, dataset), dataset)
    assert scores.poses is None
    assert scores.depth is None


def test_top5_counts_the_five_best(dot_videos):
    dataset = dot_videos((5, 5))
    predictions = ActionPredictions(
        scores=np.array([[[6, 5, 4, 3, 2, 1.0], [1, 2, 3, 4, 5, 6]]]),
        names=("video0", "video1"),
        labels=np.array([4, 0]),
        actions=tuple("abcdef"),
        head="dots",
        protocol=ActionProtocol(),
        clips_per_video=np.ones(2, int),
        poses=None,
        frames=None,
    )
    scores = score_actions(predictions, dataset)
    assert scores.answer.total == 0
    assert scores.top5[-1].per_group["e"] == 100
    assert scores.top5[-1].per_group["a"] == 0


def test_a_part_of_a_split_says_so(clip_config, dot_videos, clips):
    part = Subset(dot_videos(), [0, 2])
    scores = score_actions(predict_actions(clips(by_brightness), clip_config, part), part)
    assert (scores.num_scored, scores.num_in_split) == (2, 3)
    assert scores.actions == ("bowl", "squat", "tennis_serve")


def test_head_sizes_and_3d_labels_are_scored(dot_videos, clips):
    dataset = dot_videos(space=True)
    config = ModelConfig(
        image_size=64, dim=3, depth="volumetric", num_frames=4, actions={"dots": 3}
    )
    predictions = predict_actions(clips(by_brightness, dim=3), config, dataset)
    scores = score_actions(predictions, dataset)
    assert scores.poses.measure == "PCKh"
    assert scores.poses.answer.total == 100
    # The reader sees all joints at one depth.
    depth = np.concatenate(
        [v.joints_3d[clip_of(v, InputSpec(num_frames=4)).indices, :, 2] for v in dataset]
    )
    assert scores.depth.answer.total > np.abs(depth - depth[:, :1]).mean()
    assert scores.depth.num_scored == len(predictions.frames)


def test_joints_that_are_nowhere_labelled_are_not_scored(clip_config, dot_videos, clips):
    dataset = dot_videos()
    for number in range(3):
        blank = np.full_like(dataset[number].joints, np.nan)
        dataset = dataset.changed(number, joints=blank, visible=blank[..., 0])
    scores = score_actions(predict_actions(clips(by_brightness), clip_config, dataset), dataset)
    assert scores.poses is None


def test_scores_that_are_not_finite_are_refused(clip_config, dot_videos, clips):
    dataset = dot_videos()
    predictions = predict_actions(clips(by_brightness), clip_config, dataset)
    predictions.scores[0, 1, 2] = np.nan
    with pytest.raises(ValueError, match="NaN or infinity, first for video1"):
        score_actions(predictions, dataset)
    with pytest.raises(ValueError, match="other videos"):
        score_actions(predictions, Subset(dataset, [0]))
