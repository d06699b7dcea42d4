"""Annotated videos: pose and action drawn over every frame, the numbers, the actions over time."""

from __future__ import annotations

import csv
import json
import os
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from deephar.data.loading import read_ahead
from deephar.data.samples import OTHER
from deephar.files import replacing
from deephar.geometry import BOX_MARGIN, POSE_MARGIN
from deephar.inference.actions import MeanAction, mean_action
from deephar.inference.intervals import ActionTimeline, Interval, in_words
from deephar.inference.media import Video, describe_video, load_video
from deephar.inference.person import Person
from deephar.progress import ProgressBar
from deephar.video import DEFAULT_RATE, VideoWriter
from deephar.visualize import (
    draw_action,
    draw_caption,
    draw_label,
    draw_skeleton,
    line_width,
    plot_actions,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deephar.inference.predictor import Predictor

_LISTED_ACTIONS = 5  # per frame in the JSON file
_AHEAD = 16  # frames that wait to be drawn while the network works


class Annotation(NamedTuple):
    """What `annotate_video` has written.

    Attributes:
        video: path of the video.
        numbers: path of the JSON file.
        table: path of the CSV file.
        picture: path of the picture of the actions over time; None of a network without actions.
        actions: those of the whole video, (name, score), the best first; None of a network without
            actions.
        intervals: what was done from when to when, and how often, see `Interval`; empty of a
            network without actions.
    """

    video: Path
    numbers: Path
    table: Path
    picture: Path | None
    actions: list[tuple[str, float]] | None
    intervals: list[Interval] | dict[int, list[Interval]]


def annotate_video(
    predictor: Predictor,
    video: Video,
    out: str | os.PathLike,
    *,
    fps: float | None = None,
    progress: bool = False,
    show: Callable[[np.ndarray], bool] | None = None,
    **options: Any,
) -> Annotation:
    """Writes a video with skeleton, action and score over every frame, and the numbers.

    Over a frame in which nobody is seen (see `Person.seen`), nothing is drawn. With depth, the pose
    from the front and from the side is drawn beside the frame (see `Person.draw_views`; not to
    scale, because the camera is not known). Each file appears complete or not at all; the video is
    opened again and its frames are counted before it replaces an earlier one. The video (H.264) and
    the numbers have the time stamps of the original. Threads decode the video and run the network
    while frames are drawn. Beside ``OUT.mp4`` there are:

    - ``OUT.json``: of each frame `time`, `seen`, `joints`, `depth`, `visibility`, `box` and `crop`
      (see `Person`), the best actions and the repetitions so far; the actions of the whole
      video, see `mean_action`; and the `intervals` of the actions, see `Interval`;
    - ``OUT.csv``: one row a frame, with its number and time, whether somebody is seen (1 or 0), the
      best action, its score and its repetitions so far, then x, y and visibility of each joint;
    - ``OUT-actions.png``, if the network has actions: the most frequent ones over time.

    Over a camera or a live stream, the rate and the latency of the frames are written, too.

    Args:
        predictor: a `Predictor`.
        video: see `Predictor.stream`.
        out: path of the video to write, ending in ``.mp4``.
        fps: see `Predictor.stream`.
        progress: shows a progress bar on a terminal.
        show: takes each annotated frame, uint8 (H, W, 3), and says whether to go on; if not, what
            was seen until then is complete.
        options: `box`, `margin`, `subsampling` and `smooth` of `Predictor.stream`.

    Returns:
        The paths, the actions of the whole video, and their intervals.

    Raises:
        FileNotFoundError: As `Predictor.stream`.
        ValueError: As `Predictor.stream`; `out` does not end in ``.mp4`` or is the video itself.
        OSError: A file cannot be written, or a file beside `out` is not an earlier result.
    """
    name, num_frames, rate, is_live = describe_video(video, fps)
    out = _checked_path(out, name)
    paths = [out, out.with_suffix(".json"), out.with_suffix(".csv")]
    picture = out.with_name(f"{out.stem}-actions.png") if predictor.actions else None
    require_own([path for path in (*paths[1:], picture) if path is not None])
    live = None
    if is_live:
        video = load_video(video, fps)
        live = video.live
    persons = predictor.stream(video, fps=fps, keep_images=True, **options)
    head = _head(predictor, name, rate)
    bar = ProgressBar(num_frames or None, "frame", shown=progress)
    with ExitStack() as stack:
        persons = stack.enter_context(closing(read_ahead(persons, 1 if live else _AHEAD)))
        if live:
            stack.callback(live.close)
        timeline = ActionTimeline(predictor.skeleton)
        persons = map(timeline.add, persons)
        writer = stack.enter_context(VideoWriter(out, rate or DEFAULT_RATE))
        parts = [stack.enter_context(replacing(path)) for path in paths[1:]]
        numbers = stack.enter_context(open(parts[0], "w", encoding="utf-8"))
        table = stack.enter_context(open(parts[1], "w", encoding="utf-8", newline=""))
        persons = _drawn(persons, live, show)
        persons = _recorded(persons, writer, bar)
        persons = _listed(persons, numbers, head)
        persons = _tabulated(persons, table, predictor.skeleton.joints)
        actions = None
        if picture is None:
            deque(persons, maxlen=0)
        else:
            course = _Course(predictor.actions)
            actions = mean_action(course.actions_of(persons))
            course.plot(Path(name).name).savefig(stack.enter_context(replacing(picture)))
        intervals = timeline.intervals()
        _end_list(numbers, actions and _rounded(actions), [it.to_json() for it in intervals])
        writer.finish()  # while a failure still leaves all files as they were
    return Annotation(*paths, picture, actions, intervals)


def annotate_people(
    predictor: Predictor,
    video: Video,
    out: str | os.PathLike,
    *,
    fps: float | None = None,
    progress: bool = False,
    **options: Any,
) -> Annotation:
    """Writes a video with the pose, the number and the action of everybody in it, and the numbers.

    As `annotate_video`, but the frames of ``OUT.json`` have a list `people`, each with `track`,
    their number, and ``action_of_the_video`` and ``intervals`` are those of each number.
    ``OUT.csv`` has a row for each person in each frame, with the column `track`. There is no
    picture of the actions.

    Args:
        predictor: a `Predictor`.
        video: see `Predictor.track`.
        out: path of the video to write, ending in ``.mp4``.
        fps: see `Predictor.track`.
        progress: shows a progress bar on a terminal.
        options: `detector` and `smooth` of `Predictor.track`.

    Returns:
        The paths; of `actions` and `intervals`, those of each person by their number.

    Raises:
        FileNotFoundError, ValueError, OSError: As `annotate_video`.
    """
    name, num_frames, rate, _ = describe_video(video, fps)
    out = _checked_path(out, name)
    bar = ProgressBar(num_frames or None, "frame", shown=progress)
    paths = [out, out.with_suffix(".json"), out.with_suffix(".csv")]
    require_own(paths[1:])
    actions, timelines = {}, {}
    with ExitStack() as stack:
        frames = predictor.track_frames(video, fps=fps, **options)
        frames = stack.enter_context(closing(read_ahead(frames, _AHEAD)))
        writer = stack.enter_context(VideoWriter(out, rate or DEFAULT_RATE))
        parts = [stack.enter_context(replacing(path)) for path in paths[1:]]
        numbers = stack.enter_context(open(parts[0], "w", encoding="utf-8"))
        rows = _table(stack.enter_context(open(parts[1], "w", encoding="utf-8", newline="")))
        rows.writerow(["frame", "time", "track", *person_columns(predictor.skeleton.joints)])
        numbers.write(json.dumps(_head(predictor, name, rate))[:-1] + ', "frames": [')
        for index, (image, time, persons) in enumerate(frames):
            for person in persons:
                timelines.setdefault(person.track, ActionTimeline(predictor.skeleton))
            persons = [timelines[person.track].add(person) for person in persons]
            writer.write(draw_people(image, persons), time)
            people = [{"track": person.track, **_numbers(person)} for person in persons]
            frame = {"frame": index, "time": round(time, 4), "people": people}
            numbers.write(("," if index else "") + "\n" + json.dumps(frame))
            rows.writerows([index, round(time, 4), it.track, *person_row(it)] for it in persons)
            for person in persons:
                if person.action:
                    actions.setdefault(person.track, MeanAction()).add(person.action)
            bar.update(index + 1)
        actions = {track: mean.result() for track, mean in actions.items()}
        rounded = {track: _rounded(its) for track, its in actions.items()}
        intervals = {track: timeline.intervals() for track, timeline in timelines.items()}
        listed = {track: [it.to_json() for it in its] for track, its in intervals.items()}
        _end_list(numbers, rounded or None, listed)
        writer.finish()  # while a failure still leaves all files as they were
    return Annotation(*paths, None, actions or None, intervals)


def _checked_path(out, name):
    """The path of the video to write, which must not be the one that is read."""
    out = Path(out)
    if out.suffix.lower() != ".mp4":
        raise ValueError(f"{out} must end in .mp4, which is the format that is written.")
    if out.exists() and Path(name).exists() and out.samefile(name):
        raise ValueError(f"{out} is the video to be read. Give another path to write to.")
    return out


def require_own(paths: Sequence[Path]) -> None:
    """Raises if files would be replaced that the user did not name, and that we did not write.

    Args:
        paths: the files beside an annotated video. The JSON file, which comes first, tells: if it
            is an earlier one of ours, so are the others.

    Raises:
        FileExistsError: There is such a file.
    """
    there = [path for path in paths if path.exists()]
    if not there:
        return
    if there[0] == paths[0] and there[0].is_file():
        with open(there[0], "rb") as file:
            head = file.read(8192)
        if head.startswith(b'{"video": ') and b'"skeleton": "' in head:
            return
    raise FileExistsError(
        f"{there[0]} would be replaced, but is not an earlier result of this command. Move it, or "
        "give another path to write to (--out)."
    )


def _head(predictor, name, rate):
    """The beginning of the JSON file."""
    return {
        "video": name,
        "fps": rate,
        "skeleton": predictor.skeleton.name,
        "joints": predictor.skeleton.joints,
    }


# Each of these generators writes what comes, and passes it on: a long video does not fit into
# memory.


def _drawn(persons, live, show):
    """Draws, shows, and passes on the persons with the annotated frames.

    Over a live source, the rate and the latency of the frames before are written.
    """
    for person in persons:
        picture = _annotated(person, live.describe() if live else "")
        go_on = show is None or show(picture)
        if live:
            live.shown(person.time)
        person = replace(person, image=picture)
        yield person
        if not go_on:
            return


def _recorded(persons, writer, bar):
    """Writes the video."""
    for count, person in enumerate(persons, 1):
        writer.write(person.image, person.time)
        bar.update(count)
        yield replace(person, image=None)


def _listed(persons, file, head):
    """Writes the JSON file, without its end."""
    file.write(json.dumps(head)[:-1] + ', "frames": [')
    for number, person in enumerate(persons):
        frame = {"frame": person.index, "time": round(person.time, 4), **_numbers(person)}
        file.write(("," if number else "") + "\n" + json.dumps(frame))
        yield person


def _end_list(file, actions, intervals):
    """Writes the end of the JSON file."""
    end = {"action_of_the_video": actions, "intervals": intervals}
    file.write("\n], " + json.dumps(end)[1:] + "\n")


def _tabulated(persons, file, joints):
    """Writes the CSV file."""
    rows = _table(file)
    rows.writerow(["frame", "time", *person_columns(joints)])
    for person in persons:
        rows.writerow([person.index, round(person.time, 4), *person_row(person)])
        yield person


def _table(file):
    return csv.writer(file, lineterminator="\n")


def person_columns(joints: Sequence[str]) -> dict[str, type]:
    """Types of the columns of a person in a table, by their names.

    Whether they are seen (1 or 0), their best action and its score, its repetitions, then x, y and
    visibility of each joint.
    """
    places = [f"{joint}_{name}" for joint in joints for name in ("x", "y", "visibility")]
    columns = {"seen": int, "action": str, "score": float, "repetitions": int}
    return {**columns, **dict.fromkeys(places, float)}


def person_row(person: Person) -> list:
    """A person's values in the columns of `person_columns`; None for what is not known."""
    action, score = _rounded(person.action[:1])[0] if person.action else (None, None)
    places = np.column_stack([person.joints.round(2), person.visibility.round(3)])
    return [int(person.seen), action, score, person.repetitions, *places.ravel().tolist()]


class _Course:
    """The actions over time, for the picture."""

    def __init__(self, names):
        self._names, self._times, self._scores = names, [], []

    def actions_of(self, persons):
        """Passes on the actions of the persons."""
        for person in persons:
            scores = dict(person.action)
            self._times.append(person.time)
            self._scores.append(np.array([scores[name] for name in self._names], np.float32))
            yield person.action

    def plot(self, title):
        """The figure."""
        names = [in_words(name) for name in self._names]
        grey = in_words(OTHER)
        return plot_actions(names, self._times, self._scores, title=title, grey=grey)


def _annotated(person, note):
    """A frame with the pose and the action over it; with depth, two views at its right.

    If nobody is seen, the frame as it is, and empty views.
    """
    picture = person.image
    if person.seen:
        picture = _with_pose(person, note)
    elif note:
        picture = draw_caption(picture, [note])
    if person.depth is None:
        return picture
    if not person.seen:
        person = replace(person, joints=np.full_like(person.joints, np.nan))
    height = len(picture)
    views = person.draw_views(size=-(-height // 2), stacked=True)
    return np.concatenate([picture, views[:height]], axis=1)


def _with_pose(person, note):
    # The crop stays the same for a while. With the size of the pose, the width would flicker.
    extent = (person.crop[2] - person.crop[0]) / (BOX_MARGIN * POSE_MARGIN)
    return draw_action(
        person.image,
        person.joints,
        person.skeleton,
        visibility=person.visibility,
        actions=person.action and [(in_words(name), score) for name, score in person.action[:1]],
        note="   ".join(filter(None, [f"{person.time:.2f} s" + _counted(person), note])),
        width=line_width(extent, person.image.shape),
    )


def _counted(person):
    """The repetitions so far, as text."""
    return "" if person.repetitions is None else f"   {person.repetitions} x"


def draw_people(image: np.ndarray, persons: Sequence[Person]) -> np.ndarray:
    """Draws the pose, the number and the action of everybody who is seen over a copy of an image.

    Args:
        image: uint8 (H, W, 3), RGB.
        persons: with `track`, their number.
    """
    persons = [person for person in persons if person.seen]
    for person in persons:
        extent = (person.crop[2] - person.crop[0]) / (BOX_MARGIN * POSE_MARGIN)
        image = draw_skeleton(
            image,
            person.joints,
            person.skeleton,
            visibility=person.visibility,
            width=line_width(extent, image.shape),
        )
    for person in persons:
        text = str(person.track)
        if person.action:
            name, score = person.action[0]
            text += f"  {in_words(name)} {100 * score:.0f} %{_counted(person)}"
        top = person.joints[:, 1].min() - 0.03 * np.ptp(person.joints[:, 1])
        image = draw_label(image, text, (person.joints[:, 0].mean(), top))
    return image


def _numbers(person):
    """A person's numbers for JSON."""
    return {
        "seen": person.seen,
        "box": person.box.round(2).tolist(),
        "crop": person.crop.round(2).tolist(),
        "joints": person.joints.round(2).tolist(),
        "depth": None if person.depth is None else person.depth.round(2).tolist(),
        "visibility": person.visibility.round(3).tolist(),
        "action": person.action and _rounded(person.action[:_LISTED_ACTIONS]),
        "repetitions": person.repetitions,
    }


def _rounded(actions):
    return [(name, round(score, 4)) for name, score in actions]
