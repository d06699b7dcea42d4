"""Networks in the formats of other runtimes: SavedModel, ONNX, OpenVINO and LiteRT.

deephar export WEIGHTS --out FILE --format onnx
"""

from deephar.export.files import PRECISIONS, Target, export
from deephar.export.packages import FORMATS, PACKAGES, require_packages
from deephar.export.runtimes import ONNXNetwork, OpenVINONetwork, open_exported
from deephar.export.writing import openvino_model, write_onnx

__all__ = [
    "FORMATS",
    "PACKAGES",
    "PRECISIONS",
    "ONNXNetwork",
    "OpenVINONetwork",
    "Target",
    "export",
    "open_exported",
    "openvino_model",
    "require_packages",
    "write_onnx",
]
