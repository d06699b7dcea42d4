"""Work timed in turn, so that other programs on the machine disturb all of it alike."""

import time
from collections.abc import Callable, Mapping

import numpy as np


def alternate(
    works: Mapping[str, Callable[[], object]], rounds: int, *, warm_ups: int = 1
) -> dict[str, float]:
    """Median seconds of each work, measured in turn.

    Args:
        works: functions without arguments, by name.
        rounds: how often each is measured.
        warm_ups: rounds before these, which are not measured.
    """
    seconds = {name: [] for name in works}
    for number in range(warm_ups + rounds):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            if number >= warm_ups:
                seconds[name].append(time.perf_counter() - start)
    return {name: float(np.median(values)) for name, values in seconds.items()}
