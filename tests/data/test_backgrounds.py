"""Windows of pictures in which no person is labelled."""

import numpy as np

from deephar.data import MPII, hold_out
from deephar.data.backgrounds import backgrounds
from deephar.data.images import load_image


def joints_around(x, y):
    return [[x + 2 * j, y + 3 * j] for j in range(16)]


def test_backgrounds_are_squares_away_from_all_persons(build, tmp_path):
    records = [build.record(f"{n}.jpg", joints=joints_around(10, 10)) for n in range(10)]
    # Somebody else in the last picture, who may be in the other part.
    records.append(build.record("9.jpg", joints=joints_around(120, 60)))
    for record in records:
        build.image(tmp_path / "images" / record["image"], 160, 120)
    build.mpii_json(tmp_path, "train", records)
    dataset = MPII(tmp_path)
    part = hold_out(dataset, 0.3)[1]
    found = backgrounds(part)
    images = {sample.image for sample in part}
    assert {sample.image for sample in found} == images
    assert {sample.side for sample in found} <= {60, 40, 30}
    assert any(sample.side == 60 for sample in found)
    persons = {image: [] for image in images}
    for sample in (dataset[index] for index in range(len(dataset))):
        persons.get(sample.image, []).append(sample.joints)
    for number, sample in enumerate(found):
        assert np.isnan(sample.joints).all()
        low, high = sample.center - sample.side / 2, sample.center + sample.side / 2
        height, width = load_image(sample.image).shape[:2]
        assert (low >= -0.5).all()
        assert (high <= np.array([width, height]) - 0.5).all()
        for joints in persons[sample.image]:
            assert not ((joints > low) & (joints < high)).all(axis=1).any()
        for other in found[:number]:
            if other.image == sample.image:
                apart = np.abs(other.center - sample.center).max()
                assert apart >= (other.side + sample.side) / 2 - 1e-9


def test_pictures_without_room_have_no_background(build, tmp_path):
    across = [[4 * j, 3 * j] for j in range(16)]
    build.mpii_json(tmp_path, "train", [build.record(joints=across)])
    assert backgrounds(MPII(tmp_path)) == []
