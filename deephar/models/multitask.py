"""The whole network for clips: the pose network on every frame, then the action heads."""

import keras

from deephar.layers import HeatMapPooling, TimeDistributed
from deephar.models.action import action_model
from deephar.models.pose import pose_pyramids, stack_predictions
from deephar.models.stems import build_stem


def multitask_model(config, stem_weights=None):
    """Network for pose and action on clips, of any number of frames from 4 up.

    Input: ``(batch, frames, image_size, image_size, 3)``, RGB in [-1, 1]. Output: a dict with
    ``"pose"``, ``(batch, frames, predictions, joints, dim + 1)``, and one ``"action_<dataset>"``
    for each head, ``(batch, predictions, classes)``. The last prediction is the answer.

    Args:
        config: a ``ModelConfig`` with ``actions``.
        stem_weights: None, ``"imagenet"`` or the path of a VGG-16 weights file.

    Returns:
        A ``keras.Model``. `frame_view` and `action_view` give its two parts.

    Raises:
        FileNotFoundError, ValueError: the stem weights cannot be had, or the config has no actions.

    Source: Luvizon et al., CVPR 2018, figure 1; TPAMI 2020, figure 2.
    """
    clip = keras.Input((None, config.image_size, config.image_size, 3), name="clip")
    frames = frame_model(config, stem_weights)
    outputs = TimeDistributed(frames, name="every_frame")(clip)
    channels = [outputs[name].shape[-1] for name in appearance_names(config)]
    heads = action_model(config, channels)
    actions = heads({tensor.name: outputs[tensor.name] for tensor in heads.inputs})
    return keras.Model(clip, {"pose": outputs["pose"], **actions}, name="multitask_model")


def frame_model(config, stem_weights=None):
    """The pose network with what the action heads need of each frame.

    Input: ``(batch, image_size, image_size, 3)``, RGB in [-1, 1]. Output: a dict with ``"pose"``,
    as `deephar.models.pose_model` gives it, and, if the config has an appearance stream,
    ``"appearance_1"``, ``"appearance_2"``, ...: for each prediction block its features pooled
    under the heat map of each joint, ``(batch, joints, channels)``.

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
    for name, block in zip(appearance_names(config), blocks, strict=False):
        outputs[name] = HeatMapPooling(name=name)([block.probabilities, block.features])
    return keras.Model(image, outputs, name="frames")


def appearance_names(config):
    """Names of the appearance outputs of `frame_model`, in order; empty without that stream."""
    if "appearance" not in config.streams or not config.actions:
        return []
    return [f"appearance_{number}" for number in range(1, config.num_predictions + 1)]


def has_pose_network(model):
    """Whether a model is a `multitask_model`, with a pose network inside."""
    return any(layer.name == "every_frame" for layer in model.layers)


def frame_view(model):
    """The `frame_model` inside a `multitask_model`: images to poses, with the same weights.

    Raises:
        ValueError: the model is another one.
    """
    _require_multitask(model)
    return model.get_layer("every_frame").layer


def action_view(model):
    """The `action_model` inside a `multitask_model`, with the same weights.

    Raises:
        ValueError: the model is another one.
    """
    _require_multitask(model)
    return model.get_layer("actions")


def _require_multitask(model):
    if not has_pose_network(model):
        raise ValueError(
            f"{model.name} is no multitask_model: a network of poses, or of actions, has no parts"
        )
