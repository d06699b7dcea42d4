"""Clips: which frames of a video the network sees, and how they are cropped.

A clip is T frames of a video and one box. All frames are cropped by the same window, the square
around the box, with the same random change: what moves in the crops has moved in the video.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from deephar.data.augment import Augmentation, Seed, generators, sample_change
from deephar.data.crops import check_touches, crop_sample
from deephar.data.images import crop_and_size
from deephar.data.inputs import WHOLE, InputSpec, check_subsampling
from deephar.data.samples import Dataset, Sample, Video, names_of
from deephar.data.targets import pose_target, unit_depth
from deephar.geometry import apply_affine, crop_affine, has_area, square_window, union_of_boxes
from deephar.skeletons import convert

# The size of frames may differ from that of the labels by this fraction, since some programs round
# sizes to even numbers. Annotators are less accurate than that.
_SIZE_TOLERANCE = 0.01


class Frames:
    """Single frames of the videos of a data set, as a data set of stills.

    The crop window is the square around the person's box in the frame, 1.25 times its longer side.
    The names are ``VIDEO#000000``, ... with the position in the video, from 0. To validate on
    frames of other videos, split the videos first (`hold_out`), then take the frames of each part.

    Args:
        videos: data set of videos.
        per_video: number of frames of each video, spread evenly over it; a video with fewer
            frames gives all of them. None for all frames.

    Attributes:
        videos: the data set of videos.
        name: that of the data set of videos; so are `skeleton`, `split` and `source`.

    Raises:
        ValueError: The videos are labels only, a frame has no box with an area, or `per_video` is
            not positive.
    """

    held_out_by = "videos"

    def __init__(self, videos: Dataset, per_video: int | None = None):
        if per_video is not None and per_video < 1:
            raise ValueError(f"per_video must be at least 1, got {per_video}.")
        self.videos = videos
        self.name = videos.name
        self.skeleton = videos.skeleton
        self.split = videos.split
        self.source = videos.source
        self._where = [
            (index, frame)
            for index in range(len(videos))
            for frame in _croppable(videos[index], per_video)
        ]

    def __len__(self):
        return len(self._where)

    def __getitem__(self, index):
        video, frame = self._where[index]
        return frame_sample(self.videos[video], frame)

    def names(self) -> list[str]:
        """Names of all frames, in order; the frames are not read."""
        videos = names_of(self.videos)
        return [frame_name(videos[video], frame) for video, frame in self._where]

    def __repr__(self):
        return f"Frames({len(self)} of {len(self.videos)} videos of {self.videos!r})"


def check_frames(video: Video) -> Video:
    """The video, if it has a frame for each of its poses.

    Raises:
        ValueError: It has labels only, or another number of frames.
    """
    if not len(video.frames):
        raise ValueError(
            f"Video {video.name!r} has labels only, but its frames are needed. Get the frames as "
            "the README of the data set says (datasets/ of the project)."
        )
    if len(video.frames) != len(video.joints):
        raise ValueError(
            f"Video {video.name!r} has {len(video.frames)} frames, but labels for "
            f"{len(video.joints)}. Both must agree."
        )
    return video


def frame_name(video: str, frame: int) -> str:
    """Name of a frame of the video of that name; see `Frames`."""
    return f"{video}#{frame:06d}"


def frame_sample(video: Video, frame: int) -> Sample:
    """One frame of a video as a still; see `Frames`.

    Raises:
        ValueError: The video has no frames, or the frame has no box, or one without an area.
    """
    check_frames(video)
    sample = frame_labels(video, frame)
    if np.isnan(sample.side):
        raise ValueError(
            f"Frame {sample.name!r} has no box to crop: {video.boxes[frame]}. Correct the "
            "annotation, or leave the frame out."
        )
    return replace(sample, image=video.frames[frame])


def frame_labels(video: Video, frame: int) -> Sample:
    """The labels of one frame of a video as a still without a picture; see `Frames`.

    The video may have labels only. `Sample.image` is ``""``; `center` and `side` are NaN where the
    frame has no box with an area.
    """
    box = video.boxes[frame]
    center, side = square_window(box) if has_area(box) else (np.full(2, np.nan), float("nan"))
    return Sample(
        image="",
        joints=video.joints[frame],
        visible=video.visible[frame],
        skeleton=video.skeleton,
        center=center,
        side=side,
        head_size=float("nan" if video.head_sizes is None else video.head_sizes[frame]),
        name=frame_name(video.name, frame),
        joints_3d=None if video.joints_3d is None else video.joints_3d[frame],
        camera=video.camera,
    )


def clip_indices(
    total_frames: int,
    num_frames: int,
    *,
    subsampling: int | str = 1,
    step: float | None = None,
    start: int | None = None,
) -> np.ndarray:
    """The frames of a clip.

    With ``subsampling=2``, the clip takes every second frame, and so on. If the video is too short
    for that, `subsampling` is lowered. A video with fewer frames than the clip is played slower, by
    a power of 1.5, so that frames are repeated. This is the rule of the authors of the network.
    With ``"whole"``, the clip is spread evenly over the whole video.

    On a fixed time base, `step` is given instead of `subsampling`: frame k of the clip is the frame
    nearest to ``start + k * step``, and `step` is never lowered. A video that is too short gives
    one clip with the video in its middle: the time before it is filled with the first frame, the
    time after it with the last one.

    Args:
        total_frames: N, frames of the video.
        num_frames: T, frames of the clip.
        subsampling: distance between two frames of the clip, 1 or more; or ``"whole"``.
        step: distance between two frames of the clip on a fixed time base, above 0, in frames of
            the video: the frame rate of the video by that of the clip. Replaces `subsampling`.
        start: where the clip starts, 0 to `num_starts` - 1; None for the clip in the middle. In a
            video that is played slower, it counts the frames as played.

    Returns:
        Integers (T,), 0 to N - 1, in ascending order.

    Raises:
        ValueError: The video or the clip has no frames, `subsampling` is neither a positive integer
            nor ``"whole"``, `step` is not above 0, both are given, or there is no such start.

    >>> clip_indices(30, 8, subsampling=2)
    array([ 7,  9, 11, 13, 15, 17, 19, 21])
    >>> clip_indices(5, 8)
    array([0, 0, 1, 1, 2, 2, 3, 3])
    >>> clip_indices(30, 4, subsampling="whole")
    array([ 3, 10, 18, 25])
    >>> clip_indices(30, 4, step=2.5), clip_indices(4, 5, step=2.5)
    (array([10, 13, 15, 18]), array([0, 0, 2, 3, 3]))
    """
    spacing, slower, starts = _rule(total_frames, num_frames, subsampling, step)
    if start is None:
        start = _middle(total_frames, num_frames, subsampling, step)
    if not 0 <= start < starts:
        how = f"subsampling {subsampling}" if step is None else f"step {step:g}"
        raise ValueError(
            f"A clip of {num_frames} frames of a video of {total_frames} ({how}) can start at 0 "
            f"to {starts - 1}, not at {start}."
        )
    if step is not None:
        return _nearest(total_frames, num_frames, step, start)
    if subsampling == WHOLE:
        return np.arange(num_frames) * total_frames // num_frames + start
    return ((start + spacing * np.arange(num_frames)) / slower).astype(int)


def _nearest(total_frames, num_frames, step, start):
    """The frames of a clip on a fixed time base."""
    missing = max(0, (num_frames - 1) * step - (total_frames - 1))
    times = np.round(start - missing / 2 + step * np.arange(num_frames), 6)
    return np.clip(np.floor(times + 0.5).astype(int), 0, total_frames - 1)


def num_starts(
    total_frames: int, num_frames: int, *, subsampling: int | str = 1, step: float | None = None
) -> int:
    """Number of places of a video where a clip can start; see `clip_indices`.

    With ``"whole"``, every clip spans the video, and its frames lie between those of the others.

    Raises:
        ValueError: As `clip_indices`.
    """
    return _rule(total_frames, num_frames, subsampling, step)[2]


def clip_starts(
    total_frames: int, num_frames: int, *, subsampling: int | str = 1, step: float | None = None
) -> list[int]:
    """The starts of all clips of the multi-clip protocol, for `clip_indices`.

    As in the authors' code, the first clip starts with the video, and the others each
    ``T // 2 + subsampling - 1`` frames after the one before (half a clip, if it takes every frame),
    as long as ``T * subsampling`` frames are left. A video that is too short for one gives the
    single clip in its middle, so that there is always one.

    The authors have neither ``"whole"`` nor a fixed time base. With ``"whole"``, every clip spans
    the video, and its frames lie between those of the others. On a fixed time base, the clips start
    half a clip apart, and a video that is too short for two gives the one in its middle.

    Args:
        total_frames: N, frames of the video.
        num_frames: T, frames of the clip.
        subsampling: as for `clip_indices`.
        step: as for `clip_indices`.

    Returns:
        At least one start.

    Raises:
        ValueError: As `clip_indices`.

    >>> clip_starts(30, 8, subsampling=2), clip_starts(15, 8, subsampling=2)
    ([0, 5, 10], [3])
    >>> clip_starts(30, 4, subsampling="whole")
    [0, 1, 2, 3, 4, 5, 6]
    """
    starts = num_starts(total_frames, num_frames, subsampling=subsampling, step=step)
    middle = [_middle(total_frames, num_frames, subsampling, step)]
    half = num_frames // 2
    if subsampling == WHOLE:
        return list(range(starts)) if starts > 1 else middle
    if step is not None:
        several = list(range(0, starts, max(1, round(max(1, half) * step))))
        return several if len(several) > 1 else middle
    fitting = total_frames - num_frames * subsampling + 1
    return list(range(0, fitting, max(1, half + subsampling - 1))) or middle


def _rule(total_frames, num_frames, subsampling, step):
    """Distance between two frames of a clip, slow-down of the video, and number of starts."""
    if total_frames < 1:
        raise ValueError("A video of 0 frames has no clips.")
    if num_frames < 1:
        raise ValueError(f"A clip must have at least 1 frame, got {num_frames}.")
    check_subsampling(subsampling)
    if step is not None:
        _check_step(step, subsampling)
        length = math.ceil(round((num_frames - 1) * step, 6))
        return step, 1.0, max(1, total_frames - length)
    if subsampling == WHOLE:
        return None, 1.0, max(1, total_frames // num_frames)
    slower = 1.0
    while slower * total_frames < num_frames:
        slower *= 1.5
    played = slower * total_frames
    step = min(int(subsampling), int(played / num_frames))
    return step, slower, int(played - (step * (num_frames - 1) + 1)) + 1


def _check_step(step, subsampling):
    if not (math.isfinite(step) and step > 0):
        raise ValueError(f"step must be above 0, got {step!r}.")
    if subsampling != 1:
        raise ValueError(
            f"A clip has a step ({step:g}) or a subsampling ({subsampling}). Give one of them."
        )


def _middle(total_frames, num_frames, subsampling, step):
    spacing, slower, starts = _rule(total_frames, num_frames, subsampling, step)
    if step is not None:
        return (starts - 1) // 2
    if subsampling == WHOLE:
        return int(total_frames / num_frames / 2)
    return int((slower * total_frames - (spacing * (num_frames - 1) + 1)) / 2)


@dataclass(frozen=True, eq=False)
class Clip:
    """Some frames of a video, and the box of the person in them.

    Attributes:
        video: the video.
        indices: integers (T,), its frames.
        box: float (4,), pixels.
    """

    video: Video
    indices: np.ndarray
    box: np.ndarray


def clip_of(
    video: Video,
    spec: InputSpec,
    *,
    start: int | None = None,
    box: Sequence[float] | None = None,
    rng: np.random.Generator | None = None,
) -> Clip:
    """A clip of a video.

    Args:
        video: the video.
        spec: number of frames of the clip, and the subsampling or the frame rate.
        start: as for `clip_indices`.
        box: (4,), the person's box, pixels; None for the box around the labelled boxes in all
            frames of the clip.
        rng: draws the start; None for the clip at `start`.

    Returns:
        The clip.

    Raises:
        ValueError: As `clip_indices`; the box is unknown or has no area, or all boxes are or have;
            both `start` and `rng` are given; `spec.num_frames` is None; the clip has a frame rate,
            and the video has none above 0.
    """
    if start is not None and rng is not None:
        raise ValueError("A clip starts at a given `start` or is drawn by `rng`. Give one of them.")
    size = len(video.joints), spec.require_num_frames()
    try:
        spacing = {"subsampling": spec.subsampling, "step": spec.step(video.frame_rate)}
        if rng is not None:
            start = int(rng.integers(num_starts(*size, **spacing)))
        indices = clip_indices(*size, start=start, **spacing)
    except ValueError as error:
        raise ValueError(f"Video {video.name!r}: {error}") from error
    if box is None:
        box = labelled_box(video, indices)
    _window(box, f"Video {video.name!r}")
    return Clip(video, indices, np.asarray(box, float))


def labelled_box(video: Video, indices: Sequence[int]) -> np.ndarray:
    """The box (4,) around the labelled boxes in some frames of a video, pixels.

    Boxes that are unknown or have no area are ignored.

    Args:
        video: the video.
        indices: at least one frame.

    Raises:
        ValueError: None of the frames has a box with an area; names the video.
    """
    boxes = np.asarray(video.boxes, float)[indices]
    boxes = boxes[has_area(boxes)]
    if not len(boxes):
        raise ValueError(
            f"Video {video.name!r} has no box with an area in the frames {min(indices)} to "
            f"{max(indices)}. Correct the annotation, or give a box."
        )
    return union_of_boxes(boxes)


def _window(box, who):
    """Centre (2,) and side of the square window of a person's box."""
    try:
        return square_window(box)
    except ValueError as error:
        raise ValueError(f"{who} has no box to crop: {error}") from error


@dataclass(frozen=True, eq=False)
class ClipCrop:
    """A clip as the network takes it: input and target.

    Attributes:
        images: float32 (T, S, S, 3), RGB in [-1, 1]; -1 (black) outside of the picture.
        target: float32 (T, joints, dim + 1), see `deephar.data.pose_target`.
        affine: (3, 3), image pixels to the unit crop, with all augmentation in it; the same for
            all frames.
    """

    images: np.ndarray
    target: np.ndarray
    affine: np.ndarray


def crop_clip(
    clip: Clip,
    spec: InputSpec,
    *,
    augmentation: Augmentation | None = None,
    rng: np.random.Generator | None = None,
) -> ClipCrop:
    """The network's input and target for one clip.

    The window is the square around the box of the clip, with 1.25 times its longer side. A frame
    that occurs several times is decoded once.

    Args:
        clip: the clip; its frames may come in any order.
        spec: size of the crops, skeleton and coordinates of the target.
        augmentation: random changes, the same for all frames; None for none.
        rng: source of all random choices; needed with `augmentation`.

    Returns:
        The crops.

    Raises:
        FileNotFoundError: A frame does not exist; names the file.
        ValueError: A frame cannot be decoded, or has another size than the labels are for; the
            video has labels only; the box has no area or lies outside of the frames; augmentation
            without `rng`.
    """
    video = check_frames(clip.video)
    who = f"Video {video.name!r}"
    center, side = _window(clip.box, who)
    check_touches(who, center, side, video.size)
    change = sample_change(augmentation, rng)
    affine = change.affine(center, side)
    frames, place = np.unique(clip.indices, return_inverse=True)
    images = np.empty((len(frames), spec.image_size, spec.image_size, 3), np.float32)
    for i, frame in enumerate(frames):
        pixels, size = crop_and_size(video.frames[frame], affine, spec.image_size)
        _check_size(video, frame, size)
        images[i] = change.finish(pixels)
    depth = None if video.joints_3d is None else video.joints_3d[clip.indices, :, 2]
    target = pose_target(
        video.joints[clip.indices],
        affine,
        source=video.skeleton,
        skeleton=spec.skeleton,
        flip=change.flip,
        dim=spec.dim,
        depth=depth,
    )
    # `frames` are sorted. The clip's frames mostly are, too; then the images need not be copied.
    in_order = images if np.array_equal(frames, clip.indices) else images[place]
    return ClipCrop(in_order, target, affine)


def crop_clips(
    items: Sequence[Video | Sample],
    spec: InputSpec,
    *,
    seeds: Sequence[Seed] | None = None,
    augmentation: Augmentation | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """A clip of each of several videos, cropped and stacked.

    Args:
        items: B videos; or stills, which are shown for all of the clip.
        spec: what the clips and targets look like.
        seeds: for each of them what `numpy.random.default_rng` takes, to draw where its clip starts
            and how it is changed; None for the clips in the middle.
        augmentation: random changes; None for none. Needs `seeds`.

    Returns:
        Images float32 (B, T, S, S, 3) and targets float32 (B, T, joints, dim + 1).

    Raises:
        FileNotFoundError: As `crop_clip`.
        ValueError: As `clip_of` and `crop_clip`.
    """
    length, size = spec.require_num_frames(), spec.image_size
    images = np.empty((len(items), length, size, size, 3), np.float32)
    targets = np.empty((len(items), length, spec.num_joints, spec.dim + 1), np.float32)
    for i, (item, rng) in enumerate(zip(items, generators(seeds, len(items)), strict=True)):
        if isinstance(item, Sample):
            crop = crop_sample(item, spec, augmentation=augmentation, rng=rng)
            images[i], targets[i] = crop.image, crop.target
        else:
            clip = clip_of(item, spec, rng=rng)
            crop = crop_clip(clip, spec, augmentation=augmentation, rng=rng)
            images[i], targets[i] = crop.images, crop.target
    return images, targets


def pose_sequence(clip: Clip, spec: InputSpec) -> np.ndarray:
    """Labelled poses as input of the action heads, in place of predicted poses.

    Args:
        clip: the clip; the images of its video are not needed.
        spec: skeleton and coordinates of the result.

    Returns:
        float32 (T, joints, dim + 1): x and y in the unit crop of the window of `crop_clip`, not
        limited to it; z as `deephar.data.unit_depth` gives it, if `spec.dim` is 3; and
        visibility: 1 where the joint is labelled and not hidden, else 0. All are 0 where a joint is
        unlabelled. Where only its depth is unknown (as in a video without 3D labels), z is 0.5, the
        depth of the pelvis and the middle of the range, from which the network measures.

    Raises:
        ValueError: The box has no area.
    """
    video, indices, skeleton, dim = clip.video, clip.indices, spec.skeleton, spec.dim
    affine = crop_affine(*_window(clip.box, f"Video {video.name!r}"))
    points = apply_affine(affine, convert(video.joints[indices], video.skeleton, skeleton))
    labelled = np.isfinite(points).all(axis=-1)
    visible = convert(video.visible[indices][..., None], video.skeleton, skeleton)[..., 0]
    sequence = np.zeros((*labelled.shape, dim + 1), np.float32)
    sequence[labelled, :2] = points[labelled]
    sequence[..., dim] = labelled & (visible != 0)  # NaN: labelled, and not known to be hidden
    if dim == 3:
        sequence[labelled, 2] = 0.5
    if dim == 3 and video.joints_3d is not None:
        depth = unit_depth(video.joints_3d[indices, :, 2], video.skeleton, skeleton)
        known = labelled & np.isfinite(depth)
        sequence[known, 2] = depth[known]
    return sequence


def _croppable(video, count):
    """Frames from `_spread`, checked now rather than in the middle of training."""
    frames = _spread(check_frames(video), count)
    without = np.array(frames)[~has_area(video.boxes[list(frames)])]
    if len(without):
        raise ValueError(
            f"Video {video.name!r} has no box with an area in {len(without)} of {len(frames)} "
            f"frames, first in frame {without[0]}. Correct the annotation, or leave the video out."
        )
    return frames


def _spread(video, count):
    """Frames of a video: `count` of them, spread evenly, or all."""
    total = len(video.joints)
    if count is None or count >= total:
        return range(total)
    return clip_indices(total, count, subsampling=WHOLE).tolist()


def size_differs(size: Sequence[int], labelled: Sequence[int]) -> bool:
    """Whether frames of a (width, height) do not fit labels for another (width, height)."""
    return bool(np.abs(np.divide(size, labelled) - 1).max() > _SIZE_TOLERANCE)


def _check_size(video, frame, size):
    if size_differs(size, video.size):
        image = video.frames[frame]
        which = f" ({image})" if isinstance(image, str) else ""
        raise ValueError(
            f"Frame {frame} of video {video.name!r}{which} is {size[0]} x {size[1]} pixels, but "
            f"its labels are for {labelled_size(video)}. Get the frames again, in their original "
            "size."
        )


def labelled_size(video: Video) -> str:
    """The size of the frames that the labels of a video are for, and its source, in words."""
    size = f"{video.size[0]} x {video.size[1]}"
    # The frame that differs from all others may be the first one, from which the size was taken.
    return f"{size} (all must have the size of {video.size_from})" if video.size_from else size
