"""A person in a picture: joints, visibility, box and actions.

With depth (``dim=3``), a pose can be drawn from the front and from the side, and placed in space if
the camera is known:

    picture = person.draw_views()            # an RGB array
    person.joints_in_space(Camera(focal=(1150, 1150), center=(512, 512)), root_depth=4800)
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real

import numpy as np

from deephar.camera import Camera
from deephar.data.targets import DEPTH_RANGE
from deephar.skeletons import Skeleton, get_skeleton
from deephar.visualize import draw_views

SEEN = 0.5
"""Mean visibility of the joints from which somebody is seen.

Chosen on persons of MPII held out of training, and on backgrounds of their pictures: see
weights/README.md for both kinds of errors.
"""


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Person:
    """A person in a picture, or in one frame of a video.

    Attributes:
        joints: float64 (J, 2), x and y in pixels of the picture, pixel centres at integers.
        depth: float64 (J,), mm relative to the root, away from the camera is positive; None of a
            network without depth.
        visibility: float64 (J,), in [0, 1].
        box: float64 (4,), the person's bounding box in pixels: the one that was given, or found.
            ``predictor(image, box=person.box)`` makes the same crop again.
        crop: float64 (4,), the square that the network saw, in pixels; may reach out of the
            picture.
        skeleton: name of the joint layout, or a `Skeleton` that is not built in.
        action: (name, score) of all actions, the best first; None for a single picture, and of a
            network without actions.
        index: number of the frame in its video, from 0; None for a single picture.
        time: seconds from the beginning of the video; None for a single picture.
        image: the frame, uint8 (H, W, 3), RGB, if asked for, else None.
        track: number that the person has in the whole video, from 1; None if one person is
            followed.
        repetitions: how often the action was done so far, see `ActionTimeline`; None if nothing is
            counted.

    A network finds a pose in every crop, also where nobody is: see `seen`.

    The size of a person and the distance to the camera do not follow from pixels and mm relative to
    the root alone: `joints_in_space` asks for the camera and for the depth of the root.
    """

    joints: np.ndarray
    depth: np.ndarray | None = None
    visibility: np.ndarray
    box: np.ndarray
    crop: np.ndarray
    skeleton: str | Skeleton
    action: list[tuple[str, float]] | None = None
    index: int | None = None
    time: float | None = None
    image: np.ndarray | None = None
    track: int | None = None
    repetitions: int | None = None

    @property
    def seen(self) -> bool:
        """Whether somebody is seen: the mean visibility is `SEEN` or more.

        If not, the joints mean nothing.
        """
        return bool(self.visibility.mean() >= SEEN)

    def __repr__(self) -> str:
        box = ", ".join(f"{value:.0f}" for value in self.box)
        parts = [f"{len(self.joints)} joints in {get_skeleton(self.skeleton).name}", f"box ({box})"]
        unseen = "" if self.seen else ", nobody is seen"
        parts.append(f"mean visibility {self.visibility.mean():.2f}{unseen}")
        if self.time is not None:
            parts.append(f"{self.time:.2f} s")
        if self.track is not None:
            parts.append(f"number {self.track}")
        if self.action:
            parts.append("{} {:.2f}".format(*self.action[0]))
        return f"Person({', '.join(parts)})"

    def joints_in_space(self, camera: Camera, root_depth: float) -> np.ndarray:
        """Where the joints are in space, for a camera that is known.

        Args:
            camera: the `deephar.camera.Camera` of the picture: focal length and principal point in
                pixels of this picture, not of a scaled or cropped one.
            root_depth: distance of the root (the pelvis) from the camera along its axis, mm.

        Returns:
            float64 (J, 3), mm in camera coordinates: x to the right, y down, z away from the
            camera, which is at the origin. Subtract the row of the pelvis for positions relative
            to the root.

        Raises:
            ValueError: The pose has no depth, `camera` is no camera, or `root_depth` is not
                positive or so small that a joint would be behind the camera.
        """
        self._require_depth()
        if not isinstance(camera, Camera):
            raise ValueError(f"camera must be a deephar.camera.Camera, got {camera!r}.")
        depth = self.depth + _checked_root_depth(root_depth)
        if (depth <= 0).any():
            raise ValueError(
                f"With the root {root_depth} mm in front of the camera, the nearest joint would be "
                f"{-depth.min():.0f} mm behind it. Give the depth of the root in mm."
            )
        return camera.unproject(self.joints, depth)

    def draw_views(
        self,
        camera: Camera | None = None,
        root_depth: float | None = None,
        *,
        size: int = 256,
        stacked: bool = False,
    ) -> np.ndarray:
        """Draws the pose as the camera sees it, and from the side.

        Args:
            camera: see `joints_in_space`; the views are then metric. Without it, the crop is drawn
                as wide and as high as its 2 m of depth. The person may then look too flat or too
                deep; the picture says so.
            root_depth: see `joints_in_space`; goes with `camera`.
            size: see `deephar.visualize.draw_views`.
            stacked: see `deephar.visualize.draw_views`.

        Returns:
            uint8 (size, 2 size, 3), RGB; stacked: (2 size, size, 3).

        Raises:
            ValueError: As `joints_in_space`; or only one of `camera` and `root_depth` is given.
        """
        self._require_depth()
        if (camera is None) != (root_depth is None):
            raise ValueError("Give both the camera and the depth of the root, or neither.")
        options = {"size": size, "stacked": stacked}
        if camera is not None:
            joints = self.joints_in_space(camera, root_depth)
            return draw_views(joints, self.skeleton, **options)
        scale = DEPTH_RANGE / (self.crop[2] - self.crop[0])
        joints = np.column_stack([self.joints * scale, self.depth])
        # The person fills the crop except for the margin.
        return draw_views(joints, self.skeleton, span=1800, metric=False, **options)

    def _require_depth(self):
        if self.depth is None:
            raise ValueError(
                "The pose has no depth, because the network is of 2D poses (dim=2). Use the "
                "weights of a network with dim=3."
            )


def _checked_root_depth(depth):
    if not isinstance(depth, Real) or not 0 < depth < np.inf:
        raise ValueError(f"root_depth must be one positive number, in mm, got {depth!r}.")
    return float(depth)
