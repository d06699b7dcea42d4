"""What the scores of poses and of actions have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from deephar import metrics
from deephar.data.samples import whole_of


@dataclass(frozen=True, eq=False, kw_only=True)
class Scores:
    """Scores of all prediction blocks on a data set.

    Attributes:
        data: name of the data set and of the split, e.g. "mpii valid".
        source: the annotation that was read, as the data set names it; "" if it does not.
        num_scored: number of persons (or videos) scored.
        num_in_split: number of persons (or videos) of the whole split.
        blocks: one `deephar.metrics.Score` per prediction block.
        items: what is scored, in the plural: "persons" or "videos".
    """

    data: str
    source: str
    num_scored: int
    num_in_split: int
    blocks: tuple[metrics.Score, ...]

    items: ClassVar[str] = "persons"

    @property
    def answer(self) -> metrics.Score:
        """The `Score` to report: that of the last block, even if another block does better."""
        return self.blocks[-1]

    @property
    def warning(self) -> str:
        """A line that says that only a part of the split was scored; "" if all of it was."""
        if self.num_scored == self.num_in_split:
            return ""
        return (
            f"ONLY {self.num_scored} OF {self.num_in_split} {self.items.upper()}: "
            "this is not the score of the whole split"
        )


def num_persons(score: metrics.Score) -> int:
    """The number of persons that a score is computed from."""
    return int(score.counts.max())


def split_facts(dataset: Sequence) -> dict[str, Any]:
    """The fields of `Scores` that describe a data set: all but `blocks`."""
    whole = whole_of(dataset)
    return {
        "data": f"{whole.name} {getattr(whole, 'split', '')}".rstrip(),
        "source": getattr(whole, "source", ""),
        "num_scored": len(dataset),
        "num_in_split": len(whole),
    }


def label_if_among_best(scores: np.ndarray, labels: np.ndarray, count: int) -> np.ndarray:
    """Answers for an accuracy that counts a sample as right if its class is among the best.

    Args:
        scores: (N, C).
        labels: int (N,), true classes.
        count: how many of the best classes count.

    Returns:
        int (N,), the true class where it is among the best, else -1 (no answer).
    """
    best = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    return np.where((best == labels[:, None]).any(axis=1), labels, -1)


def require_same_items(predicted: Sequence[str], names: Sequence[str], items: str) -> None:
    """Checks that predictions were made for a data set.

    Args:
        predicted: names that the predictions are for.
        names: names of the items of the data set.
        items: what they are, in the plural.

    Raises:
        ValueError: The names differ.
    """
    if tuple(predicted) != tuple(names):
        raise ValueError(
            f"The predictions are for other {items} than the data set has ({len(predicted)} and "
            f"{len(names)}). Score them on the data set they were made for."
        )


def require_finite(predicted: np.ndarray, names: Sequence[str]) -> None:
    """Checks that predictions are numbers.

    Args:
        predicted: (P, N, ...), one entry per prediction block and item.
        names: (N,), names of the items.

    Raises:
        ValueError: A number is NaN or infinite. The message names the first item.
    """
    bad = ~np.isfinite(predicted).all(axis=(0, *range(2, predicted.ndim)))
    if bad.any():
        raise ValueError(
            f"The model predicts NaN or infinity, first for {names[np.argmax(bad)]}. Its training "
            "has probably diverged. Use other weights."
        )
