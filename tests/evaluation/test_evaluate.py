"""Whole evaluations of a weights file."""

import json

import numpy as np
import pytest
from networks import SMALL

from deephar import weights
from deephar.data import Frames, Subset, Synthetic
from deephar.evaluation import evaluate_actions, evaluate_poses, score_mpjpe, score_pckh
from deephar.evaluation.evaluate import check_action_names
from deephar.inference import ActionProtocol
from deephar.models import ModelConfig, multitask_model, pose_model


@pytest.fixture
def pose_weights(tmp_path):
    """Builder of weights files of untrained pose networks: ``pose_weights(**config)``."""

    def build(**changes):
        config = ModelConfig(**SMALL, **changes)
        path = tmp_path / "pose.h5"
        weights.save(pose_model(config), config, path)
        return path

    return build


def test_stills_with_3d_labels_are_scored_in_space_too(pose_weights, tmp_path, capsys):
    path = pose_weights(dim=3, depth="volumetric")
    dataset = Frames(Synthetic("test", videos=2), per_video=2)
    scores = evaluate_poses(path, dataset, score=score_pckh, out=tmp_path / "out")
    printed = capsys.readouterr().out
    assert "synthetic test, single crop, PCKh@0.5" in printed
    assert f"MPJPE {scores.depth.answer.total:.1f} mm" in printed
    assert "4 persons, 64 joints" in printed
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["data"]["name"] == "synthetic test"
    assert results["depth"]["persons"] == 4
    assert (tmp_path / "out" / "poses_3d.png").exists()


def test_actions_are_scored_with_the_subsampling_of_training(dot_videos, tmp_path, capsys):
    config = ModelConfig(**SMALL, num_frames=4, actions={"dots": 3})
    weights.save(multitask_model(config), config, tmp_path / "w.h5", subsampling=2)
    out = tmp_path / "out"
    scores = evaluate_actions(tmp_path / "w.h5", dot_videos(), out=out, command="evaluate")
    assert scores.predictions.protocol.subsampling == 2
    results = json.loads((out / "results.json").read_text())
    assert results["protocol"]["subsampling"] == 2
    assert results["command"] == "evaluate"
    names = ["actions.png", "confusion.png", "results.json", "videos.csv", "videos.png"]
    assert sorted(path.name for path in out.iterdir()) == names
    printed = capsys.readouterr().out
    assert all(str(out / name) in printed for name in names)


def test_actions_and_other_are_scored_on_the_time_base_of_training(dot_videos, tmp_path, capsys):
    config = ModelConfig(**SMALL, num_frames=4, actions={"dots": 4}, streams=("pose",))
    names = ["bowl", "squat", "tennis_serve", "other"]
    path = tmp_path / "w.h5"
    weights.save(multitask_model(config), config, path, frame_rate=8, actions={"dots": names})
    scores = evaluate_actions(path, dot_videos(), out=tmp_path / "out")
    assert scores.actions == tuple(names)
    assert scores.confusion.shape == (4, 4)
    assert scores.confusion.sum(axis=1).tolist() == [1, 1, 1, 0]
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["protocol"]["frame_rate"] == 8
    assert results["score"]["per_action"]["other"] is None
    printed = capsys.readouterr().out
    assert "8 frames per second, boxes: gt" in printed
    assert "left out" not in printed


def test_actions_are_scored_on_other_runtimes(dot_videos, tmp_path):
    pytest.importorskip("openvino")
    config = ModelConfig(**SMALL, num_frames=4, actions={"dots": 3}, streams=("pose",))
    weights.save(multitask_model(config), config, tmp_path / "w.h5")
    for protocol in (None, ActionProtocol(poses="labels")):
        keras_scores, scores = (
            evaluate_actions(
                tmp_path / "w.h5",
                dot_videos(),
                out=tmp_path / runtime,
                protocol=protocol,
                runtime=runtime,
                precision="float32",
            ).predictions.scores
            for runtime in ("keras", "openvino")
        )
        np.testing.assert_allclose(scores, keras_scores, atol=1e-4)
    results = json.loads((tmp_path / "openvino" / "results.json").read_text())
    assert results["protocol"]["runtime"] == "openvino"


def test_weights_that_cannot_be_scored_are_refused_early(dots, pose_weights, tmp_path, capsys):
    def evaluate(name):
        evaluate_poses(name, dots(1), score=score_mpjpe, out=tmp_path)

    with pytest.raises(ValueError, match="penn-pose-stream takes labelled poses"):
        evaluate("penn-pose-stream")
    with pytest.raises(ValueError, match=r"pose\.h5: The network predicts .* lacks pelvis"):
        evaluate(pose_weights(skeleton="lsp14"))
    with pytest.raises(ValueError, match=r"pose\.h5: The network predicts 2D poses"):
        evaluate(pose_weights())
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
        check_action_names(facts, "dots", dot_videos(), "w.h5", classes=len(names))


def test_actions_of_the_same_or_unknown_names_are_taken(dot_videos):
    dataset = Subset(dot_videos(), [0])
    names = ["bowl", "squat", "tennis_serve"]
    check_action_names({}, "dots", dataset, "w.h5", classes=3)
    for named in (names, [*names, "other"]):
        facts = {"actions": {"dots": named}}
        check_action_names(facts, "dots", dataset, "w.h5", classes=len(named))


def test_one_more_class_without_a_name_is_not_taken_for_other(dot_videos):
    with pytest.raises(ValueError, match="4 classes without names, and dots has 3 actions"):
        check_action_names({}, "dots", dot_videos(), "w.h5", classes=4)
