"""Frozen layers, optimizers, losses and learning rates of a stage.

Stage 1 learns the pose. Stage 2 learns actions, with the weights and statistics of the pose network
frozen. Stage 3, which is optional, trains the whole network.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras

from deephar import layers
from deephar.losses import ActionLoss, PoseLoss, heat_map_cross_entropy
from deephar.models import frame_view, has_pose_network
from deephar.training.devices import on_one_device
from deephar.training.run import validation_score
from deephar.training.settings import ActionTraining, PoseTraining


def freeze_stem(model: keras.Model, blocks: int) -> None:
    """Freezes the weights of the first ``blocks`` (0 to 5) of the VGG-16 stem.

    Raises:
        ValueError: The network has another stem.
    """
    if not blocks:
        return
    for layer in _vgg_layers(model, blocks, f"freeze_stem={blocks}"):
        layer.trainable = False


def _vgg_layers(model, blocks, setting):
    """Layers of the first ``blocks`` of the VGG-16 stem; `setting` is named in the error."""
    names = tuple(f"block{number}_" for number in range(1, blocks + 1))
    found = [layer for layer in model.layers if layer.name.startswith(names)]
    if not found:
        raise ValueError(
            f"{setting} is for the blocks of a VGG-16 stem, but this network has another stem. "
            "Leave it out."
        )
    return found


def compile_pose(
    model: keras.Model, training: PoseTraining, steps: int, *, inputs: Sequence | None = None
) -> keras.Model:
    """Compiles a pose network with the optimizer and losses of stage 1.

    The optimizer is RMSprop. The losses are the elastic net and visibility of all blocks
    (``PoseLoss``), and those of the heat maps if the training has a weight for them
    (``HeatMapTraining``).

    Args:
        model: a pose network.
        training: a ``PoseTraining``.
        steps: number of batches of the whole training, for its schedule.
        inputs: tensors inside of the network to start from, in place of the image.

    Returns:
        A compiled model with the same weights.

    Raises:
        ValueError: ``stem_rate`` is not 1, and the network has another stem than VGG-16.
    """
    rate = _rate(training, steps, training.warmup)
    average = _average(training)
    optimizer = keras.optimizers.RMSprop(rate, **average)
    if training.stem_rate != 1:
        _vgg_layers(model, 5, f"stem_rate={training.stem_rate:g}")
        optimizer = StemRMSprop(rate, training.stem_rate, **average)
    trainer = model
    if training.heat_map_weight:
        trainer = HeatMapTraining(model, training.heat_map_weight, inputs=inputs)
    elif inputs is not None:
        trainer = keras.Model(inputs, model.output)
    if inputs is not None:
        trainer.network = model  # so that all weights are among those of the trainer
    trainer.compile(optimizer, {"pose": PoseLoss(training.visibility_weight)})
    # Built now, so that a resumed run has variables to load the state into.
    trainer.optimizer.build(trainer.trainable_variables)
    return trainer


@keras.saving.register_keras_serializable(package="deephar")
class StemRMSprop(keras.optimizers.RMSprop):
    """RMSprop with another learning rate for the blocks of the VGG-16 stem.

    Args:
        learning_rate: learning rate outside of the stem.
        stem_rate: factor on the learning rate in the stem.
        **kwargs: see ``keras.optimizers.RMSprop``.
    """

    def __init__(self, learning_rate: Any = 0.001, stem_rate: float = 1.0, **kwargs: Any):
        super().__init__(learning_rate, **kwargs)
        self.stem_rate = stem_rate

    def build(self, variables: Sequence) -> None:
        super().build(variables)
        in_stem = [variable.path.startswith("block") for variable in variables]
        self._rates = [self.stem_rate if inside else 1.0 for inside in in_stem]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        rate = self._rates[self._get_variable_index(variable)]
        super().update_step(gradient, variable, learning_rate * rate)

    def get_config(self) -> dict:
        return {**super().get_config(), "stem_rate": self.stem_rate}


class HeatMapTraining(keras.Model):
    """A pose network that is trained on the heat maps of all blocks as well.

    The log shows their unweighted cross-entropy as ``heat_map_loss``.

    Args:
        model: a pose network, which shares its weights.
        weight: weight of ``heat_map_cross_entropy``.
        inputs: as for `compile_pose`.

    Raises:
        ValueError: The network has no heat maps.
    """

    def __init__(self, model: keras.Model, weight: float, *, inputs: Sequence | None = None):
        maps = [
            layer.output
            for layer in model.layers
            # Contextual maps may have their maximum far from the joint.
            if isinstance(layer, layers.SpatialSoftmax) and "_context_" not in layer.name
        ]
        if not maps:
            raise ValueError(
                f"The network {model.name!r} has no heat maps to supervise. Set heat_map_weight=0."
            )
        super().__init__(inputs or model.input, {**model.output, "heat_maps": maps})
        self.heat_map_weight = weight
        self.heat_map_loss = keras.metrics.Mean(name="heat_map_loss")
        self._mean = _Mean(name="mean")

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, *args: Any, **options: Any
    ) -> Any:
        pose_loss = super().compute_loss(x, y, {"pose": y_pred["pose"]}, *args, **options)
        position = y["pose"][..., :2]
        losses = sum(heat_map_cross_entropy(position, maps) for maps in y_pred["heat_maps"])
        self.heat_map_loss.update_state(keras.ops.mean(losses))
        return pose_loss + self.heat_map_weight * self._mean(losses, losses)


class _Mean(keras.losses.Loss):
    """Mean of losses, scaled as Keras scales its own if TensorFlow has several devices."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return y_pred


def _average(training):
    """Options of an optimizer for the averages of the weights."""
    return {"use_ema": True, "ema_momentum": training.average} if training.average else {}


def _rate(training, steps, warmup=0):
    if training.schedule != "cosine":
        return training.learning_rate
    return keras.optimizers.schedules.CosineDecay(
        0.0 if warmup else training.learning_rate,
        decay_steps=max(steps - warmup, 1),
        alpha=0.01,
        warmup_target=training.learning_rate if warmup else None,
        warmup_steps=warmup,
    )


def set_pose_trainable(model: keras.Model, trainable: bool) -> None:
    """Freezes or unfreezes the pose network in a ``multitask_model``, including its statistics.

    Raises:
        ValueError: The pose network is to be trained, but the model has none.
    """
    if has_pose_network(model):
        model.get_layer("every_frame").trainable = trainable
        for layer in frame_view(model).layers:
            # Fine-tuning does not supervise heat maps, so joints are read as at inference.
            if isinstance(layer, layers.PeakWindow):
                layer.trainable = False
    elif trainable:
        raise ValueError(
            "There is no pose network to finetune in this model. Give the whole multitask_model."
        )


def compile_action(model: keras.Model, training: ActionTraining, steps: int) -> None:
    """Compiles a model with the optimizer and losses of an ``ActionTraining``.

    Args:
        model: a ``multitask_model`` or an ``action_model``.
        training: an ``ActionTraining``.
        steps: number of batches of the whole training, for its schedule.
    """
    rate, average = _rate(training, steps), _average(training)
    if training.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(rate, training.momentum, nesterov=True, **average)
    else:
        optimizer = keras.optimizers.AdamW(rate, weight_decay=training.weight_decay, **average)
        optimizer.exclude_from_weight_decay(var_names=["gamma", "beta"])  # batch norm's
    losses, loss_weights = {}, {}
    for name in model.output:
        if name == "pose":
            # If the pose network is frozen, this loss has no gradient and is only shown.
            losses[name], loss_weights[name] = PoseLoss(), training.pose_weight
        else:
            losses[name], loss_weights[name] = ActionLoss(training.label_smoothing), 1.0
    model.compile(optimizer, losses, loss_weights=loss_weights)
    # Built now, as in `compile_pose`. If the first step created variables, TensorFlow would also
    # trace it twice.
    model.optimizer.build(model.trainable_variables)
    _build_losses(model)


def _build_losses(model):
    """Creates the variables of the losses of a compiled model: computes its losses for zeros."""
    answers, targets = {}, {}
    for name, output in model.output.items():
        answers[name] = keras.ops.zeros([size or 1 for size in output.shape])
        targets[name] = answers[name][..., 0, :, :] if name == "pose" else answers[name][:, 0]
    model.compute_loss(y=targets, y_pred=answers)
    model.reset_metrics()


_STATISTICS_BATCHES = 16  # half as many give the same scores of action heads


class AveragedWeights(keras.callbacks.SwapEMAWeights):
    """Puts the averages of the weights into the model between epochs, to be scored and saved.

    The statistics of batch normalization are then those that the averages give, see
    `set_statistics`.

    Args:
        batches: what the model is trained on.
        resumed: whether the model and the optimizer are in the state after an epoch, in which
            their weights are exchanged.
    """

    def __init__(self, batches: Any, resumed: bool):
        super().__init__(swap_on_epoch=True)
        self._batches = batches
        self._ema_weights_in_model = resumed

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        super().on_epoch_end(epoch, logs)
        count = min(_STATISTICS_BATCHES, len(self._batches))
        part, self._batches.part = self._batches.part, (0, 1)  # all processes see the same
        inputs = (self._batches[index][0] for index in range(count))
        set_statistics(self.model, inputs)
        self._batches.part = part

    def _finalize_ema_values(self):
        """Keeps the weights themselves after the last epoch, for a run that gets more epochs."""


def set_statistics(model: keras.Model, inputs: Iterable) -> None:
    """Sets the statistics of batch normalization to those of some inputs, for the present weights.

    Weights that are not those of the last steps of a training, such as averages, need it. Frozen
    layers keep their statistics.

    Args:
        model: the model; if it has no such layer, the inputs are not asked for.
        inputs: batches of its input.

    Source: Izmailov et al., Averaging Weights Leads to Wider Optima and Better Generalization, UAI
    2018.
    """
    if not any(layer.trainable for layer in _batch_norms(model)):
        return
    functional = keras.Model(model.input, model.output)  # the same layers, in no subclass
    with on_one_device():
        copy = keras.Model.from_config(functional.get_config())
        copy.set_weights(functional.get_weights())
        norms = [layer for layer in _batch_norms(copy) if layer.trainable]
        for count, batch in enumerate(inputs):
            for layer in norms:
                layer.momentum = count / (count + 1)  # so that all batches count alike
            copy(batch, training=True)
    functional.set_weights(copy.get_weights())


def _batch_norms(model):
    """The layers of batch normalization in a model, or in a layer that wraps one."""
    if isinstance(model, keras.layers.BatchNormalization):
        return [model]
    inner = [model.layer] if hasattr(model, "layer") else getattr(model, "layers", ())
    return [found for layer in inner for found in _batch_norms(layer)]


class PlateauRate(keras.callbacks.Callback):
    """Divides the learning rate by 10 when the validation score stagnates.

    The rate depends on the log alone, so a resumed run continues with the right one.

    Args:
        log: rows of all complete epochs; grows during training.
        training: an ``ActionTraining``.
    """

    def __init__(self, log: Sequence[Mapping], training: ActionTraining):
        super().__init__()
        self.log, self.training = log, training

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        scores = [validation_score(row)[1] for row in self.log]
        drops = count_plateaus(scores, self.training.patience)
        self.model.optimizer.learning_rate = self.training.learning_rate / 10**drops


def count_plateaus(scores: Sequence[float], patience: int) -> int:
    """Number of times that a score has not risen for ``patience`` epochs.

    Counting starts again after each such time.

    >>> count_plateaus([50, 60, 60, 59, 61, 61, 60], patience=2)
    2
    """
    best, since, plateaus = -math.inf, 0, 0
    for score in scores:
        best, since = (score, 0) if score > best else (best, since + 1)
        if since == patience:
            plateaus, since = plateaus + 1, 0
    return plateaus
