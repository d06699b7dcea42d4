"""Video files of many kinds, made with PyAV: for tests of what reads them."""

from fractions import Fraction

import av
import numpy as np

CODECS = {"webm": "libvpx-vp9", "mpg": "mpeg2video", "avi": "mpeg4"}
"""Codecs by suffix; of others, it is H.264."""


def grey_frames(count, size=(64, 48)):
    """Grey frames that get brighter: frame N has the level 20 + 8 N."""
    return [np.full((size[1], size[0], 3), 20 + 8 * number, np.uint8) for number in range(count)]


def numbers_of(frames):
    """The numbers of grey frames, from their levels."""
    return [round((float(np.median(frame)) - 20) / 8) for frame in frames]


def encode(path, times, frames=None, *, codec=None, interlaced=None, rate=25, **options):
    """Writes a video.

    Args:
        path: the file; its suffix gives the format.
        times: seconds, of each frame.
        frames: uint8 (H, W, 3); `grey_frames` by default.
        codec: name of the encoder; by default that of `CODECS`, or H.264.
        interlaced: "tff" or "bff" for top or bottom field first.
        rate: frame rate of the header.
        **options: of the encoder.

    Returns:
        The path.
    """
    frames = grey_frames(len(times)) if frames is None else frames
    codec = codec or CODECS.get(path.suffix[1:], "libx264")
    base = Fraction(1, 90_000) if codec == "libx264" else Fraction(1, rate)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt, stream.codec_context.time_base = "yuv420p", base
        stream.codec_context.gop_size = 12
        if interlaced:
            flags = av.codec.context.Flags
            stream.codec_context.flags |= flags.interlaced_dct | flags.interlaced_me
        for image, time in zip(frames, times, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = round(time / base), base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def packets_of(path):
    """The packets of the video in a file, as bytes."""
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def damage(path, packets):
    """Overwrites the packets with these numbers."""
    content, packets_in_it = bytearray(path.read_bytes()), packets_of(path)
    for number in packets:
        packet = packets_in_it[number]
        start = content.index(packet)
        content[start + 4 : start + len(packet)] = b"\xff" * (len(packet) - 4)
    path.write_bytes(content)
    return path
