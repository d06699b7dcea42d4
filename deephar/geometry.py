"""Boxes and affine maps between an image and the crop of a person. Pure NumPy.

Conventions. Pixel centres are at integer coordinates: the centre of the top left pixel is (0, 0).
A box is ``(x1, y1, x2, y2)`` in pixels. An affine map is a 3x3 matrix that takes image pixels to
the *unit crop*, in which the crop window is the square from 0 to 1. Unknown points are NaN.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

BOX_MARGIN = 1.25
"""Side of a person's window divided by the longer side of the box."""

POSE_MARGIN = 1.2
"""Size of a person's box divided by that of the box of the visible joints.

That is how the boxes of Penn Action were made (its labels have a ratio of 1.20 throughout). The
window to crop, 1.25 times the box, is then 1.5 times the box of the joints, as in the published
code.
"""


def box_around(points: ArrayLike, margin: float = 1.0, *, square: bool = False) -> np.ndarray:
    """Bounding box of the known points, enlarged about its centre.

    Args:
        points: (..., 2), pixels; points with a NaN coordinate are ignored.
        margin: size of the result divided by that of the tight box.
        square: whether to enlarge the shorter side to the longer one.

    Returns:
        Box (4,), pixels; empty if only one point is known.

    Raises:
        ValueError: No point is known, the shape is wrong, or the margin is not positive.

    >>> box_around([[10, 20], [30, 60], [np.nan, np.nan]], margin=1.5)
    array([ 5., 10., 35., 70.])
    """
    points = np.asarray(points, float)
    if points.ndim < 1 or points.shape[-1] != 2:
        raise ValueError(f"Points must have the shape (..., 2), got {points.shape}.")
    _check_positive("margin", margin)
    points = points.reshape(-1, 2)
    known = points[np.isfinite(points).all(axis=1)]
    if len(known) == 0:
        raise ValueError("There is no box around points if none is known (all are NaN).")
    low, high = known.min(axis=0), known.max(axis=0)
    half = margin * (high - low) / 2
    if square:
        half = np.full(2, half.max())
    center = (low + high) / 2
    return np.concatenate([center - half, center + half])


def box_center_size(box: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Centre (2,) and size (width, height) (2,) of a box, pixels.

    Raises:
        ValueError: `box` is not ``(x1, y1, x2, y2)`` with x1 <= x2 and y1 <= y2.

    >>> box_center_size((10, 20, 30, 60))
    (array([20., 40.]), array([20., 40.]))
    """
    box = np.asarray(box, float)
    if box.shape != (4,) or not (np.isfinite(box).all() and (box[:2] <= box[2:]).all()):
        raise ValueError(f"A box must be (x1, y1, x2, y2) with x1 <= x2 and y1 <= y2, got {box}.")
    return (box[:2] + box[2:]) / 2, box[2:] - box[:2]


def square_window(box: ArrayLike, margin: float = BOX_MARGIN) -> tuple[np.ndarray, float]:
    """The square to crop for a person's box.

    Args:
        box: (4,), pixels.
        margin: side of the square divided by the longer side of the box.

    Returns:
        Centre (2,) and side of the square, pixels.

    Raises:
        ValueError: The box is malformed or empty, or the margin is not positive.

    >>> square_window((10, 20, 30, 60), margin=1.5)
    (array([20., 40.]), 60.0)
    """
    center, size = box_center_size(box)
    _check_positive("margin", margin)
    if size.max() == 0:
        raise ValueError(f"The box {np.asarray(box)} is empty: there is nothing to crop.")
    return center, float(margin * size.max())


def union_of_boxes(boxes: ArrayLike) -> np.ndarray:
    """The smallest box that holds all boxes.

    Args:
        boxes: (N, 4), pixels; boxes with a NaN are ignored.

    Returns:
        Box (4,), pixels.

    Raises:
        ValueError: No box is known, or the shape is wrong.

    >>> union_of_boxes([(10, 20, 30, 60), (0, 30, 20, 50)])
    array([ 0., 20., 30., 60.])
    """
    boxes = np.asarray(boxes, float)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"Boxes must have the shape (N, 4), got {boxes.shape}.")
    known = boxes[np.isfinite(boxes).all(axis=1)]
    if len(known) == 0:
        raise ValueError("There is no union of boxes if none is known (all are NaN).")
    return np.concatenate([known[:, :2].min(axis=0), known[:, 2:].max(axis=0)])


def has_area(boxes: ArrayLike) -> np.ndarray:
    """Which boxes (..., 4) are known and have an area: bool (...).

    >>> has_area([(10, 20, 30, 60), (10, 20, 10, 60), (np.nan, 20, 30, 60)])
    array([ True, False, False])
    """
    boxes = np.asarray(boxes, float)
    return np.isfinite(boxes).all(axis=-1) & (boxes[..., :2] < boxes[..., 2:]).all(axis=-1)


def crop_affine(
    center: ArrayLike,
    side: float | Sequence[float],
    *,
    angle: float = 0.0,
    flip: bool = False,
) -> np.ndarray:
    """Map from image pixels to the unit crop of a window, optionally rotated and mirrored.

    The window is centred at `center`, which is mapped to (0.5, 0.5). In the crop, the picture is
    rotated by `angle`, and then, with `flip`, mirrored left to right.

    Args:
        center: (2,), pixels.
        side: side of the square window, or its (width, height), pixels of the image.
        angle: degrees, counter-clockwise as seen on the screen.
        flip: whether to mirror the crop, u -> 1 - u. The joints must then be reordered with
            `Skeleton.flip`.

    Returns:
        Affine map (3, 3).

    Raises:
        ValueError: The side is not positive, or anything is not finite.

    >>> apply_affine(crop_affine(center=(50, 40), side=20), [[50, 40], [40, 30]])
    array([[0.5, 0.5],
           [0. , 0. ]])
    """
    center = np.asarray(center, float)
    if center.shape != (2,) or not np.isfinite(center).all():
        raise ValueError(f"The centre of a crop must be two finite numbers (x, y), got {center}.")
    side = np.asarray(side, float)
    if side.shape not in ((), (2,)):
        raise ValueError(f"The side of a crop must be a number or (width, height), got {side}.")
    _check_positive("side of the crop window", side)
    if not np.isfinite(angle):
        raise ValueError(f"The angle of a crop must be finite, got {angle}.")
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    # The y axis points down, hence the signs of a clockwise rotation.
    linear = np.array([[cos, sin], [-sin, cos]]) / side.reshape(-1, 1)
    if flip:
        linear[0] *= -1
    affine = np.eye(3)
    affine[:2, :2] = linear
    affine[:2, 2] = 0.5 - linear @ center
    return affine


def apply_affine(matrix: ArrayLike, points: ArrayLike) -> np.ndarray:
    """Points mapped by an affine map.

    Args:
        matrix: (3, 3), or a stack (..., 3, 3), one matrix for each (joints, 2) of `points`.
        points: (..., 2); NaN stays NaN.

    Returns:
        float64 (..., 2), a new array.

    Raises:
        ValueError: Wrong shapes.
    """
    matrix = _as_affine(matrix)
    points = np.asarray(points, float)
    if points.ndim < 1 or points.shape[-1] != 2:
        raise ValueError(f"Points must have the shape (..., 2), got {points.shape}.")
    if matrix.ndim > 2:
        matrix = matrix[..., None, :, :]
    x, y = points[..., 0, None], points[..., 1, None]
    return x * matrix[..., :2, 0] + y * matrix[..., :2, 1] + matrix[..., :2, 2]


def invert_affine(matrix: ArrayLike) -> np.ndarray:
    """The inverse map: ``apply_affine(invert_affine(m), apply_affine(m, p))`` is `p`.

    Args:
        matrix: (3, 3), or a stack (..., 3, 3).

    Returns:
        A new array of the same shape.

    Raises:
        ValueError: The map is singular (it squeezes the image into a line or a point).
    """
    matrix = _as_affine(matrix)
    (a, b), (c, d) = np.moveaxis(matrix[..., :2, :2], (-2, -1), (0, 1))
    determinant = a * d - b * c
    # Relative to the size of the entries, which may be small: a crop of a large window.
    magnitude = np.abs(matrix[..., :2, :2]).max(axis=(-2, -1)) ** 2
    if not np.all(np.abs(determinant) > 1e-12 * magnitude):
        raise ValueError(f"The affine map cannot be inverted, it is singular: {matrix.tolist()}.")
    inverse = np.zeros_like(matrix)
    inverse[..., 0, 0], inverse[..., 0, 1] = d / determinant, -b / determinant
    inverse[..., 1, 0], inverse[..., 1, 1] = -c / determinant, a / determinant
    inverse[..., :2, 2:] = -inverse[..., :2, :2] @ matrix[..., :2, 2:]
    inverse[..., 2, 2] = 1
    return inverse


def warp_matrix(affine: ArrayLike, image_size: int) -> np.ndarray:
    """Map from image pixels to the pixels of a crop, for image warping functions.

    Crop pixel i has its centre at (i + 0.5) / image_size of the unit crop.

    Args:
        affine: (3, 3), image pixels to the unit crop.
        image_size: side of the square crop in pixels.

    Returns:
        (3, 3); the first two rows are the matrix of ``cv2.warpAffine`` (without
        ``WARP_INVERSE_MAP``).

    Raises:
        ValueError: Wrong shape, or a size that is not positive.

    >>> crop = crop_affine(center=(1.5, 1.5), side=4)  # the 4x4 pixels at the top left
    >>> warp_matrix(crop, image_size=4)
    array([[1., 0., 0.],
           [0., 1., 0.],
           [0., 0., 1.]])
    """
    _check_positive("image_size", image_size)
    pixels = np.array([[image_size, 0, -0.5], [0, image_size, -0.5], [0, 0, 1]])
    return pixels @ _as_affine(affine)


def _as_affine(matrix: ArrayLike) -> np.ndarray:
    matrix = np.asarray(matrix, float)
    if matrix.ndim < 2 or matrix.shape[-2:] != (3, 3):
        raise ValueError(f"An affine map must have the shape (..., 3, 3), got {matrix.shape}.")
    if not (np.abs(matrix[..., 2, :] - (0, 0, 1)) < 1e-9).all():
        raise ValueError(f"The last row of an affine map must be 0 0 1, got {matrix[..., 2, :]}.")
    return matrix


def _check_positive(name: str, value: float | Sequence[float]) -> None:
    values = np.asarray(value, float)
    if not (np.isfinite(values) & (values > 0)).all():
        raise ValueError(f"The {name} must be finite and greater than 0, got {value}.")
