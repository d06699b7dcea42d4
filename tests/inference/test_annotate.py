"""Annotated videos, and their numbers."""

import csv
import json
import resource

import cv2
import numpy as np
import pytest
from blobs import ACTIONS, CLIPS, blob_network, corners, film
from networks import POSES, SMALL

from deephar import Predictor
from deephar.inference import Person, annotate, annotate_video
from deephar.inference.annotate import in_words
from deephar.models import ModelConfig
from deephar.skeletons import get_skeleton
from deephar.video import VideoWriter, read_video, video_info


@pytest.fixture
def short_film(tmp_path):
    path = tmp_path / "film.mp4"
    with VideoWriter(path, 20) as writer:
        for frame in film(10):
            writer.write(frame)
    return path


def test_an_annotated_video_and_its_numbers_are_written(blobs, short_film, tmp_path):
    predictor = blobs(CLIPS, actions=ACTIONS)
    paths = annotate_video(predictor, short_film, tmp_path / "out" / "o.mp4")
    names = ["o.mp4", "o.json", "o.csv", "o-actions.png"]
    assert paths[:4] == tuple(tmp_path / "out" / name for name in names)
    info = video_info(paths[0])
    assert (info.frames, info.size, info.fps) == (10, (200, 150), 20)
    frames = [frame for frame, _ in read_video(paths[0])]
    assert len(frames) == 10
    original = next(read_video(short_film))[0]
    assert np.abs(frames[0].astype(int) - original).max() > 50  # something is drawn
    numbers = json.loads(paths[1].read_text())
    assert [row["frame"] for row in numbers["frames"]] == list(range(10))
    last = numbers["frames"][9]
    np.testing.assert_allclose(last["joints"], corners(49, 60), atol=2)
    assert last["depth"] is None
    persons = list(predictor.stream(short_film))
    np.testing.assert_allclose(last["box"], persons[9].box, atol=0.01)
    np.testing.assert_allclose(last["crop"], persons[9].crop, atol=0.01)
    assert numbers["frames"][0]["action"][0][0] == "bowl"
    assert numbers["joints"] == list(predictor.skeleton.joints)
    assert [name for name, _ in numbers["action_of_the_video"]] == ACTIONS
    assert paths.actions[0] == ("bowl", 0.5)
    (interval,) = numbers["intervals"]
    assert interval == {
        "action": "bowl",
        "start": 0.0,
        "end": 0.45,
        "duration": 0.45,
        "repetitions": None,
    }
    assert paths.intervals[0].to_json() == interval
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(names)


def test_the_table_has_a_row_for_each_frame(blobs, short_film, tmp_path):
    predictor = blobs(CLIPS, actions=ACTIONS)
    table = annotate_video(predictor, short_film, tmp_path / "o.mp4").table
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    joints = predictor.skeleton.joints
    columns = [f"{joint}_{name}" for joint in joints for name in ("x", "y", "visibility")]
    assert list(rows[0]) == ["frame", "time", "seen", "action", "score", "repetitions", *columns]
    persons = list(predictor.stream(short_film))
    assert len(rows) == len(persons) == 10
    knee = predictor.skeleton.index("left_knee")
    for number, (row, person) in enumerate(zip(rows, persons, strict=True)):
        assert (row["frame"], row["time"]) == (str(number), str(round(number / 20, 4)))
        assert (row["action"], float(row["score"])) == ("bowl", 0.5)
        assert float(row["left_knee_x"]) == pytest.approx(person.joints[knee, 0], abs=0.01)
        assert float(row["left_knee_y"]) == pytest.approx(person.joints[knee, 1], abs=0.01)
        assert float(row["left_knee_visibility"]) == 1


@pytest.mark.parametrize("config", [CLIPS, ModelConfig(**SMALL, dim=3, depth="volumetric")])
def test_where_nobody_is_seen_nothing_is_drawn(blobs, tmp_path, config):
    with VideoWriter(tmp_path / "film.mp4", 20) as writer:
        for frame in [*film(4), *np.zeros((4, 150, 200, 3), np.uint8)]:
            writer.write(frame)
    written = annotate_video(blobs(config), tmp_path / "film.mp4", tmp_path / "o.mp4")
    numbers = json.loads(written.numbers.read_text())
    seen = [row["seen"] for row in numbers["frames"]]
    assert seen == [True] * 4 + [False] * 4
    with open(written.table, newline="") as file:
        assert [row["seen"] for row in csv.DictReader(file)] == ["1"] * 4 + ["0"] * 4
    frames = [frame for frame, _ in read_video(written.video)]
    assert all(frame[:, :200].max() < 30 for frame in frames[4:])
    assert all(frame[:, :200].max() > 100 for frame in frames[:4])
    assert len({frame.shape for frame in frames}) == 1


def test_the_actions_over_time_are_a_picture(blobs, short_film, tmp_path):
    picture = annotate_video(blobs(CLIPS), short_film, tmp_path / "o.mp4").picture
    image = cv2.imread(str(picture))
    assert image.shape[1] > 2 * image.shape[0]
    assert image.std() > 10


def test_other_is_shown_as_no_known_action(blobs, short_film, tmp_path, monkeypatch):
    shown = []
    draw = annotate.draw_action

    def drawing(*args, actions, **options):
        shown.append(actions)
        return draw(*args, actions=actions, **options)

    monkeypatch.setattr(annotate, "draw_action", drawing)
    monkeypatch.setattr("deephar.inference.actions.OTHER_WEIGHT", 1)  # so that it is the best
    predictor = blobs(CLIPS, actions=["other", "golf_swing", "squat"])
    written = annotate_video(predictor, short_film, tmp_path / "o.mp4")
    assert shown == [[("no known action", pytest.approx(0.5))]] * 10
    assert written.actions[0] == ("other", pytest.approx(0.5))
    assert in_words("golf_swing") == "golf swing"


def test_without_actions_only_the_pose_is_drawn(blobs, short_film, tmp_path):
    written = annotate_video(blobs(POSES), short_film, tmp_path / "o.mp4")
    assert written.picture is written.actions is None
    assert sorted(path.suffix for path in tmp_path.glob("o*")) == [".csv", ".json", ".mp4"]
    assert written.table.read_text().splitlines()[1].startswith("0,0.0,1,,,,")
    numbers = json.loads(written.numbers.read_text())
    assert numbers["action_of_the_video"] is None
    assert numbers["frames"][3]["action"] is None


def test_lines_stay_as_wide_while_the_window_stays(short_film, tmp_path, monkeypatch):
    class Found:
        actions = ()
        skeleton = get_skeleton("pa16j")

        def stream(self, video, *_, **__):
            crop = np.array([0.0, 0, 150, 150])
            for number, (frame, time) in enumerate(read_video(video)):
                pose = np.linspace(20, 60 + 8 * number, 32).reshape(16, 2)  # growing
                yield Person(
                    joints=pose,
                    visibility=np.ones(16),
                    box=crop,
                    crop=crop,
                    skeleton="pa16j",
                    index=number,
                    time=time,
                    image=frame,
                )

    widths = []
    draw = annotate.draw_action

    def drawing(*args, width, **options):
        widths.append(width)
        return draw(*args, width=width, **options)

    monkeypatch.setattr(annotate, "draw_action", drawing)
    annotate_video(Found(), short_film, tmp_path / "o.mp4")
    assert len(widths) == 10
    assert set(widths) == {2}  # of 150 pixels, 80 are the person, and a fortieth of these is 2


@pytest.mark.parametrize("height", [150, 151])
def test_beside_a_frame_are_two_views_if_there_is_depth(
    blobs, short_film, tmp_path, monkeypatch, height
):
    # OpenCV reads videos of odd height, but writes none.
    frames = [(frame, 0.05 * n) for n, frame in enumerate(film(3, height=height))]
    monkeypatch.setattr("deephar.inference.media.read_video", lambda path, **_: iter(frames))
    config = ModelConfig(**SMALL, dim=3, depth="volumetric")
    out, numbers, *_ = annotate_video(blobs(config), short_film, tmp_path / "o.mp4")
    assert video_info(out).size == (274 + height % 2 * 2, 150)
    assert video_info(out).frames == 3
    frame, _ = next(read_video(out))
    assert np.median(frame[:, 200:]) > 230  # paper
    assert np.median(frame[:, :200]) < 30
    row = json.loads(numbers.read_text())["frames"][0]
    assert np.shape(row["joints"]) == (16, 2)
    np.testing.assert_allclose(row["depth"], [500] * 16)


def test_a_failure_leaves_no_half_files(short_film, tmp_path):
    network = blob_network(CLIPS)

    def failing(images):
        if len(network.shapes) > 2:
            raise ValueError("out of order")
        return network(images)

    predictor = Predictor.from_model(failing, CLIPS)
    out = tmp_path / "out"
    with pytest.raises(ValueError, match="out of order"):
        annotate_video(predictor, short_film, out / "o.mp4")
    assert list(out.iterdir()) == []


def test_a_picture_that_cannot_be_written_leaves_no_files(blobs, short_film, tmp_path, monkeypatch):
    def failing(*_, **__):
        raise ValueError("no ink")

    monkeypatch.setattr(annotate, "plot_actions", failing)
    out = tmp_path / "out"
    with pytest.raises(ValueError, match="no ink"):
        annotate_video(blobs(CLIPS), short_film, out / "o.mp4")
    assert list(out.iterdir()) == []


def test_the_annotated_video_has_the_times_of_the_original(blobs, tmp_path):
    times = [0, 0.033, 0.07, 0.4, 0.41, 0.9]
    with VideoWriter(tmp_path / "v.mp4", 20) as writer:
        for frame, time in zip(film(6), times, strict=True):
            writer.write(frame, time)
    written = annotate_video(blobs(CLIPS), tmp_path / "v.mp4", tmp_path / "o.mp4")
    np.testing.assert_allclose([time for _, time in read_video(written.video)], times, atol=1e-4)
    rows = json.loads(written.numbers.read_text())["frames"]
    np.testing.assert_allclose([row["time"] for row in rows], times, atol=1e-4)


def test_a_full_disk_leaves_the_earlier_files(blobs, short_film, tmp_path):
    out = tmp_path / "out"
    before = contents(annotate_video(blobs(CLIPS), short_film, out / "o.mp4"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2500, limits[1]))  # as if the disk were full there
    try:
        with pytest.raises(OSError, match=r"could not be written.* The previous version was kept"):
            annotate_video(blobs(CLIPS), short_film, out / "o.mp4")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {path.name for path in out.iterdir()} == {path.name for path in before}
    assert all(path.read_bytes() == content for path, content in before.items())


def contents(written):
    return {path: path.read_bytes() for path in written[:4]}


@pytest.mark.parametrize("name", ["o.json", "o.csv", "o-actions.png"])
def test_files_beside_the_video_that_are_not_ours_are_kept(blobs, short_film, tmp_path, name):
    mine = tmp_path / "out" / name
    mine.parent.mkdir()
    mine.write_text('{"skeleton": "mine"}')
    for _ in range(2):
        with pytest.raises(FileExistsError, match=f"{name} would be replaced"):
            annotate_video(blobs(CLIPS), short_film, mine.with_name("o.mp4"))
        assert mine.read_text() == '{"skeleton": "mine"}'
        mine.with_name("o.mp4").touch()  # named by the user, so it may be replaced
    mine.unlink()
    for _ in range(2):  # our own files are replaced
        assert annotate_video(blobs(CLIPS), short_film, mine.with_name("o.mp4")).video.exists()


def test_where_a_video_cannot_go_is_explained(blobs, short_film):
    before = short_film.read_bytes()
    with pytest.raises(ValueError, match="is the video to be read"):
        annotate_video(blobs(CLIPS), short_film, short_film)
    with pytest.raises(ValueError, match=r"must end in \.mp4"):
        annotate_video(blobs(CLIPS), short_film, short_film.with_suffix(".avi"))
    assert short_film.read_bytes() == before


def test_repetitions_so_far_are_in_all_results(short_film, tmp_path, monkeypatch):
    class Squats:
        actions = ("squat",)
        skeleton = get_skeleton("pa16j")

        def stream(self, video, *_, **__):
            for number, (frame, time) in enumerate(read_video(video)):
                time *= 10  # five seconds
                pose = np.linspace(20, 80, 32).reshape(16, 2) * [1, 0.7 + 0.3 * np.cos(2.5 * time)]
                yield Person(
                    joints=pose,
                    visibility=np.ones(16),
                    box=np.array([0.0, 0, 150, 150]),
                    crop=np.array([0.0, 0, 150, 150]),
                    skeleton="pa16j",
                    action=[("squat", 1.0)],
                    index=number,
                    time=time,
                    image=frame,
                )

    notes = []
    draw = annotate.draw_action

    def drawing(*args, note, **options):
        notes.append(note)
        return draw(*args, note=note, **options)

    monkeypatch.setattr(annotate, "draw_action", drawing)
    written = annotate_video(Squats(), short_film, tmp_path / "o.mp4")
    (interval,) = written.intervals
    assert interval.repetitions >= 1
    rows = json.loads(written.numbers.read_text())["frames"]
    assert [rows[0]["repetitions"], rows[-1]["repetitions"]] == [0, interval.repetitions]
    with open(written.table, newline="") as file:
        assert [row["repetitions"] for row in csv.DictReader(file)][-1] == str(interval.repetitions)
    assert notes[-1].endswith(f" s   {interval.repetitions} x")
