"""Evaluates an action network on Penn Action, on the built-in data set, or on drawn frames.

    python exp/pennaction/eval_penn.py --data datasets/PennAction --weights runs/penn/action/best.h5

Prints accuracy and top-5 accuracy of every prediction block (the last is the answer), the accuracy
of each action, and the score of the predicted poses: PCK, or PCKh and MPJPE on the built-in data
set. Writes results.json, videos.csv, confusion.png, actions.png and videos.png. `--clips multi
--mirror` is the multi-clip protocol. Results on frames that are not real are marked "synthetic" or
"penn-drawn".

    --data datasets/PennAction --poses labels    from labelled poses, without frames: of weights
                                                 whose action heads see no appearance
    --data datasets/PennAction --drawn           on frames drawn from the labels
    --data synthetic                             on the built-in data set

Score from labelled poses, with `penn-pose-stream`: accuracy 98.9 % (see docs/results.md).
With frames: not measured, frames unavailable.
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
