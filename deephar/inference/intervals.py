"""What a person does from when to when, and how often: intervals of actions, with repetitions.

timeline = ActionTimeline(predictor.skeleton)
for person in predictor.stream("video.mp4"):
    person = timeline.add(person)  # with person.repetitions
timeline.intervals()               # [Interval(action="squat", start=0.0, ...), ...]
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from deephar.data.samples import OTHER
from deephar.inference.person import Person
from deephar.inference.repetitions import RepetitionCounter, is_repeated
from deephar.skeletons import Skeleton

SHORTEST = 1.0
"""Seconds. An action that lasts less does not interrupt the one before."""

_LEAD = 0.8  # seconds before an action is told in which it may have begun: half a window


@dataclass(frozen=True)
class Interval:
    """A time in which a person does one thing.

    Attributes:
        action: its name.
        start: seconds from the beginning of the video, of the first frame.
        end: seconds, of the last frame.
        repetitions: how often it was done; None of an action whose repetitions are not counted,
            see `deephar.inference.repetitions.REPEATED`.
    """

    action: str
    start: float
    end: float
    repetitions: int | None = None

    @property
    def duration(self) -> float:
        """Seconds from the start to the end."""
        return self.end - self.start

    def to_json(self) -> dict:
        """The interval for a JSON file, seconds rounded."""
        seconds = {name: round(getattr(self, name), 3) for name in ("start", "end", "duration")}
        return {"action": self.action, **seconds, "repetitions": self.repetitions}


class ActionTimeline:
    """The actions of one person over time.

    The action of a frame is the best one (`Person.action`). One that lasts less than `SHORTEST`
    does not count. Where the person is not seen for that long, the interval ends.

    Args:
        skeleton: the layout of the joints, or its name.
    """

    def __init__(self, skeleton: str | Skeleton):
        self._skeleton, self._done = skeleton, []
        self._now = self._next = None  # the interval that lasts, and the one that may follow it
        self._recent = deque()  # the persons of the last moments, for a repetition that has begun

    def add(self, person: Person) -> Person:
        """Adds the next frame.

        Args:
            person: with `time`, and `action` if the network has any.

        Returns:
            The same with `repetitions`: how often the present action was done so far; None of an
            action whose repetitions are not counted.
        """
        action = person.action[0][0] if person.action and person.seen else None
        if self._now and person.time - self._now.last > SHORTEST:  # nobody was there
            self._close(self._now.last)
            self._recent.clear()
        if self._now is None:
            self._now = self._opened(action, person.time)
        elif action == self._now.action:
            self._next = None
        elif self._next is None or self._next.action != action:
            self._next = self._opened(action, person.time)
        for interval in filter(None, (self._now, self._next)):
            interval.add(person)
        if self._next and person.time - self._next.start >= SHORTEST:
            following = self._next
            self._close(self._next.start)
            self._now = following
        self._recent.append(person)
        while person.time - self._recent[0].time > _LEAD:
            self._recent.popleft()
        return replace(person, repetitions=self._now.repetitions())

    def intervals(self) -> list[Interval]:
        """The intervals so far, in order, without those in which nobody is seen.

        There is none of a single frame, which shows no action.
        """
        now = self._now and self._now.closed(self._now.last)
        return [*self._done, *([now] if now else [])]

    def _opened(self, action, time):
        interval = _Open(action, time, self._skeleton)
        for person in self._recent:
            interval.add(person)
        interval.last = time
        return interval

    def _close(self, end):
        closed = self._now.closed(end)
        if closed:
            self._done.append(closed)
        self._now = self._next = None


class _Open:
    """An interval that has not ended."""

    def __init__(self, action, start, skeleton):
        self.action, self.start, self.last = action, start, start
        counted = action is not None and is_repeated(action)
        self._counter = RepetitionCounter(skeleton, action) if counted else None

    def add(self, person):
        self.last = person.time
        if self._counter and person.seen:
            self._counter.add(person.time, person.joints, person.visibility)

    def repetitions(self):
        return self._counter.count() if self._counter else None

    def closed(self, end):
        """The interval with an end; None where nobody is seen, or of a single frame."""
        if self.action is None or end == self.start:
            return None
        count = len(self._counter.ends()) if self._counter else None
        return Interval(self.action, self.start, end, count)


def intervals_of(persons: Iterable[Person], skeleton: str | Skeleton) -> list[Interval]:
    """The intervals of the persons of a video, such as those of `Predictor.stream`.

    Args:
        persons: one person, frame by frame.
        skeleton: the layout of their joints, or its name.
    """
    timeline = ActionTimeline(skeleton)
    for person in persons:
        timeline.add(person)
    return timeline.intervals()


def in_words(action: str) -> str:
    """The name of an action as it is shown: "no known action" for "other", no underscores.

    >>> in_words("golf_swing"), in_words("other")
    ('golf swing', 'no known action')
    """
    return "no known action" if action == OTHER else action.replace("_", " ")


def is_nobody(actions: Sequence[tuple[str, float]]) -> bool:
    """Whether the actions of a video say that nobody is seen: "other" with a score of 1.

    >>> is_nobody([("other", 1.0), ("squat", 0.0)]), is_nobody([("other", 0.9), ("squat", 0.1)])
    (True, False)
    """
    return dict(actions).get(OTHER, 0.0) > 1 - 1e-9


def describe_intervals(intervals: Sequence[Interval]) -> list[str]:
    """Lines of a table: start, end and duration in seconds, repetitions, action.

    Args:
        intervals: see `Interval`.
    """
    lines = [f"{'start':>8}{'end':>8}{'seconds':>9}{'count':>7}  action"] if intervals else []
    for it in intervals:
        count = "" if it.repetitions is None else it.repetitions
        lines.append(
            f"{it.start:8.1f}{it.end:8.1f}{it.duration:9.1f}{count:>7}  {in_words(it.action)}"
        )
    return lines
