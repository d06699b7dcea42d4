"""Networks in int8."""

import sys

import numpy as np
import pytest
from blobs import picture
from dots import Dots
from networks import POSES, save_untrained

from deephar import Predictor
from deephar.inference.quantization import NUM_CROPS, calibration_crops
from deephar.inference.runtimes import Runtime

BOX = (20, 20, 120, 120)


def test_crops_of_drawn_persons_are_the_same_each_time():
    crops = calibration_crops(32)
    assert crops.shape == (NUM_CROPS, 32, 32, 3)
    assert crops.dtype == np.float32
    assert crops.std() > 0.1
    np.testing.assert_array_equal(crops, calibration_crops(32))


def test_crops_are_spread_over_a_data_set():
    dataset = Dots(7)
    assert len(calibration_crops(32, dataset)) == 7
    with pytest.raises(ValueError, match=r"^The data set for the quantisation is empty\."):
        calibration_crops(32, [])


def test_a_missing_nncf_is_explained(tmp_path, monkeypatch):
    pytest.importorskip("openvino")
    monkeypatch.setenv("DEEPHAR_CACHE", str(tmp_path))
    monkeypatch.setitem(sys.modules, "nncf", None)
    path = save_untrained(tmp_path / "w.h5", POSES)
    with pytest.raises(ValueError, match=r"needs NNCF\. Install it with: .* 'deephar\[int8\]'$"):
        Predictor(path, runtime="openvino", precision="int8")


def test_int8_is_close_to_float32_and_prints_nothing(tmp_path, capfd):
    pytest.importorskip("openvino")
    pytest.importorskip("nncf")
    path = save_untrained(tmp_path / "w.h5", POSES)
    exact = Predictor(path, runtime="keras")(picture(40, 60), BOX)
    capfd.readouterr()
    predictor = Predictor(path, precision="int8", runtime="openvino", calibration=Dots(8))
    assert predictor.runtime == Runtime("openvino", "int8")
    close = predictor(picture(40, 60), BOX)
    assert 0 < np.abs(close.joints - exact.joints).max() < 5
    assert capfd.readouterr().out == ""
