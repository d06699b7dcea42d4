"""Recipes: the network, the data and the stages of a training, with every number.

    recipe = Recipe(
        network=VARIANTS["vgg16-light"],
        data={"mpii": Source("mpii", "datasets/MPII")},
        stages=(PoseStage(shares={"mpii": 16}, training=PoseTraining(epochs=60)),),
    )
    train(recipe, "runs/mine")

A recipe is checked when it is made. A run folder holds its recipe as JSON.
"""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deephar.data import Augmentation, PredictedPoses, SequenceAugmentation
from deephar.data.inputs import check_frame_rate
from deephar.data.sets.by_name import KINDS, VIDEO_KINDS
from deephar.models import ModelConfig, ReceptionConfig, config_from_json
from deephar.models.config import STREAMS
from deephar.training.settings import ActionTraining, PoseTraining

NUM_FRAMES = 16
"""Default number of frames of a clip."""


@dataclass(frozen=True)
class Source:
    """A data set to train on.

    Attributes:
        kind: one of `deephar.data.sets.by_name.KINDS`.
        folder: folder of the data set. None for the built-in data set, and for data sets in memory
            (see `deephar.training.train`).
        options: further arguments of the data set, such as ``{"protocol": "cross-view"}``.
        lifted: whether persons without 3D labels are given depths, see `deephar.training.lifting`.
            For data sets of stills.
        company: how many of the persons, 0 to 1, have another person of the data set pasted beside
            them, see `deephar.data.company`. For data sets of stills.

    Raises:
        ValueError: The kind is unknown, `company` is not 0 to 1, or videos are to be lifted or to
            have company.
    """

    kind: str
    folder: str | None = None
    options: Mapping = field(default_factory=dict)
    lifted: bool = False
    company: float = 0.0

    def __post_init__(self):
        object.__setattr__(self, "options", dict(self.options))
        if self.kind not in KINDS:
            raise ValueError(f"There is no data set {self.kind!r}. Known are {', '.join(KINDS)}.")
        if not 0 <= self.company <= 1:
            raise ValueError(f"company must be 0 to 1, got {self.company}.")
        for name in ("lifted", "company"):
            if getattr(self, name) and self.has_videos:
                raise ValueError(
                    f"{name} is for data sets of stills, and {self.kind!r} has videos."
                )

    @property
    def has_videos(self) -> bool:
        """Whether the data set has videos with actions, not stills."""
        return self.kind in VIDEO_KINDS


@dataclass(frozen=True, kw_only=True)
class PoseStage:
    """A stage that learns poses, from stills and from single frames of videos.

    Attributes:
        name: subfolder of the run folder; ``""`` for the run folder itself.
        network: fields of the recipe's network that differ in this stage, such as
            ``{"stem_stride": 8}``.
        start: weights to start from: names, paths, or files of earlier stages such as
            ``"pose/last.h5"``. The network loads the layers that it shares with each file. If
            several files have a layer, the last one counts. If empty, the stage starts from the
            best weights of the stage before; the first stage starts from random weights and
            `stem_weights`.
        stem_weights: ``"imagenet"``, None, or a path.
        shares: number of samples of each data set in a batch.
        steps: batches per epoch. None for one pass over the main data set; for videos, one frame
            of each.
        seed: seed of this stage; None for the seed of the recipe.
        training: epochs, learning rate and losses.

    Raises:
        ValueError: A field is out of its range.
    """

    name: str = "pose"
    network: Mapping = field(default_factory=dict)
    start: tuple[str, ...] = ()
    stem_weights: str | None = "imagenet"
    shares: Mapping[str, int] = field(default_factory=dict)
    steps: int | None = None
    seed: int | None = None
    training: PoseTraining = PoseTraining()

    def __post_init__(self):
        object.__setattr__(self, "network", dict(self.network))
        _check_stage(self, PoseTraining)


@dataclass(frozen=True, kw_only=True)
class ActionStage:
    """A stage that learns actions from clips, with the pose network frozen or trained as well.

    If the network has no stem, the stage learns from labelled poses. So it does with
    ``poses="labels"``: the action heads on a frozen pose network then learn without frames.

    If the stage trains the whole network (``training.finetune``), None for `num_frames`,
    `subsampling` or `streams` means the value that the action heads were trained with.

    Attributes:
        name: subfolder of the run folder.
        start: as in `PoseStage`, but one file at most. Required for the first stage, unless it
            learns from labelled poses.
        shares: number of clips of each data set in a batch. Stills are used only if the whole
            network is trained.
        steps: batches per epoch; None for one pass over the main data set.
        seed: seed of this stage; None for the seed of the recipe.
        num_frames: frames of a clip; None for the number in the network's config, or else 16.
        subsampling: distance of the frames of a clip in the video, or ``"whole"``, see
            `deephar.data.clip_indices`; None for ``"whole"``, or for 1 with a `frame_rate`.
        frame_rate: frames per second of a clip, at any frame rate of the video; None for frames
            that `subsampling` counts.
        poses: what the heads see in training: ``"predicted"``, what the pose network finds in the
            frames; or ``"labels"``. A network without a stem always learns from labels.
        other: whether to teach the answer ``other``, too, on videos of none of the actions, see
            `deephar.data.WithOther`. From labels only.
        calibrate: whether to make the scores of ``best.h5`` say how often the answer is right, by
            the held-out videos, see `deephar.training.calibration`. From labels on a pose network
            only.
        streams: as in `deephar.models.ModelConfig`; None for both.
        heads: whether the action heads also start from the file in `start`, as far as its heads
            have the same layers.
        cache_features: runs the frozen pose network over all frames once, not in every epoch.
            Faster, but without augmentation other than mirroring.
        augmentation: random changes to labelled poses: `SequenceAugmentation`, or `PredictedPoses`
            for heads that will see predicted poses.
        training: epochs, optimizer and losses.

    Raises:
        ValueError: A field is out of its range, or features are to be cached although the pose
            network is trained.
    """

    name: str = "action"
    start: tuple[str, ...] = ()
    shares: Mapping[str, int] = field(default_factory=dict)
    steps: int | None = None
    seed: int | None = None
    num_frames: int | None = None
    subsampling: int | str | None = None
    frame_rate: float | None = None
    poses: str = "predicted"
    other: bool = False
    calibrate: bool = False
    streams: tuple[str, ...] | None = None
    heads: bool = False
    cache_features: bool = False
    augmentation: SequenceAugmentation | PredictedPoses = SequenceAugmentation()
    training: ActionTraining = ActionTraining()

    def __post_init__(self):
        if self.streams is not None:
            object.__setattr__(self, "streams", tuple(self.streams))
        _check_stage(self, ActionTraining)
        if len(self.start) > 1:
            raise ValueError(
                f"{_describe(self)} starts from one file, got {', '.join(self.start)}."
            )
        if self.num_frames is not None and self.num_frames < 4:
            raise ValueError(f"num_frames must be at least 4, got {self.num_frames}.")
        if self.subsampling not in (None, "whole") and not _is_count(self.subsampling):
            raise ValueError(f'subsampling must be 1, 2, ... or "whole", got {self.subsampling!r}.')
        check_frame_rate(self.frame_rate, 1 if self.subsampling is None else self.subsampling)
        if self.poses not in ("predicted", "labels"):
            raise ValueError(f"poses must be predicted or labels, got {self.poses!r}.")
        if self.poses == "labels" and (self.cache_features or self.training.finetune):
            raise ValueError(
                f"{_describe(self)} learns from labelled poses, without frames. It can neither "
                "cache features nor train the pose network."
            )
        if isinstance(self.augmentation, PredictedPoses) and self.frame_rate is None:
            raise ValueError(
                f"{_describe(self)} has the augmentation PredictedPoses, which needs clips of a "
                "fixed frame rate. Give a frame_rate, such as 10."
            )
        if self.calibrate and self.poses != "labels":
            raise ValueError(
                f"{_describe(self)} can be calibrated only if it learns from labels. Set "
                'poses="labels", or calibrate=False.'
            )
        if self.streams is not None and not set() < set(self.streams) <= set(STREAMS):
            raise ValueError(f"streams must be some of {', '.join(STREAMS)}, got {self.streams}.")
        if self.cache_features and self.training.finetune:
            raise ValueError(
                f"{_describe(self)} trains the pose network, so its features cannot be cached. Set "
                "cache_features=False."
            )


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The network, the data and the stages of a training.

    Attributes:
        network: config of the network. Its `actions` are replaced by those of the data.
        data: the data sets by name. The first is the main one: validation samples are held out of
            it, and it names the action head. The others must be stills.
        stages: the stages, in order.
        validation: fraction of the main data set that is held out to pick the best epoch, between
            0 and 1. Of the built-in data set, so many more videos are drawn.
        validation_limit: maximum number of stills that are validated on, spread evenly; None for
            all that are held out.
        augmentation: random changes to images.
        seed: seed of all random choices.
        mixed_precision: whether to compute in bfloat16.

    Raises:
        ValueError: A field is out of its range, or does not fit the others.
    """

    network: ModelConfig | ReceptionConfig
    data: Mapping[str, Source]
    stages: tuple[PoseStage | ActionStage, ...]
    validation: float = 0.1
    validation_limit: int | None = None
    augmentation: Augmentation = Augmentation()
    seed: int = 0
    mixed_precision: bool = False

    def __post_init__(self):
        _check_classes(self)
        object.__setattr__(self, "data", dict(self.data))
        object.__setattr__(self, "stages", tuple(self.stages))
        self._check_numbers()
        self._check_data()
        self._check_names()
        for before, stage in zip((None, *self.stages), self.stages, strict=False):
            self._check_stage(stage, before)

    @property
    def main(self) -> str:
        """Name of the main data set."""
        return next(iter(self.data))

    def to_json(self) -> str:
        """The recipe as JSON."""
        fields = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        fields["network"] = json.loads(self.network.to_json())
        fields["stages"] = [
            {"kind": _STAGE_KINDS[type(stage)], **dataclasses.asdict(stage)}
            for stage in self.stages
        ]
        fields["augmentation"] = dataclasses.asdict(self.augmentation)
        fields["data"] = {name: dataclasses.asdict(item) for name, item in self.data.items()}
        return json.dumps(fields, indent=2)

    @classmethod
    def from_json(cls, text: str) -> "Recipe":
        """Reads a recipe from the JSON of `to_json`.

        Raises:
            ValueError: The text is not JSON of a recipe, or a field is unknown or out of its range.
        """
        try:
            fields = json.loads(text)
        except ValueError as error:
            raise ValueError(f"A recipe must be JSON ({error}).") from error
        if not isinstance(fields, dict):
            raise ValueError(f"Expected the fields of a recipe as a JSON object, got {text[:50]}.")
        for name, decode in (
            ("network", lambda value: config_from_json(json.dumps(value))),
            ("augmentation", lambda value: _decoded(Augmentation, value)),
            ("data", lambda value: {key: _decoded(Source, item) for key, item in value.items()}),
            ("stages", lambda value: tuple(map(_decoded_stage, value))),
        ):
            if name in fields:
                try:
                    fields[name] = decode(fields[name])
                except (TypeError, AttributeError) as error:
                    raise ValueError(
                        f"The field {name} of a recipe cannot be read ({error}). Write it as "
                        "to_json does."
                    ) from error
        return _decoded(cls, fields)

    def network_of(self, stage: PoseStage) -> ModelConfig | ReceptionConfig:
        """Config of the network that a pose stage trains, without actions."""
        return dataclasses.replace(self.network, **{**stage.network, "actions": {}})

    def learns_from_labels(self, stage: PoseStage | ActionStage) -> bool:
        """Whether a stage learns from labelled poses, without frames."""
        return isinstance(stage, ActionStage) and (
            stage.poses == "labels" or self.network.stem == "none"
        )

    def settings_of(self, stage: PoseStage | ActionStage) -> dict:
        """What the result of a stage depends on, as nested dicts of plain values.

        That is all of the recipe, except for other stages and the folders of the data, and without
        the number of epochs, which may be raised later.
        """
        fields = json.loads(self.to_json())
        of_stage = fields.pop("stages")[self.stages.index(stage)]
        del of_stage["training"]["epochs"]
        for source in fields["data"].values():
            del source["folder"]
        return {**fields, "stage": of_stage}

    def seed_of(self, stage: PoseStage | ActionStage) -> int:
        """Seed of a stage."""
        return self.seed if stage.seed is None else stage.seed

    def _check_numbers(self):
        if not 0 < self.validation < 1:
            raise ValueError(f"validation must be between 0 and 1, got {self.validation}.")
        if self.validation_limit is not None and not _is_count(self.validation_limit):
            raise ValueError(f"validation_limit must be at least 1, got {self.validation_limit}.")
        for seed in (self.seed, *(stage.seed for stage in self.stages)):
            if seed is not None and not (isinstance(seed, int) and 0 <= seed < 2**32):
                raise ValueError(f"seed must be a whole number from 0 to 2^32 - 1, got {seed!r}.")

    def _check_data(self):
        if not self.data or not self.stages:
            raise ValueError("A recipe needs at least one data set and one stage.")
        others = [name for name in list(self.data)[1:] if self.data[name].has_videos]
        if others:
            raise ValueError(
                f"Only the first data set may have videos, but {others[0]!r} has videos, too. Put "
                "it first, or leave it out."
            )

    def _check_names(self):
        names = [stage.name for stage in self.stages]
        if len(set(names)) != len(names) or "" in names[1:]:
            raise ValueError(
                "Each stage after the first needs a name of its own, got "
                f"{', '.join(map(repr, names))}."
            )
        for name in names:
            if name in (".", "..") or "/" in name or "\\" in name:
                raise ValueError(
                    f"A stage is named {name!r}, but its name is that of a subfolder of the run "
                    "folder. Leave out slashes and dots."
                )

    def _check_stage(self, stage, before):
        needed = self.data if isinstance(stage, PoseStage) else [self.main]
        if not set(needed) <= set(stage.shares) <= set(self.data):
            raise ValueError(
                f"{_describe(stage)}: shares must name the data sets {', '.join(self.data)}, got "
                f"{', '.join(stage.shares) or 'none'}."
            )
        if isinstance(stage, PoseStage):
            self._check_pose_stage(stage)
        else:
            self._check_action_stage(stage)
            self._check_start_of_actions(stage, before)

    def _check_pose_stage(self, stage):
        if self.network.stem == "none":
            raise ValueError(
                f"{_describe(stage)} learns poses from images, but the network has no stem. Use a "
                "network with a stem."
            )
        if stage.training.frozen_int8 and self.mixed_precision:
            raise ValueError(
                f"{_describe(stage)} computes its frozen blocks in int8, which is converted from a "
                "network in float32. Leave out --frozen-int8, or give --no-mixed-precision (in "
                "Python: frozen_int8, mixed_precision)."
            )
        try:
            config = self.network_of(stage)
        except TypeError as error:
            raise ValueError(
                f"{_describe(stage)}: network has an unknown field ({error})."
            ) from error
        check_peak_window(config, stage.training.heat_map_weight)

    def _check_action_stage(self, stage):
        if not self.data[self.main].has_videos:
            raise ValueError(
                f"{_describe(stage)} learns actions of videos, but {self.main!r} has stills. Put a "
                "data set of videos first."
            )
        streams = set(stage.streams or STREAMS)
        if isinstance(self.network, ReceptionConfig) and streams != set(STREAMS):
            raise ValueError(
                f"{_describe(stage)}: A ReceptionNet uses both streams. Leave streams out."
            )
        if stage.other and not self.learns_from_labels(stage):
            raise ValueError(
                f"{_describe(stage)} can learn the answer 'other' from labelled poses only. Set "
                'poses="labels", or other=False.'
            )
        if stage.calibrate and self.network.stem == "none":
            raise ValueError(
                f"{_describe(stage)} can be calibrated only on a pose network, and the network has "
                "no stem. Set calibrate=False."
            )
        if stage.poses == "labels" and self.network.stem != "none" and stage.streams != ("pose",):
            raise ValueError(
                f"{_describe(stage)} learns from labelled poses, which have no appearance. Set "
                'streams=("pose",).'
            )
        if self.network.stem == "none":
            other_streams = stage.streams not in (None, ("pose",))
            if other_streams or stage.cache_features or stage.training.finetune:
                raise ValueError(
                    f"{_describe(stage)} learns from labelled poses, as the network has no stem. "
                    "Use the stream pose only, and neither cached features nor fine-tuning."
                )

    def _check_start_of_actions(self, stage, before):
        """Raises if an action stage does not fit the stage that it starts from."""
        if stage.start or self.network.stem == "none":
            return
        if before is None:
            raise ValueError(
                f"{_describe(stage)} comes first, so it needs weights of a pose network to start "
                "from. Give start, or put a pose stage before it."
            )
        if isinstance(before, PoseStage):
            if before.network:
                raise ValueError(
                    f"{_describe(stage)} follows a stage with another network than the recipe's "
                    f"({', '.join(before.network)}). The last pose stage must have the recipe's."
                )
            if stage.training.finetune:
                raise ValueError(
                    f"{_describe(stage)} trains everything, but no actions were learned before. "
                    "Put an action stage before it, or give start."
                )
            return
        for name in ("num_frames", "subsampling", "frame_rate", "streams"):
            ours, theirs = getattr(stage, name), getattr(before, name)
            if None not in (ours, theirs) and ours != theirs:
                raise ValueError(
                    f"{_describe(stage)} has {name} {ours}, but the stage before it has {theirs}. "
                    "Give it the same."
                )


def check_peak_window(config: ModelConfig | ReceptionConfig, heat_map_weight: float) -> None:
    """Raises if `peak_window` is set but the heat maps are not supervised.

    Args:
        config: config of the network.
        heat_map_weight: weight of the heat maps in the loss, see `PoseTraining`.

    Raises:
        ValueError: The config has a `peak_window`, and the weight is 0.
    """
    window = getattr(config, "peak_window", 0)  # a ReceptionNet has none
    if window and not heat_map_weight:
        raise ValueError(
            f"The network reads joints within {window} positions of the maximum of their heat maps "
            "(peak_window). This is reliable only if the heat maps are supervised. Give "
            "--heat-map-weight, such as 0.3, or --peak-window 0 to read the whole maps (in Python: "
            "heat_map_weight, or a config with peak_window=0)."
        )


def _check_classes(recipe):
    """Raises if a field of a recipe is not of its class; other checks rely on this."""
    if not isinstance(recipe.network, ModelConfig | ReceptionConfig):
        raise ValueError(
            "network must be a ModelConfig or a ReceptionConfig, such as "
            f'VARIANTS["vgg16-light"], got {recipe.network!r}.'
        )
    for name, source in dict(recipe.data).items():
        if not isinstance(source, Source):
            raise ValueError(
                f"data[{name!r}] must be a Source, such as Source({name!r}, FOLDER), got "
                f"{source!r}."
            )
    stages = recipe.stages
    if not isinstance(stages, tuple | list) or not all(
        isinstance(stage, PoseStage | ActionStage) for stage in stages
    ):
        raise ValueError(f"stages must be a tuple of PoseStage and ActionStage, got {stages!r}.")


_STAGE_KINDS = {PoseStage: "pose", ActionStage: "action"}


def _describe(stage):
    return f"The stage {stage.name!r}" if stage.name else "The stage"


def _is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _check_stage(stage, training):
    if isinstance(stage.start, str):
        raise ValueError(f"start must be a tuple of names, got {stage.start!r}. Write it in one.")
    object.__setattr__(stage, "shares", dict(stage.shares))
    object.__setattr__(stage, "start", tuple(stage.start))
    if not isinstance(stage.training, training):
        raise ValueError(f"{_describe(stage)}: training must be of the class {training.__name__}.")
    for name, share in stage.shares.items():
        if not _is_count(share):
            raise ValueError(f"The share of {name!r} must be a positive integer, got {share!r}.")
    if stage.steps is not None and not _is_count(stage.steps):
        raise ValueError(f"steps must be at least 1, got {stage.steps!r}.")


def _decoded_stage(fields):
    classes = {kind: stage for stage, kind in _STAGE_KINDS.items()}
    fields = dict(fields)
    kind = fields.pop("kind", None)
    if kind not in classes:
        raise ValueError(f"A stage must have the kind {' or '.join(classes)}, got {kind!r}.")
    training = PoseTraining if kind == "pose" else ActionTraining
    is_predicted = "errors" in fields.get("augmentation", {})
    augmentation = PredictedPoses if is_predicted else SequenceAugmentation
    for name, value in (("training", training), ("augmentation", augmentation)):
        if name in fields:
            fields[name] = _decoded(value, fields[name])
    return _decoded(classes[kind], fields)


def _decoded(kind: type, fields: Mapping) -> Any:
    """Makes a dataclass from fields; an error names unknown and missing fields."""
    known = {item.name: item for item in dataclasses.fields(kind)}
    if unknown := sorted(set(fields) - set(known)):
        raise ValueError(
            f"{kind.__name__} has no field {', '.join(unknown)}. Its fields are {', '.join(known)}."
        )
    # JSON has no tuples.
    values = {name: tuple(v) if isinstance(v, list) else v for name, v in fields.items()}
    try:
        return kind(**values)
    except TypeError as error:
        raise ValueError(f"{kind.__name__} cannot be made of these fields: {error}.") from error
