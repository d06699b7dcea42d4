"""Opens the data sets of a recipe and holds out validation data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from deephar import evaluation
from deephar.data import Frames, InMemory, Synthetic, VideoFolder, hold_out
from deephar.data.company import InCompany
from deephar.data.samples import limited, whole_of
from deephar.data.sets import ntu, penn
from deephar.data.sets.by_name import open_dataset
from deephar.training.devices import on_one_device
from deephar.training.lifting import Lifted, train_lifting
from deephar.training.recipe import Recipe
from deephar.training.watched_clips import WatchedClips, hold_out_clips
from deephar.training.watching import WatchedFolder, hold_out_groups

_VALIDATION_BLOCKS = 30  # blocks of videos to hold out: many, so that they have all actions
_DRAWN_FRAMES = 8  # frames per video to train the pose on, if frames are drawn
_VALIDATION_FRAMES = 3  # frames per video to validate the pose on


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Opened data sets.

    Attributes:
        main: name of the main data set.
        datasets: data sets by name, without held-out items; the main one first.
        validation: samples or videos held out of the main data set.
        has_videos: whether the main data set has videos, not stills.
    """

    main: str
    datasets: Mapping[str, Any]
    validation: Any
    has_videos: bool

    @property
    def train(self) -> Any:
        """The main data set, without held-out items."""
        return self.datasets[self.main]

    @property
    def protocol(self) -> str | None:
        """Protocol that splits the videos; None if the data set has only one."""
        protocol = getattr(whole_of(self.train), "protocol", None)
        return protocol if self.has_videos else None

    def stills(self) -> "TrainingData":
        """The same data with single frames in place of videos, to learn the pose."""
        if not self.has_videos:
            return self
        return TrainingData(
            self.main,
            {**self.datasets, self.main: _frames_of(self.train)},
            _frames_of(self.validation, _VALIDATION_FRAMES),
            has_videos=False,
        )


def open_data(recipe: Recipe, given: Mapping[str, Any] | None = None) -> TrainingData:
    """Opens the data sets of a recipe.

    Args:
        recipe: the recipe.
        given: data sets in memory by name, which replace those of the recipe.

    Raises:
        FileNotFoundError, ValueError: A data set cannot be opened, or is too small to hold out
            validation data.
    """
    given = dict(given or {})
    if unknown := sorted(set(given) - set(recipe.data)):
        raise ValueError(
            f"The recipe has no data set {', '.join(unknown)}. Its data sets are "
            f"{', '.join(recipe.data)}."
        )
    datasets = {
        name: given[name] if name in given else _opened(recipe, name) for name in recipe.data
    }
    datasets[recipe.main], validation = _held_out(recipe, datasets[recipe.main])
    _lift(recipe, datasets)
    for name, source in recipe.data.items():
        if source.company:
            datasets[name] = InCompany(datasets[name], source.company, seed=recipe.seed)
    has_videos = recipe.data[recipe.main].has_videos
    if not has_videos:
        validation = limited(validation, recipe.validation_limit, "persons", spread=True)
    return TrainingData(recipe.main, datasets, validation, has_videos)


def pose_score(dataset: Any) -> Callable:
    """The function of `deephar.evaluation` that scores poses on a data set.

    Args:
        dataset: stills, such as frames of videos.
    """
    whole = whole_of(dataset)
    scores = {
        "mpii": evaluation.score_mpii,
        "lsp": evaluation.score_lsp,
        "lspet": evaluation.score_lsp,
        "h36m": evaluation.score_mpjpe,
        "coco": evaluation.score_in_box,
    }
    if whole.name in scores:
        return scores[whole.name]
    knows_heads = dataset[0].head_size > 0
    return evaluation.score_pckh if knows_heads else evaluation.score_penn


def _opened(recipe, name):
    source = recipe.data[name]
    options = dict(source.options)
    if source.kind == "ntu":
        # Poses are scored in the layout of the network.
        options = {"skeleton": recipe.network.skeleton, **options}
    if source.kind in ("penn", "ntu") and all(map(recipe.learns_from_labels, recipe.stages)):
        options["frames"] = False
    if source.kind in ("penn", "penn-drawn") and "actions" not in options:
        actions = penn.action_names(source.folder)
        if not set(actions) <= set(penn.ACTIONS):
            options["actions"] = actions
    return open_dataset(source.kind, source.folder, options=options)


def _lift(recipe, datasets):
    """Gives depths to the persons of some data sets."""
    names = [name for name, source in recipe.data.items() if source.lifted]
    if names:
        print(f"a lifting network learns, to give depths to {', '.join(names)}", flush=True)
        with on_one_device():
            network = train_lifting()
            datasets |= {name: Lifted(datasets[name], network) for name in names}


def _held_out(recipe, dataset):
    whole = whole_of(dataset)
    if isinstance(whole, VideoFolder):
        raise ValueError(
            "Videos of a folder are watched before heads learn from them. Use "
            "deephar.training.train_folder."
        )
    if isinstance(whole, WatchedFolder):
        return hold_out_groups(dataset, recipe.validation, seed=recipe.seed)
    if isinstance(whole, WatchedClips):
        return hold_out_clips(dataset, recipe.validation, seed=recipe.seed)
    if isinstance(whole, ntu.NTU):
        return ntu.hold_out_subjects(dataset, recipe.validation)
    source = recipe.data[recipe.main]
    if isinstance(dataset, Synthetic):
        # As many videos as would be held out, of other persons.
        options = ("image_size", "seed", "frames", "views")
        return dataset, Synthetic(
            "validation",
            max(1, round(recipe.validation * len(dataset))),
            **{name: getattr(dataset, name) for name in options},
        )
    blocks = {"blocks": _VALIDATION_BLOCKS} if source.has_videos else {}
    return hold_out(dataset, recipe.validation, **blocks)


def _frames_of(videos, per_video=None):
    """Frames of videos as stills.

    For drawn videos, some frames of each are kept in memory, since drawing a single frame takes
    much longer than drawing the next one.
    """
    if isinstance(videos[0].frames[0], str):
        return Frames(videos, per_video)
    return InMemory(Frames(videos, per_video or _DRAWN_FRAMES))
