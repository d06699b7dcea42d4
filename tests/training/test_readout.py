"""Linear readouts of action heads: the fit, its penalty, and what they see."""

from dataclasses import replace

import numpy as np
import pytest
from networks import HEADS, POSES

from deephar.models import action_model
from deephar.models.action import READOUT_FEATURES, appearance_names, readout_view
from deephar.training.readout import (
    Examples,
    Readout,
    choose_strength,
    fit_readout,
    set_readout,
)


def examples(videos=40, windows=3, seed=0):
    """Two classes that differ in one of five features; the sixth has another size."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(videos) % 2, windows)
    features = rng.standard_normal((videos * windows, 6)) * [1, 1, 1, 1, 1, 50] + [0, 0, 0, 0, 0, 9]
    features[:, 0] += 4 * labels
    return Examples(features, [5, 1], labels, np.repeat(np.arange(videos), windows))


def test_a_readout_tells_classes_of_other_examples():
    readout, others = fit_readout(examples(), 2, 0.01), examples(seed=1)
    logs = readout.log_probabilities(others.features)
    np.testing.assert_allclose(np.exp(logs).sum(axis=1), 1)
    assert np.mean(logs.argmax(axis=1) == others.labels) > 0.95


def test_the_solution_has_no_slope():
    """Changes of any weight make the penalised cross-entropy larger."""
    few = examples(10, 1)
    best = fit_readout(few, 2, 0.1)

    def loss(kernel):
        deviation, sizes = few.features.std(axis=0), np.array([5, 5, 5, 5, 5, 1])
        rows = (few.features - few.features.mean(axis=0)) / (deviation * np.sqrt(sizes))
        scaled = kernel * (deviation * np.sqrt(sizes))[:, None]
        bias = best.bias + few.features.mean(axis=0) @ best.kernel
        logits = rows @ scaled + bias
        logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return -np.mean(logs[np.arange(10), few.labels]) + 0.05 * np.sum(scaled**2)

    least = loss(best.kernel)
    for row in range(6):
        for step in (-0.01, 0.01):
            changed = best.kernel.copy()
            changed[row, 0] *= 1 + 10 * step
            assert loss(changed) > least


def test_videos_and_classes_count_alike_whatever_their_number_of_windows():
    labels, videos = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 2, 3])
    weights = Examples(np.zeros((5, 1)), [1], labels, videos).weights(2)
    np.testing.assert_allclose(weights, [0.125, 0.125, 0.25, 0.25, 0.25])


def test_the_solution_is_the_same_with_more_features_than_windows():
    few = examples(10, 1)
    wide = few._replace(features=np.tile(few.features, 4), sizes=[5, 1] * 4)
    once, often = fit_readout(few, 2, 0.1), fit_readout(wide, 2, 0.4)
    logs = (once.log_probabilities(few.features), often.log_probabilities(wide.features))
    np.testing.assert_allclose(*logs, atol=1e-3)


def test_noise_is_penalised_more_than_what_tells_the_classes():
    clear = examples()
    noise = clear._replace(labels=np.random.default_rng(0).integers(0, 2, 40).repeat(3))
    fold_of = np.arange(40) // 2 % 4
    assert choose_strength(noise, 2, fold_of) > choose_strength(clear, 2, fold_of)


def test_the_middle_strength_is_taken_where_nothing_can_be_held_out():
    assert choose_strength(examples(), 2, np.zeros(40, int), strengths=(1, 2, 3)) == 2


@pytest.mark.parametrize("streams", [("pose",), ("appearance",), ("pose", "appearance")])
@pytest.mark.parametrize("readout_stem", [False, True])
def test_a_readout_answers_from_what_it_sees(streams, readout_stem):
    heads_of = {**HEADS, "streams": streams, "last_pose": True, "readout_of": {"penn": 4}}
    if readout_stem:
        heads_of |= {"readout_stem": True, "stem": "vgg16", "stem_features": 16}
    config = replace(POSES, **heads_of, actions={"mine": 3})
    heads = action_model(config, [6] * len(appearance_names(config)))
    rng, shape = np.random.default_rng(0), (2, 8, config.num_predictions, config.num_joints, 3)
    inputs = {"pose": rng.random(shape).astype(np.float32)}
    for name in appearance_names(config):
        joints = () if name == "stem" else (config.num_joints,)
        inputs[name] = rng.random((2, 8, *joints, 6)).astype(np.float32)
    seen = readout_view(heads).predict(inputs, verbose=0)
    seen = np.concatenate([seen[name] for name in READOUT_FEATURES if name in seen], axis=1)
    kernel = rng.standard_normal((seen.shape[1], 3)) / np.sqrt(seen.shape[1])
    readout = Readout(kernel, np.array([0.0, 1.0, 2.0]))
    set_readout(heads, "mine", readout)
    scores = heads.predict(inputs, verbose=0)["action_mine"]
    assert scores.shape == (2, 1, 3)
    np.testing.assert_allclose(scores[:, 0], np.exp(readout.log_probabilities(seen)), atol=1e-4)
