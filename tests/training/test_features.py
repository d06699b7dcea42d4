"""Cached outputs of the frozen pose network, and stage 2 on them."""

import dataclasses

import cv2
import keras
import numpy as np
import pytest
from networks import CLIPS

from deephar import weights
from deephar.data import InputSpec, PennAction, Synthetic, write_penn
from deephar.data.clips import clip_indices
from deephar.data.sets.penn import action_names
from deephar.models import action_view, frame_view, multitask_model
from deephar.training.features import FeatureBatches, cache_features
from deephar.training.fit import train_action
from deephar.training.run import Run
from deephar.training.settings import ActionTraining


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return multitask_model(CLIPS)


@pytest.fixture(scope="module")
def videos():
    return Synthetic("train", videos=12, image_size=64, frames=(6, 9))


@pytest.mark.usefixtures("op_by_op")
def test_features_are_outputs_of_the_pose_network(model, videos, tmp_path):
    features = cache_features(model, CLIPS, videos, folder=tmp_path, batch_size=5)
    assert len(features) == 12
    clips = features.middle_clips(InputSpec(num_frames=4))
    assert clips["pose"].shape == (12, 4, 2, 16, 3)
    actions = action_view(model).predict(clips, verbose=0)["action_synthetic"]
    np.testing.assert_allclose(actions.sum(-1), 1, atol=1e-5)
    video, item = videos[7], features[7]
    assert item.num_frames == len(video.joints)
    assert item.action == video.action
    indices = clip_indices(item.num_frames, 4)
    np.testing.assert_array_equal(item.arrays["pose"][indices, 0], clips["pose"][7])


@pytest.mark.usefixtures("op_by_op")
def test_the_second_view_is_the_mirror_image(model, tmp_path):
    videos = Synthetic("train", videos=1, image_size=64, frames=4)
    features = cache_features(model, CLIPS, videos, folder=tmp_path)
    assert features.arrays["pose"].shape == (4, 2, 2, 16, 3)
    assert not np.array_equal(features.arrays["pose"][:, 0], features.arrays["pose"][:, 1])
    alone = cache_features(model, CLIPS, videos, folder=tmp_path / "one", mirror=False)
    np.testing.assert_array_equal(alone.arrays["pose"][:, 0], features.arrays["pose"][:, 0])
    assert alone.arrays["pose"].shape[1] == 1


@pytest.mark.usefixtures("op_by_op")
def test_stored_features_are_reused_unless_weights_or_videos_differ(model, videos, tmp_path):
    cache_features(model, CLIPS, videos, folder=tmp_path, mirror=False)
    first = (tmp_path / "pose.npy").stat().st_mtime_ns
    cache_features(model, CLIPS, videos, folder=tmp_path, mirror=False)
    assert (tmp_path / "pose.npy").stat().st_mtime_ns == first
    other = Synthetic("train", videos=12, image_size=64, frames=(6, 9), seed=1)
    with pytest.raises(ValueError, match="holds features of other files than those of Synthetic"):
        cache_features(model, CLIPS, other, folder=tmp_path, mirror=False, only_read=True)
    cache_features(model, CLIPS, other, folder=tmp_path, mirror=False)
    second = (tmp_path / "pose.npy").stat().st_mtime_ns
    assert second != first
    layer = frame_view(model).get_layer("stem_projection")
    before = layer.get_weights()
    layer.set_weights([value + 0.01 for value in before])
    cache_features(model, CLIPS, other, folder=tmp_path, mirror=False)
    layer.set_weights(before)
    assert (tmp_path / "pose.npy").stat().st_mtime_ns != second
    (tmp_path / "features.json").write_text("damaged")
    cache_features(model, CLIPS, other, folder=tmp_path, mirror=False)


@pytest.mark.usefixtures("op_by_op")
def test_stage_2_learns_from_cached_features_and_keeps_the_pose_network(model, videos, tmp_path):
    features = cache_features(model, CLIPS, videos, folder=tmp_path / "features")
    before = [value.copy() for value in frame_view(model).get_weights()]
    heads = action_view(model)
    batches = FeatureBatches(
        {"synthetic": features}, {"synthetic": 12}, spec=InputSpec.of(CLIPS), steps_per_epoch=4
    )
    clips = features.middle_clips(InputSpec(num_frames=4))
    labels = np.array([videos[index].action for index in range(12)])

    def score():
        answers = heads.predict_on_batch(clips)["action_synthetic"][:, -1].argmax(-1)
        return {"accuracy": 100 * np.mean(answers == labels)}

    training = ActionTraining(epochs=2, learning_rate=0.05, momentum=0.9)
    log = train_action(
        model,
        CLIPS,
        batches,
        validation=videos,
        run=Run(tmp_path / "run"),
        validate=score,
        training=training,
    )
    assert log[-1]["loss"] < 0.8 * log[0]["loss"]
    for old, new in zip(before, frame_view(model).get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    loaded, config = weights.load_model(tmp_path / "run" / "last.h5")
    assert config == CLIPS
    clip = np.zeros((1, 4, 64, 64, 3), np.float32)
    for name, value in model.predict(clip, verbose=0).items():
        np.testing.assert_allclose(loaded.predict(clip, verbose=0)[name], value, atol=1e-6)


@pytest.mark.usefixtures("op_by_op")
def test_batches_of_features_follow_from_seed_and_epoch(model, videos, tmp_path):
    features = cache_features(model, CLIPS, videos, folder=tmp_path)

    def make(seed):
        spec = InputSpec.of(CLIPS, 2)
        return FeatureBatches({"synthetic": features}, {"synthetic": 5}, spec=spec, seed=seed)

    (inputs, targets), (again, _), (other, _) = make(0)[1], make(0)[1], make(1)[1]
    assert set(inputs) == {"pose", "appearance_1", "appearance_2"}
    assert inputs["pose"].shape == (5, 4, 2, 16, 3)
    assert targets["action_synthetic"].shape == (5, 12)
    np.testing.assert_array_equal(inputs["pose"], again["pose"])
    assert not np.array_equal(inputs["pose"], other["pose"])


@pytest.mark.usefixtures("op_by_op")
def test_pose_stream_alone_needs_no_appearance(videos, tmp_path):
    config = dataclasses.replace(CLIPS, streams=("pose",))
    features = cache_features(
        multitask_model(config), config, videos, folder=tmp_path, mirror=False
    )
    assert set(features.arrays) == {"pose"}


@pytest.mark.usefixtures("op_by_op")
def test_features_of_changed_frames_are_computed_anew(model, tmp_path, capsys):
    write_penn(tmp_path / "Penn", train=Synthetic("train", videos=1, image_size=64, frames=4))
    videos = PennAction(tmp_path / "Penn", "train", actions=action_names(tmp_path / "Penn"))
    cache_features(model, CLIPS, videos, folder=tmp_path / "features")
    cache_features(model, CLIPS, videos, folder=tmp_path / "features")
    assert "using the features in" in capsys.readouterr().out
    before = np.array(np.load(tmp_path / "features" / "pose.npy"))
    for path in videos.frame_paths(0):
        cv2.imwrite(path, 255 - cv2.imread(path))
    features = cache_features(model, CLIPS, videos, folder=tmp_path / "features")
    assert "using the features in" not in capsys.readouterr().out
    assert not np.array_equal(features.arrays["pose"], before)
