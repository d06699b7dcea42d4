"""Trains 3D pose and action on NTU RGB+D, in stages.

    python exp/ntu/train_ntu.py --data datasets/NTU --mpii datasets/MPII --out runs/ntu

Stage `pose`: RMSprop, on frames of the videos and the stills of --mpii, which have no depth. Stage
`action`: SGD with Nesterov momentum, the pose network frozen. Stage `finetune`, if asked for by
--stages: everything together. To pick the best epoch by, some of the training persons are held out,
by either protocol. Writes a folder for each stage, with best.h5 to evaluate: eval_ntu.py --weights
runs/ntu/action/best.h5. After a kill, the same command with --resume goes on.

    --protocol cross-view                        cameras 2 and 3 to train on, camera 1 to test
    --stages action --weights WEIGHTS            stage 2 on any pose weights
    --stream pose --poses labels                 the pose stream alone, from the labels, no frames

Neither its time nor its score has been measured here, for want of the data; the paper reports an
accuracy of 85.5 % cross-subject.
"""

import argparse
import sys

from deephar import cli
from deephar.data import MPII, NTU
from deephar.data.sets import ntu
from deephar.training import stages


@cli.reporting_errors
def main(argv=None):
    """Trains as the arguments say; returns the exit status (2 for a user's mistake)."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="datasets/NTU", help="folder of it (%(default)s)")
    parser.add_argument(
        "--protocol", default=ntu.PROTOCOLS[0], choices=ntu.PROTOCOLS, help="(%(default)s)"
    )
    parser.add_argument("--mpii", metavar="FOLDER", help="folder of MPII: stills to train on, too")
    stages.add_stages_arguments(parser, depth="regression", skeletons=("pa17j", "pa20j"))
    args = parser.parse_args(argv)
    train, validation = stages.open_training_videos(args)
    stills = {"mpii": MPII(args.mpii, split="train")} if args.mpii else {}
    best = stages.train_stages(args, train, validation, NTU.name, stills)
    print(f"best weights: {best}")


if __name__ == "__main__":
    sys.exit(main())
