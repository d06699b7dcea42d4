"""Movements of no particular action: what people do besides the actions of a data set. Pure NumPy.

A random exercise is a posture (standing, bent, sitting, lying, ...) in which some joints move to
and fro, move once, or keep still. They are made to teach a network the answer ``other``.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from deephar.data.synthetic.body import SIDES, Arm, Body, Figure, Leg, Posture, pose

Range = tuple[float, float]


@dataclass(frozen=True)
class _Base:
    """A posture to start from: ranges of its angles in degrees, and how often it comes."""

    often: float
    lean: Range = (-3, 8)
    bend: Range = (-5, 10)
    flexion: Range = (-5, 15)
    knee: Range = (0, 30)
    abduction: Range = (0, 15)
    raised: Range = (0, 90)  # of the arms
    elbow: Range = (0, 100)
    other_leg: tuple[Range, Range] | None = None  # flexion and knee of the left leg, if they differ
    on_floor: bool = True  # the feet are on the floor
    parts: tuple[str, ...] = ("arms", "arm", "legs", "leg", "trunk", "shoulders", "arm and leg")


_LIMBS_ONLY = ("arms", "arm", "legs", "leg")
_BASES = {
    "standing": _Base(0.30),
    "bent": _Base(0.12, lean=(20, 70), bend=(0, 40), flexion=(20, 75), knee=(5, 50)),
    "sitting": _Base(
        0.17,
        lean=(-35, 15),
        bend=(-10, 35),
        flexion=(60, 100),
        knee=(10, 100),
        abduction=(0, 25),
        on_floor=False,
    ),
    "on the back": _Base(
        0.05,
        lean=(-100, -80),
        flexion=(0, 90),
        knee=(0, 100),
        on_floor=False,
        parts=_LIMBS_ONLY,
    ),
    "on the belly": _Base(
        0.03, lean=(80, 100), flexion=(-5, 5), knee=(0, 30), on_floor=False, parts=_LIMBS_ONLY
    ),
    "plank": _Base(
        0.07,
        lean=(70, 85),
        bend=(-5, 15),
        flexion=(-5, 10),
        knee=(0, 10),
        raised=(75, 100),
        elbow=(0, 95),
        on_floor=False,
        parts=("arm", "leg", "shoulders"),
    ),
    "kneeling": _Base(0.06, flexion=(0, 30), knee=(80, 130), on_floor=False),
    "lunge": _Base(0.07, flexion=(30, 90), knee=(40, 100), other_leg=((-30, 0), (10, 80))),
    "hanging": _Base(
        0.03, flexion=(0, 40), raised=(160, 180), elbow=(0, 20), on_floor=False, parts=("legs",)
    ),
    "walking": _Base(0.10),
}
_STILL, _ONCE = 0.22, 0.3  # how often nothing moves, and how often it moves once


def perform_exercise(body: Body, seconds: np.ndarray, rng: np.random.Generator) -> Figure:
    """A person does something.

    Args:
        body: the person's measures.
        seconds: (N,) increasing times of the frames, from 0.
        rng: source of all random choices.

    Returns:
        The `Figure`.
    """
    names = list(_BASES)
    often = np.array([_BASES[name].often for name in names])
    name = names[rng.choice(len(names), p=often / often.sum())]
    base = _BASES[name]
    posture = _posture(base, len(seconds), rng)
    if name == "walking":
        _walk(posture, seconds, rng)
    elif rng.random() >= _STILL:
        _move(posture, base.parts[rng.integers(len(base.parts))], _drive(seconds, rng), rng)
    figure = pose(body, posture)
    return figure.mirrored() if rng.random() < 0.5 else figure


def _posture(base, count, rng):
    flexion, knee, abduction = (rng.uniform(*r) for r in (base.flexion, base.knee, base.abduction))
    legs = {
        side: Leg(
            flexion=flexion + rng.uniform(-6, 6),
            knee=max(0, knee + rng.uniform(-6, 6)),
            abduction=abduction,
            rotation=rng.uniform(0, 20),
        )
        for side in SIDES
    }
    if base.other_leg:
        legs["left"].flexion, legs["left"].knee = (rng.uniform(*r) for r in base.other_leg)
    arms = {side: _random_arm(base, rng) for side in SIDES}
    if rng.random() < 0.6:  # both arms alike
        arms["left"] = Arm(**vars(arms["right"]))
    return Posture(
        count,
        place=(0.0, 0.0, 900.0),
        lean=rng.uniform(*base.lean),
        bend=rng.uniform(*base.bend),
        arms=arms,
        legs=legs,
        ground=0.0 if base.on_floor else None,
    )


def _random_arm(base, rng):
    return Arm(
        raised=rng.uniform(*base.raised),
        plane=rng.uniform(-20, 110),
        twist=rng.uniform(-60, 60),
        elbow=rng.uniform(*base.elbow),
    )


def _drive(seconds, rng):
    """A function that moves a value from its start to a target: to and fro, or once."""
    if rng.random() < _ONCE:
        begin, lasts = rng.uniform(-0.2, 0.8) * seconds[-1], rng.uniform(0.15, 1.2)
        done = np.clip((seconds - begin) / lasts, 0, 1)
        progress = done**2 * (3 - 2 * done)
    else:
        rate, start = np.exp(rng.uniform(np.log(0.2), np.log(2.2))), rng.random()
        wave = 0.5 - 0.5 * np.cos(2 * np.pi * (rate * seconds + start))
        progress = wave ** np.exp(rng.normal(0, 0.4))
    return lambda start, target: start + (target - start) * progress


def _move(posture: Posture, part: str, drive: Callable, rng: np.random.Generator) -> None:
    """Moves a part of the body, or two."""
    side = SIDES[rng.integers(2)]
    if part in ("arms", "arm", "arm and leg"):
        _move_arms(posture, SIDES if part == "arms" else [side], drive, rng)
    if part in ("legs", "leg", "arm and leg"):
        for one in SIDES if part == "legs" else [side]:
            leg = posture.legs[one]
            leg.flexion = drive(leg.flexion, leg.flexion + rng.uniform(-40, 70))
            leg.knee = drive(leg.knee, np.clip(leg.knee + rng.uniform(-60, 80), 0, 140))
    if part == "trunk":
        _move_trunk(posture, drive, rng)
    if part == "shoulders":
        up = drive(0.0, rng.uniform(10, 60))
        posture.place = np.stack([0 * up, 0 * up, 900 + up], axis=-1)
        posture.ground = None


def _move_arms(posture, sides, drive, rng):
    target = {
        "raised": rng.uniform(0, 180),
        "plane": rng.uniform(-30, 120),
        "twist": rng.uniform(-70, 70),
        "elbow": rng.uniform(0, 150),
    }
    moved = rng.choice(list(target), rng.integers(1, 5), replace=False)
    for side in sides:
        for angle in moved:
            setattr(
                posture.arms[side], angle, drive(getattr(posture.arms[side], angle), target[angle])
            )


def _move_trunk(posture, drive, rng):
    lean = drive(posture.lean, np.clip(posture.lean + rng.uniform(-50, 50), -40, 90))
    for leg in posture.legs.values():  # the feet stay where they are
        leg.flexion = leg.flexion + lean - posture.lean
    posture.lean = lean
    if rng.random() < 0.5:
        posture.twist = drive(0.0, rng.uniform(-50, 50))
    if rng.random() < 0.3:
        posture.side = drive(0.0, rng.uniform(-35, 35))
    if rng.random() < 0.5:
        posture.bend = drive(posture.bend, posture.bend + rng.uniform(-15, 30))


def _walk(posture, seconds, rng):
    """Walking, marching or running, in place or forward."""
    rate = np.exp(rng.uniform(np.log(0.6), np.log(1.7)))
    stride, lift = rng.uniform(15, 45), rng.uniform(20, 90)
    swings = rng.random() < 0.7  # the arms swing, too
    elbow = rng.uniform(5, 100)
    for number, side in enumerate(SIDES):
        phase = 2 * np.pi * (rate * seconds + 0.5 * number)
        leg, arm = posture.legs[side], posture.arms[side]
        leg.flexion = stride * np.sin(phase) + 5
        leg.knee = lift * np.clip(np.sin(phase + 1.3), 0, 1) + 5
        if swings:
            arm.raised = 0.8 * stride * np.abs(np.sin(phase)) + 3
            arm.plane = np.where(np.sin(phase) > 0, 180.0, 0.0)
            arm.twist, arm.elbow = 0.0, elbow
    if rng.random() < 0.5:
        ahead = rng.uniform(300, 2500) * seconds
        posture.place = np.stack([0 * ahead, ahead, np.full(len(seconds), 900.0)], axis=-1)


def filmed(figure: Figure, joints: tuple[str, ...], rng: np.random.Generator) -> np.ndarray:
    """A figure as a camera at a random place sees it.

    Args:
        figure: the figure.
        joints: names of J joints.
        rng: draws the direction and the distance of the camera.

    Returns:
        float64 (N, J, 2), x to the right and y down, in mm at the person's distance.
    """
    points = np.stack([figure.points[name] for name in joints], axis=1)
    points = points - points.mean(axis=(0, 1))
    around, above = rng.uniform(-np.pi, np.pi), np.radians(rng.normal(5, 10))
    x = np.cos(around) * points[..., 0] - np.sin(around) * points[..., 1]
    away = np.sin(around) * points[..., 0] + np.cos(around) * points[..., 1]
    y = -(np.cos(above) * points[..., 2] + np.sin(above) * away)
    depth = np.cos(above) * away - np.sin(above) * points[..., 2]
    distance = rng.uniform(2500, 9000)
    return np.stack([x, y], axis=-1) * (distance / (distance + depth))[..., None]
