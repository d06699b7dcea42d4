"""Training: stage 1, pose. Writes a run folder from which a killed run goes on.

A run folder holds ``config.json`` (network, training and data settings), ``log.csv`` (a row an
epoch), ``best.h5`` and ``last.h5`` (weights with config and score inside, for
``deephar.weights.load_model``) and ``state.h5`` (weights and optimizer, to resume from).
"""

import csv
import dataclasses
import hashlib
import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path

import h5py
import keras
import numpy as np

from deephar import weights
from deephar.evaluation.pose import predict_poses
from deephar.files import replacing, writing_h5
from deephar.losses import PoseLoss

SCHEDULES = ("cosine", "constant")


@dataclass(frozen=True)
class PoseTraining:
    """Settings of stage 1.

    Attributes:
        epochs: passes, each as long as the batches say.
        learning_rate: of RMSprop, at the start.
        schedule: ``"cosine"``, falling to 1 % of the start by the last step, or ``"constant"``.
        freeze_stem: number of VGG-16 blocks, from the input, whose weights stay as they are.
        visibility_weight: weight of the visibility term of the loss.
        start: what the initial weights are, in words; kept with the run.

    Raises:
        ValueError: a setting is out of its range.
    """

    epochs: int = 60
    learning_rate: float = 0.001
    schedule: str = "cosine"
    freeze_stem: int = 0
    visibility_weight: float = 0.01
    start: str = "random"

    def __post_init__(self):
        if self.schedule not in SCHEDULES:
            raise ValueError(
                f"schedule must be one of {', '.join(SCHEDULES)}, and is {self.schedule!r}"
            )
        if not 0 <= self.freeze_stem <= 5:
            raise ValueError(f"freeze_stem must be 0 to 5 blocks, and is {self.freeze_stem}")
        if self.epochs < 1:
            raise ValueError(f"epochs must be at least 1, and is {self.epochs}")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate must be positive, and is {self.learning_rate}")


def train_pose(model, config, batches, validation, score, out, training=None, resume=False):
    """Trains a pose network: RMSprop, elastic-net loss, a validation score after each epoch.

    Args:
        model: a network of ``deephar.models.pose_model``.
        config: its ``ModelConfig``.
        batches: a ``deephar.data.Batches`` of training samples.
        validation: a data set to score after each epoch; its best score decides ``best.h5``.
        score: ``score_mpii`` or ``score_lsp`` of ``deephar.evaluation``.
        out: the run folder.
        training: a ``PoseTraining``; its defaults if None.
        resume: go on after the last complete epoch of the run in ``out``, with its weights. The
            result is the one that the run would have had without the interruption.

    Returns:
        The log: a list of dicts, one an epoch.

    Raises:
        FileExistsError: ``out`` holds a run and ``resume`` is False.
        FileNotFoundError: there is no run to resume, or an image is missing.
        ValueError: the run in ``out`` has other settings, or an image cannot be used.
        FloatingPointError: the loss is not finite; says in which batch. The files of the last
            complete epoch stay.
    """
    training = training or PoseTraining()
    out = Path(out)
    settings = _settings(model, config, training, batches, validation)
    _check_run(out, settings, resume)
    freeze_stem(model, training.freeze_stem)
    _compile(model, training, steps=training.epochs * len(batches))
    # What would make validation impossible must not show only after the first epoch.
    score(predict_poses(model, config, validation), validation)
    progress = _load_state(model, out) if resume else _start(model, out, settings)
    if progress.epoch == training.epochs:
        print(f"{out}: complete, all {training.epochs} epochs are done")
        return progress.log
    batches.epoch = progress.epoch
    batches.error = None
    _write_log(out / "log.csv", progress.log)
    try:
        model.fit(
            batches,
            epochs=training.epochs,
            initial_epoch=progress.epoch,
            shuffle=False,  # the batches shuffle by seed
            verbose=1 if sys.stdout.isatty() else 2,
            callbacks=[
                StopOnNonFiniteLoss(batches),
                ValidationScore(config, validation, score),
                _RunFiles(config, out, progress, settings),
            ],
        )
    except Exception as error:
        if batches.error is None or batches.error is error:
            raise
        raise batches.error from None
    finally:
        batches.close()
    return progress.log


def freeze_stem(model, blocks):
    """Keeps the weights of the first ``blocks`` (0 to 5) of the VGG-16 stem as they are."""
    frozen = tuple(f"block{number}_" for number in range(1, blocks + 1))
    for layer in model.layers:
        if frozen and layer.name.startswith(frozen):
            layer.trainable = False


class StopOnNonFiniteLoss(keras.callbacks.Callback):
    """Ends training at the first batch whose loss is NaN or infinite, before files are written.

    Args:
        batches: the ``deephar.data.Batches`` that are trained on, to name the persons.
    """

    def __init__(self, batches):
        super().__init__()
        self.batches = batches
        self.epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if math.isfinite(loss := (logs or {}).get("loss", 0.0)):
            return
        persons = ", ".join(sample.name for sample in self.batches.samples(batch))
        raise FloatingPointError(
            f"the loss is {loss} at epoch {self.epoch + 1}, batch {batch + 1} of "
            f"{len(self.batches)} (persons {persons}); lower the learning rate, or check these "
            "images; the files of the last complete epoch were kept"
        )


class ValidationScore(keras.callbacks.Callback):
    """Adds the score of the last prediction block to the logs of each epoch.

    The logs get ``val_pckh`` (or ``val_pck``, by the score's measure), in percent, which Keras's
    progress bar and all later callbacks show, and ``learning_rate``.

    Args:
        config: the network's ``ModelConfig``.
        dataset: the data set to score.
        score: ``score_mpii`` or ``score_lsp`` of ``deephar.evaluation``.
    """

    def __init__(self, config, dataset, score):
        super().__init__()
        self.config, self.dataset, self.score = config, dataset, score

    def on_epoch_end(self, epoch, logs=None):
        predictions = predict_poses(self.model, self.config, self.dataset)
        if not np.isfinite(predictions.joints).all():
            raise FloatingPointError(
                f"the network predicts NaN after epoch {epoch + 1}: its training has diverged; "
                "lower the learning rate; the files of the last complete epoch were kept"
            )
        scores = self.score(predictions, self.dataset)
        logs[f"val_{scores.measure.lower()}"] = float(scores.answer.total)
        logs["learning_rate"] = float(self.model.optimizer.learning_rate)


@dataclass
class _Progress:
    """How far a run has come: its log, a dict for each complete epoch."""

    log: list = dataclasses.field(default_factory=list)

    @property
    def epoch(self):
        return len(self.log)

    def best(self):
        """The highest validation score so far; minus infinity before the first epoch."""
        return max((_validation_score(row)[1] for row in self.log), default=-math.inf)


class _RunFiles(keras.callbacks.Callback):
    """Writes the files of a run after each epoch; the state last, since resuming goes by it."""

    def __init__(self, config, out, progress, settings):
        super().__init__()
        self.config, self.out, self.progress = config, out, progress
        self.data = settings["data"]

    def on_epoch_end(self, epoch, logs=None):
        measure, score = _validation_score(logs)
        improved = score > self.progress.best()
        row = {"epoch": epoch + 1, **{key: float(value) for key, value in logs.items()}}
        self.progress.log.append(row)
        facts = {"epoch": epoch + 1, "data": self.data, "score": {measure: score}}
        for name in ("best.h5", "last.h5") if improved else ("last.h5",):
            weights.save(self.model, self.config, self.out / name, **facts)
        _write_log(self.out / "log.csv", self.progress.log)
        _save_state(self.model, self.out, self.progress)


def _validation_score(row):
    """Name and value of the validation score in the logs of an epoch."""
    return next((key, float(row[key])) for key in ("val_pckh", "val_pck") if key in row)


def _compile(model, training, steps):
    rate = training.learning_rate
    if training.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, decay_steps=steps, alpha=0.01)
    model.compile(keras.optimizers.RMSprop(rate), {"pose": PoseLoss(training.visibility_weight)})
    # Built now, so that a resumed run has the variables that the state is loaded into.
    model.optimizer.build(model.trainable_variables)


def _settings(model, config, training, batches, validation):
    augmentation = batches.augmentation and dataclasses.asdict(batches.augmentation)
    settings = {
        "model": json.loads(config.to_json()),
        "dtype": model.dtype_policy.name,
        "training": dataclasses.asdict(training),
        "data": {
            "train": {name: _persons(dataset) for name, dataset in batches.datasets.items()},
            "validation": {validation.name: _persons(validation)},
            "shares": batches.shares,
            "steps_per_epoch": len(batches),
            "augmentation": augmentation,
            "seed": batches.seed,
        },
    }
    return json.loads(json.dumps(settings))  # as it will be read back: lists, not tuples


def _persons(dataset):
    """How many persons a data set has, and which: a digest of their names."""
    names = "\n".join(dataset[index].name for index in range(len(dataset)))
    return {"persons": len(dataset), "names": hashlib.sha256(names.encode()).hexdigest()[:16]}


def _check_run(out, settings, resume):
    """Raises unless the folder is free, or holds a run with these settings to be resumed."""
    results = [name for name in ("log.csv", "best.h5", "last.h5") if (out / name).exists()]
    if not resume:
        if results:  # a run that failed in its first epoch has none, and is replaced
            raise FileExistsError(
                f"{out}: holds a run already ({', '.join(results)}); add --resume to go on with "
                "it, or give another folder"
            )
        return
    if not (out / "state.h5").exists():
        last = out / "last.h5"
        advice = f"start from its weights: --weights {last}" if last.exists() else "leave it out"
        raise FileNotFoundError(f"{out}: no run to --resume (no state.h5); {advice}")
    path = out / "config.json"
    stored, now = _flat(read_settings(out)), _flat(settings)
    del stored["training.start"], now["training.start"]  # a resumed run has its own weights
    other = [
        f"{key} was {stored.get(key, 'absent')}, now {now.get(key, 'absent')}"
        for key in sorted(stored.keys() | now.keys())
        if stored.get(key, "absent") != now.get(key, "absent")
    ]
    if other:
        raise ValueError(
            f"{path}: the run has other settings ({'; '.join(other)}); resume it with its own, or "
            "start a new one in another folder"
        )


def read_settings(out):
    """The settings of the run in a folder, as ``train_pose`` keeps them in ``config.json``.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged.
    """
    path = Path(out) / "config.json"
    if not path.exists():
        raise FileNotFoundError(f"{out}: no run to --resume (no config.json); leave it out")
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        _ = settings["model"], settings["training"]["start"], settings["data"]
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path}: not the settings of a run ({error}); restore it") from error
    return settings


def _flat(settings, prefix=""):
    flat = {}
    for key, value in settings.items():
        nested = isinstance(value, dict)
        flat |= _flat(value, f"{prefix}{key}.") if nested else {f"{prefix}{key}": value}
    return flat


def _state_variables(model):
    return {"model": model.variables, "optimizer": model.optimizer.variables}


def _save_state(model, out, progress):
    with writing_h5(out / "state.h5") as file:
        file.attrs["log"] = json.dumps(progress.log)
        for group, variables in _state_variables(model).items():
            for number, variable in enumerate(variables):
                value = keras.ops.convert_to_numpy(variable.value)
                file[f"{group}/{number}"] = value


def _start(model, out, settings):
    """Writes the config and the state before the first epoch: from then on, the run can resume."""
    with replacing(out / "config.json") as part:
        part.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    progress = _Progress()
    _save_state(model, out, progress)
    return progress


def _load_state(model, out):
    """Loads the state of the last complete epoch."""
    path = out / "state.h5"
    try:
        with h5py.File(path, "r") as file:
            log = json.loads(file.attrs["log"])
            for group, variables in _state_variables(model).items():
                for number, variable in enumerate(variables):
                    variable.assign(file[f"{group}/{number}"][()])
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"{path}: damaged ({error}); start a new run in another folder, from the weights in "
            f"{out / 'last.h5'}"
        ) from error
    return _Progress(log)


def _write_log(path, log):
    """Writes the log anew: after a resume it holds complete epochs only."""
    if not log:
        path.unlink(missing_ok=True)
        return
    with replacing(path) as part, open(part, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(log[0]))
        writer.writeheader()
        writer.writerows(log)
