"""Times the demo on a live source: a recorded file at its own pace stands in for the camera.

    python exp/bench/bench_live.py VIDEO --runtime openvino --precision int8

Everything that the demo does with a camera is measured: decoding, following one person, the action,
drawing, showing (the picture is taken and not displayed), and writing the files, into a folder that
is removed. The latency of a frame is from the moment at which the camera would have given it to the
moment at which it is shown. The first seconds, in which the network is loaded and the person
searched for, count as well, unless --skip leaves them out.
"""

import tempfile
import time
from itertools import cycle
from pathlib import Path

import deephar.cli  # noqa: F401  from here on, Ctrl-C is one line

# isort: split
import numpy as np

from deephar import Predictor
from deephar.cli.options import script_parser
from deephar.inference.annotate import annotate_video
from deephar.inference.live import paced
from deephar.inference.media import Footage
from deephar.video import read_video, video_info


def main(argv=None):
    """Measures and prints."""
    args = _parse(argv)
    info = video_info(args.video)
    predictor = Predictor(args.weights, runtime=args.runtime, precision=args.precision)
    print(predictor)
    predictor.warm_up()
    footage = Footage.of_live(args.video, paced(_repeated(args.video, args.seconds)))
    moments, latencies, shown = [], [], footage.live.shown

    def timed(moment):
        moments.append(moment)
        latencies.append(shown(moment))

    footage.live.shown = timed
    cpu = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        annotate_video(predictor, footage, Path(folder) / "o.mp4", show=lambda picture: True)
    cpu = time.process_time() - cpu
    counted = np.array(moments) >= args.skip
    latencies = 1000 * np.array(latencies)[counted]
    total, dropped = len(moments) + footage.live.dropped, footage.live.dropped
    seconds = max(moments[-1] - args.skip, 1e-9)
    print(f"{info.size[0]} x {info.size[1]} pixels, {total} frames, {info.fps:.1f} a second")
    print(f"{counted.sum() / seconds:.1f} frames a second")
    late = np.quantile(latencies, 0.95)
    print(f"latency {np.median(latencies):.0f} ms (median), {late:.0f} ms (95 %)")
    print(f"dropped {dropped} of {total} frames ({100 * dropped / total:.1f} %)")
    print(f"CPU time {1000 * cpu / total:.0f} ms for each frame of the source")


def _repeated(path, seconds):
    """The frames of a file again and again, until some seconds are full."""
    offset = 0.0
    for _ in cycle([None]):
        last = 0.0
        for image, moment in read_video(path):
            if offset + moment >= seconds:
                return
            last = moment
            yield image, offset + moment
        offset += last + 1 / video_info(path).fps


def _parse(argv):
    parser = script_parser(__doc__)
    parser.add_argument("video", help="the file")
    parser.add_argument("--weights", default="vgg16-light-penn", help="(%(default)s)")
    parser.add_argument("--runtime", default="auto", help="as of the demo (%(default)s)")
    parser.add_argument("--precision", default="auto", help="as of the demo (%(default)s)")
    parser.add_argument("--seconds", type=float, default=20, help="of the source (%(default)s)")
    parser.add_argument(
        "--skip", type=float, default=0, help="seconds that do not count (%(default)s)"
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
