"""Labels that two other sources contradict are mended, others stay."""

import numpy as np
import pytest

from deephar.data.cleaning import clean_labels
from deephar.skeletons import get_skeleton

SKELETON = get_skeleton("lsp14")
WRIST, OTHER_WRIST = SKELETON.index("right_wrist"), SKELETON.index("left_wrist")


def person():
    """An upright person (1, 14, 2) with a torso of 100 pixels."""
    places = {
        "ankle": 300,
        "knee": 240,
        "hip": 180,
        "shoulder": 80,
        "elbow": 120,
        "wrist": 160,
        "neck": 70,
        "head": 30,
    }
    pose = np.empty((1, 14, 2))
    for index, joint in enumerate(SKELETON.joints):
        part = joint.split("_")[-1]
        side = {"right": -1, "left": 1}.get(joint.split("_")[0], 0)
        width = {"wrist": 120, "elbow": 80}.get(part, 30)
        pose[0, index] = 200 + side * width / 2, places.get(part, 30)
    return pose


def cleaned(label=None, teacher=(0, 0), own=(0, 0), score=0.9):
    """Labels, teacher and network that differ by some pixels at the right wrist alone."""
    labels, taught, seen = person(), person(), person()
    scores = np.full((1, 14), 0.9)
    scores[0, WRIST] = score
    labels[0, WRIST] = np.nan if label is None else labels[0, WRIST] + label
    taught[0, WRIST] += teacher
    seen[0, WRIST] += own
    return clean_labels(labels, taught, scores, seen, SKELETON), labels


def touched(result):
    return [
        rule
        for rule in ("corrected", "swapped", "filled", "left_out")
        if getattr(result, rule).any()
    ]


@pytest.mark.parametrize("label", [(0, 0), (30, 0), (0, -34)])
def test_labels_near_another_source_stay(label):
    result, labels = cleaned(label, own=(0, 90))
    assert touched(result) == []
    np.testing.assert_array_equal(result.joints, labels)


def test_a_label_that_both_contradict_moves_to_their_middle():
    result, _ = cleaned((0, 60), teacher=(4, 0), own=(0, 4))
    assert touched(result) == ["corrected"]
    assert result.corrected.sum() == 1
    np.testing.assert_allclose(result.joints[0, WRIST], person()[0, WRIST] + 2)


def test_a_label_at_the_other_side_is_known_as_such():
    result, _ = cleaned((120, 0))
    assert touched(result) == ["corrected", "swapped"]


def test_a_missing_label_is_filled_where_both_agree():
    result, _ = cleaned(None, own=(10, 0))
    assert touched(result) == ["filled"]
    np.testing.assert_allclose(result.joints[0, WRIST], person()[0, WRIST] + (5, 0))
    assert np.isnan(cleaned(None, own=(30, 0))[0].joints[0, WRIST]).all()


def test_a_label_far_from_both_is_left_out_where_these_do_not_agree():
    result, _ = cleaned((0, 120), own=(-60, 0))
    assert touched(result) == ["left_out"]
    assert np.isnan(result.joints[0, WRIST]).all()


@pytest.mark.parametrize("label", [(0, 60), None, (0, 120)])
def test_a_teacher_that_is_not_sure_changes_nothing(label):
    result, labels = cleaned(label, own=(0, 5), score=0.3)
    assert touched(result) == []
    np.testing.assert_array_equal(result.joints, labels)


def test_joints_that_the_teacher_lacks_stay():
    labels, teacher = person(), person()
    head = SKELETON.index("head_top")
    labels[0, head] += 200
    teacher[0, head] = np.nan
    result = clean_labels(labels, teacher, np.ones((1, 14)), person(), SKELETON)
    assert touched(result) == []


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"teacher must have the shape \(1, 14, 2\)"):
        clean_labels(person(), person()[:, :13], np.ones((1, 14)), person(), SKELETON)
    with pytest.raises(ValueError, match=r"scores must have the shape \(1, 14\)"):
        clean_labels(person(), person(), np.ones(14), person(), SKELETON)
