"""Training scripts: a recipe, and flags that override its fields."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from deephar import weights
from deephar.cli.datasets import SYNTHETIC, penn_kind
from deephar.cli.options import (
    STREAMS,
    DataOption,
    add_data_argument,
    add_devices_argument,
    add_precision_argument,
    by_stage,
    parse_folder,
    parse_fraction,
    parse_seed,
    parse_shares,
    parse_subsampling,
    script_parser,
    stages_of,
)
from deephar.data.sets.by_name import open_dataset
from deephar.errors import reporting_errors
from deephar.models.config import DEPTHS, HEAD_FIELDS, VARIANTS, ReceptionConfig, in_space
from deephar.training import ActionStage, PoseStage, Recipe, Source, read_recipe, train
from deephar.training.devices import is_first
from deephar.training.settings import SCHEDULES
from deephar.training.stages import RECIPE_FILE

_FOLDER_FLAGS = {"lspet": "--lsp-extended"}
"""Flags of data sets that are not named like the data set."""


# Flags for fields of `PoseTraining`.
_POSE_FIELDS = ("freeze_stem", "frozen_int8", "stem_rate", "heat_map_weight", "schedule")


@dataclass(frozen=True, kw_only=True)
class TrainingScript:
    """A script that trains by a recipe.

    Attributes:
        doc: docstring of the script.
        recipe: the recipe to train.
        optional: data sets of the recipe that are used only if their folder is given.
        stages: default stages; None for all stages of the recipe.
        skeletons: values of ``--skeleton``, the default first; empty for no such flag.
        options: flags for options of the main data set.
        labels: recipe for ``--poses labels``; None if there is none.
    """

    doc: str
    recipe: Recipe
    optional: tuple[str, ...] = ()
    stages: tuple[str, ...] | None = None
    skeletons: tuple[str, ...] = ()
    options: tuple[DataOption, ...] = ()
    labels: Recipe | None = None

    def main(self, argv: Sequence[str] | None = None) -> int:
        """Trains by the arguments; returns the exit status (2 for a user's mistake)."""
        return reporting_errors(self._report)(argv)

    def _report(self, argv):
        best = self.run(argv)
        if is_first():
            print(f"best weights: {best}")

    def run(self, argv: Sequence[str] | None = None) -> Path:
        """As `main`, but returns the path of the best weights, and raises errors."""
        args = self.parser().parse_args(argv)
        recipe = self.recipe_of(args)
        return train(
            recipe, args.out, resume=args.resume, workers=args.workers, devices=args.devices
        )

    def parser(self) -> argparse.ArgumentParser:
        """The parser of the script's arguments."""
        parser = script_parser(self.doc)
        self._add_data_arguments(parser)
        self._add_network_arguments(parser)
        if self._has_actions:
            self._add_action_arguments(parser)
        self._add_training_arguments(parser)
        return parser

    def recipe_of(self, args: argparse.Namespace) -> Recipe:
        """The script's recipe, with the fields that the arguments override.

        Raises:
            FileNotFoundError, ValueError: The weights are missing, or an argument does not fit the
                others.
        """
        recipe = self.recipe
        if _from_labels(args):
            self._check_labels(args)
            recipe = self.labels
        recipe = self._with_data(recipe, args)
        stages = self._stages(recipe, args)
        return replace(
            recipe,
            network=self._network(recipe, args, stages),
            stages=stages,
            **_given(args, "validation", "seed", "mixed_precision"),
        )

    # -------------------------------------------------------------------------------- arguments

    @property
    def _has_actions(self):
        return any(isinstance(stage, ActionStage) for stage in self.recipe.stages)

    @property
    def _stage_names(self):
        return tuple(stage.name for stage in self.recipe.stages)

    def _by_stage(self, number=int):
        """An argument type for numbers by stage, those of the recipe for labels among them."""
        of_labels = [stage.name for stage in self.labels.stages] if self.labels else []
        others = [name for name in of_labels if name not in self._stage_names]
        return by_stage(self._stage_names, number, named=others)

    def _add_data_arguments(self, group):
        source = self.recipe.data[self.recipe.main]
        if source.kind != SYNTHETIC:
            add_data_argument(group, source.folder, has_drawn=source.kind == "penn")
        for option in self.options:
            option.add_to(group)
        for name in list(self.recipe.data)[1:]:
            folder = None if name in self.optional else self.recipe.data[name].folder
            default = "left out" if folder is None else folder
            group.add_argument(
                _folder_flag(name),
                dest=name,
                default=folder,
                metavar="FOLDER",
                help=f"the data set {name}, to train on as well ({default})",
            )
        group.add_argument(
            "--validation",
            type=parse_fraction,
            metavar="FRACTION",
            help=f"training data held out to pick the best epoch ({self.recipe.validation})",
        )

    def _add_network_arguments(self, group):
        group.add_argument(
            "--variant",
            choices=VARIANTS,
            metavar="NAME",
            help="network, such as vgg16-light (that of the recipe)",
        )
        if self._has_actions or self.recipe.network.dim == 3:
            default = self.recipe.network.depth or "that of the variant"
            group.add_argument(
                "--depth",
                choices=DEPTHS,
                metavar="NAME",
                help=f"of 3D poses: {' or '.join(DEPTHS)} ({default})",
            )
        if self.recipe.network.dim == 3:
            group.add_argument("--dim", type=int, choices=(2, 3), help="coordinates of a joint (3)")
        if self.skeletons:
            group.add_argument(
                "--skeleton",
                choices=self.skeletons,
                help=f"joints to predict ({self.skeletons[0]})",
            )
        group.add_argument(
            "--image-size", type=int, metavar="N", help="size of crops in pixels (the network's)"
        )
        group.add_argument(
            "--peak-window",
            type=int,
            metavar="RADIUS",
            help="read heat maps near their maximum, such as 2; 0 for the whole maps",
        )
        group.add_argument(
            "--weights",
            help="weights to start from: .h5 file, or name in weights/",
        )
        group.add_argument(
            "--stem-weights",
            metavar="PATH",
            help="start of VGG-16: imagenet (downloaded), none, or a path (imagenet)",
        )

    def _add_action_arguments(self, group):
        group.add_argument("--frames", type=int, help="frames per clip (the network's, or 16)")
        group.add_argument(
            "--subsampling",
            type=parse_subsampling,
            metavar="N|whole",
            help="distance of a clip's frames, or whole: over the whole video (whole)",
        )
        group.add_argument(
            "--stream",
            choices=STREAMS,
            metavar="NAME",
            help="what actions are told from: pose, appearance or fused (fused)",
        )
        if self.labels is not None:
            group.add_argument(
                "--poses",
                choices=("predicted", "labels"),
                default="predicted",
                metavar="POSES",
                help="poses that actions are told from: predicted or labels (%(default)s)",
            )
        group.add_argument(
            "--cache-features",
            action="store_true",
            default=any(getattr(stage, "cache_features", False) for stage in self.recipe.stages),
            help="keep what the frozen pose network sees: faster, less augmentation",
        )
        group.add_argument(
            "--stages",
            type=stages_of(self._stage_names),
            help=f"stages to run, of {','.join(self._stage_names)} "
            f"({','.join(self.stages or self._stage_names)})",
        )
        group.add_argument(
            "--batch",
            type=self._by_stage(),
            default={},
            help=f"frames or clips per batch ({self._numbers('batch')})",
        )

    def _add_training_arguments(self, group):
        numbers, rates = self._by_stage(), self._by_stage(float)
        add = group.add_argument
        add("--out", required=True, type=parse_folder, help="run folder to write (needed)")
        add("--resume", action="store_true", help="continue the run in --out")
        epochs_help = f"epochs ({self._numbers('epochs')})"
        add("--epochs", type=numbers, default={}, metavar="N", help=epochs_help)
        add(
            "--steps",
            type=numbers,
            default={},
            help=f"batches per epoch ({self._numbers('steps')})",
            metavar="N",
        )
        rate_help = f"first learning rate ({self._numbers('learning_rate')})"
        add("--learning-rate", type=rates, default={}, metavar="RATE", help=rate_help)
        shares = ",".join(f"{k}={v}" for k, v in self.recipe.stages[0].shares.items())
        add(
            "--shares",
            type=parse_shares,
            help=f"samples of each data set per batch ({shares})",
        )
        # These override settings of pose stages only.
        add(
            "--freeze-stem",
            type=int,
            metavar="N",
            help="freeze the first N of the 5 VGG-16 blocks",
        )
        add(
            "--frozen-int8",
            action="store_true",
            default=None,
            help="compute them in int8 on OpenVINO, which is faster on a CPU",
        )
        add(
            "--stem-rate",
            type=float,
            metavar="FACTOR",
            help="factor on the learning rate of VGG-16 in pose training, such as 0.1",
        )
        add(
            "--heat-map-weight",
            type=float,
            metavar="WEIGHT",
            help="weight of the heat maps in the loss of pose training, such as 0.1",
        )
        schedules = " or ".join(SCHEDULES)
        add(
            "--schedule",
            choices=SCHEDULES,
            metavar="NAME",
            help=f"learning rate of pose training: {schedules}",
        )
        add("--seed", type=parse_seed, metavar="N", help=f"seed of all stages ({self.recipe.seed})")
        add_precision_argument(group, self.recipe.mixed_precision)
        add(
            "--workers",
            type=int,
            default=2,
            metavar="N",
            help="threads that prepare crops (%(default)s)",
        )
        add_devices_argument(group)

    def _numbers(self, name):
        """Values of a number in the recipe, by stage, for a help text."""
        values = {}
        for stage in self.recipe.stages:
            if name == "batch":
                values[stage.name] = stage.shares[self.recipe.main]
            elif name == "steps":
                values[stage.name] = stage.steps or "all"
            else:
                values[stage.name] = getattr(stage.training, name)
        if len(values) == 1:
            return str(next(iter(values.values())))
        return ",".join(f"{stage}={value}" for stage, value in values.items())

    # ------------------------------------------------------------------------------- the recipe

    def _check_labels(self, args):
        if args.stream != "pose" or args.stages:
            raise ValueError(
                "--poses labels needs --stream pose, and has stages of its own. Labels have no "
                "appearance, and no pose to learn. Give --stream pose, and leave out --stages."
            )
        useless = ("variant", "depth", "skeleton", "image_size", "peak_window")
        useless += ("cache_features", "drawn", *self.optional)
        for option in useless:
            value = getattr(args, option, None)
            if value is not None and value is not False:
                flag = option.replace("_", "-")
                raise ValueError(f"--{flag} has no effect with --poses labels. Leave it out.")

    def _with_data(self, recipe, args):
        """The recipe with the given data sets, and shares of these only."""
        main, source = self._main_source(recipe, args)
        data = {main: source}
        for name in list(recipe.data)[1:]:
            if folder := getattr(args, name):
                data[name] = replace(recipe.data[name], folder=folder)
        stages = []
        for stage in recipe.stages:
            shares = {main if k == recipe.main else k: v for k, v in stage.shares.items()}
            shares = {name: count for name, count in shares.items() if name in data}
            if stage.name in getattr(args, "batch", {}):
                count = args.batch[stage.name]
                shares = {name: count if name == main else max(1, count // 2) for name in shares}
            if args.shares is not None:
                if getattr(args, "batch", {}):
                    raise ValueError("--shares and --batch do not go together. Give one of them.")
                shares = args.shares
            stages.append(replace(stage, shares=shares))
        return replace(recipe, data=data, stages=tuple(stages))

    def _main_source(self, recipe, args):
        """Name and source of the main data set."""
        source = recipe.data[recipe.main]
        options = {**source.options, **DataOption.given(self.options, args)}
        kind = penn_kind(args) if source.kind == "penn" else source.kind
        if kind == SYNTHETIC:
            return SYNTHETIC, Source(SYNTHETIC, None, options)
        return recipe.main, replace(source, kind=kind, folder=args.data, options=options)

    def _stages(self, recipe, args):
        """The stages to run, with the fields that the arguments override."""
        names = tuple(stage.name for stage in recipe.stages)
        if not _from_labels(args):
            names = getattr(args, "stages", None) or self.stages or names
        stages = [stage for stage in recipe.stages if stage.name in names]
        first = stages[0]
        if args.weights:
            if args.variant and not isinstance(first, PoseStage):
                raise ValueError(
                    f"--variant has no effect with --stages {','.join(names)}, which continue with "
                    f"the network of {args.weights}. Leave it out."
                )
            stages[0] = replace(first, start=(str(args.weights),))
        elif isinstance(first, ActionStage) and recipe.network.stem != "none" and not first.start:
            before = recipe.stages[recipe.stages.index(first) - 1].name
            raise ValueError(
                f"--stages {','.join(names)} starts from trained weights. Give --weights, such as "
                f"{Path(args.out) / before / 'best.h5'}."
            )
        unused = _given(args, "stem_weights", *_POSE_FIELDS)
        if unused and not any(isinstance(stage, PoseStage) for stage in stages):
            raise ValueError(
                f"--{next(iter(unused)).replace('_', '-')} is for pose training and has no effect "
                f"with the stages {','.join(names)}. Leave it out."
            )
        self._check_stages_of_flags(args, names)
        return tuple(self._overridden(stage, args) for stage in stages)

    def _check_stages_of_flags(self, args, names):
        """Raises if a flag has numbers only for stages that are not run."""
        for flag in ("epochs", "steps", "learning_rate", "batch"):
            values = getattr(args, flag, {})
            if values and not set(values) & set(names):
                raise ValueError(
                    f"--{flag.replace('_', '-')} has a number for {', '.join(values)}, which is "
                    f"not run. The stages are {', '.join(names)}."
                )

    def _overridden(self, stage, args):
        """The stage with the fields that the arguments override."""
        training = {}
        if stage.name in args.epochs:
            training["epochs"] = args.epochs[stage.name]
        if stage.name in args.learning_rate:
            training["learning_rate"] = args.learning_rate[stage.name]
        changes = {"steps": args.steps[stage.name]} if stage.name in args.steps else {}
        if args.seed is not None:
            changes["seed"] = None  # that of the recipe
        if isinstance(stage, PoseStage):
            training |= _given(args, *_POSE_FIELDS)
            if args.stem_weights is not None:
                none = args.stem_weights == "none"
                changes["stem_weights"] = None if none else args.stem_weights
        else:
            if args.subsampling is not None and stage.frame_rate is not None:
                raise ValueError(
                    f"--subsampling has no effect on the stage {stage.name}, whose clips have "
                    f"{stage.frame_rate:g} frames per second. Leave it out."
                )
            changes |= _given(args, "subsampling", frames="num_frames")
            if args.stream is not None:
                changes["streams"] = STREAMS[args.stream]
            if not stage.training.finetune:
                changes["cache_features"] = args.cache_features
        return replace(stage, **changes, training=replace(stage.training, **training))

    def _network(self, recipe, args, stages):
        """Config of the network to train: that of the weights to start from, or of a variant."""
        given = _given(args, "depth", "skeleton", "dim")
        if args.weights and given and not args.variant:
            raise ValueError(
                f"--{next(iter(given))} does not go with --weights, whose network is trained. "
                "Leave one of them out."
            )
        if recipe.network.stem == "none":
            return recipe.network
        folder = Path(args.out) / stages[0].name
        if not args.weights or args.variant:
            config = self._variant(recipe.network, args)
        elif args.resume and (folder / RECIPE_FILE).exists():
            config = read_recipe(folder).network  # the weights may be deleted
        else:
            config = weights.read_config(args.weights)
            if config.stem == "none":
                raise ValueError(
                    f"{args.weights}: The weights are of a network of labelled poses. Give weights "
                    "of one that sees images."
                )
        if args.peak_window is not None and not hasattr(config, "peak_window"):
            raise ValueError(
                f"--peak-window does not go with a {type(config).__name__}. Leave it out."
            )
        heads = {}
        if _from_labels(args) and config is not recipe.network:
            # The recipe says what the heads on any pose network look like.
            heads = {name: getattr(recipe.network, name) for name in HEAD_FIELDS}
            if config.num_pyramids == recipe.network.num_pyramids:
                heads["action_pyramids"] = recipe.network.action_pyramids
        given = _given(args, "image_size", "peak_window")
        source = recipe.data[recipe.main]
        if source.kind == "coco":  # the joints are those that are labelled
            dataset = open_dataset(source.kind, source.folder, options=source.options)
            given["skeleton"] = dataset.skeleton
        return replace(config, **{**heads, "actions": {}, **given})

    def _variant(self, network, args):
        """The network of the recipe or of ``--variant``, with depth if the recipe's has it."""
        config = VARIANTS[args.variant] if args.variant else network
        depth = getattr(args, "depth", None)
        if depth is None and config.dim == 2 and network.dim == 3:
            # A ReceptionNet has volumetric depth only.
            depth = "volumetric" if isinstance(config, ReceptionConfig) else network.depth
        if depth is not None:
            config = in_space(config, depth)
        if getattr(args, "dim", None) == 2 and config.dim == 3:
            flat = {} if isinstance(config, ReceptionConfig) else {"depth": None}
            config = replace(config, dim=2, **flat)
        if self.skeletons:
            config = replace(config, skeleton=args.skeleton or self.skeletons[0])
        return config


def _from_labels(args):
    return getattr(args, "poses", "predicted") == "labels"


def _given(args, *names, **renamed):
    """Arguments that are given: name of the field -> value."""
    fields = dict.fromkeys(names) | renamed
    values = {field or name: getattr(args, name, None) for name, field in fields.items()}
    return {name: value for name, value in values.items() if value is not None}


def _folder_flag(name):
    return _FOLDER_FLAGS.get(name, f"--{name}")
