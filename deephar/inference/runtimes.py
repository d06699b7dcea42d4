"""What a network runs on: Keras, OpenVINO or ONNX Runtime, and the numbers it computes with."""

from __future__ import annotations

import functools
import os
import sys
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

RUNTIMES = ("auto", "keras", "openvino", "onnx")
"""Names of runtimes; "auto" is ``$DEEPHAR_RUNTIME`` if that is set, otherwise OpenVINO where it is
installed and there is no GPU, otherwise Keras."""
PRECISIONS = ("auto", "float32", "bfloat16", "int8")
"""Names of precisions; "auto" is bfloat16 for OpenVINO on processors that have it, else float32."""

_VARIABLE = "DEEPHAR_RUNTIME"
_TITLES = {"keras": "Keras", "openvino": "OpenVINO", "onnx": "ONNX Runtime"}
_KNOWN = {
    "keras": ("float32", "bfloat16"),
    "openvino": ("float32", "bfloat16", "int8"),
    "onnx": ("float32",),
}


@dataclass(frozen=True)
class Runtime:
    """What a network runs on.

    Attributes:
        name: "keras", "openvino" or "onnx".
        precision: "float32", "bfloat16" or "int8"; of Keras also "auto", its dtype policy.
    """

    name: str = "keras"
    precision: str = "auto"

    def __str__(self):
        title = _TITLES[self.name]
        return title if self.precision == "auto" else f"{title} in {self.precision}"


KERAS = Runtime()
"""Keras as it is set."""


def choose_runtime(name: str = "auto", precision: str = "auto") -> Runtime:
    """The runtime for a network, by what was asked for, what is installed, and the processor.

    Where "auto" becomes OpenVINO, a line on standard error says so, once.

    Args:
        name: one of `RUNTIMES`.
        precision: one of `PRECISIONS`. int8 is for OpenVINO only.

    Raises:
        ValueError: A name is unknown, the runtime does not have the precision or is not installed,
            or the processor does not compute in bfloat16.
    """
    for what, value, known in (("runtime", name, RUNTIMES), ("precision", precision, PRECISIONS)):
        if value not in known:
            raise ValueError(f"{what} must be one of {', '.join(known)}, got {value!r}.")
    asked = name
    if name == "auto":
        name = os.environ.get(_VARIABLE) or _best(precision)
        if name not in RUNTIMES[1:]:
            raise ValueError(
                f"${_VARIABLE} must be one of {', '.join(RUNTIMES[1:])}, got {name!r}."
            )
    if precision not in ("auto", *_KNOWN[name]):
        others = " or ".join(f"runtime={n!r}" for n in _KNOWN if precision in _KNOWN[n])
        raise ValueError(
            f"{_TITLES[name]} does not compute in {precision} here, only in "
            f"{' and '.join(_KNOWN[name])}. Use {others}."
        )
    runtime = Runtime(name, _checked_precision(name, precision))
    if asked == "auto" and name == "openvino":
        say_once(
            f"The network runs on {runtime}. For Keras, use --runtime keras (in Python: "
            'runtime="keras").'
        )
    return runtime


def _best(precision):
    """What is best where the user has no preference."""
    if precision == "int8" or (_is_installed("openvino") and not _has_gpu()):
        return "openvino"
    return "keras"


def _checked_precision(name, precision):
    if name == "keras":
        _warn_of_bfloat16(precision)
        return precision
    require_installed(name)
    if name == "onnx":
        return "float32"
    if precision == "auto":
        return "bfloat16" if has_bfloat16() else "float32"
    if precision == "bfloat16" and not has_bfloat16():
        raise ValueError(
            'This processor does not compute in bfloat16. Use precision="float32", or "auto", '
            "which takes what the processor has."
        )
    return precision


def _warn_of_bfloat16(precision):
    """Warns where Keras computes in bfloat16 and was not asked to."""
    import keras  # late: takes seconds

    if keras.config.backend() == "openvino" and precision != "bfloat16" and has_bfloat16():
        warnings.warn(
            "Keras with KERAS_BACKEND=openvino computes in bfloat16 on this processor, whatever "
            'its dtype policy is. For float32, use runtime="openvino", precision="float32".',
            stacklevel=5,  # whoever makes the predictor
        )


def require_installed(name: str) -> None:
    """Checks that a runtime is installed.

    Args:
        name: "openvino" or "onnx".

    Raises:
        ValueError: It is not; names the extra of the package.
    """
    module, extra = {"openvino": ("openvino", "fast"), "onnx": ("onnxruntime", "export")}[name]
    if not _is_installed(module):
        raise ValueError(
            f"{_TITLES[name]} is not installed. Install it with: pip install 'deephar[{extra}]'"
        )


def _is_installed(module):
    try:
        __import__(module)
    except ImportError:
        return False
    return True


def has_bfloat16() -> bool:
    """Whether OpenVINO is installed, and computes in bfloat16 on this processor."""
    try:
        import openvino
    except ImportError:
        return False
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _has_gpu():
    """Whether Keras has a GPU or a TPU."""
    import keras

    try:
        return not all(name.startswith("cpu") for name in keras.distribution.list_devices())
    except (AttributeError, NotImplementedError):  # some backends do not list devices
        return False


@functools.cache
def say_once(sentence: str) -> None:
    """Prints a sentence on standard error, unless it has been printed before."""
    print(sentence, file=sys.stderr)


# ------------------------------------------------------------------------------------- networks


class OpenVINONetwork:
    """An OpenVINO model as a network: from an array, or a dict of arrays, to a dict of arrays.

    For each batch size, the model is compiled when it is first needed. Threads take turns.

    Args:
        model: an ``openvino.Model`` with named inputs and outputs.
        runtime: the precision to compute in. Of int8, only the layers that are not quantised have
            a choice: they compute in bfloat16 where the processor has it.

    Attributes:
        input_shape: shape of the input, None where it is free; of several inputs, a dict of them.
        input_names: names of the inputs.
    """

    def __init__(self, model: Any, runtime: Runtime):
        import openvino

        self._model, self._core = model, openvino.Core()
        in_bfloat16 = runtime.precision != "float32" and has_bfloat16()
        self._settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if in_bfloat16 else "f32",
            "PERFORMANCE_HINT": "LATENCY",
        }
        self._requests, self._lock = {}, threading.Lock()
        shapes = {
            _name(port): tuple(
                None if size.is_dynamic else size.get_length() for size in port.partial_shape
            )
            for port in model.inputs
        }
        self.input_names = tuple(shapes)
        self.input_shape = shapes if len(shapes) > 1 else next(iter(shapes.values()))

    def __call__(self, inputs: np.ndarray | dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        arrays = inputs if isinstance(inputs, dict) else {self.input_names[0]: inputs}
        arrays = {name: np.ascontiguousarray(arrays[name], np.float32) for name in self.input_names}
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
        self._ports, self._outputs = tuple(shapes), [p.name for p in self._session.get_outputs()]
        self.input_names = tuple(name.partition(":")[0] for name in shapes)
        self.input_shape = (
            dict(zip(self.input_names, shapes.values(), strict=True))
            if len(shapes) > 1
            else next(iter(shapes.values()))
        )

    def __call__(self, inputs: np.ndarray | dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        arrays = inputs if isinstance(inputs, dict) else {self.input_names[0]: inputs}
        feed = {
            port: np.asarray(arrays[name], np.float32)
            for port, name in zip(self._ports, self.input_names, strict=True)
        }
        results = self._session.run(self._outputs, feed)
        return {
            name.partition(":")[0]: values
            for name, values in zip(self._outputs, results, strict=True)
        }


def _name(port):
    """Name of an input or output of an OpenVINO model, without TensorFlow's ":0"."""
    return port.get_any_name().partition(":")[0]
