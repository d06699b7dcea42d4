"""What a weights file is, and the authors' files as our own.

    python -m deephar.weights inspect FILE
    python -m deephar.weights convert FILE OUT.h5 [--frames N] [--head NAME ...]

FILE is a path, or a name in weights/index.json. A converted file has the network's config inside,
so that every script, ``load_model`` and ``Predictor`` take it.
"""

import argparse
import sys

from deephar import weights
from deephar.errors import reporting_errors


@reporting_errors
def main(argv=None):
    parser = argparse.ArgumentParser(
        prog="python -m deephar.weights",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    inspect = commands.add_parser("inspect", help="print what a weights file is")
    inspect.add_argument("file", help="path, or name in weights/index.json")
    convert = commands.add_parser("convert", help="write an authors' file as one of our own")
    convert.add_argument("file", help="path, or name in weights/index.json")
    convert.add_argument("out", help=".h5 file to write")
    convert.add_argument("--frames", type=int, metavar="N", help="frames of the network's clips")
    convert.add_argument(
        "--head", action="append", default=[], metavar="NAME", help="of the actions (once a head)"
    )
    args = parser.parse_args(argv)
    if args.command == "inspect":
        print(*weights.describe(args.file), sep="\n")
    else:
        print(weights.convert(args.file, args.out, args.frames, args.head))
        print(f"wrote {args.out}")


if __name__ == "__main__":
    sys.exit(main())
