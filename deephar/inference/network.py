"""Calling a network, and checking what it gives."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from deephar.export.network import MIN_CLIP_FRAMES
from deephar.skeletons import Skeleton, get_skeleton, joint_map

if TYPE_CHECKING:
    import keras

    from deephar.export import ONNXNetwork, OpenVINONetwork
    from deephar.models import ModelConfig, ReceptionConfig

    Model = keras.Model | OpenVINONetwork | ONNXNetwork | Callable[[Any], dict]
    Config = ModelConfig | ReceptionConfig

MIRROR = np.array([[-1.0, 0.0, 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
"""Affine map of the unit crop to its mirror image, u -> 1 - u."""

VISIBLE = 0.5
"""A predicted visibility above this counts as visible (the published code's threshold)."""
POSE_OUTPUTS = frozenset(("pose", "action_pose"))
"""Outputs of a network that are poses; the second one is that of a pose replica."""


def call_network(model: Model, inputs: Any) -> dict[str, np.ndarray]:
    """The outputs of a network for one batch.

    Args:
        model: a `keras.Model`, or a function, from arrays to a dict of tensors.
        inputs: array, or dict of arrays.

    Returns:
        dict of float64 arrays.

    Raises:
        ValueError: The model does not give a dict.
    """
    if hasattr(model, "predict_on_batch"):
        outputs = model.predict_on_batch(inputs)
    else:
        outputs = model(inputs)
    if not isinstance(outputs, dict):
        raise ValueError(
            f"The model gives a {type(outputs).__name__}, but a dict with the key 'pose', or keys "
            "that begin with 'action_', is needed. Use a model of deephar.models."
        )
    return {key: np.asarray(_array(value), np.float64) for key, value in outputs.items()}


def call_in_batches(model: Model, inputs: Any, *, batch_size: int = 32) -> dict[str, np.ndarray]:
    """As `call_network`, for more inputs than fit into one batch."""
    arrays = inputs if isinstance(inputs, dict) else {"": inputs}
    outputs = []
    for start in range(0, len(next(iter(arrays.values()))), batch_size):
        part = {name: array[start : start + batch_size] for name, array in arrays.items()}
        outputs.append(call_network(model, part if isinstance(inputs, dict) else part[""]))
    return {key: np.concatenate([output[key] for output in outputs]) for key in outputs[0]}


def _array(value):
    if isinstance(value, np.ndarray):
        return value
    from keras import ops  # late: Keras takes seconds to import, scoring alone does not need it

    return ops.convert_to_numpy(value)


def poses_of(outputs: dict[str, np.ndarray], config: Config, *, leading: int = 1) -> np.ndarray:
    """The poses among a network's outputs, checked.

    Args:
        outputs: what `call_network` gives.
        config: the network's `ModelConfig`; `skeleton` is used.
        leading: axes before that of the predictions: 1 (batch) or 2 (batch, frames).

    Returns:
        float64 (..., predictions, joints, dim + 1).

    Raises:
        ValueError: There are none, or of another shape.
    """
    if "pose" not in outputs:
        raise ValueError(
            f"The model gives {', '.join(outputs)}, but 'pose' is needed. Use a model that "
            "predicts poses."
        )
    poses = outputs["pose"]
    joints = get_skeleton(config.skeleton).num_joints
    if poses.ndim != leading + 3 or poses.shape[-2] != joints or poses.shape[-1] not in (3, 4):
        axes = "batch, frames" if leading == 2 else "batch"
        raise ValueError(
            f"The model gives poses of shape {poses.shape}, but ({axes}, predictions, {joints}, "
            f"3 or 4) is needed for the skeleton {config.skeleton!r}. Use the config of the model."
        )
    return poses


def takes_poses(config: Config) -> bool:
    """Whether a network takes labelled poses instead of images."""
    return config.stem == "none"


def require_images(config: Config, name: str | os.PathLike) -> None:
    """Checks that a network sees images.

    Args:
        config: the network's config.
        name: what to call it in the message, such as the path of its weights.

    Raises:
        ValueError: It takes poses instead.
    """
    if takes_poses(config):
        raise ValueError(
            f"{name} takes labelled poses and cannot see images. Use the weights of a network with "
            "a stem."
        )


def actions_of(outputs: dict[str, np.ndarray], head: str, classes: int) -> np.ndarray:
    """The action scores of one head among a network's outputs, checked.

    Args:
        outputs: what `call_network` gives.
        head: name of the head, without ``action_``.
        classes: number of classes it should have.

    Returns:
        float64 (batch, predictions, classes).

    Raises:
        ValueError: There is no such head, or its output has another shape.
    """
    key = f"action_{head}"
    if key not in outputs:
        raise ValueError(
            f"The model gives {', '.join(outputs)}, but {key!r} is needed. Use a model with this "
            "head."
        )
    scores = outputs[key]
    if scores.ndim != 3 or scores.shape[2] != classes:
        raise ValueError(
            f"The head {head!r} gives scores of shape {scores.shape}, but (batch, predictions, "
            f"{classes}) is needed. Use the config of the model."
        )
    return scores


def is_clip_network(model: Model) -> bool:
    """Whether a network takes clips (batch, frames, height, width, 3).

    Args:
        model: a `keras.Model`, or a network with `input_shape`. Of another function, nothing is
            known, and the answer is False.
    """
    shape = getattr(model, "input_shape", None)
    return isinstance(shape, tuple) and len(shape) == 5


def for_stills(model: Model) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """A clip network as one for single images.

    Its pose part sees each frame separately, so the images can be the frames of a clip.

    Args:
        model: from (batch, frames, S, S, 3) to a dict with ``pose``
            (batch, frames, predictions, joints, dim + 1).

    Returns:
        A function from (batch, S, S, 3) to ``{"pose": (batch, predictions, joints, dim + 1)}``.
    """
    num_frames = model.input_shape[1] if is_clip_network(model) else None

    def network(images):
        length = num_frames or max(MIN_CLIP_FRAMES, len(images))
        lacking = -len(images) % length
        frames = np.concatenate([images, np.zeros((lacking, *images.shape[1:]), images.dtype)])
        outputs = call_network(model, frames.reshape(-1, length, *images.shape[1:]))
        if "pose" not in outputs:
            return outputs
        poses = outputs["pose"]
        return {"pose": poses.reshape(-1, *poses.shape[2:])[: len(images)]}

    return network


def stills_network(model: Model) -> Model:
    """A network for single images: `model` itself, or `for_stills` of a `keras.Model` of clips."""
    return for_stills(model) if is_clip_network(model) else model


class Parts(NamedTuple):
    """A clip network in two parts: one sees frames, the other tells actions from what it saw.

    Attributes:
        frames: from images (B, S, S, 3) to a dict with ``"pose"`` (B, P, J, dim + 1), and what
            `heads` takes.
        heads: from a dict of arrays (B, T, ...) to a dict of ``"action_<head>"`` (B, P, C).
        inputs: names of what `heads` takes.
    """

    frames: Callable[[np.ndarray], dict]
    heads: Callable[[dict], dict]
    inputs: tuple[str, ...]


def parted(model: Model) -> dict[str, Model]:
    """A network as the networks that it is made of.

    Args:
        model: any network.

    Returns:
        ``"frames"`` and ``"heads"`` of a `multitask_model`, see `Parts`; ``"whole"`` of any other.
    """
    from deephar.models import action_view, frame_view, has_pose_network

    if hasattr(model, "layers") and has_pose_network(model):
        return {"frames": frame_view(model), "heads": action_view(model)}
    return {"whole": model}


def joined(parts: Mapping[str, Model]) -> Model:
    """The network whose `parted` form is given, as one function.

    If it has action heads, it is for clips, and its attribute `heads` is the second part.
    """
    if "whole" in parts:
        return parts["whole"]
    frames, heads = parts["frames"], parts["heads"]

    def network(clips):
        batch = clips.shape[:2]
        outputs = call_network(frames, clips.reshape(-1, *clips.shape[2:]))
        outputs = {name: value.reshape(*batch, *value.shape[1:]) for name, value in outputs.items()}
        inputs = {name: np.float32(outputs[name]) for name in input_names(heads)}
        return {"pose": outputs["pose"], **call_network(heads, inputs)}

    network.input_shape = (None, None, *frames.input_shape[1:])
    network.heads = heads
    return network


def input_names(network: Model) -> tuple[str, ...]:
    """Names of the inputs of a `keras.Model`, or of a network with `input_names`."""
    if hasattr(network, "input_names"):
        return tuple(network.input_names)
    return tuple(tensor.name for tensor in network.inputs)


def parts_of(parts: Mapping[str, Model]) -> Parts:
    """The two parts of a clip network.

    Args:
        parts: its `parted` form. One that is ``"whole"`` has no parts: then `frames` passes on the
            images, and `heads` is the whole network, which sees each frame again in every window.
    """
    if "whole" not in parts:
        return Parts(parts["frames"], parts["heads"], input_names(parts["heads"]))
    model = parts["whole"]
    stills = for_stills(model)
    return Parts(
        lambda images: {**stills(images), "clip": images},
        lambda windows: call_network(model, windows["clip"]),
        ("clip",),
    )


def stacked(arrays: Sequence[np.ndarray], count: int) -> np.ndarray:
    """Arrays of one shape as a batch of `count` rows, filled up with zeros.

    With one batch size throughout, the network is traced once.
    """
    batch = np.zeros((count, *arrays[0].shape), np.float32)
    for place, array in enumerate(arrays):
        batch[place] = array
    return batch


def require_joints(source: str | Skeleton, target: str | Skeleton) -> None:
    """Checks that a pose in one joint layout can be scored in another.

    Args:
        source: the layout that is predicted, or its name.
        target: the layout that is scored, or its name.

    Raises:
        ValueError: `source` lacks a joint of `target`; names it.
    """
    found = joint_map(source, target) >= 0
    if not found.all():
        joints = get_skeleton(target).joints
        lacking = ", ".join(joints[i] for i in np.flatnonzero(~found))
        raise ValueError(
            f"The network predicts the skeleton {source!r}, which lacks {lacking} of {target!r}. "
            "Use a network with a skeleton that has them."
        )


def check_model(model: Model, config: Config, *, head: str | None = None) -> None:
    """Checks that a network in memory is the one that a config describes.

    Only what a `keras.Model` says of itself is checked; of another function, nothing.

    Args:
        model: the network.
        config: its config.
        head: name of the action head that will be asked; None for poses only.

    Raises:
        ValueError: The model takes images of another size, clips of another length or no clips, or
            it gives other joints, another number of coordinates, or not this head.
    """
    if not callable(model):
        raise ValueError(f"The model must be a keras.Model or a function, got {model!r}.")
    if not hasattr(model, "input_shape"):
        return
    _check_input(model.input_shape, config, head)
    outputs = model.output if isinstance(model.output, dict) else {}
    joints = get_skeleton(config.skeleton).num_joints
    expected = {"pose": (joints, config.dim + 1)}
    if head is not None:
        expected[f"action_{head}"] = (config.actions[head],)
    for name, shape in expected.items():
        if name not in outputs:
            raise _misfit(f"it gives no {name!r} (known outputs: {', '.join(outputs) or 'none'})")
        found = tuple(outputs[name].shape)
        if found[-len(shape) :] != shape:
            expected = ", ".join(map(str, shape))
            raise _misfit(f"{name!r} has the shape {found}, not (..., {expected})")


def _check_input(shape, config, head):
    if not isinstance(shape, tuple) or len(shape) not in (4, 5):
        raise _misfit(f"it takes {shape}, and not images (batch, [frames,] height, width, 3)")
    if head is not None and len(shape) != 5:
        raise _misfit(f"it takes single images {shape}, and actions need clips")
    size = config.image_size
    if any(side not in (None, size) for side in shape[-3:-1]):
        raise _misfit(f"it takes images of {shape[-3]} x {shape[-2]} pixels, not {size} x {size}")
    if len(shape) == 5 and shape[1] not in (None, config.num_frames):
        raise _misfit(f"it takes clips of {shape[1]} frames, not {config.num_frames}")


def _misfit(reason):
    return ValueError(
        f"The model does not fit the config: {reason}. Give the config that it was built with."
    )
