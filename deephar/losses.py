"""Training losses: elastic net on joint positions, cross-entropy on joint visibility."""

from __future__ import annotations

import keras
from keras import ops

# Values below this are deephar.skeletons.UNSUPERVISED, -1e9.
_SUPERVISED_ABOVE = -1e6
_EPSILON = 1e-7


@keras.saving.register_keras_serializable(package="deephar")
class PoseLoss(keras.losses.Loss):
    """Pose loss of all prediction blocks: elastic net plus weighted visibility cross-entropy.

    For each prediction block ``sum |p - t| + (p - t)^2`` over the supervised coordinates, divided
    by the number of joints with any supervised coordinate, plus ``visibility_weight`` times the
    mean binary cross-entropy of the supervised visibilities; summed over the blocks (intermediate
    supervision) and averaged over samples and frames. If nothing is supervised, the loss and its
    gradient are 0. Coordinates are supervised one by one: a target whose depth is -1e9
    trains x and y only.

    Targets: ``(batch, [frames,] joints, dim + 1)``: coordinates in the unit crop, then
    visibility; -1e9 where not supervised. Predictions: ``(batch, [frames,] predictions, joints,
    dim + 1)``. Result of ``call``: ``(batch[, frames])``.

    Args:
        visibility_weight: weight of the visibility term.

    Source: Luvizon et al., CVPR 2018, eq. 3; the visibility term as in the authors' code.
    """

    def __init__(self, visibility_weight: float = 0.01, name: str = "pose_loss", **kwargs) -> None:
        super().__init__(name=name, **kwargs)
        self.visibility_weight = visibility_weight

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        y_true = ops.expand_dims(y_true, -3)
        position = elastic_net(y_true[..., :-1], y_pred[..., :-1])
        visibility = visibility_cross_entropy(y_true[..., -1], y_pred[..., -1])
        return ops.sum(position + self.visibility_weight * visibility, axis=-1)

    def get_config(self) -> dict:
        return {**super().get_config(), "visibility_weight": self.visibility_weight}


def elastic_net(true: keras.KerasTensor, predicted: keras.KerasTensor) -> keras.KerasTensor:
    """``|d|_1 + |d|_2^2`` of each joint, averaged over the supervised joints.

    Args:
        true: ``(..., joints, dim)``, -1e9 where not supervised.
        predicted: ``(..., joints, dim)``.

    Returns:
        ``(...)``; 0 where no joint is supervised.
    """
    supervised = ops.broadcast_to(true > _SUPERVISED_ABOVE, ops.shape(predicted))
    # Masked first, since a difference to -1e9, or a NaN, must not reach the gradient.
    difference = ops.where(supervised, predicted, 0.0) - ops.where(supervised, true, 0.0)
    loss = ops.sum(ops.abs(difference) + ops.square(difference), axis=(-2, -1))
    joints = ops.sum(ops.cast(ops.any(supervised, axis=-1), loss.dtype), axis=-1)
    return loss / ops.maximum(joints, 1.0)


def heat_map_cross_entropy(
    true: keras.KerasTensor, probabilities: keras.KerasTensor, spread: float = 1.0
) -> keras.KerasTensor:
    """Cross-entropy of heat maps to Gaussians around the true positions, averaged over joints.

    Many maps give the right soft-argmax, even one with two maxima on both sides of the joint. This
    loss asks for a single maximum, at the joint. (Gaussians are cut off at the border of a map.
    There, and on maps of few positions, their mean lies further inside.)

    Args:
        true: ``(..., joints, 2)``, x and y in the unit crop, -1e9 where not supervised.
        probabilities: ``(..., height, width, joints)``, each map summing to 1.
        spread: standard deviation of the Gaussians, in positions of the maps.

    Returns:
        ``(...)``: the mean over the supervised joints; 0 where no joint is supervised.

    Source: Nibali et al., Numerical Coordinate Regression with Convolutional Neural Networks, 2018,
    regularise the soft-argmax with such Gaussians (by the Jensen-Shannon divergence).
    """
    height, width = probabilities.shape[-3:-1]
    supervised = ops.all(true > _SUPERVISED_ABOVE, axis=-1)
    true = ops.where(ops.expand_dims(supervised, -1), true, 0.0)
    x = _log_gaussian(true[..., 0], width, spread)
    y = _log_gaussian(true[..., 1], height, spread)
    target = ops.einsum("...jh,...jw->...hwj", ops.softmax(y), ops.softmax(x))
    known = ops.expand_dims(supervised, (-3, -2))
    # Bounded, since the label may be wrong if the network is certain of another position.
    log = ops.log(ops.where(known, ops.cast(probabilities, "float32"), 1.0) + 1e-6)
    entropy = -ops.sum(target * log, axis=(-3, -2))
    weight = ops.cast(supervised, entropy.dtype)
    return ops.sum(entropy * weight, axis=-1) / ops.maximum(ops.sum(weight, axis=-1), 1.0)


def _log_gaussian(center, size, spread):
    """Logarithm of Gaussians on the grid of ``SoftArgmax``: ``(..., joints, size)``."""
    distance = ops.arange(size, dtype="float32") - ops.expand_dims(center, -1) * (size - 1)
    return -ops.square(distance / spread) / 2


def visibility_cross_entropy(
    true: keras.KerasTensor, predicted: keras.KerasTensor
) -> keras.KerasTensor:
    """Binary cross-entropy of visibility, averaged over the supervised joints.

    Args:
        true: ``(..., joints)`` in [0, 1], -1e9 where not supervised.
        predicted: ``(..., joints)`` in [0, 1]; clipped, so that 0 and 1 give a finite loss.

    Returns:
        ``(...)``; 0 where no joint is supervised.
    """
    supervised = ops.broadcast_to(true > _SUPERVISED_ABOVE, ops.shape(predicted))
    true = ops.where(supervised, true, 0.0)
    p = ops.clip(ops.where(supervised, predicted, 0.5), _EPSILON, 1.0 - _EPSILON)
    entropy = -(true * ops.log(p + _EPSILON) + (1.0 - true) * ops.log(1.0 - p + _EPSILON))
    weight = ops.cast(supervised, entropy.dtype)
    return ops.sum(entropy * weight, axis=-1) / ops.maximum(ops.sum(weight, axis=-1), 1.0)


@keras.saving.register_keras_serializable(package="deephar")
class ActionLoss(keras.losses.Loss):
    """Categorical cross-entropy of all prediction blocks, summed over the blocks.

    Targets: ``(batch, classes)``, one-hot. Predictions: ``(batch, predictions, classes)``,
    probabilities. Result of ``call``: ``(batch,)``.

    Args:
        label_smoothing: fraction of the target that is spread over all classes, 0 to 1.

    Source: Luvizon et al., CVPR 2018, section 4 (every block is supervised).
    """

    def __init__(self, label_smoothing: float = 0.0, name: str = "action_loss", **kwargs) -> None:
        super().__init__(name=name, **kwargs)
        self.label_smoothing = label_smoothing

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        classes = y_pred.shape[-1]
        y_true = ops.cast(ops.expand_dims(y_true, -2), y_pred.dtype)
        y_true = y_true * (1.0 - self.label_smoothing) + self.label_smoothing / classes
        log = ops.log(ops.clip(y_pred, _EPSILON, 1.0))
        return -ops.sum(y_true * log, axis=(-2, -1))

    def get_config(self) -> dict:
        return {**super().get_config(), "label_smoothing": self.label_smoothing}
