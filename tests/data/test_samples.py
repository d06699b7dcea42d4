"""Subsets, the split into training and validation, and images kept in memory."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from deephar.data import (
    LSP,
    MPII,
    Augmentation,
    Frames,
    InMemory,
    InputSpec,
    PennAction,
    Subset,
    crop_sample,
    hold_out,
)
from deephar.data.samples import names_of


def names(dataset):
    return [dataset[i].name for i in range(len(dataset))]


def test_subset_is_a_data_set_of_the_chosen_samples(build):
    subset = Subset(build.dataset(5), [4, 1])
    assert names(subset) == ["memory004", "memory001"]
    assert (subset.name, subset.skeleton) == ("memory", "mpii16")
    assert repr(subset) == "Subset(2 of RandomPictures(5))"
    with pytest.raises(IndexError):
        subset[2]


@pytest.mark.parametrize("indices", [[5], [-1]])
def test_subset_rejects_indices_outside_of_the_data_set(build, indices):
    with pytest.raises(ValueError, match="0 to 4"):
        Subset(build.dataset(5), indices)


def test_names_are_told_without_a_look_at_the_samples(build, tmp_path, monkeypatch):
    for number in range(1, 13):
        build.penn(tmp_path, number, frames=2)
    build.mpii_json(tmp_path, "train", [build.record("a.jpg")] * 2)
    frames = Frames(PennAction(tmp_path))
    datasets = (frames.videos, frames, Subset(frames, [3, 0]), MPII(tmp_path))
    expected = [names(dataset) for dataset in datasets]
    assert expected[2] == ["0002#000001", "0001#000000"]
    for kind in {type(dataset) for dataset in datasets}:
        monkeypatch.setattr(kind, "__getitem__", lambda *_: pytest.fail("a look at a sample"))
    assert [names_of(dataset) for dataset in datasets] == expected
    train, valid = hold_out(frames, 0.2)
    assert sorted(names_of(train) + names_of(valid)) == expected[1]


@pytest.mark.parametrize("count", [12, 100, 137])
def test_hold_out_takes_the_fraction_and_leaves_the_rest(build, count):
    train, valid = hold_out(build.dataset(count), fraction=0.1)
    assert sorted(names(train) + names(valid)) == names(build.dataset(count))
    assert abs(len(valid) - 0.1 * count) <= 1 + 0.02 * count


def test_hold_out_is_the_same_every_time_and_in_any_order(build):
    dataset = build.dataset(60)
    _, valid = hold_out(dataset)
    _, again = hold_out(Subset(dataset, np.random.default_rng(0).permutation(60)))
    assert names(valid) == names(again)


def test_hold_out_takes_whole_blocks_of_neighbours(build):
    _, valid = hold_out(build.dataset(200), fraction=0.2, blocks=4)
    held = np.isin(names(build.dataset(200)), names(valid))
    assert np.count_nonzero(np.diff(held.astype(int)) == 1) == 4  # four blocks
    assert len(valid) == 40
    assert not held[0]
    assert not held[-1]


def test_hold_out_keeps_the_persons_of_an_image_together(build, tmp_path):
    records = [build.record(f"{i // 3:03d}.jpg") for i in range(90)]
    build.mpii_json(tmp_path, "train", records)
    train, valid = hold_out(MPII(tmp_path), fraction=0.2)
    assert not {n.split("#")[0] for n in names(train)} & {n.split("#")[0] for n in names(valid)}
    assert len(valid) % 3 == 0


@pytest.mark.parametrize(
    ("count", "arguments", "message"),
    [
        (20, {"fraction": 0}, "0 < fraction < 1"),
        (20, {"fraction": 1.5}, "0 < fraction < 1"),
        (20, {"blocks": 0}, "blocks"),
        (1, {"fraction": 0.1}, "empty"),
        (0, {}, "empty"),
    ],
)
def test_hold_out_rejects_what_cannot_be_split(build, count, arguments, message):
    with pytest.raises(ValueError, match=message):
        hold_out(build.dataset(count), **arguments)


def test_hold_out_tells_what_there_is_too_little_of(build, tmp_path):
    build.penn(tmp_path)
    videos = PennAction(tmp_path)
    message = r"0\.1 of the 1 videos of .* Use more videos"
    for dataset in (videos, Frames(videos), Subset(videos, [0])):
        with pytest.raises(ValueError, match=message):
            hold_out(dataset)
    with pytest.raises(ValueError, match=r"0\.1 of the 1 images of .* Use more images"):
        hold_out(build.dataset(1))


def test_real_data_are_split_in_every_set(real_data):
    for dataset in (MPII(real_data / "MPII"), LSP(real_data / "LSP")):
        train, valid = hold_out(dataset)
        assert len(train) + len(valid) == len(dataset)
        assert abs(len(valid) / len(dataset) - 0.1) < 0.01


def test_images_in_memory_are_decoded_once_and_give_the_same_crops(build, tmp_path):
    pictures, files = build.dataset(3), build.dataset(3)
    for number, sample in enumerate(pictures):
        path = str(tmp_path / f"{number}.png")
        assert cv2.imwrite(path, sample.image[..., ::-1])
        files.samples[number] = replace(sample, image=path)
    kept, spec = InMemory(files), InputSpec(32)
    for path in tmp_path.iterdir():
        path.unlink()
    for sample, original in zip(kept, pictures, strict=True):
        for _ in range(2):
            crop, expected = (
                crop_sample(one, spec, augmentation=Augmentation(), rng=np.random.default_rng(3))
                for one in (sample, original)
            )
            np.testing.assert_array_equal(crop.image, expected.image)
            np.testing.assert_array_equal(crop.target, expected.target)


def test_data_sets_in_memory_are_called_as_the_original(build):
    stills = build.dataset(3)
    kept = InMemory(stills)
    assert len(kept) == 3
    assert [sample.name for sample in kept] == [sample.name for sample in stills]
    for name in ("name", "skeleton", "split", "source"):
        assert getattr(kept, name) == getattr(stills, name)
    assert repr(kept) == "InMemory(RandomPictures(3))"


def test_images_that_cannot_be_kept_are_named(build, tmp_path):
    stills = build.dataset(2)
    stills.samples[1] = replace(stills.samples[1], image=str(tmp_path / "b.jpg"))
    with pytest.raises(FileNotFoundError, match=r"b\.jpg does not exist"):
        InMemory(stills)
    (tmp_path / "b.jpg").write_bytes(b"\xff\xd8 and no more")
    with pytest.raises(ValueError, match=r"b\.jpg is truncated"):
        InMemory(stills)
