"""How the workers end."""

import subprocess
import sys

SAMPLES = """
import numpy as np
from deephar.data import Sample
nowhere = np.full((16, 2), np.nan)
image = np.zeros((48, 64, 3), np.uint8)
samples = [Sample(image, nowhere, nowhere[:, 0], "mpii16", np.full(2, 20.0), 40.0, 5.0, "a")] * 8
"""

LEFT_IN_MID_EPOCH = (
    SAMPLES
    + """
import sys, keras
from deephar.data import Batches, InputSpec

class Leave(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if batch == 3:
            sys.exit(3)

image = keras.Input((32, 32, 3))
pose = keras.layers.Dense(48)(keras.layers.GlobalAveragePooling2D()(image))
model = keras.Model(image, {"pose": keras.layers.Reshape((16, 3))(pose)})
model.compile(loss={"pose": "mse"})
batches = Batches({"a": samples}, {"a": 8}, spec=InputSpec(32), steps_per_epoch=5000)
model.fit(batches, shuffle=False, verbose=0, callbacks=[Leave()])
"""
)


def test_program_that_leaves_training_in_mid_epoch_ends():
    # TensorFlow's prefetching is in the way: without precautions, this hangs or aborts at times.
    command = [sys.executable, "-c", LEFT_IN_MID_EPOCH]
    result = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert result.returncode == 3, result.stderr[-2000:]
