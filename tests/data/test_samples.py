"""Subsets and the split into training and validation."""

import numpy as np
import pytest

from deephar.data import LSP, MPII, Frames, PennAction, Subset, hold_out
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
