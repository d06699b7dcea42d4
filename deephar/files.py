"""Writing files so that a crash, a kill or a full disk leaves the previous version whole.

And folders that one process at a time writes to.
"""

from __future__ import annotations

import codecs
import contextlib
import hashlib
import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import h5py

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None
    import msvcrt

_CACHE_VARIABLE = "DEEPHAR_CACHE"


def cache_folder() -> Path | None:
    """The folder for files that can be made again.

    ``$DEEPHAR_CACHE``; otherwise ``deephar`` in the user's cache folder: ``$XDG_CACHE_HOME`` or
    ``~/.cache``, on macOS ``~/Library/Caches``, on Windows ``%LOCALAPPDATA%``.

    Returns:
        The path, which need not exist; None if there is no home, or if the path is not absolute.
    """
    folder = os.environ.get(_CACHE_VARIABLE)
    if not folder:
        homes = {"darwin": "~/Library/Caches", "win32": os.environ.get("LOCALAPPDATA", "~")}
        base = os.environ.get("XDG_CACHE_HOME") or homes.get(sys.platform, "~/.cache")
        folder = os.path.join(os.path.expanduser(base), "deephar")
    return Path(folder) if os.path.isabs(folder) else None


class NotWrittenError(OSError):
    """A file could not be written; says that the previous version was kept.

    Args:
        path: the file.
        reason: what the message gives as the reason.
    """

    def __init__(self, path: Path, reason: object):
        # Of a name that is too long, `Path.exists` raises an error.
        kept = " The previous version was kept." if os.path.exists(path) else ""
        super().__init__(f"{path} could not be written ({reason}).{kept}")


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Context manager for writing a file in one step: complete, or not at all.

    Gives the path of a temporary file beside it, with the same suffix, to write to. When the block
    ends, that file is flushed to disk and takes the place of ``path``; if the block fails, it is
    removed.

    Raises:
        NotWrittenError: The file could not be written.
    """
    path = Path(path)
    # The name is always the same: what a killed process leaves behind is overwritten next time.
    part = path.with_name(f".part.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        with open(part, "rb") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    except NotWrittenError:  # another file, within the block
        raise
    except OSError as error:
        raise NotWrittenError(path, error) from error
    finally:
        with contextlib.suppress(OSError):  # on a read-only disk; the error above says so
            part.unlink(missing_ok=True)


@contextlib.contextmanager
def writing_h5(path: str | Path) -> Iterator[h5py.File]:
    """Context manager that gives an ``h5py.File`` to fill and then writes it in one step.

    The file is built in memory, since HDF5 does not recover when the disk is full.

    Raises:
        NotWrittenError: As `replacing`.
    """
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        yield file
    with replacing(path) as part:
        part.write_bytes(buffer.getbuffer())


def open_h5(path: str | Path) -> h5py.File:
    """An HDF5 file, open for reading.

    Raises:
        OSError: It cannot be read, is no HDF5 file, or its header is damaged.
    """
    with open(path, "rb") as file:
        header = file.read(64)
    # The first form of a header (HDF5 file format, superblock version 0) may say where a driver has
    # kept something, of any size. Nobody's weights have that.
    if header.startswith(b"\x89HDF\r\n\x1a\n\0") and header[48:56] != b"\xff" * 8:
        raise OSError("its header is damaged")
    return h5py.File(path, "r")


@contextlib.contextmanager
def locked(path: str | Path) -> Iterator[None]:
    """Context manager that holds a lock file, as one process at a time can.

    The system releases it when the process ends, however it ends. On file systems without locks it
    does nothing. The folder is made if missing, and removed again if nothing was written to it.

    Args:
        path: the lock file, in the folder that it stands for.

    Raises:
        BlockingIOError: Another process holds it.
        NotWrittenError: The folder cannot be written to.
    """
    path = Path(path)
    with contextlib.ExitStack() as ending:
        if not path.parent.exists():
            ending.callback(_if_possible, path.parent.rmdir)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = ending.enter_context(open(path, "a"))
        except OSError as error:
            raise NotWrittenError(path, error) from error
        if not _lock(file, path):
            raise BlockingIOError(
                f"Another process is at work in {path.parent}. Wait until it has ended, or give "
                "another folder."
            )
        ending.callback(_if_possible, path.unlink)  # on Windows, an open file stays
        yield


def _if_possible(remove):
    with contextlib.suppress(OSError):
        remove()


def _lock(file, path):
    """Whether an open file could be locked, or has no lock."""
    try:
        if fcntl is None:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:  # the file system has no locks
        return True
    try:  # whoever held it may have removed it since it was opened
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def read_text(path: str | Path) -> str:
    """The text of a file in UTF-8, or in UTF-16 with a byte-order mark, as Windows may write it.

    Raises:
        OSError: The file cannot be read.
        UnicodeDecodeError: It is not in UTF-8 or UTF-16.
    """
    content = Path(path).read_bytes()
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if is_utf16 else "utf-8-sig")


HEIF_ADVICE = (
    "Convert it to JPEG or PNG. In Python, Pillow opens it (HEIC with pillow-heif): give the array."
)
"""What to do with a picture in the format HEIC or AVIF that cannot be read."""

# The form is that of MP4 files; these are the names of the variants (ISO/IEC 23008-12).
_HEIC, _AVIF, _GENERAL = (b"heic", b"heix", b"heim", b"heis"), (b"avif", b"avis"), (b"mif1",)


def heif_format(path: str | Path) -> str | None:
    """The format of a picture as phones take them: "HEIC" or "AVIF"; None of any other file."""
    try:
        with open(path, "rb") as file:
            head = file.read(64)
    except OSError:  # reported where it is opened
        return None
    if head[4:8] != b"ftyp":
        return None
    brands = {head[at : at + 4] for at in range(16, len(head), 4)}
    brands = {head[8:12]} | (brands if head[8:12] in _GENERAL else set())
    if brands & {*_AVIF}:
        return "AVIF"
    return "HEIC" if brands & {*_HEIC, *_GENERAL} else None


def require_ours(path: str | Path, key: str) -> None:
    """Raises if a JSON file would be replaced that the user did not name, and that is not ours.

    Args:
        path: the file, which need not exist.
        key: what ours have at the top.

    Raises:
        FileExistsError: The file is of another form.
    """
    try:
        content = json.loads(read_text(path))
    except FileNotFoundError:
        return
    except (OSError, ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or key not in content:
        raise FileExistsError(
            f"{path} would be replaced, but is not an earlier result. Move it, or give another "
            "folder (--out)."
        )


def file_hash(path: str | Path, algorithm: str = "sha256") -> str:
    """Hexadecimal hash of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
