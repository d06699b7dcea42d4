"""Frozen blocks of a stem, computed apart from the rest of the network in int8 on OpenVINO.

A CPU computes int8 several times as fast as the float32 of Keras, and frozen layers need no
gradients. What the other layers learn does not depend on the last digits of their input.
"""

from collections.abc import Sequence

import keras
import numpy as np

from deephar.export import OpenVINONetwork, openvino_model, require_packages
from deephar.inference.quantization import calibration_crops, quantized


class FrozenBlocks:
    """The first blocks of a VGG-16 stem, from images to what the other layers take from them.

    They are converted when first called, so that the weights may be loaded after this is made.

    Args:
        model: a pose network.
        blocks: number of blocks, from the input.
        dataset: persons whose crops the ranges of int8 are measured on; None for drawn ones.

    Attributes:
        outputs: the outputs of the blocks that other layers take, in a tuple.

    Raises:
        ValueError: The network has another stem, or OpenVINO is not installed.
    """

    def __init__(self, model: keras.Model, blocks: int, *, dataset: Sequence | None = None):
        require_packages("openvino")
        taken = _taken_layers(model, blocks)
        self.outputs = tuple(layer.output for layer in taken)
        self._names = [layer.name for layer in taken]
        self._model, self._dataset = model, dataset
        self._network = None

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, ...]:
        """`outputs` for images, float32 (N, S, S, 3) in [-1, 1]."""
        if self._network is None:
            self._network = self._convert()
        values = self._network(images)
        return tuple(values[name] for name in self._names)

    def _convert(self):
        crops = calibration_crops(self._model.input.shape[1], self._dataset)
        outputs = dict(zip(self._names, self.outputs, strict=True))
        blocks = keras.Model(self._model.input, outputs)
        return OpenVINONetwork(quantized(openvino_model(blocks), crops))


def _taken_layers(model, blocks):
    """Layers of the blocks whose output other layers take."""
    names = tuple(f"block{number}_" for number in range(1, blocks + 1))
    inside = [layer for layer in model.layers if layer.name.startswith(names)]
    others = [layer for layer in model.layers if not layer.name.startswith(names)]
    taken = {id(tensor) for layer in others for tensor in keras.tree.flatten(layer.input)}
    if not inside:
        raise ValueError(f"The network {model.name!r} has no VGG-16 blocks to compute in int8.")
    return [layer for layer in inside if id(layer.output) in taken]
