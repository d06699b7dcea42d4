"""Trains single networks: compiles, trains, validates each epoch and writes the run folder."""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from deephar import weights
from deephar.data.batches import ClipBatches
from deephar.data.samples import whole_of
from deephar.inference.poses import predict_poses
from deephar.models import action_view, frame_view, has_pose_network
from deephar.training.compile import (
    AveragedWeights,
    PlateauRate,
    compile_action,
    compile_pose,
    freeze_stem,
    set_pose_trainable,
)
from deephar.training.data import pose_score
from deephar.training.frozen import FrozenBlocks
from deephar.training.recipe import check_peak_window
from deephar.training.run import Run, fit_run, run_settings
from deephar.training.settings import ActionTraining, PoseTraining


def train_pose(
    model: keras.Model,
    config: Any,
    batches: Any,
    *,
    validation: Any,
    run: Run,
    training: PoseTraining = PoseTraining(),
    validate: Callable[[], Mapping[str, float]] | None = None,
) -> list[dict]:
    """Trains a pose network with RMSprop and the loss of `compile_pose`.

    Args:
        model: a network of `deephar.models.pose_model` or `reception_net`.
        config: its config.
        batches: a `deephar.data.Batches` of training samples.
        validation: data set of stills to score after each epoch.
        run: the run folder.
        training: epochs, learning rate and losses.
        validate: function without arguments that scores the model: measure -> value. By default,
            the measure of the validation data. The best score decides ``best.h5``.

    Returns:
        The log: a list of dicts, one an epoch.

    Raises:
        FileExistsError, FileNotFoundError, ValueError, FloatingPointError: As
            `deephar.training.run.fit_run`; or `peak_window` is set but the heat maps are not
            supervised.
    """
    # The protocol decides the measure, and scores of different measures cannot be compared.
    protocol = getattr(whole_of(validation), "protocol", None)
    more = {} if protocol is None else {"protocol": protocol}
    check_peak_window(config, training.heat_map_weight)
    settings = run_settings(
        model, config, batches, validation=validation, training=training, run=run, more=more
    )
    freeze_stem(model, training.freeze_stem)
    inputs = None
    if training.frozen_int8:
        persons = next(iter(batches.datasets.values()))
        batches.frozen = FrozenBlocks(model, training.freeze_stem, dataset=persons)
        inputs = batches.frozen.outputs
    with run.devices.building():
        trainer = compile_pose(model, training, training.epochs * len(batches), inputs=inputs)
    network = run.devices.predicting(model)

    def score():
        predictions = predict_poses(network, config, validation)
        if not np.isfinite(predictions.joints).all():
            raise FloatingPointError(
                "The network predicts NaN, so its training has diverged. Lower the learning rate. "
                "The files of the last complete epoch were kept."
            )
        scores = pose_score(validation)(predictions, validation)
        return {scores.measure.lower(): scores.answer.total}

    return fit_run(
        trainer,
        batches,
        run,
        settings=settings,
        validate=validate or score,
        save=_saver(model, config, run),
        callbacks=_averages(training, batches),
    )


def train_action(
    model: keras.Model,
    config: Any,
    batches: Any,
    *,
    validation: Any,
    run: Run,
    validate: Callable[[], Mapping[str, float]],
    training: ActionTraining = ActionTraining(),
) -> list[dict]:
    """Trains the action heads on a frozen pose network, or the whole network.

    Args:
        model: a `multitask_model`, or an `action_model` for batches of poses. Its pose network must
            have its initial weights, even if the run is resumed.
        config: its config.
        batches: `deephar.data.ClipBatches`, `SequenceBatches`, or
            `deephar.training.features.FeatureBatches`.
        validation: data set of videos, recorded in the settings of the run.
        run: the run folder.
        validate: function without arguments that scores the model: measure -> value. The best
            score decides ``best.h5``.
        training: epochs, optimizer and losses.

    Returns:
        The log: a list of dicts, one an epoch.

    Raises:
        FileExistsError, FileNotFoundError, ValueError, FloatingPointError: As
            `deephar.training.run.fit_run`; or the whole network is to be trained, but the model
            has no pose network.
    """
    sees_clips = isinstance(batches, ClipBatches) or not has_pose_network(model)
    trainer = model if sees_clips else action_view(model)
    set_pose_trainable(trainer, training.finetune)
    more = {}
    if has_pose_network(model):
        # A resumed run must have the same pose network, since the heads learn from its outputs.
        more["pose_network"] = weights.digest(frame_view(model))[:16]
    settings = run_settings(
        trainer, config, batches, validation=validation, training=training, run=run, more=more
    )
    with run.devices.building():
        compile_action(trainer, training, steps=training.epochs * len(batches))
    callbacks = _averages(training, batches)
    if training.schedule == "plateau":
        callbacks.append(lambda log: PlateauRate(log, training))
    return fit_run(
        trainer,
        batches,
        run,
        settings=settings,
        validate=validate,
        save=_saver(model, config, run),
        callbacks=callbacks,
    )


def _averages(training, batches):
    return [lambda log: AveragedWeights(batches, bool(log))] if training.average else []


def _saver(model, config, run):
    def save(path, **of_epoch):
        weights.save(model, config, path, **of_epoch, **run.facts)

    return save
