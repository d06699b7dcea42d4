"""Predictions as files that public evaluation programs read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from deephar.data.pose_tables import pose_rows, require_parquet, write_coco, write_table
from deephar.data.samples import Sample
from deephar.data.targets import depth_mm
from deephar.evaluation.keypoints import coco_results
from deephar.evaluation.pose import joints_in_skeleton
from deephar.files import replacing, writing_h5
from deephar.inference.poses import Predictions
from deephar.skeletons import convert, get_skeleton

_SUFFIXES = (".h5", ".mat", ".json", ".csv", ".parquet")

# Coordinate of the centre of the top left pixel in the published annotation of a data set.
# Predictions follow the annotation, so that an evaluation program can compare the two directly.
_PIXEL_ORIGIN = {"mpii16": 1, "lsp14": 0, "penn13": 1}


def save_predictions(path: str | Path, predictions: Predictions, dataset: Sequence[Sample]) -> Path:
    """Writes the last block's predictions in the form that public evaluation programs read.

    One row per person, in the order of the data set (of its annotation file):

    - ``preds`` (N, J, 2), float64: x and y in pixels of the original image, joints in the order of
      the data set (MPII: 16, LSP: 14), in the convention of its published annotation: for MPII the
      top left pixel is (1, 1), for LSP (0, 0). MATLAB shows an HDF5 array of this shape as
      2 x J x N.
    - ``pred``, for LSP only: the same, 2 x J x N in MATLAB.
    - ``visibility`` (N, J): what the network gives, in [0, 1].
    - ``depth`` (N, J), of a 3D network only: mm behind the root.
    - ``imgname`` (N): file names of the images; ``names`` (N): of the persons.
    - attributes of the file: ``dataset``, ``skeleton``, ``joints``, ``pixel_origin``.

    ``preds`` in this shape and convention is what pose-hg-demo (A. Newell) writes and what
    eval-mpii-pose (A. Nibali) reads, as ``.h5``. pytorch-pose (W. Yang) and the code of HRNet and
    simple-baselines (B. Xiao) read the same key from a MATLAB file: give a path that ends in
    ``.mat``. HRNet's table agrees with ours, except that its ``Head`` is the head top alone, while
    ours pools it with the upper neck, and that its ``Mean@0.1`` is at a threshold of 0.11.
    eval_pose (W. Yang), for LSP, reads ``pred`` from a MATLAB file. They all go by row: they need
    every person of the split, in the order of their own copy of the annotation.

    Other suffixes are for other programs: ``.json`` for COCO's results, and ``.csv`` or
    ``.parquet`` for a table, see `deephar.data.pose_tables`. These count pixels from 0.

    Args:
        path: file to write: ``.h5``, ``.mat``, ``.json``, ``.csv`` or ``.parquet``.
        predictions: `Predictions`.
        dataset: the data set they were made for.

    Returns:
        The path.

    Raises:
        ValueError: Another suffix, or a skeleton that lacks joints of the data set.
        OSError: The file cannot be written.
    """
    _check_suffix(path)
    if Path(path).suffix == ".json":
        return write_coco(path, coco_results(predictions, dataset))
    if Path(path).suffix in (".csv", ".parquet"):
        return write_table(path, _rows(predictions, dataset))
    skeleton = get_skeleton(dataset.skeleton)
    origin = _PIXEL_ORIGIN.get(skeleton.name, 0)

    def in_skeleton(values):
        return convert(values[-1, ..., None], predictions.skeleton, skeleton)[..., 0]

    arrays = {
        "preds": joints_in_skeleton(predictions, skeleton)[-1] + origin,
        "visibility": in_skeleton(predictions.visibility),
        "imgname": [_image_name(dataset[i]) for i in range(len(dataset))],
        "names": list(predictions.names),
    }
    if predictions.depth is not None:
        arrays["depth"] = depth_mm(in_skeleton(predictions.depth))
    if skeleton.name == "lsp14":
        arrays["pred"] = arrays["preds"]
    attributes = {
        "dataset": dataset.name,
        "skeleton": skeleton.name,
        "joints": list(skeleton.joints),
        "pixel_origin": origin,
    }
    if Path(path).suffix == ".mat":
        _write_mat(path, arrays | attributes)
    else:
        with writing_h5(path) as file:
            for key, array in arrays.items():
                file[key] = array
            file.attrs.update(attributes)
    return Path(path)


def check_predictions_path(path: str | Path) -> None:
    """Checks, before predictions are made, that they can be saved at a path.

    Raises:
        ValueError: Another suffix than those of `save_predictions`, or an HDF5 file of something
            else, such as weights; or Parquet is wanted, and pyarrow is not installed.
    """
    _check_suffix(path)
    if Path(path).suffix == ".parquet":
        require_parquet()
    if Path(path).suffix == ".h5" and Path(path).is_file() and not _holds_predictions(path):
        raise ValueError(f"{path}: The file exists and holds no predictions. Give another path.")


def _check_suffix(path):
    if Path(path).suffix not in _SUFFIXES:
        raise ValueError(
            f"{path}: Predictions are saved as {', '.join(_SUFFIXES)}. Give such a path."
        )


def _rows(predictions, dataset):
    """The rows of `deephar.data.pose_tables`, of all persons."""
    joints = get_skeleton(dataset.skeleton).joints
    for index, result in enumerate(coco_results(predictions, dataset)):
        where = _image_name(dataset[index]), 0, 0.0, predictions.names[index]
        yield from pose_rows(where, joints, np.reshape(result["keypoints"], (-1, 3)))


def _holds_predictions(path):
    if not h5py.is_hdf5(path):
        return False
    with h5py.File(path, "r") as file:
        return "preds" in file


def _image_name(sample):
    return sample.name if isinstance(sample.image, np.ndarray) else Path(sample.image).name


def _write_mat(path, arrays):
    from scipy.io import savemat  # late: slow to import, seldom needed

    # MATLAB's form of a list of texts is a cell array, which SciPy makes of an array of objects.
    arrays |= {key: np.array(v, object) for key, v in arrays.items() if isinstance(v, list)}
    if "pred" in arrays:
        arrays["pred"] = arrays["pred"].T
    with replacing(path) as part:
        savemat(part, arrays)
