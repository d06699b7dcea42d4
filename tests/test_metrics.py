"""Scores, by worked examples, against the reference values, and on bad input."""

import time

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from deephar.geometry import apply_affine, invert_affine
from deephar.metrics import (
    accuracy,
    expected_calibration_error,
    mpjpe,
    p_mpjpe,
    pck,
    pck_curve,
    pckh,
    pckh_curve,
    torso_size,
)
from deephar.skeletons import SKELETONS, get_skeleton


def unmarked(poses):
    """Poses with NaN in place of the reference's -1e9."""
    return np.where(poses < -1e6, np.nan, poses)


@pytest.fixture
def persons():
    """Random (predicted, true, head_size) of 50 persons in MPII order, some joints unlabelled."""
    rng = np.random.default_rng(0)
    true = rng.uniform(0, 200, (50, 16, 2))
    predicted = true + rng.normal(0, 8, true.shape)
    true[rng.random((50, 16)) < 0.2] = np.nan
    return predicted, true, rng.uniform(15, 40, 50)


# --- agreement with the reference ---


@pytest.mark.parametrize("threshold", ["0.5", "0.2", "0.1"])
def test_pckh_agrees_with_reference(golden, threshold):
    reference = golden("fn_measures")
    true, predicted = unmarked(reference["true"]), reference["pred"]
    score = pckh(predicted, true, reference["head_size"], float(threshold), skeleton="pa16j")
    np.testing.assert_allclose(score.total, 100 * reference[f"pckh_{threshold}"], atol=1e-9)
    assert score.count == reference["valid"][:, 2:].sum()  # without pelvis and thorax
    np.testing.assert_array_equal(score.counts, reference["valid"].sum(axis=0))


def test_pckh_per_joint_agrees_with_reference(golden):
    reference = golden("fn_measures")
    true, predicted = unmarked(reference["true"]), reference["pred"]
    score = pckh(predicted, true, reference["head_size"], skeleton="pa16j")
    expected = reference["pckh_per_joint_percent_2_decimals"]
    np.testing.assert_allclose(score.per_joint, expected, atol=0.006)


def test_mpjpe_agrees_with_reference(golden):
    reference = golden("fn_measures")
    for poses, key in (("", "mean_distance_error"), ("3", "mean_distance_error3")):
        true, predicted = unmarked(reference[f"true{poses}"]), reference[f"pred{poses}"]
        np.testing.assert_allclose(mpjpe(predicted, true).total, reference[key], atol=1e-9)


@pytest.mark.parametrize("millimetres", [150, 100, 50])
def test_pck_of_3d_poses_agrees_with_reference(golden, millimetres):
    reference = golden("fn_measures")
    true, predicted = unmarked(reference["true3"]), reference["pred3"]
    true[:, 0] = np.nan  # the reference leaves out the root
    score = pck(predicted, true, np.ones(len(true)), millimetres, skeleton="pa17j")
    np.testing.assert_allclose(score.total, 100 * reference[f"pck3d_{millimetres}"], atol=1e-9)


def test_mpii_protocol_agrees_with_reference(golden):
    reference = golden("fn_protocols")
    to_image = invert_affine(reference["mpii_afmat"])
    true = apply_affine(to_image, unmarked(reference["mpii_true"]))
    for block, expected in zip(reference["mpii_pred"], reference["mpii_scores"], strict=True):
        predicted = apply_affine(to_image, block[..., :2])
        score = pckh(predicted, true, reference["mpii_headsize"], skeleton="pa16j")
        np.testing.assert_allclose(score.total, 100 * expected, atol=1e-6)


# --- what is counted ---


def test_distance_exactly_on_the_threshold_counts():
    true = np.zeros((1, 16, 2))
    predicted = np.full((1, 16, 2), (6, 8))
    assert pckh(predicted, true, [20]).total == 100
    assert pckh(predicted, true, [np.nextafter(20, 0)]).total == 0
    # 0.29 * 100 is a little less than 29 in floating point: the ratio must be compared.
    predicted = np.full((1, 16, 2), (0, 29))
    assert pckh(predicted, true, [100], threshold=0.29).total == 100


def test_distance_exactly_on_a_threshold_of_the_curve_counts():
    true = np.zeros((1, 16, 2))
    predicted = np.full((1, 16, 2), (0, 5))
    curve = pckh_curve(predicted, true, [10], thresholds=[0.4, 0.5])
    assert curve.values.tolist() == [0, 100]


def test_pelvis_and_thorax_are_scored_but_not_in_the_total():
    skeleton = get_skeleton("mpii16")
    true = np.zeros((3, 16, 2))
    predicted = true.copy()
    wrong = [skeleton.index("pelvis"), skeleton.index("thorax")]
    predicted[:, wrong] = 99
    score = pckh(predicted, true, np.full(3, 10))
    assert (score.total, score.count) == (100, 3 * 14)
    assert score.per_joint[wrong].tolist() == [0, 0]
    assert score.counts.tolist() == [3] * 16
    assert pck(predicted, true, np.full(3, 10), skeleton="mpii16").total == 100 * 14 / 16


def test_total_pools_joints_and_not_persons():
    true = np.zeros((2, 16, 2))
    true[1, 1:] = np.nan  # a person with one labelled joint, which is missed
    predicted = np.zeros((2, 16, 2))
    predicted[1] = 99
    score = pckh(predicted, true, [10, 10])
    assert score.count == 15
    assert score.total == pytest.approx(100 * 14 / 15)


def test_unlabelled_joints_do_not_matter(persons):
    predicted, true, head_size = persons
    unlabelled = np.isnan(true).any(axis=-1)
    before = pckh(predicted, true, head_size)
    predicted[unlabelled] = 1e5
    true[unlabelled, 0] = 3  # one coordinate known: still unlabelled
    after = pckh(predicted, true, head_size)
    assert after.total == before.total
    assert before.count == (~unlabelled)[:, [j for j in range(16) if j not in (6, 7)]].sum()


def test_missing_prediction_is_a_miss():
    true = np.zeros((2, 16, 2))
    predicted = true.copy()
    predicted[0] = np.nan
    assert pckh(predicted, true, [10, 10]).total == 50
    assert pck(predicted, true, [10, 10], skeleton="mpii16").total == 50
    curve = pckh_curve(predicted, true, [10, 10])
    assert set(curve.values) == {50}
    assert curve.auc == pytest.approx(50)


def test_groups_are_means_over_joints_with_labels():
    true = np.zeros((2, 16, 2))
    skeleton = get_skeleton("mpii16")
    right, left = skeleton.index("right_ankle"), skeleton.index("left_ankle")
    true[1, left] = np.nan
    true[:, [skeleton.index("neck"), skeleton.index("right_knee")]] = np.nan
    true[:, skeleton.index("left_knee")] = np.nan
    predicted = np.zeros_like(true)
    predicted[0, right] = 99
    score = pckh(predicted, true, [10, 10])
    assert score.per_joint[[right, left]].tolist() == [50, 100]
    assert score.per_group["Ankle"] == 75  # not 2 of 3
    assert score.per_group["Head"] == 100
    assert np.isnan(score.per_group["Knee"])
    assert np.isnan(score.per_joint[skeleton.index("neck")])
    assert list(score.per_group) == list(skeleton.groups)


def test_every_skeleton_can_be_scored():
    for name, skeleton in SKELETONS.items():
        true = np.random.default_rng(0).normal(size=(4, skeleton.num_joints, 3))
        assert pck(true, true, np.ones(4), skeleton=name).total == 100
        assert set(mpjpe(true, true, skeleton=name).per_group) == set(skeleton.groups)


# --- curve and sizes ---


def test_curve_agrees_with_pckh_at_every_threshold(persons):
    curve = pckh_curve(*persons)
    assert curve.thresholds.tolist() == np.linspace(0, 0.5, 51).tolist()
    expected = [pckh(*persons, threshold=threshold).total for threshold in curve.thresholds]
    np.testing.assert_allclose(curve.values, expected)


def test_auc_of_linear_errors_is_a_half():
    true = np.zeros((1000, 16, 2))
    predicted = true.copy()
    predicted[..., 0] = np.linspace(0, 5, 1000)[:, None]  # uniform between 0 and half a head
    assert pckh_curve(predicted, true, np.full(1000, 10)).auc == pytest.approx(50, abs=0.1)


def test_curves_have_areas_of_each_joint_and_group(persons):
    curve = pckh_curve(*persons)
    scores = [pckh(*persons, threshold=threshold) for threshold in curve.thresholds]
    for what in ("per_joint", "total"):
        values = np.array([getattr(score, what) for score in scores])
        area = ((values[1:] + values[:-1]) / 2).mean(axis=0)
        np.testing.assert_allclose(getattr(curve.area, what), area)
    assert curve.auc == curve.area.total
    assert curve.area.count == scores[0].count
    assert list(curve.area.per_group) == list(scores[0].per_group)
    low, high = curve.area.interval
    assert low < curve.auc < high


def test_pck_curve_ends_at_pck():
    rng = np.random.default_rng(0)
    true = rng.uniform(0, 100, (20, 14, 2))
    predicted = true + rng.normal(0, 8, true.shape)
    curve = pck_curve(predicted, true, np.full(20, 50))
    assert curve.thresholds[-1] == 0.2
    assert curve.values[-1] == pytest.approx(pck(predicted, true, np.full(20, 50)).total)
    with pytest.raises(ValueError, match="size"):
        pck_curve(predicted, true, np.zeros(20))


def test_torso_size_is_left_shoulder_to_right_hip():
    true = np.zeros((2, 14, 2))
    lsp = get_skeleton("lsp14")
    true[:, lsp.index("left_shoulder")] = (3, 4)
    true[1, lsp.index("right_hip")] = np.nan
    np.testing.assert_array_equal(torso_size(true), [5, np.nan])


def test_pck_divides_by_the_size_of_each_person():
    true = np.zeros((2, 14, 2))
    true[:, 13] = np.nan
    score = pck(true + np.array([0, 15]), true, [100, 50])
    assert (score.total, score.count) == (50, 26)


# --- errors of 3D poses ---


def kabsch_error(predicted, true):
    """Error of one person after the best similarity, found with another library."""
    p, t = predicted - predicted.mean(axis=0), true - true.mean(axis=0)
    turned = Rotation.align_vectors(t, p)[0].apply(p)
    turned *= (turned * t).sum() / (turned**2).sum()
    return np.linalg.norm(turned - t, axis=1).mean()


def test_p_mpjpe_agrees_with_another_library_also_for_mirrored_poses():
    rng = np.random.default_rng(3)
    true = rng.normal(size=(20, 17, 3))
    predicted = true + rng.normal(0, 0.3, true.shape)
    predicted[10:, :, 0] *= -1
    expected = [kabsch_error(*pair) for pair in zip(predicted, true, strict=True)]
    for i, value in enumerate(expected):
        assert p_mpjpe(predicted[i : i + 1], true[i : i + 1]).total == pytest.approx(value)
    assert p_mpjpe(predicted, true).total == pytest.approx(np.mean(expected))
    assert min(expected[10:]) > 0.5  # a reflection would have made these as small as the first ten


@pytest.mark.parametrize("dim", [2, 3])
def test_p_mpjpe_ignores_similarities_and_unlabelled_joints(dim):
    rng = np.random.default_rng(4)
    true = rng.normal(size=(5, 17, dim))
    rotation = np.linalg.qr(rng.normal(size=(dim, dim)))[0]
    rotation[:, 0] *= np.linalg.det(rotation)
    predicted = 3 * true @ rotation + rng.normal(size=dim)
    true[:4, :5] = np.nan
    true[4] = np.nan  # a person without labels is skipped
    predicted[:, :5] = np.nan
    predicted[4] = np.nan
    score = p_mpjpe(predicted, true)
    assert score.total == pytest.approx(0, abs=1e-12)
    assert score.count == 4 * 12


def test_p_mpjpe_never_exceeds_what_a_collapsed_pose_gets():
    true = np.random.default_rng(5).normal(size=(3, 17, 3))
    spread = np.linalg.norm(true - true.mean(axis=1, keepdims=True), axis=-1).mean()
    assert p_mpjpe(np.ones_like(true), true).total == pytest.approx(spread)


def test_mpjpe_gives_groups_only_for_a_known_layout():
    true = np.zeros((2, 17, 3))
    predicted = true.copy()
    predicted[:, get_skeleton("h36m17").index("left_wrist")] = (3, 4, 0)
    assert mpjpe(predicted, true).per_group == {}
    assert mpjpe(predicted, true, skeleton="h36m17").per_group["Wrist"] == 2.5
    with pytest.raises(ValueError, match="'pa16j' must have the shape"):
        mpjpe(predicted, true, skeleton="pa16j")


def test_mpjpe_refuses_missing_predictions():
    true = np.zeros((2, 17, 3))
    predicted = true.copy()
    predicted[1, 4, 2] = np.nan
    for metric in (mpjpe, p_mpjpe):
        with pytest.raises(ValueError, match="Joint 4 of person 1 is labelled but"):
            metric(predicted, true)
    true[1, 4] = np.nan
    assert mpjpe(predicted, true).total == 0


def test_p_mpjpe_refuses_persons_that_fit_anything():
    true = np.zeros((2, 17, 3))
    true[1, 2:] = np.nan
    with pytest.raises(ValueError, match="Person 1 has 2 labelled joints"):
        p_mpjpe(np.zeros((2, 17, 3)), true)


# --- accuracy ---


def test_accuracy_of_scores_and_of_class_numbers_is_the_same():
    rng = np.random.default_rng(6)
    scores, labels = rng.random((40, 5)), rng.integers(5, size=40)
    by_scores, by_number = accuracy(scores, labels), accuracy(scores.argmax(axis=1), labels)
    assert by_scores.total == by_number.total == 100 * np.mean(scores.argmax(axis=1) == labels)
    assert by_scores.interval == by_number.interval
    assert by_scores.count == 40
    assert by_scores.per_joint.size == by_scores.counts.size == 0


def test_accuracy_per_class_is_the_share_of_its_samples():
    score = accuracy([0, 1, 0, 1], [0, 0, 0, 1], class_names=("bowl", "squat", "situp"))
    assert score.per_group["bowl"] == pytest.approx(200 / 3)
    assert score.per_group["squat"] == 100
    assert np.isnan(score.per_group["situp"])


def test_samples_without_an_answer_count_as_wrong():
    scores = np.array([[1.0, 0.0], [np.nan, np.nan], [np.nan, 0.9]])
    assert accuracy(scores, [0, 0, 0]).total == pytest.approx(100 / 3)
    assert accuracy([0, -1], [0, 0]).total == 50


@pytest.mark.parametrize(
    ("predicted", "labels", "names", "message"),
    [
        (np.zeros((0, 3)), np.zeros(0, int), None, "N > 0"),
        (np.zeros((4, 3)), np.zeros(5, int), None, "for 5 labels"),
        (np.zeros((4, 3, 1)), np.zeros(4, int), None, r"\(4, 3, 1\)"),
        (np.zeros((4, 3)), np.zeros((4, 3)), None, "argmax"),
        (np.zeros((4, 3)), np.zeros(4), None, "integers"),
        (np.zeros(4), np.zeros(4, int), None, "integers"),
        (np.zeros((2, 3)), np.array([0, 3]), None, "Label 3 of sample 1"),
        (np.zeros((2, 3)), np.array([-1, 0]), None, "Label -1 of sample 0"),
        (np.zeros((2, 3)), np.array([0, 1]), ("a", "b"), "2 class names for scores of 3"),
        (np.zeros(2, int), np.array([0, 2]), ("a", "b"), "Label 2 of sample 1"),
    ],
)
def test_malformed_labels_are_refused(predicted, labels, names, message):
    with pytest.raises(ValueError, match=message):
        accuracy(predicted, labels, names)


# --- calibration ---


def test_calibration_error_is_that_of_a_worked_example():
    # Bins of 0.25: two answers of 0.6 and 0.7, one right; two of 0.75 (lower bin) and 1, all right.
    best = np.array([0.6, 0.7, 0.75, 1.0])
    error = expected_calibration_error(np.stack([best, 1 - best], 1), [0, 1, 0, 0], bins=4)
    assert error == pytest.approx(100 * (abs(0.6 + 0.7 + 0.75 - 2) + 0) / 4)


def test_answers_as_often_right_as_they_say_are_calibrated():
    rng = np.random.default_rng(8)
    best = rng.uniform(0.5, 1, 100_000)
    labels = (rng.random(len(best)) > best).astype(int)
    scores = np.stack([best, 1 - best], 1)
    assert expected_calibration_error(scores, labels) < 0.7
    assert expected_calibration_error(scores, np.zeros_like(labels)) == pytest.approx(25, abs=0.2)
    assert expected_calibration_error(scores, labels, bins=1) == pytest.approx(
        100 * abs(best.mean() - (labels == 0).mean())
    )


def test_calibration_error_of_one_sure_answer_is_0_or_100():
    assert expected_calibration_error([[1.0, 0.0]], [0]) == 0
    assert expected_calibration_error([[1.0, 0.0]], [1]) == 100


@pytest.mark.parametrize(
    ("probabilities", "labels", "bins", "message"),
    [
        ([[0.5, 0.5], [2.0, -1.0]], [0, 0], 15, "those of sample 1 are .* softmax"),
        ([[np.nan, 0.5]], [0], 15, "those of sample 0"),
        ([0.5, 0.5], [0, 0], 15, r"shape \(N, classes\), got \(2,\)"),
        ([[0.5, 0.5]], [0, 1], 15, "for 2 labels"),
        ([[0.5, 0.5]], [2], 15, "Label 2 of sample 0"),
        ([[0.5, 0.5]], [0], 0, "bins must be at least 1, got 0"),
    ],
)
def test_what_has_no_calibration_error_is_refused(probabilities, labels, bins, message):
    with pytest.raises(ValueError, match=message):
        expected_calibration_error(probabilities, labels, bins)


# --- intervals ---


def test_interval_is_deterministic_and_holds_the_total(persons):
    first, second = pckh(*persons), pckh(*persons)
    low, high = first.interval
    assert first.interval == second.interval
    assert low < first.total < high


def test_interval_has_the_width_that_theory_gives():
    # 400 independent answers, right with probability 0.8: standard error 2 points.
    rng = np.random.default_rng(7)
    score = accuracy((rng.random(400) < 0.8).astype(int), np.ones(400, int))
    low, high = score.interval
    assert high - low == pytest.approx(2 * 1.96 * 2, rel=0.15)


def test_interval_of_accuracy_draws_whole_groups():
    right, groups = np.repeat([0, 1, 0, 0], 25), np.repeat(["a", "b", "c", "d"], 25)
    alone = accuracy(right, np.zeros(100, int))
    grouped = accuracy(right, np.zeros(100, int), groups=groups)
    assert alone.total == grouped.total == 75
    assert np.ptp(grouped.interval) > 2 * np.ptp(alone.interval)
    assert accuracy(right, np.zeros(100, int), groups=["a"] * 100).interval is None


def test_interval_draws_persons_and_not_joints():
    # All joints of a person are right or wrong together: as uncertain as one joint each.
    right = np.arange(100) < 60
    true = np.zeros((100, 16, 2))
    predicted = true + np.where(right, 0, 99)[:, None, None]
    low, high = pckh(predicted, true, np.full(100, 10)).interval
    assert high - low == pytest.approx(2 * 1.96 * 100 * np.sqrt(0.6 * 0.4 / 100), rel=0.15)


def test_there_is_no_interval_of_a_single_person():
    true = np.zeros((2, 16, 2))
    true[1] = np.nan
    assert pckh(np.zeros((2, 16, 2)), true, [10, 10]).interval is None


def test_interval_over_a_whole_data_set_is_fast():
    true = np.random.default_rng(8).uniform(0, 200, (3000, 16, 2))
    start = time.process_time()
    pckh(true + 5, true, np.full(3000, 20))
    assert time.process_time() - start < 1


# --- bad input ---


@pytest.mark.parametrize(
    ("predicted", "true", "message"),
    [
        ((16, 2), (16, 2), r"must have the shape \(N, 16, 2 or 3\); predicted has \(16, 2\)"),
        ((3, 14, 2), (3, 14, 2), r"'mpii16' must have the shape \(N, 16, 2 or 3\)"),
        ((3, 16, 2), (3, 16, 4), r"true has \(3, 16, 4\)"),
        ((3, 16, 2), (4, 16, 2), "the same shape"),
        ((3, 16, 3), (3, 16, 2), "the same shape"),
        ((0, 16, 2), (0, 16, 2), "There is no pose to score"),
    ],
)
def test_wrong_shapes_and_empty_input_are_refused(predicted, true, message):
    for metric in (pckh, pckh_curve):
        with pytest.raises(ValueError, match=message):
            metric(np.zeros(predicted), np.zeros(true), np.ones(true[0]))


def test_all_joints_unlabelled_is_refused():
    predicted, true = np.zeros((2, 16, 3)), np.full((2, 16, 3), np.nan)
    message = "None of the joints in the total is labelled"
    for metric in (pckh, pckh_curve, pck):
        with pytest.raises(ValueError, match=message):
            metric(predicted, true, np.ones(2), skeleton="mpii16")
    for metric in (mpjpe, p_mpjpe):
        with pytest.raises(ValueError, match=message):
            metric(predicted, true)
    true[:, get_skeleton("mpii16").index("pelvis")] = 0  # has a score, but is not in the total
    with pytest.raises(ValueError, match=message):
        pckh(predicted, true, np.ones(2))


@pytest.mark.parametrize("size", [0, -3, np.nan, np.inf])
def test_head_size_that_is_no_size_is_refused_with_the_row(size):
    poses, head_size = np.zeros((4, 16, 2)), np.full(4, 20.0)
    head_size[2] = size
    for metric in (pckh, pckh_curve):
        with pytest.raises(ValueError, match=r"head_size must be .* that of person 2 is"):
            metric(poses, poses, head_size)
    with pytest.raises(ValueError, match=r"size must be .* that of person 2 is"):
        pck(poses, poses, head_size, skeleton="mpii16")


@pytest.mark.parametrize("shape", [(), (3,), (4, 2), (1, 4)])
def test_head_sizes_of_other_persons_are_refused(shape):
    poses = np.zeros((4, 16, 2))
    with pytest.raises(ValueError, match=r"one number per person, shape \(4,\)"):
        pckh(poses, poses, np.ones(shape))


def test_network_marks_in_true_poses_are_refused():
    true = np.zeros((2, 16, 2))
    true[1, 3] = -1e9
    with pytest.raises(ValueError, match=r"person 1 has coordinates beyond .* must be NaN"):
        pckh(np.zeros((2, 16, 2)), true, [10, 10])


@pytest.mark.parametrize("threshold", [-0.1, np.nan])
def test_impossible_threshold_is_refused(threshold):
    poses = np.zeros((1, 16, 2))
    with pytest.raises(ValueError, match="threshold must be 0 or more"):
        pckh(poses, poses, [10], threshold)


@pytest.mark.parametrize("thresholds", [[], [0.5], [0.5, 0.5], [0.5, 0.1], [0, np.nan], [[0, 1]]])
def test_thresholds_out_of_order_are_refused(thresholds):
    poses = np.zeros((1, 16, 2))
    with pytest.raises(ValueError, match="two or more increasing numbers"):
        pckh_curve(poses, poses, [10], thresholds)


def test_inputs_are_not_changed(persons):
    copies = [array.copy() for array in persons]
    pckh(*persons)
    pckh_curve(*persons)
    predicted, true, _ = persons
    p_mpjpe(predicted, true)
    for array, copy in zip(persons, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_persons_of_one_group_are_drawn_together():
    true = np.zeros((4, 16, 2))
    predicted = true.copy()
    predicted[:2] += 100
    groups = ["a", "a", "b", "b"]
    alone, grouped = pckh(predicted, true, [10] * 4), pckh(predicted, true, [10] * 4, groups=groups)
    assert alone.total == grouped.total == 50
    assert grouped.interval == (0, 100)
    assert mpjpe(predicted, true, groups=["a"] * 4).interval is None
    with pytest.raises(ValueError, match="4 persons"):
        pckh(predicted, true, [10] * 4, groups=["a"])
