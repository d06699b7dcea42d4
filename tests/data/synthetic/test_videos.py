"""The built-in data set."""

import pickle

import numpy as np
import pytest

from deephar.data import Frames, InputSpec, Synthetic, crop_sample
from deephar.data.synthetic.motions import ACTIONS
from deephar.data.synthetic.render import Light, draw_solids
from deephar.metrics import pckh
from deephar.skeletons import convert, get_skeleton

SKELETON = get_skeleton("pa16j")


@pytest.fixture(scope="module")
def train():
    return Synthetic("train", videos=36, image_size=128)


def videos(dataset):
    return [dataset[i] for i in range(len(dataset))]


def test_videos_have_all_labels_in_the_right_form(train):
    assert (train.name, train.skeleton, train.split) == ("synthetic", "pa16j", "train")
    assert len(train.actions) == 12
    for video in videos(train):
        count = len(video.frames)
        assert 24 <= count <= 48
        assert video.joints.shape == (count, 16, 2)
        assert video.joints_3d.shape == (count, 16, 3)
        assert video.visible.shape == (count, 16)
        assert video.boxes.shape == (count, 4)
        assert video.head_sizes.shape == (count,)
        assert video.size == (128, 128)
        assert np.isfinite(video.joints).all()
        assert set(np.unique(video.visible)) <= {0.0, 1.0}
    frame = video.frames[0]
    assert frame.shape == (128, 128, 3)
    assert frame.dtype == np.uint8


def test_joints_are_the_projected_3d_joints(train):
    for video in videos(train):
        np.testing.assert_allclose(
            video.camera.project(video.joints_3d), video.joints, atol=1e-9, rtol=0
        )


def test_nothing_depends_on_what_was_asked_before():
    first, second = (Synthetic("train", videos=24, image_size=64) for _ in range(2))
    wanted = [(3, 0), (20, 5), (3, 1)]
    pictures = {(i, k): first[i].frames[k] for i, k in wanted}
    for i, k in reversed(wanted):
        np.testing.assert_array_equal(second[i].frames[k], pictures[i, k])
        np.testing.assert_array_equal(second[i].joints, first[i].joints)
        np.testing.assert_array_equal(second[i].visible, first[i].visible)


def test_what_is_done_to_a_video_does_not_last(train):
    joints = train[4].joints
    joints[:] = 0
    assert train[4].joints.any()


def test_more_videos_begin_with_the_same_ones(train):
    more = Synthetic("train", videos=400, image_size=128)
    assert more[7].name == train[7].name
    np.testing.assert_array_equal(more[7].joints, train[7].joints)


def test_another_size_shows_the_same_persons(train):
    small = Synthetic("train", videos=36, image_size=64)
    expected = (train[5].joints + 0.5) / 2 - 0.5
    np.testing.assert_allclose(small[5].joints, expected, atol=1e-6)
    np.testing.assert_allclose(small[5].joints_3d, train[5].joints_3d, atol=1e-3)
    assert small[5].frames[3].shape == (64, 64, 3)


def test_another_seed_gives_other_videos(train):
    other = Synthetic("train", videos=36, image_size=128, seed=1)
    assert not any(
        len(a.joints) == len(b.joints) and np.allclose(a.joints, b.joints)
        for a, b in zip(videos(train), videos(other), strict=True)
    )


def test_data_sets_survive_pickling(train):
    copy = pickle.loads(pickle.dumps(train))
    np.testing.assert_array_equal(copy[2].frames[4], train[2].frames[4])
    video = pickle.loads(pickle.dumps(train[2]))
    np.testing.assert_array_equal(video.frames[4], train[2].frames[4])


def test_each_person_does_each_action_once(train):
    for person in range(3):
        part = [train[12 * person + i] for i in range(12)]
        assert sorted(video.action for video in part) == list(range(12))
    names = [video.name for video in videos(train)]
    assert len(set(names)) == len(names)
    assert all("#" not in name for name in names)


def test_splits_differ_in_persons_and_views():
    persons, views = {}, {}
    for split in ("train", "validation", "test"):
        persons[split], views[split] = set(), set()
        for video in videos(Synthetic(split, videos=72, image_size=64)):
            hip, knee = (SKELETON.index(f"right_{name}") for name in ("hip", "knee"))
            thigh = np.linalg.norm(video.joints_3d[0, hip] - video.joints_3d[0, knee])
            persons[split].add(round(float(thigh), 2))
            forward = -video.camera.rotation[2]
            views[split].add(float(np.degrees(np.arctan2(forward[0], forward[1])) % 45))
        assert len(persons[split]) == 6
    for a, b in (("train", "validation"), ("train", "test"), ("validation", "test")):
        assert not persons[a] & persons[b]
        gap = min(abs(x - y) for x in views[a] for y in views[b])
        assert gap > 1, "views should be degrees apart"


def test_persons_are_seen_from_all_around():
    azimuths = []
    for video in videos(Synthetic("train", videos=96, image_size=64)):
        forward = -video.camera.rotation[2]
        azimuths.append(np.arctan2(forward[0], forward[1]))
    assert (np.histogram(azimuths, bins=8, range=(-np.pi, np.pi))[0] > 3).all()


def test_front_views_show_the_left_shoulder_on_the_right():
    dataset = Synthetic("train", videos=48, image_size=64, views="front")
    shoulders = [SKELETON.index(f"{side}_shoulder") for side in ("right", "left")]
    across = []
    for video in videos(dataset):
        right, left = video.joints_3d[:, shoulders].swapaxes(0, 1)
        across.append(np.mean((left - right)[:, 0] / np.linalg.norm(left - right, axis=-1)))
    assert np.mean(np.array(across) > 0.2) > 0.95


def test_persons_fill_much_of_the_picture(train):
    boxes = np.concatenate([video.boxes for video in videos(train)])
    longer = (boxes[:, 2:] - boxes[:, :2]).max(axis=1) / 128
    assert 0.55 < np.median(longer) < 0.8
    assert boxes.min() >= 0
    assert boxes.max() <= 127


def test_visible_joints_lie_on_the_drawn_body(train):
    light = Light(np.array([0.0, 0.0, -1.0]), ambient=1.0)
    for video in videos(train)[:12]:
        drawn = np.zeros((128, 128, 3), np.float32)
        draw_solids(drawn, video.frames.solids, 3, light)
        for joint in range(16):
            if video.visible[3, joint]:
                x, y = np.rint(video.joints[3, joint]).astype(int)
                around = drawn[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
                assert around.max() > 4, (video.name, SKELETON.joints[joint])


def test_joints_are_hidden_by_covers_by_the_own_body_and_by_the_edge(train):
    shown = np.concatenate([video.visible for video in videos(train)])
    assert 0.6 < shown.mean() < 0.95
    assert (shown.mean(axis=0) > 0.4).all()
    for video in videos(train):
        outside = ((video.joints < -0.5) | (video.joints > 127.5)).any(axis=-1)
        assert not video.visible[outside].any()
        cover = video.frames.cover
        if cover is not None:
            assert not video.visible[cover.hides(video.joints)].any()
    assert any(video.frames.cover is not None for video in videos(train))


def test_from_the_side_the_far_limbs_are_hidden_more_often(train):
    shoulders = [SKELETON.index(f"{side}_hip") for side in ("right", "left")]
    near, far = [], []
    for video in videos(Synthetic("train", videos=96, image_size=64)):
        depth = video.joints_3d[:, shoulders, 2]
        sideways = np.abs(depth[:, 0] - depth[:, 1]) > 120
        order = np.argsort(depth, axis=1)
        seen = np.take_along_axis(video.visible[:, shoulders], order, axis=1)[sideways]
        near.append(seen[:, 0])
        far.append(seen[:, 1])
    assert np.concatenate(near).mean() > np.concatenate(far).mean() + 0.3


def test_head_sizes_are_those_of_mpii_in_proportion(train):
    ratios = []
    for video in videos(train):
        if ACTIONS[video.action] == "walk":
            height = video.boxes[:, 3] - video.boxes[:, 1]
            ratios.append(np.median(video.head_sizes / height))
    assert all(0.09 < ratio < 0.16 for ratio in ratios)  # MPII: 25 / 200 of the person's height


def features(video):
    """Mean, spread and speed of the joints relative to the pelvis, in trunk lengths."""
    pose = video.joints - video.joints[:, :1]
    pose = pose / np.linalg.norm(pose[:, 1], axis=-1).mean()
    return np.concatenate([pose.mean(0), pose.std(0), np.abs(np.diff(pose, axis=0)).mean(0)])


def test_actions_can_be_told_apart_by_the_motion_of_the_joints():
    data = Synthetic("train", videos=240, image_size=64), Synthetic("test", 60, image_size=64)
    train, test = (np.stack([features(v).ravel() for v in videos(part)]) for part in data)
    labels, true = (np.array([v.action for v in videos(part)]) for part in data)
    scale = train.std(axis=0) + 0.02
    centroids = np.stack([train[labels == action].mean(axis=0) for action in range(12)])
    distance = np.linalg.norm((test[:, None] - centroids) / scale, axis=-1)
    assert (distance.argmin(axis=1) == true).mean() > 0.5  # chance is 1/12


def test_single_frames_are_samples_with_3d_and_head_size(train):
    stills = Frames(train, per_video=2)
    sample = stills[3]
    assert sample.joints_3d.shape == (16, 3)
    assert sample.head_size > 0
    crop = crop_sample(sample, InputSpec(64))
    inside = crop.target[:, 2] == 1
    assert inside.sum() >= 10
    exact = convert(sample.joints[None], "pa16j", "mpii16")
    assert pckh(exact, exact, np.array([sample.head_size])).total == 100


def test_frames_of_a_fixed_number_and_bad_indices():
    dataset = Synthetic(videos=2, image_size=32, frames=5)
    video = dataset[-1]
    assert len(video.frames) == len(video.joints) == 5
    assert video.name == dataset[1].name
    assert len(video.frames[1:3]) == 2
    np.testing.assert_array_equal(video.frames[-1], video.frames[4])
    with pytest.raises(IndexError, match="no video 2"):
        dataset[2]
    with pytest.raises(IndexError, match="no frame 5"):
        video.frames[5]
    assert len(Synthetic(videos=1, frames=1)[0].joints) == 1


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"split": "valid"}, "splits train, validation, test, not 'valid'"),
        ({"videos": 0}, "`videos` to be a whole number from 1"),
        ({"videos": 2.5}, "`videos`"),
        ({"image_size": 8}, "`image_size` to be a whole number from 32"),
        ({"seed": -1}, "`seed`"),
        ({"seed": "one"}, "`seed`"),
        ({"frames": 0}, "`frames`"),
        ({"frames": (10, 5)}, "`frames` to be a whole number from 10"),
        ({"frames": (1, 2, 3)}, "frames"),
    ],
)
def test_bad_arguments_are_named(arguments, match):
    with pytest.raises(ValueError, match=match):
        Synthetic(**arguments)
