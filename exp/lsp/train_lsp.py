"""Trains a pose network on LSP, and on LSP-extended where it is given.

    python exp/lsp/train_lsp.py --data datasets/LSP --lsp-extended datasets/LSPET --out runs/lsp

Needs the folder of LSP (see datasets/LSP/README.md). Images 1 to 1000 are trained on; persons to
pick the best epoch by are held out of them, and the test images stay unseen for
exp/lsp/eval_lsp.py. A killed run goes on with the same command and --resume. LSP labels neither
pelvis nor thorax: start from a network of MPII (--weights runs/mpii/best.h5) if they matter.

On a CPU, add --variant vgg16-light --freeze-stem 3 --stem-rate 0.1 --heat-map-weight 0.1. Time and
score of training on LSP alone have not been measured; the README's "Results" has those of training
on MPII and LSP together.
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
