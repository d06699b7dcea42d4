"""Scores of the actions of video files."""

import numpy as np
import pytest

from deephar.data import LabelledVideo


def test_accuracy_is_of_the_known_videos(wild):
    assert wild.answer.total == 50  # one is taken for squat, and one for other
    assert wild.num_known == 4
    assert wild.top3.total == 100
    assert wild.class_mean == wild.majority == 50
    assert wild.per_action == pytest.approx({"bowl": 50, "squat": 50, "other": 200 / 3})
    assert wild.confusion.tolist() == [[1, 1, 0], [0, 1, 1], [1, 0, 2]]
    assert (wild.num_scored, wild.num_in_split, wild.warning) == (7, 7, "")
    assert wild.notes == []


def test_the_class_mean_weighs_rare_actions_as_frequent_ones(video_scores):
    scores = video_scores({"bowl": [(0.9, 0.1, 0)] * 3, "squat": [(0.9, 0.1, 0)]})
    assert scores.answer.total == 75
    assert scores.class_mean == 50
    assert scores.majority == 75
    assert scores.others is scores.rejection is None


def test_top_3_asks_for_the_three_best(video_scores):
    actions = ("a", "b", "c", "d", "other")
    rows = [(0.4, 0.3, 0.2, 0.1, 0), (0.1, 0.4, 0.3, 0.2, 0)]
    scores = video_scores({"a": rows}, actions=actions)
    assert (scores.answer.total, scores.top3.total) == (50, 50)


def test_intervals_draw_whole_groups(video_scores):
    rows = [(0.9, 0.1, 0)] * 20 + [(0.1, 0.9, 0)] * 10
    alone = video_scores({"bowl": rows})
    scenes = video_scores({"bowl": rows}, groups=[str(n // 10) for n in range(30)])
    assert np.ptp(scenes.answer.interval) > 1.5 * np.ptp(alone.answer.interval)
    assert scenes.answer.total == alone.answer.total


def test_others_are_told_by_the_best_action_or_by_a_threshold(wild):
    assert wild.others.total == pytest.approx(200 / 3)
    curve = wild.rejection
    np.testing.assert_allclose(curve.thresholds, [0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
    np.testing.assert_allclose(curve.kept, [0, 25, 50, 75, 75, 100, 100, 100])
    # The video that is taken for other is named right if it is kept.
    np.testing.assert_allclose(curve.kept_and_right, [0, 25, 50, 50, 50, 75, 75, 75])
    np.testing.assert_allclose(curve.rejected, [100] * 4 + [200 / 3] * 2 + [100 / 3, 0])
    assert curve.working_point == pytest.approx(
        {"least_score": 0.4, "kept": 100, "kept_and_right": 75, "rejected": 200 / 3}
    )


def test_the_working_point_keeps_90_percent_and_rejects_most(video_scores):
    known = [(1 - s, 0, s) for s in np.linspace(0.0, 0.9, 10)]
    scores = video_scores({"bowl": known, "other": [(0.15, 0, 0.85), (0.9, 0, 0.1)]})
    point = scores.rejection.working_point
    assert point["kept"] == 90
    assert point["rejected"] == 50
    assert point["least_score"] == pytest.approx(0.2)


def test_more_known_videos_are_kept_where_it_costs_nothing(video_scores):
    known = [(1 - s, 0, s) for s in np.linspace(0.0, 0.9, 10)]
    point = video_scores({"bowl": known, "other": [(0, 0, 1)]}).rejection.working_point
    assert (point["kept"], point["rejected"]) == (100, 100)


def test_what_to_know_about_the_scores_is_said(video_scores, tmp_path):
    others = [LabelledVideo(tmp_path / "x.mp4", "other", "x", "x.mp4")]
    scores = video_scores(
        {"bowl": [(0.9, 0.1)]},
        actions=("bowl", "squat"),
        unreadable=[("y.mp4", "y.mp4 is broken.")],
        left_out=others,
    )
    assert "All known videos are of one action, bowl." in scores.notes[0]
    assert (
        "The videos of 'other' (1) are left out: the network has no such action" in scores.notes[1]
    )
    assert scores.warning.startswith("ONLY 1 OF 2 VIDEOS")
    assert scores.others is None


def test_scores_that_are_none_are_refused(video_scores):
    with pytest.raises(ValueError, match=r"NaN or infinity, first for 1\.mp4"):
        video_scores({"bowl": [(1.0, 0, 0), (np.nan, 0, 0)]})
    with pytest.raises(ValueError, match="None of the videos of known actions can be read"):
        video_scores({"other": [(1.0, 0, 0)]})
    with pytest.raises(ValueError, match="videos of 'jump', which the network does not know"):
        video_scores({"bowl": [(1.0, 0, 0)], "jump": [(1.0, 0, 0)]})
