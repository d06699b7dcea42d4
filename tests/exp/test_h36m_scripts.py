"""Training and evaluation on Human3.6M, on folders of drawn persons in both of its forms."""

import csv
import json

import h5py
import numpy as np
import pytest
from networks import SMALL

from deephar import weights
from deephar.data import Synthetic, write_h36m
from deephar.models import ModelConfig, pose_model

pytestmark = pytest.mark.usefixtures("module_op_by_op")

QUICK = "--variant small --image-size 64 --stem-weights none".split()
QUICK += "--epochs 1 --steps 1 --every 3".split()
TINY = ModelConfig(**{**SMALL, "num_levels": 3}, skeleton="pa17j", dim=3, depth="regression")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Folders of 12 videos to train on and 3 to test, by form."""
    paths = {form: tmp_path_factory.mktemp(form) for form in ("npz", "authors")}
    train = Synthetic("train", videos=12, image_size=64, frames=3)
    test = Synthetic("test", videos=3, image_size=64, frames=3)
    for form, path in paths.items():
        write_h36m(path, train, test=test, form=form)
    return paths


@pytest.fixture
def folder(folders):
    return folders["npz"]


@pytest.fixture(scope="module")
def tiny_weights(tmp_path_factory):
    """A weights file of an untrained 3D network."""
    path = tmp_path_factory.mktemp("weights") / "tiny.h5"
    weights.save(pose_model(TINY), TINY, path)
    return path


def test_it_trains_resumes_and_evaluates(folder, drawn_mpii, tmp_path, capsys, run):
    out = tmp_path / "run"
    arguments = ["--data", folder, "--mpii", drawn_mpii, "--out", out, *QUICK]
    arguments += ["--depth", "regression", "--shares", "h36m=2,mpii=2"]
    assert run("h36m/train_h36m.py", *arguments) == 0
    assert "2 h36m + 2 mpii" in capsys.readouterr().out
    settings = json.loads((out / "config.json").read_text())
    model = settings["model"]
    assert (model["dim"], model["depth"], model["skeleton"]) == (3, "regression", "pa17j")
    (row,) = csv.DictReader((out / "log.csv").open())
    assert float(row["val_mpjpe"]) > 10
    assert run("h36m/train_h36m.py", *arguments, "--resume") == 0
    capsys.readouterr()
    assert run("h36m/train_h36m.py", *arguments, "--resume", "--protocol", 2) == 2
    assert "protocol" in capsys.readouterr().err

    evaluation = ["--data", folder, "--weights", out / "best.h5", "--out", tmp_path / "eval"]
    assert run("h36m/eval_h36m.py", *evaluation, "--every", 2) == 0
    results = json.loads((tmp_path / "eval" / "results.json").read_text())
    assert results["data"]["persons"] == 6
    assert results["score"]["block"] == len(results["blocks"])


def test_the_volumetric_network_trains_alone(folders, tmp_path, run):
    arguments = ["--data", folders["authors"], "--out", tmp_path / "run", *QUICK]
    arguments += ["--shares", "h36m=2", "--protocol", 2]
    assert run("h36m/train_h36m.py", *arguments) == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["model"]["depth"] == "volumetric"
    (row,) = csv.DictReader((tmp_path / "run" / "log.csv").open())
    assert float(row["val_p-mpjpe"]) > 10


@pytest.mark.parametrize("form", ["npz", "authors"])
def test_evaluation_prints_and_writes_everything(
    folders, form, tiny_weights, tmp_path, capsys, run
):
    out, predictions = tmp_path / "out", tmp_path / "p.h5"
    arguments = ["--data", folders[form], "--weights", tiny_weights, "--out", out, "--every", 1]
    arguments += ["--crops", "multi", "--save-predictions", predictions]
    assert run("h36m/eval_h36m.py", *arguments) == 0
    printed = capsys.readouterr().out
    assert "h36m test, multi crop (10 views a person), mm, protocol 1 (MPJPE)" in printed
    assert "2 (answer)" in printed
    assert "mean of the actions" in printed
    assert "(9 persons, 153 joints, the root's error of 0 included)" in printed
    assert "ONLY" not in printed
    assert sorted(path.name for path in out.iterdir()) == ["poses_3d.png", "results.json"]
    results = json.loads((out / "results.json").read_text())
    # Subjects take turns: S9 and S11 do the first action, S9 the second.
    persons = {name: action["persons"] for name, action in results["actions"].items()}
    assert persons == {"Directions": 6, "Discussion": 3}
    for measure in ("mpjpe", "p_mpjpe"):
        score = results["score"]
        totals = {name: each[measure]["total"] for name, each in results["actions"].items()}
        assert score[measure] == results["blocks"][-1][measure]
        mean = (2 * totals["Directions"] + totals["Discussion"]) / 3
        assert score[measure]["total"] == pytest.approx(mean)
        assert score["mean_of_actions"][measure] == pytest.approx(np.mean(list(totals.values())))
        assert f"{totals['Discussion']:.1f}" in printed
    assert results["score"]["total"] == results["score"]["mpjpe"]["total"]
    assert results["score"]["mpjpe_per_joint"]["pelvis"] == 0
    assert results["protocol"]["number"] == 1
    assert results["command"].startswith("python exp/h36m/eval_h36m.py --data ")
    with h5py.File(predictions) as file:
        assert file["preds"].shape == (9, 17, 2)
        depth = file["depth"][()]
    assert depth.shape == (9, 17)
    assert (np.abs(depth) <= 1000).all()


def test_protocol_2_reports_the_other_error(folder, tiny_weights, tmp_path, capsys, run):
    arguments = ["--data", folder, "--weights", tiny_weights, "--out", tmp_path, "--every", 1]
    assert run("h36m/eval_h36m.py", *arguments, "--protocol", 2, "--limit", 2) == 0
    printed = capsys.readouterr().out
    assert "protocol 2 (P-MPJPE)" in printed
    assert "ONLY 2 OF 9 PERSONS" in printed
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["score"]["total"] == results["score"]["p_mpjpe"]["total"]
    assert results["score"]["p_mpjpe"]["total"] < results["score"]["mpjpe"]["total"]
    assert "ONLY 2 OF 9 PERSONS" in results["data"]["warning"]


@pytest.mark.parametrize(
    ("script", "changed", "message"),
    [
        ("train", ["--data", "nowhere"], "nowhere is not a folder"),
        ("train", ["--protocol", "3"], "protocols 1 (MPJPE) and 2 (P-MPJPE), not 3"),
        ("train", ["--every", "0"], "every must be at least 1"),
        ("train", ["--shares", "mpii=4"], "shares must name the data sets h36m"),
        ("eval", ["--split", "valid"], "train, test, not 'valid'"),
        ("eval", ["--protocol", "0"], "protocols 1 (MPJPE) and 2 (P-MPJPE), not 0"),
        ("eval", ["--limit", "0"], "at least 1"),
        ("eval", ["--save-predictions", "p.txt"], "p.txt"),
    ],
)
def test_mistakes_are_one_line(
    folder, tiny_weights, tmp_path, capsys, run, script, changed, message
):
    arguments = ["--data", folder, "--out", tmp_path / "run"]
    arguments += QUICK if script == "train" else ["--weights", tiny_weights]
    assert run(f"h36m/{script}_h36m.py", *arguments, *changed) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert message in line


def test_a_2d_network_is_refused_before_the_work(folder, tmp_path, capsys, run):
    config = ModelConfig(**{**vars(TINY), "dim": 2, "depth": None})
    weights.save(pose_model(config), config, tmp_path / "flat.h5")
    arguments = ["--data", folder, "--out", tmp_path / "out", "--weights", tmp_path / "flat.h5"]
    assert run("h36m/eval_h36m.py", *arguments) == 2
    captured = capsys.readouterr()
    assert "2D poses" in captured.err
    assert captured.out == ""
