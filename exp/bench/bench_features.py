"""Times stage 2 on cached features against stage 2 on clips.

    python exp/bench/bench_features.py

Both train the same action heads on the same frozen pose network (`vgg16-light-64`, random weights),
on clips of the built-in data set, in memory. Training steps are measured in turn, and the pass that
makes the cache once. The last line, ``ratio``, is the speed-up of a training step. Takes two
minutes on two cores.
"""

import tempfile
import time
from dataclasses import replace
from itertools import count

import deephar.cli  # noqa: F401  from here on, Ctrl-C is one line

# isort: split
from timing import alternate

from deephar.cli.options import script_parser
from deephar.data import ClipBatches, InputSpec, Synthetic
from deephar.models import VARIANTS, action_view, multitask_model
from deephar.training.compile import compile_action, set_pose_trainable
from deephar.training.features import FeatureBatches, cache_features
from deephar.training.settings import ActionTraining


def main(argv=None):
    """Measures, prints the table and the ratio."""
    args = _parse(argv)
    videos = _Kept(Synthetic("train", args.videos, image_size=96))
    config = replace(VARIANTS["vgg16-light-64"], num_frames=args.frames, actions={"synthetic": 12})
    model = multitask_model(config)
    set_pose_trainable(model, False)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        features = cache_features(model, config, videos, folder=folder)
        caching = time.perf_counter() - start
        spec = InputSpec.of(config, subsampling="whole")
        data, share = {"synthetic": videos}, {"synthetic": args.batch}
        works = {
            "clips": (model, ClipBatches(data, share, spec=spec)),
            "cached": (
                action_view(model),
                FeatureBatches({"synthetic": features}, share, spec=spec),
            ),
        }
        steps = {name: _step(*work, args.rounds) for name, work in works.items()}
        seconds = alternate(steps, args.rounds, warm_ups=2)
        for _, batches in works.values():
            batches.close()
    frames = sum(len(video.joints) for video in videos.videos)
    print(f"{'clips, s a step':28}{seconds['clips']:10.4g}")
    print(f"{'cached features, s a step':28}{seconds['cached']:10.4g}")
    print(f"{'making the cache, s':28}{caching:10.4g}  ({frames} frames and their mirror images)")
    print(f"ratio: {seconds['clips'] / seconds['cached']:.1f}")


class _Kept:
    """A data set of videos with frames drawn in advance, so that drawing is not measured."""

    def __init__(self, dataset):
        self.videos = [
            replace(dataset[index], frames=list(dataset[index].frames))
            for index in range(len(dataset))
        ]
        self.name, self.actions, self.skeleton = dataset.name, dataset.actions, dataset.skeleton

    def __len__(self):
        return len(self.videos)

    def __getitem__(self, index):
        return self.videos[index]


def _step(model, batches, rounds):
    """A training step on the next batch, as a function."""
    compile_action(model, ActionTraining(), steps=rounds)
    numbers = count()
    return lambda: model.train_on_batch(*batches[next(numbers) % len(batches)])


def _parse(argv):
    parser = script_parser(__doc__)
    parser.add_argument("--videos", type=int, default=48, help="(%(default)s)")
    parser.add_argument("--batch", type=int, default=8, help="clips (%(default)s)")
    parser.add_argument("--frames", type=int, default=16, help="frames a clip (%(default)s)")
    parser.add_argument("--rounds", type=int, default=20, help="(%(default)s)")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
