"""Settings of the training stages."""

import math
from dataclasses import dataclass

SCHEDULES = ("cosine", "constant")
ACTION_SCHEDULES = ("plateau", "cosine", "constant")
ACTION_OPTIMIZERS = ("sgd", "adamw")


@dataclass(frozen=True)
class PoseTraining:
    """Settings of stage 1.

    Attributes:
        epochs: passes, each as long as the batches say.
        learning_rate: of RMSprop, at the start.
        schedule: ``"cosine"``, falling to 1 % of the start by the last step, or ``"constant"``.
        freeze_stem: number of VGG-16 blocks, from the input, whose weights stay as they are.
        stem_rate: factor on the learning rate of the other blocks; small if they were trained
            before.
        heat_map_weight: weight of the cross-entropy of heat maps; 0 leaves it out, as the paper.
        visibility_weight: weight of the visibility term of the loss.
        start: what the initial weights are, in words; kept with the run.

    Raises:
        ValueError: a setting is out of its range.
    """

    epochs: int = 60
    learning_rate: float = 0.001
    schedule: str = "cosine"
    freeze_stem: int = 0
    stem_rate: float = 1.0
    heat_map_weight: float = 0.0
    visibility_weight: float = 0.01
    start: str = "random"

    def __post_init__(self):
        _check_schedule(self, SCHEDULES)
        if not 0 <= self.freeze_stem <= 5:
            raise ValueError(f"freeze_stem must be 0 to 5 blocks, and is {self.freeze_stem}")
        for name in ("stem_rate", "heat_map_weight", "visibility_weight"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be 0 or more, and is {getattr(self, name)}")


def _check_schedule(training, schedules):
    if training.schedule not in schedules:
        raise ValueError(
            f"schedule must be one of {', '.join(schedules)}, and is {training.schedule!r}"
        )
    if training.epochs < 1:
        raise ValueError(f"epochs must be at least 1, and is {training.epochs}")
    if not 0 < training.learning_rate < math.inf:
        raise ValueError(f"learning_rate must be positive, and is {training.learning_rate}")


@dataclass(frozen=True)
class ActionTraining:
    """Settings of stages 2 and 3.

    Attributes:
        epochs: passes, each as long as the batches say.
        optimizer: ``"sgd"``, with Nesterov momentum, or ``"adamw"``.
        learning_rate: at the start.
        momentum: of ``"sgd"``.
        weight_decay: of ``"adamw"``.
        schedule: ``"plateau"``, divided by 10 when the validation score stagnates, ``"cosine"``,
            falling to 1 % of the start by the last step, or ``"constant"``.
        patience: epochs without a better score after which ``"plateau"`` divides.
        label_smoothing: of the action loss.
        finetune: stage 3: train all weights, those of the pose network too, with both losses.
        pose_weight: weight of the pose loss in stage 3.
        start: what the initial weights are, in words; kept with the run.

    Raises:
        ValueError: a setting is out of its range.
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
    start: str = "random"

    def __post_init__(self):
        _check_schedule(self, ACTION_SCHEDULES)
        if self.optimizer not in ACTION_OPTIMIZERS:
            raise ValueError(
                f"optimizer must be one of {', '.join(ACTION_OPTIMIZERS)}, and is "
                f"{self.optimizer!r}"
            )
        if self.patience < 1:
            raise ValueError(f"patience must be at least 1 epoch, and is {self.patience}")
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing must be 0 to 1, and is {self.label_smoothing}")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum must be 0 to 1, and is {self.momentum}")
