"""Networks in int8: post-training quantisation by NNCF.

The ranges of the numbers in a network are measured on a few crops of persons. Convolutions then
compute with 8 bits, also those that make the heat maps. All else stays in float: soft-argmax,
visibility, and the action heads where they are a part of their own.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from deephar.data.crops import crop_sample
from deephar.data.images import crop_image, load_image, normalize
from deephar.data.inputs import InputSpec
from deephar.data.synthetic import Synthetic
from deephar.export.network import MIN_CLIP_FRAMES
from deephar.geometry import crop_affine, square_window

if TYPE_CHECKING:
    from deephar.data.samples import Sample

NUM_CROPS = 48
"""Crops that the ranges are measured on; a multiple of `MIN_CLIP_FRAMES`."""


def calibration_crops(image_size: int, dataset: Sequence[Sample] | None = None) -> np.ndarray:
    """Crops of persons to measure the ranges of numbers on.

    Args:
        image_size: side S of the crops in pixels.
        dataset: persons, of which up to `NUM_CROPS` are taken, spread evenly; never those that the
            network is tested on. None for drawn persons of the built-in data set.

    Returns:
        float32 (N, S, S, 3) in [-1, 1].

    Raises:
        ValueError: The data set is empty, or a person's window cannot be used.
        FileNotFoundError: An image is missing.
    """
    if dataset is None:
        return _drawn_crops(image_size)
    if len(dataset) == 0:
        raise ValueError("The data set for the quantisation is empty. Give at least one person.")
    spec = InputSpec(image_size)
    numbers = np.linspace(0, len(dataset) - 1, min(NUM_CROPS, len(dataset))).astype(int)
    return np.stack([crop_sample(dataset[int(number)], spec).image for number in numbers])


def _drawn_crops(image_size):
    videos, crops = Synthetic("train", NUM_CROPS, image_size=image_size), []
    for number in range(NUM_CROPS):
        video = videos[number]
        middle = len(video.joints) // 2
        affine = crop_affine(*square_window(video.boxes[middle]))
        image = load_image(video.frames[middle])
        crops.append(normalize(crop_image(image, affine, image_size)))
    return np.stack(crops)


def require_nncf() -> None:
    """Checks that NNCF is installed.

    Raises:
        ValueError: It is missing; the message says how to install it.
    """
    if importlib.util.find_spec("nncf") is None:
        raise ValueError(
            "Quantising a network needs NNCF. Install it with: pip install 'deephar[int8]'"
        )


def quantized(model: Any, crops: np.ndarray) -> Any:
    """An OpenVINO model whose convolutions compute in int8.

    Args:
        model: an ``openvino.Model`` of images (batch, S, S, 3), or of clips of them.
        crops: float32 (N, S, S, 3) that it may see.

    Raises:
        ValueError: NNCF is not installed.
    """
    require_nncf()
    import nncf

    if len(model.inputs[0].partial_shape) == 5:
        clips = len(crops) // MIN_CLIP_FRAMES
        crops = crops[: clips * MIN_CLIP_FRAMES].reshape(clips, -1, *crops.shape[1:])
    nncf.set_log_level(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()):  # progress bars
        return nncf.quantize(
            model,
            nncf.Dataset([crop[None] for crop in crops]),
            subset_size=len(crops),
            preset=nncf.QuantizationPreset.MIXED,
            ignored_scope=_all_but_convolutions(model, nncf),
        )


def _all_but_convolutions(model, nncf):
    types = {operation.get_type_name() for operation in model.get_ops()}
    kept = {"Convolution", "GroupConvolution", "Parameter", "Result", "Constant"}
    return nncf.IgnoredScope(types=sorted(types - kept), validate=False)
