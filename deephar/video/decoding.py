"""Decoding a video stream on and on after errors, with a count of what was lost."""

from __future__ import annotations

import contextlib
import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain

import av

_MOST_FAILURES = 20  # of reading, in a row
_STATED = ("matroska", "flv")  # formats whose header has the duration; elsewhere it is a guess
_ONE_EACH = ("mov", "matroska", "flv", "avi")  # formats in which each packet is a frame
_HIDDEN = ("vp8",)  # codecs with packets that are not shown
_EMPTY = ("mpeg4",)  # codecs with packets that say only that nothing has changed
_DROPS = ("hevc",)  # codecs whose decoder drops what refers to a lost frame, unless told not to
_MOST_FRAMES = 2**30  # what the header of an AVI file says that was written to a pipe
_TOLERANCE = 0.1  # seconds, between the stated end and the end of the last packet


@dataclass
class Losses:
    """What is lost of a video while it is read.

    Attributes:
        errors: errors of decoding, one for a frame.
        damaged: decoded frames that show errors.
        failures: failures to read from the file.
        torn: packets that lack a part, as a transport stream tells.
        packets: packets that were read, without those that an edit list cuts off.
        frames: frames that were decoded.
        gaps: frames that are missing between others, if the rate is constant.
        disordered: frames that are left out, since they are not after the one before.
        first: time stamp of the first frame; None before it.
        interlaced: whether any frame consists of two fields.
        joined: whether the time stamps begin again, as in recordings that were joined.
        unseen: packets of which no frame has come so far, if each is of one frame: time stamp ->
            whether it is a key frame.
        end: end of the last packet of any stream, seconds.
    """

    errors: int = 0
    damaged: int = 0
    failures: int = 0
    torn: int = 0
    packets: int = 0
    frames: int = 0
    gaps: int = 0
    disordered: int = 0
    first: int | None = None
    interlaced: bool = False
    joined: bool = False
    unseen: dict[int, bool] = field(default_factory=dict)
    end: float = -math.inf

    @property
    def any(self) -> bool:
        """Whether anything is lost so far."""
        return self.errors + self.damaged + self.failures + self.disordered > 0

    def skipped(self) -> int:
        """How many frames have not come, without an error of the decoder.

        Those before the first one may refer to frames that were cut off, which is no damage.
        """
        # A packet of interlaced video may hold one field, and two fields make a frame.
        if self.first is None or self.interlaced:
            return 0
        return sum(is_key or stamp > self.first for stamp, is_key in self.unseen.items())


def first_video(
    container: av.container.InputContainer,
) -> av.video.stream.VideoStream | None:
    """The best video of a container; None if there is none. A cover picture is no video."""
    covers = av.stream.Disposition.attached_pic
    videos = [stream for stream in container.streams.video if not stream.disposition & covers]
    best = container.streams.best("video")
    return best if best in videos else next(iter(videos), None)


def indexed_frames(
    container: av.container.InputContainer, stream: av.video.stream.VideoStream
) -> int:
    """How many frames the index of an MP4 file shows; 0 of another file."""
    if "mp4" not in container.format.name or not stream.frames:  # of fragments, it is not whole
        return 0
    return sum(not entry.is_discard for entry in stream.index_entries)


def lost_frames(
    container: av.container.InputContainer,
    stream: av.video.stream.VideoStream,
    losses: Losses,
    shown: int,
) -> int:
    """How many frames of a file that has been read are lost, those after its end as well.

    Args:
        container: the file.
        stream: its video.
        losses: what was lost while it was read.
        shown: number of frames that are not.
    """
    missing, one_each = _missing(container, stream, losses), _one_each(container, stream)
    if not (losses.any or losses.torn or missing):
        return losses.skipped()
    if one_each:
        return losses.packets - shown + missing
    return max(losses.errors + losses.disordered, losses.gaps) + missing


def _missing(container, stream, losses):
    """How many frames are missing at the end."""
    if indexed := indexed_frames(container, stream):
        return max(0, indexed - losses.packets)
    rate = float(stream.average_rate or 0)
    lacking = (_stated_end(container, stream, rate) - losses.end) * rate
    # Less is rounding. Where the end is not known, it is not finite.
    return round(lacking) if max(1.5, _TOLERANCE * rate) < lacking < math.inf else 0


def _stated_end(container, stream, rate):
    """When a file ends as its header says, seconds; -inf if it has none that is true."""
    if container.format.name == "avi" and 0 < stream.frames < _MOST_FRAMES and rate:
        return stream.frames / rate  # the duration is what FFmpeg makes of the size of the file
    if container.format.name.startswith(_STATED) and container.duration:
        return container.duration / av.time_base
    return -math.inf


def _one_each(container, stream):
    """Whether each packet is a frame that is shown."""
    name = stream.codec_context.codec.canonical_name
    return container.format.name.startswith(_ONE_EACH) and name not in _HIDDEN


def decoded(
    container: av.container.InputContainer,
    stream: av.video.stream.VideoStream,
    losses: Losses,
    *,
    again: Callable[[], av.container.InputContainer] | None,
) -> Iterator[av.VideoFrame]:
    """The frames of a stream in the order of their presentation.

    Args:
        container: the open file.
        stream: its video.
        losses: where what is lost is counted.
        again: opens the same file once more; None of a live stream, which is decoded without delay.
    """
    drops = stream.codec_context.codec.canonical_name in _DROPS
    rate, last = stream.average_rate or stream.guessed_rate, None
    interval = float(1 / (rate * stream.time_base)) if rate else 0
    for frame in _decoded(container, stream, losses, again):
        if drops and frame.is_corrupt and losses.frames == 0:  # without what all others refer to
            losses.errors += 1
            continue
        stamp = _stamp(frame)
        if losses.first is None:
            losses.first = stamp
        losses.unseen.pop(stamp, None)
        losses.interlaced |= frame.interlaced_frame
        if interval and None not in (last, stamp):
            losses.gaps += max(0, round((stamp - last) / interval) - 1)
        last = stamp if last is None or stamp is None else max(last, stamp)
        losses.frames += 1
        losses.damaged += frame.is_corrupt
        yield frame


def _decoded(container, stream, losses, again):
    stream.thread_type = "AUTO" if again else "SLICE"  # others delay a frame for each thread
    decoder, last = _Decoder(container, stream, losses), None
    stamped = _one_each(container, stream) and not (
        container.format.name == "avi" or stream.codec_context.codec.canonical_name in _EMPTY
    )
    for packet in read_packets(container, stream, losses):
        if stamped and not (packet.is_discard or packet.pts is None):
            losses.unseen[packet.pts] = packet.is_keyframe
        for frame in decoder.decode(packet):
            last = _stamp(frame)
            yield frame
    # With several threads, the last packets are still in work. An error of one of them loses the
    # frames of all others, and PyAV may not tell of it.
    errors = losses.errors
    for frame in decoder.decode(None):
        last = _stamp(frame)
        yield frame
    failed = losses.errors > errors
    # Without time stamps, or where some come twice, the rest cannot be found again.
    if again is None or last is None or losses.joined:
        return
    losses.errors = errors
    lacking = losses.packets - losses.frames - losses.errors
    if failed or (lacking > 0 if _one_each(container, stream) else losses.any):
        yield from _last_frames(again, stream.index, last, losses)


class _Decoder:
    """Decodes packets; an error is counted, and costs the frames of its packet."""

    def __init__(self, container, stream, losses):
        self._context, self._losses = stream.codec_context, losses
        if self._context.codec.canonical_name in _DROPS:
            self._context.flags |= av.codec.context.Flags.output_corrupt
        # AVI has no presentation times: what FFmpeg gives as such may be wrong. A frame is shown
        # when it is its turn.
        self._turns = deque() if container.format.name == "avi" else None

    def decode(self, packet):
        """The frames that are ready when a packet is sent; of None, all that are left."""
        if self._turns is not None and packet is not None and not packet.is_discard:
            self._turns.append(packet.dts)
        try:
            frames = self._context.decode(packet)
        except av.FFmpegError:
            self._losses.errors += 1
            if self._turns:
                self._turns.popleft()
            return
        for frame in frames:
            if self._turns:
                frame.pts = self._turns.popleft()
            yield frame


def read_packets(
    container: av.container.InputContainer, stream: av.video.stream.VideoStream, losses: Losses
) -> Iterator[av.Packet]:
    """The packets of a stream, as they are stored. Reading goes on behind an error of the file.

    Args:
        container: the open file.
        stream: its video.
        losses: where what is read and what is lost is counted.
    """
    failures = 0
    while failures < _MOST_FAILURES:
        try:
            for packet in container.demux():
                if packet.size == 0:  # would end the decoding
                    continue
                failures = 0
                losses.end = max(losses.end, _end(packet))
                if packet.stream_index == stream.index:
                    losses.packets += not packet.is_discard
                    losses.torn += packet.is_corrupt
                    yield packet
            return
        except av.error.InvalidDataError:
            failures += 1
            losses.failures += 1
        except av.FFmpegError:  # of the disk or the network
            losses.failures += 1
            return
        except IndexError:  # of PyAV at the end, if streams began after the header
            return


def _stamp(timed):
    """Time stamp of a frame or a packet, None if it has none."""
    return timed.dts if timed.pts is None else timed.pts


def _end(packet):
    """When the picture or the sound of a packet ends, seconds."""
    start = _stamp(packet)
    if start is None or not packet.time_base:
        return -math.inf
    return float((start + (packet.duration or 0)) * packet.time_base)


def _last_frames(again, index, last, losses):
    """The frames after a time stamp, decoded by one thread: an error costs one frame then."""
    with again() as container:
        stream = container.streams[index]
        stream.codec_context.thread_count = 1
        own = Losses()
        decoder = _Decoder(container, stream, own)
        with contextlib.suppress(av.FFmpegError):  # otherwise from the start
            container.seek(last, stream=stream)
        for packet in chain(read_packets(container, stream, Losses()), [None]):
            before = own.errors
            for frame in decoder.decode(packet):
                stamp = _stamp(frame)
                if stamp is not None and stamp > last:
                    yield frame
            if own.errors > before:
                stamp = packet and _stamp(packet)
                losses.errors += stamp is None or stamp > last  # others are counted already
