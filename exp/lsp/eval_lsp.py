"""Evaluates a pose network on LSP: person-centric PCK of every joint group, figures, files.

    python exp/lsp/eval_lsp.py --data datasets/LSP --weights vgg16-medium

Prints one row per prediction block; the last block is the answer. Writes results.json, curve.png,
joints.png and persons.png. `--crops flip` evaluates each crop and its mirror image, `--crops multi`
ten crops per person. Expected score (see docs/results.md): PCK 84.7 for `vgg16-medium`,
trained on MPII and LSP.
"""

import sys

from deephar.cli.evaluate import PoseEvaluation
from deephar.evaluation import score_lsp

main = PoseEvaluation(
    doc=__doc__,
    path="exp/lsp/eval_lsp.py",
    kind="lsp",
    folder="datasets/LSP",
    split="test",
    score=score_lsp,
).main


if __name__ == "__main__":
    sys.exit(main())
