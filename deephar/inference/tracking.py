"""Following everybody in a video: each person keeps a number.

In every frame, the network looks around where each person should be by now. The poses that it sees
are assigned to the persons all at once, by their similarity to where these should be. Where several
persons may be meant, the colours of their clothes count, too. Twice a second the whole frame is
searched, for persons who are new or were lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from scipy.optimize import linear_sum_assignment

from deephar.geometry import box_center_size
from deephar.inference.boxes import enclosing_box
from deephar.inference.people import different_poses, pose_similarity
from deephar.inference.poses import confidence_of
from deephar.inference.search import KEEP_CONFIDENCE
from deephar.inference.windows import SeenFrame

LOST_SECONDS = 1.0
"""A person who is not seen for longer is given up. If they come back, they get a new number."""

_SAME_PERSON = 0.3  # similarity of poses of one person; those who pass each other come close
_SEARCH_SECONDS = 0.5
_PIECE = 4  # frames in a row that the network sees together, at most
_TOLERANCE = 0.3  # of the size of a person: how far they may be from where they should be
_TOLERANCE_GROWTH = 0.5  # of it, in each second in which the person is not seen
_LEAST_SIMILARITY = 0.1  # with this tolerance, of a pose and the person it is assigned to
_SPEED_SECONDS = 0.4  # over which the speed is averaged
_WINDOW_SECONDS = 0.3  # over which the place and the size of the window are
_MOST_BEHIND = 0.1  # of the longer side of the box: what averaging may move it
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
        colours: (P, 3), of parts of the body, see `colours_of`.
        box: (4,), around the last poses, pixels. In a window that jumps with each pose, the network
            would soon take who is beside the person.
        speed: (2,), pixels per second.
    """

    number: int
    pose: np.ndarray
    time: float
    confidence: float
    colours: np.ndarray
    box: np.ndarray
    speed: np.ndarray = field(default_factory=lambda: np.zeros(2))

    def at(self, time):
        """The pose where it should be at a time."""
        pose = self.pose.copy()
        pose[:, :2] += self.speed * (time - self.time)
        return pose

    def window(self, time, size):
        """The box to look in at a time; its middle is in the frame of that size."""
        middle, _ = box_center_size(self.box)
        place = np.clip(middle + self.speed * (time - self.time), 0, np.array(size) - 1)
        return self.box + np.tile(place - middle, 2)

    def nearness(self, pose, time):
        """How near a pose is to where the person should be at a time."""
        tolerance = _TOLERANCE + _TOLERANCE_GROWTH * (time - self.time)
        return pose_similarity(pose, self.at(time), tolerance=tolerance)

    def likeness(self, colours):
        """How alike colours are to those of the person."""
        distance = np.sqrt(np.mean((colours - self.colours) ** 2)) / _COLOUR_TOLERANCE
        return np.exp(-(distance**2) / 2)

    def move(self, pose, colours, time, size):
        """Takes a new pose and its colours."""
        passed = time - self.time
        self._move_box(enclosing_box([pose], size), passed)
        if passed > 0:
            speed = (pose[:, :2] - self.pose[:, :2]).mean(axis=0) / passed
            so_far = np.exp(-passed / _SPEED_SECONDS)
            self.speed = so_far * self.speed + (1 - so_far) * speed
        self.colours = _STEADY_COLOURS * self.colours + (1 - _STEADY_COLOURS) * colours
        self.pose, self.time = pose, time

    def _move_box(self, box, passed):
        so_far = np.exp(-passed / _WINDOW_SECONDS)
        middle, sides = box_center_size(box)
        its_middle, its_sides = box_center_size(self.box)
        sides = so_far * its_sides + (1 - so_far) * sides
        behind = so_far * (its_middle + self.speed * passed - middle)
        middle = middle + np.clip(behind, -_MOST_BEHIND * sides.max(), _MOST_BEHIND * sides.max())
        self.box = np.concatenate([middle - sides / 2, middle + sides / 2])


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
        piece = []
        for image, time in frames:
            due = time >= self._next_search
            if due or len(piece) == _PIECE:
                yield from zip(piece, self._persons(piece), strict=True)
                piece = []
                self._tracks = [it for it in self._tracks if time - it.time <= LOST_SECONDS]
            if due:
                self._search(image, time)
                self._next_search = time + _SEARCH_SECONDS
            piece.append((image, time))
        yield from zip(piece, self._persons(piece), strict=True)

    def _search(self, image, time):
        """Finds persons who are new, and those who were lost."""
        size = image.shape[1::-1]
        poses = [seen.pose for seen in self._find(image)]
        colours = [colours_of(image, pose) for pose in poses]
        for pose, its, track in zip(
            poses, colours, self._assigned(poses, colours, time), strict=True
        ):
            if track is not None:
                track.move(pose, its, time, size)
            elif all(pose_similarity(pose, it.at(time)) <= _SAME_PERSON for it in self._tracks):
                self._count += 1
                box = enclosing_box([pose], size)
                track = _Track(self._count, pose, time, confidence_of(pose), its, box)
                self._tracks.append(track)

    def _persons(self, piece):
        """The persons in each frame of a piece, by their numbers."""
        if not piece:
            return
        images = [image for image, _ in piece for _ in self._tracks]
        size = piece[0][0].shape[1::-1]
        boxes = [it.window(time, size) for _, time in piece for it in self._tracks]
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
                track.move(pose, its, time, image.shape[1::-1])
                persons[track.number] = frame
        return dict(sorted(persons.items()))

    def _assigned(self, poses, colours, time):
        """The track of each pose, or None."""
        result = [None] * len(poses)
        if not poses or not self._tracks:
            return result
        near = np.array([[it.nearness(pose, time) for it in self._tracks] for pose in poses])
        alike = np.array([[it.likeness(its) for it in self._tracks] for its in colours])
        contested = (near >= _LEAST_SIMILARITY).sum(axis=1, keepdims=True) > 1
        similarity = near * np.where(contested, alike, 1)
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
