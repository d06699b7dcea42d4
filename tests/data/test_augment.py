"""Random changes of images."""

from dataclasses import replace

import numpy as np
import pytest

from deephar.data import Augmentation, InputSpec, crop_sample
from deephar.data.augment import ImageChange
from deephar.skeletons import get_skeleton

STILL = Augmentation(rotation=0, scale=(1, 1), flip=0, translation=0, channel_power=(1, 1))
SMALL = InputSpec(32)


def test_augmented_joints_stay_on_what_they_mark(build):
    # A bright spot at every joint: whatever the change, there is one at every joint of the target.
    rng = np.random.default_rng(3)
    points = np.stack(np.meshgrid([40, 66, 92, 118], [42, 67, 91, 119]), -1).reshape(16, 2) + 0.3
    image = build.spots(160, 160, points, sigma=2.5)
    sample = build.sample(image, joints=points, center=np.full(2, 79.5), side=150.0)
    marked = 0
    for _ in range(20):
        crop = crop_sample(
            sample,
            InputSpec(128, "mpii16"),
            augmentation=Augmentation(channel_power=(1, 1)),
            rng=rng,
        )
        for x, y in crop.target[crop.target[:, 2] == 1, :2] * 128 - 0.5:
            if 8 < x < 119 and 8 < y < 119:
                spot = build.spot_centre(crop.image + 1, (x, y), radius=6)
                assert np.abs(spot - (x, y)).max() < 0.3
                marked += 1
    assert marked > 150


def test_no_augmentation_is_the_same_as_one_without_range(build):
    sample = build.dataset(1)[0]
    plain = crop_sample(sample, SMALL)
    still = crop_sample(sample, SMALL, augmentation=STILL, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(plain.image, still.image)
    np.testing.assert_array_equal(plain.target, still.target)


def test_draws_fill_their_ranges():
    augmentation = Augmentation()
    changes = [augmentation.sample(np.random.default_rng(i)) for i in range(500)]
    for name, low, high in (
        ("angle", -40, 40),
        ("scale", 0.7, 1.3),
        ("shift", -0.1, 0.1),
        ("power", 0.9, 1.1),
    ):
        values = np.array([getattr(change, name) for change in changes])
        assert low <= values.min() < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < values.max() <= high
    assert 0.4 < np.mean([change.flip for change in changes]) < 0.6


def test_switching_one_change_off_leaves_the_others_as_they_were():
    full, less = (
        augmentation.sample(np.random.default_rng(7))
        for augmentation in (Augmentation(), Augmentation(rotation=0, flip=0))
    )
    assert full.scale == less.scale
    np.testing.assert_array_equal(full.power, less.power)


@pytest.mark.parametrize(
    "changes",
    [
        {"scale": (1.3, 0.7)},
        {"scale": (0, 1)},
        {"channel_power": (0.9, np.inf)},
        {"flip": 1.5},
        {"rotation": -1},
        {"translation": float("nan")},
        {"half_body": 1.5},
    ],
)
def test_augmentation_rejects_impossible_ranges(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        Augmentation(**changes)


def test_windows_around_half_a_body_hold_its_joints(build):
    skeleton = get_skeleton("mpii16")
    # Legs in the lower half of the picture, the rest in the upper half.
    lower = np.array(
        [name.endswith(("ankle", "knee", "hip", "pelvis")) for name in skeleton.joints]
    )
    joints = np.random.default_rng(0).uniform(20, 80, (16, 2)) + np.outer(lower, (0, 90))
    sample = build.sample(
        np.zeros((180, 100, 3), np.uint8), joints=joints, center=np.array([50, 90]), side=200.0
    )
    spec = InputSpec(16, "mpii16")
    halves = replace(STILL, half_body=1.0)
    targets = [
        crop_sample(sample, spec, augmentation=halves, rng=np.random.default_rng(i)).target
        for i in range(60)
    ]
    shown = np.array([target[:, 2] == 1 for target in targets])
    upper_shown, lower_shown = shown[:, ~lower].all(axis=1), shown[:, lower].all(axis=1)
    np.testing.assert_array_equal(upper_shown, ~lower_shown)
    assert 30 < upper_shown.sum() < 55
    # The half is large in its window.
    for target, upper in zip(targets, upper_shown, strict=True):
        assert 0.6 < np.ptp(target[~lower if upper else lower, :2], axis=0).max() < 0.7
    some = replace(STILL, half_body=0.3)
    sides = [
        some.sample(np.random.default_rng(i)).window(joints, skeleton, (50, 90), 200.0)[1]
        for i in range(200)
    ]
    assert 30 < sum(side < 200 for side in sides) < 90


def test_half_a_body_without_labels_is_not_looked_at(build):
    joints = np.full((16, 2), np.nan)
    joints[:2] = 30, 40
    change = ImageChange(half="lower")
    center, side = change.window(joints, "mpii16", (20, 25), 60.0)
    assert (*center, side) == (20, 25, 60)
    # Nor is a window made of joints that are next to each other.
    joints[:6] = 30, 40
    joints[0] = 31, 40
    assert change.window(joints, "mpii16", (20, 25), 60.0)[1] == pytest.approx(24)


def test_augmentation_needs_a_generator(build):
    with pytest.raises(ValueError, match="Generator"):
        crop_sample(build.dataset(1)[0], SMALL, augmentation=Augmentation())
