"""Calibration of action heads."""

import numpy as np
import pytest

from deephar.models import ModelConfig, action_model
from deephar.training.calibration import calibrate, fit_temperature


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def test_the_temperature_of_scores_that_are_too_sure_is_found():
    rng = np.random.default_rng(0)
    logits = 2 * rng.standard_normal((4000, 5))
    labels = np.array([rng.choice(5, p=row) for row in softmax(logits)])
    assert fit_temperature(softmax(logits), labels) == pytest.approx(1, abs=0.08)
    assert fit_temperature(softmax(3 * logits), labels) == pytest.approx(3, abs=0.25)
    assert fit_temperature(softmax(0.5 * logits), labels) == pytest.approx(0.5, abs=0.05)


def test_heads_are_calibrated_without_a_change_of_their_answers():
    config = ModelConfig(
        stem="none",
        streams=("pose",),
        num_frames=8,
        num_levels=3,
        actions={"one": 3, "two": 4},
        pose_features=16,
    )
    heads = action_model(config)
    rng = np.random.default_rng(0)
    for layer in heads.layers:  # random heads are hardly sure of anything
        if "pred_conv2h1" in layer.name:
            layer.set_weights([2.5 * weight for weight in layer.get_weights()])
    clips = rng.uniform(0, 1, (400, 8, 16, 3)).astype("float32")
    before = heads.predict(clips, verbose=0)
    labels = rng.integers(0, 4, 400)
    found = calibrate(heads, "two", clips, labels)
    after = heads.predict(clips, verbose=0)
    assert found["temperature"] > 1  # they cannot know random labels
    assert found["calibration_error"] < found["calibration_error_before"]
    np.testing.assert_array_equal(
        after["action_two"][:, -1].argmax(-1), before["action_two"][:, -1].argmax(-1)
    )
    np.testing.assert_allclose(after["action_one"], before["action_one"], atol=1e-5)
    np.testing.assert_allclose(after["action_two"][:, :-1], before["action_two"][:, :-1], atol=1e-5)
    expected = softmax(np.log(before["action_two"][:, -1] + 1e-12) / found["temperature"])
    np.testing.assert_allclose(after["action_two"][:, -1], expected, atol=1e-3)
