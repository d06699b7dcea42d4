"""Draws the pose of a person, the action and its score over a video.

    python exp/demo.py VIDEO --out OUT.mp4
    python exp/demo.py VIDEO --weights runs/penn/action/best.h5 --out OUT.mp4

Takes a minute for some 240 frames on two cores with the default weights, with --weights vgg16-light
a quarter of that; where the processor computes in bfloat16, --mixed-precision takes half as long.
Writes the video, and beside it OUT.json with the numbers: of each frame the joints in pixels, their
visibility, the person's box, the cropped square and the best actions; and the actions of the whole
video. The person whose joints are seen best is found and followed, unless --box gives their box.
Weights of a 3D network add depth to the numbers (mm relative to the pelvis), and beside each frame
the pose from the front and from the side.
"""

import argparse
import sys

from deephar import cli


@cli.reporting_errors
def main(argv=None):
    """Annotates the video; returns the exit status (2 for a user's mistake)."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", help="video file")
    parser.add_argument("--weights", help=".h5 file, or name in weights/ (the default weights)")
    parser.add_argument("--out", required=True, help=".mp4 file to write")
    parser.add_argument("--head", help="whose actions to tell, if the network has several heads")
    parser.add_argument(
        "--box",
        type=float,
        nargs=4,
        metavar=("X1", "Y1", "X2", "Y2"),
        help="the person's box in pixels, for all frames",
    )
    parser.add_argument(
        "--subsampling",
        type=cli.parse_subsampling,
        metavar="N|whole",
        help="frames from one of a clip to the next (what the weights were trained with)",
    )
    cli.add_precision_argument(parser)
    cli.annotate(parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
