"""Actions of your own: from a folder of labelled videos to one weights file, in one call.

    train_folder(recipe, "runs/mine")

The pose network stays as it is, and only the action heads learn. So each video is watched once
(`deephar.training.watching`), and the heads learn from windows of what was seen.
"""

from __future__ import annotations

import contextlib
import shutil
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from deephar import weights
from deephar.data.groups import check_groups, fewest_groups, group_folds
from deephar.data.inputs import InputSpec
from deephar.data.samples import Subset
from deephar.data.sets.folder import VideoFolder
from deephar.evaluation import VideoScores, report_videos
from deephar.files import cache_folder, file_hash
from deephar.inference.network import parted, parts_of
from deephar.inference.predictor import Predictor
from deephar.inference.videos import VideoPredictions
from deephar.models import multitask_model
from deephar.training.recipe import Recipe
from deephar.training.run import check_free
from deephar.training.stages import train, with_actions_of
from deephar.training.start import load_pose_network, require_same_network
from deephar.training.watching import (
    LEAST_GROUPS,
    groups_of,
    hold_out_groups,
    predict_watched,
    rule_of,
    watch_folder,
)


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
            on the others, and predict it. No more than an action has groups. 0 to score only the
            videos that are held out of the training to pick the epoch.
        runtime: what the pose network runs on, see `Predictor`.
        precision: what it computes with, see `Predictor`.
        command: the command line, kept in results.json.

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
    held_out = _held_out(recipe, known, folds)
    predictions = _cross_validated(recipe, known, out / "folds", folds) if folds else None
    best = train(recipe, out, data={recipe.main: known})
    predictions = predictions or _predicted(recipe, held_out, best)
    report = {"settings": settings, "command": command}
    scores = report_videos(best, predictions, folder, out=out / "report", **report)
    test = None
    if is_test.any():
        predictions = _predicted(recipe, Subset(watched, np.flatnonzero(is_test)), best)
        test = report_videos(best, predictions, folder, out=out / "test", **report)
    return FolderResult(best, scores, test)


# ------------------------------------------------------------------------------------- watching


def _watch(recipe, stage, folder, cache, runtime, precision):
    """What the network saw in all videos."""
    name = stage.start[0]
    require_same_network(name, recipe.network)
    streams = stage.streams
    if streams == ("pose",):
        predictor = Predictor(name, runtime=runtime, precision=precision)
    else:
        # Heads in the right places, so that the network gives the appearance there.
        config = with_actions_of(recipe.network, stage, recipe.main, len(folder.actions))
        model = multitask_model(config)
        load_pose_network(model, name)
        predictor = Predictor.from_model(model, config, runtime=runtime)
    key = f"{file_hash(weights.find(name))} {streams} {predictor.runtime}"
    print(f"looking for the person in {len(folder)} videos: {predictor}", flush=True)
    return watch_folder(
        predictor,
        folder,
        rate=stage.frame_rate,
        cache=cache,
        key=key,
        mirror="appearance" in streams,
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


# --------------------------------------------------------------------------- training, predicting


def _cross_validated(recipe, known, out, folds):
    """Predictions for all videos, each by heads that were trained on other groups."""
    actions = [item.video.action for item in known]
    fold_of = group_folds(actions, groups_of(known), folds, seed=recipe.seed)
    rows = []
    shutil.rmtree(out, ignore_errors=True)  # of a run that was interrupted
    for fold in range(folds):
        print(f"\n== fold {fold + 1} of {folds}", flush=True)
        others, own = (np.flatnonzero((fold_of == fold) == held) for held in (False, True))
        best = train(recipe, out / str(fold + 1), data={recipe.main: Subset(known, others)})
        rows.append((own, _predicted(recipe, Subset(known, own), best)))
    shutil.rmtree(out)
    order = np.argsort(np.concatenate([own for own, _ in rows]))
    return _joined([predictions for _, predictions in rows], order)


def _held_out(recipe, known, folds):
    """The videos that the epoch is picked by; says where there are none."""
    rest, held_out = hold_out_groups(known, recipe.validation, seed=recipe.seed)
    if len(rest) + len(held_out) == len(known):
        return held_out
    if not folds:
        raise ValueError(
            f"{known.source} has an action with fewer than {LEAST_GROUPS} groups, so none is held "
            "out of the training, and nothing could be scored. Score by cross-validation (--folds "
            "2 or more), or add videos of other scenes."
        )
    print(
        f"An action has fewer than {LEAST_GROUPS} groups: none is held out to pick the epoch, and "
        "the last ones count."
    )
    return None


def _predicted(recipe, videos, path):
    """What heads predict for watched videos."""
    (stage,) = recipe.stages
    model, config = weights.load_model(path)
    rule = rule_of(InputSpec.of(config, frame_rate=stage.frame_rate))
    return predict_watched(parts_of(parted(model)), videos, recipe.main, rule)


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
