"""Evaluates a network of 3D poses on Human3.6M: MPJPE and P-MPJPE of every action.

    python exp/h36m/eval_h36m.py --data datasets/Human3.6M --weights runs/h36m/best.h5

Prints one row a prediction block and one an action; the last block is the answer. The errors are in
mm and relative to the pelvis, whose own error of 0 is among the 17 that are averaged, as in the
authors' evaluation. Writes results.json and poses_3d.png. `--crops multi` takes ten crops a
frame, and ten times as long.

Neither its time nor its score has been measured here, for want of the data; the paper reports an
MPJPE of 55.1 mm, and of 53.2 mm with several crops and their mirror images.
"""

import argparse
import sys

from deephar import cli
from deephar.data import Human36M
from deephar.evaluation import score_mpjpe


@cli.reporting_errors
def main(argv=None):
    """Runs the evaluation; returns the exit status (2 for a user's mistake)."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="datasets/Human3.6M", help="folder of it (%(default)s)")
    parser.add_argument("--split", default="test", help="train or test (%(default)s)")
    parser.add_argument(
        "--every", type=int, metavar="N", help="take every N-th frame (64; train 5)"
    )
    parser.add_argument(
        "--protocol", type=int, default=1, help="1 (MPJPE) or 2 (P-MPJPE) (%(default)s)"
    )
    cli.add_evaluation_arguments(parser, out="runs/eval_h36m")
    args = parser.parse_args(argv)
    dataset = Human36M(args.data, args.split, protocol=args.protocol, every=args.every)
    cli.evaluate_network(args, dataset, score_mpjpe, ["exp/h36m/eval_h36m.py", *argv])


if __name__ == "__main__":
    sys.exit(main())
