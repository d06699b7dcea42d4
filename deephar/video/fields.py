"""Interlaced video that does not say so: what the pictures tell."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from itertools import islice

import av
import numpy as np

_SINGLE = ("ffv1",)  # codecs of single pictures that FFmpeg does not list as such
_PLACES, _FRAMES = 5, 12  # in a video that are looked at, until one tells; frames at each of them
_COLUMNS = 4  # one column in four is enough

# How much better one order of the fields fits than the other one if something moves, and the two
# fields of a picture each other than those of others if it is whole. (The filter idet of FFmpeg has
# 1.04 for the first one, which noise in small pictures exceeds.)
_MOVES, _WHOLE = 1.1, 1.5

# How many pictures must tell the same order, and how many of them outweigh one that does not.
_LEAST, _PER_OTHER = 8, 5


def unflagged_fields(
    stream: av.video.stream.VideoStream, again: Callable[[], av.container.InputContainer]
) -> str | None:
    """Which field comes first in frames that consist of two fields without a flag.

    Capture cards and editing programs make such files, of MJPEG, HuffYUV or raw pictures. Codecs
    whose pictures refer to others flag their frames; these are not looked at.

    Args:
        stream: the video.
        again: opens the same file once more.

    Returns:
        "tff" or "bff", for the top or the bottom field; None if the frames are whole pictures, or
        if too little moves to tell.
    """
    codec = stream.codec_context.codec
    if not (codec.intra_only or codec.canonical_name in _SINGLE):
        return None
    found = Counter()
    for place in range(_PLACES):
        with contextlib.suppress(av.FFmpegError), again() as container:
            pictures = list(_pictures(container, container.streams[stream.index], place))
            found.update(map(_first_field, pictures, pictures[1:], pictures[2:]))
        if found.total() - found["unclear"] >= _LEAST:
            break
    order = max("tff", "bff", key=found.__getitem__)
    others = found.total() - found[order] - found["unclear"]
    return order if found[order] >= max(_LEAST, _PER_OTHER * others) else None


def _pictures(container, stream, place):
    """Grey pictures at one of the places in a video."""
    length = stream.duration
    if length is None:  # as in Matroska
        length = int((container.duration or 0) / av.time_base / stream.time_base)
    if place and not length:
        return
    start, end = ((stream.start_time or 0) + length * n // _PLACES for n in (place, place + 1))
    container.seek(start, stream=stream)
    for frame in islice(container.decode(stream), _FRAMES):
        if frame.interlaced_frame or (length and frame.pts is not None and frame.pts >= end):
            return
        yield frame.reformat(format="gray").to_ndarray()[:, ::_COLUMNS].astype(np.int16)


def _first_field(before, picture, after):
    """Which field of a picture came first: "tff" or "bff"; or "whole"; or "unclear".

    Each row is compared with the two next to it, which belong to the other field: with them in the
    picture itself, and with what was, or will be, in the place of the row. (FFmpeg's filter idet.)
    """
    if not before.shape == picture.shape == after.shape:
        return "unclear"
    beside = picture[:-2] + picture[2:]
    past, own, future = (
        np.abs(beside - 2 * other[1:-1]).sum(axis=1) for other in (before, picture, after)
    )
    odd, even = slice(0, None, 2), slice(1, None, 2)  # row 1 of the picture is the first here
    top = past[odd].sum() + future[even].sum()  # small, if the top field came first
    bottom = past[even].sum() + future[odd].sum()
    if bottom > _MOVES * top:
        return "tff"
    if top > _MOVES * bottom:
        return "bff"
    return "whole" if top > _WHOLE * own.sum() else "unclear"
