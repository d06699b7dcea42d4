"""Files of poses: those of this project, and of other tools."""

import json

import numpy as np
import pytest

from deephar.data import read_poses
from deephar.skeletons import get_skeleton

COCO = get_skeleton("coco17")


@pytest.fixture
def written(tmp_path):
    """Builder of files: ``written(content, "a.json")``; text, or what JSON can hold."""

    def build(content, name="poses.json"):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return build


def pose(shift=0.0, count=17):
    """Joints (count, 3) in pixels with a score."""
    x = np.arange(count) + 10.0 + shift
    return np.column_stack([x, 2 * x, np.full(count, 0.9)])


def coco_results():
    return [{"image_id": n, "keypoints": pose(n).ravel().tolist()} for n in range(3)]


def mmpose():
    def person(n):
        return {"keypoints": pose(n)[:, :2].tolist(), "keypoint_scores": pose(n)[:, 2].tolist()}

    frames = [{"frame_id": n + 1, "instances": [person(n)]} for n in range(3)]
    return {"meta_info": {}, "instance_info": frames}


def yolo():
    def person(n):
        x, y, visible = pose(n).T.tolist()
        return {"name": "person", "keypoints": {"x": x, "y": y, "visible": visible}}

    return {"fps": 30, "frames": [[person(n)] for n in range(3)]}


def alphapose():
    return [
        {"image_id": f"clip/{n:06d}.jpg", "keypoints": pose(n).ravel().tolist(), "score": 2.5}
        for n in range(3)
    ]


@pytest.mark.parametrize("make", [coco_results, mmpose, yolo, alphapose])
def test_other_tools_poses_of_coco_are_read(written, make):
    track = read_poses(written(make()))
    assert track.skeleton == "coco17"
    np.testing.assert_allclose(track.times, [0, 1 / 30, 2 / 30])
    np.testing.assert_allclose(track.joints, [pose(n)[:, :2] for n in range(3)])
    np.testing.assert_allclose(track.visibility, 0.9)


def test_joints_go_by_name_and_missing_ones_are_hidden(written):
    track = read_poses(written(coco_results()))
    assert track.lacks("pa16j") == ("pelvis", "thorax", "neck", "head_top")
    ours, skeleton = track.in_skeleton("pa16j"), get_skeleton("pa16j")
    wrist = skeleton.index("left_wrist")
    np.testing.assert_allclose(ours.joints[:, wrist], track.joints[:, COCO.index("left_wrist")])
    assert (ours.visibility[:, :4] == 0).all()
    assert (ours.visibility[:, 4:] == 0.9).all()


def test_landmarks_of_mediapipe_are_fractions_of_the_picture(written):
    points = [{"x": 0.5, "y": 0.25, "z": 0, "visibility": 0.8} for _ in range(33)]
    frames = [{"time": 0.0, "landmarks": points}, {"time": 0.2}, {"time": 0.3, "landmarks": None}]
    track = read_poses(written({"width": 640, "height": 480, "frames": frames}))
    assert track.skeleton == "mediapipe33"
    np.testing.assert_allclose(track.joints[0], np.tile([320, 120], (33, 1)))
    np.testing.assert_allclose(track.visibility, np.repeat([[0.8], [0], [0]], 33, axis=1))
    nested = read_poses(written({"width": 64, "height": 48, "frames": [[points], [], None]}))
    np.testing.assert_allclose(nested.joints[0, 0], [32, 12])
    with pytest.raises(ValueError, match=r"unknown shape\. Add its width and height in pixels"):
        read_poses(written([points]))


def test_our_own_json_and_csv_are_the_same(written):
    joints = get_skeleton("pa16j").joints
    frames = [
        {"time": n / 25, "joints": pose(n, 16)[:, :2].tolist(), "visibility": [0.5] * 16}
        for n in range(2)
    ]
    ours = read_poses(written({"skeleton": "pa16j", "fps": 25, "frames": frames}))
    columns = [f"{joint}_{name}" for joint in joints for name in ("x", "y", "visibility")]
    lines = [",".join(["frame", "time", "action", "score", *columns])]
    for n in range(2):
        values = [v for x, y, _ in pose(n, 16) for v in (x, y, 0.5)]
        lines.append(",".join(map(str, [n, n / 25, "bowl", 0.9, *values])))
    table = read_poses(written("\n".join(lines), "poses.csv"))
    for track in (ours, table):
        assert track.skeleton == "pa16j"
        np.testing.assert_allclose(track.times, [0, 0.04])
        np.testing.assert_allclose(track.joints, [pose(n, 16)[:, :2] for n in range(2)])
        assert (track.visibility == 0.5).all()


def test_one_person_is_followed(written):
    def person(shift, score):
        return {"image_id": 0, "keypoints": (pose(shift) * [1, 1, score]).ravel().tolist()}

    results = [person(0, 0.5), person(300, 1)]
    results += [{**person(295, 0.2), "image_id": 2}, {**person(1, 1), "image_id": 2}]
    track = read_poses(written(results))
    assert len(track.times) == 3
    np.testing.assert_allclose(track.joints[[0, 2], 0, 0], [310, 305])
    assert (track.visibility[1] == 0).all()


def test_joints_that_yolo_does_not_see_are_unknown(written):
    content = yolo()
    keypoints = content["frames"][1][0]["keypoints"]
    keypoints["x"][3] = keypoints["y"][3] = 0.0
    track = read_poses(written(content))
    assert track.visibility[1, 3] == 0
    assert np.isnan(track.joints[1, 3]).all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read as json"),
        ({"a": 1}, "holds no poses in a known form .* Known are JSON or CSV of deephar demo"),
        ([{"image_id": 1}], "holds no poses in a known form"),
        ([{"image_id": "x", "keypoints": [1] * 51}], "no number in image_id 'x'"),
        ([[], [], None], "holds no person in 3 frames"),
        ([{"image_id": 1, "keypoints": [1] * 54}], "has poses of 18 joints. Expected those of"),
        (
            {"skeleton": "pa16j", "frames": [{"joints": [[1, 2]] * 17, "visibility": [1] * 17}]},
            "its skeleton is pa16j of 16 joints, but its poses have 17",
        ),
        (
            {"frames": [{"time": 1, "joints": [[1, 2]] * 16, "visibility": [1] * 16}] * 2},
            "times that do not rise: frame 1 is at 1.000 s",
        ),
    ],
)
def test_files_that_cannot_be_used_are_refused(written, content, message):
    with pytest.raises(ValueError, match=message):
        read_poses(written(content))


def test_other_tables_and_missing_files_are_refused(written, tmp_path):
    with pytest.raises(ValueError, match=r"known form \(columns a, b\)"):
        read_poses(written("a,b\n1,2\n", "a.csv"))
    with pytest.raises(FileNotFoundError, match=r"gone\.json does not exist"):
        read_poses(tmp_path / "gone.json")
