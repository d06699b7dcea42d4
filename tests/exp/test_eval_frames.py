"""Scores of depth on real frames, here on drawn ones in the form of real ones."""

import re

import cv2
import numpy as np
import pytest
from networks import SMALL, save_untrained

from deephar.data.sets.labelled_frames import LabelledFrames
from deephar.data.synthetic.poses import DrawnPoses
from deephar.models import ModelConfig
from deephar.skeletons import get_skeleton
from deephar.training import lifting

pytestmark = pytest.mark.usefixtures("module_op_by_op")

NAMES = (
    "pelvis right_hip right_knee right_ankle left_hip left_knee left_ankle pelvis thorax neck "
    "head_top left_shoulder left_elbow left_wrist right_shoulder right_elbow right_wrist"
).split()


@pytest.fixture
def frames(tmp_path):
    """Three drawn persons in the form of MMPose's frames of Human3.6M."""
    folder = tmp_path / "frames"
    (folder / "S1").mkdir(parents=True)
    order = [get_skeleton("pa16j").index(name) for name in NAMES]
    names, parts, points = [], [], []
    drawn = DrawnPoses("test", 3, image_size=96)
    for number in range(3):
        sample = drawn[number]
        names.append(f"S1/{number}.png")
        cv2.imwrite(str(folder / names[-1]), sample.image[..., ::-1])
        parts.append(np.c_[sample.joints[order], np.ones(17)])
        points.append(np.c_[sample.joints_3d[order] / 1000, np.ones(17)])
    np.savez(folder / "frames.npz", imgname=names, part=parts, S=points)
    return folder / "frames.npz"


@pytest.fixture(scope="module")
def network():
    return lifting.train_lifting(poses=256, epochs=1)


@pytest.fixture
def weights_3d(tmp_path):
    config = ModelConfig(**SMALL, dim=3, depth="regression")
    return save_untrained(tmp_path / "3d.h5", config)


def test_frames_and_pictures_are_scored(
    frames, network, weights_3d, drawn_mpii, tmp_path, monkeypatch, run, capsys
):
    monkeypatch.setattr(lifting, "train_lifting", lambda: network)
    arguments = ["--weights", weights_3d, "--h36m", frames, "--out", tmp_path / "out"]
    assert run("h36m/eval_frames.py", *arguments, "--mpii", drawn_mpii) == 0
    printed = capsys.readouterr().out
    rows = [line for line in printed.splitlines() if line.endswith(" mm")]
    assert [row.split("  ")[0] for row in rows] == [
        "the mean pose",
        "lifting network, x and y of the network",
        "the network",
    ]
    errors = [float(row.split()[-2]) for row in rows]
    assert all(30 < error < 600 for error in errors)
    assert "hidden one deeper" in printed
    assert (tmp_path / "out" / "sheet.png").stat().st_size > 1000


def test_an_unknown_order_of_joints_is_refused(frames):
    with pytest.raises(ValueError, match="layout must be one of h36m, mpi_inf, got 'coco'"):
        LabelledFrames(frames, "coco")


def test_joints_in_space_are_seen_at_those_in_pixels(frames):
    samples = LabelledFrames(frames, "h36m")
    assert len(samples) == 3
    neck = get_skeleton("pa16j").index("neck")
    for sample in (samples[0], samples[2]):
        assert np.isnan(sample.joints[neck]).all()
        projected = sample.camera.project(sample.joints_3d)
        np.testing.assert_allclose(projected, sample.joints, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.unlink(), r"frames\.npz does not exist"),
        (lambda path: np.savez(path, imgname=["a.png"]), "has no array S, part"),
        (lambda path: (path.parent / "S1" / "1.png").unlink(), r"1\.png is missing"),
    ],
)
def test_files_that_cannot_be_used_are_named(change, message, frames, weights_3d, run, capsys):
    change(frames)
    assert run("h36m/eval_frames.py", "--weights", weights_3d, "--h36m", frames) == 2
    assert re.search(message, capsys.readouterr().err)
