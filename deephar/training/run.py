"""Training runs: folders from which an interrupted training can be resumed.

A run folder holds ``config.json`` (network, training and data settings), ``log.csv`` (a row per
epoch), ``best.h5`` and ``last.h5`` (weights with config and score inside, for
`deephar.weights.load_model`) and ``state.h5`` (weights and optimizer, to resume from).
"""

import contextlib
import csv
import dataclasses
import hashlib
import json
import math
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from deephar.data.samples import names_of
from deephar.files import locked, open_h5, read_text, replacing, require_ours, writing_h5
from deephar.models import config_from_json
from deephar.training.devices import Devices
from deephar.training.settings import ActionTraining, PoseTraining

# Validation scores for which lower is better.
_ERRORS = ("val_mpjpe", "val_p-mpjpe")


@dataclass(frozen=True)
class Run:
    """A run folder to write, or to resume.

    Attributes:
        out: the folder.
        resume: whether to resume the run in the folder after its last complete epoch. The result is
            the same as without the interruption. With another number of epochs than before, the
            learning rate follows the schedule for the new number from here on.
        start: description of the initial weights, kept in config.json.
        facts: further facts to keep in the weight files, see `deephar.weights.save`.
        devices: what to train on.
    """

    out: Path | str
    resume: bool = False
    start: str = "random"
    facts: Mapping = field(default_factory=dict)
    devices: Devices = Devices()


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
    """Trains a compiled model and writes the run folder, or resumes an interrupted run.

    Args:
        model: a compiled `keras.Model`, whose optimizer is built.
        batches: a `deephar.data.Batches`, or an object with the same attributes.
        run: the run folder.
        settings: settings of the run, see `run_settings`.
        validate: function without arguments that scores the model: measure -> value. The best
            value of the first measure (the highest, or the lowest of an error) decides
            ``best.h5``.
        save: function of a path and of facts that writes a weights file.
        callbacks: functions of the log so far that make further Keras callbacks.

    Returns:
        The log: a list of dicts, one an epoch.

    Raises:
        BlockingIOError: Another process trains in the folder.
        FileExistsError: The folder holds a run and `run.resume` is False.
        FileNotFoundError: There is no run to resume, or an image is missing.
        ValueError: The run in the folder has other settings, or more epochs than are wanted; or an
            image cannot be used.
        FloatingPointError: The loss is not finite. The files of the last complete epoch stay.
    """
    with locked_by_first(Path(run.out) / "run.lock", run.devices):
        log = _fit(model, batches, run, settings, validate, save, callbacks)
        run.devices.wait()  # for the files
        return log


def locked_by_first(path: Path, devices: Devices) -> contextlib.AbstractContextManager:
    """As `deephar.files.locked`, in the process that writes the files."""
    return locked(path) if devices.first else contextlib.nullcontext()


def _fit(model, batches, run, settings, validate, save, callbacks):
    out, devices = Path(run.out), run.devices
    epochs = settings["training"]["epochs"]
    require_agreement(devices, settings)
    if run.resume:
        check_resumable(out)
        stored = read_settings(out)
        # A resumed run has its own weights.
        ignored = ["training.start", "training.epochs"]
        require_same(out / "config.json", stored, settings, ignored=ignored)
    else:
        check_free(out)
    # Validation must not fail only after the first epoch.
    validate()
    if run.resume:
        progress = _load_state(model, out)
    else:
        progress = _Progress()
        if devices.first:  # the config and the state before the first epoch, so that it can resume
            _write_settings(out, settings)
            _save_state(model, out, progress)
    if progress.epoch > epochs:
        raise ValueError(
            f"{out}: {progress.epoch} epochs are done, so there cannot be {epochs}. Give at least "
            f"{progress.epoch} epochs."
        )
    if run.resume and stored["training"]["epochs"] != epochs:
        _change_epochs(out, stored, epochs, devices)
    if progress.epoch == epochs:
        require_weights(out)
        print(f"{out}: complete, all {epochs} epochs are done.")
        return progress.log
    batches.epoch = progress.epoch
    batches.error = None
    batches.part = (devices.process, devices.processes)
    if devices.first:
        _write_log(out / "log.csv", progress.log)
    try:
        with _StopOnInterrupt() as stop:
            model.fit(
                batches,
                epochs=epochs,
                initial_epoch=progress.epoch,
                shuffle=False,  # the batches shuffle by seed
                verbose=1 if sys.stdout.isatty() else 2,
                callbacks=[
                    stop,
                    StopOnNonFiniteLoss(batches),
                    *(make(progress.log) for make in callbacks),
                    ValidationScore(validate, devices),
                    _RunFiles(run, progress, settings["data"], save),
                ],
            )
    except KeyboardInterrupt:
        if keras.backend.backend() == "jax" and devices.processes == 1:
            _load_state(model, out)  # the variables were given to the interrupted step
        raise
    except Exception as error:
        if batches.error is None or batches.error is error:
            raise
        raise batches.error from None
    finally:
        batches.close()
    return progress.log


class _StopOnInterrupt(keras.callbacks.Callback):
    """Stops training after Ctrl-C; to be entered while the model trains.

    An interrupt that comes while NumPy waits for an array of JAX is lost: NumPy drops it.
    """

    def __enter__(self):
        self.asked = False
        self._before = signal.getsignal(signal.SIGINT)
        in_main_thread = threading.current_thread() is threading.main_thread()
        self._takes = in_main_thread and callable(self._before)  # otherwise it is ignored
        if self._takes:
            signal.signal(signal.SIGINT, self._take)
        return self

    def __exit__(self, *error):
        if self._takes:
            signal.signal(signal.SIGINT, self._before)

    def _take(self, number, frame):
        self.asked = True
        self._before(number, frame)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if self.asked:
            raise KeyboardInterrupt


class StopOnNonFiniteLoss(keras.callbacks.Callback):
    """Stops training at the first batch with a NaN or infinite loss, before files are written.

    Args:
        batches: the training batches, to name the persons.
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
    """Adds the validation scores and the learning rate to the logs of each epoch.

    Keras's progress bar and all later callbacks see them. All processes take the scores of the
    first one: from scores that differ, as by rounding, they would set different learning rates.

    Args:
        validate: function without arguments that scores the model: measure -> value.
        devices: what the run is trained on.
    """

    def __init__(self, validate: Callable, devices: Devices):
        super().__init__()
        self.validate, self.devices = validate, devices

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        try:
            scores = self.validate()
        except FloatingPointError as error:
            raise FloatingPointError(f"After epoch {epoch + 1}: {error}") from error
        scores = {f"val_{measure}": float(value) for measure, value in scores.items()}
        logs |= self.devices.gather(scores)[0]
        rate = self.model.optimizer.learning_rate
        logs["learning_rate"] = float(keras.ops.convert_to_numpy(rate))


@dataclass
class _Progress:
    """Progress of a run: its log, a dict for each complete epoch."""

    log: list = dataclasses.field(default_factory=list)

    @property
    def epoch(self):
        return len(self.log)

    def best(self):
        """Goodness of the best epoch so far; minus infinity before the first epoch."""
        return max((_goodness(row) for row in self.log), default=-math.inf)


class _RunFiles(keras.callbacks.Callback):
    """Writes the files of a run after each epoch; the state last, since resuming reads it."""

    def __init__(self, run, progress, data, save):
        super().__init__()
        self.out, self.writes = Path(run.out), run.devices.first
        self.progress, self.data, self.save = progress, data, save

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        measure, score = validation_score(logs)
        # If scores are equal, the later epoch wins, since it has trained for longer.
        improved = _goodness(logs) >= self.progress.best()
        row = {"epoch": epoch + 1, **{key: float(value) for key, value in logs.items()}}
        self.progress.log.append(row)
        if not self.writes:
            return
        facts = {"epoch": epoch + 1, "data": self.data, "score": {measure: score}}
        for name in ("best.h5", "last.h5") if improved else ("last.h5",):
            self.save(self.out / name, **facts)
        _write_log(self.out / "log.csv", self.progress.log)
        _save_state(self.model, self.out, self.progress)


def validation_score(row: Mapping) -> tuple[str, float]:
    """Name and value of the first validation score in the logs of an epoch."""
    return next((key, float(value)) for key, value in row.items() if key.startswith("val_"))


def _goodness(row):
    """The validation score of an epoch, negated if lower is better."""
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
    """Settings that a resumed run must share, as nested dicts for ``config.json``.

    Args:
        model: the network.
        config: its config.
        batches: with `datasets` and `settings()`.
        validation: the validation data set.
        training: a `PoseTraining` or `ActionTraining`.
        run: the run, for its `start`.
        more: further settings.
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
    return json.loads(json.dumps(settings))  # as JSON is read back: lists, not tuples


def fingerprint(dataset: Any) -> dict:
    """Number of items of a data set, and digests of their names and of some labels.

    Args:
        dataset: a data set, see `deephar.data`, or cached features.
    """
    count = len(dataset)
    names = "\n".join(names_of(dataset))
    items = {"items": count, "names": hashlib.sha256(names.encode()).hexdigest()[:16]}
    some = [dataset[index] for index in sorted({0, count // 2, count - 1})]
    if all(hasattr(item, "joints") for item in some):  # cached features have no joints
        labels = b"".join(np.ascontiguousarray(item.joints, float).tobytes() for item in some)
        items["labels"] = hashlib.sha256(labels).hexdigest()[:16]
    return items


def check_free(out: Path | str, *, resumable: bool = True) -> None:
    """Raises if a folder holds a run. A run that failed in its first epoch does not count.

    Args:
        out: the folder.
        resumable: whether such a run could be resumed, which the message then says.

    Raises:
        FileExistsError: The folder holds a run, or files of others that would be replaced.
    """
    results = [name for name in ("log.csv", "best.h5", "last.h5") if (Path(out) / name).exists()]
    if results:
        advice = "Add --resume to go on with it, or give" if resumable else "Give"
        raise FileExistsError(
            f"{out} holds a run already ({', '.join(results)}). {advice} another folder."
        )
    require_ours(Path(out) / "config.json", "training")


def check_resumable(out: Path | str, stages: Sequence[str] = ("",)) -> None:
    """Raises if a folder holds no run to resume.

    Args:
        out: the run folder.
        stages: subfolders of its stages, in order; by default the folder itself.

    Raises:
        FileNotFoundError: No stage has a state to resume from.
    """
    folders = [Path(out) / stage for stage in stages]
    if any((folder / "state.h5").exists() for folder in folders):
        return
    last = [folder / "last.h5" for folder in folders if (folder / "last.h5").exists()]
    advice = f"Start from its weights: --weights {last[-1]}." if last else "Leave it out."
    raise FileNotFoundError(f"{out} has no run to --resume (no state.h5). {advice}")


def require_weights(out: Path | str) -> None:
    """Raises if the weights of a complete run are missing.

    Raises:
        FileNotFoundError: A weights file is missing.
    """
    for name in ("best.h5", "last.h5"):
        if not (Path(out) / name).exists():
            raise FileNotFoundError(
                f"{out} holds a complete run, but its {name} is missing. Restore the file, or "
                "start a new run in another folder."
            )


def require_same(path: Path, stored: Mapping, now: Mapping, *, ignored: Sequence[str] = ()) -> None:
    """Raises if a run would be resumed with other settings.

    Args:
        path: the file with the stored settings.
        stored: settings of the run; nested dicts are compared field by field.
        now: settings to resume it with.
        ignored: fields that may differ, such as ``"training.start"``.

    Raises:
        ValueError: The settings differ. The message names all fields that do.
    """
    differences = _differences(stored, now, ignored)
    other = [f"{key} was {before}, now {after}" for key, before, after in differences]
    if other:
        raise ValueError(
            f"{path}: The run has other settings ({'; '.join(other)}). Resume it with the same "
            "settings, or start a new run in another folder."
        )


def require_agreement(devices: Devices, settings: Mapping) -> None:
    """Raises if the processes of a run have different settings.

    Args:
        devices: what the run is trained on.
        settings: those of this process, as nested dicts.

    Raises:
        ValueError: They differ. The message names all fields that do, and is the same in all
            processes.
    """
    first, *others = devices.gather(settings)
    for number, theirs in enumerate(others, 1):
        differences = _differences(first, theirs)
        if other := [f"{key} is {two}, not {one}" for key, one, two in differences]:
            raise ValueError(
                f"Process {number} of the run differs from process 0 ({'; '.join(other)}). Give "
                "all of them the same recipe, data and version of deephar."
            )


def _differences(one, two, ignored=()):
    """Fields that differ between two nested dicts: (field, value, other value) of each."""
    one, two = _flat(one), _flat(two)
    values = [
        (key, one.get(key, "absent"), two.get(key, "absent"))
        for key in sorted((one.keys() | two.keys()) - set(ignored))
    ]
    return [(key, first, second) for key, first, second in values if first != second]


def read_settings(out: Path | str) -> dict:
    """Reads the settings of a run from its ``config.json``.

    Fields of the network's config and of the training that were added later have their defaults.

    Raises:
        FileNotFoundError: The folder has no settings.
        ValueError: The settings are damaged, or of a later version.
    """
    path = Path(out) / "config.json"
    if not path.exists():
        raise FileNotFoundError(f"{out} has no run to --resume (no config.json). Leave it out.")
    try:
        settings = json.loads(read_text(path))
        _ = settings["data"]
        config = config_from_json(json.dumps(settings["model"]))
        settings["model"] = json.loads(config.to_json())
        settings["training"] = _with_defaults(**settings["training"])
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{path} does not hold the settings of a run ({error}). Restore it."
        ) from error
    return settings


def _with_defaults(start, **fields):
    """Settings of a training, with the defaults of those that it lacks."""
    kind = ActionTraining if "optimizer" in fields else PoseTraining
    return {**dataclasses.asdict(kind(**fields)), "start": start}


def epochs_done(out: Path | str) -> int:
    """Number of complete epochs of the run in a folder; 0 without a run.

    Raises:
        ValueError: The state of the run is damaged.
    """
    path = Path(out) / "state.h5"
    if not path.exists():
        return 0
    try:
        with open_h5(path) as file:
            return len(_read_log(file))
    except (OSError, KeyError, ValueError) as error:
        raise _damaged_state(out, error) from error


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
        # No text of HDF5, which may read one for ever if the file is damaged.
        file["log"] = np.frombuffer(json.dumps(progress.log).encode(), np.uint8)
        for group, variables in _state_variables(model).items():
            for number, variable in enumerate(variables):
                value = keras.ops.convert_to_numpy(variable.value)
                file[f"{group}/{number}"] = value


def _read_log(file):
    """The log in an open state file."""
    return json.loads(file["log"][()].tobytes())


def _write_settings(out, settings):
    with replacing(out / "config.json") as part:
        part.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def _change_epochs(out, settings, epochs, devices):
    """Notes another number of epochs than the run has had until now, and says what it means."""
    before = settings["training"]["epochs"]
    if devices.first:
        _write_settings(out, {**settings, "training": {**settings["training"], "epochs": epochs}})
    print(
        f"{out}: {epochs} epochs in place of {before}; from here on, the learning rate follows the "
        f"schedule of {epochs}.",
        flush=True,
    )


def _load_state(model, out):
    """Loads the state of the last complete epoch."""
    path = out / "state.h5"
    try:
        with open_h5(path) as file:
            log = _read_log(file)
            for group, variables in _state_variables(model).items():
                for number, variable in enumerate(variables):
                    variable.assign(file[f"{group}/{number}"][()])
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise _damaged_state(out, error) from error
    return _Progress(log)


def _damaged_state(out, error):
    return ValueError(
        f"{Path(out) / 'state.h5'} is damaged ({error}). Start a new run in another folder, from "
        f"the weights in {Path(out) / 'last.h5'}."
    )


def _write_log(path, log):
    """Rewrites the log, so that after a resume it has complete epochs only."""
    if not log:
        path.unlink(missing_ok=True)
        return
    with replacing(path) as part, open(part, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(log[0]))
        writer.writeheader()
        writer.writerows(log)
