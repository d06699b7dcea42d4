"""Builders of small data sets on disk, shared by the tests of deephar.data."""

import json

import cv2
import numpy as np
import pytest
import scipy.io

from deephar.data import Sample


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


class InMemory:
    """A data set of random pictures in memory, each with a level of blue that tells it apart."""

    skeleton = "mpii16"

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
        return f"InMemory({len(self)})"


@pytest.fixture
def build():
    """The builders above, as attributes."""

    class Builders:
        image = staticmethod(write_image)
        mpii_json = staticmethod(write_mpii_json)
        record = staticmethod(json_record)
        lsp = staticmethod(write_lsp)
        structs = staticmethod(struct_array)
        cell = staticmethod(cell)
        dataset = InMemory

    return Builders
