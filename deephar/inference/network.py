"""Networks on prepared inputs: calling them, and checking what they give.

What the prediction of poses, of boxes and of actions, and the predictor, have in common.
"""

from __future__ import annotations

import numpy as np

from deephar.skeletons import get_skeleton, joint_map

MIRROR = np.array([[-1.0, 0.0, 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
"""Affine map of the unit crop to its mirror image, u -> 1 - u."""

VISIBLE = 0.5
"""A predicted visibility above this counts as visible (the published code's threshold)."""
_SHORTEST_CLIP = 4  # frames that a clip network needs


def call_network(model, inputs):
    """The outputs of a network for one batch.

    Args:
        model: a `keras.Model`, or a function, from arrays to a dict of tensors.
        inputs: array, or dict of arrays.

    Returns:
        dict of float64 arrays.

    Raises:
        ValueError: the model does not give a dict.
    """
    if hasattr(model, "predict_on_batch"):
        outputs = model.predict_on_batch(inputs)
    else:
        outputs = model(inputs)
    if not isinstance(outputs, dict):
        raise ValueError(
            "expected a model that gives a dict with the key 'pose', or keys that begin with "
            f"'action_', this one gives a {type(outputs).__name__}"
        )
    from keras import ops  # late: Keras takes seconds to import, scoring alone does not need it

    return {
        key: np.asarray(ops.convert_to_numpy(value), np.float64) for key, value in outputs.items()
    }


def poses_of(outputs, config, leading=1):
    """The poses among a network's outputs, checked.

    Args:
        outputs: what `call_network` gives.
        config: the network's `ModelConfig`; `skeleton` is used.
        leading: axes before that of the predictions: 1 (batch) or 2 (batch, frames).

    Returns:
        float64 (..., predictions, joints, dim + 1).

    Raises:
        ValueError: there are none, or of another shape.
    """
    if "pose" not in outputs:
        raise ValueError(
            f"expected a model that gives a dict with the key 'pose', it has {', '.join(outputs)}"
        )
    poses = outputs["pose"]
    joints = get_skeleton(config.skeleton).num_joints
    if poses.ndim != leading + 3 or poses.shape[-2] != joints or poses.shape[-1] not in (3, 4):
        axes = "batch, frames" if leading == 2 else "batch"
        raise ValueError(
            f"expected poses of shape ({axes}, predictions, {joints}, 3 or 4) for the skeleton "
            f"{config.skeleton!r}, the model gives {poses.shape}"
        )
    return poses


def require_images(config, name):
    """Checks that a network sees images.

    Args:
        config: the network's config.
        name: of its weights, for the message.

    Raises:
        ValueError: it takes poses in their place.
    """
    if config.stem == "none":
        raise ValueError(
            f"{name}: these weights tell actions from labelled poses and cannot see images; use "
            "weights of a network with a stem"
        )


def actions_of(outputs, head, classes):
    """The action scores of one head among a network's outputs, checked.

    Args:
        outputs: what `call_network` gives.
        head: name of the head, without ``action_``.
        classes: number of classes it should have.

    Returns:
        float64 (batch, predictions, classes).

    Raises:
        ValueError: there is no such head, or its output has another shape.
    """
    key = f"action_{head}"
    if key not in outputs:
        raise ValueError(
            f"expected a model that gives a dict with the key {key!r}, it has {', '.join(outputs)}"
        )
    scores = outputs[key]
    if scores.ndim != 3 or scores.shape[2] != classes:
        raise ValueError(
            f"expected action scores of shape (batch, predictions, {classes}), the head {head!r} "
            f"gives {scores.shape}"
        )
    return scores


def is_clip_network(model):
    """Whether a `keras.Model` takes clips (batch, frames, height, width, 3); False of functions."""
    shape = getattr(model, "input_shape", None)
    return isinstance(shape, tuple) and len(shape) == 5


def for_stills(model):
    """A clip network as one for single images.

    Its pose part looks at each frame for itself, so the images can be the frames of one clip.

    Args:
        model: from (batch, frames, S, S, 3) to a dict with ``pose``
            (batch, frames, predictions, joints, dim + 1).

    Returns:
        A function from (batch, S, S, 3) to ``{"pose": (batch, predictions, joints, dim + 1)}``.
    """

    def network(images):
        lacking = max(0, _SHORTEST_CLIP - len(images))
        clip = np.concatenate([images, np.zeros((lacking, *images.shape[1:]), images.dtype)])
        outputs = call_network(model, clip[None])
        if "pose" not in outputs:
            return outputs
        return {"pose": outputs["pose"][0, : len(images)]}

    return network


def stacked(arrays, count):
    """Arrays of one shape as a batch of `count` rows, filled up with zeros.

    With one batch size throughout, the network is traced once.
    """
    batch = np.zeros((count, *arrays[0].shape), np.float32)
    for place, array in enumerate(arrays):
        batch[place] = array
    return batch


def progress_bar(total, unit):
    """A Keras progress bar; ``update(n)`` moves it."""
    from keras.utils import Progbar

    return Progbar(total, unit_name=unit)


def require_joints(source, target):
    """Checks that a pose in one joint layout can be scored in another.

    Args:
        source: name of the layout that is predicted.
        target: name of the layout that is scored.

    Raises:
        ValueError: `source` lacks a joint of `target`; names it.
    """
    found = joint_map(source, target) >= 0
    if not found.all():
        joints = get_skeleton(target).joints
        lacking = ", ".join(joints[i] for i in np.flatnonzero(~found))
        raise ValueError(
            f"the network predicts the skeleton {source!r}, which lacks {lacking} of {target!r}: "
            "it cannot be scored there; use a network with a skeleton that has them"
        )
