"""``python -m deephar``: the ``deephar`` command."""

import sys

from deephar.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
