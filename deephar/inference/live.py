"""Live sources: the newest frame first, and frames that are dropped rather than delayed."""

from __future__ import annotations

import threading
import time
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from statistics import median

import numpy as np

Frame = tuple[np.ndarray, float]

_REMEMBERED = 64  # frames whose arrival is known, and of which the rate is told


class NewestFrames:
    """The frames of a live source, each the newest one at the moment it is asked for.

    A thread reads on and on, and keeps one frame. When the source fails after its first frame, it
    is over, and a warning says so: what was seen until then is not lost.

    Args:
        frames: of the source, (uint8 (H, W, 3) RGB, time in seconds), as they arrive; only the
            thread uses it.
        clock: gives the present moment, seconds.

    Attributes:
        dropped: number of frames that nobody asked for in time.
    """

    def __init__(self, frames: Iterator[Frame], clock: Callable[[], float] = time.monotonic):
        self.dropped = 0
        self._clock, self._frames = clock, frames
        self._arrivals, self._shown = {}, deque(maxlen=_REMEMBERED)
        self._newest = self._error = None
        self._over = self._stopped = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, name="deephar-live", daemon=True)
        self._thread.start()

    def __iter__(self) -> NewestFrames:
        return self

    def __next__(self) -> Frame:
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None or self._over)
            if self._newest is None:
                self._end()
            (image, moment, arrived), self._newest = self._newest, None
            self._arrivals[moment] = arrived
            while len(self._arrivals) > _REMEMBERED:
                del self._arrivals[next(iter(self._arrivals))]
        return image, moment

    def close(self) -> None:
        """Ends the frames, and the thread after the one that it is reading."""
        with self._changed:
            self._stopped = self._over = True
            self._changed.notify()

    def shown(self, moment: float) -> float:
        """Says that a frame is shown now.

        Args:
            moment: the time of the frame.

        Returns:
            Its latency: seconds from its arrival.
        """
        now = self._clock()
        latency = now - self._arrivals.get(moment, now)
        self._shown.append((now, latency))
        return latency

    def describe(self) -> str:
        """The rate and the latency of the last frames that were shown, as text."""
        if len(self._shown) < 2:
            return ""
        moments, latencies = zip(*self._shown, strict=True)
        rate = (len(moments) - 1) / max(moments[-1] - moments[0], 1e-9)
        return f"{rate:.0f} fps, {1000 * median(latencies):.0f} ms"

    def _read(self):
        try:
            for image, moment in self._frames:
                arrived = self._clock()
                with self._changed:
                    self.dropped += self._newest is not None
                    self._newest = image, moment, arrived
                    self._changed.notify()
                if self._stopped:
                    break
        except Exception as error:  # the caller gets it, whatever it is
            self._error = error
        finally:
            if hasattr(self._frames, "close"):
                self._frames.close()
            with self._changed:
                self._over = True
                self._changed.notify()

    def _end(self):
        error, self._error = self._error, None
        if error is not None and not self._arrivals:
            raise error
        if error is not None:
            warnings.warn(
                f"The live source is gone: {error} What was seen until then is kept.", stacklevel=3
            )
        raise StopIteration


def timed_by_arrival(frames: Iterator[Frame]) -> Iterator[Frame]:
    """The frames with the seconds from the arrival of the first one.

    Time stamps of network cameras jump, or stand still.
    """
    start = None
    for image, _ in frames:
        now = time.monotonic()
        start = now if start is None else start
        yield image, now - start


class UntilDropped:
    """The frames; when nobody holds this any more, they are closed, and the camera is let go.

    So they are if nobody has ever asked for a frame, when a generator would not have begun.

    Args:
        frames: of a live source.
    """

    def __init__(self, frames: NewestFrames):
        self._frames = frames
        weakref.finalize(self, frames.close)

    def __iter__(self) -> UntilDropped:
        return self

    def __next__(self) -> Frame:
        try:
            return next(self._frames)
        except BaseException:  # a notebook keeps the traceback, and with it this object
            self._frames.close()
            raise


def paced(frames: Iterator[Frame], sleep: Callable[[float], None] = time.sleep) -> Iterator[Frame]:
    """The frames of a recorded video at their own pace: a file stands in for a camera.

    Args:
        frames: (image, time in seconds).
        sleep: waits for some seconds.
    """
    start = None
    for image, moment in frames:
        start = time.monotonic() - moment if start is None else start
        sleep(max(0.0, start + moment - time.monotonic()))
        yield image, moment
