"""Poses of a data set, with a network that reads coloured dots."""

import cv2
import numpy as np
import pytest
from dots import dot_model

from deephar.data import InputSpec, crop_sample
from deephar.inference import predict_poses
from deephar.inference.poses import CROPS, merge_crops
from deephar.skeletons import convert

EVERY_KIND_OF_CROPS = pytest.mark.parametrize("crops", CROPS)


@EVERY_KIND_OF_CROPS
def test_joints_are_found_in_windows_of_any_size_and_position(config, dots, reader, crops):
    dataset = dots()
    predictions = predict_poses(reader(), config, dataset, crops=crops)
    true = np.stack([convert(s.joints, s.skeleton, "pa16j") for s in dataset])
    side = np.array([sample.side for sample in dataset])
    # In crop pixels; a shift of half a pixel between crop and image would show in the mean.
    error = (predictions.joints[0] - true) / side[:, None, None] * config.image_size
    assert np.abs(error).max() < 0.4
    assert np.abs(error.mean(axis=1)).max() < 0.1
    assert predictions.joints.dtype == np.float64
    assert predictions.names == tuple(sample.name for sample in dataset)


def test_multi_crop_averages_mirror_images_with_left_and_right_swapped(config, dots, reader):
    predictions = predict_poses(reader(), config, dots(2), crops="multi")
    # The reader gives 1 in a crop and 0.5 in its mirror image.
    np.testing.assert_allclose(predictions.visibility, 0.75)
    assert predictions.crops_per_person == 10


def test_flip_takes_the_window_and_its_mirror_image(config, dots, reader):
    seen = []

    def model(images):
        seen.append(images.copy())
        return reader()(images)

    predictions = predict_poses(model, config, dots(1), crops="flip", batch_size=64)
    assert predictions.crops_per_person == 2
    (crops,) = seen
    np.testing.assert_array_equal(crops[1], crops[0][:, ::-1])
    single = predict_poses(reader(), config, dots(1))
    np.testing.assert_allclose(predictions.joints, single.joints, rtol=0, atol=0.6)


def views_of_a_joint(*views):
    """(V, 1, 1, 3): x, y in pixels and visibility of one joint of one block in each view."""
    return np.array(views, float)[:, None, None]


def test_views_that_agree_are_averaged():
    views = views_of_a_joint((10, 20, 0.9), (12, 20, 0.1))
    np.testing.assert_allclose(merge_crops(views, side=160)[0, 0], (11, 20, 0.5))


def test_of_two_views_that_disagree_the_more_visible_one_counts():
    views = views_of_a_joint((10, 20, 0.3), (90, 20, 0.4))
    np.testing.assert_allclose(merge_crops(views, side=160)[0, 0], (90, 20, 0.4))
    np.testing.assert_allclose(merge_crops(views, side=16 * 81)[0, 0], (50, 20, 0.35))


def test_many_views_outvote_one_and_joints_are_merged_one_by_one():
    one = views_of_a_joint((10, 20, 0.9), (90, 20, 0.5), (92, 20, 0.5), (94, 20, 0.5))
    other = views_of_a_joint((10, 20, 0.9), (11, 20, 0.5), (90, 20, 0.3), (13, 20, 0.5))
    merged = merge_crops(np.concatenate([one, other], axis=2), side=160)
    np.testing.assert_allclose(merged[0, :, 0], [92, 34 / 3])


def test_other_crops_are_refused(config, dots, reader):
    with pytest.raises(ValueError, match="crops must be one of single, flip, multi"):
        predict_poses(reader(), config, dots(1), crops="ten")


def test_multi_crop_takes_five_windows_and_their_mirror_images(config, dots):
    dataset, seen = dots(1), []

    def model(images):
        seen.append(images.copy())
        return {"pose": np.full((len(images), 1, 16, 3), 0.5, np.float32)}

    predictions = predict_poses(model, config, dataset, crops="multi", batch_size=64)
    (crops,) = seen
    assert len(crops) == 10
    np.testing.assert_array_equal(crops[1::2], crops[::2, :, ::-1])
    assert all(np.abs(crop - crops[0]).max() > 0.1 for crop in crops[1:])
    # The displacements cancel out.
    expected = np.broadcast_to(dataset[0].center, (16, 2))
    np.testing.assert_allclose(predictions.joints[0, 0], expected)


def test_single_crop_is_the_training_crop(config, dots):
    dataset, seen = dots(2), []

    def model(images):
        seen.append(images.copy())
        return {"pose": np.zeros((len(images), 1, 16, 3))}

    predict_poses(model, config, dataset)
    for image, sample in zip(seen[0], dataset, strict=True):
        np.testing.assert_array_equal(image, crop_sample(sample, InputSpec(64)).image)


@EVERY_KIND_OF_CROPS
def test_batches_change_nothing_and_have_one_size(config, dots, reader, crops):
    dataset, sizes, network = dots(), [], reader()

    def model(images):
        sizes.append(len(images))
        return network(images)

    whole = predict_poses(network, config, dataset, crops=crops, batch_size=1000)
    parts = predict_poses(model, config, dataset, crops=crops, batch_size=3)
    views = len(dataset) * whole.crops_per_person
    assert sizes == [3] * -(-views // 3)
    assert parts.names == whole.names
    np.testing.assert_allclose(parts.joints, whole.joints, rtol=0, atol=1e-3)


def test_the_network_is_traced_once(config, dots):
    traces = []
    network = dot_model.__wrapped__()  # one that no other test has used
    layer = network.layers[-1]
    call = layer.call
    layer.call = lambda images: traces.append(1) or call(images)
    predict_poses(network, config, dots(5), batch_size=2)
    assert len(traces) == 1


@EVERY_KIND_OF_CROPS
def test_each_image_is_decoded_once(config, dots, tmp_path, monkeypatch, crops):
    dataset = dots(3)
    for number, sample in enumerate(dataset.samples):
        path = str(tmp_path / f"{number}.png")
        cv2.imwrite(path, sample.image[..., ::-1])
        dataset = dataset.changed(number, image=path)
    decoded, imdecode = [], cv2.imdecode
    monkeypatch.setattr(cv2, "imdecode", lambda *args: decoded.append(1) or imdecode(*args))
    predict_poses(lambda x: {"pose": np.zeros((len(x), 1, 16, 3))}, config, dataset, crops=crops)
    assert len(decoded) == 3


def test_multi_crop_takes_persons_at_the_border_that_single_crop_takes(config, dots, reader):
    sample = dots(1)[0]
    edge = np.array([sample.image.shape[1] - 1 + 0.49 * sample.side, 50.0])
    dataset = dots(1).changed(0, center=edge)  # its window displaced to the right shows nothing
    predictions = predict_poses(reader(), config, dataset, crops="multi")
    assert np.isfinite(predictions.joints).all()


def test_depth_is_ignored(config, dots, reader):
    dataset = dots(2)
    flat = predict_poses(reader(), config, dataset, crops="multi")
    deep = predict_poses(reader(dim=3), config, dataset, crops="multi")
    np.testing.assert_allclose(deep.joints, flat.joints, rtol=0, atol=1e-3)
    np.testing.assert_allclose(deep.visibility, flat.visibility)


def test_progress_is_shown_on_demand_on_a_terminal(config, dots, reader, capsys, monkeypatch):
    predict_poses(reader(), config, dots(2), progress=True)
    assert capsys.readouterr().out == ""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    predict_poses(reader(), config, dots(2))
    assert capsys.readouterr().out == ""
    predict_poses(reader(), config, dots(2), progress=True)
    assert "2/2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (lambda n: {"pose": np.zeros((n, 1, 17, 3))}, "16, 3 or 4"),
        (lambda n: {"pose": np.zeros((n, 16, 3))}, "16, 3 or 4"),
        (lambda n: {"action": np.zeros((n, 3))}, "'pose'"),
        (lambda n: np.zeros((n, 1, 16, 3)), "'pose'"),
    ],
)
def test_a_model_of_another_form_is_refused(config, dots, output, message):
    with pytest.raises(ValueError, match=message):
        predict_poses(lambda images: output(len(images)), config, dots(1))


def test_bad_input_is_named(config, dots, reader):
    with pytest.raises(ValueError, match="empty"):
        predict_poses(reader(), config, dots(0))
    with pytest.raises(ValueError, match="batch_size"):
        predict_poses(reader(), config, dots(1), batch_size=0)
    with pytest.raises(FileNotFoundError, match=r"gone\.jpg"):
        predict_poses(reader(), config, dots(3).changed(1, image="gone.jpg"))
    with pytest.raises(ValueError, match="dots2"):
        predict_poses(reader(), config, dots(3).changed(2, side=float("nan")))


def test_depth_is_averaged_and_kept(config, dots, reader):
    dataset = dots(2)
    assert predict_poses(reader(), config, dataset).depth is None
    depth = predict_poses(reader(dim=3), config, dataset, crops="multi").depth
    np.testing.assert_allclose(depth, np.ones((1, 2, 16)))
