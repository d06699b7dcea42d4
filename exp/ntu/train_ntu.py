"""Trains 3D pose and action on NTU RGB+D, in stages.

    python exp/ntu/train_ntu.py --data datasets/NTU --mpii datasets/MPII --out runs/ntu

Stage `pose` trains with RMSprop on frames of the videos and on the stills of --mpii, which have no
depth. Stage `action` trains with SGD and Nesterov momentum on the frozen pose network. Stage
`finetune`, which runs only if given in --stages, trains the whole network. Some training persons
are held out to pick the best epoch, by both protocols. Writes a folder for each stage. To evaluate:
eval_ntu.py --weights runs/ntu/action/best.h5. To resume an interrupted run, add --resume to the
same command.

    --protocol cross-view                        train on cameras 2 and 3, test on camera 1
    --stages action --weights WEIGHTS            stage 2 on any pose weights
    --stream pose --poses labels                 the pose stream alone, from labels, without frames

Time and score: not measured, data set unavailable. The paper reports an accuracy of 85.5 %
cross-subject.
"""

import sys
from dataclasses import replace

from deephar.cli.options import DataOption
from deephar.cli.train import TrainingScript
from deephar.data.sets.ntu import PROTOCOLS
from deephar.models import VARIANTS, ModelConfig
from deephar.training import (
    ActionStage,
    ActionTraining,
    PoseStage,
    PoseTraining,
    Recipe,
    Source,
)

NTU = Source("ntu", "datasets/NTU", {"protocol": PROTOCOLS[0]})

RECIPE = Recipe(
    network=replace(VARIANTS["vgg16"], skeleton="pa17j", dim=3, depth="regression"),
    data={"ntu": NTU, "mpii": Source("mpii", "datasets/MPII")},
    stages=(
        PoseStage(
            name="pose",
            shares={"ntu": 16, "mpii": 8},
            training=PoseTraining(epochs=60, learning_rate=0.001),
        ),
        ActionStage(
            name="action",
            shares={"ntu": 8, "mpii": 4},
            training=ActionTraining(
                epochs=30, optimizer="sgd", learning_rate=0.0002, momentum=0.98, schedule="plateau"
            ),
        ),
        ActionStage(
            name="finetune",
            shares={"ntu": 4, "mpii": 2},
            training=ActionTraining(
                epochs=10,
                optimizer="sgd",
                learning_rate=0.00002,
                momentum=0.98,
                schedule="plateau",
                finetune=True,
            ),
        ),
    ),
)

LABELS_RECIPE = Recipe(
    network=ModelConfig(
        stem="none",
        streams=("pose",),
        num_frames=16,
        num_levels=2,
        actions={"ntu": 60},
        pose_features=96,
    ),
    data={"ntu": NTU},
    stages=(
        ActionStage(
            name="action",
            shares={"ntu": 32},
            training=ActionTraining(
                epochs=100,
                optimizer="adamw",
                learning_rate=0.002,
                weight_decay=0.1,
                schedule="cosine",
                label_smoothing=0.1,
            ),
        ),
    ),
)

main = TrainingScript(
    doc=__doc__,
    recipe=RECIPE,
    optional=("mpii",),
    stages=("pose", "action"),
    skeletons=("pa17j", "pa20j"),
    options=(
        DataOption(
            "--protocol",
            {
                "choices": PROTOCOLS,
                "metavar": "NAME",
                "help": f"{' or '.join(PROTOCOLS)} ({PROTOCOLS[0]})",
            },
        ),
    ),
    labels=LABELS_RECIPE,
).main


if __name__ == "__main__":
    sys.exit(main())
