"""The table, results.json, saved predictions and figures of an evaluation."""

import dataclasses
import hashlib
import json
import re

import cv2
import h5py
import numpy as np
import pytest
import scipy.io

from deephar.camera import Camera
from deephar.data import Subset
from deephar.evaluation import (
    format_table,
    print_table,
    save_figures,
    save_predictions,
    score_lsp,
    score_mpii,
    score_mpjpe,
    write_results,
)
from deephar.evaluation.figures import plot_poses_3d
from deephar.inference import Predictions
from deephar.skeletons import convert
from deephar.visualize import draw_views

FIGURES = ["curve.png", "joints.png", "persons.png"]


@pytest.fixture
def jittered():
    """Builder of predictions: the truth plus noise, less of it for earlier blocks."""

    def build(dataset, skeleton, blocks=2):
        rng = np.random.default_rng(0)
        true = np.stack([sample.joints for sample in dataset])
        side = np.array([sample.side for sample in dataset])[:, None, None]
        noise = [0.02 * (1 + b) * side * rng.normal(size=true.shape) for b in range(blocks)]
        joints = convert(np.stack([true + n for n in noise]), dataset.skeleton, skeleton)
        visibility = rng.uniform(size=joints.shape[:3])
        names = tuple(sample.name for sample in dataset)
        return Predictions(joints, visibility, names, skeleton, crops_per_person=1)

    return build


@pytest.fixture
def mpii(dots, jittered):
    """A data set, predictions for it whose first block is the better one, and their scores."""
    dataset = dots(7)
    predictions = jittered(dataset, "pa16j")
    return dataset, predictions, score_mpii(predictions, dataset)


@pytest.fixture
def weights_file(tmp_path):
    path = tmp_path / "some.h5"
    path.write_bytes(b"weights")
    return path


def strict_json(path):
    """Reads JSON as the standard has it: without NaN and Infinity."""

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(path.read_text(), parse_constant=refuse)


# --- table ---


def test_table_has_all_blocks_and_marks_the_last_as_the_answer(mpii):
    _, _, scores = mpii
    lines = format_table(scores).splitlines()
    header = "block Head Shoulder Elbow Wrist Hip Knee Ankle Total Total@0.1 AUC"
    (head,) = (i for i, line in enumerate(lines) if " ".join(line.split()) == header)
    first, last = (line for line in lines[head + 1 :] if re.match(r"\d", line))
    assert first.startswith("1 ")
    assert last.startswith("2 (answer)")
    for line, block, strict, curve in zip(
        (first, last), scores.blocks, scores.strict, scores.curves, strict=True
    ):
        values = [*block.per_group.values(), block.total, strict.total, curve.auc]
        assert line.split()[-10:] == [f"{value:.1f}" for value in values]
    assert scores.blocks[0].total > scores.blocks[1].total
    assert f"PCKh@0.5 {scores.blocks[1].total:.1f} (95 % interval" in lines[-1]
    assert "7 persons, 98 joints" in lines[-1]
    assert "ONLY" not in format_table(scores)


def test_table_is_printed(mpii, capsys):
    print_table(mpii[2])
    assert capsys.readouterr().out == format_table(mpii[2]) + "\n"


def test_table_of_a_part_says_so_loudly(dots, jittered):
    part = Subset(dots(7), range(3))
    scores = score_mpii(jittered(part, "mpii16"), part)
    assert "ONLY 3 OF 7 PERSONS" in format_table(scores)


def test_table_of_one_person_without_wrists(dots, jittered):
    dataset = dots(1)
    joints = dataset[0].joints.copy()
    joints[[10, 15]] = np.nan
    predictions = jittered(dataset, "mpii16")
    dataset = dataset.changed(0, joints=joints)
    text = format_table(score_mpii(predictions, dataset))
    assert "interval" not in text
    assert "nan" not in text


# --- results.json ---


def test_results_tell_score_protocol_and_origin(mpii, config, weights_file, tmp_path):
    dataset, _, scores = mpii
    path = write_results(
        tmp_path / "r.json", scores, config, weights_file, command="eval --x 'a b'"
    )
    results = strict_json(path)
    assert results["score"] == {"block": 2, **results["blocks"][-1]}
    assert results["score"]["total"] == scores.answer.total
    assert results["score"]["interval"] == list(scores.answer.interval)
    assert results["score"]["per_joint"]["left_wrist"] == scores.answer.per_joint[15]
    assert results["score"]["joints_of_each"]["left_wrist"] == len(dataset)
    assert len(results["blocks"]) == 2
    assert results["protocol"]["threshold"] == 0.5
    assert results["protocol"]["auc_range"] == [0, 0.5]
    assert results["data"] == {
        "name": "mpii valid",
        "source": None,
        "persons": 7,
        "persons_in_split": 7,
        "warning": None,
    }
    assert results["config"] == json.loads(config.to_json())
    assert results["weights"] == {
        "file": "some.h5",
        "sha256": hashlib.sha256(b"weights").hexdigest(),
    }
    assert results["command"] == "eval --x 'a b'"
    assert {"deephar", "keras", "backend", "numpy"} < results["versions"].keys()


def test_results_have_null_where_there_is_no_score(dots, jittered, config, weights_file, tmp_path):
    dataset = dots(7)
    predictions = jittered(dataset, "mpii16")
    for i in range(7):
        joints = dataset[i].joints.copy()
        joints[[10, 15]] = np.nan
        dataset = dataset.changed(i, joints=joints)
    scores = score_mpii(predictions, dataset)
    results = strict_json(write_results(tmp_path / "r.json", scores, config, weights_file))
    assert results["score"]["per_group"]["Wrist"] is None
    assert results["score"]["per_joint"]["left_wrist"] is None


# --- predictions ---


def test_mpii_predictions_are_saved_as_public_evaluators_read_them(mpii, tmp_path):
    dataset, predictions, _ = mpii
    path = save_predictions(tmp_path / "p.h5", predictions, dataset)
    with h5py.File(path) as file:
        assert sorted(file) == ["imgname", "names", "preds", "visibility"]
        preds = file["preds"][()]
        assert preds.shape == (7, 16, 2)
        assert preds.dtype == np.float64
        # The last block, in MPII's order (right ankle first), from pixel 1.
        np.testing.assert_allclose(preds[:, 0], predictions.joints[-1, :, 14] + 1)
        assert file["visibility"][0, 0] == predictions.visibility[-1, 0, 14]
        assert file["names"].asstr()[:].tolist() == list(predictions.names)
        assert file.attrs["pixel_origin"] == 1
        assert file.attrs["joints"][0] == "right_ankle"
        # Scored by hand against the published convention.
        true = np.stack([sample.joints for sample in dataset]) + 1
        head = np.array([sample.head_size for sample in dataset])
    right = np.linalg.norm(preds - true, axis=-1) <= 0.5 * head[:, None]
    counted = [j for j in range(16) if j not in (6, 7)]
    assert 100 * right[:, counted].mean() == pytest.approx(mpii[2].answer.total)


def test_image_names_are_saved(dots, jittered, tmp_path):
    dataset = dots(2).changed(1, image="some/folder/0042.jpg")
    path = save_predictions(tmp_path / "p.h5", jittered(dataset, "mpii16"), dataset)
    with h5py.File(path) as file:
        assert file["imgname"].asstr()[:].tolist() == ["dots0.png#1", "0042.jpg"]


def test_lsp_predictions_are_saved_from_pixel_0_and_under_both_names(dots, jittered, tmp_path):
    dataset = dots(3, skeleton="lsp14")
    predictions = jittered(dataset, "lsp14")
    path = save_predictions(tmp_path / "p.h5", predictions, dataset)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["preds"][()], predictions.joints[-1])
        np.testing.assert_array_equal(file["pred"][()], predictions.joints[-1])
        assert file.attrs["pixel_origin"] == 0


def test_predictions_are_saved_for_matlab(mpii, tmp_path):
    dataset, predictions, _ = mpii
    path = save_predictions(tmp_path / "p.mat", predictions, dataset)
    content = scipy.io.loadmat(path, squeeze_me=True)
    assert content["preds"].shape == (7, 16, 2)
    np.testing.assert_allclose(content["preds"][:, 0], predictions.joints[-1, :, 14] + 1)
    assert content["imgname"][0] == "dots0.png#1"
    assert content["joints"][0] == "right_ankle"


def test_lsp_predictions_for_matlab_have_the_shape_of_its_annotation(dots, jittered, tmp_path):
    dataset = dots(3, skeleton="lsp14")
    predictions = jittered(dataset, "lsp14")
    content = scipy.io.loadmat(save_predictions(tmp_path / "p.mat", predictions, dataset))
    assert content["pred"].shape == (2, 14, 3)
    np.testing.assert_array_equal(content["pred"][:, 5, 1], predictions.joints[-1, 1, 5])


def test_predictions_of_another_suffix_are_refused(mpii, tmp_path):
    with pytest.raises(ValueError, match=r"\.h5 or \.mat"):
        save_predictions(tmp_path / "p.csv", mpii[1], mpii[0])


# --- figures ---


def test_figures_are_written(mpii, tmp_path):
    dataset, predictions, scores = mpii
    paths = save_figures(tmp_path, scores, predictions, dataset)
    assert sorted(path.name for path in paths) == FIGURES
    for path in paths:
        image = cv2.imread(str(path))
        assert min(image.shape[:2]) > 200
        assert image.std() > 10  # not blank
    assert sorted(path.name for path in tmp_path.iterdir()) == FIGURES


@pytest.mark.parametrize("count", [1, 2, 4])
def test_figures_of_few_persons(dots, jittered, tmp_path, count):
    dataset = dots(count, skeleton="lsp14")
    predictions = jittered(dataset, "lsp14", blocks=1)
    scores = score_lsp(predictions, dataset)
    assert len(save_figures(tmp_path, scores, predictions, dataset)) == 3


def in_space(dataset, predictions):
    """The data set with 3D labels, of all persons but the second, and predictions with depth.

    The predicted depths are exact for the first person and ever worse from one to the next.
    """
    count, z = len(dataset), np.linspace(3700, 4300, 16)
    for number in range(count):
        if number != 1:
            side = dataset[number].side
            camera = Camera(focal=(3 * side, 3 * side), center=dataset[number].center)
            points = camera.unproject(dataset[number].joints, z)
            dataset = dataset.changed(number, joints_3d=points, camera=camera)
    depth = np.tile(0.5 + (z - z[6]) / 2000, (1, count, 1))  # joint 6 is the pelvis
    depth[:, :, 8:] += 0.02 * np.arange(count)[:, None]
    joints = np.stack([sample.joints for sample in dataset])[None]
    return dataset, dataclasses.replace(predictions, joints=joints, depth=depth)


def test_poses_in_space_are_shown_from_best_to_worst(dots, jittered):
    dataset = dots(8)
    dataset, predictions = in_space(dataset, jittered(dataset, "mpii16", blocks=1))
    depth = score_mpjpe(predictions, dataset)
    figure = plot_poses_3d(depth, predictions, dataset)
    names = ["0", "2", "3", "4", "6", "7"]  # the 2nd has no 3D labels; the 6th is not shown
    titles = [axes.get_title().split() for axes in figure.axes]
    assert [title[2] for title in titles] == [f"dots{name}.png#1" for name in names]
    errors = [float(title[0]) for title in titles]
    assert errors[0] == 0
    assert errors == sorted(errors)
    # Half of the joints are 280 mm too deep, and so further from the axis of the camera.
    assert 7 * 40 / 2 <= errors[-1] < 7 * 40 / 2 * 1.2
    pictures = [axes.images[0].get_array() for axes in figure.axes]
    assert {picture.shape for picture in pictures} == {(320, 960, 3)}
    # The last person is drawn with that depth, beside the true pose.
    true = dataset[7].joints_3d
    wrong = true.copy()
    wrong[8:] *= 1 + 280 / true[8:, 2:]
    expected = draw_views(wrong, "mpii16", true=true, size=320)
    assert np.abs(pictures[-1][:, 320:].astype(int) - expected).mean() < 0.1
    assert f"MPJPE {depth.answer.total:.0f} mm (only 7 of 8 persons)" in figure.get_suptitle()


@pytest.mark.parametrize("count", [1, 3])
def test_the_sheet_of_poses_in_space_is_written_where_they_are_scored(
    dots, jittered, tmp_path, count
):
    dataset = dots(count)
    dataset, predictions = in_space(dataset, jittered(dataset, "mpii16", blocks=1))
    scores = score_mpii(predictions, dataset)
    scores = dataclasses.replace(scores, depth=score_mpjpe(predictions, dataset))
    paths = save_figures(tmp_path, scores, predictions, dataset)
    assert sorted(path.name for path in paths) == sorted([*FIGURES, "poses_3d.png"])
    assert cv2.imread(str(tmp_path / "poses_3d.png")).std() > 10


def test_persons_without_a_scored_joint_are_left_out_of_the_sheet(dots, jittered, tmp_path):
    dataset = dots(4)
    predictions = jittered(dataset, "mpii16")
    dataset = dataset.changed(2, joints=np.full((16, 2), np.nan))
    scores = score_mpii(predictions, dataset)
    assert len(save_figures(tmp_path, scores, predictions, dataset)) == 3
