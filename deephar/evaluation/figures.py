"""Scores as figures: curves, bars, confusion matrices and contact sheets."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from deephar import visualize
from deephar.data.crops import crop_sample
from deephar.data.images import load_image
from deephar.data.inputs import InputSpec
from deephar.evaluation.pose import in_skeleton, poses_in_space
from deephar.evaluation.tables import (
    person_warning,
)
from deephar.files import replacing
from deephar.geometry import apply_affine, warp_matrix
from deephar.skeletons import get_skeleton

# --------------------------------------------------------------------------------------- figures

_SHEET_COLUMNS = 6
_SPACE_COLUMNS = 2  # of the sheet of poses in space, whose pictures are three times as wide
_SHEET_IMAGE = 320  # pixels


def save_figures(folder, scores, predictions, dataset):
    """Writes curve.png, joints.png and persons.png, with 3D scores poses_3d.png; needs no display.

    Args:
        folder: where they go.
        scores: `PoseScores`.
        predictions: the `Predictions` they belong to.
        dataset: the data set, for the images.

    Returns:
        The paths.
    """
    figures = {
        "curve.png": plot_score_curve(scores),
        "joints.png": plot_joint_scores(scores),
        "persons.png": plot_persons(scores, predictions, dataset),
    }
    if scores.depth is not None:
        figures["poses_3d.png"] = plot_poses_3d(scores.depth, predictions, dataset)
    paths = []
    for name, figure in figures.items():
        paths.append(Path(folder) / name)
        with replacing(paths[-1]) as part:
            figure.savefig(part)
    return paths


def plot_score_curve(scores):
    """Score against threshold, one line a prediction block; returns a Matplotlib figure."""
    last = len(scores.curves)
    labels = [f"block {n}" if n < last else f"block {n} (answer)" for n in range(1, last + 1)]
    return visualize.plot_curves(
        dict(zip(labels, scores.curves, strict=True)),
        title=_figure_title(scores),
        xlabel=f"threshold, in units of the {scores.unit}",
        ylabel=f"{scores.measure} (%)",
        marks=(scores.strict_threshold, scores.threshold),
    )


def plot_joint_scores(scores):
    """The last block's score of each joint as bars; returns a Matplotlib figure."""
    skeleton, answer = get_skeleton(scores.skeleton), scores.answer
    names = [name for group in skeleton.groups.values() for name in group]
    order = [skeleton.index(name) for name in names]
    return visualize.plot_bars(
        [name.replace("_", " ") for name in names],
        answer.per_joint[order],
        title=_figure_title(scores),
        ylabel=f"{scores.measure}@{scores.threshold:g} (%)",
        counts=answer.counts[order],
        mean=answer.total,
    )


def plot_persons(scores, predictions, dataset):
    """Contact sheet of the best, median and worst persons; returns a Matplotlib figure.

    Each picture is what the network sees, with the last block's pose in colours and the true pose
    as broken white lines; above it the person's score and name.
    """
    person_scores = scores.person_scores
    mean_distances = np.nanmean(np.where(np.isnan(person_scores)[:, None], 0, scores.distances), 1)
    ranked = np.lexsort((mean_distances, -person_scores))
    ranked = [person for person in ranked if np.isfinite(person_scores[person])]
    rows, columns = _best_median_worst(ranked, _SHEET_COLUMNS)
    persons = [person for row in rows.values() for person in row]
    predicted = in_skeleton(predictions, scores.skeleton)[-1]
    return visualize.contact_sheet(
        [_person_picture(dataset[person], predicted[person]) for person in persons],
        [f"{person_scores[person]:.0f} %   {predictions.names[person]}" for person in persons],
        columns=columns,
        row_titles=list(rows),
        title=f"{_figure_title(scores)}\npredicted pose: orange = right, blue = left; "
        "true pose: broken white lines",
    )


def plot_poses_3d(depth, predictions, dataset):
    """Contact sheet of the best, median and worst poses in space; returns a Matplotlib figure.

    Of each person what the network sees, with poses as in `plot_persons`, and the last block's pose
    in space from the front and from the side, over the true one in grey; above it the person's
    MPJPE and name.

    Args:
        depth: `DepthScores`.
        predictions: the `Predictions` they belong to.
        dataset: the data set.
    """
    found, true, persons = poses_in_space(predictions, dataset)
    found = found[-1]
    errors = np.linalg.norm(found - true, axis=-1)
    labelled = np.isfinite(errors)
    counts = labelled.sum(axis=1)
    errors = np.where(labelled, errors, 0).sum(axis=1) / np.maximum(counts, 1)
    ranked = [row for row in np.argsort(errors, kind="stable") if counts[row]]
    rows, columns = _best_median_worst(ranked, _SPACE_COLUMNS)
    predicted = in_skeleton(predictions, depth.skeleton)[-1]
    images, titles = [], []
    for row in (row for group in rows.values() for row in group):
        sample, name = dataset[persons[row]], predictions.names[persons[row]]
        picture = _person_picture(sample, predicted[persons[row]])
        views = visualize.draw_views(found[row], depth.skeleton, true=true[row], size=_SHEET_IMAGE)
        images.append(np.concatenate([picture, views], axis=1))
        titles.append(f"{errors[row]:.0f} mm   {name}")
    return visualize.contact_sheet(
        images,
        titles,
        columns=columns,
        row_titles=list(rows),
        title=f"{depth.data}: MPJPE {depth.blocks[-1].total:.0f} mm{_part_note(depth)}\n"
        "predicted pose: orange = right, blue = left; true pose: broken white lines, grey in space",
        size=5.0,
    )


def _best_median_worst(ranked, most):
    """The rows of a contact sheet, and how many persons each has, at most `most`."""
    columns = min(most, max(1, len(ranked) // 3))
    middle = (len(ranked) - columns) // 2
    rows = {
        "best": ranked[:columns],
        "median": ranked[middle : middle + columns],
        "worst": ranked[-columns:],
    }
    return rows, columns


def _person_picture(sample, predicted):
    crop = crop_sample(sample, InputSpec(_SHEET_IMAGE, sample.skeleton))
    image = np.rint((crop.image + 1) * 127.5).clip(0, 255).astype(np.uint8)
    to_crop = warp_matrix(crop.affine, _SHEET_IMAGE)
    image = visualize.draw_skeleton(image, apply_affine(to_crop, predicted), sample.skeleton)
    true = apply_affine(to_crop, sample.joints)
    return visualize.draw_skeleton(
        image, true, sample.skeleton, colour=(255, 255, 255), width=1, dashed=True
    )


def _figure_title(scores):
    title = f"{scores.data}: {scores.measure}@{scores.threshold:g} {scores.answer.total:.1f}"
    return title + _part_note(scores)


def _part_note(scores):
    """A note for a title that not all were scored; "" if they were."""
    if not person_warning(scores):
        return ""
    return f" (only {scores.persons} of {scores.persons_in_split} persons)"


_SHEET_VIDEOS = 12  # in videos.png


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
        "confusion.png": visualize.plot_confusion(scores.confusion, names, title=title),
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
        images.append(
            visualize.draw_skeleton(
                image,
                poses.joints[-1, row],
                poses.skeleton,
                visibility=poses.visibility[-1, row],
            )
        )
        answer, label = found.scores[-1, number].argmax(), found.labels[number]
        names = [found.actions[index].replace("_", " ") for index in (answer, label)]
        titles.append(names[0] if answer == label else f"{names[0]}? {names[1]}!")
    title = f"{scores.data}: predicted pose and action (?: wrong, !: right)"
    return visualize.contact_sheet(images, titles, columns=6, title=title, size=1.6)
