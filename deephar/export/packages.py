"""The formats, and the packages that they need."""

from __future__ import annotations

import importlib.util

FORMATS = {"savedmodel": "", "onnx": ".onnx", "openvino": ".xml", "litert": ".tflite"}
"""Formats, and the suffix of their file; a SavedModel is a folder."""

PACKAGES = {
    "savedmodel": (),
    "onnx": ("onnx", "tf2onnx", "onnxruntime"),
    "openvino": ("openvino",),
    "litert": ("ai_edge_litert",),
}
"""Packages that write a format and run it, besides Keras and TensorFlow."""

_EXTRAS = {"openvino": "fast"}
"""Extra of the installation that has the packages of a format, where it is not ``export``."""


def require_packages(format: str) -> None:
    """Checks that the packages of a format, or of the runtime of this name, are installed.

    Args:
        format: one of `FORMATS`.

    Raises:
        ValueError: One is missing; the message says how to install it.
    """
    missing = [name for name in PACKAGES[format] if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(
            f"{format!r} needs packages that are not installed: {', '.join(missing)}. Install them "
            f"with: pip install 'deephar[{_EXTRAS.get(format, 'export')}]'"
            + (", or, for int8: pip install 'deephar[int8]'" if format == "openvino" else "")
        )


def require_tensorflow(format: str) -> None:
    """Checks that Keras runs on TensorFlow, which writes a format.

    Raises:
        ValueError: It runs on another backend.
    """
    import keras

    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise ValueError(
            f"The format {format!r} is written by TensorFlow, and Keras runs on {backend}. Set "
            "KERAS_BACKEND=tensorflow."
        )
