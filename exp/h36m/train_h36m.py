"""Trains a network of 3D poses on Human3.6M, and on MPII if its folder is given.

    python exp/h36m/train_h36m.py --data datasets/Human3.6M --mpii datasets/MPII --out runs/h36m

Needs the folder of Human3.6M (see datasets/Human3.6M/README.md). MPII has no depth, so its persons
train x and y only. Some training videos are held out, and 2000 of their frames are scored to pick
the best epoch. S9 and S11 are left for exp/h36m/eval_h36m.py. To resume an interrupted run, add
--resume to the same command.

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
                "metavar": "N",
                "help": "picks the best epoch: 1 (MPJPE) or 2 (P-MPJPE) (1)",
            },
        ),
    ),
).main


if __name__ == "__main__":
    sys.exit(main())
