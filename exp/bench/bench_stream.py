"""Times the sliding window of the predictor against the network on every window.

    python exp/bench/bench_stream.py --weights vgg16-light

The predictor computes the pose in each frame once, and runs the action heads on windows of 16
frames, one for each frame. The other runs the whole network on each of these windows. Both see the
same frames of the built-in data set in the same box; reading and drawing are not measured. Weights
without actions get action heads with random weights. The heads' share is the time of a window in
the heads divided by that of a frame in the pose network. The last line, ``ratio``, is the speed-up.
Takes two minutes on two cores with `vgg16-light`, and ten with the default weights.
"""

from dataclasses import replace

import deephar.cli  # noqa: F401  from here on, Ctrl-C is one line

# isort: split
import numpy as np
from timing import alternate

from deephar import Predictor, weights
from deephar.cli.options import add_precision_argument, script_parser, set_precision
from deephar.data import Synthetic
from deephar.data.images import crop_image, normalize
from deephar.geometry import crop_affine, square_window
from deephar.inference.windows import BATCH_SIZE
from deephar.models import action_view, frame_view, multitask_model

NUM_FRAMES = 16  # of a window


def main(argv=None):
    """Measures, prints the table and the ratio."""
    args = _parse(argv)
    set_precision(args)
    model, config = _clip_network(args.weights)
    frames = _frames(args.frames)
    height, width = frames[0].shape[:2]
    works = {
        "stream": _stream(Predictor.from_model(model, config), frames, (0, 0, width, height)),
        "every window": _every_window(model, config, frames, args.windows),
        **_parts(model, config),
    }
    seconds = alternate({name: work for name, (work, _) in works.items()}, args.rounds)
    seconds = {name: seconds[name] / count for name, (_, count) in works.items()}
    print(f"{args.weights or weights.default_name()}: windows of {NUM_FRAMES} frames, stride 1")
    for name in ("stream", "every window"):
        print(f"{name:14}{1 / seconds[name]:10.2f} frames a second")
    print(f"{'pose':14}{1e3 * seconds['pose']:10.2f} ms a frame")
    share = seconds["heads"] / seconds["pose"]
    print(f"{'heads':14}{1e3 * seconds['heads']:10.2f} ms a window ({share:.1%} of the pose)")
    print(f"ratio: {seconds['every window'] / seconds['stream']:.1f}")


def _clip_network(name):
    """The network of the weights, with action heads."""
    model, config = weights.load_model(weights.default_name() if name is None else name)
    if config.actions:
        return model, replace(config, num_frames=NUM_FRAMES)
    config = replace(
        config,
        num_frames=NUM_FRAMES,
        actions={"penn": 16},
        streams=("pose",),
        pose_features=96,
        action_pyramids=(config.num_pyramids,),
    )
    clips = multitask_model(config)
    frame_view(clips).set_weights(model.get_weights())
    return clips, config


def _frames(count):
    """Frames of drawn persons."""
    videos, frames = Synthetic("train", image_size=256), []
    for number in range(len(videos)):
        frames += list(videos[number].frames)
        if len(frames) >= count:
            return frames[:count]
    raise ValueError(f"The built-in data set has {len(frames)} frames. Measure fewer than {count}.")


# Each work is a function, and how many frames, or windows, it is for.


def _stream(predictor, frames, box):
    return lambda: [person.action for person in predictor.stream(frames, box)], len(frames)


def _every_window(model, config, frames, count):
    height, width = frames[0].shape[:2]
    affine = crop_affine(*square_window((0, 0, width, height)))

    def work():
        seen = frames[: count + NUM_FRAMES - 1]
        crops = [normalize(crop_image(frame, affine, config.image_size)) for frame in seen]
        for start in range(count):
            model.predict_on_batch(np.stack(crops[start : start + NUM_FRAMES])[None])

    return work, count


def _parts(model, config):
    """The pose network, and the action heads, in batches as the predictor has them."""
    size = config.image_size
    images = np.zeros((NUM_FRAMES, size, size, 3), np.float32)
    poses, heads = frame_view(model), action_view(model)
    outputs = poses.predict_on_batch(images)
    windows = {t.name: np.stack([outputs[t.name]] * BATCH_SIZE) for t in heads.inputs}
    return {
        "pose": (lambda: poses.predict_on_batch(images), NUM_FRAMES),
        "heads": (lambda: heads.predict_on_batch(windows), BATCH_SIZE),
    }


def _parse(argv):
    parser = script_parser(__doc__)
    parser.add_argument("--weights", help=".h5 file, or name in weights/ (the default weights)")
    parser.add_argument("--frames", type=int, default=64, help="of the video (%(default)s)")
    parser.add_argument("--windows", type=int, default=8, help="that are measured (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="(%(default)s)")
    add_precision_argument(parser)
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
