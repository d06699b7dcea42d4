"""Exporting a network: written, run once by its own runtime, compared with Keras, described."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deephar import version
from deephar.export.network import (
    check_frames,
    takes_clips,
    takes_images,
    trial_input,
    with_uint8_input,
)
from deephar.export.packages import FORMATS, require_packages
from deephar.export.runtimes import open_exported
from deephar.export.writing import WRITERS
from deephar.skeletons import get_skeleton

if TYPE_CHECKING:
    import keras

    from deephar.models import ModelConfig, ReceptionConfig

_TOLERANCES = {"float32": 1e-4, "float16": 1e-2}
"""By precision: how far an output of the exported network may be from that of Keras."""
PRECISIONS = tuple(_TOLERANCES)
"""Types that the weights can be stored in."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a network is exported to.

    Attributes:
        format: ``"savedmodel"``, ``"onnx"``, ``"openvino"`` or ``"litert"``.
        precision: type of the stored weights. A file with ``"float16"`` has half the size of one
            with ``"float32"``. Either computes in float32, unless its runtime is told otherwise.
        batch: images or clips of a batch; None for any number. LiteRT needs a fixed number, and
            None stands for 1.
        frames: frames of a clip, for networks of clips; None for any number. LiteRT needs a fixed
            number, and None stands for that of the config.
        uint8: whether the network takes pixel values from 0 to 255, in place of numbers in [-1, 1].

    Raises:
        ValueError: The format or the precision is unknown, or a number is below 1.
    """

    format: str
    precision: str = "float32"
    batch: int | None = None
    frames: int | None = None
    uint8: bool = False

    def __post_init__(self) -> None:
        _check_choice("format", self.format, FORMATS)
        _check_choice("precision", self.precision, PRECISIONS)
        for name in ("batch", "frames"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise ValueError(f"{name} must be at least 1, got {number}.")

    def files(self, path: str | Path) -> list[Path]:
        """What an export to a path writes: the network, and last its description."""
        path = Path(path)
        weights = [path.with_suffix(".bin")] if self.format == "openvino" else []
        stem = path.name.removesuffix(FORMATS[self.format])
        return [path, *weights, path.with_name(f"{stem}.json")]

    def check_path(self, path: str | Path) -> None:
        """Checks that an export can be written to a path.

        Raises:
            ValueError: The path has another suffix than the format, or something exists there.
        """
        suffix = FORMATS[self.format]
        if suffix and Path(path).suffix != suffix:
            raise ValueError(
                f"{path} does not end in {suffix}. Give a path that does, as in network{suffix}, "
                f"for the format {self.format!r}."
            )
        for file in self.files(path):
            if file.exists():
                raise ValueError(f"{file} exists already. Remove it, or give another path.")


def export(
    model: keras.Model,
    config: ModelConfig | ReceptionConfig,
    path: str | Path,
    target: Target,
    *,
    actions: dict[str, Sequence[str]] | None = None,
    spacing: Mapping[str, Any] | None = None,
) -> dict:
    """Writes a network for another runtime, with a description beside it.

    The network is written to a temporary folder, run there once by its own runtime on random input,
    and compared with Keras. What has passed is moved to its place. The description, ``NAME.json``,
    has the config, the names of joints and actions, how the frames of clips follow each other, and
    what goes in and comes out.

    Args:
        model: a network of `deephar.models`, or a part of one, such as its `frame_view`.
        config: its config.
        path: file to write, with the suffix of the format; for a SavedModel, the folder.
        target: the format, and the choices in it.
        actions: names of the actions, by head.
        spacing: how the frames of the clips that the network was trained with follow each other:
            ``frame_rate``, or ``subsampling``, see `deephar.inference.actions.trained_spacing`.

    Returns:
        The description, as a dict.

    Raises:
        ValueError: The path has another suffix, or exists; the frames do not fit the network; a
            package is missing; or the exported network gives other results than Keras.
        OSError: The files cannot be written.
    """
    path = Path(path)
    target.check_path(path)
    require_packages(target.format)
    frames = _frames_of_clips(model, config, target)
    batch = target.batch or (1 if target.format == "litert" else None)
    if target.uint8:
        model = with_uint8_input(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=path.parent) as folder:
        temporary = Path(folder) / path.name
        WRITERS[target.format](
            model, temporary, batch=batch, frames=frames, precision=target.precision
        )
        difference = _compare(model, temporary, batch, frames)
        _check_difference(path, target, difference)
        description = {
            **_describe(model, config, target, actions or {}),
            **(spacing or {}),
            "inputs": _describe_tensors({x.name: x for x in model.inputs}, batch, frames),
            "outputs": _describe_tensors(model.output, batch, frames),
            "difference": difference,
        }
        written = target.files(temporary)
        written[-1].write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")
        for part, place in zip(written, target.files(path), strict=True):
            os.replace(part, place)
    return description


def _check_choice(name, value, choices):
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}.")


def _frames_of_clips(model, config, target):
    """The frames of the clips: those of the target, or, where they must be fixed, of the config."""
    check_frames(model, target.frames)
    if target.frames is None and target.format == "litert" and takes_clips(model):
        return config.num_frames
    return target.frames


def _compare(model, path, batch, frames):
    """The largest difference between the outputs of an exported network and those of Keras."""
    inputs = trial_input(model, batch=batch, frames=frames)
    expected = model.predict_on_batch(inputs)
    actual = open_exported(path)(inputs)
    if set(actual) != set(expected):
        raise ValueError(
            f"The exported network gives {', '.join(actual)}, but Keras gives "
            f"{', '.join(expected)}. Use another version of the packages that write the format."
        )
    return max(float(np.abs(actual[name] - expected[name]).max()) for name in expected)


def _check_difference(path, target, difference):
    tolerance = _TOLERANCES[target.precision]
    if not difference <= tolerance:
        raise ValueError(
            f"{path} was not written: on random input, the exported network differs from Keras by "
            f"up to {difference:.2g}, more than {tolerance:g}. Use another format, or another "
            "version of the packages that write it."
        )


def _describe(model, config, target, actions):
    """All that a program needs to use the network, without the sizes that the target fixes."""
    skeleton = get_skeleton(config.skeleton)
    return {
        "deephar": version.__version__,
        "format": target.format,
        "precision": target.precision,
        "preprocessing": _preprocessing(model, config),
        "joints": list(skeleton.joints),
        "limbs": [[limb.start, limb.end] for limb in skeleton.limbs],
        "actions": {head: list(actions[head]) for head in config.actions if head in actions},
        "config": json.loads(config.to_json()),
    }


def _preprocessing(model, config):
    """What the input is, in words; as numbers, it is in the config and in the inputs."""
    if not takes_images(model):
        return (
            "Poses: x and y (and depth) from 0 to 1 of the crop, then visibility, for every joint."
        )
    values = "0 to 255" if model.inputs[0].dtype == "uint8" else "-1 to 1 (value / 127.5 - 1)"
    size = config.image_size
    return (
        f"A square around the person, 1.25 times the longer side of the bounding box, resized to "
        f"{size} x {size} pixels; RGB, channels last, values from {values}."
    )


def _describe_tensors(tensors, batch, frames):
    """Shapes and types of tensors by name; None in a shape stands for any size."""
    return [
        {"name": name, "shape": _fixed(tensor.shape, batch, frames), "dtype": tensor.dtype}
        for name, tensor in tensors.items()
    ]


def _fixed(shape, batch, frames):
    _, second, *others = shape
    return [batch, frames if second is None else second, *others]
