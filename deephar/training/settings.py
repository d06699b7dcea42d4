"""Settings of a stage: epochs, optimizer, learning rate and weights of the losses."""

import math
from dataclasses import dataclass

SCHEDULES = ("cosine", "constant")
ACTION_SCHEDULES = ("plateau", "cosine", "constant")
ACTION_OPTIMIZERS = ("sgd", "adamw")


@dataclass(frozen=True, kw_only=True)
class PoseTraining:
    """Settings of a stage that learns the pose.

    Attributes:
        epochs: number of epochs.
        learning_rate: initial learning rate of RMSprop.
        schedule: ``"cosine"``, which falls to 1 % of the initial rate, or ``"constant"``.
        warmup: number of batches in which the rate of ``"cosine"`` rises from 0 at first. Trained
            weights get worse without it.
        freeze_stem: number of VGG-16 blocks, from the input, whose weights are frozen.
        frozen_int8: whether the frozen blocks compute in int8 on OpenVINO, which is faster on a
            CPU. The rest of the network, in float32, learns from what they give.
        stem_rate: factor on the learning rate of the other VGG-16 blocks. A small factor keeps
            them close to their initial weights.
        heat_map_weight: weight of the cross-entropy of the heat maps; 0 to leave it out, as in the
            papers.
        visibility_weight: weight of the visibility in the loss.
        average: momentum of the exponential moving average of the weights over the batches, as
            0.997. The averages are scored and saved, with statistics of batch normalization that
            fit them. The model that was trained keeps the weights themselves. 0 for no averages.

    Raises:
        ValueError: A setting is out of its range.
    """

    epochs: int = 60
    learning_rate: float = 0.001
    schedule: str = "cosine"
    warmup: int = 0
    freeze_stem: int = 0
    frozen_int8: bool = False
    stem_rate: float = 1.0
    heat_map_weight: float = 0.0
    visibility_weight: float = 0.01
    average: float = 0.0

    def __post_init__(self):
        _check_schedule(self, SCHEDULES)
        if not _is_whole(self.warmup) or self.warmup < 0:
            raise ValueError(f"warmup must be a number of batches, got {self.warmup}.")
        if self.warmup and self.schedule != "cosine":
            raise ValueError('warmup needs schedule="cosine".')
        if not _is_whole(self.freeze_stem) or not 0 <= self.freeze_stem <= 5:
            raise ValueError(f"freeze_stem must be 0 to 5 blocks, got {self.freeze_stem}.")
        if self.frozen_int8 and not self.freeze_stem:
            raise ValueError("frozen_int8 needs frozen blocks. Set freeze_stem to 1 to 5 blocks.")
        _check_weights(self, "stem_rate", "heat_map_weight", "visibility_weight")
        _check_fractions(self, "average")


@dataclass(frozen=True, kw_only=True)
class ActionTraining:
    """Settings of a stage that learns actions.

    Attributes:
        epochs: number of epochs.
        optimizer: ``"sgd"``, with Nesterov momentum, or ``"adamw"``.
        learning_rate: initial learning rate.
        momentum: momentum of ``"sgd"``.
        weight_decay: weight decay of ``"adamw"``.
        schedule: ``"plateau"``, which divides the learning rate by 10 when the validation score
            stagnates; ``"cosine"``, which falls to 1 % of the initial rate; or ``"constant"``.
        patience: number of epochs without a better score before ``"plateau"`` lowers the rate.
        label_smoothing: label smoothing of the action loss.
        finetune: whether the pose network is trained as well, with both losses.
        pose_weight: weight of the pose loss in fine-tuning.
        average: as of `PoseTraining`, of the action heads, and of all weights in fine-tuning.

    Raises:
        ValueError: A setting is out of its range.
    """

    epochs: int = 30
    optimizer: str = "sgd"
    learning_rate: float = 0.0002
    momentum: float = 0.98
    weight_decay: float = 0.0
    schedule: str = "plateau"
    patience: int = 5
    label_smoothing: float = 0.0
    finetune: bool = False
    pose_weight: float = 1.0
    average: float = 0.0

    def __post_init__(self):
        _check_schedule(self, ACTION_SCHEDULES)
        if self.optimizer not in ACTION_OPTIMIZERS:
            raise ValueError(
                f"optimizer must be one of {', '.join(ACTION_OPTIMIZERS)}, got {self.optimizer!r}."
            )
        if not _is_whole(self.patience) or self.patience < 1:
            raise ValueError(f"patience must be a whole number of epochs, got {self.patience!r}.")
        _check_fractions(self, "momentum", "label_smoothing", "average")
        _check_weights(self, "weight_decay", "pose_weight")


def _check_schedule(training, schedules):
    if training.schedule not in schedules:
        raise ValueError(
            f"schedule must be one of {', '.join(schedules)}, got {training.schedule!r}."
        )
    if not _is_whole(training.epochs) or training.epochs < 1:
        raise ValueError(f"epochs must be a whole number, at least 1, got {training.epochs!r}.")
    if not 0 < training.learning_rate < math.inf:
        raise ValueError(f"learning_rate must be positive, got {training.learning_rate}.")


def _check_weights(training, *names):
    for name in names:
        if not 0 <= getattr(training, name) < math.inf:
            raise ValueError(f"{name} must be 0 or more, got {getattr(training, name)}.")


def _check_fractions(training, *names):
    for name in names:
        if not 0 <= getattr(training, name) < 1:
            raise ValueError(f"{name} must be from 0 to below 1, got {getattr(training, name)}.")


def _is_whole(value):
    return isinstance(value, int) and not isinstance(value, bool)
