"""Exported networks give the outputs of Keras, and are described."""

import functools
import json
import sys
from dataclasses import replace

import keras
import numpy as np
import pytest
from authors_configs import AUTHORS, RECEPTION
from networks import CLIPS, require_format

from deephar.export import FORMATS, Target, export, open_exported, openvino_model
from deephar.models import ModelConfig, action_view, build_model, frame_view
from deephar.skeletons import get_skeleton

# To make a graph for each comparison takes longer than to run the network.
pytestmark = pytest.mark.usefixtures("module_op_by_op")

POSES = replace(CLIPS, num_frames=None, actions={}, num_pyramids=1, peak_window=2)
"""A network of images."""
STREAM = ModelConfig(
    stem="none",
    streams=("pose",),
    num_pyramids=1,
    num_levels=2,
    num_frames=4,
    actions={"penn": 15},
    pose_features=16,
)
"""A network of poses."""
ACTIONS = {"synthetic": [f"action {number}" for number in range(12)]}


def network(config):
    keras.utils.set_random_seed(0)
    return build_model(config)


@pytest.fixture(scope="module")
def poses(short_stem):
    """With the whole stem, so that the weights are most of a file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("deephar.models.stems.VGG16_BLOCKS", short_stem)
        return network(POSES)


@pytest.fixture(scope="module")
def clips():
    return network(CLIPS)


@pytest.fixture
def out(tmp_path):
    """Path of an export: ``out("onnx")``; skips if a package is missing."""

    def path(format):
        require_format(format)
        return tmp_path / f"exported{FORMATS[format]}"

    return path


def images(*shape):
    return np.random.default_rng(0).uniform(-1, 1, shape).astype("float32")


def assert_same_outputs(actual, expected, tolerance=1e-5):
    assert set(actual) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(actual[name], value, atol=tolerance)


@pytest.fixture(scope="module")
def exported(poses, tmp_path_factory):
    """Path and description of the exported network of images: ``exported("onnx")``; or a skip."""

    @functools.cache
    def export_once(format):
        require_format(format)
        path = tmp_path_factory.mktemp(format) / f"exported{FORMATS[format]}"
        return path, export(poses, POSES, path, Target(format=format))

    return export_once


@pytest.fixture(scope="module")
def clips_of_any_length(clips, tmp_path_factory):
    """Path and description of the exported network of clips, with names of its actions."""
    require_format("openvino")
    path = tmp_path_factory.mktemp("clips") / "exported.xml"
    return path, export(clips, CLIPS, path, Target(format="openvino"), actions=ACTIONS)


@pytest.mark.parametrize("format", FORMATS)
def test_a_pose_network_runs_in_each_runtime(poses, exported, format):
    path, description = exported(format)
    assert description["difference"] < 1e-5
    batch = 1 if format == "litert" else 3
    image = images(batch, 64, 64, 3)
    assert_same_outputs(open_exported(path)(image), poses.predict_on_batch(image))


@pytest.mark.parametrize("format", FORMATS)
def test_a_network_of_clips_runs_in_each_runtime(clips, out, format):
    path = out(format)
    description = export(clips, CLIPS, path, Target(format=format, batch=1, frames=4))
    assert [output["shape"] for output in description["outputs"]] == [[1, 4, 2, 16, 3], [1, 2, 12]]
    clip = images(1, 4, 64, 64, 3)
    assert_same_outputs(open_exported(path)(clip), clips.predict_on_batch(clip))


@pytest.mark.parametrize("format", FORMATS)
def test_action_heads_run_in_each_runtime_and_say_how_frames_follow(out, format):
    path, heads = out(format), network(STREAM)
    target, spacing = Target(format=format, batch=2), {"frame_rate": 10.0}
    description = export(heads, STREAM, path, target, spacing=spacing)
    sequence = np.abs(images(2, 4, 16, 3))
    assert_same_outputs(open_exported(path)(sequence), heads.predict_on_batch(sequence))
    frames = 4 if format == "litert" else None
    assert description["inputs"][0]["shape"] == [2, frames, 16, 3]
    assert description["frame_rate"] == 10.0
    assert json.loads(path.with_suffix(".json").read_text())["frame_rate"] == 10.0


def test_clips_may_have_any_length_where_no_number_is_fixed(clips, clips_of_any_length):
    path, description = clips_of_any_length
    assert description["inputs"][0]["shape"] == [None, None, 64, 64, 3]
    exported = open_exported(path)
    for shape in ((2, 4), (1, 7)):
        clip = images(*shape, 64, 64, 3)
        assert_same_outputs(exported(clip), clips.predict_on_batch(clip))


def test_litert_fixes_the_frames_of_the_config_by_itself(clips, out):
    path = out("litert")
    description = export(action_view(clips), CLIPS, path, Target(format="litert"))
    assert all(tensor["shape"][:2] == [1, 4] for tensor in description["inputs"])


def test_parts_with_several_inputs_or_outputs_keep_their_names(clips, out):
    require_format("openvino")
    frames, heads = frame_view(clips), action_view(clips)
    for part in (frames, heads):
        converted = openvino_model(part)
        assert {node.any_name for node in converted.inputs} == {x.name for x in part.inputs}
        assert {node.any_name for node in converted.outputs} == set(part.output)


def test_openvino_tells_nobody_that_it_is_used(exported):
    exported("openvino")
    assert sys.modules["openvino.tools.ovc.telemetry_utils"].tm.__name__.endswith("telemetry_stub")
    assert sys.modules["openvino_telemetry"] is None


SMALLEST = {
    "spnet_pose3d": {"num_levels": 2, "num_pyramids": 1},
    "spnet_multitask2d_replica": {"num_levels": 2, "action_pyramids": (1,), "num_pyramids": 1},
    "merge2d": {"num_blocks": 1, "stem_features": 64},
}
"""Less of the authors' networks, with all their kinds of layers."""


@pytest.mark.parametrize("name", SMALLEST)
def test_the_authors_networks_run_in_openvino(out, name):
    config = replace(AUTHORS[name], image_size=64, **SMALLEST[name])
    model = network(config)
    path = out("openvino")
    export(model, config, path, Target(format="openvino"))
    inputs = images(1, *[8] * (config.num_frames is not None), 64, 64, 3)
    assert_same_outputs(open_exported(path)(inputs), model.predict_on_batch(inputs), 1e-4)


def test_an_authors_network_runs_in_onnx_runtime(out):
    config = replace(RECEPTION, num_blocks=1, stem_features=64)
    model = network(config)
    path = out("onnx")
    export(model, config, path, Target(format="onnx"))
    inputs = images(1, 64, 64, 3)
    assert_same_outputs(open_exported(path)(inputs), model.predict_on_batch(inputs), 1e-4)


@pytest.mark.parametrize("format", ["onnx", "openvino", "litert"])
def test_float16_halves_the_file_and_changes_little(poses, exported, out, format):
    (whole, _), path = exported(format), out(format)
    description = export(poses, POSES, path, Target(format=format, precision="float16"))
    sizes = [sum(file.stat().st_size for file in it.parent.iterdir()) for it in (whole, path)]
    assert 1e-7 < description["difference"] < 1e-2
    assert sizes[1] < 0.65 * sizes[0]


def test_pixel_values_can_be_the_input(poses, out):
    path = out("onnx")
    description = export(poses, POSES, path, Target(format="onnx", uint8=True))
    assert description["inputs"][0]["dtype"] == "uint8"
    assert "0 to 255" in description["preprocessing"]
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype("uint8")
    expected = poses.predict_on_batch((pixels / 127.5 - 1).astype("float32"))
    assert_same_outputs(open_exported(path)(pixels), expected)


def test_the_description_tells_what_goes_in_and_comes_out(clips_of_any_length):
    path, description = clips_of_any_length
    assert json.loads(path.with_suffix(".json").read_text()) == description
    assert {file.suffix for file in path.parent.iterdir()} == {".xml", ".bin", ".json"}
    assert description["joints"] == list(get_skeleton("pa16j").joints)
    assert description["actions"] == ACTIONS
    assert description["config"] == json.loads(CLIPS.to_json())
    assert "-1 to 1" in description["preprocessing"]
    clip, pose = description["inputs"][0], description["outputs"][0]
    assert clip == {"name": "clip", "shape": [None, None, 64, 64, 3], "dtype": "float32"}
    assert pose == {"name": "pose", "shape": [None, None, 2, 16, 3], "dtype": "float32"}


# --- mistakes


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"format": "caffe"}, "format must be one of savedmodel, onnx, openvino, litert"),
        ({"format": "onnx", "precision": "int4"}, "precision must be one of float32, float16"),
        ({"format": "onnx", "batch": 0}, "batch must be at least 1, got 0"),
        ({"format": "onnx", "frames": -1}, "frames must be at least 1, got -1"),
    ],
)
def test_a_target_that_does_not_exist_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Target(**fields)


def test_nothing_is_written_over(poses, tmp_path):
    description = tmp_path / "network.json"
    description.write_text("{}")
    with pytest.raises(ValueError, match=r"network\.json exists already"):
        export(poses, POSES, tmp_path / "network.onnx", Target(format="onnx"))
    assert description.read_text() == "{}"


def test_another_suffix_than_that_of_the_format_is_refused(poses, tmp_path):
    with pytest.raises(ValueError, match=r"does not end in \.tflite"):
        export(poses, POSES, tmp_path / "network.onnx", Target(format="litert"))


@pytest.mark.parametrize(("format", "extra"), [("onnx", "export"), ("openvino", "fast")])
def test_a_missing_package_names_its_extra(poses, tmp_path, monkeypatch, format, extra):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=rf"{format}.* pip install 'deephar\[{extra}\]'"):
        export(poses, POSES, tmp_path / f"network{FORMATS[format]}", Target(format=format))


def test_frames_that_do_not_fit_the_network_are_refused(poses, clips, out):
    path = out("openvino")
    with pytest.raises(ValueError, match="single images, got frames=8"):
        export(poses, POSES, path, Target(format="openvino", frames=8))
    with pytest.raises(ValueError, match="4 frames or more, got frames=3"):
        export(clips, CLIPS, path, Target(format="openvino", frames=3))


def test_a_network_of_poses_has_no_pixels(tmp_path):
    target, heads = Target(format="savedmodel", uint8=True), network(STREAM)
    with pytest.raises(ValueError, match="takes no images"):
        export(heads, STREAM, tmp_path / "stream", target)


def test_a_savedmodel_has_float32_weights_only(poses, tmp_path):
    target = Target(format="savedmodel", precision="float16")
    with pytest.raises(ValueError, match="weights in float32, got precision='float16'"):
        export(poses, POSES, tmp_path / "poses", target)
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_computes_something_else_is_not_written(poses, out, monkeypatch):
    path = out("openvino")
    monkeypatch.setattr(
        "deephar.export.files.open_exported",
        lambda path: lambda image: {"pose": np.zeros((2, 1, 16, 3))},
    )
    with pytest.raises(ValueError, match=r"was not written: .* differs from Keras by up to"):
        export(poses, POSES, path, Target(format="openvino"))
    assert list(path.parent.iterdir()) == []


def test_only_what_was_exported_can_be_opened(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        open_exported(tmp_path / "none.onnx")
    (tmp_path / "weights.h5").touch()
    with pytest.raises(ValueError, match="none of the suffixes"):
        open_exported(tmp_path / "weights.h5")
