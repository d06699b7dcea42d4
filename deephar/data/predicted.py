"""Labelled poses made to look like those that a pose network predicts, to train action heads.

Labels are better than predictions. Heads that have only seen labels fail on a stranger's video. So
the errors of pose networks are put on the labels, in the window in which `Predictor.stream` shows
the poses to the heads: joints drift rather than jitter; the hidden arm or leg is put onto the
visible one; left and right change places for a while; legs outside of the frame are guessed. How
pose networks err on labelled pictures, and how these errors differ, is in docs/training-log.md.
"""

from dataclasses import dataclass

import numpy as np

from deephar.data.augment import between, check_factors, check_limits
from deephar.data.inputs import InputSpec
from deephar.data.samples import Video
from deephar.geometry import BOX_MARGIN, POSE_MARGIN
from deephar.skeletons import Skeleton, convert, get_skeleton


@dataclass(frozen=True)
class PredictedPoses:
    """Ranges of the random changes that make labelled poses look like predicted ones.

    Attributes:
        speed: smallest and largest factor on the speed of the motion.
        short: probability that the video is shorter than the clip. It then lies in the middle of
            the clip, and the poses before and after it are hidden, or held.
        tilt: largest rotation to either side, degrees.
        stretch: how much the height may differ from the width, as a fraction.
        window: smallest and largest factor on the side of the window.
        shift: largest shift of the window to any side, as a fraction of its side.
        flip: probability of a horizontal flip (with left and right joints swapped).
        errors: factor on the size and the frequency of the errors; 0 for none.
        exact: probability that a clip has no errors, no visible joint that is labelled as hidden,
            and no joint in the middle of the trunk, as the labels of Penn Action. Half of these
            clips are spread over the whole video.

    Raises:
        ValueError: A range is empty or out of bounds.
    """

    speed: tuple[float, float] = (0.5, 1.6)
    short: float = 0.3
    tilt: float = 15.0
    stretch: float = 0.15
    window: tuple[float, float] = (0.85, 1.3)
    shift: float = 0.08
    flip: float = 0.5
    errors: float = 1.0
    exact: float = 0.25

    def __post_init__(self):
        check_factors(self, speed=np.inf, window=np.inf)
        check_limits(self, short=1, tilt=180, stretch=0.9, shift=1, flip=1, errors=3, exact=1)

    def clip(self, video: Video, spec: InputSpec, rng: np.random.Generator) -> np.ndarray:
        """A clip of a labelled video, as a pose network might see it.

        Args:
            video: the video; its frames are not needed.
            spec: number of frames and frame rate of the clip, skeleton of the result.
            rng: source of all random choices.

        Returns:
            float32 (T, joints, 3): x and y in the unit window, and visibility; all 0 where a joint
            is unknown.

        Raises:
            ValueError: The spec has no frame rate or no number of frames, or three dimensions.
        """
        step = _step(video, spec) * np.exp(between(*np.log(self.speed), rng.random()))
        exact = rng.random() < self.exact
        if exact and rng.random() < 0.5:
            moments = np.linspace(0, len(video.joints) - 1, spec.num_frames)
            shown, outside = np.arange(spec.num_frames), np.zeros(spec.num_frames, bool)
        else:
            moments = _moments(len(video.joints), spec.num_frames, step, rng)
            shown, outside = self._shown(spec.num_frames, rng)
        joints, visible = _at(video, spec, moments)
        if rng.random() < self.flip:
            flip = list(get_skeleton(spec.skeleton).flip)
            joints, visible = joints[:, flip] * [-1, 1], visible[:, flip]
        joints = self._tilted(joints, rng)
        known = np.isfinite(joints).all(axis=-1)
        if not known.any():  # nobody is there for the length of the clip
            return np.zeros((*known.shape, 3), np.float32)
        poses = _in_window(joints, known & (visible > 0), shown, self._window(rng))
        skeleton, hidden = get_skeleton(spec.skeleton), visible == 0
        if exact:
            result = _as_labelled(poses, hidden, skeleton)
        else:
            level = self.errors * rng.choice([0.3, 1.0, 1.0, 1.6])
            result = PoseErrors(skeleton, level, rng).put_on(poses, hidden)
        known &= np.isfinite(result).all(axis=-1)  # guesses may follow from unknown joints
        result = np.where(known[..., None], result, 0)[shown]
        result[outside] = 0
        return result.astype(np.float32)

    def _shown(self, count, rng):
        """Which of the moments the frames show, and which of them lie outside of the video."""
        frames = np.arange(count)
        nothing = np.zeros(count, bool)
        u = rng.random(5)
        if u[0] < self.short:
            length = max(2, int(count * 0.2 ** u[1]))
            before = (count - length) // 2
            inside = frames - before
            outside = (inside < 0) | (inside >= length)
            first = int(u[2] * (count - length + 1))
            return np.clip(inside, 0, length - 1) + first, outside & (u[3] < 0.8)
        if u[1] < 0.15:  # the motion begins or ends in the clip
            cut = int(u[2] * count / 2)
            later = np.maximum(frames, cut), np.minimum(frames, cut + count // 2)
            return later[int(u[3] < 0.5)], nothing
        if u[1] < 0.35:  # frames are repeated, as in a video of a low frame rate
            late = rng.integers(0, 2, count) * (rng.random(count) < 0.3)
            return np.clip(frames - late, 0, count - 1), nothing
        return frames, nothing

    def _tilted(self, joints, rng):
        angle = np.radians(between(-self.tilt, self.tilt, rng.random()))
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        return joints @ turn.T * [1, 1 + between(-self.stretch, self.stretch, rng.random())]

    def _window(self, rng):
        """Side of the window by that of the box of the joints, and its shift (2,)."""
        side = BOX_MARGIN * POSE_MARGIN * between(*self.window, rng.random())
        return side, between(-self.shift, self.shift, rng.random(2))


def _step(video, spec):
    spec.require_num_frames()
    step = spec.step(video.frame_rate)
    if step is None or spec.dim != 2:
        raise ValueError(
            "Predicted poses are made on a fixed time base and in two dimensions. Give the spec a "
            "frame_rate, and dim=2."
        )
    return step


def _moments(length, count, step, rng):
    """`count` places in a video of `length` frames, `step` apart, at uneven speed."""
    moments = step * np.arange(count)
    lasts = moments[-1]
    moments = moments + lasts * between(-0.06, 0.06, rng.random()) * np.sin(
        np.pi * np.arange(count) / count
    )
    return moments + between(*sorted((0, length - 1 - lasts)), rng.random())


def _at(video, spec, moments):
    """Joints (T, J, 2), interpolated, and visibility (T, J) at places between frames."""
    moments = np.clip(moments, 0, len(video.joints) - 1)
    before = np.floor(moments).astype(int)
    after = np.minimum(before + 1, len(video.joints) - 1)
    joints = convert(np.asarray(video.joints, float), video.skeleton, spec.skeleton)
    visible = convert(video.visible[..., None].astype(float), video.skeleton, spec.skeleton)[..., 0]
    way = (moments - before)[:, None, None]
    a, b = joints[before], joints[after]
    between_frames = np.where(np.isnan(b), a, np.where(np.isnan(a), b, a + (b - a) * way))
    return between_frames, np.nan_to_num(visible[np.rint(moments).astype(int)], nan=1.0)


def _as_labelled(joints, hidden, skeleton):
    joints = joints.copy()
    joints[:, [skeleton.index(name) for name in _TRUNK]] = np.nan  # Penn Action has no such joints
    return np.concatenate([joints, np.where(hidden, 0.0, 1.0)[..., None]], axis=-1)


def _in_window(joints, counted, shown, window):
    """Joints in the unit window around those that count and are shown."""
    side, shift = window
    points = joints[shown][counted[shown]]
    if not len(points):
        points = joints[np.isfinite(joints).all(axis=-1)]
    low, high = points.min(axis=0), points.max(axis=0)
    side = side * max((high - low).max(), 1e-6)
    return (joints - (low + high) / 2 - side * shift) / side + 0.5


# Standard deviations of joints relative to each other.
_UNSTEADY = {"wrist": 1.8, "ankle": 1.8, "elbow": 1.3, "knee": 1.3}
# How much less than 1 the visibility of a joint is on average.
_UNSURE = {"ankle": 0.35, "hip": 0.15, "knee": 0.15}
_LIMBS = (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle"))
_TRUNK = ("pelvis", "thorax", "neck")

# How often each of the errors happens to a clip.
_OFTEN = {
    "arms are exchanged": 0.15,
    "legs are exchanged": 0.2,
    "sides are exchanged": 0.12,
    "arms lie on each other": 0.2,
    "legs lie on each other": 0.3,
    "legs are guessed": 0.15,
    "joints are unsure": 0.1,
    "the person is lost": 0.05,
    "upside down": 0.04,
    "a limb is too long": 0.1,
}


class PoseErrors:
    """The errors of a pose network, drawn at random.

    Args:
        skeleton: the skeleton of the poses; it has arms and legs with the usual names.
        level: factor on the size and the frequency of the errors.
        rng: source of all random choices.
    """

    def __init__(self, skeleton: Skeleton, level: float, rng: np.random.Generator):
        self._skeleton, self._level, self._rng = skeleton, level, rng
        kinds = [name.split("_")[-1] for name in skeleton.joints]
        self._unsteady = np.array([_UNSTEADY.get(kind, 1.0) for kind in kinds])
        self._unsure = np.array([_UNSURE.get(kind, 0.05) for kind in kinds])
        self._arms, self._legs = (
            [[skeleton.index(f"{side}_{joint}") for joint in limb] for side in ("right", "left")]
            for limb in _LIMBS
        )
        self._trunk = [skeleton.index(name) for name in _TRUNK]
        self._head = [skeleton.index(name) for name in ("neck", "head_top")]

    def put_on(self, joints: np.ndarray, hidden: np.ndarray) -> np.ndarray:
        """Poses with errors.

        Args:
            joints: (T, J, 2), NaN where unknown.
            hidden: bool (T, J), joints that are labelled as hidden: their errors are larger.

        Returns:
            (T, J, 3), with the visibility last.
        """
        rng, level = self._rng, self._level
        size = np.nanmax(np.nanmax(joints, axis=(0, 1)) - np.nanmin(joints, axis=(0, 1)))
        joints, visible = self._noisy(joints, hidden, size)
        happens = {name: rng.random() < level * often for name, often in _OFTEN.items()}
        if happens["arms are exchanged"]:
            self._swap(joints, self._arms)
        if happens["legs are exchanged"]:
            self._swap(joints, self._legs)
        if happens["sides are exchanged"]:
            when = self._while(len(joints))
            joints[when] = joints[when][:, list(self._skeleton.flip)]
        if happens["arms lie on each other"]:
            self._lay_on(joints, self._arms, size)
        if happens["legs lie on each other"]:
            self._lay_on(joints, self._legs, size)
        if happens["legs are guessed"]:
            self._guess_legs(joints, visible)
        if happens["joints are unsure"]:
            some = rng.choice(joints.shape[1], rng.integers(1, 5), replace=False)
            visible[self._while(len(joints)), some] *= rng.uniform(0, 0.4)
        if happens["the person is lost"]:
            self._lose(joints, size)
        if happens["upside down"]:
            when = self._while(len(joints))
            joints[when] = 2 * np.nanmean(joints[when], axis=(0, 1)) - joints[when]
        if happens["a limb is too long"]:
            self._stretch(joints)
        if rng.random() < 0.15:
            visible[:, self._trunk] = 0
        return np.concatenate([joints, np.clip(visible, 0, 1)[..., None]], axis=-1)

    def _noisy(self, joints, hidden, size):
        rng, shape = self._rng, joints.shape
        spread = size * self._level * rng.gamma(1.5, 0.008)
        spread = spread * self._unsteady[:, None] * (1 + 2.0 * hidden[..., None])
        noise = 0.8 * drift(rng, shape, 0.85) + 0.5 * rng.standard_normal(shape)
        wrong = rng.random(shape[:2]) < 0.006 * self._level * (1 + 4 * hidden)
        far = 0.2 * size * rng.standard_normal(shape) * wrong[..., None]
        return joints + spread * noise + far, self._visibility(hidden) * np.where(
            wrong, rng.uniform(0.3, 1, shape[:2]), 1
        )

    def _visibility(self, hidden):
        """Networks are sure of most joints, hidden ones included."""
        rng = self._rng
        visible = 1 - self._unsure * rng.gamma(0.8, 1, hidden.shape[1])
        visible = visible - 0.03 * np.abs(rng.standard_normal(hidden.shape))
        kind = rng.random()
        if kind < 0.15:  # as in labels
            return np.where(hidden, 0, visible)
        if kind < 0.6:
            return np.where(hidden, visible * rng.uniform(0.3, 1, hidden.shape[1]), visible)
        return visible

    def _while(self, count):
        """All of the clip, or a part of it."""
        rng = self._rng
        if rng.random() < 0.4:
            return slice(0, count)
        few = rng.random() < 0.4
        length = int(rng.integers(1, 3)) if few else max(1, int(count * rng.uniform(0.1, 1.0)))
        start = int(rng.integers(-(length // 2), count))
        return slice(max(0, start), max(1, start + length))

    def _some(self, limbs):
        """The last one, two or three joints of a limb, of one side and of the other."""
        count = int(self._rng.integers(1, 4))
        pair = limbs if self._rng.random() < 0.5 else limbs[::-1]
        return pair[0][-count:], pair[1][-count:]

    def _swap(self, joints, limbs):
        when, (one, other) = self._while(len(joints)), self._some(limbs)
        joints[when, one + other] = joints[when][:, other + one]

    def _lay_on(self, joints, limbs, size):
        """Puts a limb onto that of the other side."""
        when, (one, other) = self._while(len(joints)), self._some(limbs)
        apart = 0.01 * size * self._rng.standard_normal((1, len(one), 2))
        joints[when, one] = joints[when][:, other] + apart

    def _guess_legs(self, joints, visible):
        """Legs that are outside of the frame lie somewhere near the hips."""
        rng = self._rng
        first = int(rng.choice([0, 1, 1, 2]))
        legs = [joint for leg in self._legs for joint in leg[first:]]
        hips = joints[:, [leg[0] for leg in self._legs]].mean(axis=1, keepdims=True)
        shoulders = joints[:, [arm[0] for arm in self._arms]].mean(axis=1, keepdims=True)
        torso = np.linalg.norm(hips - shoulders, axis=-1, keepdims=True)
        place = rng.standard_normal((1, len(legs), 2)) * rng.uniform(0.1, 0.5)
        place = place + 0.1 * drift(rng, (len(joints), len(legs), 2), 0.8)
        joints[:, legs] = hips + torso * place
        visible[:, legs] *= rng.uniform(0, 1)

    def _stretch(self, joints):
        """A thing in the hand or beside the head is taken for a part of the body."""
        rng = self._rng
        ends = [limb[-2:] for limb in (*self._arms, *self._legs)] + [self._head]
        inner, end = ends[rng.integers(len(ends))]
        longer = rng.uniform(0.3, 1.2)
        when = self._while(len(joints))
        joints[when, end] += longer * (joints[when, end] - joints[when, inner])

    def _lose(self, joints, size):
        """Something else is taken for the person for a while."""
        half = max(1, len(joints) // 2)
        length = len(range(half)[self._while(half)])
        start = int(self._rng.integers(len(joints) - length + 1))
        when = slice(start, start + length)
        away = self._rng.standard_normal((1, joints.shape[1], 2)) * self._rng.uniform(0.2, 1)
        joints[when] = np.nanmean(joints[when], axis=(0, 1)) + 0.3 * size * away


def drift(rng: np.random.Generator, shape: tuple[int, ...], memory: float) -> np.ndarray:
    """Random numbers of variance 1 that change slowly along the first axis.

    Args:
        rng: their source.
        shape: (T, ...).
        memory: correlation of neighbours, 0 to below 1.
    """
    steps = rng.standard_normal(shape)
    fresh = np.sqrt(1 - memory**2)
    for t in range(1, shape[0]):
        steps[t] = memory * steps[t - 1] + fresh * steps[t]
    return steps
