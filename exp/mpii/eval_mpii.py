"""Evaluates a pose network on MPII: PCKh of every joint group, figures, files.

    python exp/mpii/eval_mpii.py --data datasets/MPII --weights vgg16-medium

Prints one row a prediction block; the last block is the answer. Writes results.json, curve.png,
joints.png and persons.png. `--crops flip` takes a crop and its mirror image, and twice as long,
`--crops multi` ten crops a person. The score to expect stands in the README,
under "Results": PCKh 80.1 for `vgg16-medium` on a small copy of MPII.
"""

import argparse
import sys

from deephar import cli
from deephar.data import MPII
from deephar.evaluation import score_mpii


@cli.reporting_errors
def main(argv=None):
    """Runs the evaluation; returns the exit status (2 for a user's mistake)."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="datasets/MPII", help="folder of MPII (%(default)s)")
    parser.add_argument("--split", default="valid", help="train or valid (%(default)s)")
    cli.add_evaluation_arguments(parser, out="runs/eval_mpii")
    args = parser.parse_args(argv)
    dataset = MPII(args.data, split=args.split)
    cli.evaluate_network(args, dataset, score_mpii, ["exp/mpii/eval_mpii.py", *argv])


if __name__ == "__main__":
    sys.exit(main())
