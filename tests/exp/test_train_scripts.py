"""The training scripts, from the command line to weights that the evaluation scripts score."""

import json
from dataclasses import replace

import cv2
import keras
import numpy as np
import pytest
import scipy.io
from networks import save_untrained

from deephar import weights
from deephar.data.synthetic.poses import DrawnPoses
from deephar.models import VARIANTS
from deephar.training.lifting import train_lifting

pytestmark = pytest.mark.usefixtures("module_op_by_op")

QUICK = "--variant small --image-size 64 --stem-weights none --freeze-stem 5".split()
QUICK += "--epochs 1 --steps 1 --validation 0.2".split()


@pytest.fixture(scope="module")
def lsp_folders(tmp_path_factory):
    """Folders in the layouts of LSP and LSP-extended, with 30 images each."""
    folders = []
    rng = np.random.default_rng(0)
    for name, digits in [("LSP", 4), ("LSPET", 5)]:
        folder = tmp_path_factory.mktemp(name)
        (folder / "images").mkdir()
        joints = rng.uniform(20, 80, (14, 3, 30))
        joints[:, 2] = name == "LSPET"  # there: labelled; in LSP: occluded
        if name == "LSP":
            joints = joints.transpose(1, 0, 2)
        scipy.io.savemat(folder / "joints.mat", {"joints": joints})
        for number in range(1, 31):
            image = rng.integers(0, 255, (100, 100, 3)).astype(np.uint8)
            cv2.imwrite(str(folder / "images" / f"im{number:0{digits}d}.jpg"), image)
        folders.append(folder)
    return folders


def narrow_vgg16(include_top, weights, input_tensor):
    """Stands in for ``keras.applications.VGG16``, whose files have 59 MB."""
    x = input_tensor
    for block, count in enumerate((2, 2, 3, 3, 3), start=1):
        if block > 1:
            x = keras.layers.MaxPooling2D(2)(x)
        for number in range(1, count + 1):
            name = f"block{block}_conv{number}"
            x = keras.layers.Conv2D(8, 3, padding="same", activation="relu", name=name)(x)
    return keras.Model(keras.utils.get_source_inputs(input_tensor), x)


@pytest.fixture
def narrow(tmp_path, monkeypatch):
    """Makes the networks of the shipped weights narrow; the configs of the shipped weights, too."""
    monkeypatch.setattr(keras.applications, "VGG16", narrow_vgg16)
    names = ("vgg16-light", "vgg16-medium")
    fields = {"image_size": 64, "stem_features": 16, "num_levels": 2, "growth": 8}
    configs = {name: replace(weights.read_config(name), **fields) for name in names}
    for name in names:
        monkeypatch.setitem(VARIANTS, name, replace(VARIANTS[name], **fields))
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setenv("DEEPHAR_WEIGHTS", str(folder))
    save_untrained(folder / "light.h5", configs["vgg16-light"], data="none", score=0)
    weights.register("vgg16-light", folder / "light.h5", licence="MIT")
    return configs


def test_mpii_with_lsp_trains_resumes_and_evaluates(drawn_mpii, lsp_folders, tmp_path, capsys, run):
    lsp, lspet = lsp_folders
    out = tmp_path / "run"
    arguments = ["--data", drawn_mpii, "--lsp", lsp, "--lsp-extended", lspet, "--out", out, *QUICK]
    arguments += ["--shares", "mpii=3,lsp=2,lspet=1"]
    assert run("mpii/train_mpii.py", *arguments) == 0
    assert "3 mpii + 2 lsp + 1 lspet" in capsys.readouterr().out
    config = json.loads((out / "config.json").read_text())
    assert config["model"]["image_size"] == 64
    assert config["data"]["shares"] == {"mpii": 3, "lsp": 2, "lspet": 1}

    assert run("mpii/train_mpii.py", *arguments) == 2
    assert "holds a run already" in capsys.readouterr().err
    assert run("mpii/train_mpii.py", *arguments, "--resume") == 0

    evaluation = ["--data", drawn_mpii, "--weights", out / "best.h5", "--out", tmp_path / "eval"]
    assert run("mpii/eval_mpii.py", *evaluation) == 0
    results = json.loads((tmp_path / "eval" / "results.json").read_text())
    assert "best.h5" in json.dumps(results)

    tuned = tmp_path / "tuned"
    arguments[arguments.index(out)] = tuned
    variant = arguments.index("--variant")
    start = ["--weights", out / "last.h5"]
    assert run("mpii/train_mpii.py", *arguments[:variant], *arguments[variant + 2 :], *start) == 0
    assert (tuned / "last.h5").exists()


def test_a_network_starts_from_what_it_shares_with_other_weights(
    drawn_mpii, narrow, tmp_path, capsys, run
):
    start, out = tmp_path / "start.h5", tmp_path / "run"
    save_untrained(start, replace(VARIANTS["vgg16-light"], num_pyramids=1))
    model, _ = weights.load_model(start)
    arguments = ["--data", drawn_mpii, *QUICK, "--learning-rate", "1e-9", "--weights", start]
    arguments += ["--variant", "vgg16-medium", "--shares", "mpii=1"]
    assert run("mpii/train_mpii.py", *arguments, "--out", out) == 0
    assert "start at random, dp1_pb1_heatmaps" in capsys.readouterr().out
    settings = json.loads((out / "config.json").read_text())
    assert settings["training"]["start"].startswith("what the network shares with")
    assert run("mpii/train_mpii.py", *arguments, "--out", out, "--resume") == 0
    trained, config = weights.load_model(out / "last.h5")
    assert (config.image_size, config.stem_stride, config.num_pyramids) == (64, 4, 2)
    for layer in ("stem_projection4", "block5_conv3", "dp1_du1_r0_conv1"):
        for before, after in zip(
            model.get_layer(layer).weights, trained.get_layer(layer).weights, strict=True
        ):
            np.testing.assert_allclose(before, after, atol=1e-6)

    arguments[arguments.index("vgg16-medium")] = "vgg16-light-64"
    assert run("mpii/train_mpii.py", *arguments, "--out", tmp_path / "other") == 2
    assert "weights of another network" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("script", "stages"), [("train_vgg16_light", 1), ("train_vgg16_medium", 8)]
)
def test_the_recipes_of_the_shipped_weights_go_through(
    drawn_mpii, lsp_folders, narrow, tmp_path, run, script, stages
):
    lsp, lspet = lsp_folders
    out = tmp_path / "run"
    arguments = ["--data", drawn_mpii, "--lsp", lsp, "--lsp-extended", lspet, "--out", out]
    arguments += "--image-size 64 --steps 1 --epochs 1 --shares mpii=1,lsp=1,lspet=1".split()
    assert run(f"mpii/{script}.py", *arguments, "--stem-weights", "none") == 0
    assert len(list(out.rglob("best.h5"))) == stages
    last = out / "stage8" if stages == 8 else out
    config = weights.read_config(last / "best.h5")
    assert config == narrow[script.removeprefix("train_").replace("_", "-")]


def test_depth_in_ordinary_pictures_is_learned(
    drawn_mpii, lsp_folders, narrow, tmp_path, run, monkeypatch
):
    pytest.importorskip("nncf")
    lifting = train_lifting(poses=256, epochs=1)
    monkeypatch.setattr("deephar.training.data.train_lifting", lambda: lifting)
    few = DrawnPoses("train", 2, image_size=64)
    monkeypatch.setattr("deephar.data.sets.by_name.DrawnPoses", lambda *_, **options: few)
    lsp, lspet = lsp_folders
    arguments = ["--data", drawn_mpii, "--lsp", lsp, "--lsp-extended", lspet]
    arguments += "--image-size 64 --steps 1 --epochs 1".split()
    drawn = ["--drawn", drawn_mpii, "--shares", "mpii=1,lsp=1,lspet=1,drawn=1"]
    out = tmp_path / "run"
    assert run("mpii/train_vgg16_light_3d.py", *arguments, *drawn, "--out", out) == 0
    config = weights.read_config(out / "stage3" / "best.h5")
    assert (config.dim, config.depth, config.skeleton) == (3, "regression", "pa16j")

    arguments += ["--weights", out / "stage3" / "best.h5", "--shares", "mpii=1,lsp=1,lspet=1"]
    out = tmp_path / "without-depth"
    assert run("mpii/train_vgg16_light_company.py", *arguments, "--out", out) == 0
    assert weights.read_config(out / "best.h5") == narrow["vgg16-light"]


def test_lsp_trains(lsp_folders, tmp_path, run):
    lsp, lspet = lsp_folders
    arguments = ["--data", lsp, "--lsp-extended", lspet, "--out", tmp_path / "run", *QUICK]
    assert run("lsp/train_lsp.py", *arguments, "--shares", "lsp=2,lspet=2") == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["data"]["shares"] == {"lsp": 2, "lspet": 2}


def test_mixed_precision_trains_and_saves_whole_weights(drawn_mpii, tmp_path, run):
    arguments = ["--data", drawn_mpii, "--out", tmp_path / "run", *QUICK, "--shares", "mpii=2"]
    assert run("mpii/train_mpii.py", *arguments, "--mixed-precision") == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["dtype"] == "mixed_bfloat16"
    model, _ = weights.load_model(tmp_path / "run" / "last.h5")
    assert all(np.isfinite(value).all() for value in model.get_weights())
    facts = weights.read_facts(tmp_path / "run" / "last.h5")
    assert facts["score"]["val_pckh"] >= 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (["--image-size", "100"], "image_size must be a multiple of 64"),
        (["--data", "nowhere"], "nowhere is not a folder"),
        (["--variant", "vgg16-light", "--stem-weights", "nowhere.h5"], "no such file of stem"),
        (["--weights", "nowhere.h5"], "neither a weights file nor a known name"),
        (["--freeze-stem", "7"], "freeze_stem must be 0 to 5"),
        (["--resume"], "no run to --resume"),
        (["--shares", "lsp=4"], "shares must name the data sets mpii"),
        (["--shares", "mpii=4,lsp=4"], "shares must name the data sets mpii"),
        (["--learning-rate", "inf"], "learning_rate must be positive"),
        (["--peak-window", "2"], "Give --heat-map-weight"),
    ],
)
def test_mistakes_are_one_line(drawn_mpii, tmp_path, capsys, changed, message, run):
    arguments = ["--data", drawn_mpii, "--out", tmp_path / "run", *QUICK, *changed]
    assert run("mpii/train_mpii.py", *arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_shares_of_another_form_are_explained(drawn_mpii, tmp_path, capsys, run):
    with pytest.raises(SystemExit):
        run("mpii/train_mpii.py", "--out", tmp_path, "--shares", "sixteen")
    assert "mpii=16,lsp=8" in capsys.readouterr().err
