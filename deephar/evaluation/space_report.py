"""What an evaluation in space leaves behind: a printed table, results.json, a sheet of poses."""

from deephar import weights
from deephar.evaluation.figures import (
    crops_in_words,
    data_results,
    depth_summary,
    limited,
    origin,
    percent,
    person_warning,
    plot_poses_3d,
    predict_and_save,
    prepared_folder,
    require_usable,
    table_lines,
    write_json,
)
from deephar.evaluation.pose import score_mpjpe
from deephar.files import replacing
from deephar.skeletons import get_skeleton


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


def format_space(scores):
    """Errors in space as text: a row a prediction block, a row an action, then the answer.

    Args:
        scores: `DepthScores`.
    """
    crops = crops_in_words(scores.views)
    lines = [f"{scores.data}, {crops}, mm, protocol {scores.protocol} ({scores.measure})"]
    if warning := person_warning(scores):
        lines.append(warning)
    rows = []
    blocks = zip(scores.blocks, scores.aligned, strict=True)
    for number, pair in enumerate(blocks, start=1):
        name = f"{number} (answer)" if number == len(scores.blocks) else str(number)
        rows.append([name, *(percent(score.total) for score in pair)])
    lines += table_lines(["block", "MPJPE", "P-MPJPE"], rows)
    if scores.actions:
        rows = [
            [name, str(_persons(pair[0])), *(percent(score.total) for score in pair)]
            for name, pair in scores.actions.items()
        ]
        rows.append(["mean of the actions", "", *map(percent, scores.mean_of_actions)])
        lines += table_lines(["action, of the answer", "persons", "MPJPE", "P-MPJPE"], rows)
    return "\n".join([*lines, depth_summary(scores)])


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
            name: {"persons": _persons(one), "mpjpe": _total(one), "p_mpjpe": _total(two)}
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


def _persons(score):
    """Number of persons that a score rests on."""
    return int(score.counts.max())
