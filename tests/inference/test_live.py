"""Live sources: the newest frame first, and an end that loses nothing."""

import json
import socket
import threading

import av
import numpy as np
import pytest
from blobs import ACTIONS, CLIPS, corners, film
from networks import POSES

from deephar.inference import annotate_people, annotate_video
from deephar.inference.live import NewestFrames, paced
from deephar.inference.media import Footage, describe_video, load_video
from deephar.video import video_info


class Source:
    """A live source whose frames come when the test says so."""

    def __init__(self, images=None, error=None):
        self.closed, self._error = threading.Event(), error
        self._images = film(20) if images is None else images
        self._wanted, self._given = threading.Semaphore(0), threading.Semaphore(0)
        self._count, self._end = 0, False

    def give(self, count, wait=True):
        """Has frames arrive."""
        for _ in range(count):
            self._wanted.release()
            assert not wait or self._given.acquire(timeout=20)

    def end(self):
        self._end = True
        self._wanted.release()

    def __iter__(self):
        return self

    def __next__(self):
        if self._count:
            self._given.release()  # the one before has been taken
        self._wanted.acquire()
        if self._end:
            if self._error:
                raise self._error
            raise StopIteration
        self._count += 1
        return self._images[self._count - 1], self._count / 10

    def close(self):
        self.closed.set()


def test_the_newest_frame_comes_and_those_before_are_dropped():
    source = Source()
    frames = NewestFrames(source)
    source.give(1)
    assert next(frames)[1] == 0.1
    source.give(4)
    assert next(frames)[1] == 0.5
    assert frames.dropped == 3
    source.give(1)
    source.end()
    assert [time for _, time in frames] == [0.6]
    assert source.closed.wait(20)


def test_rate_and_latency_are_told():
    now = [0.0]
    source = Source()
    frames = NewestFrames(source, clock=lambda: now[0])
    assert frames.describe() == ""
    for number in range(5):
        now[0] = number / 20
        source.give(1)
        _, moment = next(frames)
        now[0] += 0.03
        assert frames.shown(moment) == pytest.approx(0.03)
    assert frames.describe() == "20 fps, 30 ms"


def test_a_source_that_fails_at_once_is_an_error():
    source = Source(error=OSError("no camera"))
    source.end()
    with pytest.raises(OSError, match="no camera"):
        next(NewestFrames(source))


def test_a_source_that_fails_later_ends_with_a_sentence():
    source = Source(error=OSError("the cable is out."))
    frames = NewestFrames(source)
    source.give(1)
    source.end()
    with pytest.warns(UserWarning, match=r"is gone: the cable is out\. What was seen"):
        assert len(list(frames)) == 1


def test_who_stops_early_lets_the_camera_go(blobs):
    source = Source()
    footage = Footage.of_live("camera", source)
    source.give(1)
    persons = blobs(POSES).stream(footage)
    next(persons)
    del persons, footage
    source.give(1, wait=False)  # the thread sees that nobody wants any more
    assert source.closed.wait(20)


def test_a_stream_that_is_never_asked_lets_the_camera_go(blobs):
    source = Source()
    persons = blobs(POSES).stream(Footage.of_live("camera", source))
    source.give(1)
    del persons
    source.give(1, wait=False)  # the thread sees that nobody wants any
    assert source.closed.wait(20)


def test_each_person_comes_before_the_next_frame(blobs):
    source = Source()
    persons = blobs(CLIPS, actions=ACTIONS).stream(Footage.of_live("camera", source))
    for number in range(1, 6):
        source.give(1)
        person = next(persons)
        assert (person.index, person.time) == (number - 1, number / 10)
        np.testing.assert_allclose(person.joints, corners(39 + number, 60), atol=2)
        assert person.action[0][0] == "bowl"
    source.end()
    assert list(persons) == []


def test_a_person_who_is_lost_is_searched_for_again(blobs):
    there, gone = film(3, width=400), [np.zeros((150, 400, 3), np.uint8)] * 8
    back = [np.roll(frame, 250, axis=1) for frame in film(6, width=400)]
    frames = [*there, *gone, *back]
    source, persons = Source(frames), []
    stream = blobs(POSES).stream(Footage.of_live("camera", source))
    for _ in frames:
        source.give(1)
        persons.append(next(stream))
    assert [person.seen for person in persons] == [True] * 3 + [False] * 8 + [True] * 6
    np.testing.assert_allclose(persons[-1].joints, corners(295, 60), atol=3)


def test_a_live_film_is_annotated_and_shown(blobs, tmp_path):
    shown = []
    frames = [(frame, number / 40) for number, frame in enumerate(film(20))]
    footage = Footage.of_live("camera 7", paced(iter(frames)))
    written = annotate_video(
        blobs(CLIPS, actions=ACTIONS),
        footage,
        tmp_path / "o.mp4",
        show=lambda picture: shown.append(picture) or True,
    )
    rows = json.loads(written.numbers.read_text())
    assert rows["video"] == "camera 7"
    assert len(rows["frames"]) == len(shown) == 20 - footage.live.dropped
    assert video_info(written.video).frames == len(shown)
    assert "fps" in footage.live.describe()


def test_everybody_in_a_live_film_is_annotated(blobs, tmp_path):
    frames = [(frame, number / 20) for number, frame in enumerate(film(20))]
    footage = Footage.of_live("camera 7", paced(iter(frames)))
    written = annotate_people(blobs(CLIPS, actions=ACTIONS), footage, tmp_path / "o.mp4")
    rows = json.loads(written.numbers.read_text())["frames"]
    assert len(rows) == video_info(written.video).frames == 20 - footage.live.dropped
    assert {person["track"] for row in rows for person in row["people"]} == {1}
    assert [interval.action for interval in written.intervals[1]] == ["bowl"]


def test_who_closes_the_window_ends_the_film(blobs, tmp_path):
    frames = [(frame, number / 20) for number, frame in enumerate(film(60))]
    footage = Footage.of_live("camera", paced(iter(frames)))
    shown = []

    def show(picture):
        shown.append(picture)
        return len(shown) < 3

    written = annotate_video(blobs(POSES), footage, tmp_path / "o.mp4", show=show)
    assert len(shown) == 3
    assert video_info(written.video).frames == 3


def test_paced_frames_come_at_their_times():
    slept = []
    frames = paced(iter([("a", 5.0), ("b", 5.5), ("c", 6.5)]), sleep=slept.append)
    assert [image for image, _ in frames] == ["a", "b", "c"]
    assert slept == pytest.approx([0, 0.5, 1.5], abs=0.2)


def test_what_is_live():
    assert describe_video(0).live
    assert describe_video("rtsp://host/stream").live
    assert not describe_video(film(2)).live
    assert not describe_video(load_video(film(2))).live


@pytest.fixture
def stream_that_breaks_off(tmp_path):
    """Address of an MPEG transport stream that ends in the middle of a packet."""
    path = tmp_path / "film.ts"
    with av.open(str(path), "w", format="mpegts") as container:
        stream = container.add_stream("mpeg2video", rate=25)
        stream.width, stream.height, stream.pix_fmt = 200, 150, "yuv420p"
        for image in film(60):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    content = path.read_bytes()
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = server.accept()
        with connection:
            connection.sendall(content[: len(content) * 2 // 3 + 77])

    threading.Thread(target=serve, daemon=True).start()
    yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
    server.close()


def test_a_stream_that_breaks_off_is_complete_until_then(stream_that_breaks_off, blobs, tmp_path):
    assert describe_video(stream_that_breaks_off).live
    with pytest.warns(UserWarning, match="gives no more pictures"):
        written = annotate_video(blobs(POSES), stream_that_breaks_off, tmp_path / "o.mp4")
    rows = json.loads(written.numbers.read_text())["frames"]
    assert len(rows) == video_info(written.video).frames >= 1
    assert rows[-1]["joints"][0][0] > 60  # the newest of those that have come
