"""How the workers end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SAMPLES = """
import numpy as np
from deephar.data import Sample
nowhere = np.full((16, 2), np.nan)
image = np.zeros((48, 64, 3), np.uint8)
samples = [Sample(image, nowhere, nowhere[:, 0], "mpii16", np.full(2, 20.0), 40.0, 5.0, "a")] * 8
"""

KILLED = (
    SAMPLES
    + """
import os, time
from deephar.data.pool import CropPool
if __name__ == "__main__":
    pool = CropPool(1, use_processes=True)
    pool.crop(samples, [0] * 8, 32, "pa16j", None)
    print(next(iter(pool._pool._processes)), flush=True)
    time.sleep(60)
"""
)

LEFT_IN_MID_EPOCH = (
    SAMPLES
    + """
import sys, keras
from deephar.data import Batches

class Leave(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if batch == 3:
            sys.exit(3)

image = keras.Input((32, 32, 3))
pose = keras.layers.Dense(48)(keras.layers.GlobalAveragePooling2D()(image))
model = keras.Model(image, {"pose": keras.layers.Reshape((16, 3))(pose)})
model.compile(loss={"pose": "mse"})
batches = Batches({"a": samples}, {"a": 8}, 32, steps_per_epoch=5000)
model.fit(batches, shuffle=False, verbose=0, callbacks=[Leave()])
"""
)


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")
def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    (tmp_path / "script.py").write_text(KILLED)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, str(tmp_path / "script.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as parent:
        worker = int(parent.stdout.readline())
        assert is_running(worker)
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while is_running(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(worker)


def test_program_that_leaves_training_in_mid_epoch_ends():
    # TensorFlow's prefetching is in the way: without precautions, this hangs or aborts at times.
    command = [sys.executable, "-c", LEFT_IN_MID_EPOCH]
    result = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert result.returncode == 3, result.stderr[-2000:]
