"""Trains `vgg16-light` on to give depth, too, of persons in ordinary pictures.

    python exp/mpii/train_vgg16_light_3d.py --out runs/light-3d

Needs the folders of MPII, LSP and LSP-extended (see datasets/). Their persons have 2D labels; a
lifting network, which learns first, gives them depths. Drawn persons in random poses, in front of
backgrounds of MPII, have exact labels. Two stages; `stage2` gives the weights. Needs the extra
`int8`. For the scores, see docs/training-log.md.
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
    ),
)

main = TrainingScript(doc=__doc__, recipe=RECIPE).main


if __name__ == "__main__":
    sys.exit(main())
