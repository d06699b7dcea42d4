"""Batches for Keras: the same on every run, whoever prepares them."""

import dataclasses
import gc
import pickle
import subprocess
import sys
import tracemalloc
from collections import Counter

import keras
import numpy as np
import pytest

from deephar.data import (
    LSP,
    MPII,
    Augmentation,
    Batches,
    ClipBatches,
    InputSpec,
    PennAction,
)
from deephar.losses import ActionLoss, PoseLoss

SIZE = 16
CLIP = InputSpec(SIZE, num_frames=4, subsampling=2)


def make(build, **changes):
    arguments = {
        "datasets": {"a": build.dataset(10, "a"), "b": build.dataset(7, "b")},
        "shares": {"a": 3, "b": 2},
        "spec": InputSpec(SIZE),
        "augmentation": Augmentation(),
        "seed": 5,
        "workers": 0,
    }
    return Batches(**(arguments | changes))


def names(batches, index):
    return [sample.name for sample in batches.samples(index)]


def make_clips(build, **changes):
    arguments = {
        "datasets": {"a": build.videos(*[9] * 10)},
        "shares": {"a": 3},
        "spec": CLIP,
        "augmentation": Augmentation(),
        "seed": 5,
        "workers": 0,
    }
    return ClipBatches(**(arguments | changes))


def content(batch):
    """A batch as bytes."""
    images, *dicts = batch
    return np.asarray(images).tobytes() + b"".join(
        np.asarray(values[key]).tobytes() for values in dicts for key in sorted(values)
    )


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


def expected(build, epochs, make=make, **changes):
    sequence = []
    for epoch in range(epochs):
        batches = make(build, **changes)
        batches.epoch = epoch
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


@pytest.mark.parametrize("workers", [0, 2, 3])
def test_fit_sees_the_same_batches_with_any_workers(build, workers):
    batches = make(build, workers=workers)
    try:
        seen = batches_seen_by_fit(batches, epochs=3)
    finally:
        batches.close()
    assert len(set(seen)) == 12
    assert seen == expected(build, epochs=3)
    assert batches.epoch == 3


def test_processes_share_a_batch_in_parts(build):
    whole, parts = make(build, shares={"a": 3, "b": 3})[1], []
    for number in range(2):
        batches = make(build, shares={"a": 3, "b": 3})
        batches.part = (number, 2)
        assert batches.batch_size == len(batches.samples(1)) == 6
        parts.append(batches[1])
    images = np.concatenate([part[0] for part in parts])
    poses = np.concatenate([part[1]["pose"] for part in parts])
    np.testing.assert_array_equal(images, whole[0])
    np.testing.assert_array_equal(poses, whole[1]["pose"])


def test_training_that_resumes_sees_what_it_would_have_seen(build):
    batches = make(build, workers=2)
    batches.epoch = 1
    seen = batches_seen_by_fit(batches, epochs=2)
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
    train, valid = make(build), make(build, augmentation=None)
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


def test_mixed_skeletons_share_one_target(build, tmp_path):
    build.mpii_json(tmp_path / "mpii", "train", [build.record()])
    build.lsp(tmp_path / "lsp", 1, images=[1])
    batches = Batches(
        {"mpii": MPII(tmp_path / "mpii"), "lsp": LSP(tmp_path / "lsp")},
        {"mpii": 1, "lsp": 1},
        spec=InputSpec(SIZE),
    )
    pelvis = batches[0][1]["pose"][:, 0]
    assert pelvis[0, 2] == 1
    assert (pelvis[1] == np.float32(-1e9)).all()


def test_bad_sample_is_named_whoever_prepares_it(build):
    dataset = build.dataset(4)
    object.__setattr__(dataset.samples[2], "side", 0.0)
    for workers in (0, 2):
        batches = make(build, datasets={"a": dataset}, shares={"a": 4}, workers=workers)
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
        ({"workers": -1}, "workers"),
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
        {"mpii": MPII(tmp_path)},
        {"mpii": 4},
        spec=InputSpec(64),
        augmentation=Augmentation(),
        workers=2,
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
        "import sys; from deephar.data import MPII, PennAction, crop_batch, crop_clip; "
        "print('keras' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "False"


def test_real_data_are_mixed(real_data):
    batches = Batches(
        {"mpii": MPII(real_data / "MPII"), "lsp": LSP(real_data / "LSP")},
        {"mpii": 6, "lsp": 2},
        spec=InputSpec(64),
        augmentation=Augmentation(),
    )
    images, targets = batches[0]
    visibility = targets["pose"][..., 2]
    assert images.std() > 0.2
    assert (visibility == 1).mean() > 0.7
    assert (visibility[6:, :2] == np.float32(-1e9)).all()  # LSP has no pelvis and no thorax


def test_targets_in_3d(build):
    batches = make(build, spec=InputSpec(SIZE, dim=3))
    images, targets = batches[0]
    flat_images, flat = make(build)[0]
    assert targets["pose"].shape == (5, 16, 4)
    np.testing.assert_array_equal(images, flat_images)
    np.testing.assert_array_equal(targets["pose"][..., [0, 1, 3]], flat["pose"])
    assert (targets["pose"][..., 2] == np.float32(-1e9)).all()  # no 3D labels


# --- clips


def test_clips_have_poses_and_actions(build):
    batches = make_clips(build, spec=dataclasses.replace(CLIP, dim=3))
    images, targets = batches[0]
    assert images.shape == (3, 4, SIZE, SIZE, 3)
    assert images.dtype == np.float32
    assert targets.keys() == {"pose", "action_a"}
    assert targets["pose"].shape == (3, 4, 16, 4)
    assert targets["action_a"].shape == (3, 3)
    actions = [video.action for video in batches.samples(0)]
    np.testing.assert_array_equal(targets["action_a"], np.eye(3)[actions])
    assert batches.classes == {"a": 3}
    assert repr(batches) == "ClipBatches(4 of 3 a, 4 frames of 16 px, epoch 0)"


@pytest.mark.parametrize("workers", [0, 2])
def test_fit_sees_the_same_clips_with_any_workers(build, workers):
    batches = make_clips(build, workers=workers)
    try:
        seen = batches_seen_by_fit(batches, epochs=2)
    finally:
        batches.close()
    assert len(set(seen)) == 8
    assert seen == expected(build, 2, make_clips)


def test_clip_training_that_resumes_sees_what_it_would_have_seen(build):
    batches = make_clips(build)
    batches.epoch = 1
    seen = batches_seen_by_fit(batches, epochs=2)
    assert seen == expected(build, 3, make_clips)[4:]


def test_clips_start_at_random_places_without_augmentation(build):
    # Green is the number of the frame.
    batches = make_clips(build, augmentation=None, steps_per_epoch=30)
    starts = set()
    for images, _ in batches:
        frames = np.rint((images[:, :, 8, 8, 1] / 2 + 0.5) * 255).astype(int)
        assert (np.diff(frames, axis=1) == 2).all()
        starts |= set(frames[:, 0].tolist())
    assert starts == {0, 1, 2}


def test_clips_of_several_data_sets_are_weighted(build):
    videos = build.videos(5, 5)
    videos.actions = ("run", "stop")
    batches = make_clips(
        build,
        datasets={"a": build.videos(9, 9, 9), "b": videos, "pictures": build.dataset(6)},
        shares={"a": 2, "b": 1, "pictures": 2},
    )
    images, targets, weights = batches[0]
    assert images.shape == (5, 4, SIZE, SIZE, 3)
    assert targets.keys() == weights.keys() == {"pose", "action_a", "action_b"}
    np.testing.assert_array_equal(weights["pose"], np.ones((5, 4)))
    np.testing.assert_array_equal(weights["action_a"], [1, 1, 0, 0, 0])
    np.testing.assert_array_equal(weights["action_b"], [0, 0, 1, 0, 0])
    for name in ("action_a", "action_b"):
        assert weights[name].dtype == np.float32
        np.testing.assert_array_equal(targets[name].sum(axis=1), weights[name])
    assert targets["action_b"].shape == (5, 2)
    for t in range(1, 4):  # stills do not move
        np.testing.assert_array_equal(images[3:, t], images[3:, 0])
        np.testing.assert_array_equal(targets["pose"][3:, t], targets["pose"][3:, 0])
    assert names(batches, 0)[3].startswith("memory")


def test_fit_takes_weighted_clips(build):
    clip = keras.Input((4, SIZE, SIZE, 3))
    features = keras.layers.Flatten()(clip)

    def head(shape, name):
        values = keras.layers.Dense(int(np.prod(shape)), name=name)(features)
        return keras.layers.Reshape(shape)(values)

    # Two prediction blocks each, stacked as in the networks.
    outputs = {"pose": head((4, 2, 16, 3), "pose")}
    outputs |= {
        f"action_{name}": keras.layers.Softmax()(head((2, 3), f"action_{name}")) for name in "ab"
    }
    model = keras.Model(clip, outputs)
    losses = {"pose": PoseLoss(), "action_a": ActionLoss(), "action_b": ActionLoss()}
    model.compile(optimizer="sgd", loss=losses)
    batches = make_clips(
        build,
        datasets={"a": build.videos(*[9] * 10), "pictures": build.dataset(6)},
        shares={"a": 3, "pictures": 2},
        steps_per_epoch=2,
    )
    batches.classes["b"] = 3  # a head of which no batch has a row
    before = {name: model.get_layer(name).get_weights() for name in ("action_a", "action_b")}
    model.fit(batches, epochs=1, shuffle=False, verbose=0)
    assert batches.epoch == 1
    for name, kernels in before.items():
        after = model.get_layer(name).get_weights()
        changed = [(a != b).any() for a, b in zip(after, kernels, strict=True)]
        assert all(changed) == any(changed) == (name == "action_a")


def test_missing_frame_is_named_by_the_batches(build, tmp_path):
    build.penn(tmp_path, 1)
    build.penn(tmp_path, 2)
    batches = make_clips(build, datasets={"penn": PennAction(tmp_path)}, shares={"penn": 2})
    assert batches[0][1]["action_penn"].shape == (2, 15)
    for path in (tmp_path / "frames" / "0002").iterdir():
        path.unlink()
    with pytest.raises(FileNotFoundError, match=r"0002.00000\d\.jpg does not exist"):
        batches[0]
    assert isinstance(batches.error, FileNotFoundError)


def test_settings_tell_all_that_decides_the_batches(build):
    assert make_clips(build, workers=2).settings() == {
        "steps_per_epoch": 4,
        "shares": {"a": 3},
        "seed": 5,
        "image_size": SIZE,
        "skeleton": "pa16j",
        "dim": 2,
        "num_frames": 4,
        "subsampling": 2,
        "frame_rate": None,
        "augmentation": dataclasses.asdict(Augmentation()),
    }
    assert make(build, augmentation=None).settings()["augmentation"] is None


def test_clip_batches_can_be_pickled(build):
    batches = make_clips(build, workers=2)
    copy = pickle.loads(pickle.dumps(batches))
    assert content(copy[1]) == content(batches[1])
    batches.close()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shares": {"b": 3}}, "shares must name the data sets a, got b"),
        ({"shares": {"a": 0}}, "share of 'a'"),
        ({"spec": InputSpec(SIZE)}, "Set num_frames"),
        ({"workers": -1}, "workers"),
    ],
)
def test_bad_arguments_of_clip_batches(build, changes, message):
    with pytest.raises(ValueError, match=message):
        make_clips(build, **changes)


def test_clip_batches_need_videos_with_frames(build):
    with pytest.raises(ValueError, match=r"'a'.* has no actions"):
        make_clips(build, datasets={"a": build.dataset(3)})
    with pytest.raises(ValueError, match="'v00' has labels only"):
        make_clips(build, datasets={"a": build.videos(4, frames=[])})
