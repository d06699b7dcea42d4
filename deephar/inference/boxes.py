"""Boxes of persons where none is given: from their poses, by a search, or the full frame.

`predicted_boxes` is the paper's protocol, for data sets whose persons fill the frame: the pose is
predicted on the full first, middle and last frame, and the box that encloses the three poses is
taken for the whole video. `find_person` is for any video.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from deephar.data.images import crop_image, load_image, normalize
from deephar.evaluation.pose import BOX_MARGIN, pose_in_image
from deephar.geometry import box_around, box_center_size, crop_affine, square_window, union_of_boxes
from deephar.inference.network import (
    VISIBLE,
    batches_of,
    call_network,
    for_stills,
    is_clip_network,
    loaded_ahead,
    poses_of,
    progress_bar,
    stacked,
)
from deephar.skeletons import get_skeleton

POSE_MARGIN = 1.2
"""Size of a person's box divided by that of the box of the visible joints.

That is how the boxes of Penn Action were made (its labels have a ratio of 1.20 throughout). The
window to crop, 1.25 times the box, is then 1.5 times the box of the joints, as in the published
code.
"""

FOLLOW_MARGIN = 1.75
"""Size of the window in which a person is looked for again, divided by that of the box."""

# A person who is followed is believed from this share of the confidence that they were found with,
# and from this confidence (four of sixteen joints).
_BELIEVED = 0.8
_BELIEVED_AT_LEAST = 0.25
# Networks see persons in backgrounds, too. Of 20 persons of LSP (training images) in other images'
# backgrounds, most are found with 0.85 and more; of the backgrounds without them, few are. Who was
# found with less is followed only until somebody is seen so much better.
_SURE = 0.85
_BETTER = 0.1
# Of the search; chosen on training images of LSP pasted into pictures 1 to 3.5 times as large.
_PARTS = 2  # windows of parts of the frame that are followed up
_GAIN = 0.02  # of confidence, from which the person is not taken to fill the frame
_APPROACHES = 2  # times that the window of a person who was found is drawn to the pose in it
_SMALLEST = 32.0  # pixels; the published code's least size of a box
_LOOKS = 2  # windows that the network is shown at once, always as many: it is traced once


def key_frames(num_frames):
    """Indices of the first, the middle and the last frame; fewer if they coincide.

    >>> key_frames(9), key_frames(2), key_frames(1)
    ((0, 5, 8), (0, 1), (0,))

    Raises:
        ValueError: there is no frame.
    """
    if num_frames < 1:
        raise ValueError("there is no frame, so there is no first, middle and last one")
    middle = min(int(num_frames / 2 + 0.5), num_frames - 1)
    return tuple(sorted({0, middle, num_frames - 1}))


def box_of_poses(joints, visibility, size, margin=POSE_MARGIN, square=False):
    """The box that encloses a person in several frames.

    Args:
        joints: (F, J, 2), pixels, NaN where unknown.
        visibility: (F, J); joints at 0.5 or below do not count. None: all that are known do.
        size: (width, height) of the frames; a frame without a visible joint counts as a person who
            fills it.
        margin: size of a frame's box divided by that of its joints.
        square: whether to enlarge the shorter side of each frame's box to the longer one.

    Returns:
        Box (4,), pixels; at least 32 pixels wide and high.

    Raises:
        ValueError: there is no frame, or the shapes are wrong.
    """
    joints = np.array(joints, float)
    if joints.ndim != 3 or joints.shape[2] != 2 or len(joints) == 0:
        raise ValueError(f"expected joints of shape (frames, joints, 2), got {joints.shape}")
    if visibility is not None:
        joints[np.asarray(visibility) <= VISIBLE] = np.nan
    boxes = [
        box_around(points, margin, square)
        if np.isfinite(points).all(axis=-1).any()
        else np.array([0, 0, *size], float)
        for points in joints
    ]
    center, sides = box_center_size(union_of_boxes(boxes))
    half = np.maximum(sides, _SMALLEST) / 2
    return np.concatenate([center - half, center + half])


def full_box(size):
    """The box of a person who fills the frame: its window, 1.25 times the box, is all of it.

    Args:
        size: (width, height) of the frame, pixels.

    Returns:
        Box (4,), a square around the middle of the frame.

    Raises:
        ValueError: the size is not positive.
    """
    size = np.asarray(size, float)
    if size.shape != (2,) or not (size > 0).all():
        raise ValueError(f"expected the (width, height) of a frame, got {size.tolist()}")
    center, half = (size - 1) / 2, size.max() / BOX_MARGIN / 2
    return np.concatenate([center - half, center + half])


def predicted_boxes(model, config, dataset, batch_size=16, progress=False):
    """The box of the person in each video, by the paper's protocol.

    The pose is predicted on the full first, middle and last frame; the box encloses all three.

    Args:
        model: a `keras.Model` of images or of clips, or a function from images (B, S, S, 3) to
            ``{"pose": (B, P, J, dim + 1)}``. The last block's pose counts.
        config: its `ModelConfig`.
        dataset: `len()` and `[i]` -> `deephar.data.samples.Video`.
        batch_size: frames a call of the model.
        progress: shows a Keras progress bar.

    Returns:
        float64 (N, 4), pixels.

    Raises:
        FileNotFoundError, ValueError: a frame is missing, or cannot be used (names it); a video has
            no frames; the model's output has another form.
    """
    network = for_stills(model) if is_clip_network(model) else model
    bar = progress_bar(len(dataset), "box") if progress else None
    frames = loaded_ahead(_full_frames(dataset, config.image_size), batch_size)
    found, sizes = [[] for _ in range(len(dataset))], {}
    for batch in batches_of(frames, batch_size):
        numbers, crops = zip(*batch, strict=True)
        poses = poses_in_crops(network, config, crops, batch_size)
        for number, crop, pose in zip(numbers, crops, poses, strict=True):
            found[number].append(pose)
            sizes[number] = crop.size
        if bar is not None:
            bar.update(max(numbers) + (max(numbers) == len(dataset) - 1))
    return np.stack([_box(poses, sizes[number]) for number, poses in enumerate(found)])


class FoundPerson(NamedTuple):
    """A person in a piece of a video.

    Attributes:
        box: (4,), pixels; encloses the person in the whole piece.
        confidence: mean visibility of the joints when the person was found.
        last: (4,), pixels; box of the person where they were seen last.
    """

    box: np.ndarray
    confidence: float
    last: np.ndarray

    def believes(self, pose):
        """Whether a pose (J, dim + 1) is seen nearly as well as when the person was found."""
        least = max(_BELIEVED * self.confidence, _BELIEVED_AT_LEAST)
        return _confidence(pose) > least and _is_visible(pose)

    def seen_in(self, poses, size):
        """The same person with `last` from a piece's poses, if any of them is believed.

        Args:
            poses: of the frames in their order, (J, dim + 1), x and y in pixels, visibility last.
            size: (width, height) of the frames.
        """
        believed = [pose for pose in poses if self.believes(pose)]
        return self._replace(last=_box(believed[-1:], size)) if believed else self


def find_person(network, config, frames, near=None):
    """Finds one person in a piece of a video, or in a picture, who may be small in it.

    Unlike the paper's protocol (see `predicted_boxes`), which takes the person to fill the frame.
    The middle frame is looked at whole and in overlapping windows half as large. The whole, and the
    two windows in which the joints are the most visible, are each drawn to the pose seen in them;
    the most visible pose counts, that of the whole first. Around it, the person is looked for in
    the first and the last frame. A frame in which they are not believed there has no say in the
    box. A search takes as long as some 20 frames.

    Args:
        network: from images (B, S, S, 3) to ``{"pose": (B, P, J, dim + 1)}``.
        config: its `ModelConfig`.
        frames: paths or uint8 RGB arrays of one size; those of `key_frames` are looked at.
        near: the `FoundPerson` of the piece before, to be followed: who is believed in the middle
            or in the last frame, near to where they were last, is not searched for. Who was found
            with a confidence below 0.85, and may be none, is given up for somebody who is seen
            clearly better in a search.

    Returns:
        A `FoundPerson`.

    Raises:
        FileNotFoundError, ValueError: as `predicted_boxes`.
    """
    keys = [load_image(frames[index]) for index in key_frames(len(frames))]
    look = partial(_poses_around, network, config)
    followed = None if near is None else _followed(look, keys, near)
    if followed is not None and near.confidence >= _SURE:
        return followed
    found = _found(look, keys)
    if followed is not None and found.confidence <= near.confidence + _BETTER:
        return followed
    return found


def _followed(look, keys, near):
    """The person near to where they were last, or None where they are not believed there."""
    if near.confidence <= _BELIEVED_AT_LEAST:
        return None
    size = keys[0].shape[1::-1]
    # In the first frame, the person is where they were in the frame before.
    frames = keys[1:] or keys
    poses = look(frames, [near.last] * len(frames), FOLLOW_MARGIN)
    if [near.believes(pose) for pose in poses] == [True, False]:
        # The window of a fast person's second frame is around where they went in the first.
        poses[1:] = look(frames[1:], [_box(poses[:1], size)], FOLLOW_MARGIN)
    poses = [pose for pose in poses if near.believes(pose)]
    if not poses:
        return None
    box = union_of_boxes([near.last, _box(poses, size)])
    return FoundPerson(box, near.confidence, _box(poses[-1:], size))


def _found(look, keys):
    """The person who is seen best in the middle frame, and where they are in all of them."""
    found = _searched(look, keys[len(keys) // 2])
    if len(keys) == 1:
        return found
    size = keys[0].shape[1::-1]
    poses = look(keys, [found.box] * len(keys), FOLLOW_MARGIN)
    # The window is wider than that of the search, and the person is seen a little worse in it.
    found = found._replace(confidence=min(found.confidence, _confidence(poses[len(keys) // 2])))
    if believed := [pose for pose in poses if found.believes(pose)]:
        found = found._replace(box=union_of_boxes([found.box, _box(believed, size)]))
    return found.seen_in(poses, size)


def _searched(look, frame):
    """The person in a frame who is seen best."""
    size = frame.shape[1::-1]
    boxes = _search_boxes(size)
    whole, *parts = look([frame] * len(boxes), boxes)
    poses = [whole, *sorted(parts, key=_confidence)[-_PARTS:]]
    for _ in range(_APPROACHES):
        poses = look([frame] * len(poses), [_box([pose], size) for pose in poses])
    whole, best = poses[0], max(poses[1:], key=_confidence)
    pose = best if _confidence(best) > _confidence(whole) + _GAIN else whole
    box = _box([pose], size)
    return FoundPerson(box, _confidence(pose), box)


def _search_boxes(size):
    """The box of the whole frame, then those of windows half as large, which overlap by half."""
    side = max(size) / 2
    corners = []
    for length in size:
        steps = max(0, int(np.ceil((length - side) / (side / 2))))
        corners.append(np.linspace(0, length - side, steps + 1) if steps else [(length - side) / 2])
    center, half = side / 2 - 0.5, side / BOX_MARGIN / 2
    middles = [np.array([x + center, y + center]) for y in corners[1] for x in corners[0]]
    return [full_box(size), *(np.concatenate([xy - half, xy + half]) for xy in middles)]


def _poses_around(network, config, frames, boxes, margin=BOX_MARGIN):
    """The last block's pose (J, dim + 1) in each frame, seen in the window around its box."""
    crops = [
        crop_frame(frame, box, config.image_size, margin)
        for frame, box in zip(frames, boxes, strict=True)
    ]
    looks = batches_of(crops, _LOOKS)
    return [pose for batch in looks for pose in poses_in_crops(network, config, batch, _LOOKS)]


def _confidence(pose):
    """How well a pose is seen: its mean visibility, which is lower where nobody is."""
    return float(pose[:, -1].mean())


def _is_visible(pose):
    """Whether a pose has a joint that its box counts."""
    return bool((pose[:, -1] > VISIBLE).any())


class FrameCrop(NamedTuple):
    """A window of a frame as the network takes it.

    Attributes:
        image: float32 (S, S, 3) in [-1, 1].
        affine: (3, 3), image pixels to the unit crop.
        size: (width, height) of the frame, pixels.
    """

    image: np.ndarray
    affine: np.ndarray
    size: tuple[int, int]


def crop_frame(frame, box, image_size, margin=BOX_MARGIN):
    """`FrameCrop` of a path or a uint8 RGB array; `box` None is that of the full frame.

    Raises:
        FileNotFoundError, ValueError: the frame is missing, or no image.
    """
    frame = load_image(frame)
    size = frame.shape[1::-1]
    affine = crop_affine(*square_window(full_box(size) if box is None else box, margin))
    return FrameCrop(normalize(crop_image(frame, affine, image_size)), affine, size)


def poses_in_crops(network, config, crops, batch_size):
    """The last block's poses in `FrameCrop` images: (J, dim + 1) each, x and y in pixels."""
    flip = get_skeleton(config.skeleton).flip
    images = stacked([crop.image for crop in crops], batch_size)
    poses = poses_of(call_network(network, images), config)[: len(crops), -1]
    return [pose_in_image(pose, crop.affine, flip) for pose, crop in zip(poses, crops, strict=True)]


def _full_frames(dataset, image_size):
    """Functions that load the key frames of each video: -> (number of the video, `FrameCrop`)."""

    def load(number, video, index):
        return number, crop_frame(video.frames[index], None, image_size)

    for number in range(len(dataset)):
        video = dataset[number]
        if len(video.frames) == 0:
            raise ValueError(
                f"{video.name}: has no frames, so no pose can be predicted; get the frames of the "
                "data set, or use its own boxes"
            )
        for index in key_frames(len(video.frames)):
            yield partial(load, number, video, index)


def _box(poses, size):
    """The box of poses (J, dim + 1) in frames of one size."""
    # What surrounds a frame that is not square is in its window, too, but no person is there.
    joints = [np.clip(pose[:, :2], 0, np.array(size) - 1) for pose in poses]
    return box_of_poses(joints, [pose[:, -1] for pose in poses], size)
