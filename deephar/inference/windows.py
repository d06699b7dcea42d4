"""The sliding window: the action in each frame of a video, from the frames around it.

The network has seen every frame once. Windows over its outputs cost the action heads only. Frames
are given on as soon as their action is known: memory does not grow with the length of the video.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from deephar.data.samples import OTHER
from deephar.geometry import (
    BOX_MARGIN,
    POSE_MARGIN,
    apply_affine,
    box_around,
    box_center_size,
    crop_affine,
)
from deephar.inference.network import POSE_OUTPUTS, VISIBLE, actions_of, call_network, stacked

if TYPE_CHECKING:
    from deephar.inference.network import Parts
    from deephar.inference.person import Person

SEEN = 0.25
"""Mean visibility of the joints from which a person counts as seen (four of sixteen joints)."""

OTHER_WEIGHT = 0.5
"""Factor on the score of `other`, which is more frequent in training than in videos."""

BATCH_SIZE = 8
"""Windows per call of the action heads, always as many: they are traced once."""

_SMALLEST = 1.0  # pixels; the least extent of a person, so that a window has an area


class SeenFrame(NamedTuple):
    """A frame of a video as the network has seen it.

    Attributes:
        person: with `index` and `time`.
        outputs: for each input of the action heads, and ``"pose"``: the frame's output. Poses
            (P, J, dim + 1) have x and y in pixels.
    """

    person: Person
    outputs: dict[str, np.ndarray]


@dataclass(frozen=True)
class WindowRule:
    """Where the windows of a video are.

    Attributes:
        num_frames: frames of a window.
        interval: from one frame of a window to the next, and from one window to the next: seconds,
            or frames of the video.
        by_time: whether in seconds.
    """

    num_frames: int
    interval: float
    by_time: bool

    @property
    def reach(self) -> float:
        """From the middle of a window to its ends."""
        return (self.num_frames - 1) / 2 * self.interval

    def position(self, person: Person) -> float:
        """Where a frame is in its video: its time, or its number."""
        return person.time if self.by_time else person.index

    def places(self, middle: float, first: float, last: float) -> np.ndarray:
        """Where the frames (T,) of a window are.

        The window is moved to lie within the video. In a shorter video, it is in the middle, and
        reaches out at both ends.

        Args:
            middle: where the middle of the window should be.
            first: where the first frame of the video is.
            last: where the last frame is.

        >>> WindowRule(3, 2, by_time=False).places(9, 0, 10)
        array([ 6.,  8., 10.])
        >>> WindowRule(3, 2, by_time=False).places(1, 0, 2)
        array([-1.,  1.,  3.])
        """
        if last - first <= 2 * self.reach:
            middle = (first + last) / 2
        else:
            middle = min(max(middle, first + self.reach), last - self.reach)
        return middle + self.interval * (np.arange(self.num_frames) - (self.num_frames - 1) / 2)

    def outside(self, places: np.ndarray, first: float, last: float) -> np.ndarray:
        """Which places (T,) show nothing, since they lie outside of the video; in seconds only.

        The first and the last frame last half an interval longer, whatever the rounding.
        """
        beyond = np.maximum(first - places, places - last)
        return (beyond > 0.501 * self.interval) & self.by_time


def with_actions(
    frames: Iterable[SeenFrame], parts: Parts, head: str, names: Sequence[str], rule: WindowRule
) -> Iterator[Person]:
    """The persons of a video with their actions, each from the window around its frame.

    There is a window for each frame that is nearest to a multiple of the rule's interval. The
    frames between have the action of the nearest one. As in training, the poses of a window are
    interpolated between frames, and seen in the square around all of its visible joints. A frame
    with a mean visibility below `SEEN` has no visible joints. Nor has a time before or after a
    video that is shorter than the window (by frame number: the first or the last frame is held). A
    window with fewer than two frames in which the person is seen is `other` with a score of 1, if
    there is such an action.
    Otherwise the score of `other` counts by `OTHER_WEIGHT`, and the scores are made to sum to 1.

    Args:
        frames: of the video, in order.
        parts: the network.
        head: name of the action head.
        names: of its actions.
        rule: where the windows are.

    Yields:
        The persons, in order. They are held back until their window is complete and
        `BATCH_SIZE` windows are together.

    Raises:
        ValueError: As `actions_of`.
    """
    windows, heads = _Windows(rule), _Heads(parts, head, names)
    for frame in frames:
        windows.add(frame)
        while windows.num_complete() >= BATCH_SIZE:
            windows.answer(heads)
        yield from windows.persons()
    windows.end()
    while windows.num_complete():
        windows.answer(heads)
    yield from windows.persons()


class _View(NamedTuple):
    """What the action heads need of a frame."""

    position: float
    seen: bool
    outputs: dict[str, np.ndarray]

    def hidden(self):
        """The same without visible joints."""
        outputs = dict(self.outputs)
        for name in outputs.keys() & POSE_OUTPUTS:
            outputs[name] = outputs[name].copy()
            outputs[name][..., -1] = 0
        return _View(self.position, False, outputs)


class _Windows:
    """The windows over the frames that have come so far, and the persons who wait for them."""

    def __init__(self, rule):
        self._rule = rule
        self._first = self._border = None  # of the video; between the last two frames
        self._views = deque()  # that windows still need
        self._middles = deque()  # positions of the windows without an answer
        self._answers = deque()  # (position, action)
        self._waiting = deque()  # (position, person)
        self._ended = False

    def add(self, frame):
        """Adds the next frame."""
        position = self._rule.position(frame.person)
        if self._first is None:
            self._first, self._border = position, position - self._rule.interval / 2
        else:
            self._add_window((self._views[-1].position + position) / 2)
        self._views.append(_view(position, frame.outputs))
        self._waiting.append((position, frame.person))
        needed = (self._middles or [position])[0] - 2 * self._rule.reach
        while len(self._views) > 1 and self._views[1].position <= needed:
            self._views.popleft()

    def end(self):
        """Says that there are no more frames."""
        self._ended = True
        if self._views:
            self._add_window(self._views[-1].position)

    def _add_window(self, border):
        """Adds the window of the last frame, if it is the nearest one to a multiple.

        Positions up to `border` are nearer to it than to the next one.
        """
        before, here = (
            (place - self._first) // self._rule.interval for place in (self._border, border)
        )
        if here > before:
            self._middles.append(self._views[-1].position)
        self._border = border

    def num_complete(self):
        """Number of windows without an answer of which all frames are there."""
        if self._ended:
            return len(self._middles)
        last, reach = self._views[-1].position, self._rule.reach
        return sum(max(middle, self._first + reach) + reach <= last for middle in self._middles)

    def answer(self, heads):
        """Has the heads answer the first windows."""
        positions = np.array([view.position for view in self._views])
        count = min(BATCH_SIZE, self.num_complete())
        middles = [self._middles.popleft() for _ in range(count)]
        windows = []
        for middle in middles:
            places = self._rule.places(middle, self._first, positions[-1])
            outside = self._rule.outside(places, self._first, positions[-1])
            views = [_view_at(self._views, positions, place) for place in places]
            windows.append(
                [v.hidden() if out else v for v, out in zip(views, outside, strict=True)]
            )
        self._answers.extend(zip(middles, heads(windows), strict=True))

    def persons(self):
        """The persons whose actions are known by now."""
        while self._waiting and self._answers:
            position, person = self._waiting[0]
            if position > self._answers[-1][0] and not self._ended:
                return
            while len(self._answers) > 1 and self._next_is_nearer(position):
                self._answers.popleft()
            self._waiting.popleft()
            yield replace(person, action=self._answers[0][1])

    def _next_is_nearer(self, position):
        (before, _), (after, _) = self._answers[0], self._answers[1]
        return abs(after - position) < abs(before - position)


def _view(position, outputs):
    """What the heads need of a frame; a person who is not seen has no visible joints."""
    view = _View(position, True, outputs)
    return view if outputs["pose"][-1, :, -1].mean() >= SEEN else view.hidden()


def _view_at(views, positions, place):
    """What is seen at a place between frames: the poses lie between those of the two frames.

    All else is as in the nearest frame. So is the pose if the person is not seen in one of the two.
    """
    after = int(np.clip(np.searchsorted(positions, place), 0, len(views) - 1))
    before = max(after - 1, 0)
    nearest = views[before if place - positions[before] <= positions[after] - place else after]
    a, b = views[before], views[after]
    if a is b or not (a.seen and b.seen):
        return nearest
    way = np.clip((place - a.position) / (b.position - a.position), 0, 1)
    outputs = dict(nearest.outputs)
    for name in outputs.keys() & POSE_OUTPUTS:
        outputs[name] = a.outputs[name] + (b.outputs[name] - a.outputs[name]) * np.float32(way)
    return _View(nearest.position, nearest.seen, outputs)


class _Heads:
    """The action heads, for windows of frames."""

    def __init__(self, parts, head, names):
        self._parts, self._head, self._names = parts, head, names

    def __call__(self, windows):
        """The actions in each of up to `BATCH_SIZE` windows, which are lists of views."""
        inputs = [self._inputs(window) for window in windows]
        batch = {
            name: stacked([arrays[name] for arrays in inputs], BATCH_SIZE)
            for name in self._parts.inputs
        }
        outputs = call_network(self._parts.heads, batch)
        scores = actions_of(outputs, self._head, len(self._names))[:, -1]
        return [self._ranked(*pair) for pair in zip(scores, windows, strict=False)]

    def _inputs(self, window):
        affine = _window_affine(np.stack([view.outputs["pose"][-1] for view in window]))
        arrays = {}
        for name in self._parts.inputs:
            arrays[name] = np.stack([view.outputs[name] for view in window])
            if name in POSE_OUTPUTS:
                arrays[name][..., :2] = apply_affine(affine, arrays[name][..., :2])
        return arrays

    def _ranked(self, scores, window):
        """(name, score), the best first."""
        is_other = np.array([name == OTHER for name in self._names])
        if is_other.any():
            scores = np.where(is_other, OTHER_WEIGHT * scores, scores)
            scores = scores / scores.sum()
            if len({view.position for view in window if view.seen}) < 2:
                scores = is_other.astype(float)
        ranked = np.argsort(-scores, kind="stable")
        return [(self._names[number], float(scores[number])) for number in ranked]


def _window_affine(poses):
    """Map from pixels to the square around the visible joints of poses (T, J, dim + 1)."""
    visible = poses[..., -1] > VISIBLE
    points = poses[visible] if visible.any() else poses.reshape(-1, poses.shape[-1])
    center, size = box_center_size(box_around(points[:, :2]))
    return crop_affine(center, BOX_MARGIN * POSE_MARGIN * max(size.max(), _SMALLEST))
