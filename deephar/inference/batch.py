"""Poses and actions of many videos, as tables, by one process or by the workers of a Ray cluster.

A folder of results holds

- ``settings.json``: what the results depend on;
- ``manifest.jsonl``: a line for each video, with its table or its error;
- ``tables/VIDEO.parquet`` (or ``.csv``): a row for each frame and person.

A run that was interrupted goes on where it was: videos with a table are not done again, unless
their file has changed.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import platform
import time
import uuid
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from deephar import weights as weight_files
from deephar.data.pose_tables import require_parquet, write_table
from deephar.data.sets.folder import SUFFIXES
from deephar.files import NotWrittenError, file_hash, locked, replacing
from deephar.inference.actions import MeanAction
from deephar.inference.annotate import person_columns, person_row
from deephar.inference.intervals import ActionTimeline
from deephar.inference.media import load_video
from deephar.inference.runtimes import choose_runtime
from deephar.progress import with_progress
from deephar.version import __version__

if TYPE_CHECKING:
    from deephar.inference.predictor import Predictor

PEOPLE = ("one", "all")
"""Whom the tables are of: one person, who is followed, or everybody."""
FORMATS = ("parquet", "csv")
"""Formats of the tables."""
MANIFEST = "manifest.jsonl"
SETTINGS = "settings.json"

_TABLES = "tables"
_WHERE = {"video": str, "frame": int, "time": float, "person": int}
# Parts of the work that Ray hands out. Each is one video, unless there are more videos than this.
_MOST_PARTS = 10_000
_MOST_DEATHS = 3


@dataclass(frozen=True, kw_only=True)
class BatchSettings:
    """How videos are watched.

    Attributes:
        weights: as of `deephar.Predictor`.
        head: as of `deephar.Predictor`.
        runtime: as of `deephar.Predictor`.
        precision: as of `deephar.Predictor`.
        people: one of `PEOPLE`.
        form: one of `FORMATS`.

    Raises:
        ValueError: `people` or `form` is none of these, or Parquet is wanted, and the package
            pyarrow is not installed.
    """

    weights: str | os.PathLike | None = None
    head: str | None = None
    runtime: str = "auto"
    precision: str = "auto"
    people: str = "one"
    form: str = "parquet"

    def __post_init__(self):
        for name, known in {"people": PEOPLE, "form": FORMATS}.items():
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} must be one of {', '.join(known)}, got {getattr(self, name)!r}."
                )
        if self.form == "parquet":
            require_parquet()

    @property
    def facts(self) -> dict[str, str | None]:
        """What the results depend on, as ``settings.json`` keeps it."""
        name = weight_files.default_name() if self.weights is None else str(self.weights)
        runtime = choose_runtime(self.runtime, self.precision)
        return {
            "deephar": __version__,
            "weights": Path(name).name,  # from wherever it is given; the hash tells the rest
            "sha256 of the weights": file_hash(weight_files.find(name)),
            "head": self.head,
            "runtime": runtime.name,
            "precision": runtime.precision,
            "people": self.people,
            "format": self.form,
        }


class Job(NamedTuple):
    """A video to watch.

    Attributes:
        video: absolute path of the video.
        name: its name in the manifest.
        table: absolute path of its table.
    """

    video: str
    name: str
    table: str


class Watched(NamedTuple):
    """What is kept in memory of a video that has been watched. Its line of the manifest has more.

    Attributes:
        path: the video.
        error: what is wrong with it; None if it has a table.
        version: size and time of its file when it was watched; None if they are not known.
        frames: number of its frames.
        warnings: number of warnings.
        skipped: whether it was done by an earlier run, and skipped by this one.
    """

    path: str
    error: str | None
    version: tuple[int, int] | None
    frames: int
    warnings: int
    skipped: bool


def find_videos(paths: Iterable[str | os.PathLike]) -> dict[str, Path]:
    """Video files by their names: of a folder, the paths in it, with ``/`` between the parts.

    Args:
        paths: video files, and folders, which are searched with all folders in them. Hidden files
            are left out.

    Raises:
        FileNotFoundError: There is no such file, or no video in a folder.
        ValueError: Two videos have the same name.
    """
    videos = {}
    for path in map(Path, paths):
        found = dict(_in_folder(path)) if path.is_dir() else {path.name: path}
        if not found:
            raise FileNotFoundError(
                f"{path} holds no video. Videos end in {', '.join(SUFFIXES)}; give another folder."
            )
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist. Give a video, or a folder of videos.")
        for name, video in found.items():
            if name in videos:
                raise ValueError(
                    f"{videos[name]} and {video} have the same name, {name}, which their results "
                    "would share. Give the folder that holds both, or rename one of them."
                )
            videos[name] = video
    return videos


def _in_folder(folder):
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in inside.parts)
        if path.suffix.lower() in SUFFIXES and path.is_file() and not hidden:
            yield inside.as_posix(), path


def watch_videos(
    videos: Mapping[str, str | os.PathLike],
    out: str | os.PathLike,
    settings: BatchSettings,
    *,
    workers: int = 1,
    ray_address: str | None = None,
) -> dict[str, Watched]:
    """Watches videos that have not been watched yet, or have changed, and writes their tables.

    A video that cannot be read is noted with its error, and is tried again by the next run. A
    video that has killed three processes is noted, too; its error says how to have it tried again.
    If a table cannot be written, such as on a full disk, the run ends.

    Args:
        videos: paths by names, see `find_videos`.
        out: folder of the results. With Ray, all machines must see it, and the videos, under the
            same path.
        settings: how they are watched.
        workers: number of processes. One works without Ray.
        ray_address: address of a Ray cluster, or ``"auto"`` for that of this machine; None starts
            one for several workers on this machine. Ray is needed: ``pip install 'deephar[ray]'``.

    Returns:
        What became of these videos, by name.

    Raises:
        KeyboardInterrupt: Ctrl-C. The message says what is kept.
        ValueError: The folder holds results of other settings or a damaged manifest, Ray is not
            installed, `workers` is not positive; or as `deephar.Predictor`.
        OSError: A file cannot be written, or another process works in the folder.
    """
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}.")
    use_ray = workers > 1 or ray_address is not None
    facts = settings.facts
    # What "auto" is here, it is on all workers, which may have been started in another folder.
    settings = replace(settings, runtime=facts["runtime"], precision=facts["precision"])
    if settings.weights is not None and Path(settings.weights).is_file():
        settings = replace(settings, weights=str(Path(settings.weights).resolve()))
    if use_ray:
        _require_ray()
    out = Path(out)
    with locked(out / ".lock"):
        _check_settings(out, facts)
        manifest = _Manifest(out / MANIFEST)
        jobs = [
            Job(str(Path(video).resolve()), name, str(_table(out, name, settings.form).resolve()))
            for name, video in videos.items()
        ]
        jobs = [job for job in jobs if not manifest.has(job)]
        if use_ray and jobs:
            reports = _reports_of_ray(jobs, settings, facts, out, workers, ray_address)
        else:
            reports = _reports(jobs, settings)
        try:
            with closing(reports):
                for report in with_progress(reports, len(jobs), "video"):
                    name = report["video"]
                    table = _table(Path(), name, settings.form).as_posix()
                    manifest.add({**report, "table": None if report["error"] else table})
        except KeyboardInterrupt:
            done = sum(name in manifest.watched for name in videos)
            raise KeyboardInterrupt(
                f"{done} of {len(videos)} videos are done, and kept in {out}. To go on, run the "
                "same command again."
            ) from None
    return {name: manifest.watched[name] for name in videos}


def _table(out, name, form):
    return out / _TABLES / f"{name}.{form}"


def _check_settings(out, facts):
    """Writes the settings of a new folder, and refuses a folder with others."""
    path = out / SETTINGS
    if not path.exists():
        if (out / MANIFEST).exists():
            raise ValueError(f"{out} holds results without {SETTINGS}. Give another folder.")
        with replacing(path) as part:
            part.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        return
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        different = [
            f"{name} was {known.get(name)!r}, and is {fact!r} now"
            for name, fact in facts.items()
            if known.get(name) != fact
        ]
    except (ValueError, AttributeError) as error:
        raise ValueError(f"{path} is damaged ({error}). Give another folder.") from error
    if different:
        raise ValueError(
            f"{out} holds results of other settings: {'; '.join(different)}. Give another folder, "
            f"or the settings in {path}."
        )


class _Manifest:
    """What became of the videos of a manifest; the last line of a video counts.

    Args:
        path: the file, which need not exist. If its last line was cut off, as by a crash, the line
            is dropped.
    """

    def __init__(self, path: Path):
        self._path = path
        self.watched: dict[str, Watched] = {}
        if not path.exists():
            return
        whole = 0  # bytes of whole lines
        with open(path, "rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    break
                try:
                    self._keep(json.loads(line), skipped=True)
                except (ValueError, KeyError, TypeError) as error:
                    raise ValueError(
                        f"{path} is damaged in line {number}. Remove the line: its video is then "
                        "done again."
                    ) from error
                whole += len(line)
        if whole < path.stat().st_size:
            os.truncate(path, whole)

    def _keep(self, line, skipped):
        known = "size" in line  # older manifests do not have it
        self.watched[line["video"]] = Watched(
            line["path"],
            line["error"],
            (line["size"], line["mtime_ns"]) if known else None,
            line.get("frames", 0),
            len(line.get("warnings", ())),
            skipped,
        )

    def has(self, job: Job) -> bool:
        """Whether a video has its table, and has not changed since.

        Raises:
            ValueError: The table is that of another video of the same name.
        """
        watched = self.watched.get(job.name)
        if watched is not None and watched.path != job.video:
            raise ValueError(
                f"{self._path} has another video of the name {job.name}: {watched.path}, and not "
                f"{job.video}. Give another folder."
            )
        if watched is None or watched.error is not None or not Path(job.table).is_file():
            return False
        return watched.version in (None, _version(job.video))

    def add(self, report: dict) -> None:
        """Adds a line, which is on the disk when this returns."""
        try:
            with open(self._path, "a", encoding="utf-8") as file:
                file.write(json.dumps(report) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise NotWrittenError(self._path, error) from error
        self._keep(report, skipped=False)


def _version(video):
    """Size and time of a file, one of which changes with it; zeros if it is gone."""
    try:
        facts = os.stat(video)
    except OSError:
        return 0, 0
    return facts.st_size, facts.st_mtime_ns


# ------------------------------------------------------------------------------------- the work


@contextmanager
def _counting_deaths(path: Path, run: str, message: str) -> Iterator[None]:
    """Context manager for work that may kill the process; refuses what has done so three times.

    A file has a line for each process that has not come to the end of the work: its run. A run
    that is ended from outside leaves one line at most, so the lines of each run are counted.

    Args:
        path: the file.
        run: name of the run.
        message: what to say if the work is refused.

    Raises:
        ValueError: It is refused.
        NotWrittenError: The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a+", encoding="utf-8") as file:
            file.seek(0)
            deaths = Counter(file.read().split())
            if max(deaths.values(), default=0) >= _MOST_DEATHS:
                raise ValueError(message)
            file.write(f"{run}\n")
    except OSError as error:
        raise NotWrittenError(path, error) from error
    try:
        yield
    except (Exception, KeyboardInterrupt):  # not SystemExit, by which Ray ends a process
        with suppress(OSError):
            path.unlink()
        raise
    with suppress(OSError):
        path.unlink()


class _Worker:
    """A process's network, which watches one video after the other.

    Args:
        settings: how they are watched.
        run: name of the run. Restarts of one process have the same.
    """

    def __init__(self, settings: BatchSettings, run: str = "alone"):
        self._settings, self._run = settings, run

    def load(self) -> None:
        """Loads the network, which the first video does otherwise."""
        _ = self._predictor

    @cached_property
    def _predictor(self) -> Predictor:
        from deephar.inference.predictor import Predictor

        names = ("weights", "head", "runtime", "precision")
        return Predictor(**{name: getattr(self._settings, name) for name in names})

    def __call__(self, job: Mapping) -> dict:
        """Writes the table of a `Job`, as a dict, and returns its line of the manifest.

        Raises:
            NotWrittenError: The table cannot be written.
        """
        job, predictor = Job(**job), self._predictor
        starts = Path(job.table).with_name(f".starts.{Path(job.table).stem}")
        deadly = (
            f"It killed the process that watched it {_MOST_DEATHS} times, such as for want of "
            f"memory. Remove {starts} to try it again."
        )
        size, time_of_file = _version(job.video)
        video = {"video": job.name, "path": job.video, "size": size, "mtime_ns": time_of_file}
        start = time.perf_counter()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            try:
                with _counting_deaths(starts, self._run, deadly):
                    facts = self._watch(predictor, job)
            except NotWrittenError as error:
                if getattr(error.__cause__, "errno", None) != errno.ENAMETOOLONG:
                    raise
                text = f"The name is too long for that of a table ({error}) Give a shorter name."
                return {**video, "error": text}
            except Exception as error:  # whatever is wrong with a video, the others go on
                with suppress(OSError):
                    Path(job.table).unlink()  # of the file before it changed
                text = " ".join(str(error).split()) or type(error).__name__
                return {**video, "error": text}
        notes = [str(it.message) for it in caught if issubclass(it.category, UserWarning)]
        seconds = round(time.perf_counter() - start, 2)
        return {**video, "error": None, **facts, "warnings": notes, "seconds": seconds}

    def _watch(self, predictor, job):
        columns = {**_WHERE, **person_columns(predictor.skeleton.joints)}
        counts, actions, timelines = Counter(frames=0, rows=0), {}, {}
        skeleton = predictor.skeleton
        if self._settings.people == "all":
            frames = predictor.track(load_video(job.video))
        else:
            frames = ([replace(person, track=0)] for person in predictor.stream(job.video))
        frames = (
            [timelines.setdefault(it.track, ActionTimeline(skeleton)).add(it) for it in persons]
            for persons in _read(frames)
        )
        write_table(job.table, _rows(job.name, frames, counts, actions), columns=columns)
        best = {number: mean.result()[0] for number, mean in actions.items()}
        return {
            **counts,
            "actions": {
                str(track): [name, round(score, 4)] for track, (name, score) in best.items()
            },
            "intervals": {
                str(track): [interval.to_json() for interval in timeline.intervals()]
                for track, timeline in timelines.items()
                if track in actions
            },
        }


def _read(frames):
    """The frames. An error of their disk must not be taken for one of the table's disk."""
    try:
        yield from frames
    except OSError as error:
        raise ValueError(str(error)) from error


def _rows(video, frames, counts, actions):
    """The rows of a table; counts them and the frames, and collects each person's actions."""
    for number, persons in enumerate(frames):
        counts["frames"] += 1
        for person in persons:
            counts["rows"] += 1
            if person.action:
                actions.setdefault(person.track, MeanAction()).add(person.action)
            yield [video, number, round(person.time, 4), person.track, *person_row(person)]


def _reports(jobs, settings):
    """Lines of the manifest, by this process."""
    worker = _Worker(settings)
    for job in jobs:
        yield worker(job._asdict())


# --------------------------------------------------------------------------------------- on Ray


class RayWorker:
    """What a process of Ray does: it watches one video after the other.

    What stops the run is told by a line of the results. After an error, Ray would start the process
    again. It also restarts a process that has died, without a limit.

    Args:
        settings: how the videos are watched.
        facts: the `BatchSettings.facts` of the run.
        out: folder of the results.
        run: name of the run. Restarts of one process have the same.
    """

    def __init__(self, settings: BatchSettings, facts: Mapping, out: Path, run: str):
        self._settings, self._facts, self._out, self._run = settings, facts, out, run

    @cached_property
    def _worker(self):
        import ray

        actor = ray.get_runtime_context().get_actor_id()  # which restarts have, too
        deadly = (
            f"A worker on {platform.node()} died {_MOST_DEATHS} times while it loaded the network, "
            "such as for want of memory. Give fewer workers, or smaller weights."
        )
        with _counting_deaths(_starts_of(self._out, actor), self._run, deadly):
            return self._load()

    def _load(self):
        different = [
            f"another {name}: {fact!r}, and not {self._facts[name]!r}"
            for name, fact in self._settings.facts.items()
            if fact != self._facts[name]
        ]
        if different:
            raise ValueError(
                f"The machine {platform.node()} has {'; '.join(different)}. Install the same on "
                "all machines."
            )
        worker = _Worker(self._settings, self._run)
        worker.load()
        return worker

    def __call__(self, row: dict) -> dict:
        """The line of the manifest of a `Job`, as a dict; or why the run has to stop."""
        try:
            report = self._worker(row)
        except (OSError, ValueError) as error:  # the disk is full, or the weights do not fit
            report = {"stop": str(error)}
        return {"report": json.dumps(report)}


def _starts_of(out, actor):
    """The file in which an actor of Ray counts how often it began to load the network."""
    return Path(out) / f".starts.{actor}"


def _require_ray() -> None:
    try:
        import ray.data  # noqa: F401
    except ImportError as error:
        raise ValueError(
            "Several workers need the package ray. Run pip install 'deephar[ray]', or leave "
            "--workers out."
        ) from error


def _reports_of_ray(jobs, settings, facts, out, workers, address):
    """Lines of the manifest, by the workers of a Ray cluster, as they come."""
    import ray

    logging.getLogger("ray").setLevel(logging.ERROR)
    own = not ray.is_initialized()
    if own:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent to anybody
        # Without "local", Ray would join a cluster that runs on this machine, or is in RAY_ADDRESS.
        own_cluster = {"address": "local", "num_cpus": workers}
        options = own_cluster if address is None else {"address": address}
        ray.init(**options, include_dashboard=False, log_to_driver=False, logging_level="error")
    ray.data.DataContext.get_current().enable_progress_bars = False
    rows = ray.data.from_items(
        [job._asdict() for job in jobs], override_num_blocks=min(len(jobs), _MOST_PARTS)
    ).map(
        RayWorker,
        fn_constructor_args=(settings, facts, out.resolve(), uuid.uuid4().hex),
        compute=ray.data.ActorPoolStrategy(size=min(workers, len(jobs))),
        num_cpus=1,
    )
    try:
        for row in rows.iter_rows():
            report = json.loads(row["report"])
            if "stop" in report:
                raise OSError(report["stop"])
            yield report
    finally:
        if own:
            ray.shutdown()
        for path in out.glob(_starts_of(out, "*").name):  # of actors that died
            path.unlink(missing_ok=True)
