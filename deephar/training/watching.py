"""What the frozen pose network sees in videos of a folder, computed once and kept on disk.

The action heads then learn from windows of it, which are made as `Predictor.stream` makes them: the
person is found and followed, and poses are interpolated between frames.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from deephar.data.batches import MixedBatches, action_targets
from deephar.data.groups import fewest_groups, group_folds, join_alike
from deephar.data.inputs import InputSpec
from deephar.data.samples import Subset, whole_of
from deephar.data.sequences import SequenceAugmentation
from deephar.data.sets.folder import LabelledVideo, VideoFolder
from deephar.files import replacing
from deephar.inference.actions import mean_action
from deephar.inference.media import Segment, load_video
from deephar.inference.network import POSE_OUTPUTS, Parts
from deephar.inference.person import Person
from deephar.inference.predictor import Predictor
from deephar.inference.videos import MiddleFrame, VideoPredictions, footage_of
from deephar.inference.windows import SeenFrame, Views, WindowRule, with_actions
from deephar.progress import with_progress
from deephar.skeletons import get_skeleton

ALIKE = 0.85
"""Correlation of the mean frames of two videos from which they count as one scene.

Rather too low: a scene on both sides of a split flatters, and two scenes in one group cost little.
"""

LEAST_GROUPS = 10
"""Groups of an action from which some are held out to pick the epoch."""

_SCENE = 16  # pixels
_FORMAT = 1  # of a kept file; another number makes all of them anew
_LEAST_SEEN = 0.2  # of the frames of a video must show the person


class UnusableVideo(ValueError):
    """A video that cannot be read, or in which nobody is seen."""


@dataclass(frozen=True, eq=False)
class WatchedVideo:
    """What the pose network saw in a video.

    Attributes:
        video: the `LabelledVideo`.
        action: index of its action.
        views: by time; the second one, if there are two, is that of the mirror images.
        picture: uint8 (H, W, 3), RGB: the person in the middle frame, and their pose.
        scene: float32 (16, 16), what the frames have in common, to tell videos of one scene.
    """

    video: LabelledVideo
    action: int
    views: tuple[Views, ...]
    picture: np.ndarray
    scene: np.ndarray

    @property
    def name(self) -> str:
        """Name of the video."""
        return self.video.name


class WatchedFolder(Sequence):
    """The videos of a folder as the pose network saw them: a data set of `WatchedVideo`.

    Attributes:
        name: name of the folder.
        source: where the videos are listed.
        actions: names of the actions.
        has_groups: whether the folder says which videos belong together.
        left_out: (`LabelledVideo`, reason) of each video that cannot be used.
    """

    skeleton = None

    def __init__(
        self,
        folder: VideoFolder,
        videos: Sequence[WatchedVideo],
        *,
        left_out: Sequence[tuple[LabelledVideo, str]] = (),
    ):
        self.name, self.source, self.actions = folder.name, folder.source, folder.actions
        self.has_groups = folder.has_groups
        self.left_out = tuple(left_out)
        self._folder, self._videos = folder, tuple(videos)

    def __len__(self) -> int:
        return len(self._videos)

    def __getitem__(self, index: int) -> WatchedVideo:
        return self._videos[index]

    def __repr__(self) -> str:
        return f"WatchedFolder({len(self)} of {self._folder!r})"

    def names(self) -> list[str]:
        """Names of all videos, in order."""
        return [video.name for video in self]

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """Group of each video: as the folder says, or of the scenes that look alike."""
        if self.has_groups:
            return tuple(video.video.group for video in self)
        return tuple(f"scene {number + 1}" for number in join_alike(alike_scenes(self)))


def alike_scenes(videos: Sequence[WatchedVideo]) -> np.ndarray:
    """bool (N, N): which videos show nearly the same scene.

    Their mean frames, in 16 x 16 pixels, are compared by correlation. Videos of other sizes and
    brightness compare well, and so do parts of one video by a camera at rest.
    """
    known = [number for number, video in enumerate(videos) if video.scene.size]
    alike = np.eye(len(videos), dtype=bool)
    if known:
        scenes = np.stack([videos[number].scene.ravel() for number in known])
        alike[np.ix_(known, known)] |= np.corrcoef(scenes) >= ALIKE
    return alike


def groups_of(dataset: WatchedFolder | Subset) -> list[str]:
    """The group of each video of a watched folder, or of a part of it."""
    if isinstance(dataset, Subset):
        groups = groups_of(dataset.dataset)
        return [groups[index] for index in dataset.indices]
    return list(dataset.groups)


def hold_out_groups(
    dataset: WatchedFolder | Subset, fraction: float, *, seed: int = 0
) -> tuple[Subset, Subset]:
    """Splits watched videos into a part to train on and one to validate on, with whole groups.

    Where the folder says which videos are to validate on (``valid``), it is these. Where an action
    has fewer than `LEAST_GROUPS` groups, none can be spared: both parts are all of the videos.

    Args:
        dataset: the videos.
        fraction: of the videos to hold out, about.
        seed: decides which groups are held out.

    """
    held = np.array([item.video.split == "valid" for item in dataset])
    if not held.any():
        actions, groups = [item.video.action for item in dataset], groups_of(dataset)
        fewest = fewest_groups(actions, groups)
        if fewest < LEAST_GROUPS:
            everything = Subset(dataset, range(len(dataset)))
            return everything, everything
        count = min(fewest, max(2, round(1 / fraction)))
        held = group_folds(actions, groups, count, seed=seed) == 0
    return tuple(Subset(dataset, np.flatnonzero(held == out)) for out in (False, True))


def watch_folder(
    predictor: Predictor,
    folder: VideoFolder,
    *,
    rate: float,
    cache: str | Path,
    key: str,
    mirror: bool = False,
) -> WatchedFolder:
    """Finds and follows the person in every video of a folder, or reads what was kept of it.

    Videos that cannot be read, and those in which nobody is seen, are left out with a reason.

    Args:
        predictor: with action heads, whatever their weights: they say what is kept of each frame.
        folder: the videos.
        rate: frames per second to look at.
        cache: folder for what is kept, one file a video; made if missing.
        key: what the outputs depend on besides the videos: weights, streams, runtime.
        mirror: whether to look at the mirror images, too.

    Raises:
        ValueError: No video can be used.
        OSError: The cache cannot be written.
    """
    watched, left_out = [], []
    for video in with_progress(folder, len(folder), "video"):
        try:
            arrays = watch_video(predictor, video, rate=rate, cache=cache, key=key, mirror=mirror)
        except UnusableVideo as error:
            left_out.append((video, str(error)))
            continue
        views = _views(arrays)
        if (seen := views[0].seen.mean()) < _LEAST_SEEN:
            reason = (
                f"A person is seen in {100 * seen:.0f} % of its frames only. Give their box in "
                "clips.csv, or a better video."
            )
            left_out.append((video, reason))
            continue
        action = folder.actions.index(video.action)
        watched.append(WatchedVideo(video, action, views, arrays["picture"], arrays["scene"]))
    if not watched:
        raise ValueError(
            f"None of the {len(folder)} videos of {folder.source} can be used. The first reason: "
            f"{left_out[0][1]}"
        )
    return WatchedFolder(folder, watched, left_out=left_out)


def watch_video(
    predictor: Predictor,
    video: LabelledVideo,
    *,
    rate: float,
    cache: str | Path,
    key: str,
    mirror: bool = False,
) -> dict[str, np.ndarray]:
    """The arrays that are kept of a video: what the network saw in it. Args as `watch_folder`.

    Raises:
        UnusableVideo: It cannot be read, or nobody is seen in it.
        OSError: The cache cannot be written.
    """
    path = Path(cache) / f"{_key(video, rate, mirror, key)}.npz"
    arrays = _kept(path)
    if arrays is None:
        try:
            arrays = _watch(predictor, video, rate, mirror)
        except (ValueError, OSError) as error:
            raise UnusableVideo(str(error)) from error
        with replacing(path) as part:
            np.savez(part, **arrays)
    return arrays


def _key(video, rate, mirror, key):
    """Name of the file of what is kept of a video."""
    path = video.path
    files = [path] if path.is_file() else [path, *sorted(path.iterdir())]
    marks = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    facts = [_FORMAT, key, rate, mirror, str(path), marks, video.start, video.end, video.box]
    return hashlib.sha256(json.dumps(facts, default=str).encode()).hexdigest()[:32]


def _kept(path):
    """The arrays of a file; None if there is none, or it is damaged."""
    try:
        with np.load(path) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, KeyError):
        return None


def _watch(predictor, video, rate, mirror):
    """The arrays to keep of a video. Names begin with the view: 0 as it is, 1 mirrored."""
    arrays = {}
    for view in range(2 if mirror else 1):
        frames, picture, scene = _look(predictor, video, rate, bool(view))
        arrays = {"picture": picture, "scene": scene, **arrays}
        arrays[f"{view}/time"] = np.array([frame.person.time for frame in frames])
        for name in frames[0].outputs:
            stack = np.stack([frame.outputs[name] for frame in frames])
            # Only positions need 32 bits. Features are most of the data.
            arrays[f"{view}/{name}"] = stack if name in POSE_OUTPUTS else stack.astype(np.float16)
    return arrays


def _look(predictor, video, rate, mirrored):
    """All frames of a video as the network sees them, a picture of the middle, and the scene."""
    middle, scene, footage = MiddleFrame(video), _Scene(), footage_of(video)
    if isinstance(footage, Segment):
        footage = load_video(footage).thinned(rate)
        footage = scene.seen_in(footage.mirrored() if mirrored else footage)
    frames = [
        frame._replace(person=middle.see(frame.person))
        for frame in predictor.watch(footage, video.box, keep_images=True)
    ]
    return frames, middle.picture(), scene.mean()


class _Scene:
    """What the frames of a video have in common, as a small picture."""

    def __init__(self):
        self._sum, self._count = 0.0, 0

    def seen_in(self, footage):
        """The same footage, while its frames are added up."""
        return footage._replace(frames=self._adding(footage.frames))

    def _adding(self, frames):
        for image, time in frames:
            small = cv2.resize(image, (_SCENE, _SCENE), interpolation=cv2.INTER_AREA)
            self._sum, self._count = self._sum + small.astype(np.float32), self._count + 1
            yield image, time

    def mean(self):
        """float32 (_SCENE, _SCENE, 3); empty if there were no frames."""
        return np.float32(self._sum / self._count) if self._count else np.zeros(0, np.float32)


def _views(arrays):
    """The views of a video, from the arrays that are kept."""
    views = []
    while f"{len(views)}/time" in arrays:
        mark = f"{len(views)}/"
        outputs = {n.removeprefix(mark): a for n, a in arrays.items() if n.startswith(mark)}
        views.append(Views.of(outputs.pop("time"), outputs))
    return tuple(views)


# -------------------------------------------------------------------------------------- windows


class WindowBatches(MixedBatches):
    """Batches of windows of watched videos, to train action heads.

    A batch is a dict of the inputs of the heads, float32 (B, T, ...), and a dict of one-hot targets
    as in `deephar.data.ClipBatches`. Where a window lies in its video is drawn at random, and the
    poses of each window are changed alike.

    Args:
        datasets: `WatchedFolder` by name, which is also the name of the action head.
        shares: number of windows of each data set in a batch.
        spec: number of frames and frame rate of the windows, and the skeleton.
        inputs: names of the inputs of the heads.
        augmentation: random changes to the poses.
        seed: seed of all random choices.
        steps_per_epoch: batches per epoch; by default one window of each video.

    Raises:
        ValueError: As `deephar.data.ClipBatches`.
    """

    def __init__(
        self,
        datasets: Mapping[str, WatchedFolder],
        shares: Mapping[str, int],
        *,
        spec: InputSpec,
        inputs: Sequence[str],
        augmentation: SequenceAugmentation,
        seed: int = 0,
        steps_per_epoch: int | None = None,
    ):
        draw = partial(_drawn, spec=spec, names=sorted(inputs), augmentation=augmentation)
        super().__init__(
            datasets, shares, function=draw, seed=seed, steps_per_epoch=steps_per_epoch
        )
        self.spec, self.augmentation, self.inputs = spec, augmentation, sorted(inputs)
        self.classes = {name: len(dataset.actions) for name, dataset in datasets.items()}

    def _assemble(self, names, samples, *arrays):
        targets, weights = action_targets(self.classes, names, samples)
        inputs = dict(zip(self.inputs, arrays, strict=True))
        return (inputs, targets) if len(self.datasets) == 1 else (inputs, targets, weights)

    def __repr__(self):
        return self._describe(f"windows of {self.spec.num_frames} frames")


def rule_of(spec: InputSpec) -> WindowRule:
    """Where the windows of a video are, for clips of a number of frames and a frame rate."""
    return WindowRule(spec.require_num_frames(), 1 / spec.frame_rate, by_time=True)


def _drawn(items, seeds, spec, names, augmentation):
    """A random window of each video: an array (B, T, ...) for each input of the heads."""
    windows = [
        _window(item, spec, names, augmentation, np.random.default_rng(seed))
        for item, seed in zip(items, seeds, strict=True)
    ]
    return tuple(np.stack([window[name] for window in windows], dtype=np.float32) for name in names)


def _window(item, spec, names, augmentation, rng):
    rule, skeleton = rule_of(spec), get_skeleton(spec.skeleton)
    views = item.views[0]
    if len(item.views) > 1:  # looked at, which is better than a mirrored pose
        views = item.views[int(rng.random() < augmentation.flip)]
        augmentation = replace(augmentation, flip=0)
    change = augmentation.sample(rng, rule.num_frames, skeleton.num_joints)
    first, last = views.positions[[0, -1]]
    middle = rng.uniform(*np.sort([first + rule.reach, last - rule.reach]))
    places = rule.places(middle, first, last)
    # Parts of 0.75 to 1 of a longer time: up to 15 % slower or faster.
    length = rule.num_frames * rule.interval / np.sqrt(np.prod(augmentation.part))
    places = places.mean() + length * (change.times - 0.5)
    inputs = views.at(places, rule.outside(places, first, last)).inputs(names)
    for name in inputs.keys() & POSE_OUTPUTS:
        blocks = [change.apply(block, skeleton) for block in inputs[name].swapaxes(0, 1)]
        inputs[name] = np.stack(blocks, axis=1)
    return inputs


def even_windows(dataset: WatchedFolder, spec: InputSpec, inputs: Sequence[str]) -> Any:
    """Windows of all videos half a window apart, as input of the heads.

    Args:
        dataset: the videos.
        spec: as for `WindowBatches`.
        inputs: names of the inputs of the heads.

    Returns:
        dict of arrays (N, T, ...), and int (N,), the number of the video of each window.
    """
    rule, windows, numbers = rule_of(spec), [], []
    for number, item in enumerate(dataset):
        views = item.views[0]
        first, last = views.positions[[0, -1]]
        free = max(0.0, last - first - 2 * rule.reach)
        count = 1 + round(free / rule.reach)
        for middle in first + min(rule.reach, (last - first) / 2) + np.linspace(0, free, count):
            places = rule.places(middle, first, last)
            windows.append(views.at(places, rule.outside(places, first, last)).inputs(inputs))
            numbers.append(number)
    arrays = {name: np.stack([w[name] for w in windows], dtype=np.float32) for name in inputs}
    return arrays, np.array(numbers)


def predict_watched(
    parts: Parts, dataset: WatchedFolder | Subset, head: str, rule: WindowRule
) -> VideoPredictions:
    """The actions of watched videos, as `deephar.inference.predict_videos` would predict them.

    Args:
        parts: the network; only its heads are used.
        dataset: the videos.
        head: name of the action head.
        rule: where the windows are.

    Returns:
        `VideoPredictions`.
    """
    scores, names = [], dataset.actions
    for item in dataset:
        views = item.views[0]
        frames = [_seen_frame(views, number) for number in range(len(views.positions))]
        persons = with_actions(frames, parts, head, names, rule)
        score_of = dict(mean_action(person.action for person in persons))
        scores.append([score_of[name] for name in names])
    return VideoPredictions(
        tuple(item.video for item in dataset),
        np.array(scores),
        tuple(names),
        {number: item.picture for number, item in enumerate(dataset)},
        whole_of(dataset).left_out,
    )


def _seen_frame(views, number):
    outputs = {name: np.float32(values[number]) for name, values in views.outputs.items()}
    pose = outputs["pose"][-1]
    person = Person(
        joints=pose[:, :2],
        visibility=pose[:, -1],
        box=np.zeros(4),
        crop=np.zeros(4),
        skeleton="",
        index=number,
        time=float(views.positions[number]),
    )
    return SeenFrame(person, outputs)
