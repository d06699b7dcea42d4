"""Splits of videos that keep groups whole."""

import numpy as np
import pytest

from deephar.data.groups import check_groups, group_folds, join_alike


def test_groups_are_whole_and_actions_are_spread():
    rng = np.random.default_rng(0)
    groups = [f"scene {n}" for n in rng.integers(0, 40, 200)]
    actions = rng.choice(["bowl", "squat"], 200, p=[0.3, 0.7])
    folds = group_folds(actions, groups, 5)
    for group in set(groups):
        assert len({fold for fold, g in zip(folds, groups, strict=True) if g == group}) == 1
    for action in ("bowl", "squat"):
        counts = np.bincount(folds[actions == action], minlength=5)
        assert counts.min() > 0.7 * counts.mean()


def test_the_seed_decides_which_groups_come_together():
    groups = [str(n) for n in range(20)]
    actions = ["a", "b"] * 10
    first = group_folds(actions, groups, 4)
    np.testing.assert_array_equal(first, group_folds(actions, groups, 4))
    assert (first != group_folds(actions, groups, 4, seed=1)).any()


@pytest.mark.parametrize(
    ("count", "message"),
    [(1, "2 folds or more, got 1"), (4, "There are 3 groups, too few for 4 folds")],
)
def test_too_few_groups_or_folds_are_refused(count, message):
    with pytest.raises(ValueError, match=message):
        group_folds(["a", "b", "a"], ["1", "2", "3"], count)


def test_one_action_cannot_be_told_apart():
    with pytest.raises(ValueError, match=r"clips has videos of one action only \(bowl\)\. .*other"):
        check_groups("clips", ["bowl", "bowl"], ["a", "b"])


def test_an_action_with_one_group_cannot_be_checked():
    with pytest.raises(ValueError, match="All 2 videos of 'squat' are of one group"):
        check_groups("clips", ["bowl", "bowl", "squat", "squat"], ["a", "b", "a", "a"])


def test_what_is_alike_by_way_of_others_is_one_group():
    alike = np.eye(5, dtype=bool)
    for one, other in [(0, 3), (3, 4)]:
        alike[one, other] = alike[other, one] = True
    assert join_alike(alike) == [0, 1, 2, 0, 0]
