"""Trains a small pose network on MPII, LSP and LSP-extended: the first step to `vgg16-light`.

    python exp/mpii/train_vgg16_light.py --out runs/light

Needs the folders of MPII, LSP and LSP-extended (see datasets/). Takes 97 minutes on 2 CPU cores
with bfloat16 (111,360 crops of 128 pixels). Score on the small copies of docs/results.md: MPII
PCKh@0.5 69.1, LSP PCK@0.2 76.6, by the file of epoch 20, picked by joints read from the whole maps
(peak_window=0). train_vgg16_light_3d.py goes on from it.
"""

import sys
from dataclasses import replace

from deephar.cli.train import TrainingScript
from deephar.models import VARIANTS
from deephar.training import PoseStage, PoseTraining, Recipe, Source

RECIPE = Recipe(
    network=replace(VARIANTS["vgg16-light"], peak_window=2),
    data={
        "mpii": Source("mpii", "datasets/MPII"),
        "lsp": Source("lsp", "datasets/LSP"),
        "lspet": Source("lspet", "datasets/LSPET"),
    },
    stages=(
        PoseStage(
            name="",
            shares={"mpii": 8, "lsp": 8, "lspet": 16},
            steps=145,
            training=PoseTraining(
                epochs=24,
                learning_rate=0.001,
                freeze_stem=3,
                stem_rate=0.1,
                heat_map_weight=0.1,
            ),
        ),
    ),
    mixed_precision=True,
)

main = TrainingScript(doc=__doc__, recipe=RECIPE).main


if __name__ == "__main__":
    sys.exit(main())
