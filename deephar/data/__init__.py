"""Data sets of stills and videos, crops for the network's input, and batches for Keras.

    dataset = MPII("datasets/MPII", split="train")
    sample = dataset[0]
    spec = InputSpec(image_size=256, skeleton="pa16j", num_frames=16, subsampling=2)
    crop = crop_sample(sample, spec)

    videos = PennAction("datasets/PennAction", split="train")
    clip = clip_of(videos[0], spec)
    crop = crop_clip(clip, spec)

`InputSpec` says what the input of a network looks like; ``InputSpec.of(config)`` is that of a
network. `Batches` takes stills, `ClipBatches` videos, and `SequenceBatches` the labelled poses of
videos.

A data set of stills is anything with ``len()``, ``[i] -> Sample``, ``name`` and ``skeleton``. A
data set of videos gives `Video` objects, and also has ``split``, ``source`` and ``actions``, the
names of its classes. `Frames` makes a data set of stills of it.

`VideoFolder` lists a folder of videos of your own, each with the name of its action.
"""

from deephar.data.augment import Augmentation
from deephar.data.clips import (
    Clip,
    ClipCrop,
    Frames,
    clip_indices,
    clip_of,
    clip_starts,
    crop_clip,
    pose_sequence,
)
from deephar.data.crops import Crop, crop_batch, crop_sample
from deephar.data.images import crop_image, load_image, normalize
from deephar.data.inputs import InputSpec
from deephar.data.others import WithOther
from deephar.data.pose_files import PoseTrack, read_poses
from deephar.data.predicted import PredictedPoses
from deephar.data.samples import Dataset, InMemory, Sample, Subset, Video, hold_out
from deephar.data.sequences import SequenceAugmentation, pose_clip
from deephar.data.sets.coco import CocoKeypoints
from deephar.data.sets.folder import LabelledVideo, VideoFolder
from deephar.data.sets.human36m import Human36M
from deephar.data.sets.lsp import LSP
from deephar.data.sets.mpii import MPII
from deephar.data.sets.ntu import NTU
from deephar.data.sets.penn import PennAction
from deephar.data.synthetic.export import write_h36m, write_mpii, write_ntu, write_penn
from deephar.data.synthetic.penn import DrawnPenn
from deephar.data.synthetic.videos import Synthetic
from deephar.data.targets import pose_target, unit_depth

__all__ = [
    "LSP",
    "MPII",
    "NTU",
    "Augmentation",
    "Batches",
    "Clip",
    "ClipBatches",
    "ClipCrop",
    "CocoKeypoints",
    "Crop",
    "Dataset",
    "DrawnPenn",
    "Frames",
    "Human36M",
    "InMemory",
    "InputSpec",
    "LabelledVideo",
    "PennAction",
    "PoseTrack",
    "PredictedPoses",
    "Sample",
    "SequenceAugmentation",
    "SequenceBatches",
    "Subset",
    "Synthetic",
    "Video",
    "VideoFolder",
    "WithOther",
    "clip_indices",
    "clip_of",
    "clip_starts",
    "crop_batch",
    "crop_clip",
    "crop_image",
    "crop_sample",
    "hold_out",
    "load_image",
    "normalize",
    "pose_clip",
    "pose_sequence",
    "pose_target",
    "read_poses",
    "unit_depth",
    "write_h36m",
    "write_mpii",
    "write_ntu",
    "write_penn",
]


def __getattr__(name):
    # Batches need Keras, which takes seconds to import; reading a data set does not.
    if name in ("Batches", "ClipBatches", "SequenceBatches"):
        from deephar.data import batches

        return getattr(batches, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
