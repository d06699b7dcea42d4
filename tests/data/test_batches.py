"""Batches for Keras: the same on every run, whoever prepares them."""

import gc
import pickle
import subprocess
import sys
import tracemalloc
from collections import Counter

import keras
import numpy as np
import pytest

from deephar.data import LSP, MPII, Augmentation, Batches, crop_sample

SIZE = 16


def make(build, **changes):
    arguments = {
        "datasets": {"a": build.dataset(10, "a"), "b": build.dataset(7, "b")},
        "shares": {"a": 3, "b": 2},
        "image_size": SIZE,
        "augmentation": Augmentation(colour=0.2, occlusion=0.5),
        "seed": 5,
        "workers": 0,
    }
    return Batches(**(arguments | changes))


def names(batches, index):
    return [sample.name for sample in batches.samples(index)]


def content(batch):
    """A batch as bytes."""
    images, targets = batch
    return np.asarray(images).tobytes() + np.asarray(targets["pose"]).tobytes()


class Recorder(keras.Model):
    """A model that trains on batches and keeps them."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def train_step(self, data):
        self.seen.append(content(data))
        return {"loss": 0.0}


def batches_seen_by_fit(batches, epochs, calls=1):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the train_step of Recorder is that of TensorFlow")
    model = Recorder()
    model.compile(run_eagerly=True)
    for _ in range(calls):
        model.fit(batches, epochs=epochs, shuffle=False, verbose=0)
    return model.seen


def expected(build, epochs, **changes):
    sequence = []
    for epoch in range(epochs):
        batches = make(build, epoch=epoch, **changes)
        sequence += [content(batches[i]) for i in range(len(batches))]
    return sequence


def test_shapes_and_ranges(build):
    images, targets = make(build)[0]
    assert images.shape == (5, SIZE, SIZE, 3)
    assert images.dtype == np.float32
    assert targets.keys() == {"pose"}
    assert targets["pose"].shape == (5, 16, 3)
    assert targets["pose"].dtype == np.float32
    assert images.min() >= -1
    assert images.max() <= 1


def test_every_batch_has_the_fixed_shares(build):
    batches = make(build)
    assert (len(batches), batches.batch_size) == (4, 5)  # everyone of a once: 10 / 3, rounded up
    for epoch in range(3):
        batches.epoch = epoch
        for i in range(len(batches)):
            assert Counter(name[0] for name in names(batches, i)) == {"a": 3, "b": 2}


def test_everyone_comes_once_before_anyone_comes_twice(build):
    batches = make(build, steps_per_epoch=3)
    seen = []
    for batches.epoch in range(10):
        seen += [name for i in range(3) for name in names(batches, i)]
    for letter, count in (("a", 10), ("b", 7)):
        row = [name for name in seen if name[0] == letter]
        rounds = [row[i : i + count] for i in range(0, len(row) - count + 1, count)]
        assert len(rounds) > 5
        assert all(len(set(names)) == count for names in rounds)
        assert rounds[0] != rounds[1]


@pytest.mark.parametrize(
    "workers",
    [
        {"workers": 0},
        {"workers": 2},
        {"workers": 3},
        {"workers": 2, "use_multiprocessing": True},
    ],
    ids=["none", "2 threads", "3 threads", "2 processes"],
)
def test_fit_sees_the_same_batches_with_any_workers(build, workers):
    batches = make(build, **workers)
    try:
        seen = batches_seen_by_fit(batches, epochs=3)
    finally:
        batches.close()
    assert len(set(seen)) == 12
    assert seen == expected(build, epochs=3)
    assert batches.epoch == 3


def test_training_that_resumes_sees_what_it_would_have_seen(build):
    seen = batches_seen_by_fit(make(build, workers=2, epoch=1), epochs=2)
    assert seen == expected(build, epochs=3)[4:]


def test_a_second_call_of_fit_goes_on_with_the_next_epoch(build):
    seen = batches_seen_by_fit(make(build), epochs=1, calls=2)
    assert seen == expected(build, epochs=2)


@pytest.mark.parametrize("steps", [1, 2])
def test_epochs_of_a_batch_or_two_are_counted(build, steps):
    # Keras looks at two batches before training starts.
    seen = batches_seen_by_fit(make(build, steps_per_epoch=steps), epochs=3)
    assert seen == expected(build, epochs=3, steps_per_epoch=steps)


def test_evaluation_during_training_does_not_disturb_the_epochs(build):
    image = keras.Input((SIZE, SIZE, 3))
    pose = keras.layers.Dense(48)(keras.layers.Flatten()(image))
    model = keras.Model(image, {"pose": keras.layers.Reshape((16, 3))(pose)})
    model.compile(loss={"pose": "mse"})
    train, valid = make(build), make(build, augmentation=None, shuffle=False)
    epochs = []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda e, logs: epochs.append(train.epoch)
    )
    model.fit(train, epochs=3, validation_data=valid, callbacks=[watch], shuffle=False, verbose=0)
    assert epochs == [0, 1, 2]


def test_looking_at_one_batch_does_not_end_an_epoch(build):
    # What Keras does to build a model on JAX and PyTorch: begin, one batch, end.
    batches = make(build)
    batches.on_epoch_end()
    batches.on_epoch_begin()
    batches[0]
    batches.on_epoch_end()
    assert batches.epoch == 0


def test_another_seed_gives_other_batches(build):
    assert content(make(build)[0]) != content(make(build, seed=6)[0])


def test_epochs_and_batches_differ(build):
    batches = make(build, datasets={"a": build.dataset(3, "a")}, shares={"a": 3})
    first = names(batches, 0), content(batches[0])
    batches.epoch = 1
    assert sorted(names(batches, 0)) == sorted(first[0])
    assert content(batches[0]) != first[1]


def test_evaluation_takes_everyone_once_in_order(build):
    batches = make(build, augmentation=None, shuffle=False)
    assert len(batches) == 4  # 17 persons in batches of 5
    everyone = [name for i in range(4) for name in names(batches, i)]
    assert everyone == [f"a{i:03d}" for i in range(10)] + [f"b{i:03d}" for i in range(7)]
    images, targets = batches[3]
    assert images.shape == (2, SIZE, SIZE, 3)
    crop = crop_sample(build.dataset(7, "b")[6], SIZE)
    np.testing.assert_array_equal(images[1], crop.image)
    np.testing.assert_array_equal(targets["pose"][1], crop.target)
    assert len(list(batches)) == 4


def test_mixed_skeletons_share_one_target(build, tmp_path):
    build.mpii_json(tmp_path / "mpii", "train", [build.record()])
    build.lsp(tmp_path / "lsp", 1, images=[1])
    batches = Batches(
        {"mpii": MPII(tmp_path / "mpii"), "lsp": LSP(tmp_path / "lsp")}, {"mpii": 1, "lsp": 1}, SIZE
    )
    pelvis = batches[0][1]["pose"][:, 0]
    assert pelvis[0, 2] == 1
    assert (pelvis[1] == np.float32(-1e9)).all()


def test_bad_sample_is_named_whoever_prepares_it(build):
    dataset = build.dataset(4)
    object.__setattr__(dataset.samples[2], "side", 0.0)
    for workers in ({"workers": 0}, {"workers": 2}, {"workers": 1, "use_multiprocessing": True}):
        batches = make(build, datasets={"a": dataset}, shares={"a": 4}, **workers)
        with pytest.raises(ValueError, match="'memory002' has no window"):
            batches[0]
        batches.close()


def test_index_outside_of_the_epoch(build):
    for index in (-1, 4):
        with pytest.raises(IndexError, match="4 batches"):
            make(build)[index]


def test_batches_can_be_closed_pickled_and_printed(build):
    batches = make(build, workers=2)
    before = content(batches[1])
    copy = pickle.loads(pickle.dumps(batches))
    batches.close()
    assert content(copy[1]) == content(batches[1]) == before
    assert repr(batches) == "Batches(4 of 3 a + 2 b, 16 px, epoch 0)"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shares": {"a": 3}}, "shares must name the data sets a, b"),
        ({"shares": {"a": 3, "c": 2}}, "shares must name the data sets a, b"),
        ({"shares": {"a": 0, "b": 2}}, "share of 'a'"),
        ({"shares": {"a": 1.5, "b": 2}}, "share of 'a'"),
        ({"steps_per_epoch": 0}, "steps_per_epoch"),
        ({"steps_per_epoch": 5, "shuffle": False}, "makes 4 batches"),
        ({"workers": -1}, "workers"),
        ({"skeleton": "octopus"}, "octopus"),
        ({"datasets": {}, "shares": {}}, "shares"),
    ],
)
def test_bad_arguments(build, changes, message):
    with pytest.raises(ValueError, match=message):
        make(build, **changes)


def test_empty_data_set_is_named(build):
    with pytest.raises(ValueError, match="'a' is empty"):
        make(build, datasets={"a": build.dataset(0), "b": build.dataset(2)})


def test_memory_does_not_grow_over_an_epoch(build, tmp_path):
    records = [build.record(f"{i}.jpg") for i in range(40)]
    build.mpii_json(tmp_path, "train", records)
    batches = Batches(
        {"mpii": MPII(tmp_path)}, {"mpii": 4}, 64, augmentation=Augmentation(), workers=2
    )

    def memory_after_epoch(epoch):
        batches.epoch = epoch
        for _ in batches:
            pass
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        memory_after_epoch(0)
        grown = memory_after_epoch(2) - memory_after_epoch(1)
    finally:
        tracemalloc.stop()
    assert abs(grown) < 20_000  # bytes; one crop alone has 49152


def test_data_sets_do_not_import_keras():
    code = (
        "import sys; from deephar.data import MPII, LSP, crop_batch; print('keras' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "False"


def test_real_data_are_mixed(real_data):
    batches = Batches(
        {"mpii": MPII(real_data / "MPII"), "lsp": LSP(real_data / "LSP")},
        {"mpii": 6, "lsp": 2},
        image_size=64,
        augmentation=Augmentation(),
    )
    images, targets = batches[0]
    visibility = targets["pose"][..., 2]
    assert images.std() > 0.2
    assert (visibility == 1).mean() > 0.7
    assert (visibility[6:, :2] == np.float32(-1e9)).all()  # LSP has no pelvis and no thorax
