"""The scripts for actions, from the command line to the files they leave."""

import json

import cv2
import numpy as np
import pytest
import scipy.io
from networks import HEADS, SMALL, save_untrained

from deephar import weights
from deephar.data import Synthetic
from deephar.data.sets.penn import ACTIONS
from deephar.models import ModelConfig

pytestmark = pytest.mark.usefixtures("module_op_by_op")

FILES = ["actions.png", "confusion.png", "results.json", "videos.csv"]


@pytest.fixture(scope="module")
def clip_weights(tmp_path_factory):
    """Weights of a network of clips for Penn Action."""
    config = ModelConfig(**SMALL, **HEADS, actions={"penn": 15})
    path = tmp_path_factory.mktemp("weights") / "clips.h5"
    return save_untrained(path, config, actions={"penn": ACTIONS})


@pytest.fixture(scope="module")
def pose_weights(tmp_path_factory):
    """Weights of a network from labelled poses to the actions of Penn Action."""
    config = ModelConfig(stem="none", streams=("pose",), actions={"penn": 15}, **HEADS)
    path = tmp_path_factory.mktemp("weights") / "poses.h5"
    return save_untrained(path, config, actions={"penn": ACTIONS}, subsampling="whole")


@pytest.fixture
def penn(tmp_path):
    """A folder in Penn Action layout with four videos to test on, one shorter than a clip."""
    folder, rng = tmp_path / "PennAction", np.random.default_rng(0)
    (folder / "labels").mkdir(parents=True)
    for number, (action, count) in enumerate(
        [("bowl", 9), ("squat", 2), ("bowl", 5), ("situp", 6)]
    ):
        name = f"{number + 1:04d}"
        x, y = rng.uniform(20, 50, (2, count, 13))
        content = {
            "x": x,
            "y": y,
            "visibility": np.ones((count, 13)),
            "bbox": np.stack([x.min(1), y.min(1), x.max(1), y.max(1)], axis=1),
            "action": action,
            "train": -1,
            "dimensions": [60.0, 80, count],
        }
        scipy.io.savemat(folder / "labels" / f"{name}.mat", content)
        (folder / "frames" / name).mkdir(parents=True)
        for frame in range(1, count + 1):
            image = rng.integers(0, 255, (60, 80, 3)).astype(np.uint8)
            cv2.imwrite(str(folder / "frames" / name / f"{frame:06d}.jpg"), image)
    return folder


def results(folder):
    found = json.loads((folder / "results.json").read_text())
    sees_frames = found["config"]["stem"] != "none"
    assert sorted(path.name for path in folder.iterdir()) == FILES + ["videos.png"] * sees_frames
    return found


def test_penn_is_evaluated_by_the_multi_clip_protocol(penn, clip_weights, tmp_path, capsys, run):
    out = tmp_path / "out"
    arguments = ["--data", penn, "--weights", clip_weights, "--out", out, "--batch-size", 3]
    arguments += ["--clips", "multi", "--mirror", "--boxes", "predicted", "--stream", "fused"]
    assert run("pennaction/eval_penn.py", *arguments) == 0
    printed = capsys.readouterr().out
    assert "penn test, multi clip (1 to 3 clips a video) and mirror images, 4 frames" in printed
    assert "boxes: predicted" in printed
    assert "(4 videos of penn test)" in printed
    assert "poses along the way: PCK@0.2" in printed
    found = results(out)
    assert found["data"]["videos"] == 4
    assert sum(map(sum, found["confusion"]["videos"])) == 4
    assert found["poses"]["frames"] == 8 + 2 + 4 + 6  # a ninth and a fifth frame are in no clip
    assert found["command"].startswith("python exp/pennaction/eval_penn.py --data ")
    assert found["weights"]["file"] == "clips.h5"


def test_penn_is_evaluated_from_labelled_poses_without_frames(
    penn, pose_weights, tmp_path, capsys, run
):
    for path in sorted((penn / "frames").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    arguments = ["--data", penn, "--weights", pose_weights, "--out", tmp_path / "out"]
    assert run("pennaction/eval_penn.py", *arguments) == 2
    assert "These weights go with --poses labels" in capsys.readouterr().err
    assert run("pennaction/eval_penn.py", *arguments, "--poses", "labels") == 0
    printed = capsys.readouterr().out
    assert "spread over the whole video, labelled poses" in printed  # as the weights tell
    assert results(tmp_path / "out")["poses"] is None


def test_heads_of_a_multitask_network_are_evaluated_on_labelled_poses(penn, tmp_path, capsys, run):
    for path in sorted((penn / "frames").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    config = ModelConfig(**SMALL, **HEADS, actions={"penn": 16}, streams=("pose",))
    facts = {"actions": {"penn": [*ACTIONS, "other"]}, "frame_rate": 8}
    path = save_untrained(tmp_path / "w.h5", config, **facts)
    arguments = ["--data", penn, "--weights", path, "--out", tmp_path / "out"]
    assert run("pennaction/eval_penn.py", *arguments, "--poses", "labels") == 0
    assert "8 frames per second, labelled poses" in capsys.readouterr().out
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert found["protocol"]["input"] == "labelled poses"
    assert found["score"]["per_action"]["other"] is None
    assert run("pennaction/eval_penn.py", *arguments, "--poses", "labels", "--subsampling", 2) == 0
    assert "subsampling 2, labelled poses" in capsys.readouterr().out
    assert run("pennaction/eval_penn.py", *arguments, "--stream", "fused") == 2
    assert "predict actions from pose, not from the stream 'fused'" in capsys.readouterr().err


def test_drawn_frames_are_named_as_drawn(penn, clip_weights, tmp_path, capsys, run):
    arguments = ["--data", penn, "--weights", clip_weights, "--out", tmp_path / "out", "--drawn"]
    assert run("pennaction/eval_penn.py", *arguments, "--limit", 2) == 0
    printed = capsys.readouterr().out
    assert "videos of penn-drawn test" in printed
    assert "ONLY 2 OF 4 VIDEOS" in printed
    found = results(tmp_path / "out")
    assert found["data"]["name"] == "penn-drawn test"
    assert "drawn" in found["data"]["source"]


def test_the_built_in_set_is_evaluated_in_space_and_named_synthetic(tmp_path, capsys, run):
    names = Synthetic("test").actions
    config = ModelConfig(
        **SMALL, **HEADS, dim=3, depth="volumetric", actions={"synthetic": len(names)}
    )
    path = save_untrained(tmp_path / "w.h5", config, actions={"synthetic": names})
    arguments = ["--data", "synthetic", "--weights", path, "--out", tmp_path / "out"]
    assert run("pennaction/eval_penn.py", *arguments, "--limit", 3) == 0
    printed = capsys.readouterr().out
    assert "3 videos of synthetic test" in printed
    assert "PCKh@0.5" in printed
    assert "MPJPE" in printed
    found = results(tmp_path / "out")
    assert found["data"]["name"] == "synthetic test"
    assert found["poses"]["measure"] == "PCKh@0.5"
    assert found["depth"]["total"] > 0


def test_default_weights_are_those_listed_for_the_stream(
    penn, pose_weights, tmp_path, monkeypatch, capsys, run
):
    folder = tmp_path / "listed"
    folder.mkdir()
    monkeypatch.setenv("DEEPHAR_WEIGHTS", str(folder))
    arguments = ["--data", penn, "--stream", "pose", "--poses", "labels", "--out", tmp_path / "out"]
    assert run("pennaction/eval_penn.py", *arguments) == 2
    assert "lists no weights for 'penn' with --poses labels --stream pose (entries: none yet)" in (
        capsys.readouterr().err
    )
    model, config = weights.load_model(pose_weights)
    weights.save(
        model, config, folder / "p.h5", actions={"penn": ACTIONS}, data="penn train", score=0
    )
    weights.register("penn-pose", folder / "p.h5", licence="MIT")
    assert run("pennaction/eval_penn.py", *arguments) == 0
    assert results(tmp_path / "out")["weights"]["file"] == "p.h5"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--data", "no/such/folder"], "no/such/folder"),
        (["--weights", "no-such-weights"], "no-such-weights"),
        (["--split", "valid"], "train, test"),
        (["--limit", "0"], "at least 1"),
        (["--batch-size", "0"], "batch_size"),
        (["--frames", "1"], "at least 4 frames"),
        (["--stream", "pose"], "actions from pose and appearance, not from the stream 'pose'"),
        (["--poses", "labels"], "These weights go with --poses predicted"),
        (["--data", "synthetic", "--drawn"], "--drawn draws the labels of a folder"),
        (["--data", "synthetic"], "has 15 actions, but the data set synthetic has 12"),
    ],
)
def test_mistakes_are_one_line(penn, clip_weights, tmp_path, capsys, change, message, run):
    arguments = ["--data", penn, "--weights", clip_weights, "--out", tmp_path / "out", *change]
    assert run("pennaction/eval_penn.py", *arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert message in line


def test_a_folder_has_the_actions_that_the_weights_name(penn, tmp_path, capsys, run):
    config = ModelConfig(**SMALL, **HEADS, actions={"other": 15})
    arguments = ["--data", penn, "--out", tmp_path / "out"]
    path = save_untrained(tmp_path / "w.h5", config, actions={"other": ["x", *ACTIONS[1:]]})
    assert run("pennaction/eval_penn.py", *arguments, "--weights", path) == 0
    assert results(tmp_path / "out")["videos_of_each_action"]["x"] == 0
    path = save_untrained(
        tmp_path / "w.h5", config, actions={"other": ["bowls", *ACTIONS[:3], *ACTIONS[4:]]}
    )
    assert run("pennaction/eval_penn.py", *arguments, "--weights", path) == 2
    assert "0001.mat has the action 'bowl'" in capsys.readouterr().err


def test_weights_without_actions_are_refused(penn, tmp_path, capsys, run):
    path = save_untrained(tmp_path / "w.h5", ModelConfig(**SMALL))
    arguments = ["--data", penn, "--weights", path, "--out", tmp_path / "out"]
    assert run("pennaction/eval_penn.py", *arguments) == 2
    assert "predict poses only" in capsys.readouterr().err


@pytest.mark.parametrize("subsampling", ["0", "half", "-1"])
def test_another_subsampling_is_explained(subsampling, capsys, run):
    with pytest.raises(SystemExit):
        run("pennaction/eval_penn.py", "--subsampling", subsampling)
    assert "expected 1, 2, ... or whole" in capsys.readouterr().err
