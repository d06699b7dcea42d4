"""Predictions as files that public evaluation programs read."""

import h5py
import numpy as np
import pytest
import scipy.io

from deephar.evaluation import save_predictions


def test_mpii_predictions_are_saved_as_public_evaluators_read_them(mpii, tmp_path):
    dataset, predictions, _ = mpii
    path = save_predictions(tmp_path / "p.h5", predictions, dataset)
    with h5py.File(path) as file:
        assert sorted(file) == ["imgname", "names", "preds", "visibility"]
        preds = file["preds"][()]
        assert preds.shape == (7, 16, 2)
        assert preds.dtype == np.float64
        # The last block, in MPII's order (right ankle first), from pixel 1.
        np.testing.assert_allclose(preds[:, 0], predictions.joints[-1, :, 14] + 1)
        assert file["visibility"][0, 0] == predictions.visibility[-1, 0, 14]
        assert file["names"].asstr()[:].tolist() == list(predictions.names)
        assert file.attrs["pixel_origin"] == 1
        assert file.attrs["joints"][0] == "right_ankle"
        # Scored by hand against the published convention.
        true = np.stack([sample.joints for sample in dataset]) + 1
        head = np.array([sample.head_size for sample in dataset])
    right = np.linalg.norm(preds - true, axis=-1) <= 0.5 * head[:, None]
    counted = [j for j in range(16) if j not in (6, 7)]
    assert 100 * right[:, counted].mean() == pytest.approx(mpii[2].answer.total)


def test_image_names_are_saved(dots, jittered, tmp_path):
    dataset = dots(2).changed(1, image="some/folder/0042.jpg")
    path = save_predictions(tmp_path / "p.h5", jittered(dataset, "mpii16"), dataset)
    with h5py.File(path) as file:
        assert file["imgname"].asstr()[:].tolist() == ["dots0.png#1", "0042.jpg"]


def test_lsp_predictions_are_saved_from_pixel_0_and_under_both_names(dots, jittered, tmp_path):
    dataset = dots(3, skeleton="lsp14")
    predictions = jittered(dataset, "lsp14")
    path = save_predictions(tmp_path / "p.h5", predictions, dataset)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["preds"][()], predictions.joints[-1])
        np.testing.assert_array_equal(file["pred"][()], predictions.joints[-1])
        assert file.attrs["pixel_origin"] == 0


def test_predictions_are_saved_for_matlab(mpii, tmp_path):
    dataset, predictions, _ = mpii
    path = save_predictions(tmp_path / "p.mat", predictions, dataset)
    content = scipy.io.loadmat(path, squeeze_me=True)
    assert content["preds"].shape == (7, 16, 2)
    np.testing.assert_allclose(content["preds"][:, 0], predictions.joints[-1, :, 14] + 1)
    assert content["imgname"][0] == "dots0.png#1"
    assert content["joints"][0] == "right_ankle"


def test_lsp_predictions_for_matlab_have_the_shape_of_its_annotation(dots, jittered, tmp_path):
    dataset = dots(3, skeleton="lsp14")
    predictions = jittered(dataset, "lsp14")
    content = scipy.io.loadmat(save_predictions(tmp_path / "p.mat", predictions, dataset))
    assert content["pred"].shape == (2, 14, 3)
    np.testing.assert_array_equal(content["pred"][:, 5, 1], predictions.joints[-1, 1, 5])


def test_predictions_of_another_suffix_are_refused(mpii, tmp_path):
    with pytest.raises(ValueError, match=r"saved as \.h5, \.mat, \.json, \.csv, \.parquet"):
        save_predictions(tmp_path / "p.txt", mpii[1], mpii[0])
