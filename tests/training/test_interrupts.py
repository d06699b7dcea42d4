"""Ctrl-C in the middle of an epoch: what is kept is told, and training goes on."""

import csv
import os
import signal
import threading
import time
from dataclasses import replace

import pytest

from deephar.errors import reporting_errors
from deephar.models import ModelConfig
from deephar.training import PoseStage, PoseTraining, Recipe, Source, train
from deephar.training.run import epochs_done

TINY = ModelConfig(
    stem="vgg16-narrow", image_size=64, stem_features=8, growth=4, num_pyramids=1, num_levels=2
)


def recipe(folder, epochs):
    stage = PoseStage(
        name="pose",
        stem_weights=None,
        shares={"mpii": 2},
        steps=4,
        training=PoseTraining(epochs=epochs),
    )
    return Recipe(
        network=TINY, data={"mpii": Source("mpii", str(folder))}, stages=(stage,), validation=0.2
    )


@pytest.fixture
def ctrl_c_after():
    """Presses Ctrl-C soon after something is true."""
    # A job in the background of a shell ignores Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def press(is_true):
        def wait():
            while not is_true():
                time.sleep(0.02)
            time.sleep(0.05)
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=wait, daemon=True).start()

    yield press
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("op_by_op")
def test_ctrl_c_says_what_is_kept_and_the_run_goes_on(drawn_mpii, ctrl_c_after, tmp_path, capsys):
    out = tmp_path / "run"

    @reporting_errors
    def main(argv=None):
        train(recipe(drawn_mpii, 1000), out, workers=0)

    ctrl_c_after(lambda: epochs_done(out / "pose") >= 1)
    assert main() == 130
    epochs = epochs_done(out / "pose")
    kept = f"interrupted: The complete epochs in {out} are kept (pose {epochs}). To go on, add "
    assert capsys.readouterr().err.endswith(f"{kept}--resume.\n")
    more = recipe(drawn_mpii, epochs + 1)
    train(more, out, resume=True, workers=0)
    with open(out / "pose" / "log.csv") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == [
            str(number) for number in range(1, epochs + 2)
        ]


@pytest.mark.usefixtures("op_by_op")
def test_ctrl_c_in_the_first_epoch_says_so(drawn_mpii, ctrl_c_after, tmp_path):
    first = recipe(drawn_mpii, 1)
    first = replace(first, stages=(replace(first.stages[0], steps=100_000),))
    ctrl_c_after((tmp_path / "run" / "pose" / "state.h5").exists)
    with pytest.raises(KeyboardInterrupt, match=r"No epoch is complete in .*run\. Start again\."):
        train(first, tmp_path / "run", workers=0)
    train(recipe(drawn_mpii, 1), tmp_path / "run", workers=0)
