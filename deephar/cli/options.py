"""Arguments of several scripts, and the types of their values."""

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STREAMS = {
    "fused": ("pose", "appearance"),
    "pose": ("pose",),
    "appearance": ("appearance",),
}
"""Streams that actions are predicted from, by value of ``--stream``."""


# -------------------------------------------------------------------------------------- parsers


def help_format(prog: str) -> argparse.HelpFormatter:
    """Help with a line for each flag, so that it fits on one screen."""
    return argparse.RawDescriptionHelpFormatter(prog, max_help_position=30)


def example_of(command: str) -> str:
    """The end of a help text: what stands in parentheses, and an example."""
    return f"In parentheses: what is taken without the flag.\n\nexample:\n  {command}"


def script_parser(doc: str) -> argparse.ArgumentParser:
    """A parser whose help has the first line and the first command of a script's docstring.

    Args:
        doc: the docstring. Commands are indented, and start with ``python``.
    """
    commands = re.findall(r"^    (python .*)", doc, re.MULTILINE)
    return argparse.ArgumentParser(
        usage="%(prog)s [options]",
        description=doc.splitlines()[0],
        epilog=example_of(commands[0]) if commands else None,
        formatter_class=help_format,
    )


# ------------------------------------------------------------------------------ types of values


def parse_devices(text: str) -> int | str:
    """``"2"`` to 2, ``"all"`` as it is."""
    if text == "all":
        return text
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected 1, 2, ... or all, got {text!r}")
    return int(text)


def parse_folder(text: str) -> str:
    """A path that is not a file."""
    if not text or Path(text).is_file():
        raise argparse.ArgumentTypeError(f"expected a folder, got {text!r}")
    return text


def parse_fraction(text: str) -> float:
    """A number between 0 and 1, excluding both."""
    try:
        fraction = float(text)
    except ValueError:
        fraction = -1
    if not 0 < fraction < 1:
        raise argparse.ArgumentTypeError(f"expected a number between 0 and 1, got {text!r}")
    return fraction


def parse_seed(text: str) -> int:
    """A seed, valid for all random number generators."""
    if not (text.isdecimal() and int(text) < 2**32):
        raise argparse.ArgumentTypeError(
            f"expected a whole number from 0 to 2^32 - 1, got {text!r}"
        )
    return int(text)


def parse_shares(text: str) -> dict[str, int]:
    """``"mpii=16,lsp=8"`` to ``{"mpii": 16, "lsp": 8}``: samples of each data set in a batch."""
    try:
        pairs = [item.split("=") for item in text.split(",")]
        shares = {name.strip(): int(count) for name, count in pairs}
        if len(shares) < len(pairs):
            raise ValueError(text)
        return shares
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected NAME=COUNT,NAME=COUNT (samples a batch), as in mpii=16,lsp=8, got {text!r}"
        ) from None


def parse_subsampling(text: str) -> int | str:
    """``"2"`` to 2, ``"whole"`` as it is."""
    if text == "whole":
        return text
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected 1, 2, ... or whole, got {text!r}")
    return int(text)


def by_stage(
    stages: Sequence[str], number: Callable = int, *, named: Sequence[str] = ()
) -> Callable[[str], dict]:
    """Makes an argument type for values by stage: ``"pose=10,action=5"``, or one for all stages.

    Args:
        stages: names of the stages.
        number: type of the numbers.
        named: names of further stages, which one number for all stages does not count for.

    Returns:
        A function from the text to a dict: name of the stage -> number.
    """

    def parse(text):
        try:
            if "=" not in text:
                return dict.fromkeys(stages, number(text))
            pairs = [item.split("=") for item in text.split(",")]
            values = {name.strip(): number(value) for name, value in pairs}
            if not set(values) <= {*stages, *named} or len(values) < len(pairs):
                raise ValueError(text)
            return values
        except ValueError:
            names = ", ".join(filter(None, [*stages, *named]))
            example = f", or as in {names.split(', ')[0]}=10 (stages: {names})" if names else ""
            raise argparse.ArgumentTypeError(f"expected a number{example}, got {text!r}") from None

    return parse


def stages_of(known: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    """Makes an argument type for some of the known stages, in their order."""

    def parse(text):
        stages = tuple(text.split(","))
        if list(stages) != [stage for stage in known if stage in stages]:
            raise argparse.ArgumentTypeError(f"expected some of {','.join(known)}, got {text!r}")
        return stages

    return parse


# ------------------------------------------------------------------------------------ arguments


@dataclass(frozen=True)
class DataOption:
    """A flag for an option of a data set.

    Attributes:
        flag: the flag, such as ``"--every"`` for the option ``every``.
        arguments: arguments of `argparse.ArgumentParser.add_argument`.
    """

    flag: str
    arguments: Mapping = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the option."""
        return self.flag.lstrip("-").replace("-", "_")

    def add_to(self, parser: Any) -> None:
        """Adds the flag to a parser, or to a group of one."""
        parser.add_argument(self.flag, **self.arguments)

    @staticmethod
    def given(options: Sequence["DataOption"], args: argparse.Namespace) -> dict:
        """Options that are given in the arguments: name -> value."""
        values = {option.name: getattr(args, option.name) for option in options}
        return {name: value for name, value in values.items() if value is not None}


def parse_pairs(text: str) -> list[list[str]]:
    """``"A:B,C:D"`` to ``[["A", "B"], ["C", "D"]]``, ``"none"`` to an empty list."""
    if text == "none":
        return []
    pairs = [item.split(":") for item in text.split(",")]
    if not all(len(pair) == 2 and all(pair) for pair in pairs):
        raise argparse.ArgumentTypeError(
            f"expected NAME:NAME,NAME:NAME (joints that a mirror image swaps) or none, got {text!r}"
        )
    return pairs


COCO_OPTIONS = (
    DataOption(
        "--annotations",
        {
            "metavar": "FILE",
            "help": "JSON file; --data then holds the pictures (found in --data)",
        },
    ),
    DataOption("--category", {"help": "category to use, if several have keypoints"}),
    DataOption(
        "--flip-pairs",
        {
            "type": parse_pairs,
            "metavar": "A:B,C:D",
            "help": "keypoints that a mirror image swaps, or none (by their names)",
        },
    ),
)
"""Flags for options of `deephar.data.CocoKeypoints`."""


def add_devices_argument(parser: Any) -> None:
    """Adds ``--devices``, as of `deephar.training.train`."""
    parser.add_argument(
        "--devices",
        type=parse_devices,
        metavar="N|all",
        help="GPUs of each process to train on (one)",
    )


def add_precision_argument(parser: Any, default: bool = False) -> None:
    """Adds ``--mixed-precision``, which `set_precision` reads."""
    parser.add_argument(
        "--mixed-precision",
        action="store_true",
        default=default,
        help="compute in bfloat16: faster on GPUs, and on CPUs that have it",
    )
    parser.add_argument(
        "--no-mixed-precision",
        action="store_false",
        dest="mixed_precision",
        help="compute in float32" if default else argparse.SUPPRESS,
    )


def set_precision(args: argparse.Namespace) -> None:
    """Lets networks that are built from now on compute in bfloat16, if the arguments say so."""
    import keras  # here, since it takes seconds to import and --help does not need it

    if args.mixed_precision:
        # Not float16: the features of VGG-16 exceed its range.
        keras.config.set_dtype_policy("mixed_bfloat16")


def add_predictor_arguments(parser: Any, *, runtime: str = "auto") -> None:
    """Adds ``--weights``, ``--head``, ``--runtime`` and ``--precision`` of `deephar.Predictor`.

    Args:
        parser: a parser, or a group of one.
        runtime: the default runtime.
    """
    parser.add_argument("--weights", help=".h5 file, or name in weights/ (the default weights)")
    parser.add_argument("--head", help="action head to use, if the network has several")
    add_runtime_arguments(parser, default=runtime)


def add_runtime_arguments(parser: Any, *, default: str) -> None:
    """Adds ``--runtime`` and ``--precision``, arguments of `deephar.Predictor`.

    Args:
        parser: a parser, or a group of one.
        default: the default runtime.
    """
    # `deephar.inference.choose_runtime` checks the names: its module takes seconds to import.
    parser.add_argument(
        "--runtime",
        metavar="NAME",
        default=default,
        help="keras, openvino, onnx, or auto: the fastest (%(default)s)",
    )
    parser.add_argument(
        "--precision",
        metavar="NAME",
        default="auto",
        help="float32, bfloat16, int8 (OpenVINO), or auto (%(default)s)",
    )


def add_data_argument(parser: Any, folder: str, *, has_drawn: bool = False) -> None:
    """Adds ``--data``.

    Args:
        parser: a parser, or a group of one.
        folder: the default folder.
        has_drawn: whether the data set may be replaced by the built-in one or have drawn frames,
            as `deephar.cli.datasets.penn_kind` reads it; adds ``--drawn``.
    """
    parser.add_argument(
        "--data",
        default=folder,
        metavar="FOLDER|synthetic" if has_drawn else "FOLDER",
        help=f"folder of the data set{', or synthetic' if has_drawn else ''} (%(default)s)",
    )
    if has_drawn:
        parser.add_argument("--drawn", action="store_true", help="draw frames from the labels")


def add_split_argument(parser: argparse.ArgumentParser, split: str) -> None:
    """Adds ``--split`` with its default."""
    parser.add_argument("--split", default=split, help="part of the data set (%(default)s)")


def add_evaluation_arguments(parser: argparse.ArgumentParser, out: str) -> None:
    """Adds the arguments of pose evaluations; `out` is the default folder."""
    from deephar.inference.poses import CROPS

    parser.add_argument("--weights", required=True, help=".h5 file, or name in weights/ (needed)")
    parser.add_argument(
        "--crops",
        choices=CROPS,
        default="single",
        metavar="CROPS",
        help="single, flip (and its mirror image) or multi (ten) (%(default)s)",
    )
    parser.add_argument(
        "--batch-size", type=int, default=16, metavar="N", help="crops per batch (%(default)s)"
    )
    add_runtime_arguments(parser, default="keras")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N persons")
    parser.add_argument("--out", default=out, type=parse_folder, help="output folder (%(default)s)")
    parser.add_argument(
        "--save-predictions",
        metavar="PATH",
        help="also write poses: .h5, .mat, .json (COCO), .csv or .parquet",
    )


def add_action_evaluation_arguments(parser: argparse.ArgumentParser, out: str) -> None:
    """Adds the arguments of action evaluations; `out` is the default folder."""
    from deephar.inference.actions import BOXES, CLIPS

    parser.add_argument(
        "--weights",
        help=".h5 file, or name in weights/ (the best listed ones)",
    )
    parser.add_argument(
        "--stream",
        choices=STREAMS,
        metavar="NAME",
        help="streams of the weights: fused, pose or appearance (any)",
    )
    parser.add_argument(
        "--poses",
        choices=("predicted", "labels"),
        default="predicted",
        metavar="POSES",
        help="predicted, or labels: no frames, no appearance (%(default)s)",
    )
    parser.add_argument(
        "--clips",
        choices=CLIPS,
        default="single",
        metavar="CLIPS",
        help="clips per video: single or multi (%(default)s)",
    )
    parser.add_argument("--mirror", action="store_true", help="average with mirror images")
    parser.add_argument(
        "--boxes",
        choices=BOXES,
        default="gt",
        metavar="BOXES",
        help="gt (labels), predicted (by poses), or full (frame) (%(default)s)",
    )
    parser.add_argument(
        "--subsampling",
        type=parse_subsampling,
        metavar="N|whole",
        help="distance of the frames of a clip (that of the training)",
    )
    parser.add_argument(
        "--frames",
        type=int,
        metavar="T",
        help="frames per clip (those of the training)",
    )
    parser.add_argument(
        "--batch-size", type=int, default=4, metavar="N", help="clips per batch (%(default)s)"
    )
    parser.add_argument(
        "--limit", type=int, metavar="N", help="only N videos, spread over the split"
    )
    add_runtime_arguments(parser, default="keras")
    parser.add_argument("--out", default=out, type=parse_folder, help="output folder (%(default)s)")


def add_video_evaluation_arguments(parser: argparse.ArgumentParser, out: str) -> None:
    """Adds the arguments of evaluations on a folder of videos; `out` is the default folder."""
    parser.add_argument(
        "--data",
        required=True,
        metavar="FOLDER",
        help="a folder of videos for each action, or a clips.csv (needed)",
    )
    add_predictor_arguments(parser, runtime="keras")
    parser.add_argument(
        "--limit", type=int, metavar="N", help="only N videos, spread over the folder"
    )
    parser.add_argument("--out", default=out, type=parse_folder, help="output folder (%(default)s)")
