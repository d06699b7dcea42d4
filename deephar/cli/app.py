"""``deephar app``: a page in the browser for pictures, videos and the webcam."""

from __future__ import annotations

import argparse
import os
import tempfile
from contextlib import contextmanager

DESCRIPTION = """
Serves a page to this computer: a picture, a video or a recording of the webcam in; the poses drawn
over it, the actions over time, a table and files with the numbers out.

What is uploaded is deleted when the result is there, and results when the page ends, or after an
hour. Ctrl-C ends it.
"""


def add_app_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `serve`."""
    from deephar.cli.options import add_predictor_arguments

    add_predictor_arguments(parser)
    parser.add_argument(
        "--host", default="127.0.0.1", help="who may ask; 0.0.0.0: anybody (%(default)s)"
    )
    parser.add_argument("--port", type=int, help="port (the first free one from 7860 on)")
    parser.add_argument(
        "--most-seconds", type=float, default=60, help="longest video (%(default)s)", metavar="S"
    )
    parser.add_argument(
        "--most-megabytes", type=int, default=100, help="largest file (%(default)s)", metavar="MB"
    )


def serve(args: argparse.Namespace) -> None:
    """Serves the page until Ctrl-C.

    Args:
        args: arguments of `add_app_arguments`.

    Raises:
        FileNotFoundError, ValueError: As `Predictor`; Gradio is not installed.
        OSError: The port is in use.
    """
    # Gradio reads these when it is imported.
    with (
        tempfile.TemporaryDirectory(prefix="deephar-app-") as folder,
        _environment(GRADIO_TEMP_DIR=folder, GRADIO_ANALYTICS_ENABLED="False"),
    ):
        from deephar.cli.page import Limits, build_page, launch, require_gradio
        from deephar.inference.predictor import Predictor

        require_gradio()
        predictor = Predictor(
            args.weights, head=args.head, runtime=args.runtime, precision=args.precision
        )
        print(predictor)
        limits = Limits(seconds=args.most_seconds, megabytes=args.most_megabytes)
        page, address = launch(
            build_page(predictor, folder, limits=limits), limits, host=args.host, port=args.port
        )
        print(f"The page is at {address}; Ctrl-C ends it")
        try:
            page.block_thread()
        finally:
            page.close()


@contextmanager
def _environment(**variables):
    """Sets variables of the environment, which are as before in the end."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
