"""Joint 2D/3D human pose estimation and action recognition from RGB video."""

from deephar.startup import hide_startup_messages, turn_off_telemetry
from deephar.version import __version__ as __version__

hide_startup_messages()
turn_off_telemetry()


def __getattr__(name: str) -> object:
    # The predictor needs Keras, which takes seconds to import. The rest of the package may not.
    if name == "Predictor":
        from deephar.inference.predictor import Predictor

        return Predictor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
