"""What holds for the package as a whole."""

import ast
import subprocess
import sys
import time
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "deephar"


def imported_by(statement):
    """Top-level modules in a fresh process after a statement."""
    code = f"import sys; {statement}; print(*{{name.split('.')[0] for name in sys.modules}})"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split())


def seconds(statement):
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - start


def test_importing_deephar_takes_hardly_longer_than_numpy():
    rounds = [(seconds("import deephar"), seconds("import numpy")) for _ in range(3)]
    assert min(ours - numpy for ours, numpy in rounds) < 0.2


@pytest.mark.parametrize("module", ["deephar.skeletons", "deephar.geometry", "deephar.metrics"])
def test_the_lowest_floor_is_numpy_only(module):
    heavy = {"keras", "tensorflow", "cv2", "scipy", "matplotlib", "h5py"}
    assert not imported_by(f"import {module}") & heavy


def test_reading_a_data_set_needs_no_network_library():
    assert not imported_by("from deephar.data import MPII, LSP") & {"keras", "tensorflow"}


def test_tensorflow_is_never_imported_by_name():
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in getattr(node, "names", [])]
            names += [getattr(node, "module", None) or ""]
            if isinstance(node, ast.Import | ast.ImportFrom):
                assert not any(name.startswith("tensorflow") for name in names), path
