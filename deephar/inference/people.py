"""Finding everybody in a picture, with nothing but the network of poses.

The network answers every window with a pose, whether somebody is there or not. A person is seen
well, and again in the window around their own pose: the pose stays where it is. What is no person
moves from window to window.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from deephar.geometry import BOX_MARGIN
from deephar.inference.boxes import enclosing_box, full_box
from deephar.inference.poses import poses_in_boxes

if TYPE_CHECKING:
    from deephar.inference.network import Config

MOST_PEOPLE = 30
"""The most persons that are found in a picture, which bounds the time of a search."""

SAME_PERSON = 0.3
"""Poses that are more similar than this are of one person, see `pose_similarity`."""

# Chosen on persons of LSP (training images), two or three in a picture.
_PARTS = (1, 2, 3)  # the windows' sides: that of the picture, a half, a third
_LEAST_CONFIDENCE = 0.25  # mean visibility in a window that is looked at again
_LEAST_SCORE = 0.86  # of a person


def find_people(
    network: Callable[[np.ndarray], dict],
    config: Config,
    image: np.ndarray,
    *,
    searcher: tuple[Callable[[np.ndarray], dict], Config] | None = None,
    batch_size: int = 8,
) -> list[np.ndarray]:
    """Finds the persons in a picture, from about a quarter of its height on.

    The network looks at all of the picture, and at overlapping windows of a half and of a third of
    its size. Each window with visible joints is moved to the pose in it, three times. What is seen
    well, and stays where it is, is a person. Of similar poses, the best one is kept.

    Args:
        network: from images (B, S, S, 3) to ``{"pose": (B, P, J, dim + 1)}``.
        config: its `ModelConfig`.
        image: RGB uint8 array (H, W, 3).
        searcher: another network with the same joints, and its config, for the windows and the
            first of the moves: a faster one.
        batch_size: B, windows per call of the network.

    Returns:
        The boxes (4,) of the persons, pixels, the one that is seen best first; at most
        `MOST_PEOPLE`. An empty list if nobody is seen.
    """
    size = image.shape[1::-1]
    judge, search = (
        partial(poses_in_boxes, *it, batch_size=batch_size)
        for it in ((network, config), searcher or (network, config))
    )
    boxes = [box for parts in _PARTS for box in search_boxes(size, parts)]
    poses = [pose for pose in search([image] * len(boxes), boxes) if _is_candidate(pose)]
    kept = different_poses(poses, [_confidence(pose) for pose in poses])[: 2 * MOST_PEOPLE]
    poses = [poses[number] for number in kept]
    steady = []
    for see in (search, judge, judge):
        moved = see([image] * len(poses), [enclosing_box([pose], size) for pose in poses])
        steady = [pose_similarity(a, b) for a, b in zip(poses, moved, strict=True)]
        poses = moved
    scores = [_confidence(pose) * same**0.5 for pose, same in zip(poses, steady, strict=True)]
    best = [number for number in different_poses(poses, scores) if scores[number] >= _LEAST_SCORE]
    return [enclosing_box([poses[number]], size) for number in best[:MOST_PEOPLE]]


def pose_similarity(one: np.ndarray, other: np.ndarray, *, tolerance: float = 0.1) -> float:
    """How similar two poses are, from 0 to 1, in the manner of COCO's object keypoint similarity.

    The mean over the joints of ``exp(-d^2 / 2 (t s)^2)``: d is the distance of the joint, s the
    square root of the area of the smaller pose's box, and t the tolerance. (COCO's tolerances
    differ from joint to joint, between 0.05 and 0.2, and are not known for other skeletons.)

    Args:
        one: (J, 2 or more), x and y first.
        other: the same of another pose.
        tolerance: distance of a joint that is the same, as a fraction of the size of the person.
    """
    areas = [np.prod(np.maximum(np.ptp(pose[:, :2], axis=0), 1.0)) for pose in (one, other)]
    squares = np.sum((one[:, :2] - other[:, :2]) ** 2, axis=1)
    return float(np.mean(np.exp(-squares / (2 * tolerance**2 * min(areas)))))


def different_poses(
    poses: Sequence[np.ndarray], scores: Sequence[float] | None = None
) -> list[int]:
    """Of poses of the same person, the one with the highest score.

    Args:
        poses: (J, dim + 1) each.
        scores: of each pose; None if the best one comes first.

    Returns:
        The numbers of the poses that are kept, the best first.
    """
    if scores is None:
        scores = np.arange(len(poses), 0, -1)
    order = np.argsort(-np.asarray(scores, float), kind="stable")
    kept = []
    for number in order.tolist():
        if all(pose_similarity(poses[number], poses[it]) <= SAME_PERSON for it in kept):
            kept.append(number)
    return kept


def search_boxes(size: Sequence[int], parts: int) -> list[np.ndarray]:
    """The boxes of windows whose side is a part of that of the picture, and which overlap by half.

    Args:
        size: (width, height) of the picture.
        parts: 1 for all of the picture, 2 for windows half as large, and so on.

    Returns:
        Boxes (4,), whose crops with the usual margin are the windows.
    """
    if parts == 1:
        return [full_box(size)]
    side = max(size) / parts
    corners = []
    for length in size:
        steps = max(0, int(np.ceil((length - side) / (side / 2))))
        corners.append(np.linspace(0, length - side, steps + 1) if steps else [(length - side) / 2])
    center, half = side / 2 - 0.5, side / BOX_MARGIN / 2
    middles = [np.array([x + center, y + center]) for y in corners[1] for x in corners[0]]
    return [np.concatenate([xy - half, xy + half]) for xy in middles]


def _is_candidate(pose):
    return _confidence(pose) >= _LEAST_CONFIDENCE


def _confidence(pose):
    return float(pose[:, -1].mean())
