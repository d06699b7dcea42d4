"""MPII Human Pose: frames of YouTube videos, 16 joints.

M. Andriluka, L. Pishchulin, P. Gehler, B. Schiele, "2D Human Pose Estimation: New Benchmark and
State of the Art Analysis", CVPR 2014.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from deephar.data.samples import Sample, numbered
from deephar.data.sets.matfile import load_mat, number, structures
from deephar.errors import collecting
from deephar.files import read_text
from deephar.skeletons import get_skeleton

SPLITS = ("train", "valid", "test")
NUM_JOINTS = get_skeleton("mpii16").num_joints

_OFFICIAL = "mpii_human_pose_v1_u12_1.mat"
_REMEDY = (
    "See datasets/MPII/README.md of the project for the source and the layout of the annotation."
)


class MPII:
    """The persons of one split of MPII as `Sample` objects with 16 joints (``"mpii16"``).

    The images are in ``root/images``. The annotation is the first of these that exists:

    1. ``annot/train.json``, ``annot/valid.json``: the form of the HRNet code.
    2. ``annotations.mat``: the form of the authors of the network (``annot_tr``, ``annot_val``).
    3. ``mpii_human_pose_v1_u12_1.mat`` (also inside ``mpii_human_pose_v1_u12_2/``), the official
       file: ``train`` are all persons of its training images with a labelled joint, a position
       and a scale, ``test`` those of its test images (without joints). It has no validation
       split; persons of the images of ``annot/valid.json``, if that exists, are left out of
       ``train``.

    All forms count pixels from 1; here they count from 0. The crop window follows the official
    protocol: with s = 1.25 x scale, a square of side 200 s whose centre is 12 s below the
    annotated position. The head size is 0.6 x the diagonal of the head box; where there is no head
    box, it is 25 x scale, since MPII derives the scale from the head box in this way.

    Args:
        root: folder with ``images`` and the annotation.
        split: ``"train"``, ``"valid"`` (J. Tompson et al., CVPR 2015) or ``"test"``.
        problems: list that takes what is wrong with single persons, who are then left out; None
            raises the first error.

    Attributes:
        root: the folder.
        split: the split.
        source: annotation file that was read, and its form.

    Raises:
        FileNotFoundError: The folder, its images or the annotation of this split are missing.
        ValueError: Unknown split, an annotation of another format, a person with the wrong number
            of joints or with a scale that is not positive.
    """

    name = "mpii"
    skeleton = "mpii16"

    def __init__(
        self, root: str | Path, split: str = "train", *, problems: list[str] | None = None
    ):
        if split not in SPLITS:
            raise ValueError(f"MPII has the splits {', '.join(SPLITS)}, not {split!r}.")
        self.root = Path(root)
        self.split = split
        for folder in (self.root, self.root / "images"):
            if not folder.is_dir():
                raise FileNotFoundError(
                    f"{folder} is not a folder; MPII expects the images in {self.root / 'images'}. "
                    f"{_REMEDY}"
                )
        path, read, form = _find_annotation(self.root, split)
        self.source = f"{path.relative_to(self.root).as_posix()} ({form})"
        self._persons = read(path, split, problems)
        if self._persons.derived_head_sizes:
            self.source += f", {self._persons.derived_head_sizes} head sizes derived from the scale"
        self._names = numbered(self._persons.images)

    def __len__(self):
        return len(self._names)

    def __getitem__(self, index):
        if not -len(self) <= index < len(self):
            raise IndexError(f"{self!r} has no person {index}.")
        persons = self._persons
        scale = 1.25 * persons.scale[index]
        return Sample(
            image=str(self.root / "images" / persons.images[index]),
            joints=persons.joints[index].copy(),
            visible=persons.visible[index].copy(),
            skeleton=self.skeleton,
            center=persons.position[index] + (0, 12 * scale),
            side=float(200 * scale),
            head_size=float(persons.head_size[index]),
            name=self._names[index],
        )

    def names(self) -> list[str]:
        """Names of all persons, in order."""
        return list(self._names)

    def __repr__(self):
        what = f"{len(self)} persons from {self.source}"
        return f"MPII({str(self.root)!r}, split={self.split!r}): {what}"


@dataclass(frozen=True, eq=False)
class _Persons:
    """Persons as arrays, one entry each, which is much faster than building a sample for each.

    Made by `_persons`.
    """

    images: list[str]
    joints: np.ndarray  # (N, 16, 2), from 0, NaN where unlabelled
    visible: np.ndarray  # (N, 16)
    position: np.ndarray  # (N, 2), from 0
    scale: np.ndarray  # (N,), size of the person / 200 pixels
    head_size: np.ndarray  # (N,), NaN where unknown; then derived from the scale
    derived_head_sizes: int = field(init=False)

    def __post_init__(self):
        unknown = np.isnan(self.head_size)
        self.head_size[unknown] = 25 * self.scale[unknown]
        object.__setattr__(self, "derived_head_sizes", int(unknown.sum()))


def _persons(path, problems, images, **arrays):
    """`_Persons`, without those that have no positive scale or no position.

    Raises:
        FileNotFoundError: None is left.
        ValueError: One is such a person, and `problems` is None.
    """
    scale, position = arrays["scale"], arrays["position"]
    good = np.isfinite(scale) & (scale > 0) & np.isfinite(position).all(axis=1)
    for i in np.flatnonzero(~good):
        with collecting(problems):
            raise ValueError(
                f"{path}: person {i} (image {images[i]}) has the scale {scale[i]} and the position "
                f"{position[i]}; expected a positive number and two finite ones. Correct or remove "
                "the entry."
            )
    if not good.any():
        raise _no_person(path)
    images = [image for image, usable in zip(images, good, strict=True) if usable]
    return _Persons(images=images, **{name: array[good] for name, array in arrays.items()})


def _find_annotation(root, split):
    """Path of the annotation of a split, the function that reads it, and the name of its form."""
    official = [root / _OFFICIAL, root / "mpii_human_pose_v1_u12_2" / _OFFICIAL]
    candidates = [
        (root / "annot" / f"{split}.json", _read_json, "HRNet form"),
        (root / "annotations.mat", _read_authors, "form of the network's authors"),
        *((path, _read_official, "official form") for path in official),
    ]
    if split == "test":  # the other forms have none
        candidates = candidates[2:]
    found = [candidate for candidate in candidates if candidate[0].is_file()]
    if not found:
        expected = ", ".join(str(path.relative_to(root)) for path, _, _ in candidates[:3])
        raise FileNotFoundError(
            f"{root} holds no annotation of the MPII split {split!r}; expected {expected}. "
            f"{_REMEDY}"
        )
    path, read, form = found[0]
    if read is _read_official and split == "valid":
        raise FileNotFoundError(
            f"{path} has no validation split. Put valid.json of the HRNet code in {root / 'annot'} "
            "(see datasets/MPII/README.md of the project), or hold out persons: "
            f"hold_out(MPII({str(root)!r}))."
        )
    return path, read, form


_FIELDS = {
    "joints": (NUM_JOINTS, 2),
    "joints_vis": (NUM_JOINTS,),
    "center": (2,),
    "scale": (),
    "occluded": (NUM_JOINTS,),
}
"""Shapes of the numbers of a person in the form of the HRNet code; all but the last are needed."""

_KEYS = {"image", *_FIELDS} - {"occluded"}


def _read_json(path, split, problems):
    """The form of the HRNet code: a list of a dict for each person."""
    records = _json_records(path, problems)
    joints = _stack(path, records, "joints")
    labelled = _stack(path, records, "joints_vis") > 0
    # (-1, -1) says "not annotated". One negative coordinate alone does not: a few heads reach a
    # little out of the picture, and the protocol counts them.
    labelled &= ~(joints == -1).all(axis=-1)
    visible = np.full(labelled.shape, np.nan)
    for i, record in enumerate(records):
        if "occluded" in record:
            visible[i] = 1 - _numbers(path, records, i, "occluded")
    return _persons(
        path,
        problems,
        [record["image"] for record in records],
        joints=np.where(labelled[..., None], joints - 1, np.nan),
        visible=np.where(labelled, visible, np.nan),
        position=_stack(path, records, "center") - 1,
        scale=_stack(path, records, "scale"),
        head_size=np.array([number(record.get("headsize")) for record in records]),
    )


def _json_records(path, problems=None):
    try:
        records = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not valid JSON ({error}). {_REMEDY}") from error
    dicts = isinstance(records, list) and sum(isinstance(record, dict) for record in records)
    if dicts is False or (records and not dicts):
        raise ValueError(
            f"{path} must hold a list with a dict for each person (keys "
            f"{', '.join(sorted(_KEYS))}), but holds a {type(records).__name__} of another form. "
            f"{_REMEDY}"
        )
    if not records:
        raise ValueError(f"{path} holds no person. {_REMEDY}")
    good = []
    for i, record in enumerate(records):
        with collecting(problems):
            _check_record(path, i, record)
            if problems is not None:  # `_stack` would stop at the first of these
                for key in filter(record.__contains__, _FIELDS):
                    _numbers(path, records, i, key)
            good.append(record)
    if not good:
        raise _no_person(path)
    return good


def _no_person(path):
    return FileNotFoundError(f"{path} holds no person who can be used. {_REMEDY}")


def _check_record(path, i, record):
    if not isinstance(record, dict):
        raise ValueError(
            f"{path}: person {i} is {str(record)[:40]!r}, expected a dict. Correct or remove it."
        )
    if _KEYS - record.keys():
        raise ValueError(
            f"{path}: person {i} lacks {', '.join(sorted(_KEYS - record.keys()))}; it has "
            f"{', '.join(sorted(record))}. {_REMEDY}"
        )
    if record.get("headsize") is not None and not number(record["headsize"]) > 0:
        raise ValueError(
            f"{path}: person {i} (image {record['image']}) has the headsize "
            f"{record['headsize']!r}, expected a positive number. Correct it or leave it out."
        )
    if not isinstance(record["image"], str) or not record["image"]:
        raise ValueError(f"{path}: person {i} has the image {record['image']!r}, no file name.")


def _stack(path, records, key):
    """One field of all persons as a float array (N, *shape)."""
    try:
        values = np.array([record[key] for record in records], float)
    except (TypeError, ValueError):
        values = None
    if values is None or values.shape != (len(records), *_FIELDS[key]):
        # Rare, so only now look for the person to blame.
        values = np.stack([_numbers(path, records, i, key) for i in range(len(records))])
    return values


def _numbers(path, records, index, key):
    """One field of one person as a float array."""
    record, shape = records[index], _FIELDS[key]
    try:
        values = np.array(record[key], float)
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.shape != shape:
        wanted = " x ".join(map(str, shape)) or "one"
        size = len(record[key]) if isinstance(record[key], list) else "no"
        raise ValueError(
            f"{path}: person {index} (image {record['image']}) has {size} entries in {key!r}, "
            f"expected {wanted} numbers. Correct or remove the entry."
        )
    return values


def _read_authors(path, split, problems):
    """The form of the network's authors: for each split, a cell array of three rows.

    A column an image: the numbers (from 1) of the persons to use, the file name, and the persons,
    each a structure with ``head`` (x1, y1, x2, y2), ``objpos``, ``scale`` and ``pose`` (2 x 16).
    Positions are taken to count from 1, as in the official file that they were taken from.
    """
    variable = {"train": "annot_tr", "valid": "annot_val"}[split]
    cells = load_mat(path, (variable,), _REMEDY)[variable]
    cells = cells.reshape(3, -1) if isinstance(cells, np.ndarray) and cells.size % 3 == 0 else None
    if cells is None or not all(isinstance(image, str) for image in cells[1]):
        raise ValueError(
            f"{path}: {variable} must be a cell array of three rows (numbers of the persons, file "
            f"names, persons). {_REMEDY}"
        )
    rows = []
    for numbers, image, persons in cells.T:
        persons = structures(persons)
        for which in np.atleast_1d(numbers).ravel().astype(int):
            where = f"{path}: person {which} of image {image}"
            with collecting(problems):
                if not 1 <= which <= len(persons):
                    raise ValueError(
                        f"{where} does not exist, the image has {len(persons)} persons."
                    )
                rows.append((image, *_authors_person(persons[which - 1], where)))
    return _from_rows(path, rows, problems)


def _authors_person(person, where):
    fields = ("head", "objpos", "scale", "pose")
    missing = [field for field in fields if not hasattr(person, field)]
    if missing:
        raise ValueError(f"{where} has no field {missing[0]!r}. {_REMEDY}")
    head, position, scale, pose = (np.asarray(getattr(person, field), float) for field in fields)
    if pose.shape == (2, NUM_JOINTS):
        pose = pose.T
    if pose.shape != (NUM_JOINTS, 2) or head.shape != (4,) or position.shape != (2,):
        raise ValueError(
            f"{where} has pose {pose.shape}, head {head.shape}, objpos {position.shape}; expected "
            f"(2, {NUM_JOINTS}), (4,) and (2,). Correct or remove the entry."
        )
    visible = np.full(NUM_JOINTS, np.nan)
    return pose - 1, visible, position - 1, number(scale), _head_size(head)


def _read_official(path, split, problems):
    """The official form: the structure RELEASE."""
    release = load_mat(path, ("RELEASE",), _REMEDY)["RELEASE"]
    if not (hasattr(release, "annolist") and hasattr(release, "img_train")):
        raise ValueError(f"{path}: RELEASE lacks the fields annolist and img_train. {_REMEDY}")
    images = structures(release.annolist)
    in_training = np.atleast_1d(release.img_train).ravel()
    if len(images) != len(in_training):
        raise ValueError(
            f"{path}: {len(images)} images in annolist, but {len(in_training)} in img_train. "
            f"{_REMEDY}"
        )
    validation = path.parent / "annot" / "valid.json"
    left_out = {r["image"] for r in _json_records(validation)} if validation.is_file() else set()
    rows = []
    for place, (entry, training) in enumerate(zip(images, in_training, strict=True), start=1):
        image = getattr(getattr(entry, "image", None), "name", None)
        with collecting(problems):
            if not isinstance(image, str):
                raise ValueError(f"{path}: image {place} of annolist has no name. {_REMEDY}")
        if not isinstance(image, str) or bool(training) != (split == "train") or image in left_out:
            continue
        for i, person in enumerate(structures(getattr(entry, "annorect", None)), start=1):
            row = None
            with collecting(problems):
                row = _official_person(person, f"{path}: person {i} of image {image}")
            # Bystanders are listed without a position and scale, or without joints.
            if row is not None and (split == "test" or np.isfinite(row[0]).any()):
                rows.append((image, *row))
    return _from_rows(path, rows, problems)


def _official_person(person, where):
    """Joints, visibility, position, scale and head size of a person, or None without a position."""
    position = getattr(person, "objpos", None)
    position = np.array([number(getattr(position, axis, None)) for axis in "xy"])
    scale = number(getattr(person, "scale", None))
    if np.isnan(position).any() or np.isnan(scale):
        return None
    joints = np.full((NUM_JOINTS, 2), np.nan)
    visible = np.full(NUM_JOINTS, np.nan)
    points = getattr(getattr(person, "annopoints", None), "point", None)
    for point in structures(points):
        joint = number(getattr(point, "id", None))
        if joint not in range(NUM_JOINTS):
            raise ValueError(
                f"{where} has a joint with the id {joint}, expected 0 to {NUM_JOINTS - 1}."
            )
        joints[int(joint)] = number(point.x) - 1, number(point.y) - 1
        visible[int(joint)] = number(getattr(point, "is_visible", None))
    head = np.array([number(getattr(person, key, None)) for key in ("x1", "y1", "x2", "y2")])
    return joints, visible, position - 1, scale, _head_size(head)


def _head_size(box):
    """Length that PCKh divides by: 0.6 x the diagonal of the head box (MPII's own evaluation)."""
    return 0.6 * float(np.hypot(box[2] - box[0], box[3] - box[1]))


def _from_rows(path, rows, problems):
    if not rows:
        raise (
            _no_person(path)
            if problems
            else ValueError(f"{path} holds no person of this split. {_REMEDY}")
        )
    images, joints, visible, position, scale, head_size = zip(*rows, strict=True)
    return _persons(
        path,
        problems,
        images,
        joints=np.stack(joints),
        visible=np.stack(visible),
        position=np.stack(position),
        scale=np.array(scale),
        head_size=np.array(head_size),
    )
