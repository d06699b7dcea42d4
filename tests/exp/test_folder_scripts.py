"""The scripts for actions of your own, from a folder to weights and a report."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from blobs import film
from networks import HEADS, POSES, save_untrained

from deephar import Predictor, weights
from deephar.files import locked
from deephar.models import frame_view
from deephar.training import read_recipe
from deephar.video import VideoWriter

pytestmark = pytest.mark.usefixtures("module_op_by_op")

TRAIN, EVAL = "folder/train_folder.py", "folder/eval_folder.py"
FILES = ["confusion.png", "results.json", "sheet.png", "videos.csv"]


WITH_HEADS = replace(POSES, **HEADS, actions={"penn": 3}, streams=("pose",), last_pose=True)
"""A network with heads of three actions."""


def save_start(path, config=WITH_HEADS):
    return save_untrained(path, config, actions={"penn": ["a", "b", "c"]}, frame_rate=10.0)


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Weights of `WITH_HEADS`."""
    return save_start(tmp_path_factory.mktemp("start") / "start.h5")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two actions with four videos of 12 frames each, two of each scene.

    All videos but the first one of each action have a box. To search for the person takes long.
    """
    root, rng, lines = tmp_path_factory.mktemp("videos"), np.random.default_rng(0), []
    for action in ("left", "right"):
        for number in range(4):
            wall = rng.integers(0, 60, (5, 8, 3)).astype(np.uint8)
            wall = wall.repeat(30, axis=0).repeat(25, axis=1)
            images = film(12)[:: 1 if action == "right" else -1]
            name = f"{action}{number}.mp4"
            with VideoWriter(root / name, 12) as writer:
                for image in images:
                    writer.write(np.maximum(image, wall))
            box = f"0 0 {wall.shape[1]} {wall.shape[0]}" if number else ""
            lines.append(f"{name},{action},{action}{number // 2},{box}")
    (root / "clips.csv").write_text("\n".join(["file,action,group,box", *lines]))
    return root


@pytest.fixture(scope="module")
def train_briefly(load):
    """Runs the training script with its recipe, but few and small batches."""
    script = load(TRAIN).main.__self__
    stage, finetuning = script.recipe.stages
    stage = replace(stage, shares={"folder": 4}, steps=2)
    finetuning = replace(finetuning, shares={"folder": 2}, steps=1)
    brief = replace(script, recipe=replace(script.recipe, stages=(stage, finetuning)))
    return lambda *arguments: brief.main(list(map(str, arguments)))


@pytest.fixture(scope="module")
def trained(start, folder, tmp_path_factory, run):
    out = tmp_path_factory.mktemp("runs") / "mine"
    arguments = ["--data", folder, "--weights", start, "--out", out, "--folds", 2]
    assert run(TRAIN, *arguments) == 0
    return out


def test_a_folder_gives_one_file_with_pose_and_action(trained, folder, start):
    path = trained / "best.h5"
    assert weights.read_facts(path)["actions"] == {"folder": ["left", "right"]}
    assert weights.read_facts(path)["frame_rate"] == 5
    predictor = Predictor(path, runtime="keras")
    assert predictor.actions == ("left", "right")
    actions = predictor.classify(folder / "left0.mp4")
    assert sum(score for _, score in actions) == pytest.approx(1)


def test_every_video_is_scored_by_heads_that_did_not_see_its_scene(trained):
    assert sorted(path.name for path in (trained / "report").iterdir()) == FILES
    found = json.loads((trained / "report" / "results.json").read_text())
    assert len(found["videos"]) == 8
    assert found["score"]["majority"] == 50
    assert found["protocol"]["folds"] == 2
    assert found["command"].startswith("python exp/folder/train_folder.py --data ")


@pytest.mark.parametrize("stem", ["vgg16-narrow", "vgg16"])
def test_one_stream_is_enough(folder, tmp_path, run, stem):
    start, out = save_start(tmp_path / "start.h5", replace(WITH_HEADS, stem=stem)), tmp_path / "out"
    arguments = ["--data", folder, "--weights", start, "--out", out, "--folds", 2]
    assert run(TRAIN, *arguments, "--stream", "appearance") == 0
    config = weights.read_config(out / "best.h5")
    assert (config.streams, config.readout_stem) == (("appearance",), stem == "vgg16")
    assert len(Predictor(out / "best.h5", runtime="keras").classify(folder / "left0.mp4")) == 2


def test_heads_may_learn_in_epochs(folder, start, tmp_path, train_briefly):
    arguments = ["--data", folder, "--weights", start, "--out", tmp_path, "--stream", "pose"]
    assert train_briefly(*arguments, "--heads", "start", "--epochs", 1, "--folds", 2) == 0
    assert weights.read_config(tmp_path / "best.h5").readout_of == {}
    assert (tmp_path / "log.csv").exists()


@pytest.mark.parametrize("heads", [["--heads", "new"], []])
def test_new_heads_learn_in_epochs_themselves(folder, start, tmp_path, train_briefly, heads):
    if not heads:  # weights without heads, which get new ones without being asked
        start = save_untrained(tmp_path / "poses.h5", POSES)
    out = tmp_path / "out"
    arguments = ["--data", folder, "--weights", start, "--out", out, "--folds", 2]
    assert train_briefly(*arguments, *heads, "--epochs", 1) == 0
    config = weights.read_config(out / "best.h5")
    assert (config.readout_of, config.streams) == ({}, ("pose",))
    assert (out / "log.csv").exists()


def test_heads_that_see_more_than_poses_have_no_readout(folder, tmp_path, run, capsys):
    config = replace(POSES, **HEADS, actions={"penn": 3})
    path = save_untrained(tmp_path / "fused.h5", config, frame_rate=10.0)
    assert run(TRAIN, "--data", folder, "--weights", path, "--out", tmp_path / "out") == 2
    assert "readouts are of heads that see poses alone" in capsys.readouterr().err


def test_the_weights_are_evaluated_on_a_folder(trained, folder, tmp_path, run, capsys):
    arguments = ["--data", folder, "--weights", trained / "best.h5", "--out", tmp_path]
    assert run(EVAL, *arguments, "--limit", 2) == 0
    assert "always the most frequent action: 50.0 %" in capsys.readouterr().out


def test_a_small_folder_gets_a_warning(folder, start, tmp_path, run, capsys):
    arguments = ["--data", folder, "--weights", start, "--out", tmp_path, "--folds", 0]
    assert run(TRAIN, *arguments) == 2
    printed = capsys.readouterr()
    assert "8 videos in 4 groups, which are kept together" in printed.out
    assert "FEW GROUPS of left (2), right (2): the accuracy below is a rough one" in printed.out
    assert "so none is held out of the training" in printed.err


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["left0.mp4,left,x", "left1.mp4,left,y"], "has videos of one action only (left)"),
        (
            ["left0.mp4,left,x", "left1.mp4,left,y", "right0.mp4,right,x", "right1.mp4,right,x"],
            "All 2 videos of 'right' are of one group (x)",
        ),
    ],
)
def test_what_cannot_be_learned_is_refused(folder, start, tmp_path, run, capsys, lines, message):
    for video in folder.glob("*.mp4"):
        shutil.copy(video, tmp_path)
    (tmp_path / "clips.csv").write_text("\n".join(["file,action,group", *lines]))
    assert run(TRAIN, "--data", tmp_path, "--weights", start, "--out", tmp_path / "out") == 2
    assert message in capsys.readouterr().err


def test_heads_of_weights_that_have_none_cannot_be_the_start(folder, tmp_path, run, capsys):
    poses = save_untrained(tmp_path / "poses.h5", POSES)
    arguments = ["--data", folder, "--weights", poses, "--out", tmp_path / "out"]
    assert run(TRAIN, *arguments, "--heads", "start") == 2
    assert "has no action heads to start from. Use --heads new." in capsys.readouterr().err


def test_the_whole_network_may_learn_from_the_frames(folder, start, tmp_path, train_briefly):
    for name in ("frames", "rest"):  # of the user
        (tmp_path / name).mkdir()
    arguments = ["--data", folder, "--weights", start, "--out", tmp_path, "--folds", 2]
    assert train_briefly(*arguments, "--stream", "pose", "--finetune", 1, "--batch", 3) == 0
    assert read_recipe(tmp_path / "finetune").stages[-1].shares == {"folder": 3}
    assert (tmp_path / "best.h5").exists()
    networks = [weights.load_model(tmp_path / name)[0] for name in ("best.h5", "finetune/best.h5")]
    assert len({weights.digest(frame_view(network)) for network in networks}) == 2
    found = json.loads((tmp_path / "report" / "results.json").read_text())
    assert len(found["videos"]) == 8
    left = {path.name for path in tmp_path.iterdir() if path.is_dir()}
    assert left == {"frames", "rest", "finetune", "report"}


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--batch=4", "nothing of that learns in epochs here. Leave it out"),
        ("--batch=finetune=4", "nothing of that learns in epochs here. Leave it out"),
        ("--epochs=4", "a readout is solved at once. Leave it out, or add --heads start or new"),
    ],
)
def test_settings_of_what_does_not_learn_in_epochs_are_refused(
    folder, start, tmp_path, run, capsys, option, message
):
    arguments = ["--data", folder, "--weights", start, "--out", tmp_path / "out"]
    assert run(TRAIN, *arguments, option) == 2
    assert message in capsys.readouterr().err


def test_a_folder_in_which_another_process_trains_is_refused(folder, start, tmp_path, run, capsys):
    with locked(tmp_path / "folder.lock"):
        assert run(TRAIN, "--data", folder, "--weights", start, "--out", tmp_path) == 2
    assert "Another process is at work in" in capsys.readouterr().err


def test_ctrl_c_says_how_to_start_again(folder, start, tmp_path, run, capsys, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(Predictor, "watch", interrupt)
    monkeypatch.setenv("DEEPHAR_CACHE", str(tmp_path / "cache"))
    arguments = ["--data", folder, "--weights", start, "--out", tmp_path / "out"]
    assert run(TRAIN, *arguments) == 130
    assert "What was seen of the videos is kept. Start again, in" in capsys.readouterr().err


def test_a_run_cannot_be_resumed(trained, folder, start, run, capsys):
    assert run(TRAIN, "--data", folder, "--weights", start, "--out", trained) == 2
    assert "holds a run already (best.h5). Give another folder." in capsys.readouterr().err
