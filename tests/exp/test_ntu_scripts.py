"""exp/ntu/train_ntu.py and eval_ntu.py, from a folder in NTU's layout to scores."""

import json

import numpy as np
import pytest
from networks import HEADS, SMALL, save_untrained

from deephar import weights
from deephar.data import NTU, Synthetic, write_ntu
from deephar.data.sets.ntu import ACTIONS, SKELETONS_FOLDER
from deephar.models import ModelConfig

pytestmark = pytest.mark.usefixtures("module_op_by_op")

NETWORK = "--variant small --image-size 64 --stem-weights none".split()
QUICK = "--frames 4 --workers 0 --validation 0.3 --epochs 1".split()
QUICK += "--batch pose=4,action=2,finetune=2 --steps pose=2,action=2,finetune=1".split()
TRAIN, EVAL = "ntu/train_ntu.py", "ntu/eval_ntu.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in the layout of NTU RGB+D: two persons to train on, one to test."""
    folder = tmp_path_factory.mktemp("NTU") / "NTU"
    train = Synthetic("train", videos=15, image_size=64, frames=(4, 6))
    write_ntu(folder, train, test=Synthetic("test", videos=4, image_size=64, frames=(5, 9)))
    for path in sorted((folder / SKELETONS_FOLDER).glob("S001C001*"))[:2]:
        lose_the_body(path)
    return folder


def lose_the_body(path):
    """Takes the body out of a file's second frame, and out of the third all but the ankles."""
    total, *lines = path.read_text().splitlines()
    first, third, rest = lines[:28], lines[56:84], lines[84:]  # 3 lines and 25 joints a frame
    third[3:] = [
        joint if number in (14, 18) else " ".join(["0"] * 12)
        for number, joint in enumerate(third[3:])
    ]
    path.write_text("\n".join([total, *first, "0", *third, *rest]))


@pytest.fixture(scope="module")
def trained(folder, drawn_mpii, tmp_path_factory, run):
    """The runs of both stages by the cross-view protocol, with stills."""
    out = tmp_path_factory.mktemp("runs") / "ntu"
    arguments = ["--data", folder, "--protocol", "cross-view", "--mpii", drawn_mpii, "--out", out]
    assert run(TRAIN, *arguments, *NETWORK, *QUICK) == 0
    return out


@pytest.fixture(scope="module")
def untrained(tmp_path_factory):
    """Weights of a network of 2D clips that do not tell how they were trained."""
    config = ModelConfig(**SMALL, **HEADS, actions={"ntu": 60})
    path = tmp_path_factory.mktemp("weights") / "clips.h5"
    return save_untrained(path, config, actions={"ntu": ACTIONS})


def test_both_stages_train_a_network_in_space(trained):
    shares = json.loads((trained / "pose" / "config.json").read_text())["data"]["shares"]
    assert shares == {"ntu": 4, "mpii": 2}
    file = trained / "action" / "best.h5"
    config = weights.read_config(file)
    assert (config.skeleton, config.dim, config.depth) == ("pa17j", 3, "regression")
    assert config.actions == {"ntu": 60}
    facts = weights.read_facts(file)
    assert facts["protocol"] == "cross-view"
    assert facts["actions"]["ntu"] == list(ACTIONS)
    assert "val_accuracy" in facts["score"]


def test_the_result_is_scored_by_its_own_protocol(folder, trained, tmp_path, capsys, run):
    arguments = ["--data", folder, "--weights", trained / "action" / "best.h5", "--out", tmp_path]
    assert run(EVAL, *arguments, "--clips", "multi") == 0
    printed = capsys.readouterr().out
    assert "4 videos of ntu test" in printed
    assert "PCK@0.2" in printed
    assert "MPJPE" in printed
    found = json.loads((tmp_path / "results.json").read_text())
    assert found["data"]["source"].startswith("cross-view, nturgb+d_skeletons/*.skeleton (19 files")
    assert np.isfinite(found["depth"]["total"])
    assert run(EVAL, *arguments, "--protocol", "cross-subject") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "trained by the protocol cross-view" in line


def test_weights_of_2d_poses_are_scored_cross_subject(folder, untrained, tmp_path, capsys, run):
    arguments = ["--data", folder, "--weights", untrained, "--out", tmp_path, "--limit", 2]
    assert run(EVAL, *arguments) == 0
    assert "MPJPE" not in capsys.readouterr().out
    found = json.loads((tmp_path / "results.json").read_text())
    assert "cross-subject" in found["data"]["source"]
    assert found["depth"] is None


def test_the_pose_stream_learns_from_labels_alone(folder, tmp_path, capsys, run):
    arguments = ["--data", folder, "--out", tmp_path, *QUICK, "--stream", "pose"]
    arguments += ["--poses", "labels"]
    assert run(TRAIN, *arguments, "--skeleton", "pa20j") == 2
    assert "--skeleton has no effect with --poses labels" in capsys.readouterr().err
    assert run(TRAIN, *arguments) == 0
    file = tmp_path / "action" / "best.h5"
    assert weights.read_config(file).stem == "none"
    arguments = ["--data", folder, "--weights", file, "--poses", "labels", "--out", tmp_path / "e"]
    assert run(EVAL, *arguments) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--data", "no/such/folder"], "no/such/folder"),
        (["--split", "valid"], "splits train, test"),
        (["--weights", "no-such-weights"], "no-such-weights"),
    ],
)
def test_mistakes_in_evaluation_are_one_line(
    folder, untrained, tmp_path, capsys, change, message, run
):
    arguments = ["--data", folder, "--weights", untrained, "--out", tmp_path, *change]
    assert run(EVAL, *arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert message in line


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--data", "no/such/folder"], "no/such/folder"),
        (["--validation", "0.9"], "leaves a person to train on"),
        (["--stages", "action"], "Give --weights"),
    ],
)
def test_mistakes_in_training_are_one_line(folder, tmp_path, capsys, change, message, run):
    arguments = ["--data", folder, "--out", tmp_path / "out", *NETWORK, *QUICK, *change]
    assert run(TRAIN, *arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not (tmp_path / "out").exists()


def test_weights_of_the_other_protocol_are_not_trained_further(folder, trained, capsys, run):
    """They have seen persons that cross-subject tests on."""
    out = trained.parent / "other"
    for stage, stages in (("pose", "action"), ("action", "finetune")):
        start = trained / stage / "best.h5"
        assert weights.read_facts(start)["protocol"] == "cross-view"
        arguments = ["--data", folder, "--weights", start, "--stages", stages, "--out", out]
        assert run(TRAIN, *arguments, *QUICK) == 2
        assert "trained by the protocol cross-view" in capsys.readouterr().err
    assert not out.exists()


def test_stage_2_starts_from_pose_weights_in_their_skeleton(folder, tmp_path, capsys, run):
    config = ModelConfig(**SMALL, skeleton="pa20j", dim=3, depth="volumetric")
    start = ["--weights", save_untrained(tmp_path / "pose.h5", config), "--stages", "action"]
    arguments = ["--data", folder, *QUICK, "--out", tmp_path / "out", *start]
    assert run(TRAIN, *arguments, "--skeleton", "pa17j") == 2
    assert "--skeleton does not go with --weights" in capsys.readouterr().err
    assert run(TRAIN, *arguments) == 0
    config = weights.read_config(tmp_path / "out" / "action" / "best.h5")
    assert (config.skeleton, config.depth) == ("pa20j", "volumetric")


def test_the_body_is_lost_in_some_frames(folder):
    video = NTU(folder, "test", skeleton="pa17j")[0]
    assert np.isfinite(video.joints[:5]).all(axis=-1).sum(axis=-1).tolist() == [16, 0, 2, 16, 16]
    known = np.isfinite(video.joints_3d[:5]).all(axis=-1).sum(axis=-1)
    assert known.tolist() == [16, 0, 0, 16, 16]


def test_every_joint_of_the_skeletons_to_choose_from_is_known(folder):
    for skeleton in ("pa17j", "pa20j"):
        assert NTU(folder, skeleton=skeleton)[0].skeleton == skeleton
