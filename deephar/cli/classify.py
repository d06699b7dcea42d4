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
    """Prints the best actions in each video.

    Of several videos, one that cannot be used does not stop the others.

    Args:
        args: arguments of `add_classify_arguments`.

    Returns:
        The exit status: 1 if at least one of several videos could not be used.

    Raises:
        FileNotFoundError, ValueError, OSError: The only video, or the weights cannot be used, see
            `deephar.Predictor.classify`.
    """
    from deephar.inference.predictor import Predictor
    from deephar.weights import default_name

    alone = len(args.videos) == 1
    # Reports a bad path before the network is built.
    usable = [video for video in args.videos if _result(_look_at, video, alone) is not None]
    if not usable:
        return 1
    predictor = Predictor(
        args.weights, head=args.head, runtime=args.runtime, precision=args.precision
    )
    if not predictor.actions:
        name = args.weights or default_name()
        raise ValueError(
            f"{name} predicts poses only. Give weights with actions, such as vgg16-medium-penn."
        )
    complete = len(usable) == len(args.videos)
    for video in usable:
        actions = _result(predictor.classify, video, alone)
        if actions is None:
            complete = False
        else:
            _print_actions(video, actions)
    return 0 if complete else 1


def _result(act, video, alone):
    """What an act on a video returns; None where it fails, which is printed, if there are more."""
    try:
        return act(video)
    except (OSError, ValueError) as error:
        if alone:
            raise
        text = " ".join(str(error).split())
        print("error:", text if video in text else f"{video}: {text}", file=sys.stderr)
        return None


def _look_at(video):
    from deephar.data import read_poses
    from deephar.inference.media import describe_video, is_pose_file

    return read_poses(video) if is_pose_file(video) else describe_video(video)


def _print_actions(video, actions):
    from deephar.inference.intervals import in_words, is_nobody

    print(video)
    if is_nobody(actions):
        print(NOBODY)
        return
    for name, score in actions[:5]:
        print(f"  {100 * score:5.1f} %  {in_words(name)}")
