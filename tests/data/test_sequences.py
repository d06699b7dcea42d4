"""Sequences of labelled poses: their augmentation, and batches of them."""

import dataclasses
import subprocess
import sys
from collections import Counter

import keras
import numpy as np
import pytest
from dots import UNCHANGED

from deephar.data import (
    Augmentation,
    InputSpec,
    PennAction,
    SequenceAugmentation,
    SequenceBatches,
    clip_of,
    crop_clip,
    pose_clip,
    pose_sequence,
)
from deephar.data.sequences import pose_clips
from deephar.skeletons import get_skeleton

WHOLE = InputSpec(num_frames=8, subsampling="whole")


def only(**changes):
    """No change but these."""
    return dataclasses.replace(UNCHANGED, **changes)


def rng(seed=0):
    return np.random.default_rng(seed)


def some_poses(frames=8, dim=2):
    poses = rng(1).uniform(0.1, 0.9, (frames, 16, dim + 1)).astype(np.float32)
    poses[..., dim] = 1
    return poses


def changed(augmentation, poses, seed=0):
    change = augmentation.sample(rng(seed), len(poses), poses.shape[1])
    return change.apply(poses, "pa16j")


def frames_seen(augmentation, count, length, seed=0):
    return augmentation.sample(rng(seed), length, 16).indices(0, count)


def lengths_of(poses):
    """Distance from the first joint of each frame to the others."""
    return np.linalg.norm(poses[:, 1:, :2] - poses[:, :1, :2], axis=-1)


# --- what one change does


def test_nothing_changes_with_all_ranges_empty():
    poses = some_poses()
    np.testing.assert_allclose(changed(UNCHANGED, poses), poses, atol=1e-6)


def test_rotation_turns_the_picture_about_its_middle_and_keeps_lengths():
    poses = some_poses()
    turned = changed(only(rotation=40), poses)
    assert np.abs(turned - poses).max() > 0.01
    np.testing.assert_allclose(lengths_of(turned), lengths_of(poses), atol=1e-6)
    poses[..., :2] = 0.5
    np.testing.assert_allclose(changed(only(rotation=40), poses), poses, atol=1e-6)


def test_a_larger_window_makes_the_person_smaller():
    poses = some_poses(dim=3)
    smaller = changed(only(scale=(2, 2)), poses)
    np.testing.assert_allclose(smaller[..., :2] - 0.5, (poses[..., :2] - 0.5) / 2, atol=1e-6)
    np.testing.assert_array_equal(smaller[..., 3], poses[..., 3])


def test_depth_is_metric_and_changed_by_noise_alone():
    poses = some_poses(dim=3)
    poses[:, 0, 2] = 0.5  # the pelvis, or unknown
    moved = changed(only(scale=(0.5, 2), rotation=40, translation=0.2), poses)
    assert np.abs(moved[..., :2] - poses[..., :2]).max() > 0.1
    np.testing.assert_array_equal(moved[..., 2:], poses[..., 2:])
    noise = (changed(only(noise=0.05), poses) - poses)[..., 2]
    assert (noise[:, 0] == 0).all()
    assert 0 < noise[:, 1:].std() < 0.06


def test_depth_in_3d_agrees_with_the_target_of_a_crop_of_the_same_scale(build):
    joints_3d = rng().normal(0, 300, (9, 16, 3)) + [0, 0, 4000]
    video = build.videos(9, joints_3d=joints_3d)[0]
    spec = InputSpec(16, dim=3, num_frames=4)
    clip = clip_of(video, spec)
    larger = Augmentation(rotation=0, scale=(2, 2), flip=0, translation=0)
    target = crop_clip(clip, spec, augmentation=larger, rng=rng()).target
    poses = changed(only(scale=(2, 2)), pose_sequence(clip, spec))
    known = target[..., 2] != np.float32(-1e9)
    assert known.mean() > 0.9
    np.testing.assert_allclose(poses[known], target[known], atol=1e-6)


def test_flip_mirrors_x_and_swaps_sides():
    poses = some_poses(dim=3)
    poses[:, 4, 3] = 0
    flipped = changed(only(flip=1), poses)
    skeleton = get_skeleton("pa16j")
    left, right = skeleton.index("left_wrist"), skeleton.index("right_wrist")
    np.testing.assert_allclose(flipped[:, left, 0], 1 - poses[:, right, 0], atol=1e-6)
    np.testing.assert_allclose(flipped[:, left, 1:], poses[:, right, 1:], atol=1e-6)
    assert (flipped[:, skeleton.flip[4], 3] == 0).all()
    np.testing.assert_allclose(changed(only(flip=1), flipped), poses, atol=1e-6)


def test_translation_is_the_same_for_all_frames_and_joints():
    poses = some_poses()
    shift = changed(only(translation=0.2), poses)[..., :2] - poses[..., :2]
    np.testing.assert_allclose(shift, np.broadcast_to(shift[0, 0], shift.shape), atol=1e-6)
    assert 0 < np.abs(shift).max() <= 0.2


def test_noise_differs_between_frames_and_joints():
    poses = some_poses()
    noise = changed(only(noise=0.05), poses)[..., :2] - poses[..., :2]
    assert 0 < noise.std() < 0.06
    assert (noise.std(axis=0) > 0).all()
    assert (noise.std(axis=1) > 0).all()


def test_missing_joints_are_missing_in_all_frames():
    shares = []
    for seed in range(50):
        gone = (changed(only(missing=0.2), some_poses(), seed) == 0).all(axis=-1)
        assert (gone == gone[0]).all()
        shares.append(gone[0].mean())
    assert np.mean(shares) == pytest.approx(0.2, abs=0.05)
    assert max(shares) > 0.25


def test_hidden_joints_come_back():
    gone = (changed(only(hidden=1), some_poses(20)) == 0).all(axis=-1)
    away = gone.sum(axis=0)
    assert 0 < away.max() <= 10  # at most half of the clip
    for joint in np.flatnonzero(away):
        times = np.flatnonzero(gone[:, joint])
        assert times[-1] - times[0] == len(times) - 1  # at once


def test_unknown_joints_stay_unknown_and_hidden_ones_hidden():
    poses = some_poses()
    poses[:, 0] = 0
    poses[:, 4, 2] = 0
    after = changed(dataclasses.replace(SequenceAugmentation(), flip=0), poses)
    assert (after[:, 0] == 0).all()
    assert (after[:, 4, 2] == 0).all()


# --- time


def test_a_whole_video_is_seen_at_even_steps_without_change_in_time():
    assert (np.diff(frames_seen(UNCHANGED, 80, 8)) == 10).all()


def test_a_part_is_anywhere_in_the_video():
    spans = [frames_seen(only(part=(0.5, 0.5)), 160, 16, seed) for seed in range(50)]
    assert all((np.diff(span) == 5).all() for span in spans)
    first = [span[0] for span in spans]
    assert min(first) < 15
    assert max(first) > 65
    assert max(span[-1] for span in spans) < 160


@pytest.mark.parametrize("count", [1, 2, 5, 16, 300])
def test_frames_exist_and_ascend_whatever_the_change(count):
    for seed in range(20):
        seen = frames_seen(SequenceAugmentation(part=(0.1, 1), warp=0.5), count, 16, seed)
        assert seen.shape == (16,)
        assert seen.min() >= 0
        assert seen.max() < count
        assert (np.diff(seen) >= 0).all()


def test_warp_makes_the_steps_uneven_and_keeps_both_ends():
    seen = frames_seen(only(warp=0.5), 10000, 10)
    steps = np.diff(seen)
    assert steps.max() > 1.2 * steps.min()
    assert seen[0] < 2000
    assert seen[-1] >= 8000


def test_switching_one_change_off_leaves_the_others():
    poses = some_poses()
    full = SequenceAugmentation(flip=0, missing=0, hidden=0)
    without = dataclasses.replace(full, noise=0, warp=0, part=(1, 1))
    one, other = (a.sample(rng(3), 8, 16) for a in (full, without))
    np.testing.assert_array_equal(one.linear, other.linear)
    np.testing.assert_array_equal(one.shift, other.shift)
    assert np.abs(one.apply(poses, "pa16j") - other.apply(poses, "pa16j")).max() < 0.2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"part": (0.5, 1.5)}, "part must be"),
        ({"part": (0.8, 0.5)}, "part must be"),
        ({"scale": (0, 1)}, "scale must be"),
        ({"scale": (1, np.inf)}, "scale must be"),
        ({"warp": 0.6}, "warp must be 0 to 0.5"),
        ({"rotation": -1}, "rotation must be"),
        ({"flip": 1.1}, "flip must be"),
        ({"noise": np.nan}, "noise must be"),
        ({"missing": 0.6}, "missing must be"),
    ],
)
def test_ranges_out_of_bounds_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        SequenceAugmentation(**changes)


# --- clips


def test_without_augmentation_it_is_the_clip_that_evaluation_uses(build):
    video = build.videos(30)[0]
    expected = pose_sequence(clip_of(video, WHOLE), WHOLE)
    np.testing.assert_array_equal(pose_clip(video, WHOLE), expected)
    assert expected.shape == (8, 16, 3)


def test_augmentation_without_a_generator_is_refused(build):
    with pytest.raises(ValueError, match="needs rng"):
        pose_clip(build.videos(30)[0], WHOLE, augmentation=UNCHANGED)


def test_a_clip_of_every_second_frame_stays_in_its_place(build):
    video = build.videos(100)[0]
    spec = InputSpec(num_frames=8, subsampling=2)
    clip = clip_of(video, spec, rng=rng(5))
    expected = pose_sequence(clip, spec)
    seen = pose_clip(video, spec, augmentation=UNCHANGED, rng=rng(5))
    # Between two frames of the clip there is one more, which may be seen in place of the first.
    between = pose_sequence(dataclasses.replace(clip, indices=clip.indices + 1), spec)
    assert all(
        any(np.allclose(s, e) for e in pair)
        for s, *pair in zip(seen, expected, between, strict=True)
    )


def test_depth_is_carried_along(build):
    joints_3d = rng().normal(0, 300, (30, 16, 3)) + [0, 0, 4000]
    video = build.videos(30, joints_3d=joints_3d)[0]
    spec = dataclasses.replace(WHOLE, dim=3)
    (poses,) = pose_clips([video], spec, seeds=[0], augmentation=SequenceAugmentation())
    assert poses.shape == (1, 8, 16, 4)
    assert poses[..., 2].std() > 0.01


def test_layouts_with_fewer_joints_are_converted(build, tmp_path):
    build.penn(tmp_path, images=False)
    video = PennAction(tmp_path, frames=False)[0]
    poses = pose_clip(
        video, WHOLE, augmentation=SequenceAugmentation(missing=0, hidden=0), rng=rng()
    )
    assert (poses[:, :3] == 0).all()  # pelvis, thorax and neck
    assert (poses[:, 3:, 2] == 1).all()


# --- batches


def make(build, **changes):
    arguments = {
        "datasets": {"penn": build.videos(20, 30, 40, 9, 25, 33, 14)},
        "shares": {"penn": 3},
        "spec": WHOLE,
        "augmentation": SequenceAugmentation(),
        "seed": 5,
    }
    return SequenceBatches(**(arguments | changes))


def content(batch):
    """A batch as bytes."""
    poses, targets = batch
    return np.asarray(poses).tobytes() + np.asarray(targets["action_penn"]).tobytes()


def test_shapes_types_and_targets(build):
    batches = make(build)
    poses, targets = batches[1]
    assert (poses.shape, poses.dtype) == ((3, 8, 16, 3), np.float32)
    assert targets.keys() == {"action_penn"}
    one_hot = np.eye(3, dtype=np.float32)[[video.action for video in batches.samples(1)]]
    np.testing.assert_array_equal(targets["action_penn"], one_hot)
    assert targets["action_penn"].dtype == np.float32
    assert (len(batches), batches.batch_size, batches.classes) == (3, 3, {"penn": 3})


def test_batches_follow_from_seed_epoch_and_index_alone(build):
    first, again = make(build), make(build)
    assert content(first[2]) == content(again[2]) == content(first[2])
    assert content(first[0]) != content(first[1])
    assert content(make(build, seed=6)[0]) != content(first[0])
    before = content(first[0])
    first.epoch = 1
    assert content(first[0]) != before
    again.epoch = 1
    assert content(again[0]) == content(first[0])


def test_each_video_comes_once_before_any_comes_twice(build):
    batches = make(build, steps_per_epoch=7)  # 21 clips of 7 videos
    seen = Counter(video.name for i in range(7) for video in batches.samples(i))
    assert set(seen.values()) == {3}


def test_clips_without_seeds_are_the_middle_ones(build):
    videos = build.videos(20, 30, 9)
    (poses,) = pose_clips(list(videos), WHOLE)
    np.testing.assert_array_equal(poses, [pose_clip(video, WHOLE) for video in videos])


def test_several_data_sets_have_a_head_each(build):
    other = build.videos(12, 15)
    other.actions = ("a", "b")
    batches = make(
        build,
        datasets={"penn": build.videos(20, 30, 40), "ntu": other},
        shares={"penn": 2, "ntu": 1},
    )
    poses, targets, weights = batches[0]
    assert poses.shape == (3, 8, 16, 3)
    assert {name: target.shape for name, target in targets.items()} == {
        "action_penn": (3, 3),
        "action_ntu": (3, 2),
    }
    np.testing.assert_array_equal(weights["action_penn"], [1, 1, 0])
    np.testing.assert_array_equal(weights["action_ntu"], [0, 0, 1])
    assert targets["action_ntu"][:2].sum() == 0


def test_the_epoch_is_counted_by_fit(build):
    batches = make(build)
    inputs = keras.Input((8, 16, 3))
    outputs = keras.layers.Dense(3, "softmax")(keras.layers.Flatten()(inputs))
    model = keras.Model(inputs, {"action_penn": outputs})
    model.compile("sgd", {"action_penn": "categorical_crossentropy"})
    model.fit(batches, epochs=2, shuffle=False, verbose=0)
    batches.close()
    assert batches.epoch == 2


def test_the_error_of_a_batch_is_kept(build):
    videos = build.videos(20, 20, 20, boxes=np.full((20, 4), np.nan))
    batches = make(build, datasets={"penn": videos})
    with pytest.raises(ValueError, match="has no box with an area"):
        batches[0]
    assert isinstance(batches.error, ValueError)


def test_data_sets_of_stills_are_refused(build):
    with pytest.raises(ValueError, match="has no actions"):
        make(build, datasets={"penn": build.dataset(4)})


def test_sequences_are_read_without_keras():
    code = (
        "import sys; from deephar.data import SequenceAugmentation, pose_clip; "
        "sys.exit('keras' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- real labels


def test_real_labels_make_finite_clips_within_reach(real_penn_labels):
    dataset = PennAction(real_penn_labels, "train", frames=False)
    batches = SequenceBatches(
        {"penn": dataset},
        {"penn": 64},
        spec=dataclasses.replace(WHOLE, num_frames=16),
        augmentation=SequenceAugmentation(),
        steps_per_epoch=4,
    )
    poses = np.concatenate([batches[i][0] for i in range(4)])
    assert np.isfinite(poses).all()
    visible = poses[..., 2] == 1
    assert 0.4 < visible[:, :, 3:].mean() < 0.9
    assert np.mean(np.abs(poses[visible][:, :2] - 0.5) < 0.75) > 0.99
