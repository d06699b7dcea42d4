"""Scores of keypoints against pycocotools itself, on real annotations and made-up predictions."""

import contextlib
import io
import json
import sys

import cv2
import numpy as np
import pandas
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from deephar.data import CocoKeypoints
from deephar.data.pose_tables import COLUMNS
from deephar.data.samples import Subset
from deephar.evaluation import (
    format_table,
    save_predictions,
    score_coco,
    score_in_box,
    score_keypoints,
)
from deephar.inference import Predictions
from deephar.metrics import oks
from deephar.skeletons import get_skeleton


def made_up(dataset):
    """Predictions near the truth, most of them."""
    rng = np.random.default_rng(1)
    center = np.stack([sample.center for sample in dataset])[:, None]
    side = np.array([sample.side for sample in dataset])[:, None, None]
    true = np.stack([sample.joints for sample in dataset])
    noise = 0.08 * side * rng.normal(size=true.shape) * rng.uniform(size=(len(dataset), 1, 1))
    joints = np.where(np.isnan(true), center, true) + noise
    visibility = rng.uniform(size=joints.shape[:2])
    names = tuple(sample.name for sample in dataset)
    return Predictions(joints[None], visibility[None], names, dataset.skeleton, crops_per_person=1)


def evaluated(annotations, results, sigmas):
    """pycocotools on the files themselves."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(annotations))
        evaluation = COCOeval(truth, truth.loadRes(str(results)), "keypoints")
        evaluation.params.kpt_oks_sigmas = sigmas
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


@pytest.mark.parametrize("name", ["coco", "crowdpose", "ochuman"])
def test_scores_on_real_annotations_are_those_of_pycocotools(real_data, tmp_path, name):
    folder = real_data / "samples" / name
    dataset = CocoKeypoints(folder, folder / f"test_{name}.json")
    predictions = made_up(dataset)
    save_predictions(tmp_path / "results.json", predictions, dataset)
    content = json.loads(dataset.path.read_text())
    for annotation in content["annotations"]:  # CrowdPose has no areas
        annotation.setdefault("area", 0.53 * np.prod(annotation["bbox"][2:]))
    (tmp_path / "truth.json").write_text(json.dumps(content | {"info": {}}))
    theirs = evaluated(tmp_path / "truth.json", tmp_path / "results.json", dataset.sigmas)
    ours = score_keypoints(predictions, dataset)
    expected = [100 * value if value >= 0 else np.nan for value in theirs.stats[:6]]
    found = [ours.ap, ours.ap50, ours.ap75, ours.ap_medium, ours.ap_large, ours.ar]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert 5 < ours.ap < 99
    # Our OKS of each person is the one in their matrix (results by score x persons).
    persons = [dataset.annotation(index) for index in range(len(dataset))]
    true = np.stack([sample.joints for sample in dataset])
    areas = [person["area"] for person in persons]
    similar = oks(predictions.joints[0], true, areas, dataset.sigmas)
    assert ours.mean_oks == pytest.approx(100 * similar.mean())
    for (image, _), matrix in theirs.ious.items():
        of_image = [n for n, person in enumerate(persons) if person["image_id"] == image]
        for number in of_image if len(matrix) else ():
            assert np.abs(np.asarray(matrix) - similar[number]).min() < 1e-6


@pytest.fixture
def cats(tmp_path):
    """Two labelled cats in a picture, and a crowd."""
    cv2.imwrite(str(tmp_path / "cat.png"), np.zeros((100, 100, 3), np.uint8))
    poses = [[20, 20, 2, 30, 20, 2, 25, 30, 1], [70, 60, 2, 80, 60, 2, 75, 70, 2], [0] * 9]
    boxes = [[10, 10, 30, 30], [60, 50, 30, 30], [0, 0, 100, 100]]
    persons = [
        {"id": n, "image_id": 0, "category_id": 2, "keypoints": pose, "bbox": box}
        for n, (pose, box) in enumerate(zip(poses, boxes, strict=True))
    ]
    persons[2]["iscrowd"] = 1
    category = {"id": 2, "name": "cat", "keypoints": ["left_ear", "right_ear", "tail"]}
    content = {
        "images": [{"id": 0, "file_name": "cat.png"}],
        "annotations": persons,
        "categories": [category],
    }
    (tmp_path / "cats.json").write_text(json.dumps(content))
    return CocoKeypoints(tmp_path, tmp_path / "cats.json")


def shifted(dataset, shift):
    joints = np.stack([sample.joints for sample in dataset]) + shift
    names = tuple(sample.name for sample in dataset)
    visibility = np.full(joints.shape[:2], 0.5)
    return Predictions(joints[None], visibility[None], names, dataset.skeleton, crops_per_person=1)


def test_own_joints_are_scored_and_have_rows_of_their_own(cats):
    scores = score_coco(shifted(cats, 0), cats)
    assert scores.keypoints.ap == scores.keypoints.mean_oks == scores.answer.total == 100
    assert list(scores.answer.per_group) == ["Head", "Tail"]
    assert scores.answer.count == 6  # the hidden one as well
    assert "COCO, in the true boxes: AP 100.0" in format_table(scores)
    assert score_in_box(shifted(cats, (0, 7)), cats).answer.total == 0  # 0.2 x 30 pixels
    assert score_keypoints(shifted(cats, (0, 50)), cats).ap < 1


def test_a_part_of_the_persons_is_scored_alone(cats):
    part = Subset(cats, [1])
    assert score_keypoints(shifted(part, 0), part).ap == pytest.approx(100)


def test_predictions_are_written_as_coco_results_and_tables(cats, tmp_path):
    predictions = shifted(cats, 1)
    path = save_predictions(tmp_path / "p.json", predictions, cats)
    results = json.loads(path.read_text())
    assert [result["image_id"] for result in results] == [0, 0]
    assert results[1] == {
        "image_id": 0,
        "category_id": 2,
        "keypoints": [71, 61, 0.5, 81, 61, 0.5, 76, 71, 0.5],
        "score": 0.5,
    }
    for path, read in (("p.csv", pandas.read_csv), ("p.parquet", pandas.read_parquet)):
        table = read(save_predictions(tmp_path / path, predictions, cats))
        assert tuple(table.columns) == COLUMNS
        assert len(table) == 6
        row = table[(table.person == "cat.png#2") & (table.joint == "tail")].iloc[0]
        assert (row.video, row.frame, row.time) == ("cat.png", 0, 0)
        assert (row.x, row.y, row.visibility) == (76, 71, 0.5)


def test_results_of_another_data_set_name_the_picture(dots, jittered, tmp_path):
    dataset = dots(2)
    path = save_predictions(tmp_path / "p.json", jittered(dataset, "pa16j"), dataset)
    results = json.loads(path.read_text())
    assert [result["image_id"] for result in results] == ["dots0.png", "dots1.png"]
    assert len(results[0]["keypoints"]) == 3 * get_skeleton(dataset.skeleton).num_joints
    with pytest.raises(ValueError, match="needs a CocoKeypoints data set"):
        score_keypoints(jittered(dataset, "pa16j"), dataset)


def test_missing_packages_are_named(cats, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocotools.cocoeval", None)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ValueError, match=r"pip install 'deephar\[coco\]'"):
        score_coco(shifted(cats, 0), cats)
    with pytest.raises(ValueError, match="pip install pyarrow"):
        save_predictions(tmp_path / "p.parquet", shifted(cats, 0), cats)
