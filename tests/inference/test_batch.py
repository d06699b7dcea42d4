"""Many videos: tables, a manifest that is gone on with, and workers that die."""

import errno
import json
import os
import signal
import threading
import time
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import pandas
import pytest
from blobs import ACTIONS, CLIPS, film
from networks import POSES, save_untrained

from deephar.files import NotWrittenError
from deephar.inference import batch, predictor
from deephar.inference.batch import (
    MANIFEST,
    SETTINGS,
    BatchSettings,
    Job,
    RayWorker,
    find_videos,
    watch_videos,
)
from deephar.video import VideoWriter


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory):
    return save_untrained(tmp_path_factory.mktemp("weights") / "w.h5", POSES)


@pytest.fixture
def settings(weights_file):
    return BatchSettings(weights=weights_file, runtime="keras")


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """A folder with two videos and a broken one."""
    folder = tmp_path_factory.mktemp("films")
    (folder / "more").mkdir()
    for name, frames in {"a.mp4": 6, "more/a.mp4": 4}.items():
        with VideoWriter(folder / name, 20) as writer:
            for frame in film(frames):
                writer.write(frame)
    (folder / "broken.mp4").write_bytes(b"no video")
    (folder / "notes.txt").write_text("no video")
    (folder / ".hidden.mp4").write_bytes(b"hidden")
    return folder


@pytest.fixture
def seen(blobs, monkeypatch):
    """The videos that a network of actions has been asked for; it replaces that of the weights."""
    network, asked = blobs(CLIPS, actions=ACTIONS), []
    for name in ("stream", "track"):
        watch = getattr(network, name)

        def noted(video, watch=watch):
            asked.append(Path(getattr(video, "name", video)).name)
            return watch(video)

        monkeypatch.setattr(network, name, noted)
    monkeypatch.setattr(predictor, "Predictor", lambda **_: network)
    return asked


def manifest(folder):
    return [json.loads(line) for line in (folder / MANIFEST).read_text().splitlines()]


@pytest.mark.parametrize("people", ["one", "all"])
def test_each_video_has_a_table_or_an_error(films, settings, weights_file, seen, tmp_path, people):
    settings = BatchSettings(weights=weights_file, runtime="keras", people=people)
    watched = watch_videos(find_videos([films]), tmp_path, settings)
    assert list(watched) == ["a.mp4", "broken.mp4", "more/a.mp4"]
    lines = manifest(tmp_path)
    assert [line["video"] for line in lines] == list(watched)
    assert [line["error"] for line in lines] == [it.error for it in watched.values()]
    assert "no frames that can be decoded" in watched["broken.mp4"].error
    line = lines[0]
    assert line["frames"] == watched["a.mp4"].frames == 6
    assert (line["error"], line["warnings"], watched["a.mp4"].warnings) == (None, [], 0)
    assert line["table"] == "tables/a.mp4.parquet"
    table = pandas.read_parquet(tmp_path / line["table"])
    assert len(table) == line["rows"]
    if people == "one":
        assert table["frame"].tolist() == list(range(6))
        assert table["time"].tolist() == pytest.approx([0.05 * number for number in range(6)])
        assert set(table["action"]) == {"bowl"}
        assert line["actions"] == {"0": ["bowl", 0.5]}
    assert {"person", "seen", "score", "pelvis_x", "pelvis_visibility"} <= set(table.columns)


def test_a_run_goes_on_where_it_was_interrupted(films, settings, seen, tmp_path):
    videos = find_videos([films])
    watch_videos({"a.mp4": videos["a.mp4"]}, tmp_path, settings)
    with open(tmp_path / MANIFEST, "a") as file:  # cut off by a crash
        file.write('{"video": "more/a.m')
    watch_videos(videos, tmp_path, settings)
    assert [line["video"] for line in manifest(tmp_path)] == ["a.mp4", "broken.mp4", "more/a.mp4"]
    seen.clear()
    watched = watch_videos(videos, tmp_path, settings)
    assert seen == ["broken.mp4"]
    assert [name for name, it in watched.items() if it.skipped] == ["a.mp4", "more/a.mp4"]
    (tmp_path / "tables" / "a.mp4.parquet").unlink()
    watch_videos(videos, tmp_path, settings)
    assert seen == ["broken.mp4", "a.mp4", "broken.mp4"]


def test_a_video_that_has_changed_is_done_again(films, settings, seen, tmp_path):
    video, out = tmp_path / "a.mp4", tmp_path / "out"
    video.write_bytes((films / "a.mp4").read_bytes())
    watch_videos({"a.mp4": video}, out, settings)
    watch_videos({"a.mp4": video}, out, settings)
    assert len(seen) == 1
    video.write_bytes((films / "more" / "a.mp4").read_bytes())
    assert watch_videos({"a.mp4": video}, out, settings)["a.mp4"].frames == 4
    os.utime(video, ns=(0, 0))
    watch_videos({"a.mp4": video}, out, settings)
    assert len(seen) == 3
    good = manifest(out)[-1]
    video.write_bytes(b"no video")
    assert watch_videos({"a.mp4": video}, out, settings)["a.mp4"].error
    assert not (out / good["table"]).exists()
    video.write_bytes((films / "a.mp4").read_bytes())
    watch_videos({"a.mp4": video}, out, settings)
    assert len(seen) == 5
    old = {name: it for name, it in manifest(out)[-1].items() if name not in ("size", "mtime_ns")}
    (out / MANIFEST).write_text(json.dumps(old) + "\n")  # as before these were kept
    watch_videos({"a.mp4": video}, out, settings)
    assert len(seen) == 5


def test_ctrl_c_says_what_is_done_and_how_to_go_on(films, settings, seen, tmp_path, monkeypatch):
    network = predictor.Predictor()
    stream = network.stream

    def interrupted(video):
        if "more" in str(video):
            raise KeyboardInterrupt
        return stream(video)

    monkeypatch.setattr(network, "stream", interrupted)
    message = "2 of 3 videos are done, and kept in .*To go on, run the same command again"
    for _ in range(4):
        with pytest.raises(KeyboardInterrupt, match=message):
            watch_videos(find_videos([films]), tmp_path, settings)
    assert {line["video"] for line in manifest(tmp_path)} == {"a.mp4", "broken.mp4"}
    monkeypatch.setattr(network, "stream", stream)
    lines = watch_videos(find_videos([films]), tmp_path, settings)
    assert lines["more/a.mp4"].error is None  # the video has not killed these processes


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork processes")
def test_a_video_that_kills_three_processes_becomes_an_error(
    films, weights_file, seen, tmp_path, monkeypatch
):
    settings = BatchSettings(weights=weights_file, runtime="keras", form="csv")
    network, videos = predictor.Predictor(), find_videos([films])
    stream = network.stream

    def deadly(video):
        if Path(video) == films / "a.mp4":
            os._exit(9)
        return stream(video)

    monkeypatch.setattr(network, "stream", deadly)
    for _ in range(3):
        if not (child := os.fork()):
            try:
                watch_videos(videos, tmp_path, settings)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    for _ in range(2):  # the run goes on, and the next one does not die either
        lines = watch_videos(videos, tmp_path, settings)
        assert "killed the process that watched it 3 times" in lines["a.mp4"].error
        assert (lines["more/a.mp4"].error, lines["more/a.mp4"].frames) == (None, 4)
    (starts,) = (tmp_path / "tables").rglob(".starts.*")
    assert f"Remove {starts} to try it again" in lines["a.mp4"].error
    starts.unlink()
    monkeypatch.setattr(network, "stream", stream)
    lines = watch_videos(videos, tmp_path, settings)
    assert (lines["a.mp4"].error, lines["a.mp4"].frames) == (None, 6)
    assert not list((tmp_path / "tables").rglob(".starts.*"))


def test_results_of_other_settings_are_refused(
    films, settings, weights_file, seen, tmp_path, monkeypatch
):
    videos = find_videos([films / "a.mp4"])
    watch_videos(videos, tmp_path, settings)
    others = BatchSettings(weights=weights_file, runtime="keras", people="all")
    with pytest.raises(ValueError, match="people was 'one', and is 'all' now"):
        watch_videos(videos, tmp_path, others)
    with monkeypatch.context() as patch:
        patch.setattr(batch, "__version__", "9.9.9")
        with pytest.raises(ValueError, match=r"deephar was '.*', and is '9\.9\.9' now\. Give"):
            watch_videos(videos, tmp_path, settings)
        both = r"deephar was '.*', and is '9\.9\.9' now; people was 'one', and is 'all' now\. Give"
        with pytest.raises(ValueError, match=both):
            watch_videos(videos, tmp_path, others)
    other = save_untrained(tmp_path / "other" / weights_file.name, POSES, data="other")
    with pytest.raises(ValueError, match=r"sha256 of the weights was '\w+', and is '\w+' now"):
        watch_videos(videos, tmp_path, BatchSettings(weights=other, runtime="keras"))
    (tmp_path / SETTINGS).write_text("{")
    with pytest.raises(ValueError, match=rf"{SETTINGS} is damaged"):
        watch_videos(videos, tmp_path, settings)
    (tmp_path / SETTINGS).unlink()
    with pytest.raises(ValueError, match=f"results without {SETTINGS}"):
        watch_videos(videos, tmp_path, settings)


def test_weights_and_results_are_found_from_any_folder(
    films, weights_file, blobs, tmp_path, monkeypatch
):
    asked = []
    network = blobs(CLIPS, actions=ACTIONS)
    monkeypatch.setattr(predictor, "Predictor", lambda **it: asked.append(it["weights"]) or network)
    monkeypatch.chdir(weights_file.parent)
    settings = BatchSettings(weights=weights_file.name, runtime="keras")
    watch_videos(find_videos([films / "a.mp4"]), tmp_path, settings)
    assert asked == [str(weights_file)]  # as a worker of Ray in another folder needs it
    monkeypatch.chdir(tmp_path.parent)
    settings = BatchSettings(weights=weights_file, runtime="keras")
    (line,) = watch_videos(find_videos([films / "a.mp4"]), tmp_path.name, settings).values()
    assert (len(asked), line.error) == (1, None)  # the same run, and complete


def test_all_tables_are_read_at_once_as_the_guide_says(films, settings, seen, tmp_path):
    names = ["_a.mp4", "_takes/a.mp4", "a.mp4", "set=b/a.mp4"]
    watch_videos(dict.fromkeys(names, films / "a.mp4"), tmp_path, settings)
    table = pandas.read_parquet(tmp_path / "tables", ignore_prefixes=["."], partitioning=None)
    assert sorted(set(table["video"])) == names
    assert "set" not in table.columns


def test_another_video_of_the_same_name_is_refused(films, settings, seen, tmp_path):
    watch_videos(find_videos([films / "a.mp4"]), tmp_path, settings)
    with pytest.raises(ValueError, match=r"another video of the name a\.mp4: .*films\d*/a\.mp4"):
        watch_videos(find_videos([films / "more"]), tmp_path, settings)


def test_a_manifest_that_is_damaged_inside_names_the_line(films, settings, seen, tmp_path):
    videos = find_videos([films / "a.mp4"])
    watch_videos(videos, tmp_path, settings)
    good = (tmp_path / MANIFEST).read_text()
    (tmp_path / MANIFEST).write_text(good + '{"video": \n' + good)
    with pytest.raises(ValueError, match=rf"{MANIFEST} is damaged in line 2"):
        watch_videos(videos, tmp_path, settings)


def test_a_long_manifest_takes_little_memory(films, settings, seen, tmp_path):
    videos = find_videos([films / "a.mp4"])
    watch_videos(videos, tmp_path, settings)
    line = manifest(tmp_path)[0] | {"intervals": {"0": [{"action": "bowl", "start": 0.0}] * 50}}
    with open(tmp_path / MANIFEST, "a") as file:
        for number in range(2000):
            file.write(json.dumps(line | {"video": f"{number}.mp4"}) + "\n")
    tracemalloc.start()
    watch_videos(videos, tmp_path, settings)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak / 2000 < 1000 < (tmp_path / MANIFEST).stat().st_size / 2000


def test_a_full_disk_ends_the_run(films, settings, seen, tmp_path, monkeypatch):
    def full(path, *_, **__):
        raise NotWrittenError(Path(path), os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(batch, "write_table", full)
        with pytest.raises(OSError, match=r"a\.mp4\.parquet could not be written \(No space left"):
            watch_videos(find_videos([films]), tmp_path, settings)
    assert not (tmp_path / MANIFEST).exists()
    watch_videos(find_videos([films / "a.mp4"]), tmp_path, settings)
    assert len(manifest(tmp_path)) == 1


@pytest.mark.parametrize("form", ["parquet", "csv"])
@pytest.mark.parametrize("length", [246, 250])  # of the table, or of all files beside it
def test_a_name_too_long_for_a_table_does_not_end_the_run(
    films, weights_file, seen, tmp_path, form, length
):
    name = "a" * (length - 4) + ".mp4"
    try:
        (tmp_path / name).touch()
    except OSError as error:
        pytest.skip(f"names are shorter here: {error}")
    settings = BatchSettings(weights=weights_file, runtime="keras", form=form)
    videos = {name: films / "a.mp4", "b.mp4": films / "more" / "a.mp4"}
    for _ in range(2):
        watched = watch_videos(videos, tmp_path / "out", settings)
        assert watched[name].error.startswith("The name is too long for that of a table")
        assert (watched["b.mp4"].error, watched["b.mp4"].frames) == (None, 4)
    assert [path.name for path in (tmp_path / "out" / "tables").iterdir()] == [f"b.mp4.{form}"]


def test_a_video_that_breaks_off_while_it_is_read_does_not_end_the_run(
    films, settings, seen, tmp_path, monkeypatch
):
    network = predictor.Predictor()
    stream = network.stream

    def broken_off(video):
        for person in stream(video):
            if person.index == 3 and "more" not in video:
                raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
            yield person

    monkeypatch.setattr(network, "stream", broken_off)
    lines = watch_videos(find_videos([films]), tmp_path, settings)
    assert os.strerror(errno.ESTALE) in lines["a.mp4"].error
    assert (lines["more/a.mp4"].error, lines["more/a.mp4"].frames) == (None, 4)
    assert not (tmp_path / "tables" / "a.mp4.parquet").exists()


def test_a_disk_without_room_for_a_line_of_the_manifest_ends_the_run(
    films, settings, seen, tmp_path, monkeypatch
):
    fsync, path = os.fsync, tmp_path / MANIFEST

    def full(file):
        if path.exists() and os.path.samestat(os.fstat(file), path.stat()):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(file)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match=rf"{MANIFEST} could not be written .*No space left"):
            watch_videos(find_videos([films]), tmp_path, settings)
    assert seen == ["a.mp4"]


def test_videos_are_found_by_their_names(films, tmp_path):
    assert list(find_videos([films])) == ["a.mp4", "broken.mp4", "more/a.mp4"]
    with pytest.raises(ValueError, match=r"have the same name, a\.mp4"):
        find_videos([films / "a.mp4", films / "more" / "a.mp4"])
    with pytest.raises(FileNotFoundError, match="holds no video"):
        find_videos([tmp_path])
    with pytest.raises(FileNotFoundError, match=r"b\.mp4 does not exist"):
        find_videos([films / "b.mp4"])


def test_bad_settings_are_refused(films, settings, weights_file, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="people must be one of one, all, got 'two'"):
        BatchSettings(people="two")
    with pytest.raises(ValueError, match="form must be one of parquet, csv, got 'xls'"):
        BatchSettings(form="xls")
    with pytest.raises(ValueError, match="workers must be at least 1"):
        watch_videos({}, tmp_path, settings, workers=0)
    monkeypatch.setitem(__import__("sys").modules, "ray.data", None)
    with pytest.raises(ValueError, match=r"pip install 'deephar\[ray\]'"):
        watch_videos({}, tmp_path, settings, workers=2)


def ray_workers():
    """Process numbers of Ray's workers that hold a network."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"ray::MapWorker" in entry.read_bytes():
                yield int(entry.parent.name)
        except OSError:  # it has ended
            continue


def test_a_worker_of_another_version_is_refused(films, settings, tmp_path, monkeypatch):
    pytest.importorskip("ray", reason="ray is not installed (pip install 'deephar[ray]')")
    monkeypatch.setattr(batch, "__version__", "9.9.9")
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")  # not that of a cluster which was asked for
    message = r"The machine .* has another deephar: '.*', and not '9\.9\.9'\. Install the same"
    with pytest.raises(OSError, match=message):
        watch_videos(find_videos([films]), tmp_path, settings, workers=2)
    assert not (tmp_path / MANIFEST).exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork processes")
def test_workers_that_die_while_they_load_the_network_end_the_run(
    films, settings, tmp_path, monkeypatch
):
    ray = pytest.importorskip("ray", reason="ray is not installed (pip install 'deephar[ray]')")
    monkeypatch.setattr(predictor, "Predictor", lambda **_: os._exit(9))
    row = Job(str(films / "a.mp4"), "a.mp4", str(tmp_path / "a.mp4.parquet"))._asdict()

    def works(actor):
        context = SimpleNamespace(get_actor_id=lambda: actor)
        monkeypatch.setattr(ray, "get_runtime_context", lambda: context)
        return json.loads(RayWorker(settings, settings.facts, tmp_path, "run")(row)["report"])

    for actor in ["first", "second", "first", "first"]:  # restarted twice
        if not (child := os.fork()):
            try:
                works(actor)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert "died 3 times while it loaded the network" in works("first")["stop"]


def test_a_worker_that_is_killed_loses_nothing(films, whole_stem, tmp_path, tmp_path_factory):
    pytest.importorskip("ray", reason="ray is not installed (pip install 'deephar[ray]')")
    if not Path("/proc/self/cmdline").exists():
        pytest.skip("workers are found in /proc, which this system lacks")
    # The workers build the whole stem.
    path = save_untrained(tmp_path_factory.mktemp("whole") / "w.h5", POSES)
    settings = BatchSettings(weights=path, runtime="keras", form="csv")
    videos = find_videos([films]) | {f"copy{n}": films / "a.mp4" for n in range(4)}
    killed = []

    def kill_one():
        while not killed and not (done := list((tmp_path / "tables").glob("*.csv"))):
            time.sleep(0.05)
        for worker in list(ray_workers())[:1]:
            os.kill(worker, signal.SIGKILL)
            killed.append((worker, len(done)))

    thread = threading.Thread(target=kill_one, daemon=True)
    thread.start()
    lines = watch_videos(videos, tmp_path, settings, workers=2)
    thread.join(60)
    assert killed
    assert killed[0][1] < len(videos) - 1  # in the middle
    assert [name for name, line in lines.items() if line.error] == ["broken.mp4"]
    frames = {name: line.frames for name, line in lines.items()}
    assert frames == {"a.mp4": 6, "broken.mp4": 0, "more/a.mp4": 4} | {
        f"copy{number}": 6 for number in range(4)
    }
    tables = sorted(path.name for path in (tmp_path / "tables").rglob("*.csv"))
    assert tables == ["a.mp4.csv", "a.mp4.csv", *(f"copy{n}.csv" for n in range(4))]
