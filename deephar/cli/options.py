"""What the scripts under exp/ share: arguments of training and evaluation, errors as one line."""

import argparse
import functools
import json
import shlex
import sys
from dataclasses import replace
from pathlib import Path

from deephar.evaluation.pose import CROPS
from deephar.models.config import DEPTHS, VARIANTS, ReceptionConfig, in_space
from deephar.training.compile import SCHEDULES, PoseTraining, check_peak_window, train_pose
from deephar.training.run import read_settings


def reporting_errors(main):
    """Decorates a script's ``main(argv=None)``: a user's mistake becomes one line and status 2.

    An interrupt by the user (Ctrl-C) becomes one line and status 130.
    """

    @functools.wraps(main)
    def wrapped(argv=None):
        try:
            return main(argv) or 0
        except (OSError, ValueError, FloatingPointError) as error:
            print("error:", " ".join(str(error).split()), file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return 130

    return wrapped


START_HELP = "start from this .h5 file, or name; with --variant, from its layers of equal name"


def add_pose_training_arguments(parser, depth=None, skeletons=()):
    """Adds the arguments that ``train_pose_network`` reads; see ``add_network_arguments``."""
    default = PoseTraining()
    network = add_network_arguments(parser, depth, skeletons, with_depth=depth is not None)
    network.add_argument("--weights", help=START_HELP)

    training = parser.add_argument_group("training")
    training.add_argument("--out", required=True, type=parse_folder, help="run folder to write")
    training.add_argument("--resume", action="store_true", help="go on with the run in --out")
    training.add_argument("--epochs", type=int, default=default.epochs, help="(%(default)s)")
    training.add_argument(
        "--steps", type=int, help="batches an epoch (everyone of the first data set once)"
    )
    training.add_argument(
        "--learning-rate", type=float, default=default.learning_rate, help="(%(default)s)"
    )
    training.add_argument(
        "--schedule", choices=SCHEDULES, default=default.schedule, help="(%(default)s)"
    )
    add_common_training_arguments(network, training)


def add_network_arguments(parser, depth=None, skeletons=(), with_depth=True):
    """Adds a group of arguments on what network to build, and returns it.

    Args:
        parser: the parser.
        depth: how networks that were made for 2D poses are to predict depth by default; None for
            data without it.
        skeletons: names of the joint layouts to choose from, the default first; empty for that of
            the variant.
        with_depth: whether the data may have depth, so that there is something to choose.
    """
    network = parser.add_argument_group("network")
    network.add_argument("--variant", choices=VARIANTS, help="(vgg16)")
    if with_depth:
        help_text = f"predict 3D poses, in this way ({depth or 'as the variant'})"
        network.add_argument("--depth", choices=DEPTHS, help=help_text)
    if skeletons:
        network.add_argument(
            "--skeleton", choices=skeletons, help=f"joints to predict ({skeletons[0]})"
        )
    parser.set_defaults(default_depth=depth, default_skeleton=next(iter(skeletons), None))
    return network


def pose_config(args, start):
    """Config of the pose network to train: of the weights to start from, or of a variant.

    A variant starts from weights, too: see ``load_start``.

    Args:
        args: of a parser with ``add_network_arguments``.
        start: name or path of weights, ``args.weights`` or those of an earlier stage; None for the
            variant.

    Raises:
        FileNotFoundError, ValueError: no such weights, or the arguments do not fit the network.
    """
    from deephar import weights

    given = [name for name in ("depth", "skeleton") if getattr(args, name, None)]
    if args.weights and given and not args.variant:
        raise ValueError(
            f"--{given[0]} does not go with --weights, whose network it is that is trained: leave "
            "one of them out"
        )
    if start and not (args.variant and start == args.weights):
        config = weights.read_config(weights.find(start))
        if config.stem == "none":
            raise ValueError(f"{start}: a network of labelled poses; give one that sees images")
    else:
        config = _in_space(args, VARIANTS[args.variant or "vgg16"])
        if skeleton := getattr(args, "skeleton", None) or args.default_skeleton:
            config = replace(config, skeleton=skeleton)
    config = replace(config, actions={})
    if args.peak_window is not None and not hasattr(config, "peak_window"):
        raise ValueError(f"--peak-window does not go with a {type(config).__name__}: leave it out")
    chosen = {name: getattr(args, name) for name in ("image_size", "peak_window")}
    return replace(config, **{name: value for name, value in chosen.items() if value is not None})


def add_precision_argument(parser):
    """Adds ``--mixed-precision``, which ``set_precision`` reads."""
    parser.add_argument(
        "--mixed-precision",
        action="store_true",
        help="compute in bfloat16: faster on GPUs, and on CPUs that have it",
    )


def set_precision(args):
    """Makes networks that are built from now on compute in bfloat16, if the arguments say so."""
    import keras

    if args.mixed_precision:
        # Not float16: the features of VGG-16 exceed its range.
        keras.config.set_dtype_policy("mixed_bfloat16")


def load_start(args, model, path):
    """Loads the weights that a network of ``pose_config`` starts from.

    Weights that a variant does not share with them start as the model has them: this is how a
    network with more pyramids goes on from one with fewer.

    Args:
        args: of a parser with ``add_network_arguments``.
        model: the network.
        path: the weights file.

    Raises:
        FileNotFoundError, ValueError: as ``deephar.weights.load_part`` and ``load_shared``.
    """
    from deephar import weights

    if not args.variant:
        weights.load_part(model, path)
        return
    report = weights.load_shared(model, path)
    if report.missing:
        print(
            f"{len(report.missing)} weights of {args.variant} are not in {path} and start at "
            f"random, {report.missing[0]} the first",
            flush=True,
        )
    if report.unexpected:
        print(
            f"{len(report.unexpected)} weights of {path} are not in {args.variant} and are left "
            f"out, {report.unexpected[0]} the first",
            flush=True,
        )


def describe_start(args, start):
    """What a run says in its settings that its pose network started from."""
    if not start:
        return f"stem {args.stem_weights}, else random, seed {args.seed}"
    if args.variant:
        return f"what {args.variant} shares with {start}, else random, seed {args.seed}"
    return str(start)


def _in_space(args, config):
    """The variant, with depth where it is asked for, or where the data have it."""
    depth = getattr(args, "depth", None)
    if depth is None and config.dim == 2:
        # The depth of a ReceptionNet is of one kind.
        volumetric = args.default_depth and isinstance(config, ReceptionConfig)
        depth = "volumetric" if volumetric else args.default_depth
    return config if depth is None else in_space(config, depth)


def require_depth_labels(config, datasets):
    """Refuses to train a network of 3D poses where nothing would teach it depth.

    Args:
        config: the network's config.
        datasets: data sets of stills or videos.

    Raises:
        ValueError: no data set has 3D labels.
    """
    if config.dim == 3 and all(dataset[0].joints_3d is None for dataset in datasets):
        raise ValueError(
            "a network of 3D poses needs data with 3D labels to learn depth from, and there are "
            "none here; take a 2D variant"
        )


def add_common_training_arguments(network, training):
    """Adds to two groups of arguments what training on stills and on videos have in common."""
    network.add_argument("--image-size", type=int, help="of crops, in pixels (the variant's)")
    network.add_argument(
        "--peak-window",
        type=int,
        metavar="RADIUS",
        help="read joints this near to the maximum of their heat maps, such as 2, with "
        "--heat-map-weight; 0: from the whole maps (the variant's)",
    )
    network.add_argument(
        "--stem-weights",
        default="imagenet",
        metavar="imagenet|none|PATH",
        help="start of the VGG-16 stem (%(default)s, downloaded once)",
    )
    training.add_argument(
        "--freeze-stem",
        type=int,
        default=0,
        metavar="N",
        help="keep the first N of the 5 VGG-16 blocks as they are (%(default)s)",
    )
    training.add_argument(
        "--stem-rate",
        type=float,
        default=PoseTraining.stem_rate,
        metavar="FACTOR",
        help="on the learning rate of the VGG-16 blocks that are not frozen, in pose training; "
        "0.1 keeps more of what ImageNet taught (%(default)s)",
    )
    training.add_argument(
        "--heat-map-weight",
        type=float,
        default=PoseTraining.heat_map_weight,
        metavar="WEIGHT",
        help="of the heat maps in the loss of pose training, such as 0.1 (%(default)s)",
    )
    training.add_argument("--seed", type=parse_seed, default=0, help="(%(default)s)")
    add_precision_argument(training)
    training.add_argument(
        "--workers", type=int, default=2, help="threads that prepare crops (%(default)s)"
    )
    training.add_argument(
        "--validation",
        type=parse_share,
        default=0.1,
        metavar="SHARE",
        help="share of the training images, videos, performances or persons held out "
        "to pick the best epoch, between 0 and 1 (%(default)s)",
    )


def parse_folder(text):
    """A path that is not that of a file."""
    if not text or Path(text).is_file():
        raise argparse.ArgumentTypeError(f"expected a folder, got {text!r}")
    return text


def parse_share(text):
    """A number between 0 and 1, neither of which it is."""
    try:
        share = float(text)
    except ValueError:
        share = -1
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"expected a number between 0 and 1, got {text!r}")
    return share


def parse_seed(text):
    """A seed that all sources of random numbers take."""
    if not (text.isdecimal() and int(text) < 2**32):
        raise argparse.ArgumentTypeError(
            f"expected a whole number from 0 to 2^32 - 1, got {text!r}"
        )
    return int(text)


def parse_shares(text):
    """``"mpii=16,lsp=8"`` to ``{"mpii": 16, "lsp": 8}``, persons of each data set in a batch."""
    try:
        pairs = [item.split("=") for item in text.split(",")]
        shares = {name.strip(): int(count) for name, count in pairs}
        if len(shares) < len(pairs):
            raise ValueError(text)
        return shares
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected NAME=COUNT,NAME=COUNT (persons a batch), as in mpii=16,lsp=8, got {text!r}"
        ) from None


def train_pose_network(args, datasets, shares, score, validation_limit=None):
    """Builds the network that the arguments ask for and trains it on data sets.

    Args:
        args: of a parser with ``add_pose_training_arguments``.
        datasets: training data sets by name; validation persons are held out of the first.
        shares: persons of each in a batch, where the arguments do not say.
        score: a function of ``deephar.evaluation`` that validation persons are scored with.
        validation_limit: at most so many of them are, spread evenly; None for all.

    Raises:
        FileNotFoundError, FileExistsError, ValueError, FloatingPointError: as ``train_pose``, and
            where an argument does not fit the others; the message says what to do.
    """
    import keras

    from deephar import weights
    from deephar.data import Augmentation, Batches, hold_out
    from deephar.evaluation.figures import limited
    from deephar.models import build_model, config_from_json

    set_precision(args)
    keras.utils.set_random_seed(args.seed)
    start = weights.find(args.weights) if args.weights and not args.resume else None
    if args.resume:
        config = config_from_json(json.dumps(read_settings(args.out)["model"]))
    else:
        config = pose_config(args, args.weights)
        check_peak_window(config, args.heat_map_weight)
    datasets = dict(datasets)
    if not start or args.variant:
        require_depth_labels(config, datasets.values())
    first = next(iter(datasets))
    datasets[first], validation = hold_out(datasets[first], args.validation)
    validation = limited(validation, validation_limit, "persons", spread=True)
    batches = Batches(
        datasets,
        args.shares or {name: shares[name] for name in datasets},
        image_size=config.image_size,
        skeleton=config.skeleton,
        dim=config.dim,
        augmentation=Augmentation(),
        seed=args.seed,
        steps_per_epoch=args.steps,
        workers=args.workers,
    )
    # Weights to start from, and those in the state of a resumed run, come later.
    stem_is_random = args.stem_weights == "none" or start or args.resume
    model = build_model(config, None if stem_is_random else args.stem_weights)
    if start:
        load_start(args, model, start)
    settings = PoseTraining(
        epochs=args.epochs,
        learning_rate=args.learning_rate,
        schedule=args.schedule,
        freeze_stem=args.freeze_stem,
        stem_rate=args.stem_rate,
        heat_map_weight=args.heat_map_weight,
        start=describe_start(args, args.weights),
    )
    print(f"{config}\n{batches}, validation on {validation}")
    train_pose(model, config, batches, validation, score, args.out, settings, args.resume)
    print(f"wrote {args.out}: best.h5, last.h5, log.csv")


def add_evaluation_arguments(parser, out):
    """Adds the arguments that ``evaluate_network`` reads; ``out`` is the default folder."""
    parser.add_argument("--weights", required=True, help=".h5 file, or name in weights/")
    parser.add_argument(
        "--crops",
        choices=CROPS,
        default="single",
        help="one crop a person, with its mirror image, or ten (%(default)s)",
    )
    parser.add_argument("--batch-size", type=int, default=16, help="crops a batch (%(default)s)")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N persons")
    parser.add_argument("--out", default=out, type=parse_folder, help="output folder (%(default)s)")
    parser.add_argument(
        "--save-predictions", metavar="PATH", help=".h5 or .mat that public evaluators read"
    )


def evaluate_network(args, dataset, score, command):
    """Evaluates the weights that the arguments ask for on a data set.

    Args:
        args: of a parser with ``add_evaluation_arguments``.
        dataset: the data set.
        score: ``score_mpii`` or ``score_lsp``; None for errors in space, in mm.
        command: the command line as a list, kept in results.json.
    """
    from deephar.evaluation import evaluate_and_report, evaluate_in_space

    evaluate = evaluate_in_space
    if score is not None:
        evaluate = functools.partial(evaluate_and_report, score=score)
    evaluate(
        dataset,
        weights_name=args.weights,
        folder=args.out,
        crops=args.crops,
        batch_size=args.batch_size,
        limit=args.limit,
        save_predictions_to=args.save_predictions,
        command=shlex.join(["python", *command]),
    )


# ----------------------------------------------------------------------------- actions on videos

SYNTHETIC = "synthetic"
"""In place of a folder: the built-in data set."""

_STREAMS = {"fused": {"pose", "appearance"}, "pose": {"pose"}, "appearance": {"appearance"}}


def open_videos(
    folder, split, frames=True, drawn=False, actions=None, protocol=None, skeleton="ntu25"
):
    """The video data set that the arguments of a script name.

    Args:
        folder: of Penn Action, or "synthetic" for the built-in set; of NTU RGB+D with `protocol`.
        split: "train" or "test".
        frames: whether frames are needed, or the labels are enough.
        drawn: whether the frames are drawn from the labels of the folder.
        actions: names of the actions of a folder with others than Penn Action's 15.
        protocol: of NTU RGB+D: "cross-subject" or "cross-view".
        skeleton: joint layout in which NTU RGB+D is served.

    Returns:
        The data set; `name` tells that it is synthetic, or drawn.

    Raises:
        FileNotFoundError, ValueError: as the data sets.
    """
    from deephar import data

    if protocol is not None:
        return data.NTU(folder, split, protocol, frames=frames, skeleton=skeleton)
    if folder == SYNTHETIC:
        if drawn:
            raise ValueError("--drawn draws the labels of a folder of Penn Action: give its --data")
        return data.Synthetic(split=split)
    if drawn:
        return data.DrawnPenn(folder, split=split, actions=actions)
    # Hidden joints are guesses, many of them far off: not to be learned, and not scored.
    return data.PennAction(folder, split=split, frames=frames, actions=actions, hidden=False)


def add_action_evaluation_arguments(parser, out):
    """Adds the arguments that ``evaluate_action_network`` reads; ``out`` is the default folder."""
    parser.add_argument(
        "--weights", help=".h5 file, or name in weights/ (those listed for --stream and --poses)"
    )
    parser.add_argument(
        "--stream", choices=_STREAMS, help="what the weights must go by (whatever they do)"
    )
    parser.add_argument(
        "--poses",
        choices=("predicted", "labels"),
        default="predicted",
        help="what the pose stream is given (%(default)s); labels needs no frames",
    )
    parser.add_argument(
        "--clips", choices=("single", "multi"), default="single", help="clips a video (%(default)s)"
    )
    parser.add_argument("--mirror", action="store_true", help="average with mirror images")
    parser.add_argument(
        "--boxes",
        choices=("gt", "predicted", "full"),
        default="gt",
        help="boxes: of the labels, of predicted poses, the full frame (%(default)s)",
    )
    parser.add_argument(
        "--subsampling",
        type=parse_subsampling,
        metavar="N|whole",
        help="frames from one of a clip to the next (what the weights were trained with)",
    )
    parser.add_argument("--frames", type=int, metavar="T", help="frames a clip (likewise)")
    parser.add_argument("--batch-size", type=int, default=4, help="clips a batch (%(default)s)")
    parser.add_argument(
        "--limit", type=int, metavar="N", help="only N videos, spread over the split"
    )
    parser.add_argument("--out", default=out, type=parse_folder, help="output folder (%(default)s)")


def parse_subsampling(text):
    """``"2"`` to 2, ``"whole"`` as it is."""
    if text == "whole":
        return text
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected 1, 2, ... or whole, got {text!r}")
    return int(text)


def action_weights(args, head):
    """The weights that the arguments ask for.

    Args:
        args: of a parser with ``add_action_evaluation_arguments``.
        head: name under which ``weights/index.json`` lists heads, to find default weights.

    Returns:
        Their name or path, and the names of the actions of their head (None if they do not tell,
        or have several heads).

    Raises:
        FileNotFoundError, ValueError: there are none, or they go by another stream, or take other
            poses, than the arguments say.
    """
    from deephar import weights

    name = args.weights or _listed_weights(args, head)
    _check_streams(args, name)
    names = weights.read_facts(weights.find(name)).get("actions", {})
    return name, names.get(head, next(iter(names.values())) if len(names) == 1 else None)


def open_ntu(args, name):
    """NTU RGB+D as the weights are to be scored on it.

    Args:
        args: with ``data``, ``split``, ``protocol`` (None for that of the weights), ``poses``.
        name: name or path of the weights.

    Raises:
        FileNotFoundError, ValueError: as ``NTU``, or the weights were trained by another protocol.
    """
    from deephar import weights

    path = weights.find(name)
    trained = weights.read_facts(path).get("protocol")
    if trained and args.protocol not in (None, trained):
        raise ValueError(
            f"{name}: these weights were trained by the protocol {trained}: they know videos that "
            f"{args.protocol} tests on; give --protocol {trained}, or other weights"
        )
    return open_videos(
        args.data,
        args.split,
        args.poses == "predicted",
        protocol=args.protocol or trained or "cross-subject",
        skeleton=weights.read_config(path).skeleton,
    )


def evaluate_action_network(args, name, dataset, command):
    """Evaluates an action network on a video data set.

    Args:
        args: of a parser with ``add_action_evaluation_arguments``.
        name: name or path of the weights, from ``action_weights``.
        dataset: the video data set.
        command: the command line as a list, kept in results.json.

    Raises:
        FileNotFoundError, ValueError: as ``evaluate_actions``.
    """
    from deephar.evaluation import evaluate_actions

    evaluate_actions(
        dataset,
        name,
        args.out,
        clips=args.clips,
        mirror=args.mirror,
        boxes=args.boxes,
        subsampling=args.subsampling,
        num_frames=args.frames,
        batch_size=args.batch_size,
        limit=args.limit,
        command=shlex.join(["python", *command]),
    )


def _listed_weights(args, head):
    """The first weights in the index that are there, have the head, and go by what is asked for."""
    from deephar import weights
    from deephar.models import config_from_json

    entries = weights.index()
    for name, entry in entries.items():
        config = config_from_json(json.dumps(entry["config"]))
        if head not in config.actions or not (weights.weights_folder() / entry["file"]).is_file():
            continue
        if (config.stem == "none") != (args.poses == "labels"):
            continue
        if args.stream is None or set(config.streams) == _STREAMS[args.stream]:
            return name
    raise FileNotFoundError(
        f"{weights.weights_folder() / 'index.json'} lists no weights for {head!r} with --poses "
        f"{args.poses}{f' --stream {args.stream}' if args.stream else ''} (entries: "
        f"{', '.join(sorted(entries)) or 'none yet'}); give --weights"
    )


def _check_streams(args, name):
    from deephar import weights

    config = weights.read_config(weights.find(name))
    if not config.actions:
        raise ValueError(f"{name}: these weights predict poses only, no actions")
    if (config.stem == "none") != (args.poses == "labels"):
        theirs = "labels" if config.stem == "none" else "predicted"
        raise ValueError(f"{name}: these weights go with --poses {theirs}")
    if args.stream and set(config.streams) != _STREAMS[args.stream]:
        raise ValueError(
            f"{name}: these weights go by {' and '.join(config.streams)}, not by the stream "
            f"{args.stream!r}; give other --weights, or leave --stream out"
        )


# ------------------------------------------------------------------------------------------ demo


def annotate(args):
    """Annotates a video as ``exp/demo.py`` is told to, with a progress bar.

    Raises:
        FileNotFoundError, ValueError, OSError: as ``annotate_video``.
    """
    from deephar.inference.network import progress_bar
    from deephar.inference.predictor import Predictor, annotate_video
    from deephar.video import video_info

    set_precision(args)
    bar = progress_bar(video_info(args.video).frames or None, "frame")
    predictor = Predictor(args.weights, head=args.head)
    print(predictor)
    video, numbers, actions = annotate_video(
        predictor,
        args.video,
        args.out,
        box=args.box,
        subsampling=args.subsampling,
        progress=lambda done, total: bar.update(min(done, total) if total else done),
    )
    for name, score in (actions or [])[:5]:
        print(f"  {100 * score:5.1f} %  {name}")
    print("\nwrote", video, numbers, sep="\n  ")
