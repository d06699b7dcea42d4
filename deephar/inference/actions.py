"""Actions on a video data set: from a network to class probabilities.

Single clip: the middle clip of each video. Multi-clip: the clips of `deephar.data.clip_starts`.
The class probabilities of the clips, and of their mirror images, are averaged (arithmetic mean). A
video that is too short for the clips is scored by its single clip, so that every video counts. The
score of `other` counts as in `Predictor.stream`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from deephar.data.clips import (
    clip_of,
    clip_starts,
    crop_clip,
    frame_name,
    pose_sequence,
)
from deephar.data.images import load_image
from deephar.data.inputs import InputSpec, check_frame_rate
from deephar.data.loading import batches_of, loaded_ahead
from deephar.data.samples import OTHER, Video, whole_of
from deephar.export.network import MIN_CLIP_FRAMES
from deephar.inference.boxes import full_box, predicted_boxes
from deephar.inference.network import (
    MIRROR,
    actions_of,
    call_network,
    for_stills,
    input_names,
    parted,
    poses_of,
    require_joints,
    stacked,
    takes_poses,
)
from deephar.inference.poses import Predictions, pose_in_image, predictions_from
from deephar.progress import ProgressBar
from deephar.skeletons import Skeleton, get_skeleton

if TYPE_CHECKING:
    from deephar.inference.network import Config, Model

CLIPS = ("single", "multi")
BOXES = ("gt", "predicted", "full")
POSES = ("predicted", "labels")

OTHER_WEIGHT = 0.5
"""Factor on the score of `other`, which is more frequent in training than in videos."""

_LEAST_WEIGHT = 1e-4  # of a frame with no known action in the action of its video


@dataclass(frozen=True)
class ActionProtocol:
    """Which clips of a video are shown to a network, and how they are cropped.

    Attributes:
        clips: "single", the middle clip of each video, or "multi", all clips of the authors'
            protocol, see `deephar.data.clip_starts`.
        mirror: whether each clip is averaged with its mirror image. Twice the work.
        boxes: "gt", the union of the label boxes over the frames of the clip; "predicted", the box
            that encloses the poses on the full first, middle and last frame of the video; "full",
            the whole frame.
        subsampling: frames of the video from one frame of a clip to the next, or "whole": clips
            that are spread over the whole video.
        num_frames: frames of a clip; None for what the network was trained on.
        frame_rate: frames per second of a clip, at any frame rate of the video; None for frames
            that `subsampling` counts. If it is given, `subsampling` must be 1.
        poses: what the pose stream sees: "predicted", the poses that the network finds in the
            frames; "labels", the labelled poses, without frames; None for what the network takes:
            labels without a stem, predicted poses with one.

    Raises:
        ValueError: A value is none of the above.
    """

    clips: str = "single"
    mirror: bool = False
    boxes: str = "gt"
    subsampling: int | str = 1
    num_frames: int | None = None
    frame_rate: float | None = None
    poses: str | None = None

    def __post_init__(self):
        if self.poses not in (None, *POSES):
            raise ValueError(f"poses must be one of {', '.join(POSES)}, got {self.poses!r}.")
        for name, choices in (("clips", CLIPS), ("boxes", BOXES)):
            value = getattr(self, name)
            if value not in choices:
                raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}.")
        if self.num_frames is not None and self.num_frames < MIN_CLIP_FRAMES:
            raise ValueError(
                f"A clip must have at least {MIN_CLIP_FRAMES} frames, got {self.num_frames}."
            )
        check_frame_rate(self.frame_rate, self.subsampling)


@dataclass(frozen=True, eq=False)
class ActionPredictions:
    """The actions that a network predicted for the videos of a data set, in their order.

    Attributes:
        scores: float64 (P, N, C), probability of each action, averaged over clips and mirror
            images, see `with_rare_other`; one entry per prediction block, the last is the answer.
        names: N names, those of the videos.
        labels: int (N,), true action of each.
        actions: names of the C actions: those of the data set, and `OTHER` if the network tells
            it. No video has that label, so this answer is always wrong.
        head: name of the network's head.
        protocol: the `ActionProtocol`, with the number of frames that the clips had, and the kind
            of poses that the network saw.
        clips_per_video: int (N,), number of clips that were averaged.
        poses: `Predictions` of the frames that the clips show, each frame once, with names
            ``VIDEO#FRAME`` (float32); None if the network saw labelled poses.
        frames: int (F, 2), video and frame of each of `poses`; None without them.
    """

    scores: np.ndarray
    names: tuple[str, ...]
    labels: np.ndarray
    actions: tuple[str, ...]
    head: str
    protocol: ActionProtocol
    clips_per_video: np.ndarray
    poses: Predictions | None
    frames: np.ndarray | None


def predict_actions(
    model: Model,
    config: Config,
    dataset: Sequence[Video],
    *,
    head: str | None = None,
    protocol: ActionProtocol = ActionProtocol(),
    batch_size: int = 4,
    progress: bool = False,
) -> ActionPredictions:
    """Predicts the action of every video of a data set, and the poses along the way.

    Crops are those that training uses (`deephar.data.clips.crop_clip`), without augmentation. Each
    frame of a video is decoded once (twice with predicted boxes), and no more than about three
    batches of clips are held.

    Args:
        model: a `keras.Model`, or a function, from float32 clips (B, T, S, S, 3) to
            ``{"pose": (B, T, P, J, dim + 1), "action_<head>": (B, P, C)}``; if `config.stem` is
            "none", from the labelled poses (B, T, J, dim + 1) to the actions alone. Always called
            with the same B. For labelled poses in place of those that it predicts, a
            `multitask_model` without an appearance stream.
        config: its `ModelConfig`.
        dataset: `len()` and `[i]` -> `deephar.data.samples.Video`, and `actions`.
        head: name of the head to use, a key of `config.actions`; see `find_head`.
        protocol: which clips are shown, and how they are cropped.
        batch_size: clips per call of the model.
        progress: shows a progress bar on a terminal.

    Returns:
        `ActionPredictions`.

    Raises:
        ValueError: The data set is empty, the head or the protocol does not fit, a video cannot be
            used (names it), or the model's output has another form.
        FileNotFoundError: A frame is missing.
    """
    head = find_head(config, dataset, head=head)
    protocol = replace(
        protocol,
        num_frames=protocol.num_frames or config.num_frames,
        poses=protocol.poses or ("labels" if takes_poses(config) else "predicted"),
    )
    _check(config, protocol, dataset, batch_size)
    if protocol.poses == "labels" and not takes_poses(config):
        model = _heads_on_labels(model)
    found_boxes = None
    if protocol.boxes == "predicted":
        stills = for_stills(model)
        found_boxes = predicted_boxes(stills, config, dataset, progress=progress)
    if protocol.clips == "single":
        batch_size = min(batch_size, len(dataset) * (2 if protocol.mirror else 1))
    result = _Averages(config, protocol, dataset, head)
    bar = ProgressBar(len(dataset), "video", shown=progress)
    jobs = _clip_jobs(dataset, config, protocol, found_boxes)
    clips = (clip for made in loaded_ahead(jobs, 1 + batch_size) for clip in made)
    for batch in batches_of(clips, batch_size):
        outputs = call_network(model, stacked([clip.inputs for clip in batch], batch_size))
        scores = actions_of(outputs, head, config.actions[head])
        poses = [None] * len(batch)
        if protocol.poses == "predicted":
            poses = poses_of(outputs, config, leading=2)
        for place, clip in enumerate(batch):
            result.add(clip, scores[place], poses[place])
        bar.update(batch[-1].number)
    bar.update(len(dataset))
    return result.predictions()


def find_head(config: Config, dataset: Sequence[Video], *, head: str | None = None) -> str:
    """The network's head for a data set.

    It has the actions of the data set, or these and then `OTHER`, for what is none of them.

    Args:
        config: the network's `ModelConfig`.
        dataset: a video data set.
        head: its name; by default the data set's `head`, if it has this attribute, else its name;
            or the only one.

    Raises:
        ValueError: The network predicts no actions, does not have this head, has several but none
            of the data set's name, or the number of its classes does not fit the data set.
    """
    known = ", ".join(f"{name} ({count} actions)" for name, count in config.actions.items())
    if not known:
        raise ValueError("The network predicts poses only. Use a network with actions.")
    if head is None:
        own, names = getattr(whole_of(dataset), "head", dataset.name), list(config.actions)
        head = own if own in names or len(names) > 1 else names[0]
    if head not in config.actions:
        raise ValueError(
            f"The network has no head {head!r} for actions. Choose one of these: {known}."
        )
    actions = whole_of(dataset).actions
    if config.actions[head] not in (len(actions), len(actions) + 1):
        raise ValueError(
            f"The network's head {head!r} has {config.actions[head]} actions, but the data set "
            f"{dataset.name} has {len(actions)}. Use weights that were trained on it."
        )
    return head


def actions_of_head(dataset: Sequence[Video], classes: int) -> tuple[str, ...]:
    """Names of the classes of a head that fits a data set, see `find_head`.

    Args:
        dataset: the video data set.
        classes: number of classes of the head.
    """
    actions = tuple(whole_of(dataset).actions)
    return actions if classes == len(actions) else (*actions, OTHER)


def with_rare_other(scores: np.ndarray, actions: Sequence[str]) -> np.ndarray:
    """Class probabilities in which the score of `OTHER` counts by `OTHER_WEIGHT`.

    Args:
        scores: (..., C), as a network gives them.
        actions: names of the C actions.

    Returns:
        (..., C), which sum to 1; the same as before if `OTHER` is not among the actions.
    """
    if OTHER not in actions:
        return scores
    weighted = scores * [OTHER_WEIGHT if action == OTHER else 1.0 for action in actions]
    return weighted / weighted.sum(axis=-1, keepdims=True)


def trained_spacing(facts: Mapping[str, Any]) -> dict[str, Any]:
    """How the frames of the clips that a network was trained with follow each other.

    Args:
        facts: of the weights.

    Returns:
        Fields of an `ActionProtocol` or an `InputSpec`: ``frame_rate`` if the facts include it,
        otherwise ``subsampling``, see `trained_subsampling`.
    """
    if (frame_rate := facts.get("frame_rate")) is not None:
        return {"frame_rate": frame_rate}
    return {"subsampling": trained_subsampling(facts)}


def trained_subsampling(facts: Mapping[str, Any]) -> int | str:
    """The subsampling of the clips that a network was trained with, by the facts of its weights.

    The middle one if there were several; 1 if the facts do not include it.
    """
    subsampling = facts.get("subsampling", 1)
    return (
        sorted(subsampling)[len(subsampling) // 2] if isinstance(subsampling, list) else subsampling
    )


def mean_action(actions: Iterable[Sequence[tuple[str, float]]]) -> list[tuple[str, float]]:
    """The actions of a whole video: the weighted mean of those of its frames.

    Each frame counts by the score of its best action other than `OTHER`: what a person does between
    two actions says little about the video.

    Args:
        actions: of each frame, (name, score) of all actions, such as `Person.action`.

    Returns:
        (name, score) of all actions, the best first.

    Raises:
        ValueError: There is no frame.
    """
    mean = MeanAction()
    for frame in actions:
        mean.add(frame)
    return mean.result()


class MeanAction:
    """`mean_action` of frames that come one by one, in the memory of one."""

    def __init__(self):
        self._totals, self._weights = {}, 0.0

    def add(self, frame: Sequence[tuple[str, float]]) -> None:
        """Adds a frame: (name, score) of all actions."""
        weight = max((score for name, score in frame if name != OTHER), default=0.0) + _LEAST_WEIGHT
        self._weights += weight
        for name, score in frame:
            self._totals[name] = self._totals.get(name, 0.0) + weight * score

    def result(self) -> list[tuple[str, float]]:
        """(name, score) of all actions so far, the best first.

        Raises:
            ValueError: There is no frame.
        """
        if not self._weights:
            raise ValueError("There is no frame to tell the action of. Give at least one.")
        means = ((name, total / self._weights) for name, total in self._totals.items())
        return sorted(means, key=lambda action: -action[1])


def _check(config, protocol, dataset, batch_size):
    if len(dataset) == 0:
        raise ValueError("The data set is empty: there is no video to predict the action of.")
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}.")
    if protocol.num_frames is None:
        raise ValueError("The network has no num_frames. Set that of the protocol.")
    if takes_poses(config) and protocol.poses == "predicted":
        raise ValueError(
            'poses="predicted" needs a network that sees images, and this one takes labelled '
            'poses. Use poses="labels".'
        )
    if protocol.poses == "predicted":
        require_joints(config.skeleton, dataset.skeleton)
        return
    if not takes_labels(config):
        raise ValueError(
            f"The network predicts actions from {' and '.join(config.streams)}, and labelled poses "
            'are for the pose stream alone. Use poses="predicted", or a network with '
            'streams=("pose",).'
        )
    if protocol.boxes == "predicted":
        raise ValueError(
            'boxes="predicted" needs a network that sees images, and this one takes labelled '
            'poses. Use boxes="gt".'
        )


def takes_labels(config: Config) -> bool:
    """Whether the action heads of a network can see labelled poses: it has the pose stream alone.

    Args:
        config: the network's config.
    """
    return bool(config.actions) and tuple(config.streams) == ("pose",)


def _heads_on_labels(model):
    """The action heads of a `multitask_model`, which see the same poses in every block."""
    heads = getattr(model, "heads", None) or parted(model).get("heads")
    if heads is None:
        raise ValueError(
            'poses="labels" needs a multitask_model, whose action heads can be called without its '
            f"pose network, got {model!r}."
        )
    (name,) = input_names(heads)
    blocks = (
        heads.input_shape[name][2] if isinstance(heads.input_shape, dict) else heads.input_shape[2]
    )

    def network(labels):
        repeated = np.repeat(labels[:, :, None], blocks, axis=2)
        return call_network(heads, {name: repeated})

    return network


@dataclass(frozen=True, eq=False)
class _ClipInput:
    """One clip of one video, or its mirror image."""

    number: int
    indices: np.ndarray
    inputs: np.ndarray
    affine: np.ndarray | None
    mirrored: bool


def _clip_jobs(dataset, config, protocol, found_boxes):
    """Functions that make the inputs of one clip each; all clips of all videos in order."""
    spec = InputSpec.of(config, protocol.subsampling, frame_rate=protocol.frame_rate)
    spec = replace(spec, num_frames=protocol.num_frames)
    sees_frames = protocol.poses == "predicted"
    for number in range(len(dataset)):
        video = dataset[number]
        num_frames = len(video.joints)
        if num_frames == 0:
            raise ValueError(f"Video {video.name!r} has no frames. Remove it from the data set.")
        if sees_frames and len(video.frames) == 0:
            raise ValueError(
                f"Video {video.name!r} has labels only, but the network takes images. Get the "
                "frames of the data set, or use a network that takes poses."
            )
        starts = [None]
        if protocol.clips == "multi":
            starts = _several_starts(video, spec)
        box = None if found_boxes is None else found_boxes[number]
        if protocol.boxes == "full":
            box = full_box(video.size)
        decoded = None
        if len(starts) > 1 and sees_frames:
            decoded = _Decoded(video.frames)
        for turn, start in enumerate(starts):
            clip = clip_of(video, spec, start=start, box=box)
            yield partial(_clip_inputs, config, protocol, number, clip, decoded, turn)


def _several_starts(video, spec):
    """The starts of the clips of the multi-clip protocol."""
    try:
        step = spec.step(video.frame_rate)
    except ValueError as error:
        raise ValueError(f"Video {video.name!r}: {error}") from error
    return clip_starts(len(video.joints), spec.num_frames, subsampling=spec.subsampling, step=step)


def _clip_inputs(config, protocol, number, clip, decoded, turn):
    """The input for a clip, and for its mirror image."""
    if decoded is not None:
        frames = decoded.frames_of(clip.indices, turn)
        clip = replace(clip, video=replace(clip.video, frames=frames))
    if protocol.poses == "labels":
        poses = pose_sequence(clip, InputSpec.of(config))
        inputs = [(poses, None), (mirrored_poses(poses, config.skeleton), None)]
    else:
        crop = crop_clip(clip, InputSpec.of(config))
        inputs = [(crop.images, crop.affine), (crop.images[:, :, ::-1], MIRROR @ crop.affine)]
    return [
        _ClipInput(number, clip.indices, array, affine, mirrored)
        for mirrored, (array, affine) in zip(
            (False, True), inputs[: 1 + protocol.mirror], strict=False
        )
    ]


def mirrored_poses(poses: np.ndarray, skeleton: str | Skeleton) -> np.ndarray:
    """The mirror image of poses as they are given to action heads.

    Args:
        poses: (..., J, dim + 1), x and y in the unit crop, visibility; all 0 where unlabelled.
        skeleton: the joint layout, or its name.

    Returns:
        A new array: x -> 1 - x with left and right exchanged; unlabelled joints stay 0.
    """
    mirrored = poses[..., get_skeleton(skeleton).flip, :].copy()
    known = (mirrored != 0).any(axis=-1)
    mirrored[..., 0] = np.where(known, 1 - mirrored[..., 0], 0)
    return mirrored


class _Decoded:
    """The frames of a video, decoded once although neighbouring clips share some.

    Several threads make the clips. They decode in turns, so that each clip can use the frames of
    the clip before. Only the frames of one clip are kept.
    """

    def __init__(self, frames):
        self._frames, self._kept = frames, {}
        self._turn, self._turns = 0, threading.Condition()

    def frames_of(self, indices, turn):
        """The frames of a clip, as a sequence as long as the video; `turn` is the clip's number."""
        with self._turns:
            self._turns.wait_for(lambda: self._turn == turn)
            try:
                self._kept = {
                    index: self._kept[index]
                    if index in self._kept
                    else load_image(self._frames[index])
                    for index in np.unique(indices).tolist()
                }
                decoded = self._kept
            finally:
                self._turn += 1
                self._turns.notify_all()
        return _PartialSequence(decoded, len(self._frames))


class _PartialSequence(Sequence):
    """A sequence with only some of its items."""

    def __init__(self, items, length):
        self._items, self._length = items, length

    def __len__(self):
        return self._length

    def __getitem__(self, index):
        return self._items[index]


class _Averages:
    """Sums up scores and poses, clip by clip in the order of the videos."""

    def __init__(self, config, protocol, dataset, head):
        self._config, self._protocol = config, protocol
        self._dataset, self._head = dataset, head
        self._scores = self._actions = None
        self._num_clips = np.zeros(len(dataset), int)
        self._open = {}  # sums of the poses of videos that are not complete, by video
        self._poses, self._frames = [], []
        self._flip = get_skeleton(config.skeleton).flip

    def add(self, clip, scores, poses):
        """Adds the scores (P, C) and the poses (T, P, J, dim + 1), or None, of a clip."""
        if self._scores is None:
            self._scores = np.zeros((len(scores), len(self._dataset), scores.shape[1]))
            self._actions = actions_of_head(self._dataset, scores.shape[1])
        self._scores[:, clip.number] += with_rare_other(scores, self._actions)
        self._num_clips[clip.number] += 1
        if poses is not None:
            for number in [number for number in self._open if number < clip.number]:
                self._close(number)
            poses = pose_in_image(poses, clip.affine, self._flip, mirrored=clip.mirrored)
            sums = self._open.setdefault(clip.number, {})
            for index, pose in zip(clip.indices.tolist(), poses, strict=True):
                total, count = sums.get(index, (0, 0))
                sums[index] = total + pose, count + 1

    def _close(self, number):
        for index, (total, count) in sorted(self._open.pop(number).items()):
            self._poses.append((total / count).astype(np.float32))
            self._frames.append((number, index))

    def predictions(self):
        dataset = self._dataset
        for number in list(self._open):
            self._close(number)
        videos = [dataset[i] for i in range(len(dataset))]
        poses = frames = None
        if self._poses:
            frames = np.array(self._frames)
            names = [frame_name(videos[number].name, index) for number, index in self._frames]
            stack = np.stack(self._poses, axis=1)
            poses = predictions_from(stack, names, self._config.skeleton, 1)
        return ActionPredictions(
            scores=self._scores / self._num_clips[:, None],
            names=tuple(video.name for video in videos),
            labels=np.array([video.action for video in videos]),
            actions=self._actions,
            head=self._head,
            protocol=self._protocol,
            clips_per_video=self._num_clips // (2 if self._protocol.mirror else 1),
            poses=poses,
            frames=frames,
        )
