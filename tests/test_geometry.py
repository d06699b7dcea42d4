"""Boxes and affine maps, by construction and against the reference cases."""

import numpy as np
import pytest

from deephar.geometry import (
    apply_affine,
    box_around,
    box_center_size,
    crop_affine,
    has_area,
    invert_affine,
    square_window,
    union_of_boxes,
    warp_matrix,
)


def random_crops(number):
    rng = np.random.default_rng(0)
    for _ in range(number):
        center = rng.uniform(-500, 2500, 2)
        side = rng.uniform(5, 1500)
        yield center, side, rng.uniform(-180, 180), bool(rng.integers(2))


def test_a_map_and_back_is_accurate_to_a_millionth_of_a_pixel():
    points = np.random.default_rng(1).uniform(-4000, 4000, (50, 2))
    for center, side, angle, flip in random_crops(200):
        matrix = crop_affine(center, side, angle=angle, flip=flip)
        back = apply_affine(invert_affine(matrix), apply_affine(matrix, points))
        np.testing.assert_allclose(back, points, rtol=0, atol=1e-6)


def test_window_corners_go_to_the_corners_of_the_unit_crop():
    affine = crop_affine(center=(50, 40), side=(20, 10))
    corners = [[40, 35], [60, 35], [60, 45], [40, 45], [50, 40]]
    unit = [[0, 0], [1, 0], [1, 1], [0, 1], [0.5, 0.5]]
    np.testing.assert_allclose(apply_affine(affine, corners), unit, atol=1e-12)


def test_positive_angle_turns_the_picture_counter_clockwise_on_screen():
    affine = crop_affine(center=(0, 0), side=2, angle=90)
    # What was at the right edge is now at the top, what was at the bottom is at the right.
    np.testing.assert_allclose(apply_affine(affine, [[1, 0], [0, 1]]), [[0.5, 0], [1, 0.5]])


def test_flip_mirrors_the_crop_after_the_rotation():
    points = np.random.default_rng(2).uniform(0, 100, (20, 2))
    for center, side, angle, _ in random_crops(20):
        plain = apply_affine(crop_affine(center, side, angle=angle), points)
        flipped = apply_affine(crop_affine(center, side, angle=angle, flip=True), points)
        np.testing.assert_allclose(flipped, plain * (-1, 1) + (1, 0), atol=1e-9)


def test_warp_matrix_keeps_pixel_centres_of_a_crop_of_whole_pixels():
    # Pixels 10..13 x 20..23 cropped as they are: their edges are half a pixel further out.
    crop = crop_affine(center=(11.5, 21.5), side=4)
    np.testing.assert_allclose(warp_matrix(crop, 4), [[1, 0, -10], [0, 1, -20], [0, 0, 1]])
    # Mirrored, the first pixel becomes the last.
    flipped = warp_matrix(crop_affine((11.5, 21.5), 4, flip=True), 4)
    np.testing.assert_allclose(apply_affine(flipped, [[10, 20], [13, 23]]), [[3, 0], [0, 3]])


def test_warp_matrix_is_what_opencv_wants():
    cv2 = pytest.importorskip("cv2")
    image = np.zeros((40, 60), np.float32)
    image[18, 25] = 1  # y, x
    crop = crop_affine(center=(22, 20), side=16, angle=90, flip=True)
    warped = cv2.warpAffine(image, warp_matrix(crop, 16)[:2], (16, 16), flags=cv2.INTER_LINEAR)
    total = warped.sum()
    seen = np.array([(warped.sum(0) * np.arange(16)).sum(), (warped.sum(1) * np.arange(16)).sum()])
    expected = apply_affine(warp_matrix(crop, 16), (25, 18))
    np.testing.assert_allclose(seen / total, expected, atol=0.05)
    np.testing.assert_allclose(apply_affine(crop, (25, 18)), (expected + 0.5) / 16, atol=1e-12)


def test_nan_points_stay_nan_and_leave_the_others_alone():
    points = np.array([[1.0, 2.0], [np.nan, np.nan], [np.nan, 3.0]])
    mapped = apply_affine(crop_affine((5, 5), 10, angle=30), points)
    assert np.isfinite(mapped[0]).all()
    assert np.isnan(mapped[1:]).all()


def test_a_stack_of_maps_is_applied_pose_by_pose(golden):
    reference = golden("fn_affine_crop")
    stack, poses = reference["seq_A"], reference["seq_poses"]
    before = stack.copy()
    np.testing.assert_allclose(apply_affine(stack, poses), reference["seq_forward"], atol=1e-8)
    inverse = apply_affine(invert_affine(stack), poses)
    np.testing.assert_allclose(inverse, reference["seq_inverse"], atol=1e-8)
    np.testing.assert_array_equal(stack, before)
    single = apply_affine(invert_affine(stack[0]), poses)
    np.testing.assert_allclose(single, reference["seq_single_inverse"], atol=1e-8)


def truncated_window(center, window, angle, image_size):
    """Centre and size, in the image, of the window that the reference implementation really cuts.

    It rotates the picture onto a canvas that holds all of it and truncates the window there to
    whole pixels (a quirk that the library does not share).
    """
    width, height = image_size
    turn = crop_affine((0, 0), 1, angle=angle)[:2, :2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]])
    on_canvas = -((corners - center) @ turn.T).min(axis=0)
    low = np.trunc(on_canvas - np.divide(window, 2))
    high = np.trunc(on_canvas + np.divide(window, 2))
    return center + turn.T @ ((low + high) / 2 - on_canvas), high - low


@pytest.mark.parametrize("number", range(11))
def test_crop_affine_agrees_with_reference_case(golden, number):
    reference = golden("fn_affine_crop")
    angle, *center_window = reference[f"case{number}"][:5]
    flip = bool(reference[f"case{number}"][7])
    height, width = reference["image"].shape[:2]
    center = np.array(center_window[:2])
    if np.isnan(center).any():
        center = np.array([width / 2, height / 2])
    center, size = truncated_window(center, center_window[2:], angle, (width, height))
    np.testing.assert_array_equal(size, reference[f"img{number}_cropsize"])
    affine = crop_affine(center, size, angle=angle, flip=flip)
    for kind in ("img", "noimg"):
        expected = reference[f"{kind}{number}_afmat"]
        np.testing.assert_allclose(affine, expected, rtol=0, atol=1e-9)
        points = apply_affine(affine, reference["points"])
        np.testing.assert_allclose(points, reference[f"{kind}{number}_points"], atol=1e-8)
        back = apply_affine(invert_affine(affine), points)
        np.testing.assert_allclose(back, reference[f"{kind}{number}_points_back"], atol=1e-6)


@pytest.mark.parametrize("number", range(4))
def test_crop_affine_agrees_with_reference_mpii_sample(golden, number):
    reference = golden("fn_mpii_sample")
    sample = {
        key.removeprefix(f"s{number}_"): value
        for key, value in reference.items()
        if key.startswith(f"s{number}_")
    }
    angle, zoom, flip, shift_x, shift_y = sample["config"]
    scale = 1.25 * sample["scale"]
    center = sample["objpos"] + (0, 12 * scale) + scale * np.array([shift_x, shift_y])
    height, width = reference["image"].shape[:2]
    window = np.full(2, 200 * zoom * scale)
    center, size = truncated_window(center, window, angle, (width, height))
    affine = crop_affine(center, size, angle=angle, flip=bool(flip))
    np.testing.assert_allclose(affine, sample["afmat"], rtol=0, atol=1e-9)


@pytest.mark.parametrize("number", range(6))
def test_boxes_agree_with_reference(golden, number):
    reference = golden("fn_boxes")
    points = reference[f"pts{number}"].copy()
    points[points < -1e6] = np.nan
    square = box_around(points, margin=1.5, square=True)
    np.testing.assert_allclose(square, reference[f"valid_bbox{number}"], atol=1e-8)
    tight = box_around(points, margin=1.2)
    expected = reference[f"valid_bbox_rel1.2_nosquare{number}"]
    np.testing.assert_allclose(tight, expected, atol=1e-8)
    if not np.isnan(points).any():  # the reference takes the marks of unknown points for points
        center, side = square_window(box_around(points), margin=1.5)
        np.testing.assert_allclose(center, reference[f"objpos{number}"], atol=1e-8)
        np.testing.assert_allclose([side, side], reference[f"winsize{number}"], atol=1e-8)
        certain = points[reference[f"jprob{number}"].ravel() > 0.5]
        expected = reference[f"valid_bbox_jprob{number}"]
        np.testing.assert_allclose(box_around(certain, 1.5, square=True), expected, atol=1e-8)


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("scale", ["1.0", "1.3"])
def test_boxes_of_clips_agree_with_reference(golden, number, scale):
    reference = golden("fn_boxes")
    poses = reference[f"gt{number}_pose"]
    visible = reference[f"gt{number}_visible"] > 0
    frames = [0, int(len(poses) / 2 + 0.5), len(poses) - 1]
    full = reference["gt_none"]
    boxes = [
        box_around(poses[i][visible[i]], 1.5 * float(scale), square=True)
        if visible[i].any()
        else full
        for i in np.minimum(frames, len(poses) - 1)
    ]
    expected = reference[f"gt{number}_scale{scale}"]
    np.testing.assert_allclose(union_of_boxes(boxes), expected, atol=1e-8)


def test_box_conversions_agree_with_reference(golden):
    reference = golden("fn_boxes")
    center, size = box_center_size(reference["bbox"])
    np.testing.assert_allclose(center, reference["bbox_objpos"])
    np.testing.assert_allclose(size, reference["bbox_win"])
    back = np.concatenate([center - size / 2, center + size / 2])
    np.testing.assert_allclose(back, reference["bbox_back"])
    chosen = reference["clip_boxes"][reference["clip_frames"]]
    np.testing.assert_allclose(union_of_boxes(chosen), reference["clip_bbox"])


def test_unknown_points_and_boxes_are_ignored():
    points = np.array([[[0.0, 0.0], [4.0, 2.0]], [[np.nan, np.nan], [np.nan, 100.0]]])
    np.testing.assert_array_equal(box_around(points), [0, 0, 4, 2])
    boxes = [[0, 0, 4, 2], [np.nan] * 4]
    np.testing.assert_array_equal(union_of_boxes(boxes), [0, 0, 4, 2])


def test_boxes_with_an_area():
    boxes = [(0, 0, 4, 2), (0, 0, 4, 0), (4, 0, 0, 2), (0, 0, np.nan, 2), (0, 0, np.inf, 2)]
    np.testing.assert_array_equal(has_area(boxes), [True, False, False, False, False])
    assert has_area(boxes[0])


def test_square_window_holds_a_tall_and_a_wide_box():
    for box in ([0, 0, 10, 40], [0, 0, 40, 10]):
        center, side = square_window(box)
        np.testing.assert_array_equal(center, np.array(box[2:]) / 2)
        assert side == 50


@pytest.mark.parametrize("side", [0, -1, np.nan, np.inf, (10, 0)])
def test_side_that_is_no_size_is_refused(side):
    with pytest.raises(ValueError, match="side of the crop window must be finite and greater"):
        crop_affine((0, 0), side)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((np.nan, 0), 10), "centre of a crop"),
        (((1, 2, 3), 10), "centre of a crop"),
        (((0, 0), (1, 2, 3)), r"a number or \(width, height\)"),
    ],
)
def test_malformed_crop_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        crop_affine(*arguments)


def test_an_angle_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="angle"):
        crop_affine((0, 0), 10, angle=np.nan)


@pytest.mark.parametrize(
    ("function", "argument", "message"),
    [
        (box_around, np.full((16, 2), np.nan), "none is known"),
        (box_around, np.zeros((0, 2)), "none is known"),
        (box_around, np.zeros((16, 3)), r"\(\.\.\., 2\)"),
        (box_center_size, (30, 0, 10, 5), "x1 <= x2"),
        (box_center_size, (0, 0, np.nan, 5), "x1 <= x2"),
        (box_center_size, (0, 0, 5), "x1 <= x2"),
        (square_window, (5, 5, 5, 5), "empty"),
        (union_of_boxes, np.zeros((0, 4)), "none is known"),
        (union_of_boxes, (0, 0, 5, 5), r"\(N, 4\)"),
        (invert_affine, np.eye(2), r"\(\.\.\., 3, 3\)"),
        (invert_affine, np.ones((3, 3)), "last row"),
        (invert_affine, np.diag([1.0, 0, 1]), "singular"),
        (invert_affine, [[1, 2, 0], [2, 4, 0], [0, 0, 1]], "singular"),
        (invert_affine, np.diag([np.nan, 1, 1]), "singular"),
    ],
)
def test_malformed_input_is_refused_with_a_reason(function, argument, message):
    with pytest.raises(ValueError, match=message):
        function(argument)


def test_other_malformed_arguments_are_refused():
    with pytest.raises(ValueError, match="margin must be finite and greater than 0, got 0"):
        box_around([[0, 0], [1, 1]], margin=0)
    with pytest.raises(ValueError, match="margin"):
        square_window((0, 0, 5, 5), margin=np.nan)
    with pytest.raises(ValueError, match="image_size"):
        warp_matrix(np.eye(3), 0)
    with pytest.raises(ValueError, match=r"\(\.\.\., 2\)"):
        apply_affine(np.eye(3), np.zeros((4, 3)))


def test_a_huge_window_is_not_taken_for_a_singular_map():
    affine = crop_affine((0, 0), 1e9)
    np.testing.assert_allclose(apply_affine(invert_affine(affine), [0.5, 1.0]), [0, 5e8])
