"""Weights, the network's config and facts about it, from a model into a file and back."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import keras
import numpy as np

from deephar.files import open_h5, writing_h5
from deephar.layers import DepthSoftArgmax
from deephar.models import ModelConfig, ReceptionConfig, config_from_json
from deephar.weights import keras2

CONFIG = "deephar_config"
FACTS = "deephar_facts"
FORMAT = "deephar_format"

_FORMAT = 1
"""To be increased when a network changes but the names and shapes of its weights do not."""

_LONGEST_ATTRIBUTE = 60_000  # bytes; HDF5 takes a little more than that

_GET_AGAIN = "Download or train it again."
_BUILD = "Build the network of the file with deephar.weights.load_model."


@dataclass(frozen=True)
class LoadReport:
    """How a weights file and a model differ: three tuples of lines, empty if all fits.

    Attributes:
        missing: weights of the model that the file does not have.
        unexpected: weights, or whole layers, of the file that the model does not have.
        mismatched: weights that both have, in different shapes.
    """

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[str, ...]


def save(
    model: keras.Model,
    config: ModelConfig | ReceptionConfig,
    path: str | Path,
    *,
    dtype: str = "float32",
    **facts: object,
) -> None:
    """Writes the weights of a model, its config and facts about it into one ``.h5`` file.

    The file appears complete or not at all: an earlier file of that name survives a failure.

    Args:
        model: the ``keras.Model``.
        config: its ``ModelConfig`` or ``ReceptionConfig``.
        path: file to write, ending in ``.h5``.
        dtype: type on disk, ``"float32"`` or ``"float16"`` (half the size).
        **facts: anything JSON can hold, e.g. ``score=81.2, data="MPII train"``.

    Raises:
        ValueError: The path does not end in ``.h5``, or a weight does not fit into ``dtype``.
        OSError: The file could not be written.
    """
    if Path(path).suffix != ".h5":
        raise ValueError(f"{path} does not end in .h5. Give a path that does, as in weights.h5.")
    layers = list(_weighted_layers(model))
    with writing_h5(path) as file:
        file.attrs[CONFIG] = _fixed(config.to_json())
        file.attrs[FORMAT] = _FORMAT
        file.attrs[FACTS] = _fixed(json.dumps(facts))
        file.attrs["backend"] = _fixed("tensorflow")
        file.attrs["keras_version"] = _fixed("2.0.0")  # of the layout
        file.attrs["layer_names"] = [_fixed(layer.name) for layer in layers]
        for layer in layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{variable.name}:0" for variable in layer.weights]
            group.attrs["weight_names"] = [_fixed(name) for name in names]
            for name, variable in zip(names, layer.weights, strict=True):
                group.create_dataset(name, data=_as_dtype(variable, dtype, name))


def _fixed(text: str) -> np.bytes_ | str:
    """A text for an attribute of HDF5, of fixed length where it fits.

    HDF5 may read a text of variable length for ever if the file is damaged.
    """
    content = np.bytes_(text.encode())
    return content if len(content) <= _LONGEST_ATTRIBUTE else text


def _as_dtype(variable: keras.Variable, dtype: str, name: str) -> np.ndarray:
    value = keras.ops.convert_to_numpy(variable)
    with np.errstate(over="ignore"):
        converted = value.astype(dtype)
    if not np.array_equal(np.isfinite(converted), np.isfinite(value)):
        raise ValueError(
            f"{name} holds values up to {np.abs(value).max():.4g}, too large for {dtype}. Save the "
            "weights as float32."
        )
    return converted


def load(model: keras.Model, path: str | Path, *, partial: bool = False) -> LoadReport:
    """Loads a weights file into a model, by layer name.

    Args:
        model: the ``keras.Model``.
        path: a file of this project, of Keras 2 (``.h5``, the authors' among them), or of Keras 3
            (``.weights.h5``).
        partial: load what fits even if the rest does not.

    Returns:
        A ``LoadReport``.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Not a weights file, or not of this model; names the first layer that does not
            fit. The model is then unchanged.
    """
    return _load(model, path, partial=partial)


def load_inferred(model: keras.Model, path: str | Path) -> LoadReport:
    """Loads a file of the authors into the network that its layers seem to describe.

    Args:
        model: the ``keras.Model``.
        path: the file, of Keras 2.

    Returns:
        A ``LoadReport``.

    Raises:
        FileNotFoundError, ValueError: As ``load``; what does not fit is of a network that differs
            from those that can be built.
    """
    return _load(
        model,
        path,
        advice="It resembles a network of the authors, but has options that are not built here. "
        "Use the authors' code, or train the network again.",
    )


def _load(model, path, *, partial=False, advice=_BUILD, adapt=None):
    with opened(path) as file:
        _check_depth_grid(model, file, path)
        matches, report = _match(model, stored_weights(file, path), adapt)
        _require_fit(report, path, partial, advice)
        # All is read before any is assigned, so that a damaged file leaves the model as it was.
        values = [(variable, _values(dataset, path)) for variable, dataset in matches]
        if adapt:
            values = [(variable, _adapted(variable, value, adapt)) for variable, value in values]
    for variable, value in values:
        variable.assign(value)
    return report


def load_part(model: keras.Model, path: str | Path) -> LoadReport:
    """Loads a model that is a part of the network in a file, such as its pose network.

    Args:
        model: the ``keras.Model``; all of its weights must be in the file.
        path: as for ``load``.

    Returns:
        A ``LoadReport``; ``unexpected`` lists the other weights of the file.

    Raises:
        FileNotFoundError, ValueError: As ``load``.
    """
    with opened(path) as file:
        _, report = _match(model, stored_weights(file, path))
    _require_fit(LoadReport(report.missing, (), report.mismatched), path, partial=False)
    return load(model, path, partial=True)


Adapt = Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]


def load_shared(model: keras.Model, path: str | Path, *, adapt: Adapt | None = None) -> LoadReport:
    """Loads the weights that a model shares with a file, such as the pyramids of a shorter network.

    Args:
        model: the ``keras.Model``; weights that the file lacks keep their values.
        path: as for ``load``.
        adapt: by name of a layer, a function that makes the value of its only weight of the value
            in the file, which may have another shape, and of the present value.

    Returns:
        A ``LoadReport``; ``missing`` lists the weights that the file lacks.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Not a weights file; or its network shares nothing with the model, or has layers
            of the same names and other shapes. The model is then unchanged.
    """
    with opened(path) as file:
        matches, report = _match(model, stored_weights(file, path), adapt)
    if report.mismatched or not matches:
        _require_fit(report, path, partial=False)
    return _load(model, path, partial=True, adapt=adapt)


def digest(model: keras.Model) -> str:
    """Hexadecimal SHA-256 of the values of all weights of a model."""
    result = hashlib.sha256()
    for weight in model.get_weights():
        result.update(np.ascontiguousarray(weight).data)
    return result.hexdigest()


def stored_config(path: str | Path) -> ModelConfig | ReceptionConfig | None:
    """The config inside a weights file; None if there is none, as in a file of another origin.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Damaged, or with a config that is not known.
    """
    with opened(path) as file:
        if CONFIG not in file.attrs:
            return None
        if file.attrs.get(FORMAT) != _FORMAT:
            raise ValueError(
                f"{path} has weights of format {file.attrs.get(FORMAT, 'unknown')}, and this "
                f"version of deephar reads format {_FORMAT}. Use the version that wrote the file."
            )
        try:
            return config_from_json(file.attrs[CONFIG])
        except (json.JSONDecodeError, UnicodeError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} has a damaged config ({error}). {_GET_AGAIN}") from error
        except ValueError as error:
            raise ValueError(f"{path} has a config that cannot be used: {error}") from error


def stored_facts(path: str | Path) -> dict:
    """The facts given to ``save``, as a dict; empty for a file of another origin.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Damaged.
    """
    with opened(path) as file:
        try:
            facts = json.loads(file.attrs.get(FACTS, "{}"))
            check_facts(facts)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path} has damaged facts ({error}). {_GET_AGAIN}") from error
    return facts


def check_facts(facts: object) -> None:
    """Checks that facts are a dict, with ``actions`` and ``frame_rate``, if any, of the right kind.

    Raises:
        ValueError: They are no dict, the actions are not lists of names by head, or the frame rate
            is not a number above 0.
    """
    if not isinstance(facts, dict):
        raise ValueError(f"expected a dict, got {facts!r}")
    actions = facts.get("actions", {})
    if not isinstance(actions, dict) or not all(map(_are_names, actions.values())):
        raise ValueError(f"expected actions as lists of names by head, got {actions!r}")
    rate = facts.get("frame_rate")
    if rate is not None and not (isinstance(rate, int | float) and 0 < rate < float("inf")):
        raise ValueError(f"expected a frame_rate above 0, got {rate!r}")


def _are_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


# ------------------------------------------------------------------------------------- layouts


@contextlib.contextmanager
def opened(path: str | Path) -> Iterator[h5py.File]:
    """Context manager that gives the open ``h5py.File`` of a weights file.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Not an HDF5 file, or damaged; also if the damage is found inside the block.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path} does not exist. Give the path of a weights file.")
    with open(path, "rb") as file:
        is_archive = file.read(4) == b"PK\3\4"
    if is_archive:
        raise ValueError(
            f"{path} is a whole model (.keras) or another archive, not a weights file. Open it "
            "with keras.models.load_model, and write its weights with "
            "save_weights('NAME.weights.h5')."
        )
    try:
        file = open_h5(path)
    except OSError as error:
        raise ValueError(
            f"{path} is not an HDF5 weights file, or is cut off ({error}). {_GET_AGAIN}"
        ) from error
    with file:
        try:
            yield file
        except (OSError, KeyError, RuntimeError, UnicodeError) as error:
            raise ValueError(f"{path} is damaged ({error}). {_GET_AGAIN}") from error


def _values(dataset: h5py.Dataset, path: str | Path) -> np.ndarray:
    value = dataset[()]
    if not np.isfinite(value).all():
        raise ValueError(
            f"{path} has NaN or infinite values in {dataset.name}. It is damaged, or its training "
            f"diverged. {_GET_AGAIN}"
        )
    return value


def _layers(model: keras.Model) -> Iterator[keras.Layer]:
    """All layers of a model; nested models and wrappers are replaced by the layers in them."""
    for layer in model.layers:
        inner = getattr(layer, "layer", layer)
        yield from _layers(inner) if hasattr(inner, "layers") else [inner]


def _weighted_layers(model: keras.Model) -> Iterator[keras.Layer]:
    return (layer for layer in _layers(model) if layer.weights)


def _check_depth_grid(model: keras.Model, file: h5py.File, path: str | Path) -> None:
    """Refuses another depth grid, which is a constant, so that no weight shows the difference."""
    root = keras2_root(file)
    grid = keras2.depth_grid(root) if root is not None else None
    for layer in _layers(model):
        if grid is not None and isinstance(layer, DepthSoftArgmax) and layer.grid != grid:
            raise ValueError(
                f"{path} has weights of a network with depth_grid={grid!r}, and this network has "
                f"{layer.grid!r}. Build the network with deephar.weights.load_model."
            )


def keras2_root(file: h5py.File) -> h5py.Group | None:
    """The group of a file that has the layout of Keras 2; None if the file has another layout."""
    root = file.get("model_weights", file)  # in a whole model, weights have a group of their own
    return root if keras2.is_keras2(root) else None


def stored_weights(
    file: h5py.File, path: str | Path
) -> dict[str, dict[str, h5py.Dataset] | list[h5py.Dataset]]:
    """Layer name -> its datasets: a dict by weight name, or a list in the order of the layer.

    Args:
        file: of `opened`.
        path: its path, for messages.

    Raises:
        ValueError: The layout is unknown, or does not tell the layers' names; or a weight is not an
            array of numbers.
    """
    root = keras2_root(file)
    stored = keras2.layer_weights(root, path) if root is not None else _keras3_weights(file, path)
    for datasets in stored.values():
        for dataset in datasets.values() if isinstance(datasets, dict) else datasets:
            if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in "fiu":
                raise ValueError(
                    f"{path} is damaged: {dataset.name} holds no numbers. {_GET_AGAIN}"
                )
    return stored


def _keras3_weights(file: h5py.File, path: str | Path) -> dict[str, list[h5py.Dataset]]:
    stored, nameless = {}, []

    def collect(name, group):
        if isinstance(name, bytes):
            raise KeyError(f"{name} is no text")
        if name.split("/")[-1] == "vars" and not name.startswith("optimizer") and len(group):
            stored[group.attrs.get("name", name)] = [group[str(i)] for i in range(len(group))]
            if "name" not in group.attrs:
                nameless.append(name)

    file.visititems(collect)
    if not stored:
        version = file.attrs.get("keras_version")
        origin = f", written by Keras {version}," if version else ""
        raise ValueError(
            f"{path} is an HDF5 file{origin} but has neither Keras 2 nor Keras 3 weights that this "
            "version of deephar can read. Give a .h5 or .weights.h5 file."
        )
    if nameless:
        raise ValueError(
            f"{path} does not tell the names of its layers ({nameless[0]}), like files of early "
            "versions of Keras 3. Load it into its model with the Keras that wrote it, and save "
            "the weights again with a newer one."
        )
    return stored


# ------------------------------------------------------------------------------ file and model


def _match(
    model: keras.Model, stored: dict, adapt: Adapt | None = None
) -> tuple[list[tuple[keras.Variable, h5py.Dataset]], LoadReport]:
    """Pairs of a model's variables and their datasets; the report is of those without a partner."""
    matches, missing, mismatched, unexpected = [], [], [], []
    remaining = dict(stored)
    for layer in _weighted_layers(model):
        datasets = remaining.pop(layer.name, {})
        if isinstance(datasets, list):
            names = [variable.name for variable in layer.weights]
            datasets = dict(itertools.zip_longest(names, datasets))
        for variable in layer.weights:
            dataset = datasets.pop(variable.name, None)
            if dataset is None:
                missing.append(f"{layer.name}/{variable.name}")
            elif dataset.shape != tuple(variable.shape) and layer.name not in (adapt or {}):
                mismatched.append(
                    f"{layer.name}/{variable.name}: the file has shape {dataset.shape}, the "
                    f"network {tuple(variable.shape)}"
                )
            else:
                matches.append((variable, dataset))
        unexpected += [f"{layer.name}/{weight or 'more weights'}" for weight in datasets]
    unexpected += remaining
    return matches, LoadReport(tuple(missing), tuple(unexpected), tuple(mismatched))


def _adapted(variable: keras.Variable, value: np.ndarray, adapt: Adapt) -> np.ndarray:
    layer = variable.path.split("/")[-2]
    if layer not in adapt:
        return value
    return adapt[layer](value, keras.ops.convert_to_numpy(variable))


def _require_fit(report: LoadReport, path: str | Path, partial: bool, advice: str = _BUILD) -> None:
    if partial or not (report.missing or report.unexpected or report.mismatched):
        return
    if report.mismatched:
        first = f"first mismatch: {report.mismatched[0]}"
    elif report.missing:
        first = f"first weight that the file lacks: {report.missing[0]}"
    else:
        first = f"first weight that the network lacks: {report.unexpected[0]}"
    raise ValueError(
        f"{path} has weights of another network ({len(report.mismatched)} weights of another "
        f"shape, {len(report.missing)} missing, {len(report.unexpected)} unexpected; {first}). "
        f"{advice}"
    )
