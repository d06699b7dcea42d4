"""Trains action heads for the videos of a folder: actions of your own, on a CPU.

    python exp/folder/train_folder.py --data FOLDER --out runs/mine

FOLDER holds a folder of videos for each action, FOLDER/ACTION/*.mp4, or a file clips.csv with the
columns file, action, and, if there are: group, split, start, end, box. The guide is
docs/your-own-actions.md.

Finds and follows the person in every video, keeps what the frozen pose network sees in the cache
folder, and learns a linear readout of the action heads that the weights come with. With --heads
start or new, action heads learn in epochs instead, and the numbers of the stage below count. Scores
all videos by cross-validation with whole groups. Writes RUN/best.h5, pose and action in one file,
and RUN/report: results.json, videos.csv, confusion.png and sheet.png. With --finetune 10, the
whole network then learns from the frames, for 10 epochs: RUN/finetune/best.h5. It needs a GPU.
"""

import sys
from dataclasses import replace

from deephar.cli.folder import FolderTraining
from deephar.data import SequenceAugmentation
from deephar.models import VARIANTS
from deephar.training import ActionStage, ActionTraining, Recipe, Source

RECIPE = Recipe(
    network=replace(
        VARIANTS["vgg16-light"],
        peak_window=2,
        action_pyramids=(2,),
        pose_features=96,
        last_pose=True,
        readout_of={"penn": 16},
        readout_stem=True,
    ),
    data={"folder": Source("folder", "FOLDER")},
    validation=0.2,
    stages=(
        ActionStage(
            name="",
            start=("vgg16-light-penn",),
            heads=True,
            shares={"folder": 32},
            steps=50,
            num_frames=16,
            frame_rate=5.0,
            streams=("pose", "appearance"),
            augmentation=SequenceAugmentation(rotation=15.0, scale=(0.8, 1.2)),
            training=ActionTraining(
                epochs=20,
                optimizer="sgd",
                learning_rate=0.0002,
                momentum=0.98,
                schedule="cosine",
                label_smoothing=0.1,
            ),
        ),
        ActionStage(
            name="finetune",
            shares={"folder": 4},
            training=ActionTraining(
                optimizer="sgd",
                learning_rate=0.00002,
                momentum=0.98,
                schedule="plateau",
                finetune=True,
            ),
        ),
    ),
)

main = FolderTraining(doc=__doc__, path="exp/folder/train_folder.py", recipe=RECIPE).main


if __name__ == "__main__":
    sys.exit(main())
