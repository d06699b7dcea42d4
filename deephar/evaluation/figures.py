"""Scores as figures: curves, bars, confusion matrices and contact sheets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deephar import visualize
from deephar.data.crops import crop_sample
from deephar.data.images import load_image
from deephar.data.inputs import InputSpec
from deephar.data.samples import Sample, Video
from deephar.evaluation.action import ActionScores
from deephar.evaluation.pose import (
    DepthScores,
    PoseScores,
    joints_in_skeleton,
    poses_relative_to_root,
)
from deephar.evaluation.scores import Scores
from deephar.evaluation.tables import block_names
from deephar.evaluation.videos import VideoScores
from deephar.files import replacing
from deephar.geometry import apply_affine, warp_matrix
from deephar.skeletons import get_skeleton

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PICTURE_SIZE = 320  # pixels
_COLUMNS = 6
_COLUMNS_IN_SPACE = 2  # pictures of poses in space are three times as wide
_NUM_VIDEOS = 12  # at most, in videos.png
_SHEET_COLUMNS = 8
_RIGHT, _WRONG = (255, 255, 255), (220, 30, 30)


def save_figures(
    folder: str | Path, scores: Scores, dataset: Sequence[Sample] | Sequence[Video]
) -> list[Path]:
    """Writes the figures of an evaluation as PNG files; needs no display.

    Of `PoseScores` curve.png, joints.png and persons.png; of `DepthScores`, also along with the
    former, poses_3d.png; of `ActionScores` confusion.png, actions.png and, of a network that
    predicts poses, videos.png; of `VideoScores` confusion.png, sheet.png and, with videos of none
    of the actions, rejection.png.

    Args:
        folder: where they go.
        scores: `PoseScores`, `DepthScores`, `ActionScores` or `VideoScores`.
        dataset: the data set that was scored, for its images.

    Returns:
        The paths.

    Raises:
        OSError: A file cannot be written.
    """
    paths = []
    for name, figure in _figures(scores, dataset).items():
        paths.append(Path(folder) / name)
        with replacing(paths[-1]) as part:
            figure.savefig(part)
    return paths


def _figures(scores, dataset):
    if isinstance(scores, VideoScores):
        figures = {"confusion.png": plot_confusion(scores), "sheet.png": plot_video_sheet(scores)}
        if scores.rejection is not None:
            figures["rejection.png"] = plot_rejection(scores)
        return figures
    if isinstance(scores, ActionScores):
        figures = {
            "confusion.png": plot_confusion(scores),
            "actions.png": plot_action_scores(scores),
        }
        if scores.predictions.poses is not None:
            figures["videos.png"] = plot_videos(scores, dataset)
        return figures
    if isinstance(scores, DepthScores):
        return {"poses_3d.png": plot_poses_3d(scores, dataset)}
    figures = {
        "curve.png": plot_score_curve(scores),
        "joints.png": plot_joint_scores(scores),
        "persons.png": plot_persons(scores, dataset),
    }
    return figures if scores.depth is None else figures | _figures(scores.depth, dataset)


# ------------------------------------------------------------------------------ poses in images


def plot_score_curve(scores: PoseScores) -> Figure:
    """Score against threshold, one line per prediction block."""
    labels = [f"block {name}" for name in block_names(len(scores.curves))]
    return visualize.plot_curves(
        dict(zip(labels, scores.curves, strict=True)),
        title=_pose_title(scores),
        xlabel=f"threshold, in units of the {scores.unit}",
        ylabel=f"{scores.measure} (%)",
        marks=(scores.strict_threshold, scores.threshold),
    )


def plot_joint_scores(scores: PoseScores) -> Figure:
    """The last block's score of each joint as bars."""
    skeleton, answer = get_skeleton(scores.skeleton), scores.answer
    names = [name for group in skeleton.groups.values() for name in group]
    order = [skeleton.index(name) for name in names]
    return visualize.plot_bars(
        list(map(_in_words, names)),
        answer.per_joint[order],
        title=_pose_title(scores),
        ylabel=f"{scores.measure}@{scores.threshold:g} (%)",
        counts=answer.counts[order],
        mean=answer.total,
    )


def plot_persons(scores: PoseScores, dataset: Sequence[Sample]) -> Figure:
    """Contact sheet of the best, median and worst persons.

    Each picture is what the network sees, with the last block's pose in colours and the true pose
    as dashed white lines. Its title is the person's score and name.

    Args:
        scores: `PoseScores`.
        dataset: the data set that was scored.
    """
    person_scores, names = scores.person_scores, scores.predictions.names
    mean_distances = np.nanmean(np.where(np.isnan(person_scores)[:, None], 0, scores.distances), 1)
    ranked = np.lexsort((mean_distances, -person_scores))
    ranked = [person for person in ranked if np.isfinite(person_scores[person])]
    rows, columns = _best_median_worst(ranked, _COLUMNS)
    persons = [person for row in rows.values() for person in row]
    predicted = joints_in_skeleton(scores.predictions, scores.skeleton)[-1]
    return visualize.contact_sheet(
        [_person_picture(dataset[person], predicted[person]) for person in persons],
        [f"{person_scores[person]:.0f} %   {names[person]}" for person in persons],
        columns=columns,
        row_titles=list(rows),
        title=f"{_pose_title(scores)}\npredicted pose: orange = right, blue = left; "
        "true pose: broken white lines",
    )


def _pose_title(scores):
    return _title(scores, f"{scores.measure}@{scores.threshold:g} {scores.answer.total:.1f}")


# ------------------------------------------------------------------------------- poses in space


def plot_poses_3d(scores: DepthScores, dataset: Sequence[Sample]) -> Figure:
    """Contact sheet of the best, median and worst poses in space.

    Beside the picture of `plot_persons`, the last block's pose in space from the front and from the
    side, over the true one in grey. The title is the person's MPJPE and name.

    Args:
        scores: `DepthScores`.
        dataset: the data set that was scored.
    """
    predictions, skeleton = scores.predictions, scores.skeleton
    found, true, persons = poses_relative_to_root(predictions, dataset)
    found = found[-1]
    errors = np.linalg.norm(found - true, axis=-1)
    labelled = np.isfinite(errors)
    counts = labelled.sum(axis=1)
    errors = np.where(labelled, errors, 0).sum(axis=1) / np.maximum(counts, 1)
    ranked = [row for row in np.argsort(errors, kind="stable") if counts[row]]
    rows, columns = _best_median_worst(ranked, _COLUMNS_IN_SPACE)
    joints = joints_in_skeleton(predictions, skeleton)[-1]
    images, titles = [], []
    for row in (row for group in rows.values() for row in group):
        person = persons[row]
        picture = _person_picture(dataset[person], joints[person])
        views = visualize.draw_views(found[row], skeleton, true=true[row], size=_PICTURE_SIZE)
        images.append(np.concatenate([picture, views], axis=1))
        titles.append(f"{errors[row]:.0f} mm   {predictions.names[person]}")
    return visualize.contact_sheet(
        images,
        titles,
        columns=columns,
        row_titles=list(rows),
        title=f"{_title(scores, f'MPJPE {scores.blocks[-1].total:.0f} mm')}\n"
        "predicted pose: orange = right, blue = left; true pose: broken white lines, grey in space",
        size=5.0,
    )


# -------------------------------------------------------------------------------------- actions


def plot_confusion(scores: ActionScores | VideoScores) -> Figure:
    """Videos by true action and the last block's answer."""
    names = list(map(_in_words, scores.actions))
    return visualize.plot_confusion(scores.confusion, names, title=_action_title(scores))


def plot_action_scores(scores: ActionScores) -> Figure:
    """The last block's accuracy of each action as bars."""
    return visualize.plot_bars(
        list(map(_in_words, scores.actions)),
        np.array([scores.answer.per_group[action] for action in scores.actions]),
        title=_action_title(scores),
        ylabel="accuracy (%)",
        counts=scores.confusion.sum(axis=1),
        mean=scores.answer.total,
    )


def plot_videos(scores: ActionScores, dataset: Sequence[Video]) -> Figure:
    """Contact sheet of a frame of some videos with the last block's pose and answer.

    Args:
        scores: `ActionScores` of a network that predicts poses.
        dataset: the data set that was scored.
    """
    predictions, poses = scores.predictions, scores.predictions.poses
    shown = np.linspace(0, len(dataset) - 1, min(_NUM_VIDEOS, len(dataset))).astype(int)
    images, titles = [], []
    for number in shown:
        rows = np.flatnonzero(predictions.frames[:, 0] == number)
        row = rows[len(rows) // 2]
        image = load_image(dataset[number].frames[predictions.frames[row, 1]])
        images.append(
            visualize.draw_skeleton(
                image,
                poses.joints[-1, row],
                poses.skeleton,
                visibility=poses.visibility[-1, row],
            )
        )
        answer, label = predictions.scores[-1, number].argmax(), predictions.labels[number]
        names = [_in_words(scores.actions[index]) for index in (answer, label)]
        titles.append(names[0] if answer == label else f"{names[0]}\n(label: {names[1]})")
    title = f"{scores.data}: predicted pose and action"
    return visualize.contact_sheet(images, titles, columns=_COLUMNS, title=title, size=1.6)


def plot_video_sheet(scores: VideoScores) -> Figure:
    """Contact sheet of the middle frames of videos with pose, answer and score.

    Wrong answers are framed in red.
    """
    predictions, images, titles = scores.predictions, [], []
    for number, picture in predictions.pictures.items():
        probabilities, action = predictions.scores[number], predictions.videos[number].action
        answer = scores.actions[probabilities.argmax()]
        images.append(_framed(picture, _RIGHT if answer == action else _WRONG))
        title = f"{_in_words(answer)}, {100 * probabilities.max():.0f} %"
        titles.append(title if answer == action else f"{title}\n(label: {_in_words(action)})")
    shown = f", {len(images)} of {scores.num_scored} videos" * (len(images) < scores.num_scored)
    title = f"{_action_title(scores)}{shown}\npredicted pose and action; red: wrong"
    return visualize.contact_sheet(images, titles, columns=_SHEET_COLUMNS, title=title, size=1.8)


def plot_rejection(scores: VideoScores) -> Figure:
    """Known videos that are kept against those of none of the actions that are rejected."""
    rejection, point = scores.rejection, scores.rejection.working_point
    # From the highest threshold on. Of several that reject the same share, that one keeps most.
    rejected, first = np.unique(rejection.rejected[::-1], return_index=True)
    curves = {
        "kept": rejection.kept[::-1][first],
        "kept and right": rejection.kept_and_right[::-1][first],
    }
    ends = [] if rejected[-1] == 100 else [100.0]
    return visualize.plot_curves(
        {
            label: (np.append(rejected, ends), np.append(values, [0.0] * len(ends)))
            for label, values in curves.items()
        },
        title=f"{scores.data}: {point['rejected']:.1f} % of the others rejected,\n"
        f"{point['kept']:.1f} % of the known videos kept, whose best action scores "
        f"{point['least_score']:.3f} or more",
        xlabel="videos of none of the actions that are rejected (%)",
        ylabel="known videos (%)",
        marks=(point["rejected"],),
    )


def _framed(image, colour):
    """An image with a frame around it."""
    height, width = image.shape[:2]
    border = -(-max(height, width) // 50)
    framed = np.full((height + 2 * border, width + 2 * border, 3), colour, np.uint8)
    framed[border:-border, border:-border] = image
    return framed


def _action_title(scores):
    return _title(scores, f"accuracy {scores.answer.total:.1f} %")


# ---------------------------------------------------------------------------------------- parts


def _title(scores, result):
    title = f"{scores.data}: {result}"
    if scores.warning:
        title += f" (only {scores.num_scored} of {scores.num_in_split} {scores.items})"
    return title


def _in_words(name):
    return name.replace("_", " ")


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
    """What the network sees of a person, with the predicted and the true pose."""
    crop = crop_sample(sample, InputSpec(_PICTURE_SIZE, sample.skeleton))
    image = np.rint((crop.image + 1) * 127.5).clip(0, 255).astype(np.uint8)
    to_crop = warp_matrix(crop.affine, _PICTURE_SIZE)
    image = visualize.draw_skeleton(image, apply_affine(to_crop, predicted), sample.skeleton)
    return visualize.draw_skeleton(
        image,
        apply_affine(to_crop, sample.joints),
        sample.skeleton,
        colour=(255, 255, 255),
        width=1,
        dashed=True,
    )
