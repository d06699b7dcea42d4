"""Networks in other runtimes than Keras, and exported networks in their own one."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from deephar.export.packages import FORMATS, require_packages

Network = Callable[[Any], dict[str, np.ndarray]]


class OpenVINONetwork:
    """An OpenVINO model as a network: from an array, or a dict of arrays, to a dict of arrays.

    For each batch size, the model is compiled when it is first needed. Threads take turns.

    Args:
        model: an ``openvino.Model`` with named inputs and outputs.
        bfloat16: whether to compute in bfloat16 rather than float32. Quantised layers compute in
            int8 all the same.

    Attributes:
        input_shape: shape of the input, None where it is free; of several inputs, a dict of them.
        input_names: names of the inputs.
    """

    def __init__(self, model: Any, *, bfloat16: bool = False):
        import openvino

        self._model, self._core = model, openvino.Core()
        self._settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if bfloat16 else "f32",
            "PERFORMANCE_HINT": "LATENCY",
        }
        # As other libraries do. Ray sets it, so that its workers share the cores of a machine.
        if threads := os.environ.get("OMP_NUM_THREADS"):
            self._settings["INFERENCE_NUM_THREADS"] = int(threads)
            # Otherwise, all processes that share a machine would use its first cores.
            self._settings["ENABLE_CPU_PINNING"] = False
        self._requests, self._lock = {}, threading.Lock()
        shapes = {
            _name(port): tuple(
                None if size.is_dynamic else size.get_length() for size in port.partial_shape
            )
            for port in model.inputs
        }
        self.input_names = tuple(shapes)
        self.input_shape = shapes if len(shapes) > 1 else next(iter(shapes.values()))
        self._types = {_name(port): port.element_type.to_dtype() for port in model.inputs}

    def __call__(self, inputs: np.ndarray | dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        arrays = inputs if isinstance(inputs, dict) else {self.input_names[0]: inputs}
        arrays = {name: np.ascontiguousarray(arrays[name], of) for name, of in self._types.items()}
        with self._lock:
            request = self._request({name: array.shape for name, array in arrays.items()})
            results = request.infer(list(arrays.values()), share_inputs=True)
            return {_name(port): np.array(values) for port, values in results.items()}

    def _request(self, shapes):
        """An inference request for inputs of these shapes."""
        key = tuple(shapes.values())
        if key not in self._requests:
            model = self._model.clone()
            model.reshape({port: shapes[_name(port)] for port in model.inputs})
            compiled = self._core.compile_model(model, "CPU", self._settings)
            self._requests[key] = compiled.create_infer_request()
        return self._requests[key]


class ONNXNetwork:
    """An ONNX file as a network: from an array, or a dict of arrays, to a dict of arrays.

    Args:
        path: the file.

    Attributes:
        input_shape: as of `OpenVINONetwork`.
        input_names: names of the inputs.
    """

    def __init__(self, path: Path):
        import onnxruntime

        self._session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        shapes = {
            port.name: tuple(size if isinstance(size, int) else None for size in port.shape)
            for port in self._session.get_inputs()
        }
        # Of each input, its name and its type. Images may be uint8, all else is float32.
        self._ports = {
            port.name: np.uint8 if port.type == "tensor(uint8)" else np.float32
            for port in self._session.get_inputs()
        }
        self._outputs = [port.name for port in self._session.get_outputs()]
        self.input_names = tuple(name.partition(":")[0] for name in shapes)
        self.input_shape = (
            dict(zip(self.input_names, shapes.values(), strict=True))
            if len(shapes) > 1
            else next(iter(shapes.values()))
        )

    def __call__(self, inputs: np.ndarray | dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        arrays = inputs if isinstance(inputs, dict) else {self.input_names[0]: inputs}
        feed = {
            port: np.asarray(arrays[name], of)
            for (port, of), name in zip(self._ports.items(), self.input_names, strict=True)
        }
        results = self._session.run(self._outputs, feed)
        return {
            name.partition(":")[0]: values
            for name, values in zip(self._outputs, results, strict=True)
        }


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


def _open_openvino(path):
    import openvino

    return OpenVINONetwork(openvino.Core().read_model(path))


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
    "onnx": ONNXNetwork,
    "openvino": _open_openvino,
    "litert": _open_litert,
}


def _name(port):
    """Name of an input or output of an OpenVINO model, without TensorFlow's ":0"."""
    return port.get_any_name().partition(":")[0]
