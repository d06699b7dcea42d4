"""Trains pose and action on Penn Action, or on the built-in data set, in stages.

    python exp/pennaction/train_penn.py --mpii datasets/MPII --out runs/penn

Stage `pose`: RMSprop, on frames of the videos and the stills of --mpii. Stage `action`: SGD with
Nesterov momentum, the pose network frozen. Stage `finetune`, if asked for by --stages: everything
together. Writes a folder for each stage, with best.h5 to evaluate: eval_penn.py --weights
runs/penn/action/best.h5. After a kill, the same command with --resume goes on.

    --stages action --weights WEIGHTS            stage 2 on any pose weights
    --stream pose --poses labels                 the pose stream alone, from the labels, no frames
    --data synthetic                             on the built-in data set
    --drawn                                      on frames drawn from the labels
"""

import argparse
import sys

from deephar import cli
from deephar.data import MPII
from deephar.training import stages


@cli.reporting_errors
def main(argv=None):
    """Trains as the arguments say; returns the exit status (2 for a user's mistake)."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data",
        default="datasets/PennAction",
        metavar="FOLDER|synthetic",
        help="folder of Penn Action, or the built-in data set (%(default)s)",
    )
    parser.add_argument("--drawn", action="store_true", help="draw the frames from the labels")
    parser.add_argument("--mpii", metavar="FOLDER", help="folder of MPII: stills to train on, too")
    stages.add_stages_arguments(parser)
    args = parser.parse_args(argv)
    train, validation = stages.open_training_videos(args)
    stills = {"mpii": MPII(args.mpii, split="train")} if args.mpii else {}
    head = "synthetic" if args.data == cli.SYNTHETIC else "penn"
    best = stages.train_stages(args, train, validation, head, stills)
    print(f"best weights: {best}")


if __name__ == "__main__":
    sys.exit(main())
