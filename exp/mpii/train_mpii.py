"""Trains a pose network on MPII, and on LSP and LSP-extended if their folders are given.

    python exp/mpii/train_mpii.py --data datasets/MPII --out runs/mpii

Needs the folder of MPII (see datasets/MPII/README.md). Some training persons are held out to pick
the best epoch. The validation split is left for exp/mpii/eval_mpii.py. To resume an interrupted
run, add --resume to the same command.

The default variant needs a GPU. Time and score: not measured. For networks that train on a CPU, see
train_vgg16_light.py and train_vgg16_medium.py in this folder.
"""

import sys

from deephar.cli.train import TrainingScript
from deephar.models import VARIANTS
from deephar.training import PoseStage, PoseTraining, Recipe, Source

RECIPE = Recipe(
    network=VARIANTS["vgg16"],
    data={
        "mpii": Source("mpii", "datasets/MPII"),
        "lsp": Source("lsp", "datasets/LSP"),
        "lspet": Source("lspet", "datasets/LSPET"),
    },
    stages=(
        PoseStage(
            name="",
            shares={"mpii": 16, "lsp": 8, "lspet": 8},
            training=PoseTraining(epochs=60, learning_rate=0.001),
        ),
    ),
)

main = TrainingScript(doc=__doc__, recipe=RECIPE, optional=("lsp", "lspet")).main


if __name__ == "__main__":
    sys.exit(main())
