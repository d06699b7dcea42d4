"""Data sets that the arguments of the scripts name."""

import argparse
from collections.abc import Sequence
from typing import Any

from deephar import weights
from deephar.data.sets.by_name import open_dataset
from deephar.training.start import require_same_protocol

SYNTHETIC = "synthetic"
"""Value of ``--data`` for the built-in data set."""


def penn_kind(args: argparse.Namespace) -> str:
    """Kind of data set that ``--data`` and ``--drawn`` name, see `open_dataset`.

    Raises:
        ValueError: Both the built-in data set and ``--drawn`` are given.
    """
    if args.data != SYNTHETIC:
        return "penn-drawn" if args.drawn else "penn"
    if args.drawn:
        raise ValueError("--drawn draws the labels of a folder of Penn Action. Give its --data.")
    return SYNTHETIC


def open_penn(args: argparse.Namespace, actions: Sequence[str] | None) -> Any:
    """Opens Penn Action, its labels with drawn frames, or the built-in data set.

    Args:
        args: arguments with `data`, `split`, `drawn`, `poses`.
        actions: names of the actions; None for the 15 of Penn Action.

    Raises:
        FileNotFoundError, ValueError: As the data sets.
    """
    kind = penn_kind(args)
    if kind == SYNTHETIC:
        return open_dataset(kind, split=args.split)
    options = {"actions": actions}
    if kind == "penn":
        options["frames"] = args.poses == "predicted"
    return open_dataset(kind, args.data, split=args.split, options=options)


def open_ntu(args: argparse.Namespace, name: str) -> Any:
    """Opens NTU RGB+D by the protocol and in the skeleton of the weights to score.

    Args:
        args: arguments with `data`, `split`, `protocol` (None for that of the weights), `poses`.
        name: name or path of the weights.

    Raises:
        FileNotFoundError, ValueError: As `NTU`, or the weights were trained by another protocol.
    """
    require_same_protocol(name, args.protocol)
    trained = weights.read_facts(name).get("protocol")
    options = {
        "protocol": args.protocol or trained or "cross-subject",
        "frames": args.poses == "predicted",
        "skeleton": weights.read_config(name).skeleton,
    }
    return open_dataset("ntu", args.data, split=args.split, options=options)
