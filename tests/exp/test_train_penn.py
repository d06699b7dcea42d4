"""exp/pennaction/train_penn.py, from a folder in the official layout to a score."""

import contextlib
import json
import shutil
from dataclasses import replace

import keras
import numpy as np
import pytest

from deephar import weights
from deephar.data import Synthetic, write_penn
from deephar.data.samples import OTHER
from deephar.data.sets.penn import ACTIONS
from deephar.models import ModelConfig, ReceptionConfig, action_view, build_model, frame_view
from deephar.training.start import load_pose_network

pytestmark = pytest.mark.usefixtures("module_op_by_op")

NETWORK = "--variant small --image-size 64 --stem-weights none".split()
QUICK = "--frames 4 --workers 0 --validation 0.3".split()
QUICK += "--batch pose=4,action=2,finetune=2 --steps pose=2,action=2,finetune=1".split()
QUICK += "--epochs 1".split()
STAGES = "--stages pose,action,finetune".split()
SCRIPT = "pennaction/train_penn.py"
CALIBRATION = ("temperature", "calibration_error", "calibration_error_before")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in the layout of Penn Action, under 12 of its 15 names."""
    folder = tmp_path_factory.mktemp("Penn") / "PennAction"
    sets = {
        "train": Synthetic("train", videos=12, image_size=64, frames=(5, 7)),
        "test": Synthetic("test", videos=6, image_size=64, frames=(3, 6)),
    }
    write_penn(folder, **sets, actions=dict(zip(Synthetic.actions, ACTIONS, strict=False)))
    return folder


def run_shares(out):
    """Items of each data set in a batch of a run."""
    return json.loads((out / "config.json").read_text())["data"]["shares"]


@pytest.fixture(scope="module")
def trained(folder, drawn_mpii, tmp_path_factory, run):
    """The runs of all three stages, with stills."""
    out = tmp_path_factory.mktemp("runs") / "penn"
    arguments = ["--data", folder, "--mpii", drawn_mpii, "--out", out]
    assert run(SCRIPT, *arguments, *NETWORK, *QUICK, *STAGES) == 0
    assert run_shares(out / "pose") == {"penn": 4, "mpii": 2}
    assert run_shares(out / "action") == {"penn": 2}
    assert run_shares(out / "finetune") == {"penn": 2, "mpii": 1}
    return out


def by_name(model):
    """Weights of a model by the names of layer and weight."""
    return {
        "/".join(weight.path.split("/")[-2:]): keras.ops.convert_to_numpy(weight)
        for weight in model.weights
    }


def test_stages_build_on_each_other_and_the_second_keeps_the_pose_network(trained):
    pose, _ = weights.load_model(trained / "pose" / "best.h5")
    (action, config), (tuned, _) = (
        weights.load_model(trained / stage / "best.h5") for stage in ("action", "finetune")
    )
    assert config.actions == {"penn": 15}
    assert config.num_frames == 4
    expected = by_name(pose)
    for model, same in ((action, True), (tuned, False)):
        actual = by_name(frame_view(model))
        equal = [np.array_equal(actual[name], value) for name, value in expected.items()]
        assert all(equal) == same
    facts = weights.read_facts(trained / "action" / "best.h5")
    assert facts["actions"]["penn"] == list(ACTIONS)
    assert facts["subsampling"] == "whole"
    assert "val_accuracy" in facts["score"]


def test_the_result_is_scored_by_the_evaluation_script(folder, trained, tmp_path, capsys, run):
    arguments = ["--data", folder, "--weights", trained / "action" / "best.h5"]
    assert run("pennaction/eval_penn.py", *arguments, "--out", tmp_path, "--clips", "multi") == 0
    assert "6 videos" in capsys.readouterr().out
    assert json.loads((tmp_path / "results.json").read_text())["data"]["videos"] == 6


def test_a_stage_of_another_seed_is_not_taken_for_complete(
    folder, drawn_mpii, trained, tmp_path, capsys, run
):
    shutil.copytree(trained, tmp_path / "penn")
    shutil.rmtree(tmp_path / "penn" / "pose")
    arguments = ["--data", folder, "--out", tmp_path / "penn", *NETWORK, *QUICK, *STAGES]
    assert run(SCRIPT, *arguments, "--mpii", drawn_mpii, "--seed", 1, "--resume") == 2
    assert "seed was 0, now 1" in capsys.readouterr().err


def test_what_would_stop_a_later_stage_shows_before_the_first(folder, tmp_path, capsys, run):
    (tmp_path / "action").mkdir()
    (tmp_path / "action" / "best.h5").write_text("of an earlier run")
    arguments = ["--data", folder, "--out", tmp_path, *NETWORK, *QUICK]
    assert run(SCRIPT, *arguments) == 2
    assert "holds a run already (best.h5)" in capsys.readouterr().err
    assert run(SCRIPT, *arguments, "--frames", 1, "--resume") == 2
    assert "at least 4" in capsys.readouterr().err
    assert not (tmp_path / "pose").exists()


def test_complete_stages_are_not_run_again_and_not_overwritten(
    folder, drawn_mpii, trained, capsys, run
):
    arguments = ["--data", folder, "--out", trained, *NETWORK, *QUICK, *STAGES]
    arguments += ["--mpii", drawn_mpii]
    assert run(SCRIPT, *arguments, "--resume") == 0
    assert capsys.readouterr().out.count("complete, all 1 epochs are done") == 3
    assert run(SCRIPT, *arguments) == 2
    assert "holds a run already" in capsys.readouterr().err


def test_stage_2_starts_from_any_pose_weights_with_cached_features(
    folder, trained, tmp_path, capsys, run
):
    arguments = ["--data", folder, "--out", tmp_path, *QUICK, "--stages", "action"]
    assert run(SCRIPT, *arguments) == 2
    assert "Give --weights, such as" in capsys.readouterr().err
    start = trained / "pose" / "best.h5"
    assert run(SCRIPT, *arguments, "--variant", "vgg16-light", "--weights", start) == 2
    assert "--variant has no effect with --stages action" in capsys.readouterr().err
    assert run(SCRIPT, *arguments, "--weights", start, "--peak-window", "2") == 2
    assert "was trained with peak_window 0, but the network of the stage" in capsys.readouterr().err
    assert not (tmp_path / "action").exists()
    assert run(SCRIPT, *arguments, "--weights", start, "--cache-features") == 0
    assert "without any other augmentation" in capsys.readouterr().out
    assert (tmp_path / "features" / "train" / "pose.npy").exists()
    assert weights.load_model(tmp_path / "action" / "best.h5")[1].streams == ("pose", "appearance")


def test_depth_needs_labels_though_weights_are_given(folder, trained, tmp_path, capsys, run):
    arguments = ["--data", folder, "--out", tmp_path, *QUICK, "--depth", "regression"]
    arguments += ["--variant", "vgg16-light", "--weights", trained / "pose" / "best.h5"]
    assert run(SCRIPT, *arguments) == 2
    assert "data with 3D labels" in capsys.readouterr().err


def test_heads_learn_from_labels_on_a_frozen_pose_network(folder, trained, tmp_path, capsys, run):
    pose = trained / "pose" / "best.h5"
    arguments = ["--data", folder, "--out", tmp_path, "--poses", "labels", "--weights", pose]
    for flag in ("--epochs", "--steps"):
        arguments += [flag, "action=1,average=1"]
    arguments += ["--validation", "0.3"]
    assert run(SCRIPT, *arguments) == 2
    assert "--stream pose" in capsys.readouterr().err
    arguments += ["--stream", "pose"]
    assert run(SCRIPT, *arguments, "--stages", "action") == 2
    assert "leave out --stages" in capsys.readouterr().err
    assert run(SCRIPT, *arguments, *NETWORK) == 2
    assert "--variant has no effect with --poses labels" in capsys.readouterr().err
    assert run(SCRIPT, *arguments, "--peak-window", "0") == 2
    assert "--peak-window has no effect with --poses labels" in capsys.readouterr().err
    assert run(SCRIPT, *arguments, "--subsampling", "2") == 2
    assert "--subsampling has no effect on the stage action" in capsys.readouterr().err
    assert run(SCRIPT, *arguments) == 0
    file = tmp_path / "average" / "best.h5"
    model, config = weights.load_model(file)
    assert config.actions == {"penn": 16}
    assert config.streams == ("pose",)
    facts = weights.read_facts(file)
    assert facts["actions"]["penn"] == [*ACTIONS, OTHER]
    assert facts["frame_rate"] > 0
    # The last stage starts from the heads of the first one, and changes them little in one batch.
    first, last = (
        by_name(action_view(weights.load_model(path)[0]))
        for path in (tmp_path / "action" / "best.h5", file)
    )
    changes = {name: np.abs(last[name] - first[name]).max() for name in first}
    kernels = [name for name in changes if "kernel" in name and "pred_conv2h" not in name]
    assert max(changes[name] for name in kernels) < 0.01
    kept = by_name(frame_view(model))
    for name, value in by_name(weights.load_model(pose)[0]).items():
        np.testing.assert_array_equal(kept[name], value)
    evaluation = ["--data", folder, "--weights", file, "--poses", "labels"]
    assert run("pennaction/eval_penn.py", *evaluation, "--out", tmp_path / "scores") == 0

    # A run that was killed before its calibration is calibrated when it is resumed, once.
    calibrated = by_name(model)
    layer = next(name for name in sorted(calibrated, reverse=True) if "action_pred_conv2h" in name)
    last = next(weight for weight in model.weights if weight.path.endswith(layer))
    last.assign(calibrated[layer] * facts["temperature"])
    weights.save(model, config, file, **{k: v for k, v in facts.items() if k not in CALIBRATION})
    for _ in range(2):
        assert run(SCRIPT, *arguments, "--resume") == 0
        assert weights.read_facts(file)["temperature"] == pytest.approx(facts["temperature"], 1e-3)
        again = by_name(weights.load_model(file)[0])
        np.testing.assert_allclose(again[layer], calibrated[layer], rtol=2e-3)


def test_the_pose_stream_learns_from_labels_alone(folder, tmp_path, capsys, run):
    arguments = ["--data", folder, "--out", tmp_path, "--epochs", "1", "--steps", "1"]
    assert run("pennaction/train_pose_stream.py", *arguments, "--validation", "0.3") == 0
    file = tmp_path / "best.h5"
    assert weights.read_config(file).stem == "none"
    arguments = ["--data", folder, "--weights", file, "--poses", "labels", "--out", tmp_path / "e"]
    assert run("pennaction/eval_penn.py", *arguments) == 0
    arguments[-1] = tmp_path / "images"
    arguments[5] = "predicted"
    assert run("pennaction/eval_penn.py", *arguments) == 2
    assert "--poses labels" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", "poses=3"], "got 'poses=3'"),
        (["--batch", "pose=0"], "positive integer, got 0"),
        (["--stages", "action,pose"], "expected some of pose,action,finetune"),
    ],
)
def test_arguments_without_sense_are_refused(folder, tmp_path, capsys, arguments, message, run):
    with contextlib.suppress(SystemExit):  # of argparse, with status 2
        assert run(SCRIPT, "--data", folder, "--out", tmp_path, *QUICK, *arguments) == 2
    assert message in capsys.readouterr().err


AUTHORS = {
    "spnet": ModelConfig(
        stem="residual",
        stem_features=12,
        image_size=64,
        growth=8,
        num_levels=2,
        num_pyramids=1,
        visibility="window_mass",
        num_frames=4,
        pose_features=16,
        appearance_features=16,
        pose_replica=True,
        centred=False,
    ),
    "reception": ReceptionConfig(image_size=64, stem_features=16, num_blocks=1),
}


@pytest.mark.parametrize(
    ("name", "stages"), [("spnet", "action,finetune"), ("reception", "action")]
)
def test_the_authors_networks_learn_actions_on_pose_weights(folder, tmp_path, run, name, stages):
    pose = build_model(AUTHORS[name])
    weights.save(pose, AUTHORS[name], tmp_path / "pose.h5")
    out = tmp_path / "run"
    arguments = ["--data", folder, "--weights", tmp_path / "pose.h5", "--out", out, *QUICK]
    assert run(SCRIPT, *arguments, "--stages", stages) == 0
    action, config = weights.load_model(out / "action" / "best.h5")
    assert (config.num_frames, config.actions) == (4, {"penn": 15})
    actual = by_name(frame_view(action))
    for weight, value in by_name(pose).items():
        np.testing.assert_array_equal(actual[weight], value)
        replica = weight.replace("_conv1/", "_conv1_replica/")
        np.testing.assert_array_equal(actual.get(replica, value), value)
    if "finetune" in stages:
        tuned = by_name(frame_view(weights.load_model(out / "finetune" / "best.h5")[0]))
        assert any(not np.array_equal(tuned[weight], value) for weight, value in actual.items())


def test_a_trained_replica_is_kept(tmp_path):
    config = replace(AUTHORS["spnet"], actions={"penn": 15})
    trained, model = build_model(config), build_model(config)
    weights.save(trained, config, tmp_path / "trained.h5")
    load_pose_network(model, tmp_path / "trained.h5")
    kept = by_name(frame_view(model))
    assert any("_replica" in name for name in kept)
    for name, value in by_name(frame_view(trained)).items():
        np.testing.assert_array_equal(kept[name], value)
