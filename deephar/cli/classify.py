"""``deephar classify``: the action in videos, or in files of poses."""

from __future__ import annotations

import argparse

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


def classify(args: argparse.Namespace) -> None:
    """Prints the best actions in each video.

    Args:
        args: arguments of `add_classify_arguments`.

    Raises:
        FileNotFoundError, ValueError, OSError: As `deephar.Predictor.classify`.
    """
    from deephar.data import read_poses
    from deephar.inference.intervals import in_words, is_nobody
    from deephar.inference.media import describe_video, is_pose_file
    from deephar.inference.predictor import Predictor

    for video in args.videos:  # reports a bad path before the network is built
        read_poses(video) if is_pose_file(video) else describe_video(video)
    predictor = Predictor(
        args.weights, head=args.head, runtime=args.runtime, precision=args.precision
    )
    for video in args.videos:
        actions = predictor.classify(video)
        print(video)
        if is_nobody(actions):
            print(NOBODY)
            continue
        for name, score in actions[:5]:
            print(f"  {100 * score:5.1f} %  {in_words(name)}")
