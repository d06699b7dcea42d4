"""Videos of a folder as the pose network sees them, and windows of them to learn from."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from blobs import CLIPS, blob_network, film
from dots import UNCHANGED

from deephar import Predictor
from deephar.data import InputSpec, LabelledVideo, SequenceAugmentation, Subset, VideoFolder
from deephar.inference.network import Parts
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
