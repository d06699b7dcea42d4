"""The benchmark of the search for everybody in a picture, and of those who are followed."""

import csv
from types import SimpleNamespace

import bench_people
import cv2
import numpy as np
import pytest
import scenes
from blobs import blobs  # noqa: F401
from networks import POSES, save_untrained
from scipy.io import savemat

from deephar.data import LSP
from deephar.video import VideoWriter

motmetrics = pytest.importorskip("motmetrics", reason="motmetrics (deephar[test]) is not installed")


@pytest.fixture(scope="module")
def lsp(tmp_path_factory):
    """A folder of LSP with two test images."""
    folder = tmp_path_factory.mktemp("LSP")
    (folder / "images").mkdir()
    rng = np.random.default_rng(0)
    for number in (1001, 1002):
        image = rng.integers(0, 256, (120, 100, 3), np.uint8)
        cv2.imwrite(str(folder / "images" / f"im{number:04d}.jpg"), image)
    savemat(folder / "joints.mat", {"joints": rng.uniform(20, 80, (3, 14, 1002))})
    return folder


def test_persons_are_counted_with_any_weights(lsp, run, tmp_path, capsys):
    path = save_untrained(tmp_path / "w.h5", POSES)
    arguments = ["--data", lsp, "--weights", path, "--runtime", "keras", "--pictures", 1]
    run("bench/bench_people.py", *arguments, "--films", 0, "--searches", 2)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("pictures 1, persons ")
    assert lines[2].startswith("recall ")
    alone, everybody = (
        next(it for it in lines if it.startswith(name)).split() for name in ("nobody else", "all")
    )
    assert alone[-3:] == everybody[-3:]  # both images show nobody else
    assert everybody[1] == "2"


def test_it_is_told_whom_the_search_has_found():
    pose = np.random.default_rng(0).uniform(0, 100, (14, 2))
    alone, others = "im1001.jpg", "im1005.jpg"
    assert bench_people.kind_of(alone, pose + 200, pose) == "nobody else is there"
    assert bench_people.kind_of(others, pose + 3, pose) == "others; the person with the label"
    assert bench_people.kind_of(others, pose + 200, pose) == "others; one of them"


def test_everybody_in_a_picture_is_labelled(lsp):
    dataset = LSP(lsp, split="test")
    persons = scenes.those_alone(dataset)
    assert len(persons) == len(dataset)  # images 1001 and 1002 show nobody else
    picture, labels = scenes.picture_of(persons, np.random.default_rng(0))
    assert picture.shape == (480, 640, 3)
    assert 2 <= len(labels) <= 3
    assert bench_people.matched(labels[::-1], labels) == [
        (n, len(labels) - 1 - n) for n in range(len(labels))
    ]
    assert bench_people.matched([labels[0] + 1000], labels) == []


@pytest.mark.parametrize("way", scenes.WAYS)
def test_walkers_pass_each_other_or_stay_side_by_side(way):
    film = scenes.walkers(3, way, np.random.default_rng(0), frames=4)
    assert len(film.images) == 4
    assert film.images[0].shape == (480, 640, 3)
    assert film.joints.shape == (4, 3, 16, 2)
    first, last = film.joints[0].mean(axis=1), film.joints[-1].mean(axis=1)
    ways = {tuple(np.sign(last[:, 0] - first[:, 0]))}
    assert (len(set(*ways)) == 2) == (way == "crossing")
    heights = np.ptp(film.joints[..., 1], axis=2)
    assert (heights > 480 / 4).all()


def film_of_two(frames):
    """Two persons who stand, without pictures."""
    person = np.random.default_rng(0).uniform(0, 50, (16, 2))
    joints = np.tile(np.stack([person, person + [100, 0]]), (frames, 1, 1, 1))
    return scenes.Film(np.zeros((frames, 1, 1, 3), np.uint8), joints, "pa16j")


def followed(film, numbers):
    """A predictor that gives the two persons the numbers of each frame; None is not seen."""
    frames = [
        [
            SimpleNamespace(joints=joints, skeleton="pa16j", track=number)
            for joints, number in zip(labels, its, strict=True)
            if number is not None
        ]
        for labels, its in zip(film.joints, numbers, strict=True)
    ]
    return SimpleNamespace(track=lambda images, fps: frames)


@pytest.mark.parametrize(
    ("numbers", "idf1", "recall", "switches"),
    [
        ([(1, 2)] * 10, 100, 100, 0),
        ([(1, 2)] * 5 + [(2, 1)] * 5, 50, 100, 2),
        ([(1, 2)] * 5 + [(1, 3)] * 5, 75, 100, 1),
        # 15 of 20 boxes are found: 2 * 15 / (20 + 15).
        ([(1, 2)] * 5 + [(1, None)] * 5, 85.7, 75, 0),
    ],
)
def test_identities_are_scored_as_defined(numbers, idf1, recall, switches, capsys):
    film = film_of_two(10)
    bench_people.print_films(followed(film, numbers), "made", [("film", film)])
    lines = capsys.readouterr().out.splitlines()
    for line in lines[1:3]:  # the film, and all of them
        scores = [float(it) for it in line.split()[1:]]
        assert scores == [idf1, recall, 100, switches, 2]


def test_clips_are_put_side_by_side(tmp_path, blobs):  # noqa: F811
    rows = []
    for name, x in (("walk", 20), ("bowl", 60)):
        with VideoWriter(tmp_path / f"{name}.mp4", 25) as writer:
            for t in range(6):
                image = np.zeros((120, 120, 3), np.uint8)
                image[40:90, x + t : x + t + 25] = 255
                writer.write(image)
        rows.append({"file": f"{name}.mp4", "action": name})
    nobody = {"file": "nobody.mp4", "action": "other"}
    with open(tmp_path / "clips.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, ["file", "action"])
        writer.writeheader()
        writer.writerows([nobody, *rows])
    assert bench_people.clips_together(tmp_path) == [
        ("bowl, walk", [tmp_path / "bowl.mp4", tmp_path / "walk.mp4"])
    ]
    film = scenes.clips_side_by_side([tmp_path / row["file"] for row in rows], blobs(POSES))
    assert np.shape(film.images) == (6, 320, 640, 3)
    assert film.joints.shape == (6, 2, 16, 2)
    left = film.joints[0].min(axis=1)[:, 0] * 120 / 320
    np.testing.assert_allclose(left, [20, 120 + 60], atol=4)
