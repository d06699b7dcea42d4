"""The camera, against the published code's numbers and against itself."""

import numpy as np
import pytest

from deephar.camera import Camera
from deephar.geometry import apply_affine, invert_affine

LENS = {"radial": [-0.2, 0.24, -0.002], "tangential": [-0.0009, -0.0016]}


def serialised(values):
    """A camera from the reference's form: R, t, f, c, p and possibly k."""
    return Camera(
        focal=values[12:14],
        center=values[14:16],
        rotation=values[:9].reshape(3, 3),
        translation=values[9:12],
        tangential=values[16:18],
        radial=values[18:21] if len(values) > 18 else np.zeros(3),
    )


def reference(golden, number):
    arrays = golden("fn_camera")
    values = arrays[f"cam{number}"]
    if len(values) == 18:  # the published code leaves out all distortion where there is no radial
        values = np.concatenate([values[:16], np.zeros(2)])
    return serialised(values), [arrays[f"{k}{number}"] for k in ("world", "uvd", "world_back")]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_projection_agrees_with_the_published_code(golden, number):
    camera, (world, uvd, _) = reference(golden, number)
    points = camera.to_camera(world)
    np.testing.assert_allclose(camera.project(points), uvd[:, :2], atol=1e-6)
    np.testing.assert_allclose(points[:, 2], uvd[:, 2], atol=1e-6)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_one_iteration_inverts_like_the_published_code(golden, number):
    camera, (_, uvd, back) = reference(golden, number)
    points = camera.unproject(uvd[:, :2], uvd[:, 2], iterations=1)
    np.testing.assert_allclose(camera.to_world(points), back, atol=1e-6)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_unproject_inverts_project_exactly(golden, number):
    camera, (world, uvd, _) = reference(golden, number)
    points = camera.unproject(uvd[:, :2], uvd[:, 2])
    np.testing.assert_allclose(camera.to_world(points), world, atol=1e-6)


def test_crop_predictions_go_back_to_pixels_and_depth(golden):
    arrays = golden("fn_camera")
    image = apply_affine(invert_affine(arrays["afmat"]), arrays["pred"][..., :2])
    depth = 2000 * (arrays["pred"][..., 2] - 0.5) + arrays["root_z"][:, None]
    projected = np.concatenate([image, depth[..., None]], axis=-1)
    np.testing.assert_allclose(projected, arrays["projected"], atol=1e-6)


def test_defaults_are_an_ideal_camera_at_the_origin():
    camera = Camera(focal=(100, 200), center=(10, 20))
    np.testing.assert_allclose(camera.project([[10.0, 20, 1000], [0, 0, 5]]), [[11, 24], [10, 20]])
    np.testing.assert_allclose(camera.to_camera([1.0, 2, 3]), [1, 2, 3])
    np.testing.assert_allclose(camera.unproject([11, 24], 1000), [10, 20, 1000])


def test_any_leading_shape_and_unknown_points():
    camera = Camera(focal=(300, 300), center=(128, 128), **LENS)
    points = np.random.default_rng(0).uniform(-500, 500, (2, 4, 5, 3)) + [0, 0, 3000]
    points[0, 0, 0] = np.nan
    pixels = camera.project(points)
    assert pixels.shape == (2, 4, 5, 2)
    assert np.isnan(pixels[0, 0, 0]).all()
    np.testing.assert_allclose(camera.unproject(pixels, points[..., 2]), points, atol=1e-6)


def test_points_behind_the_camera_are_not_seen():
    pixels = Camera(focal=(1, 1), center=(0, 0)).project([[1.0, 1, -1], [1, 1, 0], [1, 1, 1]])
    assert np.isnan(pixels[:2]).all()
    np.testing.assert_allclose(pixels[2], [1, 1])


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"focal": 300}, "focal of a camera must be 2"),
        ({"center": (1, np.nan)}, "center .* finite"),
        ({"radial": (1, 2)}, "radial of a camera must be 3"),
        ({"focal": (0, 1)}, "must not be 0"),
        ({"rotation": np.ones((3, 3))}, "orthogonal"),
    ],
)
def test_bad_parameters_are_named(change, match):
    with pytest.raises(ValueError, match=match):
        Camera(**{"focal": (1, 1), "center": (0, 0)} | change)


def test_bad_points_are_named():
    camera = Camera(focal=(1, 1), center=(0, 0))
    with pytest.raises(ValueError, match=r"points of the shape \(..., 3\)"):
        camera.project(np.zeros((5, 2)))
    with pytest.raises(ValueError, match="iterations must be at least 1"):
        camera.unproject(np.zeros((5, 2)), np.ones(5), iterations=0)
