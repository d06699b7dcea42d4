"""Trains and evaluates both stages on the built-in data set: pose in 2D and 3D, and action.

    python exp/synthetic/train_synthetic.py --out runs/synthetic

Nothing is downloaded. Ends with a table on persons and views that were not trained on: PCKh, MPJPE
and action accuracy, all of *synthetic* data, and pictures in the folder `eval`. The defaults are a
short form for a laptop: a light network, 64 pixels, persons filmed from the front.
"""

import argparse
import shlex
import sys

from deephar import cli, stages
from deephar.data import Augmentation, Synthetic
from deephar.evaluation import evaluate_actions

SHORT = {
    "variant": "vgg16-light-64",
    "stem_weights": "none",
    "depth": "regression",
    "frames": 8,
    "epochs": {"pose": 8, "action": 20},
    "steps": {"pose": 150, "action": 60},
    "batch": {"pose": 16, "action": 16},
    "cache_features": True,
}
FRAMES = 96  # pixels of the drawn frames: the network's 64, with some room for its crops


@cli.reporting_errors
def main(argv=None):
    """Trains and evaluates; returns the exit status (2 for a user's mistake)."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=720, help="to train on (%(default)s)")
    parser.add_argument("--views", default="front", help="front or all (%(default)s)")
    stages.add_stages_arguments(parser)
    parser.set_defaults(**SHORT)
    args = parser.parse_args(argv)

    train, validation, test = (
        Synthetic(split, videos, image_size=FRAMES, views=args.views)
        for split, videos in (("train", args.videos), ("validation", 60), ("test", 240))
    )
    augmentation = Augmentation(rotation=15, scale=(0.85, 1.15))
    best = stages.train_stages(args, train, validation, "synthetic", augmentation=augmentation)
    command = shlex.join(["python", "exp/synthetic/train_synthetic.py", *argv])
    evaluate_actions(test, best, f"{args.out}/eval", batch_size=16, command=command)


if __name__ == "__main__":
    sys.exit(main())
