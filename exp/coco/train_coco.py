"""Trains a pose network on keypoints of your own, or on COCO.

    python exp/coco/train_coco.py --data FOLDER --weights vgg16-light --out runs/mine

FOLDER is what CVAT, Label Studio, Roboflow or COCO give (see datasets/COCO/README.md). The joints
are those of the annotation, and the skeleton is inside the weights. From --weights, joints of the
same name keep their heat maps. Some pictures are held out to pick the best epoch, by the PCK@0.2 of
the persons' boxes. To resume an interrupted run, add --resume to the same command.

Time and score: not measured.
"""

import sys

from deephar.cli.options import COCO_OPTIONS
from deephar.cli.train import TrainingScript
from deephar.models import VARIANTS
from deephar.training import PoseStage, PoseTraining, Recipe, Source

RECIPE = Recipe(
    network=VARIANTS["vgg16"],
    data={"coco": Source("coco", "datasets/COCO")},
    stages=(
        PoseStage(
            name="",
            shares={"coco": 16},
            training=PoseTraining(epochs=60, learning_rate=0.001),
        ),
    ),
)

main = TrainingScript(doc=__doc__, recipe=RECIPE, options=COCO_OPTIONS).main


if __name__ == "__main__":
    sys.exit(main())
