"""Decoded frames as a player shows them: deinterlaced, with square pixels, upright."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, VideoReformatter

_LEAST_HEIGHT = 4  # of frames that can be deinterlaced
_UNSPECIFIED = 2  # the code of primaries, transfer and matrix (ITU-T H.273)
_ODDEST_ASPECT = 10.0  # a pixel is not wider, or higher, than this


def deinterlaced(
    frames: Iterable[av.VideoFrame],
    stream: av.video.stream.VideoStream,
    *,
    fields: str | None = None,
) -> Iterator[av.VideoFrame]:
    """Frames, from the first one flagged as interlaced on through a filter.

    The filter changes flagged frames only, or all if `fields` says so. There are as many frames as
    before, with their times.

    Args:
        frames: the frames.
        stream: their stream.
        fields: "tff" or "bff" if all frames are interlaced, flagged or not, and which field is the
            first.
    """
    filtering = None
    for frame in frames:
        if filtering is not None and not filtering.takes(frame):
            yield from filtering.end()
            filtering = None
        interlaced = (frame.interlaced_frame or fields) and frame.height >= _LEAST_HEIGHT
        if filtering is None and interlaced:
            filtering = _Filter(frame, stream.time_base, fields)
        if filtering is None:
            yield frame
        else:
            yield from filtering.filtered(frame)
    if filtering is not None:
        yield from filtering.end()


class _Filter:
    """A deinterlacing filter for frames of one form."""

    def __init__(self, frame, time_base, fields):
        self._form, self._time_base = _form(frame), time_base
        graph = self._graph = av.filter.Graph()
        self._source = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=time_base
        )
        self._sink = graph.add("buffersink")
        of = f"all:parity={fields}" if fields else "interlaced"
        bwdif = graph.add("bwdif", f"mode=send_frame:deint={of}")
        self._source.link_to(bwdif)
        bwdif.link_to(self._sink)
        graph.configure()

    def takes(self, frame):
        """Whether a frame has the form of the first one."""
        return _form(frame) == self._form

    def filtered(self, frame):
        """The frames that are ready when another one is there."""
        frame.time_base = self._time_base
        self._source.push(frame)
        return self._ready()

    def end(self):
        """The frames that are left."""
        self._source.push(None)
        return self._ready()

    def _ready(self):
        while True:
            try:
                yield self._sink.pull()
            except (BlockingIOError, EOFError):
                return


def _form(frame):
    return frame.width, frame.height, frame.format.name


class Display:
    """How the frames of a stream are shown.

    Args:
        stream: the stream.
    """

    def __init__(self, stream: av.video.stream.VideoStream):
        self._aspect = _pixel_aspect(stream)
        self._reformatter = VideoReformatter()
        self._angle, self._matrix = None, (1, 0, 0, 1)

    def size(self, frame: av.VideoFrame) -> tuple[int, int]:
        """(width, height) of a frame as it is shown."""
        size = self._width(frame), frame.height
        return size[::-1] if _is_transposed(_display_matrix(frame)) else size

    def shown(self, frame: av.VideoFrame) -> np.ndarray:
        """The pixels of a frame: uint8 (H, W, 3), RGB.

        Raises:
            av.FFmpegError: The pixels have a format that cannot be converted.
        """
        pixels = self._rgb(frame).to_ndarray()
        if frame.rotation != self._angle:  # other than that of the frame before
            self._angle, self._matrix = frame.rotation, _display_matrix(frame)
        return _turned(pixels, self._matrix)

    def _width(self, frame):
        return max(1, round(frame.width * self._aspect))

    def _rgb(self, frame):
        options = {"width": self._width(frame), "format": "rgb24"}
        try:
            return self._reformatter.reformat(frame, **options)
        except av.FFmpegError:  # colours that FFmpeg does not convert, such as BT.2020 CL
            frame.colorspace = frame.color_primaries = frame.color_trc = _UNSPECIFIED
            frame.color_range = ColorRange.UNSPECIFIED
            return self._reformatter.reformat(frame, **options)


def _pixel_aspect(stream):
    """Width of a pixel divided by its height."""
    aspect = float(stream.sample_aspect_ratio or 1)
    return aspect if 1 / _ODDEST_ASPECT <= aspect <= _ODDEST_ASPECT else 1.0


def _display_matrix(frame):
    """(a, b, c, d): pixel (x, y) is shown at (ax + cy, bx + dy), for turns by right angles."""
    turn = np.rint(frame.rotation / 90).astype(int) % 4  # counterclockwise
    try:
        stored = frame.side_data.get("DISPLAYMATRIX")
        a, b, _, c, d, *_ = np.frombuffer(stored, np.int32).tolist()
    except (ValueError, TypeError, LookupError):  # none, or side data that PyAV does not know
        return ((1, 0, 0, 1), (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0))[turn]
    return a, b, c, d


def _is_transposed(matrix):
    a, b, c, d = matrix
    return abs(b) + abs(c) > abs(a) + abs(d)


def _turned(pixels, matrix):
    """An image as a display matrix says."""
    a, b, c, d = matrix
    if _is_transposed(matrix):
        pixels, a, d = cv2.transpose(pixels), c, b
    if a < 0 or d < 0:
        pixels = cv2.flip(pixels, -1 if a < 0 and d < 0 else int(a < 0))
    return pixels
