"""Joint layouts: names, left-right flips, limbs to draw, groups to report, maps between layouts.

Every layout ("skeleton") is one table of joint names. Everything else follows from the names: the
flip permutation from the ``left_`` / ``right_`` prefixes, the map from one layout to another from
equal names. Left and right are the person's own.

A name stands for the same point of the body in every layout, as closely as the data sets allow:

- ``neck`` is MPII's *upper neck* and LSP's *neck*, ``thorax`` is MPII's *thorax*;
- ``head_top`` is the top of the head of MPII, LSP and pa16j. Penn Action's *head* and the Kinect's
  *head* (NTU) are the middle of the head: the correspondence is approximate;
- Human3.6M: see the comment at its table.

Example:
    >>> skeleton = get_skeleton("lsp14")
    >>> skeleton.num_joints, skeleton.joints[0], skeleton.joints[skeleton.flip[0]]
    (14, 'right_ankle', 'left_ankle')
    >>> convert(np.ones((14, 2)), "lsp14", "pa16j")[:4]  # LSP has neither pelvis nor thorax
    array([[nan, nan],
           [nan, nan],
           [ 1.,  1.],
           [ 1.,  1.]])
"""

from collections.abc import Iterable
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

# Rows of the tables of results, after the MPII benchmark. Joints outside of all groups (pelvis,
# thorax, spine) have no row there.
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


@dataclass(frozen=True)
class Skeleton:
    """A joint layout.

    Attributes:
        name: short name, such as ``"pa16j"``.
        joints: joint names in the order of the pose array.
        limbs: lines to draw.

    Raises:
        ValueError: A joint name occurs twice, a joint has no partner on the other side, or a limb
            names an unknown joint.
    """

    name: str
    joints: tuple[str, ...]
    limbs: tuple[Limb, ...] = ()

    def __post_init__(self):
        if len(set(self.joints)) != len(self.joints):
            raise ValueError(f"Skeleton {self.name!r} names a joint twice: {self.joints}.")
        for joint in [mirrored(joint) for joint in self.joints]:
            self.index(joint)
        for limb in self.limbs:
            self.index(limb.start)
            self.index(limb.end)

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
        flip = np.array([self.index(mirrored(joint)) for joint in self.joints])
        flip.flags.writeable = False
        return flip

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """Joint names by title of the row they share in tables: Head, Shoulder, ..., Ankle.

        Groups without a joint of the layout are left out.
        """
        members = {
            title: tuple(joint for joint in self.joints if _without_side(joint) in parts)
            for title, parts in _GROUPS
        }
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
