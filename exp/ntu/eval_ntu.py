"""Evaluates an action network on NTU RGB+D.

    python exp/ntu/eval_ntu.py --data datasets/NTU --weights runs/ntu/action/best.h5

Prints accuracy and top-5 accuracy of every prediction block (the last is the answer), the accuracy
of each action, and the scores of the poses along the way: PCK, and MPJPE in mm of a network of 3D
poses. The data set says nothing of its cameras, so for this the camera of each video is fitted to
its labels. Writes results.json, videos.csv, confusion.png, actions.png and
videos.png. `--clips multi --mirror` is the multi-clip protocol. The videos are those that the
weights' training left out: by persons (cross-subject) or by camera (cross-view).

    --protocol cross-view                        for weights that do not tell how they were trained
    --poses labels                               from the labelled poses, without any frame

Neither its time nor its score has been measured here, for want of the data; the paper reports an
accuracy of 85.5 % cross-subject.
"""

import argparse
import sys

from deephar import cli
from deephar.data import NTU
from deephar.data.sets import ntu


@cli.reporting_errors
def main(argv=None):
    """Runs the evaluation; returns the exit status (2 for a user's mistake)."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="datasets/NTU", help="folder of it (%(default)s)")
    parser.add_argument("--split", default="test", help="train or test (%(default)s)")
    parser.add_argument(
        "--protocol",
        choices=ntu.PROTOCOLS,
        help=f"(that of the weights; {ntu.PROTOCOLS[0]} if they do not tell)",
    )
    cli.add_action_evaluation_arguments(parser, out="runs/eval_ntu")
    args = parser.parse_args(argv)
    weights, _ = cli.action_weights(args, NTU.name)
    dataset = cli.open_ntu(args, weights)
    cli.evaluate_action_network(args, weights, dataset, ["exp/ntu/eval_ntu.py", *argv])


if __name__ == "__main__":
    sys.exit(main())
