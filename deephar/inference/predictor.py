"""From a picture or a video to poses and actions, with trained weights.

from deephar import Predictor

predictor = Predictor()                  # the default weights
person = predictor("photo.jpg")
person.joints, person.visibility         # pixels of the photo, in predictor.skeleton's order
for person in predictor.stream("video.mp4"):
    person.time, person.joints, person.action
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from deephar import weights as weight_files
from deephar.data.clips import clip_indices
from deephar.data.crops import touches
from deephar.data.images import crop_image, normalize
from deephar.data.inputs import WHOLE, check_subsampling
from deephar.data.targets import depth_mm
from deephar.geometry import BOX_MARGIN, crop_affine, square_window
from deephar.inference.actions import trained_subsampling
from deephar.inference.media import load_picture, load_video
from deephar.inference.network import (
    actions_of,
    call_network,
    check_model,
    for_stills,
    poses_of,
    require_images,
    stacked,
    stills_network,
)
from deephar.inference.person import Person
from deephar.inference.poses import pose_in_image
from deephar.inference.search import find_person
from deephar.models import ModelConfig, ReceptionConfig
from deephar.skeletons import get_skeleton

if TYPE_CHECKING:
    from deephar.inference.network import Config, Model

_CHUNK = 16  # frames that a network without clips is given at once
_LONGEST_STEP = 8  # bounds the memory for clips that span the whole video


class Predictor:
    """A trained network for pictures and videos of any size and length.

    `Predictor.from_model` takes a network in memory instead of weights.

    Args:
        weights: name in ``weights/index.json``, or path of a weights file; None for the default
            weights of the index.
        head: name of the action head to use, a key of `config.actions`; needed if there are
            several.

    Attributes:
        model: the `keras.Model`.
        config: its `ModelConfig`.
        skeleton: the `Skeleton` of the joints.
        actions: names of the actions; empty if the network has none.

    Raises:
        FileNotFoundError: The weights do not exist, or there are no default ones.
        ValueError: The weights file is damaged, takes poses instead of images, or has several
            heads and `head` is none of them.
    """

    def __init__(self, weights: str | os.PathLike | None = None, head: str | None = None):
        name = weight_files.default_name() if weights is None else weights
        path = weight_files.find(name)
        facts = weight_files.read_facts(path)
        # Before the network is built, which takes seconds.
        self._set_config(path, weight_files.read_config(path), head, facts.get("actions", {}))
        self._set_model(weight_files.load_model(name)[0], trained_subsampling(facts))

    @classmethod
    def from_model(
        cls,
        model: Model,
        config: Config,
        *,
        head: str | None = None,
        actions: Sequence[str] | Mapping[str, Sequence[str]] | None = None,
        subsampling: int | str = 1,
    ) -> Predictor:
        """A predictor with a network in memory, such as one that has just been trained.

        Args:
            model: a `keras.Model`, or a function with the same input and output.
            config: the `ModelConfig` or `ReceptionConfig` that it was built with.
            head: name of the action head to use; needed if there are several.
            actions: names of the head's actions; or a mapping from heads to theirs, as in the facts
                of a weights file. By default "action 0", "action 1", ...
            subsampling: default of `stream`: what the network was trained with.

        Raises:
            ValueError: The config does not fit the model, the network takes poses instead of
                images, has several heads and `head` is none of them, there are too many or too few
                names of actions, or `subsampling` is invalid.
        """
        check_subsampling(subsampling)
        if not isinstance(config, ModelConfig | ReceptionConfig):
            raise ValueError(
                f"The config must be a ModelConfig or ReceptionConfig, got {config!r}. Give the "
                "config that the model was built with."
            )
        predictor = cls.__new__(cls)
        predictor._set_config("The network", config, head, actions)
        check_model(model, config, head=predictor._head)
        predictor._set_model(model, subsampling)
        return predictor

    def _set_config(self, source, config, head, actions):
        require_images(config, source)
        self.config = config
        self.skeleton = get_skeleton(config.skeleton)
        self._head = _checked_head(source, config.actions, head)
        self.actions = _action_names(source, config.actions, self._head, actions)

    def _set_model(self, model, subsampling):
        self.model = model
        self._stills = for_stills(model) if self._head else stills_network(model)
        self._subsampling = subsampling

    def __call__(
        self,
        image: str | os.PathLike | np.ndarray | Sequence,
        box: Sequence | np.ndarray | None = None,
        *,
        margin: float = BOX_MARGIN,
    ) -> Person | list[Person]:
        """The pose of one person in a picture.

        Args:
            image: RGB uint8 array (H, W, 3), or the path of a file, which is turned upright as its
                EXIF data say; or a list of either, of one person each.
            box: (4,), bounding box of the person in pixels, the crop is the square around it; None
                finds the person whose joints are seen best, who may be small in the picture (see
                `deephar.inference.find_person`; this takes some 20 times as long: if the picture
                is cut to the person, give all of it as the box, and ``margin=1``). For a list of
                pictures, a list of boxes.
            margin: side of the crop divided by the longer side of the box.

        Returns:
            `Person`, or a list of them for a list.

        Raises:
            FileNotFoundError: The file does not exist.
            ValueError: The picture or the box cannot be used.
        """
        if isinstance(image, list | tuple):
            boxes = [None] * len(image) if box is None else box
            if len(boxes) != len(image):
                raise ValueError(
                    f"box must have one box per picture, got {len(boxes)} for {len(image)} "
                    "pictures."
                )
            return [self(one, its, margin=margin) for one, its in zip(image, boxes, strict=True)]
        pixels = load_picture(image)
        if box is None:
            box = find_person(self._stills, self.config, [pixels]).box
        window = self._window(pixels, box, margin)
        crops = self._crops([pixels], window, 1)
        poses = poses_of(call_network(self._stills, crops), self.config)
        return self._person(poses[0, -1], box, window)

    def stream(
        self,
        video: str | os.PathLike | Iterable[np.ndarray],
        box: Sequence[float] | np.ndarray | None = None,
        *,
        margin: float = BOX_MARGIN,
        subsampling: int | str | None = None,
        fps: float | None = None,
        keep_images: bool = False,
    ) -> Iterator[Person]:
        """The poses of one person in a video, frame by frame, and the actions.

        The video is read in pieces, each as long as a clip of the network, so memory does not grow
        with its length. Without a box, the person whose joints are seen best is searched for, and
        followed from piece to piece as long as they are seen nearly as well. Each piece has one
        box, which encloses the person at its beginning, in its middle and at its end. A search
        takes as long as some 20 frames. It is repeated for each piece in which the person is lost.
        A person who was not seen well may be something else: then the search is repeated, too, and
        somebody who is seen better takes their place. All frames of a piece have the same action.

        Args:
            video: path of a file, or an iterable of RGB uint8 frames (H, W, 3), such as an array
                (N, H, W, 3).
            box: (4,), bounding box of the person in pixels, for all frames; None finds one.
            margin: side of the crop divided by the longer side of the box.
            subsampling: frames of the video from one frame of a clip to the next. A piece then
                holds that many interleaved clips, whose scores are averaged. "whole" makes the
                pieces as long as the video, up to 8 times as long as a clip. By default what the
                network was trained with.
            fps: frame rate of a video without a file; 30 by default.
            keep_images: whether the results carry the frames.

        Yields:
            `Person` for each frame, in order.

        Raises:
            FileNotFoundError: The file does not exist.
            ValueError: The file is empty, holds no video (only sound, say), cannot be decoded, or
                holds no frame; a frame or the box cannot be used; the frames differ in size.
        """
        name, frames, num_frames = load_video(video, fps)
        step = self._step(subsampling, num_frames)
        length = (self.config.num_frames or _CHUNK) * step
        persons = self._follow(_pieces(frames, length), length, step, box, margin)
        return _numbered(persons, name, keep_images)

    def _step(self, subsampling, num_frames):
        """Frames from one frame of a clip to the next; `num_frames` is 0 if unknown."""
        if not self._head:
            return 1
        if subsampling is None:
            subsampling = self._subsampling
        check_subsampling(subsampling)
        if subsampling == WHOLE:
            return min(max(1, num_frames // self.config.num_frames), _LONGEST_STEP)
        return int(subsampling)

    def _follow(self, pieces, length, subsampling, box, margin):
        """The frames of a video, with their times and persons."""
        found = None
        for piece, num_new in pieces:
            images = [image for image, _ in piece]
            if box is None:
                found = find_person(self._stills, self.config, images, near=found)
            persons = self._piece(
                images, length, subsampling, found.box if box is None else box, margin
            )
            if found is not None:
                poses = [np.column_stack([p.joints, p.visibility]) for p in persons]
                found = found.moved_to(poses, images[0].shape[1::-1])
            yield from zip(piece[-num_new:], persons[-num_new:], strict=True)

    def _piece(self, images, length, subsampling, box, margin):
        """The persons in up to `length` frames in a row."""
        window = self._window(images[0], box, margin)
        if not self._head:
            crops = self._crops(images, window, length)
            poses = poses_of(call_network(self._stills, crops), self.config)[: len(images), -1]
            return [self._person(pose, box, window) for pose in poses]
        # The clips take every `subsampling`-th frame, from each of the first ones. A shorter video
        # is one clip by the rule of the network, and every frame has the pose of the nearest one.
        if len(images) == length:
            clips = [np.arange(start, length, subsampling) for start in range(subsampling)]
        else:
            clips = [clip_indices(len(images), length // subsampling, subsampling=subsampling)]
        crops = self._crops(images, window, len(images))
        outputs = call_network(self.model, np.stack([crops[indices] for indices in clips]))
        poses = poses_of(outputs, self.config, leading=2)[:, :, -1]
        scores = actions_of(outputs, self._head, len(self.actions))[:, -1].mean(axis=0)
        ranked = np.argsort(-scores, kind="stable")
        action = [(self.actions[number], float(scores[number])) for number in ranked]
        indices, poses = np.concatenate(clips), poses.reshape(-1, *poses.shape[2:])
        nearest = np.abs(np.arange(len(images))[:, None] - indices).argmin(axis=1)
        return [replace(self._person(poses[i], box, window), action=action) for i in nearest]

    def _window(self, image, box, margin):
        """Centre and side of the square to crop."""
        center, side = square_window(box, margin)
        size = image.shape[1::-1]
        if not touches(center, side, size):
            raise ValueError(
                f"The box {np.round(box, 1).tolist()} lies wholly outside of the picture of "
                f"{size[0]} x {size[1]} pixels. Give (x1, y1, x2, y2) in its pixels."
            )
        return center, side

    def _crops(self, images, window, count):
        affine = crop_affine(*window)
        crops = [normalize(crop_image(image, affine, self.config.image_size)) for image in images]
        return stacked(crops, count)

    def _person(self, pose, box, window):
        center, side = window
        pose = pose_in_image(pose, crop_affine(center, side), self.skeleton.flip)
        return Person(
            joints=pose[:, :2],
            depth=depth_mm(pose[:, 2]) if pose.shape[1] == 4 else None,
            visibility=pose[:, -1],
            box=np.array(box, float),
            crop=np.concatenate([center - side / 2, center + side / 2]),
            skeleton=self.skeleton.name,
        )

    def __repr__(self):
        known = f", {len(self.actions)} actions of {self._head!r}" if self._head else ""
        return f"Predictor({self.skeleton.name}{known})"


def _pieces(frames, length):
    """Runs of `length` frames in a row, and how many of each are new.

    The last one is filled up with the frames before it. It is shorter if the video is.
    """
    piece = []
    while new := list(islice(frames, length)):
        piece = piece[len(new) :] + new
        yield piece, len(new)


def _numbered(persons, name, keep_images):
    """The persons with the number, the time and the image of their frames."""
    index = -1
    for index, ((image, time), person) in enumerate(persons):
        yield replace(person, index=index, time=time, image=image if keep_images else None)
    if index < 0:
        raise ValueError(f"{name} holds no frame. Give a video with at least one.")


def _checked_head(source, heads, head):
    """Name of the head to use; None of a network of poses only."""
    known = ", ".join(heads)
    if head is None and len(heads) > 1:
        raise ValueError(
            f"{source} has several heads for actions ({known}). Choose one with --head NAME (in "
            "Python: head=NAME)."
        )
    if head is not None and head not in heads:
        advice = f"Choose one of {known}, or other weights." if known else "Leave the head out."
        raise ValueError(
            f"{source} has no head {head!r} for actions (known: {known or 'none'}). {advice}"
        )
    return head or next(iter(heads), None)


def _action_names(source, heads, head, actions):
    """Names of the head's actions."""
    if head is None:
        return ()
    names = actions.get(head) if isinstance(actions, Mapping) else actions
    if names is None:
        return tuple(f"action {number}" for number in range(heads[head]))
    if len(names) != heads[head]:
        raise ValueError(
            f"{source} comes with names for {len(names)} actions, but its head {head!r} has "
            f"{heads[head]} classes. Name each of them."
        )
    return tuple(names)
