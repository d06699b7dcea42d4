"""Threads or processes that crop the persons of a batch. Knows nothing of Keras.

Worker processes import this module, hence it is not a part of `deephar.data.batches`: that would
have each of them load Keras.
"""

import atexit
import multiprocessing
import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor

import cv2
import numpy as np

from deephar.data.crops import crop_batch


class CropPool:
    """Shares the crops of a batch among workers, which start at the first batch.

    Args:
        workers: number of threads or processes; 0 crops in the calling thread.
        use_processes: whether to use processes.
        function: what crops some persons, ``function(samples, seeds, *options)``: arrays, each with
            an entry for each of them. By default `deephar.data.crop_batch`. For processes, it must
            be a function of a module.
    """

    def __init__(self, workers: int, use_processes: bool = False, function: Callable = crop_batch):
        self.workers = workers
        self.use_processes = use_processes
        self.function = function
        self._pool = None
        self._lock = threading.Lock()
        self._ending = _Ending()
        atexit.register(_wait_for_others, weakref.ref(self))

    def crop(self, samples: Sequence, seeds: Sequence, *options) -> tuple[np.ndarray, ...]:
        """What `function` makes of all samples, with a seed for each."""
        with self._lock:
            self._ending.check()
            if self.workers == 0:
                return self.function(samples, seeds, *options)
            if self._pool is None:
                self._pool = self._start()
            # More parts than workers, since persons take different times.
            size = -(-len(samples) // (2 * self.workers))
            parts = [
                self._pool.submit(
                    self.function, samples[i : i + size], seeds[i : i + size], *options
                )
                for i in range(0, len(samples), size)
            ]
            arrays = zip(*(part.result() for part in parts), strict=True)
            return tuple(map(np.concatenate, arrays))

    def rest(self):
        """To be called when nobody is going to ask for a batch for the time being."""
        self._ending.others = False

    def close(self):
        """Ends the workers. They start again when needed."""
        with self._lock:
            if self._pool is not None:
                self._pool.shutdown(cancel_futures=True)
                self._pool = None

    def __reduce__(self):
        return type(self), (self.workers, self.use_processes, self.function)

    def _start(self) -> Executor:
        if not self.use_processes:
            pool = ThreadPoolExecutor(self.workers, thread_name_prefix="deephar-crop")
        else:
            # Not forked from this process: TensorFlow's threads may hold locks, which nobody would
            # release in the copy.
            methods = multiprocessing.get_all_start_methods()
            context = multiprocessing.get_context(
                "forkserver" if "forkserver" in methods else "spawn"
            )
            pool = ProcessPoolExecutor(self.workers, context, _start_worker)
        weakref.finalize(self, pool.shutdown, wait=False, cancel_futures=True)
        return pool


def _wait_for_others(reference):
    pool = reference()
    if pool is not None:
        pool._ending.wait_for_others(pool._lock)


class _Ending:
    """Sees to it that no other thread makes batches when the program ends.

    TensorFlow fetches batches ahead in a thread of its own. When Python ends, it kills such a
    thread wherever it is: in the middle of OpenCV, the program aborts; on the way back to
    TensorFlow, TensorFlow waits for it for ever. This happens when training is left in mid-epoch,
    by an error or Ctrl-C. So the thread is led out beforehand, by an error for its next batch.
    """

    def __init__(self):
        self._begun = threading.Event()
        self._refused = threading.Event()
        self.others = False  # whether another thread may be about to ask for a batch

    def check(self):
        """To be called before each batch.

        Raises:
            RuntimeError: the program is ending.
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
            # The thread may wait for room in its queue instead of asking for a batch: no harm then.
            self._refused.wait(timeout=1)
            time.sleep(0.2)  # the error goes its way through TensorFlow


def _start_worker():
    cv2.setNumThreads(1)  # OpenCV would start a thread for each core in each process
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent():
    # A parent that is killed cannot tell its workers to end; they would wait for work for ever.
    multiprocessing.parent_process().join()
    os._exit(1)
