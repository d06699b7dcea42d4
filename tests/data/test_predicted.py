"""Labelled poses that are made to look like predicted ones."""

import numpy as np
import pytest

from deephar.data import InputSpec, PredictedPoses, pose_clip
from deephar.data.predicted import PoseErrors, drift
from deephar.data.samples import Video
from deephar.skeletons import get_skeleton

SKELETON = get_skeleton("pa16j")
SPEC = InputSpec(num_frames=16, frame_rate=8.0)
EXACT = PredictedPoses(
    speed=(1, 1), short=0, tilt=0, stretch=0, window=(1, 1), shift=0, flip=0, errors=0, exact=0
)


def moving(frames=120, rate=30.0):
    """A person who moves to the right by 1 pixel a frame."""
    rng = np.random.default_rng(0)
    joints = rng.uniform(0, 100, (16, 2)) + np.arange(frames)[:, None, None] * [1, 0]
    return Video(
        frames=[],
        joints=joints,
        visible=np.ones((frames, 16)),
        skeleton="pa16j",
        boxes=np.tile([0.0, 0, 300, 100], (frames, 1)),
        size=(300, 100),
        action=0,
        name="moving",
        frame_rate=rate,
    )


def clips(augmentation, count=60, video=None, spec=SPEC):
    video = video or moving()
    return np.stack(
        [augmentation.clip(video, spec, np.random.default_rng(seed)) for seed in range(count)]
    )


def test_clips_are_of_the_form_of_predicted_poses():
    made = clips(PredictedPoses())
    assert made.shape == (60, 16, 16, 3)
    assert made.dtype == np.float32
    assert np.isfinite(made).all()
    assert made[..., 2].min() >= 0
    assert made[..., 2].max() <= 1


def test_the_window_is_one_and_a_half_times_the_joints():
    made = clips(EXACT, count=5)
    for clip in made:
        extent = np.ptp(clip[..., :2].reshape(-1, 2), axis=0).max()
        assert extent == pytest.approx(1 / 1.5, abs=0.12)


def test_frames_follow_the_time_base_at_any_frame_rate():
    for rate in (10.0, 30.0, 60.0):
        video = moving(int(6 * rate), rate)
        clip = EXACT.clip(video, SPEC, np.random.default_rng(1))
        step = np.diff(clip[:, 3, 0]) / np.ptp(clip[..., 0])
        assert step.std() < 0.4 * step.mean()
        # 1 pixel a frame: the higher the frame rate, the faster.
        expected = rate / 8.0 / (100 + 15 * rate / 8.0)
        assert step.mean() == pytest.approx(expected, rel=0.25)


def test_a_short_video_lies_in_the_middle_and_nothing_is_seen_around_it():
    seen = clips(PredictedPoses(short=1.0))[..., 2].max(axis=2) > 0
    partly = seen[(~seen).any(axis=1)]
    assert len(partly) > 20
    for frames in partly:
        inside = np.flatnonzero(frames)
        assert inside[-1] - inside[0] + 1 == len(inside)
        assert abs(inside[0] - (15 - inside[-1])) <= 1


def test_errors_grow_with_their_level():
    joints = np.repeat(np.random.default_rng(0).uniform(0, 1, (1, 16, 2)), 16, axis=0)
    hidden = np.zeros((16, 16), bool)

    def error(level):
        made = [
            PoseErrors(SKELETON, level, np.random.default_rng(seed)).put_on(joints.copy(), hidden)
            for seed in range(100)
        ]
        return np.abs(np.stack(made)[..., :2] - joints).mean()

    assert error(0.0) == 0
    assert 0.002 < error(0.5) < error(1.0) < 0.2


def test_left_and_right_change_places_now_and_then():
    joints = np.random.default_rng(0).uniform(0, 1, (16, 2))
    joints = np.repeat(joints[None], 8, axis=0)
    swapped = joints[:, list(SKELETON.flip)]
    hidden = np.zeros((8, 16), bool)
    found = 0
    for seed in range(200):
        errors = PoseErrors(SKELETON, 1.0, np.random.default_rng(seed))
        made = errors.put_on(joints.copy(), hidden)[..., :2]
        found += np.abs(made - swapped).mean() < 0.5 * np.abs(joints - swapped).mean()
    assert 10 < found < 60


def test_exact_clips_have_what_the_labels_of_penn_action_have():
    video = moving()
    video.visible[:, 15] = 0
    made = clips(PredictedPoses(**{**vars(EXACT), "exact": 1}), video=video)
    trunk = [SKELETON.index(name) for name in ("pelvis", "thorax", "neck")]
    assert (made[:, :, trunk] == 0).all()
    others = np.setdiff1d(np.arange(16), [*trunk, 15])
    assert (made[:, :, others, 2] == 1).all()
    assert (made[:, :, 15, 2] == 0).all()
    assert (made[:, :, 15, 0] != 0).all()


def test_half_of_the_exact_clips_show_the_whole_video():
    made = clips(PredictedPoses(**{**vars(EXACT), "exact": 1}), count=200)
    known = made[0, 0, :, 2] > 0
    x = made[:, :, known, 0]
    way = (x[:, -1, 0] - x[:, 0, 0]) / np.ptp(x[:, 0], axis=1)  # in widths of the person
    width = np.ptp(moving().joints[0, known, 0])
    whole = np.isclose(way, 119 / width, rtol=1e-3)
    assert 70 < whole.sum() < 130
    assert (way[~whole] < 60 / width).all()  # 16 frames at 8 per second, of a video at 30


def test_unknown_joints_stay_unknown():
    video = moving()
    video.joints[:, 15] = np.nan
    made = clips(PredictedPoses(flip=0, errors=0), video=video)
    assert (made[:, :, 15] == 0).all()
    assert (made[:, :, 14, 2] > 0).any()


def test_a_clip_without_any_known_joint_is_empty():
    video = moving()
    video.joints[:] = np.nan
    made = clips(PredictedPoses(), count=5, video=video)
    assert made.shape == (5, 16, 16, 3)
    assert (made == 0).all()


def test_a_flip_exchanges_left_and_right():
    plain, flipped = (
        PredictedPoses(**{**vars(EXACT), "flip": flip}).clip(
            moving(), SPEC, np.random.default_rng(3)
        )
        for flip in (0, 1)
    )
    np.testing.assert_allclose(flipped[..., 0], 1 - plain[:, list(SKELETON.flip), 0], atol=1e-5)


def test_pose_clip_takes_it_as_an_augmentation():
    made = pose_clip(moving(), SPEC, augmentation=PredictedPoses(), rng=np.random.default_rng(0))
    np.testing.assert_array_equal(
        made, PredictedPoses().clip(moving(), SPEC, np.random.default_rng(0))
    )


def test_a_spec_without_a_time_base_is_refused():
    with pytest.raises(ValueError, match="frame_rate"):
        PredictedPoses().clip(moving(), InputSpec(num_frames=8), np.random.default_rng(0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"speed": (2, 1)}, "speed must be"),
        ({"flip": 2}, "flip must be"),
        ({"errors": -1}, "errors"),
    ],
)
def test_ranges_out_of_bounds_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        PredictedPoses(**change)


def test_drift_changes_slowly_and_has_variance_one():
    values = drift(np.random.default_rng(0), (400, 50), 0.9)
    assert values.std() == pytest.approx(1, abs=0.1)
    assert np.corrcoef(values[:-1].ravel(), values[1:].ravel())[0, 1] == pytest.approx(
        0.9, abs=0.03
    )
