"""Networks converted for a runtime, and kept in the user's cache folder.

An entry of the cache is a folder, ``networks/KEY``, with the parts of a network and their hashes.
The key is made of all that the files depend on: the weights, the config, the code of the networks
and of their conversion, the versions of the libraries, the backend of Keras, and what an int8
network was quantised on. It does not depend on
float32 or bfloat16, nor on the size of batches, which runtimes choose when they load a network. An
entry that is damaged is made again. Where nothing can be kept, networks are converted each time.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import keras

from deephar import models
from deephar import weights as weight_files
from deephar.export import (
    FORMATS,
    PACKAGES,
    ONNXNetwork,
    OpenVINONetwork,
    openvino_model,
    require_packages,
    write_onnx,
)
from deephar.files import cache_folder, file_hash
from deephar.inference.network import parted
from deephar.inference.quantization import calibration_crops, quantized
from deephar.inference.runtimes import Runtime, is_faster_in_bfloat16
from deephar.version import __version__

if TYPE_CHECKING:
    from deephar.data.samples import Sample
    from deephar.inference.network import Config, Model

_MANIFEST = "entry.json"


def load_keras_model(name: str | Path, runtime: Runtime) -> keras.Model:
    """The network of some weights on Keras, in the precision of the runtime.

    Raises:
        FileNotFoundError, ValueError: As `deephar.weights.load_model`.
    """
    policies = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
    with _dtype_policy(policies.get(runtime.precision)):
        return weight_files.load_model(name)[0]


def load_parts(
    name: str | Path,
    runtime: Runtime,
    *,
    calibration: Sequence[Sample] | None = None,
) -> dict[str, Model]:
    """The parts of the network of some weights, on a runtime.

    Args:
        name: a name in ``weights/index.json``, or the path of a weights file.
        runtime: the runtime.
        calibration: persons to quantise an int8 network on; None for the built-in ones.

    Returns:
        Its `parted` form.

    Raises:
        FileNotFoundError, ValueError: As `deephar.weights.load_model`; or the network cannot be
            converted.
    """
    if runtime.name == "keras":
        return parted(load_keras_model(name, runtime))
    config = weight_files.read_config(name)
    crops = _crops_for(runtime, config, calibration)
    entry = _entry(_key(weight_files.find(name), config, runtime, crops))
    if entry is not None and entry.is_dir():
        damage = _damage(entry)
        if damage is None:
            return _read(entry, runtime)
        warnings.warn(
            f"{entry} is a damaged entry of the cache ({damage}). The network is converted again.",
            stacklevel=2,
        )
    with _dtype_policy("float32"):
        parts = parted(weight_files.load_model(name)[0])
    return _converted(parts, runtime, crops, entry)


def convert_networks(
    parts: Mapping[str, keras.Model], config: Config, runtime: Runtime
) -> dict[str, Model]:
    """The parts of a network in memory on another runtime than Keras; nothing is kept.

    Args:
        parts: `parted` form of the network.
        config: its config.
        runtime: OpenVINO or ONNX Runtime; an int8 network is quantised on the built-in persons.

    Raises:
        ValueError: The network cannot be converted, because it is no `keras.Model`, for example.
    """
    if not all(isinstance(part, keras.Model) for part in parts.values()):
        raise ValueError(
            f"Only a keras.Model can be converted for {runtime}, and this network is a function. "
            'Leave it as it is with runtime="keras".'
        )
    return _converted(parts, runtime, _crops_for(runtime, config), None)


def _crops_for(runtime, config, calibration=None):
    if runtime.precision != "int8":
        return None
    return calibration_crops(config.image_size, calibration)


def _converted(parts, runtime, crops, entry):
    """Converts, loads what was written, and keeps it if possible."""
    with tempfile.TemporaryDirectory(prefix="deephar-") as folder:
        folder = Path(folder)
        for name, part in parts.items():
            _write(part, folder / name, runtime, None if name == "heads" else crops)
        networks = _read(folder, runtime)
        if entry is not None:
            _keep(folder, entry)
    return networks


def _write(model, path, runtime, crops):
    """Writes a part of a network as the files of a runtime: `path` with their suffixes."""
    require_packages(runtime.name)
    if runtime.name == "onnx":
        write_onnx(model, path.with_suffix(".onnx"))
        return
    import openvino

    converted = openvino_model(model)
    # Keras with KERAS_BACKEND=openvino leaves the outputs, in the order of their names, unnamed.
    for port, output in zip(converted.outputs, sorted(model.output), strict=True):
        if output not in {name.partition(":")[0] for name in port.names}:
            port.set_names({output})
    if crops is not None:
        converted = quantized(converted, crops)
    openvino.save_model(converted, path.with_suffix(".xml"), compress_to_fp16=False)


def _read(folder, runtime):
    """The networks of a folder, by the names of their files."""
    suffix = FORMATS[runtime.name]
    paths = {path.stem: path for path in sorted(folder.glob(f"*{suffix}"))}
    if runtime.name == "onnx":
        return {name: ONNXNetwork(path) for name, path in paths.items()}
    import openvino

    core = openvino.Core()
    # Otherwise the file stays open, and a temporary one cannot be removed on Windows.
    core.set_property({"ENABLE_MMAP": False})
    bfloat16 = runtime.precision == "bfloat16"
    if runtime.precision == "int8":  # the layers that are not quantised
        bfloat16 = is_faster_in_bfloat16()
    return {
        name: OpenVINONetwork(core.read_model(path), bfloat16=bfloat16)
        for name, path in paths.items()
    }


@contextmanager
def _dtype_policy(name):
    """Has networks that are built meanwhile compute with a dtype policy; None for the set one."""
    before = keras.config.dtype_policy()
    if name is not None:
        keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


# ------------------------------------------------------------------------------------ the cache


def _key(path, config, runtime, crops):
    """What tells the entries of different networks apart."""
    backend = keras.backend.backend()
    libraries = {"keras", "tensorflow", backend, *PACKAGES[runtime.name]}
    if crops is not None:
        libraries.add("nncf")
    facts = {
        "weights": file_hash(path),
        "config": config.to_json(),
        "runtime": runtime.name,
        "calibration": None if crops is None else hashlib.sha256(crops.tobytes()).hexdigest(),
        "code": _code_hash(),
        "backend": backend,
        "versions": {"deephar": __version__, **{name: _version(name) for name in libraries}},
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def _version(library):
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:  # not needed, or of a distribution of another name
        return None


@functools.cache
def _code_hash():
    """Hash of the code that makes and converts networks, which may change within a version."""
    root = Path(models.__file__).parents[1]
    files = [
        root / "layers.py",
        *(root / "inference" / f"{name}.py" for name in ("converted", "network", "quantization")),
        *sorted(root.glob("models/*.py")),
        *sorted(root.glob("export/*.py")),
    ]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _entry(key):
    """The folder of an entry; None if there is no cache folder."""
    folder = cache_folder()
    return None if folder is None else folder / "networks" / key


def _damage(entry):
    """What is wrong with an entry; None if its files are as they were written."""
    try:
        files = json.loads((entry / _MANIFEST).read_text(encoding="utf-8"))
        if files and all(file_hash(entry / name) == files[name] for name in files):
            return None
        return "its files are not those that were written"
    except (OSError, ValueError, TypeError, AttributeError) as error:
        return str(error)


def _keep(folder, entry):
    """Copies the files of a converted network into the cache, in one step."""
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=".part-", dir=entry.parent))
        try:
            names = sorted(os.listdir(folder))
            for name in names:
                shutil.copyfile(folder / name, part / name)
            hashes = {name: file_hash(part / name) for name in names}
            (part / _MANIFEST).write_text(json.dumps(hashes), encoding="utf-8")
            _put(part, entry)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        _warn_once(str(entry.parent), str(error))


def _put(part, entry):
    """Moves a folder into the place of an entry, unless another process has made it meanwhile."""
    if _damage(entry) is None:
        return
    shutil.rmtree(entry, ignore_errors=True)
    try:
        os.replace(part, entry)
    except OSError:
        if _damage(entry) is not None:
            raise


@functools.cache
def _warn_once(folder, reason):
    warnings.warn(
        f"{folder}: Converted networks cannot be kept here ({reason}), and are converted each "
        "time. Make the folder writable, or set $DEEPHAR_CACHE to another one.",
        stacklevel=2,
    )
