"""Mends inaccurate joint labels, where two other sources agree on the place of a joint."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deephar.skeletons import Skeleton, get_skeleton

# Distances in lengths of the torso.
AGREEMENT = 0.2
"""Two places of a joint closer than this agree."""

DISAGREEMENT = 0.35
"""A label further than this from both other places is corrected, if these agree."""

CONTRADICTION = 0.5
"""A label further than this from both other places is left out, even if these do not agree."""

CONFIDENT = 0.4
"""A teacher's score from which its joint may correct a label."""

SURE = 0.5
"""A teacher's score from which its joint may be filled in, or a label be left out."""


@dataclass(frozen=True)
class CleanedLabels:
    """Labels after `clean_labels`.

    Attributes:
        joints: float64 (N, J, 2), NaN where a joint is not labelled or its label was left out.
        corrected: bool (N, J), labels that were moved.
        swapped: bool (N, J), those of the corrected that were at the place of the joint's
            counterpart on the other side.
        filled: bool (N, J), joints that had no label.
        left_out: bool (N, J), labels that were taken away.
    """

    joints: np.ndarray
    corrected: np.ndarray
    swapped: np.ndarray
    filled: np.ndarray
    left_out: np.ndarray


def clean_labels(
    labels: np.ndarray,
    teacher: np.ndarray,
    scores: np.ndarray,
    own: np.ndarray,
    skeleton: str | Skeleton,
) -> CleanedLabels:
    """Corrects, fills in and leaves out labels, by a teacher and a network of ours.

    A label stays where it is near one of the two. Where both contradict it and agree with each
    other, it moves to the middle of their places. Where both contradict it by far, and the teacher
    is sure, but they do not agree, nobody knows: the label is left out. A joint without a label
    gets the middle of their places, if they agree and the teacher is sure. The thresholds are
    constants of this module, in lengths of the torso.

    Args:
        labels: (N, J, 2), pixels, NaN where a joint is not labelled.
        teacher: (N, J, 2), another network's joints; NaN for joints that it lacks, whose labels
            stay.
        scores: (N, J), the teacher's scores in [0, 1].
        own: (N, J, 2), joints of a network of ours.
        skeleton: layout of all of these.

    Returns:
        `CleanedLabels`.

    Raises:
        ValueError: The shapes do not fit each other.
    """
    skeleton = get_skeleton(skeleton)
    shape = (len(labels), skeleton.num_joints, 2)
    for name, value in {"labels": labels, "teacher": teacher, "own": own}.items():
        if np.shape(value) != shape:
            raise ValueError(f"{name} must have the shape {shape}, got {np.shape(value)}.")
    if np.shape(scores) != shape[:2]:
        raise ValueError(f"scores must have the shape {shape[:2]}, got {np.shape(scores)}.")
    torso = _torso(labels, own, skeleton)

    def apart(first, second):
        return np.linalg.norm(first - second, axis=-1) / torso[:, None]

    # Comparisons with NaN are false: a joint that the teacher lacks touches no label.
    labelled = np.isfinite(labels).all(axis=-1)
    agree = apart(teacher, own) < AGREEMENT
    nearest = np.fmin(apart(labels, teacher), apart(labels, own))
    middle = (teacher + own) / 2
    corrected = agree & (nearest >= DISAGREEMENT) & (scores > CONFIDENT)
    filled = ~labelled & agree & (scores > SURE)
    left_out = (~corrected & ~agree & np.isfinite(teacher[..., 0]) & (nearest >= CONTRADICTION)) & (
        scores > SURE
    )
    swapped = corrected & (apart(labels, middle[:, skeleton.flip]) < AGREEMENT)
    joints = np.where((corrected | filled)[..., None], middle, labels)
    joints[left_out] = np.nan
    return CleanedLabels(joints, corrected, swapped, filled, left_out)


def _torso(labels, own, skeleton):
    """Length of each torso (N,): the shoulders' middle to that of the hips.

    It is taken from our network, which always has all joints. Seen from above or below it is too
    short, and a wrong one may be too long; the extent of the labelled joints bounds it.
    """
    torso = np.linalg.norm(
        _middle(own, skeleton, "shoulder") - _middle(own, skeleton, "hip"), axis=-1
    )
    extent = (np.nanmax(labels, axis=1) - np.nanmin(labels, axis=1)).max(axis=-1)
    return np.clip(torso, 0.15 * extent, 0.6 * extent)


def _middle(poses, skeleton, part):
    ends = [skeleton.index(f"{side}_{part}") for side in ("right", "left")]
    return poses[:, ends].mean(axis=1)
