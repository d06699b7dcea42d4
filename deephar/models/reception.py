"""ReceptionNet, the authors' network of the CVPR 2018 paper: pose, and actions on top of it.

A stem similar to Inception, then reception blocks. Each block predicts the pose and re-injects the
prediction into the features. Layer names follow the authors' nested models, so that their weight
files fit by name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import keras
from keras import layers

from deephar.layers import (
    ClipFilling,
    ClipPooling,
    ContextAggregation,
    ContextMaps,
    DepthSoftArgmax,
    HeatMapPooling,
    MaximumVisibility,
    MaxMinPooling,
    SoftArgmax,
    SpatialSoftmax,
    VisibleCoordinates,
    VolumetricMaps,
    VolumetricVisibility,
)
from deephar.models.action import action_answer
from deephar.models.config import ReceptionConfig
from deephar.models.multitask import clip_model
from deephar.models.pose import stack_predictions
from deephar.models.stems import build_stem
from deephar.models.units import (
    Numbering,
    batch_norm,
    conv,
    conv_bn,
    reception_unit,
    relu,
    separable_conv,
)

_SHARPNESS = {2: 4.0, 3: 2.0}
"""By dim: factor on the heat maps for the visibility that masks poses of the action heads."""

_POSE_WIDTHS = {"v1": ((8, 16, 24), 32, 56), "v2": ((12, 24, 36), 64, 112)}
"""By version of the pose stream: channels of its convolutions."""


class _Block(NamedTuple):
    """Outputs of a reception block: ``features`` and raw ``heat_maps``, (batch, h, w, ...) each."""

    features: Any
    heat_maps: Any


def reception_net(config: ReceptionConfig, stem_weights: str | Path | None = None) -> keras.Model:
    """The network that a ``ReceptionConfig`` describes.

    Without actions, for images. Input: ``(batch, image_size, image_size, 3)``, RGB in [-1, 1].
    Output: a dict with ``"pose"``, ``(batch, blocks, joints, dim + 1)``, as of
    `deephar.models.pose_model`.

    With actions, for clips of 4 frames or more. Input: ``(batch, frames, image_size, image_size,
    3)``. Output: a dict with ``"pose"``, ``(batch, frames, 1, joints, dim + 1)``, of the last
    block, and ``"action_<dataset>"``, ``(batch, 9, classes)``: four predictions from the poses,
    four from the appearance, and last the answer, from both.

    Args:
        config: a ``ReceptionConfig``.
        stem_weights: as for `deephar.models.pose_model`, for ``stem="vgg16"``.

    Returns:
        A ``keras.Model``; of one with actions, `deephar.models.frame_view` and
        `deephar.models.action_view` give the two parts.

    Source: Luvizon et al., CVPR 2018, and its code, in the branch ``cvpr18``, for which the
    released weights were made. For 2D poses, the authors' branch ``master`` computes another
    visibility (without a sigmoid), so that the same file gives other numbers there.
    """
    if config.actions:
        frames = _frame_model(config, stem_weights)
        heads = _action_model(config, frames.output["appearance_1"].shape[-1])
        return clip_model(frames, heads, "reception_net")
    image = keras.Input((config.image_size, config.image_size, 3), name="image")
    poses = [
        pose_from_maps(block.heat_maps, config, f"pose{number}")[0]
        for number, block in enumerate(reception_blocks(image, config, stem_weights), start=1)
    ]
    return keras.Model(image, {"pose": stack_predictions(poses)}, name="reception_net")


# ------------------------------------------------------------------------------------ the pose


def _frame_model(config, stem_weights):
    """Pose of the last block, and features of the first block pooled under its heat maps."""
    image = keras.Input((config.image_size, config.image_size, 3), name="image")
    blocks = reception_blocks(image, config, stem_weights)
    pose, probabilities = pose_from_maps(
        blocks[-1].heat_maps, config, "pose1", sharpness=_SHARPNESS[config.dim]
    )
    outputs = {
        "pose": stack_predictions([pose]),
        "appearance_1": HeatMapPooling(name="appearance_1")([probabilities, blocks[0].features]),
    }
    return keras.Model(image, outputs, name="frames")


def reception_blocks(
    image: keras.KerasTensor, config: ReceptionConfig, stem_weights: str | Path | None = None
) -> list[_Block]:
    """The stem and all reception blocks.

    Args:
        image: ``(batch, image_size, image_size, 3)``, RGB in [-1, 1].
        config: a ``ReceptionConfig``.
        stem_weights: as for ``reception_net``.

    Returns:
        A list of ``config.num_blocks``; each with ``features``, ``(batch, h, w, stem_features)``,
        and ``heat_maps``, ``(batch, h, w, maps)``, raw; h and w are ``image_size / 8``.
    """
    per_joint = config.depth_maps if config.dim == 3 else 1 + config.context_maps
    x = build_stem(image, config, stem_weights)
    blocks = []
    for number in range(1, config.num_blocks + 1):
        features = _reception_block(x, config.kernel_size, f"rBlock{number}")
        names = Numbering(f"SepConv{number}")
        y = relu(features, names)
        y = separable_conv(y, x.shape[-1], config.kernel_size, names("separable_conv2d"))
        y = batch_norm(y, names("batch_normalization"), scale=False)

        names = Numbering(f"RegMap{number}")
        heat_maps = conv(relu(y, names), per_joint * config.num_joints, names("conv2d"))
        blocks.append(_Block(features, heat_maps))
        if number < config.num_blocks:
            names = Numbering(f"fReMap{number}")
            reinjected = conv_bn(relu(heat_maps, names), x.shape[-1], names)
            x = layers.Add(name=f"reinjection{number}")([features, y, reinjected])
    return blocks


def _reception_block(x, kernel_size, name):
    """Sums features of three resolutions at the finest; the coarser two are half as wide."""
    width = x.shape[-1]
    names = Numbering(name)

    def unit(x, filters, unit_name):
        return reception_unit(x, filters, kernel_size, f"{name}_{unit_name}")

    def halved(x):
        return layers.MaxPooling2D(2, name=names("max_pooling2d"))(x)

    def doubled(x):
        return layers.UpSampling2D(2, name=names("up_sampling2d"))(x)

    fine = unit(x, width, "sepconv_l1")
    middle = conv_bn(relu(halved(x), names), width // 2, names)
    middle = unit(middle, width // 2, "sepconv_l2_1")
    coarse = halved(middle)
    for number in (1, 2, 3):
        coarse = unit(coarse, width // 2, f"sepconv_l3_{number}")
    middle = unit(middle, width // 2, "sepconv_l2_2")
    middle = layers.Add(name=names("add"))([middle, doubled(coarse)])
    middle = unit(middle, width, "sepconv_l2_3")
    return layers.Add(name=names("add"))([fine, doubled(middle)])


def pose_from_maps(
    heat_maps: keras.KerasTensor, config: ReceptionConfig, name: str, sharpness: float = 1.0
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """The pose in the heat maps of a block.

    Args:
        heat_maps: ``(batch, h, w, maps)``, raw.
        config: a ``ReceptionConfig``.
        name: prefix of the layer names.
        sharpness: factor on the heat maps to compute the visibility.

    Returns:
        The pose ``(batch, joints, dim + 1)``, and heat maps ``(batch, h, w, joints)`` that each sum
        to 1.
    """
    volume = contextual = None
    if config.dim == 3:
        volume = VolumetricMaps(config.depth_maps, name=f"{name}_volume")(heat_maps)
        heat_maps = volume[0]
    elif config.context_maps:
        heat_maps, contextual = ContextMaps(config.num_joints, name=f"{name}_maps")(heat_maps)
    probabilities = SpatialSoftmax(name=f"{name}_probmaps")(heat_maps)
    position = SoftArgmax(name=f"{name}_xy")(probabilities)
    if contextual is not None:
        position = _aggregated(position, contextual, name)
    parts = [position]
    sharper = layers.Rescaling(sharpness, name=f"{name}_sharper", dtype="float32")
    if volume is None:
        parts.append(MaximumVisibility(name=f"{name}_vis")(sharper(heat_maps)))
    else:
        parts.append(DepthSoftArgmax(config.depth_grid, name=f"{name}_z")(volume[1]))
        parts.append(VolumetricVisibility(name=f"{name}_vis")([sharper(maps) for maps in volume]))
    return layers.Concatenate(name=name, dtype="float32")(parts), probabilities


def _aggregated(position, contextual, name):
    probabilities = SpatialSoftmax(name=f"{name}_context_probmaps")(contextual)
    positions = SoftArgmax(name=f"{name}_context_xy")(probabilities)
    confidence = MaximumVisibility(name=f"{name}_context_vis")(contextual)
    aggregation = ContextAggregation(name=f"{name}_aggregation")
    return aggregation([position, positions, confidence])


# --------------------------------------------------------------------------------- the actions


def _action_model(config, channels):
    """As `deephar.models.action_model`, for a ReceptionNet with one head."""
    ((dataset, classes),) = config.actions.items()
    pose = keras.Input((None, 1, config.num_joints, config.dim + 1), name="pose")
    appearance = keras.Input((None, config.num_joints, channels), name="appearance_1")

    names = Numbering("PoseAR")
    x = _pose_stream(pose, config, names)
    pose_maps = _action_blocks(x, classes, names)

    names = Numbering("GuidedVisAR")
    x = ClipPooling(2, name=names("clip_pooling"))(conv_bn(appearance, 256, names))
    visual_maps = _action_blocks(x, classes, names)

    merged = [
        _weighted(pose_maps[-1], "merge_pose"),
        _weighted(visual_maps[-1], "merge_visual"),
    ]
    maps = [*pose_maps, *visual_maps, layers.Add(name="merge")(merged)]
    letters = [f"{stream}{number}" for stream in "pv" for number in (1, 2, 3, 4)]
    answers = [action_answer(*pair) for pair in zip(maps, [*letters, "m"], strict=True)]
    name = f"action_{dataset}"
    output = layers.Concatenate(axis=1, name=name, dtype="float32")(answers)
    return keras.Model({"pose": pose, "appearance_1": appearance}, {name: output}, name="actions")


def _pose_stream(pose, config, names):
    """Features of the motion: ``(batch, frames / 2, joints / 2, 112)``, or 224 for v2."""
    shape = (-1, config.num_joints, config.dim + 1)
    x = layers.Reshape(shape, name=names("reshape"), dtype="float32")(pose)
    x = VisibleCoordinates(centred=False, name=names("visible"))(x)
    x = ClipFilling(name=names("filling"))(x)
    widths, narrow, wide = _POSE_WIDTHS[config.action_version]
    parts = [
        relu(conv_bn(x, width, names, kernel_size), names)
        for width, kernel_size in zip(widths, ((3, 1), (3, 3), (3, 5)), strict=True)
    ]
    x = layers.Concatenate(name=names("concatenate"))(parts)
    a = conv_bn(x, wide, names, 3)
    b = conv_bn(x, narrow, names)
    b = conv_bn(b, wide, names, 3)
    x = layers.Concatenate(name=names("concatenate"))([a, b])
    return MaxMinPooling(name=names("max_min_pooling"))(x)


def _action_blocks(x, classes, names):
    """Four successive predictions. All but the last are re-injected into the features.

    Args:
        x: ``(batch, frames / 2, joints / 2, channels)``.
        classes: number of classes.
        names: a `Numbering`.

    Returns:
        A list of four action heat maps, ``(batch, frames / 4, joints / 4, classes)``.
    """
    width = x.shape[-1]
    heat_maps = []
    for number in (1, 2, 3, 4):
        y = conv_bn(relu(x, names), width // 2, names)
        y = conv_bn(relu(y, names), width, names, 3)
        x = layers.Add(name=names("add"))([x, y])
        y = conv_bn(relu(x, names), width, names, 3)
        h = MaxMinPooling(name=names("max_min_pooling"))(y)
        h = conv(relu(h, names), classes, names("conv2d"), 3)
        heat_maps.append(h)
        if number < 4:
            z = layers.UpSampling2D(2, name=names("up_sampling2d"))(h)
            z = conv_bn(relu(z, names), width, names, 3)
            x = layers.Add(name=names("add"))([x, y, z])
    return heat_maps


def _weighted(heat_maps, name):
    """Weights and mixes action heat maps; starts as the identity."""
    classes = heat_maps.shape[-1]
    weighting = layers.SeparableConv2D(classes, 1, use_bias=False, name=name)
    weighted = weighting(heat_maps)
    identity = keras.ops.reshape(keras.ops.eye(classes), (1, 1, classes, classes))
    weighting.set_weights([keras.ops.ones((1, 1, classes, 1)), identity])
    return weighted
