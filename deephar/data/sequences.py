"""Sequences of labelled poses, with augmentation, to train the action heads alone.

No images are needed: the poses that `deephar.data.pose_sequence` gives are changed in time and in
the image plane. All random numbers are drawn from a given `numpy.random.Generator`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from deephar.data.augment import (
    Seed,
    between,
    check_factors,
    check_generator,
    check_limits,
    generators,
)
from deephar.data.clips import clip_of, pose_sequence
from deephar.data.inputs import WHOLE, InputSpec
from deephar.data.predicted import PredictedPoses
from deephar.data.samples import Video
from deephar.skeletons import Skeleton, get_skeleton


@dataclass(frozen=True)
class SequenceAugmentation:
    """Ranges of the random changes to a sequence of poses.

    The pose stream was trained on Penn Action with the defaults, which were found on held-out
    training videos. None of them comes from the papers.

    Attributes:
        part: smallest and largest fraction of the clip's time that is shown, spread over all of
            its frames. It starts anywhere in the clip. Less than 1 makes the motion faster.
        warp: how much the speed changes within the clip, 0 to 0.5. The clip starts up to this
            fraction faster and ends slower by the same fraction, or the reverse. In the same way,
            both ends are faster or slower than the middle.
        rotation: largest angle to either side, degrees.
        scale: smallest and largest factor on the side of the crop window; the person appears
            smaller in a larger window. Depth is metric and stays, as in `deephar.data.pose_target`.
        flip: probability of a horizontal flip (with left and right joints swapped).
        translation: largest shift to any side, as a fraction of the window's side.
        noise: largest standard deviation of a random shift of each joint in each frame, as a
            fraction of the window's side (in depth, of its range of 2 m, where it is not 0.5: of
            the pelvis, or unknown); each clip draws one between 0 and this.
        missing: mean fraction of the joints that are missing in all of a clip; each clip draws a
            fraction between 0 and twice this.
        hidden: probability that a joint is missing for a while, 0.1 to 0.5 of the clip.

    Raises:
        ValueError: A range is empty or out of bounds.
    """

    part: tuple[float, float] = (0.75, 1.0)
    warp: float = 0.3
    rotation: float = 15.0
    scale: tuple[float, float] = (0.7, 1.3)
    flip: float = 0.5
    translation: float = 0.1
    noise: float = 0.02
    missing: float = 0.05
    hidden: float = 0.2

    def __post_init__(self):
        check_factors(self, part=1, scale=np.inf)
        check_limits(self, warp=0.5, rotation=180, flip=1, translation=1, noise=1)
        check_limits(self, missing=0.5, hidden=1)

    def sample(
        self, rng: np.random.Generator, num_frames: int, num_joints: int
    ) -> "SequenceChange":
        """Draws one random change within the ranges, for a clip of `num_frames` frames."""
        # Always as many random numbers: the other changes of a seed stay the same when one is
        # switched off.
        u = rng.random(12)
        gone, ever, begin, span = rng.random((4, num_joints))
        noise = rng.standard_normal((num_frames, num_joints, 3))
        part = between(*self.part, u[0])
        time = (np.arange(num_frames) + 0.5) / num_frames
        begin, span = between(-0.3, 1, begin), between(0.1, 0.5, span)
        away = (time[:, None] >= begin) & (time[:, None] <= begin + span) & (ever < self.hidden)
        angle = np.radians(between(-self.rotation, self.rotation, u[6]))
        scale = between(*self.scale, u[7])
        flip = bool(u[8] < self.flip)
        return SequenceChange(
            times=between(0, 1 - part, u[1]) + part * _warped(num_frames, self.warp, u[2:5]),
            linear=_linear(angle, 1 / scale, flip),
            flip=flip,
            shift=between(-self.translation, self.translation, u[9:11]),
            noise=self.noise * u[11] * noise,
            missing=away | (gone < 2 * self.missing * u[5]),
        )

    def clip(self, video: Video, spec: InputSpec, rng: np.random.Generator) -> np.ndarray:
        """A clip of a labelled video, changed at random; see `pose_clip`."""
        clip = clip_of(video, spec, rng=rng)
        change = self.sample(rng, spec.num_frames, spec.num_joints)
        clip = replace(clip, indices=change.indices(*_span(clip, spec)))
        return change.apply(pose_sequence(clip, spec), spec.skeleton)


class SequenceChange(NamedTuple):
    """One random change, as `SequenceAugmentation.sample` draws it.

    Attributes:
        times: (T,), ascending, the moments to show of a clip that lasts from 0 to 1.
        linear: (2, 2), rotation, scale and flip of x and y about the middle of the crop.
        flip: whether left and right joints change places.
        shift: (2,), shift in x and y.
        noise: (T, joints, 3), shift of each joint in x, y and z.
        missing: bool (T, joints), joints to take away.
    """

    times: np.ndarray
    linear: np.ndarray
    flip: bool
    shift: np.ndarray
    noise: np.ndarray
    missing: np.ndarray

    def indices(self, first: int, stop: int) -> np.ndarray:
        """Frames to show of a clip, integers (T,) from `first` to `stop` - 1."""
        return first + np.minimum(self.times * (stop - first), stop - first - 1).astype(int)

    def apply(self, poses: np.ndarray, skeleton: str | Skeleton) -> np.ndarray:
        """Changes poses in the image plane.

        Args:
            poses: (T, joints, dim + 1), as `deephar.data.pose_sequence` gives them.
            skeleton: their skeleton.

        Returns:
            A new array of the same shape. Joints that are unknown or missing are 0. Only the noise
            changes z.
        """
        if self.flip:
            poses = poses[:, get_skeleton(skeleton).flip]
        dim = poses.shape[-1] - 1
        known = (poses != 0).any(axis=-1) & ~self.missing
        changed = poses.copy()
        changed[..., :2] = 0.5 + (poses[..., :2] - 0.5) @ self.linear.T + self.shift
        changed[..., :2] += self.noise[..., :2]
        if dim == 3:
            changed[..., 2] += np.where(poses[..., 2] == 0.5, 0, self.noise[..., 2])
        return np.where(known[..., None], changed, 0).astype(poses.dtype)


def pose_clip(
    video: Video,
    spec: InputSpec,
    *,
    augmentation: SequenceAugmentation | PredictedPoses | None = None,
    rng: np.random.Generator | None = None,
) -> np.ndarray:
    """The labelled poses of one clip of a video, as input of the action heads.

    Args:
        video: the video; its frames are not needed.
        spec: frames and subsampling of the clip, skeleton and coordinates of the result.
        augmentation: random changes; None for none.
        rng: source of all random choices, including the start of the clip; None for the clip in
            the middle, unchanged.

    Returns:
        float32 (T, joints, dim + 1), see `deephar.data.pose_sequence`. The crop window is that of
        the clip before the change in time.

    Raises:
        ValueError: As `deephar.data.clip_of` and `deephar.data.pose_sequence`; augmentation without
            `rng`.
    """
    if augmentation is not None:
        check_generator(rng)
        return augmentation.clip(video, spec, rng)
    return pose_sequence(clip_of(video, spec, rng=rng), spec)


def pose_clips(
    videos: Sequence[Video],
    spec: InputSpec,
    *,
    seeds: Sequence[Seed] | None = None,
    augmentation: SequenceAugmentation | PredictedPoses | None = None,
) -> tuple[np.ndarray]:
    """The labelled poses of a clip of each of several videos, stacked.

    Args:
        videos: B videos.
        spec: as for `pose_clip`.
        seeds: for each of them what `numpy.random.default_rng` takes, to draw where its clip starts
            and how it is changed; None for the clips in the middle.
        augmentation: random changes; None for none. Needs `seeds`.

    Returns:
        A tuple of one array, float32 (B, T, joints, dim + 1).

    Raises:
        ValueError: As `pose_clip`.
    """
    poses = [
        pose_clip(video, spec, augmentation=augmentation, rng=rng)
        for video, rng in zip(videos, generators(seeds, len(videos)), strict=True)
    ]
    return (np.stack(poses),)


def _span(clip, spec):
    """The part of the video that a clip stands for: its first frame and the one after its last."""
    count = len(clip.video.joints)
    if spec.subsampling == WHOLE:
        return 0, count
    first, last = int(clip.indices[0]), int(clip.indices[-1])
    # On a time base, a short video stands for itself: its ends are held, and held is no motion.
    step = spec.step(clip.video.frame_rate)
    if step is None:
        step = max(1, (last - first) // max(1, len(clip.indices) - 1))
    return first, min(last + max(1, round(step)), count)


def _warped(length, warp, u):
    """Times (length,) in [0, 1), ascending: even steps, changed by two waves of random height."""
    time = (np.arange(length) + u[0]) / length
    skew, ends = between(-warp, warp, u[1:3])
    # The speed is 1 + skew cos(pi t) + ends cos(2 pi t), not negative as long as warp <= 0.5.
    skew, ends = skew * np.sin(np.pi * time) / np.pi, ends * np.sin(2 * np.pi * time) / (2 * np.pi)
    return time + skew + ends


def _linear(angle, factor, flip):
    """(2, 2): counter-clockwise on the screen (y points down), then mirrored left to right."""
    cos, sin = factor * np.cos(angle), factor * np.sin(angle)
    linear = np.array([[cos, sin], [-sin, cos]])
    if flip:
        linear[0] *= -1
    return linear
