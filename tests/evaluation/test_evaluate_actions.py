"""Tables, results.json, the list of videos and the figures of an evaluation of actions."""

import csv
import json
import re

import cv2
import numpy as np
import pytest

from deephar.data import Subset
from deephar.evaluation import (
    format_actions,
    save_action_figures,
    score_actions,
    write_action_results,
    write_videos,
)
from deephar.evaluation.evaluate import check_action_names
from deephar.inference import ActionProtocol, predict_actions
from deephar.models import ModelConfig

ANSWERS = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.2, 0.5, 0.3]])


@pytest.fixture
def scores(clip_config, dot_videos, clips):
    """Scores of three videos, of which the last is taken for another action."""

    def build(dataset=None, config=clip_config, dim=2, **options):
        dataset = dataset or dot_videos()
        model = clips(lambda batch: ANSWERS[: len(batch)], blocks=2, dim=dim)
        predictions = predict_actions(
            model, config, dataset, protocol=ActionProtocol(**options), batch_size=3
        )
        return score_actions(predictions, dataset)

    return build


def test_tables_show_blocks_actions_and_the_poses(scores):
    text = format_actions(scores())
    assert "dots test, single clip, 4 frames, subsampling 1, boxes: gt, accuracy" in text
    assert re.search(r"^2 \(answer\) +66\.7 +100\.0$", text, re.MULTILINE)
    assert re.search(r"^tennis_serve +1 +0\.0 +squat +1$", text, re.MULTILINE)
    assert re.search(r"^bowl +1 +100\.0 +- +-$", text, re.MULTILINE)
    assert "accuracy 66.7 % (95 % interval 0.0 to 100.0), top-5 100.0 % (3 videos of dots" in text
    assert "poses along the way: PCK@0.2 100.0" in text
    assert "12 frames, 192 joints" in text
    assert "MPJPE" not in text
    assert "ONLY" not in text


def test_tables_of_a_part_and_of_other_protocols_say_so(scores, dot_videos):
    part = Subset(dot_videos(), [0, 1])
    text = format_actions(scores(part, clips="multi", mirror=False, boxes="full"))
    assert "ONLY 2 OF 3 VIDEOS" in text
    assert "multi clip (3 to 5 clips a video), 4 frames" in text
    assert "boxes: full" in text


def test_actions_without_videos_have_no_row(scores, dot_videos):
    text = format_actions(scores(Subset(dot_videos(), [0])))
    assert re.search(r"^bowl +1 ", text, re.MULTILINE)
    assert not re.search(r"^(squat|tennis_serve) ", text, re.MULTILINE)
    assert "2 actions without videos are left out" in text.splitlines()
    assert "left out" not in format_actions(scores())


def test_results_tell_score_protocol_and_origin(scores, clip_config, tmp_path):
    weights = tmp_path / "some.h5"
    weights.write_bytes(b"weights")
    path = write_action_results(tmp_path / "r.json", scores(), clip_config, weights, "eval --x")
    results = json.loads(path.read_text())
    assert results["score"] == {"block": 2, **results["blocks"][-1]}
    assert results["score"]["accuracy"] == pytest.approx(200 / 3)
    assert results["score"]["interval"] == [0, 100]
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


def test_depth_is_reported_in_mm(scores, dot_videos, tmp_path):
    config = ModelConfig(
        image_size=64, dim=3, depth="volumetric", num_frames=4, actions={"dots": 3}
    )
    found = scores(dot_videos(space=True), config, dim=3)
    text = format_actions(found)
    assert "PCKh@0.5 100.0" in text
    assert f"MPJPE {found.depth.answer.total:.1f} mm" in text
    weights = tmp_path / "some.h5"
    weights.write_bytes(b"weights")
    results = json.loads(
        write_action_results(tmp_path / "r.json", found, config, weights).read_text()
    )
    assert results["depth"]["total"] == found.depth.answer.total
    assert results["depth"]["persons"] == 12


def test_videos_are_listed_with_their_answers(scores, tmp_path):
    with open(write_videos(tmp_path / "videos.csv", scores()), newline="") as file:
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


def test_figures_are_written(scores, dot_videos, tmp_path):
    paths = save_action_figures(tmp_path, scores(), dot_videos())
    names = ["actions.png", "confusion.png", "videos.png"]
    assert sorted(path.name for path in paths) == names
    for path in paths:
        assert cv2.imread(str(path)).std() > 10


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["bowl", "squat", "walk"], "number 2 is 'walk' in the weights and 'tennis_serve' in the"),
        (["bowl", "squat"], "number 2 is missing in the weights and 'tennis_serve' in the data"),
        (["bowl", "squat", "tennis_serve", "x"], "number 3 is 'x' in the weights and missing in"),
    ],
)
def test_actions_of_other_names_are_refused(dot_videos, names, message):
    facts = {"actions": {"dots": names}}
    with pytest.raises(ValueError, match=message):
        check_action_names(facts, "dots", dot_videos(), "w.h5")


def test_actions_of_the_same_or_unknown_names_are_taken(dot_videos):
    dataset = Subset(dot_videos(), [0])
    for facts in ({}, {"actions": {"dots": ["bowl", "squat", "tennis_serve"]}}):
        check_action_names(facts, "dots", dataset, "w.h5")
