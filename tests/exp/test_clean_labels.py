"""The script that mends labels: from files to a folder that LSP reads."""

import numpy as np
import pytest
from scipy.io import savemat

from deephar.data import LSP
from deephar.files import writing_h5
from deephar.skeletons import convert, get_skeleton

WRIST = get_skeleton("lsp14").index("right_wrist")


@pytest.fixture
def files(tmp_path):
    """Two persons: one right wrist is labelled elsewhere, the other one is not labelled."""
    poses = np.random.default_rng(0).uniform(50, 250, (2, 14, 2))
    (tmp_path / "images").mkdir()
    labels = np.concatenate([poses, np.ones((2, 14, 1))], axis=-1)
    labels[0, WRIST, :2] += 300
    labels[1, WRIST] = 0
    savemat(tmp_path / "joints.mat", {"joints": labels.transpose(1, 2, 0)})
    teacher = np.nan_to_num(convert(poses, "lsp14", "coco17"))
    np.savez(tmp_path / "teacher.npz", joints=np.dstack([teacher, np.ones((2, 17))]))
    with writing_h5(tmp_path / "own.h5") as file:
        file["preds"] = poses
    return tmp_path, poses


def arguments(folder):
    return [
        *("--data", folder, "--teacher", folder / "teacher.npz"),
        *("--own", folder / "own.h5", "--out", folder / "clean"),
    ]


def test_labels_are_mended_and_read_by_the_loader(run, files, capsys):
    folder, poses = files
    run("lsp/clean_labels.py", *arguments(folder))
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["27 labels of 2 persons", "corrected: 1", "swapped: 0"]
    assert lines[3:5] == ["filled: 1", "left out: 0"]
    dataset = LSP(folder / "clean", "extended")
    np.testing.assert_allclose([dataset[0].joints, dataset[1].joints], poses)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: np.savez(folder / "teacher.npz", other=np.ones(3)), "no array 'joints'"),
        (lambda folder: np.savez(folder / "teacher.npz", joints=np.ones((3, 17, 3))), "(2, 17, 3)"),
        (lambda folder: (folder / "own.h5").write_bytes(b"other"), "is not HDF5"),
    ],
)
def test_mistakes_are_one_line(run, files, capsys, change, message):
    folder, _ = files
    change(folder)
    assert run("lsp/clean_labels.py", *arguments(folder)) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
