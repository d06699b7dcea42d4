"""Human3.6M in both of its forms, the writer of them, and the check of a folder."""

import dataclasses
import json
import pickle
import zipfile

import cv2
import h5py
import numpy as np
import pytest
import scipy.io
from PIL import Image

from deephar.camera import Camera
from deephar.data import Human36M, Synthetic, hold_out, load_image, write_h36m
from deephar.data.check import check
from deephar.data.sets.human36m import person_window, read_cameras
from deephar.skeletons import convert

NAMES = ("54138969", "55011271")
K, P = (-0.2, 0.24, -0.002), (-0.0009, -0.0016)
FOCAL, CENTER = (1145.0, 1143.0), (512.5, 515.5)
# What the authors of the network take of the 32 points, and in which order.
AUTHORS_JOINTS = [0, 12, 13, 15, 25, 17, 26, 18, 27, 19, 1, 6, 2, 7, 3, 8, 11]


def extrinsics(subject, number):
    """Rotation and place (mm) of a camera that looks at the origin, from one side or the other."""
    angle = np.pi * number + 0.01 * subject
    away = np.array([np.cos(angle), np.sin(angle), 0.2])
    forward = -away / np.linalg.norm(away)
    right = np.cross(forward, (0, 0, 1.0))
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(forward, right), forward]), 5000 * away


def write_json_cameras(root, subjects, distortion=True):
    inside = {"calibration_matrix": [[FOCAL[0], 0, CENTER[0]], [0, FOCAL[1], CENTER[1]], [0, 0, 1]]}
    if distortion:
        inside["distortion"] = [K[0], K[1], P[0], P[1], K[2]]
    outside = {}
    for subject in subjects:
        places = [extrinsics(subject, number) for number in range(2)]
        outside[f"S{subject}"] = {
            name: {"R": turn.tolist(), "t": (-turn @ place)[:, None].tolist()}
            for name, (turn, place) in zip(NAMES, places, strict=True)
        }
    content = {"intrinsics": dict.fromkeys(NAMES, inside), "extrinsics": outside}
    (root / "camera-parameters.json").write_text(json.dumps(content))


def write_h5_cameras(root, subjects, distortion=True):
    with h5py.File(root / "cameras.h5", "w") as file:
        for subject in subjects:
            for number, name in enumerate(NAMES):
                turn, place = extrinsics(subject, number)
                group = file.create_group(f"subject{subject}/camera{number + 1}")
                group["R"], group["T"] = turn.T, place[:, None]
                group["f"], group["c"] = np.array(FOCAL)[:, None], np.array(CENTER)[:, None]
                group["Name"] = np.array(list(map(ord, name)), np.uint16)[:, None]
                if distortion:
                    group["k"], group["p"] = np.array(K)[:, None], np.array(P)[:, None]


def write_frames(folder, numbers, digits=6):
    folder.mkdir(parents=True)
    for number in numbers:
        cv2.imwrite(str(folder / f"{number:0{digits}d}.jpg"), np.zeros((1002, 1000, 3), np.uint8))


@pytest.fixture
def positions():
    """Metres in the world: 2 actions of S1, one of S9."""
    rng = np.random.default_rng(0)
    lengths = {"S1": {"Directions 1": 7, "Photo": 6}, "S9": {"WalkDog 1": 66}}
    return {
        subject: {
            action: rng.uniform(-0.8, 0.8, (count, 32, 3)).astype(np.float32)
            for action, count in actions.items()
        }
        for subject, actions in lengths.items()
    }


@pytest.fixture
def root(tmp_path, positions):
    """A folder in the form of VideoPose3D, without fault."""
    np.savez_compressed(tmp_path / "data_3d_h36m.npz", positions_3d=positions)
    write_json_cameras(tmp_path, (1, 9))
    for name in NAMES:
        write_frames(tmp_path / "images" / "S1" / f"Directions 1.{name}", (1, 6))
        write_frames(tmp_path / "images" / "S1" / f"TakingPhoto.{name}", (1, 6))
        write_frames(tmp_path / "images" / "S9" / f"WalkDog 1.{name}", (1, 65))
    return tmp_path


def by_the_book(points, subject, number, distortion=True):
    """Camera coordinates and pixels of points in mm, by the formulas of Human3.6M's own code."""
    turn, place = extrinsics(subject, number)
    inside = (points - place) @ turn.T
    x, y = inside[:, 0] / inside[:, 2], inside[:, 1] / inside[:, 2]
    r2 = x**2 + y**2
    (k1, k2, k3), (p1, p2) = (K, P) if distortion else ((0, 0, 0), (0, 0))
    factor = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3 + p1 * y + p2 * x
    pixels = np.stack([x * factor + p2 * r2, y * factor + p1 * r2], axis=-1) * FOCAL + CENTER
    return inside, pixels


# --- the form of VideoPose3D ---


def test_npz_form_gives_joints_in_space_and_through_the_lens(root, positions):
    dataset = Human36M(root, "train")
    assert len(dataset) == 8  # frames 1 and 6 of two videos by two cameras
    sample = dataset[3]
    assert sample.name == "S1/Directions 1#55011271/000006"
    assert sample.image == str(root / "images" / "S1" / "Directions 1.55011271" / "000006.jpg")
    assert sample.action == "Directions"
    points = 1000.0 * positions["S1"]["Directions 1"][5, AUTHORS_JOINTS]
    inside, pixels = by_the_book(points, 1, 1)
    np.testing.assert_allclose(sample.joints_3d, inside, atol=1e-3)
    np.testing.assert_allclose(sample.joints, pixels, atol=1e-3)
    assert (dataset.name, dataset.skeleton, sample.skeleton) == ("h36m", "pa17j", "pa17j")
    assert np.isnan(sample.visible).all()
    assert np.isnan(sample.head_size)
    assert "data_3d_h36m.npz (form of VideoPose3D: S1; 2 cameras), one frame in 5" in repr(dataset)


def test_photo_is_found_under_its_other_name(root):
    sample = Human36M(root, "train")[4]
    assert sample.action == "Photo"
    assert sample.image == str(root / "images" / "S1" / "TakingPhoto.54138969" / "000001.jpg")


def test_test_subjects_have_every_64th_frame_unless_told_otherwise(root):
    names = [sample.name for sample in Human36M(root, "test")]
    assert names == Human36M(root, "test").names()
    assert names == [f"S9/WalkDog 1#{camera}/{n:06d}" for camera in NAMES for n in (1, 65)]
    assert len(Human36M(root, "test", every=1, frames=False)) == 2 * 66
    assert len(Human36M(root, "test", every=65, frames=False)) == 2 * 2
    with pytest.raises(ValueError, match="every must be at least 1"):
        Human36M(root, "test", every=0)


def test_both_camera_files_say_the_same(root):
    from_json, path = read_cameras(root)
    assert path.name == "camera-parameters.json"
    text = path.read_text()
    for encoding in ("utf-8-sig", "utf-16"):  # with a byte-order mark
        path.write_text(text, encoding=encoding)
        assert set(read_cameras(root)[0]) == set(from_json)
    path.unlink()
    write_h5_cameras(root, (1, 9))
    from_h5, path = read_cameras(root)
    assert path.name == "cameras.h5"
    assert set(from_json) == set(from_h5) == {(who, name) for who in (1, 9) for name in NAMES}
    for key, camera in from_json.items():
        for field, value in vars(camera).items():
            np.testing.assert_allclose(vars(from_h5[key])[field], value, atol=1e-9, err_msg=field)
    assert len(Human36M(root, "train")) == 8


@pytest.mark.parametrize("write", [write_json_cameras, write_h5_cameras])
def test_a_camera_without_distortion_terms_is_an_ideal_lens(root, positions, write):
    (root / "camera-parameters.json").unlink()
    write(root, (1, 9), distortion=False)
    sample = Human36M(root, "train")[0]
    points = 1000.0 * positions["S1"]["Directions 1"][0, AUTHORS_JOINTS]
    _, pixels = by_the_book(points, 1, 0, distortion=False)
    np.testing.assert_allclose(sample.joints, pixels, atol=1e-3)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_window_agrees_with_the_reference(golden, number):
    reference = golden("fn_boxes")
    x, y, depth = reference[f"crop{number}_root"][0]
    camera = Camera(focal=reference[f"crop{number}_f"][0], center=(500, 501))
    center, side = person_window(camera, camera.unproject([x, y], depth))
    expected = reference[f"crop{number}_scale1.0"]
    np.testing.assert_allclose(center, expected[:2] - (0, 1), atol=1e-6)  # the quirk of one pixel
    np.testing.assert_allclose(side, expected[2:4], atol=1e-6)


def test_performances_are_held_out_with_all_cameras(root, positions):
    with pytest.raises(ValueError, match=r"0\.1 of the 2 performances .* Use more performances"):
        hold_out(Human36M(root, "train"), 0.1)
    positions["S1"]["Posing"] = positions["S1"]["Photo"]
    np.savez(root / "data_3d_h36m.npz", positions_3d=positions)
    train, held = hold_out(Human36M(root, "train", frames=False), 0.3)
    assert (len(train), len(held)) == (8, 4)
    assert {sample.action for sample in held} == {"Photo"}


# --- the form of the network's authors, and the writer of both ---


@pytest.fixture(scope="module")
def videos():
    return (
        Synthetic("train", videos=7, image_size=64, frames=6),
        Synthetic("test", videos=2, image_size=64, frames=3),
    )


@pytest.fixture(scope="module")
def written(videos, tmp_path_factory):
    """Folders of both forms by name."""
    folders = {form: tmp_path_factory.mktemp(form) for form in ("npz", "authors")}
    for form, folder in folders.items():
        write_h36m(folder, videos[0], test=videos[1], form=form)
    return folders


@pytest.mark.parametrize("form", ["npz", "authors"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_what_is_written_is_read_again(written, videos, form, split):
    dataset = Human36M(written[form], split, every=2)
    original = videos[split == "test"]
    step = 3 if split == "train" else 2
    assert len(dataset) == step * len(original)
    assert len({sample.name.split("#")[0] for sample in dataset}) == len(original)
    errors = []
    for video in original:
        true = convert(video.joints_3d, "pa16j", "pa17j")[::2]
        found = [s for s in dataset if np.allclose(s.joints_3d[:16], true[1, :16], atol=0.01)]
        assert len(found) == 1, video.name
        (sample,) = found
        assert sample.name.endswith("3")  # the frame after the next
        middle = (true[1, 0] + true[1, 1]) / 2
        np.testing.assert_allclose(sample.joints_3d[16], middle, atol=0.01)
        if form == "authors":
            np.testing.assert_allclose(sample.joints[:16], video.joints[2], atol=1e-3)
            errors.append(np.abs(load_image(sample.image).astype(int) - video.frames[2]).mean())
        else:
            # The picture is smaller by the same factor as the positions of the joints.
            scale = sample.camera.focal / video.camera.focal
            assert (scale <= 1).all()
            moved = (video.joints[2] - video.camera.center) * scale + sample.camera.center
            np.testing.assert_allclose(sample.joints[:16], moved, atol=1e-3)
    assert not errors or max(errors) < 6  # what JPEG loses


def test_the_pictures_of_the_npz_form_are_scaled_with_their_joints(written, videos):
    dataset = Human36M(written["npz"], "test", every=1)
    video = videos[1][0]
    sample = next(
        s for s in dataset if np.allclose(s.joints_3d[0], video.joints_3d[1, 0], atol=0.1)
    )
    scale = float(sample.camera.focal[0] / video.camera.focal[0])
    picture, original = load_image(sample.image).astype(int), video.frames[1].astype(int)
    rows, columns = np.mgrid[4:60:3, 4:60:3]
    target = np.stack([columns, rows], axis=-1)
    x, y = np.rint((target - 31.5) * scale + 31.5).astype(int).transpose(2, 0, 1)
    same = np.abs(picture[y, x] - original[rows, columns]).mean()
    mirrored = np.abs(picture[y, x] - original[rows, columns[:, ::-1]]).mean()
    assert same < 0.6 * mirrored


def test_the_source_tells_the_form(written):
    source = Human36M(written["authors"], "test", every=1).source
    form = "form of the network's authors: S9, S11; 1 camera"
    assert source == f"annotations.mat ({form}), one frame in 1"
    source = Human36M(written["npz"], "train", every=1).source
    assert source.startswith("data_3d_h36m.npz (form of VideoPose3D: S1, S5, S6, S7, S8; 1 camera)")


def test_actions_are_counted_from_a02(written):
    dataset = Human36M(written["authors"], "train", every=1)
    names = {sample.name.split("#")[0]: sample.action for sample in dataset}
    assert names["a02_s01_e01"] == "Directions"
    assert names["a03_s01_e01"] == "Discussion"


def test_images_may_be_in_images_new(written, tmp_path):
    (tmp_path / "annotations.mat").symlink_to(written["authors"] / "annotations.mat")
    (tmp_path / "images.new").symlink_to(written["authors"] / "images")
    sample = Human36M(tmp_path, "test", every=1)[0]
    assert sample.image == str(tmp_path / "images.new" / "a02_s09_e01_c01" / "00001.jpg")


def authors_sequences(build, cameras=("c01",), frames=(1, 6), **camera):
    """An array of MATLAB structures: one performance, by each of the cameras."""
    turn, place = extrinsics(1, 0)
    fields = {"R": turn, "T": place[:, None], "f": FOCAL, "c": CENTER, "p": P, "k": K}
    fields = {key: value for key, value in (fields | camera).items() if value is not None}
    rng = np.random.default_rng(0)
    poses = [{"f": f, "w": 1000, "h": 1002, "pose3d": rng.normal(0, 300, (3, 32))} for f in frames]
    return [
        {
            "name": f"a05_s01_e02_{name}",
            "camera_parameters": build.structs([fields]),
            "frames": build.structs(poses),
        }
        for name in cameras
    ]


def write_authors(build, root, sequences):
    scipy.io.savemat(root / "annotations.mat", {"sequences_tr": build.structs(sequences)})
    return root


@pytest.mark.parametrize("frames", [(1,), (1, 6, 11)])
def test_authors_form_is_read_as_matlab_writes_it(build, tmp_path, frames):
    write_authors(build, tmp_path, authors_sequences(build, frames=frames))
    dataset = Human36M(tmp_path, "train", frames=False)
    assert len(dataset) == len(frames)
    sample = dataset[-1]
    assert sample.name == f"a05_s01_e02#c01/{frames[-1]:06d}"
    assert sample.action == "Greeting"
    np.testing.assert_array_equal(sample.camera.tangential, P)


@pytest.mark.parametrize("k", [None, np.empty((0, 0))])
def test_authors_camera_without_distortion_terms_is_an_ideal_lens(build, tmp_path, k):
    write_authors(build, tmp_path, authors_sequences(build, k=k, p=None))
    camera = Human36M(tmp_path, "train", frames=False)[0].camera
    np.testing.assert_array_equal(camera.radial, np.zeros(3))
    np.testing.assert_array_equal(camera.tangential, np.zeros(2))


def test_unknown_joints_are_unlabelled_but_the_pelvis_must_be_known(build, tmp_path):
    pose = np.random.default_rng(0).normal(0, 300, (3, 32))
    pose[:, 27] = np.nan  # the right wrist
    frames = build.structs([{"f": 1, "pose3d": pose}])
    write_authors(build, tmp_path, changed(authors_sequences(build), frames=frames))
    sample = Human36M(tmp_path, "train", frames=False)[0]
    wrist = np.arange(17) == 8
    np.testing.assert_array_equal(np.isnan(sample.joints).any(axis=-1), wrist)
    np.testing.assert_array_equal(np.isnan(sample.joints_3d).any(axis=-1), wrist)
    pose[:, 0] = np.nan
    frames = build.structs([{"f": 1, "pose3d": pose}])
    write_authors(build, tmp_path, changed(authors_sequences(build), frames=frames))
    with pytest.raises(ValueError, match="the pelvis has no position"):
        Human36M(tmp_path, "train")


def test_cameras_labelled_for_different_frames_are_told(build, tmp_path, capsys):
    one = authors_sequences(build, ("c01", "c02"), (1, 6, 11))
    two = authors_sequences(build, ("c03",), (1, 6))
    write_authors(build, tmp_path, one + two)
    dataset = Human36M(tmp_path, "train", frames=False)
    assert len(dataset) == 8
    assert dataset.uneven_videos() == [("a05_s01_e02#c01", "a05_s01_e02#c03")]
    check("h36m", tmp_path)
    assert "1 videos labelled for other frames than another camera's" in capsys.readouterr().out


# --- bad input ---


def test_unknown_split_or_protocol(root):
    with pytest.raises(ValueError, match="train, test, not 'valid'"):
        Human36M(root, "valid")
    with pytest.raises(ValueError, match=r"1 \(MPJPE\) and 2 \(P-MPJPE\), not 3"):
        Human36M(root, "test", protocol=3)
    assert Human36M(root, "test", protocol=2).protocol == 2


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere is not a folder.*README"):
        Human36M(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"annotations\.mat or data_3d_h36m\.npz"):
        Human36M(tmp_path)


def test_no_camera_file(root):
    (root / "camera-parameters.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"camera-parameters\.json or cameras\.h5"):
        Human36M(root)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("camera-parameters.json", b"{"),
        ("camera-parameters.json", b'{"cameras": []}'),
        ("camera-parameters.json", b"[]"),
        ("cameras.h5", b"\x89HDF\r\n\x1a\n"),
    ],
)
def test_damaged_or_foreign_camera_file(root, name, content):
    (root / "camera-parameters.json").unlink()
    (root / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name} does not have the form of a camera file"):
        Human36M(root)


def test_cameras_of_other_subjects_or_places(root):
    write_json_cameras(root, (9,))
    with pytest.raises(ValueError, match="has no camera of S1"):
        Human36M(root)
    path = root / "camera-parameters.json"
    write_json_cameras(root, (1, 9))
    content = json.loads(path.read_text())
    content["extrinsics"]["S1"][NAMES[1]]["t"] = [[0], [0], [-9000]]
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"Directions 1#55011271, frame 1, .* behind the camera"):
        Human36M(root)


@pytest.mark.parametrize("name", ["camera-parameters.json", "cameras.h5"])
def test_a_camera_that_one_subject_lacks_is_named(root, capsys, name):
    """Its videos must not drop out unnoticed."""
    path = root / "camera-parameters.json"
    content = json.loads(path.read_text())
    del content["extrinsics"]["S9"][NAMES[0]]
    path.write_text(json.dumps(content))
    if name == "cameras.h5":
        path.unlink()
        write_h5_cameras(root, (1, 9))
        with h5py.File(root / name, "a") as file:
            del file["subject9/camera1"]
    with pytest.raises(ValueError, match=rf"{name} lacks the camera {NAMES[0]} of S9.* for S1\."):
        Human36M(root, "test")
    assert len(Human36M(root, "train")) == 8
    assert check("h36m", root)
    assert f"{name} lacks the camera {NAMES[0]} of S9" in capsys.readouterr().out


def test_frames_of_another_size_than_the_video_are_refused(root, capsys):
    folder = root / "images" / "S1" / "Directions 1.55011271"
    wrong = "is 500 x 501 pixels, but its camera's picture has about 1025 x 1031"
    cv2.imwrite(str(folder / "000006.jpg"), np.zeros((501, 500, 3), np.uint8))
    assert len(Human36M(root)) == 8  # only the first of a camera is looked at
    assert check("h36m", root)
    assert f"{folder}: 1 frames, first 000006.jpg, of 500 x 501" in capsys.readouterr().out
    cv2.imwrite(str(folder / "000001.jpg"), np.zeros((501, 500, 3), np.uint8))
    with pytest.raises(ValueError, match=rf"Directions 1\.55011271/000001\.jpg {wrong}"):
        Human36M(root)
    assert check("h36m", root)
    output = capsys.readouterr().out
    assert f"PROBLEM: {folder}: 2 frames, first 000001.jpg, of 500 x 501" in output
    assert "\n1 problem(s)" in output


def test_check_reports_poses_that_cannot_be_real(root, positions, capsys):
    positions["S1"]["Directions 1"][5] = 0.1
    positions["S1"]["Photo"][:] = positions["S1"]["Photo"][0]
    positions["S9"]["WalkDog 1"][:] = 0
    np.savez(root / "data_3d_h36m.npz", positions_3d=positions)
    assert check("h36m", root)
    output = capsys.readouterr().out
    one_place = "all joints lie in one place in"
    for camera in NAMES:
        for problem in (
            f"S1/Directions 1#{camera}: {one_place} 1 of 2 frames, first in frame 6",
            f"S1/Photo#{camera}: the pose is the same in all 2 frames",
            f"S9/WalkDog 1#{camera}: {one_place} 2 of 2 frames, first in frame 1",
        ):
            assert f"PROBLEM: {problem}\n" in output
    assert "\n6 problem(s)" in output


def test_check_reports_a_split_of_which_nothing_is_left(root, positions, capsys):
    positions["S9"]["WalkDog 1"] = positions["S9"]["WalkDog 1"][:0]
    np.savez(root / "data_3d_h36m.npz", positions_3d=positions)
    assert check("h36m", root)
    (problem,) = (line for line in capsys.readouterr().out.splitlines() if "PROBLEM" in line)
    assert "holds no frame of the split 'test'" in problem


def test_missing_frames_are_named(root, capsys):
    folder = root / "images" / "S1" / "Directions 1.55011271"
    (folder / "000006.jpg").unlink()
    with pytest.raises(FileNotFoundError, match=r"000006\.jpg does not exist; 1 of the 8 frames"):
        Human36M(root)
    assert Human36M(root, frames=False).missing_frames() == {str(folder): ["000006.jpg"]}
    folder.joinpath("000001.jpg").write_bytes(b"no picture")
    assert check("h36m", root)
    output = capsys.readouterr().out
    assert f"PROBLEM: {folder} lacks 1 frames, first 000006.jpg" in output
    assert f"PROBLEM: {folder / '000001.jpg'}" in output.replace("The image ", "")
    assert "train: 8 frames, 7 of them decoded" in output
    assert "2 problem(s): 12 frames" in output


def test_check_reports_frames_that_exif_data_turn(root, capsys):
    folder = root / "images" / "S1" / "Directions 1.55011271"
    exif = Image.Exif()
    exif[0x0112] = 3
    with Image.open(folder / "000006.jpg") as image:
        image.save(folder / "000006.jpg", exif=exif.tobytes())
    (problem,) = check("h36m", root)
    assert problem.startswith(f"{folder}: 1 frames, first 000006.jpg, are turned by their EXIF")


def test_a_folder_without_fault(written, root, capsys):
    for folder in (*written.values(), root):
        assert not check("h36m", folder)
        assert "\nok: " in capsys.readouterr().out


class Code:
    """What a malicious file would hold."""

    def __reduce__(self):
        return (print, ("run",))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.zeros(3), "Expected `positions_3d`"),
        ({"S1": np.zeros((5, 32, 3))}, "Expected `positions_3d`"),
        ({"first": {}}, "Expected `positions_3d`"),
        ({"S1": {"Directions": Code()}}, "print does not belong in it"),
        (
            {"S1": {"Directions": np.zeros((5, 17, 3))}},
            r"shape \(5, 17, 3\); expected \(frames, 32",
        ),
        ({"S1": {"Directions": np.full((5, 32, 3), 900.0)}}, "up to 900; expected metres"),
        ({"S1": {"Directions": np.full((5, 32, 3), np.nan)}}, "expected metres"),
        ({"S1": {"Sleeping 1": np.zeros((5, 32, 3))}}, "has the action 'Sleeping 1'"),
        ({"S9": {"Directions": np.zeros((5, 32, 3))}}, "holds no frame of the split 'train'"),
    ],
)
def test_foreign_npz(root, capsys, content, message):
    np.savez(root / "data_3d_h36m.npz", positions_3d=content)
    with pytest.raises(ValueError, match=message):
        Human36M(root, "train")
    assert capsys.readouterr().out == ""


def test_damaged_npz(root):
    path = root / "data_3d_h36m.npz"
    whole = path.read_bytes()
    for content in (whole[:-100], b"PK", b"", whole[:200] + bytes(400) + whole[600:]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="is not VideoPose3D's file of positions"):
            Human36M(root)
    np.savez(path, positions_2d={})
    with pytest.raises(ValueError, match=r"positions_3d\.npy"):
        Human36M(root)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_all_protocols_of_pickle_are_read(root, positions, protocol):
    path = root / "data_3d_h36m.npz"
    array = np.array(positions, object)
    with zipfile.ZipFile(path, "w") as archive, archive.open("positions_3d.npy", "w") as file:
        header = {"shape": (), "fortran_order": False, "descr": "|O"}
        np.lib.format.write_array_header_1_0(file, header)
        pickle.dump(array, file, protocol=protocol)
    assert len(Human36M(root)) == 8


def changed(sequences, **changes):
    return [{**sequence, **changes} for sequence in sequences]


def test_foreign_or_damaged_mat(build, tmp_path):
    path = tmp_path / "annotations.mat"
    path.write_bytes(b"no MATLAB file")
    with pytest.raises(ValueError, match="cannot be read as a MATLAB file"):
        Human36M(tmp_path)
    scipy.io.savemat(path, {"annot_tr": 1.0})
    with pytest.raises(ValueError, match="no variable 'sequences_tr'"):
        Human36M(tmp_path)
    good = authors_sequences(build)
    for wrong in (changed(good, frames=1.0), changed(good, camera_parameters=2.0)):
        write_authors(build, tmp_path, wrong)
        with pytest.raises(ValueError, match="has another form"):
            Human36M(tmp_path)
    write_authors(build, tmp_path, authors_sequences(build, R=np.ones((3, 3))))
    with pytest.raises(ValueError, match="rotation of a camera"):
        Human36M(tmp_path)
    for name in ("a01_s01_e01_c01", "a17_s01_e01_c01", "Directions"):
        write_authors(build, tmp_path, changed(good, name=name))
        with pytest.raises(ValueError, match=f"called '{name}'"):
            Human36M(tmp_path)
    pose = build.structs([{"f": 1, "pose3d": np.ones((3, 17))}])
    write_authors(build, tmp_path, changed(good, frames=pose))
    with pytest.raises(ValueError, match=r"shape \(3, 17\); expected \(3, 32\)"):
        Human36M(tmp_path)


def test_writer_refuses_what_it_cannot_write(written, videos, tmp_path):
    with pytest.raises(ValueError, match="forms npz, authors, not 'mat'"):
        write_h36m(tmp_path, videos[0], test=videos[1], form="mat")
    for form in ("npz", "authors"):
        with pytest.raises(ValueError, match="holds a data set already"):
            write_h36m(written[form], videos[0], test=videos[1])
    with pytest.raises(ValueError, match="nothing to write"):
        write_h36m(tmp_path)
    with pytest.raises(ValueError, match="at most 60 videos"):
        write_h36m(tmp_path, test=Synthetic("test", videos=61))
    for changes, message in (
        ({"joints_3d": None}, "has no 3D labels"),
        ({"camera": Camera(FOCAL, CENTER, radial=K)}, r"has distortion\. Use form='authors'"),
    ):
        with pytest.raises(ValueError, match=message):
            write_h36m(tmp_path, test=[dataclasses.replace(videos[1][0], **changes)])
    assert not any(tmp_path.iterdir())
