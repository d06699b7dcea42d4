"""Evaluates a pose network on LSP: person-centric PCK of every joint group, figures, files.

    python exp/lsp/eval_lsp.py --data datasets/LSP --weights vgg16-medium

Prints one row a prediction block; the last block is the answer. Writes results.json, curve.png,
joints.png and persons.png. `--crops flip` takes a crop and its mirror image, and twice as long,
`--crops multi` ten crops a person. The score to expect stands in the README,
under "Results": PCK 84.8 for `vgg16-medium`, trained on MPII and LSP.
"""

import argparse
import sys

from deephar import cli
from deephar.data import LSP
from deephar.evaluation import score_lsp


@cli.reporting_errors
def main(argv=None):
    """Runs the evaluation; returns the exit status (2 for a user's mistake)."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="datasets/LSP", help="folder of LSP (%(default)s)")
    parser.add_argument("--split", default="test", help="train or test (%(default)s)")
    cli.add_evaluation_arguments(parser, out="runs/eval_lsp")
    args = parser.parse_args(argv)
    dataset = LSP(args.data, split=args.split)
    cli.evaluate_network(args, dataset, score_lsp, ["exp/lsp/eval_lsp.py", *argv])


if __name__ == "__main__":
    sys.exit(main())
