"""The whole network for clips: the pose network on every frame, then the action heads."""

from __future__ import annotations

from pathlib import Path

import keras
from keras import layers

from deephar.layers import HeatMapPooling, TimeDistributed
from deephar.models.action import (
    STEM,
    action_model,
    appearance_block,
    appearance_names,
    first_action_block,
)
from deephar.models.config import ModelConfig
from deephar.models.pose import pose_pyramids, stack_predictions
from deephar.models.stems import build_stem


def multitask_model(config: ModelConfig, stem_weights: str | Path | None = None) -> keras.Model:
    """Network for pose and action on clips, of any number of frames from 4 up.

    Input: ``(batch, frames, image_size, image_size, 3)``, RGB in [-1, 1]. Output: a dict with
    ``"pose"``, ``(batch, frames, predictions, joints, dim + 1)``, and one ``"action_<dataset>"``
    for each head, ``(batch, action predictions, classes)``. The last prediction is the answer.

    Args:
        config: a ``ModelConfig`` with ``actions``.
        stem_weights: None, ``"imagenet"`` or the path of a VGG-16 weights file.

    Returns:
        A ``keras.Model``. `frame_view` and `action_view` give its two parts.

    Raises:
        FileNotFoundError, ValueError: The stem weights are missing, or the config has no actions.

    Source: Luvizon et al., CVPR 2018, figure 1; TPAMI 2020, figure 2.
    """
    frames = frame_model(config, stem_weights)
    channels = [frames.output[name].shape[-1] for name in appearance_names(config)]
    return clip_model(frames, action_model(config, channels), "multitask_model")


def clip_model(frames: keras.Model, heads: keras.Model, name: str) -> keras.Model:
    """Builds a network for clips from its two parts, see `frame_view` and `action_view`.

    Args:
        frames: a model of images, whose outputs are a dict with ``"pose"``.
        heads: a model of clips, whose inputs have the names of outputs of ``frames``.
        name: of the network.

    Returns:
        A ``keras.Model`` from ``(batch, frames, image_size, image_size, 3)`` to a dict.
    """
    clip = keras.Input((None, *frames.input_shape[1:]), name="clip")
    outputs = TimeDistributed(frames, name="every_frame")(clip)
    actions = heads({tensor.name: outputs[tensor.name] for tensor in heads.inputs})
    return keras.Model(clip, {"pose": outputs["pose"], **actions}, name=name)


def frame_model(config: ModelConfig, stem_weights: str | Path | None = None) -> keras.Model:
    """The pose network with the outputs that the action heads need of each frame.

    Input: ``(batch, image_size, image_size, 3)``, RGB in [-1, 1]. Output: a dict with ``"pose"``,
    as `deephar.models.pose_model` gives it; if the config has an appearance stream,
    ``"appearance_1"``, ``"appearance_2"``, ...: for each action block the features of its
    resolution pooled under the heat map of each joint, ``(batch, joints, channels)``; with
    ``readout_stem``, ``"stem"``: the largest features of ``block4_conv3``, ``(batch, 512)``; and,
    if it has a pose replica, ``"action_pose"``, ``(batch, action blocks, joints, dim + 1)``.

    Args:
        config: a ``ModelConfig``.
        stem_weights: as for ``pose_model``.

    Returns:
        A ``keras.Model`` named ``"frames"``; its layers with weights are those of ``pose_model``.
    """
    image = keras.Input((config.image_size, config.image_size, 3), name="image")
    features = build_stem(image, config, stem_weights)
    blocks = pose_pyramids(features, config)
    outputs = {"pose": stack_predictions([block.pose for block in blocks])}
    of_actions = [
        block.replica or block
        for block in blocks[first_action_block(config) :][: config.num_action_predictions]
    ]
    if config.pose_replica and "pose" in config.streams:
        outputs["action_pose"] = stack_predictions(
            [block.pose for block in of_actions], "action_pose"
        )
    for name in appearance_names(config):
        if name == STEM:
            outputs[name] = _largest_in_stem(image, features)
            continue
        block = of_actions[appearance_block(name)]
        outputs[name] = HeatMapPooling(name=name)([block.probabilities, block.features])
    return keras.Model(image, outputs, name="frames")


def _largest_in_stem(image, features):
    """The largest features of ``block4_conv3`` of a VGG-16 stem, ``(batch, 512)``."""
    maps = keras.Model(image, features).get_layer("block4_conv3").output
    # Features of VGG-16 reach ten thousands.
    return layers.Rescaling(0.01, name=STEM)(layers.GlobalMaxPooling2D(name="stem_maxima")(maps))


def copy_to_replica(model: keras.Model) -> None:
    """Copies the weights of a network's heat maps to their replica.

    For a network with ``pose_replica`` whose pose network was trained without one.

    Raises:
        ValueError: The network has no replica.
    """
    frames = frame_view(model)
    replicas = [
        layer for layer in frames.layers if layer.name.endswith("_replica") and layer.weights
    ]
    if not replicas:
        raise ValueError(
            f"{model.name} has no replica of its heat maps. Build it with pose_replica=True."
        )
    for layer in replicas:
        layer.set_weights(frames.get_layer(layer.name.removesuffix("_replica")).get_weights())


def has_pose_network(model: keras.Model) -> bool:
    """Whether a model is a `multitask_model`, with a pose network inside."""
    return any(layer.name == "every_frame" for layer in model.layers)


def frame_view(model: keras.Model) -> keras.Model:
    """The `frame_model` inside a `multitask_model`: images to poses, with the same weights.

    Raises:
        ValueError: The model is not a `multitask_model`.
    """
    _require_multitask(model)
    return model.get_layer("every_frame").layer


def action_view(model: keras.Model) -> keras.Model:
    """The `action_model` inside a `multitask_model`, with the same weights.

    Raises:
        ValueError: The model is not a `multitask_model`.
    """
    _require_multitask(model)
    return model.get_layer("actions")


def _require_multitask(model):
    if not has_pose_network(model):
        raise ValueError(
            f"{model.name} is not a multitask_model. A network of poses or of actions has no parts."
        )
