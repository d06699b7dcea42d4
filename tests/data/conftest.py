"""Builders of small data sets on disk, shared by the tests of deephar.data."""

import json

import cv2
import numpy as np
import pytest
import scipy.io

from deephar.data import Sample, Video


@pytest.fixture(scope="session")
def real_penn_labels(real_data):
    """Path of the folder with the real labels of Penn Action, or a skip."""
    if not (real_data / "PennAction" / "labels").is_dir():
        pytest.skip("the real labels of Penn Action are not at hand (data/PennAction)")
    return real_data / "PennAction"


def write_image(path, width=64, height=48, seed=0):
    """Writes a smooth random picture and returns it as RGB."""
    path.parent.mkdir(parents=True, exist_ok=True)
    grid = np.random.default_rng(seed).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    image = cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    assert cv2.imwrite(str(path), image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 98])
    return image


def write_mpii_json(root, split, records):
    """Writes ``annot/SPLIT.json`` and an image for every name in it."""
    path = root / "annot" / f"{split}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(records))
    (root / "images").mkdir(exist_ok=True)
    for record in records:
        if isinstance(record, dict) and not (root / "images" / record["image"]).exists():
            write_image(root / "images" / record["image"])
    return path


def json_record(image="a.jpg", **changes):
    """A person in the form of the HRNet code: joint j at (10 + j, 20 + j), counted from 1."""
    record = {
        "image": image,
        "joints": [[10.0 + j, 20.0 + j] for j in range(16)],
        "joints_vis": [1] * 16,
        "center": [18.0, 28.0],
        "scale": 0.125,
    }
    return record | changes


def struct_array(records):
    """A MATLAB 1 x N array of structures; fields that a record lacks are empty, as in MATLAB."""
    keys = list(dict.fromkeys(key for record in records for key in record))
    array = np.empty((1, len(records)), [(key, object) for key in keys])
    for i, record in enumerate(records):
        for key in keys:
            array[key][0, i] = record.get(key, np.empty((0, 0)))
    return array


def cell(*values):
    """A MATLAB cell array, one row."""
    array = np.empty((1, len(values)), object)
    for i, value in enumerate(values):
        array[0, i] = value
    return array


def write_lsp(root, count, extended=False, images=None):
    """Writes LSP (or LSP-extended) with `count` persons; joint j of person i at (20 + j, i % 9)."""
    root.mkdir(parents=True, exist_ok=True)
    x = np.repeat(20.0 + np.arange(14)[:, None], count, axis=1)
    y = 10.0 + np.arange(14)[:, None] + np.arange(count) % 9
    flag = np.ones((14, count)) if extended else np.zeros((14, count))
    values = np.stack([x, y, flag])
    scipy.io.savemat(
        root / "joints.mat", {"joints": values.transpose(1, 0, 2) if extended else values}
    )
    (root / "images").mkdir(exist_ok=True)
    for number in images or ():
        write_image(root / "images" / f"im{number:0{5 if extended else 4}d}.jpg")
    return values


def write_penn(root, number=1, frames=5, images=True, **changes):
    """Writes a video in the Penn Action layout, 64 x 48 pixels.

    Counted from 1, joint j of frame t is at (20 + j + t, 15 + j), and the box around all of them.
    """
    t, j = np.arange(frames)[:, None], np.arange(13)
    x, y = 20.0 + j + t, 15.0 + j + 0 * t
    content = {
        "x": x,
        "y": y,
        "visibility": np.ones((frames, 13), np.uint8),
        "bbox": np.stack([x.min(1), y.min(1), x.max(1), y.max(1)], axis=-1),
        "action": "bowl",
        "train": 1,
        "dimensions": np.array([48, 64, frames], np.uint16),
    }
    content = {name: value for name, value in (content | changes).items() if value is not None}
    (root / "labels").mkdir(parents=True, exist_ok=True)
    path = root / "labels" / f"{number:04d}.mat"
    scipy.io.savemat(path, content)
    for frame in range(1, frames + 1 if images else 1):
        write_image(
            root / "frames" / f"{number:04d}" / f"{frame:06d}.jpg", seed=100 * number + frame
        )
    return path


class VideosInMemory:
    """A data set of videos in memory; blue tells the videos apart, green the frames of a video."""

    skeleton = "pa16j"
    name = "memory"
    split = "train"
    source = "memory"
    actions = ("walk", "wave", "jump")

    def __init__(self, *lengths, size=(48, 40), **changes):
        self.videos = [self._video(i, n, size, changes) for i, n in enumerate(lengths)]

    def _video(self, i, length, size, changes):
        rng = np.random.default_rng(i)
        frames = rng.integers(0, 256, (length, size[1], size[0], 3)).astype(np.uint8)
        frames[..., 1] = np.arange(length)[:, None, None]
        frames[..., 2] = i
        low = rng.uniform((0, 0), np.multiply(size, 0.1), (length, 2))
        fields = {
            "frames": list(frames),
            "joints": rng.uniform(np.multiply(size, 0.2), np.multiply(size, 0.8), (length, 16, 2)),
            "visible": np.ones((length, 16)),
            "skeleton": self.skeleton,
            "boxes": np.concatenate([low, np.array(size) - 1 - low], axis=1),
            "size": size,
            "action": i % len(self.actions),
            "name": f"v{i:02d}",
        }
        return Video(**(fields | changes))

    def __len__(self):
        return len(self.videos)

    def __getitem__(self, index):
        return self.videos[index]

    def __repr__(self):
        return f"VideosInMemory({len(self)})"


class RandomPictures:
    """A data set of random pictures in memory, each with a level of blue that tells it apart."""

    skeleton = "mpii16"
    split = "train"
    source = "random numbers"

    def __init__(self, count, name="memory", size=40):
        self.name = name
        self.samples = [self._sample(i, size) for i in range(count)]

    def _sample(self, i, size):
        rng = np.random.default_rng(i)
        image = rng.integers(0, 256, (size, size, 3)).astype(np.uint8)
        image[..., 2] = i
        return Sample(
            image=image,
            joints=rng.uniform(0.2 * size, 0.8 * size, (16, 2)),
            visible=np.ones(16),
            skeleton=self.skeleton,
            center=np.full(2, (size - 1) / 2),
            side=float(size),
            head_size=size / 8,
            name=f"{self.name}{i:03d}",
        )

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        return self.samples[index]

    def __repr__(self):
        return f"RandomPictures({len(self)})"


def make_sample(image, **changes):
    """Somebody without labelled joints, in the middle of an image of 64 x 48 pixels."""
    fields = {
        "image": image,
        "joints": np.full((16, 2), np.nan),
        "visible": np.full(16, np.nan),
        "skeleton": "mpii16",
        "center": np.array([31.5, 23.5]),
        "side": 40.0,
        "head_size": 5.0,
        "name": "somebody",
    }
    return Sample(**(fields | changes))


def draw_spots(width, height, points, sigma):
    """Picture with a bright Gaussian spot at each point."""
    y, x = np.mgrid[:height, :width]
    picture = sum(np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * sigma**2)) for px, py in points)
    return np.repeat((255 * np.clip(picture, 0, 1)).round().astype(np.uint8)[..., None], 3, -1)


def spot_centre(crop, near, radius):
    """Centroid of a spot of a crop, in crop pixels."""
    y, x = np.mgrid[: crop.shape[0], : crop.shape[1]]
    close = (x - near[0]) ** 2 + (y - near[1]) ** 2 < radius**2
    weight = crop[..., 1] * close.astype(float)
    return np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()


@pytest.fixture
def build():
    """The builders above, as attributes."""

    class Builders:
        image = staticmethod(write_image)
        mpii_json = staticmethod(write_mpii_json)
        record = staticmethod(json_record)
        lsp = staticmethod(write_lsp)
        penn = staticmethod(write_penn)
        structs = staticmethod(struct_array)
        cell = staticmethod(cell)
        sample = staticmethod(make_sample)
        spots = staticmethod(draw_spots)
        spot_centre = staticmethod(spot_centre)
        dataset = RandomPictures
        videos = VideosInMemory

    return Builders
