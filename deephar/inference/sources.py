"""Videos that are not files: cameras, live streams, and pictures in a row."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from deephar.data.sets.folder import PICTURES
from deephar.video import is_address

Frame = TypeVar("Frame")

_NUMBER = re.compile(r"%0?\d*d")


def is_camera(video: object) -> bool:
    """Whether a video is the number of a camera: 0, or "0" if there is no such file."""
    if isinstance(video, str):
        return video.isdecimal() and not os.path.exists(video)
    return isinstance(video, int | np.integer) and not isinstance(video, bool)


def is_pictures(video: object) -> bool:
    """Whether a video is a folder of pictures, or numbered pictures as in ``%06d.png``."""
    if not isinstance(video, str | os.PathLike) or is_address(video):
        return False
    numbered = _NUMBER.search(os.path.basename(video)) is not None
    return os.path.isdir(video) or (numbered and not os.path.exists(video))


def find_pictures(video: str | os.PathLike) -> list[Path]:
    """The pictures of a folder or a pattern, in order.

    Args:
        video: a folder, whose pictures (`PICTURES`) are taken in the order of their names, numbers
            by their value, other files and hidden ones are ignored; or a path with ``%d`` or
            ``%06d`` in place of the number in the file names.

    Raises:
        FileNotFoundError: There are none, or one of the numbered ones is missing in between.
    """
    if not os.path.isdir(video):
        return _numbered(Path(video))
    paths = [
        path
        for path in Path(video).iterdir()
        if path.suffix.lower() in PICTURES and not path.name.startswith(".") and path.is_file()
    ]
    if not paths:
        raise FileNotFoundError(
            f"{video} is a folder without pictures ({', '.join(PICTURES)}). Give a folder of "
            "pictures, or the path of a video file. `deephar batch` takes folders of videos."
        )
    return sorted(paths, key=_order)


def _order(path):
    """Key that sorts names with numbers by their value: 9.png comes before 10.png."""
    parts = re.split(r"(\d+)", path.name)
    return [int(part) if part.isdecimal() else part.lower() for part in parts], path.name


def _numbered(pattern):
    found = _NUMBER.search(pattern.name)
    before, after = map(re.escape, (pattern.name[: found.start()], pattern.name[found.end() :]))
    width = re.match(r"%0?(\d+)d", found[0])
    digits = rf"\d{{{width[1]},}}" if width else r"\d+"
    matches = {}
    if pattern.parent.is_dir():
        for path in pattern.parent.iterdir():
            if match := re.fullmatch(f"{before}({digits}){after}", path.name):
                matches[int(match[1])] = path
    if not matches:
        raise FileNotFoundError(f"There is no file {pattern}. Give the path of numbered pictures.")
    missing = set(range(min(matches), max(matches))) - set(matches)
    if missing:
        raise FileNotFoundError(
            f"Of {pattern}, {len(missing)} pictures between {min(matches)} and {max(matches)} are "
            f"missing, the first one is number {min(missing)}. Add them, or give their folder, "
            "whose pictures are taken as they are."
        )
    return [matches[number] for number in sorted(matches)]


def read_camera(index: int) -> Iterator[tuple[np.ndarray, float]]:
    """The frames of a camera: (uint8 (H, W, 3) RGB; seconds since the first one), without an end.

    Raises:
        ValueError: There is no such camera, or another program uses it.
    """
    # Outside of the generator, so that errors are raised at once. OpenCV crashes below 0.
    camera = cv2.VideoCapture(index) if index >= 0 else None
    if camera is None or not camera.isOpened():
        raise ValueError(
            f"Camera {index} gives no picture. Check that it is connected and that no other "
            "program uses it. (A video may also be the path of a file or its frames.)"
        )
    return _camera_frames(camera, index)


def _camera_frames(camera, index):
    start = None
    try:
        while True:
            good, frame = camera.read()
            now = time.monotonic()
            if not good:
                break
            start = now if start is None else start
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), now - start
    finally:
        camera.release()
    warnings.warn(f"Camera {index} gives no more pictures. Is it connected?", stacklevel=2)


def until_interrupt(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Items of an endless iterator until the user presses Ctrl-C, which then ends it quietly.

    A second Ctrl-C interrupts the program as usual; so does the first one outside of the main
    thread.
    """
    interrupt = _Interrupt()  # now, in the thread of the caller
    return _until(frames, interrupt)


def _until(frames, interrupt):
    try:
        for frame in frames:
            yield frame
            if interrupt.asked:
                break
    finally:
        interrupt.over = True
        if hasattr(frames, "close"):
            frames.close()


class _Interrupt:
    """Takes the first Ctrl-C of the user.

    Only the main thread can set a handler, and frames may be read by another one. Therefore the
    handler stays, and hands over to the one before when it is not needed any more.
    """

    def __init__(self):
        self.asked = self.over = False
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._handle) or signal.SIG_DFL

    def _handle(self, number, frame):
        signal.signal(signal.SIGINT, self._before)
        if self.over:
            signal.raise_signal(number)
        self.asked = True
