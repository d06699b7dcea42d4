"""Networks that need no training, and data sets and pictures for them."""

from blobs import blobs
from dots import clip_config, clips, config, dot_videos, dots, reader

__all__ = ["blobs", "clip_config", "clips", "config", "dot_videos", "dots", "reader"]
