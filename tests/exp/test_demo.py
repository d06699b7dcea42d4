"""exp/demo.py, from the command line to the files it leaves."""

import json

import keras
import numpy as np
import pytest
from networks import HEADS, SMALL, save_untrained

from deephar import weights
from deephar.data.sets.penn import ACTIONS
from deephar.models import ModelConfig
from deephar.video import VideoWriter, video_info


@pytest.fixture(scope="module")
def clip_weights(tmp_path_factory):
    """Weights of a network of clips for Penn Action."""
    config = ModelConfig(**SMALL, **HEADS, actions={"penn": 15})
    path = tmp_path_factory.mktemp("weights") / "clips.h5"
    return save_untrained(path, config, actions={"penn": ACTIONS})


@pytest.fixture
def film(tmp_path):
    path = tmp_path / "film.mp4"
    rng = np.random.default_rng(0)
    with VideoWriter(path, 20) as writer:
        for _ in range(10):
            writer.write(rng.integers(0, 255, (120, 160, 3)).astype(np.uint8))
    return path


def test_a_video_is_annotated(film, clip_weights, tmp_path, capsys, run):
    out = tmp_path / "out.mp4"
    assert run("demo.py", film, "--weights", clip_weights, "--out", out) == 0
    printed = capsys.readouterr().out
    assert str(out) in printed
    assert video_info(out).frames == 10
    numbers = json.loads(out.with_suffix(".json").read_text())
    assert len(numbers["frames"]) == 10
    assert numbers["frames"][0]["action"][0][0] in ACTIONS
    box = ["--box", 10, 20, 90, 100, "--subsampling", 2]
    assert run("demo.py", film, "--weights", clip_weights, "--out", out, *box) == 0
    numbers = json.loads(out.with_suffix(".json").read_text())
    assert {tuple(row["box"]) for row in numbers["frames"]} == {(10, 20, 90, 100)}
    assert {tuple(row["crop"]) for row in numbers["frames"]} == {(0, 10, 100, 110)}


def test_a_video_is_annotated_in_bfloat16(film, clip_weights, tmp_path, monkeypatch, run):
    built = []
    load_model = weights.load_model
    monkeypatch.setattr(
        weights, "load_model", lambda name: built.append(load_model(name)) or built[-1]
    )
    before = keras.config.dtype_policy()
    try:
        arguments = ["--weights", clip_weights, "--out", tmp_path / "out.mp4"]
        assert run("demo.py", film, *arguments, "--precision", "bfloat16") == 0
    finally:
        assert keras.config.dtype_policy() == before
    layers = built[0][0].layers
    assert "mixed_bfloat16" in {layer.dtype_policy.name for layer in layers}


def test_mistakes_with_videos_are_one_line(film, clip_weights, tmp_path, capsys, run):
    empty = tmp_path / "empty.mp4"
    empty.touch()
    cases = [
        ((tmp_path / "gone.mp4", "--out", tmp_path / "o.mp4"), "does not exist"),
        ((empty, "--out", tmp_path / "o.mp4"), "is an empty file"),
        ((clip_weights, "--out", tmp_path / "o.mp4"), "holds no frames that can be decoded"),
        ((film, "--out", tmp_path / "o.avi"), "must end in .mp4"),
        ((film, "--out", film), "is the video to be read"),
    ]
    for arguments, message in cases:
        assert run("demo.py", *arguments, "--weights", clip_weights) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ")
        assert message in line


def test_real_videos_are_annotated(real_data, clip_weights, tmp_path, run):
    video = real_data / "videos" / "sample2.mp4"
    if not video.is_file():
        pytest.skip("the real videos are not at hand (data/videos)")
    out = tmp_path / "out.mp4"
    assert run("demo.py", video, "--weights", clip_weights, "--out", out) == 0
    assert (video_info(out).frames, video_info(out).size) == (80, (960, 540))
