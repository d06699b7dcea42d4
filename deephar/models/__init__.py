"""Networks: builders that take a frozen ``ModelConfig`` and return a ``keras.Model``."""

from deephar.models.config import VARIANTS, ModelConfig
from deephar.models.pose import pose_model

__all__ = ["VARIANTS", "ModelConfig", "pose_model"]
