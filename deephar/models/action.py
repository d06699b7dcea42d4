"""The action heads: poses and appearance of a clip in, action scores out.

A clip is seen as an image whose rows are frames and whose columns are joints. Each prediction block
of the pose network has an action block, and they hand on their features and their predictions as
the pose blocks do. Structure and layer names follow the authors' SPNet.
"""

import keras
from keras import layers

from deephar.layers import GlobalMaxMinPooling, MaxMinPooling, UndoPooling, VisibleCoordinates
from deephar.models.units import batch_norm_relu, bottleneck_unit, conv, residual_unit


def action_model(config, appearance_channels=()):
    """The action heads as a network of their own, for any number of frames from 4 up.

    Input: if ``config.stem`` is ``"none"``, poses ``(batch, frames, joints, dim + 1)``, which all
    blocks look at: coordinates in the unit crop of the clip, then visibility; 0 where unknown
    (0.5 where the depth alone is).
    Otherwise a dict: ``"pose"``, ``(batch, frames, predictions, joints, dim + 1)``, and
    ``"appearance_1"``, ``"appearance_2"``, ..., ``(batch, frames, joints, channels)`` each, as
    `deephar.models.frame_model` gives them for every frame.

    Output: a dict with one ``"action_<dataset>"`` for each head, ``(batch, predictions, classes)``:
    probabilities, one entry a prediction block, the last is the answer.

    Args:
        config: a ``ModelConfig`` with ``actions``.
        appearance_channels: channels of each appearance input.

    Returns:
        A ``keras.Model`` named ``"actions"``.

    Raises:
        ValueError: the config has no actions.

    Source: Luvizon et al., CVPR 2018, section 4; TPAMI 2020, section 4.
    """
    if not config.actions:
        raise ValueError("the config has no actions; give them as in actions={'penn': 15}")
    inputs, poses, appearances = _inputs(config, appearance_channels)
    heads = action_blocks(poses, appearances, config)
    outputs = {
        f"action_{name}": layers.Concatenate(axis=1, name=f"action_{name}", dtype="float32")(rows)
        for name, rows in heads.items()
    }
    return keras.Model(inputs, outputs, name="actions")


def _inputs(config, appearance_channels):
    """Inputs of the model; poses and appearance of each block (None where there is no stream)."""
    blocks = config.num_predictions
    joint_shape = (config.num_joints, config.dim + 1)
    if config.stem == "none":
        poses = keras.Input((None, *joint_shape), name="pose")
        return poses, [poses] * blocks, [None] * blocks
    inputs, poses, appearances = {}, [None] * blocks, [None] * blocks
    if "pose" in config.streams:
        inputs["pose"] = keras.Input((None, blocks, *joint_shape), name="pose")
        poses = [inputs["pose"][:, :, block] for block in range(blocks)]
    if "appearance" in config.streams:
        for block, channels in enumerate(appearance_channels):
            name = f"appearance_{block + 1}"
            inputs[name] = keras.Input((None, config.num_joints, channels), name=name)
            appearances[block] = inputs[name]
    return inputs, poses, appearances


def action_blocks(poses, appearances, config):
    """All action blocks in order.

    Args:
        poses: for each prediction block ``(batch, frames, joints, dim + 1)``, or None.
        appearances: for each prediction block ``(batch, frames, joints, channels)``, or None.
        config: a ``ModelConfig``.

    Returns:
        Data set name -> list of ``(batch, 1, classes)``, one for each block.
    """
    heads = {name: [] for name in config.actions}
    x = None
    for number, (pose, appearance) in enumerate(zip(poses, appearances, strict=True), start=1):
        name = f"act{number}_action"
        if x is not None:
            x = residual_unit(x, 3, f"act{number}_r0")
        x = fuse_streams(pose, appearance, x, config, name)
        x, answers = action_prediction(x, config, name, last=number == len(poses))
        for dataset, answer in answers.items():
            heads[dataset].append(answer)
    return heads


def fuse_streams(pose, appearance, previous, config, name):
    """Joins the streams of one block with the features of the block before.

    Args:
        pose: ``(batch, frames, joints, dim + 1)``, or None.
        appearance: ``(batch, frames, joints, channels)``, or None.
        previous: ``(batch, frames, joints, pose_features)``, or None for the first block.
        config: a ``ModelConfig``.
        name: prefix of the layer names.

    Returns:
        ``(batch, frames, joints, pose_features)``.
    """
    streams = []
    if pose is not None:
        streams.append(pose_stream(pose, config, name))
    if appearance is not None:
        streams.append(conv(appearance, config.appearance_features, f"{name}_v_conv0"))
    if previous is not None:
        streams.append(previous)
    x = streams[0]
    if len(streams) > 1:
        x = layers.Concatenate(name=f"{name}_streams")(streams)
    return bottleneck_unit(x, config.pose_features, f"{name}_r2", reduction=4)


def pose_stream(pose, config, name):
    """Features of the motion: ``(batch, frames, joints, dim + 1)`` to ``(..., pose_features)``."""
    x = VisibleCoordinates(name=f"{name}_p_visible")(pose)
    width = config.pose_features
    parts = [
        conv(x, width // divisor, f"{name}_p_conv0{letter}", kernel_size)
        for letter, kernel_size, divisor in (("a", (3, 1), 16), ("b", (3, 3), 8), ("c", (3, 5), 4))
    ]
    x = layers.Concatenate(name=f"{name}_p_conv0")(parts)
    return bottleneck_unit(x, width, f"{name}_r1")


def action_prediction(x, config, name, last):
    """Predicts the actions from features, and re-injects the predictions into them.

    Args:
        x: ``(batch, frames, joints, channels)``.
        config: a ``ModelConfig``.
        name: prefix of the layer names.
        last: whether there is no block after this one, so that nothing need be handed on.

    Returns:
        The features for the next block, shaped as ``x`` (None if ``last``), and the answers: data
        set name -> ``(batch, 1, classes)``.
    """
    channels = x.shape[-1]
    y = batch_norm_relu(x, f"{name}_pred", 1)
    y = conv(y, channels, f"{name}_pred_conv1", kernel_size=3)
    h = batch_norm_relu(y, f"{name}_pred", 2)
    h = MaxMinPooling(name=f"{name}_pred_pool")(h)
    answers, parts = {}, [x, y]
    for index, (dataset, classes) in enumerate(config.actions.items()):
        maps = conv(h, classes, f"{name}_pred_conv2h{index}", kernel_size=3)
        answers[dataset] = _answer(maps, f"{name}_a{index}")
        if not last:
            maps = layers.ReLU(name=f"{name}_pred_act3h{index}")(maps)
            maps = UndoPooling(name=f"{name}_pred_up{index}")([maps, x])
            parts.append(conv(maps, channels, f"{name}_pred_conv3h{index}", kernel_size=3))
    return (None if last else layers.Add(name=f"{name}_reinjection")(parts)), answers


def _answer(maps, name):
    scores = GlobalMaxMinPooling(name=f"{name}_pool")(maps)
    scores = layers.Softmax(name=f"{name}_softmax", dtype="float32")(scores)
    return layers.Reshape((1, maps.shape[-1]), name=name, dtype="float32")(scores)
