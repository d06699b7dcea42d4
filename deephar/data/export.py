"""Writing a data set of videos to disk, in the layouts of MPII and of Penn Action.

For trying the loaders and scripts of those data sets where they are not at hand:

    train, test = Synthetic("train", videos=120), Synthetic("test", videos=60)
    write_mpii("drawn/MPII", train=train, valid=test)
    write_penn("drawn/PennAction", train=train, test=test)

    MPII("drawn/MPII", split="train")
    PennAction("drawn/PennAction", split="train", actions=train.actions)
"""

import json
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from deephar.data.clips import Frames, check_frames
from deephar.data.samples import Video
from deephar.files import replacing
from deephar.skeletons import convert, get_skeleton

_QUALITY = 95  # of the JPEG files


def write_mpii(folder: str | Path, train=None, valid=None, per_video: int | None = 4) -> None:
    """Writes frames as stills in the layout of MPII, which `MPII` reads.

    ``images/*.jpg`` and ``annot/train.json``, ``annot/valid.json``, in the form of the HRNet code
    (pixels count from 1). Joints outside of the picture are written as not annotated. Scale and
    position are such that the window to crop is that of `Frames`.

    Args:
        folder: where to; made if need be.
        train: data set of videos for ``train.json``, or None.
        valid: data set of videos for ``valid.json``, or None.
        per_video: number of frames of each video, spread evenly over it; None for all.

    Raises:
        ValueError: there is no data set, the folder holds an annotation already, or a video has no
            frames.
        OSError: a file could not be written.
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
    folder: str | Path, train=None, test=None, actions: Mapping[str, str] | None = None
) -> None:
    """Writes videos in the official layout of Penn Action, which `PennAction` reads.

    ``labels/0001.mat`` and ``frames/0001/000001.jpg``, ..., first the videos to train on. Pixels
    count from 1. Joints without a position are at (1, 1) with visibility 0.

    Args:
        folder: where to; made if need be.
        train: data set of videos to train on, or None.
        test: data set of videos to test on, or None.
        actions: what an action is called in the files, by its name in the data set; actions that
            are not in it keep their name. To read the files, name them: ``PennAction(folder,
            actions=...)``.

    Raises:
        ValueError: there is no data set, the folder holds labels already, a video has no frames,
            or `actions` names an action that there is not.
        OSError: a file could not be written.
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

    Left and right are the side of the picture that the person faces. With 3D joints exact; without,
    front and back are told by which shoulder is on the left of the picture.
    """
    shoulders = [
        get_skeleton(video.skeleton).index(f"{side}_shoulder") for side in ("right", "left")
    ]
    joints = video.joints if video.joints_3d is None else video.joints_3d
    across = np.nanmedian(joints[:, shoulders[0]] - joints[:, shoulders[1]], axis=0)
    if len(across) == 3 and abs(across[2]) > abs(across[0]):
        return "right" if across[2] < 0 else "left"
    return "front" if across[0] < 0 else "back"


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
