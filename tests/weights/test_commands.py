"""The description of a weights file, and its conversion into our format."""

import json

import h5py
import keras
import numpy as np
import pytest
from networks import SMALL

from deephar import Predictor, weights
from deephar.models import ModelConfig, pose_model

CONFIG = ModelConfig(**SMALL)


def described(path):
    """The lines of the description as one text."""
    return "\n".join(weights.describe(path))


def test_description_of_an_authors_file_tells_network_and_size(spnet_file):
    text = described(spnet_file)
    assert "layout      Keras 2.21.0 (.h5)" in text
    assert "listed as   -" in text
    assert "ModelConfig(stem='residual', stem_stride=8, stem_features=48" in text
    # Counted from the file's description: 166,688 in all.
    assert "151,840 parameters in 156 arrays, and 14,848 constants" in text
    assert [line.split() for line in text.splitlines()][-2:] == [
        ["dp1", "58,768", "in", "52"],
        ["up2", "45,168", "in", "50"],
    ]


def test_the_version_of_keras_may_be_stored_as_bytes(spnet_file):  # as Keras 2 itself does
    with h5py.File(spnet_file, "a") as file:
        file.attrs["keras_version"] = np.bytes_("2.1.4")
    assert "layout      Keras 2.1.4 (.h5)" in described(spnet_file)


def test_description_says_when_the_frames_are_unknown(clips_file):
    text = " ".join(described(clips_file).split())
    assert "actions={'penn': 15}" in text
    assert "num_frames='?') (inferred from its layers; frames of a clip are unknown)" in text


def test_description_of_our_files_tells_config_and_facts(tmp_path):
    model = pose_model(CONFIG)
    weights.save(model, CONFIG, tmp_path / "w.h5", data="drawn", score={"PCKh": 12})
    text = described(tmp_path / "w.h5")
    assert "layout      deephar" in text
    assert str(CONFIG) + " (inside the file)" in " ".join(text.split())
    assert "data        drawn" in text
    assert "score       {'PCKh': 12}" in text
    assert f"{model.count_params():,} parameters in {len(model.weights)} arrays\n" in text


def test_keras_3_files_and_other_networks_are_described(tmp_path):
    pose_model(CONFIG).save_weights(tmp_path / "w.weights.h5")
    text = described(tmp_path / "w.weights.h5")
    assert "layout      Keras 3 (.weights.h5)" in text
    assert "network     unknown: holds no network config" in text
    assert "block1" in text


def test_description_names_listed_files():
    text = described("penn-pose-stream")
    assert "listed as   penn-pose-stream" in text
    assert "382,632 parameters" in text


def test_description_warns_of_nan(tmp_path):
    weights.save(pose_model(CONFIG), CONFIG, tmp_path / "w.h5")
    assert "NaN" not in described(tmp_path / "w.h5")
    with h5py.File(tmp_path / "w.h5", "a") as file:
        file["block3_bn1/block3_bn1/beta:0"][3] = np.nan
        file["block4_bn1/block4_bn1/beta:0"][0] = np.inf
    text = described(tmp_path / "w.h5")
    assert "/block3_bn1/block3_bn1/beta:0 holds NaN or infinite values, as do 1 more" in text


def test_converted_files_are_our_own(spnet_file, golden, tmp_path):
    out = tmp_path / "ours.h5"
    weights.convert(spnet_file, out)
    text = described(out)
    assert "(inside the file)" in " ".join(text.split())
    assert "source      spnet.h5" in text
    assert "151,840 parameters in 156 arrays\n" in text
    predictor = Predictor(out)
    image = ((golden("spnet_pose2d")["x"][0] + 1) * 127.5).round().astype(np.uint8)
    person = predictor(image, box=(0, 0, 127, 127), margin=1)
    assert person.joints.shape == (16, 2)
    # The same network on the file as it is.
    same = Predictor(spnet_file)(image, box=(0, 0, 127, 127), margin=1)
    np.testing.assert_allclose(person.joints, same.joints, atol=1e-3)
    with pytest.raises(ValueError, match="has its config inside"):
        weights.convert(out, tmp_path / "x.h5")


def test_frames_and_head_of_clips_are_given_once(clips_file, tmp_path):
    out = tmp_path / "ours.h5"
    with pytest.raises(ValueError, match="--frames 8"):
        weights.convert(clips_file, out)
    for name in ("a/b c", ""):
        with pytest.raises(ValueError, match=f"'{name}' cannot be the name of a head"):
            weights.convert(clips_file, out, num_frames=8, heads=[name])
    assert not out.exists()
    weights.convert(clips_file, out, num_frames=8, heads=["gym"])
    config = weights.read_config(out)
    assert (config.num_frames, config.actions) == (8, {"gym": 15})


def test_names_of_the_actions_go_into_a_converted_file(clips_file, tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPHAR_WEIGHTS", str(tmp_path))
    config = json.loads(weights.infer_config(clips_file, num_frames=8).to_json())
    names = [f"deed {number}" for number in range(15)]
    entry = {"file": "theirs.h5", "url": "https://there", "config": config}
    entry["facts"] = {"actions": {"penn": names}}
    (tmp_path / "index.json").write_text(json.dumps({"theirs": entry}))
    (tmp_path / "theirs.h5").write_bytes(clips_file.read_bytes())
    assert Predictor("theirs").actions == tuple(names)
    weights.convert("theirs", tmp_path / "ours.h5", heads=["gym"])
    assert weights.read_facts(tmp_path / "ours.h5")["actions"] == {"gym": names}


def test_mistakes_in_a_conversion_are_explained(spnet_file, tmp_path):
    pose_model(CONFIG).save_weights(tmp_path / "w.weights.h5")
    cases = [
        ((spnet_file, spnet_file), {}, "is the file to convert"),
        ((spnet_file, tmp_path / "out.hdf5"), {}, r"does not end in \.h5"),
        ((spnet_file, tmp_path / "out.h5"), {"num_frames": 8}, "poses of single images"),
        ((tmp_path / "w.weights.h5", tmp_path / "out.h5"), {}, "holds no network config"),
    ]
    for arguments, options, message in cases:
        with pytest.raises(ValueError, match=message):
            weights.convert(*arguments, **options)
    with pytest.raises(FileNotFoundError, match="and save it as"):
        weights.convert("cvpr18-mpii", tmp_path / "out.h5")


def kernels_of(path):
    """The kernels of the plain convolutions in a file, by layer."""
    with h5py.File(path) as file:
        return {
            name: file[name][name]["kernel:0"][()]
            for name in map(bytes.decode, file.attrs["layer_names"])
            if "kernel:0" in file[name][name]
        }


def heat_maps_of(model):
    """The raw heat maps of all blocks of a pose network, in order."""
    layers = [layer for layer in model.layers if layer.name.endswith("_heatmaps_conv1")]
    return keras.Model(model.input, [layer.output for layer in layers])


@pytest.mark.parametrize(("name", "factor"), [("spnet_pose2d", 0.5), ("spnet_pose3d", 3.0)])
def test_a_factor_on_the_heat_maps_is_put_into_the_weights(
    reference_network, tmp_path, name, factor
):
    arrays, path = reference_network(name)
    plain, _ = weights.load_model(path)
    config = weights.convert(path, tmp_path / "ours.h5", sam_alpha=factor)
    assert weights.read_facts(tmp_path / "ours.h5")["sam_alpha"] == factor
    poses = weights.load_model(tmp_path / "ours.h5")[0].predict(arrays["x"], verbose=0)["pose"]
    # The features do not depend on the factor, so neither do the raw heat maps of any block.
    blocks = heat_maps_of(plain).predict(arrays["x"], verbose=0)
    assert poses.shape[1] == len(blocks) == config.num_predictions
    for number, maps in enumerate(blocks):
        scores = np.exp(factor * (maps - maps.max(axis=(1, 2), keepdims=True)))
        scores /= scores.sum(axis=(1, 2), keepdims=True)
        grid = np.linspace(0, 1, maps.shape[1])
        expected = np.stack(
            [np.einsum("byxj,x->bj", scores, grid), np.einsum("byxj,y->bj", scores, grid)], -1
        )
        np.testing.assert_allclose(poses[:, number, :, :2], expected, atol=1e-4)


def test_of_clips_the_replica_gets_the_factor_too(clips_file, tmp_path):
    kernels = {}
    for factor in (1.0, 2.0):
        out = tmp_path / f"{factor}.h5"
        weights.convert(clips_file, out, num_frames=8, sam_alpha=factor)
        kernels[factor] = kernels_of(out)
    assert any(name.endswith("_replica") for name in kernels[1.0])
    for name, kernel in kernels[1.0].items():
        sharper = kernels[2.0][name]
        if name.endswith(("_heatmaps_conv1", "_heatmaps_conv1_replica")):
            np.testing.assert_array_equal(sharper, 2 * kernel)
        elif name.endswith("_heatmaps_conv2"):
            joints = kernel.shape[2] // 2
            np.testing.assert_array_equal(sharper[:, :, :joints], kernel[:, :, :joints])
            np.testing.assert_array_equal(sharper[:, :, joints:], kernel[:, :, joints:] / 2)
        else:
            np.testing.assert_array_equal(sharper, kernel)


def test_a_factor_that_cannot_be_is_refused(spnet_file, reference_network, tmp_path):
    for factor in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="sam_alpha must be positive"):
            weights.convert(spnet_file, tmp_path / "x.h5", sam_alpha=factor)
    _, reception = reference_network("reception_pose2d_context")
    with pytest.raises(ValueError, match="is a ReceptionNet, which has no sam_alpha"):
        weights.convert(reception, tmp_path / "x.h5", sam_alpha=2)
    assert not (tmp_path / "x.h5").exists()


def test_a_description_says_what_no_layer_tells(spnet_file, reference_network, tmp_path):
    assert "assumed     sam_alpha=1" in described(spnet_file)
    _, reception = reference_network("reception_pose2d_context")
    assert "branch cvpr18; no layer tells" in " ".join(described(reception).split())
    weights.convert(spnet_file, tmp_path / "ours.h5")
    assert "assumed" not in described(tmp_path / "ours.h5")
