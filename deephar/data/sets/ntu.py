"""NTU RGB+D: 56 880 videos of 60 actions by 40 persons, with 25 3D joints of the Kinect v2.

A. Shahroudy, J. Liu, T.-T. Ng, G. Wang, "NTU RGB+D: A Large Scale Dataset for 3D Human Activity
Analysis", CVPR 2016.
"""

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deephar.camera import Camera
from deephar.data.images import load_image
from deephar.data.samples import Subset, Video
from deephar.data.sets import cache, jpegs
from deephar.errors import collecting
from deephar.files import read_text, replacing
from deephar.geometry import has_area
from deephar.skeletons import convert, get_skeleton, joint_map

SPLITS = ("train", "test")
PROTOCOLS = ("cross-subject", "cross-view")
TRAINING_SUBJECTS = (1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38)
TRAINING_CAMERAS = (2, 3)
ACTIONS = (
    "drink water",
    "eat meal/snack",
    "brushing teeth",
    "brushing hair",
    "drop",
    "pickup",
    "throw",
    "sitting down",
    "standing up (from sitting position)",
    "clapping",
    "reading",
    "writing",
    "tear up paper",
    "wear jacket",
    "take off jacket",
    "wear a shoe",
    "take off a shoe",
    "wear on glasses",
    "take off glasses",
    "put on a hat/cap",
    "take off a hat/cap",
    "cheer up",
    "hand waving",
    "kicking something",
    "put something inside pocket / take out something from pocket",
    "hopping (one foot jumping)",
    "jump up",
    "make a phone call/answer phone",
    "playing with phone/tablet",
    "typing on a keyboard",
    "pointing to something with finger",
    "taking a selfie",
    "check time (from watch)",
    "rub two hands together",
    "nod head/bow",
    "shake head",
    "wipe face",
    "salute",
    "put the palms together",
    "cross hands in front (say stop)",
    "sneeze/cough",
    "staggering",
    "falling",
    "touch head (headache)",
    "touch chest (stomachache/heart pain)",
    "touch back (backache)",
    "touch neck (neckache)",
    "nausea or vomiting condition",
    "use a fan (with hand or paper)/feeling warm",
    "punching/slapping other person",
    "kicking other person",
    "pushing other person",
    "pat on back of other person",
    "point finger at the other person",
    "hugging other person",
    "giving something to other person",
    "touch other person's pocket",
    "handshaking",
    "walking towards each other",
    "walking apart from each other",
)
SIZE = (1920, 1080)
"""(width, height) in pixels of the colour videos, to which the skeleton files refer."""

SKELETONS_FOLDER = "nturgb+d_skeletons"
MISSING_LIST = "NTU_RGBD_samples_with_missing_skeletons.txt"
_MISSING_WORD = "missing"  # in the name of any such list, also of that of NTU RGB+D 120

_NAME = re.compile(r"S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})")
_SKELETON = get_skeleton("ntu25")
_JOINTS = _SKELETON.num_joints
_HEADER = 10  # numbers that come with a body: identity, hands, lean, ...; then the number of joints
_PER_JOINT = 12  # x y z, depth x y, colour x y, orientation (4), tracking state
_TRACKED = 2  # the state of a joint that was seen; 1 is inferred, 0 not tracked at all
_ROW = np.dtype(
    [
        ("joints", np.float32, (_JOINTS, 2)),
        ("joints_3d", np.float32, (_JOINTS, 3)),
        ("state", np.uint8, (_JOINTS,)),
    ]
)

# Of the camera fit. The Kinect's own joints fit to within a pixel.
_LARGEST_ERROR = 8.0  # root of the mean square, pixels
_FEWEST_POINTS = 20
_LEAST_SPREAD = 0.02  # of x / z: 20 of the 1920 pixels

_SHAPE_TOLERANCE = 0.01  # of width / height

_CACHE_VERSION = 1
_REMEDY = "See datasets/NTU/README.md of the project for the source and the layout of the data."


class NTU(jpegs.JpegVideos):
    """The videos of one split of NTU RGB+D as `Video` objects, with 2D and 3D joints.

    Labels are in ``root/nturgb+d_skeletons/S001C001P001R001A001.skeleton``, ..., frames in
    ``root/frames/S001C001P001R001A001/000001.jpg``, .... The frames may be smaller than the videos'
    1920 x 1080 pixels, all by the same factor: joints, boxes and cameras are scaled along.

    What is done to the labels:

    - The 2D joints are the colour coordinates of the files. The 3D joints are in mm, x right, y
      down (the Kinect's y points up) and z forward. Joints that were not tracked (state 0) are
      unlabelled; those that were inferred (state 1) have ``visible`` 0.
    - Each video has one body (`main_body`): false bodies are left out, and one of the two persons
      in A050 to A060 is kept. In frames where it is not tracked, all joints are unlabelled. Where
      only one or two joints are tracked, their 3D positions are unlabelled.
    - Boxes are those around the labelled joints. Frames without labelled joints have the box of the
      nearest frame with one.
    - A pinhole camera is fitted to the joints of each file (`fit_camera`); `joints_3d` are in its
      coordinates. It is None if the joints do not determine it; see `camera_problem`.
    - Files without a body, files without a tracked joint, and those in the official list of samples
      with missing skeletons, if it is in ``root`` or beside the skeleton files, are left out; see
      `skipped`.

    The Kinect's pictures are mirrored; left and right are those of the picture
    (`deephar.skeletons`).

    The skeleton files are read when the first data set of a folder is made, which takes some
    minutes for all of NTU RGB+D. The labels are kept in the user's cache folder (see
    `deephar.files.cache_folder`; 2.5 GB for all of NTU RGB+D, of which only the used part is read
    into memory). They are read again if a skeleton file was added, removed or changed. If the cache
    cannot be written, they are read each time.

    Args:
        root: folder with ``nturgb+d_skeletons`` and ``frames``.
        split: ``"train"`` or ``"test"``.
        protocol: ``"cross-subject"``: 20 of the 40 persons to train on; or ``"cross-view"``:
            cameras 2 and 3 to train on, camera 1 to test.
        frames: False gives the labels only: `Video.frames` is empty.
        skeleton: layout of the joints; the Kinect must track all joints of it, such as ``"pa17j"``.
            A network is scored on data in its own layout.
        size: (width, height) of the frames, pixels, or the path of a frame with this size; None for
            the size of the first frame, or 1920 x 1080 without frames.
        problems: list that takes what is wrong with single label files, which are then left out;
            None raises the first error.

    Attributes:
        root, split, protocol, skeleton: as given.
        actions: names of the 60 actions; A001 has index 0.
        size: (width, height) of the frames, pixels.
        size_from: path of the frame that the size was taken from, or None.
        subjects: int (videos,), number of the person in each.
        skipped: why a video of the split was left out, by name.
        source: what was read.

    Raises:
        FileNotFoundError: The folder, or the labels or frames of this split are missing; names
            the first file that is missing.
        ValueError: Unknown split, protocol or skeleton; a skeleton file that is damaged, cut off,
            or of another name; all videos of this split were skipped; or frames of another shape.
    """

    name = "ntu"
    held_out_by = "videos"
    actions = ACTIONS

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        *,
        protocol: str = "cross-subject",
        frames: bool = True,
        skeleton: str = "ntu25",
        size: tuple[int, int] | str | Path | None = None,
        problems: list[str] | None = None,
    ):
        if split not in SPLITS:
            raise ValueError(f"NTU RGB+D has the splits {', '.join(SPLITS)}, not {split!r}.")
        if protocol not in PROTOCOLS:
            raise ValueError(
                f"NTU RGB+D has the protocols {', '.join(PROTOCOLS)}, not {protocol!r}."
            )
        lacking = joint_map("ntu25", skeleton) < 0
        if lacking.any():
            joint = get_skeleton(skeleton).joints[np.argmax(lacking)]
            raise ValueError(f"NTU RGB+D has no {joint}, which {skeleton!r} has. Use another one.")
        self.root = Path(root)
        self.split = split
        self.protocol = protocol
        self.skeleton = skeleton
        self._labels = read_labels(self.root, problems)
        self._with_frames = frames
        parts = np.array([parse_name(name) for name in self._labels.names])
        train = (
            np.isin(parts[:, 2], TRAINING_SUBJECTS)
            if protocol == "cross-subject"
            else np.isin(parts[:, 1], TRAINING_CAMERAS)
        )
        chosen = np.flatnonzero(train == (split == "train"))
        self.skipped = self._unusable(chosen)
        self._videos = np.array(
            [i for i in chosen if self._labels.names[i] not in self.skipped], np.int64
        )
        if not len(chosen):
            raise FileNotFoundError(
                f"{self.root / SKELETONS_FOLDER} holds no video of the split {split!r} "
                f"({protocol}). {_REMEDY}"
            )
        if not len(self._videos):
            name, reason = next(iter(self.skipped.items()))
            raise ValueError(
                f"{self.root / SKELETONS_FOLDER} holds {len(chosen)} videos of the split {split!r} "
                f"({protocol}), but none that can be used (first {name}: {reason}). {_REMEDY}"
            )
        self.subjects = parts[self._videos, 2]
        self._classes = parts[self._videos, 4] - 1
        if frames:
            self._check_frames(
                "Extract the frames of the videos, or use NTU(..., frames=False) for the labels "
                f"alone (in scripts --stream pose --poses labels). {_REMEDY}",
                "If the video itself is shorter than its labels, add its name to "
                f"{self.root / MISSING_LIST} to skip it. {_REMEDY}",
            )
        if frames and size is None:
            size = self.frame_paths(0)[0]
        self.size_from = str(size) if isinstance(size, str | Path) else None
        if self.size_from:  # the other frames are compared with it when they are used
            size = load_image(self.size_from).shape[1::-1]
        self.size = _checked(size or SIZE, self.size_from)
        self.source = (
            f"{protocol}, {SKELETONS_FOLDER}/*.skeleton ({len(self._labels.names)} files, "
            f"{len(self.skipped)} of this split skipped)"
        )

    def __len__(self):
        return len(self._videos)

    def __getitem__(self, index):
        if not -len(self) <= index < len(self):
            raise IndexError(f"{self!r} has no video {index}.")
        video = self._videos[index]
        rows = self._labels.of(video)
        scale = np.divide(self.size, SIZE)
        joints = (rows["joints"].astype(float) + 0.5) * scale - 0.5
        visible = np.where(np.isnan(joints[..., 0]), np.nan, rows["state"] == _TRACKED)
        focal, center, shift = self._labels.cameras[video].astype(float).reshape(3, 2)
        camera, joints_3d = None, rows["joints_3d"].astype(float)
        if np.isfinite(focal).all():
            camera = Camera(focal=focal * scale, center=(center + 0.5) * scale - 0.5)
            joints_3d[..., :2] += shift
        joints_3d = convert(joints_3d, _SKELETON, self.skeleton)
        # One or two joints are no 3D pose: any other pose can be aligned with them.
        joints_3d[np.isfinite(joints_3d).all(axis=-1).sum(axis=-1) < 3] = np.nan
        return Video(
            frames=self.frame_paths(index) if self._with_frames else [],
            joints=convert(joints, _SKELETON, self.skeleton),
            visible=convert(visible[..., None], _SKELETON, self.skeleton)[..., 0],
            skeleton=self.skeleton,
            boxes=jpegs.fill_boxes(_boxes(joints, self.size)),
            size=self.size,
            action=int(self._classes[index]),
            name=str(self._labels.names[video]),
            joints_3d=joints_3d,
            camera=camera,
            size_from=self.size_from,
        )

    def names(self) -> list[str]:
        """Names of all videos, in order."""
        return self._labels.names[self._videos].tolist()

    def frame_paths(self, index: int) -> list[str]:
        """Paths that the frames of a video should have, whether they exist or not."""
        video = self._videos[index]
        folder = self.root / "frames" / str(self._labels.names[video])
        return jpegs.frame_paths(folder, len(self._labels.of(video)))

    def label_file(self, index: int) -> str:
        """The skeleton file of a video, relative to `root`."""
        return f"{SKELETONS_FOLDER}/{self._labels.names[self._videos[index]]}.skeleton"

    def bodies(self, index: int) -> int:
        """Number of bodies that were tracked in a video; one of them is used."""
        return int(self._labels.bodies[self._videos[index]])

    def camera_problem(self, index: int) -> str | None:
        """Why a video has no camera; None if it has one."""
        video = self._videos[index]
        if np.isfinite(self._labels.cameras[video]).all():
            return None
        try:
            fit_camera(*_pairs(self._labels.of(video)))
        except ValueError as error:
            return str(error)
        return None

    def __repr__(self):
        frames = "" if self._with_frames else ", labels only"
        return (
            f"NTU({str(self.root)!r}, split={self.split!r}): {len(self)} videos from "
            f"{self.source}{frames}"
        )

    def _unusable(self, videos):
        """Why videos cannot be used, by name."""
        labels, listed = self._labels, _listed(self.root)
        reasons = {}
        for video in videos:
            name = str(labels.names[video])
            if name in listed:
                reasons[name] = f"listed in {listed[name]}"
            elif not labels.bodies[video]:
                reasons[name] = "no body was tracked"
            elif not labels.usable[video]:
                reasons[name] = "no joints were tracked that a box could be put around"
        return reasons


def hold_out_subjects(dataset: NTU, fraction: float = 0.1) -> tuple[Subset, Subset]:
    """Splits a data set into videos to train on and videos of other persons to validate on.

    No person is in both parts, in either protocol. Three cameras filmed each performance at once:
    a held-out video of a person in the training part would show a known performance.

    Args:
        dataset: the data set.
        fraction: fraction of the persons to hold out, between 0 and 1; at least one person. They
            are spread evenly over the persons' numbers, and always the same.

    Returns:
        The part to train on and the part held out.

    Raises:
        ValueError: The fraction is not between 0 and 1, or one of the parts would be empty.
    """
    subjects = np.unique(dataset.subjects)
    count = max(1, round(fraction * len(subjects)))
    if not 0 < fraction < 1 or count >= len(subjects):
        raise ValueError(
            f"Holding out {fraction} of the {len(subjects)} persons of {dataset!r} is impossible. "
            "Use a fraction between 0 and 1 that leaves a person to train on."
        )
    held = subjects[(2 * np.arange(count) + 1) * len(subjects) // (2 * count)]
    out = np.isin(dataset.subjects, held)
    return Subset(dataset, np.flatnonzero(~out)), Subset(dataset, np.flatnonzero(out))


def fit_camera(points: np.ndarray, pixels: np.ndarray) -> tuple[Camera, np.ndarray]:
    """The pinhole camera that shows points at given pixels, by linear least squares.

    The Kinect's colour camera looks in the same direction as its depth camera, but sits beside it.
    So a pixel is ``focal (X + shift) / Z + center``. The shift (about 50 mm) can be determined only
    if the person's distance changes; otherwise the smallest shift that fits is taken.

    Args:
        points: (N, 3), mm in coordinates of the depth camera: x right, y down, z forward.
        pixels: (N, 2), where the colour camera sees them. NaN, in both, where unknown.

    Returns:
        The camera, and the shift (2,) in mm that takes x and y of the points to its coordinates.

    Raises:
        ValueError: Too few points are known, they lie too close together in the picture, or they do
            not fit a camera.
    """
    known = np.isfinite(points).all(axis=-1) & np.isfinite(pixels).all(axis=-1)
    points, pixels = points[known].astype(float), pixels[known].astype(float)
    if len(points) < _FEWEST_POINTS:
        raise ValueError(
            f"A camera needs at least {_FEWEST_POINTS} joints that were tracked, got {len(points)}."
        )
    depth = points[:, 2]
    focal, center, shift = np.empty((3, 2))
    for axis in (0, 1):
        across = points[:, axis] / depth
        if np.ptp(across) < _LEAST_SPREAD:
            raise ValueError("The joints lie too close together to determine the focal length.")
        # The last row weighs a shift of 50 mm like an error of half a pixel.
        matrix = np.stack([across, 1000 / depth, np.ones(len(depth))], axis=1)
        matrix = np.concatenate([matrix, [[0, 0.5 / 50, 0]]])
        wanted = np.append(pixels[:, axis], 0)
        focal[axis], moved, center[axis] = np.linalg.lstsq(matrix, wanted, rcond=None)[0]
        if focal[axis] <= 0:
            raise ValueError("The 2D joints are a mirror image of the 3D joints.")
        shift[axis] = 1000 * moved / focal[axis]
    camera = Camera(focal=focal, center=center)
    found = camera.project(points + [*shift, 0])
    error = float(np.sqrt(np.mean((found - pixels) ** 2)))
    if not error <= _LARGEST_ERROR:
        raise ValueError(
            f"The 2D joints and 3D joints do not fit a camera; they differ by {error:.0f} pixels."
        )
    return camera, shift


@dataclass(frozen=True, eq=False)
class Labels:
    """All labels of a folder: V videos with N frames altogether.

    Attributes:
        names: str (V,), names of the skeleton files without ``.skeleton``, in order.
        starts: int (V + 1,): video i has the rows ``starts[i]`` to ``starts[i + 1]``.
        bodies: int (V,), bodies tracked.
        usable: bool (V,), whether the main body has a box in some frame.
        cameras: float (V, 6), focal length and centre in x and y, pixels, and shift of the joints,
            mm (see `fit_camera`); NaN without a camera.
        rows: structured (N,): joints in the picture (25, 2), pixels, joints in space (25, 3), mm,
            NaN where not tracked, and their tracking state (25,). May be a file mapped into memory.
    """

    names: np.ndarray
    starts: np.ndarray
    bodies: np.ndarray
    usable: np.ndarray
    cameras: np.ndarray
    rows: np.ndarray

    def of(self, video: int) -> np.ndarray:
        """The rows of a video."""
        return self.rows[self.starts[video] : self.starts[video + 1]]


def parse_name(name: str) -> tuple[int, int, int, int, int]:
    """Set-up, camera, person, replication and action, all from 1, of a name SsssCcccPpppRrrrAaaa.

    Raises:
        ValueError: The name has another form, or the action is not one of the 60.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} is not a name of NTU RGB+D, such as 'S001C002P003R002A013'.")
    numbers = tuple(map(int, match.groups()))
    if not 1 <= numbers[4] <= len(ACTIONS):
        raise ValueError(
            f"{name!r} has action {numbers[4]}; NTU RGB+D has the actions 1 to {len(ACTIONS)}. "
            "Those of NTU RGB+D 120 are not supported. Put the files elsewhere."
        )
    return numbers


def _checked(size, path=None):
    """The (width, height) of frames; raises if NTU's videos cannot be scaled to it."""
    width, height = size
    if abs(width * SIZE[1] / (height * SIZE[0]) - 1) > _SHAPE_TOLERANCE:
        raise ValueError(
            f"{f'{path}: ' if path else ''}Frames of {width} x {height} pixels cannot be those of "
            f"NTU RGB+D. They may be smaller than {SIZE[0]} x {SIZE[1]}, but must show the whole "
            f"picture in its proportions. {_REMEDY}"
        )
    return width, height


def _listed(root):
    """Names in the lists of samples with missing skeletons, and which list has each."""
    listed = {}
    for folder in (root / SKELETONS_FOLDER, root, root / "Matlab"):  # where the authors have it
        for path in sorted(folder.glob("*.[tT][xX][tT]")):
            if _MISSING_WORD in path.name.lower():
                names = _NAME.finditer(_text(path).upper())
                listed |= {match.group(): path.name for match in names}
    return listed


def _text(path):
    try:
        return read_text(path)
    except UnicodeDecodeError:  # in another encoding; the names are plain letters all the same
        return path.read_text(encoding="latin-1")


def _boxes(joints, size):
    """Boxes (N, 4) around joints (N, J, 2), cut at the edges of the picture; NaN without joints."""
    known = np.isfinite(joints)
    low = np.where(known, joints, np.inf).min(axis=1)
    high = np.where(known, joints, -np.inf).max(axis=1)
    boxes = np.concatenate([low, high], axis=1)
    boxes = np.clip(boxes, 0, np.tile(size, 2) - 1)
    boxes[~known.any(axis=(1, 2))] = np.nan
    return boxes


# ----------------------------------------------------------------------------- the skeleton files


def read_labels(root: str | Path, problems: list[str] | None = None) -> Labels:
    """The labels of a folder, from the cache or from its skeleton files.

    Args:
        root: the folder.
        problems: as of `NTU`.

    Raises:
        FileNotFoundError: There are no skeleton files, or none that can be used.
        ValueError: One of them is damaged, cut off, or of another name.
    """
    folder = Path(root) / SKELETONS_FOLDER
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{folder} is not a folder; NTU RGB+D expects S001C001P001R001A001.skeleton, ... there."
            f" {_REMEDY}"
        )
    paths = sorted(path for path in folder.glob("*.skeleton") if not path.name.startswith("."))
    if not paths:
        raise FileNotFoundError(
            f"{folder} holds no skeleton files S001C001P001R001A001.skeleton, .... {_REMEDY}"
        )
    named = []
    for path in paths:
        with collecting(problems):
            _check_name(path)
            named.append(path)
    file, key = cache.cache_file("ntu", folder), cache.contents_key(named, _CACHE_VERSION)
    labels = _load(file, key)
    if labels is None:
        labels = _read_files(named, file, key, problems)
    if not len(labels.names):
        raise FileNotFoundError(f"{folder} holds no skeleton file that can be used.")
    return labels


def _check_name(path):
    try:
        parse_name(path.stem)
    except ValueError as error:
        raise ValueError(f"{path}: {error} {_REMEDY}") from None


# The cache is two files: the rows, which are mapped into memory since there are too many of them,
# and everything else. The key in the name of the first makes sure that the two belong together.


def _rows_file(file, key):
    return file.with_name(f"{file.stem}-{key[:16]}.rows")


def _load(file, key):
    content = cache.load(file, key, [n for n in Labels.__dataclass_fields__ if n != "rows"])
    if content is None:
        return None
    rows = _mapped(_rows_file(file, key), int(content["starts"][-1]))
    return None if rows is None else Labels(**content, rows=rows)


def _mapped(path, count):
    """The rows in a file; None if it does not hold as many."""
    try:
        if path.stat().st_size != count * _ROW.itemsize:
            return None
        return np.memmap(path, _ROW, "r", shape=(count,)) if count else np.empty(0, _ROW)
    except OSError:
        return None


def _read_files(paths, file, key, problems):
    """Reads skeleton files into the cache; into memory, if it cannot be written."""
    if file is not None:
        path = _rows_file(file, key)
        with contextlib.suppress(OSError):
            with replacing(path) as part, open(part, "wb") as stream:
                facts = _collect(paths, lambda rows: rows.tofile(stream), problems)
            rows = _mapped(path, int(facts["starts"][-1]))
            if rows is not None:
                if len(facts["names"]) == len(paths):
                    cache.save(file, key, facts)
                for other in set(file.parent.glob(f"{file.stem}-*.rows")) - {path}:
                    other.unlink()
                return Labels(**facts, rows=rows)
    parts = []
    facts = _collect(paths, parts.append, problems)
    return Labels(**facts, rows=np.concatenate([np.empty(0, _ROW), *parts]))


def _collect(paths, keep, problems):
    """All of `Labels` except the rows, which are passed to `keep` file by file."""
    names, lengths, bodies, usable, cameras = [], [], [], [], []
    for path in paths:
        with collecting(problems):
            rows, count = read_skeleton_file(path)
            keep(rows)
            names.append(path.stem)
            lengths.append(len(rows))
            bodies.append(count)
            usable.append(bool(has_area(_boxes(rows["joints"], SIZE)).any()))
            cameras.append(_camera_numbers(rows))
    return {
        "names": np.array(names),
        "starts": np.cumsum([0, *lengths]),
        "bodies": np.array(bodies),
        "usable": np.array(usable),
        "cameras": np.array(cameras),
    }


def _camera_numbers(rows):
    """A row of `Labels.cameras`."""
    try:
        camera, shift = fit_camera(*_pairs(rows))
    except ValueError:  # see NTU.camera_problem
        return [np.nan] * 6
    return [*camera.focal, *camera.center, *shift]


def _pairs(rows):
    """3D and 2D joints that were tracked, not inferred, for `fit_camera`."""
    seen = rows["state"] == _TRACKED
    return rows["joints_3d"][seen], rows["joints"][seen]


def read_skeleton_file(path: Path) -> tuple[np.ndarray, int]:
    """The labels of one video.

    Args:
        path: a skeleton file.

    Returns:
        Rows of the main body, see `Labels`, and the number of bodies.

    Raises:
        ValueError: The file is damaged or cut off.
    """
    bodies = _read_bodies(path)
    count = next(iter(bodies.values())).shape[0] if bodies else 0
    rows = np.zeros(count, _ROW)
    rows["joints"] = rows["joints_3d"] = np.nan
    if not bodies:
        return rows, 0
    numbers = bodies[main_body(bodies)]
    state = numbers[..., -1]
    space = numbers[..., :3] * (1000, -1000, 1000)
    picture = numbers[..., 5:7]
    known = (state > 0) & (space[..., 2] > 0)
    for name, values in (("joints", picture), ("joints_3d", space)):
        good = known & np.isfinite(values).all(axis=-1)
        rows[name][good] = values[good]
    rows["state"] = np.where(known, state, 0)
    return rows, len(bodies)


def main_body(bodies: dict) -> object:
    """The main body of a video, if several were tracked.

    It is the body that moves most: with the largest sum of the variances of x, y and z of all
    joints, which is the rule of the data set's authors. Only bodies that were tracked in at least
    half as many frames as the one tracked longest are considered, since false bodies come and go.

    Args:
        bodies: by identity, in the order of their appearance, (frames, 25, 3 or more): x, y, z
            first; NaN in frames where the body was not tracked.

    Returns:
        Its identity; the first one if several are equal.
    """
    present = {
        body: numbers[np.isfinite(numbers[..., :3]).all(axis=(1, 2))][..., :3]
        for body, numbers in bodies.items()
    }
    longest = max(map(len, present.values()))
    motion = {
        body: np.var(frames, axis=0).sum() if len(frames) else 0.0
        for body, frames in present.items()
        if 2 * len(frames) >= longest
    }
    return max(motion, key=motion.get)


def _read_bodies(path):
    """The bodies in a skeleton file by identity, each (frames, 25, 12), NaN where not tracked.

    Empty if there is no body in any frame.
    """
    try:
        words = path.read_bytes().split()
        numbers = np.fromiter(map(float, words), float, len(words))
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}). {_REMEDY}") from error
    except ValueError as error:
        raise ValueError(f"{path} holds something other than numbers: {error}. {_REMEDY}") from None
    per_body = _HEADER + 1 + _JOINTS * _PER_JOINT
    bodies, at = {}, 1
    frames = _count(path, numbers, 0, "frames")
    for frame in range(frames):
        count = _count(path, numbers, at, f"bodies in frame {frame + 1} of {frames}")
        at += 1
        for _ in range(count):
            body = numbers[at : at + per_body]
            if len(body) > _HEADER and body[_HEADER] != _JOINTS:
                raise ValueError(
                    f"{path}: A body in frame {frame + 1} has {body[_HEADER]:g} joints, not "
                    f"{_JOINTS}. {_REMEDY}"
                )
            if len(body) < per_body:
                raise ValueError(_cut_off(path, f"in frame {frame + 1} of {frames}"))
            # The words, since the identity has more digits than a float.
            known = bodies.setdefault(words[at], np.full((frames, _JOINTS, _PER_JOINT), np.nan))
            known[frame] = body[_HEADER + 1 :].reshape(_JOINTS, _PER_JOINT)
            at += per_body
    if at != len(numbers):
        raise ValueError(
            f"{path} has {len(numbers) - at} numbers after the last of its {frames} frames. "
            f"{_REMEDY}"
        )
    return bodies


def _count(path, numbers, at, what):
    """A whole number in a skeleton file, at most as large as the file has numbers."""
    if at >= len(numbers):
        raise ValueError(_cut_off(path, f"before the number of {what}"))
    value = numbers[at]
    if not (value >= 0 and value == np.floor(value)):
        raise ValueError(f"{path}: The number of {what} cannot be {value:g}. {_REMEDY}")
    if value > len(numbers):  # or infinite
        raise ValueError(_cut_off(path, f"it should have {value:g} {what}"))
    return int(value)


def _cut_off(path, where):
    return f"{path} is cut off ({where}). Extract it again from the archive. {_REMEDY}"
