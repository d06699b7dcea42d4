"""Penn Action: 2326 videos of 15 sports actions from YouTube, 13 joints in every frame.

W. Zhang, M. Zhu, K. Derpanis, "From Actemes to Action: A Strongly-supervised Representation for
Detailed Action Understanding", ICCV 2013.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deephar.data.samples import Video
from deephar.data.sets import cache, jpegs
from deephar.data.sets.matfile import load_mat, number
from deephar.errors import collecting
from deephar.skeletons import get_skeleton

SPLITS = ("train", "test")
ACTIONS = (
    "baseball_pitch",
    "baseball_swing",
    "bench_press",
    "bowl",
    "clean_and_jerk",
    "golf_swing",
    "jump_rope",
    "jumping_jacks",
    "pullup",
    "pushup",
    "situp",
    "squat",
    "strum_guitar",
    "tennis_forehand",
    "tennis_serve",
)
NUM_JOINTS = get_skeleton("penn13").num_joints

# A joint that was never placed was left at (1, 1); later, all coordinates of a video were scaled
# along with its frames. In the published files, no joint with a position lies that close to the
# corner.
_PLACEHOLDER = 2.0

_CACHE_VERSION = 2
_REMEDY = (
    "See datasets/PennAction/README.md of the project for the source and the layout of the data."
)


class PennAction(jpegs.JpegVideos):
    """The videos of one split of Penn Action as `Video` objects with 13 joints (``"penn13"``).

    Labels are in ``root/labels/0001.mat``, ..., frames in ``root/frames/0001/000001.jpg``, .... The
    split is that of the ``train`` flag in the label files: 1258 videos to train on, 1068 to test.

    What is done to the labels: pixels, which the files count from 1, count from 0 here. Hidden
    joints at the placeholder position (the corner of the picture) are unlabelled, other hidden
    joints keep their position, which is a guess. Two files (1154, 1865) have one row of boxes too
    few: the last one is repeated. A box without an area (in ten files) is replaced by that of the
    nearest frame that has one. Names of videos are those of the label files (``"0001"``).

    Frames beyond the last row of the labels (`surplus_frames`) are not used.

    All labels are read when the first data set of a folder is made, and kept in a file in the
    user's cache folder (see `deephar.files.cache_folder`; 28 MB for all of Penn Action). The file
    is written again if a label file was added, removed or changed, or if the cache is damaged. If
    it cannot be written, the labels are read each time.

    Neighbours in the order of the names have the same action and may come from one recording. To
    hold out videos of all actions for validation, use more blocks than there are actions:
    ``hold_out(PennAction(root), fraction=0.1, blocks=30)``.

    Args:
        root: folder with ``labels`` and ``frames``.
        split: ``"train"`` or ``"test"``.
        frames: False gives the labels only: `Video.frames` is empty.
        actions: names of the actions, for a data set of the same layout with other actions; None
            for the 15 of Penn Action. A video's action is an index into this.
        hidden: False makes all joints marked as hidden unlabelled. The authors of the network do
            so to train on Penn Action: about one in ten of the guesses is far off.
        problems: list that takes what is wrong with single label files, which are then left out;
            None raises the first error.

    Attributes:
        root: the folder.
        split: the split.
        actions: names of the actions, in the order of the class indices.
        source: what was read.

    Raises:
        FileNotFoundError: The folder, or the labels or frames of this split are missing; names
            the first file that is missing.
        ValueError: Unknown split, or a label file that is damaged, of another form, or of an
            action that is not one of `actions`.
    """

    name = "penn"
    skeleton = "penn13"
    held_out_by = "videos"

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        *,
        frames: bool = True,
        actions: Sequence[str] | None = None,
        hidden: bool = True,
        problems: list[str] | None = None,
    ):
        if split not in SPLITS:
            raise ValueError(f"Penn Action has the splits {', '.join(SPLITS)}, not {split!r}.")
        self.root = Path(root)
        self.split = split
        self.actions = ACTIONS if actions is None else tuple(actions)
        self._hidden = hidden
        self._labels = read_labels(self.root, problems)
        self._classes = _class_indices(self._labels, self.root, self.actions)
        self._videos = np.flatnonzero(self._labels.train == (split == "train"))
        if not len(self._videos):
            raise FileNotFoundError(
                f"{self.root / 'labels'} holds no video of the split {split!r}. {_REMEDY}"
            )
        self._with_frames = frames
        if frames:
            self._check_frames(
                "Get the frames, or use PennAction(..., frames=False) for the labels alone (in "
                f"scripts --stream pose --poses labels, or --drawn). {_REMEDY}",
                _REMEDY,
            )
        self.source = f"labels/*.mat ({len(self._labels.names)} files)"

    def __len__(self):
        return len(self._videos)

    def __getitem__(self, index):
        if not -len(self) <= index < len(self):
            raise IndexError(f"{self!r} has no video {index}.")
        labels, video = self._labels, self._videos[index]
        rows = slice(labels.starts[video], labels.starts[video + 1])
        visible = labels.visible[rows].astype(float)
        joints = labels.joints[rows].astype(float)
        if not self._hidden:
            visible[visible == 0] = np.nan
            joints[np.isnan(visible)] = np.nan
        width, height = labels.sizes[video].tolist()
        return Video(
            frames=self.frame_paths(index) if self._with_frames else [],
            joints=joints,
            visible=visible,
            skeleton=self.skeleton,
            boxes=labels.boxes[rows].astype(float),
            size=(width, height),
            action=int(self._classes[video]),
            name=str(labels.names[video]),
        )

    def names(self) -> list[str]:
        """Names of all videos, in order."""
        return self._labels.names[self._videos].tolist()

    def frame_paths(self, index: int) -> list[str]:
        """Paths of the frames of a video as they should be, whether they exist or not."""
        video = self._videos[index]
        count = self._labels.starts[video + 1] - self._labels.starts[video]
        return jpegs.frame_paths(self.root / "frames" / str(self._labels.names[video]), count)

    def label_file(self, index: int) -> str:
        """The label file of a video, relative to `root`."""
        return f"labels/{self._labels.names[self._videos[index]]}.mat"

    def __repr__(self):
        frames = "" if self._with_frames else ", labels only"
        return (
            f"PennAction({str(self.root)!r}, split={self.split!r}): {len(self)} videos from "
            f"{self.source}{frames}"
        )


@dataclass(frozen=True, eq=False)
class Labels:
    """All labels of a folder in the Penn Action layout: V videos with N frames altogether.

    Attributes:
        names: str (V,), names of the label files without ``.mat``, in order.
        actions: str (V,), names of the actions.
        train: bool (V,), whether to train on the video.
        sizes: int (V, 2), width and height of the frames, pixels.
        starts: int (V + 1,): video i has the rows ``starts[i]`` to ``starts[i + 1]`` of the others.
        joints: float32 (N, 13, 2), pixels from 0, NaN where unlabelled.
        visible: float32 (N, 13), 1 = visible, 0 = hidden, NaN = unlabelled.
        boxes: float32 (N, 4), pixels from 0.
    """

    names: np.ndarray
    actions: np.ndarray
    train: np.ndarray
    sizes: np.ndarray
    starts: np.ndarray
    joints: np.ndarray
    visible: np.ndarray
    boxes: np.ndarray


def read_labels(root: str | Path, problems: list[str] | None = None) -> Labels:
    """The labels of a folder in the Penn Action layout, from the cache or from its files.

    Args:
        root: the folder.
        problems: as of `PennAction`.

    Raises:
        FileNotFoundError: There are no label files, or none that can be used.
        ValueError: One of them is damaged or of another form.
    """
    folder = Path(root) / "labels"
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{folder} is not a folder; Penn Action expects the label files 0001.mat, ... there. "
            f"{_REMEDY}"
        )
    paths = sorted(path for path in folder.glob("*.mat") if path.stem.isdecimal())
    if not paths:
        raise FileNotFoundError(f"{folder} holds no label files 0001.mat, .... {_REMEDY}")
    file, key = cache.cache_file("penn", folder), cache.contents_key(paths, _CACHE_VERSION)
    cached = cache.load(file, key, list(Labels.__dataclass_fields__))
    if cached is not None:
        return Labels(**cached)
    labels = _read_files(paths, problems)
    if len(labels.names) == len(paths):
        cache.save(file, key, vars(labels))
    return labels


def action_names(root: str | Path, problems: list[str] | None = None) -> tuple[str, ...]:
    """Names of all actions in the label files of a folder, in alphabetical order.

    For ``PennAction(root, actions=action_names(root))``, if the folder holds other actions than
    the official ones.

    Args:
        root: the folder.
        problems: as of `PennAction`.

    Raises:
        FileNotFoundError: As `read_labels`.
        ValueError: As `read_labels`.
    """
    return tuple(sorted(set(read_labels(root, problems).actions.tolist())))


def _class_indices(labels, root, actions):
    """Index in `actions` of the action of each video."""
    position = {name: index for index, name in enumerate(actions)}
    for name, action in zip(labels.names, labels.actions, strict=True):
        if action not in position:
            raise ValueError(
                f"{root / 'labels' / name}.mat has the action {str(action)!r}; known are "
                f"{', '.join(actions)}. If the data set has other actions, name them: "
                "PennAction(..., actions=(...)), or "
                "actions=deephar.data.sets.penn.action_names(root)."
            )
    return np.array([position[action] for action in labels.actions])


def _read_files(paths, problems):
    files = []
    for path in paths:
        with collecting(problems):
            files.append((path.stem, *read_label_file(path)))
    if not files:
        raise FileNotFoundError(f"{paths[0].parent} holds no label file that can be used.")
    names, actions, train, sizes, joints, visible, boxes = zip(*files, strict=True)
    return Labels(
        names=np.array(names),
        actions=np.array(actions),
        train=np.array(train),
        sizes=np.array(sizes, np.int64),
        starts=np.cumsum([0, *map(len, joints)]),
        joints=np.concatenate(joints).astype(np.float32),
        visible=np.concatenate(visible).astype(np.float32),
        boxes=np.concatenate(boxes).astype(np.float32),
    )


def read_label_file(path: Path) -> tuple:
    """The labels of one video.

    Args:
        path: a label file.

    Returns:
        Action, whether to train on the video, (width, height), joints (N, 13, 2), visibility
        (N, 13) and boxes (N, 4); see `Labels`.

    Raises:
        ValueError: The file is damaged or of another form.
    """
    content = load_mat(
        path, ("x", "y", "visibility", "bbox", "action", "train", "dimensions"), _REMEDY
    )
    x, y, visible = (_rows(path, content, name, NUM_JOINTS) for name in ("x", "y", "visibility"))
    if not len(x) == len(y) == len(visible):
        raise ValueError(
            f"{path}: The variables x, y and visibility have {len(x)}, {len(y)} and {len(visible)} "
            f"rows, but must have one for each frame. {_REMEDY}"
        )
    if not len(x):
        raise ValueError(f"{path} describes a video of 0 frames. Remove it. {_REMEDY}")
    dimensions = np.asarray(content["dimensions"], float).ravel()
    if len(dimensions) < 2 or not (dimensions[:2] >= 1).all():
        raise ValueError(
            f"{path}: The dimensions must be height, width and number of frames, got {dimensions}. "
            f"{_REMEDY}"
        )
    if len(dimensions) > 2 and dimensions[2] != len(x):
        raise ValueError(
            f"{path}: The dimensions say {dimensions[2]:g} frames, but x, y and visibility have "
            f"{len(x)} rows. There must be one for each frame. {_REMEDY}"
        )
    if not isinstance(content["action"], str) or abs(number(content["train"])) != 1:
        raise ValueError(
            f"{path}: The action must be a name and train 1 or -1, got {content['action']!r} and "
            f"{content['train']!r}. {_REMEDY}"
        )
    joints = np.stack([x, y], axis=-1)
    placeholder = (visible == 0) & (joints <= _PLACEHOLDER).all(axis=-1)
    unlabelled = placeholder | ~np.isfinite(joints).all(axis=-1)
    return (
        content["action"],
        number(content["train"]) == 1,
        dimensions[1::-1],
        np.where(unlabelled[..., None], np.nan, joints - 1),
        np.where(unlabelled, np.nan, visible),
        _read_boxes(path, content, len(x)),
    )


def _rows(path, content, name, columns):
    """A variable of a label file as floats, a row for each frame."""
    values = np.asarray(content[name])
    if not values.size:
        return np.empty((0, columns))
    if values.ndim == 1:  # a single frame
        values = values[None]
    if values.dtype.kind not in "fiu" or values.shape[1:] != (columns,):
        raise ValueError(
            f"{path}: The variable {name} must be numbers, frames x {columns}, got {values.dtype} "
            f"{values.shape}. {_REMEDY}"
        )
    return values.astype(float)


def _read_boxes(path, content, count):
    """Boxes (count, 4), pixels from 0; all are NaN if none has an area."""
    boxes = _rows(path, content, "bbox", 4)
    if len(boxes) == count - 1 and len(boxes):  # 1154 and 1865
        boxes = np.concatenate([boxes, boxes[-1:]])
    if len(boxes) != count:
        raise ValueError(
            f"{path}: The variable bbox has {len(boxes)} rows, but must have one for each of the "
            f"{count} frames. {_REMEDY}"
        )
    return jpegs.fill_boxes(boxes) - 1
