"""Actions of your own: from a folder of labelled videos to one weights file, in one call.

    train_folder(recipe, "runs/mine")

The pose network stays as it is, and only the action heads learn. So each video is watched once
(`deephar.training.watching`), and the heads learn from windows of what was seen. By default, they
are linear readouts of the action heads that the weights come with (`deephar.training.readout`).
Another stage may then train the whole network on frames.
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
from deephar.evaluation import VideoScores, report_videos
from deephar.files import cache_folder, file_hash, replacing
from deephar.inference.network import parted, parts_of
from deephar.inference.predictor import Predictor
from deephar.inference.runtimes import choose_runtime
from deephar.inference.videos import VideoPredictions, predict_videos
from deephar.models import action_view, multitask_model
from deephar.models.action import appearance_names
from deephar.training.readout import choose_strength, fit_readout, set_readout, summarise
from deephar.training.recipe import ActionStage, Recipe
from deephar.training.run import check_free
from deephar.training.stages import RECIPE_FILE, train, with_actions_of
from deephar.training.start import load_heads, load_pose_network, require_same_network
from deephar.training.watched_clips import WatchedClips
from deephar.training.watching import (
    LEAST_GROUPS,
    groups_of,
    hold_out_groups,
    predict_watched,
    rule_of,
    watch_folder,
)

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
    command: str = "",
    finetuning: ActionStage | None = None,
) -> FolderResult:
    """Trains action heads for the videos of a folder, and scores them on groups that are held out.

    Writes into `out`: ``best.h5`` and the other files of a run; ``report`` with results.json,
    videos.csv and pictures; and ``test``, if some videos are in the split ``test``. What the pose
    network saw in each video is kept in the cache folder (`deephar.files.cache_folder`), and used
    again.

    Args:
        recipe: its main data set is the folder, and its only stage learns the actions, from windows
            at a frame rate.
        out: the run folder; made if missing.
        folds: number of parts for cross-validation with whole groups: for each, heads are trained
            on the others, and predict it. No more than an action has groups. 0 to score one part
            only, `Recipe.validation` of the videos.
        runtime: what the pose network runs on, see `Predictor`.
        precision: what it computes with, see `Predictor`.
        command: the command line, kept in results.json.
        finetuning: a stage that then trains the whole network on the frames; writes its weights
            into a folder of its name. None for none.

    Raises:
        FileExistsError: The folder `out` holds a run.
        FileNotFoundError: The folder or the weights are missing.
        ValueError: The folder cannot be used: one action only, an action with a single group, no
            video in which somebody is seen; or nothing can be held out, and `folds` is 0.
    """
    out, (stage,) = Path(out), recipe.stages
    check_free(out)
    folder = VideoFolder(recipe.data[recipe.main].folder)
    print(folder, flush=True)
    check_groups(folder.source, *zip(*((v.action, v.group) for v in folder), strict=True))
    watched = _watch(recipe, stage, folder, _cache(out), runtime, precision)
    _print_left_out(watched)
    is_test = np.array([item.video.split == "test" for item in watched])
    known = Subset(watched, np.flatnonzero(~is_test))
    actions = [item.video.action for item in known]
    check_groups(folder.source, actions, groups_of(known))
    _print_groups(known, actions)
    folds = min(folds, fewest_groups(actions, groups_of(known)))
    settings = {"weights": stage.start[0], "streams": stage.streams, "folds": folds}
    learner = (_Readouts if recipe.network.readout_of else _Blocks)(recipe, watched)
    if finetuning:
        clips = _clips(recipe, watched, out / "frames")
        predictor_of = partial(Predictor, runtime=runtime, precision=precision)
        learner = _Finetuned(learner, recipe, finetuning, clips, predictor_of)
    rest, held_out = _held_out(recipe, known, folds)
    if folds:
        predictions = _cross_validated(recipe, learner, known, out / "folds", folds)
    else:
        predictions = learner.learn(rest, out / "rest")(held_out)
        shutil.rmtree(out / "rest", ignore_errors=True)
    predict = learner.learn(known, out)
    best = out / (finetuning.name if finetuning else "") / "best.h5"
    shutil.rmtree(out / "frames", ignore_errors=True)
    report = {"settings": settings, "command": command}
    scores = report_videos(best, predictions, folder, out=out / "report", **report)
    test = None
    if is_test.any():
        predictions = predict(Subset(watched, np.flatnonzero(is_test)))
        test = report_videos(best, predictions, folder, out=out / "test", **report)
    return FolderResult(best, scores, test)


# ------------------------------------------------------------------------------------- watching


def _watch(recipe, stage, folder, cache, runtime, precision):
    """What the network saw in all videos."""
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
    key = f"{file_hash(weights.find(name))} {kept} {predictor.runtime}"
    print(f"looking for the person in {len(folder)} videos: {predictor}", flush=True)
    return watch_folder(
        predictor,
        folder,
        rate=stage.frame_rate,
        cache=cache,
        key=key,
        mirror="appearance" in streams and not recipe.network.readout_of,
    )


def _cache(out):
    """The folder for what is kept of the videos: in the user's cache folder, or in `out`."""
    folder = cache_folder()
    with contextlib.suppress(OSError):
        if folder is not None:
            (folder / "watched").mkdir(parents=True, exist_ok=True)
            return folder / "watched"
    return out / "watched"


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


def _clips(recipe, watched, folder):
    """The watched videos with their frames, which are kept in a folder."""
    (stage,), network = recipe.stages, recipe.network
    return WatchedClips(
        watched,
        folder,
        rate=stage.frame_rate,
        skeleton=network.skeleton,
        image_size=network.image_size,
    )


# --------------------------------------------------------------------------- training, predicting


class _Blocks:
    """Action blocks that learn in steps, as a run of the recipe."""

    def __init__(self, recipe, watched):
        self._recipe = recipe

    def learn(self, videos, out):
        """Learns from videos and writes a run; returns a function that predicts others."""
        best = train(self._recipe, out, data={self._recipe.main: videos})
        return partial(self._predicted, best)

    def _predicted(self, path, videos):
        (stage,) = self._recipe.stages
        model, config = weights.load_model(path)
        rule = rule_of(InputSpec.of(config, frame_rate=stage.frame_rate))
        return predict_watched(parts_of(parted(model)), videos, self._recipe.main, rule)


class _Readouts:
    """Linear readouts of the action heads of the weights: the solution of a convex problem."""

    def __init__(self, recipe, watched):
        (stage,) = recipe.stages
        self._recipe, self._stage = recipe, stage
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
        facts = {
            "actions": {recipe.main: list(actions)},
            "frame_rate": self._stage.frame_rate,
            "strength": strength,
        }
        out.mkdir(parents=True, exist_ok=True)
        with replacing(out / RECIPE_FILE) as part:
            part.write_text(recipe.to_json() + "\n", encoding="utf-8")
        weights.save(self._model, self._config, out / "best.h5", **facts)
        print(f"{len(numbers)} videos, {len(examples.labels)} windows, strength {strength}")
        return self._predicted

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

    def __init__(self, heads, recipe, stage, clips, predictor_of):
        self._heads, self._recipe, self._stage = heads, recipe, stage
        self._clips, self._predictor_of = clips, predictor_of
        self._numbers = {id(item): number for number, item in enumerate(clips.watched)}

    def learn(self, videos, out):
        """Learns from videos and writes two runs; returns a function that predicts others."""
        self._heads.learn(videos, out)
        stage = replace(self._stage, start=(str(out / "best.h5"),))
        recipe = replace(self._recipe, stages=(stage,))
        clips = Subset(self._clips, [self._numbers[id(item)] for item in videos])
        return partial(self._predicted, train(recipe, out, data={recipe.main: clips}))

    def _predicted(self, path, videos):
        predictor = self._predictor_of(path)
        predictions = predict_videos(predictor, [item.video for item in videos])
        return replace(predictions, unreadable=whole_of(videos).left_out)


def _cross_validated(recipe, learner, known, out, folds):
    """Predictions for all videos, each by heads that were trained on other groups."""
    actions = [item.video.action for item in known]
    fold_of = group_folds(actions, groups_of(known), folds, seed=recipe.seed)
    rows = []
    shutil.rmtree(out, ignore_errors=True)  # of a run that was interrupted
    for fold in range(folds):
        print(f"\n== fold {fold + 1} of {folds}", flush=True)
        others, own = (np.flatnonzero((fold_of == fold) == held) for held in (False, True))
        predict = learner.learn(Subset(known, others), out / str(fold + 1))
        rows.append((own, predict(Subset(known, own))))
    shutil.rmtree(out)
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
