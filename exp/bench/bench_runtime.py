"""Times the networks on every runtime: alone, and from a video file to joints and to drawn joints.

    python exp/bench/bench_runtime.py VIDEO

All runtimes take turns, and the numbers are medians. In the video, the person is searched for and
followed. Runtimes that are not installed are left out, and precisions that the processor does not
have. With LSP (--lsp FOLDER), the PCK@0.2 of each runtime on its test images is measured, too. The
last line, ``ratio``, is for the first of the weights, from the video file to joints: the fastest
runtime whose PCK is lower by less than 0.5 than that of Keras in float32, against Keras in float32.
Without LSP, int8 counts for the shipped weights that have passed this test (`PASSED`).
"""

import tempfile
from pathlib import Path

import deephar.cli  # noqa: F401  from here on, Ctrl-C is one line

# isort: split
import numpy as np
from timing import alternate

from deephar import Predictor, weights
from deephar.cli.options import script_parser
from deephar.data import LSP
from deephar.data.images import crop_image, normalize
from deephar.data.samples import limited
from deephar.evaluation import score_lsp
from deephar.geometry import crop_affine, square_window
from deephar.inference import annotate_video, predict_poses
from deephar.inference.boxes import full_box
from deephar.inference.converted import load_parts
from deephar.inference.network import call_network, stills_network
from deephar.inference.runtimes import Runtime, choose_runtime
from deephar.video import VideoWriter, read_video
from deephar.visualize import draw_action

RUNTIMES = (
    Runtime("keras", "float32"),
    Runtime("keras", "bfloat16"),
    Runtime("onnx", "float32"),
    Runtime("openvino", "float32"),
    Runtime("openvino", "bfloat16"),
    Runtime("openvino", "int8"),
)
MOST_LOSS = 0.5  # of PCK, of a runtime that counts
PASSED = ("vgg16-medium", "vgg16-medium-penn")
"""Weights whose int8 networks were measured on LSP: 84.4 in place of 84.7."""


def main(argv=None):
    """Measures, prints the tables and the ratio."""
    args = _parse(argv)
    runtimes = _available(args)
    with tempfile.TemporaryDirectory() as folder:
        video = args.video if args.frames is None else _shortened(args, Path(folder) / "v.mp4")
        rows, joints, pck = {}, {}, {}
        for name in args.weights:
            networks = {runtime: _stills_network(name, runtime) for runtime in runtimes}
            for batch in args.batches:
                rows[f"{name}, batch {batch}"] = _alone(networks, video, name, batch, args.rounds)
            if args.lsp:
                pck[name] = _pck(networks, name, args)
                rows[f"{name}, LSP PCK@0.2"] = pck[name]
            predictors = {
                runtime: Predictor(name, runtime=runtime.name, precision=runtime.precision)
                for runtime in runtimes
            }
            joints[name], drawn = _from_video(predictors, video, args.rounds, Path(folder))
            rows[f"{name}, video to joints"], rows[f"{name}, video to drawn joints"] = (
                joints[name],
                drawn,
            )
    _print_table(runtimes, rows)
    first = args.weights[0]
    fastest = max(_counting(runtimes, first, pck.get(first)), key=joints[first].get)
    _print_rest(args, first, fastest, joints[first][fastest])
    print(f"{first} on {fastest} against {runtimes[0]}, video to joints")
    print(f"ratio: {joints[first][fastest] / joints[first][runtimes[0]]:.1f}")


def _available(args):
    """The runtimes that this machine has; says which are left out."""
    available = []
    for runtime in RUNTIMES:
        if runtime.name not in args.runtimes:
            continue
        try:
            choose_runtime(runtime.name, runtime.precision)
            _stills_network(args.weights[0], runtime)
            available.append(runtime)
        except ValueError as error:
            print(f"left out: {runtime}. {error}")
    return available


def _shortened(args, path):
    """A copy of the first frames of the video."""
    with VideoWriter(path, 30) as writer:
        for frame, _ in zip(read_video(args.video), range(args.frames), strict=False):
            writer.write(frame[0])
    return path


def _stills_network(name, runtime):
    parts = load_parts(name, runtime)
    return parts.get("frames") or stills_network(parts["whole"])


def _alone(networks, video, name, batch, rounds):
    """Frames a second of the network alone."""
    size = weights.read_config(name).image_size
    frame = next(iter(read_video(video)))[0]
    affine = crop_affine(*square_window(full_box(frame.shape[1::-1])))
    images = np.stack([normalize(crop_image(frame, affine, size))] * batch)
    works = {key: lambda it=it: call_network(it, images) for key, it in networks.items()}
    return {key: batch / seconds for key, seconds in alternate(works, rounds).items()}


def _from_video(predictors, video, rounds, folder):
    """Frames a second, from a video file to joints, and to a file with drawn joints."""
    count = sum(1 for _ in read_video(video))
    works = {
        **{
            (key, "joints"): lambda it=it: sum(1 for _ in it.stream(video))
            for key, it in predictors.items()
        },
        **{
            (key, "drawn"): lambda it=it: annotate_video(it, video, folder / "drawn.mp4")
            for key, it in predictors.items()
        },
    }
    seconds = alternate(works, rounds)
    return ({key: count / seconds[key, end] for key in predictors} for end in ("joints", "drawn"))


def _pck(networks, name, args):
    """PCK@0.2 on the test images of LSP."""
    dataset, config = LSP(args.lsp, split="test"), weights.read_config(name)
    dataset = limited(dataset, args.persons, "persons")
    return {
        key: score_lsp(predict_poses(network, config, dataset), dataset).blocks[-1].total
        for key, network in networks.items()
    }


def _counting(runtimes, name, pck):
    """The runtimes whose answers are as good as those of the first one."""
    if pck is None:
        return [it for it in runtimes if it.precision != "int8" or name in PASSED]
    return [it for it in runtimes if pck[runtimes[0]] - pck[it] < MOST_LOSS]


def _print_table(runtimes, rows):
    """Frames a second, or PCK, of each runtime."""
    width = max(map(len, rows))
    titles = [str(runtime).replace(" in ", " ") for runtime in runtimes]
    print(f"{'frames a second':<{width}}", *(f"{title:>21}" for title in titles))
    for name, row in rows.items():
        print(f"{name:<{width}}", *(f"{row[runtime]:21.1f}" for runtime in runtimes))


def _print_rest(args, name, runtime, rate):
    """What the time for a frame goes to, each part measured alone."""
    frames = _first_frames(args.video)
    size, box = weights.read_config(name).image_size, full_box(frames[0].shape[1::-1])
    affine = crop_affine(*square_window(box))
    crops = [normalize(crop_image(frame, affine, size)) for frame in frames]
    network, batch = _stills_network(name, runtime), np.stack(crops[:16])
    predictor = Predictor(name, runtime=runtime.name, precision=runtime.precision)
    person = predictor(frames[0], box)
    pose = (person.joints, person.skeleton)
    with tempfile.TemporaryDirectory() as folder, VideoWriter(Path(folder) / "v.mp4", 30) as writer:
        parts = {
            "decoding": (lambda: _first_frames(args.video), len(frames)),
            "cropping": (
                lambda: [normalize(crop_image(frame, affine, size)) for frame in frames],
                len(frames),
            ),
            "network": (lambda: call_network(network, batch), len(batch)),
            "drawing": (lambda: [draw_action(frame, *pose) for frame in frames], len(frames)),
            "writing": (lambda: [writer.write(frame) for frame in frames], len(frames)),
        }
        seconds = alternate({part: work for part, (work, _) in parts.items()}, args.rounds)
    print(f"\n{name} on {runtime}: {1e3 / rate:.2f} ms a frame, from the video file to joints")
    for part, (_, count) in parts.items():
        print(f"{part:<10}{1e3 * seconds[part] / count:8.2f} ms a frame, alone")


def _first_frames(video):
    return [frame for (frame, _), _ in zip(read_video(video), range(64), strict=False)]


def _parse(argv):
    parser = script_parser(__doc__)
    parser.add_argument("video", help="video file")
    parser.add_argument(
        "--weights",
        nargs="+",
        default=["vgg16-medium", "vgg16-light"],
        help=".h5 files, or names in weights/ (%(default)s)",
    )
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16], help="(%(default)s)")
    parser.add_argument(
        "--runtimes",
        nargs="+",
        choices=("openvino", "onnx"),
        default=("openvino", "onnx"),
        help="beside Keras (all)",
    )
    parser.add_argument("--frames", type=int, metavar="N", help="only the first N of the video")
    parser.add_argument("--rounds", type=int, default=5, help="(%(default)s)")
    parser.add_argument("--lsp", metavar="FOLDER", help="LSP, to measure the PCK of each runtime")
    parser.add_argument("--persons", type=int, metavar="N", help="only the first N of LSP")
    args = parser.parse_args(argv)
    args.runtimes = ("keras", *args.runtimes)
    return args


if __name__ == "__main__":
    main()
