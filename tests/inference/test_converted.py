"""The cache of converted networks, with a conversion that takes no time."""

import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from networks import POSES, save_untrained

from deephar.inference import converted
from deephar.inference.converted import load_parts
from deephar.inference.network import call_network
from deephar.inference.runtimes import Runtime

openvino = pytest.importorskip("openvino")
OPENVINO = Runtime("openvino", "float32")
INT8 = Runtime("openvino", "int8")
IMAGES = np.ones((2, 64, 64, 3), np.float32)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return save_untrained(tmp_path_factory.mktemp("weights") / "w.h5", POSES)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The cache folder."""
    monkeypatch.setenv("DEEPHAR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "networks"


@pytest.fixture
def conversions(monkeypatch):
    """The networks that were converted; what they become gives the mean of each image."""
    from openvino import opset13 as ops

    networks = []

    def convert(model):
        networks.append(model)
        image = ops.parameter([-1, 64, 64, 3], np.float32, name="image")
        mean = ops.reduce_mean(image, [1, 2, 3], keep_dims=False)
        image.output(0).set_names({"image"})
        mean.output(0).set_names({"pose"})
        return openvino.Model([mean], [image], "mean")

    def write_onnx(model, path):
        networks.append(model)
        path.write_text("an ONNX file")

    monkeypatch.setattr(converted, "openvino_model", convert)
    monkeypatch.setattr(converted, "write_onnx", write_onnx)
    monkeypatch.setattr(converted, "ONNXNetwork", Path)
    monkeypatch.setattr(converted, "calibration_crops", lambda *_: IMAGES)
    monkeypatch.setattr(converted, "quantized", lambda model, crops: model)
    return networks


def load(path):
    """Loads and calls the network."""
    (network,) = load_parts(path, OPENVINO).values()
    np.testing.assert_allclose(call_network(network, IMAGES)["pose"], [1, 1])


def test_a_network_is_converted_once(path, folder, conversions):
    load(path)
    load(path)
    assert len(conversions) == 1
    (entry,) = folder.iterdir()
    assert sorted(file.name for file in entry.iterdir()) == ["entry.json", "whole.bin", "whole.xml"]


def test_bfloat16_has_the_same_entry(path, folder, conversions):
    load_parts(path, OPENVINO)
    load_parts(path, Runtime("openvino", "bfloat16"))
    assert len(conversions) == 1


def test_other_weights_or_versions_are_converted(path, folder, conversions, tmp_path, monkeypatch):
    load(path)
    other = tmp_path / "other.h5"
    other.write_bytes(path.read_bytes())
    load(other)
    assert len(conversions) == 1  # the same content under another name
    save_untrained(other, POSES, data="other facts")
    load(other)
    assert len(conversions) == 2
    monkeypatch.setattr(converted, "__version__", "99.0")
    load(path)
    assert len(conversions) == 3


@pytest.mark.parametrize(
    ("runtime", "library"),
    [(OPENVINO, "openvino"), (Runtime("onnx", "float32"), "tf2onnx"), (INT8, "nncf")],
)
def test_another_version_of_a_library_is_another_entry(
    path, folder, conversions, runtime, library, monkeypatch
):
    load_parts(path, runtime)
    version = converted.metadata.version
    monkeypatch.setattr(
        converted.metadata, "version", lambda name: "99" if name == library else version(name)
    )
    load_parts(path, runtime)
    load_parts(path, runtime)
    assert len(conversions) == 2


@pytest.mark.parametrize("damage", ["changed", "cut", "no weights", "no list", "bad list"])
def test_a_damaged_entry_is_made_again(path, folder, conversions, damage):
    load(path)
    (entry,) = folder.iterdir()
    weights, listed = entry / "whole.bin", entry / "entry.json"
    content = weights.read_bytes()
    if damage == "changed":
        weights.write_bytes(b"?" + content[1:])
    elif damage == "cut":
        weights.write_bytes(content[:-1])
    elif damage == "no weights":
        weights.unlink()
    elif damage == "no list":
        listed.unlink()
    else:
        listed.write_text("[]")
    with pytest.warns(UserWarning, match=r"is a damaged entry of the cache .* converted again\.$"):
        load(path)
    assert weights.read_bytes() == content
    load(path)
    assert len(conversions) == 2


@pytest.mark.parametrize("whole", [True, False])
def test_an_entry_that_another_process_has_made_is_left(
    path, folder, conversions, monkeypatch, whole
):
    load(path)
    (entry,) = folder.iterdir()
    before = (entry / "whole.xml").stat().st_mtime_ns
    other, replace = folder / "other", os.replace
    os.rename(entry, other)

    def is_slower(source, target):
        os.rename(other, target)
        if not whole:
            (target / "whole.bin").unlink()
        replace(source, target)  # fails: the folder is not empty

    monkeypatch.setattr(os, "replace", is_slower)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        load(path)
    assert any("cannot be kept here" in str(warning.message) for warning in told) is not whole
    assert len(conversions) == 2
    assert (entry / "whole.xml").stat().st_mtime_ns == before


def test_a_folder_that_cannot_be_written_is_done_without(path, tmp_path, conversions, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("no folder can be made in here")
    monkeypatch.setenv("DEEPHAR_CACHE", str(blocked))
    with pytest.warns(UserWarning, match=r"cannot be kept here .* set \$DEEPHAR_CACHE"):
        load(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it is said once
        load(path)
    assert len(conversions) == 2


def test_no_cache_folder_is_done_without(path, conversions, monkeypatch):
    monkeypatch.setenv("DEEPHAR_CACHE", "relative")
    load(path)
    load(path)
    assert len(conversions) == 2


def test_processes_with_a_number_of_threads_do_not_share_the_first_core(
    path, folder, conversions, monkeypatch
):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (network,) = load_parts(path, OPENVINO).values()
    compiled = network._request({"image": IMAGES.shape}).get_compiled_model()
    assert compiled.get_property("INFERENCE_NUM_THREADS") == 1
    assert not compiled.get_property("ENABLE_CPU_PINNING")
