"""Samples and videos, of which data sets consist, and parts of data sets."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Protocol

import numpy as np

from deephar.camera import Camera
from deephar.data.images import load_image
from deephar.progress import with_progress
from deephar.skeletons import Skeleton
from deephar.video import DEFAULT_RATE

OTHER = "other"
"""The last action of a network that tells what it knows from what is none of its actions."""


@dataclass(frozen=True, eq=False)
class Sample:
    """One annotated person in one image.

    Attributes:
        image: path of the image file, or uint8 RGB array (H, W, 3).
        joints: float (joints, 2), pixels, NaN where unlabelled. Left and right are the person's
            own. Pixel centres are at integers: the top left pixel is at (0, 0).
        visible: float (joints,), 1 = visible, 0 = hidden (the position is a guess), NaN = not
            known or unlabelled.
        skeleton: the skeleton of `joints`, or its name.
        center: float (2,), centre of the square window to crop, pixels.
        side: side of that window before augmentation, pixels.
        head_size: length that PCKh divides by, pixels; NaN = unknown.
        name: unique within the data set. Persons of one image have the same name before ``#``.
        joints_3d: float (joints, 3), mm in camera coordinates (x right, y down, z forward), NaN
            where unknown; None = no 3D labels.
        camera: the camera of `joints_3d`; None = no 3D labels.
        action: name of the person's action, one of the data set's `actions`; None = unknown.
    """

    image: str | np.ndarray
    joints: np.ndarray
    visible: np.ndarray
    skeleton: str | Skeleton
    center: np.ndarray
    side: float
    head_size: float
    name: str
    joints_3d: np.ndarray | None = None
    camera: Camera | None = None
    action: str | None = None


@dataclass(frozen=True, eq=False)
class Video:
    """One annotated person in one video of a single action.

    Attributes:
        frames: N images in order, each a path or a uint8 RGB array (H, W, 3); any sequence, which
            may make them on demand. Empty if there are labels only.
        joints: float (N, joints, 2), pixels, NaN where unlabelled; as in `Sample`.
        visible: float (N, joints), 1 = visible, 0 = hidden, NaN = not known or unlabelled.
        skeleton: the skeleton of `joints`, or its name.
        boxes: float (N, 4), the person's box (x1, y1, x2, y2) in each frame, pixels.
        size: (width, height) of the frames, pixels.
        action: index of the action in the data set's `actions`.
        name: unique within the data set.
        joints_3d: float (N, joints, 3), mm in camera coordinates; None = no 3D labels.
        camera: the camera of `joints_3d`, the same for all frames; None = no 3D labels.
        head_sizes: float (N,), length that PCKh divides by, pixels; None = unknown.
        size_from: path of the frame that `size` was taken from; None = from the labels.
        frame_rate: frames per second.
    """

    frames: Sequence
    joints: np.ndarray
    visible: np.ndarray
    skeleton: str | Skeleton
    boxes: np.ndarray
    size: tuple[int, int]
    action: int
    name: str
    joints_3d: np.ndarray | None = None
    camera: Camera | None = None
    head_sizes: np.ndarray | None = None
    size_from: str | None = None
    frame_rate: float = DEFAULT_RATE


class Dataset(Protocol):
    """What every data set has. For the attributes of data sets of videos see `deephar.data`.

    Attributes:
        name: short name, in lower case.
        skeleton: the skeleton of its joints, or its name.
    """

    name: str
    skeleton: str | Skeleton

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample | Video: ...


def names_of(dataset: Dataset) -> list[str]:
    """Names of all samples or videos of a data set, in order.

    Calls its method ``names()`` if it has one, since building millions of samples takes long.
    """
    if hasattr(dataset, "names"):
        return dataset.names()
    return [dataset[index].name for index in range(len(dataset))]


def numbered(images: Sequence[str]) -> list[str]:
    """Names of the persons in images: ``image#1``, ``image#2``, ..., in the order of the images.

    Args:
        images: the name of the image of each person.
    """
    seen = Counter()
    names = []
    for image in images:
        seen[image] += 1
        names.append(f"{image}#{seen[image]}")
    return names


class Subset:
    """Some samples of a data set, which form a data set themselves.

    Args:
        dataset: a data set, see `deephar.data`.
        indices: positions in `dataset`, in the order wanted.

    Raises:
        ValueError: An index is outside of the data set.
    """

    def __init__(self, dataset: Dataset, indices: Sequence[int]):
        self.dataset = dataset
        self.indices = np.array(indices, np.int64).reshape(-1)
        if len(self.indices) and not (
            self.indices.min() >= 0 and self.indices.max() < len(dataset)
        ):
            raise ValueError(
                f"The indices of a subset of {dataset!r} must be 0 to {len(dataset) - 1}, got "
                f"{self.indices.min()} to {self.indices.max()}."
            )

    @property
    def name(self) -> str:
        """Name of the data set."""
        return self.dataset.name

    @property
    def skeleton(self) -> str | Skeleton:
        """The skeleton of the data set's joints, or its name."""
        return self.dataset.skeleton

    @property
    def split(self) -> str:
        """Split that the data set is of."""
        return self.dataset.split

    @property
    def source(self) -> str:
        """Where the data set was read from."""
        return self.dataset.source

    @property
    def actions(self) -> tuple[str, ...]:
        """Names of the actions of a data set of videos, by class index."""
        return self.dataset.actions

    @property
    def held_out_by(self) -> str:
        """What `hold_out` keeps together in the data set, in the plural."""
        return getattr(self.dataset, "held_out_by", "images")

    def names(self) -> list[str]:
        """Names of all samples, in order."""
        names = names_of(self.dataset)
        return [names[index] for index in self.indices]

    def __len__(self):
        return len(self.indices)

    def __getitem__(self, index):
        return self.dataset[self.indices[index]]

    def __repr__(self):
        return f"Subset({len(self)} of {self.dataset!r})"


def hold_out(dataset: Dataset, fraction: float = 0.1, *, blocks: int = 10) -> tuple[Subset, Subset]:
    """Splits a data set into a part to train on and a part to validate on.

    The split is always the same for the same data set. Neighbours in the order of the names are
    often neighbouring frames of one video, or photos of one series. They would leak from training
    into validation if persons were drawn at random. Therefore a few whole blocks of that order are
    held out, spread evenly over it. All samples with the same name up to ``#`` stay together: the
    persons of an image, and the frames of a video.

    Args:
        dataset: a data set, see `deephar.data`. Its attribute `held_out_by`, if it has one, names
            in error messages what is held out, such as ``"videos"`` in place of ``"images"``.
        fraction: fraction of the images to hold out, between 0 and 1.
        blocks: number of blocks held out.

    Returns:
        The part to train on and the part held out.

    Raises:
        ValueError: The fraction is not between 0 and 1, or one of the parts would be empty.
    """
    if not 0 < fraction < 1 or blocks < 1:
        raise ValueError(
            f"Holding out needs 0 < fraction < 1 and blocks >= 1, got {fraction} and {blocks}."
        )
    names = names_of(dataset)
    order = sorted(range(len(names)), key=names.__getitem__)
    images = [list(group) for _, group in groupby(order, key=lambda i: names[i].split("#")[0])]
    blocks = max(1, min(blocks, int(fraction * len(images))))
    position = (np.arange(len(images)) + 0.5) * blocks / max(len(images), 1) % 1
    # From the middle of each of the equal parts of the order.
    held = np.abs(position - 0.5) < fraction / 2
    parts = [
        Subset(
            dataset,
            [i for image, out in zip(images, held, strict=True) if out == want for i in image],
        )
        for want in (False, True)
    ]
    if not all(map(len, parts)):
        what = getattr(dataset, "held_out_by", "images")
        raise ValueError(
            f"Holding out {fraction} of the {len(images)} {what} of {dataset!r} leaves a part "
            f"empty. Use more {what} or another fraction."
        )
    return parts[0], parts[1]


class InMemory(Subset):
    """A data set of stills whose images are decoded (or drawn) once and kept in memory.

    1000 images of 256 x 256 pixels take 200 MB.

    Args:
        dataset: a data set of stills.

    Raises:
        FileNotFoundError: As `load_image`.
        ValueError: As `load_image`.
    """

    def __init__(self, dataset: Dataset):
        super().__init__(dataset, range(len(dataset)))
        self._samples = [
            replace(sample, image=load_image(sample.image))
            for sample in with_progress(
                map(dataset.__getitem__, range(len(dataset))), len(dataset), "image"
            )
        ]

    def __getitem__(self, index):
        return self._samples[index]

    def __repr__(self):
        return f"InMemory({self.dataset!r})"


def whole_of(dataset: Dataset) -> Dataset:
    """The data set that a `Subset` is a part of; any other data set itself."""
    while isinstance(dataset, Subset):
        dataset = dataset.dataset
    return dataset


def limited(dataset: Dataset, limit: int | None, what: str, *, spread: bool = False) -> Dataset:
    """A part of a data set, or all of it.

    Args:
        dataset: the data set.
        limit: number of items; None for all.
        what: what they are called, in the plural.
        spread: whether to spread the items evenly over the data set, or take the first ones.

    Raises:
        ValueError: The limit is not positive.
    """
    if limit is None:
        return dataset
    if limit < 1:
        raise ValueError(f"The number of {what} must be at least 1, got {limit}.")
    limit = min(limit, len(dataset))
    return Subset(dataset, np.arange(limit) * len(dataset) // limit if spread else range(limit))
