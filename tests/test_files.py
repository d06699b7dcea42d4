"""Files that are written in one step, and the folder for files that can be made again."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deephar.files import cache_folder, locked, read_text, require_ours


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


def test_a_lock_is_held_by_one_process_until_it_ends_or_is_killed(tmp_path):
    path = tmp_path / "run" / "run.lock"
    code = (
        "import sys; from deephar.files import locked\n"
        f"with locked({str(path)!r}): print('locked', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code]
    for ends in (
        lambda other: other.communicate(),
        lambda other: other.send_signal(signal.SIGKILL),
    ):
        with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as other:
            assert other.stdout.readline() == "locked\n"
            with (
                pytest.raises(BlockingIOError, match="Another process is at work in"),
                locked(path),
            ):
                pass
            ends(other)
    with locked(path):
        assert path.exists()
    assert not path.exists()


def test_a_lock_leaves_no_folder_behind_that_nothing_was_written_to(tmp_path):
    for folder, written in ((tmp_path / "a", True), (tmp_path / "b", False)):
        with locked(folder / "run.lock"):
            if written:
                (folder / "log.csv").touch()
        assert folder.exists() == written


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_text_is_read_as_editors_save_it(encoding, tmp_path):
    text = "hürde, 跳\n"
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    (tmp_path / "t.csv").write_bytes((mark + text).encode(encoding))
    assert read_text(tmp_path / "t.csv") == text


@pytest.mark.parametrize("text", ["[]", "{", '{"mine": 1}', ""])
def test_a_json_file_of_others_is_not_replaced(text, tmp_path):
    path = tmp_path / "results.json"
    require_ours(path, "protocol")  # there is none
    path.write_text(text)
    with pytest.raises(
        FileExistsError, match=r"results\.json would be replaced, but is not an earl"
    ):
        require_ours(path, "protocol")
    path.write_text('{"protocol": {}}')
    require_ours(path, "protocol")


def test_text_in_another_encoding_is_an_error(tmp_path):
    (tmp_path / "t.csv").write_bytes("hürde".encode("latin-1"))
    with pytest.raises(UnicodeDecodeError):
        read_text(tmp_path / "t.csv")
