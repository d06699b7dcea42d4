"""The table and the results.json of an evaluation in space."""

import dataclasses
import json

import numpy as np
import pytest

from deephar import weights
from deephar.evaluation import DepthScores, evaluate_in_space, format_space, write_space_results
from deephar.metrics import Score
from deephar.models import ModelConfig, pose_model


def score(total, persons=4, interval=(1.0, 2.0)):
    counts = np.full(17, persons)
    return Score(total, np.full(17, total), {}, 17 * persons, counts, interval)


@pytest.fixture
def scores():
    return DepthScores(
        data="h36m test",
        source="data_3d_h36m.npz",
        persons=4,
        persons_in_split=4,
        views=1,
        skeleton="pa17j",
        blocks=(score(61.0), score(55.0)),
        aligned=(score(48.0), score(41.0)),
        actions={
            "Walking": (score(52.0, 3), score(40.0, 3)),
            "Sitting": (score(64.0, 1, None), score(44.0, 1, None)),
        },
    )


def test_weights_that_cannot_be_scored_are_named(dots, tmp_path, capsys):
    with pytest.raises(
        ValueError, match="penn-pose-stream takes labelled poses and cannot see images"
    ):
        evaluate_in_space(dots(1), "penn-pose-stream", tmp_path)
    sizes = {"image_size": 64, "stem_features": 16, "growth": 8, "num_pyramids": 1, "num_levels": 2}
    config = ModelConfig(**sizes, skeleton="lsp14")
    weights.save(pose_model(config), config, tmp_path / "lsp.h5")
    with pytest.raises(ValueError, match=r"lsp\.h5: The network predicts .* lacks pelvis"):
        evaluate_in_space(dots(1), tmp_path / "lsp.h5", tmp_path)
    assert capsys.readouterr().out == ""


def words(text):
    return [" ".join(line.split()) for line in text.splitlines()]


def test_table_has_all_blocks_all_actions_and_marks_the_answer(scores):
    lines = words(format_space(scores))
    assert lines[0] == "h36m test, single crop, mm, protocol 1 (MPJPE)"
    for line in (
        "1 61.0 48.0",
        "2 (answer) 55.0 41.0",
        "Walking 3 52.0 40.0",
        "Sitting 1 64.0 44.0",
        "mean of the actions 58.0 42.0",
    ):
        assert line in lines
    assert "MPJPE 55.0 mm (95 % interval 1.0 to 2.0)" in lines[-1]
    assert "root's error of 0 included" in lines[-1]


def test_table_without_actions_or_of_a_part(scores):
    plain = dataclasses.replace(scores, actions={}, persons_in_split=9, protocol=2)
    lines = words(format_space(plain))
    assert "protocol 2 (P-MPJPE)" in lines[0]
    assert lines[1].startswith("ONLY 4 OF 9 PERSONS")
    assert not any("action" in line for line in lines)


def test_results_are_strict_json(scores, tmp_path):
    weights = tmp_path / "w.h5"
    weights.write_bytes(b"weights")
    plain = dataclasses.replace(scores, actions={})
    for each in (scores, plain):
        path = write_space_results(tmp_path / "r.json", each, ModelConfig(), weights, "eval")
        results = json.loads(path.read_text(), parse_constant=pytest.fail)
        assert results["score"]["total"] == 55.0
        assert results["blocks"][0]["p_mpjpe"] == {"total": 48.0, "interval": [1.0, 2.0]}
        assert results["protocol"]["unit"] == "mm"
    assert results["score"]["mean_of_actions"] == {"mpjpe": None, "p_mpjpe": None}
    results = json.loads(
        write_space_results(tmp_path / "r.json", scores, ModelConfig(), weights).read_text()
    )
    assert results["actions"]["Sitting"]["mpjpe"] == {"total": 64.0, "interval": None}
    assert results["actions"]["Walking"]["persons"] == 3
