"""Data sets by name, as command lines and recipes name them."""

from collections.abc import Callable, Mapping
from typing import Any

from deephar.data.backgrounds import backgrounds
from deephar.data.samples import InMemory, limited
from deephar.data.sets.coco import CocoKeypoints
from deephar.data.sets.folder import VideoFolder
from deephar.data.sets.human36m import Human36M
from deephar.data.sets.lsp import LSP
from deephar.data.sets.mpii import MPII
from deephar.data.sets.ntu import NTU
from deephar.data.sets.penn import PennAction
from deephar.data.synthetic.penn import DrawnPenn
from deephar.data.synthetic.poses import DrawnPoses
from deephar.data.synthetic.videos import Synthetic


def _penn(folder, split, **options):
    # Hidden joints are guesses, many of them far off. They are not learned, and not scored.
    return PennAction(folder, split, **{"hidden": False, **options})


def _coco(folder, split, *, annotations=None, **options):
    if annotations is not None:
        return CocoKeypoints(folder, annotations, split=split, **options)
    try:
        return CocoKeypoints.find(folder, split, **options)
    except FileNotFoundError as error:
        # Many tools export a single file. It is all there is to train on.
        if split != "train":
            raise
        try:
            return CocoKeypoints.find(folder, "all", **options)
        except FileNotFoundError:
            raise error from None


def _drawn_poses(folder, split, **options):
    photos = ()
    if folder is not None:
        # All 15,000 pictures of MPII would take minutes. A window shows no labelled person, so
        # nothing is learned of persons that are held out.
        photos = backgrounds(limited(MPII(folder, "train"), 2000, "persons", spread=True))
    return InMemory(DrawnPoses(split, photos=photos, **options))


_BUILDERS: dict[str, Callable] = {
    "mpii": MPII,
    "lsp": LSP,
    "lspet": lambda folder, split: LSP(folder, "extended"),
    "coco": _coco,
    "h36m": Human36M,
    "penn": _penn,
    "penn-drawn": DrawnPenn,
    "ntu": NTU,
    "folder": lambda folder, split: VideoFolder(folder),
    "drawn-poses": _drawn_poses,
    "synthetic": lambda folder, split, **options: Synthetic(split, **options),
}

KINDS = tuple(_BUILDERS)
"""Names of the data sets: `kind` of `open_dataset`."""

VIDEO_KINDS = ("penn", "penn-drawn", "ntu", "folder", "synthetic")
"""Those of videos with an action."""

_BUILT_IN = ("drawn-poses", "synthetic")


def open_dataset(
    kind: str, folder: str | None = None, *, split: str = "train", options: Mapping = {}
) -> Any:
    """Opens a data set by the name of its kind.

    Args:
        kind: one of `KINDS`. ``"lspet"`` is LSP-extended, ``"penn-drawn"`` Penn Action with frames
            drawn from its labels.
        folder: folder of the data set. Not used by ``"synthetic"``, which is built in; for
            ``"drawn-poses"``, that of MPII, whose backgrounds are put behind persons, or None.
        split: the split.
        options: more arguments of the data set's class.

    Returns:
        The data set.

    Raises:
        FileNotFoundError, ValueError: As the data set; or the kind or an option is unknown, or the
            folder is missing.
    """
    if kind not in _BUILDERS:
        raise ValueError(f"There is no data set {kind!r}. Known are {', '.join(KINDS)}.")
    if folder is None and kind not in _BUILT_IN:
        raise ValueError(f"The data set {kind!r} needs a folder. Give its path.")
    try:
        return _BUILDERS[kind](folder, split, **options)
    except TypeError as error:
        raise ValueError(f"The data set {kind!r} does not take these options: {error}.") from error
