"""Weight files: ``.h5`` in and out, and the index of the weights that come with the project.

A file written here has the layout that Keras 2 gave its ``.h5`` weights (one group a layer, found
by name), so ``model.load_weights`` of Keras reads it too. On top it carries the network's config
and facts such as the score, as attributes of the root. Read are these files, Keras 2 files, and
the ``.weights.h5`` files of Keras 3.
"""

import contextlib
import hashlib
import itertools
import json
import os
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from keras.ops import convert_to_numpy

from deephar.files import replacing, sha256, writing_h5

CONFIG = "deephar_config"
FACTS = "deephar_facts"
FORMAT = "deephar_format"

_FORMAT = 1
"""Raised when the same weights would make another network: a change without new layer shapes."""


@dataclass(frozen=True)
class LoadReport:
    """What a weights file and a model do not share; three tuples of lines, empty if all fits.

    Attributes:
        missing: weights of the model that the file does not have.
        unexpected: weights, or whole layers, of the file that the model does not have.
        mismatched: weights that both have, in different shapes.
    """

    missing: tuple
    unexpected: tuple
    mismatched: tuple


def save(model, config, path, dtype="float32", **facts):
    """Writes the weights of a model, its config and facts about it into one ``.h5`` file.

    The file appears complete or not at all: an earlier file of that name survives a failure.

    Args:
        model: the ``keras.Model``.
        config: its ``ModelConfig``.
        path: file to write, ending in ``.h5``.
        dtype: type on disk, ``"float32"`` or ``"float16"`` (half the size).
        **facts: anything JSON can hold, e.g. ``score=81.2, data="MPII train"``.

    Raises:
        ValueError: the path does not end in ``.h5``, or a weight does not fit into ``dtype``.
        OSError: the file could not be written.
    """
    if Path(path).suffix != ".h5":
        raise ValueError(f"{path}: weights are saved as .h5; give a path that ends in .h5")
    layers = list(_weighted_layers(model))
    with writing_h5(path) as file:
        file.attrs[CONFIG] = config.to_json()
        file.attrs[FORMAT] = _FORMAT
        file.attrs[FACTS] = json.dumps(facts)
        file.attrs["backend"] = "tensorflow"
        file.attrs["keras_version"] = "2.0.0"  # of the layout
        file.attrs["layer_names"] = [layer.name for layer in layers]
        for layer in layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{variable.name}:0" for variable in layer.weights]
            group.attrs["weight_names"] = names
            for name, variable in zip(names, layer.weights, strict=True):
                group.create_dataset(name, data=_as_dtype(variable, dtype, name))


def _as_dtype(variable, dtype, name):
    value = convert_to_numpy(variable)
    with np.errstate(over="ignore"):
        converted = value.astype(dtype)
    if not np.array_equal(np.isfinite(converted), np.isfinite(value)):
        raise ValueError(
            f"{name} holds values up to {np.abs(value).max():.4g}, too large for {dtype}; save the "
            "weights as float32"
        )
    return converted


def load(model, path, partial=False):
    """Loads a weights file into a model, by layer name.

    Args:
        model: the ``keras.Model``.
        path: a file of this project, of Keras 2 (``.h5``), or of Keras 3 (``.weights.h5``).
        partial: load what fits even if the rest does not.

    Returns:
        A ``LoadReport``.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a weights file, or not of this model; names the first layer that does not
            fit. The model is then unchanged.
    """
    with _open(path) as file:
        stored = _stored_weights(file, path)
        matches, report = _match(model, stored)
        _require_fit(report, path, partial)
        # All is read before any is assigned, so that a damaged file leaves the model as it was.
        values = [(variable, _values(dataset, path)) for variable, dataset in matches]
    for variable, value in values:
        variable.assign(value)
    return report


def load_part(model, path):
    """Loads a model that is a part of the network in a file, such as its pose network.

    Args:
        model: the ``keras.Model``; all of its weights must be in the file.
        path: as for ``load``.

    Returns:
        A ``LoadReport``; ``unexpected`` tells what else the file holds.

    Raises:
        FileNotFoundError, ValueError: as ``load``.
    """
    with _open(path) as file:
        _, report = _match(model, _stored_weights(file, path))
    _require_fit(LoadReport(report.missing, (), report.mismatched), path, partial=False)
    return load(model, path, partial=True)


def digest(model):
    """Hexadecimal SHA-256 of the values of all weights of a model."""
    result = hashlib.sha256()
    for weight in model.get_weights():
        result.update(np.ascontiguousarray(weight).data)
    return result.hexdigest()


def load_model(name):
    """Builds the network that a weights file describes, with its weights.

    Args:
        name: a name in ``weights/index.json``, or the path of an ``.h5`` file saved by ``save``.

    Returns:
        The ``keras.Model`` and its ``ModelConfig``.

    Raises:
        FileNotFoundError: neither a known name nor a file.
        ValueError: the file is damaged, or has no config inside.
    """
    from deephar.models import build_model

    path = find(name)
    config = read_config(path)
    model = build_model(config)
    load(model, path)
    return model, config


def read_config(path):
    """The ``ModelConfig`` inside a weights file.

    Raises:
        FileNotFoundError: no such file.
        ValueError: damaged, or without a (known) config.
    """
    from deephar.models import ModelConfig

    with _open(path) as file:
        if CONFIG not in file.attrs:
            raise ValueError(
                f"{path}: holds no network config, so it was not saved by deephar.weights.save; "
                "build the model yourself and call deephar.weights.load(model, path)"
            )
        if file.attrs.get(FORMAT) != _FORMAT:
            raise ValueError(
                f"{path}: weights of format {file.attrs.get(FORMAT, 'unknown')}, this version of "
                f"deephar reads format {_FORMAT}; use the version that wrote it"
            )
        try:
            return ModelConfig.from_json(file.attrs[CONFIG])
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error


def read_facts(path):
    """The facts given to ``save``, as a dict; empty for a file of another origin."""
    with _open(path) as file:
        return json.loads(file.attrs.get(FACTS, "{}"))


# ---------------------------------------------------------------------------------- the index


def weights_folder():
    """The folder of the shipped weights: ``$DEEPHAR_WEIGHTS``, ``./weights``, or the project's."""
    if "DEEPHAR_WEIGHTS" in os.environ:
        return Path(os.environ["DEEPHAR_WEIGHTS"])
    here = Path("weights")
    return here if (here / "index.json").is_file() else Path(__file__).parents[1] / "weights"


def index():
    """The shipped weights: name -> dict of file, sha256, config, data, score and licence.

    Raises:
        ValueError: ``index.json`` is damaged.
    """
    path = weights_folder() / "index.json"
    if not path.is_file():
        return {}
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        _ = [(entry["file"], entry["sha256"]) for entry in entries.values()]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path}: not a list of weights in JSON ({error}); restore it") from error
    return entries


def register(name, path, licence):
    """Adds a file of the weights folder to the index.

    Args:
        name: what users will call it, e.g. ``"vgg16-mpii"``.
        path: the ``.h5`` file, in ``weights_folder()``; its facts must tell ``data`` and ``score``.
        licence: a sentence on the terms of use, since they follow those of the training data.

    Raises:
        ValueError: the file lies elsewhere, or lacks these facts.
    """
    path = Path(path)
    folder = weights_folder()
    if path.resolve().parent != folder.resolve():
        raise ValueError(
            f"{path}: only files in {folder} can be listed in its index; move it there"
        )
    facts = read_facts(path)
    lacking = [fact for fact in ("data", "score") if fact not in facts]
    if lacking:
        raise ValueError(f"{path}: says nothing of its {' and '.join(lacking)}; save it with them")
    entry = {
        "file": path.name,
        "sha256": sha256(path),
        "config": json.loads(read_config(path).to_json()),
        "data": facts["data"],
        "score": facts["score"],
        "licence": licence,
    }
    text = json.dumps({**index(), name: entry}, indent=2, sort_keys=True) + "\n"
    with replacing(folder / "index.json") as part:
        part.write_text(text, encoding="utf-8")


def find(name):
    """The path of a weights file given by name or path; a listed file's content is checked.

    Raises:
        FileNotFoundError: neither a known name nor a file.
        ValueError: the listed file has other content.
    """
    if str(name) in (entries := index()):
        path = weights_folder() / entries[str(name)]["file"]
        if path.is_file() and sha256(path) != entries[str(name)]["sha256"]:
            raise ValueError(
                f"{path}: differs from the file that {path.parent / 'index.json'} lists as "
                f"{name!r} (its sha256 is another); fetch it again, or give its path instead"
            )
        return path
    if not Path(name).is_file():
        known = ", ".join(sorted(entries)) or "none"
        raise FileNotFoundError(
            f"{name}: no such weights file, and no name in {weights_folder() / 'index.json'} "
            f"(known names: {known})"
        )
    return Path(name)


# ----------------------------------------------------------------------------------- internals


@contextlib.contextmanager
def _open(path):
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such weights file")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ValueError(
            f"{path}: not an HDF5 weights file, or cut off ({error}); fetch or train it again"
        ) from error
    with file:
        try:
            yield file
        except (OSError, KeyError, RuntimeError) as error:
            raise ValueError(f"{path}: damaged ({error}); fetch or train it again") from error


def _values(dataset, path):
    value = dataset[()]
    if not np.isfinite(value).all():
        raise ValueError(
            f"{path}: {dataset.name} holds NaN or infinite values; it is damaged, or its training "
            "has diverged: fetch or train it again"
        )
    return value


def _weighted_layers(model):
    """Layers that hold weights themselves, those of nested models and wrapped layers included."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from _weighted_layers(layer)
        elif hasattr(layer, "layer"):
            inner = layer.layer
            yield from _weighted_layers(inner) if hasattr(inner, "layers") else [inner]
        elif layer.weights:
            yield layer


def _stored_weights(file, path):
    """Layer name -> its datasets: a dict by weight name, or a list in Keras 3's order."""
    root = file.get("model_weights", file)  # the former in a whole model of Keras 2
    if "layer_names" in root.attrs:
        return _named_weights(root, path)
    stored = {}

    def collect(name, group):
        if name.split("/")[-1] == "vars" and not name.startswith("optimizer") and len(group):
            stored[group.attrs.get("name", name)] = [group[str(i)] for i in range(len(group))]

    file.visititems(collect)
    if not stored:
        raise ValueError(f"{path}: an HDF5 file, but neither Keras 2 nor Keras 3 weights")
    return stored


def _named_weights(root, path):
    stored = {}
    for group_name in root.attrs["layer_names"]:
        group = root.get(_text(group_name))
        if group is None:
            raise ValueError(f"{path}: damaged, layer {_text(group_name)} is listed but absent")
        for weight_name in map(_text, group.attrs.get("weight_names", ())):
            if weight_name not in group:
                raise ValueError(f"{path}: damaged, weight {weight_name} is listed but absent")
            if "/" not in weight_name:  # Keras 1, as in old ImageNet files: known by the order
                stored.setdefault(_text(group_name), []).append(group[weight_name])
                continue
            *_, layer, weight = weight_name.split("/")
            stored.setdefault(layer, {})[weight.split(":")[0]] = group[weight_name]
    return stored


def _text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def _match(model, stored):
    """Pairs the variables of a model with datasets; the rest makes the report."""
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
            elif dataset.shape != tuple(variable.shape):
                mismatched.append(
                    f"{layer.name}/{variable.name}: the file has shape {dataset.shape}, the "
                    f"network {tuple(variable.shape)}"
                )
            else:
                matches.append((variable, dataset))
        unexpected += [f"{layer.name}/{weight or 'more weights'}" for weight in datasets]
    unexpected += remaining
    return matches, LoadReport(tuple(missing), tuple(unexpected), tuple(mismatched))


def _require_fit(report, path, partial):
    if partial or not (report.missing or report.unexpected or report.mismatched):
        return
    if report.mismatched:
        first = f"first mismatch: {report.mismatched[0]}"
    elif report.missing:
        first = f"first weight that the file lacks: {report.missing[0]}"
    else:
        first = f"first that the network lacks: {report.unexpected[0]}"
    raise ValueError(
        f"{path}: weights of another network ({len(report.mismatched)} weights of another shape, "
        f"{len(report.missing)} missing, {len(report.unexpected)} unexpected; {first}); "
        "build the network from the config inside the file with deephar.weights.load_model"
    )
