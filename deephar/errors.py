"""A user's mistake as one line."""

import functools
import sys


def reporting_errors(main):
    """Decorates a script's ``main(argv=None)``: a user's mistake becomes one line and status 2.

    An interrupt by the user (Ctrl-C) becomes one line and status 130.
    """

    @functools.wraps(main)
    def wrapped(argv=None):
        try:
            return main(argv) or 0
        except (OSError, ValueError, FloatingPointError) as error:
            print("error:", " ".join(str(error).split()), file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return 130

    return wrapped
