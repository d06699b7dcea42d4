"""Trains pose and action on Penn Action, or on the built-in data set, in stages.

    python exp/pennaction/train_penn.py --mpii datasets/MPII --out runs/penn

Stage `pose` trains with RMSprop on frames of the videos and on the stills of --mpii. Stage `action`
trains with SGD and Nesterov momentum on the frozen pose network. Stage `finetune`, which runs only
if given in --stages, trains the whole network. Writes a folder for each stage. To evaluate:
eval_penn.py --weights runs/penn/action/best.h5. To resume an interrupted run, add --resume to the
same command.

    --stages action --weights WEIGHTS            stage 2 on any pose weights
    --stream pose --poses labels                 action heads on trained pose weights, from labels,
                                                 without frames; its stages are `action` and
                                                 `average`, and the weights average/best.h5
    --data synthetic                             on the built-in data set
    --drawn                                      on frames drawn from the labels

With frames: not measured, frames unavailable.
"""

import sys
from dataclasses import replace

from deephar.cli.train import TrainingScript
from deephar.data import PredictedPoses
from deephar.models import VARIANTS
from deephar.training import (
    ActionStage,
    ActionTraining,
    PoseStage,
    PoseTraining,
    Recipe,
    Source,
)

PENN = Source("penn", "datasets/PennAction")

RECIPE = Recipe(
    network=VARIANTS["vgg16"],
    data={"penn": PENN, "mpii": Source("mpii", "datasets/MPII")},
    stages=(
        PoseStage(
            name="pose",
            shares={"penn": 16, "mpii": 8},
            training=PoseTraining(epochs=60, learning_rate=0.001),
        ),
        ActionStage(
            name="action",
            shares={"penn": 8, "mpii": 4},
            training=ActionTraining(
                epochs=30, optimizer="sgd", learning_rate=0.0002, momentum=0.98, schedule="plateau"
            ),
        ),
        ActionStage(
            name="finetune",
            shares={"penn": 4, "mpii": 2},
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

# Action heads on a frozen pose network: they learn from labels that look like predicted poses, and
# learn to say `other`. How the numbers were chosen: docs/training-log.md.
FROM_LABELS = ActionStage(
    shares={"penn": 64},
    steps=250,
    num_frames=16,
    frame_rate=10.0,
    poses="labels",
    other=True,
    streams=("pose",),
    augmentation=PredictedPoses(),
    training=ActionTraining(
        optimizer="adamw", weight_decay=0.05, schedule="cosine", label_smoothing=0.1
    ),
)

LABELS_RECIPE = Recipe(
    mixed_precision=True,
    network=replace(
        VARIANTS["vgg16-medium"],
        peak_window=2,
        action_pyramids=(2,),
        pose_features=96,
        last_pose=True,
    ),
    # The guessed positions of hidden joints are what a pose network gives, too.
    data={"penn": replace(PENN, options={"hidden": True})},
    stages=(
        replace(
            FROM_LABELS,
            name="action",
            start=("vgg16-medium",),
            training=replace(FROM_LABELS.training, epochs=64, learning_rate=0.002),
        ),
        # Half of the average comes from the weights of the stage before.
        replace(
            FROM_LABELS,
            name="average",
            heads=True,
            calibrate=True,
            training=replace(
                FROM_LABELS.training,
                epochs=12,
                learning_rate=0.0012,
                schedule="constant",
                average=0.9998,
            ),
        ),
    ),
)

main = TrainingScript(
    doc=__doc__,
    recipe=RECIPE,
    optional=("mpii",),
    stages=("pose", "action"),
    labels=LABELS_RECIPE,
).main


if __name__ == "__main__":
    sys.exit(main())
