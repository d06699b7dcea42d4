"""Scores as files: results.json and videos.csv."""

from __future__ import annotations

import csv
import datetime
import importlib.metadata
import json
import math
from pathlib import Path

import numpy as np

from deephar.evaluation.action import TOP
from deephar.evaluation.tables import (
    part_warning,
    person_warning,
    persons_of,
)
from deephar.files import file_hash, replacing
from deephar.skeletons import get_skeleton
from deephar.version import __version__

# ------------------------------------------------------------------------------------------ json


def write_results(path, scores, config, weights_file, command="", depth=None):
    """Writes a results.json: the score, how it was measured, and what it rests on.

    Strict JSON: a score that does not exist (a joint never labelled) is null.

    Args:
        path: the file to write.
        scores: `PoseScores`.
        config: the network's `ModelConfig`.
        weights_file: path of the weights; its name and SHA-256 are kept.
        command: the command line.
        depth: `DepthScores`, or None.

    Returns:
        The path.
    """
    blocks = [
        _block_results(scores.skeleton, *block)
        for block in zip(scores.blocks, scores.strict, scores.curves, strict=True)
    ]
    results = {
        "score": {"block": len(blocks), **blocks[-1]},
        "blocks": blocks,
        "depth": depth_results(depth),
        "protocol": {
            "measure": scores.measure,
            "threshold": scores.threshold,
            "strict_threshold": scores.strict_threshold,
            "auc_range": scores.curves[-1].thresholds[[0, -1]],
            "unit": scores.unit,
            "skeleton": scores.skeleton,
            "crops_a_person": scores.views,
            "reported": "the last prediction block",
            "interval": "95 %, bootstrap over persons",
        },
        "data": data_results(scores),
        **origin(config, weights_file, command),
    }
    return write_json(path, results)


def data_results(scores):
    """What `PoseScores` or `DepthScores` are of, for a results.json."""
    return {
        "name": scores.data,
        "source": scores.source or None,
        "persons": scores.persons,
        "persons_in_split": scores.persons_in_split,
        "warning": person_warning(scores) or None,
    }


def depth_results(depth):
    """`DepthScores` for a results.json; None of None."""
    if depth is None:
        return None
    return {
        "measure": "MPJPE, mm, relative to the root, its error of 0 included",
        "persons": depth.persons,
        "total": depth.blocks[-1].total,
        "interval": depth.blocks[-1].interval,
        "aligned": depth.aligned[-1].total,
        "blocks": [block.total for block in depth.blocks],
    }


def write_json(path, value):
    """Writes a value as strict JSON (NaN and infinity as null); returns the path."""
    with replacing(path) as part:
        text = json.dumps(_plain(value), indent=2, allow_nan=False)
        part.write_text(text + "\n", encoding="utf-8")
    return Path(path)


def origin(config, weights_file, command):
    """What results rest on, as a dict: network, weights, command line, date, versions."""
    return {
        "config": json.loads(config.to_json()),
        "weights": {"file": Path(weights_file).name, "sha256": file_hash(weights_file)},
        "command": command,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": _versions(),
    }


def _block_results(skeleton, block, strict, curve):
    joints = get_skeleton(skeleton).joints
    return {
        "total": block.total,
        "interval": block.interval,
        "strict_total": strict.total,
        "auc": curve.auc,
        "joints": block.count,
        "per_group": block.per_group,
        "per_joint": dict(zip(joints, block.per_joint, strict=True)),
        "joints_of_each": dict(zip(joints, block.counts, strict=True)),
    }


def _plain(value):
    """The value in types that JSON has."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(item) for item in value]
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _versions():
    import keras

    backend = keras.backend.backend()
    packages = {"keras": "keras", "numpy": "numpy", backend: backend}
    return {
        "deephar": __version__,
        "backend": backend,
        **{name: importlib.metadata.version(package) for name, package in packages.items()},
    }


def write_space_results(path, scores, config, weights_file, command=""):
    """Writes a results.json: the errors in space, how they were measured, what they rest on.

    Args:
        path: the file to write.
        scores: `DepthScores`.
        config: the network's config.
        weights_file: path of the weights; its name and SHA-256 are kept.
        command: the command line.

    Returns:
        The path.
    """
    joints = get_skeleton(scores.skeleton).joints
    mpjpe, p_mpjpe = scores.blocks[-1], scores.aligned[-1]
    results = {
        "score": {
            "block": len(scores.blocks),
            "total": scores.answer.total,
            "interval": scores.answer.interval,
            "mpjpe": _total(mpjpe),
            "p_mpjpe": _total(p_mpjpe),
            "mean_of_actions": dict(zip(("mpjpe", "p_mpjpe"), scores.mean_of_actions, strict=True)),
            "joints": mpjpe.count,
            "mpjpe_per_joint": dict(zip(joints, mpjpe.per_joint, strict=True)),
            "p_mpjpe_per_joint": dict(zip(joints, p_mpjpe.per_joint, strict=True)),
        },
        "actions": {
            name: {"persons": persons_of(one), "mpjpe": _total(one), "p_mpjpe": _total(two)}
            for name, (one, two) in scores.actions.items()
        },
        "blocks": [
            {"mpjpe": _total(one), "p_mpjpe": _total(two)}
            for one, two in zip(scores.blocks, scores.aligned, strict=True)
        ],
        "protocol": {
            "number": scores.protocol,
            "measure": scores.measure,
            "unit": "mm",
            "mpjpe": "relative to the root, its error of 0 included",
            "p_mpjpe": "after the best shift, rotation and scale of each person",
            "skeleton": scores.skeleton,
            "crops_a_person": scores.views,
            "reported": "the last prediction block, over all persons",
            "interval": "95 %, bootstrap over what stands before # in the names",
        },
        "data": data_results(scores),
        **origin(config, weights_file, command),
    }
    return write_json(path, results)


def _total(score):
    return {"total": score.total, "interval": score.interval}


# ----------------------------------------------------------------------------------------- files


def write_action_results(path, scores, config, weights_file, command=""):
    """Writes a results.json: the score, how it was measured, and what it rests on.

    Strict JSON: a score that does not exist (an action without videos) is null.

    Args:
        path: the file to write.
        scores: `ActionScores`.
        config: the network's `ModelConfig`.
        weights_file: path of the weights; its name and SHA-256 are kept.
        command: the command line.

    Returns:
        The path.
    """
    found = scores.predictions
    blocks = [
        {
            "accuracy": block.total,
            "interval": block.interval,
            f"top{TOP}": top.total,
            "per_action": block.per_group,
        }
        for block, top in zip(scores.blocks, scores.top5, strict=True)
    ]
    results = {
        "score": {"block": len(blocks), **blocks[-1]},
        "blocks": blocks,
        "videos_of_each_action": dict(zip(scores.actions, scores.confusion.sum(1), strict=True)),
        "confusion": {"rows": "true", "columns": "answer", "videos": scores.confusion},
        "poses": _pose_results(scores.poses),
        "depth": depth_results(scores.depth),
        "protocol": {
            "measure": "accuracy",
            "clips": found.protocol.clips,
            "clips_per_video": [found.clips_per_video.min(), found.clips_per_video.max()],
            "mirror": found.protocol.mirror,
            "averaged": "arithmetic mean of the probabilities",
            "frames": found.protocol.num_frames,
            "subsampling": found.protocol.subsampling,
            "input": "labelled poses" if found.poses is None else "images",
            "boxes": found.protocol.boxes,
            "head": found.head,
            "reported": "the last prediction block",
            "interval": "95 %, bootstrap over videos",
        },
        "data": {
            "name": scores.data,
            "source": scores.source or None,
            "videos": scores.videos,
            "videos_in_split": scores.videos_in_split,
            "warning": part_warning(scores.videos, scores.videos_in_split, "videos") or None,
        },
        **origin(config, weights_file, command),
    }
    return write_json(path, results)


def _pose_results(poses):
    if poses is None:
        return None
    return {
        "measure": f"{poses.measure}@{poses.threshold:g}",
        "unit": poses.unit,
        "frames": poses.persons,
        "joints": poses.answer.count,
        "total": poses.answer.total,
        "interval": poses.answer.interval,
        "per_group": poses.answer.per_group,
        "blocks": [block.total for block in poses.blocks],
    }


def write_videos(path, scores):
    """Writes a CSV with one row a video: its action, the answer, and their probabilities.

    Args:
        path: the file to write.
        scores: `ActionScores`.

    Returns:
        The path.
    """
    found = scores.predictions
    last = found.scores[-1]
    with replacing(path) as part, open(part, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["video", "action", "answer", "p_action", "p_answer", "clips"])
        for number, name in enumerate(found.names):
            label, answer = found.labels[number], last[number].argmax()
            numbers = (f"{last[number, index]:.4f}" for index in (label, answer))
            row = [name, found.actions[label], found.actions[answer], *numbers]
            writer.writerow([*row, found.clips_per_video[number]])
    return Path(path)
