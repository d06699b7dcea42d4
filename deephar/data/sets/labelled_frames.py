"""Single frames with 3D labels in the form of MMPose: an npz file beside the pictures."""

from pathlib import Path

import numpy as np

from deephar.camera import Camera
from deephar.data.samples import Sample
from deephar.geometry import square_window
from deephar.skeletons import get_skeleton

SKELETON = get_skeleton("pa16j")
# "-" is a point that the skeleton lacks, or has at another place.
LAYOUTS = {
    "h36m": "pelvis right_hip right_knee right_ankle left_hip left_knee left_ankle - thorax - "
    "head_top left_shoulder left_elbow left_wrist right_shoulder right_elbow right_wrist",
    "mpi_inf": "head_top thorax right_shoulder right_elbow right_wrist left_shoulder left_elbow "
    "left_wrist right_hip right_knee right_ankle left_hip left_knee left_ankle pelvis - -",
}
"""Orders of 17 joints: of Human3.6M, and of MPI-INF-3DHP."""


class LabelledFrames:
    """Frames with 2D and 3D labels as `Sample` objects with 16 joints, ``"pa16j"``.

    The arrays of the file, for N frames: ``imgname`` (N,), paths of the pictures in its folder;
    ``part`` (N, 17, 2 or more), pixels; ``S`` (N, 17, 3 or more), metres in camera coordinates. The
    upper neck is left out, since the layouts have another point there.

    Args:
        path: the npz file.
        layout: order of the 17 joints, one of `LAYOUTS`.

    Raises:
        FileNotFoundError: The file or a picture is missing.
        ValueError: The file lacks an array, or the layout is unknown.
    """

    name, skeleton = "labelled-frames", SKELETON.name

    def __init__(self, path: str | Path, layout: str):
        if layout not in LAYOUTS:
            raise ValueError(f"layout must be one of {', '.join(LAYOUTS)}, got {layout!r}.")
        if not Path(path).is_file():
            raise FileNotFoundError(f"{path} does not exist. Give the npz file of the labels.")
        with np.load(path) as file:
            if missing := {"imgname", "part", "S"} - set(file.files):
                raise ValueError(
                    f"{path} has no array {', '.join(sorted(missing))}. It must be in the form of "
                    "MMPose, with imgname, part and S."
                )
            names, parts, points = file["imgname"], file["part"], file["S"]
        self._samples = [
            _sample(Path(path).parent / str(name), part, space, layout)
            for name, part, space in zip(names, parts, points, strict=True)
        ]

    def __len__(self):
        return len(self._samples)

    def __getitem__(self, index):
        return self._samples[index]


def _sample(image, part, space, layout):
    if not image.is_file():
        raise FileNotFoundError(f"{image} is missing. Put the pictures beside the labels.")
    names = LAYOUTS[layout].split()
    joints = np.full((SKELETON.num_joints, 2), np.nan)
    joints_3d = np.full((SKELETON.num_joints, 3), np.nan)
    for number, name in enumerate(names):
        if name != "-":
            joints[SKELETON.index(name)] = part[number, :2]
            joints_3d[SKELETON.index(name)] = 1000 * space[number, :3]
    known = np.isfinite(joints).all(axis=1)
    box = np.concatenate([joints[known].min(axis=0), joints[known].max(axis=0)])
    center, side = square_window(box, 1.5)
    return Sample(
        image=str(image),
        joints=joints,
        visible=known.astype(float),
        skeleton=SKELETON.name,
        center=center,
        side=side,
        head_size=float("nan"),
        name=image.name,
        joints_3d=joints_3d,
        camera=_camera(joints[known], joints_3d[known]),
    )


def _camera(joints, joints_3d):
    """The camera, from points in pixels and in space; the files of the labels do not hold it."""
    slopes = joints_3d[:, :2] / joints_3d[:, 2:]
    fits = [np.polyfit(slopes[:, axis], joints[:, axis], 1) for axis in range(2)]
    return Camera(*np.array(fits).T)
