"""Threads that crop the persons of a batch. Knows nothing of Keras."""

import atexit
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from deephar.data.augment import Seed


class CropPool:
    """Shares the crops of a batch among threads, which start at the first batch.

    Args:
        function: crops some persons, ``function(samples, seeds=seeds)``, such as
            `deephar.data.crop_batch`; gives a tuple of arrays with an entry for each person.
        workers: number of threads; 0 crops in the calling thread.
    """

    def __init__(self, function: Callable, workers: int):
        self.function = function
        self.workers = workers
        self._pool = None
        self._lock = threading.Lock()
        self._ending = _Ending()
        atexit.register(_wait_for_others, weakref.ref(self))

    def crop(self, samples: Sequence, seeds: Sequence[Seed]) -> tuple[np.ndarray, ...]:
        """The arrays that `function` makes of all samples, with a seed for each."""
        with self._lock:
            self._ending.check()
            if self.workers == 0:
                return self.function(samples, seeds=seeds)
            if self._pool is None:
                self._pool = self._start()
            # More parts than workers, since some persons take longer than others.
            size = -(-len(samples) // (2 * self.workers))
            parts = [
                self._pool.submit(self.function, samples[i : i + size], seeds=seeds[i : i + size])
                for i in range(0, len(samples), size)
            ]
            arrays = zip(*(part.result() for part in parts), strict=True)
            return tuple(map(np.concatenate, arrays))

    def rest(self) -> None:
        """Call this when no batch will be asked for in the near future."""
        self._ending.others = False

    def close(self) -> None:
        """Ends the threads. They start again when needed."""
        with self._lock:
            if self._pool is not None:
                self._pool.shutdown(cancel_futures=True)
                self._pool = None

    def __reduce__(self):
        return type(self), (self.function, self.workers)

    def _start(self):
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="deephar-crop")
        weakref.finalize(self, pool.shutdown, wait=False, cancel_futures=True)
        return pool


def _wait_for_others(reference):
    pool = reference()
    if pool is not None:
        pool._ending.wait_for_others(pool._lock)


class _Ending:
    """Makes sure that no other thread makes batches when the program ends.

    TensorFlow fetches batches in advance in another thread. When Python ends, it kills this thread
    at any point: inside OpenCV, the program aborts; on the way back to TensorFlow, TensorFlow waits
    for it forever. This happens when an error or Ctrl-C ends training in the middle of an epoch.
    Therefore the thread gets an error for its next batch before Python ends.
    """

    def __init__(self):
        self._begun = threading.Event()
        self._refused = threading.Event()
        self.others = False  # whether another thread may be about to ask for a batch

    def check(self):
        """To be called before each batch.

        Raises:
            RuntimeError: The program is ending.
        """
        self.others |= threading.current_thread() is not threading.main_thread()
        if self._begun.is_set():
            self._refused.set()
            raise RuntimeError("There are no more batches: the program is ending.")

    def wait_for_others(self, lock):
        """To be called when the program ends; `lock` is held while a batch is made."""
        self._begun.set()
        if lock.acquire(timeout=60):
            lock.release()
        if self.others:
            # If the thread waits for room in its queue, it asks for no batch, which does no harm.
            self._refused.wait(timeout=1)
            time.sleep(0.2)  # for the error to pass through TensorFlow
