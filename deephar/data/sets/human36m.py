"""Human3.6M: actors in a studio, seen by four cameras, with the 3D positions of 32 joints.

C. Ionescu, D. Papava, V. Olaru, C. Sminchisescu, "Human3.6M: Large Scale Datasets and Predictive
Methods for 3D Human Sensing in Natural Environments", TPAMI 2014.
"""

import json
import os
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deephar.camera import Camera
from deephar.data.images import load_image
from deephar.data.samples import Sample
from deephar.data.sets.jpegs import check_command
from deephar.data.sets.matfile import load_mat, structures
from deephar.data.sets.pickled import read_pickled
from deephar.errors import collecting
from deephar.files import open_h5, read_text
from deephar.skeletons import convert, get_skeleton

SPLITS = {"train": (1, 5, 6, 7, 8), "test": (9, 11)}
"""Numbers of the subjects of each split. The poses of the other subjects are not public."""
EVERY = {"train": 5, "test": 64}
"""Step between the frames taken from a video: 10 of 50 per second to train, one in 64 to test."""
PROTOCOLS = (1, 2)
ACTIONS = (
    "Directions",
    "Discussion",
    "Eating",
    "Greeting",
    "Phoning",
    "Posing",
    "Purchases",
    "Sitting",
    "SittingDown",
    "Smoking",
    "Photo",
    "Waiting",
    "Walking",
    "WalkDog",
    "WalkTogether",
)
ANNOTATIONS = "annotations.mat"
POSITIONS = "data_3d_h36m.npz"
CAMERAS = ("camera-parameters.json", "cameras.h5")

# Width and height of what the window shows in the plane of the pelvis, mm. The authors of the
# network use 2.25 times the size of the picture in pixels (1000 x 1002).
WINDOW = 2.25 * np.array([1000.0, 1002.0])

# No field gives the size of a camera's picture, but the principal point is near its middle.
_SIZE_TOLERANCE = 0.1
_LEAST_EXTENT = 1.0  # mm; a pose smaller than this has all joints in one place

# In some releases, and for S1, the videos of two actions have other names.
_OTHER_NAMES = {"TakingPhoto": "Photo", "WalkingDog": "WalkDog"}
_SEQUENCES = {"train": "sequences_tr", "test": "sequences_val"}
_POINTS = get_skeleton("h36m32").num_joints
_REMEDY = (
    "See datasets/Human3.6M/README.md of the project for the source and the layout of the data."
)


class Human36M:
    """Frames of one split of Human3.6M as `Sample` objects with 17 joints in 3D (``"pa17j"``).

    The training split is S1, S5, S6, S7 and S8, the test split S9 and S11, with all actions and all
    four cameras. The annotation is the first of these that exists:

    1. ``annotations.mat``: the form of the authors of the network, with the cameras inside. The
       frames are ``images/a02_s01_e01_c01/00001.jpg`` (or in ``images.new``).
    2. ``data_3d_h36m.npz``: the form of VideoPose3D (D. Pavllo et al., CVPR 2019), with
       ``camera-parameters.json`` or ``cameras.h5``. The frames are
       ``images/S1/Directions 1.54138969/000001.jpg``, the folders named like the videos.

    Frames are numbered from 1, in the order of the video, and have its size. The joints in pixels
    are the 3D joints as seen through the lens, with its distortion. It is not known which joints
    are hidden. The window to crop is centred at the pelvis and shows about 2.25 m there (the
    authors' rule).

    Both usual protocols use these frames. The score of protocol 1 is the MPJPE (with pelvises
    aligned), that of protocol 2 the P-MPJPE (after a Procrustes alignment). Evaluations report
    both; `protocol` says which is *the* score.

    Args:
        root: folder with ``images`` and the annotation.
        split: ``"train"`` or ``"test"``.
        protocol: 1 or 2.
        every: takes frames 1, 1 + every, 1 + 2 every, ... of each video; by default every 5th to
            train and every 64th to test, as the authors do.
        frames: whether to check that the frames exist.
        problems: list that takes what is wrong with single videos or cameras, which are then left
            out; None raises the first error.

    Attributes:
        root, split, protocol, every: as given.
        actions: names of the 15 actions; each `Sample.action` is one of them.
        source: annotation that was read, its form, its subjects and number of cameras.

    Raises:
        FileNotFoundError: The folder, the annotation, the cameras, or frames are missing; names
            the first frame, and says how many.
        ValueError: Unknown split or protocol; an annotation or cameras that are damaged, of
            another form, or do not fit each other; a subject lacks a camera that others have; or
            the first frame of a camera has another size than its picture.
    """

    name = "h36m"
    skeleton = "pa17j"
    held_out_by = "performances"
    actions = ACTIONS

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        *,
        protocol: int = 1,
        every: int | None = None,
        frames: bool = True,
        problems: list[str] | None = None,
    ):
        if split not in SPLITS:
            raise ValueError(f"Human3.6M has the splits {', '.join(SPLITS)}, not {split!r}.")
        if protocol not in PROTOCOLS:
            raise ValueError(
                f"Human3.6M has the protocols 1 (MPJPE) and 2 (P-MPJPE), not {protocol!r}."
            )
        self.root = Path(root)
        self.split = split
        self.protocol = protocol
        self.every = EVERY[split] if every is None else every
        if self.every < 1:
            raise ValueError(f"every must be at least 1, got {every}.")
        path, read, form = _find_annotation(self.root)
        found = list(read(path, split, problems))
        sequences = [taken for sequence in found if (taken := sequence.every(self.every))]
        sequences = [item for item in sequences if _is_usable(item, path, problems)]
        if not sequences:
            error = FileNotFoundError if problems else ValueError
            raise error(f"{path} holds no frame of the split {split!r}. {_REMEDY}")
        if foreign := {sequence.subject for sequence in sequences} - set(SPLITS[split]):
            raise ValueError(
                f"{path} has S{min(foreign)} among the videos of the split {split!r}, which has "
                f"S{', S'.join(map(str, SPLITS[split]))}. {_REMEDY}"
            )
        self._sequences = sequences
        self._starts = np.cumsum([0, *(len(sequence.numbers) for sequence in sequences)])
        subjects = sorted({sequence.subject for sequence in sequences})
        cameras = len({sequence.camera_name for sequence in sequences})
        self.source = (
            f"{path.name} ({form}: {', '.join(f'S{subject}' for subject in subjects)}; {cameras} "
            f"camera{'s' if cameras > 1 else ''}), one frame in {self.every}"
        )
        if len(sequences) < len(found):
            self.source += f"; {len(found) - len(sequences)} videos have no such frame"
        if frames:
            self._check_frames()

    def __len__(self):
        return int(self._starts[-1])

    def __getitem__(self, index):
        if not -len(self) <= index < len(self):
            raise IndexError(f"{self!r} has no frame {index}.")
        index = int(index) % len(self)
        which = int(np.searchsorted(self._starts, index, side="right")) - 1
        sequence, frame = self._sequences[which], index - self._starts[which]
        camera = sequence.camera
        joints_3d = camera.to_camera(sequence.points[frame])
        center, side = person_window(camera, joints_3d[_PELVIS])
        return Sample(
            image=sequence.path(frame),
            joints=camera.project(joints_3d),
            visible=np.full(len(joints_3d), np.nan),
            skeleton=self.skeleton,
            center=center,
            side=side,
            head_size=float("nan"),
            name=sequence.frame_name(frame),
            joints_3d=joints_3d,
            camera=camera,
            action=sequence.action,
        )

    def __repr__(self):
        return (
            f"Human36M({str(self.root)!r}, split={self.split!r}, protocol={self.protocol}): "
            f"{len(self)} frames of {len(self._sequences)} videos from {self.source}"
        )

    def names(self) -> list[str]:
        """Names of all frames, in order."""
        return [
            sequence.frame_name(frame)
            for sequence in self._sequences
            for frame in range(len(sequence.numbers))
        ]

    def missing_frames(self) -> dict[str, list[str]]:
        """Names of the frame files that do not exist, by folder, in the order of the videos."""
        found = {sequence.folder: sequence.missing() for sequence in self._sequences}
        return {folder: missing for folder, missing in found.items() if missing}

    def uneven_videos(self) -> list[tuple[str, str]]:
        """Pairs of videos of one performance, by two cameras, with labels for different frames.

        This occurs only in the form of the authors, and is not an error in itself.
        """
        first, pairs = {}, []
        for sequence in self._sequences:
            other = first.setdefault(sequence.name.split("#")[0], sequence)
            if not np.array_equal(other.numbers, sequence.numbers):
                pairs.append((other.name, sequence.name))
        return pairs

    def invalid_poses(self) -> dict[str, str]:
        """Why the poses of a video cannot be real, by name of the video."""
        found = {sequence.name: sequence.pose_problem() for sequence in self._sequences}
        return {name: problem for name, problem in found.items() if problem}

    def _check_frames(self):
        """Raises if a frame is missing: now, rather than after hours of training."""
        missing = self.missing_frames()
        if missing:
            folder, names = next(iter(missing.items()))
            total = sum(map(len, missing.values()))
            raise FileNotFoundError(
                f"The frame {os.path.join(folder, names[0])} does not exist; {total} of the "
                f"{len(self)} frames are missing, in {len(missing)} of {len(self._sequences)} "
                f"folders. `{check_command(self.name, self.root)}` lists them. {_REMEDY}"
            )
        first = {}  # of each camera, which may have been moved between subjects
        for sequence in self._sequences:
            first.setdefault((sequence.subject, sequence.camera_name), sequence)
        for sequence in first.values():
            problem = size_problem(sequence.camera, load_image(sequence.path(0)).shape[1::-1])
            if problem:
                raise ValueError(f"{sequence.path(0)} is {problem}. {_REMEDY}")


def _is_usable(sequence, path, problems):
    with collecting(problems):
        sequence.check(path)
        return True
    return False


_PELVIS = get_skeleton(Human36M.skeleton).index("pelvis")


def person_window(camera: Camera, pelvis: np.ndarray) -> tuple[np.ndarray, float]:
    """The square window to crop: its centre (2,) and its side, pixels.

    The authors' own centre lies one pixel lower, probably by mistake.

    Args:
        camera: the camera.
        pelvis: (3,), mm in camera coordinates.
    """
    return camera.project(pelvis), float((WINDOW * camera.focal).max() / pelvis[2])


def size_problem(camera: Camera, size: tuple[int, int]) -> str | None:
    """How the size of a frame differs from that of the camera's picture, in words; None if not.

    The size of the camera's picture is taken to be twice the principal point, within 10 %.

    Args:
        camera: the camera.
        size: (width, height) of the frame, pixels.
    """
    expected = 2 * camera.center
    if (np.abs(size - expected) <= _SIZE_TOLERANCE * expected).all():
        return None
    return (
        f"{size[0]} x {size[1]} pixels, but its camera's picture has about {expected[0]:.0f} x "
        f"{expected[1]:.0f}: frames must have the size of the video"
    )


@dataclass(frozen=True, eq=False)
class _Sequence:
    """Frames of one video.

    Attributes:
        name: unique; the part before ``#`` is the same for all cameras of a performance.
        subject: its number.
        action: one of `ACTIONS`.
        camera: that of the video.
        folder: where the frames are.
        digits: number of digits in their file names.
        numbers: int (F,), of the frames, from 1.
        points: float32 (F, 17, 3), mm in the world.
    """

    name: str
    subject: int
    action: str
    camera: Camera
    folder: str
    digits: int
    numbers: np.ndarray
    points: np.ndarray

    def every(self, step):
        """Its frames 1, 1 + step, ...; None if it has none of them."""
        keep = (self.numbers - 1) % step == 0
        if not keep.any():
            return None
        parts = {"numbers": self.numbers[keep], "points": self.points[keep]}
        return _Sequence(**{**vars(self), **parts})

    @property
    def camera_name(self):
        return self.name.split("#")[1]

    def frame_name(self, frame):
        return f"{self.name}/{self.numbers[frame]:06d}"

    def check(self, path):
        """Raises ValueError if the camera cannot have seen the person."""
        depth = self.camera.to_camera(self.points[:, _PELVIS])[:, 2]
        seen = depth > 0  # NaN is not
        if not seen.all():
            raise ValueError(
                f"{path}: In {self.name}, frame {self.numbers[np.argmin(seen)]}, the pelvis has no "
                f"position, or is behind the camera. Check that the cameras are those of this data "
                f"set. {_REMEDY}"
            )

    def pose_problem(self):
        """Why the poses cannot be real; None if they can."""
        extent = (np.nanmax(self.points, axis=1) - np.nanmin(self.points, axis=1)).max(axis=-1)
        small = extent < _LEAST_EXTENT
        if small.any():
            return (
                f"all joints lie in one place in {small.sum()} of {len(small)} frames, first in "
                f"frame {self.numbers[np.argmax(small)]}"
            )
        if len(small) > 1 and np.array_equal(self.points[1:], self.points[:-1], equal_nan=True):
            return f"the pose is the same in all {len(small)} frames"
        return None

    def path(self, frame):
        return os.path.join(self.folder, self._file(self.numbers[frame]))

    def missing(self):
        """Names of the frame files that do not exist."""
        try:
            present = set(os.listdir(self.folder))
        except (FileNotFoundError, NotADirectoryError):
            present = set()
        return [name for name in map(self._file, self.numbers) if name not in present]

    def _file(self, number):
        return f"{number:0{self.digits}d}.jpg"


def _find_annotation(root):
    """Path of the annotation, the function that reads it, and the name of its form."""
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is not a folder. {_REMEDY}")
    if (root / ANNOTATIONS).is_file():
        return root / ANNOTATIONS, _read_authors, "form of the network's authors"
    if (root / POSITIONS).is_file():
        return root / POSITIONS, _read_npz, "form of VideoPose3D"
    raise FileNotFoundError(
        f"{root} holds no annotation of Human3.6M; expected {ANNOTATIONS} or {POSITIONS}. {_REMEDY}"
    )


def _joints(points):
    return convert(points, "h36m32", Human36M.skeleton).astype(np.float32)


# ----------------------------------------------------------------------- the form of VideoPose3D


def _read_npz(path, split, problems):
    positions = _read_positions(path, problems)
    cameras, cameras_path = read_cameras(path.parent)
    for subject in SPLITS[split]:
        actions = positions.get(subject, {})
        seen_by = {name: camera for (who, name), camera in cameras.items() if who == subject}
        if actions:
            with collecting(problems):
                _check_cameras(cameras_path, cameras, positions, subject)
        for action, points in actions.items():
            points = 1000 * _joints(points)
            for name, camera in seen_by.items():
                yield _Sequence(
                    name=f"S{subject}/{action}#{name}",
                    subject=subject,
                    action=_action_of(path, action),
                    camera=camera,
                    folder=_video_folder(path.parent / "images" / f"S{subject}", action, name),
                    digits=6,
                    numbers=np.arange(1, len(points) + 1),
                    points=points,
                )


def _check_cameras(path, cameras, positions, subject):
    """Raises if a camera of a subject is missing, since its videos would be left out silently."""
    owners = {name: who for who, name in cameras if who in positions}
    lacking = [name for name in sorted(owners) if (subject, name) not in cameras]
    if len(lacking) == len(owners):
        raise ValueError(f"{path} has no camera of S{subject}. {_REMEDY}")
    if lacking:
        raise ValueError(
            f"{path} lacks the camera {lacking[0]} of S{subject}, which it has for "
            f"S{owners[lacking[0]]}. {_REMEDY}"
        )


def _action_of(path, name):
    """``"Directions 1"`` to ``"Directions"``."""
    action = name.split(" ")[0]
    action = _OTHER_NAMES.get(action, action)
    if action not in ACTIONS:
        raise ValueError(
            f"{path} has the action {name!r}; Human3.6M has {', '.join(ACTIONS)}. {_REMEDY}"
        )
    return action


def _video_folder(folder, action, camera):
    """Folder of the frames of a video, under its usual or its other name, whichever exists."""
    names = [action]
    for other, usual in _OTHER_NAMES.items():
        usually = action.replace(other, usual)
        names += [usually, usually.replace(usual, other)]
    folders = [folder / f"{name}.{camera}" for name in dict.fromkeys(names)]
    return str(next((found for found in folders if found.is_dir()), folders[0]))


def _read_positions(path, problems):
    """Positions (F, 32, 3) in metres, by number of the subject and name of the action."""
    try:
        positions = _unpickled(path, "positions_3d")
        positions = {
            int(subject.removeprefix("S")): {
                str(action): np.asarray(points, np.float32) for action, points in actions.items()
            }
            for subject, actions in positions.items()
        }
    except Exception as error:  # a damaged file makes zipfile and pickle raise all kinds of them
        raise ValueError(
            f"{path} is not VideoPose3D's file of positions ({error}). Expected `positions_3d`, a "
            f"dict from subject (S1) to action (Directions 1) to an array. {_REMEDY}"
        ) from error
    good = {}
    for subject, actions in positions.items():
        for action, points in actions.items():
            with collecting(problems):
                _check_points(f"{path}: S{subject}, {action}", points)
                _action_of(path, action)
                good.setdefault(subject, {})[action] = points
    return good


def _check_points(what, points):
    if points.ndim != 3 or points.shape[1:] != (_POINTS, 3):
        raise ValueError(
            f"{what} has the shape {points.shape}; expected (frames, {_POINTS}, 3), all points as "
            f"recorded. {_REMEDY}"
        )
    if not (np.abs(points) < 100).all():
        raise ValueError(
            f"{what} has positions up to {np.abs(points).max():.0f}; expected metres. {_REMEDY}"
        )


def _unpickled(path, name):
    """A pickled object in an .npz file, which must consist of arrays and plain types."""
    with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            header = np.lib.format.read_array_header_1_0(file)
        else:
            header = np.lib.format.read_array_header_2_0(file)
        if not header[2].hasobject:
            raise ValueError(f"an array of {header[2]}")
        return read_pickled(file).item()


def read_cameras(root: str | Path) -> tuple[dict[tuple[int, str], Camera], Path]:
    """The cameras of all subjects, from the first of these files that exists:

    1. ``camera-parameters.json``: ``intrinsics`` (camera -> ``calibration_matrix``, ``distortion``
       k1, k2, p1, p2, k3) and ``extrinsics`` (subject -> camera -> ``R``, ``t``), with ``x = R X +
       t`` (github.com/karfly/human36m-camera-parameters).
    2. ``cameras.h5``: groups ``subject1/camera1`` with ``R`` (transposed), ``T``, ``f``, ``c``,
       ``k``, ``p``, ``Name``, with ``x = R (X - T)`` (J. Martinez et al., ICCV 2017).

    If there is no distortion in the file, the lens is taken to have none. ``p`` is for y first,
    then for x, as in Human3.6M's own code.

    Args:
        root: the folder.

    Returns:
        Camera by number of the subject and name (such as ``(1, "54138969")``), and the path.

    Raises:
        FileNotFoundError: There is neither file.
        ValueError: It is damaged, or of another form.
    """
    for name, read in zip(CAMERAS, (_read_json_cameras, _read_h5_cameras), strict=True):
        path = Path(root) / name
        if not path.is_file():
            continue
        try:
            cameras = read(path)
        except Exception as error:  # of JSON, of HDF5, or of the content
            raise ValueError(
                f"{path} does not have the form of a camera file ({type(error).__name__}: {error})."
                f" {_REMEDY}"
            ) from error
        return cameras, path
    raise FileNotFoundError(
        f"{root} holds no camera file ({' or '.join(CAMERAS)}), and {POSITIONS} does not say "
        f"where the cameras were. {_REMEDY}"
    )


def _read_json_cameras(path):
    content = json.loads(read_text(path))
    cameras = {}
    for subject, of_subject in content["extrinsics"].items():
        for name, place in of_subject.items():
            inside = content["intrinsics"][name]
            matrix = np.array(inside["calibration_matrix"], float)
            k1, k2, p1, p2, k3 = inside.get("distortion") or np.zeros(5)
            rotation = np.array(place["R"], float)
            cameras[int(subject.removeprefix("S")), name] = Camera(
                focal=matrix[[0, 1], [0, 1]],
                center=matrix[:2, 2],
                rotation=rotation,
                translation=-rotation.T @ np.ravel(place["t"]),
                radial=(k1, k2, k3),
                tangential=(p2, p1),
            )
    return cameras


def _read_h5_cameras(path):
    cameras = {}
    with open_h5(path) as file:
        for subject, group in file.items():
            for values in group.values():
                name = "".join(map(chr, np.ravel(values["Name"]).astype(int)))
                cameras[int(subject.removeprefix("subject")), name] = Camera(
                    focal=np.ravel(values["f"]),
                    center=np.ravel(values["c"]),
                    rotation=values["R"][()].T,
                    translation=np.ravel(values["T"]),
                    radial=np.ravel(values["k"]) if "k" in values else np.zeros(3),
                    tangential=np.ravel(values["p"])[::-1] if "p" in values else np.zeros(2),
                )
    return cameras


# ------------------------------------------------------------ the form of the network's authors


def _read_authors(path, split, problems):
    images = path.parent / "images.new"
    if not images.is_dir():
        images = path.parent / "images"
    variable = _SEQUENCES[split]
    for element in structures(load_mat(path, (variable,), _REMEDY)[variable]):
        with collecting(problems):
            yield _authors_sequence(path, images, variable, element)


def _authors_sequence(path, images, variable, element):
    try:
        name = str(element.name)
        frames = structures(element.frames)
        numbers = np.array([int(frame.f) for frame in frames])
        points = np.stack([np.asarray(frame.pose3d, float)[:3].T for frame in frames])
        camera = _authors_camera(element.camera_parameters)
    except (AttributeError, TypeError, ValueError, IndexError) as error:
        raise ValueError(
            f"{path}: An element of {variable} has another form ({error}). Expected name, "
            f"frames (f, pose3d), camera_parameters (R, T, f, c, p, k). {_REMEDY}"
        ) from error
    parts = re.fullmatch(r"a(\d\d)_s(\d\d)_e\d\d_(c\d\d)", name)
    if parts is None or not 0 <= int(parts[1]) - 2 < len(ACTIONS):
        raise ValueError(
            f"{path}: A sequence is called {name!r}; expected action (a02 to a16), subject, "
            f"repetition and camera, as in a02_s01_e01_c01. {_REMEDY}"
        )
    if points.shape[1:] != (_POINTS, 3):
        raise ValueError(
            f"{path}: The sequence {name} has poses of the shape {points.shape[:0:-1]}; "
            f"expected (3, {_POINTS}). {_REMEDY}"
        )
    return _Sequence(
        name=f"{name.removesuffix('_' + parts[3])}#{parts[3]}",
        subject=int(parts[2]),
        action=ACTIONS[int(parts[1]) - 2],
        camera=camera,
        folder=str(images / name),
        digits=5,
        numbers=numbers,
        points=_joints(points),
    )


def _authors_camera(values):
    """The authors list the tangential coefficients as `Camera` does; k and p may be missing."""
    lens = {}
    for field, key in (("radial", "k"), ("tangential", "p")):
        numbers = np.ravel(getattr(values, key, ()))
        if len(numbers):
            lens[field] = numbers
    return Camera(
        focal=np.ravel(values.f),
        center=np.ravel(values.c),
        rotation=values.R,
        translation=np.ravel(values.T),
        **lens,
    )
