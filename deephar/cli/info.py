"""``deephar info``: installed versions, devices and available weights."""

from __future__ import annotations

import importlib
import platform
from importlib import metadata
from pathlib import Path

import keras

from deephar import version, weights

_LIBRARIES = ("numpy", "cv2", "h5py", "scipy", "matplotlib")


def describe_installation() -> list[str]:
    """Describes the installation.

    Returns:
        Lines of text: versions of the package and of the libraries that it uses, the backend and
        its devices, the folder of the weights, and the names in its index.

    Raises:
        ValueError: The index of the weights is damaged.
    """
    backend = keras.backend.backend()
    versions = (f"{name} {importlib.import_module(name).__version__}" for name in _LIBRARIES)
    return [
        f"deephar   {version.__version__}, in {Path(__file__).parents[1]}",
        f"Python    {platform.python_version()}, {platform.platform()}",
        f"Keras     {keras.__version__}, backend {backend} {_version(backend)}",
        f"devices   {', '.join(_devices())}",
        f"others    {', '.join(versions)}",
        f"weights   {weights.weights_folder().resolve()}",
        *_weights_lines(),
    ]


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:  # the library may be part of another distribution
        return "of unknown version"


def _devices() -> list[str]:
    try:
        return keras.distribution.list_devices()
    except (AttributeError, NotImplementedError):  # some backends do not list devices
        return ["unknown"]


def _weights_lines() -> list[str]:
    entries = weights.index()
    if not entries:
        return ["  there is no index.json in this folder, so no names are known"]
    width = max(map(len, entries))
    return [
        f"  {name:<{width}}  {_state(entry)}{_whole(entry, entries)}"
        for name, entry in sorted(entries.items())
    ]


def _whole(entry: dict, entries: dict) -> str:
    """Says of which network an entry is the pose network alone."""
    names = (
        name
        for name, other in entries.items()
        if other["file"] == entry["file"] and other["config"].get("actions")
    )
    whole = None if entry["config"].get("actions") else next(names, None)
    return f", the pose network of {whole}" if whole else ""


def _state(entry: dict) -> str:
    default = ", the default" if entry.get("default") else ""
    if weights.is_available(entry):
        return f"found{default}"
    source = f"; it can be downloaded from {entry['url']}" if "url" in entry else ""
    return f"missing{default}{source}"
