"""Items in batches, and items that threads make in advance."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_LOADERS = 2  # threads that decode and crop while the network works


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
