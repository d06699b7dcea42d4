"""Finding one person in a picture or a video, who may be small in it, and following them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from deephar.data.images import load_image
from deephar.geometry import union_of_boxes
from deephar.inference.boxes import enclosing_box, key_frames
from deephar.inference.network import VISIBLE
from deephar.inference.people import find_people, search_boxes
from deephar.inference.poses import confidence_of, poses_in_boxes

if TYPE_CHECKING:
    from deephar.inference.network import Config

WHOM = ("best", "largest", "centre")
"""Whom to find, see `find_person`."""

FOLLOW_MARGIN = 1.75
"""Side of the crop in which a person is followed, divided by the longer side of the box."""

KEEP_FRACTION = 0.8
"""Tracking continues above this fraction of the initial confidence."""

KEEP_CONFIDENCE = 0.25
"""Tracking continues above this confidence (four of sixteen joints)."""

# Networks see persons in backgrounds, too. Of 20 persons of LSP (training images) in other images'
# backgrounds, most are found with 0.85 and more; of the backgrounds without them, few are.
CERTAIN_CONFIDENCE = 0.85
"""A person found with less is followed only until somebody is seen clearly better."""

REPLACE_MARGIN = 0.1
"""Confidence by which somebody else must be seen better to replace an uncertain person."""

# Of the search; chosen on training images of LSP pasted into pictures 1 to 3.5 times as large.
_NUM_CANDIDATES = 2  # windows of parts of the frame that are examined further
_MIN_GAIN = 0.02  # confidence by which a part of the frame must be better than all of it
_NUM_REFINEMENTS = 2  # times that the window of a candidate is moved to the pose in it
_BATCH_SIZE = 2  # crops per call of the network, always as many: it is traced once


class FoundPerson(NamedTuple):
    """A person in a piece of a video.

    Attributes:
        box: (4,), pixels; encloses the person in the whole piece.
        confidence: mean visibility of the joints when the person was found.
        last_box: (4,), pixels; box of the person where they were seen last.
    """

    box: np.ndarray
    confidence: float
    last_box: np.ndarray

    def is_seen_in(self, pose: np.ndarray) -> bool:
        """Whether a pose (J, dim + 1) is seen nearly as well as when the person was found."""
        least = max(KEEP_FRACTION * self.confidence, KEEP_CONFIDENCE)
        return confidence_of(pose) > least and _is_visible(pose)

    def moved_to(self, poses: Sequence[np.ndarray], size: Sequence[int]) -> FoundPerson:
        """The same person with `last_box` from the last pose in which they are seen, if any.

        Args:
            poses: of the frames in their order, (J, dim + 1), x and y in pixels, visibility last.
            size: (width, height) of the frames.
        """
        seen = [pose for pose in poses if self.is_seen_in(pose)]
        return self._replace(last_box=enclosing_box(seen[-1:], size)) if seen else self


class Follower:
    """Follows one person through a live video: where they were is where they are looked for.

    Args:
        network: as of `find_person`, which looks for a person who is new or lost.
        config: as of `find_person`.
        whom: as of `find_person`.
    """

    _SEARCH_SECONDS = 1.0  # from one search to the next; one takes as long as some 20 frames
    _PATIENCE = 5  # frames without the person until they are lost

    def __init__(
        self, network: Callable[[np.ndarray], dict], config: Config, *, whom: str = "best"
    ):
        self._find = partial(find_person, network, config, whom=whom)
        self._found, self._missed, self._searched = None, 0, -np.inf

    def box(self, image: np.ndarray, time: float) -> np.ndarray:
        """Where to look in a frame.

        Args:
            image: uint8 (H, W, 3), RGB.
            time: seconds.
        """
        lost = self._found is None or self._missed >= self._PATIENCE
        unsure = lost or self._found.confidence < CERTAIN_CONFIDENCE
        if self._found is None or (unsure and time >= self._searched + self._SEARCH_SECONDS):
            found = self._find([image])
            self._searched = time
            if lost or found.confidence > self._found.confidence + REPLACE_MARGIN:
                self._found, self._missed = found, 0
        return self._found.last_box

    def move(self, pose: np.ndarray, size: Sequence[int]) -> None:
        """Says what was seen there.

        Args:
            pose: (J, dim + 1), pixels.
            size: (width, height) of the frame.
        """
        self._missed = 0 if self._found.is_seen_in(pose) else self._missed + 1
        self._found = self._found.moved_to([pose], size)


def find_person(
    network: Callable[[np.ndarray], dict],
    config: Config,
    frames: Sequence,
    *,
    near: FoundPerson | None = None,
    whom: str = "best",
) -> FoundPerson:
    """Finds one person in a piece of a video, or in a picture, who may be small in it.

    The paper's protocol (see `predicted_boxes`) assumes that the person fills the frame. Here the
    middle frame is searched, all of it and in overlapping windows half as large. All of it, and the
    two windows with the most visible joints, are each moved to the pose in them. The pose with the
    most visible joints is taken, with a preference for that of the whole frame. Then the person is
    searched for around it in the first and the last frame. A frame in which they are not seen there
    does not count for the box. A search takes as long as some 20 frames.

    Args:
        network: from images (B, S, S, 3) to ``{"pose": (B, P, J, dim + 1)}``.
        config: its `ModelConfig`.
        frames: paths or uint8 RGB arrays of one size; those of `key_frames` are looked at.
        near: the `FoundPerson` of the piece before, to be followed. If they are seen in the middle
            or in the last frame, near to where they were last, there is no search. A person who
            was found with a confidence below `CERTAIN_CONFIDENCE` may be something else: there is
            a search, and somebody who is seen clearly better replaces them.
        whom: whom to search for: "best", who is seen best; "largest", who is largest in the
            picture; or "centre", who is nearest to the middle of it. For the latter two, everybody
            is searched for, see `find_people`; where nobody is found, it is as for "best".

    Returns:
        A `FoundPerson`.

    Raises:
        FileNotFoundError: As `predicted_boxes`.
        ValueError: As `predicted_boxes`; or `whom` is none of `WHOM`.
    """
    if whom not in WHOM:
        raise ValueError(f"The person to find must be one of {', '.join(WHOM)}, got {whom!r}.")
    images = [load_image(frames[index]) for index in key_frames(len(frames))]
    predict = partial(poses_in_boxes, network, config, batch_size=_BATCH_SIZE)
    followed = None if near is None else _follow(predict, images, near)
    if followed is not None and near.confidence >= CERTAIN_CONFIDENCE:
        return followed
    find_all = None if whom == "best" else partial(find_people, network, config)
    found = _find(predict, images, whom, find_all)
    if followed is not None and found.confidence <= near.confidence + REPLACE_MARGIN:
        return followed
    return found


def _follow(predict, images, near):
    """The person near to where they were last, or None where they are not seen there."""
    if near.confidence <= KEEP_CONFIDENCE:
        return None
    size = images[0].shape[1::-1]
    # In the first frame, the person is where they were in the frame before.
    images = images[1:] or images
    poses = predict(images, [near.last_box] * len(images), margin=FOLLOW_MARGIN)
    if [near.is_seen_in(pose) for pose in poses] == [True, False]:
        # The window of a fast person's second frame is around where they went in the first.
        poses[1:] = predict(images[1:], [enclosing_box(poses[:1], size)], margin=FOLLOW_MARGIN)
    poses = [pose for pose in poses if near.is_seen_in(pose)]
    if not poses:
        return None
    box = union_of_boxes([near.last_box, enclosing_box(poses, size)])
    return FoundPerson(box, near.confidence, enclosing_box(poses[-1:], size))


def _find(predict, images, whom, find_all):
    """A person in the middle frame, and where they are in all of them."""
    middle = images[len(images) // 2]
    boxes = find_all(middle) if find_all else []
    found = _choose(predict, middle, boxes, whom) if boxes else _search(predict, middle)
    if len(images) == 1:
        return found
    size = images[0].shape[1::-1]
    poses = predict(images, [found.box] * len(images), margin=FOLLOW_MARGIN)
    # The window is wider than that of the search, and the person is seen a little worse in it.
    found = found._replace(confidence=min(found.confidence, confidence_of(poses[len(images) // 2])))
    if seen := [pose for pose in poses if found.is_seen_in(pose)]:
        found = found._replace(box=union_of_boxes([found.box, enclosing_box(seen, size)]))
    return found.moved_to(poses, size)


def _choose(predict, image, boxes, whom):
    """One of the persons in an image."""
    middle = np.array(image.shape[1::-1]) / 2
    if whom == "largest":
        box = max(boxes, key=lambda it: np.prod(it[2:] - it[:2]))
    else:
        box = min(boxes, key=lambda it: np.linalg.norm((it[:2] + it[2:]) / 2 - middle))
    return FoundPerson(box, confidence_of(predict([image], [box])[0]), box)


def _search(predict, image):
    """The person who is seen best in an image."""
    size = image.shape[1::-1]
    boxes = [box for parts in (1, 2) for box in search_boxes(size, parts)]
    whole, *parts = predict([image] * len(boxes), boxes)
    poses = [whole, *sorted(parts, key=confidence_of)[-_NUM_CANDIDATES:]]
    for _ in range(_NUM_REFINEMENTS):
        poses = predict([image] * len(poses), [enclosing_box([pose], size) for pose in poses])
    whole, best = poses[0], max(poses[1:], key=confidence_of)
    pose = best if confidence_of(best) > confidence_of(whole) + _MIN_GAIN else whole
    box = enclosing_box([pose], size)
    return FoundPerson(box, confidence_of(pose), box)


def _is_visible(pose):
    """Whether a pose has a joint that counts for its box."""
    return bool((pose[:, -1] > VISIBLE).any())
