"""Times training steps of a pose network, as a fraction of the machine's peak speed.

    python exp/bench/bench_training.py --variant vgg16-light --freeze-stem 3 --mixed-precision

Prints the crops per second of the training step alone, on one batch in memory; the floating-point
operations of a crop; and the speed of the fastest large matrix product in the same type, the peak.
A multiplication and addition of a convolution are two operations. A trained layer needs three times
the operations of its forward pass, or twice if no layer before it is trained. The last line,
``share of peak``, is in percent; frozen blocks in int8 raise it. Takes a minute on two cores. Runs
on any backend of Keras (``KERAS_BACKEND``).
"""

import time
from dataclasses import replace

import deephar.cli  # noqa: F401  from here on, Ctrl-C is one line

# isort: split
import keras
import numpy as np
from keras import layers, ops

from deephar.cli.options import add_precision_argument, script_parser, set_precision
from deephar.models import VARIANTS, build_model
from deephar.training.compile import compile_pose, freeze_stem
from deephar.training.frozen import FrozenBlocks
from deephar.training.settings import PoseTraining


def main(argv=None):
    """Measures, and prints the table and the share."""
    args = _parse(argv)
    set_precision(args)
    config = replace(VARIANTS[args.variant], actions={})
    if args.image_size:
        config = replace(config, image_size=args.image_size)
    model = build_model(config)
    freeze_stem(model, args.freeze_stem)
    training = PoseTraining(heat_map_weight=0.1, stem_rate=0.1)
    frozen = FrozenBlocks(model, args.freeze_stem) if args.frozen_int8 else None
    trainer = compile_pose(model, training, args.rounds, inputs=frozen and frozen.outputs)

    rng = np.random.default_rng(0)
    shape = (args.batch, config.image_size, config.image_size, 3)
    images = rng.uniform(-1, 1, shape).astype(np.float32)
    targets = rng.uniform(size=(args.batch, config.num_joints, config.dim + 1)).astype(np.float32)

    def train():
        trainer.train_on_batch(frozen(images) if frozen else images, {"pose": targets})

    step = fastest(train, args.rounds)
    operations, peak = training_operations(model), matrix_peak(args.rounds)
    rate = args.batch / step
    print(f"{'crops a second':24}{rate:10.1f}  (batch of {args.batch}, {config.image_size} px)")
    print(f"{'GFLOP a crop':24}{operations / 1e9:10.1f}")
    print(f"{'GFLOP/s':24}{rate * operations / 1e9:10.0f}")
    print(f"{'GFLOP/s, peak':24}{peak / 1e9:10.0f}  (matrix product, {_compute_dtype()})")
    print(f"share of peak: {100 * rate * operations / peak:.0f}")


def training_operations(model):
    """Floating-point operations of the convolutions in a training step for one image.

    The gradient of a layer's input is needed only if a layer before it is trained.
    """
    total, trained_inside = 0, {}
    for layer in model.layers:
        before = any(trained_inside.get(id(x), False) for x in keras.tree.flatten(layer.input))
        trained = bool(layer.trainable_weights)
        forward = _forward_operations(layer)
        total += forward * (1 + trained + before)
        for x in keras.tree.flatten(layer.output):
            trained_inside[id(x)] = before or trained
    return total


def _forward_operations(layer):
    if not isinstance(layer, layers.Conv2D | layers.SeparableConv2D):
        return 0
    positions = int(np.prod(layer.output.shape[1:3]))
    # Each number of a kernel is used once at each position.
    kernels = [weight for weight in layer.weights if "kernel" in weight.name]
    return 2 * positions * sum(int(np.prod(kernel.shape)) for kernel in kernels)


def matrix_peak(rounds):
    """Floating-point operations per second of a product of square matrices."""
    size, seconds = 1024, 0.0
    while seconds < 0.05:  # large enough for the overhead not to matter
        size *= 2
        matrix = ops.cast(keras.random.uniform((size, size), seed=0), _compute_dtype())
        # Sums one row, so that the whole result is not copied.
        seconds = fastest(lambda: float(ops.sum(ops.matmul(matrix, matrix)[0])), rounds)  # noqa: B023
    return 2 * size**3 / seconds


def _compute_dtype():
    return keras.config.dtype_policy().compute_dtype


def fastest(call, rounds):
    """Seconds of the fastest of several calls; the first two only warm up."""
    seconds = []
    for _ in range(rounds + 2):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds[2:])


def _parse(argv):
    parser = script_parser(__doc__)
    parser.add_argument("--variant", choices=VARIANTS, default="vgg16-light", help="(%(default)s)")
    parser.add_argument("--batch", type=int, default=32, help="crops (%(default)s)")
    parser.add_argument("--image-size", type=int, help="pixels (the variant's)")
    parser.add_argument("--freeze-stem", type=int, default=0, metavar="N", help="VGG-16 blocks")
    parser.add_argument("--frozen-int8", action="store_true", help="compute these on OpenVINO")
    add_precision_argument(parser)
    parser.add_argument("--rounds", type=int, default=8, help="(%(default)s)")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
