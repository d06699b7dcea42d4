"""Linear readouts: softmax regression on summaries of clips, for small data.

The problem is convex. So there is one solution, which is found at once, without steps and epochs to
choose. The one number that is left, the strength of the penalty, is chosen on held-out groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.linalg import qr
from scipy.optimize import minimize
from scipy.special import logsumexp

from deephar.data.samples import Subset
from deephar.inference.network import POSE_OUTPUTS, input_names
from deephar.models.action import READOUT_FEATURES, STEM, readout_view
from deephar.skeletons import get_skeleton
from deephar.training.watching import WatchedFolder, even_windows

if TYPE_CHECKING:
    import keras

    from deephar.data.inputs import InputSpec

STRENGTHS = (0.0003, 0.001, 0.003, 0.01, 0.03)
"""Penalties to choose from."""

_ITERATIONS = 200
_CHUNK = 32  # videos whose windows are in memory together


class Readout(NamedTuple):
    """A linear layer.

    Attributes:
        kernel: float64 (F, C).
        bias: float64 (C,).
    """

    kernel: np.ndarray
    bias: np.ndarray

    def log_probabilities(self, features: np.ndarray) -> np.ndarray:
        """Of the classes, (N, C), for features (N, F)."""
        return _log_softmax(features @ self.kernel + self.bias)


class Examples(NamedTuple):
    """Summaries of windows, of which several may belong to a video.

    Attributes:
        features: (N, F).
        sizes: number of features of each kind, F in sum. Each kind counts alike, whatever its
            number of features.
        labels: int (N,), classes from 0.
        videos: int (N,), which video each window is of.
    """

    features: np.ndarray
    sizes: Sequence[int]
    labels: np.ndarray
    videos: np.ndarray

    def of_videos(self, wanted: np.ndarray) -> Examples:
        """Those of some videos, given by their numbers."""
        rows = np.isin(self.videos, wanted)
        return Examples(self.features[rows], self.sizes, self.labels[rows], self.videos[rows])

    def shares(self) -> np.ndarray:
        """Of each window in its video, (N,): 1 by their number."""
        return 1 / np.bincount(self.videos)[self.videos]

    def weights(self, classes: int) -> np.ndarray:
        """Of each window, (N,), 1 in sum: all classes count alike, and all videos of a class."""
        weights = self.shares()
        weights = weights / np.bincount(self.labels, weights, classes)[self.labels]
        return weights / weights.sum()


def fit_readout(examples: Examples, classes: int, strength: float) -> Readout:
    """The readout with the smallest cross-entropy plus penalty.

    Features are standardised, and each kind is divided by the square root of its size. The penalty
    is half the strength times the sum of the squared weights of these.

    Args:
        examples: windows of at least two classes.
        classes: number of classes C.
        strength: of the penalty, above 0.
    """
    (readout,) = _fit(examples, classes, [strength])
    return readout


def _fit(examples, classes, strengths):
    """`fit_readout` for each of some strengths."""
    rows, scale, shift = _standardised(examples)
    # The best kernel lies in the span of the rows. Often, there are fewer rows than features.
    basis, rows = qr(rows.T, mode="economic")
    rows, basis = rows.T, basis * scale[:, None]
    weights, targets = examples.weights(classes), np.eye(classes)[examples.labels]

    def loss(flat, strength):
        kernel, bias = flat[:-classes].reshape(-1, classes), flat[-classes:]
        logs = _log_softmax(rows @ kernel + bias)
        slope = weights[:, None] * (np.exp(logs) - targets)
        value = -np.sum(weights * np.sum(targets * logs, axis=1)) + strength * np.sum(kernel**2) / 2
        return value, np.concatenate(
            [(rows.T @ slope + strength * kernel).ravel(), slope.sum(axis=0)]
        )

    readouts, start = [], np.zeros((rows.shape[1] + 1) * classes)
    for strength in strengths:
        options = {"jac": True, "method": "L-BFGS-B", "options": {"maxiter": _ITERATIONS}}
        flat = minimize(loss, start, (strength,), **options).x
        kernel = basis @ flat[:-classes].reshape(-1, classes)
        readouts.append(Readout(kernel, flat[-classes:] + shift @ kernel))
    return readouts


def choose_strength(
    examples: Examples,
    classes: int,
    fold_of: np.ndarray,
    *,
    strengths: Sequence[float] = STRENGTHS,
) -> float:
    """The strength with the smallest cross-entropy of videos that were held out.

    Args:
        examples: the windows.
        classes: number of classes.
        fold_of: int (V,), by the number of a video, the part that is held out with it. If there is
            one part only, nothing can be held out, and the middle one is taken.
        strengths: to choose from, rising.
    """
    folds = np.unique(fold_of[examples.videos])
    if len(folds) < 2:
        return strengths[len(strengths) // 2]
    losses = np.zeros(len(strengths))
    for fold in folds:
        rest, held_out = (
            examples.of_videos(np.flatnonzero((fold_of == fold) == out)) for out in (False, True)
        )
        rows = np.arange(len(held_out.labels))
        for number, readout in enumerate(_fit(rest, classes, strengths)):
            logs = readout.log_probabilities(held_out.features)
            losses[number] -= np.sum(logs[rows, held_out.labels] * held_out.shares())
    return strengths[int(np.argmin(losses))]


def summarise(heads: keras.Model, dataset: WatchedFolder, spec: InputSpec) -> Examples:
    """What the readouts of action heads see of watched videos.

    Windows are half a window apart, and each is there as it is and mirrored.

    Args:
        heads: an `action_model` with ``readout_of``.
        dataset: V videos.
        spec: frames and frame rate of the windows.

    Returns:
        `Examples`, with videos numbered from 0 to V - 1.
    """
    view, names = readout_view(heads), input_names(heads)
    features, videos = [], []
    for first in range(0, len(dataset), _CHUNK):
        chunk = Subset(dataset, range(first, min(first + _CHUNK, len(dataset))))
        windows, numbers = even_windows(chunk, spec, names)
        for inputs in (windows, _mirrored(windows, spec.skeleton)):
            seen = view.predict(inputs, verbose=0)
            features.append([seen[name] for name in READOUT_FEATURES if name in seen])
            videos.append(first + numbers)
    parts = [np.concatenate(arrays).astype(float) for arrays in zip(*features, strict=True)]
    videos = np.concatenate(videos)
    labels = np.array([item.action for item in dataset])
    sizes = [part.shape[1] for part in parts]
    return Examples(np.concatenate(parts, axis=1), sizes, labels[videos], videos)


def _mirrored(windows, skeleton):
    """Windows of the mirror image, as far as features can tell it: left and right change places."""
    flip, mirrored = list(get_skeleton(skeleton).flip), {}
    for name, values in windows.items():
        mirrored[name] = values if name == STEM else values[..., flip, :]
        if name in POSE_OUTPUTS:
            mirrored[name][..., 0] = 1 - mirrored[name][..., 0]
    return mirrored


def set_readout(heads: keras.Model, name: str, readout: Readout) -> None:
    """Sets the weights of the readout of some data set."""
    heads.get_layer(f"readout_{name}").set_weights([readout.kernel, readout.bias])


def _standardised(examples):
    """Features of mean 0 and variance 1 / size of their kind; their factors and shifts."""
    sizes = np.repeat(examples.sizes, examples.sizes)
    mean, deviation = examples.features.mean(axis=0), examples.features.std(axis=0)
    scale = 1 / (np.maximum(deviation, 1e-6) * np.sqrt(sizes))
    return (examples.features - mean) * scale, scale, -mean


def _log_softmax(logits):
    return logits - logsumexp(logits, axis=1, keepdims=True)
