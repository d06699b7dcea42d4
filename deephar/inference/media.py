"""Pictures and videos as users have them: upright pictures, frames with their times."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sized
from typing import NamedTuple

import numpy as np

from deephar.data.images import load_image
from deephar.data.loading import read_ahead
from deephar.video import DEFAULT_RATE, read_video, video_info

_AHEAD = 16  # frames of a file that are decoded while the network works


def load_picture(image: str | os.PathLike | np.ndarray) -> np.ndarray:
    """The pixels of a picture, turned upright.

    Args:
        image: RGB uint8 array (H, W, 3), taken as it is; or the path of a file, which is turned as
            its EXIF data say.

    Returns:
        uint8 (H, W, 3), RGB.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file or the array is no picture.
    """
    if isinstance(image, np.ndarray):
        return load_image(image)
    if not isinstance(image, str | os.PathLike):
        raise ValueError(f"A picture must be an array or the path of a file, got {image!r}.")
    try:
        return load_image(image, upright=True)
    except FileNotFoundError:
        raise FileNotFoundError(f"{image} does not exist. Give the path of a picture.") from None
    except ValueError as error:  # its advice is for data sets
        raise ValueError(
            f"{image} cannot be read as a picture: it is not in a format that OpenCV reads, such "
            "as JPEG or PNG, or truncated, or you may not read it. Save or fetch it again. A "
            "video goes to predictor.stream."
        ) from error


class Footage(NamedTuple):
    """The frames of a video.

    Attributes:
        name: path of the file, or "The video".
        frames: iterator over (uint8 (H, W, 3) RGB, time in seconds).
        num_frames: how many there are; 0 if unknown.
    """

    name: str
    frames: Iterator[tuple[np.ndarray, float]]
    num_frames: int


def load_video(
    video: str | os.PathLike | Iterable[np.ndarray], frame_rate: float | None = None
) -> Footage:
    """The frames of a video, all of one size and one after the other, read as they are needed.

    Those of a file are decoded by a thread, a few ahead of the caller.

    Args:
        video: path of a file, or an iterable of RGB uint8 frames (H, W, 3), such as an array
            (N, H, W, 3).
        frame_rate: frames per second of a video without a file; 30 by default.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is no video. While reading: a frame is no picture or of another size
            than the first, the time stamps do not rise, `video` is something else, or the frame
            rate is not positive.
    """
    if isinstance(video, str | os.PathLike):
        num_frames = video_info(video).frames
        frames = read_ahead(read_video(video), _AHEAD)
        return Footage(str(video), _checked(frames, video), num_frames)
    frames = _timed(video, DEFAULT_RATE if frame_rate is None else frame_rate)
    num_frames = len(video) if isinstance(video, Sized) else 0
    return Footage("The video", _checked(frames, "The video"), num_frames)


def _checked(frames, name):
    """(frame, time) as they come, checked.

    A crop must be at the same place in all frames, and clips are taken by the time.
    """
    first = before = None
    for number, (image, time) in enumerate(frames):
        if before is not None and not time > before:
            raise ValueError(
                f"{name} has time stamps that do not rise: frame {number} is at {time:.3f} s, and "
                f"the one before at {before:.3f} s. Try to convert it, as in: ffmpeg -i IN OUT.mp4"
            )
        before = time
        first = first or image.shape
        if image.shape != first:
            raise ValueError(
                f"{name} has frames of different sizes: frame {number} has {image.shape[1]} x "
                f"{image.shape[0]} pixels, and the first one {first[1]} x {first[0]}. Give frames "
                "of one size, or call the predictor with each picture."
            )
        yield image, time


def _timed(frames, frame_rate):
    """(frame, time) of frames without a file, checked."""
    if not isinstance(frames, Iterable):
        raise ValueError(f"A video must be the path of a file or its frames, got {frames!r}.")
    if isinstance(frames, np.ndarray) and frames.ndim < 4:
        raise ValueError(
            f"A video must be frames (N, H, W, 3), got an array {frames.shape}. For one picture, "
            "call the predictor itself: predictor(image)."
        )
    if not frame_rate > 0:
        raise ValueError(f"fps must be positive, got {frame_rate}.")
    for number, frame in enumerate(frames):
        yield load_image(np.asarray(frame)), number / frame_rate
