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
    hollow = visualize.draw_skeleton(image, joints, LSP, visibility, width=4)
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


def test_plots_of_nothing_are_refused(image):
    with pytest.raises(ValueError, match="no curve"):
        visualize.plot_curves({})
    with pytest.raises(ValueError, match="one value a name"):
        visualize.plot_bars([], [])
    with pytest.raises(ValueError, match="one value a name"):
        visualize.plot_bars(["a"], [1, 2])
    with pytest.raises(ValueError, match="at least one image"):
        visualize.contact_sheet([])
    with pytest.raises(ValueError, match="one title an image"):
        visualize.contact_sheet([image], ["a", "b"])
    with pytest.raises(ValueError, match="one row title a row"):
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
    figure = visualize.plot_confusion([[3, 0], [1, 9]], ["a", "b"], "T")
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == ["3", "1", "9"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    assert pixels(figure).std() > 10
    with pytest.raises(ValueError, match="each of 3 names"):
        visualize.plot_confusion([[3, 0], [1, 9]], ["a", "b", "c"])
