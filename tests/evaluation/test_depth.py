"""The order in depth of limbs of which one is hidden."""

from dataclasses import replace

import numpy as np
import pytest

from deephar.data.synthetic.poses import DrawnPoses
from deephar.evaluation import depth_order
from deephar.inference import Predictions
from deephar.skeletons import get_skeleton

SKELETON = get_skeleton("pa16j")
RIGHT, LEFT = SKELETON.index("right_wrist"), SKELETON.index("left_wrist")


@pytest.fixture(scope="module")
def persons():
    """Two persons: of the first the right wrist is hidden, of the second both are."""
    drawn = DrawnPoses("train", 2, image_size=32)
    samples = []
    for number, hidden in enumerate(([RIGHT], [RIGHT, LEFT])):
        visible = np.ones(16)
        visible[hidden] = 0
        samples.append(replace(drawn[number], visible=visible))
    return samples


def predictions(persons, depth):
    count = len(persons)
    return Predictions(
        joints=np.zeros((2, count, 16, 2)),
        visibility=np.ones((2, count, 16)),
        names=tuple(sample.name for sample in persons),
        skeleton=SKELETON.name,
        crops_per_person=1,
        depth=depth,
    )


@pytest.mark.parametrize(("right", "share"), [(0.7, 100.0), (0.3, 0.0)])
def test_the_last_block_decides_and_pairs_with_one_hidden_count(persons, right, share):
    depth = np.full((2, 2, 16), 0.5)
    depth[1, :, RIGHT] = right
    depth[0, :, RIGHT] = 1 - right
    assert depth_order(predictions(persons, depth), persons) == (share, 1)


def test_there_may_be_no_such_pair(persons):
    share, pairs = depth_order(predictions(persons[1:], np.full((2, 1, 16), 0.5)), persons[1:])
    assert np.isnan(share)
    assert pairs == 0


def test_networks_without_depth_are_refused(persons):
    with pytest.raises(ValueError, match="gives no depth"):
        depth_order(predictions(persons, None), persons)
