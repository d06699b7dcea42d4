"""Items in batches, and made ahead by threads."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor

_LOADERS = 2  # threads that decode and crop while the network works


def batches_of(items, size):
    """Lists of `size` items in turn; the last may be shorter."""
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def loaded_ahead(jobs, ahead):
    """Results of jobs in order, made by threads while the caller is busy.

    Args:
        jobs: iterable of functions without arguments; taken from only as far as needed.
        ahead: number of jobs that are begun before their turn, which bounds memory.
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
