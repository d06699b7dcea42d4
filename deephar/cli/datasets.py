"""Data sets as the arguments of the evaluation scripts name them."""

import argparse
from collections.abc import Sequence
from typing import Any

from deephar import weights
from deephar.data.sets.by_name import open_dataset

SYNTHETIC = "synthetic"
"""In place of a folder: the built-in data set."""


def open_penn(args: argparse.Namespace, actions: Sequence[str] | None) -> Any:
    """Penn Action, its labels with drawn frames, or the built-in data set.

    Args:
        args: with `data`, `split`, `drawn`, `poses`.
        actions: names of the actions of a folder with others than Penn Action's 15.

    Raises:
        FileNotFoundError, ValueError: As the data sets.
    """
    if args.data == SYNTHETIC:
        if args.drawn:
            raise ValueError(
                "--drawn draws the labels of a folder of Penn Action. Give its --data."
            )
        return open_dataset("synthetic", split=args.split)
    if args.drawn:
        options = {"actions": actions}
        return open_dataset("penn-drawn", args.data, split=args.split, options=options)
    options = {"actions": actions, "frames": args.poses == "predicted"}
    return open_dataset("penn", args.data, split=args.split, options=options)


def open_ntu(args: argparse.Namespace, name: str) -> Any:
    """NTU RGB+D as the weights are to be scored on it.

    Args:
        args: with `data`, `split`, `protocol` (None for that of the weights), `poses`.
        name: name or path of the weights.

    Raises:
        FileNotFoundError, ValueError: As `NTU`, or the weights were trained by another protocol.
    """
    path = weights.find(name)
    trained = weights.read_facts(path).get("protocol")
    if trained and args.protocol not in (None, trained):
        raise ValueError(
            f"{name}: These weights were trained by the protocol {trained}, so they know videos "
            f"that {args.protocol} tests on. Give --protocol {trained}, or other weights."
        )
    options = {
        "protocol": args.protocol or trained or "cross-subject",
        "frames": args.poses == "predicted",
        "skeleton": weights.read_config(path).skeleton,
    }
    return open_dataset("ntu", args.data, split=args.split, options=options)
