"""Pictures: skeletons on images and in space, captions, curves, bars, actions, contact sheets.

Nothing here needs a display. Drawings are NumPy arrays. Plots are ``matplotlib.figure.Figure``
objects (never pyplot, which keeps global state): save them with ``figure.savefig("x.png")``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from numbers import Integral
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import ArrayLike

from deephar.skeletons import Skeleton, get_skeleton

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from deephar.metrics import Curve

    Colour = tuple[int, int, int]

_VISIBLE = 0.5  # joints below this visibility are drawn hollow
_SHIFT = 4  # OpenCV takes coordinates in 1/16 pixel, so that drawings do not snap to pixels
_OUTLINE = (20, 20, 20)
_WHITE = (255, 255, 255)
_PAPER, _GRID, _FRAME, _INK, _TRUE = (
    (level,) * 3
    for level in (250, 228, 190, 90, 165)  # greys of the views of a pose in space
)


def draw_skeleton(
    image: np.ndarray,
    joints: ArrayLike,
    skeleton: str | Skeleton,
    *,
    visibility: ArrayLike | None = None,
    colour: Colour | None = None,
    width: int | None = None,
    dashed: bool = False,
) -> np.ndarray:
    """Draws a pose over a copy of an image.

    Args:
        image: uint8 (H, W, 3), RGB. It is not modified.
        joints: (J, 2) or (J, 3) in pixels of the image, x and y first; joints that are NaN are left
            out, and so are the limbs that end in them.
        skeleton: the name of the joint layout, or a `Skeleton`.
        visibility: (J,) in [0, 1]; a joint below 0.5 is drawn hollow. None: all are visible.
        colour: one (r, g, b) for everything; by default each limb has the colour of the skeleton.
        width: line width in pixels; by default as `line_width`.
        dashed: draws broken lines without joint marks, as is usual for the true pose.

    Returns:
        A new image, uint8 (H, W, 3), RGB.

    Raises:
        ValueError: The image, the joints or the visibility have another form.
    """
    skeleton = get_skeleton(skeleton)
    canvas = _checked_image(image).copy()
    points = _checked_joints(joints, skeleton, canvas.shape)
    hidden = np.zeros(len(points), bool)
    if visibility is not None:
        visibility = np.asarray(visibility, float)
        if visibility.shape != hidden.shape:
            raise ValueError(
                f"visibility must have the shape {hidden.shape}, one value per joint, got "
                f"{visibility.shape}."
            )
        hidden = visibility < _VISIBLE
    if width is None:
        known = points[np.isfinite(points).all(axis=1)]
        extent = np.ptp(known, axis=0).max() if len(known) else 0
        width = line_width(extent, canvas.shape)
    width = int(width)
    border = 0 if dashed else max(1, round(width / 4))
    if colour is not None:
        colour = tuple(int(value) for value in colour)

    limbs = _known_limbs(points, skeleton)
    # A dark line under every limb first: it keeps the colours readable on any background without
    # cutting through the neighbours. Between dashes it shows.
    for start, end, _ in limbs:
        _line(canvas, start, end, _OUTLINE, width + 2 * border)
    for start, end, line_colour in limbs:
        for piece in _dashes(start, end, 5 * width) if dashed else [(start, end)]:
            _line(canvas, *piece, colour or line_colour, width)
    if not dashed:
        _draw_marks(canvas, points, hidden, limbs, colour, width, border)
    return canvas


def line_width(extent: float, image_shape: Sequence[int]) -> int:
    """Default width of lines: 1/100 of the longer side of the image, or 1/40 of a small person's.

    Args:
        extent: the larger of the height and the width of the person, in pixels.
        image_shape: (height, width, ...) of the image.

    Returns:
        int, pixels; at least 1.
    """
    return max(1, round(min(max(image_shape[:2]) / 100, extent / 40)))


def _known_limbs(points, skeleton):
    """(start, end, colour) of the limbs of which both ends are known."""
    limbs = [
        (points[skeleton.index(limb.start)], points[skeleton.index(limb.end)], limb.colour)
        for limb in skeleton.limbs
    ]
    return [limb for limb in limbs if np.isfinite(limb[0]).all() and np.isfinite(limb[1]).all()]


def _draw_marks(canvas, points, hidden, limbs, colour, width, border):
    """A dot on every known joint, in the colour of a limb that ends there; hollow if hidden."""
    colours = {tuple(point): limb[2] for limb in reversed(limbs) for point in limb[:2]}
    for point, is_hidden in zip(points, hidden, strict=True):
        if np.isfinite(point).all():
            _dot(canvas, point, _OUTLINE, width + border)
            _dot(canvas, point, colour or colours.get(tuple(point), _WHITE), width)
            if is_hidden:
                _dot(canvas, point, _WHITE, 0.6 * width)


def _dashes(start, end, length):
    """Pieces (from, to) of a line, with gaps of the same length."""
    distance = np.hypot(*(end - start))
    direction = (end - start) / max(distance, 1e-9)
    return [
        (start + stop * direction, start + min(stop + length, distance) * direction)
        for stop in np.arange(0.0, distance, 2.0 * length)
    ]


def _line(canvas, start, end, colour, width):
    a, b = (tuple(np.rint(point * 2**_SHIFT).astype(int).tolist()) for point in (start, end))
    cv2.line(canvas, a, b, colour, width, cv2.LINE_AA, _SHIFT)


def _dot(canvas, point, colour, radius):
    centre = tuple(np.rint(point * 2**_SHIFT).astype(int).tolist())
    cv2.circle(canvas, centre, round(radius * 2**_SHIFT), colour, -1, cv2.LINE_AA, _SHIFT)


def _checked_image(image):
    image = np.asarray(image)
    if image.dtype != np.uint8:
        raise ValueError(
            f"An image must be of type uint8, got {image.dtype}. Scale a float image to 0..255 and "
            "convert it, e.g. ((x + 1) * 127.5).astype('uint8') for a network input x."
        )
    if image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(
            f"An RGB image must have the shape (height, width, 3), got {image.shape}. Convert "
            "greyscale with numpy.stack([x] * 3, axis=-1), drop an alpha channel with x[..., :3]."
        )
    return image


def _checked_joints(joints, skeleton, image_shape):
    joints = np.asarray(joints, np.float64)
    if joints.ndim != 2 or joints.shape[0] != skeleton.num_joints or joints.shape[1] < 2:
        raise ValueError(
            f"joints must have the shape ({skeleton.num_joints}, 2) for the skeleton "
            f"{skeleton.name!r}, got {joints.shape}."
        )
    points = np.where(np.isfinite(joints[:, :2]), joints[:, :2], np.nan)
    # Points far outside would overflow OpenCV's fixed-point coordinates.
    limit = 20 * max(image_shape[:2])
    return np.clip(points, -limit, limit)


def draw_caption(image: np.ndarray, lines: Iterable[str]) -> np.ndarray:
    """Writes lines of text on a copy of an image, at its top left, such as an action and its score.

    Args:
        image: uint8 (H, W, 3), RGB. It is not modified.
        lines: texts; characters other than ASCII are shown as "?". Their size grows with that of
            the image; it is reduced if they would not fit into its width.

    Returns:
        A new image, uint8 (H, W, 3), RGB.

    Raises:
        ValueError: The image has another form.
    """
    canvas = _checked_image(image).copy()
    lines = [str(line).encode("ascii", "replace").decode() for line in lines]
    if not lines:
        return canvas
    height, width = canvas.shape[:2]
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, max(height, width) / 700
    longest = max(cv2.getTextSize(line, font, scale, 1)[0][0] for line in lines)
    scale *= min(1.0, 0.9 * width / max(longest, 1))
    thickness = max(1, round(1.6 * scale))
    sizes = [cv2.getTextSize(line, font, scale, thickness)[0] for line in lines]
    step, gap = round(34 * scale), max(2, round(10 * scale))
    plate = canvas[: gap + step * len(lines), : 2 * gap + max(w for w, _ in sizes)]
    plate[:] = (0.35 * plate).astype(np.uint8)
    for number, line in enumerate(lines):
        place = (gap, step * (number + 1) - gap // 2)
        cv2.putText(canvas, line, place, font, scale, _WHITE, thickness, cv2.LINE_AA)
    return canvas


def draw_label(image: np.ndarray, text: str, place: Sequence[float]) -> np.ndarray:
    """Writes a short text on a copy of an image, such as the number of a person above their head.

    Args:
        image: uint8 (H, W, 3), RGB. It is not modified.
        text: characters other than ASCII are shown as "?".
        place: (x, y) of the middle of its lower edge, in pixels. It is moved into the image.

    Returns:
        A new image, uint8 (H, W, 3), RGB.

    Raises:
        ValueError: The image has another form.
    """
    canvas = _checked_image(image).copy()
    text = str(text).encode("ascii", "replace").decode()
    height, width = canvas.shape[:2]
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, max(0.35, max(height, width) / 1400)
    thickness = max(1, round(1.6 * scale))
    (long, high), gap = cv2.getTextSize(text, font, scale, thickness)[0], max(2, round(8 * scale))
    x = int(np.clip(place[0] - long / 2, gap, max(gap, width - long - gap)))
    y = int(np.clip(place[1], high + gap, max(high + gap, height - gap)))
    plate = canvas[max(0, y - high - gap) : y + gap, max(0, x - gap) : x + long + gap]
    plate[:] = (0.35 * plate).astype(np.uint8)
    cv2.putText(canvas, text, (x, y), font, scale, _WHITE, thickness, cv2.LINE_AA)
    return canvas


def draw_action(
    image: np.ndarray,
    joints: ArrayLike,
    skeleton: str | Skeleton,
    *,
    visibility: ArrayLike | None = None,
    actions: Sequence[tuple[str, float]] | None = None,
    note: str = "",
    width: int | None = None,
) -> np.ndarray:
    """Draws a pose and the action with its score over a copy of an image.

    Args:
        image: uint8 (H, W, 3), RGB. It is not modified.
        joints: as for `draw_skeleton`.
        skeleton: as for `draw_skeleton`.
        visibility: as for `draw_skeleton`.
        actions: (name, score in [0, 1]), best first; the first is written, if there is any.
        note: another line of text below.
        width: as for `draw_skeleton`.

    Returns:
        A new image, uint8 (H, W, 3), RGB.

    Raises:
        ValueError: As `draw_skeleton`.
    """
    lines = [
        f"{name.replace('_', ' ')}  {100 * score:.0f} %" for name, score in (actions or ())[:1]
    ]
    drawn = draw_skeleton(image, joints, skeleton, visibility=visibility, width=width)
    return draw_caption(drawn, [*lines, *([note] if note else [])])


# ------------------------------------------------------------------------------- poses in space

_GRID_STEP = 500  # mm


def draw_views(
    joints: ArrayLike,
    skeleton: str | Skeleton,
    *,
    true: ArrayLike | None = None,
    size: int = 256,
    span: float = 2200,
    stacked: bool = False,
    metric: bool = True,
) -> np.ndarray:
    """Draws a pose in space from two sides: as the camera sees it, and from the side.

    Both views are orthographic and have the same scale, and a joint is at the same height in both.
    The side view is from the camera's right: the camera is on its left, and depth grows to the
    right. The root (the pelvis, else the middle of the hips) is in the middle.

    Args:
        joints: (J, 3) in mm: x to the right, y down, z away from the camera, from any origin.
            Joints that are NaN are left out, and so are the limbs that end in them.
        skeleton: the name of the joint layout, or a `Skeleton`.
        true: (J, 3), another pose, drawn in grey under the first, with the same root.
        size: height and width of a view in pixels, an integer of at least 1.
        span: mm that a view shows at least in height and width; more if a pose needs it.
        stacked: whether the side view is below the front view, not at its right.
        metric: whether x and y of `joints` are mm, too. If not, no grid is drawn, and the picture
            says that it is not to scale.

    Returns:
        uint8 (size, 2 size, 3), RGB; stacked: (2 size, size, 3).

    Raises:
        ValueError: The joints have another form, such as 2D; or `size` is not such an integer.
    """
    if isinstance(size, bool) or not isinstance(size, Integral) or size < 1:
        raise ValueError(f"size must be a whole number of pixels, got {size!r}.")
    skeleton = get_skeleton(skeleton)
    poses = [
        _checked_space(pose, skeleton) for pose in ([joints] if true is None else [joints, true])
    ]
    poses = _with_common_root(np.stack(poses), skeleton)
    reach = np.nanmax(np.abs(poses), initial=0.0)
    scale = size / max(span, 2.15 * reach)  # pixels a mm; a margin for the marks of the joints
    grid = _GRID_STEP * scale if metric else None
    views = []
    # The axis to the right, and the distance from the viewer.
    for right, away, title in ((0, poses[0, :, 2], "front"), (2, -poses[0, :, 0], "side")):
        planes = size / 2 + scale * poses[..., [right, 1]]
        views.append(_view(planes, away, skeleton, size, grid, title))
    notes = [f"grid {_GRID_STEP} mm" if metric else "not to scale", "depth ->"]
    for view, note in zip(views, notes, strict=True):
        _write(view, note, bottom=True)
    return np.concatenate(views, axis=0 if stacked else 1)


def _view(planes, away, skeleton, size, grid, title):
    """One view of poses (1 or 2, J, 2) in its pixels, the first in colours.

    `away` (J,) is the distance of its joints from the viewer.
    """
    canvas = np.full((size, size, 3), _PAPER, np.uint8)
    if grid is not None:
        steps = int(size / 2 / grid)
        places = np.rint(size / 2 + grid * np.arange(-steps, steps + 1)).astype(int)
        places = places[places < size]
        canvas[places] = canvas[:, places] = _GRID
    cv2.rectangle(canvas, (0, 0), (size - 1, size - 1), _FRAME, 1)
    _write(canvas, title)
    for true in planes[1:]:
        for start, end, _ in _known_limbs(true, skeleton):
            _line(canvas, start, end, _TRUE, max(1, round(size / 100)))
    # The nearer to the viewer, the later, so that it covers the rest.
    depth = dict(zip(skeleton.joints, np.nan_to_num(away), strict=True))
    limbs = sorted(skeleton.limbs, key=lambda limb: -(depth[limb.start] + depth[limb.end]))
    ordered = replace(skeleton, limbs=tuple(limbs))
    return draw_skeleton(canvas, planes[0], ordered, width=max(1, round(size / 80)))


def _write(canvas, text, bottom=False):
    """Small text in a corner at the left."""
    size = canvas.shape[0]
    scale = max(0.3, size / 620)
    place = (round(0.03 * size), size - round(0.035 * size) if bottom else round(26 * scale) + 2)
    cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, _INK, 1, cv2.LINE_AA)


def _with_common_root(poses, skeleton):
    """Poses (N, J, 3) with the origin in their roots."""
    known = np.isfinite(poses).all(axis=(0, 2))
    for names in (("pelvis",), ("right_hip", "left_hip")):
        if set(names) <= set(skeleton.joints):
            root = [skeleton.index(name) for name in names]
            if known[root].all():
                return poses - poses[:, root].mean(axis=1, keepdims=True)
    if known.any():  # some root is unknown: use the joints that are known in all poses
        return poses - poses[:, known].mean(axis=1, keepdims=True)
    return poses - np.stack([_middle(pose) for pose in poses])[:, None]


def _middle(pose):
    known = np.isfinite(pose).all(axis=-1)
    return pose[known].mean(axis=0) if known.any() else np.zeros(3)


def _checked_space(joints, skeleton):
    joints = np.asarray(joints, np.float64)
    if joints.shape != (skeleton.num_joints, 3):
        flat = joints.ndim == 2 and joints.shape[1] == 2
        raise ValueError(
            f"joints must have the shape ({skeleton.num_joints}, 3), x, y, z in mm, for the "
            f"skeleton {skeleton.name!r}, got {joints.shape}."
            + (" A 2D pose has no side view: draw it with draw_skeleton." if flat else "")
        )
    # A joint with one unknown coordinate is unknown.
    return np.where(np.isfinite(joints).all(axis=-1, keepdims=True), joints, np.nan)


# ------------------------------------------------------------------------------------------ plots

_BLUE, _GREY = "#2f6db5", "#9a9a9a"
_ACTION_COLOURS = (_BLUE, "#e07b39", "#4c9f6b", "#8d62b0", "#c9a227")


def plot_curves(
    curves: Mapping[str, Curve | tuple[ArrayLike, ArrayLike]],
    title: str = "",
    *,
    xlabel: str = "threshold",
    ylabel: str = "correct joints (%)",
    marks: Sequence[float] = (),
) -> Figure:
    """Plots score against threshold, one line per curve.

    Args:
        curves: dict from a label to a `deephar.metrics.Curve`, or to (thresholds, values in
            percent). The last one is drawn bold, the others thin: blocks come in order and the last
            is the answer. The area under a `Curve` is added to its label.
        title: of the plot.
        xlabel: of the x axis.
        ylabel: of the y axis.
        marks: thresholds at which the value of the last curve is marked and written.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: There is no curve.
    """
    if not curves:
        raise ValueError("There is no curve to plot.")
    figure, axes = _plot(6.4, 4.4)
    last = len(curves) - 1
    for number, (label, curve) in enumerate(curves.items()):
        thresholds, values = (
            (curve.thresholds, curve.values) if hasattr(curve, "thresholds") else curve
        )
        if hasattr(curve, "auc"):
            label = f"{label}, AUC {curve.auc:.1f}"
        style = {"color": _BLUE, "linewidth": 2.4, "zorder": 3}
        if number < last:
            shade = 0.82 - 0.35 * number / last  # earlier blocks are paler
            style = {"color": str(shade), "linewidth": 1.2}
        axes.plot(thresholds, values, label=label, **style)
    for mark in marks:
        value = float(np.interp(mark, thresholds, values))
        axes.plot([mark], [value], "o", color=_BLUE, markersize=6, zorder=4, clip_on=False)
        axes.annotate(
            f"{value:.1f}", (mark, value), (-7, 7), textcoords="offset points", ha="right", zorder=5
        )
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel, ylim=(0, 100))
    axes.set_xlim(float(np.min(thresholds)), float(np.max(thresholds)))
    axes.grid(alpha=0.3)
    # Score curves rise to the right, so the lower right corner is the free one.
    axes.legend(loc="best", fontsize=9, frameon=True)
    return figure


def plot_bars(
    names: Sequence[str],
    values: ArrayLike,
    *,
    title: str = "",
    ylabel: str = "correct joints (%)",
    counts: Sequence[int] | None = None,
    mean: float | None = None,
) -> Figure:
    """Plots one bar per name, with the value written on it.

    Args:
        names: texts, e.g. the joints of a skeleton.
        values: as many numbers in percent; NaN (nothing to score) is shown as "-".
        title: of the plot.
        ylabel: of the y axis.
        counts: number of joints that each value is the score of, written beside the name.
        mean: an overall value, drawn as a dashed line.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: There are not as many values as names, or none at all.
    """
    values = np.asarray(values, float)
    if len(names) == 0 or values.shape != (len(names),):
        raise ValueError(
            f"values must have one value per name, got {values.shape} for {len(names)} names."
        )
    figure, axes = _plot(max(5.0, 1.6 + 0.58 * len(names)), 4.2)
    places = np.arange(len(names))
    axes.bar(places, np.nan_to_num(values), width=0.74, color=_BLUE, zorder=2)
    for place, value in zip(places, values, strict=True):
        # At the bottom of the bar, where the line of the mean does not cross it; above small bars.
        inside = value >= 10
        axes.annotate(
            "-" if np.isnan(value) else f"{value:.1f}",
            (place, 0 if inside else np.nan_to_num(value)),
            (0, 4),
            textcoords="offset points",
            ha="center",
            fontsize=9,
            color="white" if inside else "black",
        )
    if mean is not None:
        axes.axhline(mean, color="#222222", linestyle="--", linewidth=1, zorder=3)
        axes.annotate(
            f"total {mean:.1f}",
            (1, mean),
            (4, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
            fontsize=8,
            annotation_clip=False,
        )
    labels = names
    if counts is not None:
        labels = [f"{name} ({count})" for name, count in zip(names, counts, strict=True)]
    axes.set_xticks(places, labels, rotation=40, ha="right", rotation_mode="anchor", fontsize=9)
    axes.set(title=title, ylabel=ylabel, ylim=(0, 100), xlim=(-0.7, len(names) - 0.3))
    axes.set_yticks(range(0, 101, 20))
    axes.grid(axis="y", alpha=0.3, zorder=0)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def plot_confusion(counts: ArrayLike, names: Sequence[str], *, title: str = "") -> Figure:
    """Plots a confusion matrix: shades are fractions of each row, numbers are counts.

    Args:
        counts: (C, C) integers, by true class (row) and answer (column).
        names: names of the C classes.
        title: of the plot.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: There are not as many rows and columns as names, or none at all.
    """
    counts = np.asarray(counts)
    if len(names) == 0 or counts.shape != (len(names), len(names)):
        raise ValueError(
            f"counts must have a row and a column for each of {len(names)} names, got "
            f"{counts.shape}."
        )
    fractions = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 2.6 + 0.36 * len(names)
    figure, axes = _plot(side, side)
    axes.imshow(fractions, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.argwhere(counts > 0):
        axes.text(
            column,
            row,
            str(counts[row, column]),
            ha="center",
            va="center",
            fontsize=7,
            color="white" if fractions[row, column] > 0.5 else "black",
        )
    places = np.arange(len(names))
    axes.set_xticks(places, names, rotation=50, ha="right", rotation_mode="anchor", fontsize=8)
    axes.set_yticks(places, names, fontsize=8)
    axes.set_xticks(places[1:] - 0.5, minor=True)
    axes.set_yticks(places[1:] - 0.5, minor=True)
    axes.grid(which="minor", color="#d0d0d0", linewidth=0.5)
    axes.tick_params(which="minor", length=0)
    axes.set(xlabel="answer", ylabel="true action")
    axes.set_title(title, fontsize=10)
    return figure


def plot_actions(
    names: Sequence[str],
    times: Sequence[float],
    scores: ArrayLike,
    *,
    title: str = "",
    most: int = 5,
    grey: str = "",
) -> Figure:
    """Plots the scores of the most frequent actions over time, and the best action as a strip.

    Args:
        names: of the C actions.
        times: of the N frames, seconds, rising.
        scores: (N, C), in [0, 1].
        title: of the plot.
        most: number of actions that have a colour: those that are the best one in most frames, then
            those with the highest mean.
        grey: name of the one that is drawn in grey, such as that of no known action.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: There is no frame, or the number of names, times and scores differs.
    """
    scores, times = np.asarray(scores, float), np.asarray(times, float)
    if len(times) == 0 or scores.shape != (len(times), len(names)):
        raise ValueError(
            f"scores must have a row for each frame and a column for each action, {len(times)} x "
            f"{len(names)}, got {scores.shape}."
        )
    best = scores.argmax(axis=1)
    counts = np.bincount(best, minlength=len(names))
    shown = np.lexsort((-scores.mean(axis=0), -counts))[:most].tolist()
    coloured = [number for number in shown if names[number] != grey]
    colours = dict.fromkeys(shown, _GREY)
    colours |= zip(coloured, _ACTION_COLOURS * len(shown), strict=False)
    # Each frame is shown until the next one; the last one as long as the one before.
    ends = np.append(times, times[-1] + (times[-1] - times[-2] if len(times) > 1 else 1.0))
    figure = _figure(8.0, 3.2)
    strip, axes = figure.subplots(2, 1, sharex=True, height_ratios=[1, 8])
    starts = np.flatnonzero(np.diff(best, prepend=-1))
    for start, end in zip(starts, np.append(starts[1:], len(times)), strict=True):
        colour = colours.get(int(best[start]), "#d0d0d0")
        strip.axvspan(ends[start], ends[end], color=colour, linewidth=0)
    for number in shown:
        values = np.append(scores[:, number], scores[-1, number])
        axes.step(
            ends, 100 * values, where="post", color=colours[number], label=names[number], lw=1.6
        )
    strip.set(yticks=[], xlim=(ends[0], ends[-1]))
    strip.set_title(title, fontsize=10)
    axes.set(xlabel="time (s)", ylabel="score (%)", ylim=(0, 100))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper", fontsize=9)
    return figure


def contact_sheet(
    images: Sequence[np.ndarray],
    titles: Sequence[str] | None = None,
    *,
    columns: int = 6,
    row_titles: Sequence[str] | None = None,
    title: str = "",
    size: float = 2.0,
) -> Figure:
    """Lays images out in a grid, row by row.

    Args:
        images: list of uint8 RGB images, of any sizes.
        titles: one text per image, written above it.
        columns: images per row.
        row_titles: one text per row, written at its left.
        title: text above the whole sheet.
        size: width of an image on the sheet in inches.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: There is no image, an image has another form, or the number of titles does not
            match.
    """
    images = [_checked_image(image) for image in images]
    if not images or columns < 1:
        raise ValueError(
            f"A sheet needs at least one image and one column, got {len(images)} images and "
            f"{columns} columns."
        )
    if titles is not None and len(titles) != len(images):
        raise ValueError(f"titles must have one per image, got {len(titles)} for {len(images)}.")
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    if row_titles is not None and len(row_titles) != rows:
        raise ValueError(
            f"row_titles must have one per row, got {len(row_titles)} for {rows} rows."
        )

    # Wide pictures make low rows.
    shape = min(1.0, max(image.shape[0] / image.shape[1] for image in images))
    height = rows * (size * shape + 0.3) + (0.45 if title else 0.1)
    figure = _figure(columns * size + 0.4, height)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    for number, image in enumerate(images):
        axes = grid.flat[number]
        axes.imshow(image, interpolation="antialiased")
        if titles is not None:
            axes.set_title(titles[number], fontsize=8, pad=3)
    for number, text in enumerate(row_titles or ()):
        grid[number, 0].set_ylabel(text, fontsize=10)
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


def _figure(width, height):
    """An empty figure of a size in inches."""
    from matplotlib.figure import Figure  # late: it takes long to import, and only plots need it

    return Figure(figsize=(width, height), dpi=130, layout="constrained")


def _plot(width, height):
    """A figure with axes."""
    figure = _figure(width, height)
    return figure, figure.add_subplot()
