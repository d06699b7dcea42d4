"""Keras layers of the networks: frames folded into the batch, heat maps, soft-argmax, visibility.

Shapes below write ``...`` for the leading axes, ``(batch,)`` or ``(batch, frames)``; heat maps are
channels last, ``(..., height, width, joints)``. The heat-map layers compute in float32 whatever
the global dtype policy is, since a softmax over thousands of positions loses too much in 16 bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

Shape = tuple[int | None, ...]
Shapes = Any  # a shape, or a list or dict of shapes
Tensors = Any  # a tensor, or a list or dict of tensors

_register = keras.saving.register_keras_serializable(package="deephar")


@_register
class TimeDistributed(keras.layers.Wrapper):
    """Applies a layer or a whole model to every frame of a clip, in one call.

    Time is folded into the batch, the layer is called once, and time is unfolded from each of its
    outputs. The graph therefore holds one copy of the layer whatever the clip length, and batch
    normalisation takes its statistics over batch *and* time and updates its moving averages once,
    as Keras 2 did. (``keras.layers.TimeDistributed`` of Keras 3 unrolls a Python loop over a
    static time axis instead.)

    Args:
        layer: a ``keras.layers.Layer`` or ``keras.Model``; it may have several outputs.

    Input shape: ``(batch, frames, ...)``, or a nest of such tensors. Output: the layer's own
    output structure, every tensor with ``(batch, frames)`` in place of ``(batch,)``. Batch and
    frames may be unknown when the graph is built.
    """

    def build(self, input_shape: Shapes) -> None:
        super().build(_map_shapes(lambda shape: (None, *shape[2:]), input_shape))
        self.built = True

    def call(self, inputs: Tensors) -> Tensors:
        batch_and_time = ops.shape(keras.tree.flatten(inputs)[0])[:2]
        outputs = self.layer(keras.tree.map_structure(_fold, inputs))
        return keras.tree.map_structure(
            lambda y: ops.reshape(y, (*batch_and_time, *_known_shape(y)[1:])), outputs
        )

    def compute_output_shape(self, input_shape: Shapes) -> Shapes:
        inputs = _map_shapes(keras.KerasTensor, input_shape)
        outputs = self.compute_output_spec(inputs)
        return keras.tree.map_structure(lambda y: tuple(y.shape), outputs)

    def compute_output_spec(self, inputs: Tensors) -> Tensors:
        first = keras.tree.flatten(inputs)[0]
        frame = keras.tree.map_structure(
            lambda x: keras.KerasTensor((None, *x.shape[2:]), dtype=x.dtype), inputs
        )
        return keras.tree.map_structure(
            lambda y: keras.KerasTensor((*first.shape[:2], *y.shape[1:]), dtype=y.dtype),
            self.layer.compute_output_spec(frame),
        )


def _map_shapes(function, shape):
    """Applies ``function`` to one shape tuple or to every shape of a list or dict of them."""
    if isinstance(shape, dict):
        return {key: _map_shapes(function, value) for key, value in shape.items()}
    if any(isinstance(item, tuple | list | dict) for item in shape):
        return [_map_shapes(function, value) for value in shape]
    return function(tuple(shape))


def _known_shape(x):
    """The shape of ``x``: numbers where they are known, scalar tensors elsewhere."""
    return tuple(
        size if size is not None else ops.shape(x)[axis] for axis, size in enumerate(x.shape)
    )


def _fold(x):
    return ops.reshape(x, (-1, *_known_shape(x)[2:]))


class _Float32Layer(keras.layers.Layer):
    """A layer without weights that computes in float32 under every dtype policy."""

    def __init__(self, **kwargs):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)


@_register
class CaffePreprocessing(keras.layers.Layer):
    """RGB in [-1, 1] to the input of the ImageNet VGG-16: BGR, 0..255, ImageNet mean removed.

    Input and output shape: ``(..., height, width, 3)``.
    Source: Simonyan and Zisserman, ICLR 2015; mean as in the authors' Caffe model.
    """

    MEAN_BGR = (103.939, 116.779, 123.68)

    def call(self, images: keras.KerasTensor) -> keras.KerasTensor:
        bgr = ops.flip(images, axis=-1)
        return bgr * 127.5 + (127.5 - ops.convert_to_tensor(self.MEAN_BGR, dtype=bgr.dtype))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape


@_register
class SpatialSoftmax(_Float32Layer):
    """Softmax of each heat map over its positions.

    Input and output: ``(..., height, width, joints)``; every output map sums to 1. The maximum
    is subtracted first, so that saturated logits stay finite.
    """

    def call(self, heat_maps: keras.KerasTensor) -> keras.KerasTensor:
        largest = ops.stop_gradient(ops.max(heat_maps, axis=(-3, -2), keepdims=True))
        mass = ops.exp(heat_maps - largest)
        return mass / ops.sum(mass, axis=(-3, -2), keepdims=True)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape


@_register
class SoftArgmax(_Float32Layer):
    """Expected position under probability maps.

    The grid runs from 0 to 1 *inclusive* in x and in y, as in the published networks: position i
    of n lies at i / (n - 1). In a map of a single row (or column), it lies in the middle, 0.5.

    Input: ``(..., height, width, joints)``, each map summing to 1.
    Output: ``(..., joints, 2)``, x and y in [0, 1].
    Source: Luvizon et al., CVPR 2018, eq. 1 and 2.
    """

    def call(self, probabilities: keras.KerasTensor) -> keras.KerasTensor:
        height, width = probabilities.shape[-3:-1]
        x = _expectation(ops.sum(probabilities, axis=-3), unit_grid(width))
        y = _expectation(ops.sum(probabilities, axis=-2), unit_grid(height))
        return ops.stack([x, y], axis=-1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-3], input_shape[-1], 2)


def unit_grid(size: int) -> Any:
    """Positions of a heat map along one axis: from 0 to 1, both included; 0.5 if there is one.

    Args:
        size: number of positions.

    Returns:
        float32 (size,).
    """
    # As a constant: `ops.linspace` would add twenty operations to a graph of TensorFlow.
    grid = np.linspace(0, 1, size) if size > 1 else np.full(1, 0.5)
    return ops.convert_to_tensor(grid.astype(np.float32))


def _expectation(probabilities, grid):
    """Expected position ``(..., joints)`` under ``(..., positions, joints)``."""
    return ops.sum(probabilities * ops.expand_dims(grid, -1), axis=-2)


@_register
class PeakWindow(_Float32Layer):
    """Sets probability maps to 0 far from their maximum, and normalises them again.

    If a map has two maxima, one on each wrist, its expected position lies between the two and fits
    neither. Near the larger maximum alone, it fits the more likely wrist. In training, maps pass
    unchanged, so that every position gets a gradient. A frozen layer keeps its windows.

    Input and output: ``(..., height, width, joints)``, each map summing to 1.

    Args:
        radius: rows and columns that are kept on each side of the maximum; at least 1.
    """

    def __init__(self, radius: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.radius = radius

    def call(self, probabilities: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        if training and self.trainable:
            return probabilities
        # Comparisons and minima, since argmax on floats cannot be exported to ONNX, OpenVINO and
        # LiteRT. The first of equal maxima counts: the first row, and in it the first column.
        # Rows and columns are small numbers, which are exact in 16 bits too.
        height, width = probabilities.shape[-3:-1]
        rows = ops.reshape(ops.arange(height, dtype="float32"), (height, 1, 1))
        columns = ops.reshape(ops.arange(width, dtype="float32"), (1, width, 1))
        of_rows = ops.max(probabilities, axis=-2, keepdims=True)
        largest = ops.max(of_rows, axis=-3, keepdims=True)
        row = ops.min(ops.where(of_rows >= largest, rows, height), axis=-3, keepdims=True)
        at_peak = ops.logical_and(probabilities >= largest, ops.equal(rows, row))
        column = ops.min(ops.where(at_peak, columns, width), axis=(-3, -2), keepdims=True)
        near = ops.logical_and(
            ops.abs(rows - row) <= self.radius, ops.abs(columns - column) <= self.radius
        )
        kept = ops.where(near, probabilities, 0.0)
        return kept / ops.sum(kept, axis=(-3, -2), keepdims=True)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> dict:
        return {**super().get_config(), "radius": self.radius}


@_register
class MaximumVisibility(_Float32Layer):
    """Visibility as the sigmoid of the largest heat-map value (the text of the CVPR 2018 paper).

    Input: raw heat maps ``(..., height, width, joints)``. Output: ``(..., joints, 1)`` in [0, 1].
    """

    def call(self, heat_maps: keras.KerasTensor) -> keras.KerasTensor:
        return ops.expand_dims(ops.sigmoid(ops.max(heat_maps, axis=(-3, -2))), -1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-3], input_shape[-1], 1)


@_register
class WindowVisibility(_Float32Layer):
    """Visibility as the largest probability mass in any 2x2 window (the authors' SPNet code).

    Input: probability maps ``(..., height, width, joints)``. Output: ``(..., joints, 1)`` in
    [0, 1]. A map of 2x2 positions or fewer is one window, so its visibility is always 1.
    """

    def call(self, probabilities: keras.KerasTensor) -> keras.KerasTensor:
        # Sums of neighbours along each axis; an axis of a single position has none.
        mass = probabilities
        if mass.shape[-3] > 1:
            mass = mass[..., 1:, :, :] + mass[..., :-1, :, :]
        if mass.shape[-2] > 1:
            mass = mass[..., 1:, :] + mass[..., :-1, :]
        return ops.expand_dims(ops.max(mass, axis=(-3, -2)), -1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-3], input_shape[-1], 1)


@_register
class VolumetricMaps(_Float32Layer):
    """Splits volumetric heat maps into maps over the image and maps over depth.

    Input: ``(..., height, width, depth_maps * joints)``, joints running fastest. Output: the maps
    averaged over depth, ``(..., height, width, joints)``, and those averaged over the image,
    ``(..., depth_maps, joints)``. Source: Luvizon et al., CVPR 2018, section 3.2.

    Args:
        depth_maps: depth maps of each joint.
    """

    def __init__(self, depth_maps: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.depth_maps = depth_maps

    def call(self, maps: keras.KerasTensor) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        shape = _known_shape(maps)
        maps = ops.reshape(maps, (*shape[:-1], self.depth_maps, maps.shape[-1] // self.depth_maps))
        return ops.mean(maps, axis=-2), ops.mean(maps, axis=(-4, -3))

    def compute_output_shape(self, input_shape: Shape) -> tuple[Shape, Shape]:
        joints = input_shape[-1] // self.depth_maps
        return (*input_shape[:-1], joints), (*input_shape[:-3], self.depth_maps, joints)

    def get_config(self) -> dict:
        return {**super().get_config(), "depth_maps": self.depth_maps}


@_register
class DepthSoftArgmax(_Float32Layer):
    """Soft-argmax along depth.

    Input: ``(..., depth_maps, joints)``, raw values. Output: ``(..., joints, 1)`` in [0, 1].
    Source: Luvizon et al., CVPR 2018, section 3.2.

    Args:
        grid: positions of the depth maps: ``"inclusive"``, from 0 to 1 with both ends, or
            ``"centres"``, the centres of equal intervals. The authors have used both.

    Raises:
        ValueError: The grid is unknown.
    """

    def __init__(self, grid: str = "inclusive", **kwargs) -> None:
        super().__init__(**kwargs)
        if grid not in ("inclusive", "centres"):
            raise ValueError(f"grid must be 'inclusive' or 'centres', got {grid!r}.")
        self.grid = grid

    def call(self, maps: keras.KerasTensor) -> keras.KerasTensor:
        probabilities = ops.softmax(maps, axis=-2)
        count = maps.shape[-2]
        grid = unit_grid(count)
        if self.grid == "centres":
            grid = (ops.arange(count, dtype="float32") + 0.5) / count
        return ops.expand_dims(_expectation(probabilities, grid), -1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-2], input_shape[-1], 1)

    def get_config(self) -> dict:
        return {**super().get_config(), "grid": self.grid}


@_register
class VolumetricVisibility(_Float32Layer):
    """Visibility as the sigmoid of the largest value over the image plus the largest over depth.

    Input: the two outputs of `VolumetricMaps`. Output: ``(..., joints, 1)`` in [0, 1].
    Source: the authors' code of the CVPR 2018 paper.
    """

    def call(self, inputs: Sequence[keras.KerasTensor]) -> keras.KerasTensor:
        image_maps, depth_maps = inputs
        largest = ops.max(image_maps, axis=(-3, -2)) + ops.max(depth_maps, axis=-2)
        return ops.expand_dims(ops.sigmoid(largest), -1)

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        return (*input_shape[1][:-2], input_shape[1][-1], 1)


@_register
class ContextMaps(_Float32Layer):
    """Splits heat maps into the specialised ones and the contextual ones.

    Input: ``(..., height, width, (1 + context) * joints)``, the specialised map of every joint
    before all contextual ones. Output: ``(..., height, width, joints)`` and ``(..., height, width,
    context * joints)``. Source: as of `ContextAggregation`.

    Args:
        joints: number of joints.
    """

    def __init__(self, joints: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.joints = joints

    def call(self, maps: keras.KerasTensor) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        return maps[..., : self.joints], maps[..., self.joints :]

    def compute_output_shape(self, input_shape: Shape) -> tuple[Shape, Shape]:
        *leading, maps = input_shape
        return (*leading, self.joints), (*leading, maps - self.joints)

    def get_config(self) -> dict:
        return {**super().get_config(), "joints": self.joints}


@_register
class ContextAggregation(_Float32Layer):
    """Position of each joint, from its specialised heat map and from its contextual ones.

    ``weight * specialised + (1 - weight) * sum(p_c * contextual_c) / sum(p_c)``, where p is the
    confidence in each contextual map. If all confidences of a joint are 0, its maps count equally.

    Input: positions ``(..., joints, dim)`` by the specialised maps, positions ``(..., joints *
    context, dim)`` by the contextual ones, a joint's own in a row, and the confidences in these,
    ``(..., joints * context, 1)``. Output: ``(..., joints, dim)``.
    Source: Luvizon et al., Human Pose Regression by Combining Indirect Part Detection and
    Contextual Information, 2017; the CVPR 2018 network inherits it.

    Args:
        weight: weight of the specialised map, from 0 to 1.
    """

    def __init__(self, weight: float = 0.8, **kwargs) -> None:
        super().__init__(**kwargs)
        self.weight = weight

    def call(self, inputs: Sequence[keras.KerasTensor]) -> keras.KerasTensor:
        specialised, contextual, confidence = inputs
        confidence = self._by_joint(confidence, specialised) + keras.config.epsilon()
        contextual = self._by_joint(contextual, specialised)
        average = ops.sum(confidence * contextual, axis=-2) / ops.sum(confidence, axis=-2)
        return self.weight * specialised + (1.0 - self.weight) * average

    def _by_joint(self, x, specialised):
        joints = specialised.shape[-2]
        shape = _known_shape(x)
        return ops.reshape(x, (*shape[:-2], joints, x.shape[-2] // joints, x.shape[-1]))

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        return input_shape[0]

    def get_config(self) -> dict:
        return {**super().get_config(), "weight": self.weight}


@_register
class DepthRegression(_Float32Layer):
    """Depth as a sigmoid map, averaged under the joint's probability map (the authors' SPNet).

    Input: raw depth maps and probability maps, both ``(..., height, width, joints)``.
    Output: ``(..., joints, 1)`` in [0, 1].
    """

    def call(self, inputs: Sequence[keras.KerasTensor]) -> keras.KerasTensor:
        depth_maps, probabilities = inputs
        depth = ops.sum(ops.sigmoid(depth_maps) * probabilities, axis=(-3, -2))
        return ops.expand_dims(depth, -1)

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        return (*input_shape[0][:-3], input_shape[0][-1], 1)


@_register
class HeatMapPooling(keras.layers.Layer):
    """Features at the joints: their average under each joint's probability map.

    Input: probability maps ``(..., height, width, joints)`` and features ``(..., height, width,
    channels)``. Output: ``(..., joints, channels)``.
    Source: Luvizon et al., CVPR 2018, section 4.2 (appearance features).
    """

    def call(self, inputs: Sequence[keras.KerasTensor]) -> keras.KerasTensor:
        probabilities, features = (self._positions(x) for x in inputs)
        return ops.matmul(ops.swapaxes(probabilities, -1, -2), features)

    def _positions(self, x):
        """``(..., height, width, n)`` to ``(..., height * width, n)``."""
        *leading, height, width, count = _known_shape(x)
        return ops.cast(ops.reshape(x, (*leading, height * width, count)), self.compute_dtype)

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        maps, features = input_shape
        return (*maps[:-3], maps[-1], features[-1])


@_register
class VisibleCoordinates(_Float32Layer):
    """Coordinates times visibility, so that those of hidden joints are 0.

    Input: ``(..., joints, dim + 1)``, coordinates from 0 to 1, and visibility. Output: ``(...,
    joints, dim)``. Source: the authors' SPNet masks by visibility.

    Args:
        centred: whether coordinates are first scaled to [-1, 1], so that hidden joints lie in the
            middle of the crop. The authors keep [0, 1], which puts hidden joints into a corner.
    """

    def __init__(self, centred: bool = True, **kwargs) -> None:
        super().__init__(**kwargs)
        self.centred = centred

    def call(self, poses: keras.KerasTensor) -> keras.KerasTensor:
        coordinates = poses[..., :-1]
        if self.centred:
            coordinates = 2.0 * coordinates - 1.0
        return coordinates * poses[..., -1:]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], input_shape[-1] - 1)

    def get_config(self) -> dict:
        return {**super().get_config(), "centred": self.centred}


@_register
class ClipPooling(keras.layers.Layer):
    """Max pooling over frames and joints, with zero padding.

    Windows are 2 x 2. Joints are halved; frames only if ``time_stride`` is 2. Joints are padded to
    a multiple of 4, frames to a multiple of ``2 * time_stride``, so that the result can be halved
    once more.

    Input: ``(batch, frames, joints, channels)``, at least 4 frames, which may be unknown when the
    graph is built. Output: ``(batch, filled frames / time_stride, filled joints / 2, channels)``.
    Source: the authors' SPNet.

    Args:
        time_stride: 1 or 2.
    """

    def __init__(self, time_stride: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.time_stride = time_stride

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        x = _filled(x, 1, 2 * self.time_stride)
        x = _filled(x, 2, 4)
        return ops.max_pool(x, (2, 2), (self.time_stride, 2), "same")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, frames, joints, channels = input_shape
        if frames is not None:
            frames = -(-frames // (2 * self.time_stride)) * 2
        return batch, frames, -(-joints // 4) * 2, channels

    def get_config(self) -> dict:
        return {**super().get_config(), "time_stride": self.time_stride}


@_register
class ClipFilling(keras.layers.Layer):
    """Pads a clip with zeros, so that its frames and joints can be halved twice.

    Input: ``(batch, frames, joints, channels)``, at least 4 frames, which may be unknown when the
    graph is built. Output: the same, frames and joints padded to multiples of 4.
    """

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        return _filled(_filled(x, 1, 4), 2, 4)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        filled = [None if size is None else -(-size // 4) * 4 for size in input_shape[1:3]]
        return (input_shape[0], *filled, input_shape[3])


def _filled(x, axis, multiple):
    """``x`` padded with zeros on both sides to a multiple of 2 or 4 along an axis."""
    lacking = -_known_shape(x)[axis] % multiple
    before = (slice(None),) * axis  # at most 2 zeros a side: the axis is at least as long
    zeros = ops.zeros_like(x)
    first, last = (zeros[(*before, slice(0, n))] for n in (lacking // 2, (lacking + 1) // 2))
    return ops.concatenate([first, x, last], axis)


@_register
class MaxMinPooling(keras.layers.Layer):
    """Max pooling plus min pooling, in windows of 2 x 2 without overlap.

    If a side is odd, the last window is smaller. Input: ``(batch, frames, joints, channels)``.
    Output: ``(batch, ceil(frames / 2), ceil(joints / 2), channels)``.
    Source: Luvizon et al., CVPR 2018, section 4 (action heat maps).
    """

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        return ops.max_pool(x, 2, 2, "same") - ops.max_pool(-x, 2, 2, "same")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        halved = [None if size is None else -(-size // 2) for size in input_shape[1:3]]
        return (input_shape[0], *halved, input_shape[3])


_LEAST_VARIANCE = 1e-12  # the slope of the square root is infinite at 0


@_register
class ChangeOverTime(_Float32Layer):
    """How much the features of each joint change: their standard deviation over the frames.

    What stays the same, such as the place and the clothes, is left out. Only frames in which a
    joint is visible count.

    Input: features ``(batch, frames, joints, channels)``, and poses ``(batch, frames, joints, dim +
    1)``. Output: ``(batch, joints * channels)``; nearly 0 where fewer than two frames count.
    """

    def call(self, inputs: Sequence[keras.KerasTensor]) -> keras.KerasTensor:
        features, poses = inputs
        counts = ops.cast(ops.max(poses[..., -1:], axis=2, keepdims=True) > 0.5, features.dtype)
        total = ops.maximum(ops.sum(counts, axis=1, keepdims=True), 1.0)
        away = features - ops.sum(counts * features, axis=1, keepdims=True) / total
        variance = ops.sum(counts * away**2, axis=1) / total[:, 0]
        spread = ops.sqrt(ops.maximum(variance, _LEAST_VARIANCE))
        return ops.reshape(spread, (-1, features.shape[2] * features.shape[3]))

    def compute_output_shape(self, input_shape: Shapes) -> Shape:
        batch, _, joints, channels = input_shape[0]
        return (batch, joints * channels)


@_register
class GlobalMaxMinPooling(_Float32Layer):
    """The maximum plus the minimum over frames and joints.

    Input: ``(batch, frames, joints, channels)``. Output: ``(batch, channels)``.
    Source: Luvizon et al., CVPR 2018, section 4.
    """

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        return ops.max(x, axis=(1, 2)) + ops.min(x, axis=(1, 2))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], input_shape[-1])
