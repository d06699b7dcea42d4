"""Skeleton overlays and plots."""

import io
import subprocess
import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from deephar import visualize
from deephar.skeletons import get_skeleton

LSP = get_skeleton("lsp14")


@pytest.fixture
def image():
    return np.full((80, 100, 3), 128, np.uint8)


@pytest.fixture
def joints():
    """14 joints on two rows, well apart."""
    return np.stack([12 + 12.0 * (np.arange(14) % 7), 20 + 40.0 * (np.arange(14) // 7)], axis=-1)


def pixels(figure):
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return cv2.imdecode(np.frombuffer(file.getvalue(), np.uint8), cv2.IMREAD_COLOR)


# --- skeletons ---


def test_limbs_have_the_colours_of_the_skeleton(image, joints):
    drawn = visualize.draw_skeleton(image, joints, "lsp14", width=3)
    limb = next(limb for limb in LSP.limbs if limb.start == "right_knee")
    middle = (joints[LSP.index(limb.start)] + joints[LSP.index(limb.end)]) / 2
    x, y = np.rint(middle).astype(int)
    assert tuple(drawn[y, x]) == limb.colour
    assert drawn.shape == image.shape
    assert drawn.dtype == np.uint8


def test_lines_are_as_thick_as_the_image_and_the_person_allow(joints):
    image = np.zeros((600, 1200, 3), np.uint8)
    large, small = joints * 10, 300 + joints
    np.testing.assert_array_equal(
        visualize.draw_skeleton(image, large, LSP),
        visualize.draw_skeleton(image, large, LSP, width=12),
    )
    np.testing.assert_array_equal(
        visualize.draw_skeleton(image, small, LSP),
        visualize.draw_skeleton(image, small, LSP, width=2),
    )
    nobody = np.full((14, 2), np.nan)
    np.testing.assert_array_equal(visualize.draw_skeleton(image, nobody, LSP), image)


def test_the_image_is_not_modified(image, joints):
    before = image.copy()
    drawn = visualize.draw_skeleton(image, joints, LSP)
    np.testing.assert_array_equal(image, before)
    assert not np.shares_memory(drawn, image)


def test_read_only_and_sliced_images_can_be_drawn_on(image, joints):
    image.flags.writeable = False
    expected = visualize.draw_skeleton(image, joints, LSP)
    sliced = np.repeat(image, 2, axis=1)[:, ::2]
    np.testing.assert_array_equal(visualize.draw_skeleton(sliced, joints, LSP), expected)


def test_joints_are_drawn_where_they_are(image):
    joints = np.full((14, 2), np.nan)
    joints[13] = (40.0, 25.0)
    changed = (visualize.draw_skeleton(image, joints, LSP, width=3) != image).any(axis=-1)
    y, x = np.nonzero(changed)
    assert (x.mean(), y.mean()) == pytest.approx((40, 25), abs=0.05)


def test_unknown_joints_are_skipped(image, joints):
    untouched = visualize.draw_skeleton(image, np.full((14, 2), np.nan), LSP)
    np.testing.assert_array_equal(untouched, image)
    some = joints.copy()
    some[0] = np.nan  # the right ankle, at the left end of the upper row
    some[1, 1] = np.inf
    drawn = visualize.draw_skeleton(image, some, LSP)
    assert (drawn[:, :30][10:30] == 128).all()
    assert (drawn != visualize.draw_skeleton(image, joints, LSP)).any()


def test_joints_far_outside_do_no_harm(image, joints):
    joints[0] = (1e12, -1e12)
    assert visualize.draw_skeleton(image, joints, LSP).shape == image.shape


def test_hidden_joints_are_hollow(image, joints):
    visibility = np.ones(14)
    visibility[0] = 0.1
    full = visualize.draw_skeleton(image, joints, LSP, width=4)
    hollow = visualize.draw_skeleton(image, joints, LSP, visibility=visibility, width=4)
    assert tuple(hollow[20, 12]) == (255, 255, 255)
    assert tuple(full[20, 12]) != (255, 255, 255)
    np.testing.assert_array_equal(hollow[:, 30:], full[:, 30:])


def test_lines_are_wider_in_larger_images(joints):
    def share(size):
        image = np.zeros((size, size, 3), np.uint8)
        return (visualize.draw_skeleton(image, joints * size / 100, LSP) > 0).any(-1).mean()

    assert share(1000) == pytest.approx(share(400), rel=0.3)


def test_depth_is_not_drawn(image, joints):
    deep = np.concatenate([joints, np.full((14, 1), 7.0)], axis=-1)
    np.testing.assert_array_equal(
        visualize.draw_skeleton(image, deep, LSP), visualize.draw_skeleton(image, joints, LSP)
    )


def test_dashed_lines_in_one_colour(image, joints):
    drawn = visualize.draw_skeleton(image, joints, LSP, colour=(0, 255, 0), dashed=True, width=1)
    row = drawn[20, 12:85]  # right leg, hips, left leg: one straight line
    green = row[:, 1] > 180
    assert 0.3 < green.mean() < 0.7
    assert not (drawn == LSP.limbs[0].colour).all(axis=-1).any()


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((8, 8), np.uint8), "greyscale"),
        (np.zeros((8, 8, 1), np.uint8), "greyscale"),
        (np.zeros((8, 8, 4), np.uint8), "alpha"),
        (np.zeros((8, 8, 3)), "float64"),
        (np.zeros((8, 8, 3), np.uint16), "uint16"),
    ],
)
def test_images_of_another_form_are_refused(bad, message):
    with pytest.raises(ValueError, match=message):
        visualize.draw_skeleton(bad, np.zeros((14, 2)), "lsp14")
    with pytest.raises(ValueError, match=message):
        visualize.contact_sheet([bad])


@pytest.mark.parametrize("shape", [(16, 2), (14, 1), (1, 14, 2)])
def test_joints_of_another_form_are_refused(image, shape):
    with pytest.raises(ValueError, match=r"\(14, 2\) for the skeleton 'lsp14'"):
        visualize.draw_skeleton(image, np.zeros(shape), "lsp14")


def test_visibility_of_another_length_is_refused(image, joints):
    with pytest.raises(ValueError, match="visibility"):
        visualize.draw_skeleton(image, joints, "lsp14", visibility=np.ones(16))


# --- poses in space ---

PA = get_skeleton("pa16j")
SIZE = 220  # 10 mm a pixel, as long as the pose needs no more than 2200 mm


def in_space(**places):
    """A pose (16, 3) of which only some joints are known."""
    joints = np.full((16, 3), np.nan)
    for name, place in places.items():
        joints[PA.index(name)] = place
    return joints


def marks(drawn, empty):
    """Where a picture differs from another: left, top, right, bottom."""
    y, x = np.nonzero((drawn != empty).any(axis=-1))
    return x.min(), y.min(), x.max(), y.max()


def views(joints, true=None, **options):
    """Front and side view."""
    drawn = visualize.draw_views(joints, "pa16j", true=true, size=SIZE, **options)
    assert drawn.shape == (SIZE, 2 * SIZE, 3)
    assert drawn.dtype == np.uint8
    return drawn[:, :SIZE], drawn[:, SIZE:]


def empty_views(**options):
    return views(np.full((16, 3), np.nan), **options)


def standing():
    rng = np.random.default_rng(0)
    height = {"head_top": -700, "neck": -550, "thorax": -450, "shoulder": -450, "elbow": -200}
    height |= {"wrist": 0, "hip": 0, "pelvis": 0, "knee": 450, "ankle": 900}
    side = {"right": -200, "left": 200}
    joints = [
        (side.get(n.split("_")[0], 0), height[n.split("_")[-1]], 0)
        for n in PA.joints
        if n != "head_top"
    ]
    joints.insert(PA.index("head_top"), (0, -700, 0))
    return np.array(joints) + rng.uniform(-50, 50, (16, 3)) * (1, 1, 5) + (300, -100, 4000)


def test_views_are_upright_of_one_scale_and_have_the_root_in_the_middle():
    root = np.array([5000.0, -300, 4000])
    joints = in_space(pelvis=root, left_wrist=root + (300, -600, 800))
    places = []
    for view, empty in zip(views(joints), empty_views(), strict=True):
        left, top, right, bottom = marks(view, empty)
        places.append(((left, top), (right, bottom)))
    front, side = places
    # The dots reach out by their radius. 60 pixels up; 30 to the right, 80 to the right.
    radius = (front[1][1] - front[0][1] - 60) / 2
    assert 2 <= radius <= 6
    np.testing.assert_allclose(front[0], (110 - radius, 50 - radius), atol=1)
    np.testing.assert_allclose(front[1], (140 + radius, 110 + radius), atol=1)
    np.testing.assert_allclose(side[0], (110 - radius, 50 - radius), atol=1)
    np.testing.assert_allclose(side[1], (190 + radius, 110 + radius), atol=1)


@pytest.mark.parametrize("near", ["left", "right"])
def test_what_is_nearer_to_the_viewer_is_over_the_rest(near):
    # The thighs cross: the right one from left to right in the front view, the left one back.
    depth = 100 if near == "right" else -100
    legs = {"right_hip": (-200, 0, -depth), "right_knee": (200, 400, -depth)}
    legs |= {"left_hip": (200, 0, depth), "left_knee": (-200, 400, depth)}
    front, _ = views(in_space(**legs))
    limb = next(limb for limb in PA.limbs if limb.end == f"{near}_knee")
    assert tuple(front[SIZE // 2 + 20, SIZE // 2]) == limb.colour
    # Seen from the right, the one whose x is larger is nearer.
    _, side = views(in_space(**{name: (z, y, x) for name, (x, y, z) in legs.items()}))
    far = "left" if near == "right" else "right"
    limb = next(limb for limb in PA.limbs if limb.end == f"{far}_knee")
    assert tuple(side[SIZE // 2 + 20, SIZE // 2]) == limb.colour


def test_sides_have_their_colours_in_both_views():
    for view in views(standing()):
        for limb in PA.limbs:
            assert (view == limb.colour).all(axis=-1).sum() > 50


def test_stacked_views_are_the_same_one_below_the_other():
    front, side = views(standing())
    stacked = visualize.draw_views(standing(), PA, size=SIZE, stacked=True)
    np.testing.assert_array_equal(stacked, np.concatenate([front, side]))


def test_unknown_joints_are_left_out_of_the_views():
    joints = standing()
    joints[PA.index("left_ankle"), 2] = np.nan
    joints[PA.index("right_ankle"), 0] = np.inf
    for view, whole, empty in zip(views(joints), views(standing()), empty_views(), strict=True):
        assert marks(view, empty)[3] < marks(whole, empty)[3] - 30


@pytest.mark.filterwarnings("error")
def test_a_pose_without_known_joints_has_empty_views():
    nothing = np.full((16, 3), np.nan)
    for empty in empty_views():
        assert empty.std() > 1  # the grid and the names of the views
        assert (np.ptp(empty.astype(int), axis=-1) == 0).all()  # in grey
    np.testing.assert_array_equal(views(nothing, nothing), empty_views())
    for view, empty in zip(views(nothing, standing()), empty_views(), strict=True):
        assert (view != empty).any()


def test_the_true_pose_is_grey_and_below_with_the_roots_laid_together():
    joints = standing()
    np.testing.assert_array_equal(views(joints, joints + (500, -70, 900)), views(joints, joints))
    true = joints.copy()
    true[PA.index("left_wrist")] += (400, 0, 400)
    for view, alone in zip(views(joints, true), views(joints), strict=True):
        new = view[(view != alone).any(axis=-1)].astype(int)
        assert len(new) > 50
        assert (np.ptp(new, axis=-1) < 60).all()
        coloured = np.ptp(alone.astype(int), axis=-1) > 120
        np.testing.assert_array_equal(view[coloured], alone[coloured])


@pytest.mark.parametrize("unknown", [["pelvis"], ["pelvis", "left_hip"]])
def test_without_a_root_poses_are_laid_together_by_what_is_known(unknown):
    joints = standing()
    joints[[PA.index(name) for name in unknown]] = np.nan
    true = joints + (0, 600, 0)
    np.testing.assert_array_equal(views(joints, true), views(joints, joints))


def test_large_poses_are_shown_whole():
    joints = standing()
    joints[PA.index("left_wrist")] += (6000, -6000, 6000)
    for view, empty in zip(views(joints, metric=False), empty_views(metric=False), strict=True):
        left, top, right, bottom = marks(view, empty)
        assert min(left, top) > 0
        assert max(right, bottom) < SIZE - 1


def test_views_without_a_scale_have_no_grid():
    joints = standing()
    grid, none = views(joints)[0], views(joints, metric=False)[0]
    paper = none[100, 60]
    for column in (60, 160):  # 500 mm from the middle, with nothing in the way
        assert (grid[20:190, column] < paper).all()
        assert (none[20:190, column] == paper).all()


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((16, 2), r"\(16, 3\).*got \(16, 2\)\. A 2D pose has no side view.*draw_skeleton"),
        ((17, 3), r"\(16, 3\), x, y, z in mm, for the skeleton 'pa16j', got \(17, 3\)\.$"),
        ((1, 16, 3), r"got \(1, 16, 3\)\.$"),
        ((16,), r"got \(16,\)\.$"),
    ],
)
def test_poses_of_another_form_have_no_views(shape, message):
    with pytest.raises(ValueError, match=message):
        visualize.draw_views(np.zeros(shape), "pa16j")
    with pytest.raises(ValueError, match=message):
        visualize.draw_views(standing(), "pa16j", true=np.zeros(shape))


@pytest.mark.parametrize("size", [0, -5, 2.5, 256.0, "256", None, True])
def test_views_of_no_size_are_refused(size):
    with pytest.raises(ValueError, match=f"whole number of pixels, got {size!r}"):
        visualize.draw_views(standing(), "pa16j", size=size)


def test_small_views_are_drawn():
    assert visualize.draw_views(standing(), "pa16j", size=1).shape == (1, 2, 3)
    assert visualize.draw_views(standing(), "pa16j", size=np.int64(9)).shape == (9, 18, 3)


# --- plots ---


def test_curves_show_label_and_area():
    thresholds = np.linspace(0, 0.5, 6)
    curve = SimpleNamespace(thresholds=thresholds, values=np.linspace(0, 80, 6), auc=40.0)
    figure = visualize.plot_curves(
        {"first": (thresholds, np.linspace(0, 40, 6)), "last": curve}, title="T", marks=[0.5]
    )
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "first",
        "last, AUC 40.0",
    ]
    assert [text.get_text() for text in axes.texts] == ["80.0"]
    assert pixels(figure).std() > 10


def test_bars_show_values_counts_and_gaps():
    figure = visualize.plot_bars(["a", "b", "c"], [50, np.nan, 3], counts=[4, 0, 1], mean=41)
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a (4)", "b (0)", "c (1)"]
    assert [text.get_text() for text in axes.texts] == ["50.0", "-", "3.0", "total 41.0"]
    assert pixels(figure).std() > 10


def test_contact_sheet_holds_all_images_and_titles(image):
    figure = visualize.contact_sheet([image] * 5, list("abcde"), columns=3, row_titles=["x", "y"])
    assert len(figure.axes) == 6
    assert [axes.get_title() for axes in figure.axes] == ["a", "b", "c", "d", "e", ""]
    assert [len(axes.images) for axes in figure.axes] == [1, 1, 1, 1, 1, 0]
    assert figure.axes[3].get_ylabel() == "y"
    assert pixels(figure).std() > 10


def test_wide_images_make_low_rows(image):
    low, high = (
        visualize.contact_sheet([np.zeros((80, width, 3), np.uint8)] * 6, columns=2, size=3)
        for width in (240, 80)
    )
    assert low.get_figwidth() == high.get_figwidth()
    assert low.get_figheight() == pytest.approx(high.get_figheight() - 3 * 2)


def test_plots_of_nothing_are_refused(image):
    with pytest.raises(ValueError, match="no curve"):
        visualize.plot_curves({})
    with pytest.raises(ValueError, match="one value per name"):
        visualize.plot_bars([], [])
    with pytest.raises(ValueError, match="one value per name"):
        visualize.plot_bars(["a"], [1, 2])
    with pytest.raises(ValueError, match="at least one image"):
        visualize.contact_sheet([])
    with pytest.raises(ValueError, match="titles must have one per image"):
        visualize.contact_sheet([image], ["a", "b"])
    with pytest.raises(ValueError, match="row_titles must have one per row"):
        visualize.contact_sheet([image], row_titles=["a", "b"])


def test_matplotlib_is_imported_late_and_never_pyplot():
    code = (
        "import sys; from deephar import visualize; assert 'matplotlib' not in sys.modules; "
        "visualize.plot_bars(['a'], [1]).savefig(sys.argv[1]); "
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, "/dev/null"], check=True, env={"MPLBACKEND": ""})


# --- actions ---


def test_captions_are_written_at_the_top_left(image):
    drawn = visualize.draw_caption(image, ["bowl 99 %", "ün"])
    changed = (drawn != image).any(axis=-1)
    assert changed[:12, :20].mean() > 0.5
    assert not changed[60:].any()
    assert (image == 128).all()
    np.testing.assert_array_equal(visualize.draw_caption(image, []), image)


@pytest.mark.parametrize("size", [(20, 20), (480, 100), (1080, 1920)])
def test_long_captions_fit_into_images_of_any_size(size):
    canvas = np.full((*size, 3), 100, np.uint8)
    drawn = visualize.draw_caption(canvas, ["clean_and_jerk and much more  100 %"])
    changed = np.flatnonzero((drawn != 100).any(axis=(0, 2)))
    assert changed.max() < size[1]
    assert (drawn == 100).any()


def test_the_best_action_is_drawn_over_the_pose(image, joints):
    pose = visualize.draw_skeleton(image, joints, LSP)
    plain = visualize.draw_action(image, joints, LSP)
    np.testing.assert_array_equal(plain, pose)
    np.testing.assert_array_equal(visualize.draw_action(image, joints, LSP, actions=None), pose)
    drawn = visualize.draw_action(image, joints, LSP, actions=[("golf_swing", 0.5), ("bowl", 0.1)])
    expected = visualize.draw_caption(pose, ["golf swing  50 %"])
    np.testing.assert_array_equal(drawn, expected)


def test_confusions_show_counts_where_there_are_any():
    figure = visualize.plot_confusion([[3, 0], [1, 9]], ["a", "b"], title="T")
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == ["3", "1", "9"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    assert pixels(figure).std() > 10
    with pytest.raises(ValueError, match="each of 3 names"):
        visualize.plot_confusion([[3, 0], [1, 9]], ["a", "b", "c"])


def test_the_most_frequent_actions_are_drawn_over_time():
    scores = np.full((6, 4), 0.1)
    scores[:4, 2] = scores[4:, 1] = 0.7
    scores[:, 3] = 0.2
    times = [0, 0.1, 0.2, 0.3, 1.3, 2.3]
    figure = visualize.plot_actions(["a", "b", "c", "d"], times, scores, title="T", most=3)
    strip, curves = figure.axes
    assert strip.get_title() == "T"
    assert [line.get_label() for line in curves.lines] == ["c", "b", "d"]
    np.testing.assert_allclose(curves.lines[0].get_xdata(), [*times, 3.3])
    np.testing.assert_allclose(curves.lines[0].get_ydata()[:6], 100 * scores[:, 2])
    spans = [(patch.get_x(), patch.get_width()) for patch in strip.patches]
    np.testing.assert_allclose(spans, [(0, 1.3), (1.3, 2)])
    assert strip.patches[0].get_facecolor()[:3] != strip.patches[1].get_facecolor()[:3]
    greyed = visualize.plot_actions(["a", "b", "c", "d"], times, scores, grey="c")
    red, green, blue, _ = greyed.axes[0].patches[0].get_facecolor()
    assert red == green == blue
    assert pixels(figure).std() > 10
    assert visualize.plot_actions(["a", "b"], [0.5], [[0.2, 0.8]]).axes[1].get_xlim() == (0.5, 1.5)


def test_actions_over_time_need_a_score_for_each_frame_and_name():
    for times, scores in (([], np.zeros((0, 2))), ([0, 1], [[1, 0]]), ([0], [[1, 0, 0]])):
        with pytest.raises(ValueError, match="a row for each frame and a column for each action"):
            visualize.plot_actions(["a", "b"], times, scores)
