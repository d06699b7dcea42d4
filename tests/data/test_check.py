"""The command that verifies a data set's folder."""

import subprocess
import sys

import pytest

from deephar.data.check import main


@pytest.fixture
def mpii(build, tmp_path):
    """An MPII folder of three persons, without fault."""
    build.mpii_json(tmp_path, "train", [build.record("a.jpg"), build.record("b.jpg")])
    build.mpii_json(tmp_path, "valid", [build.record("c.jpg")])
    return tmp_path


def run(capsys, *arguments):
    status = main([str(argument) for argument in arguments])
    return status, capsys.readouterr().out


def test_good_folder(mpii, capsys):
    status, output = run(capsys, "mpii", mpii)
    assert status == 0
    assert "train: 2 persons in 2 images, from annot/train.json" in output
    assert "valid: 1 persons in 1 images, from annot/valid.json" in output
    assert output.splitlines()[-1].startswith("ok: 3 persons")


def test_missing_and_damaged_images_are_listed_by_name(mpii, capsys):
    (mpii / "images" / "a.jpg").unlink()
    damaged = mpii / "images" / "c.jpg"
    damaged.write_bytes(damaged.read_bytes()[:-200])
    status, output = run(capsys, "mpii", mpii)
    assert status == 1
    assert "a.jpg does not exist" in output
    assert "c.jpg is truncated" in output
    assert "b.jpg" not in output
    assert output.splitlines()[-1].startswith("2 problem(s)")


def test_joints_out_of_bounds_are_listed(build, mpii, capsys):
    joints = build.record()["joints"]
    joints[9] = [20.0, -3.0]
    build.mpii_json(mpii, "train", [build.record("a.jpg", joints=joints), build.record("b.jpg")])
    status, output = run(capsys, "mpii", mpii)
    assert status == 0
    assert "a.jpg#1 has joints outside of its image (head_top 3.5 px)" in output
    joints[10] = [500.0, 20.0]
    build.mpii_json(mpii, "train", [build.record("a.jpg", joints=joints), build.record("b.jpg")])
    status, output = run(capsys, "mpii", mpii)
    assert status == 1
    assert "PROBLEM" in output
    assert "right_wrist 435.5 px" in output


def test_person_outside_of_the_image_is_listed(build, mpii, capsys):
    build.mpii_json(
        mpii, "train", [build.record("a.jpg", center=[500, 500]), build.record("b.jpg")]
    )
    status, output = run(capsys, "mpii", mpii)
    assert status == 1
    assert "a.jpg#1 lies wholly outside of its image" in output


def test_one_split_is_enough(build, tmp_path, capsys):
    build.mpii_json(tmp_path, "train", [build.record()])
    status, output = run(capsys, "mpii", tmp_path)
    assert status == 0
    assert "valid: none" in output


def test_damaged_annotation(mpii, capsys):
    (mpii / "annot" / "valid.json").write_text("[{]")
    status, output = run(capsys, "mpii", mpii)
    assert status == 1
    assert "valid.json is no valid JSON" in output


def test_missing_folder(tmp_path, capsys):
    status, output = run(capsys, "lsp", tmp_path / "nowhere")
    assert status == 1
    assert "no split can be read" in output


def test_lsp_folders(build, tmp_path, capsys):
    build.lsp(tmp_path / "lsp", 3, images=[1, 2])
    build.lsp(tmp_path / "lspet", 2, extended=True, images=[1, 2])
    status, output = run(capsys, "lsp", tmp_path / "lsp")
    assert status == 1
    assert "im0003.jpg does not exist" in output
    status, output = run(capsys, "lspet", tmp_path / "lspet")
    assert status == 0
    assert "extended: 2 persons in 2 images" in output


def test_command_line(mpii):
    command = [sys.executable, "-m", "deephar.data.check", "mpii", str(mpii)]
    assert subprocess.run(command, capture_output=True).returncode == 0
    (mpii / "images" / "a.jpg").unlink()
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 1
    assert "a.jpg" in result.stdout


@pytest.mark.parametrize(
    ("name", "folder", "persons"), [("mpii", "MPII", 1420), ("lsp", "LSP", 1500)]
)
def test_real_folders_are_without_fault(real_data, capsys, name, folder, persons):
    status, output = run(capsys, name, real_data / folder)
    assert status == 0
    assert f"ok: {persons} persons" in output
