"""The ``deephar`` command: its subcommands, its speed, and mistakes as one line."""

import contextlib
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import cv2
import h5py
import keras
import numpy as np
import pytest
from networks import CLIPS, HEADS, SMALL, require_format, save_untrained

import deephar
from deephar import weights
from deephar.cli import demo
from deephar.cli.classify import NOBODY
from deephar.cli.main import main
from deephar.data.check import DATASETS
from deephar.models import ModelConfig
from deephar.video import VideoWriter, video_info

ROOT = Path(__file__).parents[2]
COMMANDS = ("demo", "classify", "app", "batch", "inspect", "convert", "export", "check", "info")


@pytest.fixture
def spnet_file(golden_folder):
    return str(golden_folder / "spnet_pose2d.weights.keras2.h5")


@pytest.fixture
def film(tmp_path):
    path = tmp_path / "film.mp4"
    with VideoWriter(path, 20) as writer:
        for number in range(3):
            writer.write(np.full((64, 96, 3), 60 * number, np.uint8))
    return path


@pytest.fixture
def small_weights(tmp_path):
    return save_untrained(tmp_path / "small.h5", ModelConfig(**SMALL))


def failure(argv, capsys):
    """The one line that a mistake gives."""
    assert main([str(word) for word in argv]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    return printed.err


def run_module(*arguments, **environment):
    command = [sys.executable, "-X", "importtime", "-m", "deephar", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["inspect", "--help"], ["demo", "--help"]]
)
def test_help_is_shown_without_importing_keras(arguments):
    result = run_module(*arguments)
    assert result.returncode == 0
    assert "deephar" in result.stdout
    assert "cli.main" in result.stderr  # where -X importtime lists the imports
    assert "keras" not in result.stderr
    assert "numpy" not in result.stderr


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_help_fits_on_a_screen_and_has_an_example(command, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    text = capsys.readouterr().out
    assert len(text.splitlines()) <= 45
    assert text.split("example:\n")[1].startswith(f"  deephar {command}")


def test_help_names_all_commands_and_all_data_sets(capsys):
    for arguments in (["--help"], ["check", "--help"]):
        with pytest.raises(SystemExit, match="0"):
            main(arguments)
    printed = capsys.readouterr().out
    assert all(f"  {name} " in printed for name in COMMANDS)
    assert ", ".join(DATASETS) in " ".join(printed.split())


def test_runs_as_a_module(tmp_path):
    result = run_module("check", "mpii", tmp_path / "none")
    assert result.returncode == 1
    assert "PROBLEM: no split can be read" in result.stdout
    assert main(["check", "mpii", str(tmp_path / "none")]) == 1


# --- classify


def test_poses_and_videos_are_classified(film, tmp_path, capsys):
    config = ModelConfig(**SMALL, **HEADS, actions={"a": 2}, streams=("pose",))
    facts = {"actions": {"a": ["jump_rope", "other"]}, "frame_rate": 10.0}
    path = save_untrained(tmp_path / "heads.h5", config, **facts)
    poses = tmp_path / "poses.json"
    keypoints = np.random.default_rng(0).uniform(1, 60, (6, 51)).tolist()
    results = [{"image_id": n, "keypoints": row} for n, row in enumerate(keypoints)]
    poses.write_text(json.dumps(results))
    assert main(["classify", str(film), str(poses), "--weights", str(path)]) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert [lines[0], lines[3]] == [str(film), str(poses)]
    assert sum(line.endswith("%  jump rope") for line in lines) == 2
    assert "have no pelvis, thorax, neck, head_top. These joints count as hidden" in printed.err
    hidden = [{"image_id": n, "keypoints": [0.0] * 51} for n in range(6)]
    poses.write_text(json.dumps(hidden))
    assert main(["classify", str(poses), "--weights", str(path)]) == 0
    assert capsys.readouterr().out.splitlines() == [str(poses), NOBODY]


def test_broken_videos_do_not_stop_the_classification_of_others(film, tmp_path, capsys):
    config = ModelConfig(**SMALL, **HEADS, actions={"a": 2}, streams=("pose",))
    path = save_untrained(tmp_path / "heads.h5", config, actions={"a": ["jump", "other"]})
    broken, gone = tmp_path / "broken.mp4", tmp_path / "gone.mp4"
    broken.write_bytes(b"no video")
    assert main(["classify", *map(str, (broken, film, gone)), "--weights", str(path)]) == 1
    printed = capsys.readouterr()
    assert printed.out.splitlines()[0] == str(film)
    errors = [line for line in printed.err.splitlines() if line.startswith("error: ")]
    assert ["broken.mp4" in errors[0], "gone.mp4 does not exist" in errors[1]] == [True, True]
    assert main(["classify", str(broken), str(gone), "--weights", str(path)]) == 1


def test_weights_without_actions_are_refused_once(film, small_weights, capsys):
    message = failure(["classify", film, film, "--weights", small_weights], capsys)
    assert message.count("predicts poses only. Give weights with actions") == 1


def test_what_cannot_be_classified_is_named(tmp_path, capsys):
    (tmp_path / "a.json").write_text("[]")
    assert "a.json holds no poses in a known form" in failure(
        ["classify", tmp_path / "a.json"], capsys
    )
    assert "gone.mp4 does not exist" in failure(["classify", tmp_path / "gone.mp4"], capsys)


# --- inspect and convert


def test_files_are_inspected_and_converted(spnet_file, tmp_path, capsys):
    out = tmp_path / "ours.h5"
    assert main(["convert", spnet_file, str(out)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"wrote {out}"
    assert main(["inspect", str(out)]) == 0
    assert "151,840 parameters in 156 arrays\n" in capsys.readouterr().out
    assert "has its config inside" in failure(["convert", out, tmp_path / "x.h5"], capsys)


def test_the_command_that_an_error_proposes_can_be_pasted(golden_folder, tmp_path):
    path = tmp_path / "the clips.hdf5"
    source = golden_folder / "spnet_multitask2d_replica.weights.keras2.h5"
    path.write_bytes(source.read_bytes())
    with pytest.raises(ValueError, match="--frames") as error:
        weights.load_model(path)
    program, *words = shlex.split(str(error.value).split("kind): ")[1])
    assert program == "deephar"
    assert main([*words, "--head", "gym"]) == 0
    config = weights.read_config(path.with_name("the clips-converted.h5"))
    assert (config.num_frames, config.actions) == (8, {"gym": 15})


def test_mistakes_give_one_line_and_status_2(tmp_path, capsys):
    message = failure(["inspect", tmp_path / "none.h5"], capsys)
    assert "none.h5 is neither a weights file nor a known name" in message
    (tmp_path / "text.h5").write_text("hello")
    assert "not an HDF5 weights file" in failure(["inspect", tmp_path / "text.h5"], capsys)
    with h5py.File(tmp_path / "table.h5", "w") as file:
        file["table"] = np.zeros(3)
    assert "neither Keras 2 nor Keras 3" in failure(["inspect", tmp_path / "table.h5"], capsys)
    for arguments in (["convert", "a.h5"], ["check", "unknown", "."], ["unknown"], []):
        with pytest.raises(SystemExit, match="2"):
            main(arguments)


# --- check


def test_the_status_of_a_check_shows_problems(tmp_path, capsys):
    (tmp_path / "images").mkdir()
    (tmp_path / "annot").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "a.jpg"), np.zeros((64, 64, 3), np.uint8))
    person = {
        "image": "a.jpg",
        "joints": [[20.0 + i, 20.0 + i] for i in range(16)],
        "joints_vis": [1] * 16,
        "center": [32, 32],
        "scale": 0.3,
        "headsize": 5.0,
    }
    (tmp_path / "annot" / "train.json").write_text(json.dumps([person]))
    assert main(["check", "mpii", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("ok: 1 persons")
    (tmp_path / "images" / "a.jpg").unlink()
    assert main(["check", "mpii", str(tmp_path)]) == 1


# --- info


def test_info_tells_versions_devices_and_weights(tmp_path, monkeypatch, capsys):
    entries = {
        "here": {"file": "here.h5", "sha256": "0", "config": {}},
        "gone": {"file": "gone.h5", "sha256": "0", "config": {}, "default": True},
        "theirs": {"file": "theirs.h5", "url": "https://there", "config": {}},
    }
    (tmp_path / "index.json").write_text(json.dumps(entries))
    (tmp_path / "here.h5").touch()
    monkeypatch.setenv("DEEPHAR_WEIGHTS", str(tmp_path))
    assert main(["info"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0][:2] == ["deephar", f"{deephar.__version__},"]
    assert ["Keras", f"{keras.__version__},", "backend", keras.backend.backend()] == lines[2][:4]
    assert lines[3][0] == "devices"
    assert len(lines[3]) > 1
    assert lines[5] == ["weights", str(tmp_path)]
    assert ["here", "found"] in lines
    assert ["gone", "missing,", "the", "default"] in lines
    downloaded = "missing; it can be downloaded from https://there"
    assert ["theirs", *downloaded.split()] in lines


def test_info_says_that_no_weights_are_listed(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DEEPHAR_WEIGHTS", str(tmp_path))
    assert main(["info"]) == 0
    assert "no index.json in this folder" in capsys.readouterr().out


# --- demo


def test_the_demo_writes_beside_the_current_folder(
    film, small_weights, tmp_path, monkeypatch, capsys
):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert (
        main(["demo", str(film), "--weights", str(small_weights), "--box", *"0 0 60 60".split()])
        == 0
    )
    assert "film-poses.mp4" in capsys.readouterr().out
    names = ["film-poses.csv", "film-poses.json", "film-poses.mp4"]
    assert sorted(path.name for path in Path().iterdir()) == names
    assert video_info("film-poses.mp4").frames == 3


@pytest.mark.parametrize(
    ("name", "stem"),
    [("100% ü日本 %d.mp4", "100% ü日本 %d"), ("0", "0"), ("日" * 80 + ".mp4", "日" * 66)],
)
def test_the_demo_names_its_files_after_any_video(
    name, stem, film, small_weights, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    shutil.copy(film, tmp_path / name)
    assert main(["demo", name, "--weights", str(small_weights), "--box", *"0 0 60 60".split()]) == 0
    assert video_info(f"{stem}-poses.mp4").frames == 3


def test_the_demo_replaces_no_video_that_the_user_has_not_named(
    film, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    Path("film-poses.mp4").write_text("mine")
    assert "film-poses.mp4 would be replaced" in failure(["demo", film], capsys)
    assert Path("film-poses.mp4").read_text() == "mine"


def test_the_demo_without_a_video_takes_the_example(small_weights, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--weights", str(small_weights), "--box", *"200 50 400 380".split()]) == 0
    assert "squat-poses.mp4" in capsys.readouterr().out
    assert video_info("squat-poses.mp4").frames == 20


class GoneCamera:
    """Stands in for OpenCV's camera; it goes away after some frames."""

    def __init__(self, index):
        self._left = 6

    def isOpened(self):
        return True

    def read(self):
        time.sleep(0.05)
        self._left -= 1
        return self._left >= 0, np.full((64, 96, 3), 100, np.uint8)

    def release(self):
        pass


def test_a_camera_that_goes_away_is_complete_until_then(
    small_weights, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cv2, "VideoCapture", GoneCamera)
    monkeypatch.setattr("deephar.cli.view.what_a_window_lacks", lambda: "No window.")
    weights_and_box = ["--weights", str(small_weights), "--box", *"0 0 60 60".split()]
    with pytest.warns(UserWarning, match="Camera 0 gives no more pictures"):
        assert main(["demo", "0", *weights_and_box, "--format", "csv"]) == 0
    printed = capsys.readouterr().out
    assert "reading camera 0; Ctrl-C ends it. No window. The live picture is at http" in printed
    dropped = int(re.search(r"(\d+) frames were dropped", printed)[1])
    frames = json.loads(Path("camera-0-poses.json").read_text())["frames"]
    assert video_info("camera-0-poses.mp4").frames == len(frames) == 6 - dropped
    assert Path("camera-0-poses-joints.csv").is_file()


@pytest.mark.parametrize("whom", ["best", "largest", "centre", 2])
def test_the_demo_follows_whom_one_says(whom, film, small_weights, monkeypatch):
    calls = []

    def annotate_video(predictor, video, out, **options):
        calls.append(options)
        raise ValueError("that is enough")

    monkeypatch.setattr("deephar.inference.annotate.annotate_video", annotate_video)
    assert main(["demo", str(film), "--weights", str(small_weights), "--person", str(whom)]) == 2
    assert (calls[0]["box"], calls[0]["smooth"]) == (whom, True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--person", "tallest"], "'tallest' is none of best, largest, centre"),
        (["--person", "0"], "no number from 1"),
        (["--person", "2", "--people", "all"], "Leave --box, --person"),
        (["--person", "best", "--box", *"1 2 3 4".split()], "Leave one of them out"),
    ],
)
def test_a_person_who_cannot_be_followed_is_refused(options, message, film, capsys):
    with contextlib.suppress(SystemExit):
        assert main(["demo", str(film), *options]) == 2
    assert message in capsys.readouterr().err


def test_the_demo_writes_the_joints_for_other_programs(film, small_weights, tmp_path, capsys):
    options = ["--weights", small_weights, "--box", 0, 0, 60, 60, "--out", tmp_path / "o.mp4"]
    formats = ["--format", "coco", "--format", "csv"]
    assert main(["demo", *map(str, [film, *options]), *formats]) == 0
    assert str(tmp_path / "o-joints.csv") in capsys.readouterr().out
    assert len(json.loads((tmp_path / "o-coco.json").read_text())) == 3
    table = (tmp_path / "o-joints.csv").read_text().splitlines()
    assert table[0] == "video,frame,time,person,joint,x,y,visibility"
    assert len(table) == 1 + 3 * 16
    (tmp_path / "mine-coco.json").write_text("[]")
    options[-1] = tmp_path / "mine.mp4"
    assert main(["demo", *map(str, [film, *options]), *formats]) == 2
    assert "mine-coco.json would be replaced, but is not" in capsys.readouterr().err
    assert (tmp_path / "mine-coco.json").read_text() == "[]"


def test_the_demo_prints_the_five_best_actions(film, tmp_path, capsys):
    path = save_untrained(tmp_path / "w.h5", CLIPS)
    arguments = ["--weights", path, "--box", 0, 0, 60, 60, "--out", tmp_path / "o.mp4"]
    assert main(["demo", *map(str, [film, *arguments])]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{path}: 16 joints and ")
    assert " actions, on " in lines[0]
    assert sum(" %  action " in line for line in lines) == 5
    written = [tmp_path / name for name in ("o.mp4", "o.json", "o.csv", "o-actions.png")]
    assert lines[-4:] == [f"  {path}" for path in written]
    assert all(path.is_file() for path in written)
    picture = str(tmp_path / "picture.png")
    cv2.imwrite(picture, np.zeros((64, 96, 3), np.uint8))
    with pytest.warns(UserWarning, match="has a single frame"):
        assert main(["demo", picture, *map(str, arguments)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  no known action: nobody is seen for long enough" in lines
    assert not any("%" in line for line in lines)


@pytest.mark.parametrize("videos", [["shots"], ["shots/%d.png"], ["shots/1.png", "shots/2.png"]])
def test_the_demo_takes_pictures(videos, small_weights, tmp_path, monkeypatch, capsys):
    (tmp_path / "shots").mkdir()
    monkeypatch.chdir(tmp_path)
    for number in (1, 2):
        cv2.imwrite(f"shots/{number}.png", np.zeros((64, 96, 3), np.uint8))
    options = ["--weights", str(small_weights), "--box", *"0 0 60 60".split(), "--fps", "10"]
    assert main(["demo", *videos, *options]) == 0
    assert "taken as" not in capsys.readouterr().out
    assert main(["demo", *videos, *options[:-2], "--out", "thirty.mp4"]) == 0
    assert "2 pictures, taken as 30 frames a second; --fps" in capsys.readouterr().out
    out = "1-poses.mp4" if len(videos) > 1 else "shots-poses.mp4"
    assert (video_info(out).frames, video_info(out).fps) == (2, 10)


def test_the_demo_script_is_the_demo_command(monkeypatch):
    calls = []
    monkeypatch.setattr(demo, "annotate", calls.append)
    spec = importlib.util.spec_from_file_location("exp_demo", ROOT / "exp" / "demo.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    arguments = ["in.mp4", "--box", "1", "2", "3", "4", "--subsampling", "whole", "--out", "o.mp4"]
    assert script.main(arguments) == 0
    assert main(["demo", *arguments]) == 0
    first, second = calls
    assert vars(first) == vars(second)
    assert (first.box, first.subsampling, first.out) == ([1, 2, 3, 4], "whole", "o.mp4")


# --- export


def test_weights_are_exported_with_a_description(small_weights, tmp_path, capsys):
    require_format("openvino")
    out = tmp_path / "small.xml"
    assert main(["export", str(small_weights), "--out", str(out), "--format", "openvino"]) == 0
    printed = capsys.readouterr().out
    assert f"wrote {out} {out.with_suffix('.bin')} {out.with_suffix('.json')}\n" in printed
    assert "outputs differ from those of Keras by up to" in printed
    assert json.loads(out.with_suffix(".json").read_text())["config"]["image_size"] == 64


def test_an_export_to_a_file_that_exists_is_one_line(small_weights, tmp_path, capsys):
    (tmp_path / "small.onnx").touch()
    argv = ["export", small_weights, "--out", tmp_path / "small.onnx", "--format", "onnx"]
    assert "small.onnx exists already" in failure(argv, capsys)
