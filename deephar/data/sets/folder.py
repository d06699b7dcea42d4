"""Folders of videos, each labelled with an action."""

from __future__ import annotations

import csv
import difflib
import io
import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deephar.errors import collecting
from deephar.files import read_text

SUFFIXES = (
    *(".avi", ".gif", ".mkv", ".mov", ".mp4", ".webm"),
    *(".3gp", ".dv", ".flv", ".m2ts", ".m4v", ".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".wmv"),
)
"""Suffixes of video files, in lower case."""
PICTURES = (
    *(".avif", ".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"),
    *(".heic", ".heif"),  # not read, but not passed over in silence
)
"""Suffixes of the frames in a folder of pictures, in lower case."""
POSES = (".csv", ".json")
"""Suffixes of files of poses, in lower case, see `deephar.data.read_poses`."""
SPLITS = ("train", "valid", "test")
"""Values of the column ``split``."""

_LIST = "clips.csv"
_COLUMNS = ("file", "action")  # needed
_OPTIONAL = ("group", "split", "start", "end", "box")
_LAYOUT = f"It must hold {_LIST}, or a folder of videos for each action: ACTION/*.mp4."


@dataclass(frozen=True)
class LabelledVideo:
    """A video of one action, or a segment of a longer one.

    Attributes:
        path: path of the video file, of the folder of its frames, or of the file of its poses.
        action: name of the action.
        group: what videos of one origin (a scene, a person, a source) have in common.
        name: path within the folder, with ``/`` between the parts, and for a segment its times;
            unique.
        split: one of `SPLITS`; None if the folder does not say.
        start: seconds, where the segment begins; None for the beginning of the file.
        end: seconds, where it ends; None for the end of the file.
        box: the person's box (x1, y1, x2, y2) in pixels, for all frames; None where the person is
            to be found.
    """

    path: Path
    action: str
    group: str
    name: str
    split: str | None = None
    start: float | None = None
    end: float | None = None
    box: tuple[float, float, float, float] | None = None


class VideoFolder(Sequence):
    """A folder of videos, each labelled with an action. No frame is decoded.

    A video is a file (`SUFFIXES`), a folder of pictures (`PICTURES`),
    or a file of poses in place of either (`POSES`).

    A file ``clips.csv`` in the folder lists the videos: a header, and then a line for each video,
    or for each segment of a video. The columns are ``file`` (path within the folder) and
    ``action``, and, if needed, ``group`` (equal for videos that belong together, such as those of
    one scene or person), ``split`` (`SPLITS`), ``start`` and ``end`` (of a segment, in seconds) and
    ``box`` (of the person: x1 y1 x2 y2, in pixels). Other columns are ignored, but a
    name that is nearly one of these is an error. A file without a group is a group of its own, with
    all of its segments.

    Without ``clips.csv``, each folder is an action, and holds its videos. Other files and hidden
    folders are ignored, and each video is a group of its own.

    Args:
        root: the folder.
        problems: list to which what is wrong with a line of ``clips.csv`` or with a folder is
            added; the rest is then read. None raises the first one.

    Attributes:
        root: the folder.
        name: name of the folder.
        source: path of ``clips.csv``, or of the folder where there is none.
        actions: names of the actions, in alphabetical order.
        has_groups: whether the folder says which videos belong together.

    Raises:
        FileNotFoundError: The folder, or a file that ``clips.csv`` lists, does not exist.
        ValueError: There is no video, a folder of an action holds none, two actions differ in case
            only, a group is in two splits, or ``clips.csv`` cannot be read, lacks a column or a
            field, misspells a column, has a field that cannot be understood, or lists a video
            twice.
    """

    def __init__(self, root: str | os.PathLike, *, problems: list[str] | None = None):
        self.root = Path(root)
        if not self.root.exists():
            raise FileNotFoundError(f"{self.root} does not exist. Give a folder of videos.")
        if not self.root.is_dir():
            raise ValueError(f"{self.root} is a file. Give the folder of the videos.")
        self.name = self.root.resolve().name
        listed = self.root / _LIST
        self.source = str(listed if listed.is_file() else self.root)
        if listed.is_file():
            self._videos, self.has_groups = _read_list(listed, problems)
        else:
            self._videos, self.has_groups = _read_folders(self.root, problems), False
        self.actions = tuple(sorted({video.action for video in self._videos}))
        _check_case(self.root, self.actions)
        _check_splits(self.source, self._videos)

    def names(self) -> list[str]:
        """Names of all videos, in order."""
        return [video.name for video in self._videos]

    def __len__(self) -> int:
        return len(self._videos)

    def __getitem__(self, index: int) -> LabelledVideo:
        return self._videos[index]

    def __repr__(self) -> str:
        return (
            f"VideoFolder({str(self.root)!r}, {_counted(len(self), 'video')}, "
            f"{_counted(len(self.actions), 'action')})"
        )


# ------------------------------------------------------------------------------- class folders


def _read_folders(root, problems):
    folders = [path for path in _sorted(root) if path.is_dir()]
    if not folders:
        raise ValueError(f"{root} holds neither {_LIST} nor a folder. {_LAYOUT}")
    videos = []
    for folder in folders:
        files = [path for path in _sorted(folder) if _is_video(path)]
        with collecting(problems):
            if not files:
                raise ValueError(_empty(folder))
        for path in files:
            name = path.relative_to(root).as_posix()
            videos.append(LabelledVideo(path, folder.name, group=name, name=name))
    return videos


def _empty(folder):
    if _has_pictures(folder):
        return (
            f"{folder} holds pictures. The folder of an action holds videos, or a folder of "
            "pictures for each video: ACTION/VIDEO/*.jpg."
        )
    return (
        f"{folder} holds no video ({', '.join(SUFFIXES)}, a folder of pictures, or poses as "
        f"{' or '.join(POSES)}). Add videos of this action, or remove the folder."
    )


def _sorted(folder):
    """Paths in a folder in the order of their names, without hidden ones."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _is_video(path):
    if path.is_dir():
        return _has_pictures(path)
    return path.suffix.lower() in SUFFIXES + POSES


def _has_pictures(folder):
    return any(path.suffix.lower() in PICTURES and path.is_file() for path in _sorted(folder))


# ----------------------------------------------------------------------------------- clips.csv


def _read_list(path, problems):
    """The videos of a list, and whether it has a column of groups with an entry."""
    videos, lines, rows = [], {}, _rows(path)
    for line, row in rows:
        with collecting(problems, FileNotFoundError):
            videos.append(_listed(path, line, row, lines))
    if not videos and not problems:
        raise ValueError(f"{path} lists no video. Add a line for each video.")
    return videos, any(_field(row, "group") for _, row in rows)


def _listed(path, line, row, lines):
    """The video in a line of a list; `lines` has the lines of those before, by name."""
    place = f"{path}, line {line}"
    file, action = (_required(row, column, place) for column in _COLUMNS)
    video = path.parent / file
    if not video.is_file() and not (video.is_dir() and _has_pictures(video)):
        raise FileNotFoundError(
            f"{path} lists {file} in line {line}, but there is no such file. Add the file, or "
            "remove the line."
        )
    start, end = _segment(row, place)
    file_name = Path(os.path.normpath(file)).as_posix()
    name = file_name + _times(start, end)
    if name in lines:
        raise ValueError(
            f"{path} lists {file}{_times(start, end)} twice, in lines {lines[name]} and "
            f"{line}. Remove one of them."
        )
    lines[name] = line
    group = _field(row, "group") or file_name
    return LabelledVideo(
        video, action, group, name, _split(row, place), start, end, _box(row, place)
    )


def _rows(path):
    """The lines below the header: their number and a dict of their fields."""
    try:
        reader = csv.DictReader(io.StringIO(read_text(path), newline=""))
        columns = [column.strip() for column in reader.fieldnames or ()]
        missing = [column for column in _COLUMNS if column not in columns]
        if missing:
            raise ValueError(
                f"{path} has no column {' and no column '.join(missing)} (found: "
                f"{', '.join(columns) or 'none'}). Its first line must name the columns, "
                "separated by commas: file,action,group."
            )
        _check_spelling(path, columns)
        reader.fieldnames = columns
        return [(reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is not CSV in UTF-8 ({error}). Save it as such.") from error


def _check_spelling(path, columns):
    """Refuses columns such as `groups`, `start_time` and `spilt`, which would be ignored."""
    absent = [column for column in _OPTIONAL if column not in columns]
    for column in columns:
        word = re.split(r"[\s_(]", column.lower())[0]
        meant = [it for it in absent if word.removesuffix("s") == it]
        if len(word) >= 5:
            meant += difflib.get_close_matches(word, absent, n=1, cutoff=0.8)
        if meant:
            raise ValueError(
                f"{path} has a column {column!r}, and no column {meant[0]}. Write {meant[0]} if "
                "you mean it, or else give the column another name."
            )


def _field(row, column):
    return (row.get(column) or "").strip()


def _required(row, column, place):
    value = _field(row, column)
    if not value:
        raise ValueError(f"{place}: The column {column} is empty. Fill it in, or remove the line.")
    return value


def _segment(row, place):
    """Start and end in seconds, None where open."""
    start, end = (_seconds(row, column, place) for column in ("start", "end"))
    if end is not None and end <= (start or 0.0):
        raise ValueError(
            f"{place}: The segment ends at {end:g} s, which is not after its start at "
            f"{start or 0:g} s. Correct start or end."
        )
    return start, end


def _seconds(row, column, place):
    text = _field(row, column)
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise ValueError(
            f"{place}: {column} must be a time in seconds from the beginning of the video, such as "
            f"12.5, got {text!r}."
        )
    return value


def _times(start, end):
    """What the name of a segment has besides that of its file."""
    if start is None and end is None:
        return ""
    return f"@{start or 0:g}-{'' if end is None else f'{end:g}'}"


def _split(row, place):
    split = _field(row, "split").lower() or None
    if split not in (None, *SPLITS):
        raise ValueError(f"{place}: split must be one of {', '.join(SPLITS)}, got {split!r}.")
    return split


def _box(row, place):
    text = _field(row, "box")
    if not text:
        return None
    try:
        box = tuple(map(float, text.replace(",", " ").split()))
    except ValueError:
        box = ()
    if len(box) != 4 or not np.isfinite(box).all():
        raise ValueError(f"{place}: box must be x1 y1 x2 y2 in pixels, got {text!r}.")
    if not (box[0] < box[2] and box[1] < box[3]):
        raise ValueError(
            f"{place}: The box {text!r} has no area. Write its top left corner first: x1 y1 x2 y2."
        )
    return box


# ---------------------------------------------------------------------------------------- parts


def _check_case(root, actions):
    """Checks that no two actions have the same name but for case."""
    seen = {}
    for action in actions:
        other = seen.setdefault(action.casefold(), action)
        if other != action:
            raise ValueError(
                f"{root} has the actions {other!r} and {action!r}, which differ in case only. Give "
                "them the same name if they are the same action, or else other names."
            )


def _check_splits(source, videos):
    """Checks that no group is in two splits."""
    seen = {}
    for video in videos:
        other = seen.setdefault(video.group, video)
        if other.split != video.split:
            raise ValueError(
                f"{source}: The group {video.group!r} is in two splits: {other.name} in "
                f"{other.split or 'none'}, {video.name} in {video.split or 'none'}. Give all "
                "videos of a group the same split."
            )


def _counted(number, noun):
    return f"{number} {noun}{'' if number == 1 else 's'}"
