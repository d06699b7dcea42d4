"""What networks run on: the choice of a runtime, and the same answers on each."""

import sys
import warnings
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from blobs import film, picture
from networks import CLIPS, POSES, save_untrained

from deephar import Predictor
from deephar.inference import runtimes
from deephar.inference.network import joined, parted
from deephar.inference.runtimes import Runtime, choose_runtime

BOX = (20, 20, 120, 120)


@pytest.fixture
def no_preference(monkeypatch):
    """The user has not set a runtime."""
    monkeypatch.delenv("DEEPHAR_RUNTIME")


@pytest.fixture
def openvino_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)


@pytest.fixture
def bfloat16(monkeypatch, tmp_path):
    """Says whether the processor has bfloat16, and is faster in it: ``bfloat16(True)``.

    The answers of earlier processes are kept in ``tmp_path``.
    """
    monkeypatch.setenv("DEEPHAR_CACHE", str(tmp_path))

    def use(has, faster=True):
        monkeypatch.setattr(runtimes, "has_bfloat16", lambda: has)
        times = {"f32": 1.0, "bf16": 0.3 if faster else 1.0}
        monkeypatch.setattr(runtimes, "_convolution_seconds", times.get)
        runtimes.is_faster_in_bfloat16.cache_clear()

    yield use
    runtimes.is_faster_in_bfloat16.cache_clear()


@pytest.mark.parametrize(
    ("name", "precision", "message"),
    [
        ("tpu", "auto", r"^runtime must be one of auto, keras, openvino, onnx, got 'tpu'\.$"),
        ("auto", "int4", r"^precision must be one of auto, float32, bfloat16, int8, got 'int4'"),
        ("keras", "int8", r"^Keras does not compute in int8 .*Use runtime='openvino'\.$"),
        ("onnx", "bfloat16", r"^ONNX Runtime does not .*'keras' or runtime='openvino'\.$"),
    ],
)
def test_what_a_runtime_cannot_do_is_explained(name, precision, message):
    with pytest.raises(ValueError, match=message):
        choose_runtime(name, precision)


def test_a_missing_openvino_is_explained(openvino_is_missing, no_preference):
    with pytest.raises(
        ValueError, match=r"not installed: openvino\. .* 'deephar\[fast\]', or, for"
    ):
        choose_runtime("openvino")
    with pytest.raises(ValueError, match=r"not installed: openvino\. .* 'deephar\[int8\]'$"):
        choose_runtime("auto", "int8")
    assert choose_runtime("auto") == Runtime("keras", "auto")


def test_what_onnx_runtime_lacks_to_convert_networks_is_explained(monkeypatch):
    pytest.importorskip("onnxruntime")
    for package in ("onnx", "tf2onnx"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ValueError, match=r"not installed: onnx, tf2onnx\. .* 'deephar\[export\]'$"):
        choose_runtime("onnx")


def test_a_processor_without_bfloat16_is_explained(bfloat16):
    pytest.importorskip("openvino")
    bfloat16(False)
    with pytest.raises(ValueError, match=r"^This processor does not compute in bfloat16\. Use "):
        choose_runtime("openvino", "bfloat16")
    assert choose_runtime("openvino") == Runtime("openvino", "float32")
    bfloat16(True)
    assert choose_runtime("openvino") == Runtime("openvino", "bfloat16")


def test_bfloat16_is_not_chosen_where_it_is_not_faster(bfloat16):
    pytest.importorskip("openvino")
    bfloat16(True, faster=False)
    assert choose_runtime("openvino") == Runtime("openvino", "float32")
    assert choose_runtime("openvino", "bfloat16") == Runtime("openvino", "bfloat16")


def test_the_faster_precision_is_measured_once_for_a_processor(bfloat16, tmp_path):
    pytest.importorskip("openvino")
    bfloat16(True, faster=False)
    assert not runtimes.is_faster_in_bfloat16()
    bfloat16(True, faster=True)  # another process
    assert not runtimes.is_faster_in_bfloat16()
    (kept,) = tmp_path.iterdir()
    for content in ("[]", "{", "{}"):
        kept.write_text(content)
        bfloat16(True, faster=True)
        assert runtimes.is_faster_in_bfloat16()


def test_the_best_runtime_is_chosen_and_said_once(no_preference, bfloat16, monkeypatch, capsys):
    pytest.importorskip("openvino")
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: ["cpu:0"])
    bfloat16(True)
    runtimes.say_once.cache_clear()
    assert [choose_runtime() for _ in range(3)] == 3 * [Runtime("openvino", "bfloat16")]
    assert capsys.readouterr().err == (
        "The network runs on OpenVINO in bfloat16. For Keras, use --runtime keras (in Python: "
        'runtime="keras").\n'
    )
    monkeypatch.setenv("DEEPHAR_RUNTIME", "auto")
    assert choose_runtime() == Runtime("openvino", "bfloat16")
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: ["gpu:0"])
    assert choose_runtime() == Runtime("keras", "auto")


@pytest.mark.parametrize("gpu", [True, False])
def test_a_gpu_of_pytorch_is_seen(gpu, no_preference, bfloat16, monkeypatch):
    pytest.importorskip("openvino")
    bfloat16(True)
    torch = SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: gpu))
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    assert choose_runtime().name == ("keras" if gpu else "openvino")


def test_a_variable_sets_the_runtime(monkeypatch):
    monkeypatch.setenv("DEEPHAR_RUNTIME", "keras")
    assert choose_runtime() == Runtime("keras", "auto")
    monkeypatch.setenv("DEEPHAR_RUNTIME", "fast")
    with pytest.raises(ValueError, match=r"^\$DEEPHAR_RUNTIME must be one of .* got 'fast'\.$"):
        choose_runtime()


def test_keras_on_openvino_says_that_it_computes_in_bfloat16(bfloat16, monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "openvino")
    bfloat16(True)
    with pytest.warns(UserWarning, match="computes in bfloat16 on this processor"):
        choose_runtime("keras")
    bfloat16(False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        choose_runtime("keras")


# ---------------------------------------------------------------- the same answers on each runtime


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Weights of a pose network and of a clip network."""
    folder = tmp_path_factory.mktemp("weights")
    actions = {"synthetic": [f"action {number}" for number in range(12)]}
    return {
        "poses": save_untrained(folder / "poses.h5", POSES),
        "clips": save_untrained(folder / "clips.h5", CLIPS, actions=actions),
    }


@pytest.fixture(params=["openvino", "onnx"])
def runtime(request):
    """Name of a runtime; a skip where it is not installed."""
    pytest.importorskip({"openvino": "openvino", "onnx": "onnxruntime"}[request.param])
    if request.param == "onnx":
        pytest.importorskip("tf2onnx")
    return request.param


@pytest.mark.usefixtures("op_by_op")
@pytest.mark.parametrize("kind", ["poses", "clips"])
def test_every_runtime_finds_the_same_person(files, kind, runtime):
    expected = Predictor(files[kind], runtime="keras")
    predictor = Predictor(files[kind], runtime=runtime, precision="float32")
    assert predictor.runtime == Runtime(runtime, "float32")
    for box in (None, BOX):
        ours, theirs = (p(picture(40, 60), box) for p in (predictor, expected))
        np.testing.assert_allclose(ours.joints, theirs.joints, atol=0.01)
        np.testing.assert_allclose(ours.visibility, theirs.visibility, atol=1e-4)
        np.testing.assert_allclose(ours.box, theirs.box, atol=0.05)


@pytest.mark.usefixtures("op_by_op")
def test_every_runtime_follows_a_person_and_tells_the_action(files, runtime):
    expected = Predictor(files["clips"], runtime="keras")
    predictor = Predictor(files["clips"], runtime=runtime, precision="float32")
    pairs = zip(*(p.stream(film(9), BOX) for p in (predictor, expected)), strict=True)
    for ours, theirs in pairs:
        np.testing.assert_allclose(ours.joints, theirs.joints, atol=0.01)
        scores = [dict(person.action) for person in (ours, theirs)]
        assert scores[0] == pytest.approx(scores[1], abs=1e-4)
    ours, theirs = (dict(p.classify(film(9), BOX)) for p in (predictor, expected))
    assert ours == pytest.approx(theirs, abs=1e-4)


def test_the_keras_network_of_a_predictor_stays_at_hand(files, runtime):
    predictor = Predictor(files["poses"], runtime=runtime)
    assert isinstance(predictor.model, keras.Model)
    assert predictor.model is predictor.model
    assert repr(predictor).startswith(
        f"Predictor(pa16j, {'OpenVINO' if runtime == 'openvino' else 'ONNX'}"
    )


@pytest.mark.usefixtures("op_by_op")
def test_a_network_in_memory_runs_on_every_runtime(files, runtime):
    model = Predictor(files["poses"], runtime="keras").model
    ours, theirs = (
        Predictor.from_model(model, POSES, runtime=it)(picture(40, 60), BOX)
        for it in (Runtime(runtime, "float32"), "keras")
    )
    np.testing.assert_allclose(ours.joints, theirs.joints, atol=0.01)


def test_a_runtime_for_a_network_in_memory_is_checked():
    with pytest.raises(ValueError, match=r"^Keras does not compute in int8 here"):
        Predictor.from_model(lambda images: {}, POSES, runtime=Runtime("keras", "int8"))


def test_a_function_runs_on_keras_only():
    pytest.importorskip("openvino")
    with pytest.raises(ValueError, match=r"^Only a keras\.Model can be converted for OpenVINO"):
        Predictor.from_model(lambda images: {}, POSES, runtime="openvino")


@pytest.mark.usefixtures("op_by_op")
def test_bfloat16_changes_little(files):
    pytest.importorskip("openvino")
    if not runtimes.has_bfloat16():
        pytest.skip("this processor does not compute in bfloat16")
    exact = Predictor(files["poses"], runtime="keras")(picture(40, 60), BOX)
    predictor = Predictor(files["poses"], runtime="openvino", precision="bfloat16")
    close = predictor(picture(40, 60), BOX)
    assert np.abs(close.joints - exact.joints).max() < 3


@pytest.mark.usefixtures("op_by_op")
def test_the_parts_of_a_clip_network_join_to_it(files):
    model = Predictor(files["clips"], runtime="keras").model
    parts = parted(model)
    assert list(parts) == ["frames", "heads"]
    clips = np.random.default_rng(0).uniform(-1, 1, (2, 4, 64, 64, 3)).astype("float32")
    whole, both = model.predict_on_batch(clips), joined(parts)(clips)
    assert set(whole) == set(both)
    for name, values in whole.items():
        np.testing.assert_allclose(both[name], values, atol=1e-6)
    assert joined(parts).input_shape == model.input_shape
