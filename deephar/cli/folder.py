"""Training scripts for folders of videos: a recipe, and flags that override its fields."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

from deephar import weights
from deephar.cli.options import (
    STREAMS,
    add_devices_argument,
    add_runtime_arguments,
    by_stage,
    parse_folder,
    parse_seed,
    script_parser,
)
from deephar.data import VideoFolder
from deephar.errors import reporting_errors
from deephar.inference.media import is_pose_file
from deephar.models import ModelConfig
from deephar.models.config import HEAD_FIELDS
from deephar.training import Recipe, Source, train_folder
from deephar.training.devices import is_first

HEADS = ("readout", "start", "new")
"""What learns: linear readouts of the heads of the weights, these heads, or new ones."""

_IN_EPOCHS = ("heads", "finetune")  # what learns in epochs, unless the heads are readouts


@dataclass(frozen=True, kw_only=True)
class FolderTraining:
    """A script that trains action heads for the videos of a folder.

    Attributes:
        doc: docstring of the script.
        path: path of the script, for the command in results.json.
        recipe: the recipe to train. Its second stage trains the whole network, if that is wanted.
    """

    doc: str
    path: str
    recipe: Recipe

    def main(self, argv: Sequence[str] | None = None) -> int:
        """Trains by the arguments; returns the exit status (2 for a user's mistake)."""
        return reporting_errors(self._run)(argv)

    def _run(self, argv):
        argv = sys.argv[1:] if argv is None else list(argv)
        args = self.parser().parse_args(argv)
        result = train_folder(
            self.recipe_of(args),
            args.out,
            folds=args.folds,
            runtime=args.runtime,
            precision=args.precision,
            devices=args.devices,
            command=shlex.join(["python", self.path, *map(str, argv)]),
        )
        if is_first():
            print(f"best weights: {result.weights}")
            print(f"try them: deephar demo VIDEO --weights {result.weights}")

    def parser(self) -> argparse.ArgumentParser:
        """The parser of the script's arguments."""
        stage = self.recipe.stages[0]
        parser = script_parser(self.doc)
        add = parser.add_argument
        add(
            "--data",
            required=True,
            metavar="FOLDER",
            help="a folder of videos for each action, or a clips.csv (needed)",
        )
        add("--out", required=True, type=parse_folder, help="run folder to write (needed)")
        add(
            "--weights",
            default=stage.start[0],
            help="pose network, which stays as it is (%(default)s)",
        )
        add(
            "--heads",
            choices=HEADS,
            metavar="HEADS",
            help="readout of those of --weights, start from them, or new (readout if possible)",
        )
        add(
            "--stream",
            choices=STREAMS,
            metavar="NAME",
            help="what actions are told from: pose, appearance or fused (fused if possible)",
        )
        add(
            "--folds",
            type=int,
            default=5,
            metavar="N",
            help="parts for cross-validation; 0: only held-out videos (%(default)s)",
        )
        epochs = stage.training.epochs
        add("--epochs", type=int, metavar="N", help=f"epochs of heads start or new ({epochs})")
        add(
            "--finetune",
            type=int,
            default=0,
            metavar="EPOCHS",
            help="then train the whole network on the frames, on a GPU (%(default)s epochs)",
        )
        sizes = [each.shares[self.recipe.main] for each in self.recipe.stages]
        defaults = ",".join(f"{name}={size}" for name, size in zip(_IN_EPOCHS, sizes, strict=True))
        add(
            "--batch",
            type=by_stage(_IN_EPOCHS),
            default={},
            metavar="N",
            help=f"videos per batch of what learns in epochs ({defaults})",
        )
        seed = self.recipe.seed
        add("--seed", type=parse_seed, default=seed, metavar="N", help="seed (%(default)s)")
        add_devices_argument(parser)
        add_runtime_arguments(parser, default="auto")
        return parser

    def recipe_of(self, args: argparse.Namespace) -> Recipe:
        """The script's recipe, with the fields that the arguments override.

        Raises:
            FileNotFoundError, ValueError: The weights are missing, or cannot be used.
        """
        stage, finetuning = self.recipe.stages
        network, has_heads = _network(self.recipe.network, args.weights, args.heads)
        stage = replace(
            _with_epochs(stage, args.epochs),
            start=(str(args.weights),),
            heads=has_heads,
            streams=STREAMS[args.stream or _stream_for(network, args.data)],
        )
        stages = {"heads": stage}
        if args.finetune:
            stages["finetune"] = _with_epochs(finetuning, args.finetune)
        in_epochs = set(stages) - ({"heads"} if network.readout_of else set())
        if args.epochs is not None and network.readout_of:
            raise ValueError(
                "--epochs is for heads that learn in epochs, and a readout is solved at once. "
                "Leave it out, or add --heads start or new."
            )
        if args.batch and not in_epochs & set(args.batch):
            raise ValueError(
                f"--batch is for {' and '.join(args.batch)}, but nothing of that learns in epochs "
                "here. Leave it out, or add --finetune, or --heads start or new."
            )
        for name in in_epochs & set(args.batch):
            stages[name] = replace(stages[name], shares={self.recipe.main: args.batch[name]})
        return replace(
            self.recipe,
            network=network,
            data={self.recipe.main: Source("folder", args.data)},
            stages=tuple(stages.values()),
            seed=args.seed,
        )


def _with_epochs(stage, epochs):
    """The stage with another number of epochs, unless it is None."""
    if epochs is None:
        return stage
    return replace(stage, training=replace(stage.training, epochs=epochs))


def _stream_for(network, folder):
    """The default stream: both of readouts, unless some videos of the folder are files of poses."""
    poses = any(is_pose_file(video.path) for video in VideoFolder(folder))
    return "pose" if poses or not network.readout_of else "fused"


def _network(network, name, heads):
    """The network of some weights, and whether its action heads start from those of the weights.

    Args:
        network: that of the recipe, which says what new heads look like.
        name: name or path of the weights.
        heads: one of `HEADS`, or None for a readout of the heads if there are any.
    """
    config = weights.read_config(name)
    if not isinstance(config, ModelConfig) or config.stem == "none":
        raise ValueError(
            f"{name}: These weights have no pose network whose action heads can be exchanged. Use "
            "others, such as vgg16-medium-penn."
        )
    if heads in ("readout", "start") and not config.actions:
        raise ValueError(f"{name} has no action heads to start from. Use --heads new.")
    if config.actions and heads != "new":
        below = {}
        if heads != "start":
            below = config.readout_of or config.actions
            if config.streams != ("pose",) and not config.readout_of:
                raise ValueError(
                    f"{name} has action heads that see more than poses, and readouts are of heads "
                    "that see poses alone. Use --heads start or new."
                )
        sees_stem = bool(below) and config.stem == "vgg16"
        fields = {"readout_of": below, "readout_stem": sees_stem}
        return replace(config, actions={}, num_frames=network.num_frames, **fields), True
    fields = {field: getattr(network, field) for field in HEAD_FIELDS}
    if config.num_pyramids == network.num_pyramids:
        fields["action_pyramids"] = network.action_pyramids
    # A readout of new blocks would read out what nothing has trained.
    without = {"actions": {}, "readout_of": {}, "readout_stem": False}
    return replace(config, **{**fields, **without}), False
