"""Times the predictor on a video: frames per second, from the file to joints in pixels.

    python exp/bench/bench_predictor.py VIDEO

Measures reading, cropping and the network, without drawing, first with a box that the predictor
finds, then with a given box (the middle of the picture). The time of the first frame includes the
search for the person and the first batch of frames. The last line, ``frames a second``, is for the
given box. Takes two minutes on two cores with the default weights and 260 frames.
"""

import time
from itertools import islice

import deephar.cli  # noqa: F401  from here on, Ctrl-C is one line

# isort: split
from deephar import Predictor
from deephar.cli.options import add_runtime_arguments, script_parser
from deephar.video import read_video


def main(argv=None):
    """Measures, and prints the rates."""
    args = _parse(argv)
    predictor = Predictor(args.weights, runtime=args.runtime, precision=args.precision)
    height, width = next(iter(read_video(args.video)))[0].shape[:2]
    half = min(height, width) / 2
    box = (width / 2 - half, height / 2 - half, width / 2 + half, height / 2 + half)
    print(f"{args.video}: {width} x {height} pixels; {predictor}")
    rates = {}
    for name, its in (("box found", None), ("box given", box)):
        list(islice(predictor.stream(args.video, box=its), 20))  # traces the network
        start = time.perf_counter()
        stream = predictor.stream(args.video, box=its)
        next(stream)
        first = time.perf_counter() - start
        frames = 1 + sum(1 for _ in stream)
        rates[name] = frames / (time.perf_counter() - start)
        print(
            f"{name:16}{rates[name]:8.1f} frames a second ({frames} frames; the first one after "
            f"{first:.2f} s)"
        )
    print(f"frames a second: {rates['box given']:.1f}")


def _parse(argv):
    parser = script_parser(__doc__)
    parser.add_argument("video", help="video file")
    parser.add_argument("--weights", help=".h5 file, or name in weights/ (the default weights)")
    add_runtime_arguments(parser, default="auto")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
