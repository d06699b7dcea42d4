"""A network that needs no training: it finds coloured dots, one colour a joint."""

import dataclasses
import functools

import cv2
import keras
import numpy as np
import pytest
from keras import ops

from deephar.camera import Camera
from deephar.data import Sample, SequenceAugmentation
from deephar.data.samples import Video
from deephar.inference import ActionProtocol
from deephar.models import ModelConfig
from deephar.skeletons import convert, get_skeleton

SIZE = 64
UNCHANGED = SequenceAugmentation(
    part=(1, 1),
    warp=0,
    rotation=0,
    scale=(1, 1),
    flip=0,
    translation=0,
    noise=0,
    missing=0,
    hidden=0,
)
"""Changes nothing in a sequence of poses."""
SKELETON = get_skeleton("pa16j")
MARKS = 2  # two more dots, A to the left of B: their order tells whether a crop is mirrored


def dot_colours():
    """(18, 3) colours in [-1, 1], spread over a sphere around mid grey (Fibonacci's spiral)."""
    number = np.arange(SKELETON.num_joints + MARKS) + 0.5
    polar = np.arccos(1 - 2 * number / len(number))
    azimuth = np.pi * (1 + 5**0.5) * number
    directions = (np.cos(azimuth) * np.sin(polar), np.sin(azimuth) * np.sin(polar), np.cos(polar))
    return 0.95 * np.stack(directions, axis=-1)


class DotReader(keras.layers.Layer):
    """Images (B, S, S, 3) to poses (B, P, J, dim + 1).

    As a real network does, it calls the person's sides by what it sees: in a mirrored image, it
    takes the dots of the left wrist for the right one's.

    Args:
        shifts: what each prediction block adds to all coordinates.
        dim: 2, or 3 to give a depth as well.
    """

    def __init__(self, shifts, dim):
        super().__init__()
        self.shifts, self.dim = shifts, dim

    def call(self, images):
        colours = dot_colours().astype("float32")
        distance = ops.sum(ops.square(images[:, :, :, None] - colours), axis=-1)
        weights = ops.softmax(ops.reshape(-60 * distance, (-1, SIZE * SIZE, len(colours))), axis=1)
        centres = (np.arange(SIZE, dtype="float32") + 0.5) / SIZE
        grid = np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2)
        xy = ops.einsum("bpj,pd->bjd", weights, grid)
        joints, marks = xy[:, :-MARKS], xy[:, -MARKS:]
        mirrored = (marks[:, 0, 0] > marks[:, 1, 0])[:, None, None]
        joints = ops.where(mirrored, ops.take(joints, SKELETON.flip, axis=1), joints)
        rest = [ops.ones_like(joints[..., :1])] * (self.dim - 2)
        visibility = ops.where(mirrored, 0.5, 1.0) * ops.ones_like(joints[..., :1])
        blocks = [ops.concatenate([joints + s, *rest, visibility], -1) for s in self.shifts]
        return ops.stack(blocks, axis=1)


@functools.cache
def dot_model(shifts=(0.0,), dim=2):
    """A model that finds the dots. It is made once, since its graph takes time."""
    image = keras.Input((SIZE, SIZE, 3))
    return keras.Model(image, {"pose": DotReader(shifts, dim)(image)})


class Dots:
    """Grey images with the dots, in windows of any size and position, some beyond the border."""

    def __init__(self, count=7, skeleton="mpii16", name="mpii", split="valid"):
        self.skeleton, self.name, self.split = skeleton, name, split
        rng = np.random.default_rng(0)
        self.samples = [self._sample(rng, number) for number in range(count)]

    def _sample(self, rng, number):
        side = float(np.geomspace(48, 500, 7)[number % 7] * rng.uniform(0.9, 1.1))
        center = side * rng.uniform(0.4, 0.6, 2)  # the window reaches out at the left or the top
        image, points = draw_dots(rng, center, side)
        joints = convert(points[:-MARKS], SKELETON, self.skeleton)
        return Sample(
            image=image,
            joints=joints,
            visible=np.ones(len(joints)),
            skeleton=self.skeleton,
            center=center,
            side=side,
            head_size=side / 10,
            name=f"dots{number}.png#1",
        )

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        return self.samples[index]

    def changed(self, index, **changes):
        """The same data set with another value of some fields of one sample."""
        other = Dots(0, self.skeleton, self.name, self.split)
        other.samples = list(self.samples)
        other.samples[index] = dataclasses.replace(self.samples[index], **changes)
        return other


def draw_dots(rng, center, side):
    """Image with a dot for every joint and mark, and their positions (18, 2) in pixels.

    They lie on the cells of a grid in the part of the window that shows the image, clear of each
    other and of its borders.
    """
    low = np.maximum(center - 0.4 * side, 0.06 * side)
    high = center + 0.4 * side
    cells = [(column, row) for row in range(5) for column in range(5)]
    marks = [cells.pop(20), cells.pop(23)]  # bottom left and bottom right
    chosen = [cells[i] for i in rng.permutation(len(cells))[: SKELETON.num_joints]] + marks
    jitter = rng.uniform(0.35, 0.65, (len(chosen), 2))
    points = low + (high - low) * (np.array(chosen) + jitter) / 5
    image = np.full((*np.ceil(center + 0.55 * side).astype(int)[::-1], 3), 128, np.uint8)
    for point, colour in zip(points, dot_colours(), strict=True):
        place = tuple(int(v) for v in np.rint(point * 16))
        level = tuple(int(v) for v in np.rint(127.5 * (colour + 1)))
        cv2.circle(image, place, round(16 * 0.035 * side), level, -1, cv2.LINE_AA, 4)
    return image, points


class DotVideos:
    """Videos of dots that jump about in a window; the labels are where they are.

    Args:
        lengths: frames of each video.
        frames: whether to have frames, or labels only.
        space: whether to have 3D labels.
    """

    def __init__(self, lengths=(9, 12, 5), skeleton="pa16j", frames=True, space=False):
        self.name, self.split, self.skeleton = "dots", "test", skeleton
        self.actions = ("bowl", "squat", "tennis_serve")
        self.source = "drawn by the tests"
        rng = np.random.default_rng(1)
        self.videos = [self._video(rng, i, n, frames, space) for i, n in enumerate(lengths)]

    def _video(self, rng, number, length, frames, space):
        side = 60 + 25.0 * number
        center = side * np.array([0.5, 0.52])
        drawn = [draw_dots(rng, center, side) for _ in range(length)]
        points = np.stack([convert(p[:-MARKS], SKELETON, self.skeleton) for _, p in drawn])
        half = side / 1.25 / 2
        box = np.concatenate([center - half, center + half])
        camera = Camera(focal=[300, 300], center=center) if space else None
        depth = 3000 + rng.uniform(-400, 400, points.shape[:2])
        return Video(
            frames=[image for image, _ in drawn] if frames else [],
            joints=points,
            visible=np.ones(points.shape[:2]),
            skeleton=self.skeleton,
            boxes=np.tile(box, (length, 1)),
            size=drawn[0][0].shape[1::-1],
            action=number % len(self.actions),
            name=f"video{number}",
            joints_3d=camera.unproject(points, depth) if space else None,
            camera=camera,
            head_sizes=np.full(length, side / 10) if space else None,
        )

    def __len__(self):
        return len(self.videos)

    def __getitem__(self, index):
        return self.videos[index]

    def changed(self, index, **changes):
        """The same data set with another value of some fields of one video."""
        other = DotVideos(())
        vars(other).update(vars(self), videos=list(self.videos))
        other.videos[index] = dataclasses.replace(self.videos[index], **changes)
        return other


def clip_reader(answer, blocks=1, dim=2, head="dots"):
    """A function for clips: finds the dots of every frame, and answers what `answer` says.

    Args:
        answer: from the clips (B, T, S, S, 3) to probabilities (B, C).
    """
    network = dot_model((0.0,) * blocks, dim)

    def model(clips):
        frames = clips.reshape(-1, *clips.shape[2:])
        poses = ops.convert_to_numpy(network.predict_on_batch(frames)["pose"])
        scores = np.repeat(np.asarray(answer(clips))[:, None], blocks, axis=1)
        return {"pose": poses.reshape(*clips.shape[:2], *poses.shape[1:]), f"action_{head}": scores}

    return model


def by_brightness(clips):
    """Probabilities (B, 3) that depend on what the clip shows, and on its mirror image."""
    left = clips[:, :, :, :32].mean(axis=(1, 2, 3, 4))
    right = clips[:, :, :, 32:].mean(axis=(1, 2, 3, 4))
    logits = 20 * np.stack([left, right, 0.4 * (left + right)], axis=-1)
    return np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)


def always(*classes):
    """Probabilities of a network that answers these classes in turn, whatever it sees."""
    answers = iter(())

    def answer(clips):
        nonlocal answers
        rows = []
        for _ in clips:
            number = next(answers, None)
            if number is None:
                answers = iter(classes)
                number = next(answers)
            rows.append(np.eye(3)[number])
        return np.stack(rows)

    return answer


def poses_only(answer):
    """A function that takes poses in place of images."""
    return lambda poses: {"action_dots": np.asarray(answer(poses))[:, None]}


MULTI = ActionProtocol(clips="multi", mirror=True)
LABELS = ModelConfig(stem="none", streams=("pose",), num_frames=4, actions={"dots": 3})


@pytest.fixture
def clip_config():
    """Config of networks for clips of 4 frames, and of functions that stand in for them."""
    return ModelConfig(image_size=SIZE, skeleton=SKELETON.name, num_frames=4, actions={"dots": 3})


@pytest.fixture
def dot_videos():
    """Builder of video data sets: ``dot_videos(lengths, ...)``."""
    return DotVideos


@pytest.fixture
def clips():
    """Builder of functions for clips: ``clips(answer, blocks, dim)``."""
    return clip_reader


@pytest.fixture
def config():
    """Config of the dot model."""
    return ModelConfig(image_size=SIZE, skeleton=SKELETON.name)


@pytest.fixture
def dots():
    """Builder of data sets: ``dots(count, skeleton)``."""
    return Dots


@pytest.fixture
def reader():
    """Builder of models that find the dots: ``reader(shifts, dim)``."""
    return dot_model
