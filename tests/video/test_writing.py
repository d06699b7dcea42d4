"""Writing video: what browsers play, true times, and no damage to what was there before."""

import resource
from contextlib import contextmanager

import av
import numpy as np
import pytest
from clips import grey_frames, numbers_of

from deephar.video import VideoWriter, read_video, video_info, writing


def write(path, frames, times=None, fps=25):
    with VideoWriter(path, fps) as writer:
        for number, frame in enumerate(frames):
            writer.write(frame, None if times is None else times[number])
    return path


def test_videos_are_what_browsers_play(tmp_path):
    path = write(tmp_path / "v.mp4", grey_frames(5, size=(65, 49)))
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        assert video.codec_context.codec.canonical_name == "h264"
        assert (video.pix_fmt, video.width, video.height) == ("yuv420p", 64, 48)
    content = path.read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")  # plays while it is downloaded


def test_frames_have_the_times_that_they_are_given(tmp_path):
    times = [0, 0.033, 0.07, 0.5, 0.51, 1.7]
    path = write(tmp_path / "v.mp4", grey_frames(6), times)
    frames, found = zip(*read_video(path), strict=True)
    np.testing.assert_allclose(found, times, atol=1e-5)
    assert numbers_of(frames) == list(range(6))


@pytest.mark.parametrize("fps", [29.97, 24000 / 1001, 15, 10.5])
def test_without_times_the_rate_counts(fps, tmp_path):
    path = write(tmp_path / "v.mp4", grey_frames(8), fps=fps)
    np.testing.assert_allclose(
        [time for _, time in read_video(path)], np.arange(8) / fps, atol=2e-5
    )
    assert video_info(path).fps == pytest.approx(fps, rel=1e-4)


def test_times_must_rise(tmp_path):
    with pytest.raises(ValueError, match=r"Frame 2 is at 0\.200 s, before the last one"):
        write(tmp_path / "v.mp4", grey_frames(3), [0, 0.3, 0.2])
    assert list(tmp_path.iterdir()) == []


def test_frames_of_almost_one_time_are_all_kept(tmp_path):
    path = write(tmp_path / "v.mp4", grey_frames(4), [0, 1e-7, 2e-7, 0.1])
    assert len(list(read_video(path))) == 4


def test_a_frame_without_two_pixels_is_refused(tmp_path):
    with pytest.raises(ValueError, match="a frame has 1 x 40"):
        write(tmp_path / "v.mp4", [np.zeros((40, 1, 3), np.uint8)])


@pytest.fixture
def good(tmp_path):
    """An earlier file that must survive."""
    return write(tmp_path / "v.mp4", grey_frames(3))


def kept(path, before):
    return path.read_bytes() == before and list(path.parent.iterdir()) == [path]


def test_a_failure_keeps_the_previous_version(good):
    before = good.read_bytes()
    with pytest.raises(ValueError, match="differ in size"):
        write(good, [*grey_frames(5), np.zeros((10, 10, 3), np.uint8)])
    assert kept(good, before)


def test_nothing_written_keeps_the_previous_version(good):
    before = good.read_bytes()
    with VideoWriter(good, 25):
        pass
    assert kept(good, before)


@contextmanager
def disk_of(size):
    """Has files of this process end at this size, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("size", [0, 1000, 40_000, 100_000])
def test_a_full_disk_is_an_error_and_keeps_the_previous_version(size, good):
    before, rng = good.read_bytes(), np.random.default_rng(0)
    noise = [rng.integers(0, 256, (96, 128, 3)).astype(np.uint8) for _ in range(20)]
    with (
        pytest.raises(OSError, match=r"v\.mp4 could not be written .*previous version was kept"),
        disk_of(size),
    ):
        write(good, noise)
    assert kept(good, before)


def test_a_file_that_lacks_frames_replaces_nothing(good, monkeypatch):
    before = good.read_bytes()
    monkeypatch.setattr(writing, "_count_frames", lambda path: 2)
    with pytest.raises(OSError, match=r"v\.mp4 .*only 2 of 3 frames arrived.*kept"):
        write(good, grey_frames(3))
    assert kept(good, before)
