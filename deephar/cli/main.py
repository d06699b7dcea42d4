"""The ``deephar`` command: ``deephar demo VIDEO``, ``deephar info``, and others."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deephar import version
from deephar.cli import app, batch, classify, demo, export
from deephar.cli.options import example_of, help_format
from deephar.errors import reporting_errors


@dataclass(frozen=True)
class _Command:
    """A subcommand: its help, its arguments in words, an example, and the functions for it."""

    help: str
    arguments: str
    example: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int | None]
    description: str | None = None


@reporting_errors
def main(argv: Sequence[str] | None = None) -> int | None:
    """Runs the command line; returns the exit status (2 for a user's mistake)."""
    argv = sys.argv[1:] if argv is None else list(argv)
    args = _parser(argv).parse_args(argv)
    return _COMMANDS[args.command].run(args)


def _parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="deephar",
        description="Human poses and actions from ordinary video.",
        epilog="example:\n  deephar demo VIDEO.mp4\n\nHelp for a command: deephar demo --help",
        formatter_class=help_format,
    )
    parser.add_argument("--version", action="version", version=f"deephar {version.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in _COMMANDS.items():
        subparser = commands.add_parser(
            name,
            help=command.help,
            description=command.description or f"{command.help[:1].upper()}{command.help[1:]}.",
            usage=f"deephar {name} {command.arguments}".rstrip(),
            epilog=example_of(command.example),
            formatter_class=help_format,
        )
        # Some arguments need Keras, which takes seconds to import. Other commands do not need it.
        if name in argv[:1]:
            command.add_arguments(subparser)
    return parser


_FILE_HELP = "path, or name in weights/index.json"


def _add_inspect_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", help=_FILE_HELP)


def _inspect(args: argparse.Namespace) -> None:
    from deephar import weights

    print(*weights.describe(args.file), sep="\n")


def _add_convert_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", help=_FILE_HELP)
    parser.add_argument("out", help=".h5 file to write")
    parser.add_argument("--frames", type=int, metavar="N", help="frames of the network's clips")
    parser.add_argument(
        "--head",
        action="append",
        default=[],
        metavar="NAME",
        help="name of the action head (once for each head)",
    )
    parser.add_argument(
        "--sam-alpha",
        type=float,
        default=1.0,
        metavar="FACTOR",
        help="sam_alpha that an SPNet was trained with, if it is not %(default)g; no layer tells",
    )


def _convert(args: argparse.Namespace) -> None:
    from deephar import weights

    options = {"num_frames": args.frames, "heads": args.head, "sam_alpha": args.sam_alpha}
    print(weights.convert(args.file, args.out, **options))
    print(f"wrote {args.out}")


def _add_check_arguments(parser: argparse.ArgumentParser) -> None:
    from deephar.data.check import DATASETS

    parser.add_argument("kind", choices=DATASETS, help="the data set: %(choices)s", metavar="KIND")
    parser.add_argument("folder", help="folder with the images or videos, and the annotation")


def _check(args: argparse.Namespace) -> int:
    from deephar.data.check import check

    return 1 if check(args.kind, args.folder) else 0


def _info(args: argparse.Namespace) -> None:
    from deephar.cli.info import describe_installation

    print(*describe_installation(), sep="\n")


_CONVERT = """
Converts a weights file of the authors' code to one with the network's config inside, so that every
script, load_model and Predictor can read it.
"""

_CHECK = """
Verifies the folder of a data set.

Decodes the images and compares them with the annotation. Prints what was found, every problem with
the name of its file, and a verdict. The exit status is 1 if there is a problem that training or
evaluation would meet.
"""

_COMMANDS = {
    "demo": _Command(
        "draw poses and actions over a video",
        "[VIDEO ...] [options]",
        "deephar demo VIDEO.mp4",
        demo.add_demo_arguments,
        lambda args: demo.annotate(args),
        demo.DESCRIPTION,
    ),
    "classify": _Command(
        "tell the action in videos, or in files of poses",
        "VIDEO ... [options]",
        "deephar classify VIDEO.mp4",
        classify.add_classify_arguments,
        lambda args: classify.classify(args),
        classify.DESCRIPTION,
    ),
    "batch": _Command(
        "write tables of poses and actions for many videos",
        "VIDEOS ... --out FOLDER [options]",
        "deephar batch videos/ --out results/ --people all --workers 4",
        batch.add_batch_arguments,
        batch.batch,
        batch.DESCRIPTION,
    ),
    "app": _Command(
        "serve a page for pictures, videos and the webcam",
        "[options]",
        "deephar app --weights vgg16-light-penn",
        app.add_app_arguments,
        app.serve,
        app.DESCRIPTION,
    ),
    "inspect": _Command(
        "describe a weights file",
        "FILE",
        "deephar inspect vgg16-medium",
        _add_inspect_arguments,
        _inspect,
    ),
    "convert": _Command(
        "convert a weights file of the authors",
        "FILE OUT [options]",
        "deephar convert weights_AR_merge_ep074_26-10-17.h5 cvpr18-penn.h5",
        _add_convert_arguments,
        _convert,
        _CONVERT,
    ),
    "export": _Command(
        "write a network for another runtime",
        "WEIGHTS [options]",
        "deephar export vgg16-light --uint8 --format onnx --out pose.onnx",
        export.add_export_arguments,
        export.export_weights,
        export.DESCRIPTION,
    ),
    "check": _Command(
        "verify the folder of a data set",
        "KIND FOLDER",
        "deephar check mpii datasets/MPII",
        _add_check_arguments,
        _check,
        _CHECK,
    ),
    "info": _Command(
        "show versions, devices and weights", "", "deephar info", lambda parser: None, _info
    ),
}
