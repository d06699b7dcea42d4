"""What an evaluation leaves behind: a printed table, results.json, predictions and figures."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import json
import math
import sys
from pathlib import Path

import h5py
import numpy as np

from deephar import __version__, visualize, weights
from deephar.data.images import crop_sample
from deephar.data.samples import Subset
from deephar.evaluation.pose import (
    depth_mm,
    in_skeleton,
    in_space,
    poses_in_space,
    predict_poses,
    require_joints,
    score_mpjpe,
)
from deephar.files import replacing, sha256, writing_h5
from deephar.geometry import apply_affine, warp_matrix
from deephar.inference.network import require_images
from deephar.skeletons import convert, get_skeleton


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
        model, config, dataset, crops, batch_size, progress=sys.stdout.isatty()
    )
    return predictions, [] if path is None else [save_predictions(path, predictions, dataset)]


def _has_space(dataset):
    return any(in_space(dataset[i]) for i in range(len(dataset)))


def limited(dataset, limit, what, spread=False):
    """A part of a data set, or all of it.

    Args:
        dataset: the data set.
        limit: number of items; None for all.
        what: what they are called, in the plural.
        spread: whether to spread them evenly, rather than take the first ones.

    Raises:
        ValueError: the limit is not positive.
    """
    if limit is None:
        return dataset
    if limit < 1:
        raise ValueError(f"the number of {what} must be at least 1, and is {limit}")
    limit = min(limit, len(dataset))
    return Subset(dataset, np.arange(limit) * len(dataset) // limit if spread else range(limit))


# ----------------------------------------------------------------------------------------- table


def print_table(scores):
    """Prints `format_table`."""
    print(format_table(scores))


def format_table(scores):
    """Scores as text: one row a prediction block, one column a joint group, then the answer.

    Args:
        scores: `PoseScores`.
    """
    header = [
        "block",
        *scores.answer.per_group,
        "Total",
        f"Total@{scores.strict_threshold:g}",
        "AUC",
    ]
    rows = []
    blocks = zip(scores.blocks, scores.strict, scores.curves, strict=True)
    for number, (block, strict, curve) in enumerate(blocks, start=1):
        values = [*block.per_group.values(), block.total, strict.total, curve.auc]
        name = f"{number} (answer)" if number == len(scores.blocks) else str(number)
        rows.append([name, *map(percent, values)])
    return "\n".join([_title(scores), *table_lines(header, rows), summary(scores)])


def percent(value):
    """A number as it is written in tables, with one digit; "-" if there is none (NaN)."""
    return "-" if np.isnan(value) else f"{value:.1f}"


def table_lines(header, rows):
    """Lines of a table of texts: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
        for row in [header, *rows]
    ]
    rule = "-" * len(lines[0])
    return [rule, lines[0], rule, *lines[1:], rule]


def summary(scores, what="persons"):
    """The reported score in one line.

    Args:
        scores: `PoseScores`.
        what: what was scored, in the plural.
    """
    answer, curve = scores.answer, scores.curves[-1]
    return (
        f"{scores.measure}@{scores.threshold:g} {answer.total:.1f}{interval_text(answer)}, "
        f"{scores.measure}@{scores.strict_threshold:g} {scores.strict[-1].total:.1f}, "
        f"AUC 0..{curve.thresholds[-1]:g} {curve.auc:.1f} "
        f"({scores.persons} {what}, {answer.count} joints)"
    )


def depth_summary(depth, what="persons"):
    """The error in space in one line.

    Args:
        depth: `DepthScores`.
        what: what was scored, in the plural.
    """
    return (
        f"MPJPE {depth.blocks[-1].total:.1f} mm{interval_text(depth.blocks[-1])}, aligned "
        f"(P-MPJPE) {depth.aligned[-1].total:.1f} mm{interval_text(depth.aligned[-1])} "
        f"({depth.persons} {what}, {depth.answer.count} joints, "
        "the root's error of 0 included)"
    )


def _title(scores):
    crops = crops_in_words(scores.views)
    title = f"{scores.data}, {crops}, {scores.measure}@{scores.threshold:g} in percent"
    return f"{title}\n{warning}" if (warning := person_warning(scores)) else title


def crops_in_words(views):
    """What `Predictions.views` stands for, for the title of a table."""
    words = {1: "single crop", 2: "crop and its mirror image"}
    return words.get(views) or f"multi crop ({views} views a person)"


def person_warning(scores):
    """Says that `PoseScores` or `DepthScores` are of a part of the split; else an empty string."""
    return part_warning(scores.persons, scores.persons_in_split, "persons")


def part_warning(number, total, what):
    """A line that says that not all were scored; "" if they were."""
    if number == total:
        return ""
    return f"ONLY {number} OF {total} {what.upper()}: this is not the score of the whole split"


def interval_text(score):
    """The 95 % interval of a `deephar.metrics.Score` in brackets; "" if it has none."""
    if score.interval is None:
        return ""
    return " (95 % interval {:.1f} to {:.1f})".format(*score.interval)


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
        "weights": {"file": Path(weights_file).name, "sha256": sha256(weights_file)},
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


# ----------------------------------------------------------------------------------- predictions

# What the published annotation of a data set calls the centre of the top left pixel. Predictions
# are saved like the annotation, so that an evaluation program may compare the two as they are.
_PIXEL_ORIGIN = {"mpii16": 1, "lsp14": 0, "penn13": 1}


def save_predictions(path, predictions, dataset):
    """Writes the last block's predictions in the form that public evaluation programs read.

    One row a person, in the order of the data set (of its annotation file):

    - ``preds`` (N, J, 2), float64: x and y in pixels of the original image, joints in the order of
      the data set (MPII: 16, LSP: 14), in the convention of its published annotation: for MPII the
      top left pixel is (1, 1), for LSP (0, 0). MATLAB shows an HDF5 array of this shape as
      2 x J x N.
    - ``pred``, for LSP only: the same, 2 x J x N in MATLAB.
    - ``visibility`` (N, J): what the network gives, in [0, 1].
    - ``depth`` (N, J), of a 3D network only: mm behind the root.
    - ``imgname`` (N): file names of the images; ``names`` (N): of the persons.
    - attributes of the file: ``dataset``, ``skeleton``, ``joints``, ``pixel_origin``.

    ``preds`` in this shape and convention is what pose-hg-demo (A. Newell) writes and what
    eval-mpii-pose (A. Nibali) reads, as ``.h5``. pytorch-pose (W. Yang) and the code of HRNet and
    simple-baselines (B. Xiao) read the same key from a MATLAB file: give a path that ends in
    ``.mat``. eval_pose (W. Yang), for LSP, reads ``pred`` from a MATLAB file. They all go by row:
    they need every person of the split, in the order of their own copy of the annotation.

    Args:
        path: file to write, ``.h5`` or ``.mat``.
        predictions: `Predictions`.
        dataset: the data set they were made for.

    Returns:
        The path.

    Raises:
        ValueError: another suffix, or a skeleton that lacks joints of the data set.
        OSError: the file cannot be written.
    """
    _check_suffix(path)
    samples = [dataset[i] for i in range(len(dataset))]
    skeleton = get_skeleton(samples[0].skeleton)
    origin = _PIXEL_ORIGIN.get(skeleton.name, 0)
    visibility = convert(predictions.visibility[-1, ..., None], predictions.skeleton, skeleton)
    arrays = {
        "preds": in_skeleton(predictions, skeleton.name)[-1] + origin,
        "visibility": visibility[..., 0],
        "imgname": [_image_name(sample) for sample in samples],
        "names": list(predictions.names),
    }
    if predictions.depth is not None:
        depth = convert(predictions.depth[-1, ..., None], predictions.skeleton, skeleton)
        arrays["depth"] = depth_mm(depth[..., 0])
    if skeleton.name == "lsp14":
        arrays["pred"] = arrays["preds"]
    attributes = {
        "dataset": dataset.name,
        "skeleton": skeleton.name,
        "joints": list(skeleton.joints),
        "pixel_origin": origin,
    }
    if Path(path).suffix == ".mat":
        _write_mat(path, arrays | attributes)
    else:
        with writing_h5(path) as file:
            for key, array in arrays.items():
                file[key] = array
            file.attrs.update(attributes)
    return Path(path)


def _write_mat(path, arrays):
    from scipy.io import savemat  # late: slow to import, seldom needed

    # MATLAB's form of a list of texts is a cell array, which SciPy makes of an array of objects.
    arrays |= {key: np.array(v, object) for key, v in arrays.items() if isinstance(v, list)}
    if "pred" in arrays:
        arrays["pred"] = arrays["pred"].T
    with replacing(path) as part:
        savemat(part, arrays)


def check_predictions_path(path):
    """Checks that predictions can be saved there before they are made.

    Raises:
        ValueError: another suffix than ``.h5`` or ``.mat``, or the path of another file.
    """
    _check_suffix(path)
    _check_not_in_the_way(path)


def _check_suffix(path):
    if Path(path).suffix not in (".h5", ".mat"):
        raise ValueError(f"{path}: predictions are saved as .h5 or .mat; give such a path")


def _check_not_in_the_way(path):
    """Raises rather than let predictions take the place of another file, such as the weights."""
    if Path(path).suffix != ".h5" or not Path(path).is_file():
        return
    if h5py.is_hdf5(path):
        with h5py.File(path, "r") as file:
            if "preds" in file:
                return
    raise ValueError(f"{path}: exists, and holds no predictions; give another path")


def _image_name(sample):
    return sample.name if isinstance(sample.image, np.ndarray) else Path(sample.image).name


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
        views = visualize.draw_views(found[row], depth.skeleton, true[row], size=_SHEET_IMAGE)
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
    crop = crop_sample(sample, _SHEET_IMAGE, sample.skeleton)
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
