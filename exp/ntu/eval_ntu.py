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

Time and score: not measured, data set unavailable. The paper reports an
accuracy of 85.5 % cross-subject.
"""

import sys

from deephar.cli.evaluate import ActionEvaluation
from deephar.cli.options import DataOption
from deephar.data.sets.ntu import PROTOCOLS

main = ActionEvaluation(
    doc=__doc__,
    path="exp/ntu/eval_ntu.py",
    kind="ntu",
    folder="datasets/NTU",
    options=(
        DataOption(
            "--protocol",
            {
                "choices": PROTOCOLS,
                "help": f"(that of the weights; {PROTOCOLS[0]} if they do not tell)",
            },
        ),
    ),
).main


if __name__ == "__main__":
    sys.exit(main())
