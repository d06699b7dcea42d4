"""Trains the shipped weights `penn-pose-stream`: the pose stream alone, on labels of Penn Action.

    python exp/pennaction/train_pose_stream.py --data datasets/PennAction --out runs/stream

Needs no frames, and makes action heads without a pose network. To evaluate: eval_penn.py --poses
labels --weights runs/stream/best.h5. Takes 11 minutes on one CPU core. On the 1068
test videos, the shipped file has an accuracy of 98.9 %, and a second run of this script had 98.8 %.
For heads that see what a pose network predicts, see train_penn.py.
"""

import sys

from deephar.cli.train import TrainingScript
from deephar.models import ModelConfig
from deephar.training import ActionStage, ActionTraining, Recipe, Source

# These numbers were chosen on held-out training videos of Penn Action.
RECIPE = Recipe(
    network=ModelConfig(
        stem="none",
        streams=("pose",),
        num_frames=16,
        num_levels=2,
        actions={"penn": 15},
        pose_features=96,
    ),
    data={"penn": Source("penn", "datasets/PennAction")},
    stages=(
        ActionStage(
            name="",
            shares={"penn": 32},
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

main = TrainingScript(doc=__doc__, recipe=RECIPE).main


if __name__ == "__main__":
    sys.exit(main())
