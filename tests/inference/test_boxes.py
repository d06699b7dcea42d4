"""Boxes from poses: the published rules, the paper's protocol on videos of dots, the search."""

import keras
import numpy as np
import pytest

from deephar.geometry import square_window
from deephar.inference import box_of_poses, full_box, predicted_boxes
from deephar.inference.boxes import POSE_MARGIN, key_frames
from deephar.inference.search import FoundPerson, find_person
from deephar.layers import TimeDistributed
from deephar.models import ModelConfig


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
    with pytest.raises(ValueError, match="no frame"):
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
    boxes = predicted_boxes(reader(), config, dataset, batch_size)
    for video, box in zip(dataset, boxes, strict=True):
        expected = box_of_poses(
            video.joints[list(key_frames(len(video.joints)))], None, video.size, POSE_MARGIN
        )
        np.testing.assert_allclose(box, expected, atol=0.02 * max(video.size))


SMALL = ModelConfig(image_size=64)


def far_sighted(seen, visibility=0.9):
    """A network that knows a bright rectangle if it is an eighth of the crop or higher.

    Notes in `seen` how many images it is shown at a time.
    """

    def network(images):
        seen.append(len(images))
        poses = np.full((len(images), 1, 16, 3), 0.2)
        for pose, image in zip(poses[:, 0], images, strict=True):
            rows, columns = (np.flatnonzero((image[..., 0] > 0).any(axis=a)) for a in (1, 0))
            if len(rows) >= 8:
                corners = [(x, y) for x in columns[[0, -1]] for y in rows[[0, -1]]]
                pose[:, :2] = (np.tile(corners, (4, 1)) + 0.5) / 64
                pose[:, 2] = visibility
        return {"pose": poses}

    return network


def scene(x, y, size=(30, 40)):
    frame = np.zeros((200, 400, 3), np.uint8)
    frame[y : y + size[1], x : x + size[0]] = 255
    return frame


@pytest.mark.parametrize("place", [(300, 120), (20, 10), (360, 150), (180, 90)])
def test_a_person_too_small_for_the_whole_frame_is_found(place):
    (x, y), seen = place, []
    alone = find_person(far_sighted(seen), SMALL, [scene(x, y)])
    assert alone.confidence == pytest.approx(0.9)
    middle = np.array([x + 14.5, y + 19.5])
    np.testing.assert_allclose((alone.box[:2] + alone.box[2:]) / 2, middle, atol=1)
    assert alone.box[3] - alone.box[1] == pytest.approx(POSE_MARGIN * 40, abs=4)
    film = [scene(x - 5, y), scene(x, y), scene(x, y), scene(x + 5, y)]
    person = find_person(far_sighted(seen), SMALL, film)
    assert person.box[2] - person.box[0] == pytest.approx(alone.box[2] - alone.box[0] + 10, abs=3)
    np.testing.assert_allclose(person.last - [5, 0, 5, 0], alone.box, atol=3)
    assert set(seen) == {2}  # one shape, for networks that are compiled


def test_a_person_is_followed_from_where_they_were_last():
    film, seen = [scene(x, 90) for x in (180, 185, 190, 195)], []
    near = find_person(far_sighted([]), SMALL, film)
    film = [scene(x, 90) for x in (200, 205, 210, 215)]
    followed = find_person(far_sighted(seen), SMALL, film, near)
    assert seen == [2]  # the middle and the last frame, and nothing else
    expected = [*near.last[:2], near.last[2] + 20, near.last[3]]
    np.testing.assert_allclose(followed.box, expected, atol=3)
    np.testing.assert_allclose(followed.last - [20, 0, 20, 0], near.last, atol=3)


def test_a_person_who_is_not_near_is_searched_for():
    film, seen = [scene(180, 90)] * 4, []
    person = find_person(far_sighted(seen), SMALL, film)
    search = len(seen)
    elsewhere = FoundPerson(person.box, 0.9, last=np.array([20, 0, 40, 20]))
    lost = find_person(far_sighted(seen), SMALL, film, near=elsewhere)
    np.testing.assert_allclose(lost.box, person.box, atol=1e-6)
    assert len(seen) == 2 * search + 1


def test_a_fast_person_is_followed_from_frame_to_frame():
    seen = []
    film = [scene(x, 90) for x in (180, 190, 207, 239)]  # the last is out of the first's window
    near = find_person(far_sighted([]), SMALL, film[:1])
    followed = find_person(far_sighted(seen), SMALL, film, near)
    assert seen == [2, 2]  # the middle and the last frame, and the last again
    assert followed.box[0] == pytest.approx(180 - 3, abs=3)
    assert followed.box[2] > 255  # most of the last one; the rest is cut off by the window


@pytest.mark.parametrize("hidden", [2, 3])
def test_a_person_who_is_hidden_in_one_frame_is_not_given_up_for_another(hidden):
    film, seen = [scene(60, 90) for _ in range(4)], []
    near = find_person(far_sighted([]), SMALL, film)
    film[hidden] = np.zeros_like(film[0])
    for frame in film:  # another person, far off and larger
        frame[40:180, 300:380] = 255
    followed = find_person(far_sighted(seen), SMALL, film, near)
    assert len(seen) <= 2
    np.testing.assert_allclose(followed.box, near.box, atol=3)


@pytest.mark.parametrize(("visibility", "confidence"), [(0.71, 0.9), (0.45, 0.5)])
def test_a_person_who_is_seen_worse_than_before_is_searched_for_again(visibility, confidence):
    # At 0.45 and lower, no joint is visible: such a pose has no box.
    film, seen = [scene(180, 90)] * 4, []
    person = find_person(far_sighted([]), SMALL, film)._replace(confidence=confidence)
    find_person(far_sighted(seen, visibility), SMALL, film, near=person)
    assert len(seen) > 2


def test_where_nobody_was_found_nobody_is_followed():
    seen = []
    nobody = find_person(far_sighted(seen), SMALL, [np.zeros((200, 400, 3), np.uint8)] * 4)
    search = len(seen)
    found = find_person(far_sighted(seen), SMALL, [scene(180, 90)] * 4, near=nobody)
    assert len(seen) == 2 * search
    assert found.confidence == pytest.approx(0.9)


@pytest.mark.parametrize(("bush", "given_up"), [(0.55, True), (0.82, False), (0.9, False)])
def test_a_bush_is_followed_until_a_person_is_seen_clearly_better(bush, given_up):
    def network(images):  # sees joints in both; the bush is dark
        poses = far_sighted([])(images)["pose"]
        dark = (poses[..., 2] > 0.5) & (images.max(axis=(1, 2, 3)) < 1)[:, None, None]
        poses[..., 2] = np.where(dark, bush, poses[..., 2])
        return {"pose": poses}

    alone = scene(20, 90)
    alone[alone > 0] = 200
    near = find_person(network, SMALL, [alone] * 4)
    assert near.confidence == pytest.approx(bush)
    stays = find_person(network, SMALL, [alone] * 4, near)
    np.testing.assert_allclose(stays.box, near.box, atol=3)
    person = scene(340, 90)
    both = np.maximum(alone, person)
    found = find_person(network, SMALL, [both] * 4, near)
    expected = find_person(network, SMALL, [person] * 4) if given_up else near
    np.testing.assert_allclose(found.box, expected.box, atol=3)
    assert found.confidence == pytest.approx(expected.confidence)


def test_where_a_person_was_last_comes_from_the_poses_of_a_piece():
    found = find_person(far_sighted([]), SMALL, [scene(180, 90)])
    poses = np.full((3, 16, 3), 0.9)
    poses[:, :, :2] = [[[10.0]], [[40.0]], [[70.0]]]
    poses[2, :, 2] = 0.3
    later = found.seen_in(poses, (400, 200))
    np.testing.assert_allclose(later.last, [24, 24, 56, 56])  # around the second, 32 pixels
    np.testing.assert_array_equal(later.box, found.box)
    np.testing.assert_array_equal(found.seen_in(poses[2:], (400, 200)).last, found.last)


def test_frames_without_the_person_do_not_widen_the_box():
    nobody = np.zeros((200, 400, 3), np.uint8)
    alone = find_person(far_sighted([]), SMALL, [scene(180, 90)])
    film = [nobody, scene(180, 90), scene(180, 90), nobody]
    np.testing.assert_allclose(find_person(far_sighted([]), SMALL, film).box, alone.box, atol=3)
    found = find_person(far_sighted([]), SMALL, [nobody] * 4)
    np.testing.assert_allclose(found.box, [0, 0, 400, 200])
    assert found.confidence == pytest.approx(0.2)


@pytest.mark.parametrize("size", [(1, 1), (30, 300), (300, 300), (1000, 20)])
def test_a_search_copes_with_every_shape_of_frame(size):
    frame = np.full((size[1], size[0], 3), 255, np.uint8)
    box = find_person(far_sighted([]), SMALL, [frame]).box
    assert (box[:2] < size).all()
    assert (box[2:] > 0).all()


@pytest.mark.parametrize(("visibility", "taken_apart"), [(0.91, False), (0.93, True)])
def test_a_part_must_be_seen_clearly_better_than_the_whole(visibility, taken_apart):
    def network(images):  # takes whatever is cut off for a person in its middle
        poses = far_sighted([])(images)["pose"]
        cut = images[:, :, [0, -1], 0].max(axis=(1, 2)) > 0
        poses[cut, 0] = (0.5, 0.5, visibility)
        poses[cut, 0, :8, :2] = 0.25
        return {"pose": poses}

    frame = scene(20, 10, size=(360, 180))
    box = find_person(network, SMALL, [frame]).box
    whole = POSE_MARGIN * 360
    assert (box[2] - box[0] < whole / 2) == taken_apart
    assert taken_apart or box[2] - box[0] == pytest.approx(whole, rel=0.06)


def test_a_person_who_fills_the_frame_is_not_taken_apart():
    frame = scene(20, 10, size=(360, 180))
    box = find_person(far_sighted([]), SMALL, [frame]).box
    np.testing.assert_allclose((box[:2] + box[2:]) / 2, [199.5, 99.5], atol=4)
    assert box[2] - box[0] == pytest.approx(POSE_MARGIN * 360, rel=0.06)


def test_a_network_of_clips_finds_the_same_boxes(config, dot_videos, reader):
    dataset, stills = dot_videos(), reader()
    clip = keras.Input((None, 64, 64, 3))
    network = keras.Model(clip, TimeDistributed(stills)(clip))
    expected = predicted_boxes(stills, config, dataset, batch_size=4)
    found = predicted_boxes(network, config, dataset, batch_size=4)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_joints_beside_the_frame_are_taken_back_into_it(dot_videos):
    def model(images):  # sees everyone in the corner of a window that is larger than the frame
        return {"pose": np.broadcast_to(np.float32([0, 0, 1]), (len(images), 1, 16, 3))}

    wide = [np.zeros((40, 200, 3), np.uint8)] * 3
    box = find_person(model, SMALL, wide).box
    np.testing.assert_allclose(box, [-16, -16, 16, 16])


def test_videos_without_frames_have_no_predicted_boxes(config, dot_videos, reader):
    with pytest.raises(ValueError, match="video0: has no frames"):
        predicted_boxes(reader(), config, dot_videos(frames=False))
