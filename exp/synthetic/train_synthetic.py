"""Trains and evaluates both stages on the built-in data set: pose in 2D and 3D, and action.

    python exp/synthetic/train_synthetic.py --out runs/synthetic

Nothing is downloaded. Ends with a table of PCKh, MPJPE and action accuracy on other *synthetic*
persons and views, and with pictures in the folder `eval`. The defaults are made for a laptop: a
light network, 64 pixels, persons filmed from the front. Takes some nine minutes on 2 CPU cores:
PCKh@0.5 71.2, MPJPE 149 mm, accuracy 92.1 %. With `--dim 2`, poses are 2D only, and actions are
predicted from these.
"""

import shlex
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import deephar.cli  # noqa: F401  from here on, Ctrl-C is one line

# isort: split
from deephar import evaluation, weights
from deephar.cli.options import DataOption
from deephar.cli.train import TrainingScript
from deephar.data import Augmentation, Frames, InMemory, Synthetic
from deephar.errors import reporting_errors
from deephar.models import VARIANTS
from deephar.training import (
    ActionStage,
    ActionTraining,
    PoseStage,
    PoseTraining,
    Recipe,
    Source,
    read_recipe,
)
from deephar.training.devices import is_first

VIDEOS, TEST_VIDEOS = 480, 240
SIZE = 96  # pixels of the drawn frames: crops of 64 and some margin

RECIPE = Recipe(
    network=replace(VARIANTS["vgg16-light-64"], dim=3, depth="regression"),
    data={
        "synthetic": Source(
            "synthetic", None, {"videos": VIDEOS, "image_size": SIZE, "views": "front"}
        )
    },
    stages=(
        PoseStage(
            name="pose",
            stem_weights=None,
            shares={"synthetic": 8},
            steps=600,
            training=PoseTraining(epochs=4, learning_rate=0.001),
        ),
        ActionStage(
            name="action",
            num_frames=8,
            shares={"synthetic": 16},
            steps=60,
            cache_features=True,
            training=ActionTraining(epochs=8, learning_rate=0.0002),
        ),
    ),
    validation=0.125,
    # The drawn persons vary a lot, so little augmentation is needed.
    augmentation=Augmentation(rotation=5, scale=(0.95, 1.15), translation=0.05),
)

SCRIPT = TrainingScript(
    doc=__doc__,
    recipe=RECIPE,
    options=(
        DataOption("--videos", {"type": int, "help": f"number of training videos ({VIDEOS})"}),
        DataOption(
            "--views", {"choices": ("front", "all"), "help": "views of the cameras (front)"}
        ),
    ),
)


@reporting_errors
def main(argv=None):
    """Trains and evaluates; returns the exit status (2 for a user's mistake)."""
    argv = sys.argv[1:] if argv is None else argv
    best = SCRIPT.run(argv)
    command = shlex.join(["python", "exp/synthetic/train_synthetic.py", *argv])
    with tempfile.TemporaryDirectory() as nowhere:
        # Of several processes, all evaluate, since they end together. The first one writes.
        out = best.parents[1] / "eval" if is_first() else Path(nowhere)
        evaluate(best, out, command)


def evaluate(best, out, command):
    """Scores single frames and clips of the test set into a folder, and prints a table."""
    options = read_recipe(best.parent).data["synthetic"].options
    test = Synthetic("test", **{**options, "videos": TEST_VIDEOS})
    frames = InMemory(Frames(test, per_video=4))
    pose = evaluation.evaluate_poses(
        best, frames, score=evaluation.score_pckh, out=out / "pose", command=command
    )
    rows = [["2D pose", "PCKh@0.5", f"{pose.answer.total:.1f} %", f"{len(frames)} frames"]]
    if pose.depth is not None:
        error = f"{pose.depth.answer.total:.0f} mm"
        rows.append(["3D pose", "MPJPE", error, f"{len(frames)} frames"])
    if weights.read_config(best).actions:
        action = evaluation.evaluate_actions(
            best, test, out=out / "action", batch_size=16, command=command
        )
        space = "2D" if pose.depth is None else "3D"
        accuracy = f"{action.answer.total:.1f} %"
        rows.append([f"{space} action", "accuracy", accuracy, f"{len(test)} videos"])
    header = ["synthetic test", "measure", "score", "of"]
    print("\n" + "\n".join(evaluation.table_lines(header, rows)))


if __name__ == "__main__":
    sys.exit(main())
