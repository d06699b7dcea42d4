"""``deephar export``: a network for another runtime."""

from __future__ import annotations

import argparse

DESCRIPTION = """
Writes a network for another runtime, and beside it NAME.json, which describes it.

The exported network is run once by its own runtime on random input, and compared with Keras. The
description has the network's config, the names of joints and actions, the frame rate of clips, and
what goes in and comes out. docs/runtimes.md shows how to use each format.
"""


def add_export_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `export_weights`."""
    from deephar.export import FORMATS, PRECISIONS

    parser.add_argument("weights", help=".h5 file, or name in weights/")
    parser.add_argument("--out", required=True, metavar="FILE", help="file to write")
    parser.add_argument("--format", required=True, choices=FORMATS, help="one of %(choices)s")
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default=PRECISIONS[0],
        help="type of the stored weights (%(default)s); float16 halves the file",
    )
    parser.add_argument("--batch", type=int, metavar="N", help="fix the size of the batch")
    parser.add_argument("--frames", type=int, metavar="T", help="fix the frames of the clips")
    parser.add_argument(
        "--uint8",
        action="store_true",
        help="take pixel values from 0 to 255, in place of numbers from -1 to 1",
    )


def export_weights(args: argparse.Namespace) -> None:
    """Exports the network of a weights file, and prints what was written.

    Args:
        args: arguments of `add_export_arguments`.

    Raises:
        FileNotFoundError, ValueError: The weights cannot be used, or as `deephar.export.export`.
    """
    from deephar import weights
    from deephar.export import Target, export
    from deephar.inference.actions import trained_spacing

    target = Target(
        format=args.format,
        precision=args.precision,
        batch=args.batch,
        frames=args.frames,
        uint8=args.uint8,
    )
    target.check_path(args.out)  # before the network is built
    model, config = weights.load_model(args.weights)
    facts = weights.read_facts(args.weights)
    spacing = trained_spacing(facts) if config.actions else None
    description = export(
        model, config, args.out, target, actions=facts.get("actions"), spacing=spacing
    )
    print("wrote", *target.files(args.out))
    print(f"outputs differ from those of Keras by up to {description['difference']:.1g}")
