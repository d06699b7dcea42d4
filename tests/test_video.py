"""Reading and writing video files, good and bad."""

import wave

import cv2
import numpy as np
import pytest

from deephar.video import VideoWriter, read_video, video_info


def write(path, count=10, size=(64, 48), fps=25.0):
    """A video of grey frames that get brighter."""
    with VideoWriter(path, fps) as writer:
        for number in range(count):
            writer.write(np.full((size[1], size[0], 3), 20 * number, np.uint8))
    return path


def test_what_is_written_can_be_read(tmp_path):
    path = write(tmp_path / "v.mp4")
    assert video_info(path) == video_info(str(path))
    assert (video_info(path).frames, video_info(path).fps) == (10, 25.0)
    assert video_info(path).size == (64, 48)
    frames, times = zip(*read_video(path), strict=True)
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 10
    np.testing.assert_allclose([frame.mean() for frame in frames], 20 * np.arange(10), atol=6)
    np.testing.assert_allclose(times, np.arange(10) / 25)


class Capture:
    """An open video of OpenCV whose frames have these time stamps, in milliseconds."""

    def __init__(self, stamps):
        self._stamps, self._next = stamps, 0

    def read(self):
        self._next += 1
        return self._next <= len(self._stamps), np.zeros((48, 64, 3), np.uint8)

    def get(self, key):
        known = {cv2.CAP_PROP_FPS: 25.0, cv2.CAP_PROP_POS_MSEC: self._stamps[self._next - 1]}
        return known.get(key, 0)

    def release(self):
        pass


@pytest.mark.parametrize(
    ("stamps", "times"),
    [
        ([0, 100, 350], [0, 0.1, 0.35]),
        ([0, 0, 0], [0, 0.04, 0.08]),
        ([-1e15, -1e15, -1e15], [0, 0.04, 0.08]),
        ([0, 100, 50], [0, 0.1, 0.05]),
    ],
)
def test_times_are_the_time_stamps_of_the_file_if_it_has_any(stamps, times, monkeypatch, tmp_path):
    monkeypatch.setattr("deephar.video.open_video", lambda path: Capture(stamps))
    found = [time for _, time in read_video(tmp_path / "v.mp4")]
    np.testing.assert_allclose(found, times)


def test_the_time_stamps_of_a_variable_frame_rate_are_read(real_data):
    path = real_data / "faults" / "vfr_30_then_10fps.mp4"
    if not path.is_file():
        pytest.skip("the video is not at hand")
    times = [time for _, time in read_video(path)]
    assert len(times) == 48
    np.testing.assert_allclose([times[24], times[25], times[47]], [0.8, 0.9, 3.1], atol=0.004)


def test_colours_are_rgb(tmp_path):
    with VideoWriter(tmp_path / "v.mp4", 25) as writer:
        writer.write(np.full((64, 64, 3), (200, 30, 30), np.uint8))
    ((frame, _),) = read_video(tmp_path / "v.mp4")
    assert frame[32, 32, 0] > 150
    assert frame[32, 32, 2] < 80


def test_frames_of_odd_size_lose_a_row_and_a_column(tmp_path):
    path = write(tmp_path / "v.mp4", size=(65, 49))
    assert video_info(path).size == (64, 48)
    assert len(list(read_video(path))) == 10


def test_frames_of_differing_sizes_are_refused(tmp_path):
    with VideoWriter(tmp_path / "v.mp4", 25) as writer:
        writer.write(np.zeros((48, 64, 3), np.uint8))
        with pytest.raises(ValueError, match="64 x 50 pixels after 64 x 48"):
            writer.write(np.zeros((50, 64, 3), np.uint8))


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    with (
        pytest.raises(OSError, match="gone"),
        VideoWriter(tmp_path / "gone" / "v.mp4", 25) as writer,
    ):
        writer.write(np.zeros((48, 64, 3), np.uint8))


def test_files_that_hold_no_video_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.mp4 does not exist"):
        read_video(tmp_path / "gone.mp4")
    with pytest.raises(ValueError, match="is a folder"):
        read_video(tmp_path)
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(ValueError, match=r"empty\.mp4 is an empty file"):
        read_video(tmp_path / "empty.mp4")
    (tmp_path / "text.mp4").write_text("no video at all\n" * 100)
    with pytest.raises(ValueError, match=r"text\.mp4 holds no frames"):
        read_video(tmp_path / "text.mp4")


def test_sound_alone_is_no_video(tmp_path):
    with wave.open(str(tmp_path / "sound.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(16000))
    with pytest.raises(ValueError, match=r"sound\.wav holds no frames.*sound only"):
        read_video(tmp_path / "sound.wav")


def test_a_video_without_frames_is_named(tmp_path):
    content = write(tmp_path / "v.mp4").read_bytes()
    # The frames are in the box "mdat"; what is left is the table of contents.
    start = content.index(b"mdat")
    moov = content.index(b"moov")
    blank = content[: start + 4] + bytes(moov - 4 - start - 4) + content[moov - 4 :]
    (tmp_path / "blank.mp4").write_bytes(blank)
    with pytest.raises(ValueError, match=r"blank\.mp4 holds no"):
        list(read_video(tmp_path / "blank.mp4"))


def test_a_video_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path):
    path = tmp_path / "v.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25, (64, 48))
    rng = np.random.default_rng(0)
    for _ in range(20):
        writer.write(rng.integers(0, 255, (48, 64, 3)).astype(np.uint8))
    writer.release()
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.warns(UserWarning, match=r"v\.avi is cut off or damaged: \d+ of 20 frames"):
        frames = list(read_video(path))
    assert 5 < len(frames) < 15
