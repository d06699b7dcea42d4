"""The README and the guide: links, command lines for CI, and the Python of docs/runtimes.md."""

import ast
import importlib
import importlib.util
import json
import re
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from networks import CLIPS, SMALL, require_format

import deephar
from deephar.export import Target, export
from deephar.inference import Predictor
from deephar.models import ModelConfig, build_model

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "runtimes.md"
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*/*/README.md")]
PAGES.append(ROOT / "weights" / "README.md")
FILES = {
    "onnx": "pose.onnx",
    "openvino": "pose.xml",
    "litert": "pose.tflite",
    "savedmodel": "pose",
}
BOX = (30, 20, 90, 84)


def blocks():
    """Heading -> the Python block below it."""
    parts = re.split(r"^## (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    found = {
        name: re.findall(r"```python\n(.+?)```", text, re.S) for name, text in sections.items()
    }
    return {name: "\n".join(code) for name, code in found.items() if code}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with person.jpg, its box, and the description of the exported network."""
    folder = tmp_path_factory.mktemp("guide")
    rng = np.random.default_rng(0)
    picture = cv2.resize(rng.integers(0, 256, (12, 14, 3), np.uint8), (140, 120))
    cv2.imwrite(str(folder / "person.jpg"), picture)
    (folder / "person.json").write_text(json.dumps({"box": BOX}))
    return folder


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    config = ModelConfig(**SMALL, peak_window=2)
    return build_model(config), config


def run(folder, monkeypatch, heading, **variables):
    """Runs the block of the input and that below a heading; returns the variables."""
    monkeypatch.chdir(folder)
    for name in ("The input and the output", heading):
        exec(blocks()[name], variables)
    return variables


@pytest.mark.usefixtures("op_by_op")
@pytest.mark.parametrize(
    ("format", "heading"),
    [
        ("onnx", "ONNX Runtime"),
        ("openvino", "OpenVINO"),
        ("litert", "LiteRT"),
        ("savedmodel", "TensorFlow"),
    ],
)
def test_each_runtime_gives_the_joints_of_the_predictor(
    folder, network, format, heading, monkeypatch
):
    require_format(format)
    model, config = network
    target = Target(format=format, uint8=True)
    description = export(model, config, folder / format / FILES[format], target)
    if format != "onnx":  # the page reads that of ONNX; all say the same of the input
        (folder / "onnx").mkdir(exist_ok=True)
        (folder / "onnx/pose.json").write_text(json.dumps(description))
    joints = run(folder, monkeypatch, heading)["joints"]
    person = Predictor.from_model(model, config)(folder / "person.jpg", box=BOX)
    np.testing.assert_allclose(joints, person.joints, atol=0.5)


@pytest.mark.usefixtures("op_by_op")
@pytest.mark.usefixtures("op_by_op")
def test_the_actions_of_a_clip_are_read_as_the_page_says(folder, network, monkeypatch):
    require_format("onnx")
    model = build_model(CLIPS)
    export(model, CLIPS, folder / "onnx/clip.onnx", Target(format="onnx", uint8=True))
    (folder / "onnx/pose.json").write_text(json.dumps({"config": {"image_size": 64}}))
    page = run(folder, monkeypatch, "Actions", onnxruntime=importlib.import_module("onnxruntime"))
    expected = model.predict(page["clip"] / 127.5 - 1, verbose=0)["action_synthetic"]
    np.testing.assert_allclose(page["scores"], expected, atol=1e-4)
    assert page["poses"].shape == (1, 8, 2, 16, 3)


def test_the_page_of_runtimes_has_its_blocks():
    assert len(blocks()) == 6


# --- all pages


def anchors(page):
    """Names of the headings of a page, as GitHub and MkDocs make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings_that_exist(page):
    for target in re.findall(r"\]\((?!https?://)([^)\s]+)\)", page.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        path = page.parent / path if path else page
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), target


def test_scripts_that_pages_name_exist():
    named = {
        script
        for page in PAGES
        for script in re.findall(r"(?<!/)\bexp/[\w/]+\.py", page.read_text("utf-8"))
    }
    assert len(named) > 15
    assert [script for script in named if not (ROOT / script).is_file()] == []


def test_python_on_pages_is_valid_and_imports_what_there_is():
    blocks = [
        (page, ast.parse(code))
        for page in PAGES
        for code in re.findall(r"```python\n(.+?)```", page.read_text(encoding="utf-8"), re.S)
    ]
    assert len(blocks) > 10
    for page, tree in blocks:
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("deephar"):
                module = importlib.import_module(node.module)
                for name in (alias.name for alias in node.names):
                    known = hasattr(module, name) or importlib.util.find_spec(f"deephar.{name}")
                    assert known, f"{page.name}: {node.module} has no {name}"


def test_the_changelog_begins_with_this_version():
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert headings[0] in (deephar.__version__, "Unreleased")


def test_what_changed_in_a_version_is_read_in_some_two_minutes():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    for version in text.split("\n## ")[1:]:
        assert len(version.split()) <= 620, version.split()[0]


def test_the_readme_is_short_and_has_the_command_lines_of_ci():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 130
    for mark in ("start", "main", "tests"):
        assert lines[lines.index(f"<!-- ci: {mark} -->") + 2].startswith(
            "    python3 -m venv .venv"
        )
