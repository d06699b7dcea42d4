"""NTU RGB+D: skeleton files, frames, protocols, and the cache of the labels."""

import pickle
import shlex

import numpy as np
import pytest

from deephar.camera import Camera
from deephar.data import NTU, InputSpec, Synthetic, clip_of, crop_clip, load_image, write_ntu
from deephar.data.check import check
from deephar.data.sets import ntu as module
from deephar.data.sets.ntu import (
    ACTIONS,
    MISSING_LIST,
    SKELETONS_FOLDER,
    fit_camera,
    hold_out_subjects,
    main_body,
    read_labels,
)
from deephar.skeletons import convert, get_skeleton

NAME = "S001C002P001R001A001"  # to train on, by both protocols
KINECT = Camera(focal=[1060.0, 1060.0], center=[953.0, 540.0])


def random_body(frames, seed=0, move=0.0, depth=3000.0):
    """Positions (frames, 25, 3) in mm, y down, of a person who sways by `move` mm."""
    rng = np.random.default_rng(seed)
    joints = rng.uniform((-400, -800, -150), (400, 800, 150), (25, 3)) + (0, 0, depth)
    sway = np.sin(np.linspace(0, 6, frames))[:, None, None] * (move, 0, move)
    return joints + sway


def lines_of(body, identity="72057594037931101", state=2):
    """A body of one frame in the form of the files; joints without a position are not tracked."""
    pixels = KINECT.project(body)
    lines = [f"{identity} 0 1 1 1 1 0 0.02 0.05 2", "25"]
    for joint, (x, y) in zip(body, pixels, strict=True):
        a, b, c = joint * (0.001, -0.001, 0.001)
        here = state if np.isfinite(a) else 0
        place = f"{a:.8g} {b:.8g} {c:.8g} 250 200 {x:.8g} {y:.8g}" if here else "0 0 0 0 0 0 0"
        lines.append(f"{place} 0 0 0 0 {here}")
    return lines


def write_skeleton(root, name=NAME, frames=5, bodies=None, images=True, build=None, size=(96, 54)):
    """Writes a skeleton file of bodies by identity, (frames, 25, 3), NaN in frames without them."""
    bodies = {"72057594037931101": random_body(frames, move=50)} if bodies is None else bodies
    lines = [str(frames)]
    for frame in range(frames):
        here = {i: body[frame] for i, body in bodies.items() if np.isfinite(body[frame]).any()}
        lines.append(str(len(here)))
        for identity, body in here.items():
            lines += lines_of(body, identity)
    path = root / SKELETONS_FOLDER / f"{name}.skeleton"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\r\n".join(lines) + "\r\n")
    for number in range(1, frames + 1 if images and build else 1):
        build.image(root / "frames" / name / f"{number:06d}.jpg", *size, seed=number)
    return path


def names(dataset):
    return [dataset[i].name for i in range(len(dataset))]


# --- what is in a video


def test_video_has_joints_in_the_picture_and_in_space(build, tmp_path):
    body = random_body(5, move=50)
    write_skeleton(tmp_path, "S003C002P008R002A041", 5, {"1": body}, build=build, size=(1920, 1080))
    dataset = NTU(tmp_path)
    video = dataset[0]
    assert (video.name, video.size) == ("S003C002P008R002A041", (1920, 1080))
    assert dataset.actions[video.action] == "sneeze/cough"
    assert len(ACTIONS) == 60
    assert [load_image(frame).shape for frame in video.frames] == [(1080, 1920, 3)] * 5
    np.testing.assert_allclose(video.joints, KINECT.project(body), atol=0.01)
    np.testing.assert_allclose(np.diff(video.joints_3d, axis=1), np.diff(body, axis=1), atol=0.01)
    np.testing.assert_allclose(video.joints_3d[..., 2], body[..., 2], atol=0.01)
    np.testing.assert_allclose(video.camera.project(video.joints_3d), video.joints, atol=0.1)
    assert (video.visible == 1).all()
    low, high = video.joints.min(axis=1), video.joints.max(axis=1)
    np.testing.assert_allclose(video.boxes, np.concatenate([low, high], axis=1))


def test_y_points_up_in_the_files_and_down_here(tmp_path):
    path = write_skeleton(tmp_path)
    first = np.array(path.read_text().split("\n")[4].split(), float)
    video = NTU(tmp_path, frames=False)[0]
    assert video.joints_3d[0, 0, 1] == pytest.approx(-1000 * first[1], abs=20)
    higher = np.argmin(video.joints[0, :, 1])
    assert video.joints_3d[0, higher, 1] < 0


def test_smaller_frames_scale_joints_boxes_and_camera(build, tmp_path):
    write_skeleton(tmp_path, build=build, size=(480, 270))
    large, small = NTU(tmp_path, frames=False)[0], NTU(tmp_path)[0]
    assert (large.size, small.size) == ((1920, 1080), (480, 270))
    np.testing.assert_allclose(small.joints, (large.joints + 0.5) / 4 - 0.5)
    np.testing.assert_allclose(small.joints_3d, large.joints_3d)
    np.testing.assert_allclose(small.camera.project(small.joints_3d), small.joints, atol=0.1)
    spec = InputSpec(32, "pa17j", 3, num_frames=4)
    crop = crop_clip(clip_of(small, spec), spec)
    assert (crop.target[..., :3] >= 0).all()
    assert (crop.target[:, 0, 2] == 0.5).all()  # the pelvis


def test_inferred_joints_are_hidden_and_untracked_ones_unlabelled(tmp_path):
    path = write_skeleton(tmp_path, frames=6)
    lines = path.read_text().splitlines()
    lines[4] = lines[4].rsplit(" ", 1)[0] + " 1"  # first joint, first frame
    lines[5] = lines[5].rsplit(" ", 1)[0] + " 0"
    words = lines[6].split()
    lines[6] = " ".join([*words[:5], "NaN", "-Infinity", *words[7:]])
    path.write_text("\n".join(lines))
    video = NTU(tmp_path, frames=False)[0]
    np.testing.assert_array_equal(video.visible[0, :4], [0, np.nan, np.nan, 1])
    assert np.isfinite(video.joints[0, 0]).all()
    assert np.isnan(video.joints[0, 1:3]).all()
    assert np.isnan(video.joints_3d[0, 1]).all()
    assert np.isfinite(video.joints_3d[0, 2]).all()  # known in space, not in the picture


def test_joints_can_be_served_in_the_layout_of_a_network(tmp_path):
    write_skeleton(tmp_path)
    whole, part = (NTU(tmp_path, frames=False, skeleton=name)[0] for name in ("ntu25", "pa17j"))
    assert part.skeleton == "pa17j"
    np.testing.assert_array_equal(part.joints, convert(whole.joints, "ntu25", "pa17j"))
    np.testing.assert_array_equal(part.joints_3d, convert(whole.joints_3d, "ntu25", "pa17j"))
    np.testing.assert_array_equal(part.boxes, whole.boxes)
    with pytest.raises(ValueError, match="NTU RGB\\+D has no nose"):
        NTU(tmp_path, frames=False, skeleton="coco17")


def test_protocols_split_by_person_and_by_camera(tmp_path):
    takes = [(1, 1), (2, 1), (3, 1), (1, 3), (2, 3)]
    for camera, person in takes:
        write_skeleton(tmp_path, f"S001C{camera:03d}P{person:03d}R001A001")

    def found(split, protocol):
        dataset = NTU(tmp_path, split, protocol=protocol, frames=False)
        assert protocol in dataset.source
        return [(int(name[5:8]), int(name[9:12])) for name in names(dataset)]

    assert found("train", "cross-subject") == [(1, 1), (2, 1), (3, 1)]
    assert found("test", "cross-subject") == [(1, 3), (2, 3)]
    assert found("train", "cross-view") == [(2, 1), (2, 3), (3, 1)]
    assert found("test", "cross-view") == [(1, 1), (1, 3)]
    assert NTU(tmp_path, frames=False).subjects.tolist() == [1, 1, 1]


def test_whole_persons_are_held_out(tmp_path):
    for person in (1, 2, 4, 5, 8):
        for camera in (2, 3):
            write_skeleton(tmp_path, f"S001C{camera:03d}P{person:03d}R001A001")
    dataset = NTU(tmp_path, protocol="cross-view", frames=False)
    train, valid = hold_out_subjects(dataset, 0.3)
    persons = [{name[8:12] for name in names(part)} for part in (train, valid)]
    assert persons == [{"P001", "P004", "P008"}, {"P002", "P005"}]
    assert len(train) + len(valid) == len(dataset)
    for fraction in (0, 0.95, 1.5):
        with pytest.raises(ValueError, match="Holding out"):
            hold_out_subjects(dataset, fraction)


# --- bodies


def test_of_two_bodies_the_one_that_moves_more_is_kept(tmp_path):
    bodies = {
        "72057594037931101": random_body(8, 1, move=5),
        "72057594037931102": random_body(8, 2, move=200),  # equal as floats
    }
    write_skeleton(tmp_path, frames=8, bodies=bodies)
    dataset = NTU(tmp_path, frames=False)
    assert dataset.bodies(0) == 2
    pixels = KINECT.project(bodies["72057594037931102"])
    np.testing.assert_allclose(dataset[0].joints, pixels, atol=0.01)


def test_a_body_that_is_seldom_tracked_is_not_the_main_one(tmp_path):
    person, ghost = random_body(8, 1, move=20), random_body(8, 2, move=900)
    ghost[3:] = np.nan
    write_skeleton(tmp_path, frames=8, bodies={"1": ghost, "2": person})
    pixels = KINECT.project(person)
    np.testing.assert_allclose(NTU(tmp_path, frames=False)[0].joints, pixels, atol=0.01)
    assert main_body({"a": ghost[:4], "b": person[:4]}) == "a"  # in three of four frames


def test_frames_without_the_main_body_are_unlabelled(tmp_path):
    person, other = random_body(8, 1, move=50), random_body(8, 2)
    person[[0, 5]] = np.nan
    write_skeleton(tmp_path, frames=8, bodies={"1": person, "2": other})
    video = NTU(tmp_path, frames=False)[0]
    assert np.flatnonzero(np.isnan(video.joints).all(axis=(1, 2))).tolist() == [0, 5]
    assert np.isnan(video.joints_3d[0]).all()
    assert np.isnan(video.visible[0]).all()
    np.testing.assert_array_equal(video.boxes[0], video.boxes[1])  # of the nearest frame
    assert np.isfinite(video.boxes).all()


def test_files_without_a_body_are_skipped_and_named(tmp_path):
    write_skeleton(tmp_path)
    empty, untracked = "S001C002P001R001A002", "S001C002P001R001A003"
    write_skeleton(tmp_path, empty, bodies={})
    path = write_skeleton(tmp_path, untracked)
    path.write_text(path.read_text().replace(" 0 0 0 0 2", " 0 0 0 0 0"))
    write_skeleton(tmp_path, "S001C002P003R001A001", bodies={})  # of the other split
    dataset = NTU(tmp_path, frames=False)
    assert names(dataset) == [NAME]
    assert list(dataset.skipped) == [empty, untracked]
    assert dataset.skipped[empty] == "no body was tracked"
    assert "4 files, 2 of this split skipped" in repr(dataset)
    with pytest.raises(ValueError, match=r"1 videos of the split 'test'.* none that can be used"):
        NTU(tmp_path, "test", frames=False)


LISTS = [
    (".", MISSING_LIST, "utf-8"),
    (SKELETONS_FOLDER, MISSING_LIST, "utf-8"),
    ("Matlab", MISSING_LIST, "utf-8"),
    (".", "NTU_RGBD120_samples_with_missing_skeletons.txt", "utf-8-sig"),
    (SKELETONS_FOLDER, "samples_with_missing_skeletons (1).TXT", "utf-16"),
    (".", "ntu_rgbd_Missing_Skeletons.txt", "latin-1"),
]


@pytest.mark.parametrize(("folder", "file", "encoding"), LISTS)
def test_samples_on_a_list_of_missing_skeletons_are_skipped(tmp_path, folder, file, encoding):
    other = "S001C002P001R001A002"
    for name in (NAME, other):
        write_skeleton(tmp_path, name)
    (tmp_path / folder).mkdir(exist_ok=True)
    text = f"fehlende Samples, ergänzt:\r\n\r\n{NAME.lower()}.skeleton\r\nS001C002P001R001A009\r\n"
    (tmp_path / folder / file).write_bytes(text.encode(encoding))
    (tmp_path / "notes.txt").write_text(other)  # another file
    dataset = NTU(tmp_path, frames=False)
    assert names(dataset) == [other]
    assert dataset.skipped == {NAME: f"listed in {file}"}


# --- cameras


@pytest.mark.parametrize("walk", [0.0, 900.0])
def test_a_known_camera_is_recovered(walk):
    points = random_body(40, move=walk).reshape(-1, 3)
    shift = np.array([52.0, -3.0])
    pixels = KINECT.project(points + [*shift, 0])
    camera, found = fit_camera(points, pixels)
    np.testing.assert_allclose(camera.project(points + [*found, 0]), pixels, atol=0.5)
    np.testing.assert_allclose(camera.focal, KINECT.focal, rtol=0.01)
    if walk:  # else it cannot be told from another centre
        np.testing.assert_allclose(found, shift, atol=1)
        np.testing.assert_allclose(camera.center, KINECT.center, atol=0.5)


def test_unknown_joints_do_not_disturb_the_camera():
    points = random_body(10, move=500).reshape(-1, 3)
    pixels = KINECT.project(points)
    points[::7], pixels[::5] = np.nan, np.nan
    camera, _ = fit_camera(points, pixels)
    np.testing.assert_allclose(camera.focal, KINECT.focal, rtol=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda points, pixels: (points[:19], pixels[:19]), "at least 20 joints .* got 19"),
        (lambda points, pixels: (points * (0.001, 1, 1), pixels), "too close together"),
        (lambda points, pixels: (points, pixels * (-1, 1)), "mirror image"),
        (lambda points, pixels: (points, pixels[::-1]), "do not fit a camera|mirror image"),
    ],
)
def test_a_camera_that_cannot_be_fitted_says_why(change, message):
    points = random_body(4, move=100).reshape(-1, 3)
    with pytest.raises(ValueError, match=message):
        fit_camera(*change(points, KINECT.project(points)))


def test_video_without_a_camera_keeps_its_joints(tmp_path):
    path = write_skeleton(tmp_path)
    path.write_text(path.read_text().replace(" 0 0 0 0 2", " 0 0 0 0 1"))  # nothing was seen
    dataset = NTU(tmp_path, frames=False)
    assert dataset[0].camera is None
    assert np.isfinite(dataset[0].joints_3d).all()
    assert "joints that were tracked, got 0" in dataset.camera_problem(0)


# --- what may be wrong with a folder


@pytest.mark.parametrize("cut", [1, 12, 400, 4000, 9000])
def test_cut_off_file_is_named(tmp_path, cut):
    path = write_skeleton(tmp_path)
    words = path.read_text().split()
    path.write_text(" ".join(words[: max(1, len(words) * cut // 10000)]))
    with pytest.raises(ValueError, match=rf"{NAME}\.skeleton is cut off"):
        NTU(tmp_path, frames=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: "", "is cut off"),
        (lambda text: text.replace("3", "x", 1), "something other than numbers"),
        (lambda text: "\x00\xff" + text, "something other than numbers"),
        (lambda text: text + "1\n", "has 1 numbers after the last of its 5 frames"),
        (lambda text: text.replace("\n25\n", "\n20\n", 1), "has 20 joints, not 25"),
        (lambda text: "-3" + text[1:], "number of frames cannot be -3"),
        (lambda text: "nan" + text[1:], "number of frames cannot be nan"),
        (lambda text: "inf" + text[1:], "is cut off"),
        (lambda text: "1000000000" + text[1:], "is cut off .*should have 1e"),
        (
            lambda text: text.replace("5\n1\n", "5\n1.5\n", 1),
            "bodies in frame 1 of 5 cannot be 1.5",
        ),
    ],
)
def test_file_of_another_form_is_named(tmp_path, change, message):
    path = write_skeleton(tmp_path)
    path.write_text(change(path.read_text()), encoding="latin-1")
    with pytest.raises(ValueError, match=rf"{NAME}\.skeleton.*{message}"):
        NTU(tmp_path, frames=False)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("walking", "not a name of NTU"),
        (NAME + "_old", "not a name of NTU"),
        ("S001C002P001R001A061", "has action 61.*NTU RGB\\+D 120"),
        ("S001C002P001R001A000", "has action 0"),
    ],
)
def test_file_names_of_another_form_are_refused(tmp_path, name, message):
    write_skeleton(tmp_path)
    write_skeleton(tmp_path, name)
    with pytest.raises(ValueError, match=message):
        NTU(tmp_path, frames=False)


def test_other_files_among_the_labels_are_ignored(tmp_path):
    write_skeleton(tmp_path)
    for name in (f"._{NAME}.skeleton", "notes.txt"):
        (tmp_path / SKELETONS_FOLDER / name).write_text("no labels")
    assert len(NTU(tmp_path, frames=False)) == 1


def test_empty_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nturgb\+d_skeletons is not a folder.*README"):
        NTU(tmp_path)
    (tmp_path / SKELETONS_FOLDER).mkdir()
    with pytest.raises(FileNotFoundError, match="holds no skeleton files"):
        NTU(tmp_path)


def test_unknown_split_and_protocol(tmp_path):
    with pytest.raises(ValueError, match="splits train, test, not 'valid'"):
        NTU(tmp_path, "valid")
    with pytest.raises(ValueError, match="protocols cross-subject, cross-view, not 'cross-setup'"):
        NTU(tmp_path, protocol="cross-setup")


def test_frames_are_missing(build, tmp_path):
    write_skeleton(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"labels only.*frames=False"):
        NTU(tmp_path)
    write_skeleton(tmp_path, build=build)
    (tmp_path / "frames" / NAME / "000003.jpg").unlink()
    message = rf"{NAME}.000003\.jpg does not exist \(1 frames.*{MISSING_LIST}"
    with pytest.raises(FileNotFoundError, match=message):
        NTU(tmp_path)


def test_more_labels_than_frames_are_an_error_and_more_frames_are_told(build, tmp_path):
    write_skeleton(tmp_path, frames=5, build=build)
    write_skeleton(tmp_path, frames=7)
    with pytest.raises(FileNotFoundError, match=r"000006\.jpg does not exist \(2 frames"):
        NTU(tmp_path)
    write_skeleton(tmp_path, frames=4)
    dataset = NTU(tmp_path)
    assert len(dataset[0].frames) == 4
    assert [path[-10:] for path in dataset.surplus_frames(0)] == ["000005.jpg"]


def test_the_command_that_lists_missing_frames_can_be_run(build, tmp_path, capsys):
    root = tmp_path / "my data"
    write_skeleton(root, build=build)
    (root / "frames" / NAME / "000002.jpg").unlink()
    with pytest.raises(FileNotFoundError) as error:
        NTU(root)
    _, command, _ = str(error.value).split("`")
    *program, dataset, folder = shlex.split(command)
    assert program == ["deephar", "check"]
    assert check(dataset, folder)
    assert "000002.jpg does not exist" in capsys.readouterr().out


def test_the_frame_that_the_size_was_taken_from_is_named(build, tmp_path, capsys):
    """It may be the one that is wrong."""
    other = "S001C002P001R001A002"
    write_skeleton(tmp_path, build=build, size=(64, 36))
    write_skeleton(tmp_path, other, build=build)
    first = tmp_path / "frames" / NAME / "000001.jpg"
    message = rf"{other}/000001\.jpg\) is 96 x 54 pixels, .* 64 x 36 .*the size of {first}"
    with pytest.raises(ValueError, match=message):
        crop_clip(clip_of(NTU(tmp_path)[1], InputSpec(num_frames=4)), InputSpec(32))
    assert check("ntu", tmp_path)
    assert f"(all must have the size of {first})" in capsys.readouterr().out
    assert NTU(tmp_path, frames=False)[0].size_from is None


def test_frames_of_another_shape_are_refused(build, tmp_path, capsys):
    write_skeleton(tmp_path, build=build, size=(64, 48))
    with pytest.raises(ValueError, match=r"000001\.jpg: Frames of 64 x 48 pixels.*proportions"):
        NTU(tmp_path)
    assert check("ntu", tmp_path)
    first = tmp_path / "frames" / NAME / "000001.jpg"
    assert f"PROBLEM: {first}: Frames of 64 x 48 pixels" in capsys.readouterr().out


def test_data_set_and_videos_can_be_pickled(tmp_path):
    write_skeleton(tmp_path)
    dataset = NTU(tmp_path, frames=False)
    assert dataset.names() == [NAME]
    copy = pickle.loads(pickle.dumps(dataset))
    np.testing.assert_array_equal(copy[0].joints, dataset[0].joints)
    assert dataset[-1].name == NAME
    with pytest.raises(IndexError, match="no video 1"):
        dataset[1]


# --- the cache


@pytest.fixture
def cache_folder(tmp_path_factory, monkeypatch):
    """A cache folder of the test's own."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder / "deephar"


@pytest.fixture
def reads(monkeypatch):
    """Names of the skeleton files that are read."""
    found, read = [], module.read_skeleton_file
    monkeypatch.setattr(
        module, "read_skeleton_file", lambda path: found.append(path.stem) or read(path)
    )
    return found


def test_labels_are_read_once_and_again_when_a_file_changes(tmp_path, cache_folder, reads):
    write_skeleton(tmp_path)
    first = NTU(tmp_path, frames=False)[0]
    second = NTU(tmp_path, frames=False)[0]
    assert reads == [NAME]
    np.testing.assert_array_equal(first.joints, second.joints)
    np.testing.assert_array_equal(first.camera.focal, second.camera.focal)
    write_skeleton(tmp_path, frames=9)
    assert len(NTU(tmp_path, frames=False)[0].joints) == 9
    assert len(list(cache_folder.iterdir())) == 2  # nothing is left of the old one


@pytest.mark.parametrize("damage", ["rows gone", "rows cut off", "rest garbage"])
def test_damaged_cache_is_written_again(tmp_path, cache_folder, reads, damage):
    write_skeleton(tmp_path)
    whole = NTU(tmp_path, frames=False)[0]
    (rows,) = cache_folder.glob("*.rows")
    if damage == "rows gone":
        rows.unlink()
    elif damage == "rows cut off":
        rows.write_bytes(rows.read_bytes()[:-1])
    else:
        next(cache_folder.glob("*.npz")).write_bytes(b"garbage")
    np.testing.assert_array_equal(NTU(tmp_path, frames=False)[0].joints, whole.joints)
    assert reads == [NAME] * 2


@pytest.mark.parametrize("place", ["relative", "blocked"])
def test_unwritable_cache_is_done_without(tmp_path, tmp_path_factory, monkeypatch, reads, place):
    if place == "blocked":
        blocked = tmp_path_factory.mktemp("blocked") / "file"
        blocked.write_text("no folder can be made in here")
        place = str(blocked)
    monkeypatch.setenv("XDG_CACHE_HOME", place)
    write_skeleton(tmp_path)
    assert len(NTU(tmp_path, frames=False)) == len(NTU(tmp_path, frames=False)) == 1
    assert len(read_labels(tmp_path).rows) == 5
    assert set(reads) == {NAME}
    assert len(reads) >= 3


def test_a_folder_without_any_body_is_cached_too(tmp_path, cache_folder, reads):
    write_skeleton(tmp_path, bodies={})
    for _ in range(2):
        with pytest.raises(ValueError, match="no body was tracked"):
            NTU(tmp_path, frames=False)
    assert reads == [NAME]


# --- the built-in set on disk


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """The built-in set in the layout of NTU RGB+D, and the videos that were written."""
    folder = tmp_path_factory.mktemp("NTU")
    sets = {
        "train": Synthetic("train", videos=13, image_size=64, frames=(3, 5)),
        "test": Synthetic("test", videos=3, image_size=64, frames=3),
    }
    write_ntu(folder, **sets)
    return folder, sets


@pytest.mark.parametrize("protocol", module.PROTOCOLS)
@pytest.mark.parametrize("split", module.SPLITS)
def test_written_videos_are_read_back(drawn, split, protocol):
    folder, sets = drawn
    read = NTU(folder, split, protocol=protocol, skeleton="pa16j")
    assert len(read) == len(sets[split])
    # By the action, and the first video of an action first.
    order = np.argsort([read[i].action for i in range(len(read))], kind="stable")
    originals = sorted((video for video in sets[split]), key=lambda video: video.action)
    for index, original in zip(order, originals, strict=True):
        video = read[index]
        assert video.action == original.action
        assert video.size == (114, 64)
        known = np.isfinite(video.joints).all(axis=-1)
        assert known[:, get_skeleton("pa16j").index("left_knee")].all()
        np.testing.assert_allclose(
            video.joints[known], (original.joints + (25, 0))[known], atol=1e-3
        )
        np.testing.assert_array_equal(video.visible[known], original.visible[known])
        np.testing.assert_allclose(
            video.joints_3d[known][:, 2], original.joints_3d[known][:, 2], atol=0.1
        )
        np.testing.assert_allclose(video.camera.focal, original.camera.focal, rtol=2e-3)
        picture = load_image(video.frames[-1])[:, 25:89].astype(int)
        assert np.abs(picture - original.frames[-1]).mean() < 6  # what JPEG loses


def test_nothing_is_written_over_and_3d_labels_are_needed(drawn, build, tmp_path):
    folder, sets = drawn
    with pytest.raises(ValueError, match="holds a data set already"):
        write_ntu(folder, **sets)
    with pytest.raises(ValueError, match="no 3D labels"):
        write_ntu(tmp_path, train=build.videos(3))


# --- the check of a folder


def test_check_reports_what_is_there(drawn, capsys):
    folder, sets = drawn
    assert not check("ntu", folder)
    output = capsys.readouterr().out
    assert "train: 13 videos of" in output
    assert "test: 3 videos of 9 frames, 9 of them decoded" in output
    rows = [line.split() for line in output.splitlines()]
    counts = [sum(video.action == 11 for video in videos) for videos in sets.values()]
    assert ["writing", *map(str, counts)] in rows
    assert ["wear", "jacket", "0", "0"] in rows
    assert output.splitlines()[-1].startswith("ok: 16 videos")


def test_check_reports_a_split_of_which_all_is_skipped(tmp_path, capsys):
    write_skeleton(tmp_path)
    assert not check("ntu", tmp_path)  # there is no split to test on
    write_skeleton(tmp_path, "S001C002P003R001A001", bodies={})
    assert check("ntu", tmp_path)
    output = capsys.readouterr().out
    assert "1 videos of the split 'test' (cross-subject), but none that can be used" in output
    assert "first S001C002P003R001A001: no body was tracked" in output


def test_check_lists_problems(build, tmp_path, capsys):
    bodies = {"1": random_body(5, 1, move=40), "2": random_body(5, 2)}
    write_skeleton(tmp_path, bodies=bodies, build=build)
    write_skeleton(tmp_path, "S001C002P001R001A002", bodies={})
    path = write_skeleton(tmp_path, "S001C002P001R001A003")
    path.write_text(path.read_text().replace(" 0 0 0 0 2", " 0 0 0 0 1"))
    (tmp_path / "frames" / NAME / "000002.jpg").unlink()
    build.image(tmp_path / "frames" / NAME / "000003.jpg", 64, 36)
    assert check("ntu", tmp_path)
    output = capsys.readouterr().out
    assert "1 skipped (no body was tracked): S001C002P001R001A002" in output
    assert "1 with several bodies" in output
    assert "A003.skeleton gives no camera: A camera needs at least 20 joints" in output
    problems = [line for line in output.splitlines() if "PROBLEM" in line]
    assert len(problems) == 3
    assert "000002.jpg does not exist" in problems[0]
    assert "is 64 x 36 pixels, but its labels are for 96 x 54" in problems[1]
    assert "A003 has none of the 5 frames" in problems[2]
