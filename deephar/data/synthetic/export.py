"""Writing a data set of videos to disk, in the layouts of the data sets in `deephar.data.sets`.

To try the loaders and scripts of these data sets without having them:

    train, test = Synthetic("train", videos=120), Synthetic("test", videos=60)
    write_mpii("drawn/MPII", train=train, valid=test)
    write_penn("drawn/PennAction", train=train, test=test)
    write_h36m("drawn/Human3.6M", train=train, test=test)
    write_ntu("drawn/NTU", train=train, test=test)

    MPII("drawn/MPII", split="train")
    PennAction("drawn/PennAction", split="train", actions=train.actions)
    Human36M("drawn/Human3.6M", split="train", every=4)
    NTU("drawn/NTU", split="train")
"""

import json
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from deephar.camera import Camera
from deephar.data.clips import Frames, check_frames
from deephar.data.samples import Dataset, Video
from deephar.data.sets import human36m, ntu
from deephar.files import replacing
from deephar.skeletons import convert, get_skeleton

_QUALITY = 95  # of the JPEG files


def write_mpii(
    folder: str | Path,
    train: Dataset | None = None,
    *,
    valid: Dataset | None = None,
    per_video: int | None = 4,
) -> None:
    """Writes frames as stills in the layout of MPII, which `MPII` reads.

    ``images/*.jpg`` and ``annot/train.json``, ``annot/valid.json``, in the form of the HRNet code
    (pixels count from 1). Joints outside of the picture are written as not annotated. Scale and
    position are such that the window to crop is that of `Frames`.

    Args:
        folder: the folder to write to; made if it does not exist.
        train: data set of videos for ``train.json``, or None.
        valid: data set of videos for ``valid.json``, or None.
        per_video: number of frames of each video, spread evenly over it; None for all.

    Raises:
        ValueError: There is no data set, the folder holds an annotation already, or a video has no
            frames.
        OSError: A file could not be written.
    """
    folder = Path(folder)
    splits = {name: data for name, data in (("train", train), ("valid", valid)) if data is not None}
    _check_target(folder / "annot", splits, "*.json")
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for split, videos in splits.items():
        persons = []
        for sample in Frames(videos, per_video):
            image = f"{split}_{sample.name.replace('#', '_')}.jpg"
            _write_jpeg(folder / "images" / image, sample.image)
            persons.append({"image": image} | _mpii_person(sample))
        with replacing(folder / "annot" / f"{split}.json") as part:
            part.write_text(json.dumps(persons), encoding="utf-8")


def _mpii_person(sample):
    height, width = sample.image.shape[:2]
    joints = convert(sample.joints, sample.skeleton, "mpii16")
    visible = convert(sample.visible[:, None], sample.skeleton, "mpii16")[:, 0]
    inside = ((joints > -0.5) & (joints < (width - 0.5, height - 0.5))).all(axis=-1)
    # The reader crops a square of 200 x 1.25 x scale, 12 x 1.25 x scale below the position.
    scale = sample.side / 250
    person = {
        "joints": np.where(inside[:, None], joints + 1, -1.0).tolist(),
        "joints_vis": inside.astype(int).tolist(),
        "occluded": (inside & (visible == 0)).astype(int).tolist(),
        "center": (sample.center + 1 - (0, 15 * scale)).tolist(),
        "scale": scale,
    }
    if np.isfinite(sample.head_size):
        person["headsize"] = sample.head_size
    return person


def write_penn(
    folder: str | Path,
    train: Dataset | None = None,
    *,
    test: Dataset | None = None,
    actions: Mapping[str, str] | None = None,
) -> None:
    """Writes videos in the official layout of Penn Action, which `PennAction` reads.

    ``labels/0001.mat`` and ``frames/0001/000001.jpg``, ..., first the videos to train on. Pixels
    count from 1. Joints without a position are at (1, 1) with visibility 0.

    Args:
        folder: the folder to write to; made if it does not exist.
        train: data set of videos to train on, or None.
        test: data set of videos to test on, or None.
        actions: what an action is called in the files, by its name in the data set; actions that
            are not in it keep their name. To read the files, name them: ``PennAction(folder,
            actions=...)``.

    Raises:
        ValueError: There is no data set, the folder holds labels already, a video has no frames,
            or `actions` names an action that there is not.
        OSError: A file could not be written.
    """
    from scipy.io import savemat  # here, since it takes a while

    folder = Path(folder)
    splits = [(flag, data) for flag, data in ((1, train), (-1, test)) if data is not None]
    _check_target(folder / "labels", splits, "*.mat")
    renamed = dict(actions or {})
    unknown = set(renamed) - {name for _, videos in splits for name in videos.actions}
    if unknown:
        raise ValueError(
            f"There is no action {sorted(unknown)[0]!r} to rename; the data set has "
            f"{', '.join(splits[0][1].actions)}."
        )
    (folder / "labels").mkdir(parents=True, exist_ok=True)
    number = 0
    for flag, videos in splits:
        for index in range(len(videos)):
            video = check_frames(videos[index])
            number += 1
            frames = folder / "frames" / f"{number:04d}"
            frames.mkdir(parents=True, exist_ok=True)
            for position, image in enumerate(video.frames, start=1):
                _write_jpeg(frames / f"{position:06d}.jpg", image)
            action = videos.actions[video.action]
            labels = {"action": renamed.get(action, action), "train": float(flag)}
            with replacing(folder / "labels" / f"{number:04d}.mat") as part:
                savemat(part, labels | _penn_labels(video))


def _penn_labels(video):
    count = len(video.joints)
    joints = convert(video.joints, video.skeleton, "penn13") + 1
    visible = convert(video.visible[..., None], video.skeleton, "penn13")[..., 0]
    unknown = ~np.isfinite(joints).all(axis=-1)
    joints[unknown] = 1.0
    return {
        "x": joints[..., 0],
        "y": joints[..., 1],
        "visibility": np.where(unknown | (visible == 0), 0.0, 1.0),
        "bbox": video.boxes + 1,
        "pose": view_of(video),
        "dimensions": np.array([video.size[1], video.size[0], count], float),
        "nframes": float(count),
    }


def view_of(video: Video) -> str:
    """From where a person is seen for most of a video: front, back, left or right.

    Left and right are the side of the picture that the person faces. The result is exact with 3D
    joints. Without, it is front or back, by which shoulder is on the left of the picture.
    """
    shoulders = [
        get_skeleton(video.skeleton).index(f"{side}_shoulder") for side in ("right", "left")
    ]
    joints = video.joints if video.joints_3d is None else video.joints_3d
    across = np.nanmedian(joints[:, shoulders[0]] - joints[:, shoulders[1]], axis=0)
    if len(across) == 3 and abs(across[2]) > abs(across[0]):
        return "right" if across[2] < 0 else "left"
    return "front" if across[0] < 0 else "back"


def write_h36m(
    folder: str | Path,
    train: Dataset | None = None,
    *,
    test: Dataset | None = None,
    form: str = "npz",
) -> None:
    """Writes videos with 3D labels in one of the two layouts that `Human36M` reads.

    Each video is one performance of one subject, seen by one camera. Subjects and actions are those
    of Human3.6M one after the other, and do not depend on the video's action. Of the 32 joints of
    Human3.6M, those that the data set lacks are put on a neighbour.

    In the form ``"npz"``, all videos must have the same lens, without distortion: their frames are
    scaled down to the one with the widest view, so that there may be a black border.

    Args:
        folder: the folder to write to; made if it does not exist.
        train: data set of videos to train on, up to 150, or None.
        test: data set of videos to test on, up to 60, or None.
        form: ``"npz"`` (``data_3d_h36m.npz``, ``camera-parameters.json``) or ``"authors"``
            (``annotations.mat``).

    Raises:
        ValueError: There is no data set, or it is too large; the folder holds an annotation
            already; a video has no frames or no 3D labels, or, in the form ``"npz"``, a lens with
            distortion; or `form` is unknown.
        OSError: A file could not be written.
    """
    forms = {"npz": _write_h36m_npz, "authors": _write_h36m_authors}
    if form not in forms:
        raise ValueError(f"Human3.6M has the forms {', '.join(forms)}, not {form!r}.")
    folder = Path(folder)
    splits = {name: data for name, data in (("train", train), ("test", test)) if data is not None}
    _check_target(folder, splits, "annotations.mat")
    _check_target(folder, splits, "data_3d_h36m.npz")
    performances = []
    for split, videos in splits.items():
        subjects = human36m.SPLITS[split]
        if len(videos) > 30 * len(subjects):
            raise ValueError(
                f"Human3.6M has 30 performances of each subject, so {split} can hold at most "
                f"{30 * len(subjects)} videos, and {videos!r} has {len(videos)}."
            )
        for index in range(len(videos)):
            video = check_frames(videos[index])
            if video.joints_3d is None:
                raise ValueError(f"{video.name} has no 3D labels, which Human3.6M needs.")
            if form == "npz" and (video.camera.radial.any() or video.camera.tangential.any()):
                raise ValueError(f"The lens of {video.name} has distortion. Use form='authors'.")
            number, subject = divmod(index, len(subjects))
            repeat, action = divmod(number, len(human36m.ACTIONS))
            performances.append((split, subjects[subject], action, repeat, video))
    forms[form](folder, performances)


# The camera of all videos in the form "npz" stands here, looks along y, and sees z upwards.
_H36M_CAMERA = "54138969"
_H36M_TURN = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
_H36M_PLACE = np.array([0.0, -4000.0, 1500.0])


def _write_h36m_npz(folder, performances):
    cameras = [video.camera for *_, video in performances]
    focal, center = np.min([camera.focal for camera in cameras]), cameras[0].center
    lens = Camera([focal, focal], center, _H36M_TURN, _H36M_PLACE)
    positions, extrinsics = {}, {}
    place = {"R": _H36M_TURN.tolist(), "t": (-_H36M_TURN @ _H36M_PLACE)[:, None].tolist()}
    for _, number, action, repeat, video in performances:
        subject = f"S{number}"
        name = human36m.ACTIONS[action] + (f" {repeat}" if repeat else "")
        points = lens.to_world(_h36m32(video)) / 1000
        positions.setdefault(subject, {})[name] = points.astype(np.float32)
        extrinsics[subject] = {_H36M_CAMERA: place}
        images = folder / "images" / subject / f"{name}.{_H36M_CAMERA}"
        images.mkdir(parents=True, exist_ok=True)
        for frame, image in enumerate(video.frames, start=1):
            _write_jpeg(images / f"{frame:06d}.jpg", _through(lens, video.camera, image))
    matrix = [[focal, 0, center[0]], [0, focal, center[1]], [0, 0, 1]]
    content = {
        "intrinsics": {_H36M_CAMERA: {"calibration_matrix": matrix, "distortion": [0.0] * 5}},
        "extrinsics": extrinsics,
    }
    with replacing(folder / "camera-parameters.json") as part:
        part.write_text(json.dumps(content), encoding="utf-8")
    with replacing(folder / "data_3d_h36m.npz") as part:
        np.savez_compressed(part, positions_3d=positions)


def _through(lens, camera, image):
    """A picture of one camera as another one would show it from the same place."""
    scale = lens.focal / camera.focal
    shift = lens.center - scale * camera.center
    affine = np.array([[scale[0], 0, shift[0]], [0, scale[1], shift[1]]])
    return cv2.warpAffine(image, affine, image.shape[1::-1], flags=cv2.INTER_LINEAR)


def _write_h36m_authors(folder, performances):
    from scipy.io import savemat  # here, since it takes a while

    sequences = {"train": [], "test": []}
    for split, subject, action, repeat, video in performances:
        name = f"a{action + 2:02d}_s{subject:02d}_e{repeat + 1:02d}_c01"
        camera, (width, height) = video.camera, video.size
        frames = [
            {"f": frame, "w": width, "h": height, "pose3d": points.T}
            for frame, points in enumerate(camera.to_world(_h36m32(video)), start=1)
        ]
        parameters = {
            "R": camera.rotation,
            "T": camera.translation[:, None],
            "f": camera.focal,
            "c": camera.center,
            "p": camera.tangential,
            "k": camera.radial,
        }
        sequences[split].append(
            {"name": name, "camera_parameters": parameters, "frames": _structures(frames)}
        )
        (folder / "images" / name).mkdir(parents=True, exist_ok=True)
        for frame, image in enumerate(video.frames, start=1):
            _write_jpeg(folder / "images" / name / f"{frame:05d}.jpg", image)
    content = {
        "sequences_te": np.empty((0, 0)),  # of subjects whose poses are not public
        "sequences_tr": _structures(sequences["train"]),
        "sequences_val": _structures(sequences["test"]),
        "action_labels": np.array(["", *human36m.ACTIONS], object),
        "joint_labels": np.array(get_skeleton("h36m32").joints, object),
    }
    with replacing(folder / "annotations.mat") as part:
        savemat(part, content)


def _structures(records):
    """A MATLAB array of structures with the keys of the dicts as its fields."""
    array = np.empty((1, len(records)), [(key, object) for key in (records[0] if records else ())])
    for i, record in enumerate(records):
        array[0, i] = tuple(record.values())
    return array if records else np.empty((0, 0))


# Where Human3.6M has a joint that a data set lacks: the joint, and what takes its place.
_H36M_NEIGHBOURS = (
    ("nose", "head_top"),
    *((f"{side}_collar", "neck") for side in ("left", "right")),
    *(
        (f"{side}_{joint}", f"{side}_{neighbour}")
        for side in ("left", "right")
        for joint, neighbour in (
            ("foot", "ankle"),
            ("foot_end", "foot"),
            ("thumb", "wrist"),
            ("thumb_end", "thumb"),
            ("hand", "wrist"),
            ("hand_end", "hand"),
        )
    ),
)


def _h36m32(video):
    """Positions (F, 32, 3) in mm in camera coordinates."""
    skeleton = get_skeleton("h36m32")
    points = convert(video.joints_3d, video.skeleton, skeleton)
    at = {name: points[:, index] for index, name in enumerate(skeleton.joints)}  # views
    for joint, neighbour in _H36M_NEIGHBOURS:
        at[joint][np.isnan(at[joint])] = at[neighbour][np.isnan(at[joint])]
    middle = (at["pelvis"] + at["thorax"]) / 2
    at["spine"][np.isnan(at["spine"])] = middle[np.isnan(at["spine"])]
    return points


def write_ntu(
    folder: str | Path, train: Dataset | None = None, *, test: Dataset | None = None
) -> None:
    """Writes videos with 3D labels in the layout of NTU RGB+D, which `NTU` reads.

    ``nturgb+d_skeletons/S001C002P001R001A001.skeleton`` and ``frames/S001C002P001R001A001/
    000001.jpg``, .... Frames keep their height, and get grey borders on both sides to have the
    proportions of NTU's. The data set's first action is written as A001, and so on. The n-th video
    of each action is of the n-th person. Training videos are of training persons and cameras, test
    videos of test persons and camera 1, so that both protocols have the same splits. Hidden joints
    are written as inferred, joints without a position as not tracked.

    Args:
        folder: the folder to write to; made if it does not exist.
        train: data set of videos to train on, or None.
        test: data set of videos to test on, or None.

    Raises:
        ValueError: There is no data set, it has more than 60 actions, the folder holds skeleton
            files already, or a video has no frames or no 3D labels.
        OSError: A file could not be written.
    """
    folder = Path(folder)
    skeletons = folder / ntu.SKELETONS_FOLDER
    splits = {name: data for name, data in (("train", train), ("test", test)) if data is not None}
    _check_target(skeletons, splits, "*.skeleton")
    others = [number for number in range(1, 41) if number not in ntu.TRAINING_SUBJECTS]
    takes = {
        "train": [(c, p) for c in ntu.TRAINING_CAMERAS for p in ntu.TRAINING_SUBJECTS],
        "test": [(1, p) for p in others],
    }
    skeletons.mkdir(parents=True, exist_ok=True)
    for split, videos in splits.items():
        if len(videos.actions) > len(ntu.ACTIONS):
            raise ValueError(f"{videos!r} has more actions than the {len(ntu.ACTIONS)} of NTU.")
        seen = [0] * len(videos.actions)
        for index in range(len(videos)):
            video = check_frames(videos[index])
            if video.joints_3d is None:
                raise ValueError(f"{video.name} has no 3D labels, which NTU RGB+D needs.")
            round_, turn = divmod(seen[video.action], len(takes[split]))
            seen[video.action] += 1
            camera, person = takes[split][turn]
            # Two replications in each set-up.
            setup, replication = round_ // 2 + 1, round_ % 2 + 1
            name = f"S{setup:03d}C{camera:03d}P{person:03d}R{replication:03d}"
            name += f"A{video.action + 1:03d}"
            _write_ntu_video(folder, name, video)


# A depth camera like that of the Kinect. Its pixels are written, but not read.
_NTU_DEPTH = Camera(focal=[365.0, 365.0], center=[255.5, 211.5])


def _write_ntu_video(folder, name, video):
    width, height = video.size
    wide = max(width, round(height * ntu.SIZE[0] / ntu.SIZE[1]))
    left = (wide - width) // 2
    frames = folder / "frames" / name
    frames.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(video.frames, start=1):
        sides = (left, wide - width - left)
        image = np.pad(image, ((0, 0), sides, (0, 0)), constant_values=128)
        _write_jpeg(frames / f"{number:06d}.jpg", image)
    pixels = (video.joints + (left + 0.5, 0.5)) * np.divide(ntu.SIZE, (wide, height)) - 0.5
    joints = np.concatenate(
        [
            video.joints_3d * (0.001, -0.001, 0.001),
            _NTU_DEPTH.project(video.joints_3d),
            pixels,
            np.zeros((*video.visible.shape, 4)),  # orientations
            np.where(video.visible == 0, 1.0, 2.0)[..., None],
        ],
        axis=-1,
    )
    joints = convert(joints, video.skeleton, "ntu25")
    joints[~np.isfinite(joints).all(axis=-1)] = 0
    lines = [str(len(joints))]
    for body in joints:
        lines += ["1", "72057594037931101 0 1 1 1 1 0 0 0 2", str(len(body))]
        lines += [" ".join(f"{value:.9g}" for value in joint) for joint in body]
    with replacing(folder / ntu.SKELETONS_FOLDER / f"{name}.skeleton") as part:
        part.write_text("\n".join(lines) + "\n", encoding="ascii")


def _check_target(folder, splits, pattern):
    if not splits:
        raise ValueError("There is nothing to write: give at least one data set.")
    if any(folder.glob(pattern)):
        raise ValueError(
            f"{folder} holds a data set already; remove it, or choose another folder. Nothing was "
            "written."
        )


def _write_jpeg(path, image):
    encoded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
    path.write_bytes(encoded.tobytes())
