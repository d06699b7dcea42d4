"""Trains a network on to give depth, too, of persons in ordinary pictures; makes `vgg16-light`.

    python exp/mpii/train_vgg16_light_3d.py --out runs/light-3d

Starts from `vgg16-light`; the shipped weights started from what train_vgg16_light.py makes. Needs
the folders of MPII, LSP and LSP-extended (see datasets/), the latter with labels mended by
exp/lsp/clean_labels.py. Their persons have 2D labels; a lifting network, which learns first, gives
them depths. Drawn persons in random poses, in front of backgrounds of MPII, have exact labels.
Needs the extra `int8`.

Three stages; the last one gives the weights. The shipped `vgg16-light` is this network without its
depths, see weights/README.md. For the scores, see docs/training-log.md.
"""

import sys
from dataclasses import replace

from deephar.cli.train import TrainingScript
from deephar.models import VARIANTS
from deephar.training import PoseStage, PoseTraining, Recipe, Source

SHARES = {"mpii": 8, "lsp": 6, "lspet": 12, "drawn": 6}
TRAINING = PoseTraining(
    epochs=8,
    learning_rate=0.0008,
    warmup=50,
    freeze_stem=4,
    frozen_int8=True,
    stem_rate=0.2,
    heat_map_weight=0.1,
)

RECIPE = Recipe(
    network=replace(VARIANTS["vgg16-light"], dim=3, depth="regression", peak_window=2),
    data={
        "mpii": Source("mpii", "datasets/MPII", lifted=True),
        "lsp": Source("lsp", "datasets/LSP", lifted=True),
        "lspet": Source("lspet", "datasets/LSPET", lifted=True),
        "drawn": Source("drawn-poses", "datasets/MPII", {"persons": 4000, "image_size": 192}),
    },
    stages=(
        PoseStage(
            name="stage1",
            start=("vgg16-light",),
            shares=SHARES,
            steps=96,
            seed=20,
            training=TRAINING,
        ),
        PoseStage(
            name="stage2",
            shares=SHARES,
            steps=96,
            seed=21,
            training=replace(TRAINING, epochs=7, learning_rate=0.0007, warmup=30),
        ),
        PoseStage(
            name="stage3",
            shares=SHARES,
            steps=96,
            seed=22,
            training=replace(TRAINING, epochs=10, learning_rate=0.0006, warmup=30),
        ),
    ),
)

main = TrainingScript(doc=__doc__, recipe=RECIPE).main


if __name__ == "__main__":
    sys.exit(main())
