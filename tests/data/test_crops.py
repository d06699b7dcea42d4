"""From a person in an image to the input and target of the network."""

import numpy as np
import pytest

from deephar.data import Augmentation, InputSpec, crop_batch, crop_sample
from deephar.data.augment import ImageChange
from deephar.geometry import apply_affine

SMALL = InputSpec(32)


def test_outside_of_the_image_is_black(build):
    image = np.full((32, 32, 3), 255, np.uint8)
    crop = crop_sample(build.sample(image, center=np.array([-0.5, 15.5]), side=32.0), SMALL).image
    assert (crop[:, :15] == -1).all()
    assert (crop[:, 17:] == 1).all()


class Fixed:
    """An augmentation that is always the same."""

    def __init__(self, **changes):
        self.change = ImageChange(**changes)

    def sample(self, rng):
        return self.change


def mpii_crop(build, reference, i):
    """The crop of a person of the reference with the protocol of MPII, and its window's side."""
    angle, scale, flip, *translation = reference[f"s{i}_config"]
    s = 1.25 * reference[f"s{i}_scale"]
    sample = build.sample(
        reference["image"],
        center=reference[f"s{i}_objpos"] + (0, 12 * s),
        side=float(200 * s),
        joints=reference[f"s{i}_pose_image"],
    )
    change = Fixed(angle=angle, scale=scale, flip=bool(flip), shift=np.array(translation) / 200)
    rng = np.random.default_rng(0)
    return crop_sample(sample, InputSpec(64), augmentation=change, rng=rng), 200 * s * scale


def test_windows_agree_with_the_reference_up_to_its_truncation(build, golden):
    # The published code cuts the corners of the window to integers; here they are kept.
    reference = golden("fn_mpii_sample")
    for i in range(4):
        crop, side = mpii_crop(build, reference, i)
        corners = [[0, 0], [320, 0], [0, 240], [320, 240]]
        ours, theirs = (apply_affine(a, corners) for a in (crop.affine, reference[f"s{i}_afmat"]))
        assert np.abs(ours - theirs).max() * side < 1
        both = (crop.target[:, 0] > -1) & (reference[f"s{i}_pose"][:, 0] > -1)
        assert both.sum() >= 2
        errors = (crop.target - reference[f"s{i}_pose"])[both, :2]
        assert np.abs(errors).max() * side < 1


def test_same_seed_same_crop(build):
    sample = build.dataset(1)[0]
    crops = [
        crop_sample(sample, SMALL, augmentation=Augmentation(), rng=np.random.default_rng(seed))
        for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(crops[0].image, crops[1].image)
    np.testing.assert_array_equal(crops[0].target, crops[1].target)
    assert (crops[0].image != crops[2].image).any()


def test_crop_batch_stacks_crops(build):
    dataset = build.dataset(3)
    images, targets = crop_batch(list(dataset), SMALL, seeds=[1, 2, 3], augmentation=Augmentation())
    rng = np.random.default_rng(2)
    crop = crop_sample(dataset[1], SMALL, augmentation=Augmentation(), rng=rng)
    assert images.shape == (3, 32, 32, 3)
    assert targets.shape == (3, 16, 3)
    np.testing.assert_array_equal(images[1], crop.image)
    np.testing.assert_array_equal(targets[1], crop.target)


@pytest.mark.parametrize("side", [0.0, -5.0, float("nan"), float("inf")])
def test_window_without_a_size_names_the_sample(side, build):
    with pytest.raises(ValueError, match="'somebody' has no window"):
        crop_sample(build.sample(np.zeros((48, 64, 3), np.uint8), side=side), SMALL)


def test_unknown_position_names_the_sample(build):
    sample = build.sample(np.zeros((48, 64, 3), np.uint8), center=np.array([np.nan, 5]))
    with pytest.raises(ValueError, match="'somebody' has no window"):
        crop_sample(sample, SMALL)


@pytest.mark.parametrize("center", [(-21, 20), (84, 20), (30, -21), (30, 68.5), (1e6, 1e6)])
def test_person_wholly_outside_of_the_image_names_the_sample(tmp_path, build, center):
    build.image(tmp_path / "a.jpg", 64, 48)
    sample = build.sample(str(tmp_path / "a.jpg"), center=np.array(center, float))
    with pytest.raises(ValueError, match="'somebody' lies wholly outside of its image of 64 x 48"):
        crop_sample(sample, SMALL)


def test_person_partly_outside_of_the_image_is_cropped(build):
    crop_sample(build.sample(np.zeros((48, 64, 3), np.uint8), center=np.array([-19.0, 20])), SMALL)


def test_joints_of_wrong_length_name_the_sample(build):
    sample = build.sample(np.zeros((48, 64, 3), np.uint8), joints=np.zeros((14, 2)))
    with pytest.raises(ValueError, match=r"'somebody' has joints of shape \(14, 2\)"):
        crop_sample(sample, SMALL)


def test_stills_with_and_without_depth_make_one_batch(build):
    image = np.full((48, 64, 3), 90, np.uint8)
    joints = np.full((16, 2), 25.0)
    flat = build.sample(image, joints=joints)
    deep = build.sample(image, joints=joints, joints_3d=np.full((16, 3), 4000.0))
    images, targets = crop_batch([flat, deep], InputSpec(16, dim=3))
    assert targets.shape == (2, 16, 4)
    assert (targets[0, :, 2] == np.float32(-1e9)).all()
    assert (targets[1, :, 2] == 0.5).all()
    np.testing.assert_array_equal(targets[0][:, [0, 1, 3]], targets[1][:, [0, 1, 3]])
    np.testing.assert_array_equal(images[0], images[1])
