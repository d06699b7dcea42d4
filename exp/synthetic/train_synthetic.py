"""Trains and evaluates both stages on the built-in data set: pose in 2D and 3D, and action.

    python exp/synthetic/train_synthetic.py --out runs/synthetic

Nothing is downloaded. Ends with a table on persons and views that were not trained on: PCKh, MPJPE
and action accuracy, all of *synthetic* data, and pictures in the folder `eval`. The defaults are a
short form for a laptop: a light network, 64 pixels, persons filmed from the front. With `--dim 2`,
poses are in the plane only, and actions are told by these.
"""

import argparse
import shlex
import sys
from pathlib import Path

from deephar import cli, evaluation
from deephar.data import Augmentation, Frames, InMemory, Synthetic
from deephar.training import stages

SHORT = {
    "variant": "vgg16-light-64",
    "stem_weights": "none",
    "depth": "regression",
    "frames": 8,
    "epochs": {"pose": 10, "action": 8},
    "steps": {"pose": 600, "action": 60},
    "batch": {"pose": 8, "action": 16},
    "cache_features": True,
}
SIZE = 96  # pixels of the drawn frames: the network's 64, and room for what is around its crops
# Persons are drawn anew at will, so little has to be varied besides.
AUGMENTATION = Augmentation(rotation=5, scale=(0.95, 1.15), translation=0.05)


@cli.reporting_errors
def main(argv=None):
    """Trains and evaluates; returns the exit status (2 for a user's mistake)."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=480, help="to train on (%(default)s)")
    parser.add_argument(
        "--dim", type=int, choices=(2, 3), default=3, help="of poses, and so of actions (3)"
    )
    parser.add_argument("--views", default="front", help="front or all (%(default)s)")
    stages.add_stages_arguments(parser)
    parser.set_defaults(**SHORT)
    args = parser.parse_args(argv)
    if args.dim == 2:
        args.depth = None
    if args.weights:  # they bring their network with them
        args.variant = args.depth = None
    if args.stages and args.stages[-1] == "pose":
        parser.error("--stages pose has no action to evaluate; add the stage action")

    train, validation, test = (
        Synthetic(split, videos, image_size=SIZE, views=args.views)
        for split, videos in (("train", args.videos), ("validation", 60), ("test", 240))
    )
    best = stages.train_stages(args, train, validation, "synthetic", augmentation=AUGMENTATION)
    command = shlex.join(["python", "exp/synthetic/train_synthetic.py", *argv])
    evaluate(test, best, Path(args.out) / "eval", command)


def evaluate(test, weights, out, command):
    """Scores single frames and clips of the test set, and prints a table of both."""
    frames = InMemory(Frames(test, per_video=4))
    pose = evaluation.evaluate_poses(
        weights, frames, score=evaluation.score_pckh, out=out / "pose", command=command
    )
    action = evaluation.evaluate_actions(
        weights, test, out=out / "action", batch_size=16, command=command
    )
    of_frames, of_videos = f"{len(frames)} frames", f"{len(test)} videos"
    rows = [["2D pose", "PCKh@0.5", f"{pose.answer.total:.1f} %", of_frames]]
    if pose.depth is not None:
        rows.append(["3D pose", "MPJPE", f"{pose.depth.answer.total:.0f} mm", of_frames])
    space = "2D" if pose.depth is None else "3D"
    rows.append([f"{space} action", "accuracy", f"{action.answer.total:.1f} %", of_videos])
    header = ["synthetic test", "measure", "score", "of"]
    print("\n" + "\n".join(evaluation.table_lines(header, rows)))


if __name__ == "__main__":
    sys.exit(main())
