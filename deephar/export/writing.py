"""Writing a network in each of the formats."""

from __future__ import annotations

import contextlib
import logging
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deephar.export.network import check_frames, input_signature
from deephar.export.packages import require_packages, require_tensorflow

if TYPE_CHECKING:
    import keras
    import openvino


def openvino_model(
    model: keras.Model, *, batch: int | None = None, frames: int | None = None
) -> openvino.Model:
    """Converts a network, or a part of one, to OpenVINO, in memory.

    Args:
        model: a network of `deephar.models`, or a part of one, such as its `frame_view`.
        batch: size of the batch; None for any.
        frames: frames of the clips, for a network of clips; None for any.

    Returns:
        An ``openvino.Model`` in float32, whose inputs and outputs have the names of the network's.

    Raises:
        ValueError: OpenVINO is not installed, or the frames do not fit the network.
    """
    require_packages("openvino")
    import openvino

    check_frames(model, frames)
    core = openvino.Core()
    core.set_property({"ENABLE_MMAP": False})  # the file is removed while the network is in use
    with tempfile.TemporaryDirectory(prefix="deephar-") as folder:
        path = Path(folder) / "network.xml"
        write_openvino(model, path, batch=batch, frames=frames)
        return core.read_model(path)


def write_openvino(
    model: keras.Model,
    path: Path,
    *,
    batch: int | None = None,
    frames: int | None = None,
    precision: str = "float32",
) -> None:
    """Writes a network for OpenVINO, as an ``.xml`` file and a ``.bin`` file beside it.

    Args:
        model: the network.
        path: the ``.xml`` file.
        batch: size of the batch; None for any.
        frames: frames of the clips; None for any.
        precision: type of the stored weights, ``"float32"`` or ``"float16"``.
    """
    import openvino

    plain = path if precision == "float32" else path.with_name(f"float32-{path.name}")
    _export(model, plain, "openvino", batch, frames)
    if precision == "float16":
        network = openvino.Core().read_model(plain)
        openvino.save_model(network, path, compress_to_fp16=True)
        del network  # it keeps the file open
        plain.unlink()
        plain.with_suffix(".bin").unlink()


def write_onnx(
    model: keras.Model,
    path: Path,
    *,
    batch: int | None = None,
    frames: int | None = None,
    precision: str = "float32",
) -> None:
    """Writes a network as an ONNX file; parameters as of `write_openvino`."""
    import onnx

    with _quiet("tf2onnx"):
        _export(model, path, "onnx", batch, frames)
    if precision == "float16":
        network = onnx.load(str(path))
        _store_float16(network)
        onnx.save(network, str(path))


def _store_float16(network):
    """Stores the large weights of an ONNX network in float16, and casts them back when it runs."""
    import onnx
    from onnx import helper, numpy_helper

    casts = []
    for weights in network.graph.initializer:
        if weights.data_type != onnx.TensorProto.FLOAT or np.prod(weights.dims) < 128:
            continue
        name = weights.name
        values = numpy_helper.to_array(weights).astype(np.float16)
        weights.CopyFrom(numpy_helper.from_array(values, f"{name}_float16"))
        casts.append(
            helper.make_node("Cast", [weights.name], [name], name, to=onnx.TensorProto.FLOAT)
        )
    nodes = [*casts, *network.graph.node]
    del network.graph.node[:]
    network.graph.node.extend(nodes)


def write_litert(
    model: keras.Model,
    path: Path,
    *,
    batch: int,
    frames: int | None = None,
    precision: str = "float32",
) -> None:
    """Writes a network as a LiteRT file, of built-in operations only.

    Parameters as of `write_openvino`, but batch and frames of clips are fixed.
    """
    require_tensorflow("litert")
    tensorflow = sys.modules["tensorflow"]  # Keras has imported it
    options = {"target_spec": {"supported_ops": [tensorflow.lite.OpsSet.TFLITE_BUILTINS]}}
    if precision == "float16":
        options["optimizations"] = [tensorflow.lite.Optimize.DEFAULT]
        options["target_spec"]["supported_types"] = [tensorflow.float16]
    _export(model, path, "litert", batch, frames, **options)


def write_savedmodel(
    model: keras.Model,
    path: Path,
    *,
    batch: int | None = None,
    frames: int | None = None,
    precision: str = "float32",
) -> None:
    """Writes a network as the folder of a SavedModel; parameters as of `write_openvino`.

    Raises:
        ValueError: Another precision than float32.
    """
    if precision != "float32":
        raise ValueError(
            f"A SavedModel stores weights in float32, got precision={precision!r}. Leave the "
            "precision out, or use another format."
        )
    require_tensorflow("savedmodel")
    _export(model, path, "tf_saved_model", batch, frames)


def _export(model, path, format, batch, frames, **options):
    """Keras' own export, in one of its formats, with a fixed or a free size of each axis."""
    import keras

    on_tensorflow = keras.backend.backend() == "tensorflow"
    (_as_function(model) if on_tensorflow else model).export(
        str(path),
        format=format,
        verbose=False,
        input_signature=input_signature(model, batch=batch, frames=frames),
        **options,
    )


def _as_function(model):
    """A model that calls another one, and is a single layer to whoever looks for its parts.

    Keras would search all layers for tables of preprocessing, which these networks do not have.
    This takes as long as the rest of an export.
    """
    import keras

    class Function(keras.Model):
        def call(self, inputs, training=False):
            return model(inputs, training=training)

    function = Function(name=model.name)
    function.built = True
    return function


@contextlib.contextmanager
def _quiet(logger: str) -> Iterator[None]:
    """Hides the log of a converter, and its warnings of functions that will be removed."""
    log = logging.getLogger(logger)
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        log.setLevel(level)


WRITERS = {
    "savedmodel": write_savedmodel,
    "onnx": write_onnx,
    "openvino": write_openvino,
    "litert": write_litert,
}
"""The function that writes each format."""
