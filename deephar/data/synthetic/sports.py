"""Actions of Penn Action as joint angles over time, for those that the built-in data set lacks.

They are seen from all sides, which the few videos of an action are not. Written as the built-in
motions are: for a right-handed person that faces y. All numbers are drawn from a generator, wide
enough for the many ways in which people do these things.
"""

from collections.abc import Callable

import numpy as np

from deephar.data.synthetic.body import SIDES, Arm, Body, Figure, Leg, Posture, pose
from deephar.data.synthetic.motions import keys

_SIGNS = (("right", 1), ("left", -1))


def perform_sport(action: str, body: Body, seconds: np.ndarray, rng: np.random.Generator) -> Figure:
    """A person performs an action.

    Args:
        action: one of `SPORTS`, or "tennis_backhand".
        body: the person's measures.
        seconds: (N,) increasing times of the frames, from 0.
        rng: source of all random choices.

    Returns:
        The `Figure`.

    Raises:
        ValueError: The action is unknown; the message lists those there are.
    """
    if action not in _MOTIONS:
        raise ValueError(f"Unknown action {action!r}; known are {', '.join(_MOTIONS)}.")
    figure = pose(body, _MOTIONS[action](body, seconds, rng))
    return figure.mirrored() if rng.random() < 0.5 else figure


def _once(seconds, rng, shortest, longest):
    """Progress, 0 to 1, of a movement that takes so many seconds and begins at any time."""
    lasts = rng.uniform(shortest, longest)
    begin = rng.uniform(-0.3 * lasts, max(0.1, seconds[-1] - 0.7 * lasts))
    return (seconds - begin) / lasts


def _again(seconds, rng, shortest, longest):
    """Progress, 0 to 1 and back, of a movement that is repeated after so many seconds."""
    period = np.exp(rng.uniform(np.log(shortest), np.log(longest)))
    return 0.5 - 0.5 * np.cos(2 * np.pi * (seconds / period + rng.random()))


def _path(done, *points):
    """Course (N, 3) through (progress, (x, y, z)) points."""
    return np.stack([keys(done, *((t, p[axis]) for t, p in points)) for axis in range(3)], axis=-1)


def _near(rng, x, y, z, spread=0.06):
    """A point close to another one, in fractions of the stature."""
    return np.array([x, y, z]) + rng.uniform(-spread, spread, 3)


def _crouch(rng, sway=0.0):
    leg = {
        "flexion": rng.uniform(10, 40) + sway,
        "abduction": rng.uniform(8, 25),
        "rotation": rng.uniform(5, 25),
        "knee": rng.uniform(15, 60),
    }
    return {side: Leg(**leg) for side in SIDES}


def _tennis_stroke(body: Body, seconds: np.ndarray, rng: np.random.Generator, side: int) -> Posture:
    """A forehand (`side` 1: from the side of the racket) or a backhand (-1)."""
    done = _once(seconds, rng, 0.5, 1.3)
    hand = body.stature * _path(
        done,
        (0.0, _near(rng, 0.06, 0.28, 0.58)),
        (0.35, _near(rng, 0.38 * side, -0.08, 0.58, 0.1)),
        (0.62, _near(rng, 0.18 if side < 0 else 0.22, 0.36, 0.54)),
        (1.0, _near(rng, -0.26 * side, 0.18, 0.8, 0.1)),
        (1.6, _near(rng, 0.06, 0.28, 0.58)),
    )
    turn = side * keys(
        done,
        (0, 0),
        (0.35, -rng.uniform(25, 65)),
        (0.65, rng.uniform(-5, 15)),
        (1, rng.uniform(20, 60)),
        (1.5, rng.uniform(0, 20)),
    )
    other = Arm(
        raised=keys(done, (0, 45), (0.35, rng.uniform(40, 80)), (1, rng.uniform(15, 50))),
        plane=keys(done, (0, 20), (0.35, 10), (0.7, 60), (1, 90)),
        elbow=rng.uniform(20, 90),
    )
    if rng.random() < (0.6 if side < 0 else 0.05):  # both hands hold the racket
        other = Arm(reach=hand - [40.0, 0, 0])
    return Posture(
        len(seconds),
        turn=0.6 * turn,
        twist=0.6 * turn,
        bend=rng.uniform(0, 20),
        lean=rng.uniform(0, 20),
        planted=rng.random() < 0.7,
        arms={"right": Arm(reach=hand), "left": other},
        legs=_crouch(rng, 8 * np.sin(2 * np.pi * done * rng.uniform(0.2, 0.8))),
    )


def _baseball_swing(body, seconds, rng):
    """The pitcher is to the left."""
    done = _once(seconds, rng, 0.5, 1.1)
    ready = _near(rng, 0.14, 0.1, 0.8)
    hands = body.stature * _path(
        done,
        (0.0, ready),
        (0.3, _near(rng, 0.22, 0.02, 0.8)),
        (0.5, _near(rng, 0.2, 0.3, 0.62)),
        (0.62, _near(rng, -0.05, 0.4, 0.56)),
        (0.78, _near(rng, -0.33, 0.15, 0.68)),
        (1.0, _near(rng, -0.26, -0.08, 0.85)),
    )
    turn = keys(done, (0, 0), (0.3, -12), (0.65, 60), (1, rng.uniform(70, 110)))
    legs = _crouch(rng)
    step = keys(done, (0.1, 0), (0.3, 1), (0.45, 0))
    legs["left"].flexion = legs["left"].flexion + rng.uniform(10, 50) * step
    legs["left"].knee = legs["left"].knee + rng.uniform(10, 50) * step
    return Posture(
        len(seconds),
        turn=0.7 * turn,
        twist=0.3 * turn,
        lean=rng.uniform(0, 20),
        bend=rng.uniform(0, 15),
        planted=True,
        arms={"right": Arm(reach=hands), "left": Arm(reach=hands - [0, 0, 60.0])},
        legs=legs,
    )


def _baseball_pitch(body, seconds, rng):
    """The batter is to the left."""
    done = _once(seconds, rng, 1.2, 2.4)
    hand = body.stature * _path(
        done,
        (0.1, _near(rng, 0.0, 0.18, 0.76)),
        (0.35, _near(rng, 0.08, 0.16, 0.68)),
        (0.5, _near(rng, 0.36, -0.02, 0.62)),
        (0.62, _near(rng, 0.36, -0.05, 0.95)),
        (0.72, _near(rng, -0.3, 0.12, 1.0, 0.1)),
        (0.82, _near(rng, -0.55, 0.25, 0.45, 0.1)),
        (1.0, _near(rng, -0.4, 0.3, 0.35)),
    )
    glove = body.stature * _path(
        done,
        (0.1, _near(rng, -0.02, 0.18, 0.76)),
        (0.35, _near(rng, -0.04, 0.16, 0.68)),
        (0.55, _near(rng, -0.38, 0.05, 0.75)),
        (0.75, _near(rng, -0.25, 0.05, 0.7)),
        (1.0, _near(rng, -0.3, -0.1, 0.55)),
    )
    kick = rng.uniform(60, 110)
    legs = {
        "left": Leg(
            flexion=keys(done, (0.1, 5), (0.35, kick), (0.55, 35), (0.75, 60), (1, 55)),
            knee=keys(done, (0.1, 5), (0.35, 100), (0.55, 20), (0.75, 50), (1, 30)),
            abduction=keys(done, (0.1, 4), (0.4, 10), (0.58, 45), (0.72, 10), (1, 5)),
        ),
        "right": Leg(
            flexion=keys(done, (0.3, 2), (0.55, 15), (0.72, -25), (0.85, -15), (1, 25)),
            knee=keys(done, (0.3, 5), (0.55, 35), (0.72, 45), (0.85, 80), (1, 40)),
            abduction=keys(done, (0.3, 2), (0.55, 30), (0.75, 10)),
        ),
    }
    ahead = body.stature * keys(done, (0.35, 0), (0.6, -0.3), (0.8, -0.5))
    shift = np.stack([ahead, 0 * ahead, 0 * ahead], axis=-1)
    return Posture(
        len(seconds),
        place=shift + [0, 0, body.standing],
        turn=keys(done, (0.35, -15), (0.55, 10), (0.72, 80), (1, 100)),
        lean=keys(done, (0.4, 0), (0.6, 5), (0.75, 40), (0.85, rng.uniform(45, 75)), (1, 40)),
        bend=keys(done, (0.5, 0), (0.8, 20)),
        arms={"right": Arm(reach=hand + shift), "left": Arm(reach=glove + shift)},
        legs=legs,
    )


def _bench_press(body, seconds, rng):
    up = _again(seconds, rng, 1.2, 4)
    bench, tilt = 450.0, rng.uniform(-5, 30)
    lean = -90 + tilt
    along = body.lengths["trunk"]
    shoulders = np.array([0, -along * np.cos(np.radians(tilt)), along * np.sin(np.radians(tilt))])
    wide = body.stature * rng.uniform(0.12, 0.26)
    height = 60 + (0.93 * body.arm - 60) * up
    back = rng.uniform(-0.08, 0.1) * body.stature
    arms = {}
    for side, sign in _SIGNS:
        hand = np.zeros((len(seconds), 3)) + shoulders + [sign * wide, back, bench + 60]
        hand[:, 2] += height
        arms[side] = Arm(reach=hand, pole=(sign, rng.uniform(0, 0.8), -0.6))
    leg = {
        "flexion": rng.uniform(-10, 15) + tilt,
        "knee": rng.uniform(65, 105),
        "abduction": rng.uniform(10, 35),
    }
    return Posture(
        len(seconds),
        place=(0, 0, bench),
        lean=lean,
        ground=None,
        arms=arms,
        legs={side: Leg(**leg) for side in SIDES},
    )


def _clean_and_jerk(body, seconds, rng):
    done = _once(seconds, rng, 3, 7)
    dip, depth = rng.uniform(20, 110), rng.uniform(60, 110)
    knee = keys(
        done, (0, depth), (0.18, 25), (0.26, 5), (0.34, dip), (0.48, 8), (0.7, 35), (0.8, 10)
    )
    lean = keys(done, (0, rng.uniform(40, 65)), (0.18, 40), (0.26, -5), (0.4, 5))
    bar = body.stature * _path(
        done,
        (0.0, (0, 0.16, 0.2)),
        (0.18, (0, 0.14, 0.38)),
        (0.26, (0, 0.12, 0.52)),
        (0.34, (0, 0.1, 0.72)),
        (0.48, (0, 0.1, 0.8)),
        (0.72, (0, 0.1, 0.78)),
        (0.8, (0, 0.02, 1.15)),
        (1.0, (0, 0.0, 1.18)),
    )
    wide = body.stature * rng.uniform(0.13, 0.24)
    legs = {side: Leg(flexion=0.5 * knee + lean, knee=knee, abduction=12) for side in SIDES}
    if rng.random() < 0.6:  # the feet part under the bar
        split = keys(done, (0.72, 0), (0.78, 1), (0.88, 1), (0.95, 0))
        legs["right"].flexion = legs["right"].flexion + 45 * split
        legs["right"].knee = legs["right"].knee + 45 * split
        legs["left"].flexion = legs["left"].flexion - 25 * split
    return Posture(
        len(seconds),
        lean=lean,
        planted=True,
        arms={
            side: Arm(reach=bar + [sign * wide, 0, 0], pole=(sign * 0.6, 0.5, -1))
            for side, sign in _SIGNS
        },
        legs=legs,
    )


def _strum_guitar(body, seconds, rng):
    strum = 2 * _again(seconds, rng, 0.25, 1.2) - 1
    sits = rng.random() < 0.5
    hips = 520.0 if sits else body.standing
    size = body.stature
    right = np.zeros((len(seconds), 3)) + size * _near(rng, 0.06, 0.17, 0, 0.03)
    right[:, 2] += hips + size * (rng.uniform(0.06, 0.16) + rng.uniform(0.01, 0.05) * strum)
    right[:, 0] += size * rng.uniform(-0.02, 0.02) * strum
    neck = rng.uniform(0.2, 0.34)
    drift = 0.03 * np.sin(2 * np.pi * seconds * rng.uniform(0.1, 0.8))
    left = size * np.stack([-neck + drift, 0 * drift + 0.2, 0.3 * neck + 0.12 + drift], axis=-1)
    left[:, 2] += hips
    leg = {"flexion": rng.uniform(70, 95), "knee": rng.uniform(60, 100)} if sits else {}
    return Posture(
        len(seconds),
        place=(0, 0, hips),
        lean=rng.uniform(-5, 15),
        bend=rng.uniform(0, 15),
        nod=rng.uniform(-5, 30),
        look=rng.uniform(-10, 50),
        ground=None,
        arms={
            "right": Arm(reach=right, pole=(1, -0.6, 0.2)),
            "left": Arm(reach=left, pole=(-0.5, 0.3, -1)),
        },
        legs={side: Leg(abduction=rng.uniform(3, 25), **leg) for side in SIDES},
    )


def _jump_rope(body, seconds, rng):
    """Steps from foot to foot, as in speed jumping."""
    rate = rng.uniform(0.9, 2.6)
    lift, lean = rng.uniform(10, 45), rng.uniform(-3, 30)
    legs, arms = {}, {}
    elbow, raised = rng.uniform(30, 110), rng.uniform(10, 45)
    for number, side in enumerate(SIDES):
        step = np.clip(np.sin(2 * np.pi * (rate * seconds + 0.5 * number)), 0, 1)
        bent = rng.uniform(10, 30)
        legs[side] = Leg(
            flexion=0.5 * bent + lean + lift * step, knee=bent + 1.6 * lift * step, abduction=4
        )
        circle = 2 * np.pi * 2 * rate * seconds
        arms[side] = Arm(
            raised=raised + rng.uniform(0, 5) * np.sin(circle),
            plane=rng.uniform(60, 100),
            twist=rng.uniform(-10, 60),
            elbow=elbow + rng.uniform(0, 12) * np.cos(circle),
        )
    hop = rng.uniform(0, 60) * np.abs(np.sin(2 * np.pi * rate * seconds))
    return Posture(
        len(seconds), lean=lean, nod=rng.uniform(0, 25), ground=hop, arms=arms, legs=legs
    )


_MOTIONS: dict[str, Callable] = {
    "baseball_pitch": _baseball_pitch,
    "baseball_swing": _baseball_swing,
    "bench_press": _bench_press,
    "clean_and_jerk": _clean_and_jerk,
    "jump_rope": _jump_rope,
    "strum_guitar": _strum_guitar,
    "tennis_backhand": lambda body, seconds, rng: _tennis_stroke(body, seconds, rng, -1),
    "tennis_forehand": lambda body, seconds, rng: _tennis_stroke(body, seconds, rng, 1),
}

SPORTS = tuple(name for name in _MOTIONS if name != "tennis_backhand")
"""Names of the actions of Penn Action."""
