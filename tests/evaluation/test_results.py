"""Scores as files: results.json and videos.csv."""

import csv
import dataclasses
import hashlib
import json

import numpy as np
import pytest

from deephar.data import LabelledVideo
from deephar.evaluation import format_table, score_mpii, write_results, write_videos
from deephar.models import ModelConfig


def strict_json(path):
    """Reads JSON as the standard has it: without NaN and Infinity."""

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(path.read_text(), parse_constant=refuse)


def test_results_tell_score_protocol_and_origin(mpii, config, weights_file, tmp_path):
    dataset, _, scores = mpii
    path = write_results(
        tmp_path / "r.json", scores, config, weights_file, command="eval --x 'a b'"
    )
    results = strict_json(path)
    assert results["score"] == {"block": 2, **results["blocks"][-1]}
    assert results["score"]["total"] == scores.answer.total
    assert results["score"]["interval"] == list(scores.answer.interval)
    assert results["score"]["per_joint"]["left_wrist"] == scores.answer.per_joint[15]
    assert results["score"]["joints_of_each"]["left_wrist"] == len(dataset)
    assert len(results["blocks"]) == 2
    assert results["protocol"]["threshold"] == 0.5
    assert results["protocol"]["auc_range"] == [0, 0.5]
    assert results["data"] == {
        "name": "mpii valid",
        "source": None,
        "persons": 7,
        "persons_in_split": 7,
        "warning": None,
    }
    assert results["config"] == json.loads(config.to_json())
    assert results["weights"] == {
        "file": "some.h5",
        "sha256": hashlib.sha256(b"weights").hexdigest(),
    }
    assert results["command"] == "eval --x 'a b'"
    assert {"deephar", "keras", "backend", "numpy"} < results["versions"].keys()


def test_results_have_null_where_there_is_no_score(dots, jittered, config, weights_file, tmp_path):
    dataset = dots(7)
    predictions = jittered(dataset, "mpii16")
    for i in range(7):
        joints = dataset[i].joints.copy()
        joints[[10, 15]] = np.nan
        dataset = dataset.changed(i, joints=joints)
    scores = score_mpii(predictions, dataset)
    results = strict_json(write_results(tmp_path / "r.json", scores, config, weights_file))
    assert results["score"]["per_group"]["Wrist"] is None
    assert results["score"]["per_joint"]["left_wrist"] is None


@pytest.mark.parametrize("told", [True, False])
def test_results_in_space_tell_the_errors_of_each_action(
    space_scores, weights_file, tmp_path, told
):
    if not told:
        space_scores = dataclasses.replace(space_scores, actions={})
    results = strict_json(
        write_results(tmp_path / "r.json", space_scores, ModelConfig(), weights_file)
    )
    assert results["score"]["total"] == 55.0
    assert results["blocks"][0]["p_mpjpe"] == {"total": 48.0, "interval": [1.0, 2.0]}
    assert results["protocol"]["unit"] == "mm"
    if told:
        assert results["actions"]["Sitting"]["mpjpe"] == {"total": 64.0, "interval": None}
        assert results["actions"]["Walking"]["persons"] == 3
        assert results["score"]["mean_of_actions"] == {"mpjpe": 58.0, "p_mpjpe": 42.0}
    else:
        assert results["score"]["mean_of_actions"] == {"mpjpe": None, "p_mpjpe": None}


def test_results_of_actions_tell_score_protocol_and_origin(
    action_scores, clip_config, weights_file, tmp_path
):
    path = write_results(
        tmp_path / "r.json", action_scores(), clip_config, weights_file, command="eval --x"
    )
    results = strict_json(path)
    assert results["score"] == {"block": 2, **results["blocks"][-1]}
    assert results["score"]["accuracy"] == pytest.approx(200 / 3)
    assert results["score"]["interval"] == [0, 100]
    # The three best scores are 0.7 and 0.6, right, and 0.5, wrong, each in another bin.
    assert results["calibration_error"] == pytest.approx(100 * (0.3 + 0.4 + 0.5) / 3)
    assert results["score"]["per_action"] == {"bowl": 100, "squat": 100, "tennis_serve": 0}
    assert results["confusion"]["videos"] == [[1, 0, 0], [0, 1, 0], [0, 1, 0]]
    assert results["poses"]["measure"] == "PCK@0.2"
    assert results["depth"] is None
    assert results["protocol"]["clips"] == "single"
    assert results["protocol"]["clips_per_video"] == [1, 1]
    assert results["data"]["name"] == "dots test"
    assert results["data"]["warning"] is None
    assert results["config"] == json.loads(clip_config.to_json())
    assert results["command"] == "eval --x"


def test_depth_along_the_way_is_reported_in_mm(action_scores, dot_videos, weights_file, tmp_path):
    config = ModelConfig(
        image_size=64, dim=3, depth="volumetric", num_frames=4, actions={"dots": 3}
    )
    scores = action_scores(dot_videos(space=True), config, dim=3)
    text = format_table(scores)
    assert "PCKh@0.5 100.0" in text
    assert f"MPJPE {scores.depth.answer.total:.1f} mm" in text
    results = strict_json(write_results(tmp_path / "r.json", scores, config, weights_file))
    assert results["depth"]["total"] == scores.depth.answer.total
    assert results["depth"]["persons"] == 12


def test_videos_are_listed_with_their_answers(action_scores, tmp_path):
    with open(write_videos(tmp_path / "videos.csv", action_scores()), newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["answer"] for row in rows] == ["bowl", "squat", "squat"]
    assert rows[2] == {
        "video": "video2",
        "action": "tennis_serve",
        "answer": "squat",
        "p_action": "0.3000",
        "p_answer": "0.5000",
        "clips": "1",
    }


def test_results_of_video_files_tell_all_numbers(wild, clip_config, weights_file, tmp_path):
    results = strict_json(
        write_results(tmp_path / "r.json", wild, clip_config, weights_file, command="eval")
    )
    assert results["score"]["accuracy"] == 50
    assert results["score"]["interval"] == list(wild.answer.interval)
    assert results["score"]["top3"] == 100
    assert results["score"]["class_mean"] == 50
    assert results["score"]["known_videos"] == 4
    assert results["score"]["calibration_error"] == wild.calibration_error
    assert results["others"]["told_as_other"] == pytest.approx(200 / 3)
    assert results["others"]["keeping_90"]["rejected"] == pytest.approx(200 / 3)
    assert results["per_action"]["squat"] == {"videos": 2, "accuracy": 50}
    assert results["confusion"]["videos"] == wild.confusion.tolist()
    assert results["rejection"]["kept"] == wild.rejection.kept.tolist()
    assert results["videos"][3] == {
        "file": "3.mp4",
        "action": "squat",
        "group": "3",
        "answer": "other",
        "best": [["other", 0.5], ["squat", 0.4], ["bowl", 0.1]],
        "other": 0.5,
    }
    assert results["protocol"]["head"] == "penn"
    assert results["data"]["name"] == "wild"
    assert results["command"] == "eval"


def test_results_of_video_files_tell_what_is_not_scored(
    video_scores, clip_config, weights_file, tmp_path
):
    scores = video_scores(
        {"bowl": [(0.9, 0.1)]},
        actions=("bowl", "squat"),
        unreadable=[("y.mp4", "y.mp4 is broken.")],
        left_out=[LabelledVideo(tmp_path / "x.mp4", "other", "x", "x.mp4")],
    )
    results = strict_json(write_results(tmp_path / "r.json", scores, clip_config, weights_file))
    assert results["others"] is results["rejection"] is results["videos"][0]["other"] is None
    assert results["per_action"]["squat"] == {"videos": 0, "accuracy": None}
    assert results["unreadable"] == [
        {"file": "y.mp4", "action": "bowl", "reason": "y.mp4 is broken."}
    ]
    assert results["left_out"] == ["x.mp4"]
    assert len(results["notes"]) == 2
    with open(write_videos(tmp_path / "videos.csv", scores), newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["p_other"] == ""


def test_video_files_are_listed_with_their_answers(wild, tmp_path):
    with open(write_videos(tmp_path / "videos.csv", wild), newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 7
    assert rows[1] == {
        "video": "1.mp4",
        "action": "bowl",
        "group": "1",
        "answer": "squat",
        "p_action": "0.3000",
        "p_answer": "0.6000",
        "p_other": "0.1000",
    }
