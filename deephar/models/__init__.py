"""Networks: builders that take a frozen config and return a ``keras.Model``."""

from __future__ import annotations

from pathlib import Path

import keras

from deephar.models.action import action_model
from deephar.models.config import VARIANTS, ModelConfig, ReceptionConfig, config_from_json
from deephar.models.multitask import (
    action_view,
    copy_to_replica,
    frame_model,
    frame_view,
    has_pose_network,
    multitask_model,
)
from deephar.models.pose import joint_axes, pose_model
from deephar.models.reception import reception_net

__all__ = [
    "VARIANTS",
    "ModelConfig",
    "ReceptionConfig",
    "action_model",
    "action_view",
    "build_model",
    "config_from_json",
    "copy_to_replica",
    "frame_model",
    "frame_view",
    "has_pose_network",
    "joint_axes",
    "multitask_model",
    "pose_model",
    "reception_net",
    "spnet",
]


def build_model(
    config: ModelConfig | ReceptionConfig, stem_weights: str | Path | None = None
) -> keras.Model:
    """The network that a config describes.

    ``reception_net`` of a ``ReceptionConfig``. Of a ``ModelConfig``, ``pose_model`` if it has no
    actions, ``action_model`` if it has no stem, and ``multitask_model`` otherwise. Arguments and
    errors are theirs.
    """
    if isinstance(config, ReceptionConfig):
        return reception_net(config, stem_weights)
    if not config.actions:
        return pose_model(config, stem_weights)
    if config.stem == "none":
        return action_model(config)
    return multitask_model(config, stem_weights)


def spnet(config: ModelConfig = VARIANTS["spnet-mpii"]) -> keras.Model:
    """The authors' SPNet, with the residual stem. Loads their Keras 2 weight files.

    Their network returns a list: the poses of all blocks, then the actions of all blocks (or the
    two alternate). Here, blocks are rows of ``"pose"`` and ``"action_<dataset>"``.

    Args:
        config: a ``ModelConfig`` with ``stem="residual"``, such as ``VARIANTS["spnet-mpii"]``,
            ``["spnet-penn"]`` and ``["spnet-ntu"]``.

    Returns:
        What ``build_model`` gives.

    Raises:
        ValueError: The config is of another network.

    Source: Luvizon et al., TPAMI 2020, and its published code.
    """
    if getattr(config, "stem", None) != "residual":
        raise ValueError(f"An SPNet has the stem 'residual', got {config}.")
    return build_model(config)
