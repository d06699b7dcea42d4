"""Items in batches, and items that threads make in advance."""

import subprocess
import sys
import threading

import pytest

from deephar.data.loading import batches_of, loaded_ahead, read_ahead


def test_the_last_batch_may_be_shorter():
    assert list(batches_of(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(batches_of(range(4), 2)) == [[0, 1], [2, 3]]
    assert list(batches_of([], 2)) == []


def test_results_come_in_the_order_of_the_jobs():
    first_may_end = threading.Event()
    jobs = [lambda: first_may_end.wait(10) and 0, lambda: first_may_end.set() or 1, lambda: 2]
    assert list(loaded_ahead(jobs, 2)) == [0, 1, 2]


def test_no_more_jobs_are_started_than_asked_for():
    taken = []
    results = loaded_ahead((taken.append(i) or int for i in range(10)), 3)
    next(results)
    assert taken == [0, 1, 2, 3]
    results.close()


def test_the_error_of_a_job_is_raised_in_its_turn():
    results = loaded_ahead([lambda: 1, lambda: 1 / 0], 5)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_items_are_read_by_a_thread_in_order():
    threads = set()

    def items():
        for number in range(100):
            threads.add(threading.current_thread())
            yield number

    assert list(read_ahead(items(), 3)) == list(range(100))
    assert len(threads) == 1
    assert threading.current_thread() not in threads
    assert not threads.pop().is_alive()


def test_no_more_items_are_read_ahead_than_asked_for():
    taken, closed, third_is_read = [], threading.Event(), threading.Event()

    def items():
        try:
            for number in range(100):
                taken.append(number)
                if number == 3:
                    third_is_read.set()
                yield number
        finally:
            closed.set()

    reader = read_ahead(items(), 2)
    assert next(reader) == 0
    assert third_is_read.wait(10)  # one is given, two wait, one is in the hand of the thread
    reader.close()
    assert closed.is_set()
    assert taken == [0, 1, 2, 3]


def test_an_error_comes_after_the_items_before_it():
    def items():
        yield 1
        raise OSError("the disk is gone")

    reader = read_ahead(items(), 5)
    assert next(reader) == 1
    with pytest.raises(OSError, match="the disk is gone"):
        next(reader)


_LEFT_OPEN = """
from deephar.data.loading import read_ahead

def items():
    try:
        yield from range(100)
    finally:
        print("closed")

reader = read_ahead(items(), 2)
next(reader)
raise SystemExit("an error")
"""


def test_a_thread_ends_before_python_does():
    found = subprocess.run([sys.executable, "-c", _LEFT_OPEN], capture_output=True, text=True)
    assert (found.stdout, found.stderr, found.returncode) == ("closed\n", "an error\n", 1)
