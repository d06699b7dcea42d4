"""Persons: positions in space, and views from two sides."""

import dataclasses

import numpy as np
import pytest
from blobs import picture
from networks import POSES

from deephar.camera import Camera
from deephar.data.targets import depth_mm
from deephar.inference import Person
from deephar.inference.person import SEEN
from deephar.inference.poses import pose_in_image
from deephar.visualize import draw_views


def person_of(golden, number):
    """A person as the published code's case has it: from a crop to pixels and mm."""
    arrays = golden("fn_camera")
    pose = pose_in_image(arrays["pred"][number], arrays["afmat"][number], None)
    root_depth = arrays["root_z"][number]
    return make_person(pose[:, :2], depth_mm(pose[:, 2])), root_depth, arrays["projected"][number]


def make_person(joints, depth):
    return Person(
        joints=np.asarray(joints, float),
        depth=np.asarray(depth, float),
        visibility=np.ones(len(joints)),
        box=np.array([20.0, 20, 180, 180]),
        crop=np.array([0.0, 0, 200, 200]),
        skeleton="h36m17",
    )


CAMERA = Camera(focal=(500, 500), center=(100, 100))


def test_somebody_is_seen_from_a_mean_visibility():
    person = make_person(np.zeros((17, 2)), np.zeros(17))
    for visibility, seen in ((SEEN, True), (1.0, True), (SEEN - 0.001, False), (0.0, False)):
        level = np.full(17, visibility)
        level[:2] += (0.01, -0.01)  # the mean counts
        other = dataclasses.replace(person, visibility=level)
        assert other.seen is seen
        assert ("nobody is seen" in repr(other)) is not seen


LENS = {"radial": [-0.2, 0.24, -0.002], "tangential": [-0.0009, -0.0016]}


@pytest.mark.parametrize("lens", [{}, LENS])
@pytest.mark.parametrize("number", range(5))
def test_joints_in_space_are_those_of_the_published_case(golden, number, lens):
    person, root_depth, projected = person_of(golden, number)
    camera = Camera(focal=(1145, 1143), center=(512, 515), **lens)
    points = person.joints_in_space(camera, root_depth)
    np.testing.assert_allclose(points[:, 2], projected[:, 2], atol=1e-6)
    np.testing.assert_allclose(camera.project(points), projected[:, :2], atol=1e-5)
    if not lens:  # an ideal camera: by hand
        flat = (projected[:, :2] - camera.center) / camera.focal * projected[:, 2:]
        np.testing.assert_allclose(points[:, :2], flat, atol=1e-6)


def test_joints_in_space_are_relative_to_the_camera_in_mm():
    person = make_person([[100, 50], [110, 50], [100, 50]], [0, 0, 500])
    points = person.joints_in_space(Camera(focal=(500, 500), center=(100, 100)), 2000)
    np.testing.assert_allclose(points, [[0, -200, 2000], [40, -200, 2000], [0, -250, 2500]])


@pytest.mark.parametrize(
    ("camera", "root_depth", "message"),
    [
        (500, 2000, r"a deephar\.camera\.Camera, got 500"),
        (None, 2000, r"a deephar\.camera\.Camera, got None"),
        (CAMERA, 0, "one positive number, in mm, got 0"),
        (CAMERA, -1000, "positive"),
        (CAMERA, np.nan, "positive"),
        (CAMERA, None, "positive"),
        (CAMERA, [2000, 2000], "one positive number"),
        (CAMERA, 3.2, r"root 3.2 mm in front .* would be 97 mm behind it\. Give .* in mm\."),
    ],
)
def test_bad_cameras_and_depths_are_explained(camera, root_depth, message):
    person = make_person([[100, 50], [110, 50], [100, 50]], [0, -100, 100])
    with pytest.raises(ValueError, match=message):
        person.joints_in_space(camera, root_depth)


def test_flat_poses_are_not_in_space(blobs):
    person = blobs(POSES)(picture(120, 40))
    for ask in (lambda: person.joints_in_space(CAMERA, 2000), person.draw_views):
        with pytest.raises(ValueError, match=r"no depth.*\(dim=2\)"):
            ask()


def test_views_are_metric_where_the_camera_is_known(golden):
    person, root_depth, _ = person_of(golden, 0)
    camera = Camera(focal=(1145, 1143), center=(512, 515))
    drawn = person.draw_views(camera, root_depth, size=200)
    points = person.joints_in_space(camera, root_depth)
    np.testing.assert_array_equal(drawn, draw_views(points, "h36m17", size=200))
    for half in ({"camera": camera}, {"root_depth": root_depth}):
        with pytest.raises(ValueError, match="both the camera and the depth of the root"):
            person.draw_views(**half)


def test_views_without_a_camera_show_the_crop_as_deep_as_wide(golden):
    person, _, _ = person_of(golden, 0)
    drawn = person.draw_views(size=200, stacked=True)
    assert drawn.shape == (400, 200, 3)
    # The crop has 200 pixels, the depth 2000 mm.
    joints = np.column_stack([person.joints * 10, person.depth])
    expected = draw_views(joints, "h36m17", size=200, span=1800, stacked=True, metric=False)
    np.testing.assert_array_equal(drawn, expected)


def test_a_person_is_printed_in_one_line():
    person = make_person(np.zeros((17, 2)), np.zeros(17))
    text = "Person(17 joints in h36m17, box (20, 20, 180, 180), mean visibility 1.00"
    assert repr(person) == f"{text})"
    seen = dataclasses.replace(person, time=1.5, action=[("bowl", 0.75), ("squat", 0.25)])
    assert repr(seen) == f"{text}, 1.50 s, bowl 0.75)"
