"""The articulated person and its motions."""

import numpy as np
import pytest

from deephar.data.synthetic.body import SIDES, Arm, Body, Leg, Posture, pose, reach
from deephar.data.synthetic.motions import ACTIONS, Style, perform

SECONDS = np.arange(30) / 12.5
BONES = {
    "upper_arm": ("shoulder", "elbow"),
    "forearm": ("elbow", "wrist"),
    "thigh": ("hip", "knee"),
    "shank": ("knee", "ankle"),
}


def performance(action, seed=0, left_handed=False):
    rng = np.random.default_rng(seed)
    body = Body.random(rng)
    return body, *perform(action, body, Style.random(rng, left_handed), SECONDS)


@pytest.mark.parametrize("action", ACTIONS)
def test_bones_keep_their_length(action):
    for seed in range(3):
        body, figure, _ = performance(action, seed)
        for name, (start, end) in BONES.items():
            for side in SIDES:
                bone = figure.points[f"{side}_{start}"] - figure.points[f"{side}_{end}"]
                np.testing.assert_allclose(
                    np.linalg.norm(bone, axis=-1), body.lengths[name], rtol=1e-6
                )


@pytest.mark.parametrize("action", ACTIONS)
def test_no_body_sinks_into_the_floor(action):
    for seed in range(4):
        _, figure, _ = performance(action, seed)
        for name in ("ankle", "knee", "wrist", "elbow"):
            heights = [figure.points[f"{side}_{name}"][:, 2] for side in SIDES]
            assert np.min(heights) > -15, name
        assert figure.points["pelvis"][:, 2].min() > 50


@pytest.mark.parametrize("action", ACTIONS)
def test_motions_move_smoothly(action):
    for seed in range(4):
        body, figure, _ = performance(action, seed)
        steps = np.stack(
            [np.diff(point, axis=0) for name, point in figure.points.items() if "wrist" in name]
        )
        speed = np.linalg.norm(steps, axis=-1)
        assert np.isfinite(speed).all()
        assert speed.max() < 0.75 * body.stature  # a club's hands, within 1/12.5 of a second
        everything = np.stack(list(figure.points.values()))
        assert np.ptp(everything, axis=1).max() > 50  # something moves


def test_upright_standing_has_the_measures_of_the_body():
    body = Body.average(1800)
    straight = {
        "arms": {side: Arm(raised=0, plane=0, elbow=0) for side in SIDES},
        "legs": {side: Leg(flexion=0, abduction=0, rotation=0, knee=0) for side in SIDES},
    }
    points = pose(body, Posture(1, **straight)).points
    assert points["head_top"][0, 2] == pytest.approx(1800, rel=0.01)
    np.testing.assert_allclose(points["right_ankle"][0, 2], body.lengths["ankle_height"])
    assert points["right_shoulder"][0, 0] > 0 > points["left_shoulder"][0, 0]
    assert points["right_toe"][0, 1] > points["right_ankle"][0, 1]
    below = points["right_shoulder"][0] - points["right_wrist"][0]
    np.testing.assert_allclose(below, [0, 0, body.arm], atol=1e-6)


@pytest.mark.parametrize(
    ("arm", "direction"),
    [
        (Arm(raised=90, plane=0, elbow=0), (0, 1, 0)),
        (Arm(raised=90, plane=90, elbow=0), (1, 0, 0)),
        (Arm(raised=180, plane=90, elbow=0), (0, 0, 1)),
    ],
)
def test_arms_are_raised_forward_sideways_and_up(arm, direction):
    points = pose(Body.average(), Posture(1, arms={"right": arm, "left": Arm()})).points
    along = (points["right_wrist"] - points["right_shoulder"])[0]
    np.testing.assert_allclose(along / np.linalg.norm(along), direction, atol=1e-6)


def test_elbows_bend_forward_and_outward_rotation_lifts_a_raised_hand():
    def forearm(**angles):
        arms = {"right": Arm(elbow=90, **angles), "left": Arm()}
        points = pose(Body.average(), Posture(1, arms=arms)).points
        bone = (points["right_wrist"] - points["right_elbow"])[0]
        return bone / np.linalg.norm(bone)

    np.testing.assert_allclose(forearm(raised=0), (0, 1, 0), atol=1e-6)
    np.testing.assert_allclose(forearm(raised=90, plane=90), (0, 1, 0), atol=1e-6)
    np.testing.assert_allclose(forearm(raised=90, plane=90, twist=90), (0, 0, 1), atol=1e-6)


def test_reaching_arrives_and_stretches_where_it_cannot():
    start = np.zeros((2, 3))
    target = np.array([[300.0, 0, 0], [5000, 0, 0]])
    middle, end = reach(start, target, 300, 250, (0, 0, 1), 2)
    np.testing.assert_allclose(end[0], target[0], atol=1e-6)
    assert middle[0, 2] > 0
    np.testing.assert_allclose(end[1], [0.999 * 550, 0, 0], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(end - middle, axis=-1), 250)


def test_left_handers_mirror_right_handers():
    _, right, things = performance("tennis_serve", left_handed=False)
    _, left, mirrored = performance("tennis_serve", left_handed=True)
    flip = (-1, 1, 1)
    np.testing.assert_allclose(left.points["left_wrist"], right.points["right_wrist"] * flip)
    np.testing.assert_allclose(mirrored[0].start, things[0].start * flip)
    np.testing.assert_allclose(left.axes["head"][..., 1], right.axes["head"][..., 1] * flip)
    assert np.linalg.det(left.axes["trunk"]) == pytest.approx(1)


def test_persons_differ_in_measures():
    bodies = [Body.random(np.random.default_rng(seed)) for seed in range(20)]
    assert len({body.stature for body in bodies}) == 20
    shares = [body.lengths["thigh"] / body.stature for body in bodies]
    assert 0.005 < np.std(shares) < 0.02


def test_unknown_actions_are_named():
    with pytest.raises(ValueError, match="Unknown action 'sleep'; known are bowl, golf_swing"):
        perform("sleep", Body.average(), Style.random(np.random.default_rng(0)), SECONDS)
