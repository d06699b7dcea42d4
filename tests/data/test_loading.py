"""Items in batches, and items that threads make in advance."""

import threading

import pytest

from deephar.data.loading import batches_of, loaded_ahead


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
