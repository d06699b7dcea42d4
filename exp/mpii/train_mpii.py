"""Trains a pose network on MPII, and on LSP and LSP-extended where they are given.

    python exp/mpii/train_mpii.py --data datasets/MPII --out runs/mpii

Needs the folder of MPII (see datasets/MPII/README.md). Persons to pick the best epoch by are held
out of the training images; the validation split stays unseen for exp/mpii/eval_mpii.py. A killed
run goes on with the same command and --resume.

The default variant is for a GPU. Neither its time nor its score has been measured yet. For networks
that train on a CPU, with their time and their score, see train_vgg16_light.py and
train_vgg16_medium.py in this folder.
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
