"""Trains a pose network on LSP, and on LSP-extended where it is given.

    python exp/lsp/train_lsp.py --data datasets/LSP --lsp-extended datasets/LSPET --out runs/lsp

Needs the folder of LSP (see datasets/LSP/README.md). Images 1 to 1000 are trained on; persons to
pick the best epoch by are held out of them, and the test images stay unseen for
exp/lsp/eval_lsp.py. A killed run goes on with the same command and --resume. LSP labels neither
pelvis nor thorax: start from a network of MPII (--weights runs/mpii/best.h5) if they matter.

On a CPU, add --variant vgg16-light --freeze-stem 3 --stem-rate 0.1 --heat-map-weight 0.1. Time and
score of training on LSP alone have not been measured; the README's "Results" has those of training
on MPII and LSP together.
"""

import argparse
import sys

from deephar import cli
from deephar.data import LSP
from deephar.evaluation import score_lsp

SHARES = {"lsp": 16, "lspet": 16}


@cli.reporting_errors
def main(argv=None):
    """Trains as the arguments say; returns the exit status (2 for a user's mistake)."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="datasets/LSP", help="folder of LSP (%(default)s)")
    parser.add_argument("--lsp-extended", metavar="FOLDER", help="folder of LSP-extended, as well")
    parser.add_argument(
        "--shares",
        type=cli.parse_shares,
        help="persons of each data set in a batch (lsp=16,lspet=16, of those given)",
    )
    cli.add_pose_training_arguments(parser)
    args = parser.parse_args(argv)

    datasets = {"lsp": LSP(args.data, split="train")}
    if args.lsp_extended:
        datasets["lspet"] = LSP(args.lsp_extended, split="extended")
    cli.train_pose_network(args, datasets, SHARES, score_lsp)


if __name__ == "__main__":
    sys.exit(main())
