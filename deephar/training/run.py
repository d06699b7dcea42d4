"""Training runs: folders that a killed run goes on from.

A run folder holds ``config.json`` (network, training and data settings), ``log.csv`` (a row an
epoch), ``best.h5`` and ``last.h5`` (weights with config and score inside, for
`deephar.weights.load_model`) and ``state.h5`` (weights and optimizer, to resume from).
"""

import csv
import dataclasses
import hashlib
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from deephar.data.samples import names_of
from deephar.files import replacing, writing_h5
from deephar.models import config_from_json

# Validation scores of which the lowest is the best.
_ERRORS = ("val_mpjpe", "val_p-mpjpe")


@dataclass(frozen=True)
class Run:
    """A run folder that is written, or gone on with.

    Attributes:
        out: the folder.
        resume: whether to go on after the last complete epoch of the run in the folder, with its
            weights. The result is the one that the run would have had without the interruption.
        start: what the initial weights are, in words. Kept in config.json.
        facts: what the weight files tell besides, see `deephar.weights.save`.
    """

    out: Path | str
    resume: bool = False
    start: str = "random"
    facts: Mapping = field(default_factory=dict)


def fit_run(
    model: keras.Model,
    batches: Any,
    run: Run,
    *,
    settings: Mapping,
    validate: Callable[[], Mapping[str, float]],
    save: Callable,
    callbacks: Sequence[Callable] = (),
) -> list[dict]:
    """Trains a compiled model and writes the run folder; goes on with an interrupted run.

    Args:
        model: a compiled `keras.Model`.
        batches: a `deephar.data.Batches`, or what has the same attributes.
        run: the folder, and whether to go on with it.
        settings: what makes the run what it is, as `run_settings` gives it.
        validate: function without arguments that scores the model: measure -> value. The best
            value of the first measure (the highest, but of an error the lowest) decides
            ``best.h5``.
        save: function of a path and of facts, which writes the weights there.
        callbacks: functions of the log so far that make more Keras callbacks.

    Returns:
        The log: a list of dicts, one an epoch.

    Raises:
        FileExistsError: The folder holds a run and `run.resume` is False.
        FileNotFoundError: There is no run to resume, or an image is missing.
        ValueError: The run in the folder has other settings, or an image cannot be used.
        FloatingPointError: The loss is not finite; says in which batch. The files of the last
            complete epoch stay.
    """
    out = Path(run.out)
    epochs = settings["training"]["epochs"]
    _check_run(out, settings, run.resume)
    # Built now, so that a resumed run has the variables that the state is loaded into.
    model.optimizer.build(model.trainable_variables)
    # What would make validation impossible must not show only after the first epoch.
    validate()
    progress = _load_state(model, out) if run.resume else _start(model, out, settings)
    if progress.epoch == epochs:
        print(f"{out}: complete, all {epochs} epochs are done.")
        return progress.log
    batches.epoch = progress.epoch
    batches.error = None
    _write_log(out / "log.csv", progress.log)
    try:
        model.fit(
            batches,
            epochs=epochs,
            initial_epoch=progress.epoch,
            shuffle=False,  # the batches shuffle by seed
            verbose=1 if sys.stdout.isatty() else 2,
            callbacks=[
                StopOnNonFiniteLoss(batches),
                *(make(progress.log) for make in callbacks),
                ValidationScore(validate),
                _RunFiles(out, progress, settings["data"], save),
            ],
        )
    except Exception as error:
        if batches.error is None or batches.error is error:
            raise
        raise batches.error from None
    finally:
        batches.close()
    return progress.log


class StopOnNonFiniteLoss(keras.callbacks.Callback):
    """Ends training at the first batch whose loss is NaN or infinite, before files are written.

    Args:
        batches: the `deephar.data.Batches` that are trained on, to name the persons.
    """

    def __init__(self, batches: Any):
        super().__init__()
        self.batches = batches
        self.epoch = 0

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if math.isfinite(loss := (logs or {}).get("loss", 0.0)):
            return
        persons = ", ".join(sample.name for sample in self.batches.samples(batch))
        raise FloatingPointError(
            f"The loss is {loss} at epoch {self.epoch + 1}, batch {batch + 1} of "
            f"{len(self.batches)} (persons {persons}). Lower the learning rate, or check these "
            "images. The files of the last complete epoch were kept."
        )


class ValidationScore(keras.callbacks.Callback):
    """Adds the validation scores to the logs of each epoch, and the learning rate.

    Keras's progress bar and all later callbacks show them.

    Args:
        validate: function without arguments: measure, such as ``"pckh"``, -> value.
    """

    def __init__(self, validate: Callable):
        super().__init__()
        self.validate = validate

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        try:
            scores = self.validate()
        except FloatingPointError as error:
            raise FloatingPointError(f"After epoch {epoch + 1}: {error}") from error
        logs |= {f"val_{measure}": float(value) for measure, value in scores.items()}
        logs["learning_rate"] = float(self.model.optimizer.learning_rate)


@dataclass
class _Progress:
    """How far a run has come: its log, a dict for each complete epoch."""

    log: list = dataclasses.field(default_factory=list)

    @property
    def epoch(self):
        return len(self.log)

    def best(self):
        """How good the best epoch so far is; minus infinity before the first epoch."""
        return max((_goodness(row) for row in self.log), default=-math.inf)


class _RunFiles(keras.callbacks.Callback):
    """Writes the files of a run after each epoch; the state last, since resuming goes by it."""

    def __init__(self, out, progress, data, save):
        super().__init__()
        self.out, self.progress, self.data, self.save = out, progress, data, save

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        measure, score = validation_score(logs)
        # Of equal scores the later epoch's weights, which have learned for longer.
        improved = _goodness(logs) >= self.progress.best()
        row = {"epoch": epoch + 1, **{key: float(value) for key, value in logs.items()}}
        self.progress.log.append(row)
        facts = {"epoch": epoch + 1, "data": self.data, "score": {measure: score}}
        for name in ("best.h5", "last.h5") if improved else ("last.h5",):
            self.save(self.out / name, **facts)
        _write_log(self.out / "log.csv", self.progress.log)
        _save_state(self.model, self.out, self.progress)


def validation_score(row: Mapping) -> tuple[str, float]:
    """Name and value of the first validation score in the logs of an epoch."""
    return next((key, float(value)) for key, value in row.items() if key.startswith("val_"))


def _goodness(row):
    """The validation score of an epoch, turned round where lower is better."""
    measure, score = validation_score(row)
    return -score if measure in _ERRORS else score


def run_settings(
    model: keras.Model,
    config: Any,
    batches: Any,
    *,
    validation: Any,
    training: Any,
    run: Run,
    more: Mapping = {},
) -> dict:
    """What makes a run what it is, as ``config.json`` keeps it: a nest of dicts for JSON.

    Args:
        model: the network.
        config: its config.
        batches: with `datasets` and `settings()`.
        validation: the data set that is validated on.
        training: a `PoseTraining` or `ActionTraining`.
        run: the run; its `start` is kept.
        more: what else a resumed run must have in common.
    """
    settings = {
        "model": json.loads(config.to_json()),
        "dtype": model.dtype_policy.name,
        "training": {**dataclasses.asdict(training), "start": run.start},
        "data": {
            "train": {name: fingerprint(dataset) for name, dataset in batches.datasets.items()},
            "validation": {validation.name: fingerprint(validation)},
            **batches.settings(),
        },
        **more,
    }
    return json.loads(json.dumps(settings))  # as it will be read back: lists, not tuples


def fingerprint(dataset: Any) -> dict:
    """How many items a data set has, and digests of their names and of some of their labels.

    Args:
        dataset: a data set, see `deephar.data`, or cached features.
    """
    count = len(dataset)
    names = "\n".join(names_of(dataset))
    items = {"items": count, "names": hashlib.sha256(names.encode()).hexdigest()[:16]}
    some = [dataset[index] for index in sorted({0, count // 2, count - 1})]
    if all(hasattr(item, "joints") for item in some):  # not of cached features
        labels = b"".join(np.ascontiguousarray(item.joints, float).tobytes() for item in some)
        items["labels"] = hashlib.sha256(labels).hexdigest()[:16]
    return items


def check_free(out: Path | str) -> None:
    """Checks that a folder holds no run yet; one that failed in its first epoch does not count.

    Raises:
        FileExistsError: It holds one.
    """
    results = [name for name in ("log.csv", "best.h5", "last.h5") if (Path(out) / name).exists()]
    if results:
        raise FileExistsError(
            f"{out} holds a run already ({', '.join(results)}). Add --resume to go on with it, or "
            "give another folder."
        )


def _check_run(out, settings, resume):
    """Raises unless the folder is free, or holds a run with these settings to be resumed."""
    if not resume:
        check_free(out)
        return
    if not (out / "state.h5").exists():
        last = out / "last.h5"
        advice = f"Start from its weights: --weights {last}." if last.exists() else "Leave it out."
        raise FileNotFoundError(f"{out} has no run to --resume (no state.h5). {advice}")
    path = out / "config.json"
    stored, now = _flat(read_settings(out)), _flat(settings)
    del stored["training.start"], now["training.start"]  # a resumed run has its own weights
    require_same(path, stored, now)


def require_same(path: Path, stored: Mapping, now: Mapping) -> None:
    """Refuses to go on with a run of other settings.

    Args:
        path: of the file that keeps the settings.
        stored: those of the run; nested dicts are compared field by field.
        now: those that it would be gone on with.

    Raises:
        ValueError: They differ; names all fields that do.
    """
    stored, now = _flat(stored), _flat(now)
    other = [
        f"{key} was {stored.get(key, 'absent')}, now {now.get(key, 'absent')}"
        for key in sorted(stored.keys() | now.keys())
        if stored.get(key, "absent") != now.get(key, "absent")
    ]
    if other:
        raise ValueError(
            f"{path}: The run has other settings ({'; '.join(other)}). Resume it with its own, or "
            "start a new one in another folder."
        )


def read_settings(out: Path | str) -> dict:
    """The settings of the run in a folder, as `fit_run` keeps them in ``config.json``.

    Fields of the network's config that the run is older than have their defaults.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged, or of a later version.
    """
    path = Path(out) / "config.json"
    if not path.exists():
        raise FileNotFoundError(f"{out} has no run to --resume (no config.json). Leave it out.")
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        _ = settings["training"]["start"], settings["data"]
        config = config_from_json(json.dumps(settings["model"]))
        settings["model"] = json.loads(config.to_json())
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} has not the settings of a run ({error}). Restore it.") from error
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
            f"{path} is damaged ({error}). Start a new run in another folder, from the weights in "
            f"{out / 'last.h5'}."
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
