"""Evaluates a pose network on MPII: PCKh of every joint group, figures, files.

    python exp/mpii/eval_mpii.py --data datasets/MPII --weights vgg16-medium

Prints one row per prediction block; the last block is the answer. Writes results.json, curve.png,
joints.png and persons.png. `--crops flip` evaluates each crop and its mirror image, `--crops multi`
ten crops per person. Expected score (see docs/results.md): PCKh 80.0 for
`vgg16-medium` on a small copy of MPII. `--presence` prints how well persons are told from
backgrounds instead.
"""

import sys

from deephar.cli.evaluate import PoseEvaluation
from deephar.evaluation import score_mpii

main = PoseEvaluation(
    doc=__doc__,
    path="exp/mpii/eval_mpii.py",
    kind="mpii",
    folder="datasets/MPII",
    split="valid",
    score=score_mpii,
    presence=True,
).main


if __name__ == "__main__":
    sys.exit(main())
