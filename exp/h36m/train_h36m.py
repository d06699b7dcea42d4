"""Trains a network of 3D poses on Human3.6M, and on MPII where it is given.

    python exp/h36m/train_h36m.py --data datasets/Human3.6M --mpii datasets/MPII --out runs/h36m

Needs the folder of Human3.6M (see datasets/Human3.6M/README.md). Persons of MPII train x and y
only: their depth is not known. To pick the best epoch by, performances are held out of the training
videos, and 2000 frames of them are scored; S9 and S11 stay unseen for exp/h36m/eval_h36m.py. A
killed run goes on with the same command and --resume.

The default variant is for a GPU, with --mixed-precision. Neither its time nor its score has been
measured here, for want of the data; the paper reports an MPJPE of 55.1 mm, single crop.
"""

import argparse
import sys

from deephar import cli
from deephar.data import MPII, Human36M
from deephar.evaluation import score_mpjpe

SHARES = {"h36m": 16, "mpii": 16}
VALIDATION = 2000


@cli.reporting_errors
def main(argv=None):
    """Trains as the arguments say; returns the exit status (2 for a user's mistake)."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="datasets/Human3.6M", help="folder of it (%(default)s)")
    parser.add_argument("--mpii", metavar="FOLDER", help="folder of MPII, to train on as well")
    parser.add_argument("--every", type=int, metavar="N", help="take every N-th frame (5)")
    parser.add_argument(
        "--protocol",
        type=int,
        default=1,
        help="measure to pick the best epoch by: 1 (MPJPE) or 2 (P-MPJPE) (%(default)s)",
    )
    parser.add_argument(
        "--shares",
        type=cli.parse_shares,
        help="persons of each data set in a batch (h36m=16,mpii=16, of those given)",
    )
    cli.add_pose_training_arguments(parser, depth="volumetric", skeletons=("pa17j",))
    args = parser.parse_args(argv)

    datasets = {"h36m": Human36M(args.data, "train", protocol=args.protocol, every=args.every)}
    if args.mpii:
        datasets["mpii"] = MPII(args.mpii, split="train")
    cli.train_pose_network(args, datasets, SHARES, score_mpjpe, VALIDATION)


if __name__ == "__main__":
    sys.exit(main())
