"""What the input of a network looks like: size, joints, coordinates, frames."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import Any

from deephar.skeletons import Skeleton, get_skeleton

WHOLE = "whole"
"""The subsampling of a clip that is spread over the whole video."""


@dataclass(frozen=True)
class InputSpec:
    """What the input of a network looks like, and the joints of its targets.

    Attributes:
        image_size: side S of the crops in pixels.
        skeleton: name of the skeleton of the targets, or a `Skeleton`.
        dim: coordinates of a joint in the targets, 2 or 3.
        num_frames: T, frames of a clip; None for still images.
        subsampling: distance between two frames of a clip, 1 or more; or ``"whole"`` for clips
            that are spread over the whole video, see `deephar.data.clip_indices`.
        frame_rate: frames per second of a clip, at any frame rate of the video; None for frames
            that `subsampling` counts. If it is given, `subsampling` must be 1.

    Raises:
        ValueError: A field is out of its range, or the skeleton is unknown.
    """

    image_size: int = 256
    skeleton: str | Skeleton = "pa16j"
    dim: int = 2
    num_frames: int | None = None
    subsampling: int | str = 1
    frame_rate: float | None = None

    def __post_init__(self):
        if self.image_size < 1:
            raise ValueError(f"image_size must be at least 1 pixel, got {self.image_size}.")
        get_skeleton(self.skeleton)
        check_dim(self.dim)
        if self.num_frames is not None and self.num_frames < 1:
            raise ValueError(f"A clip must have at least 1 frame, got {self.num_frames}.")
        check_frame_rate(self.frame_rate, self.subsampling)

    @classmethod
    def of(
        cls, config: Any, subsampling: int | str = 1, *, frame_rate: float | None = None
    ) -> InputSpec:
        """The input of the network with a given config.

        Args:
            config: has `image_size`, `skeleton`, `dim` and `num_frames`, such as a
                `deephar.models.ModelConfig`.
            subsampling: distance between two frames of a clip, or ``"whole"``.
            frame_rate: frames per second of a clip; None for frames that `subsampling` counts.

        Raises:
            ValueError: The subsampling or the frame rate is invalid.
        """
        return cls(
            config.image_size,
            config.skeleton,
            config.dim,
            config.num_frames,
            subsampling,
            frame_rate,
        )

    @property
    def num_joints(self) -> int:
        """Number of joints of the skeleton."""
        return get_skeleton(self.skeleton).num_joints

    def step(self, frame_rate: float) -> float | None:
        """Frames of a video from one frame of a clip to the next, for `deephar.data.clip_indices`.

        Args:
            frame_rate: frames per second of the video.

        Returns:
            A number above 0; None without a frame rate of the clips.

        Raises:
            ValueError: The clips have a frame rate, and that of the video is not above 0.
        """
        if self.frame_rate is None:
            return None
        if not _is_rate(frame_rate):
            raise ValueError(f"The frame rate of a video must be above 0, got {frame_rate!r}.")
        return float(frame_rate) / float(self.frame_rate)

    def require_num_frames(self) -> int:
        """`num_frames`, if it is known.

        Raises:
            ValueError: `num_frames` is None.
        """
        if self.num_frames is None:
            raise ValueError("Clips need a number of frames. Set num_frames of the InputSpec.")
        return self.num_frames


def check_dim(dim: int) -> None:
    """Raises ValueError unless `dim` is 2 or 3."""
    if dim not in (2, 3):
        raise ValueError(f"dim must be 2 or 3, got {dim!r}.")


def check_subsampling(subsampling: int | str) -> None:
    """Raises ValueError unless `subsampling` is a positive integer or ``"whole"``."""
    is_whole_number = isinstance(subsampling, Real) and float(subsampling).is_integer()
    if subsampling != WHOLE and not (is_whole_number and subsampling >= 1):
        raise ValueError(f'subsampling must be 1, 2, ... or "whole", got {subsampling!r}.')


def check_frame_rate(frame_rate: float | None, subsampling: int | str = 1) -> None:
    """Checks the time base of clips.

    Args:
        frame_rate: frames per second of the clips; None for frames that `subsampling` counts.
        subsampling: distance between two frames of a clip, or ``"whole"``.

    Raises:
        ValueError: The frame rate is not above 0, the subsampling is invalid, or both are given.
    """
    check_subsampling(subsampling)
    if frame_rate is None:
        return
    if not _is_rate(frame_rate):
        raise ValueError(f"frame_rate must be above 0 frames per second, got {frame_rate!r}.")
    if subsampling != 1:
        raise ValueError(
            f"Clips have a frame rate ({frame_rate:g} frames per second) or a subsampling "
            f"({subsampling}), not both. Leave one of them out."
        )


def _is_rate(value):
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value > 0
