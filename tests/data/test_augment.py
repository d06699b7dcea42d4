"""Random changes of images."""

import numpy as np
import pytest

from deephar.data import Augmentation, InputSpec, crop_sample

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
    ],
)
def test_augmentation_rejects_impossible_ranges(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        Augmentation(**changes)


def test_augmentation_needs_a_generator(build):
    with pytest.raises(ValueError, match="Generator"):
        crop_sample(build.dataset(1)[0], SMALL, augmentation=Augmentation())
