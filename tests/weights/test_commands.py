"""``python -m deephar.weights``: what a file is, and the authors' files as our own."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from deephar import Predictor, weights
from deephar.cli.evaluate import action_weights
from deephar.models import ModelConfig, pose_model
from deephar.weights.__main__ import main

SCRIPTS = Path(__file__).parents[2] / "exp"
CONFIG = ModelConfig(image_size=64, stem_features=16, growth=8, num_pyramids=1, num_levels=2)


@pytest.fixture
def spnet_file(golden_folder):
    return str(golden_folder / "spnet_pose2d.weights.keras2.h5")


@pytest.fixture
def clips_file(golden_folder):
    return str(golden_folder / "spnet_multitask2d_replica.weights.keras2.h5")


def inspect(path, capsys):
    """Status and output of ``inspect``."""
    assert main(["inspect", str(path)]) == 0
    return capsys.readouterr().out


def failure(argv, capsys):
    """The one line that a mistake gives."""
    assert main([str(word) for word in argv]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    return printed.err


def test_inspect_tells_network_and_size_of_an_authors_file(spnet_file, capsys):
    text = inspect(spnet_file, capsys)
    assert "layout      Keras 2.21.0 (.h5)" in text
    assert "listed as   -" in text
    assert "ModelConfig(stem='residual', stem_stride=8, stem_features=48" in text
    # Counted from the file's description: 166,688 in all.
    assert "151,840 parameters in 156 arrays, and 14,848 constants" in text
    assert [line.split() for line in text.splitlines()][-2:] == [
        ["dp1", "58,768", "in", "52"],
        ["up2", "45,168", "in", "50"],
    ]


def test_inspect_says_when_the_frames_are_not_told(clips_file, capsys):
    text = " ".join(inspect(clips_file, capsys).split())
    assert "actions={'penn': 15}" in text
    assert "num_frames='?') (told from its layers; frames of a clip are not told)" in text


def test_inspect_tells_config_and_facts_of_our_files(tmp_path, capsys):
    model = pose_model(CONFIG)
    weights.save(model, CONFIG, tmp_path / "w.h5", data="drawn", score={"PCKh": 12})
    text = inspect(tmp_path / "w.h5", capsys)
    assert "layout      deephar" in text
    assert str(CONFIG) + " (inside the file)" in " ".join(text.split())
    assert "data        drawn" in text
    assert "score       {'PCKh': 12}" in text
    assert f"{model.count_params():,} parameters in {len(model.weights)} arrays\n" in text


def test_inspect_knows_keras_3_files_and_other_networks(tmp_path, capsys):
    pose_model(CONFIG).save_weights(tmp_path / "w.weights.h5")
    text = inspect(tmp_path / "w.weights.h5", capsys)
    assert "layout      Keras 3 (.weights.h5)" in text
    assert "network     not known: holds no network config" in text
    assert "block1" in text


def test_inspect_names_listed_files(capsys):
    text = inspect("penn-pose-stream", capsys)
    assert "listed as   penn-pose-stream" in text
    assert "382,632 parameters" in text


def test_converted_files_are_our_own(spnet_file, golden, tmp_path, capsys):
    out = tmp_path / "ours.h5"
    assert main(["convert", spnet_file, str(out)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"wrote {out}"
    text = inspect(out, capsys)
    assert "(inside the file)" in text
    assert "source      spnet_pose2d.weights.keras2.h5" in text
    assert "151,840 parameters in 156 arrays\n" in text
    predictor = Predictor(out)
    image = ((golden("spnet_pose2d")["x"][0] + 1) * 127.5).round().astype(np.uint8)
    person = predictor(image, box=(0, 0, 127, 127), margin=1)
    assert person.joints.shape == (16, 2)
    # The same network on the file as it is.
    same = Predictor(spnet_file)(image, box=(0, 0, 127, 127), margin=1)
    np.testing.assert_allclose(person.joints, same.joints, atol=1e-3)
    assert "has its config inside already" in failure(["convert", out, tmp_path / "x.h5"], capsys)


def test_frames_and_head_of_clips_are_given_once(clips_file, tmp_path, capsys):
    out = tmp_path / "ours.h5"
    assert "--frames 8" in failure(["convert", clips_file, out], capsys)
    argv = ["convert", clips_file, out, "--frames", "8", "--head"]
    assert "'a/b c' cannot be the name of a head" in failure([*argv, "a/b c"], capsys)
    assert "'' cannot be the name of a head" in failure([*argv, ""], capsys)
    assert not out.exists()
    assert main(["convert", clips_file, str(out), "--frames", "8", "--head", "gym"]) == 0
    config = weights.read_config(out)
    assert (config.num_frames, config.actions) == (8, {"gym": 15})


def test_names_of_the_actions_go_along_with_a_converted_file(clips_file, tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPHAR_WEIGHTS", str(tmp_path))
    config = json.loads(weights.infer_config(clips_file, num_frames=8).to_json())
    names = [f"deed {number}" for number in range(15)]
    entry = {"file": "theirs.h5", "url": "https://there", "config": config}
    entry["facts"] = {"actions": {"penn": names}}
    (tmp_path / "index.json").write_text(json.dumps({"theirs": entry}))
    (tmp_path / "theirs.h5").write_bytes(Path(clips_file).read_bytes())
    assert Predictor("theirs").actions == tuple(names)
    assert main(["convert", "theirs", str(tmp_path / "ours.h5"), "--head", "gym"]) == 0
    assert weights.read_facts(tmp_path / "ours.h5")["actions"] == {"gym": names}


def test_inspect_warns_of_nan(tmp_path, capsys):
    weights.save(pose_model(CONFIG), CONFIG, tmp_path / "w.h5")
    assert "NaN" not in inspect(tmp_path / "w.h5", capsys)
    with h5py.File(tmp_path / "w.h5", "a") as file:
        file["block3_conv1/block3_conv1/bias:0"][3] = np.nan
        file["block3_conv2/block3_conv2/bias:0"][0] = np.inf
    text = inspect(tmp_path / "w.h5", capsys)
    assert "/block3_conv1/block3_conv1/bias:0 holds NaN or infinite values, as do 1 more" in text


@pytest.mark.parametrize("name", ["spnet_pose2d", "reception_pose2d_context"])
def test_eval_scripts_take_an_authors_file_as_it_is(drawn_mpii, reference_network, tmp_path, name):
    _, path = reference_network(name)
    command = [sys.executable, SCRIPTS / "mpii" / "eval_mpii.py", "--data", drawn_mpii]
    command += ["--weights", path, "--out", tmp_path / "out", "--limit", "2"]
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS.parent)}
    result = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, env=environment
    )
    assert result.returncode == 0, result.stderr
    assert "mpii valid" in result.stdout
    assert (tmp_path / "out" / "results.json").is_file()


def test_listed_files_that_are_not_there_are_no_default(clips_file, tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPHAR_WEIGHTS", str(tmp_path))
    config = weights.infer_config(clips_file, num_frames=8)
    entry = {"file": "theirs.h5", "url": "https://there", "config": json.loads(config.to_json())}
    (tmp_path / "index.json").write_text(json.dumps({"theirs": entry}))
    args = argparse.Namespace(weights=None, stream=None, poses="predicted")
    with pytest.raises(FileNotFoundError, match=r"lists no weights for 'penn'.*entries: theirs"):
        action_weights(args, "penn")
    (tmp_path / "theirs.h5").write_bytes(Path(clips_file).read_bytes())
    assert action_weights(args, "penn") == ("theirs", None)


def test_mistakes_give_one_line_and_status_2(spnet_file, tmp_path, capsys):
    assert "no such weights file" in failure(["inspect", tmp_path / "none.h5"], capsys)
    (tmp_path / "text.h5").write_text("hello")
    assert "not an HDF5 weights file" in failure(["inspect", tmp_path / "text.h5"], capsys)
    with h5py.File(tmp_path / "table.h5", "w") as file:
        file["table"] = np.zeros(3)
    assert "neither Keras 2 nor Keras 3" in failure(["inspect", tmp_path / "table.h5"], capsys)
    copy = tmp_path / "copy.h5"
    with open(spnet_file, "rb") as file:
        copy.write_bytes(file.read())
    assert "is the file to convert" in failure(["convert", copy, copy], capsys)
    assert "ends in .h5" in failure(["convert", copy, tmp_path / "out.hdf5"], capsys)
    pose_model(CONFIG).save_weights(tmp_path / "w.weights.h5")
    argv = ["convert", copy, tmp_path / "out.h5", "--frames", "8"]
    assert "predicts poses of single images" in failure(argv, capsys)
    line = failure(["convert", tmp_path / "w.weights.h5", tmp_path / "out.h5"], capsys)
    assert "holds no network config" in line
    assert "put it into" in failure(["convert", "cvpr18-mpii", tmp_path / "out.h5"], capsys)
    with pytest.raises(SystemExit) as end:
        main(["convert", str(copy)])
    assert end.value.code == 2


def test_runs_as_a_module(tmp_path):
    command = [sys.executable, "-m", "deephar.weights", "inspect", str(tmp_path / "none.h5")]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2
    assert "none.h5: no such weights file" in result.stderr
