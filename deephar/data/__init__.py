"""Data sets as `Sample` objects, the crop from image to network input, and batches for Keras.

    dataset = MPII("datasets/MPII", split="train")
    sample = dataset[0]
    crop = crop_sample(sample, image_size=256, skeleton="pa16j")

A data set is anything with ``len()``, ``[i] -> Sample``, ``name`` and ``skeleton``.
"""

from deephar.data.lsp import LSP
from deephar.data.mpii import MPII
from deephar.data.samples import Sample, Subset, hold_out
from deephar.data.transforms import (
    Augmentation,
    Crop,
    crop_batch,
    crop_image,
    crop_sample,
    load_image,
    normalize,
    pose_target,
)

__all__ = [
    "LSP",
    "MPII",
    "Augmentation",
    "Batches",
    "Crop",
    "Sample",
    "Subset",
    "crop_batch",
    "crop_image",
    "crop_sample",
    "hold_out",
    "load_image",
    "normalize",
    "pose_target",
]


def __getattr__(name):
    # Batches needs Keras, which takes seconds to import; reading a data set does not.
    if name == "Batches":
        from deephar.data.batches import Batches

        return Batches
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
