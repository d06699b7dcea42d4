"""``deephar demo``: the pose and the action of a person, drawn over a video."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path

from deephar.examples import VIDEO

DESCRIPTION = """
Draws the pose of a person, the action and its score over a video.

VIDEO is a file, an address (https://... or rtsp://...), the number of a camera (0), a folder of
pictures, numbered pictures (frames/%06d.png), or several pictures. Without it, an example is taken.
Ctrl-C ends a camera or a live stream. What was seen until then is written.

Writes the video OUT.mp4. Beside it, OUT.json and OUT.csv have the numbers, and OUT-actions.png
shows the actions over time. The five best actions of the whole video are printed. So is what was
done from when to when and, of push-ups, squats and the like, how often. "No known action" means
that it is none of those that the network knows. Where nobody is seen, nothing is drawn.

The most visible person is found and followed. --box or --person choose another one, and --people
all shows everybody. Joints are smoothed over time, and lag behind by less than a frame where they
move fast. A 3D network adds depth, and views from the front and from the side.

A CPU takes a while. --weights vgg16-light-penn is almost four times as fast, and so is OpenVINO
(pip install 'deephar[int8]') with --precision int8. docs/your-own-video.md says more.
"""


_LONGEST_STEM = 200  # bytes; file systems take names of 255, and ours have more at the end
_WHOM = ("best", "largest", "centre")  # deephar.inference.search.WHOM, slow to import


def add_demo_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `annotate`."""
    from deephar.cli.options import add_predictor_arguments, parse_subsampling

    parser.add_argument(
        "video",
        nargs="*",
        default=[str(VIDEO)],
        help="file, address, camera, folder or pictures (an example)",
        metavar="VIDEO",
    )
    parser.add_argument(
        "--out",
        help="video to write (VIDEO-poses.mp4 in the current folder)",
        metavar="OUT.mp4",
    )
    add_predictor_arguments(parser)
    parser.add_argument(
        "--box",
        type=float,
        nargs=4,
        metavar=("X1", "Y1", "X2", "Y2"),
        help="the person's box in pixels, for all frames",
    )
    parser.add_argument(
        "--people",
        choices=("one", "all"),
        default="one",
        help="whom to show; all: everybody, with numbers (%(default)s)",
    )
    parser.add_argument(
        "--person",
        type=_parse_person,
        help="whom to follow: best seen, largest, centre, or a NUMBER (best)",
        metavar="WHOM",
    )
    parser.add_argument(
        "--smooth",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="smooth the joints over time (yes)",
    )
    parser.add_argument(
        "--subsampling",
        type=parse_subsampling,
        metavar="N|whole",
        help="distance of a clip's frames (that of the training)",
    )
    parser.add_argument(
        "--format",
        action="append",
        default=[],
        choices=("coco", "csv", "parquet"),  # pose_tables.FORMATS, slow to import
        metavar="FORM",
        help="also write the joints as coco, csv or parquet; may be repeated",
    )
    parser.add_argument("--fps", type=float, help="frame rate of pictures (30)")


def annotate(args: argparse.Namespace) -> None:
    """Annotates a video, with a progress bar, and prints the best actions and what was written.

    Args:
        args: arguments of `add_demo_arguments`.

    Raises:
        FileNotFoundError, ValueError, OSError: As ``annotate_video``.
    """
    from deephar.data.pose_tables import FORMATS, require_parquet
    from deephar.inference.annotate import annotate_people, annotate_video, in_words, require_own
    from deephar.inference.intervals import describe_intervals
    from deephar.inference.media import describe_video
    from deephar.inference.predictor import Predictor
    from deephar.inference.sources import is_pictures
    from deephar.weights import default_name

    if "parquet" in args.format:
        require_parquet()
    if args.people == "all" and (args.box or args.person or args.subsampling):
        raise ValueError(
            "--people all finds the persons. Leave --box, --person and --subsampling out."
        )
    if args.box and args.person:
        raise ValueError("--box and --person both say whom to follow. Leave one of them out.")
    video = args.video[0] if len(args.video) == 1 else args.video
    out = args.out or f"{_stem(args.video[0])}-poses.mp4"
    # Reports a bad path before the network is built.
    name, count, fps, live = describe_video(video, args.fps)
    beside = Path(out).with_suffix("")
    more = [f"{beside}{FORMATS[form]}" for form in args.format]
    if not args.out:  # the user has not named the video either
        more.append(out)
    require_own([Path(f"{beside}.json"), *map(Path, more)])
    predictor = Predictor(
        args.weights, head=args.head, runtime=args.runtime, precision=args.precision
    )
    print(_describe(predictor, args.weights or default_name()))
    if (len(args.video) > 1 or is_pictures(video)) and not args.fps:
        print(f"{count} pictures, taken as {fps:g} frames a second; --fps changes this")
    if live and args.people == "one":
        written = _annotate_live(predictor, video, out, args)
        _print_one(written, args.format)
        return
    if fps is None:
        print(f"reading {name}; Ctrl-C ends it")
    if args.people == "all":
        written = annotate_people(
            predictor, video, out, fps=args.fps, progress=True, smooth=args.smooth
        )
        for number, actions in (written.actions or {}).items():
            print(f"  {number}: {in_words(actions[0][0])}, {100 * actions[0][1]:.1f} %")
            print(*describe_intervals(written.intervals[number]), sep="\n")
        _print_written(written, args.format)
        return
    written = annotate_video(
        predictor,
        video,
        out,
        fps=args.fps,
        progress=True,
        box=args.box or args.person,
        subsampling=args.subsampling,
        smooth=args.smooth,
    )
    _print_one(written, args.format)


def _describe(predictor, name):
    """The network and the runtime, such as "vgg16-light: 16 joints, no actions, on Keras"."""
    actions = f" and {len(predictor.actions)} actions" if predictor.actions else ", no actions"
    return f"{name}: {len(predictor.skeleton.joints)} joints{actions}, on {predictor.runtime}"


def _annotate_live(predictor, video, out, args):
    """Annotates a camera or a live stream, and shows it."""
    from deephar.cli.view import opened_view
    from deephar.inference.annotate import annotate_video
    from deephar.inference.media import load_video

    predictor.warm_up()  # the stream does not wait
    with opened_view() as (show, where):
        footage = load_video(video)
        print(f"reading {footage.name}; Ctrl-C ends it. {where}")
        written = annotate_video(
            predictor,
            footage,
            out,
            show=show,
            box=args.box or args.person,
            subsampling=args.subsampling,
            smooth=args.smooth,
        )
        print(f"{footage.live.describe()} in the end, {footage.live.dropped} frames were dropped")
    return written


def _print_one(written, formats):
    """Prints what one person did, and the paths of all files."""
    from deephar.cli.classify import NOBODY
    from deephar.inference.intervals import describe_intervals, in_words

    if written.actions and not written.intervals:  # a picture, or nobody is seen
        print(NOBODY)
    else:
        for name, score in (written.actions or [])[:5]:
            print(f"  {100 * score:5.1f} %  {in_words(name)}")
    print(*describe_intervals(written.intervals), sep="\n")
    _print_written(written, formats)


def _parse_person(text):
    """Whom to follow: "best", "largest", "centre", or a number from 1."""
    if text in _WHOM:
        return text
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(
            f"{text!r} is none of {', '.join(_WHOM)}, and no number from 1"
        )
    return int(text)


def _print_written(written, formats):
    """Writes the numbers in more formats, and prints the paths of all files."""
    from deephar.data.pose_tables import export_numbers

    more = [export_numbers(written.numbers, form) for form in formats]
    print("\nwrote", *filter(None, written[:4]), *more, sep="\n  ")


def _stem(video):
    """What the written files are named after."""
    from deephar.inference.sources import is_camera, is_pictures

    if is_camera(video):
        return f"camera-{video}"
    path = Path(re.sub(r"[?#].*", "", video) if "://" in video else video)
    named_by = path.parent if is_pictures(video) and not path.is_dir() else path
    stem = named_by.resolve().name if named_by.is_dir() else path.stem
    return os.fsencode(stem)[:_LONGEST_STEM].decode(errors="ignore")
