"""Keeps TensorFlow's startup messages off the screen, and OpenVINO's notes from being sent."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from types import ModuleType

LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
"""Environment variable with TensorFlow's log level. A user who sets it sees all messages."""

_LOG_LINE = re.compile(rb"WARNING: All log messages before absl::|[IWE]\d{4} \d\d:\d\d:")


def turn_off_telemetry() -> None:
    """Keeps OpenVINO and NNCF from telling Intel that they are used, if they are imported later.

    They do so unless a package is missing. Each note would start a process, which takes longer than
    to convert a small network.
    """
    sys.modules.setdefault("openvino_telemetry", None)


def hide_startup_messages() -> None:
    """Makes the first import of TensorFlow quiet, unless the user has set a log level.

    TensorFlow writes some messages before it reads ``TF_CPP_MIN_LOG_LEVEL``, for example that it
    finds no GPU. The variable does not stop these, so they are filtered during the import.
    """
    if LOG_LEVEL in os.environ or "tensorflow" in sys.modules:
        return
    sys.meta_path.insert(0, _QuietImport())


class _QuietImport:
    """An entry of ``sys.meta_path``: finds TensorFlow as usual, and makes its loader quiet."""

    def find_spec(self, name: str, path=None, target=None) -> ModuleSpec | None:
        if name != "tensorflow":
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        specs = (finder.find_spec(name, path, target) for finder in others)
        spec = next((spec for spec in specs if spec is not None), None)
        if hasattr(getattr(spec, "loader", None), "exec_module"):
            spec.loader.exec_module = self._quiet(spec.loader.exec_module)
        return spec

    def _quiet(self, execute: Callable[[ModuleType], None]) -> Callable[[ModuleType], None]:
        def execute_quietly(module: ModuleType) -> None:
            with contextlib.suppress(ValueError):
                sys.meta_path.remove(self)
            if LOG_LEVEL in os.environ:
                execute(module)
                return
            with _log_level("3"), _without_log_lines():
                execute(module)
                if hasattr(module, "config"):  # The search for GPUs writes messages, too.
                    module.config.list_physical_devices()

        return execute_quietly


@contextlib.contextmanager
def _log_level(level: str) -> Iterator[None]:
    """Sets the log level, which TensorFlow reads once; a child process decides for itself."""
    os.environ[LOG_LEVEL] = level
    try:
        yield
    finally:
        del os.environ[LOG_LEVEL]


@contextlib.contextmanager
def _without_log_lines() -> Iterator[None]:
    """Drops the log lines that C++ code writes to standard error; on an error, keeps all."""
    import tempfile

    try:
        stderr = os.dup(2)
    except OSError:  # Standard error is closed.
        yield
        return
    keep_all = True
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
            keep_all = False
        except KeyboardInterrupt:
            keep_all = False
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            file.seek(0)
            for line in file:
                if keep_all or not _LOG_LINE.match(line):
                    os.write(2, line)
