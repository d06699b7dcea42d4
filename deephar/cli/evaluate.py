"""Evaluation scripts: a data set, a score, and the flags that they have in common."""

import argparse
import json
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from deephar import weights
from deephar.cli.datasets import SYNTHETIC, open_ntu, open_penn
from deephar.cli.options import (
    STREAMS,
    DataOption,
    add_action_evaluation_arguments,
    add_evaluation_arguments,
)
from deephar.data.samples import limited
from deephar.data.sets.by_name import open_dataset
from deephar.errors import reporting_errors
from deephar.evaluation import evaluate_actions, evaluate_poses
from deephar.inference.actions import ActionProtocol, trained_subsampling
from deephar.models import config_from_json


@dataclass(frozen=True, kw_only=True)
class PoseEvaluation:
    """A script that evaluates poses on stills.

    Attributes:
        doc: docstring of the script.
        path: path of the script, for the command in results.json.
        kind: the data set, see `deephar.data.sets.by_name.open_dataset`.
        folder: its folder by default.
        split: its split by default.
        score: a score of `deephar.evaluation`, such as `score_mpii`.
        options: flags for options of the data set.
    """

    doc: str
    path: str
    kind: str
    folder: str
    split: str
    score: Callable
    options: tuple[DataOption, ...] = ()

    def main(self, argv: Sequence[str] | None = None) -> int:
        """Evaluates as the arguments say; returns the exit status (2 for a user's mistake)."""
        return reporting_errors(self._evaluate)(argv)

    def _evaluate(self, argv):
        argv = sys.argv[1:] if argv is None else argv
        parser = argparse.ArgumentParser(description=self.doc.splitlines()[0])
        _add_data_arguments(parser, self.folder, self.split)
        for option in self.options:
            option.add_to(parser)
        add_evaluation_arguments(parser, out=f"runs/eval_{self.kind}")
        args = parser.parse_args(argv)
        options = DataOption.given(self.options, args)
        dataset = open_dataset(self.kind, args.data, split=args.split, options=options)
        evaluate_poses(
            args.weights,
            limited(dataset, args.limit, "persons"),
            score=self.score,
            out=args.out,
            crops=args.crops,
            batch_size=args.batch_size,
            save_predictions_to=args.save_predictions,
            command=shlex.join(["python", self.path, *argv]),
        )


@dataclass(frozen=True, kw_only=True)
class ActionEvaluation:
    """A script that evaluates actions on videos.

    Attributes:
        doc: docstring of the script.
        path: path of the script, for the command in results.json.
        kind: ``"penn"``, with the flags for drawn frames and for the built-in data set, or
            ``"ntu"``.
        folder: folder of the data set by default.
        options: more flags of the data set.
    """

    doc: str
    path: str
    kind: str
    folder: str
    options: tuple[DataOption, ...] = ()

    def main(self, argv: Sequence[str] | None = None) -> int:
        """Evaluates as the arguments say; returns the exit status (2 for a user's mistake)."""
        return reporting_errors(self._evaluate)(argv)

    def _evaluate(self, argv):
        argv = sys.argv[1:] if argv is None else argv
        parser = argparse.ArgumentParser(description=self.doc.splitlines()[0])
        _add_data_arguments(parser, self.folder, "test", built_in=self.kind == "penn")
        for option in self.options:
            option.add_to(parser)
        add_action_evaluation_arguments(parser, out=f"runs/eval_{self.kind}")
        args = parser.parse_args(argv)
        head = SYNTHETIC if args.data == SYNTHETIC else self.kind
        name, actions = action_weights(args, head)
        dataset = open_ntu(args, name) if self.kind == "ntu" else open_penn(args, actions)
        subsampling = args.subsampling
        if subsampling is None:
            subsampling = trained_subsampling(weights.read_facts(weights.find(name)))
        evaluate_actions(
            name,
            limited(dataset, args.limit, "videos", spread=True),
            out=args.out,
            protocol=ActionProtocol(
                clips=args.clips,
                mirror=args.mirror,
                boxes=args.boxes,
                subsampling=subsampling,
                num_frames=args.frames,
            ),
            batch_size=args.batch_size,
            command=shlex.join(["python", self.path, *argv]),
        )


def _add_data_arguments(parser, folder, split, built_in=False):
    parser.add_argument(
        "--data",
        default=folder,
        metavar="FOLDER|synthetic" if built_in else "FOLDER",
        help=f"folder of the data set{', or the built-in data set' if built_in else ''} "
        "(%(default)s)",
    )
    parser.add_argument("--split", default=split, help="part of the data set (%(default)s)")
    if built_in:
        parser.add_argument("--drawn", action="store_true", help="draw the frames from the labels")


def action_weights(args: argparse.Namespace, head: str) -> tuple[str, Any]:
    """The weights that the arguments ask for.

    Args:
        args: of a parser with `add_action_evaluation_arguments`.
        head: name under which ``weights/index.json`` lists heads, to find default weights.

    Returns:
        Their name or path, and the names of the actions of their head (None if they do not tell,
        or have several heads).

    Raises:
        FileNotFoundError, ValueError: There are none, or they go by another stream, or take other
            poses, than the arguments say.
    """
    name = args.weights or _listed_weights(args, head)
    _check_streams(args, name)
    names = weights.read_facts(weights.find(name)).get("actions", {})
    return name, names.get(head, next(iter(names.values())) if len(names) == 1 else None)


def _listed_weights(args, head):
    """The first weights in the index that are there, have the head, and go by what is asked for."""
    entries = weights.index()
    for name, entry in entries.items():
        config = config_from_json(json.dumps(entry["config"]))
        if head not in config.actions or not (weights.weights_folder() / entry["file"]).is_file():
            continue
        if (config.stem == "none") != (args.poses == "labels"):
            continue
        if args.stream is None or set(config.streams) == set(STREAMS[args.stream]):
            return name
    raise FileNotFoundError(
        f"{weights.weights_folder() / 'index.json'} lists no weights for {head!r} with --poses "
        f"{args.poses}{f' --stream {args.stream}' if args.stream else ''} (entries: "
        f"{', '.join(sorted(entries)) or 'none yet'}). Give --weights."
    )


def _check_streams(args, name):
    config = weights.read_config(weights.find(name))
    if not config.actions:
        raise ValueError(f"{name}: These weights predict poses only, no actions.")
    if (config.stem == "none") != (args.poses == "labels"):
        theirs = "labels" if config.stem == "none" else "predicted"
        raise ValueError(f"{name}: These weights go with --poses {theirs}.")
    if args.stream and set(config.streams) != set(STREAMS[args.stream]):
        raise ValueError(
            f"{name}: These weights go by {' and '.join(config.streams)}, not by the stream "
            f"{args.stream!r}. Give other --weights, or leave --stream out."
        )
