"""Following everybody in a video: each person keeps a number.

In every frame, the network looks around where each person should be by now. The poses that it sees
are assigned to the persons all at once, by their similarity to where these should be, and by the
colours of their clothes. Twice a second the whole frame is searched, for persons who are new or
were lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from scipy.optimize import linear_sum_assignment

from deephar.inference.boxes import enclosing_box
from deephar.inference.people import different_poses, pose_similarity
from deephar.inference.poses import confidence_of
from deephar.inference.search import KEEP_CONFIDENCE
from deephar.inference.windows import SeenFrame

LOST_SECONDS = 1.0
"""A person who is not seen for longer is given up. If they come back, they get a new number."""

_SAME_PERSON = 0.3  # similarity of poses of one person; those who pass each other come close
_SEARCH_SECONDS = 0.5
_PIECE = 4  # frames in a row that the network sees together
_TOLERANCE = 0.3  # of the size of a person: how far they may be from where they should be
_LEAST_SIMILARITY = 0.1  # with this tolerance, of a pose and the person it is assigned to
_SPEED_SECONDS = 0.4  # over which the speed is averaged
_COLOUR_TOLERANCE = (
    20.0  # of 255: 90 % of the drawn persons change less, three quarters differ more
)
_STEADY_COLOURS = 0.9  # share of the colours so far in the new ones
_KEEP_FRACTION = 0.6  # of the confidence with which a person was found

See = Callable[[Sequence[np.ndarray], Sequence[np.ndarray]], list[SeenFrame]]
Find = Callable[[np.ndarray], list[SeenFrame]]
Frame = tuple[np.ndarray, float]


@dataclass
class _Track:
    """A person who is followed.

    Attributes:
        number: from 1.
        pose: (J, 3), the last one, pixels.
        time: of the last pose, seconds.
        confidence: mean visibility of the joints when the person was found.
        speed: (2,), pixels per second.
        colours: (P, 3), of parts of the body, see `colours_of`.
    """

    number: int
    pose: np.ndarray
    time: float
    confidence: float
    speed: np.ndarray
    colours: np.ndarray

    def at(self, time):
        """The pose where it should be at a time."""
        pose = self.pose.copy()
        pose[:, :2] += self.speed * (time - self.time)
        return pose

    def similarity(self, pose, colours, time):
        """How near a pose is to where the person should be at a time, and how alike in colour."""
        distance = np.sqrt(np.mean((colours - self.colours) ** 2)) / _COLOUR_TOLERANCE
        near = pose_similarity(pose, self.at(time), tolerance=_TOLERANCE)
        return near * np.exp(-(distance**2) / 2)

    def move(self, pose, colours, time):
        """Takes a new pose and its colours."""
        self.colours = _STEADY_COLOURS * self.colours + (1 - _STEADY_COLOURS) * colours
        if time > self.time:
            speed = (pose[:, :2] - self.pose[:, :2]).mean(axis=0) / (time - self.time)
            so_far = np.exp((self.time - time) / _SPEED_SECONDS)
            self.speed = so_far * self.speed + (1 - so_far) * speed
        self.pose, self.time = pose, time


class Tracker:
    """Follows everybody in a video.

    Args:
        see: what the network sees in each image around its box.
        find: what the network sees of the persons in an image, each of them once.
    """

    def __init__(self, see: See, find: Find):
        self._see, self._find = see, find
        self._tracks, self._count, self._next_search = [], 0, -np.inf

    def follow(self, frames: Iterable[Frame]) -> Iterator[tuple[Frame, dict[int, SeenFrame]]]:
        """Yields each frame, (image, time), and its persons by their numbers."""
        frames = iter(frames)
        while piece := list(islice(frames, _PIECE)):
            image, time = piece[0]
            self._tracks = [it for it in self._tracks if time - it.time <= LOST_SECONDS]
            if time >= self._next_search:
                self._search(image, time)
                self._next_search = time + _SEARCH_SECONDS
            yield from zip(piece, self._persons(piece), strict=True)

    def _search(self, image, time):
        """Finds persons who are new, and those who were lost."""
        poses = [seen.pose for seen in self._find(image)]
        colours = [colours_of(image, pose) for pose in poses]
        for pose, its, track in zip(
            poses, colours, self._assigned(poses, colours, time), strict=True
        ):
            if track is not None:
                track.move(pose, its, time)
            elif all(pose_similarity(pose, it.at(time)) <= _SAME_PERSON for it in self._tracks):
                self._count += 1
                track = _Track(self._count, pose, time, confidence_of(pose), np.zeros(2), its)
                self._tracks.append(track)

    def _persons(self, piece):
        """The persons in each frame of a piece, by their numbers."""
        images = [image for image, _ in piece for _ in self._tracks]
        size = piece[0][0].shape[1::-1]
        boxes = [enclosing_box([it.at(time)], size) for _, time in piece for it in self._tracks]
        seen = iter(self._see(images, boxes))
        for image, time in piece:
            yield self._in_frame(list(islice(seen, len(self._tracks))), image, time)

    def _in_frame(self, seen, image, time):
        poses = [it.pose for it in seen]
        kept = different_poses(poses, [confidence_of(pose) for pose in poses], same=_SAME_PERSON)
        seen, poses = [seen[number] for number in kept], [poses[number] for number in kept]
        colours = [colours_of(image, pose) for pose in poses]
        persons = {}
        for frame, pose, its, track in zip(
            seen, poses, colours, self._assigned(poses, colours, time), strict=True
        ):
            if track is not None and _is_seen(pose, track):
                track.move(pose, its, time)
                persons[track.number] = frame
        return dict(sorted(persons.items()))

    def _assigned(self, poses, colours, time):
        """The track of each pose, or None."""
        result = [None] * len(poses)
        if not poses or not self._tracks:
            return result
        similarity = np.array(
            [
                [track.similarity(pose, its, time) for track in self._tracks]
                for pose, its in zip(poses, colours, strict=True)
            ]
        )
        for number, track in zip(*linear_sum_assignment(-similarity), strict=True):
            if similarity[number, track] >= _LEAST_SIMILARITY:
                result[number] = self._tracks[track]
        return result


def colours_of(image: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """The colours of a person at the joints: a mark of who they are.

    Args:
        image: RGB uint8 (H, W, 3).
        pose: (J, 3), x, y in pixels and visibility.

    Returns:
        float (2, 3): the median of the image in the middle between any two joints of the upper half
        of the body, and of the lower half, as the pose has them.
    """
    height, width = image.shape[:2]
    order = np.argsort(pose[:, 1])
    halves = np.array_split(pose[order, :2], 2)
    colours = []
    for joints in halves:
        middles = (joints[:, None] + joints[None]).reshape(-1, 2) / 2
        x, y = np.clip(np.rint(middles), 0, [width - 1, height - 1]).astype(int).T
        colours.append(np.median(image[y, x], axis=0))
    return np.stack(colours)


def _is_seen(pose, track):
    return confidence_of(pose) >= max(_KEEP_FRACTION * track.confidence, KEEP_CONFIDENCE)
