"""Scores as text."""

import dataclasses
import re

import numpy as np

from deephar.data import Subset
from deephar.evaluation import format_table, print_table, score_mpii


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


def words(text):
    return [" ".join(line.split()) for line in text.splitlines()]


def test_table_in_space_has_all_blocks_and_actions(space_scores):
    lines = words(format_table(space_scores))
    assert lines[0] == "h36m test, single crop, mm, protocol 1 (MPJPE)"
    for line in (
        "1 61.0 48.0",
        "2 (answer) 55.0 41.0",
        "Walking 3 52.0 40.0",
        "Sitting 1 64.0 44.0",
        "mean of the actions 58.0 42.0",
    ):
        assert line in lines
    assert "MPJPE 55.0 mm (95 % interval 1.0 to 2.0)" in lines[-1]
    assert "root's error of 0 included" in lines[-1]


def test_table_in_space_of_a_part_without_actions(space_scores):
    plain = dataclasses.replace(space_scores, actions={}, num_in_split=9, protocol=2)
    lines = words(format_table(plain))
    assert "protocol 2 (P-MPJPE)" in lines[0]
    assert lines[1].startswith("ONLY 4 OF 9 PERSONS")
    assert not any("action" in line for line in lines)


def test_table_shows_blocks_actions_and_the_poses(action_scores):
    text = format_table(action_scores())
    assert "dots test, single clip, 4 frames, subsampling 1, boxes: gt, accuracy" in text
    assert re.search(r"^2 \(answer\) +66\.7 +100\.0$", text, re.MULTILINE)
    assert re.search(r"^tennis_serve +1 +0\.0 +squat +1$", text, re.MULTILINE)
    assert re.search(r"^bowl +1 +100\.0 +- +-$", text, re.MULTILINE)
    assert "accuracy 66.7 % (95 % interval 0.0 to 100.0), top-5 100.0 % (3 videos of dots" in text
    assert "calibration error 40.0 %" in text
    assert "poses along the way: PCK@0.2 100.0" in text
    assert "12 frames, 192 joints" in text
    assert "MPJPE" not in text
    assert "ONLY" not in text


def test_table_of_actions_tells_part_and_protocol(action_scores, dot_videos):
    part = Subset(dot_videos(), [0, 1])
    text = format_table(action_scores(part, clips="multi", mirror=False, boxes="full"))
    assert "ONLY 2 OF 3 VIDEOS" in text
    assert "multi clip (3 to 5 clips a video), 4 frames" in text
    assert "boxes: full" in text


def test_actions_without_videos_have_no_row(action_scores, dot_videos):
    text = format_table(action_scores(Subset(dot_videos(), [0])))
    assert re.search(r"^bowl +1 ", text, re.MULTILINE)
    assert not re.search(r"^(squat|tennis_serve) ", text, re.MULTILINE)
    assert "2 actions without videos are left out" in text.splitlines()
    assert "left out" not in format_table(action_scores())


def test_table_of_video_files_tells_known_and_others(wild):
    text = format_table(wild)
    assert re.search(r"^bowl +2 +50\.0 +squat +1$", text, re.MULTILINE)
    assert re.search(r"^other +3 +66\.7 +bowl +1$", text, re.MULTILINE)
    assert "accuracy 50.0 % (95 % interval 0.0 to 100.0), mean of the actions 50.0 %" in text
    assert "always the most frequent action: 50.0 %" in text
    assert "top-3" not in text  # of three actions
    assert "'other' is an error for a video of a known action" in text
    assert "told as 'other': 66.7 % (95 % interval 0.0 to 100.0) of the videos of" in text
    assert (
        "keeping at least 90 % of the known videos: 66.7 % of those of none are rejected, "
        "whose best action scores below 0.400; 100.0 % of the known are kept, 75.0 % kept and right"
    ) in text
    assert f"calibration error {wild.calibration_error:.1f} %" in text
    assert "NOT SCORED" not in text


def test_table_of_video_files_names_those_that_cannot_be_read(video_scores):
    scores = video_scores({"bowl": [(0.9, 0.1, 0)]}, unreadable=[("y.mp4", "y.mp4 is\nbroken.")])
    lines = format_table(scores).splitlines()
    assert lines[1].startswith("ONLY 1 OF 2 VIDEOS")
    assert lines[-2:] == ["NOT SCORED, because they cannot be read:", "y.mp4: y.mp4 is broken."]
    assert "told as" not in format_table(scores)
