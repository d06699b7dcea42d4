"""What a network runs on: Keras, OpenVINO or ONNX Runtime, and the numbers it computes with."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sys
import timeit
import warnings
from dataclasses import dataclass

import numpy as np

from deephar.export import require_packages
from deephar.files import cache_folder, replacing

RUNTIMES = ("auto", "keras", "openvino", "onnx")
"""Names of runtimes; "auto" is ``$DEEPHAR_RUNTIME`` if that is set, otherwise OpenVINO where it is
installed and there is no GPU, otherwise Keras."""
PRECISIONS = ("auto", "float32", "bfloat16", "int8")
"""Names of precisions; "auto" is bfloat16 for OpenVINO on processors that are faster in it, else
float32."""

_VARIABLE = "DEEPHAR_RUNTIME"
_ANSWERS = "bfloat16.json"
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
        name = os.environ.get(_VARIABLE) or "auto"
        if name not in RUNTIMES:
            raise ValueError(f"${_VARIABLE} must be one of {', '.join(RUNTIMES)}, got {name!r}.")
    if name == "auto":
        name = _best(precision)
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
    if precision == "int8" or (_has_openvino() and not _has_gpu()):
        return "openvino"
    return "keras"


def _checked_precision(name, precision):
    if name == "keras":
        _warn_of_bfloat16(precision)
        return precision
    require_packages(name)
    if name == "onnx":
        return "float32"
    if precision == "auto":
        return "bfloat16" if is_faster_in_bfloat16() else "float32"
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


def _has_openvino():
    """Whether OpenVINO is installed and can be imported."""
    try:
        import openvino  # noqa: F401
    except ImportError:
        return False
    return True


def has_bfloat16() -> bool:
    """Whether OpenVINO is installed, and computes in bfloat16 on this processor."""
    if not _has_openvino():
        return False
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@functools.cache
def is_faster_in_bfloat16() -> bool:
    """Whether OpenVINO computes faster in bfloat16 than in float32 on this processor.

    Processors with matrix units (AMX) do. Others know bfloat16, too, and some are slower in it. The
    time of a convolution tells. It is measured once for a processor and a version of OpenVINO: the
    answer is kept in the cache folder, in ``bfloat16.json``.
    """
    if not has_bfloat16():
        return False
    folder, processor = cache_folder(), _processor()
    kept = {} if folder is None else _read_answers(folder / _ANSWERS)
    if not isinstance(kept.get(processor), bool):
        kept[processor] = 1.2 * _convolution_seconds("bf16") < _convolution_seconds("f32")
        # Where nothing can be written, which a warning about converted networks tells, each process
        # measures.
        with contextlib.suppress(OSError):
            if folder is not None:
                with replacing(folder / _ANSWERS) as part:
                    part.write_text(json.dumps(kept, indent=1), encoding="utf-8")
    return kept[processor]


def _processor():
    """The name of the processor, and the version of OpenVINO."""
    import openvino

    name = openvino.Core().get_property("CPU", "FULL_DEVICE_NAME")
    return f"{name}, OpenVINO {openvino.__version__}"


def _read_answers(file):
    """By processor, whether bfloat16 is faster; empty if the file is missing or damaged."""
    try:
        answers = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return answers if isinstance(answers, dict) else {}


def _convolution_seconds(precision):
    """The time that a convolution takes, the shortest of several."""
    import openvino
    from openvino import opset13

    image = opset13.parameter([1, 128, 32, 32], np.float32)
    kernel = opset13.constant(np.ones((128, 128, 3, 3), np.float32))
    output = opset13.convolution(image, kernel, [1, 1], [1, 1], [1, 1], [1, 1])
    network = openvino.Core().compile_model(
        openvino.Model([output], [image]), "CPU", {"INFERENCE_PRECISION_HINT": precision}
    )
    zeros = np.zeros((1, 128, 32, 32), np.float32)
    return min(timeit.repeat(lambda: network([zeros]), number=1, repeat=10))


def _has_gpu():
    """Whether Keras has a GPU or a TPU."""
    import keras

    if keras.backend.backend() == "torch":  # it lists no devices
        import torch

        return torch.cuda.is_available()
    try:
        return not all(name.startswith("cpu") for name in keras.distribution.list_devices())
    except (AttributeError, NotImplementedError):  # some backends do not list devices
        return False


@functools.cache
def say_once(sentence: str) -> None:
    """Prints a sentence on standard error, unless it has been printed before."""
    print(sentence, file=sys.stderr)
