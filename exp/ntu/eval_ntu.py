"""Evaluates an action network on NTU RGB+D.

    python exp/ntu/eval_ntu.py --data datasets/NTU --weights runs/ntu/action/best.h5

Prints accuracy and top-5 accuracy of every prediction block (the last is the answer), the accuracy
of each action, and scores of the predicted poses: PCK, and MPJPE in mm for 3D networks. The data
set has no camera parameters, so the camera of each video is fitted to its labels. Writes
results.json, videos.csv, confusion.png, actions.png and videos.png. `--clips multi --mirror` is the
multi-clip protocol. By default, the test videos are those of the protocol that the weights were
trained by: cross-subject or cross-view.

    --protocol cross-view                        for weights that do not name their protocol
    --poses labels                               from labelled poses, without frames

Time and score: not measured, data set unavailable. The paper reports an accuracy of 85.5 %
cross-subject.
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
                "metavar": "NAME",
                "help": f"{' or '.join(PROTOCOLS)} (that of the weights)",
            },
        ),
    ),
).main


if __name__ == "__main__":
    sys.exit(main())
