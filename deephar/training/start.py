"""Initial weights of a network, and checks of them."""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from deephar import weights
from deephar.models import ModelConfig, copy_to_replica, frame_view, joint_axes
from deephar.skeletons import get_skeleton, joint_map


def load_start(model: keras.Model, config: Any, paths: Sequence[str | Path]) -> None:
    """Loads the weights that a network shares with one or several weights files.

    Other weights of the network keep their values, so a network may have more pyramids than the
    one that it starts from. If it has other joints, those of equal name keep their heat maps.
    Prints which weights and joints start at random, and which are not used.

    Args:
        model: the network.
        config: config of the network.
        paths: weights files, or names in the index. If several have the same weights, the last one
            counts.

    Raises:
        FileNotFoundError, ValueError: As `deephar.weights.load_shared`; or the only file is of the
            same network, but lacks some of its weights; or the joints of the two are not the same,
            and it is not a network of pyramids or there is no joint that they share.
    """
    if len(paths) == 1 and not _differences(weights.read_config(paths[0]), config):
        weights.load_part(model, weights.find(paths[0]))
        return
    reports = [
        weights.load_shared(model, weights.find(path), adapt=_by_joint(model, config, path))
        for path in paths
    ]
    missing = [
        line for line in reports[0].missing if all(line in report.missing for report in reports)
    ]
    sources = ", ".join(map(str, paths))
    if missing:
        print(
            f"{len(missing)} weights of the network are not in {sources} and start at random, "
            f"{missing[0]} the first",
            flush=True,
        )
    for path, report in zip(paths, reports, strict=True):
        if report.unexpected:
            print(
                f"{len(report.unexpected)} weights of {path} are not in the network and are left "
                f"out, {report.unexpected[0]} the first",
                flush=True,
            )


def _by_joint(model, config, path):
    """Functions for `deephar.weights.load_shared` that take weights to the joints of equal name.

    None if the network in the file has the same joints.
    """
    theirs = weights.read_config(path)
    source, target = get_skeleton(theirs.skeleton), get_skeleton(config.skeleton)
    if source.joints == target.joints:
        return None
    index = joint_map(source, target)
    shared, new = (
        [joint for joint, place in zip(target.joints, index, strict=True) if (place >= 0) == known]
        for known in (True, False)
    )
    if not shared or not isinstance(theirs, ModelConfig) or not isinstance(config, ModelConfig):
        reason = "the network has no pyramids" if shared else "none is shared"
        raise ValueError(
            f"{path} predicts the joints of {source.name!r}, which cannot become those of "
            f"{target.name!r}: {reason}. Start from other weights, or from none."
        )
    print(
        f"heat maps from {path} for {', '.join(shared)}; at random for {', '.join(new) or 'none'}",
        flush=True,
    )
    return {
        name: functools.partial(_with_joints, path, axis, index, source.num_joints)
        for name, axis in joint_axes(model).items()
    }


def _with_joints(path, axis, index, num_source, stored, current):
    """A kernel with the stored values of shared joints, and the current ones of the others."""
    known = np.flatnonzero(index >= 0)
    stored = np.moveaxis(stored, axis, -1)
    result = np.moveaxis(current, axis, -1).copy()
    old = stored.reshape(*stored.shape[:-1], -1, num_source)
    new = result.reshape(*result.shape[:-1], -1, len(index))
    if old.shape[:-1] != new.shape[:-1]:
        raise ValueError(
            f"{path} has weights of another network: {stored.shape} for the heat maps, not "
            f"{result.shape}, the last being the joints. Use weights of the same network."
        )
    new[..., known] = old[..., index[known]]
    return np.moveaxis(new.reshape(result.shape), -1, axis)


def require_same_network(path: str | Path, config: Any) -> None:
    """Raises if weights are of another pose network. The size of crops may differ.

    Args:
        path: name or path of the weights.
        config: config of the network that is to start from it. Where its `peak_window` is 0, the
            weights may have been trained with any.

    Raises:
        ValueError: The pose networks differ. The message names the first field that does.
    """
    theirs = weights.read_config(path)
    names = _differences(theirs, config)
    if (
        getattr(theirs, "peak_window", 0) != (window := getattr(config, "peak_window", 0))
        and window
    ):
        names.append("peak_window")
    if names:
        ours, other = (getattr(item, names[0], type(item).__name__) for item in (config, theirs))
        raise ValueError(
            f"{path} was trained with {names[0]} {other}, but the network of the stage has {ours}. "
            "The stage does not change it. Use the same network, or train the pose first."
        )


# Fields that do not decide the layers of the pose network.
_OTHER_FIELDS = (
    *("actions", "num_frames", "streams", "pose_features", "appearance_features"),
    *("action_pyramids", "pose_replica", "centred", "last_pose", "action_version"),
    "readout_of",
    "readout_stem",
    *("image_size", "peak_window"),
)


def _differences(one, other):
    """Names of the fields in which the pose networks of two configs differ."""
    if type(one) is not type(other):
        return ["class"]
    names = (field.name for field in dataclasses.fields(one) if field.name not in _OTHER_FIELDS)
    return [name for name in names if getattr(one, name) != getattr(other, name)]


def load_pose_network(model: keras.Model, path: str | Path) -> None:
    """Loads pose weights into a clip network.

    If the network has a replica of its heat maps and the file has none, the replica starts as a
    copy of the heat maps.

    Args:
        model: a clip network, see `deephar.models.frame_view`.
        path: name or path of the weights of its pose network, or of the whole network.

    Raises:
        FileNotFoundError, ValueError: As `deephar.weights.load_part`.
    """
    frames = frame_view(model)
    trained, file = weights.read_config(path), weights.find(path)
    if "action_pose" not in frames.output or (trained.actions and trained.pose_replica):
        weights.load_part(frames, file)
        return
    weights.load_part(keras.Model(frames.input, frames.output["pose"]), file)
    copy_to_replica(model)


def require_depth_labels(config: Any, datasets: Sequence) -> None:
    """Raises if a network of 3D poses would be trained without any 3D labels.

    Args:
        config: config of the network.
        datasets: data sets of stills or videos.

    Raises:
        ValueError: No data set has 3D labels.
    """
    if config.dim == 3 and all(dataset[0].joints_3d is None for dataset in datasets):
        raise ValueError(
            "A network of 3D poses needs data with 3D labels to learn depth, but no data set has "
            "3D labels. Use a 2D network."
        )


def require_same_protocol(path: str | Path, protocol: str | None) -> None:
    """Raises if weights were trained by another protocol, perhaps on test videos of this one.

    Args:
        path: name or path of the weights.
        protocol: protocol that splits the videos; None if there is only one.

    Raises:
        ValueError: The weights were trained by another protocol.
    """
    theirs = weights.read_facts(path).get("protocol")
    if theirs and protocol and theirs != protocol:
        raise ValueError(
            f"{path}: These weights were trained by the protocol {theirs}, perhaps on "
            f"videos that {protocol} tests on. Give --protocol {theirs}, or other weights."
        )


def load_heads(heads: keras.Model, path: str | Path) -> None:
    """Loads what action heads share with those of a file: all but the layers that name actions.

    Prints how much starts from the file.

    Args:
        heads: an `action_model`, or the `action_view` of a `multitask_model`.
        path: name or path of the weights.

    Raises:
        ValueError: The file has no action heads, or none of their layers fits.
    """
    report = weights.load(heads, weights.find(path), partial=True)
    total, other = len(heads.weights), len(report.missing) + len(report.mismatched)
    if other == total:
        raise ValueError(
            f"{path} has no action heads that the new ones could start from. Start them from "
            "nothing, or use weights whose heads have the same streams and widths."
        )
    print(f"{total - other} of {total} weights of the action heads start from {path}", flush=True)
