"""Files that several tests of weights need."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def few_runs(module_op_by_op):
    """Each network runs once or twice."""


@pytest.fixture
def spnet_file(golden_folder, tmp_path):
    """A copy of an SPNet's file, to be changed."""
    path = tmp_path / "spnet.h5"
    path.write_bytes((golden_folder / "spnet_pose2d.weights.keras2.h5").read_bytes())
    return path


@pytest.fixture
def clips_file(golden_folder, tmp_path):
    """A copy of the file of an SPNet with actions, to be changed."""
    path = tmp_path / "clips.h5"
    source = golden_folder / "spnet_multitask2d_replica.weights.keras2.h5"
    path.write_bytes(source.read_bytes())
    return path
