"""Writing video files that browsers play."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from deephar.files import NotWrittenError, replacing

_TIME_BASE = Fraction(1, 90_000)  # holds the time stamps of most cameras without rounding
_OPTIONS = {"crf": "20", "preset": "veryfast"}
_BT709 = 1  # the code of primaries, transfer and matrix (ITU-T H.273)


class VideoWriter:
    """Writes an ``.mp4`` file frame by frame (H.264, 4:2:0); a context manager.

    The file is written beside its place under another name. At the end it is opened again and its
    frames are counted. Only then does it replace an earlier one. If the block fails, or no frame
    was written, an earlier file stays as it was.

    Args:
        path: file to write, ending in ``.mp4``.
        fps: frame rate: the frames that have no time of their own, and how long the last one is
            shown.

    Raises:
        OSError: At the end of the block: the file could not be written.
    """

    def __init__(self, path: str | os.PathLike, fps: float) -> None:
        self._path, self._fps = Path(path), fps
        self._files, self._container, self._size = ExitStack(), None, None
        self._count, self._finished = 0, False
        self._seconds, self._last = 0.0, -1  # time and time stamp of the last frame

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, *error: object) -> None:
        return self._files.__exit__(*error)

    def write(self, image: np.ndarray, time: float | None = None) -> None:
        """Adds a frame, uint8 (H, W, 3), RGB. A last odd row or column is left out.

        Args:
            image: the frame.
            time: when it is shown, in seconds; by default its number divided by the frame rate.

        Raises:
            OSError: The file cannot be written.
            ValueError: The frame is of another size than the first one, has fewer than 2 x 2
                pixels, or its time is before that of the last one.
        """
        height, width = image.shape[:2]
        if self._container is None:
            self._open(width, height)
        if (width, height) != self._size:
            raise ValueError(
                f"The frames differ in size: {width} x {height} pixels after "
                f"{self._size[0]} x {self._size[1]}. Give frames of one size."
            )
        even = np.ascontiguousarray(image[: height - height % 2, : width - width % 2])
        frame = av.VideoFrame.from_ndarray(even, format="rgb24").reformat(
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
        )
        frame.pts, frame.time_base = self._stamp(time), _TIME_BASE
        self._encode(frame)
        self._count += 1

    def finish(self) -> None:
        """Ends the file and verifies it. It takes its place when the block ends.

        Raises:
            OSError: The file could not be written.
        """
        if self._container is None or self._finished:
            return
        self._finished = True
        self._encode(None)
        with self._errors_named():
            self._container.close()
        written = _count_frames(self._part)
        if written != self._count:
            reason = f"only {written} of {self._count} frames arrived; is the disk full?"
            raise NotWrittenError(self._path, reason)

    def _open(self, width, height):
        if min(width, height) < 2:
            raise ValueError(f"A video needs 2 x 2 pixels, but a frame has {width} x {height}.")
        if not self._path.parent.is_dir():
            raise OSError(
                f"{self._path} cannot be written: there is no folder {self._path.parent}. Give "
                "another path for the video."
            )
        self._size = width, height
        self._part = self._files.enter_context(replacing(self._path))
        with self._errors_named():
            self._container = av.open(
                f"file:{self._part}", "w", format="mp4", options={"movflags": "+faststart"}
            )
        self._files.push(self._close)
        rate = Fraction(self._fps).limit_denominator(1001)
        stream = self._container.add_stream("libx264", rate=rate, options=dict(_OPTIONS))
        stream.width, stream.height = width - width % 2, height - height % 2
        stream.pix_fmt = "yuv420p"
        codec = stream.codec_context
        codec.time_base = _TIME_BASE
        codec.color_primaries = codec.color_trc = codec.colorspace = _BT709
        codec.color_range = ColorRange.MPEG
        self._stream = stream

    def _stamp(self, time):
        """Time stamp of the next frame."""
        seconds = self._count / self._fps if time is None else time
        stamp = round(seconds / _TIME_BASE)
        if seconds < self._seconds:
            raise ValueError(f"Frame {self._count} is at {seconds:.3f} s, before the last one.")
        self._seconds, self._last = seconds, max(stamp, self._last + 1)
        return self._last

    def _encode(self, frame):
        with self._errors_named():
            for packet in self._stream.encode(frame):
                packet.duration = round(1 / self._fps / _TIME_BASE)  # counts for the last one
                self._container.mux(packet)

    @contextmanager
    def _errors_named(self):
        """Has errors of PyAV name the file."""
        try:
            yield
        except av.FFmpegError as error:
            raise NotWrittenError(self._path, error.strerror) from error

    def _close(self, *error):
        """Leaves the block: finishes the file, or gives it up."""
        if error[0] is None:
            self.finish()
        else:
            with suppress(av.FFmpegError, OSError):
                self._container.close()


def _count_frames(path):
    """Frames in a file that are whole."""
    try:
        with av.open(f"file:{path}") as container:
            packets = container.demux(video=0)
            return sum(packet.size > 0 and not packet.is_corrupt for packet in packets)
    except av.FFmpegError:
        return 0
