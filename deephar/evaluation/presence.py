"""Whether somebody is there: how well persons are told from backgrounds by their visibility."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from deephar.inference.person import SEEN

if TYPE_CHECKING:
    from deephar.inference.poses import Predictions


class PresenceErrors(NamedTuple):
    """Errors of a threshold on the mean visibility.

    Attributes:
        threshold: mean visibility from which somebody is seen.
        missed: percentage of the persons who are not.
        imagined: percentage of the backgrounds in which somebody is.
    """

    threshold: float
    missed: float
    imagined: float


def score_presence(
    persons: Predictions, backgrounds: Predictions, *, thresholds: Sequence[float] = ()
) -> list[PresenceErrors]:
    """Scores whether somebody is seen in crops.

    Args:
        persons: predictions for crops of persons.
        backgrounds: predictions for crops without persons, see `deephar.data.backgrounds`.
        thresholds: mean visibilities; by default 0.05, 0.1, ..., 0.95 and `SEEN`.

    Returns:
        The errors of each threshold, the lowest first.
    """
    thresholds = thresholds or {*np.round(np.arange(0.05, 1, 0.05), 2).tolist(), SEEN}
    there, not_there = (p.visibility[-1].mean(axis=-1) for p in (persons, backgrounds))
    return [
        PresenceErrors(
            threshold,
            100 * float((there < threshold).mean()),
            100 * float((not_there >= threshold).mean()),
        )
        for threshold in sorted(thresholds)
    ]
