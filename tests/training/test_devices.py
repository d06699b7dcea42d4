"""Training on several devices and by several processes, and what goes wrong with them.

The trainings run in processes of their own, see tests/device_runs.py.
"""

import csv
import importlib.util
import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from device_runs import EPOCHS, HEADS
from networks import HEADS as NARROW_HEADS
from networks import POSES, save_untrained

from deephar import weights
from deephar.training import train

TESTS = Path(__file__).parents[1]
SECONDS = 300
NAMES = ("both", "one")  # of two processes, and of one

needs_jax = pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason="needs JAX: pip install 'deephar[jax]'"
)


def start(function, out, backend, **variables):
    """Starts a process of tests/device_runs.py."""
    paths = [str(TESTS), str(TESTS.parent), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.Popen(
        [sys.executable, str(TESTS / "device_runs.py"), function, str(out)],
        env={**environment, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def outcomes(*processes):
    """Exit status and output of processes."""
    try:
        texts = [process.communicate(timeout=SECONDS)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(process.returncode, text) for process, text in zip(processes, texts, strict=True)]


def losses(out):
    with open(out / "log.csv") as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


def errors(path):
    return json.loads(path.read_text())


def write_poses(root, lacking=()):
    """Writes a folder of poses: two actions with four files each, and without those that lack."""
    rng = np.random.default_rng(0)
    for action, speed in (("slow", 1), ("fast", 4)):
        for number in range(4):
            poses = rng.uniform(50, 200, (17, 3)) + speed * np.arange(12)[:, None, None]
            poses[..., 2] = 1
            lines = [{"image_id": n, "keypoints": p.ravel().tolist()} for n, p in enumerate(poses)]
            path = root / action / f"{number}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.name not in lacking:
                path.write_text(json.dumps(lines))


@pytest.fixture(scope="module")
def on_jax(tmp_path_factory):
    """Folder of runs of two processes and of one; outcomes of the two."""
    out = tmp_path_factory.mktemp("jax")
    config = replace(POSES, **NARROW_HEADS, actions={"penn": 3}, streams=("pose",), last_pose=True)
    save_untrained(out / "start.h5", config, actions={"penn": ["a", "b", "c"]}, frame_rate=10.0)
    write_poses(out / "poses")
    write_poses(out / "poses1", lacking=["3.json"])
    shared = {  # compile quickly, and once
        "JAX_COMPILATION_CACHE_DIR": str(out / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        "XLA_FLAGS": "--xla_backend_optimization_level=0",
    }
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    shared["DEEPHAR_CACHE"] = str(out / "cache")
    several = {**shared, "JAX_COORDINATOR_ADDRESS": address, "JAX_NUM_PROCESSES": "2"}
    pair = outcomes(
        *(start("one_of_two", out, "jax", **several, JAX_PROCESS_ID=str(n)) for n in range(2))
    )
    assert (out / "errors0.json").exists(), pair
    shared["XLA_FLAGS"] += " --xla_force_host_platform_device_count=2"
    shared["DEEPHAR_CACHE"] = str(out / "cache-one")
    ((status, text),) = outcomes(start("two_devices", out, "jax", **shared))
    assert status == 0, text
    return out, pair


@pytest.fixture(scope="module")
def on_tensorflow(tmp_path_factory):
    """Folder of runs on one device and on two."""
    out = tmp_path_factory.mktemp("tensorflow")
    ((status, text),) = outcomes(start("mirrored", out, "tensorflow"))
    assert status == 0, text
    return out


@needs_jax
def test_two_processes_learn_what_one_does_and_two_devices_go_on_with_it(on_jax):
    out, _ = on_jax
    expected = losses(out / "one")
    assert len(expected) == EPOCHS
    # The first two epochs, of 3 steps each, are of two processes, and the last is resumed.
    assert losses(out / "both") == pytest.approx(expected, abs=1e-5)


@needs_jax
def test_only_the_first_process_prints(on_jax):
    (_, first), (_, second) = on_jax[1]
    assert f"Epoch 1/{EPOCHS}" in first
    known = ("[Gloo]", "Files of poses")  # of JAX; a warning
    assert [line for line in second.splitlines() if not line.startswith(known)] == []


@needs_jax
def test_only_the_first_process_writes(on_jax):
    out, _ = on_jax
    assert (out / "both" / "best.h5").exists()
    assert not (out / "writes1.txt").exists()


@needs_jax
@pytest.mark.parametrize("kind", ["readout", "blocks"])
def test_two_processes_learn_the_actions_of_a_folder_as_one_does(on_jax, kind):
    out, _ = on_jax
    found = [json.loads((out / f"{n}-{kind}/report/results.json").read_text()) for n in NAMES]
    scores = [[dict(video["best"])["fast"] for video in result["videos"]] for result in found]
    assert len(scores[0]) == 8
    np.testing.assert_allclose(*scores, atol=1e-4)
    heads = [weights.load_model(out / f"{name}-{kind}" / "best.h5")[0] for name in NAMES]
    for ours, theirs in zip(*(network.get_weights() for network in heads), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert not (out / f"both-{kind}" / ".scratch").exists()


@needs_jax
def test_a_process_that_lost_the_other_stops_with_a_sentence(on_jax):
    out, ((status, _), (of_killed, _)) = on_jax
    assert (status, of_killed) == (2, -9)
    message = errors(out / "errors0.json")["killed"]
    assert message.startswith("ConnectionError: Another process of this run has ended (")
    assert "Start all processes again with --resume" in message


@needs_jax
@pytest.mark.parametrize(
    ("case", "differences"),
    [
        ("differ", "stage.seed is 1, not 0; version is 1.1, not 1.0)"),
        (
            "videos",
            "videos.fast/3.json is absent, not fast; videos.slow/3.json is absent, not slow)",
        ),
        ("runtime", "runtime is Keras in bfloat16, not Keras in float32)"),
    ],
)
def test_processes_that_differ_are_refused_by_all_and_told_in_what(on_jax, case, differences):
    out, _ = on_jax
    messages = [errors(out / f"errors{number}.json")[case] for number in range(2)]
    assert messages[0] == messages[1]
    assert "Process 1 of the run differs from process 0 (" in messages[0]
    assert differences in messages[0]
    assert not (out / case).exists() or not list((out / case).glob("*.h5"))


@needs_jax
@pytest.mark.parametrize("file", ["errors.json", "errors0.json", "errors1.json"])
def test_batches_that_cannot_be_divided_are_refused(on_jax, file):
    message = errors(on_jax[0] / file)["batch"]
    assert message == (
        "ValueError: A batch has 7 samples, which cannot be divided equally between 2 devices. "
        "Take 6 or 8 samples."
    )


@needs_jax
def test_more_devices_than_there_are_on_jax(on_jax):
    message = errors(on_jax[0] / "errors.json")["many"]
    assert (
        "There are not 3 devices, only cpu:0, cpu:1. Give at most --devices 2, or all." in message
    )


def test_mirrored_devices_learn_what_one_does(on_tensorflow):
    one, two = (losses(on_tensorflow / name / "pose") for name in ("one", "two"))
    assert two == pytest.approx(one, rel=1e-3)  # RMSprop makes rounding errors larger


def test_mirrored_devices_learn_actions_at_the_rate_of_the_recipe(on_tensorflow):
    with open(on_tensorflow / "heads" / "log.csv") as file:
        (row,) = csv.DictReader(file)
    assert float(row["learning_rate"]) == pytest.approx(HEADS.stages[0].training.learning_rate)


def test_bad_numbers_of_devices_on_tensorflow(on_tensorflow):
    messages = errors(on_tensorflow / "errors.json")
    assert "There are not 3 devices, only CPU:0, CPU:1. Give at most" in messages["many"]
    assert "A batch of the stage pose has 5 samples, which cannot be divided" in messages["batch"]


@pytest.mark.parametrize("devices", [0, "some", 1.5])
def test_devices_are_a_number_or_all(devices, tmp_path):
    with pytest.raises(ValueError, match="must be a positive integer or 'all', got"):
        train(HEADS, tmp_path / "run", devices=devices)


def test_several_processes_need_devices(monkeypatch, tmp_path):
    monkeypatch.setenv("JAX_NUM_PROCESSES", "2")
    with pytest.raises(ValueError, match=r"JAX_NUM_PROCESSES is 2, .* Add --devices all, or unset"):
        train(HEADS, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_other_backends_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(ValueError, match=r"runs on torch, .* Set KERAS_BACKEND=jax or tensorflow"):
        train(HEADS, tmp_path / "run", devices="all")


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="about TensorFlow alone")
def test_several_processes_need_jax(monkeypatch, tmp_path):
    monkeypatch.setenv("JAX_NUM_PROCESSES", "2")
    with pytest.raises(ValueError, match=r"trains in one process\. Set KERAS_BACKEND=jax"):
        train(HEADS, tmp_path / "run", devices="all")
