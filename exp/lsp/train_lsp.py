"""Trains a pose network on LSP, and on LSP-extended if its folder is given.

    python exp/lsp/train_lsp.py --data datasets/LSP --lsp-extended datasets/LSPET --out runs/lsp

Needs the folder of LSP (see datasets/LSP/README.md). Trains on images 1 to 1000, and holds out some
of them to pick the best epoch. The test images are left for exp/lsp/eval_lsp.py. To resume an
interrupted run, add --resume to the same command. LSP has no labels of pelvis and thorax. If you
need them, start from a network trained on MPII (--weights runs/mpii/best.h5).

On a CPU, add --variant vgg16-light --freeze-stem 3 --stem-rate 0.1 --heat-map-weight 0.1. Time and
score on LSP alone: not measured. For training on MPII and LSP together, see "Results" in the
README.
"""

import sys

from deephar.cli.train import TrainingScript
from deephar.models import VARIANTS
from deephar.training import PoseStage, PoseTraining, Recipe, Source

RECIPE = Recipe(
    network=VARIANTS["vgg16"],
    data={
        "lsp": Source("lsp", "datasets/LSP"),
        "lspet": Source("lspet", "datasets/LSPET"),
    },
    stages=(
        PoseStage(
            name="",
            shares={"lsp": 16, "lspet": 16},
            training=PoseTraining(epochs=60, learning_rate=0.001),
        ),
    ),
)

main = TrainingScript(doc=__doc__, recipe=RECIPE, optional=("lspet",)).main


if __name__ == "__main__":
    sys.exit(main())
