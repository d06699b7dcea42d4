"""Trains a network on with persons beside each other, and half bodies; makes `vgg16-light`.

    python exp/mpii/train_vgg16_light_company.py --out runs/light-company

Starts from `vgg16-light`; the shipped weights started from `stage3` of train_vgg16_light_3d.py,
whose depths this network does not have. Needs the folders of MPII, LSP and LSP-extended (see
datasets/), the latter with labels mended by exp/lsp/clean_labels.py, and the extra `int8`. Took 37
minutes on 2 CPU cores that other programs shared (36,864 crops of 128 pixels). For the scores, see
docs/training-log.md.
"""

import sys
from dataclasses import replace

from deephar.cli.train import TrainingScript
from deephar.data import Augmentation
from deephar.models import VARIANTS
from deephar.training import PoseStage, PoseTraining, Recipe, Source

RECIPE = Recipe(
    network=replace(VARIANTS["vgg16-light"], peak_window=2),
    data={
        "mpii": Source("mpii", "datasets/MPII", company=0.35),
        "lsp": Source("lsp", "datasets/LSP", company=0.35),
        "lspet": Source("lspet", "datasets/LSPET", company=0.35),
    },
    stages=(
        PoseStage(
            name="",
            network={"dim": 2, "depth": None},  # it may start from weights with depths
            start=("vgg16-light",),
            shares={"mpii": 8, "lsp": 6, "lspet": 18},
            steps=96,
            seed=23,
            training=PoseTraining(
                epochs=12,
                learning_rate=0.0008,
                warmup=30,
                freeze_stem=4,
                frozen_int8=True,
                stem_rate=0.2,
                heat_map_weight=0.1,
            ),
        ),
    ),
    augmentation=Augmentation(half_body=0.25),
)

main = TrainingScript(doc=__doc__, recipe=RECIPE).main


if __name__ == "__main__":
    sys.exit(main())
