"""Persons of a data set beside each other: cut-outs of other persons pasted into its pictures.

On most labelled pictures there is one person. A network that has seen no others mixes the limbs of
two persons who are close to each other. Here, the person in the middle keeps the labels.

The shape of a cut-out is drawn around the labelled joints, since no data set of ours has masks.

G. Ghiasi, Y. Cui, A. Srinivas et al., "Simple Copy-Paste is a Strong Data Augmentation Method for
Instance Segmentation", CVPR 2021.
"""

from dataclasses import replace

import cv2
import numpy as np

from deephar.data.images import crop_and_size, crop_image, load_image
from deephar.data.samples import Dataset, Sample, Subset
from deephar.geometry import apply_affine, crop_affine, warp_matrix
from deephar.skeletons import Skeleton, get_skeleton

_TRUNK = ("right_shoulder", "left_shoulder", "left_hip", "right_hip")
_LIMBS = ("shoulder elbow", "elbow wrist", "hip knee", "knee ankle")
# In lengths of the trunk or of a thigh, whichever looks longer.
_THICKNESS = (0.2, 0.17, 0.32, 0.24)  # of the limbs above
_TRUNK_EDGE, _HEAD_THICKNESS, _ANKLE_THICKNESS, _SOFTNESS = 0.26, 0.36, 0.36, 0.03
_HAND = 0.4  # length of a hand, in lengths of the forearm

_UNKNOWN = np.full(2, np.nan)  # place of a joint that a skeleton lacks

_SCALE = (0.75, 1.35)  # size of the other person, relative to the labelled one
_DISTANCE = (0.2, 0.5)  # from the labelled person, in sides of the window
_HEIGHT = 0.1  # largest difference in height, in sides of the window
_TILT = 15.0  # largest angle that the other person is turned by, degrees
_IN_FRONT = 0.5  # how often the other person is in front
_COVERED = 0.4  # of a labelled person, the most that somebody in front covers


class InCompany(Subset):
    """A data set of stills with another of its persons beside some of the persons.

    Who gets company, and whose, follows from the seed; it is the same whenever a person is asked
    for. Persons without labels of both shoulders and hips stay alone.

    Args:
        dataset: a data set of stills.
        share: how many of the persons get company, 0 to 1.
        seed: another seed gives other company.

    Raises:
        ValueError: The share is not 0 to 1, or the skeleton lacks shoulders or hips.
    """

    def __init__(self, dataset: Dataset, share: float, *, seed: int = 0):
        if not 0 <= share <= 1:
            raise ValueError(f"The share of persons in company must be 0 to 1, got {share}.")
        if missing := [
            name for name in _TRUNK if name not in get_skeleton(dataset.skeleton).joints
        ]:
            raise ValueError(
                f"Persons of {dataset!r} cannot be cut out, since its skeleton has no "
                f"{', '.join(missing)}."
            )
        super().__init__(dataset, range(len(dataset)))
        self.share, self.seed = share, seed
        self._whole = [i for i in range(len(dataset)) if _has_trunk(dataset[i])]

    def __getitem__(self, index: int) -> Sample:
        index = range(len(self))[index]  # from 0, as the seed needs it
        sample = self.dataset[index]
        rng = np.random.default_rng([self.seed, index])
        if rng.random() >= self.share or not _has_trunk(sample) or len(self._whole) < 2:
            return sample
        number = int(rng.integers(len(self._whole)))
        if self._whole[number] == index:  # nobody stands beside themselves
            number -= 1
        return _beside(sample, self.dataset[self._whole[number]], rng)


def person_mask(joints: np.ndarray, skeleton: str | Skeleton, size: tuple[int, int]) -> np.ndarray:
    """The shape of a person, drawn around the joints.

    Args:
        joints: (joints, 2), pixels, NaN where unlabelled. Limbs without labels are left out.
        skeleton: the skeleton of `joints`; it has shoulders and hips.
        size: (width, height) of the mask.

    Returns:
        float32 (height, width), 0 to 1, with a soft edge.
    """
    at = dict(zip(get_skeleton(skeleton).joints, np.asarray(joints, float), strict=True))
    unit = _unit(at)
    mask = np.zeros(size[::-1], np.uint8)

    def line(start, end, thickness):
        if np.isfinite([start, end]).all():
            ends = [tuple(int(v) for v in np.round(end)) for end in (start, end)]
            cv2.line(mask, *ends, 255, max(1, round(thickness * unit)))

    trunk = np.round([at[name] for name in _TRUNK]).astype(np.int32)
    cv2.fillConvexPoly(mask, cv2.convexHull(trunk), 255)
    for start, end in zip(trunk, np.roll(trunk, 1, axis=0), strict=True):
        line(start, end, _TRUNK_EDGE)
    for side in ("right", "left"):
        for limb, thickness in zip(_LIMBS, _THICKNESS, strict=True):
            start, end = (at.get(f"{side}_{name}", _UNKNOWN) for name in limb.split())
            hand = _HAND if limb.endswith("wrist") else 0
            line(start, end + hand * (end - start), thickness)
            if limb.endswith("ankle"):
                line(end, end, _ANKLE_THICKNESS)
    neck, top = at.get("neck", _UNKNOWN), at.get("head_top", _UNKNOWN)
    line(at.get("thorax", trunk[:2].mean(axis=0)), neck, _HEAD_THICKNESS / 2)
    line(neck + 0.4 * (top - neck), neck + 0.75 * (top - neck), _HEAD_THICKNESS)
    soft = max(0.5, _SOFTNESS * unit)
    return cv2.GaussianBlur(mask, (0, 0), soft).astype(np.float32) / 255


def _has_trunk(sample):
    names = get_skeleton(sample.skeleton).joints
    return bool(np.isfinite(sample.joints[[names.index(name) for name in _TRUNK]]).all())


def _unit(at):
    """Length in pixels of the trunk or a thigh, the longest one: others may be foreshortened."""
    shoulders = (at["right_shoulder"] + at["left_shoulder"]) / 2
    lengths = [np.linalg.norm(shoulders - (at["right_hip"] + at["left_hip"]) / 2)]
    for side in ("right", "left"):
        lengths.append(np.linalg.norm(at.get(f"{side}_knee", _UNKNOWN) - at[f"{side}_hip"]))
    return float(np.nanmax(lengths))


def _beside(sample, other, rng):
    """The sample with a cut-out of another one beside its person, in front or behind."""
    picture = load_image(sample.image).copy()
    sideways = rng.choice([-1, 1]) * rng.uniform(*_DISTANCE)
    place = sample.center + sample.side * np.array([sideways, rng.uniform(-_HEIGHT, _HEIGHT)])
    length = max(1, round(sample.side * rng.uniform(*_SCALE)))
    cut_out, shape = _cut_out(other, length, angle=rng.uniform(-_TILT, _TILT), rng=rng)

    low = np.round(place - (length - 1) / 2).astype(int)
    mask = _moved(shape, low, picture.shape[:2])
    own = person_mask(sample.joints, sample.skeleton, picture.shape[1::-1])
    in_front = rng.random() < _IN_FRONT
    if not in_front or (mask * own).sum() > _COVERED * own.sum():
        mask *= 1 - own
    mask, pasted = mask[..., None], _moved(cut_out, low, picture.shape[:2])
    return replace(sample, image=np.round(mask * pasted + (1 - mask) * picture).astype(np.uint8))


def _cut_out(sample, length, *, angle, rng):
    """The window of a person as `length` x `length` pixels, and the shape of the person in it."""
    affine = crop_affine(sample.center, sample.side, angle=angle, flip=rng.random() < 0.5)
    pixels, (width, height) = crop_and_size(sample.image, affine, length)
    joints = apply_affine(warp_matrix(affine, length), sample.joints)
    shape = person_mask(joints, sample.skeleton, (length, length))
    whole = crop_image(np.full((height, width), 255, np.uint8), affine, length)
    return pixels, shape * (whole[..., 0] == 255)  # black around the picture is not the person


def _moved(patch, low, size):
    """A patch with its top left corner at `low` (x, y) of an empty picture (height, width)."""
    shift = np.array([[1, 0, low[0]], [0, 1, low[1]]], float)
    return cv2.warpAffine(patch, shift, size[::-1], flags=cv2.INTER_NEAREST)
