"""Counts repetitions in made sequences of which the number is known.

    python exp/bench/bench_repetitions.py --data datasets/PennAction

A sequence of Penn Action shows one repetition, from its beginning to the return there; of jump
rope, three jumps. This was seen in the plotted joints of the sequences that are taken here, 24 of
each action and split. Three in which it was not clear are left out (`UNCLEAR`). A sequence is
joined to itself 0 to 8 times, each time at another speed (0.7 to 1.4), and every other time before
a pause of up to 0.7 s, between 0.5 to 2 s of standing still at both ends. It is seen at 10 to 60
frames a second, of which one in twenty is lost, with errors like those of pose networks
(`deephar.data.predicted.PoseErrors`). The counter sees one frame after the other, as in the demo.
"""

import deephar.cli  # noqa: F401  from here on, Ctrl-C is one line

# isort: split
import numpy as np

from deephar.cli.options import script_parser
from deephar.data import PennAction
from deephar.data.predicted import PoseErrors
from deephar.inference.repetitions import REPEATED, RepetitionCounter
from deephar.skeletons import convert, get_skeleton

SEQUENCES = 24  # of each action
UNCLEAR = ("1010", "1022", "1028")
JUMPS = 3  # in a sequence of jump rope
MOST = 8
RATE = 30  # of the labels
ERROR_RATE = 10  # errors change as slowly as in the clips of the action heads
SKELETON = get_skeleton("pa16j")


def main(argv=None):
    """Counts, and prints a row for each action."""
    args = _parse(argv)
    dataset = PennAction(args.data, split=args.split, frames=False)
    print(
        f"{dataset}\n{'':14}sequences  mean error  exact %  within one %  standing still: counted"
    )
    results = {action: _errors(dataset, action, args) for action in REPEATED}
    for action, rows in results.items():
        _print(action, rows)
    _print("all", [row for rows in results.values() for row in rows])


def _print(name, rows):
    true, counted = np.array(rows).T
    errors = np.abs(counted - true)
    shares = 100 * np.mean(errors == 0), 100 * np.mean(errors <= 1)
    still = f"{np.sum(counted[true == 0])} in {np.sum(true == 0)}"
    print(f"{name:14}{len(rows):9}{errors.mean():12.2f}{shares[0]:9.1f}{shares[1]:14.1f}  {still}")


def _errors(dataset, action, args):
    """(true, counted) of each sequence of an action."""
    all_names, label = dataset.names(), dataset.actions.index(action)
    numbers = [number for number in range(len(all_names)) if dataset[number].action == label]
    chosen = np.random.default_rng(0).permutation(numbers)[:SEQUENCES]
    rows = []
    for number in sorted(chosen):
        video = dataset[number]
        if video.name in UNCLEAR:
            continue
        for seed in range(args.rounds):
            rng = np.random.default_rng((seed, int(video.name)))
            times = int(rng.integers(0, MOST + 1))
            counter = RepetitionCounter(SKELETON, action)
            for frame in zip(*made_sequence(video, times, rng), strict=True):
                counter.add(*frame)
            rows.append((times * (JUMPS if action == "jump_rope" else 1), len(counter.ends())))
    return rows


def made_sequence(video, count, rng):
    """A video joined to itself `count` times: times (N,), joints (N, 16, 2), visibility (N, 16)."""
    joints = convert(np.asarray(video.joints, float), video.skeleton, SKELETON)
    visible = convert(video.visible[..., None].astype(float), video.skeleton, SKELETON)[..., 0]
    last = len(joints) - 1
    gap = np.nan_to_num(joints[-1] - joints[0])  # the end does not quite meet the beginning
    joints = joints - gap * np.linspace(0, 1, last + 1)[:, None, None]
    places = [np.zeros(_frames(rng, 0.5, 2))]
    for _ in range(count):
        places.append(np.linspace(0, last, int(last / rng.uniform(0.7, 1.4)) + 1)[1:])
        if rng.random() < 0.5:
            places.append(np.full(_frames(rng, 0, 0.7), float(last)))
    places = np.concatenate([*places, np.full(_frames(rng, 0.5, 2), float(last))])
    times = np.arange(0, (len(places) - 1) / RATE, 1 / rng.uniform(10, 60))
    times = times[rng.random(len(times)) < 0.95]
    places = np.interp(times * RATE, np.arange(len(places)), places)
    before = np.floor(places).astype(int)
    way = (places - before)[:, None, None]
    joints = joints[before] * (1 - way) + joints[np.minimum(before + 1, last)] * way
    hidden = np.nan_to_num(visible[np.rint(places).astype(int)], nan=1.0) == 0
    return times, *_with_errors(times, joints, hidden, rng)


def _frames(rng, least, most):
    return int(RATE * rng.uniform(least, most))


def _with_errors(times, joints, hidden, rng):
    """The joints and their visibility as a pose network might see them."""
    grid = np.arange(0, times[-1] + 1 / ERROR_RATE, 1 / ERROR_RATE)
    at = np.clip(np.searchsorted(times, grid), 0, len(times) - 1)
    errors = PoseErrors(SKELETON, rng.choice([0.3, 1.0, 1.0, 1.6]), rng)
    seen = errors.put_on(joints[at], hidden[at])
    seen[..., :2] -= joints[at]
    flat = seen.reshape(len(grid), -1)
    after = np.clip(np.searchsorted(grid, times), 1, len(grid) - 1)
    way = ((times - grid[after - 1]) * ERROR_RATE)[:, None]
    seen = (flat[after - 1] * (1 - way) + flat[after] * way).reshape(len(times), -1, 3)
    return joints + seen[..., :2], seen[..., 2]


def _parse(argv):
    parser = script_parser(__doc__)
    parser.add_argument("--data", default="datasets/PennAction", help="folder (%(default)s)")
    parser.add_argument("--split", default="test", help="(%(default)s)")
    parser.add_argument(
        "--rounds", type=int, default=2, help="made sequences of each one (%(default)s)"
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
