"""Repetitions by the motion of the joints, and intervals of actions."""

import pickle

import numpy as np
import pytest

from deephar.inference import (
    ActionTimeline,
    Interval,
    Person,
    RepetitionCounter,
    find_repetitions,
    intervals_of,
)
from deephar.inference.intervals import describe_intervals
from deephar.skeletons import get_skeleton

SKELETON = get_skeleton("pa16j")


def squats(count, *, rate=25, seconds=1.5, still=1.0, noise=0.3, deep=60, seed=0):
    """Times and joints of a drawn person who stands, squats, and stands again."""
    rng = np.random.default_rng(seed)
    times = np.arange(0, 2 * still + count * seconds, 1 / rate)
    phase = np.clip((times - still) / seconds, 0, count)
    depth = deep * (1 - np.cos(2 * np.pi * phase)) / 2
    standing = {"head_top": 0, "neck": 20, "thorax": 25, "shoulder": 30, "elbow": 60, "wrist": 85}
    standing |= {"pelvis": 90, "hip": 92, "knee": 140, "ankle": 190}
    falls = {"knee": 0.2, "ankle": 0.0}  # how far a joint goes down, by the depth of the hips
    joints = np.zeros((len(times), 16, 2))
    for number, name in enumerate(SKELETON.joints):
        part = name.removeprefix("right_").removeprefix("left_")
        side = {"r": -12, "l": 12}.get(name[0] if "_" in name else "", 0)
        joints[:, number, 0] = 100 + side + 0.3 * depth * (part == "knee")
        joints[:, number, 1] = 50 + standing[part] + falls.get(part, 1.0) * depth
    return times, joints + noise * rng.standard_normal(joints.shape)


def persons(times, joints, actions, visibility=1.0):
    return [
        Person(
            joints=pose,
            visibility=np.full(16, visibility),
            box=np.array([0.0, 0, 200, 300]),
            crop=np.array([0.0, 0, 300, 300]),
            skeleton="pa16j",
            action=[(action, 0.9), ("x", 0.1)] if action else None,
            index=number,
            time=float(time),
        )
        for number, (time, pose, action) in enumerate(zip(times, joints, actions, strict=True))
    ]


@pytest.mark.parametrize("rate", [8, 25, 60])
@pytest.mark.parametrize("count", [0, 1, 7])
def test_squats_are_counted_at_any_frame_rate(rate, count):
    times, joints = squats(count, rate=rate)
    ends = find_repetitions(times, joints, skeleton="pa16j", action="squat")
    assert len(ends) == count
    # A pause at the end belongs to the last one.
    np.testing.assert_allclose(ends, 1 + 1.5 * np.arange(1, count + 1), atol=1)


def test_hidden_and_exchanged_joints_do_not_count():
    times, joints = squats(5, rate=30)
    visibility = np.ones(joints.shape[:2])
    wrist = SKELETON.index("left_wrist")
    visibility[::2, wrist] = 0
    joints[::2, wrist] = 1e4  # a hidden joint may be anywhere
    joints[:, 0] = np.nan
    joints[40:43] = joints[40:43][:, list(SKELETON.flip)]
    ends = find_repetitions(times, joints, visibility=visibility, skeleton="pa16j")
    assert len(ends) == 5


def test_uneven_times_and_a_walk_to_the_side_do_not_matter():
    times, joints = squats(4, rate=40)
    kept = np.random.default_rng(1).random(len(times)) < 0.6
    walking = joints + np.stack([150 * times / times[-1], 0 * times], -1)[:, None]
    assert len(find_repetitions(times[kept], walking[kept], skeleton="pa16j")) == 4


def test_small_jumps_of_the_whole_body_count_as_rope_only():
    times, joints = squats(0, still=4)
    jumps = joints - np.stack([0 * times, 8 * np.abs(np.sin(np.pi * 2 * times))], -1)[:, None]
    jumped = find_repetitions(times, jumps, skeleton="pa16j", action="jump_rope")
    assert len(jumped) == pytest.approx(16, abs=1)
    assert len(find_repetitions(times, joints, skeleton="pa16j", action="jump_rope")) == 0


@pytest.mark.parametrize(
    ("times", "joints", "message"),
    [
        ([0, 1], np.zeros((3, 16, 2)), "a pose in pa16j for each time"),
        ([0, 1], np.zeros((2, 14, 2)), "must be .2, 16, 2."),
        ([0, 0], np.zeros((2, 16, 2)), "must rise"),
        ([0, np.nan], np.zeros((2, 16, 2)), "must rise"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(times, joints, message):
    with pytest.raises(ValueError, match=message):
        find_repetitions(times, joints, skeleton="pa16j")
    with pytest.raises(ValueError, match="visibility must be"):
        find_repetitions([0, 1], np.zeros((2, 16, 2)), visibility=np.ones((2, 3)), skeleton="pa16j")


@pytest.mark.parametrize("frames", [0, 1, 2])
def test_hardly_any_frames_hold_no_repetition(frames):
    joints = np.full((frames, 16, 2), np.nan)
    assert len(find_repetitions(np.arange(frames), joints, skeleton="pa16j")) == 0


def test_frame_by_frame_as_many_are_counted_with_bounded_memory():
    times, joints = squats(40, rate=10)
    counter, seen, sizes = RepetitionCounter("pa16j", "squat"), [], []
    for time, pose in zip(times, joints, strict=True):
        counter.add(time, pose, np.ones(16))
        seen.append(counter.count())
        sizes.append(len(pickle.dumps(counter)) if len(seen) % 50 == 0 else 0)
    assert len(counter.ends()) == seen[-1] == 40
    assert abs(seen[len(seen) // 2] - 20) <= 1
    assert max(sizes[400:]) < 1.1 * max(sizes[:400])


def test_actions_are_intervals_with_repetitions():
    times, joints = squats(4, still=2)
    actions = ["other" if time < 1.5 else "squat" for time in times]
    actions[100] = "bowl"  # for a frame
    intervals = intervals_of(persons(times, joints, actions), "pa16j")
    assert [(it.action, it.repetitions) for it in intervals] == [("other", None), ("squat", 4)]
    assert intervals[0].start == 0
    assert intervals[0].end == intervals[1].start == pytest.approx(1.5, abs=0.05)
    assert intervals[1].end == times[-1]
    assert intervals[1].duration == pytest.approx(times[-1] - 1.5, abs=0.05)
    assert intervals[1].to_json()["repetitions"] == 4
    lines = describe_intervals(intervals)
    assert lines[1].split() == ["0.0", "1.5", "1.5", "no", "known", "action"]
    assert lines[2].split()[2:] == [f"{intervals[1].duration:.1f}", "4", "squat"]


def test_the_count_so_far_comes_with_each_person():
    times, joints = squats(3)
    timeline = ActionTimeline("pa16j")
    shown = [timeline.add(it).repetitions for it in persons(times, joints, ["squat"] * len(times))]
    assert shown[0] == 0
    assert shown[-1] == 3
    assert np.all(np.diff(shown) >= 0)


def test_an_interval_ends_where_nobody_is_seen():
    times, joints = squats(2, still=2)
    there = persons(times, joints, ["squat"] * len(times))
    unseen = persons(times, joints, ["squat"] * len(times), visibility=0.1)
    shown = [b if time > 4 else a for time, a, b in zip(times, there, unseen, strict=True)]
    (interval,) = intervals_of(shown, "pa16j")
    assert interval.end == pytest.approx(4, abs=0.1)
    gone = [person for person in there if not 3 < person.time < 4.5]
    first, second = intervals_of(gone, "pa16j")
    assert (first.end, second.start) == pytest.approx((3, 4.5), abs=0.1)


def test_without_actions_there_are_no_intervals():
    times, joints = squats(1)
    assert intervals_of(persons(times, joints, [None] * len(times)), "pa16j") == []
    assert intervals_of([], "pa16j") == []
    assert intervals_of(persons(times[:1], joints[:1], ["squat"]), "pa16j") == []  # a picture
    assert describe_intervals([]) == []
    assert Interval("bowl", 1.0, 3.5).duration == 2.5
