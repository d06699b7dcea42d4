"""Joint 2D/3D human pose estimation and action recognition from RGB video."""

__version__ = "0.1.0"
