"""Trains a network of 3D poses on Human3.6M, and on MPII where it is given.

    python exp/h36m/train_h36m.py --data datasets/Human3.6M --mpii datasets/MPII --out runs/h36m

Needs the folder of Human3.6M (see datasets/Human3.6M/README.md). Persons of MPII train x and y
only: their depth is not known. To pick the best epoch by, performances are held out of the training
videos, and 2000 frames of them are scored; S9 and S11 stay unseen for exp/h36m/eval_h36m.py. A
killed run goes on with the same command and --resume.

The default variant is for a GPU, with --mixed-precision. Time and score: not measured, data set
unavailable. The paper reports an MPJPE of 55.1 mm, single crop.
"""

import sys
from dataclasses import replace

from deephar.cli.options import DataOption
from deephar.cli.train import TrainingScript
from deephar.models import VARIANTS
from deephar.training import PoseStage, PoseTraining, Recipe, Source

RECIPE = Recipe(
    network=replace(VARIANTS["vgg16"], skeleton="pa17j", dim=3, depth="volumetric"),
    data={
        "h36m": Source("h36m", "datasets/Human3.6M", {"protocol": 1}),
        "mpii": Source("mpii", "datasets/MPII"),
    },
    stages=(
        PoseStage(
            name="",
            shares={"h36m": 16, "mpii": 16},
            training=PoseTraining(epochs=60, learning_rate=0.001),
        ),
    ),
    validation_limit=2000,
)

main = TrainingScript(
    doc=__doc__,
    recipe=RECIPE,
    optional=("mpii",),
    skeletons=("pa17j",),
    options=(
        DataOption("--every", {"type": int, "metavar": "N", "help": "take every N-th frame (5)"}),
        DataOption(
            "--protocol",
            {
                "type": int,
                "help": "measure to pick the best epoch by: 1 (MPJPE) or 2 (P-MPJPE) (1)",
            },
        ),
    ),
).main


if __name__ == "__main__":
    sys.exit(main())
