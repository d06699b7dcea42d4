"""Arguments that the scripts share."""

import argparse
from pathlib import Path

from deephar.cli.evaluate import _STREAMS
from deephar.inference.poses import CROPS
from deephar.models.config import DEPTHS, VARIANTS
from deephar.training.settings import SCHEDULES, PoseTraining

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


def add_precision_argument(parser):
    """Adds ``--mixed-precision``, which ``set_precision`` reads."""
    parser.add_argument(
        "--mixed-precision",
        action="store_true",
        help="compute in bfloat16: faster on GPUs, and on CPUs that have it",
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
