"""Times clips through our TimeDistributed against ``keras.layers.TimeDistributed``.

    python exp/bench/bench_model.py

Both wrap the same network and take the same clip of 8 frames: forward pass and training step, in
turn, medians over several rounds, and the nodes of their graphs. Computes in float32, or in
bfloat16 with ``--mixed-precision``. Runs on TensorFlow, or on JAX (``KERAS_BACKEND=jax``) on a
machine without TensorFlow. By default, measures the two light variants, and the pose pyramids of
the larger one alone. The last line, ``ratio``, is the smaller speed-up of the last variant, by
default `vgg16-light-64`, which learns from clips on a CPU. On a CPU in float32 the speed-up is
smaller, since the convolutions of a single frame already keep all cores busy. Takes four minutes on
two cores.
"""

import time
from dataclasses import replace
from functools import partial

import deephar.cli  # noqa: F401  from here on, Ctrl-C is one line

# isort: split
import keras
from timing import alternate

from deephar.cli.options import add_precision_argument, script_parser, set_precision
from deephar.layers import TimeDistributed
from deephar.losses import PoseLoss
from deephar.models import VARIANTS, build_model

WRAPPERS = {"folded": TimeDistributed, "keras": keras.layers.TimeDistributed}


def main(argv=None):
    """Measures, prints the table and the ratio."""
    args = _parse(argv)
    set_precision(args)
    ratios = {}
    for variant in args.variants:
        config = replace(VARIANTS[variant], actions={}, image_size=args.image_size)
        network = build_model(config)
        image, pose = network.input, network.output["pose"]  # Keras's layer takes one output only
        if variant == "vgg16-light":
            pyramids = keras.Model(network.get_layer("dp1_du1_pool").input, pose)
            _compare(f"{variant}, pyramids", pyramids, args)
        ratios[variant] = _compare(variant, keras.Model(image, pose), args)
    print(f"ratio: {min(ratios[args.variants[-1]]):.1f}")


def _compare(title, network, args):
    """Prints the table of one network; returns the speed-ups of forward pass and training step."""
    clip = keras.random.uniform((args.batch, args.frames, *network.input_shape[1:]), -1, 1, seed=0)
    target = keras.random.uniform((args.batch, args.frames, *network.output_shape[2:]), seed=1)
    models, forward, rows = {}, {}, {"graph nodes": {}, "first training step, s": {}}
    for name, wrapper in WRAPPERS.items():
        models[name] = model = _clip_model(wrapper, network, args.frames)
        # The network itself: `model.predict` would add the same milliseconds of Keras to both.
        forward[name], rows["graph nodes"][name] = _compiled(model, clip)
        start = time.perf_counter()
        model.train_on_batch(clip, target)
        rows["first training step, s"][name] = time.perf_counter() - start
    works = {
        "forward, s": {name: partial(forward[name], clip) for name in models},
        "training step, s": {
            name: partial(model.train_on_batch, clip, target) for name, model in models.items()
        },
    }
    for work, calls in works.items():
        rows[work] = alternate(calls, args.rounds, warm_ups=2)

    print(f"{title:24}{'folded':>10}{'keras':>10}{'keras / folded':>16}")
    for row, values in rows.items():
        ratio = values["keras"] / values["folded"]
        print(f"{row:24}{values['folded']:10.4g}{values['keras']:10.4g}{ratio:16.1f}")
    print()
    return [rows[work]["keras"] / rows[work]["folded"] for work in works]


def _clip_model(wrapper, network, frames):
    clip = keras.Input((frames, *network.input_shape[1:]))
    model = keras.Model(clip, wrapper(keras.models.clone_model(network))(clip))
    model.compile(keras.optimizers.RMSprop(1e-3), PoseLoss())
    return model


def _compiled(model, clip):
    """The compiled forward pass of a model, and how many nodes its graph has."""
    if keras.backend.backend() == "jax":
        import jax

        # Copies, since a training step gives up the arrays that it replaces.
        variables = [variable.value.copy() for variable in model.trainable_variables]
        others = [variable.value.copy() for variable in model.non_trainable_variables]

        def call(variables, others, clip):
            return model.stateless_call(variables, others, clip)[0]

        jitted = jax.jit(call)
        nodes = _equations(jax.make_jaxpr(call)(variables, others, clip).jaxpr)
        return lambda clip: jax.block_until_ready(jitted(variables, others, clip)), nodes
    import tensorflow as tf

    function = tf.function(model).get_concrete_function(clip)
    graph = function.graph.as_graph_def()
    of_functions = sum(len(function.node_def) for function in graph.library.function)
    return lambda clip: keras.ops.convert_to_numpy(function(clip)), len(graph.node) + of_functions


def _equations(jaxpr):
    """Number of equations of a JAX program, including those of the functions that it calls."""
    inner = [value for equation in jaxpr.eqns for value in equation.params.values()]
    programs = [getattr(value, "jaxpr", None) for value in inner]
    return len(jaxpr.eqns) + sum(_equations(program) for program in programs if program)


def _parse(argv):
    parser = script_parser(__doc__)
    parser.add_argument(
        "--variants", nargs="+", default=["vgg16-light", "vgg16-light-64"], choices=VARIANTS
    )
    parser.add_argument("--batch", type=int, default=1, help="clips (%(default)s)")
    parser.add_argument("--frames", type=int, default=8, help="frames a clip (%(default)s)")
    parser.add_argument("--image-size", type=int, default=64, help="pixels (%(default)s)")
    add_precision_argument(parser)
    parser.add_argument("--rounds", type=int, default=10, help="(%(default)s)")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
