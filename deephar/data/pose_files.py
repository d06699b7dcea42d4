"""Poses of a video from a file, in place of the video: those of this project, and of other tools.

The form of a file is told by what is in it:

- JSON and CSV of ``deephar demo``, and its table with a row for each joint (``--format csv``), if
  that is of one person;
- a list of results in the form of COCO, each with ``image_id`` and ``keypoints`` (x, y, score of 17
  joints), as MMPose, AlphaPose and pycocotools use it;
- MMPose's ``instance_info``: frames with ``instances`` with ``keypoints`` (17 of x, y) and
  ``keypoint_scores``;
- Ultralytics' YOLO: for each frame the list that ``result.to_json()`` gives, persons with
  ``keypoints``, a dict of the lists ``x``, ``y`` and ``visible``;
- MediaPipe: for each frame 33 landmarks, dicts of ``x``, ``y`` (fractions of the picture) and
  ``visibility``; for the shape of the picture, ``width`` and ``height`` beside the frames.

Lists of frames may also be in a dict, as ``frames``, with ``fps``, the frame rate. A frame may be
null, an empty list, or a dict with its ``time`` in seconds.
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deephar.data.pose_tables import COLUMNS
from deephar.files import read_text
from deephar.skeletons import SKELETONS, Skeleton, convert, get_skeleton, reference
from deephar.video import DEFAULT_RATE

_FORMS = (
    "JSON or CSV of deephar demo, COCO results, MMPose's instance_info, YOLO's to_json, or 33 "
    "landmarks of MediaPipe a frame"
)
_BY_COUNT = {17: "coco17", 33: "mediapipe33", 16: "pa16j"}
_MOST_FRAMES = 1_000_000  # nine hours
_LANDMARKS = ("landmarks", "pose_landmarks", "poseLandmarks", "keypoints")


@dataclass(frozen=True, eq=False)
class PoseTrack:
    """The poses of one person in the frames of a video.

    Attributes:
        times: float (N,), seconds, rising.
        joints: float (N, J, 2), pixels; NaN where unknown.
        visibility: float (N, J), in [0, 1]; 0 where unknown.
        skeleton: name of the joint layout, or a `Skeleton` that is not built in.
    """

    times: np.ndarray
    joints: np.ndarray
    visibility: np.ndarray
    skeleton: str | Skeleton

    def in_skeleton(self, skeleton: str | Skeleton) -> PoseTrack:
        """The same poses in another layout, by the names of the joints; the others are hidden."""
        joints = convert(self.joints, self.skeleton, skeleton)
        visibility = np.nan_to_num(convert(self.visibility[..., None], self.skeleton, skeleton))
        return PoseTrack(self.times, joints, visibility[..., 0], reference(skeleton))

    def lacks(self, skeleton: str | Skeleton) -> tuple[str, ...]:
        """Joints of another layout that these poses do not have."""
        known = get_skeleton(self.skeleton).joints
        return tuple(joint for joint in get_skeleton(skeleton).joints if joint not in known)


def read_poses(path: str | os.PathLike) -> PoseTrack:
    """Reads the poses of a video from a file, see the module for its forms.

    Of several persons in a frame, the one with the best score is taken in the first frame, and then
    the one nearest to the frame before. Frames without a person have no visible joints. Where the
    file tells neither times nor a frame rate, there are 30 frames a second.

    Args:
        path: a ``.json`` or ``.csv`` file.

    Raises:
        FileNotFoundError: No such file.
        ValueError: The file cannot be read, holds no pose, has poses of another number of joints
            than was expected, or its times do not rise.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist. Give the path of a file of poses.")
    try:
        text = read_text(path)
        return _track(_from_csv(text) if path.suffix.lower() == ".csv" else _from_json(text))
    except _Refusal as refusal:
        raise ValueError(f"{path} {refusal}") from None
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError, csv.Error) as error:
        raise ValueError(f"{path} cannot be read as {path.suffix[1:]} ({error}).") from error
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError) as error:
        raise ValueError(f"{path} {_unknown(repr(error))}") from error


class _Refusal(Exception):
    """Why a file is refused: the rest of a sentence that begins with its path."""


def _unknown(reason):
    return _Refusal(f"holds no poses in a known form ({reason}). Known are {_FORMS}.")


@dataclass(frozen=True, eq=False)
class _Frames:
    """Persons by frame: each an array (J, 3) of x, y in pixels and score."""

    times: Sequence[float]
    persons: Sequence[Sequence[np.ndarray]]
    skeleton: str | Skeleton | None = None


def _track(frames):
    count = len(frames.persons)
    sizes = {len(person) for persons in frames.persons for person in persons}
    if not sizes:
        raise _Refusal(f"holds no person in {count} frames. Leave the file out.")
    if len(sizes) > 1 or (frames.skeleton is None and not sizes <= set(_BY_COUNT)):
        raise _Refusal(
            f"has poses of {' and '.join(map(str, sorted(sizes)))} joints. Expected those "
            "of COCO (17) or MediaPipe (33) throughout."
        )
    skeleton = frames.skeleton or _BY_COUNT[next(iter(sizes))]
    expected = get_skeleton(skeleton).num_joints
    if sizes != {expected}:
        raise _Refusal(
            f"says that its skeleton is {skeleton} of {expected} joints, but its poses have "
            f"{next(iter(sizes))}. Write it again."
        )
    times = np.asarray(frames.times, float)
    if not np.isfinite(times).all():
        raise _Refusal("has times that are not finite. Correct them.")
    falls = np.flatnonzero(~(np.diff(times) > 0))
    if len(falls):
        raise _Refusal(
            f"has times that do not rise: frame {falls[0] + 1} is at "
            f"{times[falls[0] + 1]:.3f} s, and the one before at {times[falls[0]]:.3f} s."
        )
    poses = np.full((count, expected, 3), np.nan)
    last = None
    for number, persons in enumerate(frames.persons):
        if persons:
            last = poses[number] = _same_person(persons, last)
    known = np.isfinite(poses[..., :2]).all(axis=-1)
    visibility = np.where(known, np.clip(np.nan_to_num(poses[..., 2], nan=1.0), 0, 1), 0)
    joints = np.where(known[..., None], poses[..., :2], np.nan)
    return PoseTrack(times, joints, visibility, skeleton)


def _same_person(persons, last):
    """The person of the best score, or the one nearest to a pose."""
    if last is None:
        return max(persons, key=lambda person: np.nan_to_num(person[:, 2]).mean())

    def distance(person):
        steps = np.abs(person[:, :2] - last[:, :2])
        return np.nanmean(steps) if np.isfinite(steps).any() else np.inf

    return min(persons, key=distance)


# ------------------------------------------------------------------------------------------- CSV


def _from_csv(text):
    """The table of ``deephar demo``: frame, time, ..., JOINT_x, JOINT_y, JOINT_visibility."""
    rows = list(csv.DictReader(text.splitlines()))
    columns = list(rows[0]) if rows else []
    if tuple(columns) == COLUMNS:
        return _from_table(rows)
    joints = tuple(name[: -len("_visibility")] for name in columns if name.endswith("_visibility"))
    if not joints or "time" not in columns:
        raise _unknown(f"columns {', '.join(columns[:5]) or 'none'}")
    persons = [
        [np.array([[_number(row[f"{j}_{c}"]) for c in ("x", "y", "visibility")] for j in joints])]
        for row in rows
    ]
    return _Frames([float(row["time"]) for row in rows], persons, _skeleton_of(joints))


def _from_table(rows):
    """The table of `deephar.data.pose_tables`, with a row for each joint."""
    if len(persons := {row["person"] for row in rows}) > 1:
        raise _Refusal(f"has the poses of {len(persons)} persons. Keep the rows of one of them.")
    frames = {}
    for row in rows:
        pose = frames.setdefault(int(row["frame"]), (float(row["time"]), {}))[1]
        pose[row["joint"]] = [_number(row[column]) for column in ("x", "y", "visibility")]
    joints = tuple(next(iter(frames.values()))[1])
    persons = [[np.array([pose[joint] for joint in joints])] for _, pose in frames.values()]
    return _Frames([time for time, _ in frames.values()], persons, _skeleton_of(joints))


def _number(text):
    return float(text) if text not in ("", None) else np.nan


def _skeleton_of(joints):
    for name in ("pa16j", "pa17j", "pa20j", *_BY_COUNT.values()):
        if tuple(joints) == get_skeleton(name).joints:
            return name
    return Skeleton("own", tuple(joints), pairs=())


# ------------------------------------------------------------------------------------------ JSON


def _from_json(text):
    content = json.loads(text)
    head = content if isinstance(content, Mapping) else {}
    frames = head.get("frames", head.get("instance_info", content))
    if not isinstance(frames, list) or not frames:
        raise _unknown(f"a {type(content).__name__} without a list of frames")
    rate = float(head.get("fps") or DEFAULT_RATE)
    if all(isinstance(frame, Mapping) and "image_id" in frame for frame in frames):
        return _coco_results(frames, rate)
    size = head.get("width"), head.get("height")
    persons = [_persons(frame, size) for frame in frames]
    times = [
        float(frame["time"]) if isinstance(frame, Mapping) and "time" in frame else number / rate
        for number, frame in enumerate(frames)
    ]
    return _Frames(times, persons, _skeleton_in(head))


def _skeleton_in(head):
    """The skeleton that a file of ``deephar demo`` names, or whose joints it names."""
    name = head.get("skeleton")
    if name in SKELETONS or "joints" not in head:
        return name
    return Skeleton(str(name), tuple(head["joints"]), pairs=())


def _coco_results(results, rate):
    """Results of pictures, whose numbers, or the numbers in whose names, are those of frames."""
    frames = {}
    for result in results:
        pose = np.asarray(result["keypoints"], float).reshape(-1, 3)
        frames.setdefault(_frame_number(result["image_id"]), []).append(pose)
    first, last = min(frames), max(frames)
    if last - first >= _MOST_FRAMES:
        raise _Refusal(
            f"has poses of pictures {first} to {last}. Of a video, they must be numbered without "
            f"large gaps, at most {_MOST_FRAMES} altogether."
        )
    numbers = range(first, last + 1)
    times = [(number - first) / rate for number in numbers]
    return _Frames(times, [frames.get(number, []) for number in numbers])


def _frame_number(image):
    if isinstance(image, int):
        return image
    found = re.findall(r"\d+", str(image))
    if not found:
        raise KeyError(f"no number in image_id {image!r}")
    return int(found[-1])


def _persons(frame, size):
    """The poses (J, 3) of all persons in a frame."""
    if not frame:
        return []
    if isinstance(frame, Mapping) and "joints" in frame:  # of deephar demo
        return [_pose(frame["joints"], frame["visibility"])]
    if isinstance(frame, Mapping) and "instances" in frame:
        return [_mmpose(person) for person in frame["instances"]]
    if isinstance(frame, Mapping):
        key = next((name for name in _LANDMARKS if name in frame), None)
        if key is None:
            if set(frame) <= {"time", "frame"}:
                return []
            raise _unknown(f"a frame of {', '.join(list(frame)[:5])}")
        frame = frame[key] or []
    if not frame:
        return []
    first = frame[0]
    if isinstance(first, Mapping) and isinstance(first.get("keypoints"), Mapping):
        return [_yolo(person["keypoints"]) for person in frame]
    if isinstance(first, Mapping):  # the landmarks of one person
        return [_landmarks(frame, size)]
    return [_landmarks(person, size) for person in frame]


def _pose(points, scores):
    """A pose (J, 3) of points (J, 2 or more) and their scores."""
    points = np.asarray(points, float)
    if points.ndim != 2 or points.shape[1] < 2:
        raise ValueError(f"points of the shape {points.shape}")
    return np.column_stack([points[:, :2], np.asarray(scores, float)])


def _mmpose(person):
    return _pose(person["keypoints"], person["keypoint_scores"])


def _yolo(points):
    """Ultralytics writes 0, 0 for joints that it does not see."""
    score = points.get("visible") or np.ones(len(points["x"]))
    pose = _pose(np.column_stack([points["x"], points["y"]]), score)
    pose[(pose[:, :2] == 0).all(axis=1)] = np.nan
    return pose


def _landmarks(points, size):
    if None in size:
        raise _Refusal(
            "has landmarks in fractions of a picture of unknown shape. Add its width and "
            'height in pixels, as in {"width": 640, "height": 480, "frames": [...]}.'
        )
    pose = [[point["x"], point["y"], point.get("visibility", 1.0)] for point in points]
    return np.asarray(pose, float) * [*size, 1]
