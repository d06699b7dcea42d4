"""Folders of videos, each labelled with an action."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from pathlib import Path

SUFFIXES = (".avi", ".gif", ".mkv", ".mov", ".mp4", ".webm")
"""Suffixes of the videos in class folders, in lower case."""

_LIST = "clips.csv"
_COLUMNS = ("file", "action")
_LAYOUT = f"It must hold {_LIST}, or a folder of videos for each action: ACTION/*.mp4."


@dataclass(frozen=True)
class LabelledVideo:
    """A video file of one action.

    Attributes:
        path: path of the file.
        action: name of the action.
        group: what videos of one origin (a scene, a person, a source) have in common.
        name: path within the folder, with ``/`` between the parts; unique.
    """

    path: Path
    action: str
    group: str
    name: str


class VideoFolder:
    """A folder of videos, each labelled with an action. No frame is decoded.

    A file ``clips.csv`` in the folder lists the videos: a header, and then a line for each video.
    The columns are ``file`` (path within the folder), ``action``, and ``group`` if videos belong
    together, such as those of one scene; others are ignored. A video without a group is a group of
    its own.

    Without ``clips.csv``, each folder is an action, and holds its videos (`SUFFIXES`). Other files
    and hidden folders are ignored, and each video is a group of its own.

    Args:
        root: the folder.

    Attributes:
        root: the folder.
        name: name of the folder.
        source: path of ``clips.csv``, or of the folder where there is none.
        actions: names of the actions, in alphabetical order.

    Raises:
        FileNotFoundError: The folder, or a file that ``clips.csv`` lists, does not exist.
        ValueError: There is no video, a folder of an action holds none, two actions differ in case
            only, or ``clips.csv`` cannot be read, lacks a column or a field, or lists a file twice.
    """

    def __init__(self, root: str | os.PathLike):
        self.root = Path(root)
        if not self.root.exists():
            raise FileNotFoundError(f"{self.root} does not exist. Give a folder of videos.")
        if not self.root.is_dir():
            raise ValueError(f"{self.root} is a file. Give the folder of the videos.")
        self.name = self.root.resolve().name
        listed = self.root / _LIST
        self.source = str(listed if listed.is_file() else self.root)
        self._videos = _read_list(listed) if listed.is_file() else _read_folders(self.root)
        self.actions = tuple(sorted({video.action for video in self._videos}))
        _check_case(self.root, self.actions)

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


def _read_folders(root):
    folders = [path for path in _sorted(root) if path.is_dir()]
    if not folders:
        raise ValueError(f"{root} holds neither {_LIST} nor a folder. {_LAYOUT}")
    videos = []
    for folder in folders:
        files = [path for path in _sorted(folder) if _is_video(path)]
        if not files:
            raise ValueError(
                f"{folder} holds no video ({', '.join(SUFFIXES)}). Add videos of this action, or "
                "remove the folder."
            )
        for path in files:
            name = path.relative_to(root).as_posix()
            videos.append(LabelledVideo(path, folder.name, group=name, name=name))
    return videos


def _sorted(folder):
    """Paths in a folder in the order of their names, without hidden ones."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _is_video(path):
    return path.suffix.lower() in SUFFIXES and path.is_file()


# ----------------------------------------------------------------------------------- clips.csv


def _read_list(path):
    videos, lines = [], {}
    for line, row in _rows(path):
        file, action = (_field(row, column, f"{path}, line {line}") for column in _COLUMNS)
        video = path.parent / file
        name = Path(os.path.normpath(file)).as_posix()
        if name in lines:
            raise ValueError(
                f"{path} lists {file} twice, in lines {lines[name]} and {line}. Remove one of them."
            )
        lines[name] = line
        if not video.is_file():
            raise FileNotFoundError(
                f"{path} lists {file} in line {line}, but there is no such file. Add the file, or "
                "remove the line."
            )
        group = (row.get("group") or "").strip() or name
        videos.append(LabelledVideo(video, action, group, name))
    if not videos:
        raise ValueError(f"{path} lists no video. Add a line for each video.")
    return videos


def _rows(path):
    """The lines below the header: their number and a dict of their fields."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = [column.strip() for column in reader.fieldnames or ()]
            missing = [column for column in _COLUMNS if column not in columns]
            if missing:
                raise ValueError(
                    f"{path} has no column {' and no column '.join(missing)} (found: "
                    f"{', '.join(columns) or 'none'}). Its first line must name the columns, "
                    "separated by commas: file,action,group."
                )
            reader.fieldnames = columns
            return [(reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is no CSV file in UTF-8 ({error}). Save it as such.") from error


def _field(row, column, place):
    value = (row[column] or "").strip()
    if not value:
        raise ValueError(f"{place}: The column {column} is empty. Fill it in, or remove the line.")
    return value


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


def _counted(number, noun):
    return f"{number} {noun}{'' if number == 1 else 's'}"
