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
from deephar.inference.actions import with_rare_other
from deephar.inference.network import POSE_OUTPUTS, VISIBLE, actions_of, call_network, stacked
from deephar.inference.person import SEEN, Person

if TYPE_CHECKING:
    from deephar.data.pose_files import PoseTrack
    from deephar.inference.network import Parts
    from deephar.models import ModelConfig

ABSENT_SECONDS = 1.5
"""A person who has not appeared for so long has left the video, and their last windows are told."""

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

    @property
    def pose(self) -> np.ndarray:
        """The person's pose (J, 3): x, y and visibility."""
        return np.column_stack([self.person.joints, self.person.visibility])

    def unseen(self) -> SeenFrame:
        """The same frame if nobody is seen in it: all joints are hidden."""
        person = replace(self.person, visibility=np.zeros_like(self.person.visibility))
        outputs = {name: value.copy() for name, value in self.outputs.items()}
        for name in outputs.keys() & POSE_OUTPUTS:
            outputs[name][..., -1] = 0
        return SeenFrame(person, outputs)


def seen_poses(track: PoseTrack, config: ModelConfig) -> Iterator[SeenFrame]:
    """The frames of a video of which the poses are known, as if a network had seen them.

    Joints that are unknown are NaN in the persons, and hidden for the action heads.

    Args:
        track: the poses, in the skeleton of the network.
        config: of the network; every prediction block gives the same pose.
    """
    counts = {"pose": config.num_predictions, "action_pose": config.num_action_predictions}
    poses = np.concatenate([np.nan_to_num(track.joints), track.visibility[..., None]], axis=-1)
    for index, (time, pose) in enumerate(zip(track.times, poses, strict=True)):
        known = pose[pose[:, 2] > 0, :2]
        box = box_around(known if len(known) else pose[:, :2])
        center, size = box_center_size(box)
        half = BOX_MARGIN * max(size.max(), _SMALLEST) / 2
        person = Person(
            joints=track.joints[index].astype(float),
            visibility=pose[:, 2],
            box=box,
            crop=np.concatenate([center - half, center + half]),
            skeleton=track.skeleton,
            index=index,
            time=float(time),
        )
        outputs = {name: np.tile(np.float32(pose), (n, 1, 1)) for name, n in counts.items()}
        yield SeenFrame(person, outputs)


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
    in which nobody is seen (`Person.seen`) has no visible joints. Nor has a time before or after a
    video that is shorter than the window (by frame number: the first or the last frame is held). A
    window with fewer than two frames in which the person is seen is `other` with a score of 1, if
    there is such an action.
    Otherwise the score of `other` counts as `with_rare_other` says.

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


def with_actions_so_far(
    frames: Iterable[SeenFrame], parts: Parts, head: str, names: Sequence[str], rule: WindowRule
) -> Iterator[Person]:
    """As `with_actions`, at once: the window of a frame ends with it.

    There is a new window after twice the rule's interval. The frames between have the action of the
    one before.

    Args:
        frames: as of `with_actions`.
        parts: as of `with_actions`.
        head: as of `with_actions`.
        names: as of `with_actions`.
        rule: as of `with_actions`.

    Yields:
        The persons, each before the next frame is asked for.
    """
    heads, recent, due, action = _Heads(parts, head, names), deque(), -np.inf, None
    for frame in frames:
        now = rule.position(frame.person)
        recent.append((now, frame.outputs))
        while len(recent) > 1 and recent[1][0] <= now - 2 * rule.reach:
            recent.popleft()
        if now >= due:
            due = now + 2 * rule.interval
            positions, outputs = zip(*recent, strict=True)
            stacks = {name: np.stack([it[name] for it in outputs]) for name in outputs[0]}
            first = max(positions[0], now - 2 * rule.reach)
            places = rule.places(now, first, now)
            window = Views.of(positions, stacks).at(places, rule.outside(places, first, now))
            (action,) = heads([window])
        yield replace(frame.person, action=action)


def with_actions_of_all(
    frames: Iterable[tuple[float, list[SeenFrame]]],
    parts: Parts,
    head: str,
    names: Sequence[str],
    rule: WindowRule,
) -> Iterator[list[Person]]:
    """As `with_actions`, for any number of persons in each frame, who have numbers (`track`).

    Args:
        frames: of the video, in order: the time of each, and what was seen of each person. A
            person who does not appear for `ABSENT_SECONDS` does not come again.
        parts: as of `with_actions`.
        head: as of `with_actions`.
        names: as of `with_actions`.
        rule: as of `with_actions`.

    Yields:
        The persons of each frame.
    """
    heads, windows, waiting = _Heads(parts, head, names), {}, deque()
    for time, seen in frames:
        row = {frame.person.track: None for frame in seen}
        waiting.append(row)
        for frame in seen:
            track = windows.setdefault(frame.person.track, _Track(_Windows(rule), deque(), time))
            track.add(frame, row, time)
        for number in [n for n, track in windows.items() if time - track.last > ABSENT_SECONDS]:
            windows.pop(number).end(heads)
        for track in windows.values():
            track.answer(heads)
        while waiting and None not in waiting[0].values():
            yield list(waiting.popleft().values())
    for track in windows.values():
        track.end(heads)
    yield from (list(row.values()) for row in waiting)


@dataclass
class _Track:
    """The windows of one of several persons, and the rows of frames that wait for them."""

    windows: _Windows
    rows: deque
    last: float

    def add(self, frame, row, time):
        self.windows.add(frame)
        self.rows.append(row)
        self.last = time

    def answer(self, heads):
        while self.windows.num_complete() >= BATCH_SIZE:
            self.windows.answer(heads)
        self._fill()

    def end(self, heads):
        self.windows.end()
        while self.windows.num_complete():
            self.windows.answer(heads)
        self._fill()

    def _fill(self):
        for person in self.windows.persons():
            self.rows.popleft()[person.track] = person


class Views(NamedTuple):
    """What the action heads need of N frames of a video.

    Attributes:
        positions: float (N,), where the frames are, rising.
        seen: bool (N,), whether the person is seen.
        outputs: for each input of the action heads, and ``"pose"``: array (N, ...). Poses have x
            and y in pixels. In frames without the person, the visibility of their joints is 0.
    """

    positions: np.ndarray
    seen: np.ndarray
    outputs: dict[str, np.ndarray]

    @classmethod
    def of(cls, positions: np.ndarray, outputs: dict[str, np.ndarray]) -> Views:
        """The views of frames at some positions, with their outputs, which are not changed."""
        seen = outputs["pose"][:, -1, :, -1].mean(axis=1) >= SEEN
        hidden = {name: outputs[name].copy() for name in outputs.keys() & POSE_OUTPUTS}
        for poses in hidden.values():
            poses[~seen, ..., -1] = 0
        return cls(np.asarray(positions, float), seen, {**outputs, **hidden})

    def at(self, places: np.ndarray, outside: np.ndarray) -> Views:
        """What is seen at places (T,) between frames: the poses lie between those of two frames.

        All else is as in the nearest frame. So is the pose if the person is not seen in one of the
        two. At places that are `outside` (T,), nobody is seen.
        """
        after = np.clip(np.searchsorted(self.positions, places), 0, len(self.positions) - 1)
        before = np.maximum(after - 1, 0)
        a, b = self.positions[before], self.positions[after]
        nearest = np.where(places - a <= b - places, before, after)
        outputs = {name: values[nearest] for name, values in self.outputs.items()}
        between = (before != after) & self.seen[before] & self.seen[after]
        way = np.clip((places - a)[between] / (b - a)[between], 0, 1).astype(np.float32)
        before, after = before[between], after[between]
        seen = self.seen[nearest] & ~outside
        for name in outputs.keys() & POSE_OUTPUTS:
            values = self.outputs[name]
            share = way.reshape(-1, *[1] * (values.ndim - 1))
            outputs[name][between] = values[before] + (values[after] - values[before]) * share
            outputs[name][~seen, ..., -1] = 0
        return Views(self.positions[nearest], seen, outputs)

    def inputs(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """What the heads take: poses are seen in the square around all of their visible joints."""
        affine = window_affine(self.outputs["pose"][:, -1])
        inputs = {name: self.outputs[name] for name in names}
        for name in inputs.keys() & POSE_OUTPUTS:
            inputs[name] = inputs[name].copy()
            inputs[name][..., :2] = apply_affine(affine, inputs[name][..., :2])
        return inputs


class _Windows:
    """The windows over the frames that have come so far, and the persons who wait for them."""

    def __init__(self, rule):
        self._rule = rule
        self._first = self._border = None  # of the video; between the last two frames
        self._frames = deque()  # (position, outputs) of those that windows still need
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
            self._add_window((self._frames[-1][0] + position) / 2)
        self._frames.append((position, frame.outputs))
        self._waiting.append((position, frame.person))
        needed = (self._middles or [position])[0] - 2 * self._rule.reach
        while len(self._frames) > 1 and self._frames[1][0] <= needed:
            self._frames.popleft()

    def end(self):
        """Says that there are no more frames."""
        self._ended = True
        if self._frames:
            self._add_window(self._frames[-1][0])

    def _add_window(self, border):
        """Adds the window of the last frame, if it is the nearest one to a multiple.

        Positions up to `border` are nearer to it than to the next one.
        """
        before, here = (
            (place - self._first) // self._rule.interval for place in (self._border, border)
        )
        if here > before:
            self._middles.append(self._frames[-1][0])
        self._border = border

    def num_complete(self):
        """Number of windows without an answer of which all frames are there."""
        if self._ended:
            return len(self._middles)
        last, reach = self._frames[-1][0], self._rule.reach
        return sum(max(middle, self._first + reach) + reach <= last for middle in self._middles)

    def answer(self, heads):
        """Has the heads answer the first windows."""
        positions, outputs = zip(*self._frames, strict=True)
        stacks = {name: np.stack([frame[name] for frame in outputs]) for name in outputs[0]}
        views, last = Views.of(positions, stacks), positions[-1]
        count = min(BATCH_SIZE, self.num_complete())
        middles = [self._middles.popleft() for _ in range(count)]
        windows = []
        for middle in middles:
            places = self._rule.places(middle, self._first, last)
            windows.append(views.at(places, self._rule.outside(places, self._first, last)))
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


class _Heads:
    """The action heads, for windows of frames."""

    def __init__(self, parts, head, names):
        self._parts, self._head, self._names = parts, head, names

    def __call__(self, windows):
        """The actions in each of up to `BATCH_SIZE` windows."""
        inputs = [window.inputs(self._parts.inputs) for window in windows]
        batch = {
            name: stacked([arrays[name] for arrays in inputs], BATCH_SIZE)
            for name in self._parts.inputs
        }
        outputs = call_network(self._parts.heads, batch)
        scores = actions_of(outputs, self._head, len(self._names))[:, -1]
        return [self._ranked(*pair) for pair in zip(scores, windows, strict=False)]

    def _ranked(self, scores, window):
        """(name, score), the best first."""
        scores = with_rare_other(scores, self._names)
        if OTHER in self._names and len(np.unique(window.positions[window.seen])) < 2:
            scores = np.array([float(name == OTHER) for name in self._names])
        ranked = np.argsort(-scores, kind="stable")
        return [(self._names[number], float(scores[number])) for number in ranked]


def window_affine(poses: np.ndarray) -> np.ndarray:
    """Map (3, 3) from pixels to the square around the visible joints of poses (T, J, dim + 1)."""
    visible = poses[..., -1] > VISIBLE
    points = poses[visible] if visible.any() else poses.reshape(-1, poses.shape[-1])
    center, size = box_center_size(box_around(points[:, :2]))
    return crop_affine(center, BOX_MARGIN * POSE_MARGIN * max(size.max(), _SMALLEST))
