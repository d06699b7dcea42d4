"""What a wheel holds, and how an installed package finds its weights."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from deephar.examples import OTHER_PICTURE, PICTURE, VIDEO

ROOT = Path(__file__).parents[1]
FOLDER = "deephar/weights/shipped"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel of the project, with text in place of weights."""
    if not can_build_wheels():
        pytest.skip("building a wheel needs pip, and setuptools 70.1 or setuptools with wheel")
    source = tmp_path_factory.mktemp("source")
    shutil.copytree(
        ROOT / "deephar", source / "deephar", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    (source / "weights").mkdir()
    shutil.copy(ROOT / "weights" / "index.json", source / "weights")
    # One of the authors' files, downloaded by the user, is not the project's to pass on.
    for name in [*shipped_files(), "weights_AR_merge_NTU_v2.h5", "mine.h5"]:
        (source / "weights" / name).write_text("no weights")
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "-w", out, source], check=True)
    return next(out.glob("*.whl"))


def can_build_wheels():
    try:
        metadata.version("pip")
        version = metadata.version("setuptools")
    except metadata.PackageNotFoundError:
        return False
    has_wheel = importlib.util.find_spec("wheel") is not None
    return has_wheel or tuple(map(int, version.split(".")[:2])) >= (70, 1)


def shipped_files():
    index = json.loads((ROOT / "weights" / "index.json").read_text())
    return sorted({entry["file"] for entry in index.values() if "url" not in entry})


def test_a_wheel_holds_the_package_and_the_shipped_weights(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (entry_points,) = (name for name in names if name.endswith("entry_points.txt"))
        assert "deephar = deephar.cli.main:main" in archive.read(entry_points).decode()
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "deephar").rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == modules
    assert "deephar/py.typed" in names
    examples = {f"deephar/examples/{path.name}" for path in (VIDEO, PICTURE, OTHER_PICTURE)}
    assert examples < names
    assert len(shipped_files()) >= 3
    assert {name for name in names if name.startswith(FOLDER)} == {
        f"{FOLDER}/{name}" for name in ["index.json", *shipped_files()]
    }


def test_an_installed_package_finds_its_weights_or_says_what_to_do(wheel, tmp_path):
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    index = json.loads((site / FOLDER / "index.json").read_text())
    (default,) = (name for name, entry in index.items() if entry.get("default"))
    (record,) = site.glob("*.dist-info")
    (record / "direct_url.json").write_text('{"url": "file:///there/deephar.whl"}')
    code = f"""
from pathlib import Path
from deephar import weights
folder = weights.weights_folder()
assert folder == Path({str(site / FOLDER)!r}), folder
name = weights.default_name()
for change in ("other content", "no file", "no index"):
    if change == "no file":
        (folder / weights.index()[name]["file"]).unlink()
    if change == "no index":
        (folder / "index.json").unlink()
    try:
        weights.find(name)
    except (ValueError, FileNotFoundError) as error:
        print(error)
"""
    environment = {name: value for name, value in os.environ.items() if name != "DEEPHAR_WEIGHTS"}
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=elsewhere,
        env={**environment, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    changed, missing, unlisted = result.stdout.splitlines()
    assert f"is not the file that index.json lists as {default!r}: its sha256 differs" in changed
    assert f"{index[default]['file']} is missing" in missing
    assert "index.json does not exist" in unlisted
    advice = "pip install --force-reinstall --no-deps file:///there/deephar.whl"
    assert all(advice in message for message in (changed, missing, unlisted))
