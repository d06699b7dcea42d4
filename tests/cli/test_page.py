"""The page of ``deephar app`` in a real browser: upload, wait, result on the page."""

import os
import shutil
import sys

import cv2
import numpy as np
import pytest
from blobs import ACTIONS, CLIPS, blob_network, film

from deephar import Predictor
from deephar.cli.main import main
from deephar.cli.page import Limits, build_page, launch, require_gradio
from deephar.video import VideoWriter, video_info

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chromium-headless-shell")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
PATIENCE = 30_000  # ms


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder for uploads and results, as `deephar app` sets it."""
    folder = tmp_path_factory.mktemp("app")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        patch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
        patch.setenv("no_proxy", "127.0.0.1,localhost")
        yield folder


@pytest.fixture(scope="module")
def address(folder):
    """Address of the page of a predictor that finds blobs; or a skip."""
    pytest.importorskip("gradio", reason="gradio is not installed")
    predictor = Predictor.from_model(blob_network(CLIPS), CLIPS, actions=ACTIONS)
    limits = Limits(seconds=5, megabytes=1)
    page, address = launch(build_page(predictor, folder, limits=limits), limits)
    yield address
    page.close()


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium; or a skip."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("no Chromium is at hand (on Debian: apt-get install chromium)")
    with playwright.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, address):
    """The page, freshly opened."""
    page = browser.new_page(viewport={"width": 1280, "height": 1100})
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    yield page
    page.close()


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Paths of a video, a longer one, one that is none, a picture, and an empty picture."""
    folder = tmp_path_factory.mktemp("films")
    for name, count in (("short.mp4", 20), ("long.mp4", 120)):
        with VideoWriter(folder / name, 20) as writer:
            for frame in film(count):
                writer.write(frame)
    (folder / "notes.mp4").write_text("no video")
    (folder / "large.mp4").write_bytes(bytes(2_000_000))
    cv2.imwrite(str(folder / "person.png"), film(1)[0])
    cv2.imwrite(str(folder / "nobody.png"), np.zeros((60, 80, 3), np.uint8))
    (folder / "broken.png").write_bytes((folder / "person.png").read_bytes()[:40])
    return folder


def upload(page, where, path):
    page.locator(f"#{where}-in input[type=file]").first.set_input_files(path)
    page.wait_for_function(
        "where => document.querySelector(`#${where}-in video, #${where}-in img`)", arg=where
    )
    page.locator(f"#{where}-start").click()


def files_of(folder, name):
    return [path for path in folder.rglob(name) if path.is_file()]


def test_a_video_is_annotated_on_the_page(page, films, folder, tmp_path):
    upload(page, "video", films / "short.mp4")
    page.locator("#video-table").get_by_text("bowl").locator("visible=true").first.wait_for()
    source = page.locator("#video-out video").get_attribute("src")
    (written,) = files_of(folder, "short-poses.mp4")[:1]
    assert source.endswith(".mp4")
    page.locator("#video-curve img").wait_for()
    names = page.locator("#video-files").inner_text()
    for end in (".mp4", ".json", ".csv", ".png"):
        assert end in names.replace("\n", "")
    with page.expect_download() as download:
        page.locator("#video-files a[download]").nth(1).click()
    assert '"intervals"' in download.value.path().read_text()
    assert files_of(folder, "short.mp4") == []  # the upload is deleted
    shot = page.screenshot(path=tmp_path / "page.png")
    assert cv2.imdecode(np.frombuffer(shot, np.uint8), cv2.IMREAD_COLOR).std() > 10
    assert written.stat().st_size > 1000


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("notes.mp4", "notes.mp4 holds no frames that can be decoded"),
        ("long.mp4", "The video lasts 6 seconds, and this page takes up to 5"),
    ],
)
def test_what_is_no_video_or_too_long_is_told(page, films, folder, name, message):
    upload(page, "video", films / name)
    page.locator(".toast-body", has_text=message).wait_for()
    assert str(folder) not in page.locator(".toast-body").inner_text()
    assert files_of(folder, name) == []


def test_a_video_that_is_longer_than_its_header_says_is_told(page, films, monkeypatch):
    info = video_info(films / "short.mp4")
    monkeypatch.setattr("deephar.cli.page.video_info", lambda path: info)
    upload(page, "video", films / "long.mp4")
    page.locator(".toast-body", has_text="The video lasts more than").wait_for()


def test_a_file_that_is_too_large_is_told(page, films):
    page.locator("#video-in input[type=file]").first.set_input_files(films / "large.mp4")
    page.locator(".toast-body").wait_for()
    assert "size" in page.locator(".toast-body").inner_text().lower()


def test_a_start_without_a_video_is_told(page):
    page.locator("#video-start").click()
    page.locator(".toast-body", has_text="Choose a video first").wait_for()


@pytest.mark.parametrize(("name", "rows"), [("person.png", 16), ("nobody.png", 0)])
def test_a_picture_is_annotated_on_the_page(page, films, folder, name, rows):
    page.get_by_role("tab", name="Picture").click()
    upload(page, "picture", films / name)
    page.locator("#picture-out img").wait_for()
    if rows:
        page.locator("#picture-table").get_by_text("right_ankle").locator(
            "visible=true"
        ).first.wait_for()
    else:
        assert page.locator("#picture-table").get_by_text("ankle").count() == 0
    assert files_of(folder, name) == []


def test_the_page_is_for_this_computer_alone(address):
    assert address.startswith("http://127.0.0.1:")


def test_limits_are_positive():
    with pytest.raises(ValueError, match="limits must be positive"):
        Limits(seconds=0)


def test_a_missing_gradio_is_told(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(ValueError, match=r"pip install 'deephar\[app\]'"):
        require_gradio()
    before = os.environ.get("GRADIO_TEMP_DIR")
    assert main(["app"]) == 2
    assert "gradio" in capsys.readouterr().err
    assert os.environ.get("GRADIO_TEMP_DIR") == before
