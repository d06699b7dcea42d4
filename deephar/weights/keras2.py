"""Weight files in the layout of Keras 2: which layer of our networks each stored array is for.

Such a file has one group for each layer of the outermost model. The authors' networks of CVPR 2018
consist of nested models, whose layers share the group of their model. Most of these layers have no
name but a number, which Keras counted over all layers that a process built.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
from keras.ops import convert_to_numpy

from deephar.layers import unit_grid

Weights = dict[str, h5py.Dataset] | list[h5py.Dataset]
"""The stored arrays of a layer: by name, or in order where Keras 1 has stored no names."""

_PART = re.compile(r"(?:td_)?(Stem|rBlock\d+|SepConv\d+|RegMap\d+|fReMap\d+|PoseAR|GuidedVisAR)")
_INNER = re.compile(r"(?:td_)?Model1")
"""The part of the authors' action model from the first reception block to the last heat maps."""

_CONSTANT = re.compile(r"(?:td_)?(?:([sc]SAM)|(zSAM)|(Agg))|.+_xy2?_([xy])")
_UNNAMED = re.compile(r"(conv2d|separable_conv2d|batch_normalization|conv1d|dense)((?:_\d+)*)")
_UNIT = re.compile(r"(sepconv(?:1|_l1|_l[23]_[123])(?:_shortcut)?(?:_conv)?)((?:_\d+)*)")
_MERGE = ("merge_pose", "merge_visual")
"""The two unnamed layers that the authors' action model has outside of nested models."""


def is_keras2(root: h5py.Group) -> bool:
    """Whether an HDF5 group has the layout of Keras 2."""
    return bool({"layer_names", "layer_names0"} & set(root.attrs))


def layer_weights(root: h5py.Group, path: str | Path) -> dict[str, Weights]:
    """The stored arrays, by layers of our networks.

    Layers of the authors' nested models get the model's name as prefix (``rBlock1_sepconv_l1``);
    unnamed layers get a number in order of construction (``Stem_conv2d_1``). Constant layers are
    left out, since they are no weights here, but their values are checked.

    Args:
        root: the open HDF5 group for which `is_keras2` holds.
        path: of the file, for messages.

    Returns:
        A dict: layer name -> dict of weight name -> ``h5py.Dataset``; for layers in the older
        layout of Keras 1, which stores no names, layer name -> list of datasets.

    Raises:
        ValueError: The file lacks a layer or weight that it lists, or a constant layer holds other
            values than our layers compute with.
    """
    stored, merge = {}, {}
    for group, layers in _groups(root, path):
        if _CONSTANT.fullmatch(group):
            _check_constant(group, layers, path)
        elif _INNER.fullmatch(group):
            stored.update(_inner_layers(layers))
        elif match := _PART.fullmatch(group):
            stored.update(_part_layers(match[1], layers))
        elif len(layers) > 1 or not re.fullmatch(rf"{re.escape(group)}(_\d+)?", *layers):
            stored.update(layers)
        else:  # one layer with the group's name, to which TensorFlow 1 may have added a number
            flat = merge if _kind(group)[0] == "separable_conv2d" else stored
            flat[group] = next(iter(layers.values()))
    in_order = sorted(merge, key=_numbers)
    names = _MERGE if len(merge) == len(_MERGE) else in_order
    return {**stored, **{name: merge[group] for name, group in zip(names, in_order, strict=True)}}


def depth_grid(root: h5py.Group) -> str | None:
    """The grid of the depth maps of a volumetric network, according to its layer ``zSAM``.

    Args:
        root: the open HDF5 group for which `is_keras2` holds.

    Returns:
        ``"inclusive"`` or ``"centres"``, see `deephar.layers.DepthSoftArgmax`; None if the network
        has no such layer.

    Raises:
        ValueError: The layer holds another grid, or the file lacks a layer that it lists.
    """
    path = root.file.filename
    for group, layers in _groups(root, path):
        if (match := _CONSTANT.fullmatch(group)) and match[2]:
            return _checked_depth_grid(group, layers, path)
    return None


# ---------------------------------------------------------------------------------- the layout


def _groups(root: h5py.Group, path: str | Path) -> Iterator[tuple[str, dict[str, Weights]]]:
    """Pairs of a group's name and its layers: dict of layer name -> weights, as `layer_weights`."""
    for group_name in _names(root, "layer_names"):
        group = root.get(group_name)
        if group is None:
            raise ValueError(
                f"{path} is damaged: layer {group_name} is listed but missing. Get the file again."
            )
        layers = {}
        for weight_name in _names(group, "weight_names"):
            if weight_name not in group:
                raise ValueError(
                    f"{path} is damaged: weight {weight_name} is listed but missing. Get the file "
                    "again."
                )
            if "/" not in weight_name:  # Keras 1, as in old ImageNet files: only the order is known
                layers.setdefault(group_name, []).append(group[weight_name])
                continue
            *_, layer, weight = weight_name.split("/")
            layers.setdefault(layer, {})[weight.split(":")[0]] = group[weight_name]
        if layers:
            yield group_name, layers


def _names(group: h5py.Group, attribute: str) -> list[str]:
    """The names in an attribute; Keras splits a long attribute into several with numbers."""
    if attribute in group.attrs:
        values = group.attrs[attribute]
    else:
        chunks = (f"{attribute}{number}" for number in itertools.count())
        present = itertools.takewhile(group.attrs.__contains__, chunks)
        values = itertools.chain.from_iterable(group.attrs[chunk] for chunk in present)
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values]


# ------------------------------------------------------------------------------ nested models


def _kind(layer: str) -> tuple[str, tuple[int, ...]]:
    """A layer's name without the numbers that Keras or TensorFlow added, and these numbers.

    TensorFlow 1 made names unique: ``sepconv_l1_conv_1`` is the second ``sepconv_l1_conv``.
    """
    match = _UNNAMED.fullmatch(layer) or _UNIT.fullmatch(layer)
    if match is None:
        return layer, ()
    return match[1], tuple(int(number) for number in match[2].split("_")[1:])


def _numbers(layer: str) -> tuple[int, ...]:
    return _kind(layer)[1]


def _by_kind(layers: dict[str, Weights]) -> dict[str, list[Weights]]:
    """Kind of layer -> the weights of all such layers, in order of construction."""
    kinds = {}
    for layer in sorted(layers, key=_numbers):
        kinds.setdefault(_kind(layer)[0], []).append(layers[layer])
    return kinds


def _part_layers(part: str, layers: dict[str, Weights]) -> dict[str, Weights]:
    """The layers of one nested model."""
    named = {}
    for kind, found in _by_kind(layers).items():
        for number, weights in enumerate(found, start=1):
            numbered = _UNNAMED.fullmatch(kind) or number > 1
            named[f"{part}_{kind}_{number}" if numbered else f"{part}_{kind}"] = weights
    return named


def _inner_layers(layers: dict[str, Weights]) -> dict[str, Weights]:
    """The layers of all nested models between the first reception block and the last heat maps."""
    order = {
        "separable_conv2d": ("SepConv",),
        "conv2d": ("RegMap", "fReMap", "rBlock"),
        "batch_normalization": ("SepConv", "fReMap", "rBlock"),
    }
    parts = {}
    for kind, found in _by_kind(layers).items():
        cycle = order.get(kind, ("rBlock",))
        for index, weights in enumerate(found):
            block, place = divmod(index, len(cycle))
            # The first reception block is not in this group.
            part = f"{cycle[place]}{block + (2 if cycle[place] == 'rBlock' else 1)}"
            parts.setdefault(part, {})[kind] = weights
    return {
        name: weights
        for part, layers in parts.items()
        for name, weights in _part_layers(part, layers).items()
    }


# ----------------------------------------------------------------------------- constant layers


def _check_constant(group: str, layers: dict[str, Weights], path: str | Path) -> None:
    both_axes, depth, aggregation, one_axis = _CONSTANT.fullmatch(group).groups()
    weights = [layers[layer] for layer in sorted(layers, key=_numbers)]
    if depth:
        _checked_depth_grid(group, layers, path)
    elif aggregation:
        _require(len(weights) == 1 and _sums_blocks(weights[0]), group, path, "sums of blocks")
    else:
        axes = "xy" if both_axes else one_axis
        holds = len(weights) == len(axes) and all(map(_is_soft_argmax, weights, axes))
        _require(holds, group, path, "a soft-argmax grid from 0 to 1 inclusive")


def _checked_depth_grid(group: str, layers: dict[str, Weights], path: str | Path) -> str:
    kernel = _array(next(iter(layers.values())), "kernel", 3)
    depth, joints, _ = kernel.shape
    grids = {
        "inclusive": np.linspace(0, 1, depth),
        "centres": (np.arange(depth) + 0.5) / max(depth, 1),
    }
    fitting = [
        name for name, grid in grids.items() if _equal(kernel, grid[:, None, None] * np.eye(joints))
    ]
    _require(fitting, group, path, "a depth grid from 0 to 1 inclusive, or of centres")
    return fitting[0]


def _is_soft_argmax(weights: Weights, axis: str) -> bool:
    grid = _array(weights, "depthwise_kernel", 4)
    identity = _array(weights, "pointwise_kernel", 4)
    height, width, joints, _ = grid.shape
    x, y = np.meshgrid(*(convert_to_numpy(unit_grid(size)) for size in (width, height)))
    expected = (x if axis == "x" else y)[..., None, None]
    return _equal(grid, np.broadcast_to(expected, (height, width, joints, 1))) and _equal(
        identity, np.eye(joints)[None, None]
    )


def _sums_blocks(weights: Weights) -> bool:
    kernel = _array(weights, "kernel", 2)
    contexts, joints = kernel.shape
    return joints > 0 and _equal(kernel, np.repeat(np.eye(joints), contexts // joints, axis=0))


def _array(weights: Weights, name: str, dims: int) -> np.ndarray:
    """A weight as an array; empty if it is missing, has other dimensions, or holds no numbers."""
    value = weights[name][()] if isinstance(weights, dict) and name in weights else None
    return value if np.ndim(value) == dims and value.dtype.kind in "fiu" else np.empty((0,) * dims)


def _equal(actual: np.ndarray, expected: np.ndarray) -> bool:
    return actual.size > 0 and actual.shape == expected.shape and np.allclose(actual, expected)


def _require(holds: object, group: str, path: str | Path, expected: str) -> None:
    if not holds:
        raise ValueError(
            f"{path} has a constant layer {group} that does not hold {expected}. deephar computes "
            "with these constants, so it cannot read a network with others."
        )
