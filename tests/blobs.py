"""Functions that stand in for networks: they find a bright blob; and pictures for them."""

from dataclasses import replace

import numpy as np
import pytest
from networks import POSES

from deephar import Predictor

SIZE = POSES.image_size
ACTIONS = ["bowl", "squat", "walk"]
CLIPS = replace(POSES, num_frames=4, actions={"dots": 3}, pose_features=16, appearance_features=16)


def blob_poses(images, dim):
    """Poses (B, 1, 16, dim + 1): the joints are at the corners of what is bright."""
    centres = (np.arange(SIZE) + 0.5) / SIZE
    poses = np.full((len(images), 1, 16, dim + 1), 0.75)
    for pose, image in zip(poses[:, 0], images, strict=True):
        bright = image.mean(axis=-1) > 0.3
        pose[:, -1] = bright.any()
        if bright.any():
            x, y = centres[bright.any(axis=0)], centres[bright.any(axis=1)]
            corners = [(x[0], y[0]), (x[-1], y[0]), (x[-1], y[-1]), (x[0], y[-1])]
            pose[:, :2] = np.tile(corners, (4, 1))
    return poses


def blob_network(config):
    """A function that stands in for the network of a config; remembers the shapes it is given."""

    def network(images):
        network.shapes.append(images.shape)
        if images.ndim == 4:
            return {"pose": blob_poses(images, config.dim)}
        poses = [blob_poses(clip, config.dim) for clip in images]
        level = images.mean(axis=(1, 2, 3, 4))
        grey = 1 - images.max(axis=(1, 2, 3, 4)) ** 2  # 0 where the blob is white
        scores = np.stack([0.5 + 0.2 * grey, 0.3 - 0.1 * level, 0.2 + 0.1 * level], -1)
        scores[:, 1:] -= 0.1 * grey[:, None]
        return {"pose": np.stack(poses), "action_dots": scores[:, None]}

    network.shapes = []
    return network


def picture(x, y, width=200, height=150, size=(20, 30), value=255):
    """A black picture with a white or grey rectangle, its top left pixel at (x, y)."""
    image = np.zeros((height, width, 3), np.uint8)
    image[y : y + size[1], x : x + size[0]] = value
    return image


def corners(x, y, size=(20, 30)):
    right, low = x + size[0] - 1, y + size[1] - 1
    return np.tile([(x, y), (right, y), (right, low), (x, low)], (4, 1))


def film(count, fade=0, **options):
    """Pictures of a rectangle that moves to the right by a pixel a frame, and turns grey."""
    return [picture(40 + n, 60, value=255 - fade * n, **options) for n in range(count)]


@pytest.fixture
def blobs():
    """Builder of predictors whose network finds blobs: ``blobs(config, head=..., ...)``."""

    def build(config=CLIPS, **options):
        return Predictor.from_model(blob_network(config), config, **options)

    return build
