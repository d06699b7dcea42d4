"""Joint 2D/3D human pose estimation and action recognition from RGB video."""

from deephar.version import __version__ as __version__


def __getattr__(name):
    # The predictor needs Keras, which takes seconds to import; the rest of the package may not.
    if name == "Predictor":
        from deephar.inference.predictor import Predictor

        return Predictor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
