"""The built-in data set: videos of drawn persons, with 2D and 3D joints and actions."""

from deephar.data.synthetic.videos import Synthetic

__all__ = ["Synthetic"]
