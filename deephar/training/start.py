"""What a network starts from: weights of other networks, or random ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from deephar import weights
from deephar.models import copy_to_replica, frame_view


def load_start(model: keras.Model, paths: Sequence[str | Path]) -> None:
    """Loads what a network shares with each of some weights files, one after the other.

    The rest keeps its values, which is how a network with more pyramids goes on from one with
    fewer. What starts at random and what is left out is printed.

    Args:
        model: the network.
        paths: of the weights files; the last one counts where several have the same weights.

    Raises:
        FileNotFoundError, ValueError: As `deephar.weights.load_shared`.
    """
    reports = [weights.load_shared(model, path) for path in paths]
    missing = [
        line
        for line in (reports[0].missing if reports else ())
        if all(line in report.missing for report in reports)
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
    """Loads pose weights into a clip network. A replica that they do not have starts as a copy.

    Args:
        model: a clip network, see `deephar.models.frame_view`.
        path: a weights file of its pose network, or of the whole network.

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
    """Refuses to train a network of 3D poses where nothing would teach it depth.

    Args:
        config: of the network.
        datasets: data sets of stills or videos.

    Raises:
        ValueError: No data set has 3D labels.
    """
    if config.dim == 3 and all(dataset[0].joints_3d is None for dataset in datasets):
        raise ValueError(
            "A network of 3D poses needs data with 3D labels to learn depth from, and none of the "
            "data sets has any. Take a 2D network."
        )


def require_same_protocol(path: str | Path, protocol: str | None) -> None:
    """Refuses weights that were trained by another protocol: they may know test videos.

    Args:
        path: of the weights file.
        protocol: by which videos are split now; None if there is only one.

    Raises:
        ValueError: The weights say that they were trained by another protocol.
    """
    theirs = weights.read_facts(path).get("protocol")
    if theirs and protocol and theirs != protocol:
        raise ValueError(
            f"{path}: These weights were trained by the protocol {theirs}, so they know videos "
            f"that {protocol} tests on. Give --protocol {theirs}, or other weights."
        )
