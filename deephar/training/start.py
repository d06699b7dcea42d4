"""Initial weights of a network, and checks of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from deephar import weights
from deephar.models import copy_to_replica, frame_view


def load_start(model: keras.Model, paths: Sequence[str | Path]) -> None:
    """Loads the weights that a network shares with one or several weights files.

    Other weights of the network keep their values, so a network may have more pyramids than the
    one that it starts from. Prints which weights start at random, and which are not used.

    Args:
        model: the network.
        paths: weights files. If several have the same weights, the last one counts.

    Raises:
        FileNotFoundError, ValueError: As `deephar.weights.load_shared`.
    """
    reports = [weights.load_shared(model, path) for path in paths]
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


def load_pose_network(model: keras.Model, path: str | Path) -> None:
    """Loads pose weights into a clip network.

    If the network has a replica of its heat maps and the file has none, the replica starts as a
    copy of the heat maps.

    Args:
        model: a clip network, see `deephar.models.frame_view`.
        path: weights file of its pose network, or of the whole network.

    Raises:
        FileNotFoundError, ValueError: As `deephar.weights.load_part`.
    """
    frames = frame_view(model)
    trained = weights.read_config(path)
    if "action_pose" not in frames.output or (trained.actions and trained.pose_replica):
        weights.load_part(frames, path)
        return
    weights.load_part(keras.Model(frames.input, frames.output["pose"]), path)
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
        path: the weights file.
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
