"""Networks: builders that take a frozen ``ModelConfig`` and return a ``keras.Model``."""

from deephar.models.action import action_model
from deephar.models.config import VARIANTS, ModelConfig
from deephar.models.multitask import (
    action_view,
    frame_model,
    frame_view,
    has_pose_network,
    multitask_model,
)
from deephar.models.pose import pose_model

__all__ = [
    "VARIANTS",
    "ModelConfig",
    "action_model",
    "action_view",
    "build_model",
    "frame_model",
    "frame_view",
    "has_pose_network",
    "multitask_model",
    "pose_model",
]


def build_model(config, stem_weights=None):
    """The network that a config describes.

    ``pose_model`` if it has no actions, ``action_model`` if it has no stem, and ``multitask_model``
    otherwise. Arguments and errors are theirs.
    """
    if not config.actions:
        return pose_model(config, stem_weights)
    if config.stem == "none":
        return action_model(config)
    return multitask_model(config, stem_weights)
