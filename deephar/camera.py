"""Pinhole cameras with lens distortion: world, camera coordinates and pixels. Pure NumPy.

Camera coordinates are in mm: x to the right, y down, z forward, the origin in the lens. World
coordinates are in mm, in whatever frame a data set uses. Pixel centres are at integers.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera with radial and tangential distortion.

    A point (X, Y, Z) in camera coordinates goes to ``x = X / Z``, ``y = Y / Z``. With
    ``r2 = x^2 + y^2``, ``radial = 1 + k0 r2 + k1 r2^2 + k2 r2^3`` and ``tangential = p0 x + p1 y``
    the lens takes (x, y) to ``(x, y) (radial + tangential) + r2 (p0, p1)``, and the pixel is
    ``(x, y) focal + center``. This is the model of Human3.6M's own code (C. Ionescu et al., TPAMI
    2014), except that its parameter file lists the tangential coefficients as (p1, p0). OpenCV's
    model has 2 x the tangential term in the bracket.

    Args:
        focal: (2,), focal length in x and y, pixels.
        center: (2,), principal point, pixels.
        rotation: (3, 3), world to camera directions.
        translation: (3,), position of the camera in the world, mm.
        radial: (3,), coefficients k.
        tangential: (2,), coefficients p: of x, then of y.

    Raises:
        ValueError: A parameter has another shape or is not finite, a focal length is 0, or the
            rotation is not an orthogonal matrix.
    """

    focal: np.ndarray
    center: np.ndarray
    rotation: np.ndarray = field(default_factory=lambda: np.eye(3))
    translation: np.ndarray = field(default_factory=lambda: np.zeros(3))
    radial: np.ndarray = field(default_factory=lambda: np.zeros(3))
    tangential: np.ndarray = field(default_factory=lambda: np.zeros(2))

    def __post_init__(self):
        shapes = {
            "focal": (2,),
            "center": (2,),
            "rotation": (3, 3),
            "translation": (3,),
            "radial": (3,),
            "tangential": (2,),
        }
        for name, shape in shapes.items():
            value = np.array(getattr(self, name), float)
            if value.shape != shape or not np.isfinite(value).all():
                raise ValueError(
                    f"The {name} of a camera must be {' x '.join(map(str, shape))} finite numbers, "
                    f"got {value.tolist()}."
                )
            object.__setattr__(self, name, value)
        if not self.focal.all():
            raise ValueError(f"The focal length of a camera must not be 0, got {self.focal}.")
        if not np.allclose(self.rotation @ self.rotation.T, np.eye(3), atol=1e-4):
            raise ValueError(
                "The rotation of a camera must be an orthogonal matrix (world to camera "
                f"directions), got {self.rotation.tolist()}."
            )

    def project(self, points: ArrayLike) -> np.ndarray:
        """Computes the pixels at which points appear.

        Args:
            points: (..., 3), mm in camera coordinates.

        Returns:
            (..., 2), pixels. NaN for points with NaN, and for points that are not in front of
            the camera (Z <= 0).

        Raises:
            ValueError: `points` has another shape.
        """
        points = _checked(points, 3, "points")
        depth = np.where(points[..., 2:] > 0, points[..., 2:], np.nan)
        return self._distorted(points[..., :2] / depth) * self.focal + self.center

    def unproject(self, pixels: ArrayLike, depth: ArrayLike, *, iterations: int = 20) -> np.ndarray:
        """Computes the points that appear at pixels, given their depth: the inverse of `project`.

        The distortion has no closed inverse. It is inverted by fixed-point iteration.

        Args:
            pixels: (..., 2).
            depth: (...,), Z in camera coordinates, mm.
            iterations: steps towards the fixed point. 20 are exact for ordinary lenses. 1 is the
                approximation of the published evaluation on Human3.6M, good to about 1 mm.

        Returns:
            (..., 3), mm in camera coordinates.

        Raises:
            ValueError: `pixels` has another shape, or `iterations` is less than 1.
        """
        if iterations < 1:
            raise ValueError(f"The number of iterations must be at least 1, got {iterations}.")
        distorted = (_checked(pixels, 2, "pixels") - self.center) / self.focal
        flat = distorted
        if self.radial.any() or self.tangential.any():
            for _ in range(iterations):
                factor, shift = self._distortion(flat)
                flat = (distorted - shift) / factor
        depth = np.asarray(depth, float)[..., None]
        return np.concatenate([flat * depth, np.broadcast_to(depth, flat[..., :1].shape)], axis=-1)

    def to_camera(self, world: ArrayLike) -> np.ndarray:
        """Converts world coordinates (..., 3) to camera coordinates (..., 3), both in mm.

        Raises:
            ValueError: `world` has another shape.
        """
        return (_checked(world, 3, "points") - self.translation) @ self.rotation.T

    def to_world(self, points: ArrayLike) -> np.ndarray:
        """Converts camera coordinates (..., 3) to world coordinates (..., 3), both in mm.

        Raises:
            ValueError: `points` has another shape.
        """
        return _checked(points, 3, "points") @ self.rotation + self.translation

    def _distortion(self, flat):
        """Factor (..., 1) and shift (..., 2) that distort points of the plane Z = 1."""
        r2 = (flat**2).sum(axis=-1, keepdims=True)
        k0, k1, k2 = self.radial
        radial = 1 + r2 * (k0 + r2 * (k1 + r2 * k2))
        return radial + (flat * self.tangential).sum(axis=-1, keepdims=True), r2 * self.tangential

    def _distorted(self, flat):
        factor, shift = self._distortion(flat)
        return flat * factor + shift


def _checked(points, dim, what):
    points = np.asarray(points, float)
    if points.ndim < 1 or points.shape[-1] != dim:
        raise ValueError(f"A camera takes {what} of the shape (..., {dim}), got {points.shape}.")
    return points
