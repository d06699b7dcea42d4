"""Counts the persons that are found in made pictures, and times the search.

    python exp/bench/bench_people.py --data datasets/LSP

Each picture has two or three persons of LSP's test images side by side, from a quarter of its
height on, on a blurred image. A person is found if their box and that of the labelled joints
overlap by half (intersection over union). Persons of LSP's images without labels count as false.
"""

import time

import cv2
import numpy as np
from scipy.optimize import linear_sum_assignment

from deephar import Predictor
from deephar.cli.options import script_parser
from deephar.data import LSP
from deephar.data.images import load_image
from deephar.metrics import pck, torso_size
from deephar.skeletons import convert

SIZE = (640, 480)
OVERLAP = 0.5


def main(argv=None):
    """Finds and prints."""
    args = _parse(argv)
    dataset = LSP(args.data, split=args.split)
    predictor = Predictor(args.weights, runtime=args.runtime, precision=args.precision)
    print(dataset, predictor, sep="\n")
    found, true, pairs, seconds = 0, 0, [], []
    for number in range(args.pictures):
        picture, persons = scene(dataset, np.random.default_rng((args.seed, number)))
        start = time.perf_counter()
        people = predictor.people(picture)
        seconds.append(time.perf_counter() - start)
        found, true = found + len(people), true + len(persons)
        pairs += _matched(people, persons)
    print(f"recall {100 * len(pairs) / true:.1f} % of {true} persons")
    print(f"precision {100 * len(pairs) / max(1, found):.1f} %")
    if pairs:
        joints, labels = (np.stack(poses) for poses in zip(*pairs, strict=True))
        score = pck(joints, labels, torso_size(labels))
        print(f"PCK@0.2 of the persons found {score.total:.1f} %")
    print(f"{np.median(seconds):.2f} s a picture (median)")


def scene(dataset, rng):
    """A picture and the joints (14, 2) of its persons in pixels, NaN where not labelled."""
    width, height = SIZE
    background = load_image(dataset[int(rng.integers(len(dataset)))].image)
    picture = cv2.GaussianBlur(cv2.resize(background, SIZE), (0, 0), 9)
    count, persons = int(rng.integers(2, 4)), []
    slot = width // count
    for place in range(count):
        cut, joints = _cut_out(dataset[int(rng.integers(len(dataset)))])
        extent = np.nanmax(np.ptp(joints[np.isfinite(joints).all(axis=1)], axis=0))
        share = min(
            rng.uniform(0.25, 0.95) * height / extent,
            slot / cut.shape[1],
            height / cut.shape[0],
        )
        cut = cv2.resize(cut, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
        cut = cut[:height, :slot]
        x = place * slot + int(rng.integers(slot - cut.shape[1] + 1))
        y = int(rng.integers(height - cut.shape[0] + 1))
        picture[y : y + cut.shape[0], x : x + cut.shape[1]] = cut
        persons.append((joints + 0.5) * share - 0.5 + [x, y])
    return picture, persons


def _cut_out(sample):
    """The surroundings of a person, and their joints in it."""
    image, joints = load_image(sample.image), np.asarray(sample.joints, float)
    known = joints[np.isfinite(joints).all(axis=1)]
    low, high = known.min(axis=0), known.max(axis=0)
    middle, half = (low + high) / 2, 0.62 * (high - low).max()
    start = np.maximum(0, middle - half).astype(int)
    stop = np.minimum(image.shape[1::-1], middle + half).astype(int)
    return image[start[1] : stop[1], start[0] : stop[0]], joints - start


def _matched(people, persons):
    """(joints, labels) of the persons who were found."""
    if not people:
        return []
    joints = [convert(person.joints, person.skeleton, "lsp14") for person in people]
    overlaps = np.array([[_overlap(one, other) for other in persons] for one in joints])
    return [
        (joints[number], persons[other])
        for number, other in zip(*linear_sum_assignment(-overlaps), strict=True)
        if overlaps[number, other] >= OVERLAP
    ]


def _overlap(joints, labels):
    """Intersection over union of the boxes of the labelled joints."""
    known = np.isfinite(labels).all(axis=1)
    (low, high), (other_low, other_high) = (
        (poses[known].min(axis=0), poses[known].max(axis=0)) for poses in (joints, labels)
    )
    sides = np.minimum(high, other_high) - np.maximum(low, other_low)
    shared = np.prod(np.maximum(0, sides))
    return shared / (np.prod(high - low) + np.prod(other_high - other_low) - shared)


def _parse(argv):
    parser = script_parser(__doc__)
    parser.add_argument("--data", default="datasets/LSP", help="folder of LSP (%(default)s)")
    parser.add_argument("--split", default="test", help="(%(default)s)")
    parser.add_argument("--weights", help=".h5 file, or name in weights/ (the default weights)")
    parser.add_argument("--runtime", default="auto", help="as of the demo (%(default)s)")
    parser.add_argument("--precision", default="auto", help="as of the demo (%(default)s)")
    parser.add_argument("--pictures", type=int, default=100, help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
