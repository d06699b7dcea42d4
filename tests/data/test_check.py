"""Verifying the folder of a data set."""

import json
import re

import numpy as np
import pytest
import scipy.io
from clips import damage, encode
from PIL import Image

from deephar.data import Synthetic, write_ntu
from deephar.data.check import check
from deephar.data.sets.ntu import SKELETONS_FOLDER
from deephar.video import VideoWriter


@pytest.fixture
def mpii(build, tmp_path):
    """An MPII folder of three persons, without fault."""
    build.mpii_json(tmp_path, "train", [build.record("a.jpg"), build.record("b.jpg")])
    build.mpii_json(tmp_path, "valid", [build.record("c.jpg")])
    return tmp_path


def run(capsys, dataset, folder):
    """The problems found, and what was printed."""
    return check(dataset, folder), capsys.readouterr().out


def test_good_folder(mpii, capsys):
    problems, output = run(capsys, "mpii", mpii)
    assert not problems
    assert "train: 2 persons in 2 images, from annot/train.json" in output
    assert "valid: 1 persons in 1 images, from annot/valid.json" in output
    assert output.splitlines()[-1].startswith("ok: 3 persons")


def test_missing_and_damaged_images_are_listed_by_name(mpii, capsys):
    (mpii / "images" / "a.jpg").unlink()
    damaged = mpii / "images" / "c.jpg"
    damaged.write_bytes(damaged.read_bytes()[:-200])
    problems, output = run(capsys, "mpii", mpii)
    assert problems
    assert "a.jpg does not exist" in output
    assert "c.jpg is truncated" in output
    assert "b.jpg" not in output
    assert output.splitlines()[-1].startswith("2 problem(s)")


def test_joints_out_of_bounds_are_listed(build, mpii, capsys):
    joints = build.record()["joints"]
    joints[9] = [20.0, -3.0]
    build.mpii_json(mpii, "train", [build.record("a.jpg", joints=joints), build.record("b.jpg")])
    problems, output = run(capsys, "mpii", mpii)
    assert not problems
    assert "a.jpg#1 has joints outside of its image (head_top 3.5 px)" in output
    joints[10] = [500.0, 20.0]
    build.mpii_json(mpii, "train", [build.record("a.jpg", joints=joints), build.record("b.jpg")])
    problems, output = run(capsys, "mpii", mpii)
    assert problems
    assert "PROBLEM" in output
    assert "right_wrist 435.5 px" in output


def test_person_outside_of_the_image_is_listed(build, mpii, capsys):
    build.mpii_json(
        mpii, "train", [build.record("a.jpg", center=[500, 500]), build.record("b.jpg")]
    )
    problems, output = run(capsys, "mpii", mpii)
    assert problems
    assert "a.jpg#1 lies wholly outside of its image" in output


def test_one_split_is_enough(build, tmp_path, capsys):
    build.mpii_json(tmp_path, "train", [build.record()])
    problems, output = run(capsys, "mpii", tmp_path)
    assert not problems
    assert "valid: none" in output


def test_damaged_annotation(mpii, capsys):
    (mpii / "annot" / "valid.json").write_text("[{]")
    problems, output = run(capsys, "mpii", mpii)
    assert problems
    assert "valid.json is not valid JSON" in output


def test_all_broken_entries_are_listed_and_the_others_checked(build, tmp_path, capsys):
    good, bad = build.record("a.jpg"), build.record("b.jpg")
    broken = [bad | {"joints": [[1, 2]]}, bad | {"scale": -1}, {"image": "b.jpg"}, bad]
    broken[3] = bad | {"headsize": 0}
    build.mpii_json(tmp_path, "train", [broken[0], good, *broken[1:]])
    (tmp_path / "images" / "a.jpg").unlink()
    problems, output = run(capsys, "mpii", tmp_path)
    assert len(problems) == 5
    for text in ("person 0 ", "scale -1.0", "person 3 lacks", "headsize 0", "a.jpg does not exist"):
        assert sum(text in line for line in problems) == 1, text
    assert output.splitlines()[-1].startswith("5 problem(s): 1 persons")


def test_folder_of_broken_entries_only(build, tmp_path, capsys):
    build.mpii_json(tmp_path, "train", [build.record(scale=0), build.record(center=[1])])
    problems, output = run(capsys, "mpii", tmp_path)
    assert len(problems) == 2
    assert "train: none" in output


def test_persons_without_any_labelled_joint_are_listed(build, tmp_path, capsys):
    unlabelled = build.record("b.jpg", joints_vis=[0] * 16)
    nowhere = build.record("c.jpg", joints=[[-1, -1]] * 16)
    build.mpii_json(tmp_path, "train", [build.record("a.jpg"), unlabelled, nowhere])
    (tmp_path / "images" / "c.jpg").unlink()
    problems, _ = run(capsys, "mpii", tmp_path)
    assert len(problems) == 3
    for name in ("b.jpg#1", "c.jpg#1"):
        assert sum(f"{name} has no labelled joint" in line for line in problems) == 1


def test_given_folder_of_unlabelled_persons(build, real_data, tmp_path, capsys):
    source = real_data / "faults" / "mpii_unlabelled" / "train.json"
    if not source.is_file():
        pytest.skip("the folder with unlabelled persons is not at hand (data/faults)")
    records = json.loads(source.read_text())
    for record in records:
        build.image(tmp_path / "images" / record["image"], 640, 480)
    build.mpii_json(tmp_path, "train", records)
    unlabelled = [record for record in records if not any(record["joints_vis"])]
    problems, _ = run(capsys, "mpii", tmp_path)
    assert len(problems) == len(unlabelled) > 0
    assert all("has no labelled joint" in line for line in problems)


@pytest.mark.parametrize(
    ("orientation", "x", "found"),
    [(1, 20, None), (6, 20, "check them"), (6, 40, None), (8, 20, "check"), (3, 20, "check them")],
)
def test_pictures_that_exif_data_turn_are_listed(build, tmp_path, capsys, orientation, x, found):
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = "a camera"
    pixels = build.image(tmp_path / "images" / "a.jpg")  # 64 x 48
    Image.fromarray(pixels).save(tmp_path / "images" / "a.jpg", exif=exif)
    joints = [[x + j, 20 + j] for j in range(16)]
    build.mpii_json(tmp_path, "train", [build.record("a.jpg", joints=joints)])
    problems, _ = run(capsys, "mpii", tmp_path)
    assert len(problems) == (found is not None)
    if found:
        assert "a.jpg is turned by its EXIF data, from 64 x 48 pixels" in problems[0]
        assert found in problems[0]


def test_labels_of_the_upright_picture_are_told(build, tmp_path, capsys):
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = build.image(tmp_path / "images" / "a.jpg")
    Image.fromarray(pixels).save(tmp_path / "images" / "a.jpg", exif=exif)
    joints = [[20 + j, 46 + j] for j in range(16)]  # down to 61 of 64
    record = build.record("a.jpg", joints=joints, center=[28, 50], scale=0.2)
    build.mpii_json(tmp_path, "train", [record])
    problems, _ = run(capsys, "mpii", tmp_path)
    assert "the labels fit the upright picture alone" in problems[0]


def test_missing_folder(tmp_path, capsys):
    problems, output = run(capsys, "lsp", tmp_path / "nowhere")
    assert problems
    assert "no split can be read" in output


def test_lsp_folders(build, tmp_path, capsys):
    build.lsp(tmp_path / "lsp", 3, images=[1, 2])
    build.lsp(tmp_path / "lspet", 2, extended=True, images=[1, 2])
    problems, output = run(capsys, "lsp", tmp_path / "lsp")
    assert problems
    assert "im0003.jpg does not exist" in output
    problems, output = run(capsys, "lspet", tmp_path / "lspet")
    assert not problems
    assert "extended: 2 persons in 2 images" in output


def test_unknown_data_set_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"'posetrack'\. Known are mpii, lsp"):
        check("posetrack", tmp_path)


@pytest.mark.parametrize(
    ("name", "folder", "persons"), [("mpii", "MPII", 1420), ("lsp", "LSP", 1500)]
)
def test_real_folders_are_without_fault(real_data, capsys, name, folder, persons):
    problems, output = run(capsys, name, real_data / folder)
    assert not problems
    assert f"ok: {persons} persons" in output


# --- Penn Action


@pytest.fixture
def penn(build, tmp_path):
    """A folder in the Penn Action layout of three videos, without fault."""
    build.penn(tmp_path, 1, frames=3)
    build.penn(tmp_path, 2, frames=4, action="squat")
    build.penn(tmp_path, 3, frames=2, train=-1)
    return tmp_path


def test_good_videos(penn, capsys):
    problems, output = run(capsys, "penn", penn)
    assert not problems
    assert "train: 2 videos of 7 frames, 7 of them decoded, from labels/*.mat (3 files)" in output
    assert "test: 1 videos of 2 frames, 2 of them decoded" in output
    rows = [line.split() for line in output.splitlines()]
    assert ["action", "train", "test"] in rows
    assert ["bowl", "1", "1"] in rows
    assert ["squat", "1", "0"] in rows
    assert "LABELS ONLY" not in output
    assert output.splitlines()[-1].startswith("ok: 3 videos")


def test_missing_damaged_and_resized_frames_are_listed_by_name(build, penn, capsys):
    frames = penn / "frames"
    (frames / "0001" / "000002.jpg").unlink()
    damaged = frames / "0002" / "000004.jpg"
    damaged.write_bytes(damaged.read_bytes()[:-100])
    build.image(frames / "0003" / "000001.jpg", width=32, height=24)
    problems, output = run(capsys, "penn", penn)
    assert problems
    listed = [line for line in output.splitlines() if "PROBLEM" in line]
    assert len(listed) == len(problems) == 3
    assert "0001/000002.jpg does not exist" in listed[0]
    assert "0002/000004.jpg is truncated" in listed[1]
    assert "000001.jpg is 32 x 24 pixels, but its labels are for 64 x 48" in listed[2]


def test_all_broken_label_files_are_listed_once(build, penn, capsys):
    build.penn(penn, 4, x=np.zeros((2, 13)))
    build.penn(penn, 5, bbox=np.zeros((1, 4)))
    (penn / "labels" / "0006.mat").write_bytes(b"no MATLAB file")
    (penn / "frames" / "0001" / "000002.jpg").unlink()
    for _ in range(2):  # what is broken is not cached
        problems, output = run(capsys, "penn", penn)
        assert len(problems) == 4
        for name in ("0004.mat", "0005.mat", "0006.mat", "000002.jpg"):
            assert output.count(f"{name}") == sum(name in line for line in problems) == 1, name
    assert output.splitlines()[-1].startswith("4 problem(s): 3 videos")


def test_videos_without_any_labelled_joint_are_listed(build, penn, capsys):
    build.penn(
        penn,
        4,
        frames=2,
        x=np.ones((2, 13)),
        y=np.ones((2, 13)),
        visibility=np.zeros((2, 13)),
        bbox=np.tile([9, 9, 30, 30], (2, 1)),
    )
    problems, _ = run(capsys, "penn", penn)
    assert len(problems) == 1
    assert problems[0].startswith("labels/0004.mat: the video has no labelled joint")


def test_frames_without_labels_are_listed(build, penn, capsys):
    build.image(penn / "frames" / "0003" / "000003.jpg")
    problems, output = run(capsys, "penn", penn)
    assert problems
    (problem,) = (line for line in output.splitlines() if "PROBLEM" in line)
    assert "0003 has 1 frames more than the labels have rows, first 000003.jpg" in problem


def test_video_without_any_frame_is_listed_once(build, penn, capsys):
    build.penn(penn, 4, frames=6, images=False)
    problems, output = run(capsys, "penn", penn)
    assert problems
    listed = [line for line in output.splitlines() if "PROBLEM" in line]
    assert len(listed) == len(problems) == 1
    assert "0004 has none of the 6 frames" in listed[0]


def test_labels_only_are_said_to_be(build, tmp_path, capsys):
    build.penn(tmp_path, images=False)
    problems, output = run(capsys, "penn", tmp_path)
    assert not problems
    assert "LABELS ONLY" in output
    assert "train: 1 videos of 5 frames, without the frames" in output
    assert "test: none" in output


def test_labels_out_of_bounds_are_listed(build, penn, capsys):
    x, visibility = np.full((3, 13), 20.0), np.ones((3, 13))
    x[0, :2], x[2, 0], visibility[0, 1] = 70, 71, 0
    build.penn(penn, 1, frames=3, x=x, visibility=visibility)
    build.penn(penn, 2, frames=4, bbox=np.tile([500, 0, 520, 30], (4, 1)))
    build.penn(penn, 3, frames=2, bbox=np.zeros((2, 4)), train=-1)
    problems, output = run(capsys, "penn", penn)
    assert problems
    assert "0001.mat has 2 visible joints outside of their frame, by up to 6.5 px" in output
    assert "PROBLEM: labels/0002.mat: 4 boxes lie wholly outside" in output
    assert "PROBLEM: labels/0003.mat: the video has no box" in output


def test_other_actions_are_pointed_out(build, tmp_path, capsys):
    build.penn(tmp_path, action="wave")
    problems, output = run(capsys, "penn", tmp_path)
    assert not problems
    assert "not the actions of Penn Action" in output


def test_real_labels_are_without_fault(real_penn_labels, capsys):
    problems, output = run(capsys, "penn", real_penn_labels)
    assert not problems
    assert output.splitlines()[-1].startswith("ok: 2326 videos, 4 of them")


# --- LSP and NTU RGB+D


def test_all_persons_of_lsp_without_two_joints_are_listed(build, tmp_path, capsys):
    values = build.lsp(tmp_path, 4, extended=True, images=[1, 2, 3, 4])
    values[2, :, [1, 3]] = 0
    scipy.io.savemat(tmp_path / "joints.mat", {"joints": values.transpose(1, 0, 2)})
    problems, output = run(capsys, "lspet", tmp_path)
    assert [line.split("Image ")[1][:8] for line in problems] == ["2 has 0 ", "4 has 0 "]
    assert "extended: 2 persons in 2 images" in output


def test_all_broken_skeleton_files_are_listed_once(tmp_path, capsys):
    write_ntu(tmp_path, Synthetic("train", videos=2, image_size=32, frames=3))
    folder = tmp_path / SKELETONS_FOLDER
    count = len(list(folder.iterdir()))
    for name, text in (("S001C001P001R002A001", "5"), ("S001C001P003R002A001", "x"), ("new", "0")):
        (folder / f"{name}.skeleton").write_text(text)
    for _ in range(2):
        problems, output = run(capsys, "ntu", tmp_path)
        assert len(problems) == 3
        for name in ("S001C001P001R002A001", "S001C001P003R002A001", "new"):
            assert sum(name in line for line in problems) == 1
    assert output.splitlines()[-1].startswith(f"3 problem(s): {count} videos")


@pytest.fixture
def videos(tmp_path):
    """Builder of a folder of videos of half a second: ``videos(list, "a.mp4", ...)``."""

    def build(clips, *names):
        for name in names:
            with VideoWriter(tmp_path / name, 10) as writer:
                for _ in range(6):
                    writer.write(np.zeros((32, 48, 3), np.uint8))
        (tmp_path / "clips.csv").write_text(clips)
        return tmp_path

    return build


def test_a_good_folder_of_videos(videos, capsys):
    text = "file,action,group,split\na.mp4,bowl,x,\nb.mp4,bowl,y,\na2.mp4,squat,x,\n"
    folder = videos(text + "c.mp4,squat,z,test\n", "a.mp4", "a2.mp4", "b.mp4", "c.mp4")
    problems, output = run(capsys, "folder", folder)
    assert not problems
    assert "bowl: 2 videos in 2 groups" in output
    assert "split test: 1 videos" in output
    assert output.splitlines()[-1] == "ok: 4 videos"


def test_what_is_wrong_with_a_folder_of_videos_is_listed(videos, capsys):
    text = "file,action,start,end\na.mp4,bowl,3,4\na.mp4,squat,0,9\nb.mp4,squat,,\n"
    folder = videos(text, "a.mp4")
    (folder / "b.mp4").write_bytes(b"no video")
    problems, output = run(capsys, "folder", folder)
    assert len(problems) == 3
    assert "a.mp4@3-4: The segment starts at 3 s, but the last frame is at 0.5 s" in problems[0]
    assert problems[1].startswith("b.mp4: ")
    assert "All 1 videos of 'bowl' are of one group" in problems[2]
    assert "note: a.mp4@0-9: The segment ends at 9 s, the video at 0.5 s" in output
    assert "note: There is no column group" in output


def test_all_bad_lines_of_a_list_are_named(videos, capsys):
    text = (
        "file,action,group\na.mp4,bowl,x\ngone.mp4,bowl,y\nb.mp4,squat,x\nb.mp4,squat,x\nb.mp4,,\n"
    )
    problems, output = run(capsys, "folder", videos(text, "a.mp4", "b.mp4"))
    assert [problem.split("clips.csv")[1].split(".")[0] for problem in problems[:2]] == [
        " lists gone",
        " lists b",
    ]
    assert "line 6" in problems[2]
    assert output.splitlines()[-1] == f"{len(problems)} problem(s): 2 videos"


def test_damage_of_videos_and_of_pictures_of_videos_is_told(tmp_path, capsys):
    for action in ("bowl", "squat"):
        (tmp_path / action / "frames").mkdir(parents=True)
        for number in range(3):
            image = Image.new("RGB", (48, 32))
            image.save(tmp_path / action / "frames" / f"{number}.png")
        encode(tmp_path / action / "v.mp4", np.arange(9) / 25)
    damage(tmp_path / "bowl" / "v.mp4", [5])
    (tmp_path / "bowl" / "frames" / "1.png").write_bytes(b"no picture")
    Image.new("RGB", (40, 32)).save(tmp_path / "squat" / "frames" / "2.png")
    problems, output = run(capsys, "folder", tmp_path)
    assert len(problems) == 2
    assert "frames/1.png is not an image" in problems[0]
    assert problems[1].endswith("different sizes (40 x 32, 48 x 32). Give those of one.")
    assert "note: bowl/v.mp4: " in output
    assert "v.mp4 is cut off or damaged: 8 of 9 frames" in output


def turn(path, orientation):
    """Adds EXIF data that turn a picture."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    with Image.open(path) as image:
        image.convert("RGB").save(path, exif=exif.tobytes())


def test_pictures_of_videos_are_compared_upright_as_they_are_read(tmp_path, capsys):
    for action in ("bowl", "squat"):
        (tmp_path / action / "clip").mkdir(parents=True)
        for number, size in enumerate([(48, 32), (32, 48)]):
            Image.new("RGB", size).save(tmp_path / action / "clip" / f"{number}.jpg")
    turn(tmp_path / "bowl" / "clip" / "1.jpg", 6)
    Image.new("RGB", (48, 32)).save(tmp_path / "squat" / "clip" / "1.jpg")
    turn(tmp_path / "squat" / "clip" / "1.jpg", 8)
    problems, _ = run(capsys, "folder", tmp_path)
    assert len(problems) == 2
    sizes, groups = problems
    assert sizes.startswith(f"{tmp_path}/squat/clip has pictures of different sizes (32 x 48, 48")
    assert "group" in groups


def test_frames_that_exif_data_turn_are_listed_by_video(penn, capsys):
    for number in (1, 2):
        turn(penn / "frames" / "0001" / f"{number:06d}.jpg", 6)
    problems, _ = run(capsys, "penn", penn)
    assert len(problems) == 1
    assert f"{penn}/frames/0001: 2 frames, first 000001.jpg, are turned by" in problems[0]


def test_all_entries_of_another_form_are_listed_once(build, tmp_path, capsys):
    good = build.record("a.jpg")
    build.mpii_json(tmp_path, "train", [good, 3, None, build.record("b.jpg")])
    build.mpii_json(tmp_path, "valid", [[], build.record("c.jpg")])
    problems, output = run(capsys, "mpii", tmp_path)
    assert [line.split("person ")[1][:9] for line in problems] == [
        "1 is '3',",
        "2 is 'Non",
        "0 is '[]'",
    ]
    assert output.splitlines()[-1].startswith("3 problem(s): 3 persons")


def test_labels_without_sides_are_checked_all_the_same(tmp_path, capsys):
    Image.new("RGB", (60, 50)).save(tmp_path / "cat.png")
    category = {"id": 1, "name": "cat", "keypoints": ["nose", "tail"]}
    person = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [5, 5, 30, 30]}
    content = {
        "images": [{"id": 1, "file_name": "cat.png"}],
        "categories": [category],
        "annotations": [
            person | {"keypoints": [10, 10, 2, 20, 20, 2]},
            person | {"id": 2, "keypoints": ["a"] * 6},
        ],
    }
    (tmp_path / "labels.json").write_text(json.dumps(content))
    problems, _ = run(capsys, "coco", tmp_path)
    assert len(problems) == 2
    assert "No joint of 'cat' has a side in its name" in problems[0]
    assert "the annotation 2 has keypoints that are no numbers" in problems[1]


COCO_ERRORS = [
    ({"annotations": [None]}, "'None' is no annotation"),
    ({"annotations": ["cat"]}, "'cat' is no annotation"),
    ({"annotations": [{"category_id": 1, "image_id": [1]}]}, r"is of the image \[1\]"),
    ({"images": [{"id": [1], "file_name": "cat.png"}]}, "an image has no id"),
    ({"images": [None]}, "an image has no file_name: None"),
    ({"categories": [None]}, "has no category with keypoints"),
    ({"categories": [{"id": 1, "keypoints": "abc"}]}, "has the keypoints abc, expected a list"),
    ({"categories": [{"id": 1, "keypoints": [1, 2]}]}, r"keypoints \[1, 2\], expected a list"),
]


@pytest.mark.parametrize(("changes", "message"), COCO_ERRORS)
def test_entries_of_a_coco_file_of_another_form_are_named(changes, message, tmp_path, capsys):
    Image.new("RGB", (60, 50)).save(tmp_path / "cat.png")
    category = {"id": 1, "name": "cat", "keypoints": ["left_ear", "right_ear"]}
    person = {"id": 1, "image_id": 1, "category_id": 1, "keypoints": [5, 5, 2, 20, 30, 2]}
    images = [{"id": 1, "file_name": "cat.png"}]
    whole = {"images": images, "categories": [category], "annotations": [person]}
    more = {key: [*whole[key], *values] for key, values in changes.items() if key == "annotations"}
    (tmp_path / "labels.json").write_text(json.dumps(whole | changes | more))
    problems, _ = run(capsys, "coco", tmp_path / "labels.json")
    assert re.search(message, problems[0])
    assert problems[0].startswith(f"{tmp_path}/labels.json")
    assert len(problems) == 1 + ("images" in changes)  # then the person has no image


def test_a_coco_folder_is_checked(tmp_path, capsys):
    Image.new("RGB", (60, 50)).save(tmp_path / "cat.png")
    person = {"image_id": 1, "category_id": 1, "bbox": [5, 5, 30, 30]}
    good = [person | {"id": 1, "keypoints": [10, 10, 2, 20, 10, 2, 15, 20, 1]}]
    bad = [
        person | {"id": 2, "keypoints": [1, 2, 2]},
        person | {"id": 3, "keypoints": [10, 10, 2] * 3, "image_id": 2},
        person | {"id": 4, "keypoints": [10, 10, 2] * 3, "bbox": [5, 5, 0, 30]},
        person | {"id": 5, "keypoints": [10, 10, 2] * 3, "image_id": 9},
        person | {"id": 6, "iscrowd": 1},
    ]
    content = {
        "images": [{"id": 1, "file_name": "cat.png"}, {"id": 2, "file_name": "dog.png"}],
        "categories": [{"id": 1, "name": "cat", "keypoints": ["left_ear", "right_ear", "tail"]}],
        "annotations": good,
    }
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(content))
    assert check("coco", tmp_path) == []
    printed = capsys.readouterr().out
    assert "joints: left_ear, right_ear, tail" in printed
    assert "ok: 1 persons" in printed
    path.write_text(json.dumps(content | {"annotations": good + bad}))
    problems = check("coco", path)
    expected = ["annotation 2 has 3 values", "annotation 4 has a box of zero area"]
    expected += ["annotation 5 is of the image 9", "dog.png does not exist"]
    assert len(problems) == 4
    for problem, message in zip(problems, expected, strict=True):
        assert message in problem
    path.write_text(json.dumps(content | {"annotations": bad[-1:]}))
    assert check("coco", path) == ["no split can be read"]
    assert "1 crowd regions" in capsys.readouterr().out
