"""Fitting one stage: compile, train, validate, write the run folder."""

import numpy as np

from deephar import weights
from deephar.data.samples import whole_of
from deephar.inference.poses import predict_poses
from deephar.models import frame_view, has_pose_network
from deephar.training.compile import (
    PlateauRate,
    compile_action,
    compile_pose,
    freeze_stem,
    set_pose_trainable,
)
from deephar.training.run import fit_run, run_settings
from deephar.training.settings import ActionTraining, PoseTraining


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
            ``fit_run``; or the network reads joints near the maximum of heat maps
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
            ``deephar.training.features.FeatureBatches``.
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
            ``fit_run``; or fine-tuning was asked for without a pose network.
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
