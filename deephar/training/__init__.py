"""Training: the stages, each a run that can be killed and resumed."""

from deephar.training.fit import train_action, train_pose
from deephar.training.settings import ActionTraining, PoseTraining

__all__ = ["ActionTraining", "PoseTraining", "train_action", "train_pose"]
