"""Items in batches, and items that threads make in advance."""

from __future__ import annotations

import atexit
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_LOADERS = 2  # threads that decode and crop while the network works
_LONGEST_END = 5  # seconds that a thread of `read_ahead` has to end, when Python does

_stops = set()  # functions that end the threads of `read_ahead`


def batches_of(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of `size` items in turn; the last may be shorter."""
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def loaded_ahead(jobs: Iterable[Callable[[], T]], ahead: int) -> Iterator[T]:
    """Results of jobs in order, made by threads while the caller is busy.

    Args:
        jobs: functions without arguments; no more are taken than are needed.
        ahead: number of jobs that are started before their turn, which limits memory.
    """
    with ThreadPoolExecutor(_LOADERS, thread_name_prefix="deephar-load") as pool:
        waiting = deque()
        try:
            for job in jobs:
                waiting.append(pool.submit(job))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def read_ahead(items: Iterable[T], ahead: int) -> Iterator[T]:
    """Items in order, which a thread takes from an iterable while the caller is busy.

    An exception of the iterable reaches the caller after the items before it. Where the caller
    stops early, the thread ends after the item that it is reading, and closes a generator.

    Args:
        items: the iterable; only the thread uses it.
        ahead: number of items that may wait for the caller, which limits memory.
    """
    ready, free, stopped = queue.SimpleQueue(), threading.Semaphore(ahead), threading.Event()

    def read():
        error = None
        try:
            for item in items:
                free.acquire()
                if stopped.is_set():
                    break
                ready.put((True, item))
        except BaseException as caught:  # the caller gets it, whatever it is
            error = caught
        finally:
            if hasattr(items, "close"):
                items.close()
            ready.put((False, error))

    thread = threading.Thread(target=read, name="deephar-read", daemon=True)

    def stop(timeout=None):
        stopped.set()
        free.release()
        thread.join(timeout)

    thread.start()
    _stops.add(stop)
    try:
        while (entry := ready.get())[0]:
            free.release()
            yield entry[1]
        if entry[1] is not None:
            raise entry[1]
    finally:
        stop()
        _stops.discard(stop)


@atexit.register
def _end_threads():
    """Ends threads whose callers have not: a decoder in C++ aborts if Python ends before it."""
    for stop in list(_stops):
        stop(_LONGEST_END)
