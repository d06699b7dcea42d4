"""Videos of a folder as the pose network sees them, and windows of them to learn from."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from blobs import CLIPS, blob_network, film
from dots import UNCHANGED

from deephar import Predictor
from deephar.data import InputSpec, LabelledVideo, SequenceAugmentation, Subset, VideoFolder
from deephar.data.clips import crop_clips
from deephar.inference.network import Parts
from deephar.training.watched_clips import WatchedClips, hold_out_clips
from deephar.training.watching import (
    WatchedFolder,
    WatchedVideo,
    WindowBatches,
    even_windows,
    groups_of,
    hold_out_groups,
    predict_watched,
    rule_of,
    watch_folder,
)
from deephar.video import VideoWriter

SPEC = InputSpec(num_frames=4, frame_rate=8.0)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder of two actions; in each, three videos of 24 frames of a moving rectangle."""
    folder = tmp_path_factory.mktemp("videos")
    rng = np.random.default_rng(0)
    for name in (f"{action}/{n}.mp4" for action in ("bowl", "squat") for n in range(3)):
        (folder / name).parent.mkdir(exist_ok=True)
        wall = rng.integers(0, 150, (5, 8, 3)).astype(np.uint8)
        wall = wall.repeat(30, axis=0).repeat(25, axis=1)
        with VideoWriter(folder / name, 24) as writer:
            for image in film(24):
                writer.write(np.maximum(image, wall))
    return folder


@pytest.fixture
def watched(root, tmp_path):
    """Builder of watched folders, with a count of the calls of the network."""

    def build(folder=root, mirror=False, cache=tmp_path):
        network = blob_network(CLIPS)
        predictor = Predictor.from_model(network, CLIPS, frame_rate=8.0)
        result = watch_folder(
            predictor, VideoFolder(folder), rate=8.0, cache=cache, key="k", mirror=mirror
        )
        return result, network

    return build


def test_each_video_is_watched_once(watched):
    first, network = watched()
    assert len(first) == 6
    assert first[0].views[0].positions.tolist() == pytest.approx(np.arange(8) / 8, abs=0.05)
    assert network.shapes
    again, network = watched()
    assert not network.shapes
    np.testing.assert_array_equal(
        again[5].views[0].outputs["pose"], first[5].views[0].outputs["pose"]
    )


def test_changed_videos_are_watched_again_and_damaged_files_made_again(watched, root, tmp_path):
    watched()
    file = next(tmp_path.glob("*.npz"))
    file.write_bytes(b"damaged")
    _, network = watched()
    assert network.shapes


def test_windows_are_those_of_the_predictor(watched):
    """Without a change, heads learn from what they will see."""
    folder, _ = watched()
    windows, numbers = even_windows(folder, SPEC, ["pose"])
    assert windows["pose"].shape[1:] == (4, 1, 16, 3)
    assert np.bincount(numbers).tolist() == [4] * 6
    seen = []

    def heads(inputs):
        seen.extend(inputs["pose"])
        return {"action_a": np.tile([0.25, 0.75], (len(inputs["pose"]), 1, 1))}

    parts = Parts(None, heads, ("pose",))
    predictions = predict_watched(parts, folder, "a", rule_of(SPEC))
    assert predictions.scores.shape == (6, 2)
    np.testing.assert_allclose(predictions.scores[:, 1], 0.75, atol=1e-6)
    for window in windows["pose"][numbers == 0][[0, -1]]:  # the others lie between frames
        assert min(np.abs(window - other).max() for other in seen) < 1e-5


def test_batches_hold_windows_and_actions(watched):
    folder, _ = watched()
    make = {"shares": {"a": 4}, "spec": SPEC, "inputs": ["pose"]}
    batches = WindowBatches({"a": folder}, augmentation=UNCHANGED, **make)
    inputs, targets = batches[0]
    assert inputs["pose"].shape == (4, 4, 1, 16, 3)
    labels = [sample.action for sample in batches.samples(0)]
    np.testing.assert_array_equal(targets["action_a"], np.eye(2)[labels])
    windows, _ = even_windows(folder, SPEC, ["pose"])
    assert np.abs(inputs["pose"].mean() - windows["pose"].mean()) < 0.02
    np.testing.assert_array_equal(batches[0][0]["pose"], inputs["pose"])
    changed = WindowBatches({"a": folder}, augmentation=SequenceAugmentation(), **make)
    assert np.abs(changed[0][0]["pose"] - inputs["pose"]).max() > 0.05


def clips_of(folder, frames, size=64):
    return WatchedClips(folder, frames, rate=8.0, skeleton="pa16j", image_size=size)


def test_watched_videos_are_clips_with_the_poses_that_were_seen(watched, tmp_path):
    folder, _ = watched()
    clips = clips_of(folder, tmp_path / "frames")
    video, poses = clips[4], folder[4].views[0].outputs["pose"][:, -1]
    assert (video.action, video.name, clips.actions) == (1, folder[4].name, ("bowl", "squat"))
    assert video.frame_rate == pytest.approx(8, rel=0.05)
    assert video.frames[0].shape == (150, 200, 3)  # the person is small, so all is kept
    np.testing.assert_allclose(video.joints, poses[..., :2], atol=1e-4)
    assert (video.visible == 1).all()
    bright = np.argwhere(video.frames[3].min(axis=-1) > 200)[:, ::-1]  # where the person is
    np.testing.assert_allclose(bright.min(axis=0), video.joints[3].min(axis=0), atol=2)
    np.testing.assert_allclose(bright.max(axis=0), video.joints[3].max(axis=0), atol=2)
    small = clips_of(folder, tmp_path / "small", size=8)[4]
    scale = np.array(small.size) / (200, 150)
    assert scale.max() < 0.5
    np.testing.assert_allclose((small.joints + 0.5) / scale - 0.5, video.joints, atol=1e-4)
    images, targets = crop_clips([video], InputSpec(num_frames=4, frame_rate=8.0, image_size=64))
    assert images.shape == (1, 4, 64, 64, 3)
    assert np.isfinite(targets[..., :2]).all()


def test_frames_without_the_person_have_no_pose(watched, tmp_path):
    folder, _ = watched()
    views = folder[0].views[0]
    poses = views.outputs["pose"].copy()
    poses[[0, 7], ..., -1] = 0
    gone = replace(folder[0], views=(views.of(views.positions, {"pose": poses}),))
    video = clips_of(WatchedFolder(VideoFolder(folder.source), [gone]), tmp_path / "frames")[0]
    assert np.isnan(video.joints).all(axis=(1, 2)).tolist() == [True, *[False] * 6, True]
    assert np.isnan(video.visible).all(axis=1).tolist() == [True, *[False] * 6, True]
    np.testing.assert_array_equal(video.boxes[[0, 7]], video.boxes[[1, 6]])


def test_clips_are_held_out_by_groups(watched, tmp_path):
    folder, _ = watched()
    marked = [
        replace(item, video=replace(item.video, split="valid" if number in (1, 4) else None))
        for number, item in enumerate(folder)
    ]
    clips = clips_of(WatchedFolder(VideoFolder(folder.source), marked), tmp_path / "frames")
    rest, held = hold_out_clips(Subset(clips, [5, 4, 1, 0]), 0.5)
    assert [video.name for video in held] == [folder[4].name, folder[1].name]
    assert [video.name for video in rest] == [folder[5].name, folder[0].name]


def test_files_of_poses_are_no_clips(watched, tmp_path):
    folder, _ = watched()
    poses = replace(folder[0], video=replace(folder[0].video, path=Path("x.json")))
    with pytest.raises(ValueError, match="is a file of poses, and the whole network learns from"):
        clips_of(WatchedFolder(VideoFolder(folder.source), [poses]), tmp_path)


def test_mirror_images_are_looked_at(watched):
    folder, _ = watched(mirror=True)
    views = folder[0].views
    assert len(views) == 2
    x = [view.outputs["pose"][..., 0] for view in views]
    np.testing.assert_allclose(x[0].min() + x[1].max(), 199, atol=3)  # the width is 200


def test_scenes_that_look_alike_are_one_group(watched, root, tmp_path):
    folder, _ = watched()
    assert len(set(folder.groups)) == 6
    copy = tmp_path / "copies"
    for name, source in (("a/1.mp4", 0), ("a/2.mp4", 0), ("b/1.mp4", 1), ("b/2.mp4", 2)):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((root / f"bowl/{source}.mp4").read_bytes())
    folder, _ = watched(copy)
    assert folder.groups == ("scene 1", "scene 1", "scene 2", "scene 3")


def labelled(groups, split=None):
    """A watched folder of two actions with so many groups of two videos each."""
    videos = []
    for number in range(4 * groups):
        action, group = number % 2, f"{number % 2}-{number // 4}"
        video = LabelledVideo(
            Path("x"), "ab"[action], group, str(number), split if number < 4 else None
        )
        videos.append(WatchedVideo(video, action, (), np.zeros(0), np.zeros(0)))
    folder = SimpleNamespace(name="x", source="x", actions=("a", "b"), has_groups=True)
    return WatchedFolder(folder, videos)


def test_groups_are_held_out_whole():
    rest, held = hold_out_groups(labelled(10), 0.2)
    assert len(held) == 8
    assert sum(video.action for video in held) == 4
    assert not set(groups_of(rest)) & set(groups_of(held))
    part = Subset(rest, [0, 1])
    assert groups_of(part) == groups_of(rest)[:2]


def test_the_list_may_say_what_is_held_out():
    held = hold_out_groups(labelled(10, split="valid"), 0.2)[1]
    assert [video.name for video in held] == ["0", "1", "2", "3"]


def test_nothing_is_held_out_of_a_few_groups():
    rest, held = hold_out_groups(labelled(4), 0.2)
    assert len(rest) == len(held) == 16


def test_videos_without_a_person_are_left_out_with_a_reason(watched, root, tmp_path):
    empty = tmp_path / "videos"
    for name in ("bowl/0.mp4", "squat/dark.mp4", "squat/broken.mp4"):
        (empty / name).parent.mkdir(parents=True, exist_ok=True)
    (empty / "bowl/0.mp4").write_bytes((root / "bowl/0.mp4").read_bytes())
    with VideoWriter(empty / "squat/dark.mp4", 24) as writer:
        for _ in range(8):
            writer.write(np.zeros((64, 64, 3), np.uint8))
    (empty / "squat/broken.mp4").write_bytes(b"no video")
    folder, _ = watched(empty)
    assert [video.name for video in folder] == ["bowl/0.mp4"]
    reasons = {video.name: reason for video, reason in folder.left_out}
    assert "A person is seen in 0 % of its frames only" in reasons["squat/dark.mp4"]
    assert "can be decoded" in reasons["squat/broken.mp4"]
