"""Poses as tables and as COCO results, written and read back."""

import json

import numpy as np
import pandas
import pytest

from deephar.data import read_poses
from deephar.data.pose_tables import COLUMNS, export_numbers
from deephar.skeletons import get_skeleton


def write_numbers(path, joints, frames):
    path.write_text(
        json.dumps({"video": "run.mp4", "skeleton": "x", "joints": joints, "frames": frames})
    )
    return path


@pytest.fixture
def one_person(tmp_path):
    """The JSON of a video of one person, 3 frames, with the joints of COCO."""
    joints = get_skeleton("coco17").joints
    frames = [
        {
            "frame": number,
            "time": number / 10,
            "joints": [[j + 0.5, 10.0 * number + j] for j in range(17)],
            "visibility": [0.25] * 17,
        }
        for number in range(3)
    ]
    return write_numbers(tmp_path / "run.json", joints, frames)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_table_has_a_row_for_each_joint(one_person, form):
    path = export_numbers(one_person, form)
    assert path.name == f"run-joints.{form}"
    table = pandas.read_csv(path) if form == "csv" else pandas.read_parquet(path)
    assert tuple(table.columns) == COLUMNS
    assert len(table) == 3 * 17
    row = table[(table.frame == 2) & (table.joint == "left_eye")].iloc[0]
    assert (row.video, row.time, str(row.person)) == ("run.mp4", 0.2, "0")
    assert (row.x, row.y, row.visibility) == (1.5, 21, 0.25)


@pytest.mark.parametrize("form", ["csv", "coco"])
def test_what_is_written_is_read_again(one_person, form):
    ours, again = read_poses(one_person), read_poses(export_numbers(one_person, form))
    np.testing.assert_array_equal(again.joints, ours.joints)
    np.testing.assert_array_equal(again.visibility, ours.visibility)
    assert get_skeleton(again.skeleton).num_joints == get_skeleton(ours.skeleton).num_joints
    if form == "csv":  # COCO's results have no times
        np.testing.assert_array_equal(again.times, ours.times)


def test_everybody_in_a_video_is_written(tmp_path):
    people = [
        {"track": track, "joints": [[track, 1], [2, 3]], "visibility": [1, 0.5]} for track in (4, 7)
    ]
    frames = [{"frame": 0, "time": 0.0, "people": people}, {"frame": 1, "time": 1.0, "people": []}]
    path = write_numbers(tmp_path / "run.json", ["left_ear", "right_ear"], frames)
    table = pandas.read_csv(export_numbers(path, "csv"))
    assert table.person.tolist() == [4, 4, 7, 7]
    assert table.x.tolist() == [4, 2, 7, 2]
    results = json.loads(export_numbers(path, "coco").read_text())
    assert results[1] == {
        "image_id": 0,
        "category_id": 1,
        "keypoints": [7, 1, 1, 2, 3, 0.5],
        "score": 0.75,
    }
    with pytest.raises(ValueError, match=r"run-joints\.csv has the poses of 2 persons\. Keep"):
        read_poses(tmp_path / "run-joints.csv")
    with pytest.raises(FileNotFoundError):
        export_numbers(tmp_path / "other.json", "csv")


def test_a_video_without_a_person_gives_empty_files(tmp_path):
    path = write_numbers(tmp_path / "run.json", ["nose"], [])
    assert export_numbers(path, "csv").read_text() == ",".join(COLUMNS) + "\n"
    assert len(pandas.read_parquet(export_numbers(path, "parquet"))) == 0
    assert json.loads(export_numbers(path, "coco").read_text()) == []


def test_joints_of_your_own_are_read_by_their_names(tmp_path):
    frame = {"frame": 0, "time": 0.0, "joints": [[1, 2], [3, 4]], "visibility": [1, 1]}
    path = write_numbers(tmp_path / "cat.json", ["left_paw", "nose"], [frame])
    for file in (path, export_numbers(path, "csv")):
        assert read_poses(file).in_skeleton("coco17").joints[0, 0].tolist() == [3, 4]
