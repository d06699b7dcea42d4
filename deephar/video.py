"""Video files: their frames one after the other, and writing them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

DEFAULT_RATE = 30.0
"""Default frame rate when unknown."""


def read_video(path: str | Path) -> Iterator[tuple[np.ndarray, float]]:
    """The frames of a video file, one after the other.

    Args:
        path: the file.

    Returns:
        Iterator over (uint8 (H, W, 3) RGB, upright; time in seconds). Times are the time stamps of
        the file; if it has none, they follow from the frame rate.

    Raises:
        FileNotFoundError: No such file.
        ValueError: The file is empty, holds no video (only sound, say), or cannot be decoded.
    """
    video = open_video(path)  # outside of the generator, so that errors are raised at once
    return _read_frames(video, path)


@dataclass(frozen=True)
class VideoInfo:
    """What a video file says about itself.

    Attributes:
        frames: number of frames, 0 if unknown; not always exact.
        fps: frame rate, `DEFAULT_RATE` if unknown.
        size: (width, height) of the frames as they are stored.
    """

    frames: int
    fps: float
    size: tuple[int, int]


def video_info(path: str | Path) -> VideoInfo:
    """`VideoInfo` of a file.

    Raises:
        FileNotFoundError, ValueError: As `read_video`.
    """
    video = open_video(path)
    info = _info(video)
    video.release()
    return info


def _info(video: cv2.VideoCapture) -> VideoInfo:
    fps = video.get(cv2.CAP_PROP_FPS)
    frames = video.get(cv2.CAP_PROP_FRAME_COUNT)
    size = tuple(
        int(video.get(key)) for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
    )
    return VideoInfo(
        frames=int(frames) if 0 < frames < 1e9 else 0,
        fps=fps if math.isfinite(fps) and 0 < fps <= 1000 else DEFAULT_RATE,
        size=size,
    )


def open_video(path: str | Path) -> cv2.VideoCapture:
    """An open `cv2.VideoCapture`.

    Raises:
        FileNotFoundError, ValueError: As `read_video`.
    """
    if Path(path).is_dir():
        raise ValueError(f"{path} is a folder. Give the path of a video file.")
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path} does not exist. Give the path of a video file.")
    if Path(path).stat().st_size == 0:
        raise ValueError(f"{path} is an empty file. Save or download it again.")
    video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    if not video.isOpened():
        raise ValueError(
            f"{path} holds no frames that can be decoded. It is no video file, has sound only, is "
            "damaged, or has an unknown format. Try to convert it, as in: ffmpeg -i IN OUT.mp4"
        )
    return video


def _read_frames(video: cv2.VideoCapture, path: str | Path) -> Iterator[tuple[np.ndarray, float]]:
    info, count, has_stamps = _info(video), 0, True
    try:
        while True:
            good, frame = video.read()
            if not good:
                break
            stamp = max(0.0, video.get(cv2.CAP_PROP_POS_MSEC) / 1000)
            if count == 1:
                has_stamps = stamp > 0  # OpenCV gives 0 or less where there is none
            time = stamp if has_stamps else count / info.fps
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), time
            count += 1
    finally:
        video.release()
    if count == 0:
        raise ValueError(
            f"{path} holds no frame that can be decoded. It is empty or damaged: save or download "
            "it again."
        )
    if count < 0.9 * info.frames:
        warnings.warn(
            f"{path} is cut off or damaged: {count} of {info.frames} frames could be decoded.",
            stacklevel=2,
        )


class VideoWriter:
    """Writes an ``.mp4`` file frame by frame (MPEG-4); a context manager.

    Args:
        path: file to write, ending in ``.mp4``.
        fps: frame rate.
    """

    def __init__(self, path: str | Path, fps: float) -> None:
        self._path, self._fps = path, fps
        self._writer = None
        self._size = None

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, *error: object) -> None:
        if self._writer is not None:
            self._writer.release()

    def write(self, image: np.ndarray) -> None:
        """Adds a frame, uint8 (H, W, 3), RGB. A last odd row or column is left out.

        Raises:
            OSError: The file cannot be written.
            ValueError: The frame is of another size than the first one.
        """
        height, width = image.shape[:2]
        if self._writer is None:
            self._size = (width, height)
            # The codec takes even sizes only.
            even = (width - width % 2, height - height % 2)
            codec = cv2.VideoWriter_fourcc(*"mp4v")
            self._writer = cv2.VideoWriter(str(self._path), codec, self._fps, even)
            if not self._writer.isOpened():
                raise OSError(f"{self._path} cannot be written. Give another path for the video.")
        if (width, height) != self._size:
            raise ValueError(
                f"The frames differ in size: {width} x {height} pixels after "
                f"{self._size[0]} x {self._size[1]}. Give frames of one size."
            )
        even = image[: height - height % 2, : width - width % 2]
        self._writer.write(cv2.cvtColor(np.ascontiguousarray(even), cv2.COLOR_RGB2BGR))
