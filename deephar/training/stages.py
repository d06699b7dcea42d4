"""Runs the stages of a recipe, one after the other.

Each stage is a run (`deephar.training.run`) in its own folder. It starts from the best weights of
the stage before unless the recipe says otherwise.
"""

import contextlib
import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from deephar import weights
from deephar.data import Batches, ClipBatches, InputSpec, SequenceBatches, WithOther
from deephar.data.samples import OTHER, whole_of
from deephar.evaluation import score_actions
from deephar.export import require_packages
from deephar.files import read_text, replacing, require_ours
from deephar.inference import ActionProtocol, predict_actions
from deephar.inference.actions import trained_spacing
from deephar.inference.network import call_in_batches
from deephar.inference.quantization import require_nncf
from deephar.models import (
    ModelConfig,
    ReceptionConfig,
    action_model,
    action_view,
    build_model,
)
from deephar.models.config import STREAMS
from deephar.training.calibration import calibrate
from deephar.training.data import TrainingData, open_data
from deephar.training.devices import Devices, using_devices
from deephar.training.features import FeatureBatches, cache_features
from deephar.training.fit import train_action, train_pose
from deephar.training.recipe import NUM_FRAMES, ActionStage, PoseStage, Recipe
from deephar.training.run import (
    Run,
    check_free,
    check_resumable,
    epochs_done,
    locked_by_first,
    require_agreement,
    require_same,
)
from deephar.training.start import (
    load_heads,
    load_pose_network,
    load_start,
    require_depth_labels,
    require_same_network,
    require_same_protocol,
)
from deephar.training.watching import WatchedFolder, WindowBatches, even_windows
from deephar.version import __version__

RECIPE_FILE = "recipe.json"
"""Name of the recipe in the folder of a stage."""

_LOCK = "train.lock"


def train(
    recipe: Recipe,
    out: str | Path,
    *,
    resume: bool = False,
    data: Mapping[str, Any] | None = None,
    workers: int = 2,
    devices: int | str | None = None,
) -> Path:
    """Trains by a recipe and writes a run folder.

    Each stage has a folder of its name with ``recipe.json``, ``config.json``, ``log.csv``,
    ``best.h5``, ``last.h5`` and ``state.h5``.

    Args:
        recipe: the network, the data and the stages.
        out: the run folder; made if missing.
        resume: whether to go on with the run in the folder. Complete stages are not run again. The
            recipe must be the same, but the last stage that has begun may get more epochs, and the
            data may lie in other folders.
        data: data sets in memory by name, which replace those of the recipe.
        workers: threads that prepare crops.
        devices: number of devices to train on, or ``"all"``; by default, Keras's own choice. On
            JAX, several processes can train together, each with as many devices. All of them call
            this function with the same recipe and folder, which the first one writes.

    Returns:
        Path of the best weights of the last stage.

    Raises:
        BlockingIOError: Another process trains in the folder.
        FileExistsError: The folder holds a run, and `resume` is False.
        FileNotFoundError: There is no run to resume; or weights, a folder or an image are missing.
        ValueError: The recipe, the data and the weights do not fit each other; there are fewer
            devices, or they cannot divide a batch equally; or processes have different recipes.
        ConnectionError: Another process of the run has ended.
        FloatingPointError: The training has diverged.
        KeyboardInterrupt: Ctrl-C. The message says what is kept.
    """
    out = Path(out)
    with using_devices(devices) as used, locked_by_first(out / _LOCK, used):
        _check_devices(recipe, out, resume, used)
        try:
            return _train(recipe, out, resume, data, workers, used)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(_kept(recipe, out)) from None


def _kept(recipe, out):
    """What is kept of a run that was interrupted, and how to go on."""
    epochs = {stage.name: epochs_done(out / stage.name) for stage in recipe.stages}
    done = ", ".join(f"{name} {count}".strip() for name, count in epochs.items() if count)
    if not done:
        return f"No epoch is complete in {out}. Start again."
    return f"The complete epochs in {out} are kept ({done}). To go on, add --resume."


def _train(recipe, out, resume, data, workers, devices):
    # All stages are checked before the first one, which may take hours.
    _check_run_folder(recipe, out, resume)
    if any(getattr(stage.training, "frozen_int8", False) for stage in recipe.stages):
        require_packages("openvino")
        require_nncf()
    if not resume:
        for name in _given_starts(recipe):
            weights.find(name)
    with _precision(recipe.mixed_precision):
        opened = open_data(recipe, data)
        _check_fits(recipe, opened, resume)
        best = None
        for stage in recipe.stages:
            folder = out / stage.name
            keras.utils.set_random_seed(recipe.seed_of(stage))
            if stage.name:
                print(f"\n== stage {stage.name}: {folder}", flush=True)
            _Stage(recipe, stage, opened, out, best, resume, workers, devices).train()
            best = folder / "best.h5"
    return best


class _Stage:
    """Trains one stage of a recipe."""

    def __init__(self, recipe, stage, data, out, before, resume, workers, devices):
        self.recipe, self.stage, self.data, self.workers = recipe, stage, data, workers
        self.devices = devices
        self.out = out
        self.folder = out / stage.name
        self.resume = resume and (self.folder / "state.h5").exists()
        self.seed = recipe.seed_of(stage)
        self.spacing = _spacing(stage)
        resumes_pose = self.resume and isinstance(stage, PoseStage)
        # A resumed pose network has its weights. The files that it started from may be deleted.
        self.start = [] if resumes_pose else _start_files(recipe, stage, out, before)

    def train(self):
        if isinstance(self.stage, PoseStage):
            self._train_pose()
        elif self.recipe.network.stem == "none":
            self._train_on_labels()
        elif self.stage.training.finetune:
            self._finetune()
        else:
            self._train_action()

    def _run(self, start, **facts):
        self._write_recipe()
        if self.data.protocol:
            facts["protocol"] = self.data.protocol
        return Run(self.folder, self.resume, start, facts, self.devices)

    def _write_recipe(self):
        if not self.devices.first:
            return
        if not self.resume or self._has_other_epochs():
            with replacing(self.folder / RECIPE_FILE) as part:
                part.write_text(self.recipe.to_json() + "\n", encoding="utf-8")

    def _has_other_epochs(self):
        stored = _stored_stage(self.folder, self.stage)[1]
        return stored.training.epochs != self.stage.training.epochs

    # ------------------------------------------------------------------------ kinds of stages

    def _train_pose(self):
        """Trains the pose on single frames of the videos, and on stills."""
        stage, data = self.stage, self.data.stills()
        config = self.recipe.network_of(stage)
        batches = Batches(
            data.datasets,
            dict(stage.shares),
            spec=InputSpec.of(config),
            augmentation=self.recipe.augmentation,
            seed=self.seed,
            steps_per_epoch=stage.steps or self._steps(),
            workers=self.workers,
        )
        # Weights to start from, and those of a resumed run, are loaded later.
        stem_weights = None if self.start or self.resume else stage.stem_weights
        with self.devices.building():
            model = build_model(config, stem_weights)
        start = f"stem {stage.stem_weights or 'none'}, else random, seed {self.seed}"
        if self.start:
            names = ", ".join(map(str, self.start))
            start = f"what the network shares with {names}, else random, seed {self.seed}"
            load_start(model, config, self.start)
        print(f"{config}\n{batches}, validation on {data.validation}", flush=True)
        train_pose(
            model,
            config,
            batches,
            validation=data.validation,
            run=self._run(start),
            training=stage.training,
        )

    def _train_action(self):
        """Trains the action heads on a frozen pose network."""
        (path,) = self.start
        require_same_network(path, self.recipe.network)
        config = self._with_actions(self.recipe.network)
        with self.devices.building():
            model = build_model(config)
        load_pose_network(model, path)
        spec = self._clip_spec(config)
        start = f"pose network of {path}, else random, seed {self.seed}"
        held_out = None
        if self.stage.heads:
            load_heads(action_view(model), path)
            start = f"{path}, else random, seed {self.seed}"
        if isinstance(whole_of(self.data.train), WatchedFolder):
            inputs = [tensor.name for tensor in action_view(model).inputs]
            batches = WindowBatches(
                {self.data.main: self.data.train},
                self._video_share(),
                spec=spec,
                inputs=inputs,
                augmentation=self.stage.augmentation,
                seed=self.seed,
                steps_per_epoch=self.stage.steps,
            )
            validate = self._score_windows(action_view(model), spec, inputs)
        elif self.stage.poses == "labels":
            blocks = action_view(model).inputs[0].shape[2]
            batches = self._sequences(self.train_videos, spec, blocks, self.stage.steps)
            held_out = self._held_out_clips(spec, blocks)
            validate = self._score_heads(action_view(model), *held_out)
        elif self.stage.cache_features:
            batches, validate = self._cached(model, config, spec)
        else:
            batches, validate = self._clips(spec), self._score_clips(model, config)
        self._fit_actions(model, config, batches, validate, start)
        if self.stage.calibrate:
            self._calibrate(*held_out)
            self.devices.wait()  # for the file of the first process

    def _finetune(self):
        """Trains all weights, with stills as clips that have no action."""
        (path,) = self.start
        with self.devices.building():
            model, config = weights.load_model(path)
        if self.data.main not in config.actions:
            raise ValueError(
                f"{path} has no action head {self.data.main!r}. Run the action stage first."
            )
        known, given = config.actions[self.data.main], len(self.data.train.actions)
        if known != given:
            raise ValueError(
                f"{path} tells {known} actions of {self.data.main!r}, but the videos have {given}. "
                f"Heads that know {OTHER!r} learned from labels alone. Run the stage action on "
                "the videos first."
            )
        require_same_network(path, self.recipe.network)
        self._require_same_clips(path, config)
        facts = weights.read_facts(path)
        if {"frame_rate", "subsampling"} & set(facts):
            self.spacing = trained_spacing(facts)
        batches = self._clips(self._clip_spec(config))
        self._fit_actions(model, config, batches, self._score_clips(model, config), str(path))

    def _train_on_labels(self):
        """Trains the pose stream alone, on labelled poses."""
        config = self._with_actions(self.recipe.network)
        spec = self._clip_spec(config)
        batches = self._sequences(self.train_videos, spec, steps=self.stage.steps)
        with self.devices.building():
            model = action_model(config)
        start = f"random, seed {self.seed}"
        if self.start:
            start = str(self.start[0])
            if not self.resume:
                weights.load(model, weights.find(self.start[0]))
        validate = self._score_clips(model, config)
        if self.stage.other:
            held_out = self._held_out_clips(spec)
            validate = self._score_heads(model, *held_out)
        self._fit_actions(model, config, batches, validate, start)

    def _fit_actions(self, model, config, batches, validate, start):
        run = self._run(
            start,
            actions={self.data.main: list(self.train_videos.actions)},
            **self.spacing,
        )
        print(f"{config}\n{batches}, validation on {self.data.validation}", flush=True)
        train_action(
            model,
            config,
            batches,
            validation=self.data.validation,
            run=run,
            validate=validate,
            training=self.stage.training,
        )

    # -------------------------------------------------------------------- data and validation

    def _steps(self):
        """Batches for one pass over the samples of the main data set, or one frame per video."""
        return -(-len(self.data.train) // self.stage.shares[self.data.main])

    def _video_share(self):
        return {self.data.main: self.stage.shares[self.data.main]}

    def _with_actions(self, config):
        return _with_actions(config, self.stage, self.data)

    def _clip_spec(self, config):
        return InputSpec.of(config, **self.spacing)

    @functools.cached_property
    def train_videos(self):
        """The videos to learn actions from, with those of none of them if the stage says so."""
        if not self.stage.other:
            return self.data.train
        return WithOther(self.data.train, seed=self.seed)

    def _sequences(self, videos, spec, blocks=None, steps=None):
        """Batches of labelled poses; by default so many that each video comes once."""
        share = self._video_share()[self.data.main]
        return SequenceBatches(
            {self.data.main: videos},
            self._video_share(),
            spec=spec,
            augmentation=self.stage.augmentation,
            blocks=blocks,
            seed=self.seed,
            steps_per_epoch=steps or -(-len(videos) // share),
        )

    def _held_out_clips(self, spec, blocks=None):
        """Changed poses of held-out videos as input of the heads, and their actions (N,)."""
        videos = self.data.validation
        if self.stage.other:
            videos = WithOther(videos, per_action=20, others=100, seed=self.seed + 1)
        batches = self._sequences(videos, spec, blocks)
        clips, targets = zip(*(batches[index] for index in range(len(batches))), strict=True)
        clips = keras.tree.map_structure(lambda *parts: np.concatenate(parts), *clips)
        labels = np.concatenate([target[f"action_{self.data.main}"] for target in targets])
        return clips, labels.argmax(axis=1)

    def _score_heads(self, heads, clips, labels):
        """A function that scores action heads on what they see of held-out clips."""
        heads = self.devices.predicting(heads)

        def score():
            scores = call_in_batches(heads, clips)[f"action_{self.data.main}"]
            return {"accuracy": 100.0 * float(np.mean(scores[:, -1].argmax(axis=-1) == labels))}

        return score

    def _score_windows(self, heads, spec, inputs):
        """A function that scores action heads on the windows of held-out videos."""
        windows, numbers = even_windows(self.data.validation, spec, inputs)
        labels = np.array([video.action for video in self.data.validation])
        heads = self.devices.predicting(heads)

        def score():
            scores = call_in_batches(heads, windows)[f"action_{self.data.main}"][:, -1]
            means = [scores[numbers == number].mean(axis=0) for number in range(len(labels))]
            return {"accuracy": 100.0 * float(np.mean(np.argmax(means, axis=1) == labels))}

        return score

    def _calibrate(self, clips, labels):
        """Calibrates ``best.h5`` in place, once."""
        path = self.folder / "best.h5"
        facts = weights.read_facts(path)
        if "temperature" in facts:
            return
        model, config = weights.load_model(path)
        found = calibrate(action_view(model), self.data.main, clips, labels)
        print(
            "calibrated: error {calibration_error_before:.1f} % before, {calibration_error:.1f} % "
            "after, temperature {temperature:.2f}".format(**found),
            flush=True,
        )
        if self.devices.first:
            weights.save(model, config, path, **{**facts, **found})

    def _clips(self, spec):
        # Stills have no actions, so they are used only if the pose is trained, too.
        shares = dict(self.stage.shares) if self.stage.training.finetune else self._video_share()
        return ClipBatches(
            {name: self.data.datasets[name] for name in self.data.datasets if name in shares},
            shares,
            spec=spec,
            augmentation=self.recipe.augmentation,
            seed=self.seed,
            steps_per_epoch=self.stage.steps,
            workers=self.workers,
        )

    def _score_clips(self, model, config):
        protocol = ActionProtocol(**self.spacing)
        model = self.devices.predicting(model)

        def score():
            predictions = predict_actions(
                model, config, self.data.validation, head=self.data.main, protocol=protocol
            )
            return {"accuracy": score_actions(predictions, self.data.validation).answer.total}

        return score

    def _cached(self, model, config, spec):
        """Batches of cached features, and a function that scores the action heads."""
        print(
            "The action stage learns from cached features: all frames of a video are cropped by "
            "one window, as they are and mirrored, without any other augmentation.",
            flush=True,
        )
        folder = self.out / "features"
        only_read = not self.devices.first
        if only_read:
            self.devices.wait()  # and use what the first process has stored
        store = functools.partial(cache_features, model, config, only_read=only_read)
        train = store(self.data.train, folder=folder / "train")
        held_out = store(self.data.validation, folder=folder / "validation", mirror=False)
        if self.devices.first:
            self.devices.wait()
        batches = FeatureBatches(
            {self.data.main: train},
            self._video_share(),
            spec=spec,
            seed=self.seed,
            steps_per_epoch=self.stage.steps,
        )
        clips = held_out.middle_clips(spec)
        labels = np.array([held_out[index].action for index in range(len(held_out))])
        return batches, self._score_heads(action_view(model), clips, labels)

    def _require_same_clips(self, path, config):
        """Raises if fine-tuning would use other clips than the training of the heads."""
        stage, network = self.stage, self.recipe.network
        pairs = [
            ("num_frames", stage.num_frames, config.num_frames),
            ("subsampling", stage.subsampling, weights.read_facts(path).get("subsampling")),
            ("frame_rate", stage.frame_rate, weights.read_facts(path).get("frame_rate")),
            ("streams", stage.streams, config.streams),
            ("image_size", network.image_size, config.image_size),
            ("peak_window", *(getattr(item, "peak_window", None) for item in (network, config))),
        ]
        for name, ours, theirs in pairs:
            if None not in (ours, theirs) and ours != theirs:
                raise ValueError(
                    f"{path} was trained with {name} {theirs}, but the stage has {ours}. "
                    "Fine-tuning needs the same value."
                )


def _spacing(stage):
    """How the frames of the clips of a stage follow each other, see `InputSpec`."""
    if getattr(stage, "frame_rate", None) is not None:
        return {"frame_rate": stage.frame_rate}
    return {"subsampling": getattr(stage, "subsampling", None) or "whole"}


def _start_files(recipe, stage, out, before):
    """Weights to start from, by name or path; `before` is the best file of the stage before."""
    if not stage.start:
        return [before] if before else []
    return [
        out / name if _is_of_earlier_stage(recipe, stage, name) else name for name in stage.start
    ]


def _given_starts(recipe):
    """Names of all weights that stages start from, except files of earlier stages."""
    return [
        name
        for stage in recipe.stages
        for name in stage.start
        if not _is_of_earlier_stage(recipe, stage, name)
    ]


def _is_of_earlier_stage(recipe, stage, name):
    """Whether a name is a file of an earlier stage, as in ``"pose/last.h5"``."""
    earlier = recipe.stages[: recipe.stages.index(stage)]
    return any(
        item.name and name in (f"{item.name}/best.h5", f"{item.name}/last.h5") for item in earlier
    )


def _with_actions(config, stage, data):
    return with_actions_of(config, stage, data.main, len(data.train.actions) + stage.other)


def with_actions_of(
    network: ModelConfig | ReceptionConfig, stage: ActionStage, head: str, classes: int
) -> ModelConfig | ReceptionConfig:
    """Config of the network that an action stage trains.

    Args:
        network: that of the recipe.
        stage: the stage.
        head: name of the action head.
        classes: number of its actions.
    """
    changes = {}
    if isinstance(network, ModelConfig) and network.stem != "none":
        changes["streams"] = stage.streams or STREAMS
        changes["readout_stem"] = network.readout_stem and "appearance" in changes["streams"]
    return dataclasses.replace(
        network,
        **changes,
        actions={head: classes},
        num_frames=stage.num_frames or network.num_frames or NUM_FRAMES,
    )


def require_same_recipe(recipe: Recipe, devices: Devices, **facts: Any) -> None:
    """Raises if the processes of a run differ in their recipe, their devices, or their version.

    Args:
        recipe: that of this process.
        devices: what the run is trained on.
        facts: what else has to be the same, by the name that an error calls it.

    Raises:
        ValueError: They differ. The message names all fields that do.
    """
    stages = {stage.name or "stage": recipe.settings_of(stage) for stage in recipe.stages}
    ours = {"version": __version__, "devices": devices.count}
    require_agreement(devices, {**ours, **facts, **stages})


def _check_devices(recipe, out, resume, devices):
    """Raises unless the processes agree, see the same folder, and can divide the batches."""
    require_same_recipe(recipe, devices, resume=resume)
    if not all(seen := devices.gather((out / _LOCK).exists())):
        raise ValueError(
            f"Process {seen.index(False)} of the run does not see {out / _LOCK}, which the first "
            "process has written. Give a folder that all processes share."
        )
    check_batches(recipe, recipe.stages, devices)


def check_batches(
    recipe: Recipe, stages: Sequence[PoseStage | ActionStage], devices: Devices
) -> None:
    """Raises unless the devices can divide the batches of some stages of a recipe equally.

    Args:
        recipe: the recipe.
        stages: those of its stages that learn from batches.
        devices: what the run is trained on.

    Raises:
        ValueError: They cannot. The message says what size they can divide.
    """
    for stage in stages:
        trains_all = isinstance(stage, PoseStage) or stage.training.finetune
        size = sum(stage.shares.values()) if trains_all else stage.shares[recipe.main]
        devices.check_batch(size, f"A batch of the stage {stage.name}" if stage.name else "A batch")


def _check_run_folder(recipe, out, resume):
    """Raises unless the folders of all stages are free, or hold a run to resume."""
    folders = [out / stage.name for stage in recipe.stages]
    if not resume:
        for folder in folders:
            check_free(folder)
            require_ours(folder / RECIPE_FILE, "stages")
        return
    check_resumable(out, [stage.name for stage in recipe.stages])
    begun = [stage for stage in recipe.stages if (out / stage.name / "state.h5").exists()]
    for stage in begun:
        folder = out / stage.name
        if not (folder / RECIPE_FILE).exists():
            raise ValueError(
                f"{folder} holds a run of an earlier version of deephar, without {RECIPE_FILE}. It "
                "cannot be resumed. Start a new run in another folder from its weights: "
                f"--weights {folder / 'last.h5'}."
            )
        stored, its_stage = _stored_stage(folder, stage)
        settings = stored.settings_of(its_stage), recipe.settings_of(stage)
        require_same(folder / RECIPE_FILE, *settings)
        done = epochs_done(folder)
        if done < stage.training.epochs and stage is not begun[-1]:
            raise ValueError(
                f"{folder} has {done} of {stage.training.epochs} epochs, but {out / begun[-1].name}"
                " has been trained on its weights. Raise the epochs of the last stage alone, as in "
                f"--epochs {begun[-1].name}=N, or start a new run in another folder."
            )


def _stored_stage(folder, stage):
    """The recipe of a stage in a folder, and the stage as it is in that recipe."""
    recipe = read_recipe(folder)
    for stored in recipe.stages:
        if stored.name == stage.name:
            return recipe, stored
    raise ValueError(
        f"{folder / RECIPE_FILE} has no stage {stage.name!r}, only "
        f"{', '.join(repr(stored.name) for stored in recipe.stages)}. Give the folder of its run."
    )


def read_recipe(out: str | Path) -> Recipe:
    """The recipe of a run.

    Args:
        out: folder of a stage.

    Raises:
        FileNotFoundError: The folder has no recipe.
        ValueError: The recipe is damaged, or of a later version.
    """
    path = Path(out) / RECIPE_FILE
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist. Give the folder of a stage.")
    try:
        return Recipe.from_json(read_text(path))
    except ValueError as error:
        raise ValueError(f"{path} is not a recipe ({error}). Restore it.") from error


def _check_fits(recipe: Recipe, data: TrainingData, resume: bool) -> None:
    """Checks all stages against the data and the weights that they start from."""
    first = recipe.stages[0]
    if isinstance(first, PoseStage) and not resume:
        # Weights of a 3D network may already have learned depth.
        theirs = [weights.read_config(name) for name in first.start]
        if not any(config.dim == 3 for config in theirs):
            require_depth_labels(recipe.network_of(first), list(data.datasets.values()))
    for stage in recipe.stages:
        if isinstance(stage, ActionStage) and not stage.training.finetune:
            _with_actions(recipe.network, stage, data)  # raises if the config is not possible
            if stage is first and recipe.network.stem != "none":
                require_same_network(stage.start[0], recipe.network)
    if not resume:
        for name in _given_starts(recipe):
            require_same_protocol(name, data.protocol)


@contextlib.contextmanager
def _precision(mixed: bool) -> Iterator[None]:
    """Context in which networks are built to compute in bfloat16, if `mixed` is true."""
    before = keras.config.dtype_policy()
    if mixed:
        # Not float16: the features of VGG-16 exceed its range.
        keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
