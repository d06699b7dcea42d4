"""Solids: shape, depth order, what they hide."""

import numpy as np
import pytest

from deephar.camera import Camera
from deephar.data.synthetic.body import Body, Posture, pose
from deephar.data.synthetic.render import (
    Light,
    Look,
    Solids,
    draw_solids,
    figure_solids,
    hidden_behind,
)

LIGHT = Light(np.array([0.0, 0.0, -1.0]), ambient=1.0)
RED, BLUE = (250.0, 0.0, 0.0), (0.0, 0.0, 250.0)


def solids(rods=(), balls=()):
    """Rods (start, end, radius, colour) and balls (centre, radius, colour), one frame, 1 px = 1."""
    count = len(balls)
    radius = np.array([[r[2], r[2]] for r in rods], float).reshape(1, -1, 2)
    return Solids(
        start=np.array([r[0] for r in rods], float).reshape(1, -1, 3),
        end=np.array([r[1] for r in rods], float).reshape(1, -1, 3),
        radius=radius,
        bulk=radius,
        rod_colour=np.array([r[3] for r in rods], float).reshape(-1, 3),
        centre=np.array([b[0] for b in balls], float).reshape(1, -1, 3),
        scale=np.ones((1, count)),
        form=np.array([np.eye(3) / b[1] ** 2 for b in balls]).reshape(1, -1, 3, 3),
        view=np.zeros((1, count, 2)),
        ellipsoid_colour=np.array([b[2] for b in balls], float).reshape(-1, 3),
        up=np.tile([0.0, 1, 0], (1, count, 1)),
        stripe_colour=np.zeros((count, 3)),
        stripe_width=np.zeros(count),
        body_rods=len(rods),
    )


def picture_of(what, size=64):
    picture = np.zeros((size, size, 3), np.float32)
    draw_solids(picture, what, 0, LIGHT)
    return picture


def test_a_ball_is_the_same_as_a_rod_without_length():
    ball = picture_of(solids(balls=[((30, 33, 1000), 12, RED)]))
    rod = picture_of(solids(rods=[((30, 33, 1000), (30, 33, 1000), 12, RED)]))
    np.testing.assert_allclose(ball, rod, atol=20)
    assert (np.abs(ball - rod) > 3).mean() < 0.01


def test_areas_are_antialiased_to_a_fraction_of_a_pixel():
    for radius in (5.0, 5.25, 5.5):
        picture = picture_of(solids(balls=[((32, 32, 0), radius, RED)]))
        covered = (picture[..., 0] / 250).clip(0, 1)
        flat = picture_of(solids(rods=[((32, 32, 0), (32, 32, 0), radius, RED)]))
        for image in (covered, flat[..., 0] / 250):
            assert (image > 0).sum() == pytest.approx(np.pi * (radius + 0.5) ** 2, rel=0.12)


def test_the_nearer_solid_hides_the_farther_whatever_the_order():
    near, far = ((10, 32, 900), (54, 32, 900), 6, RED), ((32, 10, 1000), (32, 54, 1000), 6, BLUE)
    for rods in ([near, far], [far, near]):
        picture = picture_of(solids(rods))
        assert picture[32, 32, 0] > 200
        assert picture[32, 32, 2] < 1
        assert picture[15, 32, 2] > 100


def test_crossing_solids_hide_each_other_pixel_by_pixel():
    leaning = solids(
        [((10, 32, 900), (54, 32, 1100), 6, RED), ((10, 32, 1100), (54, 32, 900), 6, BLUE)]
    )
    picture = picture_of(leaning)
    assert picture[32, 15, 0] > picture[32, 15, 2]
    assert picture[32, 49, 2] > picture[32, 49, 0]


def test_points_behind_solids_are_hidden_by_more_than_their_slack():
    what = solids([((10, 32, 900), (54, 32, 900), 6, RED)], [((32, 12, 500), 5, BLUE)])
    points = np.array([[[32, 32, 1000], [32, 32, 880], [32, 50, 1000], [32, 12, 1000]]], float)
    hidden = hidden_behind(what, points, np.zeros(4))
    np.testing.assert_array_equal(hidden, [[True, False, False, True]])
    assert not hidden_behind(what, points, np.full(4, 200.0))[0, 0]


def test_what_is_out_of_the_picture_or_unknown_is_left_out():
    what = solids(
        [((np.nan, 1, 1), (2, 2, 2), 3, RED), ((-90, -90, 1), (-80, -80, 1), 3, RED)],
        [((np.nan, 1, 1), 4, RED), ((200, 200, 1), 4, RED)],
    )
    assert not picture_of(what).any()


@pytest.mark.parametrize("turn", [0, 90, 180, 235])
def test_a_figure_is_drawn_where_its_joints_and_its_box_are(turn):
    body = Body.average()
    figure = pose(body, Posture(1)).rotated(turn)
    camera = Camera(
        focal=(300, 300),
        center=(127.5, 127.5),
        rotation=[[-1, 0, 0], [0, 0, -1], [0, -1, 0]],
        translation=(0, 3500, 900),
    )
    look = Look(*([(200.0, 200, 200)] * 6))
    what = figure_solids(figure, body, look, camera)
    picture = np.zeros((256, 256, 3), np.float32)
    draw_solids(picture, what, 0, LIGHT)
    drawn = picture.max(axis=-1) > 20
    ys, xs = np.nonzero(drawn)
    box = (xs.min(), ys.min(), xs.max(), ys.max())
    np.testing.assert_allclose(what.boxes()[0], box, atol=2.5)
    for name, point in figure.points.items():
        x, y = np.rint(camera.project(camera.to_camera(point))[0]).astype(int)
        assert drawn[y - 1 : y + 3, x - 1 : x + 2].any(), name
