"""Training on videos, stage after stage: what ``exp/pennaction/train_penn.py`` runs.

Each stage is a run (`deephar.runs`) in a folder of its own, ``pose``, ``action``, ``finetune``, and
starts from the best weights of the one before.
"""

import argparse
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from deephar.cli import SYNTHETIC, open_videos, parse_shares, parse_subsampling
from deephar.models.config import DEPTHS, STREAMS, VARIANTS, ModelConfig
from deephar.training import ActionTraining, PoseTraining, train_action, train_pose

STAGES = ("pose", "action", "finetune")
_STREAMS = {"fused": STREAMS, "pose": ("pose",), "appearance": ("appearance",)}

# Of each stage; "labels" is the action stage of a network that takes labelled poses.
_EPOCHS = {"pose": 60, "action": 30, "finetune": 10, "labels": 60}
_BATCH = {"pose": 16, "action": 8, "finetune": 4, "labels": 32}
_RATES = {"pose": 0.001, "action": 0.0002, "finetune": 0.00002, "labels": 0.002}

# Of the network that takes labelled poses.
_LABELS_NETWORK = ModelConfig(
    stem="none", streams=("pose",), num_frames=16, actions={"penn": 15}, pose_features=64
)

_VALIDATION_BLOCKS = 30  # many, so that the held-out videos are of all actions
_VALIDATION_FRAMES = 3  # of each video, to validate the pose with


def add_stages_arguments(parser):
    """Adds the arguments that ``train_stages`` reads."""
    network = parser.add_argument_group("network")
    network.add_argument("--variant", default="vgg16", choices=VARIANTS, help="(%(default)s)")
    network.add_argument("--image-size", type=int, help="pixels, a multiple of 64 (the variant's)")
    network.add_argument("--depth", choices=DEPTHS, help="predict 3D poses, in this way")
    network.add_argument("--frames", type=int, default=16, help="of a clip (%(default)s)")
    network.add_argument(
        "--subsampling",
        type=parse_subsampling,
        default="whole",
        metavar="N|whole",
        help="frames from one of a clip to the next, or spread over the video (%(default)s)",
    )
    network.add_argument(
        "--stream", choices=_STREAMS, default="fused", help="what actions go by (%(default)s)"
    )
    network.add_argument(
        "--poses",
        choices=("predicted", "labels"),
        default="predicted",
        help="what the pose stream sees (%(default)s); labels, with --stream pose, needs no frames",
    )
    network.add_argument(
        "--stem-weights",
        default="imagenet",
        metavar="imagenet|none|PATH",
        help="start of the VGG-16 stem (%(default)s, downloaded once)",
    )
    network.add_argument("--weights", help="start from the pose network of this .h5 file, or name")

    training = parser.add_argument_group("training")
    training.add_argument("--out", required=True, help="folder for the runs, one a stage")
    training.add_argument("--resume", action="store_true", help="go on with the runs in --out")
    training.add_argument(
        "--stages", type=_parse_stages, default=STAGES[:2], help="of pose,action,finetune (first 2)"
    )
    training.add_argument(
        "--epochs", type=parse_shares, default={}, help=_by_stage("epochs", _EPOCHS)
    )
    training.add_argument(
        "--steps", type=parse_shares, default={}, help="batches an epoch, likewise (videos once)"
    )
    training.add_argument(
        "--batch", type=parse_shares, default={}, help=_by_stage("frames or clips a batch", _BATCH)
    )
    training.add_argument("--freeze-stem", type=int, default=0, metavar="N", help="as train_mpii")
    training.add_argument(
        "--cache-features",
        action="store_true",
        help="run the frozen pose network once over all frames, not in each epoch of the action "
        "stage: many times faster, without augmentation but for mirroring",
    )
    training.add_argument(
        "--validation",
        type=float,
        default=0.1,
        metavar="SHARE",
        help="share of the training videos held out to pick the best epoch (%(default)s)",
    )
    training.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    training.add_argument("--workers", type=int, default=2, help="threads (%(default)s)")
    training.add_argument(
        "--mixed-precision", action="store_true", help="compute in bfloat16, for GPUs"
    )


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
        args: with ``data``, ``drawn``, and those of ``add_stages_arguments``.

    Raises:
        FileNotFoundError, ValueError: as the data sets.
    """
    from deephar.data import hold_out

    frames = args.poses == "predicted"
    train = open_videos(args.data, "train", frames, args.drawn)
    if args.data == SYNTHETIC:
        return train, open_videos(args.data, "validation")
    return hold_out(train, args.validation, _VALIDATION_BLOCKS)


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

    if args.mixed_precision:
        keras.config.set_dtype_policy("mixed_bfloat16")
    _check(args)
    functions = {"pose": _pose_stage, "action": _action_stage, "finetune": _finetune_stage}
    stages = args.stages
    if args.poses == "labels":
        stages, functions = ("action",), {"action": _labels_stage}
    data = _Data(train, validation, head, stills or {}, augmentation or Augmentation())
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
    for option in ("epochs", "steps", "batch"):
        unknown = set(getattr(args, option)) - set(STAGES)
        if unknown:
            raise ValueError(f"--{option}: no stage {', '.join(unknown)}; give {', '.join(STAGES)}")
    if args.poses == "labels" and args.stream != "pose":
        raise ValueError("--poses labels goes with --stream pose: labels have no appearance")
    if args.poses == "predicted" and args.stages[0] != "pose" and not args.weights:
        before = STAGES[STAGES.index(args.stages[0]) - 1]
        raise ValueError(
            f"--stages {','.join(args.stages)} starts from weights: give --weights, such as "
            f"{Path(args.out) / before / 'best.h5'}"
        )


def _stills_share(others):
    """Stills of each data set in a batch, for so many frames or clips of videos."""
    return max(1, others // 2)


def _setting(args, option, stage, defaults, key=None):
    return getattr(args, option).get(stage, defaults[key or stage])


# ------------------------------------------------------------------------------------ the stages


def _pose_stage(args, data, start, out, resume):
    """Stage 1, on single frames of the videos, and on stills."""
    from deephar import evaluation, weights
    from deephar.data import Batches, Frames
    from deephar.models import pose_model

    config = replace(_network(args, start), actions={}, num_frames=None)
    frames = _setting(args, "batch", "pose", _BATCH)
    batches = Batches(
        {data.head: Frames(data.train), **data.stills},
        {data.head: frames} | dict.fromkeys(data.stills, _stills_share(frames)),
        image_size=config.image_size,
        skeleton=config.skeleton,
        dim=config.dim,
        augmentation=data.augmentation,
        seed=args.seed,
        steps_per_epoch=args.steps.get("pose", -(-len(data.train) // frames)),
        workers=args.workers,
    )
    none = args.stem_weights == "none" or start or resume
    model = pose_model(config, None if none else args.stem_weights)
    if start and not resume:
        weights.load_part(model, weights.find(start))
    training = PoseTraining(
        epochs=_setting(args, "epochs", "pose", _EPOCHS),
        learning_rate=_RATES["pose"],
        freeze_stem=args.freeze_stem,
        start=str(start or f"stem {args.stem_weights}, else random, seed {args.seed}"),
    )
    held_out = Frames(data.validation, per_video=_VALIDATION_FRAMES)
    known = data.validation[0].head_sizes is not None
    score = evaluation.score_pckh if known else evaluation.score_penn
    print(f"{config}\n{batches}, validation on {held_out}", flush=True)
    train_pose(model, config, batches, held_out, score, out, training, resume)


def _action_stage(args, data, start, out, resume):
    """Stage 2: the action heads on a frozen pose network."""
    from deephar import weights
    from deephar.models import action_view, frame_view, multitask_model

    config = _with_actions(args, _network(args, start), data)
    model = multitask_model(config)
    weights.load_part(frame_view(model), weights.find(start))
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


def _finetune_stage(args, data, start, out, resume):
    """Stage 3: all weights, with stills as clips that have no action."""
    from deephar import weights

    model, config = weights.load_model(weights.find(start))
    if data.head not in config.actions:
        raise ValueError(f"{start}: has no action head {data.head!r}; run the action stage first")
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
    from deephar.data import SequenceAugmentation, SequenceBatches
    from deephar.models import action_model

    config = _with_actions(args, _LABELS_NETWORK, data)
    clips = _setting(args, "batch", "action", _BATCH, "labels")
    batches = SequenceBatches(
        {data.head: data.train},
        {data.head: clips},
        args.frames,
        subsampling=args.subsampling,
        skeleton=config.skeleton,
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
        schedule="cosine",
        start=str(start or f"random, seed {args.seed}"),
    )
    _train(args, config, data, model, batches, out, training, resume)


# ------------------------------------------------------------------------------- what they share


def _network(args, start):
    """Config of the network to start from, or of the variant, as the arguments change it."""
    from deephar import weights

    if start:
        config = weights.read_config(weights.find(start))
    else:
        config = VARIANTS[args.variant]
        if args.depth:
            config = replace(config, dim=3, depth=args.depth)
    return config if args.image_size is None else replace(config, image_size=args.image_size)


def _with_actions(args, config, data):
    return replace(
        config,
        actions={data.head: len(data.train.actions)},
        streams=_STREAMS[args.stream],
        num_frames=args.frames,
    )


def _clips(args, config, data, stage):
    from deephar.data import ClipBatches

    # The stills have no actions, so they are of use only where the pose is trained, too.
    stills = data.stills if stage == "finetune" else {}
    clips = _setting(args, "batch", stage, _BATCH)
    return ClipBatches(
        {data.head: data.train},
        {data.head: clips},
        args.frames,
        image_size=config.image_size,
        skeleton=config.skeleton,
        dim=config.dim,
        subsampling=args.subsampling,
        augmentation=data.augmentation,
        seed=args.seed,
        steps_per_epoch=args.steps.get(stage),
        workers=args.workers,
        stills={name: (dataset, _stills_share(clips)) for name, dataset in stills.items()},
    )


def _cached(args, model, config, data):
    """Batches of cached features, and the function that scores the action heads on others."""
    import numpy as np

    from deephar.features import FeatureBatches, cache_features
    from deephar.models import action_view

    print(
        "running the pose network over all frames once (--cache-features): the action stage sees "
        "them as they are and mirrored, without any other augmentation",
        flush=True,
    )
    folder = Path(args.out) / "features"
    features = cache_features(model, config, data.train, folder / "train")
    held_out = cache_features(model, config, data.validation, folder / "validation", mirror=False)
    batches = FeatureBatches(
        {data.head: features},
        {data.head: _setting(args, "batch", "action", _BATCH)},
        args.frames,
        args.subsampling,
        args.seed,
        args.steps.get("action"),
    )
    clips = held_out.middle_clips(args.frames, args.subsampling)
    labels = np.array([held_out[index].action for index in range(len(held_out))])

    def score():
        scores = action_view(model).predict(clips, verbose=0)[f"action_{data.head}"]
        return {"accuracy": 100.0 * float(np.mean(scores[:, -1].argmax(-1) == labels))}

    return batches, score


def _train(args, config, data, model, batches, out, training, resume, score=None, whole=None):
    from deephar.evaluation import predict_actions, score_actions

    def score_clips():
        predictions = predict_actions(
            model, config, data.validation, data.head, subsampling=args.subsampling
        )
        return {"accuracy": score_actions(predictions, data.validation).answer.total}

    facts = {"actions": {data.head: list(data.train.actions)}, "subsampling": args.subsampling}
    print(f"{config}\n{batches}, validation on {data.validation}", flush=True)
    score = score or score_clips
    train_action(
        model, config, batches, data.validation, score, out, training, resume, whole, facts
    )
