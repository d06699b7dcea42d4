"""Verifies the folder of a data set: ``python -m deephar.data.check mpii datasets/MPII``.

Decodes every image and compares it with the annotation. Prints what is there, every problem by
name, and a line of verdict; the exit status is 1 if there is a problem that training or evaluation
would stumble over. A joint a little outside of its image is normal (annotators guess): it is
listed, but is no problem. Takes a minute or two for the whole of MPII.
"""

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from deephar.data.lsp import LSP
from deephar.data.mpii import MPII
from deephar.data.transforms import load_image, window_touches
from deephar.skeletons import get_skeleton

DATASETS = {
    "mpii": (MPII, ("train", "valid")),
    "lsp": (LSP, ("train", "test")),
    "lspet": (LSP, ("extended",)),
}
WORKERS = 2

# How far a joint may lie outside of its image, as a fraction of the side of the person's window.
# Farther out, no crop could show the person and the joint together.
TOLERANCE = 0.5


def main(argv: list[str] | None = None) -> int:
    """Runs the check with command-line arguments; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m deephar.data.check",
        description=__doc__.split("\n\n", 1)[1],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("dataset", choices=DATASETS)
    parser.add_argument("folder", type=Path, help="folder with the images and the annotation")
    arguments = parser.parse_args(argv)
    try:
        return 1 if check(arguments.dataset, arguments.folder) else 0
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def check(dataset: str, folder: str | Path) -> list[str]:
    """Prints a report on the folder of a data set.

    Args:
        dataset: ``"mpii"``, ``"lsp"`` or ``"lspet"``.
        folder: its folder.

    Returns:
        The problems found, a line each; empty if all is well.
    """
    make, splits = DATASETS[dataset]
    problems, notes, persons, readable = [], [], 0, 0
    print(f"{dataset} in {folder}")
    for split in splits:
        try:
            samples = make(folder, split)
        except FileNotFoundError as error:  # some have only one of the splits
            print(f"  {split}: none. {error}")
            continue
        except ValueError as error:
            problems.append(f"{split}: {error}")
            continue
        readable += 1
        persons += len(samples)
        images = _report_split(samples, problems, notes)
        print(f"  {split}: {len(samples)} persons in {images} images, from {samples.source}")
    if not readable and not problems:
        problems.append("no split can be read")
    for line in notes:
        print(f"  note: {line}")
    for line in problems:
        print(f"  PROBLEM: {line}")
    verdict = f"{len(problems)} problem(s)" if problems else "ok"
    print(f"{verdict}: {persons} persons, {len(notes)} of them with joints outside of their image")
    return problems


def _report_split(dataset, problems, notes):
    """Appends the findings on one split; returns the number of its images."""
    samples = [dataset[i] for i in range(len(dataset))]
    images = sorted({sample.image for sample in samples})
    with ThreadPoolExecutor(WORKERS) as pool:
        results = dict(zip(images, pool.map(_size_or_error, images), strict=True))
    problems += [result for result in results.values() if isinstance(result, str)]
    for sample in samples:
        if not isinstance(results[sample.image], str):
            _report_sample(sample, results[sample.image], problems, notes)
    return len(images)


def _size_or_error(path):
    """(width, height) of an image, or what is wrong with it."""
    try:
        return load_image(path).shape[1::-1]
    except (FileNotFoundError, ValueError) as error:
        return str(error)


def _report_sample(sample, size, problems, notes):
    if not window_touches(sample, size):
        problems.append(f"{sample.image}: {sample.name} lies wholly outside of its image")
        return
    edge = np.array(size) - 0.5
    outside = np.maximum(-0.5 - sample.joints, sample.joints - edge).max(axis=-1)
    if not (outside > 0).any():  # NaN, unlabelled, is not
        return
    names = get_skeleton(sample.skeleton).joints
    listed = ", ".join(f"{names[j]} {outside[j]:.1f} px" for j in np.flatnonzero(outside > 0))
    line = f"{sample.image}: {sample.name} has joints outside of its image ({listed})"
    far = np.nanmax(outside) > TOLERANCE * sample.side
    (problems if far else notes).append(line)


if __name__ == "__main__":
    sys.exit(main())
