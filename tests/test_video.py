"""Reading and writing video files, good and bad."""

import wave

import cv2
import numpy as np
import pytest
from clips import encode

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


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm", "avi"])
def test_times_are_the_time_stamps_of_the_file(suffix, tmp_path):
    times = np.array([0, 1, 3, 4, 9, 11, 12]) / 25
    path = encode(tmp_path / f"v.{suffix}", times)
    found = [time for _, time in read_video(path)]
    np.testing.assert_allclose(found, times, atol=0.001)


def test_times_follow_from_the_rate_where_a_file_has_none(tmp_path):
    path = encode(tmp_path / "v.h264", np.arange(7) / 25)
    np.testing.assert_allclose([time for _, time in read_video(path)], np.arange(7) / 25)


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
    path = write(tmp_path / "blank.mp4")
    content = path.read_bytes()
    frames = content.index(b"mdat") + 4  # the last box; before it is the table of contents
    path.write_bytes(content[:frames] + bytes(len(content) - frames))
    with pytest.raises(ValueError, match=r"blank\.mp4 holds no"):
        list(read_video(path))


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


def test_a_list_of_other_files_is_refused(tmp_path):
    path = tmp_path / "list.mp4"
    path.write_text("#EXTM3U\n#EXTINF:1,\nfile:///other.mp4\n#EXT-X-ENDLIST\n")
    with pytest.raises(ValueError, match=r"list\.mp4 is a list of other files"):
        read_video(path)
