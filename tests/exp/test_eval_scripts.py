"""The evaluation scripts, from the command line to the files they leave."""

import hashlib
import json
import re
import shutil

import cv2
import h5py
import numpy as np
import pytest
import scipy.io
from networks import SMALL, save_untrained

from deephar import weights
from deephar.models import ModelConfig, pose_model

pytestmark = pytest.mark.usefixtures("module_op_by_op")

TINY = ModelConfig(**SMALL)


@pytest.fixture(scope="module")
def tiny_weights(tmp_path_factory):
    """A weights file of an untrained network for the skeleton pa16j."""
    return save_untrained(tmp_path_factory.mktemp("weights") / "tiny.h5", TINY)


@pytest.fixture
def lsp_folder(tmp_path):
    """A folder in LSP layout: 1003 persons, images of the three that are for testing."""
    folder = tmp_path / "LSP"
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    joints = np.concatenate([rng.uniform(10, 90, (2, 14, 1003)), np.zeros((1, 14, 1003))])
    scipy.io.savemat(folder / "joints.mat", {"joints": joints})
    for number in (1001, 1002, 1003):
        image = rng.integers(0, 255, (100, 100, 3)).astype(np.uint8)
        cv2.imwrite(str(folder / "images" / f"im{number:04d}.jpg"), image)
    return folder


def test_mpii_is_evaluated(drawn_mpii, tiny_weights, tmp_path, capsys, run):
    out, predictions = tmp_path / "out", tmp_path / "new" / "p.h5"
    arguments = ["--data", drawn_mpii, "--weights", tiny_weights, "--out", out]
    arguments += ["--crops", "multi", "--batch-size", "7", "--save-predictions", predictions]
    assert run("mpii/eval_mpii.py", *arguments) == 0

    printed = capsys.readouterr().out
    assert "mpii valid, multi crop (10 views a person), PCKh@0.5" in printed
    assert "1 (answer)" in printed
    assert "6 persons, 84 joints" in printed
    assert "ONLY" not in printed
    assert sorted(path.name for path in out.iterdir()) == [
        "curve.png",
        "joints.png",
        "persons.png",
        "results.json",
    ]
    for path in (*out.iterdir(), predictions):
        assert str(path) in printed
    results = json.loads((out / "results.json").read_text())
    assert results["data"]["persons"] == 6
    assert results["data"]["source"].startswith("annot/valid.json")
    assert results["protocol"]["crops_a_person"] == 10
    digest = hashlib.sha256(tiny_weights.read_bytes()).hexdigest()
    assert results["weights"] == {"file": "tiny.h5", "sha256": digest}
    assert results["command"].startswith("python exp/mpii/eval_mpii.py --data ")
    assert 0 <= results["score"]["total"] <= 100
    with h5py.File(predictions) as file:
        assert file["preds"].shape == (6, 16, 2)
        assert file["imgname"].asstr()[0] == "valid000.jpg"


def test_lsp_is_evaluated(lsp_folder, tiny_weights, tmp_path, capsys, run):
    arguments = ["--data", lsp_folder, "--weights", tiny_weights, "--out", tmp_path / "out"]
    assert run("lsp/eval_lsp.py", *arguments) == 0
    printed = capsys.readouterr().out
    assert "lsp test, single crop, PCK@0.2" in printed
    assert "3 persons, 42 joints" in printed


def test_a_limited_evaluation_says_so(drawn_mpii, tiny_weights, tmp_path, capsys, run):
    arguments = ["--data", drawn_mpii, "--weights", tiny_weights, "--out", tmp_path, "--limit", 2]
    assert run("mpii/eval_mpii.py", *arguments) == 0
    assert "ONLY 2 OF 6 PERSONS" in capsys.readouterr().out
    results = json.loads((tmp_path / "results.json").read_text())
    assert "ONLY 2 OF 6 PERSONS" in results["data"]["warning"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--data", "no/such/folder"], "no/such/folder"),
        (["--weights", "no-such-weights"], "no-such-weights"),
        (["--split", "validation"], "train, valid, test"),
        (["--limit", "0"], "at least 1"),
        (["--batch-size", "0"], "batch_size"),
        (["--save-predictions", "p.txt"], "p.txt"),
    ],
)
def test_mistakes_are_one_line(drawn_mpii, tiny_weights, tmp_path, capsys, change, message, run):
    arguments = ["--data", drawn_mpii, "--weights", tiny_weights, "--out", tmp_path / "out"]
    assert run("mpii/eval_mpii.py", *arguments, *change) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert message in line


def test_a_network_without_the_joints_is_refused_before_the_work(drawn_mpii, tmp_path, capsys, run):
    config = ModelConfig(**{**vars(TINY), "skeleton": "lsp14"})
    weights.save(pose_model(config), config, tmp_path / "lsp.h5")
    arguments = ["--data", drawn_mpii, "--weights", tmp_path / "lsp.h5", "--out", tmp_path / "out"]
    assert run("mpii/eval_mpii.py", *arguments) == 2
    captured = capsys.readouterr()
    assert "lsp.h5: The network predicts the skeleton 'lsp14', which lacks pelvis" in captured.err
    assert captured.out == ""


def test_a_network_of_labelled_poses_is_refused_before_the_work(drawn_mpii, tmp_path, capsys, run):
    arguments = ["--data", drawn_mpii, "--weights", "penn-pose-stream", "--out", tmp_path / "out"]
    assert run("mpii/eval_mpii.py", *arguments) == 2
    captured = capsys.readouterr()
    assert "penn-pose-stream takes labelled poses and cannot see images" in captured.err
    assert captured.out == ""


def test_persons_are_told_from_backgrounds(drawn_mpii, tiny_weights, tmp_path, capsys, run):
    (tmp_path / "images").mkdir()
    (tmp_path / "annot").mkdir()
    shutil.copy(drawn_mpii / "annot" / "train.json", tmp_path / "annot")
    for path in drawn_mpii.glob("images/train*.jpg"):
        wide = cv2.copyMakeBorder(cv2.imread(str(path)), 0, 0, 0, 200, cv2.BORDER_REFLECT)
        wide[:, 220:] = 90  # a wall
        cv2.imwrite(str(tmp_path / "images" / path.name), wide)
    arguments = ["--data", tmp_path, "--weights", tiny_weights, "--presence"]
    assert run("mpii/eval_mpii.py", *arguments) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^4 persons held out, (4|8|12) backgrounds$", printed, re.MULTILINE)
    assert printed.count("somebody is seen") == 1


def test_a_folder_that_cannot_be_made_is_one_line(drawn_mpii, tiny_weights, tmp_path, capsys, run):
    (tmp_path / "file").write_text("in the way")
    out = tmp_path / "file" / "out"
    arguments = ["--data", drawn_mpii, "--weights", tiny_weights, "--out", out]
    assert run("mpii/eval_mpii.py", *arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(out) in line


def test_predictions_do_not_overwrite_weights(drawn_mpii, tiny_weights, tmp_path, capsys, run):
    before = tiny_weights.read_bytes()
    arguments = ["--data", drawn_mpii, "--weights", tiny_weights, "--out", tmp_path / "out"]
    arguments += ["--save-predictions", tiny_weights]
    assert run("mpii/eval_mpii.py", *arguments) == 2
    assert "holds no predictions" in capsys.readouterr().err
    assert tiny_weights.read_bytes() == before


def test_persons_without_labels_are_predicted_but_not_scored(
    drawn_mpii, tiny_weights, tmp_path, capsys, run
):
    folder = tmp_path / "MPII"
    (folder / "annot").mkdir(parents=True)
    (folder / "images").symlink_to(drawn_mpii / "images")
    persons = json.loads((drawn_mpii / "annot" / "valid.json").read_text())
    for person in persons:
        person["joints_vis"] = [0] * 16
    (folder / "annot" / "valid.json").write_text(json.dumps(persons))
    arguments = ["--data", folder, "--weights", tiny_weights, "--out", tmp_path / "out"]
    assert run("mpii/eval_mpii.py", *arguments) == 2
    assert "no joint labels" in capsys.readouterr().err
    arguments += ["--save-predictions", tmp_path / "p.h5"]
    assert run("mpii/eval_mpii.py", *arguments) == 0
    with h5py.File(tmp_path / "p.h5") as file:
        assert np.isfinite(file["preds"][()]).all()
    assert not (tmp_path / "out" / "results.json").exists()
