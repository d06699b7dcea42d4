"""Whole evaluations of a weights file: predict, score, print, write."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from deephar import weights
from deephar.data.samples import limited, whole_of
from deephar.evaluation.action import score_actions
from deephar.evaluation.figures import plot_poses_3d, save_action_figures, save_figures
from deephar.evaluation.pose import in_space, score_mpjpe
from deephar.evaluation.results import (
    write_action_results,
    write_results,
    write_space_results,
    write_videos,
)
from deephar.evaluation.saved import check_predictions_path, save_predictions
from deephar.evaluation.tables import (
    depth_summary,
    format_actions,
    format_space,
    print_table,
)
from deephar.files import replacing
from deephar.inference.actions import (
    ActionProtocol,
    find_head,
    predict_actions,
    trained_subsampling,
)
from deephar.inference.network import require_images, require_joints
from deephar.inference.poses import predict_poses


def evaluate_and_report(
    dataset,
    score,
    weights_name,
    folder,
    *,
    crops="single",
    batch_size=16,
    limit=None,
    save_predictions_to=None,
    command="",
):
    """The whole evaluation of a weights file on stills: predicts, scores, prints, writes.

    Where the network gives depth and the data set has 3D labels, the MPJPE comes along. Writes
    results.json, curve.png, joints.png and persons.png into `folder`; with the MPJPE, also
    poses_3d.png.

    Args:
        dataset: the data set.
        score: `score_mpii`, `score_lsp`, `score_penn` or `score_pckh` of `deephar.evaluation`.
        weights_name: a name in weights/index.json, or the path of a weights file.
        folder: where the files go; made if missing.
        crops: see `predict_poses`.
        batch_size: see `predict_poses`.
        limit: only the first so many persons; the score is then of this part, and says so.
        save_predictions_to: optional path, see `save_predictions`.
        command: the command line, kept in results.json.

    Returns:
        The `PoseScores`; None for persons without joint labels, which are only predicted.

    Raises:
        FileNotFoundError: a file is missing.
        OSError: the folder cannot be made, or a file cannot be written.
        ValueError: something cannot be used; the message says what.
    """
    # What can fail for a user's mistake comes before the long part.
    folder = prepared_folder(folder, save_predictions_to)
    dataset = limited(dataset, limit, "persons")
    has_truth = any(np.isfinite(dataset[i].joints).any() for i in range(len(dataset)))
    if not has_truth and save_predictions_to is None:
        raise ValueError(
            f"{dataset!r} has no joint labels, so there is nothing to score; to predict it for "
            "others to score, say where to save the predictions"
        )
    model, config = weights.load_model(weights_name)
    require_usable(config, weights_name, dataset)

    predictions, written = predict_and_save(
        model, config, dataset, crops, batch_size, save_predictions_to
    )
    scores = None
    if has_truth:
        scores = score(predictions, dataset)
        depth = None
        if predictions.depth is not None and _has_space(dataset):
            depth = score_mpjpe(predictions, dataset)
        results = folder / "results.json"
        file = weights.find(weights_name)
        written.append(write_results(results, scores, config, file, command, depth))
        scores = dataclasses.replace(scores, depth=depth)
        written += save_figures(folder, scores, predictions, dataset)
        print_table(scores)
        if depth is not None:
            print(depth_summary(depth))
    print("\nwrote", *written, sep="\n  ")
    return scores


def require_usable(config, weights_name, dataset):
    """Checks that poses of a network can be scored on a data set of stills.

    Args:
        config: the network's config.
        weights_name: of its weights, for the message.
        dataset: the data set.

    Raises:
        ValueError: the network sees no images, or its skeleton lacks joints of the data set.
    """
    require_images(config, weights_name)
    try:
        require_joints(config.skeleton, dataset.skeleton)
    except ValueError as error:
        raise ValueError(f"{weights_name}: {error}") from None


def prepared_folder(folder, save_predictions_to):
    """Makes the folder of an evaluation; sees that predictions can be saved where they are to be.

    Args:
        folder: where the files go.
        save_predictions_to: path of the predictions, or None.

    Returns:
        The folder, a ``Path``.

    Raises:
        OSError: it cannot be made.
        ValueError: as `check_predictions_path`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if save_predictions_to is not None:
        check_predictions_path(save_predictions_to)
    return folder


def predict_and_save(model, config, dataset, crops, batch_size, path):
    """Predicts the poses of a data set, with a bar on a terminal, and saves them if asked to.

    Args:
        model, config, dataset, crops, batch_size: see `predict_poses`.
        path: see `save_predictions`; None to save nothing.

    Returns:
        The `Predictions`, and a list of the paths written.
    """
    print(dataset)
    predictions = predict_poses(
        model, config, dataset, crops=crops, batch_size=batch_size, progress=True
    )
    return predictions, [] if path is None else [save_predictions(path, predictions, dataset)]


def _has_space(dataset):
    return any(in_space(dataset[i]) for i in range(len(dataset)))


def evaluate_in_space(
    dataset,
    weights_name,
    folder,
    *,
    crops="single",
    batch_size=16,
    limit=None,
    save_predictions_to=None,
    command="",
):
    """The whole evaluation of a 3D network on stills in space: predicts, scores, prints, writes.

    Writes results.json and poses_3d.png into `folder`.

    Args:
        dataset: the data set, such as `deephar.data.Human36M`.
        weights_name: a name in weights/index.json, or the path of a weights file.
        folder: where the files go; made if missing.
        crops: see `predict_poses`.
        batch_size: see `predict_poses`.
        limit: only the first so many persons; the score is then of this part, and says so.
        save_predictions_to: optional path, see `save_predictions`.
        command: the command line, kept in results.json.

    Returns:
        The `DepthScores`.

    Raises:
        FileNotFoundError: a file is missing.
        OSError: the folder cannot be made, or a file cannot be written.
        ValueError: something cannot be used; the message says what.
    """
    # What can fail for a user's mistake comes before the long part.
    folder = prepared_folder(folder, save_predictions_to)
    dataset = limited(dataset, limit, "persons")
    model, config = weights.load_model(weights_name)
    require_usable(config, weights_name, dataset)
    if config.dim != 3:
        raise ValueError(f"{weights_name}: a network of 2D poses; its error in space is unknown")

    predictions, written = predict_and_save(
        model, config, dataset, crops, batch_size, save_predictions_to
    )
    scores = score_mpjpe(predictions, dataset)
    file = weights.find(weights_name)
    written.append(write_space_results(folder / "results.json", scores, config, file, command))
    written.append(folder / "poses_3d.png")
    with replacing(written[-1]) as part:
        plot_poses_3d(scores, predictions, dataset).savefig(part)
    print(format_space(scores))
    print("\nwrote", *written, sep="\n  ")
    return scores


def evaluate_actions(
    dataset,
    weights_name,
    folder,
    head=None,
    *,
    subsampling=None,
    batch_size=4,
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
        subsampling: see `ActionProtocol`; by default what the weights say they were trained with
            (the fact ``subsampling``; the middle one of several), else 1.
        batch_size: clips a call of the model.
        limit: only so many videos, spread over the data set; the score is then of this part, and
            says so.
        command: the command line, kept in results.json.
        **options: `clips`, `mirror`, `boxes` and `num_frames` of `ActionProtocol`.

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
    head = find_head(config, dataset, head=head)
    facts = weights.read_facts(file)
    check_action_names(facts, head, dataset, file)
    if config.stem != "none":
        require_joints(config.skeleton, dataset.skeleton)
    model, config = weights.load_model(weights_name)

    if subsampling is None:
        subsampling = trained_subsampling(facts)
    print(dataset)
    predictions = predict_actions(
        model,
        config,
        dataset,
        head=head,
        protocol=ActionProtocol(subsampling=subsampling, **options),
        batch_size=batch_size,
        progress=True,
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
