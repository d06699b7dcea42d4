"""Video files: their frames one after the other, and writing them."""

from deephar.video.reading import (
    DEFAULT_RATE,
    VideoInfo,
    is_address,
    is_live_address,
    open_video,
    read_video,
    video_info,
)
from deephar.video.writing import VideoWriter

__all__ = [
    "DEFAULT_RATE",
    "VideoInfo",
    "VideoWriter",
    "is_address",
    "is_live_address",
    "open_video",
    "read_video",
    "video_info",
]
