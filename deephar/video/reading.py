"""The frames of a video, with their times, as a player shows them.

PyAV (FFmpeg's libraries) decodes. Frames come upright, with square pixels and without the combs of
interlaced video. What is damaged is left out, counted and reported.
"""

from __future__ import annotations

import math
import os
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import av
import numpy as np

from deephar.files import HEIF_ADVICE, heif_format
from deephar.video import animation
from deephar.video.decoding import (
    Losses,
    decoded,
    first_video,
    indexed_frames,
    lost_frames,
    read_packets,
)
from deephar.video.display import Display, deinterlaced
from deephar.video.fields import unflagged_fields

DEFAULT_RATE = 30.0
"""Default frame rate when unknown."""

_HIGHEST_RATE = 400.0  # what is above is the resolution of time stamps, not the rate of the frames
_TIMEOUT = 10.0  # seconds without an answer, of an address
_MOST_DISORDERED = 10  # frames, more than those in order; otherwise, it is not damage
_NEXT = 1.0  # seconds, at most, from a frame to the next one of the same recording
_FALL = 0.2  # seconds, at least, back to the beginning of another recording
_LEAST_SEEK = 10.0  # seconds; what is nearer to the beginning is decoded from there
_BEFORE = 1.0  # seconds that decoding begins before a time in a file, as frames refer to others
_INDEXED = ("mov", "matroska")  # formats in which a time is found
_PICTURES = ("mjpeg", "png", "bmp", "gif", "webp", "tiff")  # codecs of covers
_ADDRESS_OPTIONS = {"rtsp_transport": "tcp"}  # no packets are lost on the way


@dataclass(frozen=True)
class VideoInfo:
    """What a video file says about itself.

    Attributes:
        frames: number of frames, 0 if unknown; not always exact.
        fps: mean frame rate, `DEFAULT_RATE` if unknown.
        size: (width, height) of the frames as `read_video` gives them.
        live: whether they are sent as they are recorded, for as long as somebody listens.
    """

    frames: int
    fps: float
    size: tuple[int, int]
    live: bool = False


def read_video(
    path: str | os.PathLike, *, start: float = 0.0
) -> Iterator[tuple[np.ndarray, float]]:
    """The frames of a video, one after the other.

    Frames are turned as the file says, have square pixels, and are deinterlaced where they are
    flagged as interlaced, or where the pictures tell (see `unflagged_fields`). Frames that an edit
    list cuts off are left out.

    Args:
        path: the file, or an address such as ``https://...`` or ``rtsp://...``.
        start: seconds. Frames before it may be left out: files with an index are not read from
            their beginning then.

    Returns:
        Iterator over (uint8 (H, W, 3) RGB; time in seconds after the first frame of the video).
        Times are the presentation time stamps of the file; if it has none, they follow from the
        frame rate.

    Raises:
        FileNotFoundError: No such file.
        OSError: The address does not answer, or the file may not be read.
        ValueError: The file is empty, holds no video (only sound, say), cannot be decoded, or has
            time stamps that do not rise.

    Warns:
        UserWarning: Frames are missing at the end, could not be decoded, are damaged, or are left
            out, since their time is not after that of the one before; how many.
    """
    if animation.is_webp(path):
        return animation.read_webp(path)
    container = open_video(path)  # outside of the generator, so that errors are raised at once
    first = None
    if start >= _LEAST_SEEK and not is_address(path):
        first = _first_time(path)
        if first is not None and not _went_to(container, first + start):
            container.close()
            container, first = open_video(path), None
    return _read_frames(container, path, first)


def video_info(path: str | os.PathLike) -> VideoInfo:
    """`VideoInfo` of a file or an address.

    Raises:
        FileNotFoundError, OSError, ValueError: As `read_video`.
    """
    if animation.is_webp(path):
        return VideoInfo(*animation.webp_info(path))
    with open_video(path) as container:
        stream = first_video(container)
        frames, fps = _count_and_rate(container, stream, path)
        size = stream.codec_context.width, stream.codec_context.height
        # Only decoded frames tell how they are turned.
        for frame in decoded(container, stream, Losses(), again=lambda: open_video(path)):
            size = Display(stream).size(frame)
            break
        return VideoInfo(frames, fps, size, _is_live(path, container))


def is_address(video: object) -> bool:
    """Whether a video is an address, such as ``rtsp://camera/stream``, and not a file."""
    return isinstance(video, str) and re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", video) is not None


def is_live_address(video: object) -> bool:
    """Whether a video is an address that sends for as long as somebody listens.

    Of ``http://``, only the answer tells: see `video_info`.
    """
    return is_address(video) and not video.lower().startswith(("http", "ftp", "file:"))


def _is_live(path, container):
    """Whether an open video is live: by its address, or since a camera sends JPEGs over HTTP.

    A file may hold what such a camera has sent.
    """
    return is_live_address(path) or (is_address(path) and container.format.name == "mpjpeg")


def open_video(path: str | os.PathLike) -> av.container.InputContainer:
    """A file or an address as an open PyAV container with a video that can be decoded.

    Raises:
        FileNotFoundError, OSError, ValueError: As `read_video`.
    """
    container = _open_address(path) if is_address(path) else _open_file(path)
    stream = first_video(container)
    if stream is not None and _is_cover(path, container, stream):
        stream = None
    if stream is not None and stream.codec_context is not None:
        return container
    has_sound, has_cover = len(container.streams.audio) > 0, len(container.streams.video) > 0
    container.close()
    what = "It has an unknown format."
    if has_sound and stream is None:
        what = f"It has sound only{', and a cover picture' * has_cover}."
    raise ValueError(f"{path} holds no frames that can be decoded. {what} Give a video.")


def _is_cover(path, container, stream):
    """Whether the video of a file is one picture beside sound, which is not called a cover."""
    codec = stream.codec_context
    if is_address(path) or not container.streams.audio:
        return False
    if codec is None or codec.codec.canonical_name not in _PICTURES:
        return False
    with _open_file(path) as other:  # the packets of this one are the caller's
        packets = other.demux(other.streams[stream.index])
        return len(list(islice((packet for packet in packets if packet.size), 2))) < 2


# Of HLS, FFmpeg's concat and SDP. A file from a stranger must not say which files are opened.
_PLAYLISTS = (b"#EXTM3U", b"ffconcat", b"v=0")


def _open_file(path):
    if Path(path).is_dir():
        raise ValueError(f"{path} is a folder. Give the path of a video file.")
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path} does not exist. Give the path of a video file.")
    if Path(path).stat().st_size == 0:
        raise ValueError(f"{path} is an empty file. Save or download it again.")
    try:
        head = _head(path)
    except PermissionError as error:
        raise PermissionError(f"{path} may not be read. Change its permissions.") from error
    if heif_format(path) == "HEIC":  # FFmpeg gives one tile of it
        raise ValueError(f"{path} is a picture in the format HEIC. {HEIF_ADVICE}")
    if head.startswith(_PLAYLISTS):
        raise ValueError(f"{path} is a list of other files or addresses. Give one of these.")
    try:
        return _open(f"file:{os.fspath(path)}")
    except (av.FFmpegError, ValueError) as error:
        if _lacks_index(path):
            raise ValueError(
                f"{path} is cut off: its end is missing, and with it the index of its frames. Copy "
                "or download it again."
            ) from error
        raise ValueError(
            f"{path} holds no frames that can be decoded. It is not a video, has sound only, is "
            "damaged, or has an unknown format. Try to convert it, as in: ffmpeg -i IN OUT.mp4"
        ) from error


def _lacks_index(path):
    """Whether a file is an MP4 or MOV without the whole box ``moov`` (ISO/IEC 14496-12)."""
    names, place, end = [], 0, Path(path).stat().st_size
    with open(path, "rb") as file:
        while place < end:
            file.seek(place)
            box = file.read(16)
            size, name = int.from_bytes(box[:4]), box[4:8]
            if size == 1:
                size = int.from_bytes(box[8:])
            place = place + size if size >= 8 else end
            if place <= end:
                names.append(name)
    return names[:1] == [b"ftyp"] and b"moov" not in names


def _head(path):
    with open(path, "rb") as file:
        return file.read(16)


def _open_address(address):
    scheme, rest = address.split("://", 1)
    options = _ADDRESS_OPTIONS if scheme.lower().startswith("rtsp") else {}
    try:
        return _open(f"{scheme.lower()}://{rest}", options=options, timeout=_TIMEOUT)
    except (av.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OSError(
            f"{address} gives no video ({reason}). Check the address, and whether it can be "
            "reached from here."
        ) from error


def _open(name, **options):
    try:
        return av.open(name, **options)
    except UnicodeDecodeError:  # a title that is not in UTF-8
        return av.open(name, metadata_errors="ignore", **options)


def _count_and_rate(container, stream, path):
    """Number of frames, 0 if unknown, and their mean rate."""
    seconds = float(stream.duration * stream.time_base) if stream.duration else 0.0
    indexed, rate = indexed_frames(container, stream), _rate(stream.average_rate)
    if indexed and seconds:
        return indexed, _rate(indexed / seconds) or DEFAULT_RATE
    if rate is None and not is_address(path):  # as browsers record
        return _measured(path)
    seconds = seconds or (container.duration or 0) / av.time_base
    frames = indexed or stream.frames or round(seconds * (rate or 0))
    return (frames if 0 < frames < 1e9 else 0), rate or DEFAULT_RATE


def _measured(path):
    """Number of frames and their mean rate, from all of the file."""
    with open_video(path) as container:
        packets = read_packets(container, first_video(container), Losses())
        stamps = [packet.pts * packet.time_base for packet in packets if packet.pts is not None]
    length = float(max(stamps) - min(stamps)) if stamps else 0.0
    return len(stamps), _rate(length and (len(stamps) - 1) / length) or DEFAULT_RATE


def _rate(value):
    """A frame rate that is one, or None."""
    rate = float(value or 0)
    return rate if 0 < rate <= _HIGHEST_RATE else None


def _first_time(path):
    """The time stamp of the first frame of a file in seconds, if times can be found in the file."""
    with open_video(path) as container:
        stream, losses = first_video(container), Losses()
        if not container.format.name.startswith(_INDEXED):
            return None
        for frame in decoded(container, stream, losses, again=None):
            known = frame.pts is not None and not losses.any
            return frame.pts * (frame.time_base or stream.time_base) if known else None


def _went_to(container, seconds):
    """Goes to shortly before a time stamp of a file. False where that is not possible."""
    stream = first_video(container)
    stamp = round((seconds - _BEFORE) / stream.time_base)
    try:
        container.seek(stamp, stream=stream)
        packet = next(read_packets(container, stream, Losses()), None)
        container.seek(stamp, stream=stream)
    except av.FFmpegError:
        return False
    return packet is not None and packet.pts is not None and packet.pts <= stamp


def _read_frames(container, path, first):
    """The frames of an open video; `first`: the first time stamp, if reading begins later."""
    with container:
        stream = first_video(container)
        losses, display = Losses(), Display(stream)
        live = _is_live(path, container)
        again = None if live else lambda: open_video(path)
        frames = decoded(container, stream, losses, again=again)
        fields = None if is_address(path) else unflagged_fields(stream, again)
        times = _Times(container, stream, first)
        frames = deinterlaced(frames, stream, fields=fields)
        timed = ((frame, times.of(frame, losses)) for frame in frames)
        count = 0
        try:
            # The times of live streams may stand still.
            for frame, time in timed if live else _rising(timed, losses, path):
                yield display.shown(frame), time
                count += 1
        except av.FFmpegError as error:  # of a filter; those of decoding are counted
            raise ValueError(
                f"{path} has frames that cannot be shown ({error.strerror}). Try to convert it, as "
                "in: ffmpeg -i IN -pix_fmt yuv420p OUT.mp4"
            ) from error
        # If reading did not begin at the beginning, nobody knows how many frames there were.
        lost = lost_frames(container, stream, losses, count) if first is None else 0
    if count == 0:
        raise ValueError(
            f"{path} holds no frame that can be decoded. It is empty or damaged: save or download "
            "it again."
        )
    # The packets beside the seam of joined recordings count as torn, too.
    if live:
        warnings.warn(f"{path} gives no more pictures. Is it switched on?", stacklevel=2)
    elif is_address(path) and losses.failures:
        warnings.warn(f"{path} broke off: {count} frames came until then.", stacklevel=2)
    elif lost or losses.any or (losses.torn and not losses.joined):
        of_all = f"{count} of {count + lost}" if lost else f"all {count}"
        damaged = f", {losses.damaged} of them damaged" if losses.damaged else ""
        warnings.warn(
            f"{path} is cut off or damaged: {of_all} frames could be decoded{damaged}.",
            stacklevel=2,
        )


def _rising(timed, losses, path):
    """The (frame, time) without those whose time is not after the one before, or too far ahead.

    Such times are the work of damage, or of a bad program.
    """
    held, last, count = None, -math.inf, 0
    for frame, time in timed:
        if held is None or time > held[1]:
            if held:
                yield held
                last, count = held[1], count + 1
            held = frame, time
            continue
        losses.disordered += 1
        if losses.disordered > count + _MOST_DISORDERED:
            raise ValueError(
                f"{path} has time stamps that do not rise. Try to convert it, as in: "
                "ffmpeg -i IN OUT.mp4"
            )
        if time > last:  # then it was the frame before that is out of turn
            held = frame, time
    if held:
        yield held


class _Times:
    """The times of frames in seconds after the first one.

    A transport or program stream may be several recordings, one joined to the other, each of which
    counts from anew. Their frames follow each other.

    Args:
        container: the file.
        stream: the stream of the frames.
        first: the first time stamp, if it is known, in seconds.
    """

    def __init__(self, container, stream, first=None):
        self._stream = stream
        self._interval = 1 / (_rate(stream.average_rate) or DEFAULT_RATE)
        self._first, self._last = first, None
        self._may_restart = av.format.Flags.ts_discont in av.format.Flags(container.format.flags)
        self._shifts = [0.0]  # seconds, of the recordings so far, the present one last

    def of(self, frame, losses):
        """The time of the next frame."""
        stamp = frame.dts if frame.pts is None else frame.pts
        if stamp is None:
            seconds = 0.0 if self._last is None else self._last + self._interval
        else:
            seconds = stamp * (frame.time_base or self._stream.time_base)
        if self._first is None:
            self._first = seconds
            if losses.any and self._stream.start_time is not None:  # frames before are lost
                self._first = min(seconds, self._stream.start_time * self._stream.time_base)
        if self._may_restart and self._last is not None:
            seconds += self._shift(float(seconds), losses)
        self._last = seconds
        return float(seconds - self._first)

    def _shift(self, seconds, losses):
        """What to add to the time of a frame, since another recording began before it."""
        last = float(self._last)
        following = [shift for shift in self._shifts if 0 < seconds + shift - last <= _NEXT]
        if following:
            self._shifts.remove(following[-1])
            self._shifts.append(following[-1])
        elif seconds + self._shifts[-1] < last - _FALL:  # or a single frame has a wrong time stamp
            losses.joined = True
            self._shifts.append(last + self._interval - seconds)
        return self._shifts[-1]
