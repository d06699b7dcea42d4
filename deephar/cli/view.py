"""Where the live picture of the demo is seen: in a window, or else on a page in the browser."""

from __future__ import annotations

import http.server
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import cv2
import numpy as np

WINDOW = "deephar"
_PORT = 8000
_QUIT = (ord("q"), 27)  # and Escape

_PAGE = b"""<!doctype html><title>deephar</title>
<style>body{margin:0;background:#222}img{display:block;margin:auto;max-width:100%;max-height:100vh}
</style><img src="live" alt="the live picture">"""


class Show(Protocol):
    """Shows a picture, uint8 (H, W, 3), RGB; returns False if the user wants to end."""

    def __call__(self, picture: np.ndarray) -> bool: ...


@contextmanager
def opened_view() -> Iterator[tuple[Show, str]]:
    """A window or, where there is none, a page that this computer alone can open.

    Yields:
        What shows a picture; and a sentence for the user that says where.
    """
    missing = what_a_window_lacks()
    if missing is None:
        with _window() as show:
            yield show, "q or Escape in the window ends it"
        return
    with _Page() as page:
        yield page.show, f"{missing} The live picture is at {page.address}"


def what_a_window_lacks() -> str | None:
    """Why no window can be opened, and what to do; None if one can be."""
    if sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        return "There is no display for a window."
    try:
        cv2.namedWindow(WINDOW, cv2.WINDOW_NORMAL)
        cv2.destroyWindow(WINDOW)
    except cv2.error:
        return (
            "This OpenCV has no windows. Run pip uninstall opencv-python-headless, then pip "
            "install opencv-python."
        )
    return None


@contextmanager
def _window():
    cv2.namedWindow(WINDOW, cv2.WINDOW_NORMAL)

    def show(picture):
        cv2.imshow(WINDOW, picture[..., ::-1])
        wanted = cv2.waitKey(1) & 0xFF not in _QUIT
        return wanted and cv2.getWindowProperty(WINDOW, cv2.WND_PROP_VISIBLE) >= 1

    try:
        yield show
    finally:
        cv2.destroyAllWindows()


class _Page:
    """A page with the newest picture (motion JPEG), served to this computer alone."""

    def __enter__(self):
        self._picture, self._number, self._over = None, 0, False
        self._changed = threading.Condition()
        self._server = _server(self)
        self.address = "http://{}:{}".format(*self._server.server_address[:2])
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error):
        with self._changed:
            self._over = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def show(self, picture):
        with self._changed:
            self._picture, self._number = picture, self._number + 1
            self._changed.notify_all()
        return True

    def jpegs(self):
        """The pictures as JPEG, each the newest one, until the page is closed."""
        seen = 0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._over or self._number > seen)  # noqa: B023
                if self._over:
                    return
                picture, seen = self._picture, self._number
            yield cv2.imencode(".jpg", picture[..., ::-1])[1].tobytes()


def _is_this_computer(host):
    """Whether a page asks by a name of this computer.

    Another name may be that of a web site that has made it point here, to see the camera.
    """
    return host.rpartition(":")[0] in ("127.0.0.1", "localhost")


def _server(page):
    """A server for the page, at the usual port or, if it is in use, at another one."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if not _is_this_computer(self.headers.get("Host", "")):
                self.send_error(403, "Ask for this page at http://127.0.0.1 or http://localhost.")
            elif self.path == "/live":
                self._send_pictures()
            elif self.path == "/":
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(_PAGE)
            else:
                self.send_error(404)

        def _send_pictures(self):
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
            self.end_headers()
            try:
                for jpeg in page.jpegs():
                    self.wfile.write(b"--next\r\nContent-Type: image/jpeg\r\n\r\n")
                    self.wfile.write(jpeg + b"\r\n")
            except OSError:  # the browser has gone
                return

        def log_message(self, *arguments):
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

    try:
        return Server(("127.0.0.1", _PORT), Handler)
    except OSError:
        return Server(("127.0.0.1", 0), Handler)
