"""What ``deephar inspect`` and ``deephar convert`` do: describe a file, and convert it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

import h5py
import keras
import numpy as np

from deephar.models import ModelConfig, ReceptionConfig, build_model, frame_view
from deephar.weights.authors import ASSUMED, infer_config, infer_fields
from deephar.weights.files import (
    CONFIG,
    keras2_root,
    load_inferred,
    opened,
    save,
    stored_config,
    stored_weights,
)
from deephar.weights.registry import find, find_part, hints, names_of_file, read_facts


def describe(name: str | Path) -> list[str]:
    """Describes a weights file.

    Args:
        name: a name in the index, or a path.

    Returns:
        Lines of text: its layout, its names in the index, its network, what is assumed of it since
        no layer tells, its facts, its size, a line for each part of the network, and a warning if
        it holds NaN. For a name that stands for the pose network inside the file, network and facts
        are those of the pose network.

    Raises:
        FileNotFoundError, ValueError: As ``find``; or the file is not a weights file.
    """
    path, pose_config = find_part(name)
    with opened(path) as file:
        layout = _layout(file)
        stored = stored_weights(file, path)
        sizes = {
            layer: [dataset.size for dataset in _datasets(weights)]
            for layer, weights in stored.items()
        }
        bad = [
            dataset.name
            for weights in stored.values()
            for dataset in _datasets(weights)
            if not np.isfinite(dataset[()]).all()
        ]
        constants = _count_constants(file, sizes)
        # It stays open, since to open a damaged file again may take seconds.
        names = ", ".join(names_of_file(path)) or "-"
        lines = [str(path), f"  layout      {layout}", f"  listed as   {names}"]
        network = _network(path) if pose_config is None else f"{pose_config} (a part of the file)"
        lines += _wrapped("network", network)
        if (assumed := _assumed(path)) is not None:
            lines += _wrapped("assumed", f"{assumed}; no layer tells")
        lines += [line for fact in read_facts(name).items() for line in _wrapped(*fact)]
        of = "" if pose_config is None else " of the whole file"
        return lines + _size_lines(sizes, constants, of) + _warnings(bad)


def _size_lines(sizes: dict[str, list[int]], constants: int, of: str) -> list[str]:
    """The number of parameters: of all, `of` which network, and of each part of the network."""
    arrays, parameters = _totals(sizes.values())
    and_constants = f", and {constants:,} constants" if constants else ""
    lines = [f"  size        {parameters:,} parameters in {arrays} arrays{and_constants}{of}"]
    parts = {}
    for layer, layer_sizes in sizes.items():
        parts.setdefault(layer.split("/")[-1].split("_")[0], []).append(layer_sizes)
    for part, part_sizes in parts.items():
        arrays, parameters = _totals(part_sizes)
        lines.append(f"    {part:12}{parameters:>12,} in {arrays}")
    return lines


def _warnings(bad: list[str]) -> list[str]:
    if not bad:
        return []
    others = f", as do {len(bad) - 1} more arrays" if len(bad) > 1 else ""
    return [f"  warning     {bad[0]} holds NaN or infinite values{others}: do not use this file"]


def convert(
    name: str | Path,
    out: str | Path,
    *,
    num_frames: int | None = None,
    heads: Sequence[str] = (),
    sam_alpha: float = 1.0,
) -> ModelConfig | ReceptionConfig:
    """Writes the weights of a file of another origin in our format, with the config inside.

    Args:
        name: a name in the index, or a path.
        out: the ``.h5`` file to write.
        num_frames: frames of the network's clips; None for what the index says of the file.
        heads: names of its action heads; by default, what the index says, or as ``infer_config``.
        sam_alpha: factor on the heat maps before their softmax, of an SPNet that was trained with
            another ``sam_alpha`` than 1 in its config. No layer tells. It goes into the weights
            that are written.

    Returns:
        The config.

    Raises:
        FileNotFoundError, ValueError: The file cannot be used, does not tell its network, or has
            its config inside already; or `sam_alpha` is not positive, or not for its network.
        OSError: The file could not be written.
    """
    path = find(name)
    if stored_config(path) is not None:
        raise ValueError(f"{path} has its config inside. Use it as it is; no conversion is needed.")
    if Path(out).exists() and Path(out).samefile(path):
        raise ValueError(f"{out} is the file to convert. Give another path to write to.")
    known = hints(path)
    frames = known["num_frames"] if num_frames is None else num_frames
    config = infer_config(path, frames, heads=heads or known["heads"])
    if num_frames is not None and not config.actions:
        raise ValueError(
            f"{path} predicts poses of single images, so it has no number of frames. Leave "
            "--frames out."
        )
    if sam_alpha != 1:
        _check_sam_alpha(path, config, sam_alpha)
    model = build_model(config)
    load_inferred(model, path)
    facts = {"source": path.name, **read_facts(path)}
    if sam_alpha != 1:
        _sharpen(frame_view(model) if config.actions else model, config, sam_alpha)
        facts["sam_alpha"] = sam_alpha
    if "actions" in facts:  # listed by head, and heads may have a new name
        pairs = zip(config.actions, known["heads"], strict=True)
        names = facts["actions"]
        facts["actions"] = {head: names[listed] for head, listed in pairs if listed in names}
    save(model, config, out, **facts)
    return config


def _check_sam_alpha(path, config, factor):
    if isinstance(config, ReceptionConfig):
        raise ValueError(f"{path} is a ReceptionNet, which has no sam_alpha. Leave it out.")
    if not 0 < factor < float("inf"):
        raise ValueError(f"sam_alpha must be positive, got {factor}.")


def _sharpen(network: keras.Model, config: ModelConfig, factor: float) -> None:
    """Multiplies the heat maps of an SPNet, and changes nothing else.

    The heat maps are also re-injected, after a ReLU, by the last rows of the next kernel.
    """
    for layer in network.layers:
        if layer.name.endswith(("_heatmaps_conv1", "_heatmaps_conv1_replica")):
            layer.kernel.assign(layer.kernel * factor)
        elif layer.name.endswith("_heatmaps_conv2"):
            kernel = keras.ops.convert_to_numpy(layer.kernel).copy()
            kernel[:, :, -config.num_joints :] /= factor
            layer.kernel.assign(kernel)


def _assumed(path: Path) -> str | None:
    """What is assumed of a network of the authors; None of another file."""
    if stored_config(path) is not None:
        return None
    try:
        kind, _ = infer_fields(path, hints(path)["heads"])
    except ValueError:
        return None
    return ASSUMED[kind]


def _layout(file: h5py.File) -> str:
    if CONFIG in file.attrs:
        return "deephar (Keras 2, with the network's config)"
    root = keras2_root(file)
    if root is None:
        return "Keras 3 (.weights.h5)"
    whole = ", a whole model" if root != file else ""
    version = root.attrs.get("keras_version", "1 or 2")
    return f"Keras {version.decode() if isinstance(version, bytes) else version} (.h5{whole})"


def _network(path: Path) -> str:
    if (config := stored_config(path)) is not None:
        return f"{config} (inside the file)"
    known = hints(path)
    try:
        kind, fields = infer_fields(path, known["heads"])
    except ValueError as error:
        return f"unknown: {str(error).removeprefix(f'{path} ')}"
    if fields["actions"]:
        fields["num_frames"] = known["num_frames"] or "?"
    text = ", ".join(f"{field}={value!r}" for field, value in fields.items())
    frames = "; frames of a clip are unknown" if fields.get("num_frames") == "?" else ""
    return f"{kind.__name__}({text}) (inferred from its layers{frames})"


def _count_constants(file: h5py.File, sizes: dict[str, list[int]]) -> int:
    """Number of stored values that are no weights here, such as the grids of the soft-argmax."""
    root = keras2_root(file)
    if root is None:
        return 0
    total = []
    root.visititems(lambda name, item: total.append(getattr(item, "size", 0)))
    return sum(total) - _totals(sizes.values())[1]


def _datasets(weights: dict | list) -> Iterable[h5py.Dataset]:
    return weights.values() if isinstance(weights, dict) else weights


def _totals(sizes: Iterable[list[int]]) -> tuple[int, int]:
    """Number of arrays, and of the values in them."""
    arrays = [size for layer in sizes for size in layer]
    return len(arrays), sum(arrays)


def _wrapped(label: str, value: object) -> list[str]:
    return textwrap.wrap(
        str(value), 100, initial_indent=f"  {label:12}", subsequent_indent=" " * 14
    )
