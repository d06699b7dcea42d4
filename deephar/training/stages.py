"""Training on videos, stage after stage: what ``train_penn.py`` and ``train_ntu.py`` run.

Each stage is a run (`deephar.training.run`) in a folder of its own, ``pose``, ``action``,
``finetune``, and starts from the best weights of the one before.
"""

import argparse
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from deephar.cli.datasets import SYNTHETIC, open_videos
from deephar.cli.options import (
    START_HELP,
    add_common_training_arguments,
    add_network_arguments,
    parse_folder,
    parse_subsampling,
)
from deephar.cli.train import (
    describe_start,
    load_start,
    pose_config,
    require_depth_labels,
    set_precision,
)
from deephar.models.config import STREAMS, ModelConfig
from deephar.training.fit import check_peak_window, train_action, train_pose
from deephar.training.run import check_free
from deephar.training.settings import ActionTraining, PoseTraining

STAGES = ("pose", "action", "finetune")
_STREAMS = {"fused": STREAMS, "pose": ("pose",), "appearance": ("appearance",)}

# Of each stage; "labels" is the action stage of a network that takes labelled poses.
_EPOCHS = {"pose": 60, "action": 30, "finetune": 10, "labels": 100}
_BATCH = {"pose": 16, "action": 8, "finetune": 4, "labels": 32}
_RATES = {"pose": 0.001, "action": 0.0002, "finetune": 0.00002, "labels": 0.002}

# Of the network that takes labelled poses, found on held-out training videos of Penn Action.
_LABELS_NETWORK = ModelConfig(
    stem="none",
    streams=("pose",),
    num_frames=16,
    num_levels=2,
    actions={"penn": 15},
    pose_features=96,
)

_FRAMES, _SUBSAMPLING = 16, "whole"
_VALIDATION_BLOCKS = 30  # many, so that the held-out videos are of all actions
_DRAWN_FRAMES = 8  # of each video, where frames are drawn
_VALIDATION_FRAMES = 3  # of each video, to validate the pose with


def add_stages_arguments(parser, depth=None, skeletons=()):
    """Adds the arguments that ``train_stages`` reads; see ``deephar.cli.add_network_arguments``."""
    network = add_network_arguments(parser, depth, skeletons)
    network.add_argument("--frames", type=int, help=f"of a clip (the network's own, or {_FRAMES})")
    network.add_argument(
        "--subsampling",
        type=parse_subsampling,
        metavar="N|whole",
        help=f"frames from one of a clip to the next, or spread over the video ({_SUBSAMPLING})",
    )
    network.add_argument("--stream", choices=_STREAMS, help="what actions go by (fused)")
    network.add_argument(
        "--poses",
        choices=("predicted", "labels"),
        default="predicted",
        help="what the pose stream sees (%(default)s); labels, with --stream pose, needs no frames",
    )
    network.add_argument("--weights", help=START_HELP)

    training = parser.add_argument_group("training")
    training.add_argument("--out", required=True, type=parse_folder, help="for the runs")
    training.add_argument("--resume", action="store_true", help="go on with the runs in --out")
    training.add_argument(
        "--stages", type=_parse_stages, help="some of pose,action,finetune (pose,action)"
    )
    training.add_argument(
        "--epochs", type=_parse_numbers, default={}, help=_by_stage("epochs", _EPOCHS)
    )
    training.add_argument(
        "--steps", type=_parse_numbers, default={}, help="batches an epoch, likewise (videos once)"
    )
    training.add_argument(
        "--batch", type=_parse_numbers, default={}, help=_by_stage("frames or clips", _BATCH)
    )
    training.add_argument(
        "--cache-features",
        action="store_true",
        help="run the frozen pose network once over all frames, not in each epoch of the action "
        "stage: faster, without augmentation but for mirroring",
    )
    add_common_training_arguments(network, training)


def _by_stage(what, defaults):
    text = ",".join(f"{stage}={defaults[stage]}" for stage in STAGES)
    return f"{what} of each stage, as in action=20 ({text}; {defaults['labels']} with labels)"


def _parse_stages(text):
    stages = tuple(text.split(","))
    if list(stages) != [stage for stage in STAGES if stage in stages]:
        raise argparse.ArgumentTypeError(f"expected some of {','.join(STAGES)}, got {text!r}")
    return stages


def open_training_videos(args):
    """The videos to train on, and those to validate on, that a script's arguments name.

    Args:
        args: with ``data``, and those of ``add_stages_arguments``; and ``drawn``, or ``protocol``
            for a folder of NTU RGB+D, of which whole persons are held out.

    Raises:
        FileNotFoundError, ValueError: as the data sets.
    """
    from deephar.data import hold_out
    from deephar.data.sets import ntu, penn

    _check(args)
    frames = args.poses == "predicted"
    if getattr(args, "protocol", None):
        # Poses are scored in the layout of the network.
        config = pose_config(args, args.weights) if frames else _LABELS_NETWORK
        train = open_videos(
            args.data, "train", frames, protocol=args.protocol, skeleton=config.skeleton
        )
        return ntu.hold_out_subjects(train, args.validation)
    if args.data == SYNTHETIC:
        return open_videos(args.data, "train"), open_videos(args.data, "validation")
    actions = penn.action_names(args.data)
    if set(actions) <= set(penn.ACTIONS):
        actions = None  # the official ones
    train = open_videos(args.data, "train", frames, args.drawn, actions)
    return hold_out(train, args.validation, blocks=_VALIDATION_BLOCKS)


def _parse_numbers(text):
    """``"pose=10,action=5"`` to a dict; a bare number is for all stages."""
    items = dict.fromkeys(STAGES, text) if text.isdecimal() else {}
    if not items:
        items = dict(item.split("=") for item in text.split(",") if item.count("=") == 1)
    if (
        not set(items) <= set(STAGES)
        or len(items) < text.count(",") + 1
        or not all(value.isdecimal() and int(value) for value in items.values())
    ):
        raise argparse.ArgumentTypeError(
            f"expected a number for all stages, or as in pose=10,action=5 (stages: "
            f"{', '.join(STAGES)}), got {text!r}"
        )
    return {stage: int(value) for stage, value in items.items()}


def train_stages(args, train, validation, head, stills=None, augmentation=None):
    """Runs the stages that the arguments ask for.

    Args:
        args: of a parser with ``add_stages_arguments``.
        train: data set of videos to train on.
        validation: data set of videos to pick the best epoch of each stage with; not the test set.
        head: name of the action head, such as ``"penn"``.
        stills: data sets of stills by name, which the pose is trained on besides.
        augmentation: of all images, a ``deephar.data.Augmentation``; that of the paper if None.

    Returns:
        Path of the best weights of the last stage.

    Raises:
        FileNotFoundError, FileExistsError, ValueError, FloatingPointError: as ``train_pose`` and
            ``train_action``, and where an argument does not fit the others.
    """
    import keras

    from deephar.data import Augmentation

    set_precision(args)
    _check(args)
    functions = {"pose": _pose_stage, "action": _action_stage, "finetune": _finetune_stage}
    stages = args.stages or STAGES[:2]
    if args.poses == "labels":
        stages, functions = ("action",), {"action": _labels_stage}
    data = _Data(train, validation, head, stills or {}, augmentation or Augmentation())
    # What would stop a later stage must not show only after hours of the first one.
    for stage in () if args.resume else stages:
        check_free(Path(args.out) / stage)
    if "action" in stages:
        start = _LABELS_NETWORK if args.poses == "labels" else pose_config(args, args.weights)
        _with_actions(args, start, data)
    if "pose" in stages:
        config = pose_config(args, args.weights)
        if not args.resume:
            check_peak_window(config, args.heat_map_weight)
        if args.variant or not args.weights:
            require_depth_labels(config, [train, *data.stills.values()])
    if args.weights:
        _check_protocol(args)
    if args.resume and not any((Path(args.out) / stage / "state.h5").exists() for stage in stages):
        print(f"{args.out}: nothing to resume, starting anew")
    best = args.weights
    for stage in stages:
        out = Path(args.out) / stage
        resume = args.resume and (out / "state.h5").exists()
        keras.utils.set_random_seed(args.seed)
        print(f"\n== stage {stage}: {out}", flush=True)
        functions[stage](args, data, best, out, resume)
        best = out / "best.h5"
    return best


@dataclass(frozen=True, eq=False)
class _Data:
    """What is trained on: the arguments of `train_stages`."""

    train: object
    validation: object
    head: str
    stills: dict
    augmentation: object


def _check(args):
    if args.poses == "labels" and (args.stream != "pose" or args.stages not in (None, ("action",))):
        raise ValueError(
            "--poses labels goes with --stream pose, and has the stage action only: labels have no "
            "appearance, and no pose to learn"
        )
    useless = ("variant", "depth", "skeleton", "image_size", "peak_window")
    useless += ("cache_features", "drawn", "mpii")
    values = {option: getattr(args, option, None) for option in useless}
    given = [option for option, value in values.items() if value is not None and value is not False]
    if args.poses == "labels" and given:
        raise ValueError(f"--{given[0].replace('_', '-')} has no effect with --poses labels")
    stages = args.stages or STAGES
    if args.poses == "predicted" and stages[0] != "pose" and not args.weights:
        before = STAGES[STAGES.index(stages[0]) - 1]
        raise ValueError(
            f"--stages {','.join(stages)} starts from weights: give --weights, such as "
            f"{Path(args.out) / before / 'best.h5'}"
        )
    if args.weights and args.variant and stages[0] != "pose":
        raise ValueError(
            f"--variant has no effect with --stages {','.join(stages)}, which go on with the "
            f"network of {args.weights}: leave it out"
        )


def _check_protocol(args):
    """Weights of another protocol have seen videos that this one tests on."""
    from deephar import weights

    theirs = weights.read_facts(weights.find(args.weights)).get("protocol")
    ours = getattr(args, "protocol", None)
    if theirs and ours and theirs != ours:
        raise ValueError(
            f"{args.weights}: these weights were trained by the protocol {theirs}: they know "
            f"videos that {ours} tests on; give --protocol {theirs}, or other weights"
        )


def _frames(videos, per_video=None):
    """The frames of videos as stills. Drawn ones are some of each video, kept in memory: drawing a
    single frame of a video takes many times as long as drawing the next one.
    """
    from deephar.data import Frames, InMemory

    if isinstance(videos[0].frames[0], str):
        return Frames(videos, per_video)
    return InMemory(Frames(videos, per_video or _DRAWN_FRAMES))


def _stills_share(others):
    """Stills of each data set in a batch, for so many frames or clips of videos."""
    return max(1, others // 2)


def _setting(args, option, stage, defaults, key=None):
    return getattr(args, option).get(stage, defaults[key or stage])


# ------------------------------------------------------------------------------------ the stages


def _pose_stage(args, data, start, out, resume):
    """Stage 1, on single frames of the videos, and on stills."""
    from deephar import evaluation, weights
    from deephar.data import Batches, InputSpec
    from deephar.models import build_model

    config = pose_config(args, start)
    frames = _setting(args, "batch", "pose", _BATCH)
    batches = Batches(
        {data.head: _frames(data.train), **data.stills},
        {data.head: frames} | dict.fromkeys(data.stills, _stills_share(frames)),
        spec=InputSpec.of(config),
        augmentation=data.augmentation,
        seed=args.seed,
        steps_per_epoch=args.steps.get("pose", -(-len(data.train) // frames)),
        workers=args.workers,
    )
    none = args.stem_weights == "none" or start or resume
    model = build_model(config, None if none else args.stem_weights)
    if start and not resume:
        load_start(args, model, weights.find(start))
    training = PoseTraining(
        epochs=_setting(args, "epochs", "pose", _EPOCHS),
        learning_rate=_RATES["pose"],
        freeze_stem=args.freeze_stem,
        stem_rate=args.stem_rate,
        heat_map_weight=args.heat_map_weight,
        start=describe_start(args, start),
    )
    held_out = _frames(data.validation, _VALIDATION_FRAMES)
    known = data.validation[0].head_sizes is not None
    score = evaluation.score_pckh if known else evaluation.score_penn
    print(f"{config}\n{batches}, validation on {held_out}", flush=True)
    train_pose(model, config, batches, held_out, score, out, training, resume, _protocol_fact(args))


def _action_stage(args, data, start, out, resume):
    """Stage 2: the action heads on a frozen pose network."""
    from deephar import weights
    from deephar.models import action_view, build_model

    config = _with_actions(args, pose_config(args, start), data)
    path = weights.find(start)
    trained = getattr(weights.read_config(path), "peak_window", None)
    if args.peak_window not in (None, 0, trained):
        raise ValueError(
            f"--peak-window {args.peak_window}: {start} was trained with {trained}, and the action "
            "stage does not train it; leave it out, or run the pose stage with it"
        )
    model = build_model(config)
    load_pose_network(model, path)
    training = ActionTraining(
        epochs=_setting(args, "epochs", "action", _EPOCHS),
        learning_rate=_RATES["action"],
        start=f"pose network of {start}, else random, seed {args.seed}",
    )
    run = partial(_train, args, config, data, out=out, training=training, resume=resume)
    if args.cache_features:
        batches, score = _cached(args, model, config, data)
        run(action_view(model), batches, score=score, whole=model)
    else:
        run(model, _clips(args, config, data, "action"))


def load_pose_network(model, path):
    """Loads pose weights into a clip network; a replica that they do not have starts as a copy.

    Args:
        model: a clip network, see ``deephar.models.frame_view``.
        path: a weights file of its pose network, or of the whole.

    Raises:
        FileNotFoundError, ValueError: as ``deephar.weights.load_part``.
    """
    import keras

    from deephar import weights
    from deephar.models import copy_to_replica, frame_view

    frames = frame_view(model)
    trained = weights.read_config(path)
    if "action_pose" not in frames.output or (trained.actions and trained.pose_replica):
        weights.load_part(frames, path)
        return
    weights.load_part(keras.Model(frames.input, frames.output["pose"]), path)
    copy_to_replica(model)


def _finetune_stage(args, data, start, out, resume):
    """Stage 3: all weights, with stills as clips that have no action."""
    from deephar import weights

    path = weights.find(start)
    model, config = weights.load_model(path)
    if data.head not in config.actions:
        raise ValueError(f"{start}: has no action head {data.head!r}; run the action stage first")
    theirs = {
        "frames": config.num_frames,
        "subsampling": weights.read_facts(path).get("subsampling", args.subsampling),
        "stream": next(key for key, value in _STREAMS.items() if value == config.streams),
        "image_size": config.image_size,
        "peak_window": getattr(config, "peak_window", None),
    }
    for option, value in theirs.items():
        if getattr(args, option) not in (None, value):
            raise ValueError(
                f"--{option.replace('_', '-')} {getattr(args, option)}: {start} was trained with "
                f"{value}; leave it out to finetune it"
            )
    args = argparse.Namespace(**{**vars(args), **theirs})
    training = ActionTraining(
        epochs=_setting(args, "epochs", "finetune", _EPOCHS),
        learning_rate=_RATES["finetune"],
        finetune=True,
        start=str(start),
    )
    batches = _clips(args, config, data, "finetune")
    _train(args, config, data, model, batches, out, training, resume)


def _labels_stage(args, data, start, out, resume):
    """The pose stream alone, on labelled poses."""
    from deephar import weights
    from deephar.data import InputSpec, SequenceAugmentation, SequenceBatches
    from deephar.models import action_model

    config = _with_actions(args, _LABELS_NETWORK, data)
    clips = _setting(args, "batch", "action", _BATCH, "labels")
    batches = SequenceBatches(
        {data.head: data.train},
        {data.head: clips},
        spec=InputSpec.of(config, args.subsampling or _SUBSAMPLING),
        augmentation=SequenceAugmentation(),
        seed=args.seed,
        steps_per_epoch=args.steps.get("action", -(-len(data.train) // clips)),
    )
    model = action_model(config)
    if start and not resume:
        weights.load(model, weights.find(start))
    training = ActionTraining(
        epochs=_setting(args, "epochs", "action", _EPOCHS, "labels"),
        optimizer="adamw",
        learning_rate=_RATES["labels"],
        weight_decay=0.1,
        schedule="cosine",
        label_smoothing=0.1,
        start=str(start or f"random, seed {args.seed}"),
    )
    _train(args, config, data, model, batches, out, training, resume)


# ------------------------------------------------------------------------------- what they share


def _protocol_fact(args):
    """The protocol by which videos are split, where a data set has several, for weight files."""
    return {"protocol": args.protocol} if getattr(args, "protocol", None) else {}


def _with_actions(args, config, data):
    if isinstance(config, ModelConfig):
        config = replace(config, streams=_STREAMS[args.stream or "fused"])
    elif args.stream not in (None, "fused"):
        raise ValueError(f"--stream {args.stream}: a ReceptionNet takes both streams")
    return replace(
        config,
        actions={data.head: len(data.train.actions)},
        num_frames=args.frames or config.num_frames or _FRAMES,
    )


def _clips(args, config, data, stage):
    from deephar.data import ClipBatches, InputSpec

    # The stills have no actions, so they are of use only where the pose is trained, too.
    stills = data.stills if stage == "finetune" else {}
    clips = _setting(args, "batch", stage, _BATCH)
    return ClipBatches(
        {data.head: data.train, **stills},
        {data.head: clips} | dict.fromkeys(stills, _stills_share(clips)),
        spec=InputSpec.of(config, args.subsampling or _SUBSAMPLING),
        augmentation=data.augmentation,
        seed=args.seed,
        steps_per_epoch=args.steps.get(stage),
        workers=args.workers,
    )


def _cached(args, model, config, data):
    """Batches of cached features, and the function that scores the action heads on others."""
    import numpy as np

    from deephar.data import InputSpec
    from deephar.models import action_view
    from deephar.training.features import FeatureBatches, cache_features

    print(
        "--cache-features: the action stage sees what the pose network gives for all frames as "
        "they are and mirrored, by one window a video, without any other augmentation",
        flush=True,
    )
    folder = Path(args.out) / "features"
    features = cache_features(model, config, data.train, folder / "train")
    held_out = cache_features(model, config, data.validation, folder / "validation", mirror=False)
    batches = FeatureBatches(
        {data.head: features},
        {data.head: _setting(args, "batch", "action", _BATCH)},
        spec=InputSpec.of(config, args.subsampling or _SUBSAMPLING),
        seed=args.seed,
        steps_per_epoch=args.steps.get("action"),
    )
    clips = held_out.middle_clips(config.num_frames, args.subsampling or _SUBSAMPLING)
    labels = np.array([held_out[index].action for index in range(len(held_out))])

    def score():
        scores = action_view(model).predict(clips, verbose=0)[f"action_{data.head}"]
        return {"accuracy": 100.0 * float(np.mean(scores[:, -1].argmax(-1) == labels))}

    return batches, score


def _train(args, config, data, model, batches, out, training, resume, score=None, whole=None):
    from deephar.evaluation import score_actions
    from deephar.inference import ActionProtocol, predict_actions

    subsampling = args.subsampling or _SUBSAMPLING

    def score_clips():
        predictions = predict_actions(
            model,
            config,
            data.validation,
            head=data.head,
            protocol=ActionProtocol(subsampling=subsampling),
        )
        return {"accuracy": score_actions(predictions, data.validation).answer.total}

    facts = {
        "actions": {data.head: list(data.train.actions)},
        "subsampling": subsampling,
        **_protocol_fact(args),
    }
    print(f"{config}\n{batches}, validation on {data.validation}", flush=True)
    score = score or score_clips
    train_action(
        model, config, batches, data.validation, score, out, training, resume, whole, facts
    )
