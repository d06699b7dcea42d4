"""Scores as figures."""

import dataclasses

import cv2
import numpy as np
import pytest

from deephar.camera import Camera
from deephar.evaluation import save_figures, score_lsp, score_mpii, score_mpjpe
from deephar.evaluation.figures import plot_poses_3d, plot_rejection, plot_video_sheet
from deephar.visualize import draw_views

FIGURES = ["curve.png", "joints.png", "persons.png"]


def test_figures_of_poses_are_written(mpii, tmp_path):
    dataset, _, scores = mpii
    paths = save_figures(tmp_path, scores, dataset)
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
    assert len(save_figures(tmp_path, scores, dataset)) == 3


def test_persons_without_a_scored_joint_are_left_out_of_the_sheet(dots, jittered, tmp_path):
    dataset = dots(4)
    predictions = jittered(dataset, "mpii16")
    dataset = dataset.changed(2, joints=np.full((16, 2), np.nan))
    scores = score_mpii(predictions, dataset)
    assert len(save_figures(tmp_path, scores, dataset)) == 3


def with_3d_labels(dataset, predictions):
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
    dataset, predictions = with_3d_labels(dataset, jittered(dataset, "mpii16", blocks=1))
    depth = score_mpjpe(predictions, dataset)
    figure = plot_poses_3d(depth, dataset)
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
def test_poses_in_space_are_written_where_they_are_scored(dots, jittered, tmp_path, count):
    dataset = dots(count)
    dataset, predictions = with_3d_labels(dataset, jittered(dataset, "mpii16", blocks=1))
    scores = score_mpii(predictions, dataset)
    scores = dataclasses.replace(scores, depth=score_mpjpe(predictions, dataset))
    paths = save_figures(tmp_path, scores, dataset)
    assert sorted(path.name for path in paths) == sorted([*FIGURES, "poses_3d.png"])
    assert cv2.imread(str(tmp_path / "poses_3d.png")).std() > 10


def test_figures_of_actions_are_written(action_scores, dot_videos, tmp_path):
    paths = save_figures(tmp_path, action_scores(), dot_videos())
    names = ["actions.png", "confusion.png", "videos.png"]
    assert sorted(path.name for path in paths) == names
    for path in paths:
        assert cv2.imread(str(path)).std() > 10


def test_figures_of_video_files_are_written(wild, tmp_path):
    paths = save_figures(tmp_path, wild, [])
    assert sorted(path.name for path in paths) == ["confusion.png", "rejection.png", "sheet.png"]
    for path in paths:
        assert cv2.imread(str(path)).std() > 10


def test_without_videos_of_none_there_is_no_rejection(video_scores, tmp_path):
    paths = save_figures(tmp_path, video_scores({"bowl": [(0.9, 0.1, 0)]}), [])
    assert sorted(path.name for path in paths) == ["confusion.png", "sheet.png"]


def test_wrong_answers_are_marked_on_the_sheet(wild):
    axes = [axes for axes in plot_video_sheet(wild).axes if axes.images]
    assert [each.get_title() for each in axes[:2]] == ["bowl, 80 %", "squat, 60 %\n(label: bowl)"]
    corner = [tuple(each.images[0].get_array()[0, 0]) for each in axes]
    red, white = (220, 30, 30), (255, 255, 255)
    assert corner == [white, red, white, red, white, white, red]


def test_the_sheet_says_if_it_shows_only_some_videos(wild):
    pictures = {0: wild.predictions.pictures[0]}
    predictions = dataclasses.replace(wild.predictions, pictures=pictures)
    figure = plot_video_sheet(dataclasses.replace(wild, predictions=predictions))
    assert "accuracy 50.0 %, 1 of 7 videos" in figure.get_suptitle()


def test_the_rejection_curve_shows_the_working_point(wild):
    (axes,) = plot_rejection(wild).axes
    kept, right, mark = axes.lines
    np.testing.assert_allclose(kept.get_xdata(), [0, 100 / 3, 200 / 3, 100])
    np.testing.assert_allclose(kept.get_ydata(), [100, 100, 100, 75])
    np.testing.assert_allclose(right.get_ydata(), [75, 75, 75, 50])
    np.testing.assert_allclose([mark.get_xdata()[0], mark.get_ydata()[0]], [200 / 3, 75])


def test_nothing_rejected_still_makes_a_curve(video_scores):
    scores = video_scores({"bowl": [(1.0, 0, 0)], "other": [(1.0, 0, 0)]})
    (axes,) = plot_rejection(scores).axes
    np.testing.assert_allclose(axes.lines[0].get_xdata(), [0, 100])
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [100, 0])
