"""Where the live picture is seen: a window, or a page."""

import urllib.error
import urllib.request

import cv2
import numpy as np
import pytest

from deephar.cli import view


def test_without_a_display_the_picture_is_on_a_page(monkeypatch):
    monkeypatch.setattr(view.sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with view.opened_view() as (show, where):
        assert "There is no display" in where
        address = where.split()[-1]
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(address, timeout=20) as page:
            assert b'src="live"' in page.read()
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"{address}/none", timeout=20)
        for host in (
            "evil.example",
            "evil.example:8000",
            "",
        ):  # a name that points to this computer
            foreign = urllib.request.Request(f"{address}/live", headers={"Host": host})
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(foreign, timeout=20)
        with urllib.request.urlopen(address.replace("127.0.0.1", "localhost"), timeout=20) as page:
            assert page.status == 200
        picture = np.full((40, 60, 3), (200, 30, 30), np.uint8)
        assert show(picture)
        with urllib.request.urlopen(f"{address}/live", timeout=20) as live:
            for level in (200, 90):
                jpeg = _next_jpeg(live)
                shown = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
                assert shown.shape == (40, 60, 3)
                assert abs(int(shown[20, 30, 2]) - level) < 8  # red
                assert show(np.full((40, 60, 3), (90, 30, 30), np.uint8))
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(address, timeout=2)


def _next_jpeg(stream):
    """The next picture of a multipart stream."""
    content = b""
    while not content.endswith(b"\xff\xd9"):
        content += stream.read(1)
    return content[content.index(b"\xff\xd8") :]


def test_an_opencv_without_windows_says_what_to_install(monkeypatch):
    def refuse(*_):
        raise cv2.error("not implemented")

    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(cv2, "namedWindow", refuse)
    assert "install opencv-python" in view.what_a_window_lacks()


def test_the_window_ends_with_a_key(monkeypatch):
    keys = iter([-1, ord("q")])
    monkeypatch.setenv("DISPLAY", ":0")
    for name in ("namedWindow", "destroyWindow", "destroyAllWindows", "imshow"):
        monkeypatch.setattr(cv2, name, lambda *_: None)
    monkeypatch.setattr(cv2, "waitKey", lambda _: next(keys))
    monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: 1.0)
    with view.opened_view() as (show, where):
        assert "q or Escape" in where
        assert [show(np.zeros((2, 2, 3), np.uint8)) for _ in range(2)] == [True, False]
