"""Whole evaluations of a weights file."""

import pytest

from deephar import weights
from deephar.data import Subset
from deephar.evaluation import evaluate_poses, score_mpjpe
from deephar.evaluation.evaluate import check_action_names
from deephar.models import ModelConfig, pose_model


def test_weights_that_cannot_be_scored_are_named(dots, tmp_path, capsys):
    with pytest.raises(ValueError, match="penn-pose-stream takes labelled poses"):
        evaluate_poses("penn-pose-stream", dots(1), score=score_mpjpe, out=tmp_path)
    sizes = {"image_size": 64, "stem_features": 16, "growth": 8, "num_pyramids": 1, "num_levels": 2}
    config = ModelConfig(**sizes, skeleton="lsp14")
    weights.save(pose_model(config), config, tmp_path / "lsp.h5")
    with pytest.raises(ValueError, match=r"lsp\.h5: The network predicts .* lacks pelvis"):
        evaluate_poses(tmp_path / "lsp.h5", dots(1), score=score_mpjpe, out=tmp_path)
    assert capsys.readouterr().out == ""


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
