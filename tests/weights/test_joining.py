"""A pose network and action heads in one file, and the names of both tasks and of one."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from dots import Dots
from networks import HEADS, SMALL, save_untrained

from deephar import Predictor, weights
from deephar.cli.main import main
from deephar.evaluation import evaluate_poses, score_mpii
from deephar.models import ModelConfig, action_view, frame_view
from deephar.training.start import load_pose_network, load_start, require_same_network

POSE = ModelConfig(**{**SMALL, "num_pyramids": 2})
BOTH = replace(
    POSE,
    **HEADS,
    action_pyramids=(2,),
    streams=("pose",),
    actions={"penn": 3},
    peak_window=0,
    last_pose=True,
)
NAMES = ["bowl", "squat", "other"]


def pictures(count):
    """Random crops as the networks take them."""
    return np.random.default_rng(0).uniform(-1, 1, (count, 64, 64, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Weights of a pose network, stored in half precision, and of action heads."""
    folder = tmp_path_factory.mktemp("files")
    save_untrained(folder / "first.h5", POSE)
    model, _ = weights.load_model(folder / "first.h5")
    pose, heads = folder / "pose.h5", folder / "heads.h5"
    weights.save(model, POSE, pose, dtype="float16", data="drawn", score={"PCKh": 50})
    facts = {"actions": {"penn": NAMES}, "frame_rate": 8, "calibration_error": 2.5}
    save_untrained(heads, replace(BOTH, stem="none", growth=0), **facts)
    return pose, heads


@pytest.fixture(scope="module")
def made(files, tmp_path_factory):
    """A folder with one file of both tasks, listed as ``"both"``, and as ``"poses"`` for one."""
    folder = tmp_path_factory.mktemp("weights")
    facts = {"data": "drawn, and labels", "score": {"accuracy": 30}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPHAR_WEIGHTS", str(folder))
        weights.join(*files, folder / "both.h5", **facts)
        weights.register("both", folder / "both.h5", licence="MIT", default=True)
        weights.register(
            "poses",
            folder / "both.h5",
            licence="BSD",
            pose_config=weights.read_config(files[0]),
            facts=weights.read_facts(files[0]),
        )
    return folder


@pytest.fixture
def listed(made, tmp_path, monkeypatch):
    """A copy of this folder, which is the folder of the listed weights."""
    folder = shutil.copytree(made, tmp_path / "weights")
    monkeypatch.setenv("DEEPHAR_WEIGHTS", str(folder))
    return folder


def test_joined_file_has_both_tasks_and_their_facts(files, tmp_path):
    config = weights.join(*files, tmp_path / "both.h5", data="drawn, and labels", score=1)
    assert config == BOTH
    model, stored = weights.load_model(tmp_path / "both.h5")
    assert stored == BOTH
    images = pictures(2)
    poses = weights.load_model(files[0])[0].predict(images, verbose=0)["pose"]
    np.testing.assert_array_equal(frame_view(model).predict(images, verbose=0)["pose"], poses)
    clip = np.random.default_rng(1).uniform(size=(1, 4, 2, 16, 3)).astype(np.float32)
    clip[:] = clip[:, :, :1]
    (answer,) = action_view(model).predict({"pose": clip}, verbose=0).values()
    (expected,) = weights.load_model(files[1])[0].predict(clip[:, :, 0], verbose=0).values()
    np.testing.assert_allclose(answer, expected, atol=2e-3)  # stored in half precision
    facts = weights.read_facts(tmp_path / "both.h5")
    assert facts == {
        "actions": {"penn": NAMES},
        "frame_rate": 8,
        "calibration_error": 2.5,
        "pose": {"data": "drawn", "score": {"PCKh": 50}},
        "data": "drawn, and labels",
        "score": 1,
    }


def test_heads_of_a_whole_network_can_be_joined(files, tmp_path):
    weights.join(*files, tmp_path / "both.h5", dtype="float32")
    weights.join(files[0], tmp_path / "both.h5", tmp_path / "again.h5", dtype="float32")
    first, again = (weights.load_model(tmp_path / f"{name}.h5")[0] for name in ("both", "again"))
    assert weights.digest(first) == weights.digest(again)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (POSE, r"heads\.h5 predicts poses only"),
        (replace(BOTH, stem="none", skeleton="pa17j"), "has skeleton='pa17j', but .* 'pa16j'"),
        (replace(BOTH, stem="none", num_levels=3), "has num_levels=3, but .* has 2"),
        (replace(BOTH, streams=("pose", "appearance")), "sees the appearance features"),
    ],
)
def test_heads_that_do_not_fit_are_refused(files, tmp_path, config, message):
    heads = save_untrained(tmp_path / "heads.h5", config)
    with pytest.raises(ValueError, match=message):
        weights.join(files[0], heads, tmp_path / "both.h5")
    assert not (tmp_path / "both.h5").exists()


def test_heads_are_no_pose_network(files, tmp_path):
    with pytest.raises(ValueError, match=r"heads\.h5 takes poses and has no pose network"):
        weights.join(files[1], files[1], tmp_path / "both.h5")


def test_poses_that_half_precision_would_change_are_refused(files, tmp_path):
    pose = save_untrained(tmp_path / "exact.h5", POSE)
    with pytest.raises(ValueError, match=r"exact\.h5 change when they are stored as float16"):
        weights.join(pose, files[1], tmp_path / "both.h5")
    assert not (tmp_path / "both.h5").exists()
    before = pose.read_bytes()
    with pytest.raises(ValueError, match="float16"):
        weights.join(pose, files[1], pose)
    assert pose.read_bytes() == before  # the file that was to be replaced is kept
    weights.join(pose, files[1], tmp_path / "both.h5", dtype="float32")


# ------------------------------------------------------------- two names of one file


def test_second_name_builds_the_pose_network_alone(listed, files):
    entries = weights.index()
    assert entries["poses"]["file"] == entries["both"]["file"] == "both.h5"
    assert entries["poses"]["sha256"] == entries["both"]["sha256"]
    model, config = weights.load_model("poses")
    alone, expected = weights.load_model(files[0])
    assert config == expected == weights.read_config("poses") == POSE
    assert weights.digest(model) == weights.digest(alone)
    images = pictures(3)
    np.testing.assert_array_equal(
        model.predict(images, verbose=0)["pose"], alone.predict(images, verbose=0)["pose"]
    )
    assert weights.load_model("both")[1] == BOTH
    assert weights.load_model(listed / "both.h5")[1] == BOTH


def test_second_name_has_the_facts_of_the_poses(listed):
    facts = {"data": "drawn", "score": {"PCKh": 50}, "licence": "BSD"}
    assert weights.read_facts("poses") == facts
    assert weights.read_facts("both")["frame_rate"] == 8
    assert weights.read_facts(listed / "both.h5") == weights.read_facts("both")


def test_path_of_a_file_is_known_by_the_name_of_the_whole(listed):
    assert weights.find("poses") == weights.find("both") == listed / "both.h5"
    assert weights.names_of_file(listed / "both.h5") == ["both", "poses"]
    assert weights.listed_as(listed / "both.h5") == "both"
    assert weights.find_part("poses") == (listed / "both.h5", POSE)
    assert weights.find_part("both") == (listed / "both.h5", None)
    assert weights.find_part(listed / "both.h5") == (listed / "both.h5", None)


def test_predictor_of_the_second_name_has_no_actions(listed, files):
    image = np.random.default_rng(2).integers(0, 255, (80, 90, 3)).astype(np.uint8)
    predictor = Predictor("poses")
    assert predictor.actions == ()
    assert predictor.config == POSE
    box = (5, 5, 75, 75)
    expected = Predictor(files[0])(image, box=box).joints
    np.testing.assert_array_equal(predictor(image, box=box).joints, expected)
    both = Predictor("both")
    assert both.actions == tuple(NAMES)
    np.testing.assert_allclose(both(image, box=box).joints, expected, atol=1e-3)


def test_poses_of_the_second_name_are_evaluated(listed, tmp_path):
    scores = evaluate_poses("poses", Dots(2), score=score_mpii, out=tmp_path / "out")
    assert len(scores.blocks) == 2
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["config"]["actions"] == {}
    assert results["weights"]["file"] == "both.h5"


def test_training_starts_from_the_second_name(listed, files, capsys):
    alone = weights.load_model(files[0])[0]
    model = weights.load_model(save_untrained(listed / "other.h5", POSE))[0]
    model.set_weights([0 * value for value in model.get_weights()])
    require_same_network("poses", POSE)
    load_start(model, POSE, ("poses",))
    assert weights.digest(model) == weights.digest(alone)
    clips = weights.load_model(save_untrained(listed / "clips.h5", BOTH))[0]
    heads = weights.digest(action_view(clips))
    load_pose_network(clips, "poses")
    assert weights.digest(frame_view(clips)) == weights.digest(alone)
    assert weights.digest(action_view(clips)) == heads
    assert "random" not in capsys.readouterr().out


def test_commands_tell_the_two_names_apart(listed, tmp_path, capsys):
    assert main(["info"]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert "both   found, the default" in lines
    assert "poses  found, the pose network of both" in lines
    texts = {}
    for name in ("both", "poses"):
        assert main(["inspect", name]) == 0
        texts[name] = " ".join(capsys.readouterr().out.split())
        assert "listed as both, poses network" in texts[name]
    assert f"{POSE} (a part of the file)" in texts["poses"]
    assert "score {'PCKh': 50}" in texts["poses"]
    assert "frame_rate" not in texts["poses"]
    assert "arrays of the whole file" in texts["poses"]
    assert f"{BOTH} (inside the file)" in texts["both"]
    assert main(["convert", "poses", str(tmp_path / "out.h5")]) == 2
    assert "Use it as it is; no conversion is needed" in capsys.readouterr().err


def test_new_content_keeps_both_names(listed, files):
    model, config = weights.load_model("both")
    model.get_layer("actions").set_weights([0 * w for w in action_view(model).get_weights()])
    facts = {**weights.read_facts("both"), "score": 2}
    weights.save(model, config, listed / "both.h5", dtype="float16", **facts)
    weights.register("both", listed / "both.h5", licence="MIT")
    assert weights.default_name() == "both"
    alone = weights.load_model(files[0])[0]
    assert weights.digest(weights.load_model("poses")[0]) == weights.digest(alone)


def test_pose_networks_that_the_file_lacks_are_not_listed(listed, files):
    facts = {"data": "none", "score": 0}

    def register(path, config):
        weights.register("x", path, licence="MIT", pose_config=config, facts=facts)

    with pytest.raises(ValueError, match="Leave pose_config out"):
        register(listed / "both.h5", BOTH)
    (listed / "pose.h5").write_bytes(files[0].read_bytes())
    with pytest.raises(ValueError, match="Only a file with actions"):
        register(listed / "pose.h5", POSE)
    with pytest.raises(ValueError, match="weights of another network"):
        register(listed / "both.h5", replace(POSE, growth=16))
    assert "x" not in weights.index()
