"""The order in depth of limbs, where no depth is labelled."""

from collections.abc import Sequence

import numpy as np

from deephar.data.samples import Sample
from deephar.inference.poses import Predictions
from deephar.skeletons import convert, get_skeleton

_SIDES = ("right", "left")
_PAIRS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")


def depth_order(predictions: Predictions, dataset: Sequence[Sample]) -> tuple[float, int]:
    """How often the hidden one of two limbs is found to be the deeper one.

    Of a left and a right joint of which one is labelled as hidden, the body itself mostly hides it,
    and then it is further away. Things in front of the body make this wrong at times.

    Args:
        predictions: with depth; the last block counts.
        dataset: the data set they were made for.

    Returns:
        Percentage of pairs of joints; NaN if there is none. And the number of pairs.

    Raises:
        ValueError: The network gives no depth.
    """
    if predictions.depth is None:
        raise ValueError("The network gives no depth (dim=2). Use a network with dim=3.")
    skeleton = get_skeleton("pa16j")
    visible = np.stack(
        [
            convert(sample.visible[:, None], sample.skeleton, skeleton)[:, 0]
            for sample in (dataset[index] for index in range(len(dataset)))
        ]
    )
    depth = convert(predictions.depth[-1][..., None], predictions.skeleton, skeleton)[..., 0]
    right, left = ([skeleton.index(f"{side}_{pair}") for pair in _PAIRS] for side in _SIDES)
    one_hidden = visible[:, right] + visible[:, left] == 1
    behind = depth[:, right] - depth[:, left]
    deeper = (np.where(visible[:, right] == 0, behind, -behind) > 0)[one_hidden]
    return (100 * float(deeper.mean()) if deeper.size else float("nan")), deeper.size
