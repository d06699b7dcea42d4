"""``deephar batch``: poses and actions of many videos, as tables."""

from __future__ import annotations

import argparse
from pathlib import Path

DESCRIPTION = """
Writes a table of poses and actions for each video: a row for each frame and person.

OUT/manifest.jsonl has a line for each video, with its table or its error. A run that was
interrupted goes on by the same command. Videos with an error are tried again. The exit status is 1
if there are any.
"""


def add_batch_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `batch`."""
    from deephar.cli.options import add_predictor_arguments

    parser.add_argument("videos", nargs="+", metavar="VIDEOS", help="videos, or folders of videos")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="folder of the results")
    add_predictor_arguments(parser)
    parser.add_argument(
        "--people",
        choices=("one", "all"),
        default="one",
        help="one person, who is followed, or everybody (%(default)s)",
    )
    parser.add_argument(
        "--format",
        choices=("parquet", "csv"),
        default="parquet",
        help="format of the tables; Parquet needs pyarrow (%(default)s)",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="N",
        help="processes; several need ray (%(default)s)",
    )
    parser.add_argument(
        "--ray-address",
        metavar="ADDRESS",
        help="a Ray cluster for the workers, or auto for the one of this machine (a new one on "
        "this machine)",
    )


def batch(args: argparse.Namespace) -> int:
    """Watches the videos, and prints what became of them; returns 1 if there are errors.

    Args:
        args: arguments of `add_batch_arguments`.

    Raises:
        FileNotFoundError, ValueError, OSError: As `deephar.inference.watch_videos`.
    """
    from deephar.inference.batch import MANIFEST, BatchSettings, find_videos, watch_videos

    settings = BatchSettings(
        weights=args.weights,
        head=args.head,
        runtime=args.runtime,
        precision=args.precision,
        people=args.people,
        form=args.format,
    )
    videos = find_videos(args.videos)
    watched = watch_videos(
        videos, args.out, settings, workers=args.workers, ray_address=args.ray_address
    )
    broken = {name: it.error for name, it in watched.items() if it.error is not None}
    for name, error in broken.items():
        print(f"{name}: {error}")
    frames = sum(it.frames for it in watched.values())
    warned = sum(it.warnings > 0 for it in watched.values())
    end = f", {warned} with warnings" if warned else ""
    if skipped := sum(it.skipped for it in watched.values()):
        end += f"; skipped {skipped} that had been done before"
    if skipped == len(watched):
        end += ", nothing was left to do"
    print(f"{len(watched) - len(broken)} of {len(watched)} videos, {frames} frames{end}")
    print(f"see {Path(args.out) / MANIFEST}")
    return 1 if broken else 0
