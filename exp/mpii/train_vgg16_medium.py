"""Trains the shipped weights `vgg16-medium` on MPII, LSP and LSP-extended.

    python exp/mpii/train_vgg16_medium.py --out runs/medium

Starts from `vgg16-light`; the shipped weights started from what train_vgg16_light.py makes. Needs
the folders of MPII, LSP and LSP-extended (see datasets/), the latter with labels mended by
exp/lsp/clean_labels.py. Eight stages; the last one, `stage8`, gives the weights: the mean of its
best.h5 and last.h5, see weights/README.md. The shipped ones saw mended labels in the last two
stages only, in float32 with --frozen-int8. They saw half bodies, and persons beside each other, in
the last one only. Takes some 12 hours on 2 CPU cores (282,624 crops of 256 pixels). Score on the
small copies of docs/results.md: MPII PCKh@0.5 80.0, LSP PCK@0.2 84.7. For the score of each stage,
see docs/training-log.md.
"""

import sys
from dataclasses import replace

from deephar.cli.train import TrainingScript
from deephar.data import Augmentation
from deephar.models import VARIANTS
from deephar.training import PoseStage, PoseTraining, Recipe, Source

EVEN = {"mpii": 8, "lsp": 8, "lspet": 16}
MORE_EXTENDED = {"mpii": 8, "lsp": 6, "lspet": 18}
# The weights were picked by joints read from the whole maps, until stage 4.
COARSE = {"stem_stride": 8}
WHOLE_MAPS = {"peak_window": 0}

TRAINING = PoseTraining(learning_rate=0.0008, freeze_stem=3, stem_rate=0.2, heat_map_weight=0.3)
FIRST = replace(TRAINING, epochs=22, stem_rate=0.1, heat_map_weight=0.1)
LAST = replace(TRAINING, epochs=12, learning_rate=0.0006, warmup=30, freeze_stem=4)

STAGES = (
    PoseStage(
        name="stage1",
        network={**COARSE, **WHOLE_MAPS},
        start=("vgg16-light",),
        shares=EVEN,
        steps=72,
        seed=0,
        training=replace(FIRST, learning_rate=0.001),
    ),
    # Two more pyramids, with random initial weights.
    PoseStage(
        name="stage2",
        network={**COARSE, **WHOLE_MAPS, "num_pyramids": 4},
        shares=EVEN,
        steps=72,
        seed=7,
        training=FIRST,
    ),
    # Only the first two pyramids are kept, since they had better scores on held-out persons.
    PoseStage(
        name="stage3",
        network={**COARSE, **WHOLE_MAPS},
        start=("stage2/last.h5",),
        shares=MORE_EXTENDED,
        steps=72,
        seed=8,
        training=replace(TRAINING, epochs=24, heat_map_weight=0.1),
    ),
    PoseStage(
        name="stage4",
        network=COARSE,
        shares=MORE_EXTENDED,
        steps=72,
        seed=9,
        training=replace(TRAINING, epochs=20),
    ),
    # Heat maps twice as fine. Layers that stage 4 lacks start from `vgg16-light`.
    PoseStage(
        name="stage5",
        start=("vgg16-light", "stage4/best.h5"),
        shares=EVEN,
        steps=48,
        seed=10,
        training=replace(TRAINING, epochs=14, learning_rate=0.001),
    ),
    PoseStage(
        name="stage6",
        shares=MORE_EXTENDED,
        steps=48,
        seed=11,
        training=replace(TRAINING, epochs=14),
    ),
    PoseStage(name="stage7", shares=MORE_EXTENDED, steps=48, seed=12, training=LAST),
    PoseStage(name="stage8", shares=MORE_EXTENDED, steps=48, seed=13, training=LAST),
)

RECIPE = Recipe(
    network=replace(VARIANTS["vgg16-medium"], peak_window=2),
    data={
        "mpii": Source("mpii", "datasets/MPII", company=0.35),
        "lsp": Source("lsp", "datasets/LSP", company=0.35),
        "lspet": Source("lspet", "datasets/LSPET", company=0.35),
    },
    stages=STAGES,
    augmentation=Augmentation(half_body=0.25),
    mixed_precision=True,
)

main = TrainingScript(doc=__doc__, recipe=RECIPE).main


if __name__ == "__main__":
    sys.exit(main())
