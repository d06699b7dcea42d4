"""Writing files so that a crash, a kill or a full disk leaves the previous version whole."""

import contextlib
import hashlib
import io
import os
from pathlib import Path

import h5py


@contextlib.contextmanager
def replacing(path):
    """Context manager for writing a file in one step: complete, or not at all.

    Gives the path of a temporary file beside it, with the same suffix, to write to. When the block
    ends, that file is flushed to disk and takes the place of ``path``; if the block fails, it is
    removed.

    Raises:
        OSError: the file could not be written; says that the previous version was kept.
    """
    path = Path(path)
    # Always the same name, so that what a killed process leaves is overwritten, not piled up.
    part = path.with_name(f".part.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        with open(part, "rb") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        kept = "; the previous version was kept" if path.exists() else ""
        raise OSError(f"{path}: could not be written ({error}){kept}") from error
    finally:
        with contextlib.suppress(OSError):  # on a read-only disk; the error above says so
            part.unlink(missing_ok=True)


@contextlib.contextmanager
def writing_h5(path):
    """Context manager that gives an ``h5py.File`` to fill and then writes it in one step.

    The file is built in memory: HDF5 does not recover when a disk fills up under it.
    """
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        yield file
    with replacing(path) as part:
        part.write_bytes(buffer.getbuffer())


def sha256(path):
    """Hexadecimal SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
