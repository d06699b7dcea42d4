"""Labelled videos with videos of none of their actions."""

from dataclasses import replace

import numpy as np
import pytest

from deephar.data import InputSpec, PredictedPoses, Subset, WithOther
from deephar.data.others import DRAWN, REPEATED
from deephar.data.samples import OTHER, Video
from deephar.data.sets.penn import ACTIONS
from deephar.data.synthetic.sports import SPORTS
from deephar.skeletons import get_skeleton


class Penn:
    """Two videos of each of some actions of Penn Action, with the head and the limbs labelled."""

    name, split, skeleton, source = "penn", "train", "penn13", "memory"

    def __init__(self, actions=("golf_swing", "squat", "tennis_forehand"), frames=20, per_action=2):
        self.actions, self._frames, self._per_action = actions, frames, per_action

    def __len__(self):
        return self._per_action * len(self.actions)

    def __getitem__(self, index):
        rng = np.random.default_rng(index)
        joints = rng.uniform(20, 200, (13, 2)) + rng.normal(0, 5, (self._frames, 13, 2)).cumsum(0)
        joints[:, 12] = np.nan  # the left ankle is not labelled
        return Video(
            frames=[],
            joints=joints,
            visible=np.where(np.isnan(joints[..., 0]), np.nan, 1.0),
            skeleton="penn13",
            boxes=np.tile([0.0, 0, 220, 220], (self._frames, 1)),
            size=(220, 220),
            action=index % len(self.actions),
            name=f"{index}",
        )

    def __repr__(self):
        return "Penn()"


def test_every_action_has_as_many_videos_and_other_comes_last():
    videos = WithOther(Penn(), per_action=4, others=7)
    assert videos.actions == ("golf_swing", "squat", "tennis_forehand", OTHER)
    actions = [videos[index].action for index in range(len(videos))]
    assert np.bincount(actions).tolist() == [4, 4, 4, 7]
    assert len({videos[index].name for index in range(len(videos))}) == len(videos)
    assert videos.names() == [videos[index].name for index in range(len(videos))]
    with pytest.raises(IndexError):
        videos[len(videos)]


def test_a_video_follows_from_the_seed_and_its_number():
    one, same, another = (WithOther(Penn(), others=20, seed=seed) for seed in (0, 0, 1))
    for index in (0, 5, 301, 310, 319):
        np.testing.assert_array_equal(one[index].joints, same[index].joints)
    assert not np.array_equal(one[305].joints, another[305].joints)


def test_videos_have_all_joints_and_two_sides_where_one_is_labelled():
    skeleton = get_skeleton("pa16j")
    left, right = skeleton.index("left_ankle"), skeleton.index("right_ankle")
    copied = 0
    videos = WithOther(Penn(actions=("baseball_pitch",)), per_action=60, others=0)
    for index in range(len(videos)):
        video = videos[index]
        assert video.joints.shape[1:] == (16, 2)
        assert np.isfinite(video.joints[:, :3]).all()  # pelvis, thorax and neck are derived
        copied += np.array_equal(video.joints[:, left], video.joints[:, right])
    assert 0.3 * len(videos) < copied < len(videos)


def test_the_trunk_is_derived_from_hips_shoulders_and_head():
    videos = WithOther(Penn(actions=("bowl",)), per_action=40, others=0)
    skeleton = get_skeleton("pa16j")
    hips = [skeleton.index("right_hip"), skeleton.index("left_hip")]
    derived = 0
    for number in range(len(videos)):
        joints = videos[number].joints
        derived += np.allclose(joints[:, skeleton.index("pelvis")], joints[:, hips].mean(axis=1))
    assert 0.5 * len(videos) < derived  # drawn persons have a pelvis of their own


def test_the_head_is_kept_where_a_shoulder_is_not_labelled(monkeypatch):
    label = Penn.__getitem__

    def without_left_shoulder(self, index):
        video = label(self, index)
        video.joints[:, get_skeleton("penn13").index("left_shoulder")] = np.nan
        return video

    monkeypatch.setattr(Penn, "__getitem__", without_left_shoulder)
    skeleton = get_skeleton("pa16j")
    videos = WithOther(Penn(actions=("baseball_pitch",)), per_action=60, others=0)
    shown = [videos[index].joints for index in range(len(videos))]
    one_sided = [it for it in shown if np.isnan(it[:, skeleton.index("left_shoulder")]).all()]
    assert one_sided
    for joints in one_sided:
        assert np.isfinite(joints[:, skeleton.index("head_top")]).all()


def test_repeated_actions_last_longer_than_their_labels():
    videos = WithOther(Penn(actions=("squat",)), per_action=10, others=0)
    assert all(len(videos[index].joints) > 100 for index in range(len(videos)))


def test_penn_action_is_known_by_its_names():
    assert set(REPEATED) | set(DRAWN) | set(SPORTS) <= set(ACTIONS)
    assert set(DRAWN) | set(SPORTS) == set(ACTIONS)  # all have drawn videos


def test_videos_of_none_of_the_actions_are_of_all_kinds_and_make_clips():
    videos = WithOther(Penn(), per_action=0, others=120)
    spec = InputSpec(num_frames=16, frame_rate=8.0)
    still = 0
    for index in range(len(videos)):
        video = videos[index]
        assert video.action == 3
        clip = PredictedPoses().clip(video, spec, np.random.default_rng(index))
        assert clip.shape == (16, 16, 3)
        assert np.isfinite(clip).all()
        motion = np.ptp(np.nan_to_num(video.joints), axis=0).max() / max(video.size)
        still += motion < 0.05
    assert 5 < still < 80  # some are held, most are not


def test_some_labelled_videos_are_played_backwards_and_some_frozen():
    class ToTheRight(Penn):
        def __getitem__(self, index):
            video = super().__getitem__(index)
            rows = np.arange(self._frames)[:, None, None] * [10, 0]
            return replace(video, joints=video.joints[:1] + rows)

    videos = WithOther(ToTheRight(actions=("bowl", "golf_swing")), per_action=0, others=200)
    made = [videos[index].joints for index in range(len(videos))]
    steps = [np.nanmedian(np.diff(j[..., 0], axis=0)) for j in made if len(j) == 20]
    steps = np.array(steps) / np.max(steps)
    assert len(steps) < len(made)  # the others are drawn
    assert (steps < -0.5).sum() > 10
    assert (np.abs(steps) < 0.13).sum() > 10


def test_actions_that_penn_action_lacks_are_refused():
    with pytest.raises(ValueError, match=r"^memory has the action 'walk', which Penn Action does "):
        WithOther(Penn(actions=("squat", "walk")))


def test_actions_without_a_video_are_left_out():
    videos = WithOther(Subset(Penn(), [0, 1, 3]), per_action=3, others=2)
    assert videos.actions == ("golf_swing", "squat", "tennis_forehand", OTHER)
    assert [videos[index].action for index in range(8)] == [0, 1, 0, 1, 0, 1, 3, 3]
