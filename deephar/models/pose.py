"""The pose network: a stem, then pyramids. Each level of a pyramid predicts the pose."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
from keras import layers

from deephar.layers import (
    DepthRegression,
    DepthSoftArgmax,
    MaximumVisibility,
    PeakWindow,
    SoftArgmax,
    SpatialSoftmax,
    VolumetricMaps,
    VolumetricVisibility,
    WindowVisibility,
)
from deephar.models.config import ModelConfig
from deephar.models.stems import build_stem
from deephar.models.units import (
    batch_norm_relu,
    conv,
    downscaling_unit,
    residual_unit,
    separable_conv,
    upscaling_unit,
)

DEPTH_MAPS = 16
"""Depth maps of a joint in a volumetric network (the paper's number)."""


class Prediction(NamedTuple):
    """Outputs of a prediction block.

    Attributes:
        pose: ``(batch, joints, dim + 1)``: coordinates, visibility.
        probabilities: ``(batch, height, width, joints)``, heat maps that each sum to 1.
        features: ``(batch, height, width, channels)``, the first features of the network at this
            resolution.
        replica: pose and heat maps for the action heads, another `Prediction`, or None.
    """

    pose: Any
    probabilities: Any
    features: Any
    replica: Any = None


def pose_model(config: ModelConfig, stem_weights: str | Path | None = None) -> keras.Model:
    """Network for 2D or 3D pose on single images.

    Input: ``(batch, image_size, image_size, 3)``, RGB in [-1, 1]. Output: a dict with ``"pose"``,
    ``(batch, predictions, joints, dim + 1)``: x and y (and z) in the unit crop, then visibility,
    all in [0, 1]. Each prediction block has an entry; the last one is the answer.

    Args:
        config: a ``ModelConfig``.
        stem_weights: None, ``"imagenet"`` or the path of a VGG-16 weights file.

    Returns:
        A ``keras.Model``.

    Raises:
        FileNotFoundError, ValueError: The stem weights are missing, or are not those of VGG-16.

    Source: Luvizon et al., TPAMI 2020 (the pyramids), with VGG-16 as stem.
    """
    image = keras.Input((config.image_size, config.image_size, 3), name="image")
    features = build_stem(image, config, stem_weights)
    blocks = pose_pyramids(features, config)
    poses = stack_predictions([block.pose for block in blocks])
    return keras.Model(image, {"pose": poses}, name="pose_model")


def pose_pyramids(features: keras.KerasTensor, config: ModelConfig) -> list[Prediction]:
    """Alternating downscaling and upscaling pyramids with lateral connections.

    Args:
        features: the stem's output, ``(batch, h, w, c)``.
        config: a ``ModelConfig``.

    Returns:
        A list of ``num_predictions`` ``Prediction``, in order of computation.
    """
    x = features
    lateral = [features] + [None] * (config.num_levels - 1)
    first = list(lateral)
    blocks = []
    for number, level in pyramid_levels(config):
        pyramid, unit = level_names(number, level)
        scaling_unit, growth = (
            (downscaling_unit, config.growth) if number % 2 else (upscaling_unit, -config.growth)
        )
        x = scaling_unit(x, x.shape[-1] + growth, config.kernel_size, unit)
        if first[level] is None:
            first[level] = x
        if lateral[level] is not None:
            x = layers.Add(name=f"{pyramid}_lateral{level}")([x, lateral[level]])
        replica = config.pose_replica and number in config.pyramids_with_actions
        x, block = prediction_block(x, first[level], config, f"{pyramid}_pb{level}", replica)
        blocks.append(block)
        lateral[level] = x
    return blocks


def pyramid_levels(
    config: ModelConfig, pyramids: Iterable[int] | None = None
) -> Iterator[tuple[int, int]]:
    """Pairs (number of the pyramid, level) in order of computation; level 0 is the finest.

    Odd pyramids go down to the coarsest level, even ones up to the finest.
    """
    for number in pyramids or range(1, config.num_pyramids + 1):
        levels = range(1, config.num_levels)
        if number % 2 == 0:
            levels = reversed(range(config.num_levels - 1))
        for level in levels:
            yield number, level


def level_names(number: int, level: int) -> tuple[str, str]:
    """The authors' names of a pyramid, and of the unit in it that leads to a level."""
    pyramid = f"dp{number}" if number % 2 else f"up{number}"
    return pyramid, f"{pyramid}_{pyramid[0]}u{level}"


def prediction_block(
    x: keras.KerasTensor,
    features: keras.KerasTensor,
    config: ModelConfig,
    name: str,
    replica: bool = False,
) -> tuple[keras.KerasTensor, Prediction]:
    """Predicts the pose from features and re-injects the prediction into them.

    ``X = Wr * h + Ws * d + Y + Z`` of the paper: the re-projected heat maps, the features they
    come from, and the residual unit's output are added up for the next block.

    Args:
        x: ``(batch, height, width, channels)``.
        features: `features` of the ``Prediction``, returned as they are.
        config: a ``ModelConfig``.
        name: prefix of the layer names.
        replica: whether a second pose is predicted, for the actions.

    Returns:
        The features for the next block, shaped as ``x``, and the ``Prediction``.
    """
    channels = x.shape[-1]
    z = residual_unit(x, config.kernel_size, f"{name}_r1")
    y = batch_norm_relu(z, name, 1)
    y = separable_conv(y, channels, config.kernel_size, f"{name}_conv1")

    h = batch_norm_relu(y, name, 2)
    heat_maps, depth_maps = _maps(h, config, name)
    prediction = Prediction(*pose_from_heat_maps(heat_maps, depth_maps, config, name), features)
    if replica:
        maps = _maps(h, config, name, "_replica")
        of_replica = pose_from_heat_maps(*maps, config, f"{name}_replica")
        prediction = prediction._replace(replica=Prediction(*of_replica, features))

    # As many unsupervised maps are re-injected along with the heat maps.
    forward = conv(h, config.num_joints, f"{name}_heatmaps_fw_maps")
    r = layers.Concatenate(name=f"{name}_heatmaps_concat")([forward, heat_maps])
    r = layers.ReLU(name=f"{name}_heatmaps_act2")(r)
    reinjected = [z, y, conv(r, channels, f"{name}_heatmaps_conv2")]
    if depth_maps is not None:
        reinjected.append(conv(depth_maps, channels, f"{name}_depthmaps_conv2"))
    x = layers.Add(name=f"{name}_reinjection")(reinjected)
    return x, prediction


def _maps(h, config, name, suffix=""):
    """Heat maps, and depth maps if depth is regressed (else None)."""
    per_joint = DEPTH_MAPS if config.depth == "volumetric" else 1
    heat_maps = conv(h, per_joint * config.num_joints, f"{name}_heatmaps_conv1{suffix}")
    depth_maps = None
    if config.depth == "regression":
        depth_maps = conv(h, config.num_joints, f"{name}_depthmaps_conv1{suffix}")
    return heat_maps, depth_maps


def pose_from_heat_maps(
    heat_maps: keras.KerasTensor,
    depth_maps: keras.KerasTensor | None,
    config: ModelConfig,
    name: str,
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """The pose in heat maps.

    Args:
        heat_maps: ``(batch, h, w, joints)``, or 16 times as many maps for a volumetric network.
        depth_maps: ``(batch, h, w, joints)`` for ``depth="regression"``, else None.
        config: a ``ModelConfig``.
        name: of the last layer, and prefix of the names of the others.

    Returns:
        The pose ``(batch, joints, dim + 1)``, and heat maps ``(batch, h, w, joints)`` that each sum
        to 1.
    """
    volume = None
    if config.depth == "volumetric":
        volume = VolumetricMaps(DEPTH_MAPS, name=f"{name}_volume")(heat_maps)
        heat_maps = volume[0]
    probabilities = SpatialSoftmax(name=f"{name}_probmaps")(heat_maps)
    around_peak = probabilities
    if config.peak_window:
        around_peak = PeakWindow(config.peak_window, name=f"{name}_peak")(probabilities)
    parts = [SoftArgmax(name=f"{name}_xy")(around_peak)]
    if volume is not None:
        parts.append(DepthSoftArgmax(name=f"{name}_z")(volume[1]))
    elif depth_maps is not None:
        parts.append(DepthRegression(name=f"{name}_z")([depth_maps, probabilities]))
    if config.visibility == "window_mass":
        parts.append(WindowVisibility(name=f"{name}_vis")(probabilities))
    elif volume is not None:
        parts.append(VolumetricVisibility(name=f"{name}_vis")(volume))
    else:
        parts.append(MaximumVisibility(name=f"{name}_vis")(heat_maps))
    pose = layers.Concatenate(name=name, dtype="float32")(parts)
    return pose, probabilities


def joint_axes(model: keras.Model) -> dict[str, int]:
    """Where the joints are in the weights of a pose network.

    Args:
        model: a network of `pose_model`.

    Returns:
        Name of each layer whose kernel has an entry for each joint, or several times as many with
        joints running fastest, and the axis of the kernel that has them.
    """
    outputs = ("maps_conv1", "maps_conv1_replica", "heatmaps_fw_maps")
    axes = {}
    for layer in model.layers:
        if layer.name.endswith(outputs):
            axes[layer.name] = -1
        elif layer.name.endswith("maps_conv2"):
            axes[layer.name] = -2
    return axes


def stack_predictions(poses: Sequence[keras.KerasTensor], name: str = "pose") -> keras.KerasTensor:
    """List of ``(batch, joints, dim + 1)`` to ``(batch, predictions, joints, dim + 1)``."""
    rows = [
        layers.Reshape((1, *pose.shape[1:]), name=f"{name}_row{index}", dtype="float32")(pose)
        for index, pose in enumerate(poses, start=1)
    ]
    return layers.Concatenate(axis=1, name=name, dtype="float32")(rows)
