"""Training: a recipe says what is trained, and `train` does it.

    recipe = Recipe(
        network=VARIANTS["vgg16-light"],
        data={"mpii": Source("mpii", "datasets/MPII")},
        stages=(PoseStage(shares={"mpii": 16}, training=PoseTraining(epochs=60)),),
    )
    best = train(recipe, out="runs/mine")

Single stages on networks and batches of your own are `train_pose` and `train_action`.
"""

from deephar.training.fit import train_action, train_pose
from deephar.training.folder import FolderResult, train_folder
from deephar.training.recipe import ActionStage, PoseStage, Recipe, Source
from deephar.training.run import Run
from deephar.training.settings import ActionTraining, PoseTraining
from deephar.training.stages import read_recipe, train

__all__ = [
    "ActionStage",
    "ActionTraining",
    "FolderResult",
    "PoseStage",
    "PoseTraining",
    "Recipe",
    "Run",
    "Source",
    "read_recipe",
    "train",
    "train_action",
    "train_folder",
    "train_pose",
]
