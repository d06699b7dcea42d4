"""Counting repetitions: how often a person has done push-ups, squats or jumps, by their joints.

Everything that repeats moves out and back. The motion of the joints, in units of the person's size,
is projected onto the direction in which it is largest (the first principal component). There, each
swing out and back is a repetition, if it is a good part of a typical swing (a hysteresis). Whoever
jumps rope moves as a whole: there, the height of the body takes the place of the projection.

Frame rates do not matter, nor does the side that the camera sees. Left and right joints are
averaged, since networks exchange them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import gaussian_filter1d, median_filter

from deephar.skeletons import Skeleton, get_skeleton

REPEATED = (
    "bench_press",
    "jump_rope",
    "jumping_jacks",
    "pullup",
    "pushup",
    "situp",
    "squat",
)
"""Actions whose repetitions are counted, and those whose names contain one of these."""

_JUMPS = ("jump_rope",)  # actions in which the body moves as a whole
_VISIBLE = 0.3  # joints that are less visible are unknown
_KNOWN = 0.5  # share of the time in which a joint must be known to be used
_FEWEST_JOINTS = 3
_SHORTEST = 0.3  # seconds; in less, nothing is repeated
_SHARE = 0.45  # of a typical swing, that counts as one
_OUTLYING = 1.5  # times the 80 % quantile of the motion, from which it is cut


@dataclass(frozen=True)
class _Motion:
    """How the motion is seen. Chosen on made sequences of Penn Action's training labels.

    Attributes:
        rate: samples per second, whatever the frame rate.
        median: seconds; what is shorter, such as exchanged limbs, is an error.
        smoothing: seconds, standard deviation.
        drift: seconds, standard deviation; what is slower is no repetition.
        least: smallest swing, mean over the joints, as a fraction of the person's size.
    """

    rate: float
    median: float
    smoothing: float
    drift: float
    least: float


_LIMBS = _Motion(rate=20, median=0.25, smoothing=0.07, drift=2.0, least=0.07)
_BODY = _Motion(rate=30, median=0.0, smoothing=0.03, drift=0.4, least=0.02)


def is_repeated(action: str) -> bool:
    """Whether repetitions of an action are counted.

    >>> is_repeated("pushup"), is_repeated("push-ups, hips too low"), is_repeated("golf_swing")
    (True, True, False)
    """
    return _named(action, REPEATED)


def find_repetitions(
    times: ArrayLike,
    joints: ArrayLike,
    *,
    skeleton: str | Skeleton,
    visibility: ArrayLike | None = None,
    action: str = "",
) -> np.ndarray:
    """When the repetitions of a movement end.

    The first one begins in the first extreme position, and ends with the return there. The last one
    counts from about half of the way back on. Whoever stands still makes none.

    Args:
        times: (N,), seconds of the frames, rising.
        joints: (N, J, 2) in pixels, NaN where unknown.
        skeleton: the layout of the joints, or its name.
        visibility: (N, J) in [0, 1]; None: all joints are visible.
        action: name of the action, if it is known.

    Returns:
        float (R,), seconds, rising: the ends of the R repetitions.

    Raises:
        ValueError: The arrays do not fit together, or the times do not rise.
    """
    times, joints = _checked(times, joints, visibility, get_skeleton(skeleton))
    kind = _BODY if _named(action, _JUMPS) else _LIMBS
    places = _places(times, _both_sides(joints, get_skeleton(skeleton)), kind)
    if places is None:
        return np.zeros(0)
    signal = _height(places) if kind is _BODY else _main_motion(places)
    turns = _turning_points(signal, kind.least)
    if len(turns) > 1:
        swings = np.abs(np.diff(signal[turns]))
        typical = np.median(swings[swings >= 0.5 * swings.max()])
        turns = _turning_points(signal, max(kind.least, _SHARE * typical))
    return times[0] + turns[2::2] / kind.rate


class RepetitionCounter:
    """Counts repetitions while frames come in, with bounded memory.

    The last half minute is looked at again and again, so a count may be corrected.

    Args:
        skeleton: the layout of the joints, or its name.
        action: name of the action, if it is known.
    """

    _LONGEST = 30.0  # seconds that are looked at
    _KEPT = 15.0  # seconds of these that are kept when there are more
    _EVERY = 0.3  # seconds from one look to the next

    def __init__(self, skeleton: str | Skeleton, action: str = ""):
        self._skeleton, self._action = get_skeleton(skeleton), action
        self._frames, self._before, self._ends, self._due = [], [], np.zeros(0), -np.inf

    def add(self, time: float, joints: np.ndarray, visibility: np.ndarray) -> None:
        """Adds a frame.

        Args:
            time: seconds, later than the frame before.
            joints: (J, 2) in pixels, NaN where unknown.
            visibility: (J,) in [0, 1].
        """
        self._frames.append((time, np.float32(joints), np.float32(visibility)))
        if time >= self._due:
            self._due = time + self._EVERY
            self._look()

    def count(self) -> int:
        """Repetitions so far, as of the last look, a third of a second ago or less."""
        return len(self._before) + len(self._ends)

    def ends(self) -> list[float]:
        """The ends of all repetitions, seconds, with the last frames."""
        if self._frames:
            self._look()
        return [*self._before, *self._ends.tolist()]

    def _look(self):
        times, joints, visibility = zip(*self._frames, strict=True)
        self._ends = find_repetitions(
            times,
            np.stack(joints),
            skeleton=self._skeleton,
            visibility=np.stack(visibility),
            action=self._action,
        )
        if times[-1] - times[0] > self._LONGEST:
            cut = times[-1] - self._KEPT
            over = self._ends[self._ends <= cut]
            cut = over[-1] if len(over) else cut  # there, the next repetition begins
            self._before += over.tolist()
            self._ends = self._ends[len(over) :]
            self._frames = [frame for frame in self._frames if frame[0] >= cut]


def _named(action: str, names: Sequence[str]) -> bool:
    """Whether the name of an action contains one of these, however it is written."""
    letters = re.sub(r"[^a-z]", "", action.lower())
    return any(re.sub(r"[^a-z]", "", name).removesuffix("s") in letters for name in names)


def _checked(times, joints, visibility, skeleton):
    """The times, and the joints with NaN where they are hidden."""
    times, joints = np.asarray(times, float), np.array(joints, float)
    shape = (len(times), skeleton.num_joints, 2)
    if times.ndim != 1 or joints.shape != shape:
        raise ValueError(
            f"joints must be {shape}, a pose in {skeleton.name} for each time, got {joints.shape}."
        )
    if not (np.isfinite(times).all() and (np.diff(times) > 0).all()):
        raise ValueError("The times of the frames must rise. Give the seconds of each frame.")
    if visibility is not None:
        visibility = np.asarray(visibility, float)
        if visibility.shape != shape[:2]:
            raise ValueError(
                f"visibility must be {shape[:2]}, one value per joint, got {visibility.shape}."
            )
        joints[~(visibility >= _VISIBLE)] = np.nan
    joints[~np.isfinite(joints).all(axis=-1)] = np.nan
    return times, joints


def _both_sides(joints, skeleton):
    """Poses in which the left and the right joint of a pair are one, in their middle."""
    flip = skeleton.flip
    other = joints[:, flip]
    middle = np.where(
        np.isnan(joints), other, np.where(np.isnan(other), joints, (joints + other) / 2)
    )
    return middle[:, flip >= np.arange(len(flip))]


def _places(times, joints, kind):
    """x and y of the known joints at even times, (K, 2, T), in units of the person's size.

    Without what is slower or faster than a repetition. None where too little is known.
    """
    known = np.isfinite(joints[..., 0])
    if len(times) < 2 or times[-1] - times[0] < _SHORTEST:
        return None
    kept = np.flatnonzero(known.mean(axis=0) >= _KNOWN)
    if len(kept) < _FEWEST_JOINTS:
        return None
    grid = np.arange(times[0], times[-1], 1 / kind.rate)
    places = np.empty((len(kept), 2, len(grid)))
    for number, joint in enumerate(kept):
        when = known[:, joint]
        for axis in (0, 1):
            places[number, axis] = np.interp(grid, times[when], joints[when, joint, axis])
    width = 1 + 2 * round(kind.median * kind.rate / 2)
    if width > 1:
        places = median_filter(places, (1, 1, width), mode="nearest")
    size = 2 * np.median(np.sqrt(places.var(axis=0).sum(axis=0)))
    if not size > 0:
        return None
    places[:, 0] -= places[:, 0].mean(axis=0)  # who walks to the side repeats nothing
    places = gaussian_filter1d(places / size, kind.smoothing * kind.rate)
    places -= np.median(places, axis=-1, keepdims=True)
    return places - gaussian_filter1d(places, kind.drift * kind.rate)


def _main_motion(places):
    """The motion (T,) along the direction in which it is largest, mean over the joints."""
    motion = places.reshape(-1, places.shape[-1])
    limit = _OUTLYING * np.quantile(np.abs(motion), 0.8, axis=1, keepdims=True)
    motion = np.clip(motion, -limit, limit)
    direction = np.linalg.eigh(motion @ motion.T)[1][:, -1]
    return direction @ motion / np.sqrt(len(places))


def _height(places):
    """The height (T,) of the body: the mean over the middle half of the joints."""
    heights = np.sort(places[:, 1], axis=0)
    cut = len(heights) // 4
    return heights[cut : len(heights) - cut].mean(axis=0)


def _turning_points(signal, least):
    """Indices of the extremes, by turns low and high, each at least `least` from the one before."""
    turns, low, high = [], 0, 0
    for index, value in enumerate(signal):
        low = index if value < signal[low] else low
        high = index if value > signal[high] else high
        if (not turns or turns[-1][1] > 0) and value - signal[low] >= least:
            turns.append((low, -1))
            high = index
        elif (not turns or turns[-1][1] < 0) and signal[high] - value >= least:
            turns.append((high, 1))
            low = index
    if turns:
        turns.append((high if turns[-1][1] < 0 else low, 0))
    return np.array([index for index, _ in turns], int)
