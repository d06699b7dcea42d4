"""Finding one person in a picture or a video, who may be small in it, and following them."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from deephar.data.images import load_image
from deephar.data.loading import batches_of
from deephar.geometry import (
    BOX_MARGIN,
    union_of_boxes,
)
from deephar.inference.boxes import (
    crop_frame,
    enclosing_box,
    full_box,
    key_frames,
    poses_in_crops,
)
from deephar.inference.network import (
    VISIBLE,
)

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
_LOOKS = 2  # windows that the network is shown at once, always as many: it is traced once


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
        return self._replace(last=enclosing_box(believed[-1:], size)) if believed else self


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
        poses[1:] = look(frames[1:], [enclosing_box(poses[:1], size)], FOLLOW_MARGIN)
    poses = [pose for pose in poses if near.believes(pose)]
    if not poses:
        return None
    box = union_of_boxes([near.last, enclosing_box(poses, size)])
    return FoundPerson(box, near.confidence, enclosing_box(poses[-1:], size))


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
        found = found._replace(box=union_of_boxes([found.box, enclosing_box(believed, size)]))
    return found.seen_in(poses, size)


def _searched(look, frame):
    """The person in a frame who is seen best."""
    size = frame.shape[1::-1]
    boxes = _search_boxes(size)
    whole, *parts = look([frame] * len(boxes), boxes)
    poses = [whole, *sorted(parts, key=_confidence)[-_PARTS:]]
    for _ in range(_APPROACHES):
        poses = look([frame] * len(poses), [enclosing_box([pose], size) for pose in poses])
    whole, best = poses[0], max(poses[1:], key=_confidence)
    pose = best if _confidence(best) > _confidence(whole) + _GAIN else whole
    box = enclosing_box([pose], size)
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
