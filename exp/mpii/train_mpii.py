"""Trains a pose network on MPII, and on LSP and LSP-extended where they are given.

    python exp/mpii/train_mpii.py --data datasets/MPII --out runs/mpii

Needs the folder of MPII (see datasets/MPII/README.md). Persons to pick the best epoch by are held
out of the training images; the validation split stays unseen for exp/mpii/eval_mpii.py. A killed
run goes on with the same command and --resume.

On a CPU: --variant vgg16-light --freeze-stem 3 --stem-rate 0.1 --heat-map-weight 0.1 --peak-window
2 --mixed-precision --epochs 24 --steps 145. With LSP and LSP-extended, that took 97 minutes on 2
cores and gave PCKh 69.1 on the small copies of the README's "Results"; --variant vgg16-medium, from
these weights (--weights), 80.1 after ten hours more, in the six runs of weights/README.md. The
default variant is for a GPU and has not been measured yet.
"""

import argparse
import sys

from deephar import cli
from deephar.data import LSP, MPII
from deephar.evaluation import score_mpii

SHARES = {"mpii": 16, "lsp": 8, "lspet": 8}


@cli.reporting_errors
def main(argv=None):
    """Trains as the arguments say; returns the exit status (2 for a user's mistake)."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="datasets/MPII", help="folder of MPII (%(default)s)")
    parser.add_argument("--lsp", metavar="FOLDER", help="folder of LSP, to train on as well")
    parser.add_argument("--lsp-extended", metavar="FOLDER", help="folder of LSP-extended, as well")
    parser.add_argument(
        "--shares",
        type=cli.parse_shares,
        help="persons of each data set in a batch (mpii=16,lsp=8,lspet=8, of those given)",
    )
    cli.add_pose_training_arguments(parser)
    args = parser.parse_args(argv)

    datasets = {"mpii": MPII(args.data, split="train")}
    if args.lsp:
        datasets["lsp"] = LSP(args.lsp, split="train")
    if args.lsp_extended:
        datasets["lspet"] = LSP(args.lsp_extended, split="extended")
    cli.train_pose_network(args, datasets, SHARES, score_mpii)


if __name__ == "__main__":
    sys.exit(main())
