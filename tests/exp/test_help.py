"""The help of the scripts: one screen, one example. And the flags in the pages' commands."""

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(
    path.relative_to(ROOT / "exp").as_posix()
    for path in (ROOT / "exp").glob("*/*.py")
    if "__main__" in path.read_text("utf-8")  # others are what the benchmarks share
)
ALL_SCRIPTS = [*SCRIPTS, "demo.py"]
PAGES = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*/*/README.md")]

SCREEN = 45
"""Lines of 100 columns."""


@pytest.fixture
def help_of(run, monkeypatch, capsys):
    """The help of a script."""
    monkeypatch.setenv("COLUMNS", "100")

    def read(script):
        with pytest.raises(SystemExit, match="0"):
            run(script, "--help")
        return capsys.readouterr().out

    return read


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_fits_on_a_screen_and_has_an_example(script, help_of):
    text = help_of(script)
    assert len(text.splitlines()) <= SCREEN
    flags, example = text.split("example:\n")
    assert example.startswith(f"  python exp/{script}")
    assert set(re.findall(r"--[a-z][\w-]*", example)) <= set(re.findall(r"--[a-z][\w-]*", flags))


def test_commands_on_pages_have_flags_that_scripts_know(help_of):
    unknown, seen = [], set()
    for page in PAGES:
        for script, rest in re.findall(r"python exp/([\w/]+\.py)(.*)", page.read_text("utf-8")):
            seen.add(script)
            known = re.findall(r"--[a-z][\w-]*", help_of(script))
            unknown += [
                f"{page.name}: {script} {flag}"
                for flag in re.findall(r"--[a-z][\w-]*", rest.split("`")[0])
                if flag not in known
            ]
    assert unknown == []
    assert len(seen) > 15


@pytest.mark.parametrize("script", ALL_SCRIPTS)
def test_ctrl_c_is_one_line_from_the_first_slow_import_on(script, exp_folder):
    tree = ast.parse((exp_folder / script).read_text("utf-8"))
    modules = [
        node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    slow = [name for name in modules if name.split(".")[0] not in sys.stdlib_module_names]
    assert slow[0].startswith("deephar.cli")  # which hides the traceback of an interrupt
