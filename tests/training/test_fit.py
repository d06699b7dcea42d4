import contextlib
import csv
import json
import math
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras.layers import BatchNormalization
from networks import CLIPS, SMALL

from deephar import weights
from deephar.data import (
    MPII,
    Batches,
    ClipBatches,
    InputSpec,
    SequenceBatches,
    Subset,
    Synthetic,
)
from deephar.evaluation import score_mpii
from deephar.inference import predict_poses
from deephar.models import (
    VARIANTS,
    ModelConfig,
    action_model,
    action_view,
    frame_view,
    multitask_model,
    pose_model,
)
from deephar.training.compile import (
    PlateauRate,
    compile_action,
    freeze_stem,
    set_pose_trainable,
    set_statistics,
)
from deephar.training.fit import train_action, train_pose
from deephar.training.run import Run
from deephar.training.settings import ActionTraining, PoseTraining

TINY = ModelConfig(**SMALL)
QUICK = PoseTraining(epochs=2)


def linear_model(config=TINY):
    """A network of one layer, for tests of the run, in which the network does not matter."""
    image = keras.Input((64, 64, 3))
    values = keras.layers.Flatten()(keras.layers.AveragePooling2D(2)(image))
    pose = keras.layers.Reshape((1, 16, 3))(keras.layers.Dense(48, name="linear")(values))
    return keras.Model(image, {"pose": pose})


def train(folder, out, resume=False, training=QUICK, config=TINY, *, build=linear_model, **options):
    """A training of two batches per epoch."""
    options = {"seed": 0, "steps": 2, "validate": None, **options}
    keras.utils.set_random_seed(options["seed"])
    dataset = MPII(folder, "train")
    batches = Batches(
        {"mpii": dataset},
        {"mpii": 4},
        spec=InputSpec(64),
        steps_per_epoch=options["steps"],
        workers=0,
    )
    return train_pose(
        build(config),
        config,
        batches,
        validation=Subset(dataset, range(2)),
        run=Run(out, resume),
        training=training,
        validate=options["validate"],
    )


class Interrupted(Exception):
    pass


def interrupting(measure, times):
    """A function that scores a model, and raises after some times: before training, then epochs."""
    scores = iter([50.0] * times)

    def validate():
        for score in scores:
            return {measure: score}
        raise Interrupted

    return validate


def stored(path):
    """All arrays of an HDF5 file by name."""
    arrays = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: arrays.update({name: item[()]}) if hasattr(item, "shape") else None
        )
    return arrays


@pytest.mark.usefixtures("op_by_op")
def test_a_run_writes_config_log_and_weights_that_load(drawn_mpii, tmp_path):
    training = PoseTraining(epochs=2, freeze_stem=5)
    log = train(drawn_mpii, tmp_path / "run", training=training, build=pose_model)
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


@pytest.mark.usefixtures("whole_stem")
def test_the_light_variant_overfits_eight_persons(drawn_mpii, tmp_path):
    """PCKh above 95 in under a minute on two cores, from random weights and crops of 64 pixels.

    The cores may be shared with other tests: what counts is the processor time of both together.
    """
    keras.utils.set_random_seed(0)
    config = VARIANTS["vgg16-light-64"]
    persons = Subset(MPII(drawn_mpii, "train"), range(8))
    batches = Batches({"mpii": persons}, {"mpii": 8}, spec=InputSpec.of(config), steps_per_epoch=60)
    training = PoseTraining(epochs=1)
    out = tmp_path / "run"
    start = time.process_time()
    (row,) = train_pose(
        pose_model(config),
        config,
        batches,
        validation=persons,
        run=Run(out),
        training=training,
    )
    assert row["val_pckh"] > 95
    assert time.process_time() - start < 2 * 60


@pytest.mark.usefixtures("op_by_op")
@pytest.mark.parametrize("frozen_int8", [False, True])
def test_a_run_with_heat_maps_resumes_to_the_same_weights(drawn_mpii, tmp_path, frozen_int8):
    if frozen_int8:
        pytest.importorskip("nncf")
    training = PoseTraining(
        epochs=2, freeze_stem=4, frozen_int8=frozen_int8, stem_rate=0.1, heat_map_weight=0.1
    )
    options = {"training": training, "build": pose_model}
    log = train(drawn_mpii, tmp_path / "whole", **options)
    assert {"heat_map_loss", "val_pckh"} <= set(log[0])
    whole = stored(tmp_path / "whole" / "last.h5")

    out = tmp_path / "parts"
    with pytest.raises(Interrupted):
        train(drawn_mpii, out, validate=interrupting("pckh", 2), **options)
    train(drawn_mpii, out, resume=True, seed=1, **options)
    parts = stored(out / "last.h5")
    for name, values in whole.items():
        np.testing.assert_allclose(parts[name], values, rtol=1e-5, atol=1e-5, err_msg=name)


def weights_of_epochs(folder, out, training, *, resume=False, epochs=math.inf):
    """Weights that are scored: before training, and after each epoch of a batch."""
    built, found = [], []

    def build(config):
        built.append(linear_model(config))
        return built[0]

    def validate():
        if len(found) > epochs:
            raise Interrupted
        found.append(built[0].get_layer("linear").get_weights()[0])
        return {"pckh": 50.0}

    options = {"training": training, "build": build, "validate": validate, "steps": 1}
    with contextlib.suppress(Interrupted):
        train(folder, out, resume, **options)
    return found


def test_averages_of_the_weights_are_scored_and_saved_also_after_a_resume(drawn_mpii, tmp_path):
    plain = PoseTraining(epochs=4, schedule="constant")
    averaged = replace(plain, average=0.75)
    _, average, *later = weights_of_epochs(drawn_mpii, tmp_path / "plain", plain)
    assert np.abs(later[-1] - average).max() > 1e-4
    expected = [average]
    for values in later:
        average = 0.75 * average + 0.25 * values
        expected.append(average)

    whole = tmp_path / "whole"
    _, *found = weights_of_epochs(drawn_mpii, whole, averaged)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    model = linear_model()
    weights.load(model, whole / "last.h5")
    np.testing.assert_allclose(model.get_layer("linear").kernel, expected[-1], atol=1e-6)

    parts = tmp_path / "parts"
    _, *before = weights_of_epochs(drawn_mpii, parts, averaged, epochs=2)
    _, *after = weights_of_epochs(drawn_mpii, parts, averaged, resume=True)
    np.testing.assert_allclose([*before, *after], expected, atol=1e-6)

    short = replace(averaged, epochs=2)
    weights_of_epochs(drawn_mpii, tmp_path / "longer", short)
    _, *after = weights_of_epochs(drawn_mpii, tmp_path / "longer", averaged, resume=True)
    np.testing.assert_allclose(after, expected[2:], atol=1e-6)


@pytest.mark.usefixtures("op_by_op")
def test_frozen_blocks_keep_their_weights_and_the_others_train(drawn_mpii, tmp_path):
    keras.utils.set_random_seed(0)
    before = {layer.name: layer.get_weights() for layer in pose_model(TINY).layers}
    training = PoseTraining(epochs=1, freeze_stem=4)
    train(drawn_mpii, tmp_path, training=training, build=pose_model, steps=1)
    model, _ = weights.load_model(tmp_path / "last.h5")
    for layer in model.layers:
        if layer.name.startswith("block") and layer.get_weights():
            same = np.array_equal(layer.get_weights()[0], before[layer.name][0])
            assert same == (not layer.name.startswith("block5")), layer.name


class Killed(Batches):
    """Batches that kill their process when batch ``at[1]`` of epoch ``at[0]`` is asked for."""

    at = None

    def __getitem__(self, index):
        if (self.epoch, index) == self.at:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(index)


def train_three_epochs(folder, out, kill_at=None, resume=False):
    """A training with five batches per epoch and two workers."""
    keras.utils.set_random_seed(99 if resume else 0)  # resuming must not need the seed
    dataset = MPII(folder, "train")
    batches = Killed({"mpii": dataset}, {"mpii": 4}, spec=InputSpec(64), steps_per_epoch=5)
    batches.at = kill_at
    train_pose(
        linear_model(),
        TINY,
        batches,
        validation=Subset(dataset, range(2)),
        run=Run(out, resume),
        training=PoseTraining(epochs=3),
    )


def fork_to_kill(folder, out, kill_at):
    """Starts such a training in a child, which is killed; prints whether it was."""
    child = os.fork()
    if not child:
        train_three_epochs(folder, out, kill_at)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    print("killed:", os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL)


KILLS = {"first_epoch": (0, 3), "second_epoch": (1, 3)}


@pytest.fixture(scope="module")
def killed_runs(drawn_mpii, tmp_path_factory):
    """Folder with a run for each of `KILLS`, made by one process, which has computed nothing."""
    out = tmp_path_factory.mktemp("killed")
    code = (
        "import importlib.util\n"
        f"spec = importlib.util.spec_from_file_location('tests_of_training', {__file__!r})\n"
        "tests = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(tests)\n"
        "for name, at in tests.KILLS.items():\n"
        f"    tests.fork_to_kill({str(drawn_mpii)!r}, tests.Path({str(out)!r}) / name, at)\n"
    )
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=True)
    told = [line for line in result.stdout.splitlines() if line.startswith("killed: ")]
    assert told == ["killed: True"] * len(KILLS)
    return out


@pytest.fixture(scope="module")
def whole_run(drawn_mpii, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    train_three_epochs(drawn_mpii, out)
    return out


@pytest.mark.parametrize("name", KILLS)
def test_a_killed_run_resumes_to_the_same_weights(drawn_mpii, whole_run, killed_runs, name):
    out = killed_runs / name
    assert (out / "last.h5").exists() == (name != "first_epoch")
    (out / "log.csv").open("a").write("9,0.1,99.0,0.0\n")  # a row whose state was not written
    (out / ".part.last.h5").write_text("what a kill while writing leaves")

    train_three_epochs(drawn_mpii, out, resume=True)
    whole, resumed = stored(whole_run / "last.h5"), stored(out / "last.h5")
    assert whole.keys() == resumed.keys()
    for name, value in whole.items():
        np.testing.assert_allclose(resumed[name], value, atol=1e-5, err_msg=name)
    logs = [(run / "log.csv").read_text().splitlines() for run in (whole_run, out)]
    assert [len(log) for log in logs] == [4, 4]
    np.testing.assert_allclose(*[np.array(log[-1].split(","), float) for log in logs], rtol=1e-4)
    assert not list(out.glob(".*"))


def test_an_interrupt_that_is_lost_on_its_way_ends_the_training(drawn_mpii, tmp_path):
    def validate():
        with contextlib.suppress(KeyboardInterrupt):  # as NumPy does while it waits for JAX
            signal.raise_signal(signal.SIGINT)
        return {"pckh": 50.0}

    # A job in the background of a shell ignores Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            train(drawn_mpii, tmp_path, validate=validate)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 2  # a header and an epoch


def test_a_run_is_not_overwritten_and_resumes_with_its_own_settings_only(drawn_mpii, tmp_path):
    with pytest.raises(FileNotFoundError, match="no run to --resume"):
        train(drawn_mpii, tmp_path / "run", resume=True)
    train(drawn_mpii, tmp_path / "run")
    with pytest.raises(FileExistsError, match="holds a run already"):
        train(drawn_mpii, tmp_path / "run")
    other = PoseTraining(epochs=2, learning_rate=0.5)
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
    with pytest.raises(ValueError, match=r"config\.json does not hold the settings of a run"):
        train(drawn_mpii, tmp_path / "run", resume=True)


def test_a_run_from_before_a_field_of_the_config_can_be_resumed(drawn_mpii, tmp_path):
    log = train(drawn_mpii, tmp_path)
    path = tmp_path / "config.json"
    settings = json.loads(path.read_text())
    del settings["model"]["peak_window"], settings["training"]["average"]
    path.write_text(json.dumps(settings))
    assert train(drawn_mpii, tmp_path, resume=True) == log
    settings["model"]["eyes"] = 3  # a field of a later version
    path.write_text(json.dumps(settings))
    with pytest.raises(ValueError, match=r"config\.json does not hold the settings of a run.*eyes"):
        train(drawn_mpii, tmp_path, resume=True)


@pytest.mark.usefixtures("op_by_op")
def test_a_peak_window_needs_supervised_heat_maps(drawn_mpii, tmp_path):
    config = replace(TINY, peak_window=2)
    with pytest.raises(ValueError, match=r"--heat-map-weight.*--peak-window 0"):
        train(drawn_mpii, tmp_path, config=config)
    assert not list(tmp_path.iterdir())
    training = replace(QUICK, epochs=1, heat_map_weight=0.1)
    log = train(drawn_mpii, tmp_path, config=config, training=training, build=pose_model)
    assert len(log) == 1


def test_a_run_that_failed_in_its_first_epoch_can_be_started_again(drawn_mpii, tmp_path):
    too_fast = PoseTraining(epochs=1, learning_rate=1e30)
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


def test_a_run_that_gets_more_epochs_is_as_one_that_had_them(drawn_mpii, tmp_path):
    two = PoseTraining(epochs=2, schedule="constant")
    train(drawn_mpii, tmp_path / "whole", training=two)
    train(drawn_mpii, tmp_path / "parts", training=replace(two, epochs=1))
    log = train(drawn_mpii, tmp_path / "parts", training=two, resume=True)
    assert [row["epoch"] for row in log] == [1, 2]
    whole, parts = (stored(tmp_path / name / "last.h5") for name in ("whole", "parts"))
    for name, values in whole.items():
        np.testing.assert_allclose(parts[name], values, rtol=1e-5, atol=1e-5, err_msg=name)
    settings = [
        json.loads((tmp_path / name / "config.json").read_text()) for name in ("whole", "parts")
    ]
    assert settings[0] == settings[1]


def test_a_network_that_cannot_be_validated_is_refused_before_training(drawn_mpii, tmp_path):
    config = ModelConfig(**{**vars(TINY), "skeleton": "lsp14"})
    batches = Batches(
        {"mpii": MPII(drawn_mpii)}, {"mpii": 4}, spec=InputSpec.of(config), steps_per_epoch=1
    )
    with pytest.raises(ValueError, match="lacks pelvis, thorax"):
        train_pose(
            pose_model(config),
            config,
            batches,
            validation=MPII(drawn_mpii),
            run=Run(tmp_path / "run"),
        )
    assert not (tmp_path / "run").exists()


def test_a_full_disk_leaves_the_previous_state(drawn_mpii, tmp_path):
    with pytest.raises(Interrupted):
        train(drawn_mpii, tmp_path, validate=interrupting("pckh", 2))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 18, hard))
    try:
        with pytest.raises(OSError, match=r"\.h5 .*The previous version was kept"):
            train(drawn_mpii, tmp_path, resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_of_an_error_the_epoch_with_the_lowest_is_the_best(drawn_mpii, tmp_path):
    for measure, best in (("mpjpe", 2), ("pckh", 1)):
        scores = iter([200.0, 300.0, 90.0])
        log = train(
            drawn_mpii,
            tmp_path / measure,
            validate=lambda: {measure: next(scores)},  # noqa: B023
        )
        assert [row[f"val_{measure}"] for row in log] == [300.0, 90.0]
        assert weights.read_facts(tmp_path / measure / "best.h5")["epoch"] == best


@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_a_bad_image_in_mid_epoch_is_named(drawn_mpii, tmp_path, damage):
    dataset = MPII(drawn_mpii, "train")
    folder = tmp_path / "MPII"
    shutil.copytree(drawn_mpii, folder)
    batches = Batches({"mpii": MPII(folder, "train")}, {"mpii": 4}, spec=InputSpec(64), workers=2)
    image = Path(batches.samples(3)[0].image)
    if damage == "missing":
        image.unlink()
    else:
        image.write_bytes(image.read_bytes()[:1000])
    error = FileNotFoundError if damage == "missing" else ValueError
    with pytest.raises(error, match=image.name):
        train_pose(
            linear_model(),
            TINY,
            batches,
            validation=dataset,
            run=Run(tmp_path / "run"),
            training=QUICK,
        )


def test_a_damaged_state_says_so(drawn_mpii, tmp_path):
    train(drawn_mpii, tmp_path)
    state = tmp_path / "state.h5"
    state.write_bytes(state.read_bytes()[:10_000])
    with pytest.raises(ValueError, match=r"state\.h5 is damaged"):
        train(drawn_mpii, tmp_path, resume=True)


def test_a_loss_that_is_not_finite_stops_training_and_names_the_batch(drawn_mpii, tmp_path):
    class Poisoned(Batches):
        def __getitem__(self, index):
            images, targets = super().__getitem__(index)
            if index == 2:
                targets["pose"][:] = np.inf
            return images, targets

    dataset = MPII(drawn_mpii, "train")
    batches = Poisoned(
        {"mpii": dataset}, {"mpii": 4}, spec=InputSpec(64), steps_per_epoch=3, workers=0
    )
    with pytest.raises(FloatingPointError, match=r"epoch 1, batch 3 of 3 \(persons train") as error:
        train_pose(
            linear_model(),
            TINY,
            batches,
            validation=dataset,
            run=Run(tmp_path),
            training=QUICK,
        )
    for sample in batches.samples(2):
        assert sample.name in str(error.value)
    assert not (tmp_path / "last.h5").exists()


HEADS = ModelConfig(
    stem="none",
    streams=("pose",),
    num_frames=4,
    num_pyramids=1,
    num_levels=2,
    actions={"synthetic": 12},
    pose_features=16,
)


def sequence_batches(videos, subsampling=1):
    return SequenceBatches(
        {"synthetic": videos},
        {"synthetic": 4},
        spec=InputSpec.of(HEADS, subsampling),
        steps_per_epoch=2,
    )


def train_heads(out, resume=False, validate=None, training=None, subsampling=1):
    """Stage 2 on labelled poses: two epochs of two batches."""
    keras.utils.set_random_seed(0)
    videos = Synthetic("train", videos=12, image_size=64, frames=6)
    batches = sequence_batches(videos, subsampling)
    model = action_model(HEADS)
    log = train_action(
        model,
        HEADS,
        batches,
        validation=videos,
        run=Run(out, resume),
        validate=validate or (lambda: {"accuracy": 50.0}),
        training=training or ActionTraining(epochs=2),
    )
    return model, log


def test_the_rate_falls_when_the_score_stagnates_also_after_a_resume(tmp_path):
    scores = iter([0, 10.0, 20.0, 20.0, 19.0, 21.0, 20.0])  # the first before training
    training = ActionTraining(epochs=6, patience=2)
    _, log = train_heads(tmp_path / "a", False, lambda: {"accuracy": next(scores)}, training)
    rates = [row["learning_rate"] for row in log]
    np.testing.assert_allclose(rates, [2e-4, 2e-4, 2e-4, 2e-4, 2e-5, 2e-5], rtol=1e-5)
    model = action_model(HEADS)
    compile_action(model, training, steps=12)
    callback = PlateauRate(log[:4], training)
    callback.set_model(model)
    callback.on_epoch_begin(4)
    assert float(model.optimizer.learning_rate) == pytest.approx(2e-5)


@pytest.mark.usefixtures("op_by_op")
@pytest.mark.parametrize(
    "settings", [{}, {"average": 0.75}, {"average": 0.75, "optimizer": "adamw"}]
)
def test_a_resumed_action_stage_gives_the_same_weights(tmp_path, settings):
    training = ActionTraining(epochs=2, **settings)
    whole, _ = train_heads(tmp_path / "whole", training=training)
    with pytest.raises(Interrupted):
        train_heads(tmp_path / "run", False, interrupting("accuracy", 2), training)
    resumed, log = train_heads(tmp_path / "run", True, training=training)
    assert [row["epoch"] for row in log] == [1, 2]
    for expected, actual in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_allclose(actual, expected, atol=1e-5)
    saved = [stored(tmp_path / run / "last.h5") for run in ("whole", "run")]
    for name, expected in saved[0].items():
        np.testing.assert_allclose(saved[1][name], expected, atol=1e-5, err_msg=name)
    # The averages are saved, and the model keeps the weights themselves.
    averages = action_model(HEADS)
    weights.load(averages, tmp_path / "run" / "last.h5")
    pairs = zip(averages.get_weights(), resumed.get_weights(), strict=True)
    same = all(np.array_equal(average, own) for average, own in pairs)
    assert same == (not training.average)


@pytest.mark.usefixtures("op_by_op")
def test_averages_have_statistics_of_their_own(tmp_path):
    training = ActionTraining(epochs=2, average=0.75, optimizer="adamw", learning_rate=0.01)
    train_heads(tmp_path, training=training)
    saved = stored(tmp_path / "last.h5")
    batches = sequence_batches(Synthetic("train", videos=12, image_size=64, frames=6))
    batches.epoch = 2  # those that would come next
    model = action_model(HEADS)
    weights.load(model, tmp_path / "last.h5")
    set_statistics(model, [batches[index][0] for index in range(2)])
    weights.save(model, HEADS, tmp_path / "again.h5", epoch=2)
    for name, values in stored(tmp_path / "again.h5").items():
        np.testing.assert_allclose(values, saved[name], atol=1e-5, err_msg=name)


@pytest.mark.usefixtures("op_by_op")
def test_poses_with_supervised_heat_maps_are_averaged(drawn_mpii, tmp_path):
    training = PoseTraining(epochs=1, average=0.75, heat_map_weight=0.1, freeze_stem=4)
    train(drawn_mpii, tmp_path, training=training, build=pose_model, steps=1)
    model = pose_model(TINY)
    weights.load(model, tmp_path / "last.h5")
    norm = [layer for layer in model.layers if isinstance(layer, BatchNormalization)][-1]
    assert np.abs(keras.ops.convert_to_numpy(norm.moving_mean)).max() > 0
    before = model.get_weights()
    freeze_stem(model, 4)
    batches = Batches(
        {"mpii": MPII(drawn_mpii, "train")}, {"mpii": 4}, spec=InputSpec(64), steps_per_epoch=1
    )
    batches.epoch = 1
    set_statistics(model, [batches[0][0]])
    batches.close()
    for values, expected in zip(model.get_weights(), before, strict=True):
        np.testing.assert_allclose(values, expected, atol=1e-4)


@pytest.mark.usefixtures("op_by_op")
def test_a_resumed_action_stage_must_have_the_same_clips(tmp_path):
    train_heads(tmp_path)
    with pytest.raises(ValueError, match=r"data\.subsampling was 1, now whole"):
        train_heads(tmp_path, resume=True, subsampling="whole")


@pytest.mark.usefixtures("op_by_op")
def test_stage_2_keeps_the_pose_network_and_stage_3_trains_it(tmp_path):
    config = replace(CLIPS, num_pyramids=1)
    keras.utils.set_random_seed(0)
    videos = Synthetic("train", videos=12, image_size=64, frames=4)
    batches = ClipBatches(
        {"synthetic": videos},
        {"synthetic": 2},
        spec=InputSpec.of(config),
        steps_per_epoch=2,
        workers=0,
    )
    model = multitask_model(config)

    def parts():
        groups = frame_view(model).get_weights(), action_view(model).get_weights()
        return [[value.copy() for value in group] for group in groups]

    def same(first, second):
        return [np.array_equal(a, b) for a, b in zip(first, second, strict=True)]

    start = parts()
    for number, training in enumerate(
        (ActionTraining(epochs=1), ActionTraining(epochs=1, finetune=True))
    ):
        train_action(
            model,
            config,
            batches,
            validation=videos,
            run=Run(tmp_path / str(number)),
            validate=lambda: {"accuracy": 1.0},
            training=training,
        )
        trained = parts()
        assert all(same(start[0], trained[0])) == (number == 0)
        assert not any(same(start[1], trained[1])[:4])
        batches.epoch = 0
    with pytest.raises(ValueError, match="no pose network to finetune"):
        set_pose_trainable(action_view(model), True)
