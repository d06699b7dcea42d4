"""Runs of two stages that are killed at random moments, as many as `--kills N` says.

Whatever a kill leaves behind, the run resumes to the result of one that was not killed.
"""

import csv
import os
import signal
import time
import traceback
from pathlib import Path

import numpy as np
import pytest
from networks import POSES

from deephar import weights
from deephar.models import build_model
from deephar.training import (
    ActionStage,
    ActionTraining,
    PoseStage,
    PoseTraining,
    Recipe,
    Source,
    train,
)

RECIPE = Recipe(
    network=POSES,
    data={
        "synthetic": Source(
            "synthetic", None, {"videos": 12, "image_size": 64, "frames": 6, "views": "front"}
        )
    },
    stages=(
        PoseStage(
            name="pose",
            stem_weights=None,
            shares={"synthetic": 4},
            steps=4,
            training=PoseTraining(epochs=4),
        ),
        ActionStage(
            name="action",
            num_frames=4,
            shares={"synthetic": 4},
            steps=4,
            cache_features=True,
            training=ActionTraining(epochs=4),
        ),
    ),
    validation=0.25,
)


def start(out, resume=False):
    """Starts the run in a process; returns its number."""
    child = os.fork()  # Keras is imported already; nothing has been computed
    if child:
        return child
    try:
        with open(out.with_suffix(".txt"), "a") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        train(RECIPE, out, resume=resume)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def finish(out, resume=False):
    """Runs to the end; returns the seconds that processors worked for it."""
    _, status, usage = os.wait4(start(out, resume), 0)
    assert status == 0, out.with_suffix(".txt").read_text()[-3000:]
    return usage.ru_utime + usage.ru_stime


def kill_after(child, seconds):
    """Kills a process when processors have worked for it so long; returns whether it was at work.

    Other programs, which slow it down, do not move the moment towards its beginning.
    """
    done = False
    while not done and worked(child) < seconds:
        time.sleep(0.01)
        done = os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def worked(child):
    """The seconds that processors have worked for a process (proc(5), stat)."""
    stat = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


def result(out):
    """Weights of all files, and the losses of all epochs."""
    values = []
    for stage in ("pose", "action"):
        for name in ("best.h5", "last.h5"):
            config = weights.read_config(out / stage / name)
            model = build_model(config)
            weights.load(model, out / stage / name)
            values += model.get_weights()
        with open(out / stage / "log.csv") as file:
            rows = list(csv.DictReader(file))
        values += [np.array([[float(value) for value in row.values()] for row in rows])]
    return values


def test_a_run_killed_at_random_resumes_to_the_same_result(request, tmp_path):
    kills = request.config.getoption("--kills")
    if not kills:
        pytest.skip("give --kills N")
    if not Path("/proc/self/stat").exists():
        pytest.skip("needs Linux")
    seconds = finish(tmp_path / "whole")
    rng = np.random.default_rng(20)
    killed = []
    for number in range(kills):
        out = tmp_path / f"run{number}"
        child = start(out)
        moment = rng.uniform(0, seconds)
        was_killed = kill_after(child, moment)
        left = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
        resume = any(name.endswith("state.h5") for name in left)
        killed.append((out, was_killed))
        print(f"killed: {was_killed}, after {moment:.1f} s of {seconds:.1f}: {', '.join(left)}")
        finish(out, resume)
    # Only now does this process compute, which it could not pass on.
    expected = result(tmp_path / "whole")
    for out, _ in killed:
        for ours, theirs in zip(result(out), expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
        assert not list(out.rglob(".part.*"))
    assert any(was_killed for _, was_killed in killed)
