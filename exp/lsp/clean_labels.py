"""Mends the labels of LSP-extended, which are inaccurate, by another network's joints.

    python exp/lsp/clean_labels.py --data datasets/LSPET --teacher teacher.npz --own runs/own.h5 \
        --out datasets/LSPET-clean

The joints of a network of ours, `--own`, are written by

    python exp/lsp/eval_lsp.py --data datasets/LSPET --split extended --weights vgg16-medium \
        --runtime openvino --precision int8 --save-predictions runs/own.h5

The teacher's file has an array `joints` (10000, 17, 3): x and y in pixels, and a score, of each
image's person, in COCO's order of joints. The rules are those of `deephar.data.cleaning`. The
output folder has a new `joints.mat`, and a link to the images.
"""

import sys
from pathlib import Path

import deephar.cli  # noqa: F401  from here on, Ctrl-C is one line

# isort: split
import h5py
import numpy as np
from scipy.io import savemat

from deephar.cli.options import script_parser
from deephar.data import LSP
from deephar.data.cleaning import clean_labels
from deephar.errors import reporting_errors
from deephar.files import replacing
from deephar.skeletons import convert


@reporting_errors
def main(argv=None):
    """Mends, prints the counts, and writes."""
    args = _parse(argv)
    dataset = LSP(args.data, "extended")
    labels = np.stack([dataset[index].joints for index in range(len(dataset))])
    teacher = convert(_read_teacher(args.teacher, len(labels)), "coco17", dataset.skeleton)
    cleaned = clean_labels(
        labels,
        teacher[..., :2],
        np.nan_to_num(teacher[..., 2]),
        _read_own(args.own, len(labels)),
        dataset.skeleton,
    )
    known = np.isfinite(cleaned.joints).all(axis=-1)
    values = np.concatenate([np.nan_to_num(cleaned.joints), known[..., None]], axis=-1)
    out = Path(args.out)
    with replacing(out / "joints.mat") as part:
        savemat(part, {"joints": values.transpose(1, 2, 0)})
    if not (out / "images").exists():
        (out / "images").symlink_to((dataset.root / "images").resolve(), target_is_directory=True)
    print(f"{np.isfinite(labels[..., 0]).sum()} labels of {len(labels)} persons")
    for rule in ("corrected", "swapped", "filled", "left_out"):
        print(f"{rule.replace('_', ' ')}: {getattr(cleaned, rule).sum()}")
    print(f"wrote {out / 'joints.mat'} with {known.sum()} labels")


def _read_teacher(path, count):
    try:
        with np.load(path, allow_pickle=False) as arrays:
            joints = arrays["joints"].astype(float)
    except (KeyError, ValueError) as error:
        raise ValueError(f"{path} holds no array 'joints' ({error}). Give an .npz file.") from error
    if joints.shape != (count, 17, 3):
        raise ValueError(
            f"{path}: joints must have the shape {(count, 17, 3)}, got {joints.shape}."
        )
    return joints


def _read_own(path, count):
    if not h5py.is_hdf5(path):
        raise ValueError(f"{path} is not HDF5. Write it with eval_lsp.py --save-predictions.")
    with h5py.File(path, "r") as file:
        joints = file["preds"][()] if "preds" in file else np.empty(0)
    if joints.shape != (count, 14, 2):
        raise ValueError(
            f"{path} must hold 'preds' of shape {(count, 14, 2)}, got {joints.shape}. Write it "
            "with eval_lsp.py --split extended --save-predictions."
        )
    return joints


def _parse(argv):
    parser = script_parser(__doc__)
    parser.add_argument("--data", required=True, metavar="FOLDER", help="folder of LSP-extended")
    parser.add_argument("--teacher", required=True, metavar="FILE", help="the teacher's joints")
    parser.add_argument("--own", required=True, metavar="FILE", help="joints of a network of ours")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="folder to write")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
