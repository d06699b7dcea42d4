"""Synthetic videos on disk, read back by the loaders of MPII and Penn Action."""

import numpy as np
import pytest

from deephar.data import MPII, Frames, PennAction, Synthetic, load_image, write_mpii, write_penn
from deephar.data.sets.penn import action_names
from deephar.data.synthetic.export import view_of
from deephar.skeletons import convert

SIZE = 64


@pytest.fixture(scope="module")
def train():
    return Synthetic("train", videos=6, image_size=SIZE, frames=(3, 5))


@pytest.fixture(scope="module")
def test():
    return Synthetic("test", videos=3, image_size=SIZE, frames=3)


@pytest.fixture(scope="module")
def mpii(train, test, tmp_path_factory):
    folder = tmp_path_factory.mktemp("MPII")
    write_mpii(folder, train=train, valid=test, per_video=2)
    return folder


@pytest.fixture(scope="module")
def penn(train, test, tmp_path_factory):
    folder = tmp_path_factory.mktemp("PennAction")
    write_penn(folder, train=train, test=test)
    return folder


def in_picture(joints):
    return ((joints > -0.5) & (joints < SIZE - 0.5)).all(axis=-1)


@pytest.mark.parametrize("split", ["train", "valid"])
def test_the_mpii_loader_reads_the_same_persons(mpii, train, test, split):
    stills = Frames(train if split == "train" else test, per_video=2)
    read = MPII(mpii, split=split)
    assert len(read) == len(stills)
    for sample, still in zip(read, stills, strict=True):
        joints = convert(still.joints, "pa16j", "mpii16")
        inside = in_picture(joints)
        np.testing.assert_allclose(sample.joints[inside], joints[inside], atol=1e-9)
        assert np.isnan(sample.joints[~inside]).all()
        visible = convert(still.visible[:, None], "pa16j", "mpii16")[:, 0]
        np.testing.assert_array_equal(sample.visible[inside], visible[inside])
        np.testing.assert_allclose(sample.center, still.center)
        assert sample.side == pytest.approx(still.side)
        assert sample.head_size == pytest.approx(still.head_size)
        difference = load_image(sample.image).astype(int) - still.image
        assert np.abs(difference).mean() < 6  # what JPEG loses


def test_the_penn_loader_reads_the_same_videos(penn, train, test):
    for split, videos in (("train", train), ("test", test)):
        read = PennAction(penn, split=split, actions=train.actions)
        assert len(read) == len(videos)
        for video, original in zip(read, videos, strict=True):
            joints = convert(original.joints, "pa16j", "penn13")
            known = np.isfinite(video.joints).all(axis=-1)
            assert known.mean() > 0.95  # hidden joints in the very corner count as placeholders
            np.testing.assert_allclose(video.joints[known], joints[known], atol=1e-4)
            visible = convert(original.visible[..., None], "pa16j", "penn13")[..., 0]
            np.testing.assert_array_equal(video.visible[known], visible[known])
            np.testing.assert_allclose(video.boxes, original.boxes, atol=1e-4)
            assert video.size == original.size
            assert read.actions[video.action] == videos.actions[original.action]
            assert len(video.frames) == len(original.frames)
            difference = load_image(video.frames[-1]).astype(int) - original.frames[-1]
            assert np.abs(difference).mean() < 6


def test_action_names_can_be_read_from_the_labels(penn, train):
    assert set(action_names(penn)) <= set(train.actions)


def test_actions_can_be_given_the_official_names(train, tmp_path):
    official = {"jumping_jack": "jumping_jacks", "pull_up": "pullup", "push_up": "pushup"}
    write_penn(tmp_path, train=train, actions=official)
    names = {train.actions[train[i].action] for i in range(len(train))}
    assert set(action_names(tmp_path)) == {official.get(name, name) for name in names}


def test_views_are_front_back_left_and_right():
    videos = Synthetic("train", videos=36, image_size=SIZE, frames=2)
    seen = {view_of(videos[i]) for i in range(len(videos))}
    assert seen == {"front", "back", "left", "right"}


def test_the_view_is_where_the_person_faces():
    videos = Synthetic("train", videos=96, image_size=SIZE, frames=2)
    for index in range(len(videos)):
        video = videos[index]
        if videos.actions[video.action] != "walk":
            continue
        away = -video.camera.rotation[2]  # the person faces y
        azimuth = np.degrees(np.arctan2(away[0], away[1]))
        nearest = ["front", "right", "back", "left"][round(azimuth / 90) % 4]
        if abs((azimuth + 45) % 90) > 15 and abs((azimuth + 45) % 90) < 75:
            assert view_of(video) == nearest


class LabelsOnly:
    """A data set of videos without frames."""

    skeleton, actions, name, split, source = "penn13", ("walk",), "none", "train", "nowhere"

    def __init__(self, video):
        self.video = video

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return self.video


def test_nothing_is_overwritten_and_bad_wishes_are_named(mpii, penn, train, tmp_path):
    with pytest.raises(ValueError, match="holds a data set already"):
        write_mpii(mpii, train=train)
    with pytest.raises(ValueError, match="holds a data set already"):
        write_penn(penn, train=train)
    with pytest.raises(ValueError, match="nothing to write"):
        write_penn(tmp_path)
    with pytest.raises(ValueError, match="nothing to write"):
        write_mpii(tmp_path)
    with pytest.raises(ValueError, match="no action 'sleep' to rename"):
        write_penn(tmp_path, train=train, actions={"sleep": "doze"})
    labels = PennAction(penn, "train", frames=False, actions=train.actions)
    with pytest.raises(ValueError, match="labels only"):
        write_penn(tmp_path, train=LabelsOnly(labels[0]))
