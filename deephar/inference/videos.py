"""Actions of many video files: what a predictor says of each, and what it cannot read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from deephar.data.sets.folder import LabelledVideo
from deephar.inference.actions import mean_action
from deephar.progress import with_progress
from deephar.video import video_info
from deephar.visualize import draw_skeleton

if TYPE_CHECKING:
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
            actions, middle = _predict_video(predictor, video.path)
        except (ValueError, OSError) as error:
            unreadable.append((video, str(error)))
            continue
        if number in shown:
            pictures[len(read)] = _picture(middle)
        score_of = dict(actions)
        scores.append([score_of[name] for name in predictor.actions])
        read.append(video)
    if not read:
        raise ValueError(f"None of the videos can be read. The first reason: {unreadable[0][1]}")
    return VideoPredictions(
        tuple(read), np.array(scores, float), predictor.actions, pictures, tuple(unreadable)
    )


def _predict_video(predictor, path):
    """The actions of a video, and the person in its middle frame (the first if unknown)."""
    number, middle = video_info(path).frames // 2, None

    def actions():
        nonlocal middle
        for person in predictor.stream(path, keep_images=True):
            if middle is None or person.index <= number:
                middle = person
            yield person.action

    return mean_action(actions()), middle


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
