"""Joints without jitter: the one-euro filter.

A moving average whose length follows the motion: long where a joint hardly moves and jitter shows,
short where it moves fast and lag would show. (G. Casiez, N. Roussel and D. Vogel: 1 Euro Filter: A
Simple Speed-based Low-pass Filter for Noisy Input in Interactive Systems, CHI 2012.)
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from deephar.geometry import box_center_size
from deephar.inference.person import Person

# Chosen on the labels of Penn Action's training videos, with noise of 2 % of the person's size, so
# that joints that are faster than one size per second lose nothing.
_SLOWEST = 1.0  # Hz, the cutoff frequency of a joint at rest
_GAIN = 20.0  # Hz for each size of the person per second
_SPEED_CUTOFF = 1.0  # Hz, of the speed itself, as in the paper

LONGEST_GAP = 0.5
"""Seconds without the person after which the filter starts anew."""


class OneEuroFilter:
    """The one-euro filter for points that move together in one unit.

    Args:
        slowest: cutoff frequency of a point at rest, Hz.
        gain: what the cutoff frequency rises by for each unit per second, Hz.
    """

    def __init__(self, slowest: float = _SLOWEST, gain: float = _GAIN):
        self._slowest, self._gain = slowest, gain
        self._time = self._last = self._points = self._speeds = None

    def __call__(self, points: np.ndarray, time: float) -> np.ndarray:
        """The points (..., dim), smoothed; the first ones, and those after a gap, as they are.

        Args:
            points: (..., dim), always of the same shape; NaN where unknown.
            time: seconds, later than before.
        """
        if self._time is None or not 0 < time - self._time <= LONGEST_GAP:
            self._points, self._speeds = points, np.zeros_like(points)
        else:
            step = time - self._time
            speeds = (points - self._last) / step
            self._speeds = self._speeds + _share(_SPEED_CUTOFF, step) * (speeds - self._speeds)
            speed = np.linalg.norm(self._speeds, axis=-1, keepdims=True)
            share = _share(self._slowest + self._gain * speed, step)
            self._points = self._points + share * (points - self._points)
            # Points that were unknown, or are: they begin again.
            lost = ~np.isfinite(self._points)
            self._points = np.where(lost, points, self._points)
            self._speeds = np.where(lost, 0.0, self._speeds)
        self._time, self._last = time, points
        return self._points


class Smoother:
    """Smooths the joints and the depth of persons, who come frame by frame, each by themselves.

    Joints lag behind by ``1 / (2 pi (1 + 20 v))`` seconds, v their speed in sizes of the person per
    second: 8 ms at one size per second, and 160 ms, but next to no distance, where they rest.
    Frames in which nobody is seen (`Person.seen`) stay as they are.
    """

    def __init__(self):
        self._filters = {}

    def __call__(self, person: Person) -> Person:
        """A person, who may have a number (`Person.track`), with smoothed joints."""
        if not person.seen:
            return person
        known = self._filters.get(person.track)
        if known is None or not known.is_recent(person.time):
            self._filters = {n: it for n, it in self._filters.items() if it.is_recent(person.time)}
            self._filters[person.track] = _PersonFilter(person)
        return self._filters[person.track](person)


class _PersonFilter:
    """The filters of a person's joints, in units of their size, and of the depth, in m."""

    def __init__(self, person):
        self._size = max(1.0, float(box_center_size(person.box)[1].max()))
        self._joints, self._depth, self._time = OneEuroFilter(), OneEuroFilter(), person.time

    def __call__(self, person):
        self._time = person.time
        joints = self._size * self._joints(person.joints / self._size, person.time)
        depth = person.depth
        if depth is not None:
            depth = 1000 * self._depth(depth[:, None] / 1000, person.time)[:, 0]
        return replace(person, joints=joints, depth=depth)

    def is_recent(self, time):
        return time - self._time <= LONGEST_GAP


def _share(cutoff, step):
    """The share of the new value, for a cutoff frequency in Hz and a step in seconds."""
    return 1 / (1 + 1 / (2 * np.pi * cutoff * step))
