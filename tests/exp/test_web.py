"""The example page in the browser gives the joints that Keras gives."""

import contextlib
import functools
import http.server
import json
import os
import shutil
import signal
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from networks import CLIPS, require_format

from deephar.export import Target, export
from deephar.models import build_model

PAGE = Path(__file__).parents[2] / "exp" / "web"
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0")

WATCHER = """<!doctype html>
<iframe id="page" src="PAGE"></iframe>
<script>
  const timer = setInterval(async () => {
    const page = document.getElementById("page").contentDocument;
    const message = page.getElementById("message")?.textContent ?? "";
    if (!/Found|docs/.test(message)) return;
    clearInterval(timer);
    const rows = [...page.querySelectorAll("tr")].map((row) =>
      [...row.cells].map((cell) => cell.textContent));
    await fetch("/result", { method: "POST", body: JSON.stringify({ message, rows }) });
  }, 100);
</script>
"""
"""Shows the page in a frame, and posts what it says in the end."""


class Server(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, and keeps what is posted."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.result = json.loads(body)
        self.server.posted.set()
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def serving(folder):
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Server, directory=folder)
    ) as server:
        server.posted = threading.Event()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def site(tmp_path):
    """A folder with the page and its library; or a skip."""
    if not (PAGE / "node_modules" / "onnxruntime-web").is_dir():
        pytest.skip("onnxruntime-web is not at hand (run npm install in exp/web)")
    (tmp_path / "site").mkdir()
    shutil.copy(PAGE / "index.html", tmp_path / "site")
    (tmp_path / "site" / "node_modules").symlink_to(PAGE / "node_modules")
    return tmp_path / "site"


@pytest.fixture
def shown(site, tmp_path):
    """What the page says in a browser: ``shown("index.html?network=x")``; or a skip."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip("no Chromium is at hand")

    def show(page):
        (site / "watcher.html").write_text(WATCHER.replace("PAGE", page))
        with serving(site) as server:
            url = f"http://127.0.0.1:{server.server_port}/watcher.html"
            profile = f"--user-data-dir={tmp_path / 'profile'}"
            process = subprocess.Popen(
                [browser, *FLAGS, profile, url],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            try:
                assert server.posted.wait(300), "the page did not come to an end"
            finally:
                os.killpg(process.pid, signal.SIGTERM)  # the command starts further processes
                process.wait()
            return server.result

    return show


@pytest.mark.parametrize("uint8", [False, True])
def test_the_page_finds_the_joints_that_keras_finds(site, shown, uint8):
    require_format("onnx")
    keras.utils.set_random_seed(0)
    config = replace(CLIPS, num_frames=None, actions={}, peak_window=2)
    model = build_model(config)
    export(model, config, site / "small.onnx", Target(format="onnx", uint8=uint8))
    coarse = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    image = cv2.resize(coarse, (64, 64), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(site / "person.png"), image[..., ::-1])
    result = shown("index.html?network=small&amp;picture=person.png")
    assert "Found in" in result["message"], result["message"]
    expected = model.predict_on_batch((image / 127.5 - 1).astype("float32")[None])["pose"][0, -1]
    found = np.array([row[1:] for row in result["rows"]], float)
    np.testing.assert_allclose(found, expected, atol=2e-4)
    assert result["rows"][0][0] == "pelvis"


def test_the_page_says_which_file_is_missing(shown):
    assert "none.json cannot be read (404)" in shown("index.html?network=none")["message"]
