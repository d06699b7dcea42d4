"""Turns a user's mistake into one line, or several into a list."""

from __future__ import annotations

import contextlib
import functools
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence


def reporting_errors(
    main: Callable[[Sequence[str] | None], int | None],
) -> Callable[[Sequence[str] | None], int]:
    """Decorates a script's ``main(argv=None)``: a user's mistake becomes one line and status 2.

    An interrupt by the user (Ctrl-C) becomes one line and status 130. A ``UserWarning`` is printed
    in one line, too.
    """

    @functools.wraps(main)
    def wrapped(argv: Sequence[str] | None = None) -> int:
        try:
            with _warnings_in_one_line():
                return main(argv) or 0
        except (OSError, ValueError, FloatingPointError) as error:
            print("error:", " ".join(str(error).split()), file=sys.stderr)
            return 2
        except KeyboardInterrupt as interrupt:
            print(": ".join(["interrupted", *interrupt.args[:1]]), file=sys.stderr)
            return 130

    return wrapped


@contextlib.contextmanager
def _warnings_in_one_line():
    """Leaves out the line of code that a warning to the user comes from."""
    usual = warnings.formatwarning

    def one_line(message, category, *place):
        if category is UserWarning:
            return f"warning: {' '.join(str(message).split())}\n"
        return usual(message, category, *place)

    warnings.formatwarning = one_line
    try:
        yield
    finally:
        warnings.formatwarning = usual


def hide_interrupts() -> None:
    """Makes an interrupt by the user (Ctrl-C) one line wherever it is not handled.

    `reporting_errors` handles it while a program runs, but not while its modules are imported.
    """
    others = sys.excepthook

    def show(kind, error, traceback):
        if issubclass(kind, KeyboardInterrupt):
            print("interrupted", file=sys.stderr)
        else:
            others(kind, error, traceback)

    sys.excepthook = show


@contextlib.contextmanager
def collecting(problems: list[str] | None, *more: type[Exception]) -> Iterator[None]:
    """Context manager that adds the message of a ``ValueError`` of its block to a list.

    Args:
        problems: the list; None lets the error pass.
        *more: further errors that are treated in the same way.
    """
    try:
        yield
    except (ValueError, *more) as error:
        if problems is None:
            raise
        problems.append(str(error))
