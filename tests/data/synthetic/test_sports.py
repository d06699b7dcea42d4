"""Drawn actions of Penn Action and exercises of no particular action."""

import numpy as np
import pytest

from deephar.data.synthetic.body import Body
from deephar.data.synthetic.exercises import filmed, perform_exercise
from deephar.data.synthetic.sports import SPORTS, perform_sport
from deephar.skeletons import get_skeleton

JOINTS = get_skeleton("pa16j").joints
SECONDS = np.arange(30) / 15.0


def length(figure, start, end):
    return np.linalg.norm(figure.points[start] - figure.points[end], axis=-1)


@pytest.mark.parametrize("action", [*SPORTS, "tennis_backhand"])
def test_limbs_keep_their_lengths_and_the_person_moves(action):
    rng, body = np.random.default_rng(0), Body.average()
    moved = 0.0
    for _ in range(5):
        figure = perform_sport(action, body, SECONDS, rng)
        for start, end, name in (
            ("right_shoulder", "right_elbow", "upper_arm"),
            ("left_elbow", "left_wrist", "forearm"),
            ("left_hip", "left_knee", "thigh"),
            ("right_knee", "right_ankle", "shank"),
        ):
            np.testing.assert_allclose(length(figure, start, end), body.lengths[name], rtol=0.01)
        moved += np.ptp(figure.points["right_wrist"], axis=0).max()
    assert moved > 100


def test_unknown_actions_are_refused():
    with pytest.raises(ValueError, match="Unknown action 'chess'; known are baseball_pitch"):
        perform_sport("chess", Body.average(), SECONDS, np.random.default_rng(0))


def test_exercises_differ_and_keep_the_lengths_of_limbs():
    rng, body = np.random.default_rng(0), Body.average()
    heights = []
    for _ in range(60):
        figure = perform_exercise(body, SECONDS, rng)
        np.testing.assert_allclose(
            length(figure, "left_hip", "left_knee"), body.lengths["thigh"], rtol=0.01
        )
        heights.append(np.ptp([figure.points[name][0, 2] for name in JOINTS]))
    assert min(heights) < 700 < 1500 < max(heights)  # lying and standing


def test_a_camera_sees_people_upright_and_from_all_sides():
    rng = np.random.default_rng(0)
    head, left, right = (JOINTS.index(n) for n in ("head_top", "left_shoulder", "right_shoulder"))
    figure = perform_sport("strum_guitar", Body.average(), SECONDS, rng)
    seen = np.stack([filmed(figure, JOINTS, rng)[0] for _ in range(50)])
    assert seen.shape == (50, 16, 2)
    assert (seen[:, head, 1] < seen[:, JOINTS.index("right_ankle"), 1]).all()
    side = seen[:, left, 0] - seen[:, right, 0]
    assert 10 < (side > 0).sum() < 40
