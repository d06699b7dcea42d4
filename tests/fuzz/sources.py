"""Small files of every kind that is read, and the public functions that read them."""

import io
import json
import zipfile
import zlib
from pathlib import Path

import cv2
import h5py
import keras
import numpy as np
from clips import encode
from fuzz.mutations import mutated
from PIL import Image
from scipy.io import savemat

from deephar import weights
from deephar.data import (
    LSP,
    MPII,
    NTU,
    Human36M,
    PennAction,
    Synthetic,
    crop_image,
    load_image,
    read_poses,
    write_h36m,
    write_mpii,
    write_ntu,
    write_penn,
)
from deephar.data.sets import cache
from deephar.data.sets.human36m import read_cameras
from deephar.geometry import crop_affine
from deephar.inference.media import load_picture
from deephar.models import ModelConfig, build_model
from deephar.training.run import epochs_done
from deephar.video import read_video, video_info

HEADS = ModelConfig(
    stem="none",
    image_size=64,
    num_frames=4,
    num_pyramids=1,
    num_levels=2,
    actions={"drawn": 2},
    pose_features=16,
    streams=("pose",),
)
"""A network of a few thousand weights."""


class Source:
    """A file of one form.

    Args:
        path: the file.
        reads: functions of the path that read it.
        content: what is damaged in place of the whole file.
        finish: function of the damaged content that gives the content of the file; what it adds,
            such as check sums, is not damaged.
    """

    def __init__(self, path, *reads, content=None, finish=bytes):
        self.path, self.reads, self._finish = Path(path), reads, finish
        self.is_text = self.path.suffix in (".json", ".skeleton")
        self._whole = self.path.read_bytes()
        self._content = self._whole if content is None else content

    def damage(self, rng):
        """Writes a damaged copy in place of the file."""
        self.path.write_bytes(self._finish(mutated(self._content, rng, text=self.is_text)))

    def mend(self):
        """Writes the file as it was."""
        self.path.write_bytes(self._whole)


def all_sources(folder):
    """The files by kind, which are written to a folder, each into one of its own."""
    folder = Path(folder)
    made = {
        "h5": _h5,
        "mat": _mat,
        "npz": _npz,
        "skeleton": _skeleton,
        "json": _json,
        "jpg": _jpg,
        "png": _png,
        "mp4": _mp4,
    }
    folder.mkdir()
    videos = Synthetic("train", videos=2, image_size=64, frames=3)
    return {kind: make(folder, videos) for kind, make in made.items()}


def _first_and_last(dataset):
    return dataset[0], dataset[len(dataset) - 1]


# ----------------------------------------------------------------------------------- weights


def _h5(folder, videos):
    network = build_model(HEADS)
    path = folder / "network.h5"
    weights.save(network, HEADS, path, frame_rate=10, actions={"drawn": ["sit", "stand"]})
    functions = (
        lambda path: weights.load(network, path),
        lambda path: weights.load(network, path, partial=True),
        weights.read_config,
        weights.read_facts,
        weights.describe,
    )
    layers = [keras.Input((3,)), keras.layers.Dense(4, name="a"), keras.layers.Dense(2, name="b")]
    dense = keras.Sequential(layers)
    dense.save_weights(folder / "dense.weights.h5")
    (folder / "cameras").mkdir()
    with h5py.File(folder / "cameras" / "cameras.h5", "w") as file:
        camera = file.create_group("subject1/camera1")
        for name, shape in {"R": (3, 3), "T": (3, 1), "f": 2, "c": 2, "k": 3, "p": 2}.items():
            camera[name] = np.ones(shape)
        camera["Name"] = [[ord(letter)] for letter in "54138969"]
    (folder / "run").mkdir()
    with h5py.File(folder / "run" / "state.h5", "w") as file:
        log = json.dumps([{"epoch": 1, "loss": 1.0, "val_pckh": 3.0}])
        file["log"] = np.frombuffer(log.encode(), np.uint8)
        file["model/0"] = np.ones(3)
    return [
        Source(path, *functions),
        Source(folder / "dense.weights.h5", lambda path: weights.load(dense, path)),
        Source(folder / "cameras" / "cameras.h5", lambda path: read_cameras(path.parent)),
        Source(folder / "run" / "state.h5", lambda path: epochs_done(path.parent)),
    ]


# ------------------------------------------------------------------------------------ labels


def _mat(folder, videos):
    write_penn(folder / "penn", videos)
    write_h36m(folder / "h36m-authors", videos, form="authors")
    lsp, authors, official = (folder / name for name in ("lsp", "mpii-authors", "mpii-official"))
    for root in (lsp, authors, official):
        (root / "images").mkdir(parents=True)
    savemat(lsp / "joints.mat", {"joints": np.arange(3.0 * 14 * 4).reshape(3, 14, 4)})
    pose = np.arange(32.0).reshape(2, 16)
    box = np.array([10.0, 10, 30, 40])
    person = {"head": box, "objpos": np.array([20.0, 30]), "scale": 1.5, "pose": pose}
    cells = np.empty((3, 2), object)
    for column in range(2):
        cells[:, column] = [np.array([1.0]), f"{column}.jpg", person]
    savemat(authors / "annotations.mat", {"annot_tr": cells})
    points = {"point": [{"id": j, "x": 9.0 + j, "y": 4.0, "is_visible": 1} for j in range(4)]}
    rect = dict(zip(("x1", "y1", "x2", "y2"), box, strict=True), scale=1.5, annopoints=points)
    entry = {"image": {"name": "a.jpg"}, "annorect": {**rect, "objpos": {"x": 20.0, "y": 30.0}}}
    release = {"annolist": [entry, entry], "img_train": np.array([1, 1])}
    savemat(official / "mpii_human_pose_v1_u12_1.mat", {"RELEASE": release})
    penn = folder / "penn" / "labels"
    return [
        Source(
            penn / "0001.mat",
            lambda path: _first_and_last(
                PennAction(path.parents[1], frames=False, actions=videos.actions)
            ),
        ),
        Source(lsp / "joints.mat", lambda path: _first_and_last(LSP(path.parent))),
        Source(authors / "annotations.mat", lambda path: _first_and_last(MPII(path.parent))),
        Source(
            official / "mpii_human_pose_v1_u12_1.mat",
            lambda path: _first_and_last(MPII(path.parent)),
        ),
        Source(
            folder / "h36m-authors" / "annotations.mat",
            lambda path: _first_and_last(Human36M(path.parent, every=1, frames=False)),
        ),
    ]


def _npz(folder, videos):
    root = folder / "h36m"
    write_h36m(root, videos)
    labels = folder / "labels.npz"
    cache.save(labels, "key", {"joints": np.ones((3, 13, 2), np.float32), "names": ["a", "b"]})

    def read_positions(path):
        return _first_and_last(Human36M(path.parent, every=1, frames=False))

    def read_labels(path):
        return cache.load(path, "key", ["joints", "names"])

    forms = [(root / "data_3d_h36m.npz", "positions_3d", read_positions)]
    forms += [(labels, "names", read_labels)]
    return [
        source
        for path, name, read in forms
        for source in (Source(path, read), _inside(path, name, read))
    ]


def _inside(path, name, read):
    """An array in an archive. It is damaged, and not the archive, whose sums would tell."""

    def archived(content):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr(f"{name}.npy", content)
        return buffer.getvalue()

    with zipfile.ZipFile(path) as archive:
        return Source(path, read, content=archive.read(f"{name}.npy"), finish=archived)


def _skeleton(folder, videos):
    write_ntu(folder / "ntu", videos)
    path, other = sorted((folder / "ntu" / "nturgb+d_skeletons").glob("*.skeleton"))
    other.unlink()
    return [Source(path, lambda path: _first_and_last(NTU(path.parents[1], frames=False)))]


def _json(folder, videos):
    write_mpii(folder / "mpii", videos, per_video=1)
    cameras = folder / "h36m-cameras"
    cameras.mkdir()
    (folder / "h36m" / "camera-parameters.json").rename(cameras / "camera-parameters.json")
    (folder / "h36m" / "camera-parameters.json").write_bytes(
        (cameras / "camera-parameters.json").read_bytes()
    )
    joints = np.random.default_rng(0).uniform(0, 99, (33, 2)).round().tolist()
    landmarks = [{"x": x / 99, "y": y / 99, "visibility": 0.5} for x, y in joints]
    people = [{"keypoints": joints[:17], "keypoint_scores": [0.5] * 17}]
    columns = [[point[axis] for point in joints[:17]] for axis in (0, 1)]
    yolo = [{"keypoints": {"x": columns[0], "y": columns[1], "visible": [0.9] * 17}}]
    flat = np.column_stack([joints[:17], np.ones(17)]).ravel().tolist()
    demo = {"time": 0.0, "joints": joints[:16], "visibility": [1.0] * 16}
    poses = {
        "demo": {"fps": 25, "skeleton": "pa16j", "frames": [demo, {**demo, "time": 0.04}]},
        "coco": [{"image_id": number, "keypoints": flat, "score": 1} for number in (3, 5)],
        "mmpose": {"instance_info": [{"frame_id": 1, "instances": people}] * 2},
        "yolo": [yolo, [], yolo],
        "mediapipe": {"width": 99, "height": 99, "frames": [landmarks, None, landmarks]},
    }
    sources = [
        Source(
            folder / "mpii" / "annot" / "train.json",
            lambda path: _first_and_last(MPII(path.parents[1])),
        ),
        Source(cameras / "camera-parameters.json", lambda path: read_cameras(path.parent)),
    ]
    for name, content in poses.items():
        path = folder / f"{name}.json"
        path.write_text(json.dumps(content))
        sources.append(Source(path, read_poses))
    return sources


# ------------------------------------------------------------------------ pictures and videos


def _picture():
    grid = np.random.default_rng(0).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    return cv2.resize(grid, (96, 64), interpolation=cv2.INTER_CUBIC)


_READ_PICTURE = (
    load_image,
    load_picture,
    lambda path: crop_image(path, crop_affine((48, 32), 90), 16),
)


def _jpg(folder, videos):
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = Image.fromarray(_picture())
    picture.save(folder / "turned.jpg", exif=exif, quality=80)
    picture.save(folder / "progressive.jpg", progressive=True, quality=80)
    picture.convert("L").save(folder / "grey.jpg", quality=80)
    names = ("turned.jpg", "progressive.jpg", "grey.jpg")
    return [Source(folder / name, *_READ_PICTURE) for name in names]


def _png(folder, videos):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(_picture()).save(folder / "turned.png", exif=exif)
    deep = _picture()[..., 0].astype(np.uint16) * 257
    Image.fromarray(deep).save(folder / "deep.png")
    Image.fromarray(_picture()).quantize(8).save(folder / "palette.png")
    paths = [folder / name for name in ("turned.png", "deep.png", "palette.png")]
    return [
        Source(path, *_READ_PICTURE, finish=finish) for path in paths for finish in (bytes, _summed)
    ]


def _summed(content):
    """A PNG with true check sums."""
    content, at = bytearray(content), 8
    while at + 12 <= len(content):
        end = at + 8 + int.from_bytes(content[at : at + 4])
        content[end : end + 4] = zlib.crc32(content[at + 4 : end]).to_bytes(4)
        at = end + 4
    return bytes(content)


def _mp4(folder, videos):
    frames = [np.roll(_picture(), 7 * number, axis=1) for number in range(8)]
    times = np.arange(8) / 25
    encode(folder / "h264.mp4", times, frames)
    encode(folder / "mpeg4.mp4", times, frames, codec="mpeg4")
    encode(folder / "fields.mp4", times, frames, fields="tff")
    return [
        Source(folder / name, _read_frames, video_info)
        for name in ("h264.mp4", "mpeg4.mp4", "fields.mp4")
    ]


def _read_frames(path):
    for _ in read_video(path):
        pass
