"""The script for folders of videos, from the command line to the files it leaves."""

import json

import numpy as np
import pytest
from networks import HEADS, SMALL, save_untrained

from deephar.models import ModelConfig
from deephar.video import VideoWriter

SCRIPT = "pennaction/eval_clips.py"
FILES = ["confusion.png", "rejection.png", "results.json", "sheet.png", "videos.csv"]


@pytest.fixture(scope="module")
def weights_of(tmp_path_factory):
    """Weights of an untrained network with some actions: ``weights_of("bowl", "squat")``."""
    made = {}

    def build(*actions):
        if actions not in made:
            path = tmp_path_factory.mktemp("weights") / "clips.h5"
            facts = {}
            if actions:
                facts = {"actions": {"penn": actions}, "frame_rate": 8.0}
            heads = {**HEADS, "actions": {"penn": len(actions)}} if actions else {}
            made[actions] = save_untrained(path, ModelConfig(**SMALL, **heads), **facts)
        return made[actions]

    return build


@pytest.fixture
def folder(tmp_path):
    """Builder of a folder of videos of 5 frames: ``folder("bowl/a.mp4", ...)``."""

    def build(*names):
        rng = np.random.default_rng(0)
        for name in names:
            path = tmp_path / "videos" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with VideoWriter(path, 30) as writer:
                for _ in range(5):
                    writer.write(rng.integers(0, 255, (48, 64, 3)).astype(np.uint8))
        return tmp_path / "videos"

    return build


def results(out):
    return json.loads((out / "results.json").read_text())


def test_a_folder_is_scored_and_pictured(folder, weights_of, tmp_path, capsys, run):
    root, out = folder("bowl/a.mp4", "squat/b.mp4", "other/c.mp4"), tmp_path / "out"
    weights = weights_of("bowl", "squat", "other")
    assert run(SCRIPT, "--data", root, "--weights", weights, "--out", out) == 0
    printed = capsys.readouterr().out
    assert "3 videos, 3 actions" in printed
    assert "(videos of known actions: 2)" in printed
    assert "of the videos of none of the actions (1)" in printed
    assert all(str(out / name) in printed for name in FILES)
    assert sorted(path.name for path in out.iterdir()) == FILES
    found = results(out)
    assert [video["file"] for video in found["videos"]] == [
        "bowl/a.mp4",
        "other/c.mp4",
        "squat/b.mp4",
    ]
    assert found["protocol"]["head"] == "penn"
    assert found["protocol"]["frame_rate"] == 8
    assert found["protocol"]["precision"] == "float32"
    assert found["command"].startswith("python exp/pennaction/eval_clips.py --data ")


def test_a_broken_video_is_named_and_the_status_tells(folder, weights_of, tmp_path, capsys, run):
    root = folder("bowl/a.mp4", "bowl/b.mp4", "squat/c.mp4")
    (root / "bowl" / "a.mp4").write_bytes(b"no video")
    arguments = ["--data", root, "--weights", weights_of("bowl", "squat", "other")]
    assert run(SCRIPT, *arguments, "--out", tmp_path / "out") == 1
    printed = capsys.readouterr().out
    assert "ONLY 2 OF 3 VIDEOS" in printed
    assert "NOT SCORED, because they cannot be read:\nbowl/a.mp4: " in printed
    (broken,) = results(tmp_path / "out")["unreadable"]
    assert broken["file"] == "bowl/a.mp4"
    assert "holds no frames that can be decoded" in broken["reason"]


def test_weights_without_other_leave_its_videos_out(folder, weights_of, tmp_path, capsys, run):
    root, out = folder("bowl/a.mp4", "other/c.mp4"), tmp_path / "out"
    assert run(SCRIPT, "--data", root, "--weights", weights_of("bowl", "squat"), "--out", out) == 0
    printed = capsys.readouterr().out
    assert "The videos of 'other' (1) are left out: the network has no such action" in printed
    assert "All known videos are of one action, bowl" in printed
    found = results(out)
    assert found["left_out"] == ["other/c.mp4"]
    assert found["others"] is None
    assert not (out / "rejection.png").exists()


@pytest.mark.parametrize(
    ("names", "actions", "message"),
    [
        (
            ["bowl/a.mp4", "Jump/b.mp4"],
            ("bowl", "squat", "other"),
            "'Jump', which the network does not know. Its actions are bowl, squat, other.",
        ),
        (
            ["Golf-swing/a.mp4", "sqaut/b.mp4", "Jump/c.mp4"],
            ("golf_swing", "squat", "other"),
            "not know. Did you mean 'golf_swing' in place of 'Golf-swing', 'squat' in place of "
            "'sqaut'? Its actions",
        ),
        (["other/a.mp4"], ("bowl", "other"), "are labelled 'other'. Add videos of actions"),
        (["bowl/a.mp4"], (), "predict poses only, no actions. Give other --weights."),
    ],
)
def test_what_cannot_be_scored_is_refused(
    folder, weights_of, tmp_path, capsys, run, names, actions, message
):
    arguments = ["--data", folder(*names), "--weights", weights_of(*actions)]
    assert run(SCRIPT, *arguments, "--out", tmp_path / "out") == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
