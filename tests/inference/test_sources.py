"""Videos that are not files: cameras, addresses, folders of pictures, numbered ones, lists."""

import contextlib
import functools
import http.server
import json
import os
import signal
import threading
import time

import clips
import cv2
import numpy as np
import pytest
from blobs import ACTIONS, CLIPS, corners, film
from networks import POSES
from rtsp import RtspServer

from deephar.inference import annotate_video
from deephar.inference.media import describe_video, load_video
from deephar.video import VideoWriter, is_live_address, read_video, video_info


def write_pictures(folder, names):
    """Pictures of a rectangle that moves to the right, under these names."""
    folder.mkdir()
    for name, frame in zip(names, film(len(names)), strict=True):
        cv2.imwrite(str(folder / name), frame)
    return folder


def frames_of(video, *rate):
    """Left edges of the rectangle in the frames of a video, and their times."""
    frames, times = zip(*load_video(video, *rate).frames, strict=True)
    return [int(np.argmax(frame[75, :, 0] > 128)) for frame in frames], list(times)


# --- pictures


def test_a_folder_of_pictures_is_taken_by_their_numbers(tmp_path):
    folder = write_pictures(tmp_path / "shots", ["a8.png", "a9.jpg", "a10.png", "b1.webp"])
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden.png").write_text("no picture")
    assert frames_of(folder, 10) == ([40, 41, 42, 43], [0, 0.1, 0.2, 0.3])
    assert load_video(str(folder)).num_frames == 4
    assert load_video(folder).name == str(folder)


@pytest.mark.parametrize("pattern", ["%06d.png", "%d.png", "%6d.png"])
def test_numbered_pictures_are_taken_in_order(pattern, tmp_path):
    folder = write_pictures(tmp_path / "shots", [f"{number:06d}.png" for number in range(98, 102)])
    cv2.imwrite(str(folder / "1000000000x.png"), film(1)[0])
    assert frames_of(str(folder / pattern)) == ([40, 41, 42, 43], [0, 1 / 30, 2 / 30, 3 / 30])


def test_a_missing_number_is_told(tmp_path):
    folder = write_pictures(tmp_path / "shots", ["shot_1.png", "shot_2.png", "shot_5.png"])
    message = r"shot_%d\.png, 2 pictures between 1 and 5 are missing, the first one is number 3"
    with pytest.raises(FileNotFoundError, match=message):
        load_video(folder / "shot_%d.png")
    with pytest.raises(FileNotFoundError, match=r"There is no file .*x%d\.png"):
        load_video(folder / "x%d.png")


def test_a_folder_without_pictures_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"is a folder without pictures .* `deephar batch`"):
        load_video(tmp_path)


def test_a_list_of_paths_is_a_video(tmp_path):
    folder = write_pictures(tmp_path / "shots", ["x.png", "a.png"])
    paths = [folder / "x.png", str(folder / "a.png")]
    assert frames_of(paths, 5) == ([40, 41], [0, 0.2])
    assert frames_of(iter(paths), 5) == ([40, 41], [0, 0.2])
    with pytest.raises(FileNotFoundError, match=r"gone\.png does not exist"):
        frames_of([*paths, folder / "gone.png"])


def test_pictures_are_streamed_classified_tracked_and_annotated(blobs, tmp_path):
    predictor = blobs(CLIPS, actions=ACTIONS)
    folder = write_pictures(tmp_path / "shots", [f"{number:02d}.png" for number in range(6)])
    sources = [folder, str(folder / "%02d.png"), sorted(folder.iterdir())]
    for source in (*sources, film(6), lambda: iter(film(6)), lambda: map(str, sources[2])):
        video = source if not callable(source) else source()
        persons = list(predictor.stream(video, fps=20))
        np.testing.assert_allclose([person.time for person in persons], np.arange(6) / 20)
        np.testing.assert_allclose(persons[5].joints, corners(45, 60), atol=2)
        video = source if not callable(source) else source()
        assert predictor.classify(video, fps=20)[0] == ("bowl", 0.5)
        video = source if not callable(source) else source()
        (tracks,) = zip(*predictor.track(video, fps=20), strict=True)
        np.testing.assert_allclose([person.time for person in tracks], np.arange(6) / 20)
    written = annotate_video(predictor, folder, tmp_path / "o.mp4", fps=20)
    assert (video_info(written.video).frames, video_info(written.video).fps) == (6, 20)
    written = annotate_video(predictor, iter(film(6)), tmp_path / "o.mp4", fps=10)
    assert (video_info(written.video).frames, video_info(written.video).fps) == (6, 10)
    assert json.loads(written.numbers.read_text())["video"] == "The video"


# --- addresses


@pytest.fixture
def served(tmp_path, monkeypatch):
    """Address of a web server for a folder, and the folder."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()
        thread.join()


def test_a_video_is_read_from_an_address(served, blobs, tmp_path):
    address, folder = served
    with VideoWriter(folder / "v.mp4", 20) as writer:
        for frame in film(6):
            writer.write(frame)
    address = f"{address.replace('http', 'HTTP')}/v.mp4"
    assert describe_video(address) == (address, 6, 20, False)
    assert frames_of(address)[0] == frames_of(folder / "v.mp4")[0]
    persons = list(blobs(POSES).stream(address))
    np.testing.assert_allclose([person.time for person in persons], np.arange(6) / 20)
    written = annotate_video(blobs(POSES), address, tmp_path / "o.mp4")
    assert video_info(written.video).frames == 6


def test_a_connection_that_breaks_off_is_told(served, monkeypatch):
    address, folder = served
    with VideoWriter(folder / "whole.mp4", 20) as writer:
        for frame in film(40):
            writer.write(frame)
    video = clips.copy(folder / "whole.mp4", folder / "v.ts")
    size = video.stat().st_size

    def copyfile(handler, source, output):
        output.write(source.read(size // 2))
        handler.close_connection = True

    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, "copyfile", copyfile)
    with pytest.warns(UserWarning, match=r"v\.ts broke off: \d+ frames came until then") as caught:
        frames, _ = frames_of(f"{address}/v.ts")
    assert f": {len(frames)} frames" in str(caught[0].message)
    assert 5 < len(frames) < 40


def test_an_address_without_a_video_is_named(served):
    with pytest.raises(OSError, match=r"gone\.mp4 gives no video .*Check the address"):
        load_video(f"{served[0]}/gone.mp4")
    with pytest.raises(OSError, match=r"rtsp://127\.0\.0\.1:1/none gives no video"):
        load_video("rtsp://127.0.0.1:1/none")
    with pytest.raises(OSError, match="nonsense://x gives no video"):
        load_video("nonsense://x")


# --- live sources


@pytest.fixture
def rtsp(tmp_path):
    """A camera with an RTSP address, which sends 50 frames. FFmpeg waits for the first 20."""
    frames = film(50)
    path = clips.encode(tmp_path / "v.ts", np.arange(50) / 25, frames, codec="mpeg2video")
    with RtspServer(path.read_bytes(), seconds=1.2) as server:
        yield server


@pytest.mark.filterwarnings("ignore:.*gives no more pictures")
def test_a_camera_of_the_network_is_streamed_classified_tracked_and_annotated(
    rtsp, blobs, tmp_path
):
    predictor, address = blobs(CLIPS, actions=ACTIONS), rtsp.address
    predictor.warm_up()  # the camera does not wait
    persons = list(predictor.stream(address))
    assert 1 <= len(persons) <= 50  # of those that are late, only the newest
    assert np.all(np.diff([person.time for person in persons]) > 0)
    assert predictor.classify(address)[0] == ("bowl", 0.5)
    assert len(list(predictor.track(address))) >= 1
    written = annotate_video(predictor, address, tmp_path / "o.mp4")
    assert video_info(written.video).frames >= 1
    assert rtsp.requests[:4] == ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"]
    assert rtsp.requests.count("PLAY") == 4  # each opens it once


class JpegCamera(http.server.BaseHTTPRequestHandler):
    """A camera that sends JPEGs over HTTP, 20 a second, without their times."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        with contextlib.suppress(OSError):  # nobody listens any more
            for frame in film(20):
                content = cv2.imencode(".jpg", frame)[1].tobytes()
                head = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
                self.wfile.write(head % len(content) + content + b"\r\n")
                time.sleep(0.05)

    def log_message(self, *arguments):
        pass


def test_what_a_camera_has_sent_over_http_is_a_video_when_it_is_saved(tmp_path):
    path = tmp_path / "v.mjpeg"
    head = b"--frame\r\nContent-Type: image/jpeg\r\n\r\n"
    parts = [head + cv2.imencode(".jpg", frame)[1].tobytes() + b"\r\n" for frame in film(12)]
    path.write_bytes(b"".join(parts))
    assert describe_video(path) == (str(path), 12, 25, False)
    assert frames_of(path)[0] == list(range(40, 52))


@pytest.mark.parametrize(
    ("address", "live"),
    [
        ("rtsp://HOST/stream", True),
        ("udp://HOST:1234", True),
        ("http://HOST/video", False),  # the answer tells
        ("ftp://HOST/v.mp4", False),
        ("file:///v.mp4", False),
        ("v.mp4", False),
    ],
)
def test_which_addresses_are_live(address, live):
    assert is_live_address(address) is live


def test_a_camera_that_sends_jpegs_over_http_is_live(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), JpegCamera) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/video"
        assert describe_video(address) == (address, 0, None, True)
        with pytest.warns(UserWarning, match="gives no more pictures"):
            edges, times = frames_of(address)
        server.shutdown()
    assert len(edges) > 3
    # The times are those of the arrival. FFmpeg takes 25 frames a second if it knows nothing.
    middle = len(edges) // 2  # those before may have waited
    assert (edges[-1] - edges[middle]) / (times[-1] - times[middle]) < 24


class Camera:
    """Stands in for OpenCV's camera; after some frames, the user presses Ctrl-C."""

    def __init__(self, index, ctrl_c=None, frames=10_000):
        self.index, self._ctrl_c, self._frames, self._count = index, ctrl_c, frames, 0

    def isOpened(self):
        return self.index == 0

    def read(self):
        time.sleep(0.02)
        self._count += 1
        if self._count == self._ctrl_c:
            os.kill(os.getpid(), signal.SIGINT)
        good = self._count <= self._frames
        return good, np.ascontiguousarray(film(self._count % 80 + 1)[-1]) if good else None

    def release(self):
        self.index = None


@pytest.fixture
def camera(monkeypatch):
    """Has cameras behave: ``camera(ctrl_c=20)``."""

    def build(**options):
        monkeypatch.setattr(cv2, "VideoCapture", lambda index: Camera(index, **options))

    # A job in the background of a shell ignores Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield build
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("index", [0, "0", np.int64(0)])
def test_ctrl_c_ends_a_camera_and_what_was_seen_is_complete(index, camera, blobs):
    camera(ctrl_c=20)
    persons = list(blobs(CLIPS, actions=ACTIONS).stream(index))
    assert 1 <= len(persons) < 60  # of those that are late, only the newest
    assert np.all(np.diff([person.time for person in persons]) > 0)
    assert all(person.action for person in persons)


def test_ctrl_c_ends_the_tracking_of_a_camera(camera, blobs):
    camera(ctrl_c=10)
    frames = list(blobs(POSES).track(0))
    assert 1 <= len(frames) < 60
    assert all(len(people) <= 1 for people in frames)


def test_ctrl_c_ends_the_annotation_of_a_camera(camera, blobs, tmp_path):
    camera(ctrl_c=20)
    written = annotate_video(blobs(CLIPS, actions=ACTIONS), 0, tmp_path / "o.mp4")
    rows = json.loads(written.numbers.read_text())
    assert (rows["video"], rows["fps"]) == ("camera 0", None)
    assert len(rows["frames"]) >= 1
    times = [time for _, time in read_video(written.video)]
    np.testing.assert_allclose(times, [row["time"] for row in rows["frames"]], atol=2e-4)


def test_a_second_ctrl_c_interrupts(camera):
    camera()
    frames = load_video(0).frames
    next(frames)
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert sum(1 for _ in frames) < 5


def test_ctrl_c_is_as_before_when_the_camera_is_over(camera):
    camera(frames=3)
    with pytest.warns(UserWarning, match="Camera 0 gives no more pictures"):
        assert sum(1 for _ in load_video(0).frames) == 3
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_camera_that_is_not_there_is_named(camera):
    camera()
    for number in (3, -1):
        with pytest.raises(ValueError, match=f"Camera {number} gives no picture"):
            load_video(number)


def test_a_file_with_a_number_as_its_name_is_no_camera(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with VideoWriter("v.mp4", 20) as writer:
        for frame in film(3):
            writer.write(frame)
    (tmp_path / "v.mp4").rename(tmp_path / "0")
    assert load_video("0").num_frames == 3
