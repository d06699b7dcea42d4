"""Scores as files: results.json and videos.csv."""

from __future__ import annotations

import csv
import dataclasses
import datetime
import importlib.metadata
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deephar.data.samples import OTHER
from deephar.evaluation.action import TOP, ActionScores
from deephar.evaluation.pose import DepthScores
from deephar.evaluation.scores import Scores, num_persons
from deephar.evaluation.videos import KEPT, VideoScores
from deephar.files import file_hash, replacing
from deephar.skeletons import get_skeleton
from deephar.version import __version__

if TYPE_CHECKING:
    from deephar.models import ModelConfig


def write_results(
    path: str | Path,
    scores: Scores,
    config: ModelConfig,
    weights_file: str | Path,
    *,
    command: str = "",
    runtime: Mapping[str, str] | None = None,
) -> Path:
    """Writes a results.json: the scores, how they were measured, and what they rest on.

    Strict JSON: a score that does not exist (a joint never labelled, an action without videos) is
    null.

    Args:
        path: the file to write.
        scores: `PoseScores`, `DepthScores`, `ActionScores` or `VideoScores`.
        config: the network's config.
        weights_file: path of the weights; its name and SHA-256 are kept.
        command: the command line.
        runtime: what the network ran on, and its precision; None if the scores tell it.

    Returns:
        The path.

    Raises:
        OSError: The file cannot be written.
    """
    if isinstance(scores, VideoScores):
        results = _video_results(scores)
    elif isinstance(scores, ActionScores):
        results = _action_results(scores)
    elif isinstance(scores, DepthScores):
        results = _depth_results(scores)
    else:
        results = _pose_results(scores)
    results["data"] = {
        "name": scores.data,
        "source": scores.source or None,
        scores.items: scores.num_scored,
        f"{scores.items}_in_split": scores.num_in_split,
        "warning": scores.warning or None,
    }
    results["protocol"].update(runtime or {})
    results["config"] = json.loads(config.to_json())
    results["weights"] = {"file": Path(weights_file).name, "sha256": file_hash(weights_file)}
    results["command"] = command
    results["date"] = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    results["versions"] = _versions()
    with replacing(path) as part:
        text = json.dumps(_plain(results), indent=2, allow_nan=False)
        part.write_text(text + "\n", encoding="utf-8")
    return Path(path)


def write_videos(path: str | Path, scores: ActionScores | VideoScores) -> Path:
    """Writes a CSV with one row per video: its action, the answer, and their probabilities.

    Args:
        path: the file to write.
        scores: `ActionScores` or `VideoScores`.

    Returns:
        The path.

    Raises:
        OSError: The file cannot be written.
    """
    rows = _file_rows(scores) if isinstance(scores, VideoScores) else _clip_rows(scores)
    with replacing(path) as part, open(part, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return Path(path)


def _clip_rows(scores):
    predictions = scores.predictions
    yield ["video", "action", "answer", "p_action", "p_answer", "clips"]
    for name, label, probabilities, clips in zip(
        predictions.names,
        predictions.labels,
        predictions.scores[-1],
        predictions.clips_per_video,
        strict=True,
    ):
        answer = probabilities.argmax()
        yield [
            name,
            scores.actions[label],
            scores.actions[answer],
            f"{probabilities[label]:.4f}",
            f"{probabilities[answer]:.4f}",
            clips,
        ]


def _file_rows(scores):
    yield ["video", "action", "group", "answer", "p_action", "p_answer", "p_other"]
    for video, probabilities in zip(
        scores.predictions.videos, scores.predictions.scores, strict=True
    ):
        score_of = dict(zip(scores.actions, probabilities, strict=True))
        answer = scores.actions[probabilities.argmax()]
        numbers = [f"{score_of[name]:.4f}" for name in (video.action, answer)]
        of_other = f"{score_of[OTHER]:.4f}" if OTHER in score_of else ""
        yield [video.name, video.action, video.group, answer, *numbers, of_other]


# ----------------------------------------------------------------------------- kinds of scores


def _pose_results(scores):
    joints = get_skeleton(scores.skeleton).joints
    blocks = [
        {
            "total": block.total,
            "interval": block.interval,
            "strict_total": strict.total,
            "auc": curve.auc,
            "joints": block.count,
            "per_group": block.per_group,
            "per_joint": dict(zip(joints, block.per_joint, strict=True)),
            "joints_of_each": dict(zip(joints, block.counts, strict=True)),
        }
        for block, strict, curve in zip(scores.blocks, scores.strict, scores.curves, strict=True)
    ]
    return {
        "score": {"block": len(blocks), **blocks[-1]},
        "blocks": blocks,
        "depth": _depth_along_the_way(scores.depth),
        "keypoints": scores.keypoints and dataclasses.asdict(scores.keypoints),
        "protocol": {
            "measure": scores.measure,
            "threshold": scores.threshold,
            "strict_threshold": scores.strict_threshold,
            "auc_range": scores.curves[-1].thresholds[[0, -1]],
            "unit": scores.unit,
            "skeleton": get_skeleton(scores.skeleton).name,
            "crops_a_person": scores.predictions.crops_per_person,
            "reported": "the last prediction block",
            "interval": "95 %, bootstrap over persons",
        },
    }


def _depth_results(scores):
    joints = get_skeleton(scores.skeleton).joints
    mpjpe, p_mpjpe = scores.blocks[-1], scores.aligned[-1]
    return {
        "score": {
            "block": len(scores.blocks),
            "total": scores.answer.total,
            "interval": scores.answer.interval,
            **_errors(mpjpe, p_mpjpe),
            "mean_of_actions": dict(zip(("mpjpe", "p_mpjpe"), scores.mean_of_actions, strict=True)),
            "joints": mpjpe.count,
            "mpjpe_per_joint": dict(zip(joints, mpjpe.per_joint, strict=True)),
            "p_mpjpe_per_joint": dict(zip(joints, p_mpjpe.per_joint, strict=True)),
        },
        "actions": {
            action: {"persons": num_persons(pair[0]), **_errors(*pair)}
            for action, pair in scores.actions.items()
        },
        "blocks": [_errors(*pair) for pair in zip(scores.blocks, scores.aligned, strict=True)],
        "protocol": {
            "number": scores.protocol,
            "measure": scores.measure,
            "unit": "mm",
            "mpjpe": "relative to the root, its error of 0 included",
            "p_mpjpe": "after the best shift, rotation and scale of each person",
            "skeleton": get_skeleton(scores.skeleton).name,
            "crops_a_person": scores.predictions.crops_per_person,
            "reported": "the last prediction block, over all persons",
            "interval": "95 %, bootstrap over what stands before # in the names",
        },
    }


def _action_results(scores):
    predictions = scores.predictions
    protocol, counts = predictions.protocol, predictions.clips_per_video
    blocks = [
        {
            "accuracy": block.total,
            "interval": block.interval,
            f"top{TOP}": top.total,
            "per_action": block.per_group,
        }
        for block, top in zip(scores.blocks, scores.top5, strict=True)
    ]
    return {
        "score": {"block": len(blocks), **blocks[-1]},
        "calibration_error": scores.calibration_error,
        "blocks": blocks,
        "videos_of_each_action": dict(zip(scores.actions, scores.confusion.sum(1), strict=True)),
        "confusion": {"rows": "true", "columns": "answer", "videos": scores.confusion},
        "poses": _poses_along_the_way(scores.poses),
        "depth": _depth_along_the_way(scores.depth),
        "protocol": {
            "measure": "accuracy",
            "clips": protocol.clips,
            "clips_per_video": [counts.min(), counts.max()],
            "mirror": protocol.mirror,
            "averaged": "arithmetic mean of the probabilities",
            "frames": protocol.num_frames,
            "subsampling": protocol.subsampling,
            "frame_rate": protocol.frame_rate,
            "input": "labelled poses" if predictions.poses is None else "images",
            "boxes": protocol.boxes,
            "head": predictions.head,
            "reported": "the last prediction block",
            "interval": "95 %, bootstrap over videos",
        },
    }


def _video_results(scores):
    answer, rejection = scores.answer, scores.rejection
    return {
        "score": {
            "accuracy": answer.total,
            "interval": answer.interval,
            "top3": scores.top3.total,
            "top3_interval": scores.top3.interval,
            "class_mean": scores.class_mean,
            "majority": scores.majority,
            "known_videos": scores.num_known,
            "calibration_error": scores.calibration_error,
        },
        "others": None if scores.others is None else _other_results(scores),
        "per_action": {
            action: {"videos": count, "accuracy": scores.per_action[action]}
            for action, count in zip(scores.actions, scores.confusion.sum(1), strict=True)
        },
        "confusion": {
            "actions": scores.actions,
            "rows": "true",
            "columns": "answer",
            "videos": scores.confusion,
        },
        "rejection": None if rejection is None else dataclasses.asdict(rejection),
        "videos": [
            _video_entry(scores.actions, *pair)
            for pair in zip(scores.predictions.videos, scores.predictions.scores, strict=True)
        ],
        "unreadable": [
            {"file": video.name, "action": video.action, "reason": reason}
            for video, reason in scores.predictions.unreadable
        ],
        "left_out": [video.name for video in scores.left_out],
        "notes": scores.notes,
        "protocol": {
            "measure": "accuracy of the known videos",
            "answer": f"the best action; {OTHER!r} is an error for a known video",
            "averaged": "the actions of all frames, weighted by their best score, see mean_action",
            "rejected": f"1 - the best score but that of {OTHER!r} exceeds the threshold",
            "calibration": "expected calibration error of all videos, percent, 15 bins",
            "interval": "95 %, bootstrap over groups",
            **scores.settings,
        },
    }


def _other_results(scores):
    return {
        "videos": scores.others.count,
        "told_as_other": scores.others.total,
        "interval": scores.others.interval,
        f"keeping_{KEPT:.0f}": scores.rejection.working_point,
    }


def _video_entry(actions, video, probabilities):
    best = np.argsort(-probabilities, kind="stable")[:TOP]
    return {
        "file": video.name,
        "action": video.action,
        "group": video.group,
        "answer": actions[best[0]],
        "best": [[actions[index], probabilities[index]] for index in best],
        "other": probabilities[actions.index(OTHER)] if OTHER in actions else None,
    }


# ---------------------------------------------------------------------------------------- parts


def _poses_along_the_way(scores):
    if scores is None:
        return None
    return {
        "measure": f"{scores.measure}@{scores.threshold:g}",
        "unit": scores.unit,
        "frames": scores.num_scored,
        "joints": scores.answer.count,
        "total": scores.answer.total,
        "interval": scores.answer.interval,
        "per_group": scores.answer.per_group,
        "blocks": [block.total for block in scores.blocks],
    }


def _depth_along_the_way(scores):
    if scores is None:
        return None
    return {
        "measure": "MPJPE, mm, relative to the root, its error of 0 included",
        "persons": scores.num_scored,
        "total": scores.blocks[-1].total,
        "interval": scores.blocks[-1].interval,
        "aligned": scores.aligned[-1].total,
        "blocks": [block.total for block in scores.blocks],
    }


def _errors(mpjpe, p_mpjpe):
    return {
        name: {"total": score.total, "interval": score.interval}
        for name, score in (("mpjpe", mpjpe), ("p_mpjpe", p_mpjpe))
    }


def _plain(value):
    """The value in types that JSON has; NaN and infinity as null."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(item) for item in value]
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _versions():
    import keras  # late: takes seconds to import

    backend = keras.backend.backend()
    packages = {"keras": "keras", "numpy": "numpy", backend: backend}
    return {
        "deephar": __version__,
        "backend": backend,
        **{name: importlib.metadata.version(package) for name, package in packages.items()},
    }
