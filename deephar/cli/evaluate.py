"""Evaluation scripts: a data set, a score, and common flags."""

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
    add_data_argument,
    add_evaluation_arguments,
    add_split_argument,
    add_video_evaluation_arguments,
    script_parser,
)
from deephar.data.samples import OTHER, limited
from deephar.data.sets.by_name import open_dataset
from deephar.data.sets.folder import VideoFolder
from deephar.errors import reporting_errors
from deephar.evaluation import (
    evaluate_actions,
    evaluate_poses,
    evaluate_presence,
    evaluate_videos,
)
from deephar.inference.actions import ActionProtocol, takes_labels, trained_spacing
from deephar.inference.network import takes_poses
from deephar.models import config_from_json


@dataclass(frozen=True, kw_only=True)
class _Evaluation:
    """An evaluation script.

    Attributes:
        doc: docstring of the script.
        path: path of the script, for the command in results.json.
        kind: the data set, see `deephar.data.sets.by_name.open_dataset`.
        options: flags for options of the data set.
    """

    doc: str
    path: str
    kind: str
    options: tuple[DataOption, ...] = ()

    def main(self, argv: Sequence[str] | None = None) -> int:
        """Runs the script; returns the exit status (2 for a user's mistake)."""
        return reporting_errors(self._run)(argv)

    def _run(self, argv):
        argv = sys.argv[1:] if argv is None else argv
        parser = script_parser(self.doc)
        self._add_arguments(parser)
        for option in self.options:
            option.add_to(parser)
        return self._evaluate(parser.parse_args(argv), shlex.join(["python", self.path, *argv]))


@dataclass(frozen=True, kw_only=True)
class PoseEvaluation(_Evaluation):
    """A script that evaluates poses on stills.

    Attributes:
        doc: docstring of the script.
        path: path of the script, for the command in results.json.
        kind: the data set, see `deephar.data.sets.by_name.open_dataset`.
        folder: default folder of the data set.
        options: flags for options of the data set.
        split: default split.
        score: a score of `deephar.evaluation`, such as `score_mpii`.
        presence: whether to have ``--presence``.
    """

    folder: str
    split: str
    score: Callable
    presence: bool = False

    def _add_arguments(self, parser):
        add_data_argument(parser, self.folder)
        add_split_argument(parser, self.split)
        add_evaluation_arguments(parser, out=f"runs/eval_{self.kind}")
        if self.presence:
            parser.add_argument(
                "--presence",
                action="store_true",
                help="score whether somebody is seen, on held-out training persons",
            )

    def _evaluate(self, args, command):
        options = DataOption.given(self.options, args)
        if getattr(args, "presence", False):
            dataset = open_dataset(self.kind, args.data, split="train", options=options)
            chosen = {"runtime": args.runtime, "precision": args.precision}
            evaluate_presence(args.weights, dataset, **chosen)
            return
        dataset = open_dataset(self.kind, args.data, split=args.split, options=options)
        evaluate_poses(
            args.weights,
            limited(dataset, args.limit, "persons"),
            score=self.score,
            out=args.out,
            crops=args.crops,
            batch_size=args.batch_size,
            runtime=args.runtime,
            precision=args.precision,
            save_predictions_to=args.save_predictions,
            command=command,
        )


@dataclass(frozen=True, kw_only=True)
class ActionEvaluation(_Evaluation):
    """A script that evaluates actions on videos.

    Attributes:
        doc: docstring of the script.
        path: path of the script, for the command in results.json.
        kind: ``"ntu"``, or ``"penn"``, which adds the built-in data set and drawn frames.
        folder: default folder of the data set.
        options: flags for options of the data set.
    """

    folder: str

    def _add_arguments(self, parser):
        add_data_argument(parser, self.folder, has_drawn=self.kind == "penn")
        add_split_argument(parser, "test")
        add_action_evaluation_arguments(parser, out=f"runs/eval_{self.kind}")

    def _evaluate(self, args, command):
        name, actions = action_weights(args, SYNTHETIC if args.data == SYNTHETIC else self.kind)
        dataset = open_ntu(args, name) if self.kind == "ntu" else open_penn(args, actions)
        spacing = {"subsampling": args.subsampling}
        if args.subsampling is None:
            spacing = trained_spacing(weights.read_facts(name))
        evaluate_actions(
            name,
            limited(dataset, args.limit, "videos", spread=True),
            out=args.out,
            protocol=ActionProtocol(
                clips=args.clips,
                mirror=args.mirror,
                boxes=args.boxes,
                num_frames=args.frames,
                poses=args.poses,
                **spacing,
            ),
            batch_size=args.batch_size,
            runtime=args.runtime,
            precision=args.precision,
            command=command,
        )


@dataclass(frozen=True, kw_only=True)
class VideoEvaluation(_Evaluation):
    """A script that evaluates actions on a folder of labelled videos.

    Its exit status is 1 if some of them could not be read.

    Attributes:
        doc: docstring of the script.
        path: path of the script, for the command in results.json.
        kind: what the videos are called, for the default output folder.
        options: none.
    """

    def _add_arguments(self, parser):
        add_video_evaluation_arguments(parser, out=f"runs/eval_{self.kind}")

    def _evaluate(self, args, command):
        scores = evaluate_videos(
            args.weights,
            limited(VideoFolder(args.data), args.limit, "videos", spread=True),
            out=args.out,
            head=args.head,
            runtime=args.runtime,
            precision=args.precision,
            command=command,
        )
        return 1 if scores.predictions.unreadable else 0


def action_weights(args: argparse.Namespace, head: str) -> tuple[str, Any]:
    """Finds the weights to evaluate.

    Args:
        args: arguments of `add_action_evaluation_arguments`.
        head: name of the action head, to find default weights in ``weights/index.json``.

    Returns:
        Name or path of the weights, and the names of their actions without `OTHER`. These are None
        if unknown, or if the weights have several other heads.

    Raises:
        FileNotFoundError, ValueError: There are no such weights, or they predict actions from
            other streams or poses than the arguments ask for.
    """
    name = args.weights or _default_weights(args, head)
    _check_streams(args, name)
    names = weights.read_facts(name).get("actions", {})
    if head not in names and len(names) != 1:
        return name, None
    actions = names[head] if head in names else next(iter(names.values()))
    return name, actions[:-1] if actions[-1:] == [OTHER] else actions


def _default_weights(args, head):
    """The listed weights with the head, the streams and the kind of poses, whose file is there.

    Of several, those made for this kind of poses come first, then the default of the index.
    """
    entries, fitting = weights.index(), {}
    for name, entry in entries.items():
        config = config_from_json(json.dumps(entry["config"]))
        if (
            head in config.actions
            and weights.is_available(entry)
            and args.poses in _poses_of(config)
            and (args.stream is None or set(config.streams) == set(STREAMS[args.stream]))
        ):
            fitting[name] = (_poses_of(config)[0] != args.poses, not entry.get("default"))
    if fitting:
        return min(fitting, key=fitting.get)
    raise FileNotFoundError(
        f"{weights.weights_folder() / 'index.json'} lists no weights for {head!r} with --poses "
        f"{args.poses}{f' --stream {args.stream}' if args.stream else ''} (entries: "
        f"{', '.join(sorted(entries)) or 'none yet'}). Give --weights."
    )


def _check_streams(args, name):
    config = weights.read_config(name)
    if not config.actions:
        raise ValueError(
            f"{name}: These weights predict poses only, no actions. Give other --weights."
        )
    if args.poses not in _poses_of(config):
        raise ValueError(f"{name}: These weights go with --poses {_poses_of(config)[0]}.")
    if args.stream and set(config.streams) != set(STREAMS[args.stream]):
        raise ValueError(
            f"{name}: These weights predict actions from {' and '.join(config.streams)}, not from "
            f"the stream {args.stream!r}. Give other --weights, or leave --stream out."
        )


def _poses_of(config):
    """The values of ``--poses`` for a network, the usual one first."""
    if takes_poses(config):
        return ("labels",)
    return ("predicted", "labels") if takes_labels(config) else ("predicted",)
