"""Verifies the folder of a data set; ``deephar check mpii datasets/MPII`` on the command line."""

import os
import warnings
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from os.path import exists
from pathlib import Path

import numpy as np

from deephar.data.clips import labelled_size, size_differs
from deephar.data.crops import touches
from deephar.data.groups import check_groups
from deephar.data.images import load_image, orientation
from deephar.data.pose_files import read_poses
from deephar.data.sets.coco import SPLITS as SPLITS_OF_COCO
from deephar.data.sets.coco import CocoKeypoints
from deephar.data.sets.folder import PICTURES, POSES, SPLITS, VideoFolder
from deephar.data.sets.human36m import Human36M, size_problem
from deephar.data.sets.lsp import LSP
from deephar.data.sets.mpii import MPII
from deephar.data.sets.ntu import NTU
from deephar.data.sets.penn import ACTIONS, PennAction, action_names
from deephar.geometry import square_window
from deephar.progress import with_progress
from deephar.skeletons import UnknownSidesError, get_skeleton
from deephar.video import read_video


def _penn(folder, split, *, problems):
    # All actions and frames that there are; the report says which.
    actions = action_names(folder, problems)
    return PennAction(folder, split, frames=False, actions=actions, problems=problems)


def _ntu(folder, split, *, problems):
    # The split into persons to train on and to test on; both have all cameras.
    frame = min(Path(folder).glob("frames/*/000001.jpg"), default=None)
    return NTU(folder, split, frames=False, size=frame, problems=problems)


def _h36m(folder, split, *, problems):
    # The report lists the frames that are missing.
    return Human36M(folder, split, frames=False, problems=problems)


def _folder(folder, split, *, problems):
    return VideoFolder(folder, problems=problems)


def _coco(folder, split, *, problems):
    if Path(folder).suffix == ".json" and split != "all":
        raise FileNotFoundError("The file is checked as a whole.")
    try:
        return CocoKeypoints.find(folder, split, problems=problems)
    except UnknownSidesError as error:
        problems.append(str(error))  # the rest can be checked without them
        return CocoKeypoints.find(folder, split, flip_pairs=(), problems=problems)


# What opens each data set, and its splits.
DATASETS = {
    "mpii": (MPII, ("train", "valid")),
    "lsp": (LSP, ("train", "test")),
    "lspet": (LSP, ("extended",)),
    "coco": (_coco, SPLITS_OF_COCO),
    "penn": (_penn, ("train", "test")),
    "h36m": (_h36m, ("train", "test")),
    "ntu": (_ntu, ("train", "test")),
    "folder": (_folder, ("all",)),
}
_WORKERS = 2

# How far a joint may lie outside of its image, as a fraction of the side of the person's window.
# Farther out, no crop could show the person and the joint together.
_TOLERANCE = 0.5


def check(dataset: str, folder: str | Path) -> list[str]:
    """Verifies the folder of a data set and prints a report.

    Decodes every image and compares it with the annotation. Prints what there is, every problem
    once, with the name of its file, and a verdict with their number in the last line. A problem is
    what training or evaluation would fail at, or learn nothing from, such as a person without any
    labelled joint, or a picture that its EXIF data turn, unless its labels fit the stored pixels
    alone. Label files and persons that cannot be used are listed, and the others checked.
    A joint slightly outside of its image is listed as a note, since annotators guess.

    Takes a minute or two for all of MPII, and about ten minutes for the frames of Penn Action; its
    labels alone take a second. Of Human3.6M, every 5th frame of the training videos and every 64th
    frame of the test videos is checked. The frames of NTU RGB+D take hours.

    Args:
        dataset: a key of `DATASETS`, such as ``"mpii"``.
        folder: its folder, with the images and the annotation.

    Returns:
        The problems found, a line each; empty if there are none.

    Raises:
        ValueError: The data set is unknown.
    """
    if dataset not in DATASETS:
        raise ValueError(f"Unknown data set {dataset!r}. Known are {', '.join(DATASETS)}.")
    print(f"{dataset} in {folder}")
    problems, notes = [], []
    parts = _read_splits(dataset, folder, problems, notes)
    problems = list(dict.fromkeys(problems))  # splits may share files
    if not parts and not problems:
        problems.append("no split can be read")
    if dataset in ("penn", "ntu") and parts:
        _print_actions(parts)
        if not _has_frames(parts[0]):
            print(
                f"  LABELS ONLY: there is no folder {Path(folder) / 'frames'}. That is enough to "
                "learn actions from labelled poses; everything else needs the frames."
            )
    for line in notes:
        print(f"  note: {line}")
    for line in problems:
        print(f"  PROBLEM: {line}")
    verdict = f"{len(problems)} problem(s)" if problems else "ok"
    items = {"penn": "videos", "ntu": "videos", "folder": "videos", "h36m": "frames"}
    line = f"{verdict}: {sum(map(len, parts))} {items.get(dataset, 'persons')}"
    if dataset != "folder":
        line += f", {len(notes)} of them with joints outside of their image"
    print(line)
    return problems


def _read_splits(dataset, folder, problems, notes):
    """Reads and reports on all splits of a folder; returns those that can be read."""
    make, splits = DATASETS[dataset]
    parts = []
    for split in splits:
        try:
            part = make(folder, split, problems=problems)
        except FileNotFoundError as error:  # some have only one of the splits
            print(f"  {split}: none. {error}")
            continue
        except ValueError as error:
            problems.append(str(error))
            print(f"  {split}: cannot be read")
            continue
        parts.append(part)
        reports = {
            PennAction: _report_videos,
            NTU: _report_videos,
            Human36M: _report_h36m,
            VideoFolder: _report_folder,
        }
        report = reports.get(type(part), _report_stills)
        print(f"  {split}: {report(part, problems, notes)}, from {part.source}")
        if isinstance(part, NTU):
            _print_ntu(part)
        if isinstance(part, CocoKeypoints):
            for note in part.notes:
                print(f"    {note}")
            joints = get_skeleton(part.skeleton).joints
            print(f"    joints: {', '.join(joints)}")
    return parts


def _report_stills(dataset, problems, notes):
    """Appends the findings on one split of stills; returns what is in it."""
    samples = [dataset[i] for i in range(len(dataset))]
    images = sorted({sample.image for sample in samples})
    with ThreadPoolExecutor(_WORKERS) as pool:
        sizes = with_progress(pool.map(_size_or_error, images), len(images), "image")
        results = dict(zip(images, sizes, strict=True))
        turned = zip(images, pool.map(_upright_size, images), strict=True)
    problems += [result for result in results.values() if isinstance(result, str)]
    for image, size in turned:
        if size is not None:
            persons = [sample.joints for sample in samples if sample.image == image]
            _report_turned(image, np.concatenate(persons), results[image], size, problems)
    for sample in samples:
        if np.isnan(sample.joints).all():
            problems.append(
                f"{sample.image}: {sample.name} has no labelled joint. Label the person, or remove "
                "the entry."
            )
        elif not isinstance(results[sample.image], str):
            _report_sample(sample, results[sample.image], problems, notes)
    return f"{len(samples)} persons in {len(images)} images"


def _report_folder(dataset, problems, notes):
    """Appends the findings on a folder of labelled videos; returns what is in it."""
    for video in with_progress(dataset, len(dataset), "video"):
        try:
            if video.path.suffix.lower() in POSES:
                last = read_poses(video.path).times[-1]
            elif video.path.is_dir():
                _report_pictures(video.path, problems)
                continue  # its pictures have no times
            else:
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    last = _last_time(video.path)
                notes += [f"{video.name}: {warning.message}" for warning in caught]
        except (ValueError, OSError) as error:
            problems.append(f"{video.name}: {error}")
            continue
        if video.start is not None and video.start > last:
            problems.append(
                f"{video.name}: The segment starts at {video.start:g} s, but the last frame is at "
                f"{last:.1f} s"
            )
        elif video.end is not None and video.end > last + 1:
            notes.append(
                f"{video.name}: The segment ends at {video.end:g} s, the video at {last:.1f} s"
            )
    groups = Counter(video.group for video in dataset)
    counts = Counter(video.action for video in dataset)
    for action in dataset.actions:
        own = {video.group for video in dataset if video.action == action}
        print(f"    {action}: {counts[action]} videos in {len(own)} groups")
    try:
        actions = [video.action for video in dataset]
        check_groups(dataset.source, actions, [video.group for video in dataset])
    except ValueError as error:
        problems.append(str(error))
    if not dataset.has_groups:
        notes.append(
            "There is no column group, so each file counts as a group of its own. Videos of one "
            "scene or person should have the same group."
        )
    for split in SPLITS:
        if count := sum(video.split == split for video in dataset):
            print(f"    split {split}: {count} videos")
    return f"{len(dataset)} videos of {len(dataset.actions)} actions in {len(groups)} groups"


def _report_pictures(folder, problems):
    """Appends what is wrong with the pictures of a video."""
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)
    paths = [path for path in paths if not path.name.startswith(".")]
    found = {path: _size_or_error(path, upright=True) for path in paths}
    problems += [result for result in found.values() if isinstance(result, str)]
    sizes = {size for size in found.values() if not isinstance(size, str)}
    if len(sizes) > 1:
        listed = ", ".join(f"{width} x {height}" for width, height in sorted(sizes))
        problems.append(f"{folder} has pictures of different sizes ({listed}). Give those of one.")


def _last_time(path):
    """The time of the last frame of a video file, all of which is decoded."""
    return deque((time for _, time in read_video(path)), maxlen=1)[-1]


def _report_h36m(dataset, problems, notes):
    """Appends the findings on one split of Human3.6M; returns what is in it."""
    for folder, names in dataset.missing_frames().items():
        problems.append(f"{folder} lacks {len(names)} frames, first {names[0]}")
    problems += [f"{name}: {why}" for name, why in dataset.invalid_poses().items()]
    decoded, resized = 0, {}
    # In parts: there are 300 000 frames.
    with ThreadPoolExecutor(_WORKERS) as pool:
        starts = range(0, len(dataset), 1000)
        for start in with_progress(starts, len(starts), "thousand frames"):
            part = range(start, min(start + 1000, len(dataset)))
            samples = [sample for sample in map(dataset.__getitem__, part) if exists(sample.image)]
            paths = [sample.image for sample in samples]
            sizes = pool.map(_size_or_error, paths)
            for _, frames in groupby(paths, os.path.dirname):
                problems += _turned_frames(list(frames), pool)
            for sample, size in zip(samples, sizes, strict=True):
                decoded += 1
                if isinstance(size, str):
                    problems.append(size)
                elif why := size_problem(sample.camera, size):
                    path = Path(sample.image)
                    resized.setdefault((path.parent, why), []).append(path.name)
                else:
                    _report_sample(sample, size, problems, notes)
    for (folder, why), names in resized.items():
        problems.append(f"{folder}: {len(names)} frames, first {names[0]}, of {why}")
    found = f"{len(dataset)} frames, {decoded} of them decoded"
    if uneven := dataset.uneven_videos():
        found += (
            f", {len(uneven)} videos labelled for other frames than another camera's (first "
            f"{' and '.join(uneven[0])})"
        )
    return found


def _report_videos(dataset, problems, notes):
    """Appends the findings on one split of videos; returns what is in it."""
    total, decoded, has_frames = 0, 0, _has_frames(dataset)
    with ThreadPoolExecutor(_WORKERS) as pool:
        for index in with_progress(range(len(dataset)), len(dataset), "video"):
            video = dataset[index]
            total += len(video.joints)
            _report_labels(dataset.label_file(index), video, problems, notes)
            if has_frames:
                decoded += _report_frames(dataset, index, pool, problems)
    of_them = f"{decoded} of them decoded" if has_frames else "without the frames"
    return f"{len(dataset)} videos of {total} frames, {of_them}"


def _report_labels(who, video, problems, notes):
    try:
        windows = [square_window(box) for box in video.boxes]
    except ValueError as error:
        problems.append(f"{who}: the video has no box. {error}")
        return
    if np.isnan(video.joints).all():
        problems.append(f"{who}: the video has no labelled joint. Label it, or remove the file.")
        return
    away = sum(not touches(center, side, video.size) for center, side in windows)
    if away:
        problems.append(f"{who}: {away} boxes lie wholly outside of their frame")
    outside = _distance_outside(video.joints, video.size)
    # The guesses for hidden joints may be anywhere.
    outside = outside[(video.visible == 1) & (outside > 0)]
    if len(outside):
        notes.append(
            f"{who} has {len(outside)} visible joints outside of their frame, by up to "
            f"{outside.max():.1f} px"
        )


def _report_frames(dataset, index, pool, problems):
    """Appends what is wrong with the frames of a video; returns how many could be decoded."""
    video = dataset[index]
    missing = dataset.missing_frames(index)
    if len(missing) == len(video.joints):
        problems.append(f"{Path(missing[0]).parent} has none of the {len(missing)} frames")
        return 0
    problems += [f"{path} does not exist" for path in missing]
    surplus = dataset.surplus_frames(index)
    if surplus:
        problems.append(
            f"{Path(surplus[0]).parent} has {len(surplus)} frames more than the labels have rows, "
            f"first {Path(surplus[0]).name}. Check that the labels belong to these frames."
        )
    paths = [path for path in dataset.frame_paths(index) if path not in set(missing)]
    decoded = 0
    for path, result in zip(paths, pool.map(_size_or_error, paths), strict=True):
        if isinstance(result, str):
            problems.append(result)
            continue
        decoded += 1
        if size_differs(result, video.size):
            problems.append(
                f"{path} is {result[0]} x {result[1]} pixels, but its labels are for "
                f"{labelled_size(video)}"
            )
    problems += _turned_frames(paths, pool)
    return decoded


def _turned_frames(paths, pool):
    """One problem, in a list, if the EXIF data of frames in a folder turn them; else none."""
    turned = [
        path
        for path, size in zip(paths, pool.map(_upright_size, paths), strict=True)
        if size is not None
    ]
    if not turned:
        return []
    return [
        f"{Path(turned[0]).parent}: {len(turned)} frames, first {Path(turned[0]).name}, are turned "
        "by their EXIF data. Training takes them as stored, and the labels must be for that: check "
        "them. Save the frames without EXIF data, upright if their labels are."
    ]


def _print_ntu(dataset):
    """Prints which videos of a split of NTU RGB+D are skipped, and what is unusual in others."""
    reasons = Counter(dataset.skipped.values())
    for reason, count in reasons.items():
        names = [name for name, why in dataset.skipped.items() if why == reason]
        print(f"    {count} skipped ({reason}): {', '.join(names)}")
    several = sum(dataset.bodies(index) > 1 for index in range(len(dataset)))
    print(f"    {several} with several bodies, one of which is used")
    for index in range(len(dataset)):
        problem = dataset.camera_problem(index)
        if problem:
            print(f"    {dataset.label_file(index)} gives no camera: {problem}")


def _has_frames(dataset):
    return (dataset.root / "frames").is_dir()


def _print_actions(datasets):
    """Table of the number of videos of each action in each split."""
    counts = [Counter(dataset[i].action for i in range(len(dataset))) for dataset in datasets]
    width = max(20, *map(len, datasets[0].actions))
    print(f"  {'action':<{width}}" + "".join(f"{dataset.split:>8}" for dataset in datasets))
    for index, action in enumerate(datasets[0].actions):
        print(f"  {action:<{width}}" + "".join(f"{count[index]:8d}" for count in counts))
    if datasets[0].name == "penn" and not set(datasets[0].actions) <= set(ACTIONS):
        print(
            "  These are not the actions of Penn Action: name them when you load the data, "
            "PennAction(..., actions=(...))."
        )


def _size_or_error(path, *, upright=False):
    """(width, height) of an image, or what is wrong with it."""
    try:
        return load_image(path, upright=upright).shape[1::-1]
    except (FileNotFoundError, ValueError) as error:
        return str(error)


def _upright_size(path):
    """(width, height) as a viewer shows an image that its EXIF data turn; None of any other."""
    try:
        return None if orientation(path) == 1 else load_image(path, upright=True).shape[1::-1]
    except (OSError, ValueError):  # reported by `_size_or_error`
        return None


def _report_turned(image, joints, stored, upright, problems):
    """Appends a problem, unless the joints (N, 2) fit the stored pixels of a turned image alone."""
    fits = [not (_distance_outside(joints, size) > 0).any() for size in (stored, upright)]
    if fits == [True, False]:
        return
    unclear = "the labels fit the upright picture alone" if fits == [False, True] else "check them"
    problems.append(
        f"{image} is turned by its EXIF data, from {stored[0]} x {stored[1]} pixels as stored to "
        f"{upright[0]} x {upright[1]}. Training takes it as stored, and the labels must be for "
        f"that: {unclear}. Save the picture without EXIF data, upright if its labels are."
    )


def _report_sample(sample, size, problems, notes):
    if not touches(sample.center, sample.side, size):
        problems.append(f"{sample.image}: {sample.name} lies wholly outside of its image")
        return
    outside = _distance_outside(sample.joints, size)
    if not (outside > 0).any():  # NaN, unlabelled, is not
        return
    names = get_skeleton(sample.skeleton).joints
    listed = ", ".join(f"{names[j]} {outside[j]:.1f} px" for j in np.flatnonzero(outside > 0))
    line = f"{sample.image}: {sample.name} has joints outside of its image ({listed})"
    far = np.nanmax(outside) > _TOLERANCE * sample.side
    (problems if far else notes).append(line)


def _distance_outside(joints, size):
    """By how many pixels joints (..., 2) lie outside of an image; 0 or less inside, NaN unknown."""
    edge = np.array(size) - 0.5
    return np.maximum(-0.5 - joints, joints - edge).max(axis=-1)
