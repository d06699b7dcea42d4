"""Arguments that several scripts have, and the types of their values."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deephar.inference.actions import BOXES, CLIPS
from deephar.inference.poses import CROPS

STREAMS = {
    "fused": ("pose", "appearance"),
    "pose": ("pose",),
    "appearance": ("appearance",),
}
"""What actions are predicted from, by the value of ``--stream``."""


# ------------------------------------------------------------------------------ types of values


def parse_folder(text: str) -> str:
    """A path that is not that of a file."""
    if not text or Path(text).is_file():
        raise argparse.ArgumentTypeError(f"expected a folder, got {text!r}")
    return text


def parse_fraction(text: str) -> float:
    """A number between 0 and 1, neither included."""
    try:
        fraction = float(text)
    except ValueError:
        fraction = -1
    if not 0 < fraction < 1:
        raise argparse.ArgumentTypeError(f"expected a number between 0 and 1, got {text!r}")
    return fraction


def parse_seed(text: str) -> int:
    """A seed that all sources of random numbers take."""
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


def by_stage(stages: Sequence[str], number: Callable = int) -> Callable[[str], dict]:
    """A type of values by stage: ``"pose=10,action=5"``, or one number for all stages.

    Args:
        stages: names of the stages.
        number: type of the numbers.

    Returns:
        A function from the text to a dict: name of the stage -> number.
    """

    def parse(text):
        try:
            if "=" not in text:
                return dict.fromkeys(stages, number(text))
            pairs = [item.split("=") for item in text.split(",")]
            values = {name.strip(): number(value) for name, value in pairs}
            if not set(values) <= set(stages) or len(values) < len(pairs):
                raise ValueError(text)
            return values
        except ValueError:
            names = ", ".join(filter(None, stages))
            example = f", or as in {names.split(', ')[0]}=10 (stages: {names})" if names else ""
            raise argparse.ArgumentTypeError(f"expected a number{example}, got {text!r}") from None

    return parse


def stages_of(known: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    """A type of some of the known stages, in their order."""

    def parse(text):
        stages = tuple(text.split(","))
        if list(stages) != [stage for stage in known if stage in stages]:
            raise argparse.ArgumentTypeError(f"expected some of {','.join(known)}, got {text!r}")
        return stages

    return parse


# ------------------------------------------------------------------------------------ arguments


@dataclass(frozen=True)
class DataOption:
    """A flag for an option of a data set's class.

    Attributes:
        flag: such as ``"--every"``; the option has its name.
        arguments: of `argparse.ArgumentParser.add_argument`.
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
        """The options that the arguments give: name -> value."""
        values = {option.name: getattr(args, option.name) for option in options}
        return {name: value for name, value in values.items() if value is not None}


def add_precision_argument(parser: argparse.ArgumentParser) -> None:
    """Adds ``--mixed-precision``, which `set_precision` reads."""
    parser.add_argument(
        "--mixed-precision",
        action="store_true",
        help="compute in bfloat16: faster on GPUs, and on CPUs that have it",
    )


def set_precision(args: argparse.Namespace) -> None:
    """Makes networks that are built from now on compute in bfloat16, if the arguments say so."""
    import keras  # late: it takes seconds to import, and --help needs none

    if args.mixed_precision:
        # Not float16: the features of VGG-16 exceed its range.
        keras.config.set_dtype_policy("mixed_bfloat16")


def add_evaluation_arguments(parser: argparse.ArgumentParser, out: str) -> None:
    """Adds the arguments of the evaluation of poses on stills; ``out`` is the default folder."""
    parser.add_argument("--weights", required=True, help=".h5 file, or name in weights/")
    parser.add_argument(
        "--crops",
        choices=CROPS,
        default="single",
        help="one crop a person, with its mirror image, or ten (%(default)s)",
    )
    parser.add_argument("--batch-size", type=int, default=16, help="crops a batch (%(default)s)")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N persons")
    parser.add_argument("--out", default=out, type=parse_folder, help="output folder (%(default)s)")
    parser.add_argument(
        "--save-predictions", metavar="PATH", help=".h5 or .mat that public evaluators read"
    )


def add_action_evaluation_arguments(parser: argparse.ArgumentParser, out: str) -> None:
    """Adds the arguments of the evaluation of actions; ``out`` is the default folder."""
    parser.add_argument(
        "--weights", help=".h5 file, or name in weights/ (those listed for --stream and --poses)"
    )
    parser.add_argument(
        "--stream", choices=STREAMS, help="what the weights must go by (whatever they do)"
    )
    parser.add_argument(
        "--poses",
        choices=("predicted", "labels"),
        default="predicted",
        help="what the pose stream is given (%(default)s); labels needs no frames",
    )
    parser.add_argument(
        "--clips", choices=CLIPS, default="single", help="clips a video (%(default)s)"
    )
    parser.add_argument("--mirror", action="store_true", help="average with mirror images")
    parser.add_argument(
        "--boxes",
        choices=BOXES,
        default="gt",
        help="boxes: of the labels, of predicted poses, the full frame (%(default)s)",
    )
    parser.add_argument(
        "--subsampling",
        type=parse_subsampling,
        metavar="N|whole",
        help="frames from one of a clip to the next (what the weights were trained with)",
    )
    parser.add_argument("--frames", type=int, metavar="T", help="frames a clip (likewise)")
    parser.add_argument("--batch-size", type=int, default=4, help="clips a batch (%(default)s)")
    parser.add_argument(
        "--limit", type=int, metavar="N", help="only N videos, spread over the split"
    )
    parser.add_argument("--out", default=out, type=parse_folder, help="output folder (%(default)s)")
