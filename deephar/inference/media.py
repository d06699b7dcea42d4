"""Pictures and videos as users have them: upright pictures, frames with their times."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from deephar.data.images import load_image
from deephar.data.loading import read_ahead
from deephar.data.sets.folder import POSES
from deephar.files import HEIF_ADVICE, heif_format
from deephar.inference import sources
from deephar.inference.live import NewestFrames, UntilDropped, timed_by_arrival
from deephar.video import DEFAULT_RATE, is_address, is_live_address, read_video, video_info

_AHEAD = 16  # frames of a file that are decoded while the network works


def load_picture(image: str | os.PathLike | np.ndarray) -> np.ndarray:
    """The pixels of a picture, turned upright.

    Args:
        image: RGB uint8 array (H, W, 3), taken as it is; or the path of a file, which is turned as
            its EXIF data say.

    Returns:
        uint8 (H, W, 3), RGB.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file or the array is not a picture.
    """
    if isinstance(image, np.ndarray):
        return load_image(image)
    if not isinstance(image, str | os.PathLike):
        raise ValueError(f"A picture must be an array or the path of a file, got {image!r}.")
    try:
        return load_image(image, upright=True)
    except FileNotFoundError:
        raise FileNotFoundError(f"{image} does not exist. Give the path of a picture.") from None
    except ValueError as error:  # its advice is for data sets
        if kind := heif_format(image):
            raise ValueError(f"{image} is a picture in the format {kind}. {HEIF_ADVICE}") from None
        raise ValueError(
            f"{image} cannot be read as a picture: it is not in a format that OpenCV reads, such "
            "as JPEG or PNG, or truncated, or you may not read it. Convert it, or fetch it again. "
            "A video goes to predictor.stream."
        ) from error


@dataclass(frozen=True)
class Segment:
    """A part of a video.

    Attributes:
        video: a video, see `load_video`.
        start: seconds, the first time of the part; None for the beginning of the video.
        end: seconds, where the part ends; None for the end of the video.
    """

    video: str | os.PathLike | int | Iterable
    start: float | None = None
    end: float | None = None


class Footage(NamedTuple):
    """The frames of a video.

    Attributes:
        name: path of the file, or "The video".
        frames: iterator over (uint8 (H, W, 3) RGB, time in seconds).
        num_frames: how many there are; 0 if unknown.
        live: of a live source, what drops frames rather than delaying them; else None.
    """

    name: str
    frames: Iterator[tuple[np.ndarray, float]]
    num_frames: int
    live: NewestFrames | None = None

    @classmethod
    def of_live(cls, name: str, frames: Iterator[tuple[np.ndarray, float]]) -> Footage:
        """The footage of a live source.

        Args:
            name: what it is called.
            frames: (image, time), as they arrive.
        """
        newest = NewestFrames(frames)
        return cls(name, _checked(UntilDropped(newest), name), 0, newest)

    def thinned(self, rate: float) -> Footage:
        """The same with at most `rate` frames per second."""
        return self._replace(frames=_thinned(self.frames, 1 / rate), num_frames=0)

    def within(self, seconds: float) -> Footage:
        """The same; a ValueError where it turns out to last longer."""
        return self._replace(frames=_within(self.frames, seconds))

    def mirrored(self) -> Footage:
        """The same with left and right exchanged in each frame."""
        flipped = ((np.ascontiguousarray(image[:, ::-1]), time) for image, time in self.frames)
        return self._replace(frames=flipped)


Video = str | os.PathLike | int | Iterable | Segment | Footage
"""What is taken for a video, see `load_video`."""


def load_video(video: Video, frame_rate: float | None = None) -> Footage:
    """The frames of a video, all of one size and one after the other, read as they are needed.

    Those of files and addresses of files are read by a thread, a few ahead of the caller. Of a
    camera or a live stream, the frame is always the newest one, and those before are dropped.
    Ctrl-C ends it, as if it were over; a second Ctrl-C interrupts the program.

    Args:
        video: one of

            - path of a video file, or its address (``https://...``);
            - address of a live stream, such as ``rtsp://...``, or ``http://...`` of a camera;
            - number of a camera of this computer, 0 for the first one;
            - path of a folder of pictures, which are taken in the order of their names, numbers by
              their value;
            - path of numbered pictures with their number as in ``%06d.png``;
            - a list of paths of pictures;
            - an iterable of RGB uint8 frames (H, W, 3), such as an array (N, H, W, 3);
            - a `Segment` of any of these;
            - a `Footage`, which is returned as it is.
        frame_rate: frames per second of pictures and of an iterable; 30 by default.

    Raises:
        FileNotFoundError: The file does not exist.
        OSError: The address does not answer.
        ValueError: The file is no video, or there is no such camera. While reading: a frame is no
            picture or of another size than the first, the time stamps do not rise, `video` is
            something else, or the frame rate is not positive.
    """
    if isinstance(video, Segment):
        if video.start is None and video.end is None:
            return load_video(video.video, frame_rate)
        whole = _load(video.video, frame_rate, video.start or 0.0)
        return whole._replace(frames=_cut(whole.frames, video), num_frames=0)
    return _load(video, frame_rate)


def _load(video, frame_rate, start=0.0):
    """The frames of a video that is no segment. Those before `start` may be left out."""
    if isinstance(video, Footage):
        return video
    rate = DEFAULT_RATE if frame_rate is None else frame_rate
    name, num_frames, _, live = describe_video(video, frame_rate)
    if sources.is_camera(video):
        return Footage.of_live(name, sources.until_interrupt(sources.read_camera(int(video))))
    elif sources.is_pictures(video):
        frames = read_ahead(_timed(sources.find_pictures(video), rate), _AHEAD)
    elif isinstance(video, str | os.PathLike):
        frames = read_video(video, start=start)
        if is_address(video) and not num_frames:
            frames = sources.until_interrupt(frames)
            if live:
                return Footage.of_live(name, timed_by_arrival(frames))
        frames = read_ahead(frames, _AHEAD)
    else:
        frames = _timed(video, rate)
    return Footage(name, _checked(frames, name), num_frames)


def is_pose_file(video: object) -> bool:
    """Whether a video is the path of a file of poses, see `deephar.data.read_poses`."""
    return isinstance(video, str | os.PathLike) and Path(video).suffix.lower() in POSES


def _cut(frames, segment):
    """The frames (image, time) in a segment."""
    for image, time in frames:
        if segment.end is not None and time >= segment.end:
            return
        if segment.start is None or time >= segment.start:
            yield image, time


def _thinned(frames, interval):
    """Frames (image, time) that are at least nearly an interval apart."""
    due = None
    for image, time in frames:
        if due is None or time >= due:
            # On a grid, so that the mean rate is kept where frames do not fall on it.
            due = (time if due is None else max(due, time - interval)) + 0.999 * interval
            yield image, time


def _within(frames, seconds):
    """The frames (image, time) of a video that must not last longer."""
    for image, time in frames:
        if time >= seconds:
            raise ValueError(f"The video lasts more than the {seconds:g} seconds that are taken.")
        yield image, time


class Description(NamedTuple):
    """What is known of a video before it is read.

    Attributes:
        name: path or address; "camera 0"; or "The video".
        num_frames: how many frames there are; 0 if unknown.
        fps: frame rate; None if unknown.
        live: whether it is a camera or a live stream, of which late frames are dropped.
    """

    name: str
    num_frames: int
    fps: float | None
    live: bool = False


def describe_video(video: Video, frame_rate: float | None = None) -> Description:
    """What is known of a video before it is read.

    Args:
        video: as of `load_video`.
        frame_rate: as of `load_video`.

    Raises:
        FileNotFoundError, OSError, ValueError: As `load_video`.
    """
    rate = DEFAULT_RATE if frame_rate is None else frame_rate
    if isinstance(video, Footage):
        return Description(video.name, video.num_frames, frame_rate, video.live is not None)
    if sources.is_camera(video):
        return Description(f"camera {video}", 0, None, live=True)
    if sources.is_pictures(video):
        return Description(str(video), len(sources.find_pictures(video)), rate)
    if is_live_address(video):
        return Description(video, 0, None, live=True)
    if isinstance(video, str | os.PathLike):
        info = video_info(video)
        return Description(str(video), info.frames, None if info.live else info.fps, info.live)
    return Description("The video", len(video) if isinstance(video, Sized) else 0, rate)


def _checked(frames, name):
    """(frame, time) as they come, checked.

    A crop must be at the same place in all frames, and clips are taken by the time.
    """
    first = before = None
    for number, (image, time) in enumerate(frames):
        if before is not None and not time > before:
            raise ValueError(
                f"{name} has time stamps that do not rise: frame {number} is at {time:.3f} s, and "
                f"the one before at {before:.3f} s. Try to convert it, as in: ffmpeg -i IN OUT.mp4"
            )
        before = time
        first = first or image.shape
        if image.shape != first:
            raise ValueError(
                f"{name} has frames of different sizes: frame {number} has {image.shape[1]} x "
                f"{image.shape[0]} pixels, and the first one {first[1]} x {first[0]}. Give frames "
                "of one size, or call the predictor with each picture."
            )
        yield image, time


def _timed(frames, frame_rate):
    """(frame, time) of frames without a file, checked."""
    if not isinstance(frames, Iterable):
        raise ValueError(f"A video must be the path of a file or its frames, got {frames!r}.")
    if isinstance(frames, np.ndarray) and frames.ndim < 4:
        raise ValueError(
            f"A video must be frames (N, H, W, 3), got an array {frames.shape}. For one picture, "
            "call the predictor itself: predictor(image)."
        )
    if not frame_rate > 0:
        raise ValueError(f"fps must be positive, got {frame_rate}.")
    for number, frame in enumerate(frames):
        is_file = isinstance(frame, str | os.PathLike)
        pixels = load_picture(frame) if is_file else load_image(np.asarray(frame))
        yield pixels, number / frame_rate
