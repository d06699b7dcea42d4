import csv
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from deephar import weights
from deephar.data import MPII, Batches, Subset
from deephar.evaluation import predict_poses, score_mpii
from deephar.models import VARIANTS, ModelConfig, pose_model
from deephar.runs import _Progress, _save_state
from deephar.training import PoseTraining, _compile_pose, freeze_stem, train_pose

TINY = ModelConfig(image_size=64, stem_features=16, growth=8, num_pyramids=1, num_levels=2)
QUICK = PoseTraining(epochs=2, freeze_stem=5)


def train(folder, out, resume=False, training=QUICK, config=TINY, steps=2, seed=0):
    keras.utils.set_random_seed(seed)
    dataset = MPII(folder, "train")
    batches = Batches({"mpii": dataset}, {"mpii": 4}, 64, steps_per_epoch=steps, workers=0)
    validation = Subset(dataset, range(2))
    return train_pose(
        pose_model(config), config, batches, validation, score_mpii, out, training, resume
    )


def stored(path):
    """All arrays of an HDF5 file by name."""
    arrays = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: arrays.update({name: item[()]}) if hasattr(item, "shape") else None
        )
    return arrays


def test_a_run_writes_config_log_and_weights_that_load(drawn_mpii, tmp_path):
    log = train(drawn_mpii, tmp_path / "run")
    assert [row["epoch"] for row in log] == [1, 2]
    with open(tmp_path / "run" / "log.csv") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [1, 2]
    assert set(rows[0]) == {"epoch", "loss", "val_pckh", "learning_rate"}
    settings = json.loads((tmp_path / "run" / "config.json").read_text())
    assert settings["training"]["learning_rate"] == 0.001
    assert settings["data"]["shares"] == {"mpii": 4}
    for name in ("best.h5", "last.h5"):
        model, config = weights.load_model(tmp_path / "run" / name)
        assert config == TINY
        facts = weights.read_facts(tmp_path / "run" / name)
        dataset = Subset(MPII(drawn_mpii, "train"), range(2))
        score = score_mpii(predict_poses(model, config, dataset), dataset).answer.total
        assert facts["score"]["val_pckh"] == pytest.approx(score)
    best = max(row["val_pckh"] for row in log)
    assert weights.read_facts(tmp_path / "run" / "best.h5")["score"]["val_pckh"] == best


def test_the_light_variant_overfits_eight_persons(drawn_mpii, tmp_path):
    """PCKh above 95 in under two minutes on two cores, from random weights."""
    keras.utils.set_random_seed(0)
    config = VARIANTS["vgg16-light"]
    persons = Subset(MPII(drawn_mpii, "train"), range(8))
    batches = Batches({"mpii": persons}, {"mpii": 8}, config.image_size, steps_per_epoch=130)
    training = PoseTraining(epochs=1, schedule="constant", freeze_stem=5)
    out = tmp_path / "run"
    start = time.perf_counter()
    (row,) = train_pose(pose_model(config), config, batches, persons, score_mpii, out, training)
    assert row["val_pckh"] > 95
    assert time.perf_counter() - start < 120


def test_frozen_blocks_keep_their_weights_and_the_others_train(drawn_mpii, tmp_path):
    keras.utils.set_random_seed(0)
    before = {layer.name: layer.get_weights() for layer in pose_model(TINY).layers}
    train(drawn_mpii, tmp_path, training=PoseTraining(epochs=1, freeze_stem=4), steps=1)
    model, _ = weights.load_model(tmp_path / "last.h5")
    for layer in model.layers:
        if layer.name.startswith("block") and layer.get_weights():
            same = np.array_equal(layer.get_weights()[0], before[layer.name][0])
            assert same == (not layer.name.startswith("block5")), layer.name


@pytest.mark.parametrize("blocks", [0, 2, 5])
def test_freeze_stem_counts_blocks_from_the_input(blocks):
    model = pose_model(TINY)
    freeze_stem(model, blocks)
    frozen = {layer.name[:6] for layer in model.layers if not layer.trainable}
    assert frozen == {f"block{number}" for number in range(1, blocks + 1)}


class Killed(Batches):
    """Batches that kill their process when batch ``at[1]`` of epoch ``at[0]`` is asked for."""

    at = None

    def __getitem__(self, index):
        if (self.epoch, index) == self.at:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(index)


def run_in_a_process(folder, out, kill_at=None, resume=False):
    """Exit status of a training of three epochs of five batches, with two workers."""
    code = (
        "import importlib.util, keras\n"
        f"spec = importlib.util.spec_from_file_location('tests_of_training', {__file__!r})\n"
        "tests = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(tests)\n"
        f"tests.Killed.at = {kill_at}\n"
        f"keras.utils.set_random_seed({99 if resume else 0})\n"  # resuming must not need the seed
        f"dataset = tests.MPII({str(folder)!r}, 'train')\n"
        "batches = tests.Killed({'mpii': dataset}, {'mpii': 4}, 64, steps_per_epoch=5)\n"
        "training = tests.PoseTraining(epochs=3, freeze_stem=4)\n"
        "validation = tests.Subset(dataset, range(2))\n"
        "tests.train_pose(tests.pose_model(tests.TINY), tests.TINY, batches, validation,\n"
        f"    tests.score_mpii, {str(out)!r}, training, {resume})\n"
    )
    return subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL).returncode


@pytest.fixture(scope="module")
def whole_run(drawn_mpii, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    assert run_in_a_process(drawn_mpii, out) == 0
    return out


@pytest.mark.parametrize("kill_at", [(0, 3), (1, 3)], ids=["first_epoch", "second_epoch"])
def test_a_killed_run_resumes_to_the_result_of_an_uninterrupted_one(
    drawn_mpii, whole_run, tmp_path, kill_at
):
    out = tmp_path / "run"
    assert run_in_a_process(drawn_mpii, out, kill_at) == -signal.SIGKILL
    assert (out / "last.h5").exists() == (kill_at[0] > 0)
    (out / "log.csv").open("a").write("9,0.1,99.0,0.0\n")  # a row whose state was not written
    (out / ".part.last.h5").write_text("what a kill while writing leaves")

    assert run_in_a_process(drawn_mpii, out, resume=True) == 0
    whole, resumed = stored(whole_run / "last.h5"), stored(out / "last.h5")
    assert whole.keys() == resumed.keys()
    for name, value in whole.items():
        np.testing.assert_allclose(resumed[name], value, atol=1e-5, err_msg=name)
    logs = [(run / "log.csv").read_text().splitlines() for run in (whole_run, out)]
    assert [len(log) for log in logs] == [4, 4]
    np.testing.assert_allclose(*[np.array(log[-1].split(","), float) for log in logs], rtol=1e-4)
    assert not list(out.glob(".*"))


def test_a_run_folder_is_not_overwritten_and_resumes_only_with_its_own_settings(
    drawn_mpii, tmp_path
):
    with pytest.raises(FileNotFoundError, match="no run to --resume"):
        train(drawn_mpii, tmp_path / "run", resume=True)
    train(drawn_mpii, tmp_path / "run")
    with pytest.raises(FileExistsError, match="holds a run already"):
        train(drawn_mpii, tmp_path / "run")
    other = PoseTraining(epochs=2, freeze_stem=5, learning_rate=0.5)
    with pytest.raises(ValueError, match=r"learning_rate was 0\.001, now 0\.5"):
        train(drawn_mpii, tmp_path / "run", resume=True, training=other)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "last.h5").write_text("kept")
    with pytest.raises(FileExistsError, match=r"holds a run already \(last\.h5\)"):
        train(drawn_mpii, tmp_path / "a")
    with pytest.raises(FileNotFoundError, match=r"--weights .*last\.h5"):
        train(drawn_mpii, tmp_path / "a", resume=True)
    config = tmp_path / "run" / "config.json"
    settings = json.loads(config.read_text())
    settings["data"]["train"]["lsp"] = {"persons": 1000}  # as of a run with one data set more
    config.write_text(json.dumps(settings))
    with pytest.raises(ValueError, match=r"data\.train\.lsp\.persons was 1000, now absent"):
        train(drawn_mpii, tmp_path / "run", resume=True)
    config.write_text("null")
    with pytest.raises(ValueError, match=r"config\.json: not the settings of a run"):
        train(drawn_mpii, tmp_path / "run", resume=True)


def test_a_run_that_failed_in_its_first_epoch_can_be_started_again(drawn_mpii, tmp_path):
    too_fast = PoseTraining(epochs=1, freeze_stem=5, learning_rate=1e30)
    with pytest.raises(FloatingPointError):
        train(drawn_mpii, tmp_path, training=too_fast)
    assert len(train(drawn_mpii, tmp_path)) == 2


def test_resuming_a_complete_run_says_so(drawn_mpii, tmp_path, capsys):
    log = train(drawn_mpii, tmp_path)
    before = (tmp_path / "last.h5").stat().st_mtime_ns
    capsys.readouterr()
    assert train(drawn_mpii, tmp_path, resume=True) == log
    assert "complete, all 2 epochs are done" in capsys.readouterr().out
    assert (tmp_path / "last.h5").stat().st_mtime_ns == before


def test_a_network_that_cannot_be_validated_is_refused_before_training(drawn_mpii, tmp_path):
    config = ModelConfig(**{**vars(TINY), "skeleton": "lsp14"})
    batches = Batches({"mpii": MPII(drawn_mpii)}, {"mpii": 4}, 64, "lsp14", steps_per_epoch=1)
    with pytest.raises(ValueError, match="lacks pelvis, thorax"):
        train_pose(
            pose_model(config), config, batches, MPII(drawn_mpii), score_mpii, tmp_path / "run"
        )
    assert not (tmp_path / "run").exists()


def test_a_full_disk_leaves_the_previous_state(drawn_mpii, tmp_path):
    train(drawn_mpii, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        model = pose_model(TINY)
        _compile_pose(model, QUICK, steps=4)
        model.optimizer.build(model.trainable_variables)
        with pytest.raises(OSError, match=r"state\.h5: .*the previous version was kept"):
            _save_state(model, tmp_path, _Progress())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_a_bad_image_in_mid_epoch_is_named(drawn_mpii, tmp_path, damage):
    dataset = MPII(drawn_mpii, "train")
    folder = tmp_path / "MPII"
    shutil.copytree(drawn_mpii, folder)
    batches = Batches({"mpii": MPII(folder, "train")}, {"mpii": 4}, 64, workers=2)
    image = Path(batches.samples(3)[0].image)
    if damage == "missing":
        image.unlink()
    else:
        image.write_bytes(image.read_bytes()[:1000])
    error = FileNotFoundError if damage == "missing" else ValueError
    with pytest.raises(error, match=image.name):
        train_pose(pose_model(TINY), TINY, batches, dataset, score_mpii, tmp_path / "run", QUICK)


def test_a_damaged_state_says_so(drawn_mpii, tmp_path):
    train(drawn_mpii, tmp_path)
    state = tmp_path / "state.h5"
    state.write_bytes(state.read_bytes()[:10_000])
    with pytest.raises(ValueError, match=r"state\.h5: damaged"):
        train(drawn_mpii, tmp_path, resume=True)


def test_a_loss_that_is_not_finite_stops_training_and_names_the_batch(drawn_mpii, tmp_path):
    class Poisoned(Batches):
        def __getitem__(self, index):
            images, targets = super().__getitem__(index)
            if index == 2:
                targets["pose"][:] = np.inf
            return images, targets

    dataset = MPII(drawn_mpii, "train")
    batches = Poisoned({"mpii": dataset}, {"mpii": 4}, 64, steps_per_epoch=3, workers=0)
    with pytest.raises(FloatingPointError, match=r"epoch 1, batch 3 of 3 \(persons train") as error:
        train_pose(pose_model(TINY), TINY, batches, dataset, score_mpii, tmp_path, QUICK)
    for sample in batches.samples(2):
        assert sample.name in str(error.value)
    assert not (tmp_path / "last.h5").exists()


@pytest.mark.parametrize(
    "settings",
    [{"epochs": 0}, {"learning_rate": 0.0}, {"schedule": "guess"}, {"freeze_stem": 6}],
)
def test_settings_that_make_no_sense_are_refused(settings):
    (name,) = settings
    with pytest.raises(ValueError, match=name):
        PoseTraining(**settings)
