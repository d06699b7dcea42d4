"""Files of Keras 2: from the authors' layers, numbered as they happened to be, to ours."""

import re
from itertools import count

import h5py
import numpy as np
import pytest

from deephar.models import ReceptionConfig, reception_net
from deephar.weights import keras2


def write(path, groups, chunks=1):
    """A file of group -> weight name -> array; the list of groups in so many pieces."""
    with h5py.File(path, "w") as file:
        names = np.array(list(groups), dtype="S")
        if chunks == 1:
            file.attrs["layer_names"] = names
        for number, piece in enumerate(np.array_split(names, chunks) if chunks > 1 else ()):
            file.attrs[f"layer_names{number}"] = piece
        for group_name, weights in groups.items():
            group = file.create_group(group_name)
            group.attrs["weight_names"] = np.array(list(weights), dtype="S")
            for name, value in weights.items():
                group.create_dataset(name, data=np.asarray(value, dtype="float32"))
    return path


def read(path):
    """The file's groups, in the form that `write` takes."""
    with h5py.File(path) as file:
        return {
            group: {name: file[group][name][()] for name in file[group].attrs["weight_names"]}
            for group in file.attrs["layer_names"]
        }


def layer_weights(path):
    """``keras2.layer_weights`` with arrays, as (layer, weight) -> array."""
    with h5py.File(path) as file:
        return {
            (layer, weight): dataset[()]
            for layer, weights in keras2.layer_weights(file, path).items()
            for weight, dataset in weights.items()
        }


def renamed(groups, rename):
    """The groups with every layer's name changed by ``rename(group, layer)``."""
    return {
        group: {
            f"{rename(group, name.split('/')[0])}/{name.split('/')[1]}": value
            for name, value in weights.items()
        }
        for group, weights in groups.items()
    }


def soft_argmax(joints=3, height=4, width=5):
    """The two constant layers of the authors' soft-argmax: x, then y."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    result = {}
    for number, grid in enumerate((x, y), start=1):
        name = f"separable_conv2d_{number}"
        result[f"{name}/depthwise_kernel:0"] = np.repeat(grid[..., None, None], joints, axis=2)
        result[f"{name}/pointwise_kernel:0"] = np.eye(joints)[None, None]
    return result


X = list(soft_argmax().items())[:2]


def depth_kernel(grid, joints=3):
    return {"conv1d/kernel:0": np.asarray(grid)[:, None, None] * np.eye(joints)}


def assert_same(actual, expected):
    assert actual.keys() == expected.keys()
    for key in expected:
        np.testing.assert_array_equal(actual[key], expected[key])


@pytest.fixture
def context_file(reference_network):
    return reference_network("reception_pose2d_context")[1]


def test_layers_of_nested_models_are_those_of_our_network(context_file):
    model = reception_net(ReceptionConfig(image_size=64, num_blocks=2))
    expected = {
        (layer.name, weight.name): tuple(weight.shape)
        for layer in model.layers
        for weight in layer.weights
    }
    actual = {key: value.shape for key, value in layer_weights(context_file).items()}
    assert actual == expected


def test_numbers_may_start_anywhere(context_file, tmp_path):
    def later(group, layer):
        kind, *number = re.fullmatch(r"(\w+?)(?:_(\d+))?", layer).groups()
        if kind not in ("conv2d", "batch_normalization", "separable_conv2d", "dense"):
            return layer
        return f"{kind}_{2 * int(number[0] or 0) + 95}"  # so that 99 is followed by 101

    other = write(tmp_path / "other.h5", renamed(read(context_file), later))
    assert_same(layer_weights(other), layer_weights(context_file))


@pytest.mark.parametrize("first", [0, 3])
def test_names_may_have_been_made_unique_by_tensorflow_1(context_file, tmp_path, first):
    """A network built as the fourth of its process has no layer ``sepconv_l1`` left."""

    def unique(group, layer):
        number = first + int(group == "rBlock2")
        return f"{layer}_{number}" if layer.startswith("sepconv") and number else layer

    other = write(tmp_path / "other.h5", renamed(read(context_file), unique))
    assert_same(layer_weights(other), layer_weights(context_file))


def test_the_action_model_holds_later_blocks_in_one_group(tmp_path):
    """Four blocks, as the authors' clip networks have, named as TensorFlow 1 would."""
    ids, numbers = count(), {"conv2d": count(12), "batch_normalization": count(8)}
    expected, groups = {}, {"td_rBlock1": {}, "td_Model1": {}}

    def add(part, kind):
        group = "td_rBlock1" if part == "rBlock1" else "td_Model1"
        named = kind.startswith("sepconv")
        suffix = int(part[-1]) - 1 if named else next(numbers.setdefault(kind, count(5)))
        layer = f"{kind}_{suffix}" if suffix else kind
        value = next(ids)
        groups[group][f"{layer}/kernel:0"] = [value]
        expected[f"{part}_{kind}" if named else f"{part}_{kind}_1", "kernel"] = [value]

    for block in (1, 2, 3, 4):
        for kind in ("sepconv_l1_conv", "sepconv_l1", "conv2d", "batch_normalization"):
            add(f"rBlock{block}", kind)
        for kind in ("sepconv_l2_1", "sepconv_l2_3_shortcut_conv", "sepconv_l2_3_shortcut"):
            add(f"rBlock{block}", kind)
        add(f"SepConv{block}", "separable_conv2d")
        add(f"SepConv{block}", "batch_normalization")
        add(f"RegMap{block}", "conv2d")
        if block < 4:
            add(f"fReMap{block}", "conv2d")
            add(f"fReMap{block}", "batch_normalization")
    assert_same(layer_weights(write(tmp_path / "merge.h5", groups)), expected)


def test_the_merge_is_named_by_order(tmp_path):
    groups = {
        f"separable_conv2d_{number}": {f"separable_conv2d_{number}/pointwise_kernel:0": [number]}
        for number in (10, 9)
    }
    actual = layer_weights(write(tmp_path / "merge.h5", groups))
    assert_same(
        actual,
        {("merge_pose", "pointwise_kernel"): [9], ("merge_visual", "pointwise_kernel"): [10]},
    )


def test_constants_are_left_out(tmp_path):
    groups = {
        "sSAM": soft_argmax(),
        "zSAM": depth_kernel(np.linspace(0, 1, 8)),
        "Agg": {"dense/kernel:0": np.repeat(np.eye(3), 2, axis=0)},
        "RegMap1": {"conv2d/kernel:0": [1.0]},
    }
    path = write(tmp_path / "constants.h5", groups)
    assert_same(layer_weights(path), {("RegMap1_conv2d_1", "kernel"): [1.0]})


@pytest.mark.parametrize(
    ("group", "weights"),
    [
        ("sSAM", {name: 2 * value - 1 for name, value in soft_argmax().items()}),
        ("cSAM", dict(zip(soft_argmax(), reversed(soft_argmax().values()), strict=True))),
        ("sSAM", dict(X)),
        ("sSAM", {"separable_conv2d/kernel:0": [1.0]}),
        (
            "act1_xy2_y",
            {name.replace("separable_conv2d_1", "act1_xy2_y"): value for name, value in X},
        ),
        ("Agg", {"dense/kernel:0": np.repeat(np.eye(3)[::-1], 2, axis=0)}),
        ("Agg", {"dense/kernel:0": np.eye(3)[:, :2]}),
        ("zSAM", depth_kernel(np.linspace(-1, 1, 8))),
        ("zSAM", depth_kernel(np.zeros(8))),
        ("zSAM", {"conv1d/kernel:0": np.zeros((0, 3, 3))}),
    ],
)
def test_other_constants_are_refused(tmp_path, group, weights):
    path = write(tmp_path / "other.h5", {group: weights})
    with pytest.raises(ValueError, match=rf"other\.h5 has a constant layer {group} that"):
        layer_weights(path)


def test_the_depth_grid_is_read_from_the_file(tmp_path, context_file):
    def grid(*, depths):
        with h5py.File(write(tmp_path / "z.h5", {"zSAM": depth_kernel(depths)})) as file:
            return keras2.depth_grid(file)

    assert grid(depths=np.linspace(0, 1, 8)) == "inclusive"
    assert grid(depths=np.linspace(1 / 16, 15 / 16, 8)) == "centres"
    with pytest.raises(ValueError, match="a constant layer zSAM that does not hold a depth grid"):
        grid(depths=np.linspace(-1, 1, 8))
    with h5py.File(context_file) as file:
        assert keras2.depth_grid(file) is None


def test_flat_files_keep_their_names(golden_folder):
    path = golden_folder / "spnet_pose2d.weights.keras2.h5"
    expected = {
        tuple(name.removesuffix(":0").split("/")): value
        for weights in read(path).values()
        for name, value in weights.items()
        if not re.match(r".*_xy_[xy]/", name)
    }
    actual = layer_weights(path)
    assert len(read(path)) > len({layer for layer, _ in actual}) > 50
    assert_same(actual, expected)


def test_flat_files_may_have_been_numbered_by_tensorflow_1(tmp_path):
    groups = {"res0_conv1": {"res0_conv1_2/kernel:0": [1.0]}}
    assert_same(
        layer_weights(write(tmp_path / "flat.h5", groups)), {("res0_conv1", "kernel"): [1.0]}
    )


def test_names_may_be_stored_in_pieces(tmp_path):
    groups = {f"layer{number}": {f"layer{number}/kernel:0": [number]} for number in range(20)}
    whole, pieces = (write(tmp_path / f"{n}.h5", groups, chunks=n) for n in (1, 3))
    assert_same(layer_weights(pieces), layer_weights(whole))
    assert len(layer_weights(whole)) == 20
    with h5py.File(pieces) as file:
        assert keras2.is_keras2(file)
        assert not keras2.is_keras2(file["layer3"])


def test_names_of_keras_1_go_by_the_order(tmp_path):
    path = write(tmp_path / "vgg.h5", {"block1_conv1": {"block1_conv1_W_1:0": [1], "b": [2]}})
    with h5py.File(path) as file:
        (values,) = keras2.layer_weights(file, path).values()
        assert [value[0] for value in values] == [1, 2]


@pytest.mark.parametrize("lost", ["RegMap1", "RegMap1/conv2d/kernel:0"])
def test_a_listed_but_missing_layer_is_named(tmp_path, lost):
    path = write(tmp_path / "cut.h5", {"RegMap1": {"conv2d/kernel:0": [1.0]}})
    with h5py.File(path, "r+") as file:
        del file[lost]
    with pytest.raises(ValueError, match=r"cut\.h5 is damaged: .* is listed but missing"):
        layer_weights(path)
