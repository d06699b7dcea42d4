"""A network that needs no training, and data sets for it."""

from dots import clip_config, clips, config, dot_videos, dots, reader

__all__ = ["clip_config", "clips", "config", "dot_videos", "dots", "reader"]
