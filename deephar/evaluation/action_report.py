"""What an evaluation of actions leaves behind: printed tables, results.json, a list, figures."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np

from deephar import visualize, weights
from deephar.data.images import load_image
from deephar.evaluation.figures import (
    depth_results,
    depth_summary,
    interval_text,
    limited,
    origin,
    part_warning,
    percent,
    summary,
    table_lines,
    write_json,
)
from deephar.evaluation.pose import require_joints, whole_of
from deephar.files import replacing
from deephar.inference.actions import (
    TOP,
    find_head,
    predict_actions,
    score_actions,
    trained_subsampling,
)

_SHEET_VIDEOS = 12  # in videos.png


def evaluate_actions(
    dataset,
    weights_name,
    folder,
    head=None,
    *,
    subsampling=None,
    limit=None,
    command="",
    **options,
):
    """The whole evaluation of a weights file on videos: predicts, scores, prints, writes.

    Writes results.json, videos.csv, confusion.png, actions.png and videos.png into `folder`.

    Args:
        dataset: the video data set.
        weights_name: a name in weights/index.json, or the path of a weights file.
        folder: where the files go; made if missing.
        head: see `predict_actions`.
        subsampling: see `predict_actions`; by default what the weights say they were trained with
            (the fact ``subsampling``; the middle one of several), else 1.
        limit: only so many videos, spread over the data set; the score is then of this part, and
            says so.
        command: the command line, kept in results.json.
        **options: `clips`, `mirror`, `boxes`, `num_frames` and `batch_size` of `predict_actions`.

    Returns:
        The `ActionScores`.

    Raises:
        FileNotFoundError: a file is missing.
        OSError: the folder cannot be made, or a file cannot be written.
        ValueError: something cannot be used; the message says what.
    """
    # What can fail for a user's mistake comes before the long part.
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    dataset = limited(dataset, limit, "videos", spread=True)
    file = weights.find(weights_name)
    config = weights.read_config(file)
    head = find_head(config, dataset, head)
    facts = weights.read_facts(file)
    check_action_names(facts, head, dataset, file)
    if config.stem != "none":
        require_joints(config.skeleton, dataset.skeleton)
    model, config = weights.load_model(weights_name)

    print(dataset)
    predictions = predict_actions(
        model,
        config,
        dataset,
        head,
        subsampling=trained_subsampling(facts) if subsampling is None else subsampling,
        progress=sys.stdout.isatty(),
        **options,
    )
    scores = score_actions(predictions, dataset)
    written = [
        write_action_results(folder / "results.json", scores, config, file, command),
        write_videos(folder / "videos.csv", scores),
        *save_action_figures(folder, scores, dataset),
    ]
    print(format_actions(scores))
    print("\nwrote", *written, sep="\n  ")
    return scores


def check_action_names(facts, head, dataset, file):
    """Checks that a network means by its classes what a data set means.

    Args:
        facts: those of the weights file; ``actions`` holds the names of the classes by head.
        head: name of the head.
        dataset: the video data set.
        file: the weights file, for the message.

    Raises:
        ValueError: the names differ; names the first that does.
    """
    names, actions = facts.get("actions", {}).get(head), whole_of(dataset).actions
    if names is None or tuple(names) == tuple(actions):
        return
    pairs = list(zip(names, actions, strict=False))
    number = next((i for i, (name, action) in enumerate(pairs) if name != action), len(pairs))
    raise ValueError(
        f"{file}: the actions of its head {head!r} are not those of {dataset.name}: number "
        f"{number} is {_entry(names, number)} in the weights and {_entry(actions, number)} in the "
        "data set; use weights that were trained on it"
    )


def _entry(names, number):
    return repr(names[number]) if number < len(names) else "missing"


# ----------------------------------------------------------------------------------------- table


def format_actions(scores):
    """Scores as text: one row a prediction block, one an action that has videos, then the answer.

    Args:
        scores: `ActionScores`.
    """
    last = len(scores.blocks)
    blocks = [
        [f"{number} (answer)" if number == last else str(number), percent(one.total), percent(top)]
        for number, (one, top) in enumerate(
            zip(scores.blocks, (score.total for score in scores.top5), strict=True), start=1
        )
    ]
    actions = [
        [action, str(row.sum()), percent(scores.answer.per_group[action]), *_taken_for(scores, n)]
        for n, (action, row) in enumerate(zip(scores.actions, scores.confusion, strict=True))
        if row.any()
    ]
    left_out = len(scores.actions) - len(actions)
    lines = [
        _title(scores),
        *table_lines(["block", "accuracy", f"top-{TOP}"], blocks),
        *table_lines(["action", "videos", "accuracy", "most often taken for", "times"], actions),
        *([f"{left_out} actions without videos are left out"] if left_out else []),
        action_summary(scores),
    ]
    if scores.poses is not None:
        lines.append(f"poses along the way: {summary(scores.poses, 'frames')}")
    if scores.depth is not None:
        lines.append(depth_summary(scores.depth, "frames"))
    return "\n".join(lines)


def _taken_for(scores, number):
    """The wrong answer that is most frequent for an action, and how often it is given."""
    wrong = scores.confusion[number].copy()
    wrong[number] = 0
    if not wrong.any():
        return "-", "-"
    return scores.actions[wrong.argmax()], str(wrong.max())


def action_summary(scores):
    """The reported accuracy in one line.

    Args:
        scores: `ActionScores`.
    """
    answer = scores.answer
    return (
        f"accuracy {answer.total:.1f} %{interval_text(answer)}, top-{TOP} "
        f"{scores.top5[-1].total:.1f} % ({scores.videos} videos of {scores.data})"
    )


def _protocol(scores):
    """The protocol in words."""
    found = scores.predictions
    counts = found.clips_per_video
    text = f"{found.clips} clip"
    if found.clips == "multi":
        text += f" ({counts.min()} to {counts.max()} clips a video)"
    if found.mirror:
        text += " and mirror images"
    spread = "spread over the whole video"
    if found.subsampling != "whole":
        spread = f"subsampling {found.subsampling}"
    source = "labelled poses" if found.poses is None else f"boxes: {found.boxes}"
    return f"{text}, {found.num_frames} frames, {spread}, {source}"


def _title(scores):
    title = f"{scores.data}, {_protocol(scores)}, accuracy in percent"
    warning = part_warning(scores.videos, scores.videos_in_split, "videos")
    return f"{title}\n{warning}" if warning else title


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
            "clips": found.clips,
            "clips_per_video": [found.clips_per_video.min(), found.clips_per_video.max()],
            "mirror": found.mirror,
            "averaged": "arithmetic mean of the probabilities",
            "frames": found.num_frames,
            "subsampling": found.subsampling,
            "input": "labelled poses" if found.poses is None else "images",
            "boxes": found.boxes,
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


def save_action_figures(folder, scores, dataset):
    """Writes confusion.png, actions.png and videos.png; needs no display.

    Args:
        folder: where they go.
        scores: `ActionScores`.
        dataset: the data set, for the frames in videos.png (not written for networks that take
            poses).

    Returns:
        The paths.
    """
    title = f"{scores.data}: accuracy {scores.answer.total:.1f} %"
    if scores.videos != scores.videos_in_split:
        title += f" (only {scores.videos} of {scores.videos_in_split} videos)"
    names = [action.replace("_", " ") for action in scores.actions]
    values = np.array([scores.answer.per_group[action] for action in scores.actions])
    figures = {
        "confusion.png": visualize.plot_confusion(scores.confusion, names, title),
        "actions.png": visualize.plot_bars(
            names,
            values,
            title=title,
            ylabel="accuracy (%)",
            counts=scores.confusion.sum(axis=1),
            mean=scores.answer.total,
        ),
    }
    if scores.predictions.poses is not None:
        figures["videos.png"] = plot_videos(scores, dataset)
    paths = []
    for name, figure in figures.items():
        paths.append(Path(folder) / name)
        with replacing(paths[-1]) as part:
            figure.savefig(part)
    return paths


def plot_videos(scores, dataset):
    """Contact sheet of a frame of some videos with the last block's pose and answer.

    Args:
        scores: `ActionScores` of a network that predicts poses.
        dataset: the data set.

    Returns:
        A Matplotlib figure.
    """
    found = scores.predictions
    shown = np.linspace(0, len(dataset) - 1, min(_SHEET_VIDEOS, len(dataset))).astype(int)
    images, titles = [], []
    for number in shown:
        rows = np.flatnonzero(found.frames[:, 0] == number)
        row = rows[len(rows) // 2]
        image = load_image(dataset[number].frames[found.frames[row, 1]])
        poses = found.poses
        width = max(1, round(max(image.shape[:2]) / 130))
        images.append(
            visualize.draw_skeleton(
                image,
                poses.joints[-1, row],
                poses.skeleton,
                poses.visibility[-1, row],
                width=width,
            )
        )
        answer, label = found.scores[-1, number].argmax(), found.labels[number]
        names = [found.actions[index].replace("_", " ") for index in (answer, label)]
        titles.append(names[0] if answer == label else f"{names[0]}? {names[1]}!")
    title = f"{scores.data}: predicted pose and action (?: wrong, !: right)"
    return visualize.contact_sheet(images, titles, columns=6, title=title, size=1.6)
