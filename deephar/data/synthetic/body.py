"""An articulated 3D person: body measures and forward kinematics. Pure NumPy.

The world is in mm: x to the right of a person that stands at the origin, y forward, z up; the floor
is z = 0. Angles are in degrees and 0 in upright standing with hanging arms. All quantities of a
motion have a leading axis of N frames; a single number stands for the same in all frames.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

SIDES = ("right", "left")

# Lengths as fractions of the stature: R. Drillis and R. Contini, "Body Segment Parameters", New
# York University, technical report 1166.03 (1966), as in D. Winter, "Biomechanics and Motor Control
# of Human Movement", figure 4.1. Shoulders and hips are given there as breadths of the body (0.129
# and 0.0955 to each side); the centres of the joints lie further inside. What annotators call the
# upper neck lies somewhat below the chin (0.870).
_MEASURES = {
    "ankle_height": 0.039,
    "shank": 0.246,
    "thigh": 0.245,
    "hip": 0.058,  # half the distance of the hip joints
    "trunk": 0.290,  # pelvis to thorax, the point between the collar bones
    "neck": 0.040,  # thorax to upper neck
    "head": 0.140,  # upper neck to head top
    "shoulder": 0.108,  # half the distance of the shoulder joints
    "upper_arm": 0.186,
    "forearm": 0.146,
    "hand": 0.100,
    "foot": 0.125,  # ankle to toe; 0.152 is heel to toe
}


@dataclass(frozen=True)
class Body:
    """Measures of one person.

    Attributes:
        stature: height in mm.
        lengths: lengths of the body in mm by name (``thigh``, ``forearm``, ``shoulder``, ...).
        girth: thickness of the limbs and the trunk, 1 = average.
    """

    stature: float
    lengths: dict[str, float]
    girth: float = 1.0

    @classmethod
    def average(cls, stature: float = 1720.0) -> "Body":
        """The person of average proportions."""
        return cls(stature, {name: part * stature for name, part in _MEASURES.items()})

    @classmethod
    def random(cls, rng: np.random.Generator) -> "Body":
        """A person of random stature, proportions and girth."""
        stature = float(np.clip(rng.normal(1700, 90), 1480, 1960))
        lengths = {
            name: float(part * stature * np.clip(rng.normal(1, 0.04), 0.9, 1.1))
            for name, part in _MEASURES.items()
        }
        return cls(stature, lengths, float(np.clip(rng.normal(1.0, 0.12), 0.8, 1.35)))

    @property
    def arm(self) -> float:
        """Shoulder to wrist of the straight arm, mm."""
        return self.lengths["upper_arm"] + self.lengths["forearm"]

    @property
    def leg(self) -> float:
        """Hip to ankle of the straight leg, mm."""
        return self.lengths["thigh"] + self.lengths["shank"]

    @property
    def standing(self) -> float:
        """Height of the hips in upright standing, mm."""
        return self.leg + self.lengths["ankle_height"]


@dataclass
class Arm:
    """Position of an arm; each angle a number or (N,).

    Attributes:
        raised: between the upper arm and the downward axis of the trunk: 90 = horizontal.
        plane: direction in which it is raised: 0 = forward, 90 = to its own side, 180 = backward.
        twist: outward rotation of the upper arm about itself.
        elbow: flexion. With `twist` 0 it brings the hand of a hanging arm forward.
        reach: position (N, 3) of the wrist in the world. Replaces the angles: the elbow then
            follows by inverse kinematics.
        pole: direction (3,) or (N, 3) in the world in which the elbow then points.
        grip: direction (3,) or (N, 3) in the world of the hand; None = that of the forearm.
    """

    raised: object = 6.0
    plane: object = 70.0
    twist: object = 0.0
    elbow: object = 12.0
    reach: object = None
    pole: object = (0.0, -1.0, -0.3)
    grip: object = None


@dataclass
class Leg:
    """Position of a leg; each angle a number or (N,).

    Attributes:
        flexion: of the hip, forward.
        abduction: of the hip, to its own side.
        rotation: outward, of the plane in which hip and knee bend.
        knee: flexion.
        ankle: lowers the toes.
        reach: position (N, 3) of the ankle in the world. Replaces the angles.
        pole: direction in the world in which the knee then points.
        toes: direction (3,) of the foot in the world; None = follows from the shank, flat on the
            floor when low.
    """

    flexion: object = 2.0
    abduction: object = 4.0
    rotation: object = 6.0
    knee: object = 4.0
    ankle: object = 0.0
    reach: object = None
    pole: object = (0.0, 1.0, 0.0)
    toes: object = None


@dataclass
class Posture:
    """The posture of a body in N frames. The fields are numbers, (N,), or (N, 3).

    Attributes:
        count: N.
        place: (N, 3), position of the pelvis, mm.
        lean: pitch of the pelvis, forward.
        turn: of the pelvis about the vertical, to the left.
        roll: of the pelvis, to the right.
        bend: of the spine, forward.
        twist: of the spine, to the left.
        side: of the spine, to the right.
        nod: of the head, forward.
        look: of the head, to the left.
        arms, legs: by side.
        ground: height of the lower ankle above that in standing, mm: the body is moved up and down
            accordingly. None = `place` is kept.
        planted: whether the mean of the ankles stays over the same point of the floor.
    """

    count: int
    place: object = (0.0, 0.0, 0.0)
    lean: object = 0.0
    turn: object = 0.0
    roll: object = 0.0
    bend: object = 0.0
    twist: object = 0.0
    side: object = 0.0
    nod: object = 0.0
    look: object = 0.0
    arms: dict = field(default_factory=lambda: {side: Arm() for side in SIDES})
    legs: dict = field(default_factory=lambda: {side: Leg() for side in SIDES})
    ground: object = 0.0
    planted: bool = False


@dataclass(frozen=True)
class Figure:
    """Positions of the parts of a body in N frames.

    Attributes:
        points: (N, 3) by name, mm: the joints of pa16j and ``<side>_hand``, ``<side>_toe``,
            ``<side>_heel``.
        axes: (N, 3, 3) for ``pelvis``, ``trunk`` and ``head``: in the columns, unit vectors to the
            right, forward and up of that part.
    """

    points: dict[str, np.ndarray]
    axes: dict[str, np.ndarray]

    def mirrored(self) -> "Figure":
        """The same motion with left and right swapped (x to -x)."""
        flip = np.array([-1.0, 1, 1])
        points = {_other(name): point * flip for name, point in self.points.items()}
        # The mirror image of the axis to the right points to the left; it is turned round again.
        axes = {name: flip[:, None] * axes * flip for name, axes in self.axes.items()}
        return Figure(points, axes)

    def moved(self, shift: np.ndarray) -> "Figure":
        """The same figure, shifted by (3,) or (N, 3) mm."""
        return Figure({name: point + shift for name, point in self.points.items()}, self.axes)

    def rotated(self, degrees: float) -> "Figure":
        """The same figure, turned to the left about the vertical through the origin."""
        turn = turned("z", degrees, 1)[0]
        points = {name: point @ turn.T for name, point in self.points.items()}
        return Figure(points, {name: turn @ axes for name, axes in self.axes.items()})


def _other(name):
    for side, other in (SIDES, SIDES[::-1]):
        if name.startswith(side):
            return other + name.removeprefix(side)
    return name


def pose(body: Body, posture: Posture) -> Figure:
    """Forward kinematics.

    Args:
        body: the person's measures.
        posture: joint angles and places.

    Returns:
        All points of the body.
    """
    place = np.broadcast_to(np.asarray(posture.place, float), (posture.count, 3))
    figure = _pose_at(body, posture, place)
    if posture.ground is None:
        return figure
    ankles = np.stack([figure.points[f"{side}_ankle"] for side in SIDES])
    shift = np.zeros((posture.count, 3))
    shift[:, 2] = body.lengths["ankle_height"] + posture.ground - ankles[..., 2].min(axis=0)
    if posture.planted:
        shift[:, :2] = (place - ankles.mean(axis=0))[:, :2]
    if any(limb.reach is not None for limb in (*posture.arms.values(), *posture.legs.values())):
        return _pose_at(body, posture, place + shift)  # the points reached for do not move
    return figure.moved(shift)


def _pose_at(body, posture, place):
    n = posture.count
    length = body.lengths
    pelvis = turned("z", posture.turn, n) @ turned("x", -np.asarray(posture.lean), n)
    pelvis = pelvis @ turned("y", posture.roll, n)
    trunk = pelvis @ turned("z", posture.twist, n) @ turned("x", -np.asarray(posture.bend), n)
    trunk = trunk @ turned("y", posture.side, n)
    half_nod = turned("x", -0.5 * np.asarray(posture.nod), n)
    neck = trunk @ half_nod
    head = trunk @ turned("z", posture.look, n) @ half_nod @ half_nod

    points = {"pelvis": place}
    waist = place + pelvis @ _v(0, 0, 0.25 * length["trunk"])
    points["thorax"] = waist + trunk @ _v(0, 0, 0.75 * length["trunk"])
    points["neck"] = points["thorax"] + neck @ _v(0, 0.012 * body.stature, length["neck"])
    points["head_top"] = points["neck"] + head @ _v(0, 0, length["head"])
    for side, sign in (("right", 1), ("left", -1)):
        points |= _arm(body, posture.arms[side], side, sign, trunk, points["thorax"], n)
        points |= _leg(body, posture.legs[side], side, sign, pelvis, place, n)
    return Figure(points, {"pelvis": pelvis, "trunk": trunk, "head": head})


def _arm(body, arm, side, sign, trunk, thorax, n):
    length = body.lengths
    # The shoulder blade rises with the arm from about 60 degrees on.
    lift = np.clip((np.broadcast_to(arm.raised, n) - 60) / 110, 0, 1) if arm.reach is None else 0
    base = np.zeros((n, 3))
    base[:, 0] = sign * length["shoulder"] * (1 - 0.12 * lift)
    base[:, 2] = body.stature * (0.03 * lift - 0.012)
    shoulder = thorax + _apply(trunk, base)
    if arm.reach is not None:
        elbow, wrist = reach(
            shoulder, arm.reach, length["upper_arm"], length["forearm"], arm.pole, n
        )
    else:
        upper = trunk @ _swing(arm.raised, arm.plane, sign, n)
        upper = upper @ turned("z", -sign * np.asarray(arm.twist), n)
        lower = upper @ turned("x", arm.elbow, n)
        elbow = shoulder + upper @ _v(0, 0, -length["upper_arm"])
        wrist = elbow + lower @ _v(0, 0, -length["forearm"])
    along = wrist - elbow if arm.grip is None else np.asarray(arm.grip, float)
    hand = wrist + 0.8 * length["hand"] * unit_vectors(along)
    return {
        f"{side}_shoulder": shoulder,
        f"{side}_elbow": elbow,
        f"{side}_wrist": wrist,
        f"{side}_hand": hand,
    }


def _leg(body, leg, side, sign, pelvis, place, n):
    length = body.lengths
    hip = place + pelvis @ _v(sign * length["hip"], 0, 0)
    if leg.reach is not None:
        knee, ankle = reach(hip, leg.reach, length["thigh"], length["shank"], leg.pole, n)
    else:
        outward = pelvis @ turned("z", -sign * np.asarray(leg.rotation), n)
        thigh = outward @ turned("y", -sign * np.asarray(leg.abduction), n)
        thigh = thigh @ turned("x", leg.flexion, n)
        shank = thigh @ turned("x", -np.asarray(leg.knee), n)
        knee = hip + thigh @ _v(0, 0, -length["thigh"])
        ankle = knee + shank @ _v(0, 0, -length["shank"])
    if leg.toes is not None:
        toes = np.broadcast_to(unit_vectors(np.asarray(leg.toes, float)), (n, 3))
    else:
        hinge = pelvis[..., 0] if leg.reach is not None else outward[..., 0]
        toes = _toes(body, leg, hinge, knee, ankle, n)
    down = unit_vectors(ankle - knee)
    down = down - (down * toes).sum(-1, keepdims=True) * toes
    sole = ankle + 0.6 * length["ankle_height"] * unit_vectors(down + 1e-9)
    return {
        f"{side}_hip": hip,
        f"{side}_knee": knee,
        f"{side}_ankle": ankle,
        f"{side}_heel": sole - 0.022 * body.stature * toes,
        f"{side}_toe": sole + 0.85 * length["foot"] * toes,
    }


def _toes(body, leg, hinge, knee, ankle, n):
    """Direction of the foot: at right angles to the shank, but flat on the floor when low."""
    down = unit_vectors(ankle - knee)
    forward = unit_vectors(np.cross(hinge, down))
    point = np.radians(np.broadcast_to(leg.ankle, n))[:, None]
    free = np.cos(point) * forward + np.sin(point) * down
    flat = unit_vectors(free * (1, 1, 0) + 1e-9)
    height = ankle[:, 2:] / body.lengths["ankle_height"] - 1
    weight = np.clip(1 - height / 3, 0, 1)
    return unit_vectors(weight * flat + (1 - weight) * free + 1e-9)


def reach(
    start: np.ndarray,
    target: ArrayLike,
    first: float,
    second: float,
    pole: ArrayLike,
    count: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Two-bone inverse kinematics: the middle and the end of a limb that reaches for a point.

    Args:
        start: (N, 3), where the limb begins.
        target: (N, 3) or (3,), where its end should be. If that is too far away, the limb is
            stretched towards it.
        first: length of the bone at `start`.
        second: length of the other bone.
        pole: (N, 3) or (3,), the side to which the middle joint bends.
        count: N.

    Returns:
        Middle joint (N, 3) and end (N, 3).
    """
    offset = np.broadcast_to(np.asarray(target, float), (count, 3)) - start
    distance = np.linalg.norm(offset, axis=-1, keepdims=True)
    along = offset / np.maximum(distance, 1e-9)
    distance = np.clip(distance, abs(first - second) + 1.0, 0.999 * (first + second))
    cosine = (first**2 + distance**2 - second**2) / (2 * first * distance)
    cosine = np.clip(cosine, -1, 1)
    pole = np.broadcast_to(np.asarray(pole, float), (count, 3))
    across = unit_vectors(pole - (pole * along).sum(-1, keepdims=True) * along + 1e-9)
    middle = start + first * (cosine * along + np.sqrt(1 - cosine**2) * across)
    return middle, start + distance * along


def turned(axis: str, degrees: ArrayLike, count: int) -> np.ndarray:
    """Rotations (N, 3, 3) about the x, y or z axis by an angle or (N,) angles."""
    angle = np.radians(np.broadcast_to(degrees, count).astype(float))
    cos, sin = np.cos(angle), np.sin(angle)
    first, second = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix = np.zeros((count, 3, 3))
    matrix[:, range(3), range(3)] = 1.0
    matrix[:, first, first] = matrix[:, second, second] = cos
    matrix[:, first, second], matrix[:, second, first] = -sin, sin
    return matrix


def _swing(raised, plane, sign, n):
    """Shortest rotations that take the hanging arm to a direction (Rodrigues' formula)."""
    angle = np.radians(np.broadcast_to(raised, n).astype(float))[:, None, None]
    plane = np.radians(np.broadcast_to(plane, n).astype(float))
    axis = np.stack([np.cos(plane), -sign * np.sin(plane), np.zeros(n)], axis=-1)
    cross = np.zeros((n, 3, 3))
    cross[:, 0, 2], cross[:, 2, 0] = axis[:, 1], -axis[:, 1]
    cross[:, 1, 2], cross[:, 2, 1] = -axis[:, 0], axis[:, 0]
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)


def _v(x, y, z):
    return np.array([x, y, z], float)


def _apply(matrices, vectors):
    return (matrices @ vectors[..., None])[..., 0]


def unit_vectors(vectors: np.ndarray, *, least: float = 1e-9) -> np.ndarray:
    """Vectors (..., 3) divided by their lengths, or by `least` if they are shorter."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), least)
