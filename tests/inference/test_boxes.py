"""Boxes from poses: the published rules, and the paper's protocol on videos of dots."""

import keras
import numpy as np
import pytest

from deephar.geometry import square_window
from deephar.inference import box_of_poses, full_box, predicted_boxes
from deephar.inference.boxes import key_frames
from deephar.layers import TimeDistributed


@pytest.mark.parametrize("number", [0, 1, 3, 4, 5])
def test_box_of_one_pose_agrees_with_reference(golden, number):
    reference = golden("fn_boxes")
    points = reference[f"pts{number}"]
    known = np.where(points > -1e6, points, np.nan)
    size = (640, 480)
    square = box_of_poses(known[None], None, size, margin=1.5, square=True)
    np.testing.assert_allclose(square, reference[f"valid_bbox{number}"], atol=1e-8)
    tight = box_of_poses(known[None], None, size, margin=1.2)
    expected = reference[f"valid_bbox_rel1.2_nosquare{number}"]
    np.testing.assert_allclose(tight, expected, atol=1e-8)
    visible = reference[f"jprob{number}"][None, :, 0]
    box = box_of_poses(points[None], visible, size, margin=1.5, square=True)
    np.testing.assert_allclose(box, reference[f"valid_bbox_jprob{number}"], atol=1e-8)


@pytest.mark.parametrize("scale", [1.0, 1.3])
@pytest.mark.parametrize("number", range(5))
def test_box_of_first_middle_and_last_frame_agrees_with_reference(golden, number, scale):
    reference = golden("fn_boxes")
    frames = list(key_frames(len(reference[f"gt{number}_pose"])))
    poses = reference[f"gt{number}_pose"][frames]
    visible = reference[f"gt{number}_visible"][frames]
    box = box_of_poses(poses, visible, (640, 480), margin=1.5 * scale, square=True)
    np.testing.assert_allclose(box, reference[f"gt{number}_scale{scale}"], atol=1e-8)


def test_nobody_visible_is_the_whole_frame(golden):
    box = box_of_poses(np.zeros((3, 16, 2)), np.zeros((3, 16)), (640, 480))
    np.testing.assert_array_equal(box, golden("fn_boxes")["gt_none"])


def test_a_single_joint_gives_a_box_of_32_pixels(golden):
    points = np.where(golden("fn_boxes")["pts2"] > -1e6, golden("fn_boxes")["pts2"], np.nan)
    (known,) = points[np.isfinite(points).all(axis=1)]
    box = box_of_poses(points[None], None, (640, 480))
    np.testing.assert_allclose(box, [*(known - 16), *(known + 16)])


def test_key_frames_are_first_middle_and_last():
    assert [key_frames(n) for n in (1, 2, 3, 8, 9)] == [(0,), (0, 1), (0, 2), (0, 4, 7), (0, 5, 8)]
    with pytest.raises(ValueError, match="without frames"):
        key_frames(0)


@pytest.mark.parametrize("size", [(640, 480), (90, 200)])
def test_window_of_the_full_box_is_the_whole_frame(size):
    center, side = square_window(full_box(size))
    assert side == pytest.approx(max(size))
    np.testing.assert_allclose(center, (np.array(size) - 1) / 2)
    with pytest.raises(ValueError, match="width, height"):
        full_box((0, 3))


@pytest.mark.parametrize("batch_size", [2, 50])
def test_boxes_enclose_the_poses_on_three_full_frames(config, dot_videos, reader, batch_size):
    dataset = dot_videos()
    boxes = predicted_boxes(reader(), config, dataset, batch_size=batch_size)
    for video, box in zip(dataset, boxes, strict=True):
        expected = box_of_poses(video.joints[list(key_frames(len(video.joints)))], None, video.size)
        np.testing.assert_allclose(box, expected, atol=0.02 * max(video.size))


def test_a_network_of_clips_finds_the_same_boxes(config, dot_videos, reader):
    dataset, stills = dot_videos(), reader()
    clip = keras.Input((None, 64, 64, 3))
    network = keras.Model(clip, TimeDistributed(stills)(clip))
    expected = predicted_boxes(stills, config, dataset, batch_size=4)
    found = predicted_boxes(network, config, dataset, batch_size=4)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_videos_without_frames_have_no_predicted_boxes(config, dot_videos, reader):
    with pytest.raises(ValueError, match="'video0' has no frames"):
        predicted_boxes(reader(), config, dot_videos(frames=False))
