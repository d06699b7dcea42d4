"""Training as the arguments of a script say."""

import json
from dataclasses import replace

from deephar.models.config import VARIANTS, ReceptionConfig, in_space
from deephar.training.fit import check_peak_window, train_pose
from deephar.training.run import read_settings
from deephar.training.settings import PoseTraining


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
    from deephar.data import Augmentation, Batches, InputSpec, hold_out
    from deephar.data.samples import limited
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
        spec=InputSpec.of(config),
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
