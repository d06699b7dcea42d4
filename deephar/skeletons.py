"""Joint layouts: names, left-right flips, limbs to draw, groups to report, maps between layouts.

Every layout ("skeleton") is one table of joint names. Everything else follows from the names: the
flip permutation from the ``left_`` / ``right_`` prefixes, the map from one layout to another from
equal names. Left and right are the person's own. `skeleton_of` makes one of the joint names of any
annotation.

A name stands for the same point of the body in every layout, as closely as the data sets allow:

- ``neck`` is MPII's *upper neck* and LSP's *neck*, ``thorax`` is MPII's *thorax*;
- ``head_top`` is the top of the head of MPII, LSP and pa16j. Penn Action's *head* and the Kinect's
  *head* (NTU) are the middle of the head: the correspondence is approximate;
- Human3.6M: see the comment at its table.

Examples:
    >>> skeleton = get_skeleton("lsp14")
    >>> skeleton.num_joints, skeleton.joints[0], skeleton.joints[skeleton.flip[0]]
    (14, 'right_ankle', 'left_ankle')
    >>> convert(np.ones((14, 2)), "lsp14", "pa16j")[:4]  # LSP has neither pelvis nor thorax
    array([[nan, nan],
           [nan, nan],
           [ 1.,  1.],
           [ 1.,  1.]])
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from types import MappingProxyType

import numpy as np

UNSUPERVISED = -1e9
"""Target value of a position or a visibility that is not supervised."""

# Vermilion, blue and yellow of M. Okabe and K. Ito, "Color Universal Design" (2008): they differ
# in hue for most viewers and in lightness for everyone.
RIGHT_COLOUR = (213, 94, 0)
LEFT_COLOUR = (0, 114, 178)
CENTRE_COLOUR = (240, 228, 66)

# Rows of the tables of results, after the MPII benchmark, in which the middle of the body has none.
_WITHOUT_ROW = ("pelvis", "thorax", "spine")
_GROUPS = (
    ("Head", ("head_top", "neck", "nose", "eye", "ear")),
    ("Shoulder", ("shoulder",)),
    ("Elbow", ("elbow",)),
    ("Wrist", ("wrist",)),
    ("Hip", ("hip",)),
    ("Knee", ("knee",)),
    ("Ankle", ("ankle",)),
    ("Hand", ("hand",)),
    ("Foot", ("foot",)),
)


@dataclass(frozen=True)
class Limb:
    """A line to draw between two joints.

    Attributes:
        start: name of the joint at one end.
        end: name of the joint at the other end.
        colour: (red, green, blue), 0 to 255; one colour each for right, left and centre.
    """

    start: str
    end: str
    colour: tuple[int, int, int]


@dataclass(frozen=True, repr=False)
class Skeleton:
    """A joint layout.

    Attributes:
        name: short name, such as ``"pa16j"``.
        joints: joint names in the order of the pose array.
        limbs: lines to draw.
        pairs: names of the joints that a mirror image swaps, as (one, other); all others keep
            their place. None: those that the prefixes ``left_`` and ``right_`` tell.

    Raises:
        ValueError: A joint name occurs twice, a joint has no partner on the other side, or a limb
            names an unknown joint.
    """

    name: str
    joints: tuple[str, ...]
    limbs: tuple[Limb, ...] = ()
    pairs: tuple[tuple[str, str], ...] | None = None

    def __post_init__(self):
        _require_distinct(self.name, self.joints)
        paired = [joint for pair in self.pairs or () for joint in pair]
        if len(set(paired)) < len(paired):
            raise ValueError(f"Skeleton {self.name!r} has a joint in two pairs: {self.pairs}.")
        for joint in self.joints:
            self.index(self._other_side(joint))
        for joint in paired:
            self.index(joint)
        for limb in self.limbs:
            self.index(limb.start)
            self.index(limb.end)

    def __repr__(self) -> str:
        return f"Skeleton({self.name!r}, {self.num_joints} joints)"

    @classmethod
    def from_fields(cls, fields: Mapping) -> "Skeleton":
        """The skeleton of the fields that `dataclasses.asdict` gives, as JSON keeps them.

        Raises:
            ValueError: The fields are not those of a skeleton.
        """
        try:
            limbs = [
                Limb(limb["start"], limb["end"], tuple(limb["colour"])) for limb in fields["limbs"]
            ]
            pairs = fields["pairs"]
            pairs = None if pairs is None else tuple((one, other) for one, other in pairs)
            return cls(fields["name"], tuple(fields["joints"]), tuple(limbs), pairs)
        except (KeyError, TypeError) as error:
            raise ValueError(f"The skeleton cannot be read ({error!r}).") from error

    def _other_side(self, joint):
        if self.pairs is None:
            return mirrored(joint)
        swaps = dict(self.pairs) | {other: one for one, other in self.pairs}
        return swaps.get(joint, joint)

    @property
    def num_joints(self) -> int:
        """Number of joints."""
        return len(self.joints)

    @cached_property
    def flip(self) -> np.ndarray:
        """Permutation (joints,) that swaps left and right: ``pose[..., skeleton.flip, :]``.

        Goes with mirrored x coordinates: the joint seen at the left wrist of a mirrored image is
        the right wrist of the original. Its own inverse. Read-only.
        """
        flip = np.array([self.index(self._other_side(joint)) for joint in self.joints])
        flip.flags.writeable = False
        return flip

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """Joint names by title of the row they share in tables: Head, Shoulder, ..., Ankle.

        Groups without a joint of the layout are left out. Joints of other names have rows of their
        own, except for those in the middle of the body: pelvis, thorax and spine.
        """
        titles = {part: title for title, parts in _GROUPS for part in parts}
        members = {title: () for title, _ in _GROUPS}
        for joint in self.joints:
            part = _without_side(joint)
            if part not in _WITHOUT_ROW:
                title = titles.get(part, part.replace("_", " ").capitalize())
                members[title] = (*members.get(title, ()), joint)
        return {title: joints for title, joints in members.items() if joints}

    def index(self, joint: str) -> int:
        """Position of a joint in the pose array.

        Raises:
            ValueError: The skeleton has no joint of this name.
        """
        if joint not in self.joints:
            known = ", ".join(self.joints)
            raise ValueError(f"Skeleton {self.name!r} has no joint {joint!r}. It has {known}.")
        return self.joints.index(joint)


def mirrored(joint: str) -> str:
    """Name of the joint on the other side of the body; centre joints keep their name.

    >>> mirrored("left_wrist"), mirrored("neck")
    ('right_wrist', 'neck')
    """
    for side, other in (("left_", "right_"), ("right_", "left_")):
        if joint.startswith(side):
            return other + joint.removeprefix(side)
    return joint


def _require_distinct(name, joints):
    twice = [joint for number, joint in enumerate(joints) if joint in joints[:number]]
    if twice:
        raise ValueError(
            f"Skeleton {name!r} names the joint {twice[0]!r} twice. Give each joint a name of its "
            "own."
        )


def _without_side(joint: str) -> str:
    return joint.removeprefix("left_").removeprefix("right_")


def _colour(start: str, end: str) -> tuple[int, int, int]:
    """Colour of the side on which a limb lies; a limb that joins both sides is central."""
    sides = {joint.split("_")[0] for joint in (start, end)} & {"left", "right"}
    if len(sides) != 1:
        return CENTRE_COLOUR
    return RIGHT_COLOUR if sides == {"right"} else LEFT_COLOUR


def _limbs(chains: Iterable[str]) -> tuple[Limb, ...]:
    """Limbs along chains of joint names; chains on the right are repeated on the left."""
    pairs = []
    for chain in chains:
        right = list(pairwise(chain.split()))
        left = [(mirrored(start), mirrored(end)) for start, end in right]
        pairs += right + [pair for pair in left if pair not in right and pair[::-1] not in right]
    return tuple(Limb(start, end, _colour(start, end)) for start, end in pairs)


def _skeleton(name: str, joints: str, *chains: str) -> Skeleton:
    return Skeleton(name, tuple(joints.split()), _limbs(chains))


_ARM = "thorax right_shoulder right_elbow right_wrist"
_LEG = "pelvis right_hip right_knee right_ankle"

_PA16J = _skeleton(
    "pa16j",
    """pelvis thorax neck head_top right_shoulder left_shoulder right_elbow left_elbow right_wrist
    left_wrist right_hip left_hip right_knee left_knee right_ankle left_ankle""",
    "pelvis thorax neck head_top",
    _ARM,
    _LEG,
)

_PA17J = _skeleton(
    "pa17j",
    """pelvis thorax neck head_top right_shoulder left_shoulder right_elbow left_elbow right_wrist
    left_wrist right_hip left_hip right_knee left_knee right_ankle left_ankle spine""",
    "pelvis spine thorax neck head_top",
    _ARM,
    _LEG,
)

_PA20J = _skeleton(
    "pa20j",
    """pelvis thorax neck head_top right_shoulder left_shoulder right_elbow left_elbow right_wrist
    left_wrist right_hand left_hand right_hip left_hip right_knee left_knee right_ankle left_ankle
    right_foot left_foot""",
    "pelvis thorax neck head_top",
    _ARM + " right_hand",
    _LEG + " right_foot",
)

_MPII16 = _skeleton(
    "mpii16",
    """right_ankle right_knee right_hip left_hip left_knee left_ankle pelvis thorax neck head_top
    right_wrist right_elbow right_shoulder left_shoulder left_elbow left_wrist""",
    "pelvis thorax neck head_top",
    _ARM,
    _LEG,
)

_LSP14 = _skeleton(
    "lsp14",
    """right_ankle right_knee right_hip left_hip left_knee left_ankle right_wrist right_elbow
    right_shoulder left_shoulder left_elbow left_wrist neck head_top""",
    "neck head_top",
    "neck right_shoulder right_elbow right_wrist",
    "right_shoulder right_hip right_knee right_ankle",
    "right_hip left_hip",
)

# The label files list left before right, but most sequences are annotated the other way round.
# "Head" is the middle of the head: head_top is an approximation.
_PENN13 = _skeleton(
    "penn13",
    """head_top right_shoulder left_shoulder right_elbow left_elbow right_wrist left_wrist
    right_hip left_hip right_knee left_knee right_ankle left_ankle""",
    "head_top right_shoulder right_elbow right_wrist",
    "right_shoulder left_shoulder",
    "right_shoulder right_hip right_knee right_ankle",
    "right_hip left_hip",
)

_COCO17 = _skeleton(
    "coco17",
    """nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow
    right_elbow left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle
    right_ankle""",
    "nose right_eye right_ear right_shoulder right_elbow right_wrist",
    "right_eye left_eye",
    "right_shoulder left_shoulder",
    "right_shoulder right_hip right_knee right_ankle",
    "right_hip left_hip",
)

# MediaPipe Pose (BlazePose).
_MEDIAPIPE33 = _skeleton(
    "mediapipe33",
    """nose left_eye_inner left_eye left_eye_outer right_eye_inner right_eye right_eye_outer
    left_ear right_ear left_mouth right_mouth left_shoulder right_shoulder left_elbow right_elbow
    left_wrist right_wrist left_pinky right_pinky left_index right_index left_thumb right_thumb
    left_hip right_hip left_knee right_knee left_ankle right_ankle left_heel right_heel
    left_foot_index right_foot_index""",
    "nose right_eye right_ear right_shoulder right_elbow right_wrist right_index",
    "right_eye_inner right_eye right_eye_outer",
    "nose right_mouth",
    "right_eye left_eye",
    "right_shoulder left_shoulder",
    "right_wrist right_pinky",
    "right_wrist right_thumb",
    "right_shoulder right_hip right_knee right_ankle right_foot_index",
    "right_ankle right_heel",
    "right_hip left_hip",
)

# Human3.6M as recorded: 32 points of a motion capture skeleton, many of them doubles that never
# move on their own. Its own names for the middle line are Hips, Spine (at the hips), Spine1 (the
# middle of the back), Neck (between the shoulders), Head (about the nose) and Site (head top).
# They are paired here as the authors of the network did when they trained on it: Spine = spine,
# Spine1 = thorax, Neck = neck, Site = head_top. So the thorax lies lower than MPII's; approximate.
_H36M32 = _skeleton(
    "h36m32",
    """pelvis right_hip right_knee right_ankle right_foot right_foot_end left_hip left_knee
    left_ankle left_foot left_foot_end spine thorax neck nose head_top left_collar left_shoulder
    left_elbow left_wrist left_thumb left_thumb_end left_hand left_hand_end right_collar
    right_shoulder right_elbow right_wrist right_thumb right_thumb_end right_hand
    right_hand_end""",
    "pelvis spine thorax neck nose head_top",
    "neck right_shoulder right_elbow right_wrist right_hand",
    _LEG + " right_foot",
)

# The 17 points of the 32 that most publications use. The four of the middle line above the pelvis
# are often called spine, thorax, neck (or nose) and head; here they have the names that the same
# points have in h36m32, so that poses go from one to the other unharmed.
_H36M17 = _skeleton(
    "h36m17",
    """pelvis right_hip right_knee right_ankle left_hip left_knee left_ankle thorax neck nose
    head_top left_shoulder left_elbow left_wrist right_shoulder right_elbow right_wrist""",
    "pelvis thorax neck nose head_top",
    "neck right_shoulder right_elbow right_wrist",
    _LEG,
)

# Kinect v2. The joints that it lists as left (4-7, 12-15, 21, 22) are called right here: the
# Kinect's frames are mirrored, so that in the picture they are what an annotator, or a network
# trained on other data, takes for the right side. The authors of the network paired them likewise.
_NTU25 = _skeleton(
    "ntu25",
    """pelvis spine neck head_top right_shoulder right_elbow right_wrist right_hand left_shoulder
    left_elbow left_wrist left_hand right_hip right_knee right_ankle right_foot left_hip left_knee
    left_ankle left_foot thorax right_hand_tip right_thumb left_hand_tip left_thumb""",
    "pelvis spine thorax neck head_top",
    _ARM + " right_hand right_hand_tip",
    "right_wrist right_thumb",
    _LEG + " right_foot",
)

SKELETONS = MappingProxyType(
    {
        skeleton.name: skeleton
        for skeleton in (
            _PA16J,
            _PA17J,
            _PA20J,
            _MPII16,
            _LSP14,
            _PENN13,
            _COCO17,
            _MEDIAPIPE33,
            _H36M17,
            _H36M32,
            _NTU25,
        )
    }
)
"""All built-in skeletons by name (read-only)."""


class UnknownSidesError(ValueError):
    """The names of joints do not tell which of them a mirror image swaps."""


def skeleton_of(
    name: str,
    joints: Sequence[str],
    *,
    limbs: Iterable[tuple[int, int]] = (),
    pairs: Iterable[tuple[str, str]] | None = None,
) -> Skeleton:
    """The skeleton of the joints of an annotation.

    Left and right may be written in many ways, such as ``left_ear``, ``Left Ear``, ``L_Ear``,
    ``ear.l`` and ``leftEar``; here they all become ``left_ear``, so that joints of the same name
    are the same in all skeletons. Names without a side are kept, in lower case with underscores.

    Args:
        name: name of the skeleton.
        joints: names of the joints.
        limbs: positions of the two ends of each line to draw, from 0.
        pairs: names, among `joints`, of those that a mirror image swaps; none of them if empty.
            None if the names are to tell them.

    Returns:
        The `Skeleton`; the built-in one if its joints are the same.

    Raises:
        UnknownSidesError: The names do not tell which joints a mirror image swaps, since a joint
            has no partner on the other side, or none has a side.
        ValueError: A name occurs twice.

    >>> skeleton_of("cat", ["Nose", "L Ear", "R Ear"]).joints
    ('nose', 'left_ear', 'right_ear')
    """
    words = [_words(joint) for joint in joints]
    names = ["_".join(parts) for parts in words]
    if pairs is None:
        names = [_with_side(parts, words) for parts in words]
    _require_distinct(name, names)
    if pairs is None:
        _check_sides(name, joints, names)
    known = dict(zip(joints, names, strict=True))
    if pairs is not None:
        pairs = tuple(tuple(_known_joint(name, known, joint) for joint in pair) for pair in pairs)
    for other in SKELETONS.values() if pairs is None else ():
        if other.joints == tuple(names):
            return other
    limbs = [(names[start], names[end]) for start, end in limbs]
    limbs = tuple(Limb(start, end, _colour(start, end)) for start, end in limbs)
    return Skeleton(name, tuple(names), limbs, pairs)


_SIDES = {"left": "left", "l": "left", "right": "right", "r": "right"}


def _words(joint):
    """The words of a name in lower case: "leftEar", "LEar", "Left Ear" and "left-ear" have two."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=^[LR])(?=[A-Z][a-z])", " ", joint.strip())
    return re.findall(r"[^\W_]+", parted.lower()) or [joint]


def _with_side(parts, everyones):
    """A name with its side in front. A single letter is a side only if a partner has the other."""
    for number, part in enumerate(parts):
        side = _SIDES.get(part)
        others = [word for word, meaning in _SIDES.items() if side and meaning != side]
        has_partner = any(
            [*parts[:number], other, *parts[number + 1 :]] in everyones for other in others
        )
        if side and (has_partner or part == side):
            return "_".join([side, *parts[:number], *parts[number + 1 :]])
    return "_".join(parts)


def _check_sides(name, joints, names):
    """Raises if the names do not tell which joints a mirror image swaps."""
    advice = (
        "Name the two sides left_ and right_, or say which joints a mirror image swaps: flip_pairs "
        "(on the command line --flip-pairs A:B,C:D, or none)."
    )
    alone = [
        joint for joint, ours in zip(joints, names, strict=True) if mirrored(ours) not in names
    ]
    if alone:
        raise UnknownSidesError(
            f"The joint {alone[0]!r} of {name!r} has no partner on the other side. {advice}"
        )
    if all(mirrored(ours) == ours for ours in names):
        raise UnknownSidesError(
            f"No joint of {name!r} has a side in its name ({', '.join(joints[:5])}). {advice}"
        )


def _known_joint(name, known, joint):
    if joint not in known:
        raise ValueError(
            f"A flip pair names the joint {joint!r}, but {name!r} has {', '.join(known)}."
        )
    return known[joint]


def get_skeleton(skeleton: str | Skeleton) -> Skeleton:
    """Skeleton of a name; a `Skeleton` is returned as it is.

    Args:
        skeleton: name of a built-in skeleton, or a `Skeleton` of your own.

    Raises:
        ValueError: No skeleton has this name.
    """
    if isinstance(skeleton, Skeleton):
        return skeleton
    if not isinstance(skeleton, str) or skeleton not in SKELETONS:
        raise ValueError(f"Unknown skeleton {skeleton!r}. Known are {', '.join(SKELETONS)}.")
    return SKELETONS[skeleton]


def reference(skeleton: str | Skeleton) -> str | Skeleton:
    """The name of a built-in skeleton; another `Skeleton`, which no name finds, as it is.

    >>> reference(get_skeleton("pa16j"))
    'pa16j'
    """
    skeleton = get_skeleton(skeleton)
    return skeleton.name if SKELETONS.get(skeleton.name) == skeleton else skeleton


def joint_map(source: str | Skeleton, target: str | Skeleton) -> np.ndarray:
    """Where each joint of `target` is found in `source`.

    Args:
        source: skeleton (or its name) to convert from.
        target: skeleton (or its name) to convert to.

    Returns:
        Integers (target joints,): index in `source`, -1 where `source` lacks the joint.

    >>> joint_map("pa16j", "penn13")
    array([ 3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15])
    """
    position = {joint: index for index, joint in enumerate(get_skeleton(source).joints)}
    return np.array([position.get(joint, -1) for joint in get_skeleton(target).joints])


def convert(pose: np.ndarray, source: str | Skeleton, target: str | Skeleton) -> np.ndarray:
    """Poses in another layout.

    Args:
        pose: (..., source joints, dim), any unit.
        source: skeleton (or its name) of `pose`.
        target: skeleton (or its name) wanted.

    Returns:
        New floating-point array (..., target joints, dim), NaN where `source` lacks the joint.

    Raises:
        ValueError: `pose` does not have the number of joints of `source`, or a name is unknown.
    """
    source = get_skeleton(source)
    pose = np.asarray(pose)
    if pose.ndim < 2 or pose.shape[-2] != source.num_joints:
        raise ValueError(
            f"A pose in {source.name!r} must have the shape (..., {source.num_joints}, dim), "
            f"got {pose.shape}."
        )
    indices = joint_map(source, target)
    converted = pose[..., indices, :]
    if not np.issubdtype(pose.dtype, np.floating):
        converted = converted.astype(np.float64)
    converted[..., indices < 0, :] = np.nan
    return converted
