"""Actions of many video files: what a predictor says of each, and what it cannot read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from deephar.data.sets.folder import LabelledVideo
from deephar.inference.actions import mean_action
from deephar.inference.media import Segment, describe_video, is_pose_file
from deephar.progress import with_progress
from deephar.visualize import draw_skeleton

if TYPE_CHECKING:
    from deephar.inference.person import Person
    from deephar.inference.predictor import Predictor

_PICTURE_SIZE = 320  # pixels, the longer side
_SURROUNDINGS = 1.3  # times the side of the crop
_MOST_PICTURES = 120


@dataclass(frozen=True, eq=False)
class VideoPredictions:
    """The actions that a network predicted for some videos, in their order.

    Attributes:
        videos: N `LabelledVideo` objects: those that could be read.
        scores: float64 (N, C), probability of each action, of the whole video.
        actions: names of the C actions.
        pictures: the number of a video -> uint8 (H, W, 3), RGB: the person in its middle frame and
            their pose, 320 pixels high or wide. If there are many videos, only of some of them.
        unreadable: (`LabelledVideo`, reason) of each video that could not be read.
    """

    videos: tuple[LabelledVideo, ...]
    scores: np.ndarray
    actions: tuple[str, ...]
    pictures: dict[int, np.ndarray]
    unreadable: tuple[tuple[LabelledVideo, str], ...]


def predict_videos(predictor: Predictor, videos: Sequence[LabelledVideo]) -> VideoPredictions:
    """Predicts the action of each of some video files, and draws the person in its middle frame.

    The scores of a video are the `mean_action` of its frames. Frames are read as they are needed,
    so memory does not grow with the length of a video. Shows a progress bar on a terminal.

    Args:
        predictor: a `Predictor` with actions.
        videos: the videos, such as a `deephar.data.VideoFolder`.

    Returns:
        `VideoPredictions`.

    Raises:
        ValueError: The network predicts no actions, there is no video, or none can be read.
    """
    if not predictor.actions:
        raise ValueError("The network predicts poses only. Use a network with actions.")
    if len(videos) == 0:
        raise ValueError("There is no video to predict the action of. Give at least one.")
    shown = _spread(len(videos), _MOST_PICTURES)
    read, scores, pictures, unreadable = [], [], {}, []
    for number in with_progress(range(len(videos)), len(videos), "video"):
        video = videos[number]
        try:
            actions, picture = _predict_video(predictor, video)
        except (ValueError, OSError) as error:
            unreadable.append((video, str(error)))
            continue
        if number in shown:
            pictures[len(read)] = picture
        score_of = dict(actions)
        scores.append([score_of[name] for name in predictor.actions])
        read.append(video)
    if not read:
        raise ValueError(f"None of the videos can be read. The first reason: {unreadable[0][1]}")
    return VideoPredictions(
        tuple(read), np.array(scores, float), predictor.actions, pictures, tuple(unreadable)
    )


def _predict_video(predictor, video):
    """The actions of a video, and the picture of its middle frame."""
    middle = MiddleFrame(video)
    persons = predictor.stream(footage_of(video), video.box, keep_images=True)
    actions = mean_action(middle.see(person).action for person in persons)
    return actions, middle.picture()


def footage_of(video: LabelledVideo) -> Path | Segment:
    """A labelled video as `Predictor.stream` takes it."""
    if is_pose_file(video.path):
        return video.path
    return Segment(video.path, video.start, video.end)


class MiddleFrame:
    """The person in the middle frame of a video, of which a picture is drawn.

    Args:
        video: the video.
    """

    def __init__(self, video: LabelledVideo):
        self._time, self._person = _middle_time(video), None

    def see(self, person: Person) -> Person:
        """Keeps the person if theirs is the middle frame so far; returns them without the image."""
        if self._person is None or person.time <= self._time:
            self._person = person
        return replace(person, image=None)

    def picture(self) -> np.ndarray:
        """The surroundings of the person with the pose, uint8 (H, W, 3), 320 pixels at most."""
        person = self._person
        if person.image is None:  # of a file of poses
            size = np.ceil(np.maximum(person.crop[2:], 2)).astype(int)
            person = replace(person, image=np.full((size[1], size[0], 3), 255, np.uint8))
        return _picture(person)


def _middle_time(video):
    """The time in the middle of a video, as far as its file tells, in seconds."""
    start, end = video.start or 0.0, video.end
    if end is None and not is_pose_file(video.path):
        known = describe_video(video.path)
        end = known.num_frames / known.fps
    return (start + (end or start)) / 2


def _picture(person):
    """The surroundings of a person with the pose, scaled to `_PICTURE_SIZE`."""
    size = np.array(person.image.shape[1::-1])
    side = _SURROUNDINGS * (person.crop[2] - person.crop[0])
    extent = np.clip(side, 1, size).astype(int)
    middle = (person.crop[:2] + person.crop[2:]) / 2
    start = np.clip(middle - extent / 2, 0, size - extent).astype(int)
    cut = person.image[start[1] : start[1] + extent[1], start[0] : start[0] + extent[0]]
    scaled = np.maximum(1, np.rint(_PICTURE_SIZE / extent.max() * extent)).astype(int)
    image = cv2.resize(cut, scaled.tolist(), interpolation=cv2.INTER_AREA)
    joints = (person.joints - start + 0.5) * (scaled / extent) - 0.5
    return draw_skeleton(image, joints, person.skeleton, visibility=person.visibility)


def _spread(count, most):
    """At most `most` numbers below `count`, evenly spread."""
    return set(np.linspace(0, count - 1, min(most, count)).astype(int).tolist())
