"""Frames of a video as JPEG files in a folder: ``000001.jpg``, ``000002.jpg``, ...."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from deephar.geometry import has_area


class JpegVideos:
    """Base class of data sets of videos with a folder of frames for each video.

    Subclasses have ``name``, ``root``, ``len()`` and ``frame_paths(index)``.
    """

    name: str
    root: Path

    def missing_frames(self, index: int) -> list[str]:
        """Paths of those frames of a video that do not exist."""
        return missing_frames(self.frame_paths(index))

    def surplus_frames(self, index: int) -> list[str]:
        """Paths of the frames of a video for which there are no labels, in order."""
        return surplus_frames(self.frame_paths(index))

    def _check_frames(self, advice, remedy):
        """Raises if a frame is missing: now, rather than after hours of training.

        `advice` is for a folder without any frames, `remedy` for one without some of them.
        """
        if not (self.root / "frames").is_dir():
            raise FileNotFoundError(
                f"{self.root} holds labels only: there is no folder {self.root / 'frames'}. "
                f"{advice}"
            )
        for index in range(len(self)):
            missing = self.missing_frames(index)
            if missing:
                raise FileNotFoundError(missing_message(missing, self.name, self.root, remedy))


def frame_paths(folder: str | os.PathLike, count: int) -> list[str]:
    """Paths that the frames of a video should have, whether they exist or not."""
    return [f"{folder}{os.sep}{number:06d}.jpg" for number in range(1, count + 1)]


def missing_frames(paths: Sequence[str]) -> list[str]:
    """Those of the paths of a video, from `frame_paths`, that do not exist."""
    present = _frames_in(os.path.dirname(paths[0]))
    return [path for path in paths if os.path.basename(path) not in present]


def surplus_frames(paths: Sequence[str]) -> list[str]:
    """Paths of the frames in the folder of a video that are not among `paths`, in order."""
    folder = os.path.dirname(paths[0])
    surplus = _frames_in(folder) - set(map(os.path.basename, paths))
    return [os.path.join(folder, name) for name in sorted(surplus)]


def missing_message(
    missing: Sequence[str], dataset: str, root: str | os.PathLike, remedy: str
) -> str:
    """The error for frames of a video that do not exist."""
    return (
        f"The frame {missing[0]} does not exist ({len(missing)} frames of this video are missing). "
        "Frames are numbered from 000001 without gaps, one for each row of the labels; "
        f"`{check_command(dataset, root)}` lists all that are missing. {remedy}"
    )


def check_command(dataset: str, root: str | os.PathLike) -> str:
    """The command line that verifies a folder of a data set."""
    return f"deephar check {dataset} {shlex.quote(str(root))}"


def fill_boxes(boxes: np.ndarray) -> np.ndarray:
    """Boxes (N, 4), those without an area replaced by that of the nearest frame with one.

    All are NaN if none has an area.
    """
    good = has_area(boxes)
    if not good.any():
        return np.full_like(boxes, np.nan)
    known = np.flatnonzero(good)
    nearest = known[np.abs(np.arange(len(boxes))[:, None] - known).argmin(axis=1)]
    return boxes[nearest]


def _frames_in(folder):
    """Names of the frames in a folder; other files are ignored."""
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return set()
    return {name for name in names if name.endswith(".jpg") and name[:-4].isdecimal()}
