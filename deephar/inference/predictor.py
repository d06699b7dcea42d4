"""From a picture or a video to poses and actions, with trained weights.

from deephar import Predictor

predictor = Predictor()                  # the default weights
person = predictor("photo.jpg")
person.joints, person.visibility         # pixels of the photo, in predictor.skeleton's order
for result in predictor.stream("video.mp4"):
    result.time, result.joints, result.action
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sized
from dataclasses import replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from deephar import weights as weight_files
from deephar.data.clips import WHOLE, clip_indices
from deephar.data.crops import touches
from deephar.data.images import crop_image, load_image, normalize
from deephar.data.targets import depth_mm
from deephar.geometry import BOX_MARGIN, crop_affine, square_window
from deephar.inference.actions import trained_subsampling
from deephar.inference.network import (
    actions_of,
    call_network,
    for_stills,
    poses_of,
    require_images,
    stacked,
)
from deephar.inference.person import Person
from deephar.inference.poses import pose_in_image
from deephar.inference.search import find_person
from deephar.skeletons import get_skeleton
from deephar.video import DEFAULT_RATE, read_video, video_info

_CHUNK = 16  # frames that a network without clips is given at once
_LONGEST_STEP = 8  # bounds the memory for clips that are to span the whole video


class Predictor:
    """A trained network for pictures and videos as they come.

    Args:
        weights: name in ``weights/index.json``, or path of a weights file; None for the weights
            that the index calls the default ones.
        head: whose actions to tell, if the network has several heads: a key of `config.actions`.

    Attributes:
        model: the `keras.Model`.
        config: its `ModelConfig`.
        skeleton: the `Skeleton` of the joints.
        actions: names of the actions; empty if the network knows none.

    Raises:
        FileNotFoundError: no such weights, or there are no default ones.
        ValueError: the weights file cannot be used, takes poses in place of images, or has several
            heads and `head` is none of them.
    """

    def __init__(self, weights=None, head=None):
        name = weight_files.default_name() if weights is None else weights
        path = weight_files.find(name)
        self.config = weight_files.read_config(path)
        require_images(self.config, path)
        self._head = _checked_head(path, self.config.actions, head)
        self._facts = weight_files.read_facts(path)
        self.actions = _action_names(path, self._facts, self.config.actions, self._head)
        self.model, _ = weight_files.load_model(name)
        self.skeleton = get_skeleton(self.config.skeleton)
        self._stills = for_stills(self.model) if self._head else self.model

    def __call__(self, image, box=None, margin=BOX_MARGIN):
        """The pose of one person in a picture.

        Args:
            image: RGB uint8 array (H, W, 3), or the path of a file, which is turned upright as its
                EXIF data say; or a list of either, of one person each.
            box: (4,), box of the person in pixels, the crop is the square around it; None finds
                the person whose joints are seen best, who may be small in the picture (see
                `deephar.inference.find_person`; it takes some 20 times as long: of pictures
                that are cut to a person, give the whole as the box, and ``margin=1``). For a list
                of pictures, a list of boxes.
            margin: side of the crop divided by the longer side of the box.

        Returns:
            `Person`, or a list of them for a list.

        Raises:
            FileNotFoundError: no such file.
            ValueError: the picture or the box cannot be used.
        """
        if isinstance(image, list | tuple):
            boxes = [None] * len(image) if box is None else box
            if len(boxes) != len(image):
                raise ValueError(f"expected one box a picture, got {len(boxes)} for {len(image)}")
            return [self(one, its, margin) for one, its in zip(image, boxes, strict=True)]
        pixels = _upright(image)
        if box is None:
            box = find_person(self._stills, self.config, [pixels]).box
        window = self._window([pixels], box, margin)
        poses = poses_of(call_network(self._stills, self._crops([pixels], window, 1)), self.config)
        return self._person(poses[0, -1], window)

    def stream(
        self, video, box=None, margin=BOX_MARGIN, *, subsampling=None, fps=None, keep_images=False
    ):
        """The poses of one person in a video, frame by frame, and the actions.

        The video is read piece by piece, each as long as a clip of the network; memory does not
        grow with its length. Without a box, the person whose joints are seen best is looked for,
        and followed from piece to piece for as long as they are seen nearly as well; each piece
        has one box, which encloses the person at its beginning, in its middle and at its end. The
        search takes as long as some 20 frames, and is made again for each piece in which the person
        is lost or, since they may be none, not seen well: somebody who comes into the video is then
        followed in their place. All frames of a piece have the same action.

        Args:
            video: path of a file, or an iterable of RGB uint8 frames (H, W, 3), such as an array
                (N, H, W, 3).
            box: (4,), box of the person in pixels, valid for all frames; None finds one.
            margin: side of the crop divided by the longer side of the box.
            subsampling: frames of the video from one frame of a clip to the next. A piece then
                holds that many interleaved clips, whose scores are averaged. "whole" makes the
                pieces as long as the video, up to 8 times as long as a clip. By default what the
                weights say they were trained with, else 1.
            fps: frames a second; only for frames without a file, 30 by default.
            keep_images: whether the results carry the frames.

        Yields:
            `Person` for each frame, in order.

        Raises:
            FileNotFoundError: no such file.
            ValueError: the file is empty, holds no video (only sound, say), cannot be decoded, or
                holds no frame; a frame or the box cannot be used; the frames differ in size.
        """
        if isinstance(video, str | Path):
            frames, name = read_video(video), str(video)
            total = video_info(video).frames
        else:
            frames, name = _timed(video, DEFAULT_RATE if fps is None else fps), "the video"
            total = len(video) if isinstance(video, Sized) else 0
        step = self._step(subsampling, total)
        length = (self.config.num_frames or _CHUNK) * step
        frames = _of_one_size(frames, name)
        return self._results(frames, name, length, step, box, margin, keep_images)

    def _step(self, subsampling, total):
        """Frames from one of a clip to the next; `total` is the length of the video, or 0."""
        if not self._head:
            return 1
        if subsampling is None:
            subsampling = trained_subsampling(self._facts)
        if subsampling == WHOLE:
            return min(max(1, total // self.config.num_frames), _LONGEST_STEP)
        if isinstance(subsampling, str) or subsampling < 1 or subsampling != int(subsampling):
            raise ValueError(f'subsampling must be 1, 2, ... or "whole", got {subsampling!r}')
        return int(subsampling)

    def _results(self, frames, name, length, subsampling, box, margin, keep_images):
        kept, first = [], 0  # the piece before, to fill up the last one; number of its first frame
        found = None
        while piece := list(islice(frames, length)):
            new = len(piece)
            piece = kept[new:] + piece if kept else piece
            images = [image for image, _ in piece]
            if box is None:
                found = find_person(self._stills, self.config, images, found)
            window = self._window(images, found.box if box is None else box, margin)
            results = self._piece(images, subsampling, length, window)
            if found is not None:
                found = found.seen_in([_pose_of(person) for person in results], _size(images[0]))
            for place in range(len(piece) - new, len(piece)):
                image, time = piece[place]
                index = first + place - (len(piece) - new)
                yield replace(
                    results[place],
                    index=index,
                    time=time,
                    image=image if keep_images else None,
                )
            first += new
            kept = piece
        if first == 0:
            raise ValueError(f"{name}: holds no frame")

    def _piece(self, images, subsampling, length, window):
        """The persons in up to `length` frames in a row."""
        if not self._head:
            crops = self._crops(images, window, length)
            poses = poses_of(call_network(self.model, crops), self.config)[: len(images), -1]
            return [self._person(pose, window) for pose in poses]
        # The clips: every `subsampling`-th frame, from each of the first ones. If the video is
        # shorter, one clip by the rule of the network, and every frame has its nearest one's pose.
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
        return [replace(self._person(poses[place], window), action=action) for place in nearest]

    def _window(self, images, box, margin):
        """Centre and side of the square to crop."""
        center, side = square_window(box, margin)
        size = _size(images[0])
        if not touches(center, side, size):
            raise ValueError(
                f"the box {np.round(box, 1).tolist()} lies wholly outside of the picture of "
                f"{size[0]} x {size[1]} pixels; give (x1, y1, x2, y2) in its pixels"
            )
        return center, side

    def _crops(self, images, window, count):
        affine = crop_affine(*window)
        crops = [normalize(crop_image(image, affine, self.config.image_size)) for image in images]
        return stacked(crops, count)

    def _person(self, pose, window):
        center, side = window
        pose = pose_in_image(pose, crop_affine(center, side), self.skeleton.flip)
        joints = pose[:, :-1]
        if joints.shape[1] == 3:
            joints = np.concatenate([joints[:, :2], depth_mm(joints[:, 2:])], axis=1)
        box = np.concatenate([center - side / 2, center + side / 2])
        return Person(joints, pose[:, -1], box, self.skeleton.name)

    def __repr__(self):
        known = f", {len(self.actions)} actions of {self._head!r}" if self._head else ""
        return f"Predictor({self.skeleton.name}{known})"


def _pose_of(person):
    """Pose (J, 3) in the picture: x and y in pixels, visibility."""
    return np.column_stack([person.joints[:, :2], person.visibility])


def _size(image):
    return image.shape[1::-1]


# ----------------------------------------------------------------------------------- the weights


def _checked_head(path, heads, head):
    """Name of the head to ask; None of a network that predicts poses only."""
    known = ", ".join(heads)
    if head is None and len(heads) > 1:
        raise ValueError(
            f"{path}: has several heads for actions ({known}); say which, with --head NAME (in "
            "Python: head=NAME)"
        )
    if head is not None and head not in heads:
        raise ValueError(f"{path}: has no head {head!r} for actions (known: {known or 'none'})")
    return head or next(iter(heads), None)


def _action_names(path, facts, heads, head):
    if head is None:
        return ()
    names = facts.get("actions", {}).get(head)
    if names is None:
        return tuple(f"action {number}" for number in range(heads[head]))
    if len(names) != heads[head]:
        raise ValueError(
            f"{path}: damaged, it names {len(names)} actions for the {heads[head]} classes of its "
            f"head {head!r}"
        )
    return tuple(names)


# --------------------------------------------------------------------------------- what comes in


def _upright(image):
    """Pixels of a picture; of a file, turned as the EXIF data say."""
    if not isinstance(image, np.ndarray | str | os.PathLike):
        raise ValueError(f"expected a picture as an array or the path of a file, got {image!r}")
    if isinstance(image, np.ndarray):
        return load_image(image)
    try:
        pixels = load_image(image)
    except FileNotFoundError:
        raise FileNotFoundError(f"{image}: no such picture") from None
    except ValueError as error:  # which speaks of data sets
        raise ValueError(
            f"{image}: cannot be read as a picture (no JPEG, PNG or another form that OpenCV "
            "reads, cut off, or not allowed to be read); save or fetch it again"
        ) from error
    with open(image, "rb") as file:
        turned = b"Exif\0\0" in file.read(1 << 16)
    if turned:
        pixels = cv2.cvtColor(cv2.imread(str(image), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    return pixels


def _of_one_size(frames, name):
    """(frame, time) as they come, checked: the crop of one must be at the same place in all."""
    size = None
    for number, (image, time) in enumerate(frames):
        size = size or image.shape
        if image.shape != size:
            raise ValueError(
                f"{name}: frame {number} is {image.shape[1]} x {image.shape[0]} pixels, but the "
                f"first one is {size[1]} x {size[0]}; give frames of one size, or call the "
                "predictor with each picture"
            )
        yield image, time


def _timed(frames, fps):
    """Frames with their times, checked."""
    if not isinstance(frames, Iterable):
        raise ValueError(f"expected the path of a video or its frames, got {frames!r}")
    if isinstance(frames, np.ndarray) and frames.ndim < 4:
        raise ValueError(
            f"expected frames (N, H, W, 3), got an array {frames.shape}; for one picture, call the "
            "predictor itself: predictor(image)"
        )
    if not fps > 0:
        raise ValueError(f"fps must be positive, got {fps}")
    for number, frame in enumerate(frames):
        yield load_image(np.asarray(frame)), number / fps
