"""Actions of your own: from a folder of labelled videos to one weights file, in one call.

    train_folder(recipe, "runs/mine")

The pose network stays as it is, and only the action heads learn. So each video is watched once
(`deephar.training.watching`), and the heads learn from windows of what was seen. By default, they
are linear readouts of the action heads that the weights come with (`deephar.training.readout`).
A second stage may then train the whole network on frames.
"""

from __future__ import annotations

import contextlib
import shutil
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from deephar import weights
from deephar.data.groups import check_groups, fewest_groups, group_folds
from deephar.data.inputs import InputSpec
from deephar.data.samples import Subset, whole_of
from deephar.data.sets.folder import VideoFolder
from deephar.evaluation import VideoScores, report_videos, score_videos
from deephar.files import cache_folder, file_hash, replacing
from deephar.inference.network import parted, parts_of
from deephar.inference.predictor import Predictor
from deephar.inference.runtimes import choose_runtime
from deephar.inference.videos import VideoPredictions, predict_videos
from deephar.models import action_view, multitask_model
from deephar.models.action import appearance_names
from deephar.progress import with_progress
from deephar.training.devices import on_one_device, using_devices
from deephar.training.readout import choose_strength, fit_readout, set_readout, summarise
from deephar.training.recipe import Recipe
from deephar.training.run import check_free, locked_by_first, require_agreement
from deephar.training.stages import (
    RECIPE_FILE,
    check_batches,
    require_same_recipe,
    train,
    with_actions_of,
)
from deephar.training.start import load_heads, load_pose_network, require_same_network
from deephar.training.watched_clips import WatchedClips
from deephar.training.watching import (
    LEAST_GROUPS,
    UnusableVideo,
    groups_of,
    hold_out_groups,
    predict_watched,
    rule_of,
    watch_folder,
    watch_video,
)

_LOCK = "folder.lock"
_SCRATCH = ".scratch"  # in the run folder
_INNER_FOLDS = 5  # to choose the strength of the penalty by


class FolderResult(NamedTuple):
    """What `train_folder` has made.

    Attributes:
        weights: path of the weights: pose and action in one file.
        scores: of the videos that were held out.
        test: of the videos that ``clips.csv`` has in the split ``test``; None without any.
    """

    weights: Path
    scores: VideoScores
    test: VideoScores | None


def train_folder(
    recipe: Recipe,
    out: str | Path,
    *,
    folds: int = 5,
    runtime: str = "auto",
    precision: str = "auto",
    devices: int | str | None = None,
    command: str = "",
) -> FolderResult:
    """Trains action heads for the videos of a folder, and scores them on groups that are held out.

    Writes into `out`: ``best.h5`` and the other files of a run; ``report`` with results.json,
    videos.csv and pictures; and ``test``, if some videos are in the split ``test``. What the pose
    network saw in each video is kept in the cache folder (`deephar.files.cache_folder`), and used
    again.

    Args:
        recipe: its main data set is the folder, and its first stage learns the actions, from
            windows at a frame rate. A second one may train the whole network on the frames.
        out: the run folder; made if missing.
        folds: number of parts for cross-validation with whole groups: for each, heads are trained
            on the others, and predict it. No more than an action has groups. 0 to score one part
            only, `Recipe.validation` of the videos.
        runtime: what the pose network runs on, see `Predictor`.
        precision: what it computes with, see `Predictor`.
        devices: as of `deephar.training.train`, for what learns in epochs. Several processes share
            the watching of the videos. A readout is solved at once, by each of them.
        command: the command line, kept in results.json.

    Raises:
        BlockingIOError: Another process trains in the folder `out`.
        ConnectionError: Another process of the run has ended.
        FileExistsError: The folder `out` holds a run.
        FileNotFoundError: The folder or the weights are missing.
        ValueError: The folder cannot be used: one action only, an action with a single group, no
            video in which somebody is seen; nothing can be held out, and `folds` is 0; or as of
            `deephar.training.train`, of devices and processes.
        KeyboardInterrupt: Ctrl-C. The message says how to start again.
    """
    out = Path(out)
    connected = using_devices(devices, resumable=False)
    try:
        # Networks that do not learn in epochs are on one device of each process.
        with connected as used, on_one_device(), locked_by_first(out / _LOCK, used):
            fit = partial(train, devices=devices)
            runtimes = {"runtime": runtime, "precision": precision}
            return _train_folder(recipe, out, folds, used, fit, runtimes, command)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            "What was seen of the videos is kept. Start again, in another folder if "
            f"{out} holds weights."
        ) from None


def _train_folder(recipe, out, folds, used, fit, runtimes, command):
    """As `train_folder`, on devices that are set up; `fit` is `train` with them."""
    check_free(out, resumable=False)
    require_same_recipe(recipe, used, folds=folds)
    # A readout is solved at once, without batches.
    in_epochs = recipe.stages[1:] if recipe.network.readout_of else recipe.stages
    check_batches(recipe, in_epochs, used)
    _remove_scratch(out, used)
    folder = VideoFolder(recipe.data[recipe.main].folder)
    print(folder, flush=True)
    check_groups(folder.source, *zip(*((v.action, v.group) for v in folder), strict=True))
    watched = _watch(recipe, folder, _cache(out), used, **runtimes)
    _print_left_out(watched)
    known, tests = _divided(watched)
    actions = [item.video.action for item in known]
    check_groups(folder.source, actions, groups_of(known))
    _print_groups(known, actions)
    folds = min(folds, fewest_groups(actions, groups_of(known)))
    scratch = out / _SCRATCH
    learner = _learner(recipe, watched, scratch / "frames", used, fit, runtimes)
    rest, held_out = _held_out(recipe, known, folds)
    if folds:
        predictions = _cross_validated(recipe, learner, known, scratch / "folds", folds)
    else:
        predictions = learner.learn(rest, scratch / "rest")(held_out)
    predict = learner.learn(known, out)
    best = out / recipe.stages[-1].name / "best.h5"
    stage = recipe.stages[0]
    settings = {"weights": stage.start[0], "streams": stage.streams, "folds": folds}
    report = partial(_report, best, folder, used, settings, command)
    scores = report(predictions, out / "report")
    test = report(predict(tests), out / "test") if len(tests) else None
    _remove_scratch(out, used)
    return FolderResult(best, scores, test)


def _remove_scratch(out, used):
    """Removes what a run needs only while it runs, or has left when it was interrupted."""
    used.wait()
    if used.first:
        shutil.rmtree(out / _SCRATCH, ignore_errors=True)
    used.wait()


def _report(best, folder, used, settings, command, predictions, out):
    """The scores of predictions. The first process prints and writes them."""
    if not used.first:
        return score_videos(predictions, folder, settings=settings)
    return report_videos(best, predictions, folder, out=out, settings=settings, command=command)


# ------------------------------------------------------------------------------------- watching


def _watch(recipe, folder, cache, used, runtime, precision):
    """What the network saw in all videos."""
    stage = recipe.stages[0]
    name = stage.start[0]
    require_same_network(name, recipe.network)
    streams = stage.streams
    if streams == ("pose",):
        predictor, kept = Predictor(name, runtime=runtime, precision=precision), ["pose"]
    else:
        # Heads in the right places, so that the network gives the appearance there.
        config = with_actions_of(recipe.network, stage, recipe.main, len(folder.actions))
        model = multitask_model(config)
        load_pose_network(model, name)
        runtime = choose_runtime(runtime, precision)
        predictor, kept = Predictor.from_model(model, config, runtime=runtime), ["pose"]
        kept += appearance_names(config)
    digest, runtime = file_hash(weights.find(name)), str(predictor.runtime)
    require_agreement(used, {"weights": digest, "runtime": runtime})
    key = f"{digest} {kept} {runtime}"
    print(f"looking for the person in {len(folder)} videos: {predictor}", flush=True)
    mirror = "appearance" in streams and not recipe.network.readout_of
    options = {"rate": stage.frame_rate, "cache": cache, "key": key, "mirror": mirror}
    if used.processes > 1:  # each watches a part, and then finds the rest in the cache
        part = list(folder)[used.process :: used.processes]
        for video in with_progress(part, len(part), "video"):
            with contextlib.suppress(UnusableVideo):  # which is told below
                watch_video(predictor, video, **options)
        used.wait()
    watched = watch_folder(predictor, folder, **options)
    require_agreement(used, {"videos": {item.name: item.video.action for item in watched}})
    return watched


def _cache(out):
    """The folder for what is kept of the videos: in the user's cache folder, or in `out`."""
    folder = cache_folder()
    with contextlib.suppress(OSError):
        if folder is not None:
            (folder / "watched").mkdir(parents=True, exist_ok=True)
            return folder / "watched"
    return out / "watched"


def _divided(watched):
    """The videos to learn from, and those to test on."""
    is_test = np.array([item.video.split == "test" for item in watched])
    return tuple(Subset(watched, np.flatnonzero(is_test == wanted)) for wanted in (False, True))


def _print_left_out(watched):
    if watched.left_out:
        print(f"LEFT OUT: {len(watched.left_out)} videos")
        for video, reason in watched.left_out:
            print(f"  {video.name}: {reason}")


def _print_groups(known, actions):
    """Says how many videos and groups there are, and what to expect of so many."""
    groups = groups_of(known)
    count = Counter(groups)
    whole = known.dataset
    if whole.has_groups:
        print(f"{len(known)} videos in {len(count)} groups, which are kept together.")
    else:
        alike = sum(number for number in count.values() if number > 1)
        print(
            f"{whole.source} names no groups. {alike} of {len(known)} videos look like another one "
            f"and are kept together with it: {len(count)} groups. Name scenes or persons in the "
            "column group of a clips.csv if you know them."
        )
    pairs = set(zip(actions, groups, strict=True))
    own = Counter(action for action, _ in pairs)
    few = [f"{action} ({own[action]})" for action in sorted(own) if own[action] < LEAST_GROUPS]
    if few:
        print(
            f"FEW GROUPS of {', '.join(few)}: the accuracy below is a rough one. Videos of other "
            "scenes and persons help more than more of the same."
        )


# --------------------------------------------------------------------------- training, predicting


def _learner(recipe, watched, frames, used, fit, runtimes):
    """What learns from videos: of the first stage, or of both.

    Args:
        recipe: the recipe.
        watched: all videos.
        frames: folder for the frames of the videos, of which each process keeps its own.
        used: the devices.
        fit: `train`, with these devices.
        runtimes: options of `Predictor`.
    """
    first = replace(recipe, stages=recipe.stages[:1])
    heads = _Readouts(first, watched, used) if recipe.network.readout_of else _Blocks(first, fit)
    if len(recipe.stages) == 1:
        return heads
    clips = WatchedClips(
        watched,
        frames / str(used.process),
        rate=recipe.stages[0].frame_rate,
        skeleton=recipe.network.skeleton,
        image_size=recipe.network.image_size,
    )
    return _Finetuned(heads, recipe, clips, fit, partial(Predictor, **runtimes))


class _Blocks:
    """Action blocks that learn in steps, as a run of the recipe."""

    def __init__(self, recipe, fit):
        self._recipe, self._fit = recipe, fit

    def learn(self, videos, out):
        """Learns from videos and writes a run; returns a function that predicts others."""
        best = self._fit(self._recipe, out, data={self._recipe.main: videos})
        return partial(self._predicted, best)

    def _predicted(self, path, videos):
        (stage,) = self._recipe.stages
        model, config = weights.load_model(path)
        rule = rule_of(InputSpec.of(config, frame_rate=stage.frame_rate))
        return predict_watched(parts_of(parted(model)), videos, self._recipe.main, rule)


class _Readouts:
    """Linear readouts of the action heads of the weights: the solution of a convex problem."""

    def __init__(self, recipe, watched, used):
        (stage,) = recipe.stages
        self._recipe, self._stage, self._used = recipe, stage, used
        self._config = with_actions_of(recipe.network, stage, recipe.main, len(watched.actions))
        self._model = multitask_model(self._config)
        load_pose_network(self._model, stage.start[0])
        if "pose" in stage.streams:  # otherwise no block is needed
            load_heads(action_view(self._model), stage.start[0])
        self._spec = InputSpec.of(self._config, frame_rate=stage.frame_rate)
        self._numbers = {id(item): number for number, item in enumerate(watched)}
        self._examples = summarise(action_view(self._model), watched, self._spec)

    def learn(self, videos, out):
        """Learns from videos and writes weights; returns a function that predicts others.

        The function is valid until the next call.
        """
        recipe, actions = self._recipe, whole_of(videos).actions
        numbers = np.array([self._numbers[id(item)] for item in videos])
        examples = self._examples.of_videos(numbers)
        fold_of = self._inner_folds(videos, numbers)
        strength = choose_strength(examples, len(actions), fold_of)
        set_readout(
            action_view(self._model),
            recipe.main,
            fit_readout(examples, len(actions), strength),
        )
        print(f"{len(numbers)} videos, {len(examples.labels)} windows, strength {strength}")
        if self._used.first:
            self._write(out, actions, strength)
        self._used.wait()  # for the files
        return self._predicted

    def _write(self, out, actions, strength):
        facts = {
            "actions": {self._recipe.main: list(actions)},
            "frame_rate": self._stage.frame_rate,
            "strength": strength,
        }
        out.mkdir(parents=True, exist_ok=True)
        with replacing(out / RECIPE_FILE) as part:
            part.write_text(self._recipe.to_json() + "\n", encoding="utf-8")
        weights.save(self._model, self._config, out / "best.h5", **facts)

    def _inner_folds(self, videos, numbers):
        """The part of each video for choosing the strength; all 0 if an action has one group."""
        actions, groups = [item.video.action for item in videos], groups_of(videos)
        folds = min(_INNER_FOLDS, fewest_groups(actions, groups))
        fold_of = np.zeros(len(self._numbers), int)
        if folds > 1:
            fold_of[numbers] = group_folds(actions, groups, folds, seed=self._recipe.seed)
        return fold_of

    def _predicted(self, videos):
        parts = parts_of(parted(self._model))
        return predict_watched(parts, videos, self._recipe.main, rule_of(self._spec))


class _Finetuned:
    """Whole networks that learn from frames, after their heads have learned."""

    def __init__(self, heads, recipe, clips, fit, predictor_of):
        self._heads, self._recipe, self._clips = heads, recipe, clips
        self._fit, self._predictor_of = fit, predictor_of
        self._numbers = {id(item): number for number, item in enumerate(clips.watched)}

    def learn(self, videos, out):
        """Learns from videos and writes two runs; returns a function that predicts others."""
        self._heads.learn(videos, out)
        recipe = self._recipe
        stage = replace(recipe.stages[-1], start=(str(out / "best.h5"),))
        clips = Subset(self._clips, [self._numbers[id(item)] for item in videos])
        best = self._fit(replace(recipe, stages=(stage,)), out, data={recipe.main: clips})
        return partial(self._predicted, best)

    def _predicted(self, path, videos):
        predictor = self._predictor_of(path)
        predictions = predict_videos(predictor, [item.video for item in videos])
        return replace(predictions, unreadable=whole_of(videos).left_out)


def _cross_validated(recipe, learner, known, out, folds):
    """Predictions for all videos, each by heads that were trained on other groups."""
    actions = [item.video.action for item in known]
    fold_of = group_folds(actions, groups_of(known), folds, seed=recipe.seed)
    rows = []
    for fold in range(folds):
        print(f"\n== fold {fold + 1} of {folds}", flush=True)
        others, own = (np.flatnonzero((fold_of == fold) == held) for held in (False, True))
        predict = learner.learn(Subset(known, others), out / str(fold + 1))
        rows.append((own, predict(Subset(known, own))))
    order = np.argsort(np.concatenate([own for own, _ in rows]))
    return _joined([predictions for _, predictions in rows], order)


def _held_out(recipe, known, folds):
    """Videos to train on and to hold out; says where none are held out."""
    rest, held_out = hold_out_groups(known, recipe.validation, seed=recipe.seed)
    if len(rest) + len(held_out) == len(known):
        return rest, held_out
    if not folds:
        raise ValueError(
            f"{known.source} has an action with fewer than {LEAST_GROUPS} groups, so none is held "
            "out of the training, and nothing could be scored. Score by cross-validation (--folds "
            "2 or more), or add videos of other scenes."
        )
    if not recipe.network.readout_of:
        print(
            f"An action has fewer than {LEAST_GROUPS} groups: none is held out to pick the epoch, "
            "and the last ones count."
        )
    return rest, held_out


def _joined(parts, order):
    """Predictions for the parts of a data set, together in its order."""
    videos = [video for part in parts for video in part.videos]
    pictures = [picture for part in parts for picture in part.pictures.values()]
    return VideoPredictions(
        tuple(videos[number] for number in order),
        np.concatenate([part.scores for part in parts])[order],
        parts[0].actions,
        {place: pictures[number] for place, number in enumerate(order)},
        parts[0].unreadable,
    )
