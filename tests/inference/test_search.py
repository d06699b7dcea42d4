"""Finding a person, and following them, with a network that sees a bright rectangle."""

import numpy as np
import pytest

from deephar.geometry import POSE_MARGIN
from deephar.inference import find_person
from deephar.inference.search import FoundPerson
from deephar.models import ModelConfig

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
    np.testing.assert_allclose(person.last_box - [5, 0, 5, 0], alone.box, atol=3)
    assert set(seen) == {2}  # one shape, for networks that are compiled


def test_a_person_is_followed_from_where_they_were_last():
    film, seen = [scene(x, 90) for x in (180, 185, 190, 195)], []
    near = find_person(far_sighted([]), SMALL, film)
    film = [scene(x, 90) for x in (200, 205, 210, 215)]
    followed = find_person(far_sighted(seen), SMALL, film, near=near)
    assert seen == [2]  # the middle and the last frame, and nothing else
    expected = [*near.last_box[:2], near.last_box[2] + 20, near.last_box[3]]
    np.testing.assert_allclose(followed.box, expected, atol=3)
    np.testing.assert_allclose(followed.last_box - [20, 0, 20, 0], near.last_box, atol=3)


def test_a_person_who_is_not_near_is_searched_for():
    film, seen = [scene(180, 90)] * 4, []
    person = find_person(far_sighted(seen), SMALL, film)
    search = len(seen)
    elsewhere = FoundPerson(person.box, 0.9, last_box=np.array([20, 0, 40, 20]))
    lost = find_person(far_sighted(seen), SMALL, film, near=elsewhere)
    np.testing.assert_allclose(lost.box, person.box, atol=1e-6)
    assert len(seen) == 2 * search + 1


def test_a_fast_person_is_followed_from_frame_to_frame():
    seen = []
    film = [scene(x, 90) for x in (180, 190, 207, 239)]  # the last is out of the first's window
    near = find_person(far_sighted([]), SMALL, film[:1])
    followed = find_person(far_sighted(seen), SMALL, film, near=near)
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
    followed = find_person(far_sighted(seen), SMALL, film, near=near)
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
    stays = find_person(network, SMALL, [alone] * 4, near=near)
    np.testing.assert_allclose(stays.box, near.box, atol=3)
    person = scene(340, 90)
    both = np.maximum(alone, person)
    found = find_person(network, SMALL, [both] * 4, near=near)
    expected = find_person(network, SMALL, [person] * 4) if given_up else near
    np.testing.assert_allclose(found.box, expected.box, atol=3)
    assert found.confidence == pytest.approx(expected.confidence)


def test_where_a_person_was_last_comes_from_the_poses_of_a_piece():
    found = find_person(far_sighted([]), SMALL, [scene(180, 90)])
    poses = np.full((3, 16, 3), 0.9)
    poses[:, :, :2] = [[[10.0]], [[40.0]], [[70.0]]]
    poses[2, :, 2] = 0.3
    later = found.moved_to(poses, (400, 200))
    np.testing.assert_allclose(later.last_box, [24, 24, 56, 56])  # around the second, 32 pixels
    np.testing.assert_array_equal(later.box, found.box)
    np.testing.assert_array_equal(found.moved_to(poses[2:], (400, 200)).last_box, found.last_box)


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


def test_joints_beside_the_frame_are_taken_back_into_it(dot_videos):
    def model(images):  # sees everyone in the corner of a window that is larger than the frame
        return {"pose": np.broadcast_to(np.float32([0, 0, 1]), (len(images), 1, 16, 3))}

    wide = [np.zeros((40, 200, 3), np.uint8)] * 3
    box = find_person(model, SMALL, wide).box
    np.testing.assert_allclose(box, [-16, -16, 16, 16])
