"""Penn Action: label files, frames, and the cache of the labels."""

import os
import pickle
from collections import Counter

import numpy as np
import pytest

from deephar.data import InputSpec, PennAction, clip_of, hold_out, load_image
from deephar.data.sets import penn as module
from deephar.data.sets.penn import ACTIONS, action_names, read_labels


def names(dataset):
    return [dataset[i].name for i in range(len(dataset))]


def same(first, second):
    """Whether two objects of arrays are equal."""
    return all(
        np.array_equal(a, getattr(second, name), equal_nan=a.dtype.kind == "f")
        for name, a in vars(first).items()
    )


# --- what is in a video


def test_video_has_frames_joints_boxes_and_action(build, tmp_path):
    build.penn(tmp_path, 7, frames=3, action="squat")
    video = PennAction(tmp_path)[0]
    assert (video.name, video.action, video.size) == ("0007", ACTIONS.index("squat"), (64, 48))
    assert video.skeleton == "penn13"
    assert len(video.frames) == 3
    assert [load_image(frame).shape for frame in video.frames] == [(48, 64, 3)] * 3
    # The files count pixels from 1.
    np.testing.assert_array_equal(video.joints[2, 4], [19 + 4 + 2, 14 + 4])
    np.testing.assert_array_equal(video.boxes[1], [20, 14, 32, 26])
    assert video.joints.shape == (3, 13, 2)
    assert (video.visible == 1).all()
    assert video.joints_3d is None


def test_split_is_that_of_the_train_flag(build, tmp_path):
    for number, train in enumerate([1, -1, -1, 1, 1], start=1):
        build.penn(tmp_path, number, train=train)
    assert names(PennAction(tmp_path, "train")) == ["0001", "0004", "0005"]
    assert names(PennAction(tmp_path, "test")) == ["0002", "0003"]


def test_labels_alone_are_served_without_frames(build, tmp_path):
    build.penn(tmp_path, images=False)
    dataset = PennAction(tmp_path, frames=False)
    assert len(dataset[0].frames) == 0
    assert dataset[0].joints.shape == (5, 13, 2)
    assert "labels only" in repr(dataset)


def test_placeholders_are_unlabelled_and_other_hidden_joints_stay(build, tmp_path):
    x, y = np.full((2, 13), 20.0), np.full((2, 13), 15.0)
    visibility = np.zeros((2, 13))
    x[0, :4], y[0, :4] = (1, 0.75, 1.5, 0), (1, 0.75, 1.5, 0)
    x[0, 4], y[0, 4] = 1, 30  # at the edge, but not in the corner
    x[0, 5], y[0, 5], visibility[0, 5] = 1, 1, 1  # someone saw it there
    build.penn(tmp_path, frames=2, x=x, y=y, visibility=visibility)
    video = PennAction(tmp_path)[0]
    assert np.isnan(video.joints[0, :4]).all()
    assert np.isnan(video.visible[0, :4]).all()
    np.testing.assert_array_equal(video.joints[0, 4:6], [[0, 29], [0, 0]])
    np.testing.assert_array_equal(video.visible[0, 4:7], [0, 1, 0])
    np.testing.assert_array_equal(video.joints[0, 6], [19, 14])


def test_hidden_joints_can_be_left_out(build, tmp_path):
    visibility = np.ones((5, 13))
    visibility[1, 3] = 0
    build.penn(tmp_path, visibility=visibility)
    video = PennAction(tmp_path, hidden=False)[0]
    assert np.isnan(video.joints[1, 3]).all()
    assert np.isnan(video.visible[1, 3])
    assert np.isnan(video.joints).sum() == 2


def test_unknown_joints_everywhere_are_unlabelled(build, tmp_path):
    build.penn(tmp_path, x=np.full((5, 13), np.nan))
    video = PennAction(tmp_path)[0]
    assert np.isnan(video.joints).all()
    assert np.isnan(video.visible).all()


def test_bbox_with_a_row_too_few_repeats_the_last(build, tmp_path):
    boxes = np.array([[10, 10, 30, 30], [11, 10, 31, 30], [12, 10, 32, 30]])
    build.penn(tmp_path, 1, frames=4, bbox=boxes)
    np.testing.assert_array_equal(PennAction(tmp_path)[0].boxes, boxes[[0, 1, 2, 2]] - 1)
    build.penn(tmp_path, 2, frames=5, bbox=boxes)
    with pytest.raises(ValueError, match=r"0002\.mat: The variable bbox has 3 rows.* 5 frames"):
        PennAction(tmp_path)


def test_box_without_area_gives_way_to_the_nearest(build, tmp_path):
    good = [[10, 10, 30, 30], [12, 10, 32, 30]]
    bad = [[5, 5, 5, 5], [20, 20, 10, 30], [np.nan, 1, 2, 3]]
    build.penn(tmp_path, frames=5, bbox=np.array([bad[0], good[0], bad[1], bad[2], good[1]], float))
    boxes = PennAction(tmp_path)[0].boxes + 1
    np.testing.assert_array_equal(boxes, [good[i] for i in (0, 0, 0, 1, 1)])


def test_video_without_any_box_is_named_when_a_clip_is_made(build, tmp_path):
    build.penn(tmp_path, bbox=np.zeros((5, 4)))
    with pytest.raises(ValueError, match="'0001' has no box with an area"):
        clip_of(PennAction(tmp_path)[0], InputSpec(num_frames=2))


def test_video_of_one_frame(build, tmp_path):
    build.penn(tmp_path, frames=1)
    video = PennAction(tmp_path)[0]
    assert video.joints.shape == (1, 13, 2)
    assert video.boxes.shape == (1, 4)


def test_other_actions_are_loaded_by_name(build, tmp_path):
    build.penn(tmp_path, 1, action="wave")
    build.penn(tmp_path, 2, action="kick")
    message = r"0001\.mat has the action 'wave'; known are baseball_pitch, .*actions="
    with pytest.raises(ValueError, match=message):
        PennAction(tmp_path)
    dataset = PennAction(tmp_path, actions=["wave", "kick"])
    assert dataset.actions == ("wave", "kick")
    assert [dataset[i].action for i in range(2)] == [0, 1]
    assert action_names(tmp_path) == ("kick", "wave")


# --- what may be wrong with a folder


def test_frames_are_missing_altogether(build, tmp_path):
    build.penn(tmp_path, images=False)
    with pytest.raises(FileNotFoundError, match=r"labels only.*frames=False"):
        PennAction(tmp_path)


def test_missing_frame_is_named(build, tmp_path):
    build.penn(tmp_path, 1)
    build.penn(tmp_path, 2)
    (tmp_path / "frames" / "0002" / "000004.jpg").unlink()
    with pytest.raises(FileNotFoundError, match=r"0002.000004\.jpg does not exist \(1 frames") as e:
        PennAction(tmp_path)
    assert f"`deephar check penn {tmp_path}` lists" in str(e.value)


def test_frame_numbers_must_be_contiguous(build, tmp_path):
    build.penn(tmp_path)
    folder = tmp_path / "frames" / "0001"
    for number in (5, 4, 3, 2):  # now 1, 3, 5, 7, 9
        (folder / f"{number:06d}.jpg").rename(folder / f"{2 * number - 1:06d}.jpg")
    with pytest.raises(FileNotFoundError, match=r"000002\.jpg does not exist.*without gaps"):
        PennAction(tmp_path)


def test_folder_of_a_video_is_missing(build, tmp_path):
    build.penn(tmp_path, 1)
    build.penn(tmp_path, 2, images=False)
    with pytest.raises(FileNotFoundError, match=r"0002.000001\.jpg does not exist \(5 frames"):
        PennAction(tmp_path)


def test_frames_without_labels_are_told_and_not_used(build, tmp_path):
    build.penn(tmp_path, frames=3)
    for name in ("000004.jpg", "000009.jpg", "Thumbs.db", "notes.jpg"):
        (tmp_path / "frames" / "0001" / name).write_bytes(b"whatever")
    dataset = PennAction(tmp_path)
    assert len(dataset[0].frames) == 3
    surplus = [os.path.basename(path) for path in dataset.surplus_frames(0)]
    assert surplus == ["000004.jpg", "000009.jpg"]


def test_number_of_frames_may_be_left_out_of_the_dimensions(build, tmp_path):
    build.penn(tmp_path, dimensions=np.array([48, 64]))
    assert len(PennAction(tmp_path)[0].frames) == 5


def test_frames_of_the_other_split_need_not_be_there(build, tmp_path):
    build.penn(tmp_path, 1)
    build.penn(tmp_path, 2, images=False, train=-1)
    assert len(PennAction(tmp_path, "train")) == 1


def test_no_labels(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"labels is not a folder.*README"):
        PennAction(tmp_path)
    (tmp_path / "labels").mkdir()
    with pytest.raises(FileNotFoundError, match=r"holds no label files 0001\.mat"):
        PennAction(tmp_path)


def test_unknown_and_empty_split(build, tmp_path):
    build.penn(tmp_path)
    with pytest.raises(ValueError, match="splits train, test, not 'valid'"):
        PennAction(tmp_path, "valid")
    with pytest.raises(FileNotFoundError, match="no video of the split 'test'"):
        PennAction(tmp_path, "test")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": np.ones((5, 12))}, r"x must be numbers, frames x 13, got .*\(5, 12\)"),
        ({"visibility": np.ones((4, 13))}, "have 5, 5 and 4 rows"),
        ({"bbox": np.ones((5, 3))}, "bbox must be numbers, frames x 4"),
        ({"dimensions": np.array([0, 64, 5])}, "dimensions must be height, width"),
        ({"dimensions": np.array([48, 64, 6])}, "say 6 frames, but x, y .* have 5 rows"),
        ({"action": 3}, "action must be a name"),
        ({"train": 0}, "train 1 or -1"),
        ({"train": None}, "holds no variable 'train'"),
        (dict.fromkeys(("x", "y", "visibility"), np.empty((0, 13))), "a video of 0 frames"),
    ],
)
def test_label_file_of_another_form_is_named(build, tmp_path, changes, message):
    build.penn(tmp_path, 1)
    build.penn(tmp_path, 23, **changes)
    with pytest.raises(ValueError, match=rf"0023\.mat.*{message}"):
        PennAction(tmp_path)


def test_damaged_label_file_is_named(build, tmp_path):
    path = build.penn(tmp_path)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(ValueError, match=r"0001\.mat cannot be read as a MATLAB file"):
        PennAction(tmp_path)


def test_other_files_among_the_labels_are_ignored(build, tmp_path):
    build.penn(tmp_path)
    for name in ("._0001.mat", "notes.mat", "0002.txt"):
        (tmp_path / "labels" / name).write_bytes(b"no labels")
    assert len(PennAction(tmp_path)) == 1


def test_index_outside_of_the_data_set(build, tmp_path):
    build.penn(tmp_path)
    dataset = PennAction(tmp_path)
    assert dataset[-1].name == "0001"
    with pytest.raises(IndexError, match="no video 1"):
        dataset[1]


def test_videos_do_not_share_memory_with_the_data_set(build, tmp_path):
    build.penn(tmp_path)
    dataset = PennAction(tmp_path)
    dataset[0].joints[:] = 0
    assert dataset[0].joints.min() > 0


def test_data_set_and_videos_can_be_pickled(build, tmp_path):
    build.penn(tmp_path)
    dataset = pickle.loads(pickle.dumps(PennAction(tmp_path)))
    assert pickle.loads(pickle.dumps(dataset[0])).name == "0001"


def test_hold_out_takes_whole_videos(build, tmp_path):
    for number in range(1, 31):
        build.penn(tmp_path, number, images=False, action=ACTIONS[number % 15])
    train, valid = hold_out(PennAction(tmp_path, frames=False), fraction=0.2)
    assert sorted(names(train) + names(valid)) == [f"{number:04d}" for number in range(1, 31)]
    assert len(valid) == 6
    assert (valid.actions, valid.split) == (ACTIONS, "train")


# --- the cache


@pytest.fixture
def cache_folder(tmp_path_factory, monkeypatch):
    """A cache folder of the test's own."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder / "deephar"


@pytest.fixture
def folder(build, tmp_path, cache_folder):
    """A folder with the labels of two videos, in the cache."""
    visibility = np.ones((5, 13))
    visibility[0, 0] = 0
    build.penn(tmp_path, 1, images=False, visibility=visibility)
    build.penn(tmp_path, 2, images=False, action="squat", train=-1)
    read_labels(tmp_path)
    return tmp_path


@pytest.fixture
def reads(monkeypatch):
    """Names of the label files that are read."""
    names = []
    read = module.read_label_file
    monkeypatch.setattr(
        module, "read_label_file", lambda path: names.append(path.stem) or read(path)
    )
    return names


def test_labels_are_read_once(folder, reads, cache_folder):
    assert len(list(cache_folder.iterdir())) == 1
    PennAction(folder, "train", frames=False)
    PennAction(folder, "test", frames=False)
    assert reads == []


def test_labels_from_the_cache_are_those_of_the_files(folder, reads, cache_folder):
    cached = read_labels(folder)
    (file,) = cache_folder.iterdir()
    file.unlink()
    assert same(cached, read_labels(folder))
    assert reads == ["0001", "0002"]


def test_changed_label_file_is_noticed(folder, build):
    build.penn(folder, 2, images=False, action="situp", train=-1)
    test = PennAction(folder, "test", frames=False)
    assert test.actions[test[0].action] == "situp"


def test_added_and_removed_label_files_are_noticed(folder, build):
    build.penn(folder, 3, images=False)
    assert len(PennAction(folder, frames=False)) == 2
    (folder / "labels" / "0001.mat").unlink()
    assert names(PennAction(folder, frames=False)) == ["0003"]


def test_same_size_but_later_is_noticed(folder, reads):
    path = folder / "labels" / "0001.mat"
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1000))
    read_labels(folder)
    assert reads == ["0001", "0002"]


@pytest.mark.parametrize("damage", ["empty", "cut off", "a wrong byte", "garbage", "an array"])
def test_damaged_cache_is_written_again(folder, reads, cache_folder, damage):
    whole = read_labels(folder)
    (file,) = cache_folder.iterdir()
    content = file.read_bytes()
    middle = content.index(b"joints.npy") + 200  # in the numbers of the joints
    damaged = {
        "empty": b"",
        "cut off": content[:-300],
        "a wrong byte": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        "garbage": b"garbage" * 100,
        "an array": content[content.index(b"\x93NUMPY") :],
    }
    file.write_bytes(damaged[damage])
    assert same(read_labels(folder), whole)
    assert reads == ["0001", "0002"]
    assert file.read_bytes() == content


def test_unwritable_cache_folder_is_done_without(folder, reads, tmp_path_factory, monkeypatch):
    blocked = tmp_path_factory.mktemp("blocked") / "file"
    blocked.write_text("no folder can be made in here")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    assert len(PennAction(folder, frames=False)) == 1
    assert len(PennAction(folder, frames=False)) == 1
    assert len(reads) == 4


def test_no_place_for_a_cache_is_done_without(folder, reads, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert len(PennAction(folder, frames=False)) == 1
    assert len(reads) == 2
    assert not os.path.exists("relative")


def test_folders_do_not_share_a_cache(folder, build, tmp_path_factory, cache_folder):
    other = tmp_path_factory.mktemp("other")
    build.penn(other, 1, images=False, action="bowl")
    assert len(PennAction(other, frames=False)) == 1
    assert len(list(cache_folder.iterdir())) == 2


# --- the real labels


@pytest.fixture(scope="module")
def real(real_penn_labels):
    """Both splits of the real labels."""
    return {split: PennAction(real_penn_labels, split, frames=False) for split in module.SPLITS}


def test_real_labels_have_the_published_counts(real):
    assert {split: len(dataset) for split, dataset in real.items()} == {"train": 1258, "test": 1068}
    labels = read_labels(real["train"].root)
    assert len(labels.joints) == 163841
    counts = (167, 173, 140, 220, 88, 166, 82, 112, 199, 211, 100, 231, 94, 157, 186)
    assert Counter(labels.actions.tolist()) == dict(zip(ACTIONS, counts, strict=True))
    assert action_names(real["train"].root) == ACTIONS


def test_real_labels_with_a_row_of_boxes_too_few(real):
    seen = 0
    for dataset in real.values():
        for name, frames in (("1154", 72), ("1865", 73)):
            for index in np.flatnonzero(np.array(names(dataset)) == name):
                boxes = dataset[index].boxes
                assert boxes.shape == (frames, 4)
                np.testing.assert_array_equal(boxes[-1], boxes[-2])
                seen += 1
    assert seen == 2


def test_real_labels_have_no_placeholders_and_a_box_in_every_frame(real):
    labels = read_labels(real["test"].root)
    assert np.isnan(labels.visible).sum() == 187352
    assert not (labels.joints <= 1).all(axis=-1).any()
    assert (labels.visible == 0).sum() == 282149
    assert (labels.boxes[:, :2] < labels.boxes[:, 2:]).all()
    assert (np.diff(labels.starts) >= 18).all()


def test_real_training_videos_are_held_out_of_all_actions(real):
    train, valid = hold_out(real["train"], fraction=0.1, blocks=30)
    for part in (train, valid):
        assert {part[i].action for i in range(len(part))} == set(range(15))
    assert abs(len(valid) - 126) < 5
