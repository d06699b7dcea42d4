"""Evaluates a network of 3D poses on Human3.6M: MPJPE and P-MPJPE of every action.

    python exp/h36m/eval_h36m.py --data datasets/Human3.6M --weights runs/h36m/best.h5

Prints one row per prediction block and one per action; the last block is the answer. Errors are in
mm and relative to the pelvis. As in the authors' evaluation, the pelvis's own error of 0 is part of
the average over 17 joints. Writes results.json and poses_3d.png. `--crops multi` evaluates ten
crops per frame, and takes ten times as long.

Time and score: not measured, data set unavailable. The paper reports an MPJPE of 55.1 mm, and of
53.2 mm with several crops and their mirror images.
"""

import sys

from deephar.cli.evaluate import PoseEvaluation
from deephar.cli.options import DataOption
from deephar.evaluation import score_mpjpe

main = PoseEvaluation(
    doc=__doc__,
    path="exp/h36m/eval_h36m.py",
    kind="h36m",
    folder="datasets/Human3.6M",
    split="test",
    score=score_mpjpe,
    options=(
        DataOption(
            "--every", {"type": int, "metavar": "N", "help": "take every N-th frame (64; train 5)"}
        ),
        DataOption(
            "--protocol", {"type": int, "metavar": "N", "help": "1 (MPJPE), 2 (P-MPJPE) (1)"}
        ),
    ),
).main


if __name__ == "__main__":
    sys.exit(main())
