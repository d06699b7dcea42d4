"""Evaluates an action network on Penn Action, on the built-in data set, or on drawn frames.

    python exp/pennaction/eval_penn.py --data datasets/PennAction --weights runs/penn/action/best.h5

Prints accuracy and top-5 accuracy of every prediction block (the last is the answer), the accuracy
of each action, and the score of the poses along the way: PCK, or PCKh and MPJPE on the built-in
set. Writes results.json, videos.csv, confusion.png, actions.png and videos.png. `--clips multi
--mirror` is the multi-clip protocol. What is measured on other than real frames says so:
"synthetic", "penn-drawn".

    --data datasets/PennAction --poses labels    from the labelled poses, without any frame
    --data datasets/PennAction --drawn           frames drawn from the labels
    --data synthetic                             the built-in set
"""

import sys

from deephar.cli.evaluate import ActionEvaluation

main = ActionEvaluation(
    doc=__doc__,
    path="exp/pennaction/eval_penn.py",
    kind="penn",
    folder="datasets/PennAction",
).main


if __name__ == "__main__":
    sys.exit(main())
