"""Scores of poses and actions: PCKh, PCK, MPJPE, accuracy, calibration. Pure NumPy.

A true joint with a NaN coordinate is unlabelled and not counted. Totals pool all counted joints;
a group's value is the mean over its joints, as in the tables of the MPII benchmark (Head = mean of
upper neck and head top). Percentages go from 0 to 100.

Every score carries a 95 % interval: the percentile bootstrap over persons (B. Efron and
R. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13), with a fixed seed, so that
the same input gives the same interval. Persons count as independent. Where they are not, as in the
frames of one video, `groups` tells which belong together, and the bootstrap draws whole groups.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from deephar.skeletons import Skeleton, get_skeleton

# Joints that the MPII benchmark leaves out of its total.
_NOT_IN_MPII_TOTAL = ("pelvis", "thorax")

_RESAMPLES = 1000
_CONFIDENCE = 0.95

# Larger coordinates are not pixels or millimetres but marks such as -1e9.
_LARGEST_COORDINATE = 1e6


@dataclass(frozen=True, eq=False)
class Score:
    """A score, in the unit of its metric, and the parts it is made of.

    Attributes:
        total: the score over all counted joints (or, for accuracy, samples).
        per_joint: (joints,) score of each joint, NaN where it is never labelled.
        per_group: score by group title (`Skeleton.groups`) or class name.
        count: number of joints (or samples) in the total.
        counts: (joints,) number of persons for whom each joint is labelled.
        interval: 95 % interval (low, high) of the total; None with fewer than two persons.
    """

    total: float
    per_joint: np.ndarray
    per_group: dict[str, float]
    count: int
    counts: np.ndarray
    interval: tuple[float, float] | None


@dataclass(frozen=True, eq=False)
class Curve:
    """Score as a function of the threshold.

    Attributes:
        thresholds: (T,) thresholds.
        values: (T,) score at each threshold, percent.
        area: area under the curve divided by its width, as a `Score` in percent: in total, of
            each joint and group, with the number of joints and the interval.
    """

    thresholds: np.ndarray
    values: np.ndarray
    area: Score

    @property
    def auc(self) -> float:
        """Area under the curve of all counted joints divided by its width, percent."""
        return self.area.total


def pckh(
    predicted: ArrayLike,
    true: ArrayLike,
    head_size: ArrayLike,
    threshold: float = 0.5,
    skeleton: str | Skeleton = "mpii16",
    groups: Sequence | None = None,
) -> Score:
    """PCKh: percentage of joints closer to the truth than a fraction of the head size.

    Protocol of the MPII benchmark (M. Andriluka et al., "2D Human Pose Estimation: New Benchmark
    and State of the Art Analysis", CVPR 2014). A distance exactly on the threshold counts as
    correct; pelvis and thorax have scores of their own but are left out of the total.

    Args:
        predicted: (N, joints, 2), pixels. NaN is a miss.
        true: (N, joints, 2), pixels. NaN where unlabelled.
        head_size: (N,) or (N, 1), pixels: 0.6 times the diagonal of the head box.
        threshold: fraction of the head size.
        skeleton: layout of both poses.
        groups: (N,) labels, equal for persons that belong together, such as the frames of one
            video; used for the interval only. None if all persons are independent.

    Returns:
        `Score` in percent.

    Raises:
        ValueError: Wrong shapes, no person, no labelled joint, or a head size that is not positive.

    Examples:
        The left wrist is off by 5 pixels, a fourth of the head; the right one by all of it:

        >>> true = np.zeros((1, 16, 2))
        >>> predicted = true.copy()
        >>> predicted[0, 15] = (3, 4)
        >>> predicted[0, 10] = (20, 0)
        >>> score = pckh(predicted, true, head_size=[20])
        >>> round(score.total, 2), score.count  # 13 of 14
        (92.86, 14)
        >>> score.per_group["Wrist"], score.per_group["Head"]
        (50.0, 100.0)
    """
    skeleton = get_skeleton(skeleton)
    distance, labelled = _relative_distance(predicted, true, head_size, "head_size", skeleton)
    correct = 100.0 * (distance <= _check_threshold(threshold))
    return _score(correct, labelled, skeleton, _NOT_IN_MPII_TOTAL, groups)


def pck(
    predicted: ArrayLike,
    true: ArrayLike,
    size: ArrayLike,
    threshold: float = 0.2,
    skeleton: str | Skeleton = "lsp14",
    groups: Sequence | None = None,
) -> Score:
    """PCK: percentage of joints closer to the truth than a fraction of a person's size.

    The size is that of the torso (`torso_size`, the rule of LSP) or the longer side of the person's
    box (the rule of Y. Yang and D. Ramanan, "Articulated Human Detection with Flexible Mixtures of
    Parts", TPAMI 2013). For an absolute threshold, such as 3D PCK at 150 mm, pass ones. A distance
    exactly on the threshold counts as correct. All joints are in the total.

    Args:
        predicted: (N, joints, 2 or 3). NaN is a miss.
        true: (N, joints, 2 or 3), same unit. NaN where unlabelled.
        size: (N,) or (N, 1), same unit.
        threshold: fraction of the size.
        skeleton: layout of both poses.
        groups: as for `pckh`.

    Returns:
        `Score` in percent.

    Raises:
        ValueError: Wrong shapes, no person, no labelled joint, or a size that is not positive.

    Examples:
        >>> true = np.zeros((1, 14, 2))
        >>> true[0, 9] = (30, 0)  # left shoulder
        >>> true[0, 2] = (0, 40)  # right hip: the torso is 50 pixels long
        >>> predicted = true.copy()
        >>> predicted[0, 0] = (10, 0)  # right ankle, on the threshold of 0.2 * 50 pixels
        >>> predicted[0, 5] = (11, 0)  # left ankle, beyond it
        >>> score = pck(predicted, true, torso_size(true))
        >>> round(score.total, 2), score.per_group["Ankle"]
        (92.86, 50.0)
    """
    skeleton = get_skeleton(skeleton)
    distance, labelled = _relative_distance(predicted, true, size, "size", skeleton)
    correct = 100.0 * (distance <= _check_threshold(threshold))
    return _score(correct, labelled, skeleton, groups=groups)


def pckh_curve(
    predicted: ArrayLike,
    true: ArrayLike,
    head_size: ArrayLike,
    thresholds: ArrayLike | None = None,
    skeleton: str | Skeleton = "mpii16",
) -> Curve:
    """PCKh over a range of thresholds, and the area under this curve.

    Args:
        predicted: as for `pckh`.
        true: as for `pckh`.
        head_size: as for `pckh`.
        thresholds: increasing fractions of the head size; 0, 0.01, ..., 0.5 by default.
        skeleton: as for `pckh`.

    Returns:
        `Curve` in percent.

    Raises:
        ValueError: As for `pckh`, or fewer than two thresholds, or thresholds out of order.

    Examples:
        All joints are off by a fourth of the head size:

        >>> true = np.zeros((1, 16, 2))
        >>> curve = pckh_curve(true + (3, 4), true, head_size=[20])
        >>> curve.values[[0, 24, 25, 50]]
        array([  0.,   0., 100., 100.])
        >>> round(curve.auc, 6)
        51.0
    """
    thresholds = np.linspace(0, 0.5, 51) if thresholds is None else thresholds
    skeleton = get_skeleton(skeleton)
    distance, labelled = _relative_distance(predicted, true, head_size, "head_size", skeleton)
    return _curve(distance, labelled, thresholds, skeleton, _NOT_IN_MPII_TOTAL)


def pck_curve(
    predicted: ArrayLike,
    true: ArrayLike,
    size: ArrayLike,
    thresholds: ArrayLike | None = None,
    skeleton: str | Skeleton = "lsp14",
) -> Curve:
    """PCK over a range of thresholds, and the area under this curve.

    Args:
        predicted: as for `pck`.
        true: as for `pck`.
        size: as for `pck`.
        thresholds: increasing fractions of the size; 0, 0.01, ..., 0.2 by default.
        skeleton: as for `pck`.

    Returns:
        `Curve` in percent.

    Raises:
        ValueError: As for `pck`, or fewer than two thresholds, or thresholds out of order.
    """
    thresholds = np.linspace(0, 0.2, 21) if thresholds is None else thresholds
    skeleton = get_skeleton(skeleton)
    distance, labelled = _relative_distance(predicted, true, size, "size", skeleton)
    return _curve(distance, labelled, thresholds, skeleton)


def torso_size(true: ArrayLike, skeleton: str | Skeleton = "lsp14") -> np.ndarray:
    """Distance from the left shoulder to the right hip.

    Args:
        true: (N, joints, 2 or 3), NaN where unlabelled.
        skeleton: layout of the poses.

    Returns:
        (N,), unit of the input; NaN where one of the two joints is unlabelled.

    Raises:
        ValueError: Wrong shape, or a layout without these joints.
    """
    skeleton = get_skeleton(skeleton)
    true = _as_poses("true", true, skeleton)
    ends = true[:, [skeleton.index("left_shoulder"), skeleton.index("right_hip")]]
    return np.linalg.norm(ends[:, 0] - ends[:, 1], axis=-1)


def oks(predicted: ArrayLike, true: ArrayLike, area: ArrayLike, sigmas: ArrayLike) -> np.ndarray:
    """Object keypoint similarity: 1 where all joints are right, 0 where all are far off.

    The mean over the labelled joints of exp(-d^2 / (2 area (2 sigma)^2)).
    Source: the evaluation of COCO, https://cocodataset.org/#keypoints-eval.

    Args:
        predicted: (N, joints, 2), pixels.
        true: (N, joints, 2), pixels; NaN where unlabelled.
        area: (N,), area of each person, square pixels.
        sigmas: (joints,), how far annotators differ on each joint, relative to the root of the
            area.

    Returns:
        (N,), in [0, 1]; NaN for a person without labelled joints.

    Raises:
        ValueError: The shapes differ.

    >>> true = np.zeros((1, 2, 2))
    >>> oks(true + (10, 0), true, [2500], [0.1, 0.1]).round(3)
    array([0.607])
    """
    predicted, true = np.asarray(predicted, float), np.asarray(true, float)
    area, sigmas = np.asarray(area, float), np.asarray(sigmas, float)
    if predicted.shape != true.shape or true.shape != (len(area), len(sigmas), 2):
        raise ValueError(
            f"Expected poses of the shape ({len(area)}, {len(sigmas)}, 2), by the areas and "
            f"sigmas, got {predicted.shape} and {true.shape}."
        )
    squares = ((predicted - true) ** 2).sum(axis=-1)
    similar = np.exp(-squares / (2 * (area[:, None] + np.spacing(1)) * (2 * sigmas) ** 2))
    labelled = np.isfinite(true).all(axis=-1)
    counts = labelled.sum(axis=1)
    sums = np.where(labelled, similar, 0).sum(axis=1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def mpjpe(
    predicted: ArrayLike,
    true: ArrayLike,
    skeleton: str | Skeleton | None = None,
    groups: Sequence | None = None,
) -> Score:
    """Mean per joint position error: the mean distance of the labelled joints to the truth.

    Nothing is aligned. For the root-relative error of Human3.6M subtract the root joint from both
    poses first; its own distance is then 0 and lowers the mean of 17 joints by a factor of 16/17.

    Args:
        predicted: (N, joints, 2 or 3).
        true: (N, joints, 2 or 3), same unit. NaN where unlabelled.
        skeleton: layout of both poses, for `per_group`; without it there are no groups.
        groups: as for `pckh`.

    Returns:
        `Score` in the unit of the input.

    Raises:
        ValueError: Wrong shapes, no person, no labelled joint, or NaN in `predicted` where the
            joint is labelled.

    Examples:
        >>> true = np.array([[[0, 0, 0], [0, 0, 0]], [[0, 0, 0], [np.nan, 0, 0]]])
        >>> predicted = np.array([[[0, 3, 4], [0, 0, 1]], [[0, 0, 6], [7, 7, 7]]])
        >>> score = mpjpe(predicted, true)
        >>> score.total, score.count, score.per_joint
        (4.0, 3, array([5.5, 1. ]))
    """
    skeleton = None if skeleton is None else get_skeleton(skeleton)
    predicted, true, labelled = _check_predicted_everywhere(predicted, true, skeleton)
    return _score(_distance(predicted, true), labelled, skeleton, groups=groups)


def p_mpjpe(
    predicted: ArrayLike,
    true: ArrayLike,
    skeleton: str | Skeleton | None = None,
    groups: Sequence | None = None,
) -> Score:
    """MPJPE after the best alignment of each person by shift, rotation and scale.

    Procrustes analysis over the labelled joints (S. Umeyama, "Least-Squares Estimation of
    Transformation Parameters Between Two Point Patterns", TPAMI 1991). A mirrored pose is not
    reflected back. "Protocol 2" of Human3.6M.

    Args:
        predicted: (N, joints, 2 or 3).
        true: (N, joints, 2 or 3). NaN where unlabelled.
        skeleton: layout of both poses, for `per_group`; without it there are no groups.
        groups: as for `pckh`.

    Returns:
        `Score` in the unit of `true`.

    Raises:
        ValueError: As for `mpjpe`, or a person with one or two labelled joints, which fit anything.

    Examples:
        A pose turned by 90 degrees, of twice the size and elsewhere, is still the same pose:

        >>> true = np.array([[[0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3]]])
        >>> predicted = 2 * true[..., [1, 0, 2]] * (-1, 1, 1) + 10
        >>> round(p_mpjpe(predicted, true).total, 6), round(mpjpe(predicted, true).total, 2)
        (0.0, 17.17)
    """
    skeleton = None if skeleton is None else get_skeleton(skeleton)
    predicted, true, labelled = _check_predicted_everywhere(predicted, true, skeleton)
    number = labelled.sum(axis=1)
    if ((number > 0) & (number < 3)).any():
        row = np.flatnonzero((number > 0) & (number < 3))[0]
        raise ValueError(
            f"Person {row} has {number[row]} labelled joints. An alignment needs at least 3. "
            "Leave such persons out."
        )
    distance = _distance(_aligned(predicted, true, labelled), true)
    return _score(distance, labelled, skeleton, groups=groups)


def accuracy(
    predicted: ArrayLike,
    labels: ArrayLike,
    class_names: Sequence[str] | None = None,
    groups: Sequence | None = None,
) -> Score:
    """Percentage of samples whose class is right.

    Args:
        predicted: (N, classes) scores, of which the largest is the answer, or (N,) class numbers.
            A sample without an answer (a NaN score, a negative class number) counts as wrong.
        labels: (N,) true class numbers from 0.
        class_names: names of the classes in order, for `per_group`.
        groups: (N,) labels, equal for samples that belong together, such as the videos of one
            scene; used for the interval only. None if all samples are independent.

    Returns:
        `Score` in percent; `per_group` holds the accuracy of each class (NaN for a class without
        samples); `per_joint` and `counts` are empty.

    Raises:
        ValueError: Wrong shapes, no sample, or labels that are not class numbers.

    Examples:
        >>> scores = [[0.9, 0.1], [0.4, 0.6], [0.7, 0.3], [0.2, 0.8]]
        >>> score = accuracy(scores, [0, 1, 1, 1], class_names=["bowl", "squat"])
        >>> score.total, score.count, round(score.per_group["squat"], 1)
        (75.0, 4, 66.7)
    """
    predicted, labels = np.asarray(predicted), np.asarray(labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ValueError(
            f"Labels must be integers of shape (N,), got {labels.dtype} of {labels.shape}. "
            "Take the argmax of one-hot vectors."
        )
    if predicted.ndim not in (1, 2) or len(predicted) != len(labels) or len(labels) == 0:
        raise ValueError(
            "Expected scores (N, classes) or class numbers (N,) for N > 0 labels, "
            f"got {predicted.shape} for {len(labels)} labels."
        )
    if predicted.ndim == 2:
        num_classes = predicted.shape[1]
    else:
        num_classes = np.inf if class_names is None else len(class_names)
    if class_names is not None and len(class_names) != num_classes:
        raise ValueError(
            f"There are {len(class_names)} class names for scores of {num_classes} classes. Give "
            "one name per class."
        )
    wrong = (labels < 0) | (labels >= num_classes)
    if wrong.any():
        row = np.flatnonzero(wrong)[0]
        raise ValueError(
            f"Label {labels[row]} of sample {row} is not the number of a class. Number the classes "
            "from 0."
        )
    correct = labels == _answers(predicted)
    score = _score(100.0 * correct[:, None], np.ones((len(labels), 1), bool), groups=groups)
    per_class = {
        name: _mean(100.0 * correct[labels == number])
        for number, name in enumerate(class_names or ())
    }
    return replace(score, per_joint=np.empty(0), counts=np.empty(0, int), per_group=per_class)


def expected_calibration_error(
    probabilities: ArrayLike, labels: ArrayLike, bins: int = 15
) -> float:
    """How far the probabilities of the answers are from how often the answers are right.

    The answers are sorted into bins of equal width by their probability. The error is the mean over
    the samples of the difference between the mean probability and the accuracy of their bin
    (C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, eq. 3).

    Args:
        probabilities: (N, classes), in [0, 1]; the largest is the answer.
        labels: (N,) true class numbers from 0.
        bins: number of bins. A probability on the border of two is in the lower one.

    Returns:
        The error in percent. 0 if, e.g., nine of ten answers of probability 0.9 are right.

    Raises:
        ValueError: As `accuracy`; a value is not a probability, or there is no bin.

    Examples:
        Answers of 90 % and 60 %, all of them right, are too modest by 10 and 40:

        >>> round(expected_calibration_error([[0.9, 0.1], [0.4, 0.6]], [0, 1]), 6)
        25.0
    """
    probabilities, labels = np.asarray(probabilities, float), np.asarray(labels)
    if probabilities.ndim != 2:
        raise ValueError(
            f"probabilities must have the shape (N, classes), got {probabilities.shape}."
        )
    # Sums of rounded numbers may exceed 1 by a little.
    wrong = ~((probabilities >= 0) & (probabilities <= 1 + 1e-6)).all(axis=1)
    if wrong.any():
        row = np.flatnonzero(wrong)[0]
        raise ValueError(
            f"probabilities must be from 0 to 1, but those of sample {row} are "
            f"{probabilities[row].tolist()}. Apply a softmax to logits."
        )
    if bins < 1:
        raise ValueError(f"bins must be at least 1, got {bins}.")
    accuracy(probabilities, labels)  # checks the labels
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    bin_of_each = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(bin_of_each, confidence - correct, minlength=bins)
    return float(100 * np.abs(gaps).sum() / len(labels))


def _answers(predicted: np.ndarray) -> np.ndarray:
    """Class numbers (N,), -1 where there is no answer."""
    if predicted.ndim == 1:
        if predicted.dtype.kind not in "iu":
            raise ValueError(f"Predicted class numbers must be integers, got {predicted.dtype}.")
        return predicted
    # In a row with NaN, argmax would return the place of the NaN.
    return np.where(np.isnan(predicted).any(axis=1), -1, predicted.argmax(axis=1))


def _curve(distance, labelled, thresholds, skeleton, left_out=()) -> Curve:
    """Percentage of joints within each threshold as a curve; arguments as for `_score`."""
    thresholds = np.asarray(thresholds, float)
    if thresholds.ndim != 1 or len(thresholds) < 2 or not (np.diff(thresholds) > 0).all():
        raise ValueError(f"Thresholds must be two or more increasing numbers, got {thresholds}.")
    # By the trapezoidal rule, a joint adds to the area the weights of all thresholds that it is
    # within. A missing prediction (NaN) is within none.
    weights = np.zeros(len(thresholds))
    weights[1:] += np.diff(thresholds) / 2
    weights[:-1] += np.diff(thresholds) / 2
    from_here_on = np.append(np.cumsum(weights[::-1])[::-1], 0) / weights.sum()
    areas = 100 * from_here_on[np.searchsorted(thresholds, distance)]
    area = _score(areas, labelled, skeleton, left_out)
    ranked = np.sort(distance[labelled & _in_total(skeleton, left_out)])
    values = 100 * np.searchsorted(ranked, thresholds, side="right") / len(ranked)
    return Curve(thresholds, values, area)


def _check_threshold(threshold: float) -> float:
    if not threshold >= 0:
        raise ValueError(f"The threshold must be 0 or more, got {threshold}.")
    return threshold


def _score(
    values: np.ndarray,
    labelled: np.ndarray,
    skeleton: Skeleton | None = None,
    left_out: Sequence[str] = (),
    groups: Sequence | None = None,
) -> Score:
    """Mean values: in total, by joint and by group.

    Args:
        values: (N, joints) value of each joint of each person.
        labelled: (N, joints) bool, which of them count.
        skeleton: for the groups, and the names in `left_out`.
        left_out: joints that are not in the total.
        groups: (N,) which persons belong together, for the interval.
    """
    in_total = labelled & _in_total(skeleton, left_out)
    _check_any_labelled(in_total)
    counts = labelled.sum(axis=0)
    per_joint = np.array([_mean(values[rows, j]) for j, rows in enumerate(labelled.T)])
    titles = {} if skeleton is None else skeleton.groups
    per_group = {}
    for title, joints in titles.items():
        members = per_joint[[skeleton.index(joint) for joint in joints]]
        per_group[title] = _mean(members[~np.isnan(members)])
    sums = np.where(in_total, values, 0).sum(axis=1)
    numbers = in_total.sum(axis=1)
    return Score(
        total=float(sums.sum() / numbers.sum()),
        per_joint=per_joint,
        per_group=per_group,
        count=int(numbers.sum()),
        counts=counts,
        interval=_bootstrap_interval(*_pooled(sums, numbers, groups)),
    )


def _pooled(sums: np.ndarray, numbers: np.ndarray, groups: Sequence | None):
    """Sums and numbers of each group of persons, in place of those of each person."""
    if groups is None:
        return sums, numbers
    if len(groups) != len(sums):
        raise ValueError(f"Expected one group for each of {len(sums)} persons, got {len(groups)}.")
    _, group = np.unique(np.asarray(groups), return_inverse=True)
    return np.bincount(group, sums), np.bincount(group, numbers)


def _bootstrap_interval(sums: np.ndarray, numbers: np.ndarray) -> tuple[float, float] | None:
    """Interval of sum(sums) / sum(numbers) when persons are drawn with replacement."""
    sums, numbers = sums[numbers > 0], numbers[numbers > 0]
    persons = len(sums)
    if persons < 2:
        return None
    rng = np.random.default_rng(0)
    totals = np.empty(_RESAMPLES)
    for i in range(_RESAMPLES):  # all at once would take 8 kB per person
        drawn = rng.integers(persons, size=persons)
        totals[i] = sums[drawn].sum() / numbers[drawn].sum()
    tail = (1 - _CONFIDENCE) / 2
    low, high = np.quantile(totals, [tail, 1 - tail])
    return float(low), float(high)


def _mean(values: Sequence[float] | np.ndarray) -> float:
    """Mean, NaN of nothing."""
    return float(np.mean(values)) if len(values) else float("nan")


def _in_total(skeleton: Skeleton | None, left_out: Sequence[str]) -> np.ndarray:
    """Bool (joints,), or a single True: which joints are in the total."""
    if skeleton is None:
        return np.array(True)
    return np.array([joint not in left_out for joint in skeleton.joints])


def _distance(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    return np.linalg.norm(predicted - true, axis=-1)


def _is_labelled(true: np.ndarray) -> np.ndarray:
    return ~np.isnan(true).any(axis=-1)


def _aligned(predicted: np.ndarray, true: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    """`predicted` shifted, rotated and scaled to fit the labelled joints of `true`, by person."""
    number = np.maximum(labelled.sum(axis=1), 1)[:, None, None]
    labelled = labelled[..., None]
    true_center = np.where(labelled, true, 0).sum(axis=1, keepdims=True) / number
    center = np.where(labelled, predicted, 0).sum(axis=1, keepdims=True) / number
    true = np.where(labelled, true - true_center, 0)
    predicted = np.where(labelled, predicted - center, 0)
    u, singular, vt = np.linalg.svd(predicted.swapaxes(1, 2) @ true)
    # The best orthogonal matrix may be a reflection; the best rotation then turns the last axis.
    sign = np.sign(np.linalg.det(u @ vt))
    u[:, :, -1] *= sign[:, None]
    singular[:, -1] *= sign
    variance = np.square(predicted).sum(axis=(1, 2))
    # A prediction with all joints in one place has no size: it stays a point.
    scale = singular.sum(axis=1) / np.where(variance > 0, variance, 1)
    return scale[:, None, None] * (predicted @ u @ vt) + true_center


def _as_poses(name: str, poses: ArrayLike, skeleton: Skeleton | None = None) -> np.ndarray:
    """Checks the shape (N, joints, 2 or 3)."""
    poses = np.asarray(poses, float)
    joints = "joints" if skeleton is None else str(skeleton.num_joints)
    if (
        poses.ndim != 3
        or poses.shape[2] not in (2, 3)
        or (skeleton is not None and poses.shape[1] != skeleton.num_joints)
    ):
        layout = "" if skeleton is None else f" in {skeleton.name!r}"
        raise ValueError(
            f"Poses{layout} must have the shape (N, {joints}, 2 or 3); {name} has {poses.shape}."
        )
    return poses


def _pair_of_poses(
    predicted: ArrayLike, true: ArrayLike, skeleton: Skeleton | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predicted and true poses, checked, and which joints are labelled (N, joints)."""
    predicted = _as_poses("predicted", predicted, skeleton)
    true = _as_poses("true", true, skeleton)
    if predicted.shape != true.shape:
        raise ValueError(
            f"Predicted and true poses must have the same shape, got {predicted.shape} "
            f"and {true.shape}."
        )
    if true.size == 0:
        raise ValueError(f"There is no pose to score. The shape is {true.shape}.")
    if (np.abs(true) > _LARGEST_COORDINATE).any():
        row = np.flatnonzero((np.abs(true) > _LARGEST_COORDINATE).any(axis=(1, 2)))[0]
        raise ValueError(
            f"The true pose of person {row} has coordinates beyond {_LARGEST_COORDINATE:g}. "
            "Unlabelled joints must be NaN (-1e9 marks them for the network only)."
        )
    return predicted, true, _is_labelled(true)


def _relative_distance(
    predicted: ArrayLike, true: ArrayLike, size: ArrayLike, size_name: str, skeleton: Skeleton
) -> tuple[np.ndarray, np.ndarray]:
    """Distances (N, joints) in units of the person's size, and which joints are labelled."""
    predicted, true, labelled = _pair_of_poses(predicted, true, skeleton)
    size = np.asarray(size, float)
    if size.shape not in ((len(true),), (len(true), 1)):
        raise ValueError(
            f"The {size_name} must have one number per person, shape ({len(true)},), got "
            f"{size.shape}."
        )
    size = size.reshape(-1, 1)
    bad = ~(np.isfinite(size) & (size > 0)).ravel()
    if bad.any():
        row = np.flatnonzero(bad)[0]
        raise ValueError(
            f"The {size_name} must be finite and greater than 0 for every person, but that of "
            f"person {row} is {size[row, 0]:g} ({bad.sum()} of {len(bad)} are bad). "
            "Leave such persons out."
        )
    return _distance(predicted, true) / size, labelled


def _check_predicted_everywhere(
    predicted: ArrayLike, true: ArrayLike, skeleton: Skeleton | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `_pair_of_poses`, for metrics that need a distance for every labelled joint."""
    predicted, true, labelled = _pair_of_poses(predicted, true, skeleton)
    missing = labelled & ~np.isfinite(predicted).all(axis=-1)
    if missing.any():
        row, joint = np.argwhere(missing)[0]
        raise ValueError(
            f"Joint {joint} of person {row} is labelled but its prediction is not finite. "
            "Its error is unknown. Leave such persons out."
        )
    return predicted, true, labelled


def _check_any_labelled(labelled: np.ndarray) -> None:
    if not labelled.any():
        raise ValueError(
            "None of the joints in the total is labelled (NaN in true). There is nothing to score."
        )
