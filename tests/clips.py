"""Video files of many kinds, made with PyAV: for tests of what reads them."""

from fractions import Fraction

import av
import numpy as np

CODECS = {"webm": "libvpx-vp9", "mpg": "mpeg2video", "avi": "mpeg4"}
"""Codecs by suffix; of others, it is H.264."""
PIXELS = {"mjpeg": "yuvj420p", "huffyuv": "yuv422p", "prores_ks": "yuv422p10le"}
"""Form of the pixels by codec; of others, it is yuv420p."""


def grey_frames(count, size=(64, 48)):
    """Grey frames that get brighter: frame N has the level 20 + 8 N."""
    return [np.full((size[1], size[0], 3), 20 + 8 * number, np.uint8) for number in range(count)]


def numbers_of(frames):
    """The numbers of grey frames, from their levels."""
    return [round((float(np.median(frame)) - 20) / 8) for frame in frames]


def encode(
    path, times, frames=None, *, codec=None, fields=None, aspect=None, colours=None, rate=25
):
    """Writes a video.

    Args:
        path: the file; its suffix gives the format.
        times: seconds, of each frame.
        frames: uint8 (H, W, 3); `grey_frames` by default.
        codec: name of the encoder; by default that of `CODECS`, or H.264.
        fields: "tff" or "bff" for interlaced frames with the top or the bottom field first.
        aspect: width of a pixel divided by its height.
        colours: code of the matrix from YUV to RGB (ITU-T H.273), which is only named.
        rate: frame rate of the header.

    Returns:
        The path.
    """
    frames = grey_frames(len(times)) if frames is None else frames
    codec = codec or CODECS.get(path.suffix[1:], "libx264")
    base = Fraction(1, 90_000) if codec == "libx264" else Fraction(1, rate)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = frames[0].shape[:2]
        context = stream.codec_context
        context.pix_fmt = PIXELS.get(codec, "yuv420p")
        context.time_base, context.gop_size, context.bit_rate = base, 12, 2_000_000
        if aspect:
            context.sample_aspect_ratio = aspect
        if colours:
            context.colorspace = colours
        if fields:
            flags = av.codec.context.Flags
            context.flags |= flags.interlaced_dct | flags.interlaced_me
        for image, time in zip(frames, times, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame = frame.reformat(format=context.pix_fmt)
            frame.pts, frame.time_base = round(time / base), base
            container.mux(stream.encode(_flagged(frame, fields) if fields else frame))
        container.mux(stream.encode(None))
    return path


def _flagged(frame, fields):
    """A frame flagged as interlaced."""
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
    )
    flag, sink = graph.add("setfield", fields), graph.add("buffersink")
    source.link_to(flag)
    flag.link_to(sink)
    graph.configure()
    source.push(frame)
    return sink.pull()


def copy(source, path, *, start=0.0, timed=True, **options):
    """Copies the packets of a video to another file.

    Args:
        source: the video.
        path: the file to write.
        start: seconds that are cut off: where the format has edit lists, by one.
        timed: False leaves the rate and the duration out, as browsers do when they record.
        **options: of the format.

    Returns:
        The path.
    """
    with av.open(str(source)) as whole, av.open(str(path), "w", options=options) as part:
        video = whole.streams.video[0]
        if timed:
            stream = part.add_stream_from_template(video)
        else:
            size = {"width": video.width, "height": video.height}
            stream = part.add_mux_stream(video.codec_context.codec.canonical_name, **size)
            stream.time_base = video.time_base
        cut = round(start / video.time_base)
        for packet in whole.demux(video):
            if packet.size:
                packet.stream, packet.pts, packet.dts = stream, packet.pts - cut, packet.dts - cut
                part.mux(packet)
    return path


def packets_of(path):
    """The packets of the video in a file, as bytes."""
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def damage(path, packets, *, fill=b"\xff", keep=4):
    """Overwrites the packets with these numbers, but for some bytes in front."""
    content, packets_in_it = bytearray(path.read_bytes()), packets_of(path)
    for number in packets:
        packet = packets_in_it[number]
        start = content.index(packet)
        content[start + keep : start + len(packet)] = fill * (len(packet) - keep)
    path.write_bytes(content)
    return path
