"""The scripts take weight files of the authors as they are."""

import pytest


@pytest.mark.parametrize("name", ["spnet_pose2d", "reception_pose2d_context"])
def test_eval_scripts_take_an_authors_file(
    drawn_mpii, reference_network, tmp_path, run, capsys, name
):
    _, path = reference_network(name)
    options = ["--data", drawn_mpii, "--weights", path, "--out", tmp_path / "out", "--limit", 2]
    assert run("mpii/eval_mpii.py", *options) == 0
    assert "mpii valid" in capsys.readouterr().out
    assert (tmp_path / "out" / "results.json").is_file()
