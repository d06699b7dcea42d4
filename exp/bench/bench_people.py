"""Counts the persons that are found in made pictures, and whose numbers stay in made films.

    python exp/bench/bench_people.py --data datasets/LSP --clips FOLDER

Four tables, each of which can be left out:

- pictures: two or three persons of LSP's test images side by side, from a quarter of the picture's
  height on, on a blurred image. Persons in whose image others are seen are left out: these would
  have no labels. A person is found if their box and that of the labelled joints overlap by half
  (intersection over union).
- one person: the search for one person against the true box, in the first images of the split.
  Where others are in the image, nobody says which of them the search should find: images in which
  it finds somebody else are counted apart.
- walkers: films of two to five drawn persons who cross, or walk side by side.
- clips: videos of a folder with a clips.csv, two or three side by side. Where the person of each is
  follows from the same network on the video alone; others who are seen in it count as false.

IDF1 is the share of the boxes, of those that are true and those that are told, that have the same
person for the whole film (see motmetrics). A switch is a person who goes on under another number.
"""

import csv
import time
from itertools import cycle
from pathlib import Path

import deephar.cli  # noqa: F401  from here on, Ctrl-C is one line

# isort: split
import numpy as np
from scenes import ALONE, RATE, WAYS, clips_side_by_side, picture_of, those_alone, walkers
from scipy.optimize import linear_sum_assignment

from deephar import Predictor
from deephar.cli.options import script_parser
from deephar.data import LSP
from deephar.data.images import load_image
from deephar.data.samples import OTHER
from deephar.geometry import POSE_MARGIN, box_around
from deephar.inference.people import pose_similarity
from deephar.metrics import pck, torso_size
from deephar.skeletons import convert

OVERLAP = 0.5
SAME = 0.3  # similarity of two poses of one person
KINDS = ("nobody else is there", "others; the person with the label", "others; one of them")


def main(argv=None):
    """Finds, follows and prints."""
    args = _parse(argv)
    predictor = Predictor(args.weights, runtime=args.runtime, precision=args.precision)
    print(predictor)
    if args.pictures:
        print_pictures(predictor, LSP(args.data, split=args.split), args.pictures, args.seed)
    if args.searches:
        print_searches(predictor, LSP(args.data, split=args.split), args.searches)
    if args.films:
        films = [
            (f"{count} {way}", walkers(count, way, np.random.default_rng((args.seed, count, n))))
            for n in range(args.films)
            for way in WAYS
            for count in range(2, args.persons + 1)
        ]
        print_films(predictor, "walkers", films)
    if args.clips:
        together = clips_together(Path(args.clips))
        films = (
            (name, clips_side_by_side(clips, predictor, frames=args.clip_frames))
            for name, clips in together
        )
        print_films(predictor, "clips", films)


def print_pictures(predictor, dataset, count, seed):
    """The table of the pictures."""
    persons = those_alone(dataset)
    found, true, pairs, seconds = 0, 0, [], []
    for number in range(count):
        picture, labels = picture_of(persons, np.random.default_rng((seed, number)))
        start = time.perf_counter()
        people = predictor.people(picture)
        seconds.append(time.perf_counter() - start)
        found, true = found + len(people), true + len(labels)
        joints = [convert(person.joints, person.skeleton, dataset.skeleton) for person in people]
        pairs += [(joints[a], labels[b]) for a, b in matched(joints, labels)]
    print(f"pictures {count}, persons {true}, of {len(persons)} of {dataset}")
    recall, precision = (100 * len(pairs) / max(1, of) for of in (true, found))
    print(f"recall {recall:.1f} %, precision {precision:.1f} %")
    if pairs:
        joints, labels = (np.stack(poses) for poses in zip(*pairs, strict=True))
        score = pck(joints, labels, torso_size(labels))
        print(f"PCK@0.2 of the persons found {score.total:.1f} %")
    print(f"{np.median(seconds):.2f} s a picture (median)")


def print_searches(predictor, dataset, count):
    """The table of the search for one person."""
    found, given, labels, kinds, seconds = [], [], [], [], []
    for number in range(min(count, len(dataset))):
        sample = dataset[number]
        image, joints = load_image(sample.image), np.asarray(sample.joints, float)
        box = box_around(joints[np.isfinite(joints).all(axis=1)])
        start = time.perf_counter()
        searched = predictor(image)
        seconds.append(time.perf_counter() - start)
        persons = searched, predictor(image, box)
        poses = [convert(it.joints, it.skeleton, dataset.skeleton) for it in persons]
        for into, its in zip((found, given, labels), (*poses, joints), strict=True):
            into.append(its)
        kinds.append(kind_of(sample.name, *poses))
    found, given, labels = map(np.stack, (found, given, labels))
    print(f"{'one person':<40}  images  PCK@0.2 in the true box  searched for")
    for name in (*KINDS, "all"):
        its = np.array([name in (kind, "all") for kind in kinds])
        if its.any():
            true = labels[its], torso_size(labels[its])
            scores = [pck(poses[its], *true).total for poses in (given, found)]
            print(f"{name:<40} {its.sum():7} {scores[0]:24.1f} {scores[1]:13.1f}")
    print(f"{np.median(seconds):.2f} s a picture, searched for (median)")


def kind_of(name, found, given):
    """One of `KINDS`: whom the search has found, by the poses without and with the true box."""
    if name in ALONE:
        return KINDS[0]
    return KINDS[1 if pose_similarity(found, given) >= SAME else 2]


def print_films(predictor, title, films):
    """A table of films."""
    print(f"{title:<40}  IDF1  recall  precision  switches  persons")
    results, seconds, frames = [], 0, 0
    for name, film in films:
        start = time.perf_counter()
        tracks = list(predictor.track(film.images, fps=RATE))
        seconds, frames = seconds + time.perf_counter() - start, frames + len(tracks)
        results.append(accumulated(film, tracks))
        print(_row(name, results[-1:]))
    print(_row("all", results))
    print(f"{frames / seconds:.1f} frames a second")


def _row(name, results):
    """The scores of some films together, as text."""
    import motmetrics

    metrics = ["idf1", "recall", "precision", "num_switches", "num_unique_objects"]
    scores = motmetrics.metrics.create().compute_many(
        results, metrics=metrics, generate_overall=True
    )
    *shares, switches, persons = scores.loc["OVERALL"]
    idf1, recall, precision = (100 * share for share in shares)
    return f"{name:<40} {idf1:5.1f} {recall:7.1f} {precision:10.1f} {switches:9.0f} {persons:8.0f}"


def accumulated(film, tracks):
    """What motmetrics needs to know of a film and of its persons as they were followed."""
    import motmetrics

    result = motmetrics.MOTAccumulator(auto_id=True)
    for labels, persons in zip(film.joints, tracks, strict=True):
        numbers = [n for n, joints in enumerate(labels) if np.isfinite(joints).all()]
        joints = [convert(person.joints, person.skeleton, film.skeleton) for person in persons]
        overlaps = np.array([[box_overlap(it, labels[n]) for it in joints] for n in numbers])
        distances = np.where(overlaps >= OVERLAP, 1 - overlaps, np.nan)
        tracks_here = [person.track for person in persons]
        result.update(numbers, tracks_here, distances.reshape(len(numbers), len(tracks_here)))
    return result


def matched(poses, labels):
    """Pairs of numbers (pose, label) of the same persons."""
    if not poses:
        return []
    overlaps = np.array([[overlap(pose, label) for label in labels] for pose in poses])
    pairs = zip(*linear_sum_assignment(-overlaps), strict=True)
    return [(a, b) for a, b in pairs if overlaps[a, b] >= OVERLAP]


def overlap(joints, labels):
    """Intersection over union of the boxes of the labelled joints."""
    known = np.isfinite(labels).all(axis=1)
    return _overlap_of_boxes(*(box_around(poses[known]) for poses in (joints, labels)))


def box_overlap(joints, labels):
    """Intersection over union of the boxes of two persons, which are 1.2 times that of the joints.

    Those who walk past are narrow: legs that are taken for each other would make half the box.
    """
    return _overlap_of_boxes(*(box_around(poses, POSE_MARGIN) for poses in (joints, labels)))


def _overlap_of_boxes(one, other):
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    shared = np.prod(np.maximum(0, sides))
    areas = [np.prod(box[2:] - box[:2]) for box in (one, other)]
    return shared / (sum(areas) - shared)


def clips_together(folder):
    """Names and paths of two and three clips in turn: the first one of each action."""
    first = {}
    with open(folder / "clips.csv", newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["action"] != OTHER:
                first.setdefault(row["action"], folder / row["file"])
    names, together = sorted(first), []
    for count in cycle((2, 3)):
        if len(names) < count:
            return together
        together.append((", ".join(names[:count]), [first[name] for name in names[:count]]))
        names = names[count:]


def _parse(argv):
    parser = script_parser(__doc__)
    parser.add_argument("--data", default="datasets/LSP", help="folder of LSP (%(default)s)")
    parser.add_argument("--split", default="test", help="(%(default)s)")
    parser.add_argument("--weights", help=".h5 file, or name in weights/ (the default weights)")
    parser.add_argument("--runtime", default="auto", help="as of the demo (%(default)s)")
    parser.add_argument("--precision", default="auto", help="as of the demo (%(default)s)")
    parser.add_argument("--pictures", type=int, default=60, help="number (%(default)s), or 0")
    parser.add_argument("--searches", type=int, default=0, help="images (%(default)s)")
    parser.add_argument("--films", type=int, default=1, help="of each kind (%(default)s), or 0")
    parser.add_argument("--persons", type=int, default=5, help="most in a film (%(default)s)")
    parser.add_argument("--clips", help="folder of videos with a clips.csv; left out by default")
    parser.add_argument("--clip-frames", type=int, default=75, help="most of each (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
