"""Finding everybody in a picture, with nothing but the network of poses.

The network answers every window with a pose, whether somebody is there or not. A person is seen
well, and again in the window around their own pose: the pose stays where it is. What is no person
moves from window to window.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from deephar.geometry import BOX_MARGIN
from deephar.inference.boxes import enclosing_box, full_box
from deephar.inference.poses import confidence_of, poses_in_boxes, presence_of

if TYPE_CHECKING:
    from deephar.inference.network import Config

MOST_PEOPLE = 30
"""The most persons that are found in a picture, which bounds the time of a search."""

SAME_PERSON = 0.05
"""Poses that are more similar than this are of one person, see `pose_similarity`."""

# Chosen on the persons of MPII that were held out of training, two or three in a picture.
_PARTS = (1, 2, 3)  # the windows' sides: that of the picture, a half, a third
_SAME_WINDOW = 0.3  # similarity of poses in windows of which one is looked at again
_SAME_MOVED = 0.7  # the same of windows that have been moved
_LEAST_CONFIDENCE = (0.25, 0.5)  # mean visibility in these that is looked at again
_LEAST_SCORE = 0.65  # of a person
_LEAST_HALF_SCORE = 0.8  # of the better half of a person who is cut off by the border
_NEAR_BORDER = 0.25  # of the longer side of a box: who is nearer to the border may be cut off
_SMALLEST = 0.1  # of the picture's longer side: what is smaller is rather a part of somebody

_BATCH_STEP = 8  # batches are of a multiple of this many windows: each size is traced once
_LARGEST_BATCH = 32

Searcher = tuple[Callable[[np.ndarray], dict], "Config"]


def find_people(
    network: Callable[[np.ndarray], dict],
    config: Config,
    image: np.ndarray,
    *,
    searcher: Searcher | None = None,
) -> list[np.ndarray]:
    """Finds the persons in a picture, from about a quarter of its height on.

    The network looks at all of the picture, and at overlapping windows of a half and of a third of
    its size, all at once. Each window with visible joints is moved to the pose in it, twice. What
    is seen well, and stays where it is, is a person. Of similar poses, the best one is kept.

    Args:
        network: from images (B, S, S, 3) to ``{"pose": (B, P, J, dim + 1)}``.
        config: its `ModelConfig`.
        image: RGB uint8 array (H, W, 3).
        searcher: another network with the same joints, and its config, for the windows and a first
            move: a faster one.

    Returns:
        The boxes (4,) of the persons, pixels, the one that is seen best first; at most
        `MOST_PEOPLE`. An empty list if nobody is seen.
    """
    poses = candidates(network, config, image, searcher=searcher)
    boxes = [enclosing_box([pose], image.shape[1::-1]) for pose in poses]
    seen = _see(image, boxes, network, config)
    return [boxes[number] for number in persons_among(poses, seen, image.shape[1::-1])]


def candidates(
    network: Callable[[np.ndarray], dict],
    config: Config,
    image: np.ndarray,
    *,
    searcher: Searcher | None = None,
) -> list[np.ndarray]:
    """Poses (J, dim + 1) of what may be persons, at most twice `MOST_PEOPLE`.

    Args:
        network: as of `find_people`.
        config: as of `find_people`.
        image: as of `find_people`.
        searcher: as of `find_people`.
    """
    size = image.shape[1::-1]
    first, second = _LEAST_CONFIDENCE
    windows = [box for parts in _PARTS for box in search_boxes(size, parts)]
    poses = _see(image, windows, *(searcher or (network, config)))
    poses = _distinct(poses, first, _SAME_WINDOW)[: 2 * MOST_PEOPLE]
    for see in filter(None, (searcher, (network, config))):
        poses = _see(image, [enclosing_box([pose], size) for pose in poses], *see)
        poses = _distinct(poses, second, _SAME_MOVED)
    least = _SMALLEST * max(size)
    return [pose for pose in poses if np.ptp(pose[:, :2], axis=0).max() >= least]


def persons_among(
    poses: Sequence[np.ndarray], seen: Sequence[np.ndarray], size: Sequence[int]
) -> list[int]:
    """Which candidates are persons: each is seen well, again, where the pose was.

    Of somebody who is cut off by the border, as in front of a webcam, half of the joints count.

    Args:
        poses: (J, dim + 1) each, of the candidates.
        seen: the poses in the windows around these.
        size: (width, height) of the picture.

    Returns:
        The numbers of the persons, who is seen best first, at most `MOST_PEOPLE`.
    """
    stays = [pose_similarity(*pair) ** 0.5 for pair in zip(poses, seen, strict=True)]
    scores = [confidence_of(pose) * stay for pose, stay in zip(seen, stays, strict=True)]

    def is_person(number):
        pose = seen[number]
        half = presence_of(pose) * stays[number] if _may_be_cut_off(pose, size) else 0
        return scores[number] >= _LEAST_SCORE or half >= _LEAST_HALF_SCORE

    # A candidate that is no person must not replace one of the same place that is.
    persons = list(filter(is_person, range(len(seen))))
    best = different_poses([seen[n] for n in persons], [scores[n] for n in persons])
    return [persons[number] for number in best][:MOST_PEOPLE]


def _may_be_cut_off(pose, size):
    """Whether the box of a pose is near to the border of a picture of `size`."""
    box = enclosing_box([pose], size)
    margin = _NEAR_BORDER * max(box[2:] - box[:2])
    return bool((box[:2] < margin).any() or (box[2:] > np.array(size) - 1 - margin).any())


def _see(image, boxes, network, config):
    """The poses in the windows around boxes, in one call of the network unless they are many."""
    count = min(_LARGEST_BATCH, _BATCH_STEP * -(-len(boxes) // _BATCH_STEP))
    return poses_in_boxes(network, config, [image] * len(boxes), boxes, batch_size=count)


def _distinct(poses, least, same):
    """The poses in which somebody may be seen, without those that are similar to better ones."""
    poses = [pose for pose in poses if confidence_of(pose) >= least]
    kept = different_poses(poses, [confidence_of(pose) for pose in poses], same=same)
    return [poses[number] for number in kept]


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
    poses: Sequence[np.ndarray],
    scores: Sequence[float] | None = None,
    *,
    same: float = SAME_PERSON,
) -> list[int]:
    """Of poses of the same person, the one with the highest score.

    Args:
        poses: (J, dim + 1) each.
        scores: of each pose; None if the best one comes first.
        same: poses that are more similar are of the same person.

    Returns:
        The numbers of the poses that are kept, the best first.
    """
    if scores is None:
        scores = np.arange(len(poses), 0, -1)
    order = np.argsort(-np.asarray(scores, float), kind="stable")
    kept = []
    for number in order.tolist():
        if all(pose_similarity(poses[number], poses[it]) <= same for it in kept):
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
