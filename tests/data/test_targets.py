"""Targets of the network: joints in the crop, visibility, depth."""

import numpy as np
import pytest

from deephar.data import InputSpec, crop_sample, pose_target, unit_depth
from deephar.geometry import crop_affine
from deephar.skeletons import get_skeleton


def test_targets_agree_with_the_reference(golden):
    reference = golden("fn_mpii_sample")
    for i in range(4):
        target = pose_target(
            reference[f"s{i}_pose_image"],
            reference[f"s{i}_afmat"],
            source="mpii16",
            skeleton="pa16j",
            flip=bool(reference[f"s{i}_config"][2]),
        )
        np.testing.assert_allclose(target, reference[f"s{i}_pose"], rtol=0, atol=1e-7)


def test_visibility_of_the_target_says_what_is_known():
    joints = np.full((14, 2), 5.0)
    joints[0] = 25  # right ankle, out of the crop
    joints[5] = np.nan  # left ankle, unlabelled
    target = pose_target(joints, crop_affine((4.5, 4.5), 10), source="lsp14", skeleton="pa16j")
    of = {name: target[i] for i, name in enumerate(get_skeleton("pa16j").joints)}
    unsupervised = np.float32(-1e9)
    assert target.dtype == np.float32
    np.testing.assert_allclose(of["right_knee"], (0.55, 0.55, 1), rtol=1e-6)
    assert of["right_ankle"].tolist() == [unsupervised, unsupervised, 0]
    assert of["left_ankle"].tolist() == [unsupervised, unsupervised, 0]
    assert of["pelvis"].tolist() == [unsupervised] * 3  # LSP has none


def test_flip_swaps_left_and_right():
    skeleton = get_skeleton("pa16j")
    joints = np.random.default_rng(0).uniform(2, 18, (16, 2))
    affine, mirrored = (crop_affine((9.5, 9.5), 20, flip=flip) for flip in (False, True))
    plain = pose_target(joints, affine, source="pa16j", skeleton="pa16j")
    flipped = pose_target(joints, mirrored, source="pa16j", skeleton="pa16j", flip=True)
    left, right = skeleton.index("left_wrist"), skeleton.index("right_wrist")
    np.testing.assert_allclose(flipped[left, 0], 1 - plain[right, 0], atol=1e-6)
    np.testing.assert_allclose(flipped[left, 1], plain[right, 1], atol=1e-6)


def test_flip_swaps_what_one_side_only_is_known_of():
    joints = np.full((16, 2), 5.0)
    joints[get_skeleton("mpii16").index("left_wrist")] = np.nan
    target = pose_target(
        joints, crop_affine((5, 5), 20, flip=True), source="mpii16", skeleton="pa16j", flip=True
    )
    assert target[get_skeleton("pa16j").index("right_wrist"), 2] == 0
    assert target[get_skeleton("pa16j").index("left_wrist"), 2] == 1


def target_3d(depth, source="pa16j", skeleton="pa16j", **changes):
    """Target of joints in the middle of the crop, at the given depths."""
    joints = np.full((get_skeleton(source).num_joints, 2), 20.0)
    affine = crop_affine((20, 20), 40)
    arguments = {"source": source, "skeleton": skeleton, "dim": 3, "depth": depth}
    return pose_target(joints, affine, **(arguments | changes))


def test_depth_is_relative_to_the_pelvis():
    depth = np.full(16, 5000.0)
    depth[0], depth[4] = 4700, 4100  # pelvis, right shoulder
    target = target_3d(depth)
    assert target.shape == (16, 4)
    assert target.dtype == np.float32
    np.testing.assert_allclose(target[[0, 4, 5], 2], [0.5, 0.5 - 600 / 2000, 0.5 + 300 / 2000])
    assert (target[:, 3] == 1).all()


def test_depth_that_is_unknown_or_out_of_range_is_not_supervised():
    depth = np.zeros(16)
    depth[[3, 4, 5, 6]] = np.nan, 1001, -1001, 1000
    target = target_3d(depth)
    np.testing.assert_array_equal(target[[3, 4, 5], 2], np.float32(-1e9))
    assert target[6, 2] == 1
    assert (target[:, 3] == 1).all()
    assert (target[:, :2] == 0.5).all()
    depth[0] = np.nan
    assert (target_3d(depth)[:, 2] == np.float32(-1e9)).all()
    assert (target_3d(None)[:, 2] == np.float32(-1e9)).all()


def test_depth_is_not_supervised_out_of_the_crop():
    affine = crop_affine((20, 20), 40)
    joints = np.full((16, 2), 20.0)
    joints[7] = 41, 20
    target = pose_target(
        joints, affine, dim=3, depth=np.zeros(16), source="pa16j", skeleton="pa16j"
    )
    np.testing.assert_array_equal(target[7], np.float32([-1e9, -1e9, -1e9, 0]))


def test_depth_changes_names_with_a_flip():
    depth = 10.0 * np.arange(16)
    skeleton = get_skeleton("pa16j")
    z, flipped = (target_3d(depth, flip=flip)[:, 2] for flip in (False, True))
    np.testing.assert_array_equal(flipped, z[skeleton.flip])


def test_depth_without_a_pelvis_is_relative_to_the_hips():
    skeleton = get_skeleton("penn13")
    depth = np.zeros(13)
    depth[skeleton.index("right_hip")] = 200
    z = unit_depth(depth, "penn13", "pa16j")
    assert np.isnan(z[:3]).all()
    np.testing.assert_allclose(z[3], 0.5 - 100 / 2000)


def test_targets_in_2d_are_those_in_3d_without_depth():
    rng = np.random.default_rng(0)
    joints = rng.uniform(-5, 45, (7, 16, 2))
    joints[rng.random((7, 16)) < 0.2] = np.nan
    affine = crop_affine((20, 20), 40, angle=15, flip=True)
    kind = {"source": "mpii16", "skeleton": "pa17j", "flip": True}
    flat = pose_target(joints, affine, **kind)
    deep = pose_target(joints, affine, dim=3, depth=rng.normal(0, 300, (7, 16)), **kind)
    np.testing.assert_array_equal(flat, deep[..., [0, 1, 3]])
    for t in range(7):  # several images at once
        one = pose_target(joints[t], affine, **kind)
        np.testing.assert_array_equal(flat[t], one)


def test_bad_depths_and_dimensions(build):
    with pytest.raises(ValueError, match="dim must be 2 or 3, got 4"):
        target_3d(None, dim=4)
    with pytest.raises(ValueError, match="must have the shape"):
        target_3d(np.zeros(15))
    sample = build.sample(np.zeros((48, 64, 3), np.uint8), joints_3d=np.zeros((16, 2)))
    with pytest.raises(ValueError, match=r"'somebody' has joints_3d of shape \(16, 2\)"):
        crop_sample(sample, InputSpec(16, dim=3))
