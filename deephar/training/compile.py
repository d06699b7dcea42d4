"""Training: the stages, each a run (`deephar.runs`) that can be killed and resumed.

Stage 1 learns the pose. Stage 2 learns the actions on top of it: the pose network keeps its weights
and its statistics. Stage 3, optional, trains everything together.
"""

import math
from dataclasses import dataclass

import keras
import numpy as np

from deephar import layers, weights
from deephar.evaluation.pose import predict_poses, whole_of
from deephar.losses import ActionLoss, PoseLoss, heat_map_cross_entropy
from deephar.models import frame_view, has_pose_network
from deephar.training.run import fit_run, run_settings, validation_score

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


def train_pose(
    model, config, batches, validation, score, out, training=None, resume=False, facts=None
):
    """Stage 1: RMSprop, the loss of ``compile_pose``, a validation score after each epoch.

    Args:
        model: a network of ``deephar.models.pose_model`` or ``reception_net``.
        config: its config.
        batches: a ``deephar.data.Batches`` of training samples.
        validation: a data set to score after each epoch; its best score decides ``best.h5``.
        score: a function of ``deephar.evaluation`` such as ``score_mpii``.
        out: the run folder.
        training: a ``PoseTraining``; its defaults if None.
        resume: go on with the run in ``out``.
        facts: a dict of what the weight files are to tell besides, see ``deephar.weights.save``.

    Returns:
        The log: a list of dicts, one an epoch.

    Raises:
        FileExistsError, FileNotFoundError, ValueError, FloatingPointError: as
            ``deephar.runs.fit_run``; or the network reads joints near the maximum of heat maps
            that are not to be supervised.
    """
    training = training or PoseTraining()
    # A protocol decides the measure, so scores of another one would not compare.
    protocol = getattr(whole_of(validation), "protocol", None)
    more = {} if protocol is None else {"protocol": protocol}
    if not resume:
        check_peak_window(config, training.heat_map_weight)
    settings = run_settings(model, config, training, batches, validation, **more)
    freeze_stem(model, training.freeze_stem)
    trainer = compile_pose(model, training, steps=training.epochs * len(batches))

    def validate():
        predictions = predict_poses(model, config, validation)
        if not np.isfinite(predictions.joints).all():
            raise FloatingPointError(
                "the network predicts NaN: its training has diverged; lower the learning rate; "
                "the files of the last complete epoch were kept"
            )
        scores = score(predictions, validation)
        return {scores.measure.lower(): scores.answer.total}

    def save(path, **of_run):
        weights.save(model, config, path, **of_run, **(facts or {}))

    return fit_run(trainer, batches, out, settings, validate, save, resume)


def check_peak_window(config, heat_map_weight):
    """Refuses to train a network that reads joints near maxima that nobody supervises.

    Args:
        config: a ``ModelConfig`` or ``ReceptionConfig``.
        heat_map_weight: of the heat maps in the loss, see ``PoseTraining``.

    Raises:
        ValueError: the config has a ``peak_window``, and the weight is 0.
    """
    window = getattr(config, "peak_window", 0)  # a ReceptionNet has none
    if window and not heat_map_weight:
        raise ValueError(
            f"the network reads joints within {window} positions of the maximum of their heat maps "
            "(peak_window), where only maps that are supervised have it: give --heat-map-weight, "
            "such as 0.3, or --peak-window 0 to read the whole maps (in Python: heat_map_weight, "
            "or a config with peak_window=0)"
        )


def freeze_stem(model, blocks):
    """Keeps the weights of the first ``blocks`` (0 to 5) of the VGG-16 stem as they are.

    Raises:
        ValueError: the network has another stem.
    """
    if not blocks:
        return
    for layer in _vgg_layers(model, blocks, f"freeze_stem={blocks}"):
        layer.trainable = False


def _vgg_layers(model, blocks, setting):
    """The layers of the first ``blocks`` of the VGG-16 stem, of which the setting speaks."""
    names = tuple(f"block{number}_" for number in range(1, blocks + 1))
    found = [layer for layer in model.layers if layer.name.startswith(names)]
    if not found:
        raise ValueError(
            f"{setting} is for the blocks of a VGG-16 stem; this network has another stem"
        )
    return found


def compile_pose(model, training, steps):
    """A model to ``fit``, of the same weights, compiled with the optimizer and losses of stage 1.

    RMSprop; elastic net and visibility of all blocks (``PoseLoss``), and their heat maps if the
    training asks for it (``HeatMapTraining``).

    Args:
        model: a network of poses.
        training: a ``PoseTraining``.
        steps: batches of the whole training, for its schedule.

    Raises:
        ValueError: ``stem_rate`` is not 1, and the network has another stem than VGG-16.
    """
    rate = _rate(training, steps)
    optimizer = keras.optimizers.RMSprop(rate)
    if training.stem_rate != 1:
        _vgg_layers(model, 5, f"stem_rate={training.stem_rate:g}")
        optimizer = StemRMSprop(rate, training.stem_rate)
    if training.heat_map_weight:
        model = HeatMapTraining(model, training.heat_map_weight)
    model.compile(optimizer, {"pose": PoseLoss(training.visibility_weight)})
    return model


@keras.saving.register_keras_serializable(package="deephar")
class StemRMSprop(keras.optimizers.RMSprop):
    """RMSprop with a learning rate of its own for the blocks of the VGG-16 stem.

    Args:
        learning_rate: outside of the stem.
        stem_rate: factor on it in the stem.
        **kwargs: see ``keras.optimizers.RMSprop``.
    """

    def __init__(self, learning_rate=0.001, stem_rate=1.0, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.stem_rate = stem_rate

    def build(self, variables):
        super().build(variables)
        in_stem = [variable.path.startswith("block") for variable in variables]
        self._rates = [self.stem_rate if inside else 1.0 for inside in in_stem]

    def update_step(self, gradient, variable, learning_rate):
        rate = self._rates[self._get_variable_index(variable)]
        super().update_step(gradient, variable, learning_rate * rate)

    def get_config(self):
        return {**super().get_config(), "stem_rate": self.stem_rate}


class HeatMapTraining(keras.Model):
    """A network of poses whose heat maps, of all blocks, are supervised besides its poses.

    The log shows their cross-entropy, before its weight, as ``heat_map_loss``.

    Args:
        model: the network; its weights are shared.
        weight: of the cross-entropy of the heat maps, see ``heat_map_cross_entropy``.
    """

    def __init__(self, model, weight):
        maps = [
            layer.output
            for layer in model.layers
            # A contextual map need not be at the joint.
            if isinstance(layer, layers.SpatialSoftmax) and "_context_" not in layer.name
        ]
        if not maps:
            raise ValueError(f"{model.name}: has no heat maps to supervise")
        super().__init__(model.input, {**model.output, "heat_maps": maps})
        self.heat_map_weight = weight
        self.heat_map_loss = keras.metrics.Mean(name="heat_map_loss")

    def compute_loss(self, x=None, y=None, y_pred=None, *args, **options):
        pose_loss = super().compute_loss(x, y, {"pose": y_pred["pose"]}, *args, **options)
        position = y["pose"][..., :2]
        losses = [heat_map_cross_entropy(position, maps) for maps in y_pred["heat_maps"]]
        heat_map_loss = keras.ops.mean(sum(losses))
        self.heat_map_loss.update_state(heat_map_loss)
        return pose_loss + self.heat_map_weight * heat_map_loss


def _rate(training, steps):
    if training.schedule == "cosine":
        schedule = keras.optimizers.schedules.CosineDecay
        return schedule(training.learning_rate, decay_steps=steps, alpha=0.01)
    return training.learning_rate


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


def train_action(
    model,
    config,
    batches,
    validation,
    score,
    out,
    training=None,
    resume=False,
    whole=None,
    facts=None,
):
    """Stage 2 (and 3): the action heads on a pose network that keeps its weights.

    Args:
        model: a ``multitask_model`` for batches of clips, or an ``action_model`` for batches of
            poses or of cached features; with the weights to start from in its pose network, also
            when the run is resumed.
        config: its ``ModelConfig``.
        batches: ``deephar.data.ClipBatches``, ``SequenceBatches`` or
            ``deephar.features.FeatureBatches``.
        validation: a data set of videos, kept in the settings of the run.
        score: function without arguments that scores the model on it: measure -> value, in percent.
        out: the run folder.
        training: an ``ActionTraining``; its defaults if None.
        resume: go on with the run in ``out``.
        whole: the ``multitask_model`` that ``model`` is the ``action_view`` of; its weights are
            what is saved. None: ``model`` itself.
        facts: dict of facts to keep with the weights, such as the names of the actions.

    Returns:
        The log: a list of dicts, one an epoch.

    Raises:
        FileExistsError, FileNotFoundError, ValueError, FloatingPointError: as
            ``deephar.runs.fit_run``; or fine-tuning was asked for without a pose network.
    """
    training = training or ActionTraining()
    set_pose_trainable(model, training.finetune)
    # A run goes with the pose network it started on: the heads were trained on what that one gives.
    network = whole or model
    more = {}
    if has_pose_network(network):
        more["pose_network"] = weights.digest(frame_view(network))[:16]
    settings = run_settings(model, config, training, batches, validation, **more)
    compile_action(model, training, steps=training.epochs * len(batches))

    def save(path, **run_facts):
        weights.save(whole or model, config, path, **run_facts, **(facts or {}))

    callbacks = []
    if training.schedule == "plateau":
        callbacks.append(lambda log: PlateauRate(log, training))
    return fit_run(model, batches, out, settings, score, save, resume, callbacks)


def set_pose_trainable(model, trainable):
    """Sets whether the pose network inside a ``multitask_model`` is trained, statistics included.

    Raises:
        ValueError: it is to be trained, but the model has none.
    """
    if has_pose_network(model):
        model.get_layer("every_frame").trainable = trainable
        for layer in frame_view(model).layers:
            # Fine-tuning does not supervise heat maps: joints are read as they will be tested.
            if isinstance(layer, layers.PeakWindow):
                layer.trainable = False
    elif trainable:
        raise ValueError(
            "there is no pose network to finetune in this model: give the whole multitask_model"
        )


def compile_action(model, training, steps):
    """Compiles a model with the optimizer and the losses of an ``ActionTraining``.

    Args:
        model: a ``multitask_model`` or an ``action_model``.
        training: an ``ActionTraining``.
        steps: batches of the whole training, for its schedule.
    """
    rate = _rate(training, steps)
    if training.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(rate, momentum=training.momentum, nesterov=True)
    else:
        optimizer = keras.optimizers.AdamW(rate, weight_decay=training.weight_decay)
        optimizer.exclude_from_weight_decay(var_names=["gamma", "beta"])  # of batch norm
    losses, loss_weights = {}, {}
    for name in model.output:
        if name == "pose":
            # Where the pose network is frozen, its loss has no gradient; it is shown, not learned.
            losses[name], loss_weights[name] = PoseLoss(), training.pose_weight
        else:
            losses[name], loss_weights[name] = ActionLoss(training.label_smoothing), 1.0
    model.compile(optimizer, losses, loss_weights=loss_weights)


class PlateauRate(keras.callbacks.Callback):
    """Divides the learning rate by 10 when the validation score stagnates.

    The rate follows from the log alone, so that a resumed run goes on with the right one.

    Args:
        log: the rows of all complete epochs, which grows as training goes on.
        training: an ``ActionTraining``.
    """

    def __init__(self, log, training):
        super().__init__()
        self.log, self.training = log, training

    def on_epoch_begin(self, epoch, logs=None):
        scores = [validation_score(row)[1] for row in self.log]
        drops = count_plateaus(scores, self.training.patience)
        self.model.optimizer.learning_rate = self.training.learning_rate / 10**drops


def count_plateaus(scores, patience):
    """How often a score has not risen for ``patience`` epochs; each such time counts anew.

    >>> count_plateaus([50, 60, 60, 59, 61, 61, 60], patience=2)
    2
    """
    best, since, plateaus = -math.inf, 0, 0
    for score in scores:
        best, since = (score, 0) if score > best else (best, since + 1)
        if since == patience:
            plateaus, since = plateaus + 1, 0
    return plateaus
