"""Training on several devices, in processes of their own: for tests/training/test_devices.py.

The backend, the devices and the number of the process are set before Keras is imported.
"""

import json
import os
import signal
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

if __name__ == "__main__":
    # Keras would import these, which takes seconds.
    sys.modules["sklearn"] = None
    if os.environ["KERAS_BACKEND"] == "jax":
        sys.modules["tensorflow"] = None

from networks import SHORT_BLOCKS

from deephar import weights
from deephar.data import Augmentation, SequenceAugmentation, Synthetic
from deephar.models import ModelConfig, stems
from deephar.training import (
    ActionStage,
    ActionTraining,
    PoseStage,
    PoseTraining,
    Recipe,
    Source,
    stages,
    train,
    train_folder,
)

DRAWN = {"videos": 12, "image_size": 64, "frames": 6}
EPOCHS = 3
HEADS = Recipe(
    network=ModelConfig(
        stem="none",
        streams=("pose",),
        num_frames=4,
        actions={"synthetic": 12},
        num_pyramids=1,
        num_levels=2,
        pose_features=16,
    ),
    data={"synthetic": Source("synthetic", None, DRAWN)},
    stages=(
        ActionStage(
            name="",
            shares={"synthetic": 8},
            steps=3,  # few: once a rounding error moves an input of a ReLU over 0, it grows
            training=ActionTraining(epochs=EPOCHS, learning_rate=0.01),
        ),
    ),
    validation=0.5,
)
"""Action heads on labelled poses: a network that compiles fast, with batch normalization."""

ALIKE = Recipe(
    network=ModelConfig(
        stem="vgg16-narrow",
        image_size=64,
        stem_features=8,
        growth=4,
        num_pyramids=1,
        num_levels=2,
    ),
    data={"mpii": Source("mpii", "in memory")},
    stages=(
        PoseStage(
            stem_weights=None,
            shares={"mpii": 4},
            steps=2,
            training=PoseTraining(epochs=1, heat_map_weight=0.5, stem_rate=0.1),
        ),
    ),
    validation=0.3,
    augmentation=Augmentation(
        rotation=0, scale=(1, 1), flip=0, translation=0, channel_power=(1, 1)
    ),
)
"""A pose network that sees the same person in each place of a batch.

So the statistics of a part of a batch are those of the batch.
"""


def with_batch(recipe, size):
    """The recipe with batches of another size."""
    (stage,) = recipe.stages
    return replace(recipe, stages=(replace(stage, shares=dict.fromkeys(recipe.data, size)),))


def folder_recipe(out, folder, readout):
    """Heads for a folder of files of poses: linear readouts, or blocks that learn in steps."""
    network = weights.read_config(out / "start.h5")
    below = network.actions if readout else {}
    return Recipe(
        network=replace(network, actions={}, readout_of=below),
        data={"folder": Source("folder", str(out / folder))},
        stages=(
            ActionStage(
                name="",
                start=(str(out / "start.h5"),),
                heads=True,
                shares={"folder": 4},
                steps=2,
                num_frames=4,
                frame_rate=10.0,
                streams=("pose",),
                augmentation=SequenceAugmentation(),
                training=ActionTraining(epochs=1, learning_rate=0.01),
            ),
        ),
    )


def learn_from_folders(out, name, devices=None):
    """Runs of both kinds, by name of the run folder, on a folder of poses."""
    for kind in ("readout", "blocks"):
        recipe = folder_recipe(out, "poses", kind == "readout")
        train_folder(recipe, out / f"{name}-{kind}", folds=2, runtime="keras", devices=devices)


class Dying(Synthetic):
    """Videos that end the process when a run has two complete epochs."""

    log: Path

    def __getitem__(self, index):
        if self.log.exists() and len(self.log.read_text().splitlines()) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(index)


def note_writes(folder, notes):
    """Notes which files of a folder this process writes, renames or removes."""

    def see(event, arguments):
        changes = event == "open" and set(arguments[1] or "") & set("wax+")
        changes = changes or event in ("os.rename", "os.remove")
        if changes and str(arguments[0]).startswith(str(folder)):
            with open(notes, "a") as file:
                file.write(f"{event} {arguments[0]}\n")

    sys.addaudithook(see)


def error_of(*arguments, training=train, **options):
    """Kind and message of the error that a training raises."""
    try:
        training(*arguments, **options)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "no error"


def one_of_two(out):
    """One of two processes that train together; the second one dies in the last epoch."""
    process = int(os.environ["JAX_PROCESS_ID"])
    errors = {}

    def keep():
        (out / f"errors{process}.json").write_text(json.dumps(errors))

    errors["batch"] = error_of(with_batch(HEADS, 7), out / "odd", devices="all")
    stages.__version__ = f"1.{process}"
    errors["differ"] = error_of(replace(HEADS, seed=process), out / "differ", devices="all")
    stages.__version__ = "1.0"
    recipe = folder_recipe(out, f"poses{process or ''}", readout=True)
    training = partial(train_folder, runtime="keras")
    errors["videos"] = error_of(recipe, out / "videos", training=training, devices="all")
    recipe = folder_recipe(out, "poses", readout=True)
    training = partial(training, precision=("float32", "bfloat16")[process])
    errors["runtime"] = error_of(recipe, out / "videos", training=training, devices="all")
    keep()
    if process == 1:
        note_writes(out / "both", out / "writes1.txt")
    learn_from_folders(out, "both", devices="all")
    data = None
    if process == 1:
        data = {"synthetic": Dying("train", **DRAWN)}
        data["synthetic"].log = out / "both" / "log.csv"
    errors["killed"] = error_of(HEADS, out / "both", data=data, devices="all")
    keep()


def two_devices(out):
    """Trains on one device; and resumes the run of the process that died, on two."""
    train(HEADS, out / "one")
    train(HEADS, out / "both", resume=True, devices="all")
    learn_from_folders(out, "one")
    errors = {
        "many": error_of(HEADS, out / "many", devices=3),
        "batch": error_of(with_batch(HEADS, 7), out / "odd", devices=2),
    }
    (out / "errors.json").write_text(json.dumps(errors))


def mirrored(out):
    """The same on TensorFlow, which divides the CPU in two."""
    import tensorflow as tf
    from dots import Dots

    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    alike = Dots(1)
    alike.samples = [replace(alike[0], name=f"dots{number}.png") for number in range(6)]
    data = {"mpii": alike}
    train(ALIKE, out / "one", data=data)
    train(ALIKE, out / "two", data=data, devices=2)
    (stage,) = HEADS.stages
    once = replace(stage, steps=2, training=replace(stage.training, epochs=1))
    train(replace(HEADS, stages=(once,)), out / "heads", devices=2)
    errors = {
        "many": error_of(ALIKE, out / "many", data=data, devices=3),
        "batch": error_of(with_batch(ALIKE, 5), out / "odd", data=data, devices="all"),
    }
    (out / "errors.json").write_text(json.dumps(errors))


if __name__ == "__main__":
    stems.VGG16_BLOCKS = SHORT_BLOCKS  # as in conftest.py
    globals()[sys.argv[1]](Path(sys.argv[2]))
