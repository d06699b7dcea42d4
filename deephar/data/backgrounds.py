"""Parts of pictures without the labelled persons, to see what a network finds where nobody is."""

import itertools

import numpy as np

from deephar.data.images import load_image
from deephar.data.samples import Dataset, Sample, whole_of
from deephar.geometry import box_around
from deephar.skeletons import get_skeleton

_PARTS = (2, 3, 4)  # sides of the windows: this part of the shorter side of the picture
_MARGIN = 1.3  # of the box around a person, which is that of the joints


def backgrounds(dataset: Dataset) -> list[Sample]:
    """Windows of the pictures of a data set that show none of its labelled persons.

    They are squares, at most one of a half, a third and a quarter of the shorter side of a picture,
    which do not overlap. Persons of the same picture in other parts of the data set (see `Subset`)
    are kept away from, too. There may be persons without a label.

    Args:
        dataset: stills, such as a part that `deephar.data.hold_out` gives.

    Returns:
        A sample without labels for each window; pictures without room for one have none.

    Raises:
        FileNotFoundError: As `deephar.data.load_image`.
        ValueError: As `deephar.data.load_image`; or a person has no labelled joint.
    """
    persons = {}
    for sample in _samples(whole_of(dataset)):
        persons.setdefault(sample.image, []).append(box_around(sample.joints, _MARGIN))
    images = dict.fromkeys(sample.image for sample in _samples(dataset))
    return [
        _background(image, number, window, dataset.skeleton)
        for image in images
        for number, window in enumerate(_windows(image, persons[image]), start=1)
    ]


def _samples(dataset):
    return (dataset[index] for index in range(len(dataset)))


def _windows(image, taken):
    """Squares (4,) of a picture away from boxes, and from each other."""
    height, width = load_image(image).shape[:2]
    taken, windows = list(taken), []
    for part in _PARTS:
        side = min(height, width) / part
        places = (np.arange(0, length - side + 1, side / 2) for length in (height, width))
        squares = (np.array([x, y, x + side, y + side]) for y, x in itertools.product(*places))
        free = [square for square in squares if not any(_overlap(square, box) for box in taken)]
        if free:
            windows.append(free[len(free) // 2])  # not the first, in a corner
            taken.append(windows[-1])
    return windows


def _overlap(one, other):
    return bool((one[:2] < other[2:]).all() and (other[:2] < one[2:]).all())


def _background(image, number, window, skeleton):
    joints = np.full((get_skeleton(skeleton).num_joints, 2), np.nan)
    return Sample(
        image=image,
        joints=joints,
        visible=joints[:, 0],
        skeleton=skeleton,
        center=(window[:2] + window[2:]) / 2 - 0.5,
        side=float(window[2] - window[0]),
        head_size=float("nan"),
        name=f"{image}@{number}",
    )
