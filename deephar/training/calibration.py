"""Calibration of action heads: scores that say how often the answer is right.

C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017: one temperature divides what
goes into the softmax. It changes no answer. Here it goes into the weights of the last action block,
so that whoever loads them gets calibrated scores.
"""

import re
from typing import Any

import keras
import numpy as np
from scipy.optimize import minimize_scalar

from deephar.inference.network import call_in_batches
from deephar.metrics import expected_calibration_error


def calibrate(heads: keras.Model, head: str, clips: Any, labels: np.ndarray) -> dict[str, float]:
    """Scales the last block of action heads by the temperature that fits held-out clips best.

    Args:
        heads: an `action_model`, or the `action_view` of a `multitask_model`; changed in place.
        head: name of the head.
        clips: inputs of N clips that were not trained on.
        labels: int (N,), their actions.

    Returns:
        ``temperature``; and the calibration error on these clips in percent, which is smaller than
        on others: ``calibration_error``, and ``calibration_error_before``.
    """
    before = _scores(heads, head, clips)
    temperature = fit_temperature(before, labels)
    layer = _last_maps(heads, head)
    layer.set_weights([weight / temperature for weight in layer.get_weights()])
    after = _scores(heads, head, clips)
    return {
        "temperature": temperature,
        "calibration_error_before": expected_calibration_error(before, labels),
        "calibration_error": expected_calibration_error(after, labels),
    }


def fit_temperature(scores: np.ndarray, labels: np.ndarray) -> float:
    """The temperature with the smallest cross-entropy.

    Args:
        scores: (N, C), probabilities.
        labels: int (N,), true classes.

    Returns:
        Above 1 if the scores are too sure, below 1 if they are not sure enough; 0.05 to 20.
    """
    logits = np.log(np.maximum(scores, 1e-12))
    rows = np.arange(len(labels))

    def cross_entropy(log_temperature):
        scaled = logits / np.exp(log_temperature)
        largest = scaled.max(axis=1)
        total = largest + np.log(np.exp(scaled - largest[:, None]).sum(axis=1))
        return float(np.mean(total - scaled[rows, labels]))

    bounds = (np.log(0.05), np.log(20))
    return float(np.exp(minimize_scalar(cross_entropy, bounds=bounds, method="bounded").x))


def _scores(heads, head, clips):
    return call_in_batches(heads, clips)[f"action_{head}"][:, -1]


def _last_maps(heads, head):
    """The convolution whose maps the last block's scores are pooled from."""
    number = [name.removeprefix("action_") for name in heads.output].index(head)
    form = re.compile(rf"act(\d+)_action_pred_conv2h{number}$")
    blocks = {int(found[1]): layer for layer in heads.layers if (found := form.match(layer.name))}
    return blocks[max(blocks)]
