"""A pose network and action heads, joined in one file."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from deephar.files import replacing
from deephar.models import ModelConfig, action_view, build_model, frame_view
from deephar.models.config import HEAD_FIELDS
from deephar.weights.files import digest, load, load_part, save
from deephar.weights.registry import find, load_model, read_config, read_facts

_FACTS_OF_HEADS = ("actions", "frame_rate", "subsampling", "temperature", "calibration_error")


def join(
    pose: str | Path,
    heads: str | Path,
    out: str | Path,
    *,
    dtype: str = "float16",
    **facts: object,
) -> ModelConfig:
    """Writes a pose network and action heads as one network with both, in one file.

    The poses of the new file are exactly those of `pose`. `deephar.weights.register` can list it
    under two names: one for all of it, and one for its pose network alone.

    Args:
        pose: name or path of the weights of the pose network.
        heads: name or path of the weights of the action heads: of a network with
            ``stem="none"``, or of one with a pose network, which is not used.
        out: the ``.h5`` file to write.
        dtype: type on disk, ``"float32"`` or ``"float16"`` (half the size).
        **facts: as for `deephar.weights.save`. The actions, the frames of the clips (``frame_rate``
            or ``subsampling``) and the calibration are by default those of `heads`; ``pose`` are
            the facts of `pose`.

    Returns:
        The config of the whole network.

    Raises:
        FileNotFoundError: One of the files is missing.
        ValueError: The heads do not fit the pose network, or see the appearance of another one; or
            the weights of the pose network change when stored as `dtype`.
        OSError: The file could not be written.
    """
    config = _joint_config(pose, heads)
    model = build_model(config)
    frames = frame_view(model)
    load_part(frames, find(pose))
    load_heads = load if read_config(heads).stem == "none" else load_part
    load_heads(action_view(model), find(heads))
    before = digest(frames)
    known = read_facts(heads)
    given = {fact: known[fact] for fact in _FACTS_OF_HEADS if fact in known}
    facts = {**given, "pose": read_facts(pose), **facts}
    with replacing(out) as part:  # `out` may be the only file of the pose network
        save(model, config, part, dtype=dtype, **facts)
        if digest(frame_view(load_model(part)[0])) != before:
            raise ValueError(
                f"The weights of {pose} change when they are stored as {dtype}. Use "
                "dtype='float32'."
            )
    return config


def _joint_config(pose, heads):
    """Config of the network with the pose network of one file and the heads of another."""
    ours, theirs = read_config(pose), read_config(heads)
    for name, config in ((pose, ours), (heads, theirs)):
        if not isinstance(config, ModelConfig):
            raise ValueError(
                f"{name} is a {type(config).__name__}, whose heads cannot be exchanged. Give "
                "weights of a ModelConfig."
            )
    if ours.stem == "none":
        raise ValueError(f"{pose} takes poses and has no pose network. Give weights that have one.")
    if not theirs.actions:
        raise ValueError(f"{heads} predicts poses only. Give weights with action heads.")
    if "appearance" in theirs.streams:
        raise ValueError(
            f"{heads} sees the appearance features of its own pose network. Give action heads with "
            'streams=("pose",).'
        )
    for field in ("skeleton", "dim", "num_levels"):
        if getattr(ours, field) != getattr(theirs, field):
            raise ValueError(
                f"{heads} has {field}={getattr(theirs, field)!r}, but {pose} has "
                f"{getattr(ours, field)!r}. Give action heads for poses of this kind."
            )
    pyramids = theirs.action_pyramids
    if ours.num_pyramids != theirs.num_pyramids:
        pyramids = theirs.pyramids_with_actions
    fields = {field: getattr(theirs, field) for field in HEAD_FIELDS}
    # Heads without a pose network have seen the same poses in all of their blocks.
    fields["last_pose"] = theirs.last_pose or theirs.stem == "none"
    return dataclasses.replace(ours, action_pyramids=pyramids, **fields)
