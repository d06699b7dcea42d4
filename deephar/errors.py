"""Turns a user's mistake into one line."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence


def reporting_errors(
    main: Callable[[Sequence[str] | None], int | None],
) -> Callable[[Sequence[str] | None], int]:
    """Decorates a script's ``main(argv=None)``: a user's mistake becomes one line and status 2.

    An interrupt by the user (Ctrl-C) becomes one line and status 130.
    """

    @functools.wraps(main)
    def wrapped(argv: Sequence[str] | None = None) -> int:
        try:
            return main(argv) or 0
        except (OSError, ValueError, FloatingPointError) as error:
            print("error:", " ".join(str(error).split()), file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return 130

    return wrapped
