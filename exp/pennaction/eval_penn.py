"""Evaluates an action network on Penn Action, on the built-in data set, or on drawn frames.

    python exp/pennaction/eval_penn.py --data datasets/PennAction --weights runs/penn/action/best.h5

Prints accuracy and top-5 accuracy of every prediction block (the last is the answer), the accuracy
of each action, and the score of the poses along the way: PCK, or PCKh and MPJPE on the built-in
set. Writes results.json, videos.csv, confusion.png, actions.png and videos.png. `--clips multi
--mirror` is the multi-clip protocol. What is measured on other than real frames says so:
"synthetic", "penn-drawn".

    --data datasets/PennAction --poses labels    from the labelled poses, without any frame
    --data datasets/PennAction --drawn           frames drawn from the labels
    --data synthetic                             the built-in set
"""

import argparse
import sys

from deephar import cli


@cli.reporting_errors
def main(argv=None):
    """Runs the evaluation; returns the exit status (2 for a user's mistake)."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data",
        default="datasets/PennAction",
        metavar="FOLDER|synthetic",
        help="folder of Penn Action, or the built-in data set (%(default)s)",
    )
    parser.add_argument("--drawn", action="store_true", help="draw the frames from the labels")
    parser.add_argument("--split", default="test", help="train or test (%(default)s)")
    cli.add_action_evaluation_arguments(parser, out="runs/eval_penn")
    args = parser.parse_args(argv)
    head = "synthetic" if args.data == cli.SYNTHETIC else "penn"
    weights, actions = cli.action_weights(args, head)
    frames = args.poses == "predicted"
    dataset = cli.open_videos(args.data, args.split, frames, args.drawn, actions)
    command = ["exp/pennaction/eval_penn.py", *argv]
    cli.evaluate_action_network(args, weights, dataset, command)


if __name__ == "__main__":
    sys.exit(main())
