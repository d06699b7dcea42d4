"""Actions of a video data set: clips to class probabilities, averages, and the poses along."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from dots import LABELS, MULTI, always, by_brightness, poses_only
from networks import SMALL

from deephar.data import Subset
from deephar.data.clips import clip_indices, clip_of, clip_starts, crop_clip, pose_sequence
from deephar.data.inputs import InputSpec
from deephar.data.samples import OTHER
from deephar.inference import ActionProtocol, predict_actions
from deephar.inference.actions import (
    OTHER_WEIGHT,
    find_head,
    mean_action,
    mirrored_poses,
    takes_labels,
    trained_spacing,
)
from deephar.inference.boxes import full_box, predicted_boxes
from deephar.models import ModelConfig, action_view, multitask_model
from deephar.skeletons import get_skeleton


def test_single_clip_is_the_middle_clip_with_the_label_box(clip_config, dot_videos, clips):
    dataset, seen = dot_videos(), []

    def answer(batch):
        seen.extend(batch)
        return by_brightness(batch)

    predictions = predict_actions(clips(answer), clip_config, dataset, batch_size=3)
    spec = InputSpec.of(clip_config)
    for clip, video in zip(seen, dataset, strict=True):
        expected = crop_clip(clip_of(video, spec), spec).images
        np.testing.assert_array_equal(clip, expected)
    assert predictions.names == ("video0", "video1", "video2")
    assert predictions.clips_per_video.tolist() == [1, 1, 1]
    np.testing.assert_array_equal(predictions.labels, [0, 1, 2])


@pytest.mark.parametrize("subsampling", [1, 2, "whole"])
def test_multi_clip_averages_the_probabilities_of_clips_and_mirror_images(
    clip_config, dot_videos, clips, subsampling
):
    dataset = dot_videos()
    predictions = predict_actions(
        clips(by_brightness, blocks=2),
        clip_config,
        dataset,
        protocol=replace(MULTI, subsampling=subsampling),
    )
    spec = InputSpec.of(clip_config, subsampling)
    for number, video in enumerate(dataset):
        starts = clip_starts(len(video.joints), 4, subsampling=subsampling)
        crops = [crop_clip(clip_of(video, spec, start=start), spec).images for start in starts]
        scores = by_brightness(np.stack([*crops, *(crop[:, :, ::-1] for crop in crops)]))
        np.testing.assert_allclose(predictions.scores[0, number], scores.mean(axis=0), atol=1e-6)
        assert predictions.clips_per_video[number] == len(starts)
    np.testing.assert_array_equal(predictions.scores[1], predictions.scores[0])
    assert predictions.clips_per_video[1] > 1


@pytest.mark.parametrize("protocol", [ActionProtocol(), MULTI])
def test_batches_change_nothing_and_have_one_size(clip_config, dot_videos, clips, protocol):
    dataset, sizes, network = dot_videos(), [], clips(by_brightness)

    def model(batch):
        sizes.append(len(batch))
        return network(batch)

    whole = predict_actions(network, clip_config, dataset, protocol=protocol, batch_size=100)
    parts = predict_actions(model, clip_config, dataset, protocol=protocol, batch_size=2)
    assert set(sizes) == {2}
    np.testing.assert_allclose(parts.scores, whole.scores, atol=1e-6)
    np.testing.assert_allclose(parts.poses.joints, whole.poses.joints, atol=1e-3)


@pytest.mark.parametrize(
    "protocol", [ActionProtocol(), ActionProtocol(mirror=True), ActionProtocol(boxes="full"), MULTI]
)
def test_joints_are_found_in_pixels_and_each_frame_once(clip_config, dot_videos, clips, protocol):
    dataset = dot_videos()
    predictions = predict_actions(clips(by_brightness), clip_config, dataset, protocol=protocol)
    seen = {tuple(pair) for pair in predictions.frames}
    assert len(seen) == len(predictions.frames) == len(predictions.poses.names)
    if protocol == MULTI:
        assert {frame for video, frame in seen if video == 1} == set(range(12))
    for (video, frame), joints in zip(predictions.frames, predictions.poses.joints[0], strict=True):
        side = max(dataset[video].size)
        assert np.abs(joints - dataset[video].joints[frame]).max() < 0.02 * side
    assert predictions.poses.names[0] == f"video0#{predictions.frames[0][1]:06d}"


def test_boxes_are_those_asked_for(clip_config, config, dot_videos, clips, reader, monkeypatch):
    dataset, boxes = dot_videos(), []
    taken = clip_of
    monkeypatch.setattr(
        "deephar.inference.actions.clip_of",
        lambda *args, box, **kwargs: boxes.append(box) or taken(*args, box=box, **kwargs),
    )
    predict_actions(
        clips(by_brightness), clip_config, dataset, protocol=ActionProtocol(boxes="full")
    )
    np.testing.assert_allclose(boxes, [full_box(video.size) for video in dataset])
    boxes.clear()
    predict_actions(
        clips(by_brightness), clip_config, dataset, protocol=ActionProtocol(boxes="predicted")
    )
    np.testing.assert_allclose(boxes, predicted_boxes(reader(), config, dataset), atol=1e-3)


def test_overlapping_clips_decode_each_frame_once(
    clip_config, dot_videos, clips, tmp_path, monkeypatch
):
    dataset = dot_videos((12,))
    paths = [str(tmp_path / f"{number:06d}.png") for number in range(12)]
    for path, image in zip(paths, dataset[0].frames, strict=True):
        cv2.imwrite(path, image[..., ::-1])
    dataset = dataset.changed(0, frames=paths)
    decoded, imdecode = [], cv2.imdecode
    monkeypatch.setattr(cv2, "imdecode", lambda *args: decoded.append(1) or imdecode(*args))
    predict_actions(clips(by_brightness), clip_config, dataset, protocol=MULTI)
    assert len(decoded) == 12


def test_labelled_poses_take_the_place_of_images(dot_videos):
    dataset, seen = dot_videos(frames=False), []

    def answer(poses):
        seen.extend(poses)
        return always(0)(poses)

    predictions = predict_actions(
        poses_only(answer),
        LABELS,
        dataset,
        protocol=ActionProtocol(subsampling="whole", mirror=True),
        batch_size=6,
    )
    spec = InputSpec.of(LABELS, "whole")
    for number, video in enumerate(dataset):
        poses = pose_sequence(clip_of(video, spec), spec)
        np.testing.assert_array_equal(seen[2 * number], poses)
        np.testing.assert_array_equal(seen[2 * number + 1], mirrored_poses(poses, "pa16j"))
    assert predictions.poses is None


@pytest.mark.parametrize("pose_replica", [False, True])
def test_heads_see_labelled_poses_in_every_block(dot_videos, pose_replica):
    fields = {**SMALL, "num_pyramids": 2, "pose_features": 16, "pose_replica": pose_replica}
    config = ModelConfig(
        **fields, streams=("pose",), action_pyramids=(2,), num_frames=4, actions={"dots": 3}
    )
    model, dataset = multitask_model(config), dot_videos(frames=False)
    protocol = ActionProtocol(poses="labels", mirror=True)
    predictions = predict_actions(model, config, dataset, protocol=protocol)
    spec, heads = InputSpec.of(config), action_view(model)
    for number, video in enumerate(dataset):
        poses = pose_sequence(clip_of(video, spec), spec)
        both = np.stack([poses, mirrored_poses(poses, "pa16j")])[:, :, None]
        blocks = heads.inputs[0].shape[2]
        assert blocks == (1 if pose_replica else 2)
        inputs = {heads.inputs[0].name: np.repeat(both, blocks, axis=2)}
        (scores,) = heads.predict_on_batch(inputs).values()
        np.testing.assert_allclose(predictions.scores[:, number], scores.mean(axis=0), atol=1e-6)
    assert predictions.poses is None
    assert predictions.protocol.poses == "labels"
    assert takes_labels(config)


def test_labelled_poses_are_for_the_pose_stream_alone(clip_config, dot_videos, clips):
    protocol, dataset = ActionProtocol(poses="labels"), dot_videos()
    with pytest.raises(ValueError, match=r"from pose and appearance, and .* pose stream alone"):
        predict_actions(clips(by_brightness), clip_config, dataset, protocol=protocol)
    config = replace(clip_config, streams=("pose",))
    with pytest.raises(ValueError, match="needs a multitask_model"):
        predict_actions(clips(by_brightness), config, dataset, protocol=protocol)
    with pytest.raises(ValueError, match="takes labelled poses"):
        predict_actions(
            poses_only(always(0)), LABELS, dataset, protocol=ActionProtocol(poses="predicted")
        )


@pytest.mark.parametrize("mode", ["single", "multi"])
def test_clips_have_the_frame_rate_asked_for(dot_videos, mode):
    dataset, seen = dot_videos((9, 12, 5), frames=False), []
    for number, rate in enumerate((10.0, 25.0, 12.5)):
        dataset = dataset.changed(number, frame_rate=rate)

    def answer(poses):
        seen.extend(poses)
        return always(0)(poses)

    protocol = ActionProtocol(clips=mode, frame_rate=8)
    predictions = predict_actions(poses_only(answer), LABELS, dataset, protocol=protocol)
    spec, expected = InputSpec.of(LABELS, frame_rate=8), []
    for video in dataset:
        starts = [None]
        if mode == "multi":
            starts = clip_starts(len(video.joints), 4, step=video.frame_rate / 8)
        expected += [pose_sequence(clip_of(video, spec, start=start), spec) for start in starts]
    np.testing.assert_array_equal(seen[: len(expected)], expected)
    assert predictions.clips_per_video.sum() == len(expected)
    assert len(expected) > 3 or mode == "single"


@pytest.mark.parametrize("mode", ["single", "multi"])
def test_video_without_a_frame_rate_is_named(dot_videos, mode):
    dataset = dot_videos(frames=False).changed(1, frame_rate=0)
    with pytest.raises(ValueError, match=r"'video1': The frame rate of a video must be above 0"):
        predict_actions(
            poses_only(always(0)),
            LABELS,
            dataset,
            protocol=ActionProtocol(clips=mode, frame_rate=8),
        )


def test_spacing_is_that_of_the_training():
    assert trained_spacing({}) == {"subsampling": 1}
    assert trained_spacing({"subsampling": "whole"}) == {"subsampling": "whole"}
    assert trained_spacing({"frame_rate": 8, "subsampling": "whole"}) == {"frame_rate": 8}


def test_other_is_one_more_answer_that_is_always_wrong(dot_videos):
    config = replace(LABELS, actions={"dots": 4})
    answers = np.array([[0.3, 0.1, 0.1, 0.5], [0.1, 0.1, 0.1, 0.7], [0.0, 0.0, 1.0, 0.0]])

    def model(poses):
        return {"action_dots": answers[: len(poses), None]}

    predictions = predict_actions(model, config, dot_videos(frames=False), batch_size=3)
    assert predictions.actions == ("bowl", "squat", "tennis_serve", OTHER)
    weighted = answers * [1, 1, 1, OTHER_WEIGHT]
    np.testing.assert_allclose(predictions.scores[0], weighted / weighted.sum(1, keepdims=True))
    assert predictions.scores[0].argmax(axis=1).tolist() == [0, 3, 2]
    assert predictions.labels.tolist() == [0, 1, 2]


def test_unlabelled_joints_stay_unlabelled_in_the_mirror():
    poses = np.random.default_rng(0).uniform(0.1, 0.9, (4, 16, 3)).astype(np.float32)
    poses[:, 4] = 0  # right shoulder
    mirrored = mirrored_poses(poses, "pa16j")
    flip = get_skeleton("pa16j").flip
    assert not mirrored[:, 5].any()
    np.testing.assert_allclose(mirrored[:, 4, 0], 1 - poses[:, 5, 0])
    np.testing.assert_array_equal(mirrored[..., 1:], poses[:, flip, 1:])
    np.testing.assert_allclose(mirrored_poses(mirrored, "pa16j"), poses, atol=1e-6)


def test_short_videos_are_scored_by_their_single_clip(clip_config, dot_videos, clips):
    dataset = dot_videos((2, 3, 12))
    single = predict_actions(clips(by_brightness), clip_config, dataset)
    multi = predict_actions(
        clips(by_brightness), clip_config, dataset, protocol=ActionProtocol(clips="multi")
    )
    np.testing.assert_allclose(multi.scores[:, :2], single.scores[:, :2], atol=1e-6)
    assert multi.clips_per_video.tolist()[:2] == [1, 1]
    frames = [frame for video, frame in single.frames if video == 0]
    assert frames == sorted(set(clip_indices(2, 4).tolist()))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"head": "penn"}, "no head 'penn'.*dots"),
    ],
)
def test_bad_arguments_are_explained(clip_config, dot_videos, clips, options, message):
    with pytest.raises(ValueError, match=message):
        predict_actions(clips(by_brightness), clip_config, dot_videos(), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clips": "all"}, "clips must be one of single, multi"),
        ({"boxes": "true"}, "boxes must be one of gt, predicted, full"),
        ({"num_frames": 1}, "at least 4 frames"),
        ({"subsampling": 0}, "subsampling"),
        ({"subsampling": "all"}, "subsampling"),
        ({"frame_rate": 0}, "frame_rate must be above 0"),
        ({"frame_rate": 8, "subsampling": 2}, "not both"),
        ({"poses": "drawn"}, "poses must be one of predicted, labels, got 'drawn'"),
    ],
)
def test_bad_protocols_are_explained(options, message):
    with pytest.raises(ValueError, match=message):
        ActionProtocol(**options)


def test_bad_videos_are_named(clip_config, dot_videos, clips):
    model, dataset = clips(by_brightness), dot_videos()

    def predicting(**changes):
        predict_actions(model, clip_config, dataset.changed(1, **changes))

    with pytest.raises(ValueError, match="empty"):
        predict_actions(model, clip_config, Subset(dataset, []))
    with pytest.raises(ValueError, match="'video1' has no frames"):
        predicting(joints=np.zeros((0, 16, 2)), frames=[])
    with pytest.raises(ValueError, match="'video1' has labels only"):
        predicting(frames=[])
    with pytest.raises(ValueError, match=r"video1.*no box"):
        predicting(boxes=np.zeros((12, 4)))
    with pytest.raises(ValueError, match=r"video1.*outside"):
        predicting(boxes=np.tile([900.0, 900, 950, 950], (12, 1)))
    with pytest.raises(FileNotFoundError, match=r"gone\.jpg"):
        predicting(frames=["gone.jpg"] * 12)


def test_classes_that_do_not_match_are_refused(dot_videos):
    for count in (2, 5):
        config = ModelConfig(num_frames=4, actions={"penn": 15, "dots": count})
        message = f"'dots' has {count} actions, but the data set dots has 3"
        with pytest.raises(ValueError, match=message):
            find_head(config, dot_videos())
    config = ModelConfig(num_frames=4, actions={"penn": 15, "dots": 4})
    assert find_head(config, dot_videos()) == "dots"
    with pytest.raises(ValueError, match="poses only"):
        find_head(ModelConfig(), dot_videos())
    both = ModelConfig(num_frames=4, actions={"a": 3, "b": 3})
    with pytest.raises(ValueError, match=r"no head 'dots'.*a .3 actions., b"):
        find_head(both, dot_videos())
    assert find_head(both, dot_videos(), head="b") == "b"
    drawn = dot_videos()
    drawn.head = "b"
    assert find_head(both, Subset(drawn, [0])) == "b"
    assert find_head(ModelConfig(num_frames=4, actions={"a": 3}), dot_videos()) == "a"


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (lambda n: {"pose": np.zeros((n, 4, 1, 16, 3))}, "gives pose, but 'action_dots'"),
        (lambda n: {"action_dots": np.zeros((n, 3))}, "batch, predictions, 3"),
        (lambda n: {"action_dots": np.zeros((n, 1, 4))}, "batch, predictions, 3"),
        (lambda n: {"action_dots": np.zeros((n, 1, 3))}, "gives action_dots, but 'pose'"),
        (lambda n: np.zeros((n, 1, 3)), "a dict"),
    ],
)
def test_a_model_of_another_form_is_refused(clip_config, dot_videos, output, message):
    with pytest.raises(ValueError, match=message):
        predict_actions(lambda clips: output(len(clips)), clip_config, dot_videos())


def test_poses_take_label_boxes_only(dot_videos):
    with pytest.raises(ValueError, match="sees images"):
        predict_actions(
            poses_only(always(0)),
            LABELS,
            dot_videos(),
            protocol=ActionProtocol(boxes="predicted"),
        )


def test_a_missing_frame_ends_a_multi_clip_prediction(clip_config, dot_videos, clips, tmp_path):
    paths = [str(tmp_path / f"{number:06d}.png") for number in range(12)]
    for path in paths[:5]:
        cv2.imwrite(path, np.zeros((90, 90, 3), np.uint8))
    dataset = dot_videos((9, 12)).changed(1, frames=paths, size=(90, 90))
    with pytest.raises(FileNotFoundError, match=r"000005\.png"):
        predict_actions(clips(by_brightness), clip_config, dataset, protocol=MULTI)


def test_frames_count_by_their_best_known_action():
    sure, idle = [("a", 0.8), ("other", 0.2), ("b", 0.0)], [("other", 0.8), ("b", 0.2), ("a", 0.0)]
    name, score = mean_action([sure, idle, idle])[0]
    assert name == "a"
    assert score == pytest.approx(0.64 / 1.2, abs=1e-3)
    assert mean_action([[("other", 1.0), ("a", 0.0)]] * 2) == [("other", 1.0), ("a", 0.0)]
    with pytest.raises(ValueError, match="no frame"):
        mean_action([])
