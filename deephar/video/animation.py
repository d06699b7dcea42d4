"""Animated WebP pictures, which FFmpeg does not read in all versions. Pillow does."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageOps

_ERRORS = (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError)
_SECONDS = 0.1  # that a frame is shown if the file says 0, as browsers do


def is_webp(path: str | os.PathLike) -> bool:
    """Whether a file is a WebP picture, animated or not."""
    try:
        with open(path, "rb") as file:
            head = file.read(12)
    except OSError:  # reported where it is opened as a video
        return False
    return head[:4] == b"RIFF" and head[8:] == b"WEBP"


def webp_info(path: str | os.PathLike) -> tuple[int, float, tuple[int, int]]:
    """Number of frames, mean frame rate, (width, height).

    Raises:
        ValueError: The file is damaged.
    """
    with _open(path) as picture:
        sizes, seconds = zip(
            *((pixels.shape[1::-1], seconds) for pixels, seconds in _frames(picture, path)),
            strict=True,
        )
        return len(sizes), len(sizes) / sum(seconds), sizes[0]


def read_webp(path: str | os.PathLike) -> Iterator[tuple[np.ndarray, float]]:
    """Iterator over (uint8 (H, W, 3) RGB; time in seconds).

    Raises:
        ValueError: The file is damaged.
    """
    picture = _open(path)  # outside of the generator, so that errors are raised at once
    return _timed(picture, path)


def _open(path):
    try:
        return Image.open(path)
    except _ERRORS as error:
        raise _damaged(path) from error


def _timed(picture, path):
    time = 0.0
    with picture:
        for pixels, seconds in _frames(picture, path):
            yield pixels, time
            time += seconds


def _frames(picture, path):
    """The frames, and how many seconds each is shown."""
    for number in range(picture.n_frames):
        try:
            picture.seek(number)
            pixels = np.array(_upright(picture.convert("RGB")))
        except _ERRORS as error:
            raise _damaged(path) from error
        yield pixels, picture.info.get("duration", 0) / 1000 or _SECONDS


def _upright(image):
    """An image as its EXIF data say."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # whatever damaged metadata make of it: shown as it is stored
        return image


def _damaged(path):
    return ValueError(
        f"{path} holds no frame that can be decoded. It is damaged: save or download it again."
    )
