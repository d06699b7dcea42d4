"""Labelled videos with videos of none of their actions: data to teach the answer ``other``.

What a network takes for an action depends on what else it has seen. `WithOther` adds movements
that look real and are none of the actions.
"""

from collections.abc import Callable

import numpy as np

from deephar.data.samples import OTHER, Dataset, Video
from deephar.data.synthetic.body import Body
from deephar.data.synthetic.exercises import filmed, perform_exercise
from deephar.data.synthetic.motions import Style, perform
from deephar.data.synthetic.sports import SPORTS, perform_sport
from deephar.skeletons import convert, get_skeleton
from deephar.video import DEFAULT_RATE

REPEATED = (
    "bench_press",
    "jump_rope",
    "jumping_jacks",
    "pullup",
    "pushup",
    "situp",
    "squat",
    "strum_guitar",
)
"""Actions of Penn Action that are done again and again, and look the same played backwards."""

DRAWN = {
    "bowl": "bowl",
    "golf_swing": "golf_swing",
    "jump_rope": "jump_rope",
    "jumping_jacks": "jumping_jack",
    "pullup": "pull_up",
    "pushup": "push_up",
    "situp": "sit_up",
    "squat": "squat",
    "tennis_serve": "tennis_serve",
}
"""Actions of Penn Action that the built-in data set has, too, and their names there."""

_DRAWN_SHARE = 0.3  # of the videos of an action
_OTHER_DRAWN = ("walk", "kick", "wave")  # actions of the built-in data set that Penn Action lacks
_SECONDS = 4.0  # length of videos that can be of any length
_SKELETON = get_skeleton("pa16j")
_JOINTS = {name: index for index, name in enumerate(_SKELETON.joints)}
_SHOULDERS = [_JOINTS["right_shoulder"], _JOINTS["left_shoulder"]]
_HIPS = [_JOINTS["right_hip"], _JOINTS["left_hip"]]
_LEGS = [i for name, i in _JOINTS.items() if name.endswith(("hip", "knee", "ankle"))]


class WithOther:
    """A data set of labelled videos with as many videos of each action, and some of none of them.

    Labels only: `Video.frames` is empty. All videos have the 16 joints of ``pa16j``. The pelvis,
    the thorax and the neck of Penn Action are derived from the shoulders, the hips and the head.
    Where one side of the body is not labelled, mostly the other side takes its place, as a network
    sees it. Repeated actions (`REPEATED`) are played back and forth, so that they last. Three of
    ten videos are of drawn persons, who are seen from all sides.

    Videos of none of the actions are random exercises and tennis backhands of drawn persons
    (`deephar.data.synthetic.exercises` and ``sports``), and walking, kicking and waving persons of
    the built-in data set. Others are made of the labelled videos: played backwards, frozen, changed
    to another action in the middle, or with the arms of one action and the legs of another.

    Args:
        videos: a data set of labelled videos with actions of `PennAction`. The drawn persons do
            some actions of other data sets, which would then be labelled as none of them.
        per_action: number of videos of each action that has a video with a labelled joint.
        others: number of videos of none of the actions.
        seed: all random choices follow from it, and from the number of the video.

    Attributes:
        actions: those of `videos`, and then `OTHER`.

    Raises:
        ValueError: `videos` has an action that Penn Action does not have.
    """

    skeleton = _SKELETON.name
    held_out_by = "videos"

    def __init__(
        self,
        videos: Dataset,
        *,
        per_action: int = 1000,
        others: int = 3750,
        seed: int = 0,
    ):
        if unknown := sorted({*videos.actions} - {*DRAWN, *SPORTS}):
            raise ValueError(
                f"{videos.source} has the action {unknown[0]!r}, which Penn Action does not have. "
                "The drawn persons of none of its actions may do it. Use videos of actions of Penn "
                "Action, or train without `other`."
            )
        self.videos = videos
        self.name, self.split, self.source = videos.name, videos.split, videos.source
        self.actions = (*videos.actions, OTHER)
        self.seed = seed
        self._of_action = {}
        for index in range(len(videos)):
            video = videos[index]
            if np.isfinite(video.joints).any():
                self._of_action.setdefault(video.action, []).append(index)
        self._counts = per_action * len(self._of_action), others
        self._kinds = (
            (self._exercise, 0.36),
            (self._backhand, 0.16),
            (self._drawn_other, 0.08),
            (self._backwards, 0.16),
            (self._mixed, 0.12),
            (self._frozen, 0.12),
        )

    def __len__(self):
        return sum(self._counts)

    def __getitem__(self, index):
        if not -len(self) <= index < len(self):
            raise IndexError(f"{self!r} has no video {index}.")
        index %= len(self)
        rng = np.random.default_rng((self.seed, index))
        if index < self._counts[0]:
            action = sorted(self._of_action)[index % len(self._of_action)]
            joints, visible = self._known(action, rng)
        else:
            action = len(self.actions) - 1
            joints, visible = self._other(rng)
        return _video(joints, visible, action, f"{self.name}-{index:05d}")

    def __repr__(self):
        known, others = self._counts
        return f"WithOther({known} of {self.videos!r}, {others} of none of its actions)"

    def names(self) -> list[str]:
        """Names of all videos, in order."""
        return [f"{self.name}-{index:05d}" for index in range(len(self))]

    def _known(self, action, rng):
        """Joints (F, 16, 2) and visibility (F, 16) of a video of an action."""
        name = self.videos.actions[action]
        ways = [way for way, known in ((_perform, DRAWN), (perform_sport, SPORTS)) if name in known]
        if ways and rng.random() < _DRAWN_SHARE:
            way = ways[rng.integers(len(ways))]
            return _drawn(lambda body, seconds: way(name, body, seconds, rng), rng)
        joints, visible = self._labelled(action, rng)
        if name in REPEATED:
            frames = _back_and_forth(len(joints), int(_SECONDS * DEFAULT_RATE), rng)
            joints, visible = joints[frames], visible[frames]
        return joints, visible

    def _labelled(self, action, rng):
        video = self.videos[int(rng.choice(self._of_action[action]))]
        joints = convert(np.asarray(video.joints, float), video.skeleton, _SKELETON.name)
        visible = convert(video.visible[..., None].astype(float), video.skeleton, _SKELETON.name)
        if rng.random() < 0.75:
            joints = np.where(np.isnan(joints), joints[:, list(_SKELETON.flip)], joints)
        joints = _derived(joints, rng, of_face=video.skeleton == "penn13")
        return joints, np.where(np.isnan(visible[..., 0]), 1.0, visible[..., 0])

    def _any_labelled(self, rng, actions=None):
        actions = list(self._of_action) if actions is None else actions
        return self._labelled(int(rng.choice(actions)), rng)

    def _other(self, rng):
        kinds, often = zip(*self._kinds, strict=True)
        while True:  # few labels may be left of two mixed videos
            joints, visible = kinds[rng.choice(len(kinds), p=often)](rng)
            if np.isfinite(joints).mean() > 0.3:
                return joints, visible

    def _exercise(self, rng):
        return _drawn(lambda body, seconds: perform_exercise(body, seconds, rng), rng)

    def _backhand(self, rng):
        return _drawn(
            lambda body, seconds: perform_sport("tennis_backhand", body, seconds, rng), rng
        )

    def _drawn_other(self, rng):
        action = _OTHER_DRAWN[rng.integers(len(_OTHER_DRAWN))]
        return _drawn(lambda body, seconds: _perform(action, body, seconds, rng), rng)

    def _backwards(self, rng):
        once = [c for c in self._of_action if self.videos.actions[c] not in REPEATED]
        if not once:  # what is repeated looks the same backwards
            return self._exercise(rng)
        joints, visible = self._any_labelled(rng, once)
        return joints[::-1], visible[::-1]

    def _mixed(self, rng):
        """Arms of one action and legs of another, or a change of the action in the middle."""
        if len(self._of_action) == 1:
            return self._exercise(rng)
        two = rng.choice(sorted(self._of_action), 2, replace=False)
        first, second = (self._labelled(int(action), rng) for action in two)
        count = min(len(first[0]), len(second[0]))
        (a, seen_a), (b, seen_b) = ((x[:count], seen[:count]) for x, seen in (first, second))
        if rng.random() < 0.5:
            middle = int(count * rng.uniform(0.3, 0.7))
            before, after = _in_unit_box(a)[:middle], _in_unit_box(b)[middle:]
            visible = np.concatenate([seen_a[:middle], seen_b[middle:]])
            return np.concatenate([before, after]), visible
        a, b, visible = _by_torso(a), _by_torso(b), seen_a.copy()
        a[:, _LEGS], visible[:, _LEGS] = b[:, _LEGS], seen_b[:, _LEGS]
        return a, visible

    def _frozen(self, rng):
        """One pose of an action, with little of its motion."""
        joints, visible = self._any_labelled(rng)
        frame = rng.integers(len(joints))
        joints = joints[frame] + (joints - joints[frame]) * rng.uniform(0, 0.12)
        return joints, np.repeat(visible[frame : frame + 1], len(joints), axis=0)


def _video(joints, visible, action, name):
    low, high = np.nanmin(joints, axis=(0, 1)), np.nanmax(joints, axis=(0, 1))
    size = np.ceil(high - low).astype(int) + 1
    return Video(
        frames=[],
        joints=joints - low,
        visible=visible,
        skeleton=_SKELETON.name,
        boxes=np.tile(np.concatenate([0 * low, high - low]), (len(joints), 1)),
        size=tuple(size.tolist()),
        action=action,
        name=name,
    )


def _drawn(movement: Callable, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Joints and visibility of a person who moves as a function of the body and the time says."""
    seconds = np.arange(0, _SECONDS, 2 / DEFAULT_RATE)
    joints = filmed(movement(Body.random(rng), seconds), _SKELETON.joints, rng)
    between = (joints[:-1] + joints[1:]) / 2  # half as many postures take half the time
    joints = np.stack([joints[:-1], between], axis=1).reshape(-1, *joints.shape[1:])
    return joints, np.ones(joints.shape[:2])


def _perform(action, body, seconds, rng):
    return perform(DRAWN.get(action, action), body, Style.random(rng), seconds)[0]


def _back_and_forth(count, length, rng):
    """`length` frames of a video of `count` frames that is played back and forth."""
    if count == 1:
        return np.zeros(length, int)
    place = (np.arange(length) + rng.integers(2 * count - 2)) % (2 * count - 2)
    return np.where(place < count, place, 2 * count - 2 - place)


def _derived(joints, rng, of_face):
    """Joints with pelvis, thorax and neck from the others; `of_face`: the head is its middle."""
    joints = joints.copy()
    shoulders, hips = joints[:, _SHOULDERS].mean(axis=1), joints[:, _HIPS].mean(axis=1)
    up = joints[:, _JOINTS["head_top"]] - shoulders
    if of_face:
        up = up * rng.uniform(1.0, 1.6)
        top = joints[:, _JOINTS["head_top"]]  # stays where a shoulder is not labelled
        joints[:, _JOINTS["head_top"]] = np.where(np.isnan(up), top, shoulders + up)
    joints[:, _JOINTS["pelvis"]] = hips
    joints[:, _JOINTS["thorax"]] = shoulders + up * rng.uniform(0, 0.2)
    joints[:, _JOINTS["neck"]] = shoulders + up * rng.uniform(0.2, 0.5)
    return joints


def _in_unit_box(joints):
    low, high = np.nanmin(joints, axis=(0, 1)), np.nanmax(joints, axis=(0, 1))
    return (joints - (low + high) / 2) / max((high - low).max(), 1e-6)


def _by_torso(joints):
    """Joints relative to the hips, in lengths of the torso."""
    hips, shoulders = joints[:, _HIPS].mean(axis=1), joints[:, _SHOULDERS].mean(axis=1)
    lengths = np.linalg.norm(shoulders - hips, axis=-1)
    length = np.median(lengths[np.isfinite(lengths)]) if np.isfinite(lengths).any() else 1.0
    return (joints - hips[:, None]) / max(length, 1e-6)
