"""Evaluation as the arguments of a script say."""

import json
import shlex


def evaluate_network(args, dataset, score, command):
    """Evaluates the weights that the arguments ask for on a data set.

    Args:
        args: of a parser with ``add_evaluation_arguments``.
        dataset: the data set.
        score: ``score_mpii`` or another score of ``deephar.evaluation``.
        command: the command line as a list, kept in results.json.
    """
    from deephar.data.samples import limited
    from deephar.evaluation import evaluate_poses

    evaluate_poses(
        args.weights,
        limited(dataset, args.limit, "persons"),
        score=score,
        out=args.out,
        crops=args.crops,
        batch_size=args.batch_size,
        save_predictions_to=args.save_predictions,
        command=shlex.join(["python", *command]),
    )


_STREAMS = {"fused": {"pose", "appearance"}, "pose": {"pose"}, "appearance": {"appearance"}}


def action_weights(args, head):
    """The weights that the arguments ask for.

    Args:
        args: of a parser with ``add_action_evaluation_arguments``.
        head: name under which ``weights/index.json`` lists heads, to find default weights.

    Returns:
        Their name or path, and the names of the actions of their head (None if they do not tell,
        or have several heads).

    Raises:
        FileNotFoundError, ValueError: there are none, or they go by another stream, or take other
            poses, than the arguments say.
    """
    from deephar import weights

    name = args.weights or _listed_weights(args, head)
    _check_streams(args, name)
    names = weights.read_facts(weights.find(name)).get("actions", {})
    return name, names.get(head, next(iter(names.values())) if len(names) == 1 else None)


def evaluate_action_network(args, name, dataset, command):
    """Evaluates an action network on a video data set.

    Args:
        args: of a parser with ``add_action_evaluation_arguments``.
        name: name or path of the weights, from ``action_weights``.
        dataset: the video data set.
        command: the command line as a list, kept in results.json.

    Raises:
        FileNotFoundError, ValueError: as ``evaluate_actions``.
    """
    from deephar import weights
    from deephar.data.samples import limited
    from deephar.evaluation import evaluate_actions
    from deephar.inference.actions import ActionProtocol, trained_subsampling

    subsampling = args.subsampling
    if subsampling is None:
        subsampling = trained_subsampling(weights.read_facts(weights.find(name)))
    evaluate_actions(
        name,
        limited(dataset, args.limit, "videos", spread=True),
        out=args.out,
        protocol=ActionProtocol(args.clips, args.mirror, args.boxes, subsampling, args.frames),
        batch_size=args.batch_size,
        command=shlex.join(["python", *command]),
    )


def _listed_weights(args, head):
    """The first weights in the index that are there, have the head, and go by what is asked for."""
    from deephar import weights
    from deephar.models import config_from_json

    entries = weights.index()
    for name, entry in entries.items():
        config = config_from_json(json.dumps(entry["config"]))
        if head not in config.actions or not (weights.weights_folder() / entry["file"]).is_file():
            continue
        if (config.stem == "none") != (args.poses == "labels"):
            continue
        if args.stream is None or set(config.streams) == _STREAMS[args.stream]:
            return name
    raise FileNotFoundError(
        f"{weights.weights_folder() / 'index.json'} lists no weights for {head!r} with --poses "
        f"{args.poses}{f' --stream {args.stream}' if args.stream else ''} (entries: "
        f"{', '.join(sorted(entries)) or 'none yet'}); give --weights"
    )


def _check_streams(args, name):
    from deephar import weights

    config = weights.read_config(weights.find(name))
    if not config.actions:
        raise ValueError(f"{name}: these weights predict poses only, no actions")
    if (config.stem == "none") != (args.poses == "labels"):
        theirs = "labels" if config.stem == "none" else "predicted"
        raise ValueError(f"{name}: these weights go with --poses {theirs}")
    if args.stream and set(config.streams) != _STREAMS[args.stream]:
        raise ValueError(
            f"{name}: these weights go by {' and '.join(config.streams)}, not by the stream "
            f"{args.stream!r}; give other --weights, or leave --stream out"
        )
