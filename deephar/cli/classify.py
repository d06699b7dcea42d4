"""``deephar classify``: the action in videos, or in files of poses."""

from __future__ import annotations

import argparse
import sys

DESCRIPTION = """
Tells the action in videos, the five best with their scores, averaged over the frames.

A file of poses does in place of a video, if the action heads see poses alone: JSON or CSV of
deephar demo, COCO results or MMPose's or YOLO's JSON (17 joints), or MediaPipe's 33 landmarks.
Joints go by their names; those that the file does not have count as hidden, and are named.
"""

NOBODY = "  no known action: nobody is seen for long enough"
"""What is printed in place of actions where nobody is seen, or in one frame only."""


def add_classify_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `classify`."""
    from deephar.cli.options import add_predictor_arguments

    parser.add_argument("videos", nargs="+", metavar="VIDEO", help="video, or file of poses")
    add_predictor_arguments(parser)


def classify(args: argparse.Namespace) -> int:
    """Prints the best actions in each video; returns the exit status, 1 if one of several failed.

    Args:
        args: arguments of `add_classify_arguments`.

    Raises:
        FileNotFoundError, ValueError, OSError: As `deephar.Predictor.classify`, if there is no
            other video.
    """
    from deephar.inference.predictor import Predictor

    alone = len(args.videos) == 1
    # Reports a bad path before the network is built.
    good = [video for video in args.videos if _succeeds(_look_at, video, alone)]
    if not good:
        return 1
    predictor = Predictor(
        args.weights, head=args.head, runtime=args.runtime, precision=args.precision
    )

    def tell(video):
        _print_actions(video, predictor.classify(video))

    told = [video for video in good if _succeeds(tell, video, alone)]
    return 0 if len(told) == len(args.videos) else 1


def _succeeds(act, video, alone):
    """Whether an act on a video succeeds. What it raises is printed, so that the others go on."""
    try:
        act(video)
    except (OSError, ValueError) as error:
        if alone:
            raise
        print("error:", " ".join(str(error).split()), file=sys.stderr)
        return False
    return True


def _look_at(video):
    from deephar.data import read_poses
    from deephar.inference.media import describe_video, is_pose_file

    read_poses(video) if is_pose_file(video) else describe_video(video)


def _print_actions(video, actions):
    from deephar.inference.intervals import in_words, is_nobody

    print(video)
    if is_nobody(actions):
        print(NOBODY)
        return
    for name, score in actions[:5]:
        print(f"  {100 * score:5.1f} %  {in_words(name)}")
