"""Draws the pose of a person, the action and its score over a video; the same as ``deephar demo``.

    python exp/demo.py VIDEO --out OUT.mp4
    python exp/demo.py VIDEO --weights runs/penn/action/best.h5 --out OUT.mp4

Beside the video, it writes the numbers (OUT.json, OUT.csv) and the actions over time
(OUT-actions.png), and prints the five best actions of the whole video.

Takes a minute for about 240 frames on two cores with the default weights, and a quarter of that
with --weights vgg16-light-penn. With OpenVINO (pip install 'deephar[fast]'), it is several times as
fast.
"""

import sys
from collections.abc import Sequence

from deephar.cli.main import main as deephar


def main(argv: Sequence[str] | None = None) -> int:
    """Annotates the video; returns the exit status (2 for a user's mistake)."""
    return deephar(["demo", *(sys.argv[1:] if argv is None else argv)])


if __name__ == "__main__":
    sys.exit(main())
