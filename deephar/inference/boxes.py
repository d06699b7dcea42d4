"""The box of the person in a video by the paper's protocol, for persons who fill the frame.

The pose is predicted on the full first, middle and last frame, and the box that encloses the three
poses is used for the whole video. For other videos see `deephar.inference.search`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from deephar.data.images import load_image
from deephar.data.loading import batches_of, loaded_ahead
from deephar.data.samples import Video
from deephar.geometry import (
    BOX_MARGIN,
    POSE_MARGIN,
    box_around,
    box_center_size,
    union_of_boxes,
)
from deephar.inference.network import (
    VISIBLE,
    stills_network,
)
from deephar.inference.poses import crop_frame, poses_in_crops
from deephar.progress import ProgressBar

if TYPE_CHECKING:
    from deephar.inference.network import Config, Model

_SMALLEST = 32.0  # pixels; the published code's least size of a box


def key_frames(num_frames: int) -> tuple[int, ...]:
    """Indices of the first, the middle and the last frame; fewer if they coincide.

    >>> key_frames(9), key_frames(2), key_frames(1)
    ((0, 5, 8), (0, 1), (0,))

    Raises:
        ValueError: There is no frame.
    """
    if num_frames < 1:
        raise ValueError("A video without frames has no first, middle and last frame.")
    middle = min(int(num_frames / 2 + 0.5), num_frames - 1)
    return tuple(sorted({0, middle, num_frames - 1}))


def box_of_poses(
    joints: np.ndarray,
    visibility: np.ndarray | None,
    size: Sequence[int],
    *,
    margin: float = POSE_MARGIN,
    square: bool = False,
) -> np.ndarray:
    """The box that encloses a person in several frames.

    Args:
        joints: (F, J, 2), pixels, NaN where unknown.
        visibility: (F, J); joints at 0.5 or below do not count. With None, all known joints do.
        size: (width, height) of the frames. The box of a frame without a visible joint is all of
            it.
        margin: size of a frame's box divided by that of its joints.
        square: whether to enlarge the shorter side of each frame's box to the longer one.

    Returns:
        Box (4,), pixels; at least 32 pixels wide and high.

    Raises:
        ValueError: There is no frame, or the shapes are wrong.
    """
    joints = np.array(joints, float)
    if joints.ndim != 3 or joints.shape[2] != 2 or len(joints) == 0:
        raise ValueError(f"joints must have the shape (frames, joints, 2), got {joints.shape}.")
    if visibility is not None:
        joints[np.asarray(visibility) <= VISIBLE] = np.nan
    boxes = [
        box_around(points, margin, square=square)
        if np.isfinite(points).all(axis=-1).any()
        else np.array([0, 0, *size], float)
        for points in joints
    ]
    center, sides = box_center_size(union_of_boxes(boxes))
    half = np.maximum(sides, _SMALLEST) / 2
    return np.concatenate([center - half, center + half])


def full_box(size: Sequence[int]) -> np.ndarray:
    """The box of a person who fills the frame: the crop, 1.25 times the box, shows all of it.

    Args:
        size: (width, height) of the frame, pixels.

    Returns:
        Box (4,), a square around the middle of the frame.

    Raises:
        ValueError: The size is not positive.
    """
    size = np.asarray(size, float)
    if size.shape != (2,) or not (size > 0).all():
        raise ValueError(f"size must be the (width, height) of a frame, got {size.tolist()}.")
    center, half = (size - 1) / 2, size.max() / BOX_MARGIN / 2
    return np.concatenate([center - half, center + half])


def predicted_boxes(
    model: Model,
    config: Config,
    dataset: Sequence[Video],
    *,
    batch_size: int = 16,
    progress: bool = False,
) -> np.ndarray:
    """The box of the person in each video, by the paper's protocol.

    The pose is predicted on the full first, middle and last frame; the box encloses all three.

    Args:
        model: a `keras.Model` of images or of clips, or a function from images (B, S, S, 3) to
            ``{"pose": (B, P, J, dim + 1)}``. The last block's pose counts.
        config: its `ModelConfig`.
        dataset: `len()` and `[i]` -> `deephar.data.samples.Video`.
        batch_size: frames a call of the model.
        progress: shows a progress bar on a terminal.

    Returns:
        float64 (N, 4), pixels.

    Raises:
        FileNotFoundError: A frame is missing; names it.
        ValueError: A frame cannot be used (names it), a video has no frames, or the model's output
            has another form.
    """
    network = stills_network(model)
    bar = ProgressBar(len(dataset), "box", shown=progress)
    frames = loaded_ahead(_full_frames(dataset, config.image_size), batch_size)
    found, sizes = [[] for _ in range(len(dataset))], {}
    for batch in batches_of(frames, batch_size):
        numbers, crops = zip(*batch, strict=True)
        poses = poses_in_crops(network, config, crops, batch_size)
        for number, crop, pose in zip(numbers, crops, poses, strict=True):
            found[number].append(pose)
            sizes[number] = crop.size
        bar.update(max(numbers))
    bar.update(len(dataset))
    return np.stack([enclosing_box(poses, sizes[number]) for number, poses in enumerate(found)])


def _full_frames(dataset, image_size):
    """Functions that load the key frames of each video: -> (number of the video, `FrameCrop`)."""

    def load(number, video, index):
        frame = load_image(video.frames[index])
        return number, crop_frame(frame, full_box(frame.shape[1::-1]), image_size)

    for number in range(len(dataset)):
        video = dataset[number]
        if len(video.frames) == 0:
            raise ValueError(
                f"Video {video.name!r} has no frames, so its boxes cannot be predicted. Get the "
                "frames of the data set, or use its own boxes."
            )
        for index in key_frames(len(video.frames)):
            yield partial(load, number, video, index)


def enclosing_box(poses: Sequence[np.ndarray], size: Sequence[int]) -> np.ndarray:
    """The box of poses (J, dim + 1), as `box_of_poses`; joints are first moved into the frame."""
    # A square crop also shows what is beside the frame, where no person can be.
    joints = [np.clip(pose[:, :2], 0, np.array(size) - 1) for pose in poses]
    return box_of_poses(joints, [pose[:, -1] for pose in poses], size)
