"""Keypoints in the form of COCO, as CVAT, Label Studio, Roboflow and COCO itself write them.

T.-Y. Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014. The form is described at
https://cocodataset.org/#format-data.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deephar.data.samples import Sample, numbered
from deephar.errors import collecting
from deephar.files import read_text
from deephar.geometry import box_around, square_window
from deephar.skeletons import get_skeleton, reference, skeleton_of

SPLITS = ("train", "valid", "test", "all")
"""Splits that `CocoKeypoints.find` knows; ``"all"`` is a folder with a single annotation file."""

# What the tools call a split, in names of files and folders.
_STEMS = {
    "train": ("train2017", "train2014", "train", "Train"),
    "valid": ("val2017", "val2014", "val", "valid", "validation", "Validation"),
    "test": ("test2017", "test", "Test"),
    "all": ("default",),
}
_WHOLE = ("_annotations.coco.json", "result.json", "annotations.json")
_PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
_README = "See datasets/COCO/README.md of the project for the layouts."

# COCO's spread of each joint (k_i / 2 of its evaluation); head and neck are CrowdPose's.
_SIGMAS = {
    **{"nose": 0.026, "eye": 0.025, "ear": 0.035, "shoulder": 0.079, "elbow": 0.072},
    **{"wrist": 0.062, "hip": 0.107, "knee": 0.087, "ankle": 0.089, "head": 0.079, "neck": 0.079},
}
_OTHER_SIGMA = 0.1

# Where an annotation has no area, that of a person in the box, as in CrowdPose's evaluation.
_PART_OF_BOX = 0.53


class CocoKeypoints:
    """The labelled persons (or animals, or things) of a COCO keypoint file as `Sample` objects.

    The skeleton is made of the category's ``keypoints`` and ``skeleton``, see
    `deephar.skeletons.skeleton_of`; it travels inside the weights of a network that is trained on
    it. As COCO says, crowd regions and persons without any labelled joint are neither learned nor
    scored; `left_out` has them, since predictions that lie on them are no errors. A joint with
    visibility 0 is unlabelled, with 1 it is hidden. The crop is 1.25 times the longer side of
    ``bbox``; where that is missing, of the box around the labelled joints.

    Args:
        images: folder of the pictures.
        annotations: the annotation, a JSON file.
        category: name of the category; needed if several have keypoints.
        flip_pairs: pairs of keypoints that a mirror image swaps, none if empty; None if their names
            tell left and right.
        split: what the persons are called in results.
        problems: list that takes what is wrong with single annotations, which are then left out;
            None raises the first error.

    Attributes:
        skeleton: name of the built-in skeleton with these joints, or a `Skeleton`.
        source: the annotation file, and what was left out.
        category: the category, as in the file.
        sigmas: float (J,), the spread of each joint for OKS: the category's ``sigmas``, else COCO's
            for joints of the same name and 0.1 for others.
        left_out: annotations of crowd regions and unlabelled persons, with ``area`` and ``bbox``.
        notes: what is unusual, but no error.

    Raises:
        FileNotFoundError: The folder, the file or a picture is missing, or nobody is labelled.
        ValueError: The file is not a COCO keypoint file; an annotation has another number of
            keypoints, a box of zero area or an unknown image; or the names of the keypoints are not
            different, or do not tell which of them a mirror image swaps.
    """

    name = "coco"

    def __init__(
        self,
        images: str | Path,
        annotations: str | Path,
        *,
        category: str | None = None,
        flip_pairs: Iterable[tuple[str, str]] | None = None,
        split: str = "all",
        problems: list[str] | None = None,
    ):
        self.root, self.path, self.split = Path(images), Path(annotations), split
        if not self.root.is_dir():
            raise FileNotFoundError(f"{images} is not a folder. Give the folder of the pictures.")
        content = _read(self.path)
        self.category = _category(self.path, content["categories"], category)
        self.notes = []
        self._set_skeleton(flip_pairs)
        pictures = self._find_pictures(content["images"], problems)
        self._annotations, self.left_out = self._split_up(content["annotations"], problems)
        used = {annotation["image_id"] for annotation in self._annotations}
        self._require_pictures(pictures, used, problems)
        self._annotations = [a for a in self._annotations if pictures[a["image_id"]][1]]
        crowds = sum(bool(a.get("iscrowd")) for a in self.left_out)
        left_out = (
            f"{crowds} crowd regions and {len(self.left_out) - crowds} without labelled joints"
        )
        if not self._annotations:
            raise FileNotFoundError(
                f"{self.path} holds no labelled person of the category {self.category['name']!r} "
                f"({left_out}). Label keypoints, or give another file."
            )
        self._pictures = pictures
        self._names = numbered([pictures[a["image_id"]][0] for a in self._annotations])
        self.source = self.path.name + (f", {left_out} left out" if self.left_out else "")

    @classmethod
    def find(cls, path: str | Path, split: str = "all", **options: Any) -> CocoKeypoints:
        """The data set in a folder as a tool exports it, or of an annotation file.

        Args:
            path: the folder, see datasets/COCO/README.md; or the annotation, a JSON file.
            split: one of `SPLITS`; of a file, only what the persons are called.
            **options: `category`, `flip_pairs` and `problems`.

        Raises:
            FileNotFoundError, ValueError: As the class; or the split is unknown, or not there.
        """
        path = Path(path)
        if split not in SPLITS:
            raise ValueError(f"COCO has the splits {', '.join(SPLITS)}, not {split!r}.")
        if path.suffix.lower() == ".json":
            annotations = path
            root = path.parent.parent if path.parent.name == "annotations" else path.parent
            stems = [path.stem.removeprefix("person_keypoints_")]
        elif path.is_dir():
            annotations, root, stems = _annotations_in(path, split), path, _STEMS[split]
        else:
            raise FileNotFoundError(f"{path} is neither a folder nor a JSON file. {_README}")
        images = _images_of(root, annotations, stems)
        return cls(images, annotations, split=split, **options)

    def __len__(self):
        return len(self._names)

    def __getitem__(self, index):
        if not -len(self) <= index < len(self):
            raise IndexError(f"{self!r} has no person {index}.")
        annotation = self._annotations[index]
        points = annotation["keypoints"]
        labelled = points[:, 2] > 0
        x, y, width, height = annotation["bbox"]
        center, side = square_window((x, y, x + width, y + height))
        return Sample(
            image=self._pictures[annotation["image_id"]][1],
            joints=np.where(labelled[:, None], points[:, :2], np.nan),
            visible=np.where(labelled, points[:, 2] >= 2, np.nan),
            skeleton=self.skeleton,
            center=center,
            side=side,
            head_size=float("nan"),
            name=self._names[index],
        )

    def names(self) -> list[str]:
        """Names of all persons, in order."""
        return list(self._names)

    def annotation(self, index: int) -> dict:
        """A person in the form of COCO, with ``area`` and ``num_keypoints``."""
        found = dict(self._annotations[index])
        points = found["keypoints"]
        return found | {
            "keypoints": points.ravel().tolist(),
            "num_keypoints": int((points[:, 2] > 0).sum()),
        }

    def __repr__(self):
        name = get_skeleton(self.skeleton).name
        return (
            f"CocoKeypoints({str(self.root)!r}, split={self.split!r}): {len(self)} persons with "
            f"{len(self.sigmas)} joints ({name}) from {self.source}"
        )

    # ------------------------------------------------------------------------ what is in the file

    def _set_skeleton(self, flip_pairs):
        joints, name = self.category["keypoints"], self.category["name"]
        limbs = self._limbs(joints)
        try:
            skeleton = skeleton_of(name, joints, limbs=limbs, pairs=flip_pairs)
        except ValueError as error:
            raise type(error)(f"{self.path}: {error}") from error
        self.skeleton = reference(skeleton)
        self.sigmas = _sigmas(self.path, self.category, skeleton)

    def _limbs(self, joints):
        """The lines of the category, from 0. Some files have those of another list of joints."""
        given = self.category.get("skeleton") or []
        ends = [_numbers(line) for line in given] if isinstance(given, list) else [None]
        known = all(pair is not None and len(pair) in (0, 2) for pair in ends)
        lines = [pair.astype(int) for pair in ends if len(pair)] if known else []
        first = min((end for line in lines for end in line), default=1)
        lines = [tuple(int(end) - min(first, 1) for end in line) for line in lines]
        if not known or any(not 0 <= end < len(joints) for line in lines for end in line):
            self.notes.append(
                f"{self.path.name}: The skeleton of the category is no list of pairs of its "
                f"{len(joints)} joints, so no lines are drawn between them"
            )
            return []
        return lines

    def _find_pictures(self, images, problems):
        """By id: the file name of each image, and the path of the picture, None if missing."""
        pictures = {}
        for image in images:
            with collecting(problems):
                if not isinstance(image, Mapping) or "file_name" not in image:
                    raise ValueError(f"{self.path}: an image has no file_name: {str(image)[:80]}.")
                if not isinstance(image.get("id"), int | str):
                    raise ValueError(f"{self.path}: an image has no id: {str(image)[:80]}.")
                name = str(image["file_name"]).replace("\\", "/")
                places = (self.root / name, self.root / Path(name).name)
                found = next((str(place) for place in places if os.path.isfile(place)), None)
                pictures[image["id"]] = name, found
        self._known_images = set(pictures)
        return pictures

    def _require_pictures(self, pictures, used, problems):
        missing = [pictures[image][0] for image in used if not pictures[image][1]]
        if missing and problems is None:
            raise FileNotFoundError(
                f"{self.root} lacks {len(missing)} of {len(used)} pictures that {self.path} has "
                f"labels of, first {min(missing)}. Add them, or give another folder of pictures."
            )
        for name in sorted(missing):
            problems.append(f"{self.root / name} does not exist, but {self.path.name} has labels")

    def _split_up(self, annotations, problems):
        """Labelled persons, and crowd regions and persons without labels."""
        labelled, left_out = [], []
        for annotation in annotations:
            with collecting(problems):
                if not isinstance(annotation, Mapping):
                    raise ValueError(
                        f"{self.path}: {str(annotation)[:40]!r} is no annotation. Remove it."
                    )
                if annotation.get("category_id") != self.category["id"]:
                    continue
                person = self._checked(annotation)
                is_person = not person.get("iscrowd") and (person["keypoints"][:, 2] > 0).any()
                if is_person:
                    _check_box(self._where(annotation), person["bbox"])
                (labelled if is_person else left_out).append(person)
        return labelled, [
            person | {"keypoints": person["keypoints"].ravel().tolist(), "num_keypoints": 0}
            for person in left_out
        ]

    def _where(self, annotation):
        return f"{self.path}: the annotation {annotation.get('id')}"

    def _checked(self, annotation):
        """An annotation with ``keypoints`` as an array (J, 3), ``bbox`` and ``area``."""
        where, joints = self._where(annotation), len(self.category["keypoints"])
        image = annotation.get("image_id")
        if not isinstance(image, int | str) or image not in self._known_images:
            raise ValueError(
                f"{where} is of the image {image!r}, which is not among the images of the file. "
                "Add the image, or remove the annotation."
            )
        values = annotation.get("keypoints") or [0] * 3 * joints
        points = _numbers(values)
        if points is None:
            raise ValueError(f"{where} has keypoints that are no numbers. Correct or remove it.")
        if len(points) != 3 * joints:
            raise ValueError(
                f"{where} has {len(values)} values in keypoints, expected {3 * joints}: x, y and "
                f"visibility of the {joints} keypoints of {self.category['name']!r}. Correct or "
                "remove it."
            )
        points = points.reshape(-1, 3)
        box = annotation.get("bbox")
        if box is None or len(box) == 0:
            box = _box_of(points)
        if (box := _numbers(box)) is None or len(box) != 4:
            raise ValueError(
                f"{where} has the bbox {annotation['bbox']}, expected x, y, width and height in "
                "pixels. Correct or remove it."
            )
        area = annotation.get("area")
        if not isinstance(area, int | float) or not area > 0:
            area = _PART_OF_BOX * box[2] * box[3]
        rest = {key: annotation.get(key) for key in ("id", "image_id", "category_id")}
        crowd = int(bool(annotation.get("iscrowd")))
        return rest | {"keypoints": points, "bbox": box.tolist(), "area": area, "iscrowd": crowd}


def _read(path):
    """The content of an annotation file: images, annotations and categories are lists."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist. Give the annotation, a JSON file.")
    try:
        content = json.loads(read_text(path))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not valid JSON ({error}). Export it again.") from error
    parts = ("images", "annotations", "categories")
    if not isinstance(content, dict) or not all(isinstance(content.get(p), list) for p in parts):
        raise ValueError(
            f"{path} is not a COCO keypoint file: it needs the lists {', '.join(parts)}. Export "
            "the labels as COCO keypoints."
        )
    return content


def _category(path, categories, name):
    """The category with keypoints, or the one of a name."""
    found = [
        category
        for category in categories
        if isinstance(category, Mapping) and category.get("keypoints")
    ]
    known = ", ".join(repr(category.get("name")) for category in found)
    if not found:
        raise ValueError(
            f"{path} has no category with keypoints. Export the labels as COCO keypoints, not as "
            "boxes or masks."
        )
    if name is not None:
        found = [category for category in found if category.get("name") == name]
    if len(found) != 1:
        what = f"has no category {name!r} with keypoints" if name else "has several categories"
        raise ValueError(f"{path} {what}. Give one of {known} (--category).")
    category = {"name": "person", **found[0]}
    joints = category["keypoints"]
    if not isinstance(joints, list) or not all(isinstance(joint, str) for joint in joints):
        raise ValueError(
            f"{path}: the category {category['name']!r} has the keypoints {str(joints)[:80]}, "
            "expected a list of names. Correct it, or export the labels again."
        )
    return category


def _sigmas(path, category, skeleton):
    given = category.get("sigmas")
    if given is None:
        parts = [joint.removeprefix("left_").removeprefix("right_") for joint in skeleton.joints]
        return np.array([_SIGMAS.get(part, _OTHER_SIGMA) for part in parts])
    sigmas = _numbers(given)
    if sigmas is None or len(sigmas) != skeleton.num_joints or not (sigmas > 0).all():
        raise ValueError(
            f"{path}: the category {category['name']!r} has the sigmas {given}, expected "
            f"{skeleton.num_joints} positive numbers. Correct or remove them."
        )
    return sigmas


def _numbers(values):
    """Finite numbers as an array, or None."""
    try:
        numbers = np.array(values, float).reshape(-1)
    except (TypeError, ValueError):
        return None
    return numbers if np.isfinite(numbers).all() else None


def _box_of(points):
    """x, y, width and height of the box around the labelled joints."""
    labelled = points[points[:, 2] > 0, :2]
    if not len(labelled):
        return [0, 0, 0, 0]
    x1, y1, x2, y2 = box_around(labelled)
    return [x1, y1, x2 - x1, y2 - y1]


def _check_box(where, box):
    if not (box[2] > 0 and box[3] > 0):
        raise ValueError(
            f"{where} has a box of zero area: {box}. Correct it, or remove bbox, and the box "
            "around the labelled joints is taken, which needs two of them."
        )


# ------------------------------------------------------------------------------ files of the tools


def _annotations_in(root, split):
    """The annotation file of a split in a folder."""
    candidates = []
    for stem in _STEMS[split]:
        candidates += [f"annotations/person_keypoints_{stem}.json", f"annotations/{stem}.json"]
        candidates += [f"{stem}/_annotations.coco.json", f"{stem}.json"]
    if split == "all":
        candidates += _WHOLE
        others = sorted(path.relative_to(root).as_posix() for path in root.glob("*.json"))
        candidates += others if len(others) == 1 else []
    for candidate in candidates:
        if (root / candidate).is_file():
            return root / candidate
    raise FileNotFoundError(
        f"{root} holds no COCO annotation of the split {split!r}, such as {candidates[0]} or "
        f"{candidates[2]}. Give the path of the annotation. {_README}"
    )


def _images_of(root, annotations, stems: Sequence[str]):
    """The folder of the pictures: the first of the usual ones that has any."""
    folders = [root / folder / stem for stem in stems for folder in (".", "images")]
    for folder in [*folders, annotations.parent, root / "images", root]:
        if folder.is_dir() and any(
            path.suffix.lower() in _PICTURES for path in folder.iterdir() if path.is_file()
        ):
            return folder
    return root / "images" if (root / "images").is_dir() else root
