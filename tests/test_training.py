import csv
import json
import os
import signal
import subprocess
import sys
import time

import h5py
import keras
import numpy as np
import pytest

from deephar import weights
from deephar.data import MPII, Batches, Subset
from deephar.evaluation import predict_poses, score_mpii
from deephar.models import VARIANTS, ModelConfig, pose_model
from deephar.training import PoseTraining, freeze_stem, train_pose

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
    batches = Batches({"mpii": persons}, {"mpii": 8}, config.image_size, steps_per_epoch=160)
    training = PoseTraining(epochs=1, schedule="constant", freeze_stem=5)
    out = tmp_path / "run"
    (row,) = train_pose(pose_model(config), config, batches, persons, score_mpii, out, training)
    assert row["val_pckh"] > 95


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


def start_run(folder, out, resume=False):
    """Runs ``train`` of this file in a process of its own."""
    code = (
        "import importlib.util, sys\n"
        f"spec = importlib.util.spec_from_file_location('tests_of_training', {__file__!r})\n"
        "module = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n"
        "training = module.PoseTraining(epochs=3, freeze_stem=4)\n"
        f"module.train({str(folder)!r}, {str(out)!r}, {resume}, training, steps=5)\n"
    )
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)


def test_a_killed_run_resumes_to_the_result_of_an_uninterrupted_one(drawn_mpii, tmp_path):
    assert start_run(drawn_mpii, tmp_path / "whole").wait() == 0

    killed = tmp_path / "killed"
    process = start_run(drawn_mpii, killed)
    while not (killed / "state.h5").exists():
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.01)
    time.sleep(0.3)  # into the second epoch
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert len((killed / "log.csv").read_text().splitlines()) < 4, "killed too late to resume"
    (killed / "log.csv").open("a").write("2,0.1,99.0,0.0\n")  # a row whose state was not written

    assert start_run(drawn_mpii, killed, resume=True).wait() == 0
    whole, resumed = stored(tmp_path / "whole" / "last.h5"), stored(killed / "last.h5")
    assert whole.keys() == resumed.keys()
    for name, value in whole.items():
        np.testing.assert_allclose(resumed[name], value, atol=1e-5, err_msg=name)
    logs = [(run / "log.csv").read_text().splitlines() for run in (tmp_path / "whole", killed)]
    assert [len(log) for log in logs] == [4, 4]
    np.testing.assert_allclose(*[np.array(log[-1].split(","), float) for log in logs], rtol=1e-4)


def test_a_run_killed_in_its_first_epoch_starts_over(drawn_mpii, tmp_path):
    train(drawn_mpii, tmp_path / "a")
    train(drawn_mpii, tmp_path / "b")
    for name in ("state.h5", "best.h5", "last.h5"):
        (tmp_path / "b" / name).unlink()
    train(drawn_mpii, tmp_path / "b", resume=True)
    a, b = stored(tmp_path / "a" / "last.h5"), stored(tmp_path / "b" / "last.h5")
    for name, value in a.items():
        np.testing.assert_allclose(b[name], value, atol=1e-5, err_msg=name)


def test_a_run_folder_is_not_overwritten_and_resumes_only_with_its_own_settings(
    drawn_mpii, tmp_path
):
    with pytest.raises(FileNotFoundError, match="no run to resume"):
        train(drawn_mpii, tmp_path / "run", resume=True)
    train(drawn_mpii, tmp_path / "run")
    with pytest.raises(FileExistsError, match="holds a run already"):
        train(drawn_mpii, tmp_path / "run")
    other = PoseTraining(epochs=2, freeze_stem=5, learning_rate=0.5)
    with pytest.raises(ValueError, match=r"learning_rate was 0\.001, now 0\.5"):
        train(drawn_mpii, tmp_path / "run", resume=True, training=other)


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
