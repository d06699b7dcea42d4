"""Evaluates a pose network on keypoints in the form of COCO: PCK and average precision.

    python exp/coco/eval_coco.py --data FOLDER --weights runs/mine/best.h5

Prints one row per prediction block, the PCK@0.2 of the persons' boxes; the last block is the
answer. Then, by pycocotools (pip install 'deephar[coco]'), COCO's average precision in the true
boxes. Writes results.json, curve.png, joints.png and persons.png. `--save-predictions PATH.json`
writes COCO's results, PATH.csv or PATH.parquet a table. A folder with a single annotation file is
evaluated with --split all.
"""

import sys

from deephar.cli.evaluate import PoseEvaluation
from deephar.cli.options import COCO_OPTIONS
from deephar.evaluation import score_coco

main = PoseEvaluation(
    doc=__doc__,
    path="exp/coco/eval_coco.py",
    kind="coco",
    folder="datasets/COCO",
    split="valid",
    score=score_coco,
    options=COCO_OPTIONS,
).main


if __name__ == "__main__":
    sys.exit(main())
