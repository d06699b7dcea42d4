"""Twelve actions of an articulated person, as joint angles over time. Pure NumPy.

A motion is written for a right-handed person that faces y. Hands that hold something, and feet that
stay in place, are placed by inverse kinematics. `Style` holds what varies between performances.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from deephar.data.synthetic.body import SIDES, Arm, Body, Figure, Leg, Posture, pose

ACTIONS = (
    "bowl",
    "golf_swing",
    "jump_rope",
    "jumping_jack",
    "kick",
    "pull_up",
    "push_up",
    "sit_up",
    "squat",
    "tennis_serve",
    "walk",
    "wave",
)
"""Names of the actions, in alphabetical order."""

_STEEL, _BALL_RED = (150, 155, 165), (150, 30, 40)
_TENNIS_YELLOW, _WHITE = (205, 225, 60), (235, 235, 235)


@dataclass(frozen=True)
class Style:
    """How a person performs an action.

    Attributes:
        amplitude: of the movements, 1 = average.
        tempo: speed, 1 = average.
        phase: 0 to 1, where in its cycle a repeated movement starts, or when a single one starts.
        variants: (8,) in [0, 1), choices between ways of performing it.
        left_handed: whether left and right are swapped.
    """

    amplitude: float
    tempo: float
    phase: float
    variants: tuple[float, ...]
    left_handed: bool

    @classmethod
    def random(cls, rng: np.random.Generator, left_handed: bool | None = None) -> "Style":
        """A random style; the handedness too, unless it is given."""
        if left_handed is None:
            left_handed = bool(rng.random() < 0.3)
        return cls(
            amplitude=float(rng.uniform(0.85, 1.12)),
            tempo=float(rng.uniform(0.75, 1.3)),
            phase=float(rng.random()),
            variants=tuple(rng.random(8).tolist()),
            left_handed=left_handed,
        )


@dataclass(frozen=True)
class Prop:
    """A thing beside the body: a rod, or a ball if both ends are at the same point.

    Attributes:
        start, end: (N, 3), mm; NaN where it is absent.
        radius: mm.
        colour: (red, green, blue), 0 to 255.
    """

    start: np.ndarray
    end: np.ndarray
    radius: float
    colour: tuple[int, int, int]


def perform(
    action: str, body: Body, style: Style, seconds: np.ndarray
) -> tuple[Figure, list[Prop]]:
    """A person performs an action.

    Args:
        action: one of `ACTIONS`.
        body: the person's measures.
        style: how the action is performed.
        seconds: (N,) increasing times of the frames, from 0.

    Returns:
        The `Figure` and a list of `Prop`.

    Raises:
        ValueError: The action is unknown; the message lists those there are.
    """
    if action not in _MOTIONS:
        raise ValueError(f"Unknown action {action!r}; known are {', '.join(ACTIONS)}.")
    posture, props = _MOTIONS[action](body, _Clock(np.asarray(seconds, float), style), style)
    _sway(posture, seconds, style)
    figure = pose(body, posture)
    things = props(figure) if props else []
    if style.left_handed:
        flip = np.array([-1.0, 1, 1])
        figure = figure.mirrored()
        things = [Prop(p.start * flip, p.end * flip, p.radius, p.colour) for p in things]
    return figure, things


class _Clock:
    """Time as a motion needs it: phase of a cycle, or progress of a single performance."""

    def __init__(self, seconds, style):
        self.count = len(seconds)
        self.seconds = seconds
        self.style = style

    def phase(self, period):
        """Cycles done, (N,), for a cycle of `period` seconds at average tempo."""
        return self.style.tempo * self.seconds / period + self.style.phase

    def once(self, duration):
        """Progress, (N,), 0 to 1, of a movement of `duration` seconds that ends before the video.

        It is below 0 before the movement starts, and above 1 after it has ended.
        """
        total = max(self.seconds[-1], 1e-6) if self.count > 1 else 1.0
        duration = min(duration / self.style.tempo, 0.95 * total)
        return (self.seconds - self.style.phase * 0.8 * (total - duration)) / duration


def _wave01(phase):
    """0 at whole phases, 1 in between."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * phase)


def _sin(phase):
    return np.sin(2 * np.pi * phase)


def keys(progress: np.ndarray, *points: tuple[float, float]) -> np.ndarray:
    """Smooth curve through (progress, value) pairs, flat before the first and after the last.

    Args:
        progress: (N,), where to evaluate the curve.
        *points: at least two pairs, with rising progress.

    Returns:
        float64 (N,), the values.

    Cubic Hermite interpolation with the slopes of F. Fritsch and R. Carlson, "Monotone Piecewise
    Cubic Interpolation" (1980), in the harmonic form: it does not overshoot.
    """
    at, value = np.array(points, float).T
    width, rise = np.diff(at), np.diff(value)
    steep = rise / width
    slope = np.zeros(len(at))
    same = steep[:-1] * steep[1:] > 0
    slope[1:-1][same] = 2 * (steep[:-1] * steep[1:])[same] / (steep[:-1] + steep[1:])[same]
    x = np.clip(progress, at[0], at[-1])
    i = np.clip(np.searchsorted(at, x, side="right") - 1, 0, len(width) - 1)
    u = (x - at[i]) / width[i]
    return (
        value[i]
        + rise[i] * u**2 * (3 - 2 * u)
        + width[i] * u * (1 - u) * (slope[i] * (1 - u) - slope[i + 1] * u)
    )


def _sway(posture, seconds, style):
    """Adds small slow movements, so that nothing is perfectly regular or still."""
    rng = np.random.default_rng([int(v * 1e6) for v in style.variants])

    def drift(size):
        rate, start = rng.uniform(0.15, 0.6, 2), rng.random(2)
        return size * 0.5 * sum(_sin(np.outer(rate, seconds) + start[:, None]))

    posture.look = posture.look + drift(10)
    posture.nod = posture.nod + drift(5)
    posture.twist = posture.twist + drift(3)
    posture.side = posture.side + drift(2.5)
    for arm in posture.arms.values():
        arm.raised = arm.raised + drift(4)
        arm.plane = arm.plane + drift(6)
        arm.elbow = np.maximum(arm.elbow + drift(5), 0)


def _stack(count, x, y, z):
    return np.stack([np.broadcast_to(v, count).astype(float) for v in (x, y, z)], axis=-1)


def _jumping_jack(body, clock, style):
    up = style.amplitude * _wave01(clock.phase(1.05))
    hop = 70 * np.abs(_sin(clock.phase(1.05)))
    arm = {"raised": 12 + 150 * np.minimum(up, 1.08), "plane": 88, "elbow": 8 + 25 * (1 - up) * up}
    leg = {"abduction": 3 + 24 * up, "rotation": 12, "knee": 6 + 14 * (1 - up), "flexion": 5}
    return Posture(
        clock.count,
        ground=hop,
        arms={side: Arm(**arm) for side in SIDES},
        legs={side: Leg(**leg) for side in SIDES},
    ), None


def _squat(body, clock, style):
    down = np.minimum(style.amplitude * _wave01(clock.phase(2.0)), 1.1)
    way = int(3 * style.variants[0])
    if way == 0:  # arms forward for balance
        arm = Arm(raised=10 + 75 * down, plane=8, elbow=8)
    elif way == 1:  # hands behind the head
        arm = Arm(raised=115, plane=75, twist=70, elbow=135)
    else:  # hands at a bar on the shoulders
        arm = Arm(raised=38, plane=105, twist=55, elbow=140)
    apart = 9 + 10 * style.variants[1]
    lean = 36 * down
    leg = {
        "flexion": lean + 2 + 86 * down,
        "knee": 4 + 116 * down,
        "abduction": apart * (1 - 0.4 * down),
        "rotation": 8 + 18 * down,
    }
    posture = Posture(
        clock.count,
        lean=lean,
        nod=-20 * down,
        planted=True,
        arms={side: Arm(**vars(arm)) for side in SIDES},
        legs={side: Leg(**leg) for side in SIDES},
    )

    def barbell(figure):
        ends = [figure.points[f"{side}_hand"] for side in SIDES]
        along = (ends[0] - ends[1]) / np.linalg.norm(ends[0] - ends[1], axis=-1, keepdims=True)
        middle = 0.3 * (ends[0] + ends[1]) / 2 + 0.7 * figure.points["thorax"]
        middle = middle - 90 * figure.axes["trunk"][..., 1]
        tips = [middle + sign * 720 * along for sign in (1, -1)]
        plates = [
            Prop(tip - sign * 35 * along, tip + sign * 35 * along, 150.0, (45, 45, 50))
            for tip, sign in zip(tips, (1, -1), strict=True)
        ]
        return [Prop(tips[0], tips[1], 15.0, _STEEL), *plates]

    return posture, barbell if way == 2 else None


def _push_up(body, clock, style):
    n = clock.count
    down = np.minimum(style.amplitude * _wave01(clock.phase(1.7)), 1.08)
    height = body.arm * (0.97 - 0.66 * down) + 40  # of the shoulders
    toes = 0.5 * body.lengths["foot"]  # height of the ankles on tiptoe
    long = body.leg + body.lengths["trunk"]
    angle = np.arcsin(np.clip((height - toes) / long, -0.9, 0.9))
    place = _stack(n, 0, body.leg * np.cos(angle), toes + body.leg * np.sin(angle))
    forward = long * np.cos(np.arcsin((body.arm * 0.97 + 40 - toes) / long))
    wide = body.lengths["shoulder"] * (1.1 + 0.5 * style.variants[0])
    sag = 8 * (style.variants[1] - 0.5)
    arms = {
        side: Arm(
            reach=_stack(n, sign * wide, forward + 20, 40),
            grip=(0.1 * sign, 1, -0.2),
            pole=(sign * (0.4 + style.variants[2]), -1.0, 0.4),
        )
        for side, sign in (("right", 1), ("left", -1))
    }
    leg = {"flexion": sag, "knee": 2 + abs(sag), "abduction": 3, "toes": (0, 0.25, -1)}
    return Posture(
        n,
        place=place,
        lean=90 - np.degrees(angle),
        bend=-sag,
        nod=-22 * style.variants[3],
        ground=None,
        arms=arms,
        legs={side: Leg(**leg) for side in SIDES},
    ), None


def _sit_up(body, clock, style):
    n = clock.count
    up = np.minimum(style.amplitude * _wave01(clock.phase(2.1)), 1.05)
    away = body.leg * (0.52 + 0.12 * style.variants[0])
    legs = {
        side: Leg(
            reach=_stack(n, sign * body.lengths["hip"] * 1.3, away, body.lengths["ankle_height"]),
            pole=(0.12 * sign, 0, 1),
            toes=(0.1 * sign, 1, 0.05),
        )
        for side, sign in (("right", 1), ("left", -1))
    }
    way = int(3 * style.variants[1])
    if way == 0:  # hands behind the head
        arm = {"raised": 125, "plane": 70, "twist": 60, "elbow": 138}
    elif way == 1:  # arms crossed on the chest
        arm = {"raised": 38, "plane": -12, "twist": -55, "elbow": 118}
    else:  # arms stretched forward
        arm = {"raised": 70 + 25 * up, "plane": 5, "elbow": 10}
    thick = 0.062 * body.stature * body.girth
    return Posture(
        n,
        place=_stack(n, 0, 0, thick),
        lean=-88 + 48 * up,
        bend=34 * up,
        nod=18 + 10 * up,
        ground=None,
        arms={side: Arm(**arm) for side in SIDES},
        legs=legs,
    ), None


def _pull_up(body, clock, style):
    n = clock.count
    up = np.minimum(style.amplitude * _wave01(clock.phase(2.0)), 1.05)
    bar = body.standing + body.lengths["trunk"] + body.arm + 260
    wide = body.lengths["shoulder"] * (1.2 + 0.7 * style.variants[0])
    swing = 5 * _sin(clock.phase(2.0) + 0.2)
    below = body.arm * (0.95 - 0.75 * up) + body.lengths["trunk"] - 0.012 * body.stature
    place = _stack(n, 0, -40 - 60 * up, bar - below)
    knee = 8 + 85 * (style.variants[1] > 0.5) + 10 * up
    leg = {"flexion": 4 + 0.25 * knee + swing, "knee": knee, "abduction": 2, "ankle": 35}
    arms = {
        side: Arm(reach=(sign * wide, 0, bar - 50), pole=(sign * 0.8, 0.25, -1.0), grip=(0, 0, 1))
        for side, sign in (("right", 1), ("left", -1))
    }
    posture = Posture(
        n,
        place=place,
        lean=-6 + swing - 6 * up,
        nod=-14 * up,
        ground=None,
        arms=arms,
        legs={side: Leg(**leg) for side in SIDES},
    )

    def gym(figure):
        ends = [np.tile([x, 25.0, bar + 15], (n, 1)) for x in (-720.0, 720.0)]
        posts = [Prop(end, end * (1, 1, 0), 28.0, (90, 95, 105)) for end in ends]
        return [Prop(*ends, 17.0, _STEEL), *posts]

    return posture, gym


def _bowl(body, clock, style):
    p = clock.once(2.1)
    n, a = clock.count, style.amplitude
    stride = 1000 * a * keys(p, (0, 0), (0.45, 0.45), (0.72, 0.95), (1, 1.0))
    step = keys(p, (0, 0), (0.22, 1), (0.45, -1), (0.66, 0.3), (1, 0.3))
    slide = keys(p, (0.4, 0), (0.68, 1), (0.9, 1), (1.15, 0.75))
    swing = keys(p, (0, 42), (0.2, 35), (0.48, -62 * a), (0.68, 20), (0.86, 128 * a), (1.1, 105))
    right = Arm(
        raised=np.abs(swing),
        plane=np.where(swing >= 0, 4, 176),
        elbow=keys(p, (0, 95), (0.22, 20), (0.5, 4), (0.85, 12), (1.1, 40)),
    )
    left = Arm(
        raised=keys(p, (0, 40), (0.25, 30), (0.5, 62), (0.8, 68), (1.1, 45)),
        plane=keys(p, (0, 0), (0.3, 60), (0.7, 105), (1.1, 90)),
        elbow=keys(p, (0, 92), (0.3, 30), (0.7, 15), (1.1, 20)),
    )
    lean = 10 + 34 * slide
    legs = {
        "right": Leg(
            flexion=lean - 5 - 22 * step * (1 - slide) - 42 * slide,
            knee=12 + 22 * (1 + step) * (1 - slide) + 34 * slide,
            abduction=2 - 18 * slide,
            ankle=20 * slide,
        ),
        "left": Leg(
            flexion=lean + 8 + 22 * step * (1 - slide) + 42 * slide,
            knee=12 + 22 * (1 - step) * (1 - slide) + 62 * slide,
        ),
    }
    posture = Posture(
        n,
        place=_stack(n, 0, stride, 0),
        lean=lean,
        bend=8 + 10 * slide,
        nod=-28 * slide,
        arms={"right": right, "left": left},
        legs=legs,
    )

    def ball(figure):
        held = figure.points["right_hand"]
        gone = p > 0.72
        last = held[~gone][-1] if (~gone).any() else held[0]
        seconds = clock.seconds - clock.seconds[np.argmax(gone)] + 0.04
        rolled = last + np.outer(np.where(gone, seconds, 0), (0, 5200, 0))
        drop = np.maximum(108, last[2] - 3000 * np.where(gone, seconds, 0) ** 2)
        rolled[:, 2] = drop
        place = np.where(gone[:, None], rolled, held)
        place[gone & (rolled[:, 1] > last[1] + 2500)] = np.nan
        return [Prop(place, place, 105.0, _BALL_RED)]

    return posture, ball


def _golf_swing(body, clock, style):
    p = clock.once(2.3)
    n, a = clock.count, style.amplitude
    # Angle of the hands about the middle of the shoulders: 0 = at the ball, negative = backswing.
    swing = a * keys(p, (0.1, 0), (0.45, -150), (0.55, -146), (0.68, 0), (0.82, 130), (1, 165))
    turn = keys(p, (0.1, 0), (0.48, -22), (0.66, 25), (0.85, 68), (1, 78))
    twist = keys(p, (0.1, 0), (0.48, -52), (0.68, 0), (0.9, 28), (1, 30))
    lean = keys(p, (0, 26), (0.66, 24), (1, 4))
    rise = keys(p, (0.66, 0), (1, 1))
    shaft = keys(p, (0.1, 0), (0.45, -85), (0.58, -95), (0.68, 0), (0.82, 60), (1, 115))
    legs = {
        "right": Leg(flexion=lean + 12, knee=22 + 38 * rise, abduction=13, rotation=8),
        "left": Leg(flexion=lean + 12 - 6 * rise, knee=22 - 14 * rise, abduction=13, rotation=8),
    }
    posture = Posture(
        n,
        lean=lean,
        turn=turn,
        bend=16 - 10 * rise,
        twist=twist,
        nod=14,
        look=-0.8 * (turn + twist) * (1 - rise),
        planted=True,
        legs=legs,
    )
    thorax = pose(body, posture).points["thorax"]
    tilt = np.radians(56)
    down = np.array([0, np.cos(tilt), -np.sin(tilt)])
    left = np.array([-1.0, 0, 0])

    def on_circle(angle):
        angle = np.radians(angle)[:, None]
        return np.cos(angle) * down + np.sin(angle) * left

    far = body.arm * (0.86 - 0.16 * _wave01(np.clip(swing, -150, 150) / 300))[:, None]
    hands = thorax + far * on_circle(swing)
    club = on_circle(swing + shaft)
    for side, offset in (("left", 0), ("right", 55)):
        outward = np.array([1.0 if side == "right" else -1.0, -0.2, -0.8])
        posture.arms[side] = Arm(reach=hands + offset * club, pole=outward, grip=club)

    def kit(figure):
        end = figure.points["right_hand"] + 0.42 * body.stature * club
        ball = np.tile(hands[0] * (1, 1, 0) + down * (1, 1, 0) * 400 + (0, 0, 22), (n, 1))
        ball[p > 0.68] = np.nan
        return [
            Prop(hands - 40 * club, end, 9.0, _STEEL),
            Prop(end, end + 90 * left, 24.0, (60, 60, 66)),
            Prop(ball, ball, 30.0, _WHITE),
        ]

    return posture, kit


def _tennis_serve(body, clock, style):
    p = clock.once(2.0)
    n, a = clock.count, style.amplitude
    right = Arm(
        raised=keys(
            p, (0, 28), (0.2, 20), (0.42, 96), (0.56, 105), (0.68, 172), (0.85, 70), (1, 35)
        ),
        plane=keys(
            p, (0, 10), (0.2, 95), (0.42, 115), (0.58, 95), (0.68, 45), (0.85, -10), (1, -25)
        ),
        twist=keys(p, (0, 0), (0.3, 20), (0.5, 92 * a), (0.6, 100), (0.7, 10), (1, 0)),
        elbow=keys(
            p, (0, 70), (0.2, 25), (0.45, 108 * a), (0.58, 125), (0.68, 8), (0.85, 22), (1, 40)
        ),
    )
    left = Arm(
        raised=keys(p, (0, 38), (0.16, 25), (0.38, 150 * a), (0.56, 142), (0.7, 50), (1, 30)),
        plane=keys(p, (0, 0), (0.38, 20), (0.7, 30), (1, 20)),
        elbow=keys(p, (0, 50), (0.2, 10), (0.55, 8), (0.7, 95), (1, 60)),
    )
    load = keys(p, (0.2, 0), (0.5, 1), (0.64, 0), (1, 0.2))
    after = keys(p, (0.66, 0), (0.86, 1), (1.1, 0.7))
    legs = {
        "right": Leg(
            flexion=6 + 30 * load - 28 * after, knee=8 + 52 * load + 48 * after, abduction=8
        ),
        "left": Leg(
            flexion=10 + 30 * load + 26 * after, knee=8 + 52 * load + 18 * after, abduction=8
        ),
    }
    posture = Posture(
        n,
        place=_stack(n, 0, 300 * keys(p, (0.4, 0), (0.85, 1)), 0),
        ground=110 * a * np.exp(-(((p - 0.67) / 0.07) ** 2)),
        turn=keys(p, (0, -62), (0.5, -72), (0.68, -8), (0.9, 22)),
        lean=-8 * load + 22 * after,
        bend=-10 * load + 24 * after,
        side=16 * load,
        nod=-34 * keys(p, (0.2, 0), (0.4, 1), (0.66, 1), (0.8, 0)),
        look=keys(p, (0, 48), (0.5, 40), (0.68, 0)),
        arms={"right": right, "left": left},
        legs=legs,
    )

    def kit(figure):
        hand, wrist = figure.points["right_hand"], figure.points["right_wrist"]
        along = hand - figure.points["right_elbow"]
        along = along / np.linalg.norm(along, axis=-1, keepdims=True)
        across = np.cross(along, figure.axes["trunk"][..., 0])
        across = across / np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-6)
        throat = wrist + 330 * along
        rods = [Prop(hand, throat, 14.0, (40, 40, 46))]
        angles = np.linspace(0, 2 * np.pi, 9)
        ring = [throat + 165 * (1 - np.cos(v)) * along + 125 * np.sin(v) * across for v in angles]
        rods += [Prop(ring[i], ring[i + 1], 11.0, (200, 60, 50)) for i in range(8)]
        return [*rods, _tossed_ball(figure, p, clock)]

    return posture, kit


def _tossed_ball(figure, p, clock):
    """The ball: in the left hand, up, hit, away."""
    held = figure.points["left_hand"]
    loose, hit = int(np.argmax(p > 0.36)), int(np.argmax(p > 0.68))
    place = held.copy()
    if (p > 0.36).any() and (p > 0.68).any():
        contact = figure.points["right_hand"][hit] + [0, 120, 420]
        frames = np.arange(loose, hit + 1)
        u = (frames - loose) / max(hit - loose, 1)
        place[frames] = held[loose] + u[:, None] * (contact - held[loose])
        place[frames, 2] += 1700 * u * (1 - u)
        away = np.maximum(clock.seconds - clock.seconds[hit], 0)
        flying = np.arange(len(p)) > hit
        place[flying] = contact + np.outer(away[flying], (0, 14000, -1500))
        place[flying & (away > 0.15)] = np.nan
    return Prop(place, place, 38.0, _TENNIS_YELLOW)


def _jump_rope(body, clock, style):
    n = clock.count
    turn = clock.phase(0.62)
    hop = 110 * style.amplitude * np.maximum(_sin(turn), -0.25)
    small = 9 * _sin(turn + 0.25)
    arm = {
        "raised": 22 + 0.4 * small,
        "plane": 80 + small,
        "twist": 42 + small,
        "elbow": 70 + 0.6 * small,
    }
    bent = 14 + 14 * np.maximum(-_sin(turn), 0)
    skip = 35 * (style.variants[0] > 0.6) * np.sign(_sin(turn / 2)) * np.maximum(_sin(turn), 0)
    legs = {
        side: Leg(
            flexion=0.55 * bent + np.maximum(sign * skip, 0),
            knee=bent + 1.6 * np.maximum(sign * skip, 0),
            abduction=2,
            ankle=25 * np.maximum(_sin(turn), 0),
        )
        for side, sign in (("right", 1), ("left", -1))
    }
    posture = Posture(
        n,
        ground=np.maximum(hop, 0),
        bend=4,
        arms={side: Arm(**arm) for side in SIDES},
        legs=legs,
    )

    def rope(figure):
        right, left = figure.points["right_hand"], figure.points["left_hand"]
        # The rope is below the feet at the top of the hop, which is at a quarter of the phase.
        angle = 2 * np.pi * (turn - 0.25)
        out = np.stack([np.zeros(n), np.sin(angle), -np.cos(angle)], axis=-1)
        middle = (right + left) / 2
        low = np.maximum(middle[:, 2] - 15, 500)  # when below, it grazes the floor
        long = np.where(np.cos(angle) > 0, low, 0.86 * low)[:, None]
        u = np.linspace(0, 1, 13)
        curve = [right + v * (left - right) * 1.0 + (1 - (2 * v - 1) ** 4) * long * out for v in u]
        return [Prop(curve[i], curve[i + 1], 11.0, (225, 205, 90)) for i in range(12)]

    return posture, rope


def _wave(body, clock, style):
    swing = style.amplitude * _sin(clock.phase(0.8))
    way = style.variants[0]
    high = 112 + 45 * style.variants[1]
    right = Arm(
        raised=high + 5 * swing,
        plane=78 + 12 * style.variants[2],
        twist=78 + 32 * swing,
        elbow=62 + 30 * (1 - style.variants[1]) + 8 * swing,
    )
    if way > 0.7:  # the whole arm, stretched
        right = Arm(raised=148 + 24 * swing, plane=88, twist=60, elbow=16 + 8 * swing)
    left = Arm(raised=8, plane=70, elbow=15)
    if way < 0.2:  # the other hand on the hip
        left = Arm(raised=42, plane=100, twist=-48, elbow=98)
    shift = 4 * _sin(0.35 * clock.phase(0.8))
    legs = {
        "right": Leg(flexion=3 + shift, knee=6 + 1.5 * np.maximum(shift, 0), abduction=6),
        "left": Leg(flexion=3 - shift, knee=6 + 1.5 * np.maximum(-shift, 0), abduction=6),
    }
    return Posture(
        clock.count, side=-0.4 * shift - 3, arms={"right": right, "left": left}, legs=legs
    ), None


def _walk(body, clock, style):
    n, a = clock.count, style.amplitude
    phase = clock.phase(1.1)
    posture = Posture(n, turn=5 * _sin(phase), twist=-9 * _sin(phase), lean=4, nod=4)
    for side, shift in (("right", 0.0), ("left", 0.5)):
        swing = _sin(phase + shift)
        lifted = np.maximum(_sin(phase + shift + 0.22), 0) ** 1.5
        posture.legs[side] = Leg(
            flexion=8 + 27 * a * swing, knee=6 + 56 * a * lifted, abduction=1, ankle=12 * lifted
        )
        arm = -swing * (26 * a)
        posture.arms[side] = Arm(
            raised=np.abs(arm) + 5,
            plane=90 - 80 * np.tanh(arm / 6),
            elbow=22 + 14 * style.variants[1] + 0.35 * arm,
        )
    # From walking on the spot (a treadmill) to covering ground.
    speed = 330 * style.tempo * style.variants[0]
    posture.place = _stack(n, 0, speed * (clock.seconds - clock.seconds.mean()), 0)
    return posture, None


def _kick(body, clock, style):
    p = clock.phase(1.9) % 1
    a = style.amplitude
    back = keys(p, (0, 0), (0.3, 1), (0.42, 0), (1, 0))
    hit = keys(p, (0.3, 0), (0.5, 1), (0.62, 0.85), (0.9, 0), (1, 0))
    high = 72 + 32 * style.variants[0]
    lean = 6 + 8 * back - 20 * hit
    legs = {
        "right": Leg(
            flexion=lean + 4 - 34 * a * back + high * a * hit,
            knee=8 + 82 * back + 10 * hit * (1 - hit) * 4,
            abduction=4 + 6 * hit,
            ankle=22 * hit,
        ),
        "left": Leg(flexion=lean + 6 + 8 * hit, knee=10 + 12 * back + 14 * hit, abduction=3),
    }
    arms = {
        "right": Arm(raised=18 + 36 * back + 44 * hit, plane=70 + 80 * hit - 40 * back, elbow=28),
        "left": Arm(raised=18 + 48 * back + 40 * hit, plane=75 - 45 * hit + 20 * back, elbow=24),
    }
    posture = Posture(
        clock.count,
        lean=lean,
        twist=12 * back - 16 * hit,
        turn=-10 * back + 14 * hit,
        bend=6 * back + 10 * hit,
        arms=arms,
        legs=legs,
    )

    def ball(figure):
        spot = np.array([body.lengths["hip"], 0.36 * body.leg, 110.0])
        place = np.tile(spot, (clock.count, 1))
        seconds = (p - 0.42) * 1.9 / style.tempo
        gone = seconds > 0
        place[gone] = spot + np.outer(np.maximum(seconds, 0)[gone], (0, 6500, 2200))
        place[seconds > 0.35] = np.nan
        return [Prop(place, place, 110.0, _WHITE)]

    return posture, ball if style.variants[1] > 0.4 else None


_MOTIONS: dict[str, Callable] = {
    "bowl": _bowl,
    "golf_swing": _golf_swing,
    "jump_rope": _jump_rope,
    "jumping_jack": _jumping_jack,
    "kick": _kick,
    "pull_up": _pull_up,
    "push_up": _push_up,
    "sit_up": _sit_up,
    "squat": _squat,
    "tennis_serve": _tennis_serve,
    "walk": _walk,
    "wave": _wave,
}
