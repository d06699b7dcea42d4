"""Everybody in a picture and in a video, with a network that sees bright rectangles."""

import csv
import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from blobs import ACTIONS, CLIPS, POSES, SIZE

from deephar import Predictor
from deephar.inference import annotate_people
from deephar.inference.people import (
    MOST_PEOPLE,
    different_poses,
    find_people,
    persons_among,
    pose_similarity,
)
from deephar.inference.poses import presence_of
from deephar.inference.tracking import Tracker, colours_of
from deephar.video import VideoWriter, video_info

BLACK = np.zeros((150, 300, 3), np.uint8)


def poses_of_the_middle(images):
    """Poses (B, 1, 16, 3) at the corners of the rectangle next to the middle of each image.

    A rectangle lower than an eighth of the image is not seen.
    """
    poses = np.full((len(images), 1, 16, 3), 0.2)
    for pose, image in zip(poses[:, 0], images, strict=True):
        bright = (image[..., 0] > 0.3).astype("uint8")
        _, _, parts, centres = cv2.connectedComponentsWithStats(bright)
        large = [number for number in range(1, len(parts)) if parts[number][3] >= SIZE // 8]
        if large:
            best = min(large, key=lambda it: np.abs(centres[it] - SIZE / 2).max())
            x, y, width, height = parts[best][:4]
            right, low = x + width - 1, y + height - 1
            pose[:, :2] = (
                np.tile([(x, y), (right, y), (right, low), (x, low)], (4, 1)) + 0.5
            ) / SIZE
            pose[:, 2] = 0.95
    return poses


def network(images):
    if images.ndim == 4:
        return {"pose": poses_of_the_middle(images)}
    poses = np.stack([poses_of_the_middle(clip) for clip in images])
    bright = images.max(axis=(1, 2, 3, 4)) > 0
    scores = np.where(bright[:, None], [0.7, 0.2, 0.1], [0.1, 0.2, 0.7])
    return {"pose": poses, "action_dots": scores[:, None]}


def scene(*places, size=(20, 40)):
    """A picture with a white rectangle at each place (x, y) of its top left."""
    image = BLACK.copy()
    for x, y in places:
        image[y : y + size[1], x : x + size[0]] = 255
    return image


@pytest.fixture
def predictor():
    return Predictor.from_model(network, POSES)


def places_of(persons):
    """Top left of each person, by their numbers."""
    return {person.track: person.joints.min(axis=0).round().tolist() for person in persons}


def test_everybody_is_found(predictor):
    places = [(20, 20), (130, 80), (250, 40)]
    persons = predictor.people(scene(*places))
    found = sorted(person.joints.min(axis=0).tolist() for person in persons)
    np.testing.assert_allclose(found, sorted(places), atol=1.5)
    assert all(person.track is None and person.action is None for person in persons)


def test_nobody_is_found_in_an_empty_picture(predictor):
    assert predictor.people(BLACK) == []


def test_persons_at_the_border_are_found(predictor):
    persons = predictor.people(scene((0, 110), (285, 0)))
    found = sorted(person.joints.min(axis=0).tolist() for person in persons)
    np.testing.assert_allclose(found, [(0, 110), (285, 0)], atol=1.5)


def test_the_number_of_persons_is_bounded():
    seen = []

    def counting(images):
        seen.append(len(images))
        return network(images)

    places = [(x, y) for x in range(4, 290, 20) for y in (4, 54, 104)]
    boxes = find_people(counting, POSES, scene(*places, size=(10, 40)))
    assert len(boxes) <= MOST_PEOPLE
    assert seen[0] == 16  # 14 windows in one call
    assert sum(seen) <= 16 + 2 * (2 * MOST_PEOPLE + 4)
    assert set(seen) <= {8, 16, 24, 32}  # few shapes, for networks that are compiled


@pytest.mark.parametrize(
    ("joints", "place", "found"),
    [
        (16, (60, 40), True),
        (8, (60, 40), False),  # half of somebody who would be in the picture as a whole
        (8, (60, 105), True),
        (8, (2, 50), True),
        (8, (278, 50), True),
        (7, (60, 105), False),
    ],
)
def test_half_of_who_is_cut_off_by_the_border_is_enough(joints, place, found):
    def half_seen(images):
        poses = poses_of_the_middle(images)
        seen = poses[:, 0, 0, 2] > 0.9
        poses[seen, :, joints:, 2] = 0.1
        return {"pose": poses}

    config = SimpleNamespace(image_size=SIZE, dim=2, skeleton="pa16j")
    # The mean visibility of all joints is 0.53 if half of them are seen.
    assert bool(find_people(half_seen, config, scene(place))) == found


def test_what_is_no_person_does_not_take_the_place_of_half_a_person():
    pose = np.zeros((16, 3))
    pose[:, :2] = np.random.default_rng(0).uniform(60, 100, (16, 2))  # at the border of the picture
    dim, half = pose.copy(), pose.copy()
    dim[:, 2] = 0.64
    half[:, 2] = np.repeat([0.9, 0.3], 8)
    assert persons_among([dim], [dim], (101, 101)) == []
    assert persons_among([dim, half], [dim, half], (101, 101)) == [1]


def test_presence_is_the_visibility_of_the_better_half():
    pose = np.zeros((5, 3))
    pose[:, 2] = 0.5, 0.1, 0.9, 0.0, 0.7
    assert presence_of(pose) == pytest.approx(0.7)


def test_of_two_poses_of_a_person_the_better_one_is_kept():
    pose = np.random.default_rng(0).uniform(0, 100, (16, 3))
    near, far = pose + [3, 0, 0], pose + [80, 0, 0]
    assert pose_similarity(pose, pose) == 1
    assert pose_similarity(pose, near) > 0.9
    assert pose_similarity(pose, far) < 0.1
    assert different_poses([pose, near, far], [0.8, 0.9, 0.7]) == [1, 2]
    assert different_poses([pose, near, far]) == [0, 2]


def test_numbers_stay_while_persons_pass_each_other(predictor):
    film = [scene((20 + 8 * t, 10), (260 - 8 * t, 90)) for t in range(30)]
    frames = list(predictor.track(film, fps=25))
    assert [sorted(places_of(persons)) for persons in frames] == 30 * [[1, 2]]
    first, last = places_of(frames[0]), places_of(frames[-1])
    above, below = sorted(first, key=lambda number: first[number][1])
    np.testing.assert_allclose(last[above], (252, 10), atol=2)
    np.testing.assert_allclose(last[below], (28, 90), atol=2)
    assert [person.index for persons in frames for person in persons][-1] == 29
    assert frames[-1][0].time == pytest.approx(29 / 25)


def test_persons_who_hide_each_other_keep_their_numbers(predictor):
    film = []
    for t in range(40):
        image = scene((20 + 6 * t, 50))
        x = 254 - 6 * t
        image[50:90, x : x + 20] = (255, 0, 0)
        film.append(image)
    frames = [places_of(persons) for persons in predictor.track(film, fps=25)]
    left = min(frames[0], key=lambda number: frames[0][number][0])
    assert sorted(frames[0]) == sorted(frames[-1]) == [1, 2]
    assert frames[-1][left][0] > frames[-1][3 - left][0]


def test_who_is_alone_keeps_the_number_in_any_colour(predictor):
    film = [scene((100 + t, 50)) for t in range(24)]
    for t in range(8, 16):  # in another light
        film[t][..., 1:] = 0
    frames = [places_of(persons) for persons in predictor.track(film, fps=25)]
    assert [sorted(persons) for persons in frames] == 24 * [[1]]


def test_the_window_follows_on_average():
    pose = np.column_stack([np.random.default_rng(0).uniform(50, 100, (16, 2)), np.ones(16)])
    windows = []

    def see(images, boxes):  # the pose jumps to and fro from one piece of the video to the next
        windows.append(boxes[0])
        moved = pose + [(-6, 6)[len(windows) % 2], 0, 0]
        return [SimpleNamespace(pose=moved) for _ in boxes]

    tracker = Tracker(see, lambda image: [SimpleNamespace(pose=pose)])
    frames = [(BLACK, t / 25) for t in range(40)]
    assert all(list(persons) == [1] for _, persons in tracker.follow(frames))
    middles = [box[[0, 2]].mean() for box in windows]
    assert np.ptp(middles[2:]) < 9


@pytest.mark.parametrize(("rate", "every"), [(2, 1), (4, 2), (6, 3), (20, 10)])
def test_the_whole_frame_is_searched_twice_a_second(rate, every):
    searched = []

    def find(image):
        searched.append(int(image[0, 0, 0]))
        return []

    tracker = Tracker(lambda images, boxes: [], find)
    frames = [(np.full((4, 4, 3), t, np.uint8), t / rate) for t in range(25)]
    assert [frame for frame, _ in tracker.follow(frames)] == frames
    assert searched == list(range(0, 25, every))


def test_who_walks_out_of_the_picture_is_no_error(predictor):
    film = [scene((min(180 + 4 * t, 320), 50)) for t in range(50)]
    frames = [places_of(persons) for persons in predictor.track(film, fps=25)]
    assert sorted(frames[0]) == sorted(frames[25]) == [1]
    assert frames[-1] == {}


def test_the_colours_of_a_person_are_those_of_both_halves():
    image = BLACK.copy()
    image[50:70, 40:60], image[70:90, 40:60] = (200, 0, 0), (0, 0, 200)
    x, y = np.meshgrid([42, 50, 58], [52, 56, 60, 66, 74, 78, 82, 86])
    pose = np.column_stack([x.ravel(), y.ravel(), np.ones(24)])
    np.testing.assert_array_equal(colours_of(image, pose), [(200, 0, 0), (0, 0, 200)])
    outside = pose + [1000, 0, 0]
    assert colours_of(image, outside).shape == (2, 3)


def test_a_person_who_comes_back_soon_keeps_the_number(predictor):
    here, away = scene((100, 50)), BLACK
    film = 10 * [here] + 12 * [away] + 20 * [here] + 40 * [away] + 20 * [here]
    frames = [places_of(persons) for persons in predictor.track(film, fps=25)]
    assert all(sorted(persons) == [1] for persons in frames[:10])
    assert not any(frames[10:22])
    assert sorted(frames[41]) == [1]
    assert sorted(frames[-1]) == [2]


def test_everybody_has_their_own_action():
    predictor = Predictor.from_model(network, CLIPS, actions=ACTIONS)
    film = [scene((40, 50)) for _ in range(8)] + [scene((40, 50), (200, 50)) for _ in range(20)]
    frames = list(predictor.track(film, fps=12, keep_images=True))
    assert [len(persons) for persons in frames[:8]] == 8 * [1]
    assert len(frames) == 28
    assert all(person.action[0] == ("bowl", 0.7) for persons in frames for person in persons)
    assert {person.track for person in frames[-1]} == {1, 2}
    np.testing.assert_array_equal(frames[-1][0].image, film[-1])


def test_a_video_without_frames_is_refused(predictor):
    with pytest.raises(ValueError, match="holds no frame"):
        list(predictor.track([]))


def test_everybody_is_drawn_and_written(tmp_path):
    predictor = Predictor.from_model(network, CLIPS, actions=ACTIONS)
    with VideoWriter(tmp_path / "film.mp4", 20) as writer:
        for t in range(20):
            writer.write(scene((40 + t, 50), (200, 50)) if t > 1 else BLACK)
    written = annotate_people(predictor, tmp_path / "film.mp4", tmp_path / "o.mp4")
    assert video_info(written.video).frames == 20
    frames = json.loads(written.numbers.read_text())["frames"]
    assert frames[0]["people"] == []
    assert [person["track"] for person in frames[-1]["people"]] == [1, 2]
    assert frames[-1]["people"][0]["action"][0][0] == "bowl"
    with open(written.table, newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sum(len(frame["people"]) for frame in frames)
    assert {row["track"] for row in rows} == {"1", "2"}
    assert {number: its[0][0] for number, its in written.actions.items()} == {1: "bowl", 2: "bowl"}


# ---------------------------------------------------------------------- one of several persons


def scene_of_three():
    """Persons at the left, in the middle and, the largest, at the right."""
    image = np.maximum(scene((20, 20)), scene((140, 60), size=(20, 36)))
    image[30:90, 240:270] = 255
    return image


@pytest.mark.parametrize(("whom", "x"), [("largest", 240), ("centre", 140)])
def test_one_of_several_persons_is_chosen(predictor, whom, x):
    image = scene_of_three()
    assert predictor(image, whom).joints[:, 0].min() == pytest.approx(x, abs=2)
    persons = list(predictor.stream([image] * 20, whom))
    assert [person.joints[:, 0].min() for person in persons] == pytest.approx([x] * 20, abs=2)


def test_where_nobody_is_there_is_no_one_to_choose(predictor):
    assert not any(person.seen for person in predictor.stream([BLACK] * 3, "largest"))


def test_an_unknown_choice_of_a_person_is_refused(predictor):
    with pytest.raises(ValueError, match="one of best, largest, centre, got 'smallest'"):
        predictor(BLACK, "smallest")


def test_a_person_is_followed_by_their_number():
    predictor = Predictor.from_model(network, CLIPS, actions=ACTIONS)
    both, one = scene((40, 50), (200, 50)), scene((40, 50))
    film = 8 * [both] + 8 * [one] + 8 * [both]
    numbers = places_of(next(iter(predictor.track(film, fps=25))))
    (number,) = (n for n, (x, _) in numbers.items() if x > 100)
    persons = list(predictor.stream(film, number, fps=25))
    assert [person.index for person in persons] == list(range(24))
    assert [person.seen for person in persons] == 8 * [True] + 8 * [False] + 8 * [True]
    assert [person.joints[:, 0].min() for person in persons if person.seen] == pytest.approx(
        [200] * 16, abs=2
    )
    assert persons[0].action[0] == ("bowl", 0.7)
    with pytest.raises(ValueError, match=r"number 3 .*: there are the numbers 1 to 2"):
        list(predictor.stream(film, 3, fps=25))
    with pytest.raises(ValueError, match="nobody is seen"):
        list(predictor.stream([BLACK] * 3, 1))
