"""The pose network: a stem, then pyramids whose every level predicts the pose and passes it on."""

import keras
from keras import layers

from deephar.layers import MaximumVisibility, SoftArgmax, SpatialSoftmax, WindowVisibility
from deephar.models.stems import vgg16_stem
from deephar.models.units import (
    batch_norm_relu,
    conv,
    downscaling_unit,
    residual_unit,
    separable_conv,
    upscaling_unit,
)


def pose_model(config, stem_weights=None):
    """Network for 2D pose on single images.

    Input: ``(batch, image_size, image_size, 3)``, RGB in [-1, 1]. Output: a dict with ``"pose"``,
    ``(batch, predictions, joints, 3)``: x and y in the unit crop, then visibility, all in [0, 1];
    one entry a prediction block, the last is the answer.

    Args:
        config: a ``ModelConfig``.
        stem_weights: None, ``"imagenet"`` or the path of a VGG-16 weights file.

    Returns:
        A ``keras.Model``.

    Raises:
        FileNotFoundError, ValueError: the stem weights cannot be had, or are not VGG-16's.

    Source: Luvizon et al., TPAMI 2020 (the pyramids), with VGG-16 as stem.
    """
    image = keras.Input((config.image_size, config.image_size, 3), name="image")
    features = vgg16_stem(image, config.stem_features, stem_weights)
    poses = pose_pyramids(features, config)
    return keras.Model(image, {"pose": stack_predictions(poses)}, name="pose_model")


def pose_pyramids(features, config):
    """Downscaling and upscaling pyramids in turn, with lateral connections.

    Args:
        features: the stem's output, ``(batch, h, w, c)``.
        config: a ``ModelConfig``.

    Returns:
        A list of ``num_predictions`` poses, each ``(batch, joints, 3)``, in order of computation.
    """
    lateral = [features] + [None] * (config.num_levels - 1)
    poses = []
    for number in range(1, config.num_pyramids + 1):
        pyramid = _downscaling_pyramid if number % 2 else _upscaling_pyramid
        poses += pyramid(lateral, config, number)
    return poses


def _downscaling_pyramid(lateral, config, number):
    """From the finest level to the coarsest; replaces ``lateral`` level by level."""
    x = lateral[0]
    poses = []
    for level in range(1, config.num_levels):
        filters = x.shape[-1] + config.growth
        x = downscaling_unit(x, filters, config.kernel_size, f"dp{number}_du{level}")
        x, pose = _level(x, lateral, level, config, f"dp{number}")
        poses.append(pose)
    return poses


def _upscaling_pyramid(lateral, config, number):
    """From the coarsest level to the finest; replaces ``lateral`` level by level."""
    x = lateral[-1]
    poses = []
    for level in reversed(range(config.num_levels - 1)):
        filters = x.shape[-1] - config.growth
        x = upscaling_unit(x, filters, config.kernel_size, f"up{number}_uu{level}")
        x, pose = _level(x, lateral, level, config, f"up{number}")
        poses.append(pose)
    return poses


def _level(x, lateral, level, config, name):
    if lateral[level] is not None:
        x = layers.Add(name=f"{name}_lateral{level}")([x, lateral[level]])
    x, pose = prediction_block(x, config, f"{name}_pb{level}")
    lateral[level] = x
    return x, pose


def prediction_block(x, config, name):
    """Predicts the pose from features and re-injects the prediction into them.

    ``X = Wr * h + Ws * d + Y + Z`` of the paper: the re-projected heat maps, the features they
    come from, and the residual unit's output are added up for the next block.

    Args:
        x: ``(batch, height, width, channels)``.
        config: a ``ModelConfig``.
        name: prefix of the layer names.

    Returns:
        The features for the next block, shaped as ``x``, and the pose ``(batch, joints, 3)``.
    """
    channels = x.shape[-1]
    z = residual_unit(x, config.kernel_size, f"{name}_r1")
    y = batch_norm_relu(z, name, 1)
    y = separable_conv(y, channels, config.kernel_size, f"{name}_conv1")

    h = batch_norm_relu(y, name, 2)
    heat_maps = conv(h, config.num_joints, f"{name}_heatmaps_conv1")
    pose = pose_from_heat_maps(heat_maps, config, name)

    # Besides the heat maps, as many free maps go forward.
    forward = conv(h, config.num_joints, f"{name}_heatmaps_fw_maps")
    r = layers.Concatenate(name=f"{name}_heatmaps_concat")([forward, heat_maps])
    r = layers.ReLU(name=f"{name}_heatmaps_act2")(r)
    r = conv(r, channels, f"{name}_heatmaps_conv2")
    return layers.Add(name=f"{name}_reinjection")([z, y, r]), pose


def pose_from_heat_maps(heat_maps, config, name):
    """Heat maps ``(batch, h, w, joints)`` to ``(batch, joints, 3)``: x, y, visibility."""
    probabilities = SpatialSoftmax(name=f"{name}_probmaps")(heat_maps)
    xy = SoftArgmax(name=f"{name}_xy")(probabilities)
    if config.visibility == "sigmoid_max":
        visibility = MaximumVisibility(name=f"{name}_vis")(heat_maps)
    else:
        visibility = WindowVisibility(name=f"{name}_vis")(probabilities)
    return layers.Concatenate(name=name, dtype="float32")([xy, visibility])


def stack_predictions(poses):
    """List of ``(batch, joints, 3)`` to ``(batch, predictions, joints, 3)``."""
    rows = [
        layers.Reshape((1, *pose.shape[1:]), name=f"pose_row{index}", dtype="float32")(pose)
        for index, pose in enumerate(poses, start=1)
    ]
    return layers.Concatenate(axis=1, name="pose", dtype="float32")(rows)
