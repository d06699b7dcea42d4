"""Parsed labels of a data set, kept in a file in the user's cache folder.

The folder is `deephar.files.cache_folder`, ``~/.cache/deephar`` on Linux. A file there is only a
copy. It is written again if a label file was added, removed or changed, or if it is damaged. If it
cannot be written, the labels are read each time.
"""

import contextlib
import hashlib
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from deephar.files import cache_folder, replacing


def cache_file(kind: str, folder: Path) -> Path | None:
    """Path of the file that caches the labels of a folder; None if there is no cache folder.

    Args:
        kind: short name of the data set.
        folder: the folder of its label files.
    """
    cache = cache_folder()
    if cache is None:
        return None
    key = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
    return cache / f"{kind}-{key}.npz"


def contents_key(paths: Sequence[Path], version: int) -> str:
    """A key that changes when a file is added, removed or changed, or with the version."""
    digest = hashlib.sha256(str(version).encode())
    for path in paths:
        status = path.stat()
        digest.update(f"{path.name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def load(path: Path | None, key: str, names: Sequence[str]) -> dict[str, np.ndarray] | None:
    """Arrays from the cache; None if there are none for this key, or if they are damaged."""
    if path is None:
        return None
    try:
        with np.load(path, allow_pickle=False) as content:
            if str(content["key"]) != key:
                return None
            return {name: content[name] for name in names}
    except Exception:  # a damaged file makes NumPy and zipfile raise all kinds of them
        return None


def save(path: Path | None, key: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes the cache if possible: a read-only disk is no reason to fail."""
    if path is None:
        return
    content = io.BytesIO()
    np.savez(content, key=np.array(key), **arrays)
    with contextlib.suppress(OSError), replacing(path) as part:
        part.write_bytes(content.getbuffer())
