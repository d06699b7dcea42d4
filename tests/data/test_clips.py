"""Clips: which frames, which window, and what the network is given."""

import re
from collections import Counter
from dataclasses import replace

import cv2
import numpy as np
import pytest

from deephar.data import (
    Augmentation,
    Clip,
    Frames,
    InputSpec,
    PennAction,
    Sample,
    clip_indices,
    clip_of,
    clip_starts,
    crop_clip,
    crop_sample,
    hold_out,
    pose_sequence,
    pose_target,
)
from deephar.data.clips import (
    crop_clips,
    frame_labels,
    frame_name,
    frame_sample,
    labelled_box,
    num_starts,
)
from deephar.geometry import apply_affine, square_window
from deephar.skeletons import get_skeleton

UNSUPERVISED = np.float32(-1e9)
SMALL = InputSpec(16)


def spec(num_frames, subsampling=1):
    """Clips of small crops."""
    return InputSpec(16, num_frames=num_frames, subsampling=subsampling)


# --- which frames


def test_frames_of_a_clip_agree_with_the_reference(golden):
    reference = golden("fn_clip_index")
    keys = [key for key in reference if key.startswith("idx")]
    assert len(keys) == 90
    for key in keys:
        frames, subsampling, length = map(int, re.findall(r"\d+", key))
        indices = clip_indices(frames, length, subsampling=subsampling)
        np.testing.assert_array_equal(indices, reference[key], err_msg=key)


def test_all_clips_agree_with_the_reference(golden):
    reference = golden("fn_clip_index")
    keys = [key for key in reference if key.startswith("multi")]
    assert len(keys) == 72
    for key in keys:
        frames, length, *subsamplings = map(int, re.findall(r"\d+", key))
        clips = [
            clip_indices(frames, length, subsampling=subsampling, start=start)
            for subsampling in subsamplings
            if frames >= length * subsampling  # else the reference has no clip
            for start in clip_starts(frames, length, subsampling=subsampling)
        ]
        expected = reference[key]
        np.testing.assert_array_equal(np.reshape(clips, expected.shape), expected, err_msg=key)


def test_clips_of_the_authors_evaluation_on_penn_action():
    starts = clip_starts(109, 8, subsampling=6)
    assert starts == [0, 9, 18, 27, 36, 45, 54]
    assert clip_indices(109, 8, subsampling=6, start=54).tolist() == list(range(54, 102, 6))


@pytest.mark.parametrize("length", [1, 4, 7, 16])
@pytest.mark.parametrize("subsampling", [1, 2, 5, "whole"])
def test_clips_stay_inside_of_videos_of_any_length(length, subsampling):
    for frames in range(1, 120):
        starts = clip_starts(frames, length, subsampling=subsampling)
        count = num_starts(frames, length, subsampling=subsampling)
        assert len(starts) >= 1
        for start in [*starts, 0, count - 1, None]:
            indices = clip_indices(frames, length, subsampling=subsampling, start=start)
            assert indices.shape == (length,)
            assert indices[0] >= 0
            assert indices[-1] < frames
            assert (np.diff(indices) >= (frames >= length)).all()
        with pytest.raises(ValueError, match="can start at 0 to"):
            clip_indices(frames, length, subsampling=subsampling, start=count)


@pytest.mark.parametrize(("frames", "subsampling"), [(3, 1), (9, 1), (15, 1), (31, 2), (40, 6)])
def test_video_too_short_for_a_clip_gives_the_middle_one(frames, subsampling):
    (start,) = clip_starts(frames, 16, subsampling=subsampling)
    np.testing.assert_array_equal(
        clip_indices(frames, 16, subsampling=subsampling, start=start),
        clip_indices(frames, 16, subsampling=subsampling),
    )


def test_subsampling_is_lowered_where_the_video_is_too_short():
    assert np.diff(clip_indices(30, 8, subsampling=6)).tolist() == [3] * 7
    assert len(clip_starts(30, 8, subsampling=6)) == 1


def test_whole_spreads_the_clip_over_any_video():
    for frames in (16, 31, 100, 663):
        indices = clip_indices(frames, 16, subsampling="whole")
        assert len(set(indices.tolist())) == 16
        assert np.ptp(np.diff(indices)) <= 1
        assert abs(indices[0] - (frames - 1 - indices[-1])) <= 1 + frames / 16 / 2
    assert Counter(clip_indices(8, 16, subsampling="whole").tolist()) == dict.fromkeys(range(8), 2)


def test_whole_clips_share_no_frame():
    clips = [
        clip_indices(70, 16, subsampling="whole", start=s)
        for s in clip_starts(70, 16, subsampling="whole")
    ]
    assert len(clips) == 4
    assert len(np.unique(clips)) == 64


@pytest.mark.parametrize("step", [0.4, 1, 2.5, 29.97 / 8, 7])
@pytest.mark.parametrize("length", [1, 4, 16])
def test_time_base_takes_the_nearest_frames(length, step):
    for frames in range(1, 130):
        count = num_starts(frames, length, step=step)
        starts = clip_starts(frames, length, step=step)
        assert set(starts) <= set(range(count))
        for start in {*starts, 0, count - 1}:
            times = start + step * np.arange(length)
            if times[-1] > frames - 1:
                assert count == 1
                times = times - (times[-1] - (frames - 1)) / 2
            held = np.clip(times, 0, frames - 1)
            indices = clip_indices(frames, length, step=step, start=start)
            assert abs(indices - held).max() <= 0.5 + 1e-6
        middle = clip_indices(frames, length, step=step)
        spare = middle[0] - (frames - 1 - middle[-1])
        assert abs(spare) <= 2


def test_step_of_one_takes_every_frame():
    for frames in (16, 17, 40):
        for start in range(num_starts(frames, 16)):
            indices = clip_indices(frames, 16, step=1.0, start=start)
            np.testing.assert_array_equal(indices, clip_indices(frames, 16, start=start))


def test_short_video_is_held_at_both_ends_on_a_time_base():
    assert clip_indices(5, 9, step=1).tolist() == [0, 0, 0, 1, 2, 3, 4, 4, 4]
    assert clip_indices(1, 3, step=2.5).tolist() == [0, 0, 0]
    assert num_starts(5, 9, step=1) == 1
    assert clip_starts(5, 9, step=1) == [0]


def test_clips_on_a_time_base_are_half_a_clip_apart():
    assert clip_starts(60, 8, step=2.5) == [0, 10, 20, 30, 40]
    assert clip_indices(60, 8, step=2.5, start=40)[-1] == 58


def test_same_clip_at_any_frame_rate(build):
    clips = InputSpec(16, num_frames=4, frame_rate=5)
    for rate in (10.0, 30.0):
        (video,) = build.videos(int(4 * rate), frame_rate=rate).videos
        start = int(rate)
        assert (clip_of(video, clips, start=start).indices / rate).tolist() == [1, 1.2, 1.4, 1.6]


@pytest.mark.parametrize("frame_rate", [0.0, float("nan")])
def test_video_without_a_frame_rate_is_named(build, frame_rate):
    (video,) = build.videos(9, frame_rate=frame_rate).videos
    assert len(clip_of(video, spec(4)).indices) == 4
    with pytest.raises(ValueError, match=r"Video 'v00': The frame rate of a video"):
        clip_of(video, InputSpec(16, num_frames=4, frame_rate=5))


@pytest.mark.parametrize(
    ("size", "options", "message"),
    [
        ((0, 8), {}, "video of 0 frames"),
        ((9, 0), {}, "at least 1 frame"),
        ((9, 4), {"subsampling": 0}, "subsampling must be"),
        ((9, 4), {"subsampling": 1.5}, "subsampling must be"),
        ((9, 4), {"subsampling": "all"}, 'subsampling must be 1, 2, ... or "whole"'),
        ((9, 4), {"start": 6}, "start at 0 to 5, not at 6"),
        ((9, 4), {"start": -1}, "not at -1"),
        ((9, 4), {"step": 2.5, "start": 1}, "(step 2.5) can start at 0 to 0, not at 1"),
        ((9, 4), {"step": 0}, "step must be above 0, got 0"),
        ((9, 4), {"step": float("nan")}, "step must be above 0"),
        ((9, 4), {"step": 2.5, "subsampling": 2}, "Give one of them"),
    ],
)
def test_clips_that_cannot_be(size, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        clip_indices(*size, **options)


def test_random_clips_start_everywhere_and_follow_from_the_generator(build):
    (video,) = build.videos(12).videos
    starts = Counter()
    for seed in range(200):
        clip = clip_of(video, spec(8), rng=np.random.default_rng(seed))
        again = clip_of(video, spec(8), rng=np.random.default_rng(seed))
        np.testing.assert_array_equal(clip.indices, again.indices)
        starts[int(clip.indices[0])] += 1
    assert starts.keys() == set(range(5))
    assert min(starts.values()) > 20


def test_random_and_given_choices_do_not_go_together(build):
    (video,) = build.videos(40).videos
    with pytest.raises(ValueError, match="Give one of them"):
        clip_of(video, spec(4), start=3, rng=np.random.default_rng(0))


def test_clips_need_a_number_of_frames(build):
    (video,) = build.videos(40).videos
    with pytest.raises(ValueError, match="Set num_frames"):
        clip_of(video, InputSpec(16))
    with pytest.raises(ValueError, match="Set num_frames"):
        crop_clips([video], InputSpec(16))


# --- which box


def test_box_is_around_the_boxes_of_the_clip(build):
    # The union itself is compared with the reference in tests/test_geometry.py.
    boxes = np.array([[10 + t, 5 - t, 30 + t, 20 + t] for t in range(9)], float)
    (video,) = build.videos(9, boxes=boxes).videos
    np.testing.assert_array_equal(clip_of(video, spec(3, 2), start=1).box, [11, 0, 35, 25])


def test_box_may_be_given(build):
    (video,) = build.videos(9).videos
    np.testing.assert_array_equal(clip_of(video, spec(4), box=(1, 2, 30, 20)).box, [1, 2, 30, 20])


def test_unknown_boxes_do_not_count(build):
    boxes = np.array([[np.nan] * 4, [5, 5, 5, 5], [10, 10, 20, 20], [12, 9, 22, 21]])
    (video,) = build.videos(4, boxes=boxes).videos
    np.testing.assert_array_equal(clip_of(video, spec(4)).box, [10, 9, 22, 21])
    with pytest.raises(ValueError, match="'v00' has no box with an area in the frames 0 to 1"):
        clip_of(video, spec(2), start=0)


def test_labelled_box_is_around_the_boxes_of_some_frames(build):
    boxes = np.array([[np.nan] * 4, [10, 10, 20, 20], [12, 9, 22, 21], [5, 5, 5, 9]])
    (video,) = build.videos(4, boxes=boxes).videos
    np.testing.assert_array_equal(labelled_box(video, [2, 0, 1]), [10, 9, 22, 21])
    np.testing.assert_array_equal(labelled_box(video, range(1, 2)), [10, 10, 20, 20])
    with pytest.raises(ValueError, match="'v00' has no box with an area in the frames 0 to 3"):
        labelled_box(video, [3, 0])


@pytest.mark.parametrize("box", [(5, 5, 5, 5), (np.nan, 0, 9, 9), (9, 0, 1, 9), (1, 2, 3)], ids=str)
def test_given_box_that_cannot_be_cropped(build, box):
    (video,) = build.videos(4).videos
    with pytest.raises(ValueError, match="'v00' has no box to crop"):
        clip_of(video, spec(4), box=box)
    with pytest.raises(ValueError, match="'v00' has no box to crop"):
        pose_sequence(Clip(video, np.arange(2), box), SMALL)
    with pytest.raises(ValueError, match="'v00' has no box to crop"):
        crop_clip(Clip(video, np.arange(4), np.array(box)), SMALL)


def test_box_outside_of_the_frames(build):
    (video,) = build.videos(4).videos
    with pytest.raises(ValueError, match="'v00' lies wholly outside of its image of 48 x 40"):
        crop_clip(clip_of(video, spec(4), box=(500, 500, 520, 540)), SMALL)


def test_box_partly_outside_of_the_frames_shows_black(build):
    (video,) = build.videos(4).videos
    crop = crop_clip(clip_of(video, spec(4), box=(-30, 0, 10, 30)), SMALL)
    assert (crop.images[:, :, :2] == -1).all()
    assert crop.images[:, 8, -4:].max() > -1


# --- the crops


def still(video, frame, box):
    """The same window of one frame."""
    center, side = square_window(box)
    return Sample(
        image=video.frames[frame],
        joints=video.joints[frame],
        visible=video.visible[frame],
        skeleton=video.skeleton,
        center=center,
        side=side,
        head_size=5.0,
        name="still",
        joints_3d=None if video.joints_3d is None else video.joints_3d[frame],
    )


@pytest.mark.parametrize("augmentation", [None, Augmentation()], ids=["as it is", "augmented"])
@pytest.mark.parametrize("dim", [2, 3])
def test_all_frames_are_changed_alike(build, augmentation, dim):
    joints_3d = np.random.default_rng(0).normal(0, 700, (9, 16, 3))
    (video,) = build.videos(9, joints_3d=joints_3d).videos
    for seed in range(4):
        clip = clip_of(video, spec(4, 2))
        mpii = InputSpec(16, "mpii16", dim)
        rng = np.random.default_rng(seed)
        crop = crop_clip(clip, mpii, augmentation=augmentation, rng=rng)
        assert crop.images.shape == (4, 16, 16, 3)
        assert crop.target.shape == (4, 16, dim + 1)
        assert crop.images.dtype == crop.target.dtype == np.float32
        for t, frame in enumerate(clip.indices):
            # The same seed draws the same change of a still.
            rng = np.random.default_rng(seed)
            sample = still(video, frame, clip.box)
            expected = crop_sample(sample, mpii, augmentation=augmentation, rng=rng)
            np.testing.assert_array_equal(crop.images[t], expected.image)
            np.testing.assert_array_equal(crop.target[t], expected.target)
            np.testing.assert_array_equal(crop.affine, expected.affine)


def test_repeated_frames_are_decoded_once(build):
    seen = Counter()

    class Counting(list):
        def __getitem__(self, index):
            seen[int(index)] += 1
            return super().__getitem__(index)

    (video,) = build.videos(3).videos
    video = replace(video, frames=Counting(video.frames))
    clip = clip_of(video, spec(8))
    crop = crop_clip(clip, SMALL)
    assert seen == {0: 1, 1: 1, 2: 1}
    np.testing.assert_array_equal(crop.images[3], crop.images[5])  # 0 0 0 1 1 1 2 2
    assert (crop.images[2] != crop.images[3]).any()
    assert crop.target.shape == (8, 16, 3)


@pytest.mark.parametrize("indices", [[7, 3, 5, 0], [2, 1, 2, 2, 0]])
def test_images_and_targets_are_in_the_order_asked_for(build, indices):
    (video,) = build.videos(9).videos
    box = (0, 0, 47, 39)
    crop = crop_clip(Clip(video, np.array(indices), box), SMALL)
    for image, target, frame in zip(crop.images, crop.target, indices, strict=True):
        alone = crop_clip(Clip(video, np.array([frame]), box), SMALL)
        np.testing.assert_array_equal(image, alone.images[0])
        np.testing.assert_array_equal(target, alone.target[0])


def test_clip_of_one_frame(build):
    (video,) = build.videos(5).videos
    clip = clip_of(video, spec(1))
    assert clip.indices.tolist() == [2]
    assert crop_clip(clip, SMALL).images.shape == (1, 16, 16, 3)
    assert clip_starts(5, 1) == [0, 1, 2, 3, 4]


def test_joints_unknown_everywhere_are_not_supervised(build):
    (video,) = build.videos(4, joints=np.full((4, 16, 2), np.nan)).videos
    clip = clip_of(video, spec(4))
    target = crop_clip(clip, InputSpec(16, dim=3)).target
    assert (target[..., :3] == UNSUPERVISED).all()
    assert (target[..., 3] == 0).all()
    assert (pose_sequence(clip, SMALL) == 0).all()


def test_frames_of_differing_sizes_are_an_error(build, tmp_path):
    (video,) = build.videos(4).videos
    path = str(tmp_path / "half.png")
    cv2.imwrite(path, np.zeros((20, 24, 3), np.uint8))
    video.frames[2] = path
    message = r"Frame 2 of video 'v00' \(.*half\.png\) is 24 x 20 pixels, but its labels.* 48 x 40"
    with pytest.raises(ValueError, match=message):
        crop_clip(clip_of(video, spec(4)), SMALL)


def test_frames_may_be_off_by_a_rounded_pixel(build):
    (video,) = build.videos(2, size=(480, 270)).videos
    crop_clip(clip_of(replace(video, size=(480, 271)), spec(2)), SMALL)


def test_missing_and_damaged_frames_are_named(build, tmp_path):
    (video,) = build.videos(4).videos
    video.frames[1] = str(tmp_path / "000002.jpg")
    with pytest.raises(FileNotFoundError, match=r"000002\.jpg does not exist"):
        crop_clip(clip_of(video, spec(4)), SMALL)
    (tmp_path / "000002.jpg").write_bytes(b"\xff\xd8 and no more")
    with pytest.raises(ValueError, match=r"000002\.jpg is truncated"):
        crop_clip(clip_of(video, spec(4)), SMALL)


def test_labels_only_have_no_crops_but_poses(build):
    (video,) = build.videos(4, frames=[]).videos
    clip = clip_of(video, spec(4))
    with pytest.raises(ValueError, match="'v00' has labels only"):
        crop_clip(clip, SMALL)
    assert pose_sequence(clip, SMALL).shape == (4, 16, 3)


def test_frames_and_labels_must_be_as_many(build):
    (video,) = build.videos(4).videos
    with pytest.raises(ValueError, match="'v00' has 3 frames, but labels for 4"):
        crop_clip(clip_of(replace(video, frames=video.frames[:3]), spec(2)), SMALL)


def test_video_of_no_frames_is_named(build):
    (video,) = build.videos(0).videos
    with pytest.raises(ValueError, match="'v00': A video of 0 frames"):
        clip_of(video, spec(4))


def test_stacked_crops_are_those_of_the_clips_and_stills(build):
    videos, stills = build.videos(9, 5), build.dataset(1, size=40)
    items = [videos[0], stills[0], videos[1]]
    mpii = InputSpec(16, "mpii16", num_frames=4, subsampling=2)
    images, targets = crop_clips(items, mpii, seeds=[1, 2, 3], augmentation=Augmentation())
    assert images.shape == (3, 4, 16, 16, 3)
    rng = np.random.default_rng(1)
    clip = clip_of(videos[0], mpii, rng=rng)
    crop = crop_clip(clip, mpii, augmentation=Augmentation(), rng=rng)
    np.testing.assert_array_equal(images[0], crop.images)
    np.testing.assert_array_equal(targets[0], crop.target)
    rng = np.random.default_rng(2)
    crop = crop_sample(stills[0], mpii, augmentation=Augmentation(), rng=rng)
    for t in range(4):
        np.testing.assert_array_equal(images[1, t], crop.image)
        np.testing.assert_array_equal(targets[1, t], crop.target)


def test_stacked_clips_without_seeds_are_the_middle_ones(build):
    videos = build.videos(9, 12)
    images, targets = crop_clips(list(videos), spec(4, 2))
    for video, image, target in zip(videos, images, targets, strict=True):
        crop = crop_clip(clip_of(video, spec(4, 2)), SMALL)
        np.testing.assert_array_equal(image, crop.images)
        np.testing.assert_array_equal(target, crop.target)


@pytest.mark.parametrize("case", range(4))
def test_targets_agree_with_the_reference(golden, case):
    # The same frames; in the reference's own crop, whose window is not square, the same targets.
    reference = {key[3:]: v for key, v in golden("fn_penn_sample").items() if key[1] == str(case)}
    _, _, flip, _, subsampling, _ = reference["config"]
    joints, visible = reference["frames_pose"], reference["frames_visible"]
    indices = clip_indices(len(joints), 8, subsampling=int(subsampling))
    np.testing.assert_array_equal(indices, reference["frame_list"])
    shown = np.where(visible[..., None] > 0, joints, np.nan)[indices]
    target = pose_target(
        shown, reference["afmat"], source="penn13", skeleton="pa16j", flip=bool(flip)
    )
    np.testing.assert_allclose(target[:, 3:], reference["pose"][:, 3:], atol=1e-6)
    assert (target[:, :3] == UNSUPERVISED).all()  # Penn Action has no pelvis, thorax and neck


# --- poses as input


def test_pose_sequence_is_the_target_where_joints_are_seen(build):
    joints_3d = np.random.default_rng(0).normal(0, 300, (9, 16, 3))
    (video,) = build.videos(9, joints_3d=joints_3d).videos
    clip = clip_of(video, spec(4, 2))
    for dim in (2, 3):
        sequence = pose_sequence(clip, InputSpec(16, "mpii16", dim))
        target = crop_clip(clip, InputSpec(16, "mpii16", dim)).target
        known = target != UNSUPERVISED
        assert known.mean() > 0.9
        np.testing.assert_array_equal(sequence[known], target[known])


def test_hidden_and_unlabelled_joints_of_a_pose_sequence(build):
    (video,) = build.videos(4).videos
    video.visible[1, 3] = 0
    video.visible[1, 4] = np.nan  # labelled, not known whether hidden
    video.joints[2, 5] = np.nan
    video.joints[3, 6] = 400, 300  # far out of the crop
    sequence = pose_sequence(Clip(video, np.arange(4), (0, 0, 40, 40)), SMALL)
    assert sequence.dtype == np.float32
    assert sequence[1, 3, :2].min() > 0
    assert sequence[1, 3, 2] == 0
    assert sequence[1, 4, 2] == 1
    assert (sequence[2, 5] == 0).all()
    assert sequence[3, 6, 0] == pytest.approx((400 - 20) / 50 + 0.5)
    assert sequence[3, 6, 2] == 1
    assert sequence[..., 2].sum() == 4 * 16 - 2


def test_joints_that_the_data_set_lacks_are_unlabelled_in_a_pose_sequence(build, tmp_path):
    build.penn(tmp_path, images=False)
    video = PennAction(tmp_path, frames=False)[0]
    clip = clip_of(video, spec(3))
    sequence = pose_sequence(clip, InputSpec(dim=3))
    assert sequence.shape == (3, 16, 4)
    assert (sequence[:, :3] == 0).all()
    assert (sequence[:, 3:, 3] == 1).all()
    assert (sequence[:, 3:, 2] == 0.5).all()  # no 3D labels


def test_unknown_depth_is_in_the_middle_in_a_pose_sequence(build):
    joints_3d = np.full((4, 16, 3), 5000.0)
    joints_3d[:, 7, 2] = 5300
    joints_3d[1, 3], joints_3d[2, 0] = np.nan, np.nan  # a joint; the pelvis, and so all joints
    (video,) = build.videos(4, joints_3d=joints_3d).videos
    video.joints[0, 5] = np.nan
    sequence = pose_sequence(Clip(video, np.arange(4), (0, 0, 40, 40)), InputSpec(dim=3))
    assert sequence[0, 7, 2] == pytest.approx(0.5 + 300 / 2000)
    assert sequence[1, 3, 2] == 0.5
    assert sequence[1, 3, 3] == 1
    assert (sequence[2, :, 2] == 0.5).all()
    assert (sequence[0, 5] == 0).all()


# --- single frames


def test_frames_are_stills(build):
    dataset = Frames(build.videos(3, 5))
    assert len(dataset) == 8
    assert (dataset.name, dataset.skeleton, dataset.split) == ("memory", "pa16j", "train")
    sample = dataset[4]
    video = build.videos(3, 5)[1]
    assert sample.name == "v01#000001"
    np.testing.assert_array_equal(sample.joints, video.joints[1])
    center, side = square_window(video.boxes[1], 1.25)
    np.testing.assert_array_equal(sample.center, center)
    assert sample.side == side
    assert np.isnan(sample.head_size)
    affine = crop_sample(sample, SMALL).affine
    box = apply_affine(affine, video.boxes[1].reshape(2, 2))
    assert np.ptp(box, axis=0).max() == pytest.approx(1 / 1.25)


def test_frames_carry_what_is_known(build):
    joints_3d = np.random.default_rng(0).normal(0, 300, (3, 16, 3))
    camera = object()
    videos = build.videos(3, joints_3d=joints_3d, camera=camera, head_sizes=np.arange(3.0))
    sample = Frames(videos)[2]
    np.testing.assert_array_equal(sample.joints_3d, joints_3d[2])
    assert sample.camera is camera
    assert sample.head_size == 2


def test_frames_are_spread_over_each_video(build):
    dataset = Frames(build.videos(3, 20), per_video=4)
    names = [dataset[i].name for i in range(len(dataset))]
    assert names[:3] == ["v00#000000", "v00#000001", "v00#000002"]
    assert names[3:] == ["v01#000002", "v01#000007", "v01#000012", "v01#000017"]


def test_frames_of_a_video_are_held_out_together(build):
    train, valid = hold_out(Frames(build.videos(*[4] * 10)), fraction=0.2)
    videos = [{part[i].name.split("#")[0] for i in range(len(part))} for part in (train, valid)]
    assert not videos[0] & videos[1]
    assert (len(train), len(valid)) == (32, 8)


def test_frames_that_cannot_be(build):
    with pytest.raises(ValueError, match="labels only"):
        Frames(build.videos(4, frames=[]))
    with pytest.raises(ValueError, match="per_video"):
        Frames(build.videos(4), per_video=0)


@pytest.mark.parametrize("box", [(5, 5, 5, 5), [np.nan] * 4], ids=str)
def test_frames_without_a_box_are_found_when_the_data_set_is_made(build, box):
    videos = build.videos(4, 4, 4)
    videos.videos[1].boxes[[1, 3]] = box
    message = "'v01' has no box with an area in 2 of 4 frames, first in frame 1"
    with pytest.raises(ValueError, match=message):
        Frames(videos)
    videos.videos[1].boxes[:] = box
    with pytest.raises(ValueError, match="'v01' has no box with an area in 1 of 1 frames"):
        Frames(videos, per_video=1)
    with pytest.raises(ValueError, match="Frame 'v01#000002' has no box to crop"):
        frame_sample(videos[1], 2)


def test_labels_of_a_frame_need_neither_frames_nor_box(build):
    (video,) = build.videos(4, frames=[]).videos
    video.boxes[2] = np.nan
    labels = frame_labels(video, 1)
    assert (labels.image, labels.name) == ("", frame_name("v00", 1))
    assert labels.side == square_window(video.boxes[1])[1]
    labels = frame_labels(video, 2)
    assert np.isnan([labels.side, *labels.center]).all()
    np.testing.assert_array_equal(labels.joints, video.joints[2])


def test_frames_of_penn_action(build, tmp_path):
    build.penn(tmp_path, frames=3)
    dataset = Frames(PennAction(tmp_path))
    crop = crop_sample(dataset[1], InputSpec(32))
    joints = get_skeleton("pa16j")
    assert crop.target[joints.index("head_top"), 2] == 1
    assert (crop.target[:3] == UNSUPERVISED).all()
    assert crop.image.std() > 0.1
