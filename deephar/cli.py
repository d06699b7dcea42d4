"""What the scripts under exp/ share: arguments of training and evaluation, errors as one line."""

import argparse
import functools
import json
import shlex
import sys
from dataclasses import replace
from pathlib import Path

from deephar.models.config import VARIANTS
from deephar.runs import read_settings
from deephar.training import SCHEDULES, PoseTraining, train_pose


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


def add_pose_training_arguments(parser):
    """Adds the arguments that ``train_pose_network`` reads."""
    default = PoseTraining()
    network = parser.add_argument_group("network")
    network.add_argument("--variant", default="vgg16", choices=VARIANTS, help="(%(default)s)")
    network.add_argument("--image-size", type=int, help="pixels, a multiple of 64 (the variant's)")
    network.add_argument(
        "--stem-weights",
        default="imagenet",
        metavar="imagenet|none|PATH",
        help="start of the VGG-16 stem (%(default)s, downloaded once)",
    )
    network.add_argument("--weights", help="start from this .h5 file, or name, and its network")

    training = parser.add_argument_group("training")
    training.add_argument("--out", required=True, type=_folder, help="run folder to write")
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
    training.add_argument(
        "--freeze-stem",
        type=int,
        default=default.freeze_stem,
        metavar="N",
        help="keep the first N of the 5 VGG-16 blocks as they are (%(default)s)",
    )
    training.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    training.add_argument(
        "--mixed-precision", action="store_true", help="compute in bfloat16, for GPUs"
    )
    training.add_argument(
        "--workers", type=int, default=2, help="threads that prepare crops (%(default)s)"
    )
    training.add_argument(
        "--validation",
        type=float,
        default=0.1,
        metavar="SHARE",
        help="share of the training images held out to pick the best epoch (%(default)s)",
    )


def _folder(text):
    if not text or Path(text).is_file():
        raise argparse.ArgumentTypeError(f"expected a folder, got {text!r}")
    return text


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


def train_pose_network(args, datasets, shares, score):
    """Builds the network that the arguments ask for and trains it on data sets.

    Args:
        args: of a parser with ``add_pose_training_arguments``.
        datasets: training data sets by name; validation persons are held out of the first.
        shares: persons of each in a batch, where the arguments do not say.
        score: ``score_mpii`` or ``score_lsp``, what validation persons are scored with.

    Raises:
        FileNotFoundError, FileExistsError, ValueError, FloatingPointError: as ``train_pose``, and
            where an argument does not fit the others; the message says what to do.
    """
    import keras

    from deephar import weights
    from deephar.data import Augmentation, Batches, hold_out
    from deephar.models import pose_model

    if args.mixed_precision:
        # Not float16: the features of VGG-16 exceed its range.
        keras.config.set_dtype_policy("mixed_bfloat16")
    keras.utils.set_random_seed(args.seed)
    start = weights.find(args.weights) if args.weights and not args.resume else None
    config = _config(args, start)
    datasets = dict(datasets)
    first = next(iter(datasets))
    datasets[first], validation = hold_out(datasets[first], args.validation)
    batches = Batches(
        datasets,
        args.shares or {name: shares[name] for name in datasets},
        image_size=config.image_size,
        skeleton=config.skeleton,
        augmentation=Augmentation(),
        seed=args.seed,
        steps_per_epoch=args.steps,
        workers=args.workers,
    )
    # Weights to start from, and those in the state of a resumed run, come later.
    stem_is_random = args.stem_weights == "none" or start or args.resume
    model = pose_model(config, None if stem_is_random else args.stem_weights)
    if start:
        weights.load(model, start)
    settings = PoseTraining(
        epochs=args.epochs,
        learning_rate=args.learning_rate,
        schedule=args.schedule,
        freeze_stem=args.freeze_stem,
        start=str(args.weights or f"stem {args.stem_weights}, else random, seed {args.seed}"),
    )
    print(f"{config}\n{batches}, validation on {validation}")
    train_pose(model, config, batches, validation, score, args.out, settings, args.resume)
    print(f"wrote {args.out}: best.h5, last.h5, log.csv")


def _config(args, start):
    """The network's config: the resumed run's, that of the weights to start from, or a variant."""
    from deephar import weights
    from deephar.models import ModelConfig

    if args.resume:
        config = ModelConfig.from_json(json.dumps(read_settings(args.out)["model"]))
    elif start:
        config = weights.read_config(start)
    else:
        config = VARIANTS[args.variant]
    return config if args.image_size is None else replace(config, image_size=args.image_size)


def add_evaluation_arguments(parser, out):
    """Adds the arguments that ``evaluate_network`` reads; ``out`` is the default folder."""
    parser.add_argument("--weights", required=True, help=".h5 file, or name in weights/")
    parser.add_argument("--multi-crop", action="store_true", help="average ten crops a person")
    parser.add_argument("--batch-size", type=int, default=16, help="crops a batch (%(default)s)")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N persons")
    parser.add_argument("--out", default=out, type=_folder, help="output folder (%(default)s)")
    parser.add_argument(
        "--save-predictions", metavar="PATH", help=".h5 or .mat that public evaluators read"
    )


def evaluate_network(args, dataset, score, command):
    """Evaluates the weights that the arguments ask for on a data set.

    Args:
        args: of a parser with ``add_evaluation_arguments``.
        dataset: the data set.
        score: ``score_mpii`` or ``score_lsp``.
        command: the command line as a list, kept in results.json.
    """
    from deephar.evaluation import evaluate_and_report

    evaluate_and_report(
        dataset,
        score,
        args.weights,
        args.out,
        multi_crop=args.multi_crop,
        batch_size=args.batch_size,
        limit=args.limit,
        save_predictions_to=args.save_predictions,
        command=shlex.join(["python", *command]),
    )
