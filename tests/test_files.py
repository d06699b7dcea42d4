"""Files that are written in one step, and the folder for files that can be made again."""

import sys
from pathlib import Path

import pytest

from deephar.files import cache_folder


@pytest.mark.parametrize(
    ("platform", "variables", "folder"),
    [
        ("linux", {}, "/home/ada/.cache/deephar"),
        ("linux", {"XDG_CACHE_HOME": "/fast"}, "/fast/deephar"),
        ("linux", {"DEEPHAR_CACHE": "/mine", "XDG_CACHE_HOME": "/fast"}, "/mine"),
        ("darwin", {}, "/home/ada/Library/Caches/deephar"),
        ("win32", {"LOCALAPPDATA": "/ada/AppData/Local"}, "/ada/AppData/Local/deephar"),
    ],
)
def test_the_cache_is_where_the_platform_has_caches(monkeypatch, platform, variables, folder):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv("HOME", "/home/ada")
    for name in ("DEEPHAR_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == Path(folder)


def test_there_is_no_cache_in_a_relative_folder(monkeypatch):
    monkeypatch.setenv("DEEPHAR_CACHE", "relative")
    assert cache_folder() is None
