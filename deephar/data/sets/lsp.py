"""Leeds Sports Pose (LSP) and its extended training set: sports people, 14 joints.

S. Johnson, M. Everingham, "Clustered Pose and Nonlinear Appearance Models for Human Pose
Estimation", BMVC 2010, and "Learning Effective Human Pose Estimation from Inaccurate Annotation",
CVPR 2011.
"""

from pathlib import Path

import numpy as np

from deephar.data.samples import Sample
from deephar.data.sets.matfile import load_mat
from deephar.errors import collecting
from deephar.geometry import box_around, square_window
from deephar.skeletons import get_skeleton

SPLITS = ("train", "test", "extended")
NUM_TRAIN = 1000
NUM_JOINTS = get_skeleton("lsp14").num_joints

_REMEDY = "See datasets/LSP/README.md of the project for the source and the layout of the data."


class LSP:
    """The persons of one split of LSP as `Sample` objects with 14 joints (``"lsp14"``).

    Images are in ``root/images``, joints in ``root/joints.mat``. LSP and LSP-extended are two
    folders. They differ in the meaning of the third value of a joint: in LSP it says that the
    joint is occluded (it is labelled nevertheless), in LSP-extended that it is labelled.

    The crop window is the square around the labelled joints, 1.25 times their longer extent.
    Coordinates are taken to count from 0, as published. There are no head boxes: `head_size` is
    NaN.

    Args:
        root: folder with ``images`` and ``joints.mat``.
        split: ``"train"`` (the first 1000 images of LSP), ``"test"`` (the others) or
            ``"extended"`` (all images of LSP-extended; `root` is that folder).
        problems: list that takes what is wrong with single persons, who are then left out; None
            raises the first error.

    Attributes:
        root: the folder.
        split: the split.
        name: ``"lsp"``, or ``"lspet"`` for LSP-extended.
        source: annotation file that was read, and its form.

    Raises:
        FileNotFoundError: The folder, its images or the joints (of this split) are missing.
        ValueError: Unknown split, joints of another format, of the other data set, or of a person
            with less than two labelled joints.
    """

    skeleton = "lsp14"

    def __init__(
        self, root: str | Path, split: str = "train", *, problems: list[str] | None = None
    ):
        if split not in SPLITS:
            raise ValueError(f"LSP has the splits {', '.join(SPLITS)}, not {split!r}.")
        self.root = Path(root)
        self.split = split
        self.name = "lspet" if split == "extended" else "lsp"
        self.source = f"joints.mat ({'LSP-extended' if split == 'extended' else 'LSP'} form)"
        for folder in (self.root, self.root / "images"):
            if not folder.is_dir():
                raise FileNotFoundError(
                    f"{folder} is not a folder; LSP expects the images in {self.root / 'images'}. "
                    f"{_REMEDY}"
                )
        path = self.root / "joints.mat"
        self._joints, self._visible = _read_joints(path, split)
        total = len(self._joints)
        # Positions in the folder of the samples of this split, from 0; images are named from 1.
        first = NUM_TRAIN if split == "test" else 0
        self._rows = np.arange(total)[first : NUM_TRAIN if split == "train" else None]
        if not len(self):
            raise FileNotFoundError(
                f"{path} describes {total} images; the test split begins after {NUM_TRAIN}. "
                f"{_REMEDY}"
            )
        self._rows = _labelled(path, self._joints, self._rows, problems)

    def __len__(self):
        return len(self._rows)

    def __getitem__(self, index):
        if not -len(self) <= index < len(self):
            raise IndexError(f"{self!r} has no person {index}.")
        row = self._rows[index]
        digits = 5 if self.split == "extended" else 4
        name = f"im{row + 1:0{digits}d}.jpg"
        joints = self._joints[row].copy()
        center, side = square_window(box_around(joints), margin=1.25)
        return Sample(
            image=str(self.root / "images" / name),
            joints=joints,
            visible=self._visible[row].copy(),
            skeleton=self.skeleton,
            center=center,
            side=side,
            head_size=float("nan"),
            name=name,
        )

    def __repr__(self):
        return (
            f"LSP({str(self.root)!r}, split={self.split!r}): {len(self)} persons from {self.source}"
        )


def _read_joints(path, split):
    """Joints (N, 14, 2) and visibility (N, 14) of all images of a folder."""
    values = np.asarray(load_mat(path, ("joints",), _REMEDY)["joints"])
    if values.ndim == 2:  # a single image
        values = values[..., None]
    forms = {(3, NUM_JOINTS): "LSP", (NUM_JOINTS, 3): "LSP-extended"}
    if values.ndim != 3 or values.shape[:2] not in forms or values.dtype.kind not in "fiu":
        raise ValueError(
            f"{path}: The joints must be numbers, 3 x 14 x images (LSP) or 14 x 3 x images "
            f"(LSP-extended), got {values.dtype} {values.shape}. {_REMEDY}"
        )
    form = forms[values.shape[:2]]
    if (form == "LSP-extended") != (split == "extended"):
        wanted = "split='extended'" if form == "LSP-extended" else "split='train' or 'test'"
        raise ValueError(
            f"{path} is that of {form} (shape {values.shape}), which has no split {split!r}. Use "
            f"{wanted}, or the folder of the other data set."
        )
    values = values.astype(float).transpose((2, 1, 0) if form == "LSP" else (2, 0, 1))
    joints, flag = values[..., :2], values[..., 2]
    if form == "LSP":
        return joints, 1 - flag
    joints = np.where(flag[..., None] > 0, joints, np.nan)
    return joints, np.full(flag.shape, np.nan)


def _labelled(path, joints, rows, problems):
    """The rows of images that have two labelled joints at different places."""
    known = np.isfinite(joints)
    low = np.where(known, joints, np.inf).min(axis=1)
    high = np.where(known, joints, -np.inf).max(axis=1)
    good = (high - low).max(axis=-1) > 0
    for row in rows[~good[rows]]:
        with collecting(problems):
            raise ValueError(
                f"{path}: Image {row + 1} has {known[row].all(axis=-1).sum()} labelled joints, or "
                f"all in one place. At least 2 are needed to find the person. {_REMEDY}"
            )
    return rows[good[rows]]
