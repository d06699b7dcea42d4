"""Penn Action with drawn frames."""

import pickle

import numpy as np
import pytest

from deephar.data import DrawnPenn, Frames, PennAction, Synthetic, write_penn
from deephar.data.synthetic import penn as drawn
from deephar.data.synthetic.penn import flat_figure
from deephar.data.synthetic.render import Light, Look, draw_solids
from deephar.skeletons import get_skeleton

PENN = get_skeleton("penn13")
STANDING = np.array(
    [
        (50, 20),  # head
        *((40, 35), (60, 35), (36, 52), (64, 52), (34, 66), (66, 66)),
        *((44, 66), (56, 66), (43, 88), (57, 88), (43, 110), (57, 110)),
    ],
    float,
)
LIGHT = Light(np.array([0.0, 0.0, -1.0]), ambient=1.0)


@pytest.fixture(scope="module")
def penn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("PennAction")
    videos = Synthetic("train", videos=4, image_size=64, frames=3)
    write_penn(folder, train=videos)
    return folder, videos.actions


def test_names_are_those_of_the_labels(penn):
    dataset = DrawnPenn(penn[0], actions=penn[1])
    assert dataset.names() == [dataset[index].name for index in range(4)]


def drawing(joints, visible=None):
    """The figure alone before black, brightness (130, 100)."""
    joints = np.asarray(joints, float)[None]
    visible = np.ones((1, 13)) if visible is None else np.asarray(visible, float)[None]
    solids = flat_figure(joints, visible, Look(*([(200.0, 200, 200)] * 6)))
    picture = np.zeros((130, 100, 3), np.float32)
    draw_solids(picture, solids, 0, LIGHT)
    return picture.max(axis=-1)


def at(picture, point):
    x, y = np.rint(point).astype(int)
    return picture[y, x]


def test_labels_are_those_of_penn_action_scaled(penn):
    folder, actions = penn
    drawn = DrawnPenn(folder, "train", image_size=128, actions=actions)
    labels = PennAction(folder, "train", frames=False, actions=actions)
    assert len(drawn) == len(labels) == 4
    assert (drawn.name, drawn.skeleton, drawn.actions) == ("penn-drawn", "penn13", actions)
    assert drawn.head == labels.name  # actions are told by the head for the real videos
    assert "drawn" in drawn.source
    for video, original in zip(drawn, labels, strict=True):
        np.testing.assert_allclose(video.joints, (original.joints + 0.5) * 2 - 0.5)
        np.testing.assert_allclose(video.boxes, (original.boxes + 0.5) * 2 - 0.5)
        assert video.size == (128, 128)
        assert (video.name, video.action) == (original.name, original.action)


def test_frames_are_drawn_at_the_size_asked_for(penn):
    folder, actions = penn
    for size, expected in ((48, 48), (None, 64)):
        video = DrawnPenn(folder, image_size=size, actions=actions)[1]
        frame = video.frames[2]
        assert len(video.frames) == 3
        assert frame.shape == (expected, expected, 3)
        assert frame.dtype == np.uint8


def test_frames_depend_on_nothing_but_video_and_seed(penn):
    folder, actions = penn
    first, second, other = (DrawnPenn(folder, seed=s, actions=actions) for s in (0, 0, 1))
    later = second[2].frames[2]
    np.testing.assert_array_equal(second[1].frames[1], first[1].frames[1])
    np.testing.assert_array_equal(first[2].frames[2], later)
    assert (other[1].frames[1] != first[1].frames[1]).any()


def test_surroundings_are_made_once_for_all_frames_of_a_video(penn, monkeypatch):
    made = []
    make = drawn.surroundings
    monkeypatch.setattr(drawn, "surroundings", lambda *args: made.append(1) or make(*args))
    dataset = DrawnPenn(penn[0], image_size=48, actions=penn[1])
    stills = Frames(dataset)
    for index in (0, 4, 1, 5, 2):  # of two videos in turn
        assert stills[index].image.shape == (48, 48, 3)
    assert len(made) == 2
    monkeypatch.setattr(drawn, "_KEPT", 1)
    for index in (0, 4, 0):
        assert stills[index].image.size
    assert len(made) == 4
    assert len(pickle.dumps(dataset)) < 1.1 * len(pickle.dumps(DrawnPenn(penn[0], actions=penn[1])))


def test_what_a_caller_does_to_the_labels_is_not_drawn(penn):
    first, second = (DrawnPenn(penn[0], image_size=48, actions=penn[1]) for _ in range(2))
    video = first[0]
    video.joints[:], video.visible[:] = 10, 0
    np.testing.assert_array_equal(first[0].frames[1], second[0].frames[1])
    np.testing.assert_array_equal(first[0].joints, second[0].joints)


def test_the_figure_is_drawn_at_the_joints():
    picture = drawing(STANDING)
    assert all(at(picture, joint) > 50 for joint in STANDING)
    assert at(picture, STANDING[1:9].mean(axis=0)) > 50  # the trunk
    assert picture[:, :25].max() == 0


def test_hidden_limbs_are_faint():
    visible = np.ones(13)
    visible[PENN.index("left_wrist")] = 0
    wrist = STANDING[PENN.index("left_wrist")]
    assert 10 < at(drawing(STANDING, visible), wrist) < 0.6 * at(drawing(STANDING), wrist)


def test_limbs_with_an_unlabelled_joint_are_left_out():
    joints, visible = STANDING.copy(), np.ones(13)
    index = PENN.index("left_wrist")
    joints[index], visible[index] = np.nan, np.nan
    picture = drawing(joints, visible)
    assert at(picture, STANDING[index]) == 0
    assert at(picture, STANDING[PENN.index("left_ankle")]) > 50


def test_joints_far_away_from_all_others_are_left_out():
    joints = STANDING.copy()
    joints[PENN.index("left_shoulder")] = (-60, -200)
    picture = drawing(joints)
    assert picture[:10].max() == 0
    assert at(picture, joints[PENN.index("right_shoulder")]) > 50


@pytest.mark.parametrize("known", [[], [0], ["right_hip", "right_shoulder"]])
def test_frames_with_hardly_a_joint_can_be_drawn(known):
    joints = np.full((13, 2), np.nan)
    for joint in known:
        index = joint if isinstance(joint, int) else PENN.index(joint)
        joints[index] = STANDING[index]
    picture = drawing(joints, np.where(np.isfinite(joints[:, 0]), 1.0, np.nan))
    assert (picture.max() > 0) == bool(known)


def test_the_official_split_of_the_real_labels_is_drawn(real_penn_labels):
    drawn = DrawnPenn(real_penn_labels, "test", image_size=128)
    assert len(drawn) == 1068
    for index in (0, 400, 900):
        video = drawn[index]
        assert max(video.size) == 128
        frame = video.frames[len(video.frames) // 2]
        assert frame.shape == (video.size[1], video.size[0], 3)


@pytest.mark.parametrize("change", [{"image_size": 4}, {"seed": -1}, {"split": "valid"}])
def test_bad_arguments_are_named(penn, change):
    with pytest.raises(ValueError, match=str(next(iter(change.values())))):
        DrawnPenn(penn[0], **{"actions": penn[1]} | change)
