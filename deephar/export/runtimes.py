"""Running an exported network in its own runtime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from deephar.export.packages import FORMATS, require_packages

Network = Callable[[Any], dict[str, np.ndarray]]


def open_exported(path: str | Path) -> Network:
    """Opens an exported network in its own runtime, in float32.

    Args:
        path: what `export` has written: an ``.onnx``, ``.xml`` or ``.tflite`` file, or the folder
            of a SavedModel.

    Returns:
        A function from an array, or a dict of arrays, to a dict of arrays.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The format is unknown, or a package is missing.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist. Give the path of an exported network.")
    suffix = "" if path.is_dir() else path.suffix
    formats = {suffix: name for name, suffix in FORMATS.items()}
    if suffix not in formats:
        raise ValueError(
            f"{path} has none of the suffixes {', '.join(filter(None, formats))}. Give the path of "
            "an exported network."
        )
    require_packages(formats[suffix])
    return _OPENERS[formats[suffix]](path)


def _open_savedmodel(path):
    import keras

    layer = keras.layers.TFSMLayer(str(path), call_endpoint="serve")
    return lambda inputs: {
        name: keras.ops.convert_to_numpy(value) for name, value in layer(inputs).items()
    }


def _open_onnx(path):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    (first, *_) = session.get_inputs()

    def network(inputs):
        feed = inputs if isinstance(inputs, dict) else {first.name: inputs}
        return dict(zip(names, session.run(None, feed), strict=True))

    return network


def _open_openvino(path):
    import openvino

    compiled = openvino.compile_model(
        path, device_name="CPU", config={"INFERENCE_PRECISION_HINT": "f32"}
    )

    def network(inputs):
        results = compiled(inputs if isinstance(inputs, dict) else [inputs])
        return {output.any_name: results[output] for output in compiled.outputs}

    return network


def _open_litert(path):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path))
    runner = interpreter.get_signature_runner()
    (first, *_) = runner.get_input_details()

    def network(inputs):
        return runner(**(inputs if isinstance(inputs, dict) else {first: inputs}))

    return network


_OPENERS = {
    "savedmodel": _open_savedmodel,
    "onnx": _open_onnx,
    "openvino": _open_openvino,
    "litert": _open_litert,
}
