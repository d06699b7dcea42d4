"""The action heads: poses and appearance of a clip in, action scores out.

A clip is treated as an image whose rows are frames and whose columns are joints. Each prediction
block of the pose network has an action block. Action blocks pass on features and predictions as
pose blocks do, with lateral connections. Structure and layer names follow the authors' SPNet.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from deephar.layers import (
    ChangeOverTime,
    ClipPooling,
    GlobalMaxMinPooling,
    MaxMinPooling,
    VisibleCoordinates,
)
from deephar.models.config import ModelConfig
from deephar.models.pose import level_names, pyramid_levels
from deephar.models.units import (
    batch_norm_relu,
    bottleneck_unit,
    conv,
    require_channels_last,
    residual_unit,
)

READOUT_FEATURES = ("readout_motion", "readout_change", "readout_stem")
"""Names of what readouts see, in order."""

STEM = "stem"
"""Name of the input, and of the output of `deephar.models.frame_model`, for ``readout_stem``."""

_LONG_CLIP = 16
"""Clips of at least this length are halved in time where the streams join."""


def action_model(config: ModelConfig, appearance_channels: Sequence[int] = ()) -> keras.Model:
    """The action heads as a network of their own, for any number of frames from 4 up.

    Input: if ``config.stem`` is ``"none"``, poses ``(batch, frames, joints, dim + 1)``, the same
    for all blocks: coordinates in the unit crop of the clip, then visibility; 0 where unknown
    (0.5 if only the depth is unknown).
    Otherwise a dict: ``"pose"`` (``"action_pose"`` with a pose replica), ``(batch, frames,
    predictions, joints, dim + 1)``, and ``"appearance_1"``, ``"appearance_2"``, ..., ``(batch,
    frames, joints, channels)`` each, as `deephar.models.frame_model` gives them for every frame;
    with ``readout_stem`` and the appearance also ``"stem"``, ``(batch, frames, channels)``.

    Output: a dict with one ``"action_<dataset>"`` for each head, ``(batch, predictions, classes)``:
    probabilities of each action block; the last one is the answer. A readout (``readout_of``) gives
    one prediction. It also takes the pose if ``streams`` is the appearance alone.

    Args:
        config: a ``ModelConfig`` with ``actions``.
        appearance_channels: channels of each appearance input.

    Returns:
        A ``keras.Model`` named ``"actions"``.

    Raises:
        ValueError: The config has no actions; or as `require_channels_last`.

    Source: Luvizon et al., CVPR 2018, section 4; TPAMI 2020, section 4.
    """
    require_channels_last()
    if not config.actions:
        raise ValueError("The config has no actions. Give them as in actions={'penn': 15}.")
    inputs, poses, appearances = _inputs(config, appearance_channels)
    if config.readout_of:
        features = readout_features(poses, appearances[-1], inputs.get(STEM), config)
        outputs = readouts(features, config)
        return keras.Model(inputs, outputs, name="actions")
    heads, _ = action_blocks(poses, appearances, config)
    outputs = {
        f"action_{name}": layers.Concatenate(axis=1, name=f"action_{name}", dtype="float32")(rows)
        for name, rows in heads.items()
    }
    return keras.Model(inputs, outputs, name="actions")


def _inputs(config, appearance_channels):
    """Inputs of the model; poses and appearance of each block (None where there is no stream)."""
    blocks = config.num_action_predictions
    joint_shape = (config.num_joints, config.dim + 1)
    if config.stem == "none":
        poses = keras.Input((None, *joint_shape), name="pose")
        return poses, [poses] * blocks, [None] * blocks
    inputs, poses, appearances = {}, [None] * blocks, [None] * blocks
    if "pose" in config.streams or config.readout_of:
        name, first, count = "pose", first_action_block(config), config.num_predictions
        if config.pose_replica:
            name, first, count = "action_pose", 0, blocks
        inputs[name] = keras.Input((None, count, *joint_shape), name=name)
        seen = [count - 1] * blocks if config.last_pose else range(first, first + blocks)
        poses = [inputs[name][:, :, prediction] for prediction in seen]
    for name, channels in zip(appearance_names(config), appearance_channels, strict=False):
        if name == STEM:
            inputs[name] = keras.Input((None, channels), name=name)
            continue
        inputs[name] = keras.Input((None, config.num_joints, channels), name=name)
        appearances[appearance_block(name)] = inputs[name]
    return inputs, poses, appearances


def appearance_names(config: ModelConfig) -> list[str]:
    """Names of the appearance inputs of the action heads, in order; empty without that stream.

    A readout looks at the last block only, and with ``readout_stem`` at the stem.
    """
    if "appearance" not in config.streams or not config.actions:
        return []
    count = config.num_action_predictions
    first = count if config.readout_of else 1
    names = [f"appearance_{number}" for number in range(first, count + 1)]
    return [*names, STEM] if config.readout_stem else names


def appearance_block(name: str) -> int:
    """Index of the action block that an appearance input is for."""
    return int(name.removeprefix("appearance_")) - 1


def first_action_block(config: ModelConfig) -> int:
    """Index of the first prediction block of the pose that has an action block."""
    return (config.pyramids_with_actions[0] - 1) * (config.num_levels - 1)


def action_blocks(
    poses: Sequence[keras.KerasTensor | None],
    appearances: Sequence[keras.KerasTensor | None],
    config: ModelConfig,
) -> tuple[dict[str, list[keras.KerasTensor]], list[keras.KerasTensor]]:
    """All action blocks in order.

    Args:
        poses: for each action block ``(batch, frames, joints, dim + 1)``, or None.
        appearances: for each action block ``(batch, frames, joints, channels)``, or None.
        config: a ``ModelConfig``.

    Returns:
        Data set name -> list of ``(batch, 1, classes)``, one for each block; and a list of what
        the answers of each block are made from, ``(batch, frames, joints, channels)``.
    """
    heads, seen = {name: [] for name in _block_actions(config)}, []
    lateral = [None] * config.num_levels
    x = None
    for index, (number, level) in enumerate(pyramid_levels(config, config.pyramids_with_actions)):
        pyramid, unit = level_names(number, level)
        if x is not None:
            x = residual_unit(x, 3, f"{unit}_action_r0")
        if lateral[level] is not None:
            x = layers.Add(name=f"{pyramid}_action_lateral{level}")([x, lateral[level]])
        name = f"act{index + 1}_action"
        x = fuse_streams(poses[index], appearances[index], x, config, name)
        x, answers, features = action_prediction(x, config, name, last=index == len(poses) - 1)
        lateral[level] = x
        seen.append(features)
        for dataset, answer in answers.items():
            heads[dataset].append(answer)
    return heads, seen


def _block_actions(config):
    """Classes of the heads that the action blocks have, by data set."""
    return config.readout_of or config.actions


def readout_features(
    poses: Sequence[keras.KerasTensor],
    appearance: keras.KerasTensor | None,
    stem: keras.KerasTensor | None,
    config: ModelConfig,
) -> list[keras.KerasTensor]:
    """What a readout sees of a clip.

    Args:
        poses: for each action block ``(batch, frames, joints, dim + 1)``.
        appearance: of the last action block, ``(batch, frames, joints, channels)``, or None.
        stem: ``(batch, frames, channels)``, or None.
        config: a ``ModelConfig`` with ``readout_of``.

    Returns:
        A list of ``(batch, features)``: the mean and the maximum of all action blocks; how much the
        appearance changes over time; and how much the stem does, as far as they are given.
    """
    features = []
    if "pose" in config.streams:
        _, blocks = action_blocks(poses, [None] * len(poses), config)
        pooled = [
            layer(name=f"act{index + 1}_readout_{kind}")(block)
            for kind, layer in (
                ("mean", layers.GlobalAveragePooling2D),
                ("max", layers.GlobalMaxPooling2D),
            )
            for index, block in enumerate(blocks)
        ]
        features.append(layers.Concatenate(name="readout_motion")(pooled))
    if appearance is not None:
        features.append(ChangeOverTime(name="readout_change")([appearance, poses[-1]]))
    if stem is not None:
        stem = stem[:, :, None]  # as of a single joint
        features.append(ChangeOverTime(name="readout_stem")([stem, poses[-1]]))
    return features


def readout_view(heads: keras.Model) -> keras.Model:
    """What the readouts of action heads see: a model with the same inputs, and the same weights.

    Its output is a dict of `readout_features`. The readouts take them in the order of
    `READOUT_FEATURES`.
    """
    names = {layer.name for layer in heads.layers}
    seen = [name for name in READOUT_FEATURES if name in names]
    inputs = {tensor.name: tensor for tensor in heads.inputs}
    return keras.Model(inputs, {name: heads.get_layer(name).output for name in seen})


def readouts(
    features: Sequence[keras.KerasTensor], config: ModelConfig
) -> dict[str, keras.KerasTensor]:
    """Linear answers, ``"action_<dataset>"`` -> ``(batch, 1, classes)``."""
    x = _joined(features, "readout_features")
    return {
        f"action_{dataset}": layers.Reshape((1, classes), name=f"action_{dataset}")(
            layers.Dense(classes, activation="softmax", name=f"readout_{dataset}", dtype="float32")(
                x
            )
        )
        for dataset, classes in config.actions.items()
    }


def fuse_streams(
    pose: keras.KerasTensor | None,
    appearance: keras.KerasTensor | None,
    previous: keras.KerasTensor | None,
    config: ModelConfig,
    name: str,
) -> keras.KerasTensor:
    """Joins the streams of one block with the features of the block before.

    Args:
        pose: ``(batch, frames, joints, dim + 1)``, or None.
        appearance: ``(batch, frames, joints, channels)``, or None.
        previous: result of this function for the block before, or None for the first block.
        config: a ``ModelConfig``.
        name: prefix of the layer names.

    Returns:
        ``(batch, frames / 1 or 2, joints / 2, channels)``, with the sizes of `ClipPooling` and the
        channels of the wider stream.
    """
    streams = []
    if pose is not None:
        streams.append(pose_stream(pose, config, name))
    if appearance is not None:
        streams.append(conv(appearance, config.appearance_features, f"{name}_v_conv0"))
    width = max(stream.shape[-1] for stream in streams)
    x = _joined(streams, f"{name}_streams")
    x = ClipPooling(2 if config.num_frames >= _LONG_CLIP else 1, name=f"{name}_pool")(x)
    x = _joined([x] if previous is None else [x, previous], f"{name}_fusion")
    return bottleneck_unit(x, width, f"{name}_r2", reduction=4)


def _joined(tensors, name):
    return tensors[0] if len(tensors) == 1 else layers.Concatenate(name=name)(tensors)


def pose_stream(pose: keras.KerasTensor, config: ModelConfig, name: str) -> keras.KerasTensor:
    """Features of the motion: ``(batch, frames, joints, dim + 1)`` to ``(..., pose_features)``."""
    x = VisibleCoordinates(config.centred, name=f"{name}_p_visible")(pose)
    width = config.pose_features
    parts = [
        conv(x, width // divisor, f"{name}_p_conv0{letter}", kernel_size)
        for letter, kernel_size, divisor in (("a", (3, 1), 16), ("b", (3, 3), 8), ("c", (3, 5), 4))
    ]
    x = layers.Concatenate(name=f"{name}_p_conv0")(parts)
    return bottleneck_unit(x, width, f"{name}_r1")


def action_prediction(
    x: keras.KerasTensor, config: ModelConfig, name: str, last: bool
) -> tuple[keras.KerasTensor | None, dict[str, keras.KerasTensor], keras.KerasTensor]:
    """Predicts the actions from features, and re-injects the predictions into them.

    Args:
        x: ``(batch, frames, joints, channels)``.
        config: a ``ModelConfig``.
        name: prefix of the layer names.
        last: whether this is the last block, which re-injects nothing.

    Returns:
        The features for the next block, shaped as ``x`` (None if ``last``); the answers: data set
        name -> ``(batch, 1, classes)``; and what these are made from, ``(batch, frames / 2, joints
        / 2, channels)``.
    """
    channels = x.shape[-1]
    y = batch_norm_relu(x, f"{name}_pred", 1)
    y = conv(y, channels, f"{name}_pred_conv1", kernel_size=3)
    h = MaxMinPooling(name=f"{name}_pred_pool")(y)
    h = batch_norm_relu(h, f"{name}_pred", 2)
    maps = [
        conv(h, classes, f"{name}_pred_conv2h{index}", kernel_size=3)
        for index, classes in enumerate(_block_actions(config).values())
    ]
    answers = {
        dataset: action_answer(maps[index], f"{name}_a{index}")
        for index, dataset in enumerate(_block_actions(config))
    }
    if last:
        return None, answers, h
    z = layers.UpSampling2D(2, name=f"{name}_pred_up")(_joined(maps, f"{name}_pred_maps"))
    z = layers.ReLU(name=f"{name}_pred_act3")(z)
    z = conv(z, channels, f"{name}_pred_conv3", kernel_size=3)
    return layers.Add(name=f"{name}_reinjection")([x, y, z]), answers, h


def action_answer(maps: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Action heat maps ``(batch, h, w, classes)`` to probabilities ``(batch, 1, classes)``."""
    scores = GlobalMaxMinPooling(name=f"{name}_pool")(maps)
    scores = layers.Softmax(name=f"{name}_softmax", dtype="float32")(scores)
    return layers.Reshape((1, maps.shape[-1]), name=name, dtype="float32")(scores)
