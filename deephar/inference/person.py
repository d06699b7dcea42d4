"""A person in a picture: joints, visibility, box and actions.

Of a network with depth (``dim=3``), there are pictures from the front and from the side, and
positions in space where the camera is known:

    picture = person.draw_views()            # an RGB array
    person.joints_in_space(Camera(focal=(1150, 1150), center=(512, 512)), root_depth=4800)
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real

import numpy as np

from deephar.camera import Camera
from deephar.data.targets import DEPTH_RANGE
from deephar.visualize import draw_views


@dataclass(frozen=True, eq=False)
class Person:
    """A person in a picture, or in one frame of a video.

    Attributes:
        joints: float64 (J, dim), x and y in pixels of the picture, pixel centres at integers; with
            dim = 3, z in mm relative to the root, away from the camera is positive.
        visibility: float64 (J,), in [0, 1].
        box: float64 (4,), the square that was cropped, pixels; may reach out of the picture.
        skeleton: name of the joint layout.
        action: (name, score) of all actions, the best first; None for a single picture, and of a
            network that knows no actions.
        index: number of the frame in its video, from 0; None for a single picture.
        time: seconds from the beginning of the video; None for a single picture.
        image: the frame, uint8 (H, W, 3), RGB, if asked for, else None.

    From x, y in pixels and z in mm alone, nobody can tell how large a person is, nor how far away:
    `joints_in_space` asks for the camera and for the depth of the root.
    """

    joints: np.ndarray
    visibility: np.ndarray
    box: np.ndarray
    skeleton: str
    action: list[tuple[str, float]] | None = None
    index: int | None = None
    time: float | None = None
    image: np.ndarray | None = None

    def joints_in_space(self, camera, root_depth):
        """Where the joints are in space, for a camera that is known.

        Args:
            camera: the `deephar.camera.Camera` of the picture: focal length and principal point in
                pixels of this picture, not of one that was scaled or cut.
            root_depth: how far the root (the pelvis) is in front of the camera, along its axis, mm.

        Returns:
            float64 (J, 3), mm in camera coordinates: x to the right, y down, z away from the
            camera, which is at the origin. Less the row of the pelvis: relative to the root.

        Raises:
            ValueError: the network gives no depth, `camera` is none, or `root_depth` is not
                positive, or so small that a joint would be behind the camera.
        """
        self._require_depth()
        if not isinstance(camera, Camera):
            raise ValueError(f"expected a deephar.camera.Camera, got {camera!r}")
        depth = self.joints[:, 2] + _checked_root_depth(root_depth)
        if (depth <= 0).any():
            raise ValueError(
                f"with the root {root_depth} mm in front of the camera, the nearest joint would be "
                f"{-depth.min():.0f} mm behind it; give the depth of the root in mm"
            )
        return camera.unproject(self.joints[:, :2], depth)

    def draw_views(self, camera=None, root_depth=None, *, size=256, stacked=False):
        """Draws the pose as the camera sees it, and from the side.

        Args:
            camera, root_depth: see `joints_in_space`; the views are then metric. Without them, they
                show what the network gives, the crop as wide and as high as its 2 m of depth. A
                person may then look flatter or deeper than it is; the picture says so.
            size, stacked: see `deephar.visualize.draw_views`.

        Returns:
            uint8 (size, 2 size, 3), RGB; stacked: (2 size, size, 3).

        Raises:
            ValueError: as `joints_in_space`; a camera without `root_depth`, or the other way round.
        """
        self._require_depth()
        if (camera is None) != (root_depth is None):
            raise ValueError("expected both the camera and the depth of the root, or neither")
        options = {"size": size, "stacked": stacked}
        if camera is not None:
            joints = self.joints_in_space(camera, root_depth)
            return draw_views(joints, self.skeleton, **options)
        scale = DEPTH_RANGE / (self.box[2] - self.box[0])
        joints = self.joints * [scale, scale, 1]
        # A person fills the crop but for the margin.
        return draw_views(joints, self.skeleton, span=1800, metric=False, **options)

    def _require_depth(self):
        if self.joints.shape[1] != 3:
            raise ValueError(
                "the network of these weights gives no depth (dim=2), so the pose is known in the "
                "plane only; use weights of a network with dim=3"
            )


def _checked_root_depth(depth):
    if not isinstance(depth, Real) or not 0 < depth < np.inf:
        raise ValueError(f"root_depth must be one positive number, in mm, got {depth!r}")
    return float(depth)
