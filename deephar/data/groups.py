"""Splits of labelled videos that keep groups whole: scenes, persons, sources."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np


def group_folds(
    actions: Sequence[str], groups: Sequence[str], count: int, *, seed: int = 0
) -> np.ndarray:
    """Divides videos into folds so that no group is in two of them.

    Folds have about as many videos of each action as each other, as far as the groups allow.

    Args:
        actions: of each of N videos.
        groups: of each video.
        count: number of folds, 2 or more.
        seed: decides which groups come together.

    Returns:
        int (N,), the fold of each video, from 0.

    Raises:
        ValueError: `count` is less than 2, or there are fewer groups than folds.
    """
    names = sorted(set(groups))
    if count < 2:
        raise ValueError(f"Videos can be divided into 2 folds or more, got {count}.")
    if len(names) < count:
        raise ValueError(
            f"There are {len(names)} groups, too few for {count} folds. Use fewer folds, or add "
            "videos of other scenes."
        )
    kinds = sorted(set(actions))
    counts = np.zeros((len(names), len(kinds)))
    for action, group in zip(actions, groups, strict=True):
        counts[names.index(group), kinds.index(action)] += 1
    shares = counts / counts.sum(axis=0)
    order = np.random.default_rng(seed).permutation(len(names))
    # Large groups first: small ones then even out the folds.
    order = order[np.argsort(-shares[order].sum(axis=1), kind="stable")]
    filled, fold_of = np.zeros((count, len(kinds))), {}
    for number in order:
        spread = [_unevenness(filled, fold, shares[number]) for fold in range(count)]
        fold = int(np.argmin(spread))
        filled[fold] += shares[number]
        fold_of[names[number]] = fold
    return np.array([fold_of[group] for group in groups])


def _unevenness(filled, fold, share):
    """How different the folds are with one more group in one of them."""
    filled = filled.copy()
    filled[fold] += share
    return float((filled**2).sum())


def check_groups(source: str, actions: Sequence[str], groups: Sequence[str]) -> None:
    """Checks that actions can be learned from some groups and checked on others.

    Args:
        source: where the videos are listed, for the message.
        actions: of each video.
        groups: of each video.

    Raises:
        ValueError: There is one action only, or an action has a single group.
    """
    count = Counter(actions)
    if len(count) < 2:
        raise ValueError(
            f"{source} has videos of one action only ({next(iter(count), 'none')}). There is "
            "nothing to tell apart: add videos of another action, or of none, labelled 'other'."
        )
    for action in sorted(count):
        own = {group for a, group in zip(actions, groups, strict=True) if a == action}
        if len(own) < 2:
            raise ValueError(
                f"{source}: All {count[action]} videos of {action!r} are of one group "
                f"({next(iter(own))}), so they can be learned or checked, but not both. Add videos "
                "of this action in another scene, or name smaller groups in clips.csv."
            )


def fewest_groups(actions: Sequence[str], groups: Sequence[str]) -> int:
    """The number of groups of the action that has the fewest.

    >>> fewest_groups(["bowl", "bowl", "squat"], ["a", "b", "a"])
    1
    """
    pairs = set(zip(actions, groups, strict=True))
    return min(Counter(action for action, _ in pairs).values())


def join_alike(alike: np.ndarray) -> list[int]:
    """Numbers of groups of items, of which those that are alike, also by way of others, are in one.

    Args:
        alike: bool (N, N), symmetric.

    Returns:
        The number of each item's group, from 0, in the order of the items.

    >>> join_alike(np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]], bool))
    [0, 1, 0]
    """
    numbers, count = [-1] * len(alike), 0
    for start in range(len(alike)):
        if numbers[start] >= 0:
            continue
        open_items = [start]
        while open_items:
            item = open_items.pop()
            if numbers[item] < 0:
                numbers[item] = count
                open_items += np.flatnonzero(alike[item]).tolist()
        count += 1
    return numbers
