"""Targets of the network: the joints of a person in the crop, with depth and visibility."""

from __future__ import annotations

import numpy as np

from deephar.data.inputs import check_dim
from deephar.geometry import apply_affine
from deephar.skeletons import UNSUPERVISED, Skeleton, convert, get_skeleton, joint_map

DEPTH_RANGE = 2000.0
"""Range of depth in mm that is 0 to 1 for the network; the pelvis is in the middle, at 0.5."""


def pose_target(
    joints: np.ndarray,
    affine: np.ndarray,
    *,
    source: str | Skeleton,
    skeleton: str | Skeleton,
    flip: bool = False,
    dim: int = 2,
    depth: np.ndarray | None = None,
) -> np.ndarray:
    """The target of the network for the joints of a person, in one image or in several.

    Args:
        joints: (..., source joints, 2), pixels, NaN where unlabelled.
        affine: (3, 3), image pixels to the unit crop.
        source: skeleton of `joints`.
        skeleton: skeleton of the target.
        flip: whether `affine` mirrors the image, so that left and right are exchanged.
        dim: coordinates of a joint, 2 or 3.
        depth: (..., source joints), distance of each joint along the camera's axis in mm, NaN
            where unknown; None = unknown. Not used if `dim` is 2.

    Returns:
        float32 (..., joints, dim + 1): x and y in the unit crop, -1e9 where the joint is
        unlabelled or outside of the crop; z if `dim` is 3; and the visibility. That is 1 inside of
        the crop; 0 outside of it, or where the joint is unlabelled (annotators leave out what is
        not in the picture); -1e9 where `source` does not have the joint. For z see `unit_depth`; it
        is -1e9 where x and y are, where it is unknown, and where it is not in 0 to 1.

    Raises:
        ValueError: Wrong shapes, or `dim` is neither 2 nor 3.
    """
    check_dim(dim)
    skeleton = get_skeleton(skeleton)
    points = apply_affine(affine, convert(joints, source, skeleton))
    in_source = joint_map(source, skeleton) >= 0
    if flip:
        points, in_source = points[..., skeleton.flip, :], in_source[skeleton.flip]
    inside = ((points >= 0) & (points <= 1)).all(axis=-1)  # NaN is not
    target = np.full((*inside.shape, dim + 1), UNSUPERVISED, np.float32)
    target[inside, :2] = points[inside]
    target[..., in_source, dim] = inside[..., in_source]
    if dim == 3 and depth is not None:
        z = unit_depth(depth, source, skeleton)
        z = z[..., skeleton.flip] if flip else z
        known = inside & (z >= 0) & (z <= 1)
        target[known, 2] = z[known]
    return target


def unit_depth(depth: np.ndarray, source: str | Skeleton, skeleton: str | Skeleton) -> np.ndarray:
    """Depth as the network takes it: ``(Z - Z of the pelvis) / 2000 mm + 0.5``.

    So 0.5 is the depth of the pelvis, and 0 to 1 is 1 m in front of it to 1 m behind it. If
    `source` has no pelvis, the middle of the hips takes its place.

    Args:
        depth: (..., source joints), distance along the camera's axis in mm, NaN where unknown.
        source: skeleton of `depth`.
        skeleton: skeleton wanted.

    Returns:
        float64 (..., joints); NaN where the joint, or the pelvis, is unknown.

    Raises:
        ValueError: Wrong number of joints, or `source` has neither pelvis nor hips.
    """
    source = get_skeleton(source)
    depth = np.asarray(depth, float)
    converted = convert(depth[..., None], source, skeleton)[..., 0]
    root = ("pelvis",) if "pelvis" in source.joints else ("right_hip", "left_hip")
    root = depth[..., [source.index(joint) for joint in root]].mean(axis=-1, keepdims=True)
    return (converted - root) / DEPTH_RANGE + 0.5


def depth_mm(depth: np.ndarray) -> np.ndarray:
    """Depth in mm relative to the root, positive behind it; the inverse of `unit_depth`.

    Args:
        depth: of any shape, z as the network gives it.
    """
    return DEPTH_RANGE * (np.asarray(depth) - 0.5)
