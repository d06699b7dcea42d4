"""Reading video: true times, all frames that can be had, and frames as a player shows them."""

import struct
import warnings
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest
from clips import copy, damage, encode, grey_frames, numbers_of
from PIL import Image

from deephar.video import VideoWriter, read_video, video_info
from deephar.video.decoding import Losses


@pytest.fixture
def fault(real_data):
    """Paths of videos that other tools have failed on: ``fault("av1.mkv")``; or a skip."""

    def find(name):
        path = real_data / "faults" / name
        if not path.is_file():
            pytest.skip(f"{name} is not at hand")
        return path

    return find


def read(path, **options):
    """Frames and times of a video that is whole: without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frames, times = zip(*read_video(path, **options), strict=True)
    return frames, np.array(times)


def read_damaged(path, message):
    """Frames and times of a video that is not."""
    with pytest.warns(UserWarning, match=message) as caught:
        frames, times = zip(*read_video(path), strict=True)
    assert len(caught) == 1
    return frames, np.array(times)


# --- a part of a video

LONG = np.arange(200) / 10


def moving_frames(count, size=(64, 48)):
    """A bright bar that moves over a dark picture."""
    frames = np.zeros((count, size[1], size[0], 3), np.uint8)
    for number, frame in enumerate(frames):
        frame[:, number % size[0]] = 255
    return list(frames)


@pytest.mark.parametrize(
    ("name", "codec", "times"),
    [
        ("v.mp4", None, LONG),
        ("v.mkv", None, LONG + 3),
        ("v.mov", "mpeg4", LONG),
        ("v.mp4", "libx265", LONG),
        ("v.webm", "libvpx-vp9", LONG),
        ("v.mkv", None, np.cumsum(np.tile([0.03, 0.2, 0.1, 0.07], 50))),
    ],
)
def test_what_is_before_the_start_is_not_decoded(name, codec, times, tmp_path):
    path = encode(tmp_path / name, times, moving_frames(200), codec=codec, rate=10)
    frames, whole_times = read(path)
    for start in (12.0, 14.3, 19.6):
        part, part_times = read(path, start=start)
        assert start - 4 < part_times[0] <= start
        first = len(whole_times) - len(part_times)
        np.testing.assert_allclose(part_times, whole_times[first:], atol=1e-9)
        later = part_times >= start
        np.testing.assert_array_equal(np.array(part)[later], np.array(frames[first:])[later])


@pytest.mark.parametrize("name", ["v.avi", "v.flv", "v.ts", "v.mpg"])
def test_without_an_index_a_video_is_decoded_from_its_beginning(name, tmp_path):
    path = encode(tmp_path / name, LONG, moving_frames(200), rate=25 if name == "v.mpg" else 10)
    np.testing.assert_array_equal(read(path, start=15.0)[1], read(path)[1])


def test_a_start_near_the_beginning_or_behind_the_end_is_no_error(tmp_path):
    path = encode(tmp_path / "v.mp4", LONG, moving_frames(200), rate=10)
    assert len(read(path, start=9.0)[1]) == 200
    assert read(path, start=500.0)[1][-1] == pytest.approx(19.9)


def test_a_video_with_a_damaged_beginning_is_decoded_from_there(tmp_path):
    path = encode(tmp_path / "v.mkv", LONG, moving_frames(200), codec="mpeg4", rate=10)
    damage(path, [0])
    with pytest.warns(UserWarning, match="damaged"):
        times = [time for _, time in read_video(path, start=15.0)]
    with pytest.warns(UserWarning, match="damaged"):
        assert times == [time for _, time in read_video(path)]


# --- times


def test_the_times_of_a_variable_rate_are_those_of_the_file(fault):
    _, times = read(fault("vfr_30_then_10fps.mp4"))
    expected = [
        number / 29.97 if number < 24 else 0.8008 + (number - 24) / 10 for number in range(48)
    ]
    np.testing.assert_allclose(times, expected, atol=0.003)


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_a_video_as_browsers_record_it_has_its_own_times(codec, tmp_path):
    stamps = np.array([0, 33, 70, 99, 135, 170, 201, 233, 270, 299, 400, 500]) / 1000
    whole = encode(tmp_path / "whole.webm", stamps, codec=codec, rate=1000)
    path = copy(whole, tmp_path / "live.webm", timed=False, live="1")
    with av.open(str(path)) as container:
        assert container.duration is None
    frames, times = read(path)
    np.testing.assert_allclose(times, stamps, atol=1e-9)
    assert numbers_of(frames) == list(range(12))
    assert video_info(path).frames == 12
    assert video_info(path).fps == pytest.approx(22)


def test_frames_of_avi_are_shown_in_turn(tmp_path):  # it has no presentation times
    path = encode(tmp_path / "v.avi", np.arange(20) / 25, codec="libx264")  # with B-frames
    frames, times = read(path)
    np.testing.assert_allclose(times, np.arange(20) / 25, atol=1e-9)
    assert numbers_of(frames) == list(range(20))


@pytest.mark.parametrize("suffix", ["ts", "mkv"])
def test_times_start_at_zero(suffix, tmp_path):
    _, times = read(encode(tmp_path / f"v.{suffix}", 7 + np.arange(5) / 25))
    np.testing.assert_allclose(times, np.arange(5) / 25, atol=1e-9)


@pytest.mark.parametrize("start", [0.28, 0.48])
def test_frames_before_the_start_of_an_edit_list_are_left_out(start, tmp_path):
    whole = encode(tmp_path / "whole.mp4", np.arange(20) / 25)
    path = copy(whole, tmp_path / "cut.mp4", start=start)
    frames, times = read(path)
    first = round(start * 25)
    assert numbers_of(frames) == list(range(first, 20))
    np.testing.assert_allclose(times, np.arange(20 - first) / 25, atol=1e-9)
    assert video_info(path).frames == 20 - first
    assert video_info(path).fps == pytest.approx(25)


# --- damage


def test_one_damaged_packet_costs_one_frame(fault):
    frames, times = read_damaged(fault("one_damaged_packet.mp4"), "damaged: 47 of 48 frames")
    assert len(frames) == 47
    steps = np.diff(times) * 29.97
    assert sorted(np.rint(steps).tolist()) == [1] * 45 + [2]


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm", "avi", "flv"])
@pytest.mark.parametrize("packets", [[5], [7, 8, 17], [19], [18, 19], [15, 19]])
def test_each_damaged_packet_costs_its_frame_and_no_other(suffix, packets, tmp_path):
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (48, 64, 3)).astype(np.uint8) for _ in range(20)]
    # Without B-frames, so that the order in the file is that of the presentation.
    codec = {"webm": "libvpx-vp9", "avi": "mpeg4"}.get(
        suffix, "mpeg4" if suffix != "flv" else "flv1"
    )
    path = damage(
        encode(tmp_path / f"v.{suffix}", np.arange(20) / 25, frames, codec=codec), packets
    )
    left = 20 - len(packets)
    _, times = read_damaged(path, rf"v\.{suffix} is cut off or damaged: {left} of 20 frames")
    numbers = [number for number in range(20) if number not in packets]
    np.testing.assert_allclose(times, np.array(numbers) / 25, atol=1e-3)


@pytest.mark.parametrize("packets", [[19], [17, 19]])
def test_damage_at_the_end_of_h264_costs_no_other_frame(packets, tmp_path):
    path = damage(encode(tmp_path / "v.mp4", np.arange(20) / 25, rate=25), packets)
    frames, _ = read_damaged(path, f"damaged: {20 - len(packets)} of 20 frames")
    assert len(frames) == 20 - len(packets)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("packets", [[5], [14, 17], [19]])
def test_damage_of_hevc_costs_its_frame_and_no_other(suffix, packets, tmp_path):
    path = encode(tmp_path / f"v.{suffix}", np.arange(20) / 25, codec="libx265")
    frames, _ = read_damaged(damage(path, packets), f"damaged: {20 - len(packets)} of 20 frames")
    assert len(frames) == 20 - len(packets)


def test_without_its_first_frame_hevc_begins_with_the_next_whole_one(tmp_path):
    frames = [np.full((48, 64, 3), 100, np.uint8) for _ in range(30)]
    for number, frame in enumerate(frames):
        frame[number : number + 16, 20:40] = 150
    path = encode(tmp_path / "v.mp4", np.arange(30) / 25, frames, codec="libx265")
    frames, times = read_damaged(damage(path, [0]), "damaged: 18 of 30 frames could be decoded.")
    np.testing.assert_allclose(times, np.arange(12, 30) / 25, atol=1e-3)


@pytest.mark.parametrize("packet", [7, 20])
def test_a_frame_that_the_decoder_leaves_out_without_an_error_is_told(packet, fault, tmp_path):
    path = tmp_path / "v.mkv"
    path.write_bytes(fault("av1.mkv").read_bytes())
    whole = len(read(path)[0])
    damage(path, [packet], fill=b"\0", keep=0)  # AV1 calls it reserved, to be ignored
    frames, _ = read_damaged(path, rf"damaged: \d+ of {whole} frames")
    assert len(frames) < whole


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_what_a_transport_stream_lacks_is_told(codec, tmp_path):
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (48, 64, 3)).astype(np.uint8) for _ in range(30)]
    content = encode(tmp_path / "v.ts", np.arange(30) / 25, frames, codec=codec).read_bytes()
    half = len(content) // 2 // 188 * 188
    path = tmp_path / "torn.ts"
    path.write_bytes(content[:half] + content[half + 188 * 40 :])
    found, times = read_damaged(path, r"damaged: 2\d of 30 frames could be decoded")
    assert 20 < len(found) < 30
    assert times[-1] == pytest.approx(29 / 25, abs=1e-3)


@pytest.mark.parametrize("lengths", [(20, 20), (20, 20, 20), (10, 25), (25, 10)])
@pytest.mark.parametrize(("suffix", "codec"), [(".ts", "libx264"), (".mpg", "mpeg2video")])
def test_joined_recordings_follow_each_other(suffix, codec, lengths, tmp_path):
    parts = [
        encode(tmp_path / f"{n}{suffix}", np.arange(n) / 25, grey_frames(n), codec=codec)
        for n in lengths
    ]
    path = tmp_path / f"joined{suffix}"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    frames, times = read(path)  # without a warning
    steps = np.diff(times) * 25  # in MPEG-PS, not every frame has a time stamp
    assert 0.99 < steps.min() <= steps.max() < 2.01
    assert np.mean(steps > 1.5) < 0.1
    assert numbers_of(frames) == [number for n in lengths for number in range(n)]


def test_a_frame_whose_time_is_before_the_last_one_is_left_out_and_told(tmp_path):
    order = [*range(10), 7, *range(11, 20)]
    path = stamped(tmp_path / "v.mkv", np.array(order) / 25)
    frames, times = read_damaged(path, "damaged: 19 of 20 frames")
    assert numbers_of(frames) == [*range(10), *range(11, 20)]
    np.testing.assert_allclose(times * 25, [*range(10), *range(11, 20)], atol=0.03)


@pytest.mark.parametrize("place", [5, 15])
def test_a_frame_whose_time_is_too_far_ahead_is_left_out_and_told(place, tmp_path):
    order = [*range(place), 60, *range(place + 1, 25)]
    path = stamped(tmp_path / "v.mkv", np.array(order) / 25)
    frames, times = read_damaged(path, "damaged: 24 of 25 frames")
    assert numbers_of(frames) == [*range(place), *range(place + 1, 25)]
    np.testing.assert_allclose(times * 25, [*range(place), *range(place + 1, 25)], atol=0.03)


def test_times_that_fall_all_the_time_are_no_damage_and_refused(tmp_path):
    path = stamped(tmp_path / "v.mkv", (60 - np.arange(30)) / 25)
    with pytest.raises(ValueError, match=r"v\.mkv has time stamps that do not rise\. Try to conv"):
        list(read_video(path))


def stamped(path, times):
    """Writes a video whose packets have these times, in the order of the file."""
    source = encode(path.with_name("source.mkv"), np.arange(len(times)) / 25, codec="mpeg4")
    with av.open(str(source)) as whole, av.open(str(path), "w") as part:
        stream = part.add_stream_from_template(whole.streams.video[0])
        packets = [packet for packet in whole.demux(video=0) if packet.size]
        for number, (packet, time) in enumerate(zip(packets, times, strict=True)):
            packet.stream, packet.dts = stream, number
            packet.pts = round(time / packet.time_base)
            part.mux(packet)
    return path


def test_a_damaged_start_does_not_move_the_times(tmp_path):
    path = damage(encode(tmp_path / "v.mkv", np.arange(20) / 25), [0])
    frames, times = read_damaged(path, r"of 20 frames")
    np.testing.assert_allclose(times[-len(frames) // 3 :], np.arange(20)[-len(frames) // 3 :] / 25)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm", "avi", "flv"])
def test_a_cut_off_end_is_told(suffix, tmp_path):
    path = tmp_path / f"v.{suffix}"
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (48, 64, 3)).astype(np.uint8) for _ in range(20)]
    if suffix == "mp4":
        with VideoWriter(path, 25) as writer:  # its index comes first
            for frame in frames:
                writer.write(frame)
    else:
        encode(path, np.arange(20) / 25, frames)
    content = path.read_bytes()
    path.write_bytes(content[: int(0.7 * len(content))])
    found, _ = read_damaged(path, rf"v\.{suffix} is cut off or damaged: \d+ of 2\d frames")
    assert 8 < len(found) < 16


def test_a_video_that_is_cut_off_before_its_index_is_told(tmp_path):
    path = encode(tmp_path / "v.mp4", np.arange(20) / 25)
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"moov")])
    with pytest.raises(ValueError, match=r"v\.mp4 is cut off: its end is missing, and with it the"):
        list(read_video(path))


def test_a_video_without_any_damage_gives_no_warning(tmp_path):
    for suffix in ("mp4", "mov", "mkv", "webm", "avi", "flv", "ts", "mpg"):
        frames, _ = read(encode(tmp_path / f"v.{suffix}", np.arange(15) / 25))
        assert numbers_of(frames) == list(range(15)), suffix


def test_an_avi_file_that_was_written_to_a_pipe_is_whole(tmp_path):
    class Pipe:  # cannot go back, to write the number of frames into the header
        def __init__(self):
            self.content = b""

        def write(self, part):
            self.content += part
            return len(part)

    pipe, path = Pipe(), tmp_path / "v.avi"
    with (
        av.open(str(encode(tmp_path / "seekable.avi", np.arange(9) / 25))) as whole,
        av.open(pipe, "w", format="avi") as copied,
    ):
        stream = copied.add_stream_from_template(whole.streams.video[0])
        for packet in whole.demux(video=0):
            if packet.size:
                packet.stream = stream
                copied.mux(packet)
    path.write_bytes(pipe.content)
    frames, _ = read(path)
    assert numbers_of(frames) == list(range(9))


# --- what is a video


def test_moving_jpeg_beside_sound_is_a_video(tmp_path):
    path = tmp_path / "v.mkv"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("mp3", rate=44100, layout="stereo")
        video = container.add_stream("mjpeg", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuvj420p"
        noise = av.AudioFrame.from_ndarray(np.zeros((2, 1152), np.int16), "s16p", "stereo")
        noise.rate, noise.pts = 44100, 0
        container.mux([*sound.encode(noise), *sound.encode(None)])
        for number, frame in enumerate(grey_frames(3)):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts = number
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
    assert numbers_of(read(path)[0]) == [0, 1, 2]


@pytest.mark.parametrize("suffix", ["mp3", "mkv"])  # Matroska forgets that it is a cover
def test_a_sound_file_with_a_cover_picture_is_no_video(suffix, tmp_path):
    path = tmp_path / f"song.{suffix}"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("mp3", rate=44100, layout="stereo")
        cover = container.add_stream("png" if suffix == "mp3" else "mjpeg", rate=1)
        cover.width, cover.height = 64, 48
        cover.pix_fmt = "rgb24" if suffix == "mp3" else "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        picture = av.VideoFrame.from_ndarray(grey_frames(1)[0], format="rgb24")
        container.mux([*cover.encode(picture), *cover.encode(None)])
        silence = np.zeros((2, 1152), np.int16)
        noise = av.AudioFrame.from_ndarray(silence, format="s16p", layout="stereo")
        noise.rate, noise.pts = 44100, 0
        container.mux([*sound.encode(noise), *sound.encode(None)])
    for open_it in (read_video, video_info):
        with pytest.raises(ValueError, match=r"song\.\w+ holds no frames.*sound only, and a cover"):
            open_it(path)


def test_av1_is_read(fault):
    frames, times = read(fault("av1.mkv"))
    assert len(frames) == 30
    np.testing.assert_allclose(times, np.arange(30) / 29.97, atol=0.001)
    assert 60 < frames[5].std() < 110


def save_animation(path, **options):
    pictures = [Image.fromarray(frame) for frame in grey_frames(5)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], **options)
    return path


@pytest.mark.parametrize("suffix", ["webp", "gif", "png", "avif"])
def test_animated_pictures_are_read_with_their_times(suffix, tmp_path):
    path = save_animation(tmp_path / f"v.{suffix}", duration=[40, 40, 200, 100, 40])
    frames, times = read(path)
    assert numbers_of(frames) == list(range(5))
    np.testing.assert_allclose(times, [0, 0.04, 0.08, 0.28, 0.38], atol=1e-6)
    assert video_info(path).size == (64, 48)


def test_an_animated_webp_tells_its_length_and_damage(tmp_path):
    path = save_animation(tmp_path / "v.webp", duration=[40, 40, 200, 100, 20], lossless=True)
    assert video_info(path).frames == 5
    assert video_info(path).fps == pytest.approx(12.5)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ValueError, match=r"v\.webp holds no frame that can be decoded"):
        list(read_video(path))


def test_a_heic_picture_is_no_video(tmp_path):  # of a large one, FFmpeg would give a tile
    path = tmp_path / "IMG_1.HEIC"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    with pytest.raises(ValueError, match=r"IMG_1\.HEIC is a picture in the format HEIC\. Convert"):
        read_video(path)


def test_an_animated_webp_is_turned_upright(tmp_path):
    pictures = [Image.fromarray(frame) for frame in grey_frames(3)]
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "v.webp"
    pictures[0].save(path, save_all=True, append_images=pictures[1:], exif=exif, lossless=True)
    frames, _ = read(path)
    assert [frame.shape for frame in frames] == [(64, 48, 3)] * 3
    assert video_info(path).size == (48, 64)


# --- as a player shows it


def interlaced_bars(fields, count=12):
    """A bar that moves by 4 pixels a frame: it is at 4 N in the first field, then at 4 N + 2."""
    frames = []
    for number in range(count):
        first, second = (grey_frames(1)[0].copy() for _ in range(2))
        first[:, 4 * number : 4 * number + 8] = 220
        second[:, 4 * number + 2 : 4 * number + 10] = 220
        top, bottom = (first, second) if fields == "tff" else (second, first)
        top[1::2] = bottom[1::2]
        frames.append(top)
    return frames


@pytest.mark.parametrize("fields", ["tff", "bff"])
@pytest.mark.parametrize(
    ("suffix", "codec"),
    [("mp4", "libx264"), ("mkv", "mpeg2video"), ("mpg", "mpeg2video"), ("ts", "mpeg2video")],
)
def test_interlaced_frames_are_deinterlaced(fields, suffix, codec, tmp_path):
    stored = interlaced_bars(fields)
    path = encode(tmp_path / f"v.{suffix}", np.arange(12) / 25, stored, codec=codec, fields=fields)
    frames, times = read(path)
    np.testing.assert_allclose(times, np.arange(12) / 25, atol=1e-9)
    assert combs(stored) > 10
    assert combs(frames) < 1
    starts = [int(np.argmax(frame[24, :, 0] > 128)) for frame in frames]
    assert starts == [4 * number for number in range(12)]  # the first field


SINGLE = [("avi", "mjpeg"), ("avi", "huffyuv"), ("mkv", "ffv1"), ("mov", "prores_ks")]
"""Codecs of single pictures, which do not say that frames are interlaced."""


@pytest.mark.parametrize("fields", ["tff", "bff"])
@pytest.mark.parametrize(("suffix", "codec"), SINGLE)
def test_interlaced_frames_without_a_flag_are_found(fields, suffix, codec, tmp_path):
    still = [grey_frames(1)[0]] * 20  # nothing moves yet
    stored = still + interlaced_bars(fields)
    path = encode(tmp_path / f"v.{suffix}", np.arange(32) / 25, stored, codec=codec)
    with av.open(str(path)) as container:
        assert not next(container.decode(video=0)).interlaced_frame
    frames, times = read(path)
    np.testing.assert_allclose(times, np.arange(32) / 25, atol=1e-9)
    assert combs(stored[20:]) > 10
    assert combs(frames[20:]) < 1
    starts = [int(np.argmax(frame[24, :, 0] > 128)) for frame in frames[20:]]
    assert starts == [4 * number for number in range(12)]  # the first field


def moving_pictures(kind):
    """24 whole frames in which something moves."""
    large = np.random.default_rng(0).integers(0, 256, (96, 128, 3)).astype(np.uint8)
    x, y = {"pan": (2, 0), "scroll": (0, 1), "fast scroll": (0, 3), "both": (1, 2)}.get(
        kind, (1, 0)
    )
    frames = [large[y * n // 2 : 48 + y * n // 2, x * n : 64 + x * n] for n in range(24)]
    if kind == "repeated":
        frames = [frames[n // 2] for n in range(24)]
    if kind == "two of three":  # 24 frames per second at 30
        frames = [frames[n - n // 3] for n in range(24)]
    if kind == "stripes":  # which look like combs
        stripes = np.repeat(np.arange(48)[:, None, None] % 2 * 200, 64, axis=1)
        frames = [
            np.where(np.abs(np.arange(64) - 2 * n)[None, :, None] < 8, stripes, 90)
            for n in range(24)
        ]
        frames = [np.repeat(frame, 3, axis=2).astype(np.uint8) for frame in frames]
    return frames


@pytest.mark.parametrize(
    "kind", ["pan", "scroll", "fast scroll", "both", "repeated", "two of three", "stripes"]
)
def test_whole_frames_stay_as_they_are(kind, tmp_path):
    stored = moving_pictures(kind)
    path = encode(tmp_path / "v.avi", np.arange(24) / 25, stored, codec="rawvideo")
    with av.open(str(path)) as container:
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    np.testing.assert_array_equal(read(path)[0], decoded)


def combs(frames):
    """How much the rows differ from the mean of their neighbours, grey levels."""
    rows = np.stack(frames).astype(int)
    return np.abs(rows[:, 1:-1] - (rows[:, :-2] + rows[:, 2:]) / 2).mean()


def test_interlaced_video_looks_like_the_progressive_one(fault):
    frames, _ = read(fault("interlaced_tff.mp4"))
    progressive, _ = read(fault("vfr_30_then_10fps.mp4"))
    assert len(frames) == len(progressive) == 48
    for one, other in zip(frames, progressive, strict=True):
        assert np.abs(one.astype(int) - other).mean() < 6


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize(("aspect", "width"), [((16, 11), 93), ((4, 3), 85), ((8, 9), 57)])
def test_pixels_are_made_square(suffix, aspect, width, tmp_path):
    image = grey_frames(1)[0]
    image[:, 32:] = 220
    path = tmp_path / f"v.{suffix}"
    encode(path, [0, 0.04], [image] * 2, aspect=Fraction(*aspect))
    frames, _ = read(path)
    assert frames[0].shape == (48, width, 3)
    assert video_info(path).size == (width, 48)
    edge = np.argmax(frames[0][24, :, 0] > 120)
    assert edge == pytest.approx(width / 2, abs=1)


MATRICES = {
    (1, 0, 0, 1): lambda image: image,
    (0, 1, -1, 0): lambda image: np.rot90(image, -1),
    (-1, 0, 0, -1): lambda image: np.rot90(image, 2),
    (0, -1, 1, 0): lambda image: np.rot90(image),
    (-1, 0, 0, 1): lambda image: image[:, ::-1],
    (1, 0, 0, -1): lambda image: image[::-1],
    (0, 1, 1, 0): lambda image: image.swapaxes(0, 1),
    (0, -1, -1, 0): lambda image: np.rot90(image, 2).swapaxes(0, 1),
}
"""What the matrix of an MP4 track makes of an image (ISO 14496-12, 6.2.2)."""


@pytest.mark.parametrize("matrix", MATRICES)
def test_frames_are_turned_upright(matrix, tmp_path):
    image = grey_frames(1)[0]
    image[:12, :20] = 220  # in the top left
    path = encode(tmp_path / "v.mp4", [0, 0.04], [image] * 2, aspect=Fraction(3, 2))
    stored, _ = read(path)
    content = bytearray(path.read_bytes())
    a, b, c, d = (value << 16 for value in matrix)
    at = content.index(b"tkhd") + 44
    content[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    frames, _ = read(path)
    np.testing.assert_array_equal(frames[0], MATRICES[matrix](stored[0]))
    assert video_info(path).size == frames[0].shape[1::-1]


def test_colours_are_those_of_the_matrix_that_the_file_names(tmp_path):
    colour = (200, 40, 60)
    with VideoWriter(tmp_path / "v.mp4", 25) as writer:  # BT.709
        writer.write(np.full((48, 64, 3), colour, np.uint8))
    frames, _ = read(tmp_path / "v.mp4")
    np.testing.assert_allclose(frames[0].mean((0, 1)), colour, atol=4)


def test_colours_that_nothing_converts_are_taken_for_the_usual_ones(tmp_path):
    path = tmp_path / "v.mp4"
    encode(path, [0, 0.04], colours=10)  # BT.2020 with constant luminance
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).colorspace == 10
    assert numbers_of(read(path)[0]) == [0, 1]


def test_titles_in_other_alphabets_do_not_matter(tmp_path):
    path = tmp_path / "v.avi"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "title"
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        frame = av.VideoFrame.from_ndarray(grey_frames(1)[0], format="rgb24")
        container.mux([*stream.encode(frame), *stream.encode(None)])
    path.write_bytes(path.read_bytes().replace(b"title", b"\xe9t\xe9 \xff"))
    assert len(read(path)[0]) == 1


def test_memory_does_not_grow_with_the_length(tmp_path):
    path = encode(tmp_path / "v.mp4", np.arange(30) / 25)
    frames = read_video(path)
    before = next(frames)[0]
    kept = [frame for frame, _ in frames]
    assert all(not np.shares_memory(one, other) for one, other in pairwise([before, *kept]))


def test_fields_of_interlaced_video_are_not_taken_for_lost_frames():
    losses = Losses(packets=4, frames=2, first=0, unseen={1: False, 3: False})
    assert losses.skipped() == 2
    losses.interlaced = True
    assert losses.skipped() == 0
