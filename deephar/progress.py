"""The progress of long work, shown on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


class ProgressBar:
    """A Keras progress bar with the time left; shown on a terminal only.

    Args:
        total: number of items to do; None if unknown, the bar then counts them.
        unit: what an item is, as in "frame".
        shown: False shows nothing.
    """

    def __init__(self, total: int | None, unit: str, *, shown: bool = True):
        self._total, self._done, self._bar = total, 0, None
        if shown and sys.stdout.isatty():
            from keras.utils import Progbar

            self._bar = Progbar(total, unit_name=unit)

    def update(self, done: int) -> None:
        """Shows how many items are done, which may be more than there should have been."""
        if self._total is not None:
            done = min(done, self._total)
        if self._bar is not None and done > self._done:
            self._bar.update(done)
        self._done = done


def with_progress(items: Iterable[Item], total: int, unit: str) -> Iterator[Item]:
    """The items, with a progress bar that moves on with each one.

    Args:
        items: what to go through.
        total: number of the items.
        unit: what an item is, as in "frame".
    """
    bar = ProgressBar(total, unit)
    for done, item in enumerate(items, start=1):
        yield item
        bar.update(done)
