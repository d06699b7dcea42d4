"""Drawn persons in any pose, seen from anywhere, with exact 3D labels: to learn depth from.

The actions of the built-in videos are a few of what bodies can do. Here, joint angles are drawn at
random within human limits, and a third of the persons are in the middle of a known movement.
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from deephar.data.clips import frame_sample
from deephar.data.images import crop_image, load_image
from deephar.data.samples import Sample, Video
from deephar.data.synthetic.body import SIDES, Arm, Body, Figure, Leg, Posture, pose
from deephar.data.synthetic.exercises import perform_exercise
from deephar.data.synthetic.motions import ACTIONS, Style, perform
from deephar.data.synthetic.render import Look, figure_solids
from deephar.data.synthetic.sports import SPORTS, perform_sport
from deephar.data.synthetic.videos import (
    SPLITS,
    DrawnFrames,
    framing_camera,
    require_whole_numbers,
    video_labels,
)
from deephar.geometry import crop_affine
from deephar.skeletons import get_skeleton

_PHOTO = 0.8  # how often a photo is behind the person, if there are any
_FLOOR = 40.0  # height of the lowest point of the body above the floor, mm


class DrawnPoses:
    """Pictures of drawn persons in random poses, with exact 2D and 3D joints.

    Each picture is drawn when it is asked for, which takes some 30 ms, and follows from the seed.

    Args:
        split: ``"train"``, ``"validation"`` or ``"test"``, of different persons and poses.
        persons: number of pictures.
        image_size: width and height of the pictures in pixels.
        seed: another seed gives other pictures.
        photos: windows of photographs that show nobody, see `deephar.data.backgrounds`, to draw
            most persons in front of. By default, all surroundings are drawn.

    Raises:
        ValueError: Unknown split, or a number out of range.
    """

    name = "drawn-poses"
    skeleton = "pa16j"

    def __init__(
        self,
        split: str = "train",
        persons: int = 4000,
        *,
        image_size: int = 192,
        seed: int = 0,
        photos: Sequence[Sample] = (),
    ):
        if split not in SPLITS:
            raise ValueError(f"DrawnPoses has the splits {', '.join(SPLITS)}, not {split!r}.")
        require_whole_numbers(
            "DrawnPoses",
            ("persons", persons, 1, 10**7),
            ("image_size", image_size, 32, 2048),
            ("seed", seed, 0, 2**63),
        )
        self.split, self.persons, self.image_size = split, int(persons), int(image_size)
        self.seed, self.photos = int(seed), photos

    def __len__(self):
        return self.persons

    def __getitem__(self, index):
        if not -len(self) <= index < len(self):
            raise IndexError(f"{self!r} has no picture {index}.")
        return frame_sample(self._video(int(index) % len(self)), 0)

    def __repr__(self):
        return (
            f"DrawnPoses(split={self.split!r}, persons={self.persons}, "
            f"image_size={self.image_size}, seed={self.seed}, {len(self.photos)} photos)"
        )

    def _video(self, index):
        """A video of one frame."""
        key = [self.seed, SPLITS.index(self.split), 3, index]
        rng = np.random.default_rng(key)
        body, look = Body.random(rng), Look.random(rng, rng)
        figure, camera = _seen(body, rng, self.image_size)
        solids = figure_solids(figure, body, look, camera)
        photo = self._photo(rng) if len(self.photos) and rng.random() < _PHOTO else None
        frames = DrawnFrames(solids, figure, body, camera, self.image_size, [*key, 1], photo=photo)
        return Video(
            frames=frames,
            skeleton=self.skeleton,
            size=(self.image_size, self.image_size),
            action=0,
            name=f"{self.split}_pose{index:06d}",
            camera=camera,
            **video_labels(figure, body, camera, solids, frames),
        )

    def _photo(self, rng):
        sample = self.photos[int(rng.integers(len(self.photos)))]
        affine = crop_affine(sample.center, sample.side)
        photo = crop_image(load_image(sample.image), affine, self.image_size)
        return cv2.flip(photo, 1) if rng.random() < 0.5 else photo


def random_joints(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Joints of random persons as a camera sees them, without pictures.

    Args:
        count: number N of persons.
        seed: seed of all choices.

    Returns:
        Pixels float64 (N, 16, 2) of the joints of pa16j in a picture of 256 pixels, and their
        depths (N, 16) behind the pelvis in mm.
    """
    skeleton = get_skeleton(DrawnPoses.skeleton)
    joints, depths = np.empty((count, 16, 2)), np.empty((count, 16))
    for index in range(count):
        rng = np.random.default_rng([seed, 4, index])
        figure, camera = _seen(Body.random(rng), rng, 256)
        points = camera.to_camera(np.stack([figure.points[name][0] for name in skeleton.joints]))
        joints[index] = camera.project(points)
        depths[index] = points[:, 2] - points[skeleton.index("pelvis"), 2]
    return joints, depths


def _seen(body, rng, size):
    """A random figure, and a camera in front of it."""
    figure = random_figure(body, rng)
    elevation = rng.uniform(-10, 15) if rng.random() < 0.6 else rng.uniform(-20, 60)
    return figure, framing_camera(rng, figure, rng.uniform(0, 360), elevation, size)


def random_figure(body: Body, rng: np.random.Generator) -> Figure:
    """A person in a random pose, on the floor; arrays of one frame."""
    choice = rng.random()
    if choice < 0.65:
        figure = pose(body, _random_posture(rng))
    elif choice < 0.8:
        figure = _moment(perform_exercise(body, np.arange(16) / 8, rng), rng)
    elif choice < 0.9:
        sport = SPORTS[rng.integers(len(SPORTS))]
        figure = _moment(perform_sport(sport, body, np.arange(16) / 8, rng), rng)
    else:
        action = ACTIONS[rng.integers(len(ACTIONS))]
        figure = _moment(perform(action, body, Style.random(rng), np.arange(16) / 8)[0], rng)
    if rng.random() < 0.5:
        figure = figure.mirrored()
    lowest = min(point[0, 2] for point in figure.points.values())
    return figure.moved(np.array([0, 0, _FLOOR - lowest]))


def _moment(figure, rng):
    """One frame of a movement, at the origin."""
    frame = int(rng.integers(len(figure.points["pelvis"])))
    points = {name: point[frame : frame + 1] for name, point in figure.points.items()}
    axes = {name: axes[frame : frame + 1] for name, axes in figure.axes.items()}
    return Figure(points, axes).moved(-points["pelvis"])


def _random_posture(rng):
    names = list(_POSTURES)
    often = np.array([_POSTURES[name][0] for name in names])
    posture = Posture(1, ground=None, arms=_random_arms(rng))
    _POSTURES[names[rng.choice(len(names), p=often)]][1](posture, rng)
    posture.bend = posture.bend + np.clip(rng.normal(6, 12), -20, 50)
    posture.twist = np.clip(rng.normal(0, 16), -45, 45)
    posture.side = np.clip(rng.normal(0, 9), -30, 30)
    posture.nod = np.clip(rng.normal(5, 15), -40, 45)
    posture.look = np.clip(rng.normal(0, 25), -70, 70)
    return posture


def _random_arms(rng):
    arms = {side: _random_arm(rng) for side in SIDES}
    if rng.random() < 0.3:  # both alike
        arms["left"] = Arm(**vars(arms["right"]))
    return arms


def _random_arm(rng):
    if rng.random() < 0.35:  # hanging, the hand in front or at the hip
        return Arm(
            raised=rng.uniform(0, 45),
            plane=rng.uniform(0, 120),
            twist=rng.uniform(-70, 30),
            elbow=abs(rng.normal(0, 50)) % 145,
        )
    raised = np.degrees(np.arccos(rng.uniform(-0.98, 1)))  # evenly over the sphere
    return Arm(
        raised=raised,
        plane=rng.uniform(-35, 130 if raised > 60 else 170),
        twist=rng.uniform(-60, 90),
        elbow=150 * rng.beta(1, 1.4),
    )


def _leg(rng, flexion, knee, abduction=(-6, 25)):
    return Leg(
        flexion=rng.uniform(*flexion),
        knee=max(0.0, rng.uniform(*knee)),
        abduction=rng.uniform(*abduction),
        rotation=rng.uniform(-10, 35),
        ankle=rng.uniform(-15, 40),
    )


def _both_legs(posture, rng, flexion, knee, abduction=(-2, 25)):
    """Both legs nearly alike."""
    leg = _leg(rng, flexion, knee, abduction)
    for side in SIDES:
        posture.legs[side] = Leg(
            flexion=leg.flexion + rng.normal(0, 6),
            knee=max(0.0, leg.knee + rng.normal(0, 6)),
            abduction=leg.abduction + rng.normal(0, 3),
            rotation=leg.rotation,
            ankle=leg.ankle,
        )


def _standing(posture, rng):
    posture.lean = rng.normal(3, 6)
    flexion = posture.lean
    _both_legs(posture, rng, (flexion - 5, flexion + 15), (0, 25))


def _moving(posture, rng):
    posture.lean, posture.roll = rng.normal(8, 15), rng.normal(0, 10)
    posture.legs = {side: _leg(rng, (-30, 110), (-20, 130), (-10, 45)) for side in SIDES}
    if rng.random() < 0.6:  # one leg stands
        side = SIDES[rng.integers(2)]
        posture.legs[side] = _leg(rng, (posture.lean - 10, posture.lean + 25), (0, 35))


def _bending(posture, rng):
    posture.lean, posture.bend = rng.uniform(20, 85), rng.uniform(0, 30)
    _both_legs(posture, rng, (posture.lean - 5, posture.lean + 30), (0, 50))


def _squatting(posture, rng):
    posture.lean = rng.uniform(0, 50)
    flexion = rng.uniform(60, 125)
    _both_legs(posture, rng, (flexion, flexion + 10), (flexion - 20, 150), (0, 40))


def _sitting(posture, rng):
    posture.lean, posture.bend = rng.uniform(-30, 15), rng.uniform(0, 25)
    if rng.random() < 0.5:
        _both_legs(posture, rng, (65, 105), (0, 120), (0, 35))
    else:
        posture.legs = {side: _leg(rng, (60, 115), (0, 140), (-5, 45)) for side in SIDES}


def _kneeling(posture, rng):
    posture.lean = rng.uniform(-5, 30)
    _both_legs(posture, rng, (0, 80), (80, 145))
    if rng.random() < 0.4:
        posture.legs["left"] = _leg(rng, (60, 100), (70, 120))


def _lying(posture, rng):
    posture.lean = rng.choice([-90, 90]) + rng.normal(0, 12)
    posture.roll = rng.normal(0, 35)
    posture.legs = {side: _leg(rng, (-10, 90), (-20, 110)) for side in SIDES}


def _on_hands(posture, rng):
    """Push-ups, planks, all fours."""
    posture.lean = rng.uniform(60, 100)
    arm = Arm(raised=rng.uniform(60, 110), plane=rng.uniform(0, 40), elbow=rng.uniform(0, 100))
    posture.arms = {side: Arm(**vars(arm)) for side in SIDES}
    flexion = rng.choice([0, 80]) + rng.normal(0, 12)
    _both_legs(posture, rng, (flexion, flexion + 10), (0, 20) if flexion < 40 else (60, 110))


def _upside_down(posture, rng):
    posture.lean, posture.roll = rng.uniform(120, 240), rng.normal(0, 25)
    if rng.random() < 0.7:  # on the hands
        arm = Arm(raised=rng.uniform(145, 178), plane=rng.uniform(0, 90), elbow=rng.uniform(0, 30))
        posture.arms = {side: Arm(**vars(arm)) for side in SIDES}
    posture.legs = {side: _leg(rng, (-40, 100), (-20, 110), (-5, 50)) for side in SIDES}


_POSTURES: dict[str, tuple[float, Callable]] = {
    "standing": (0.24, _standing),
    "moving": (0.30, _moving),
    "bending": (0.08, _bending),
    "squatting": (0.07, _squatting),
    "sitting": (0.11, _sitting),
    "kneeling": (0.05, _kneeling),
    "lying": (0.05, _lying),
    "on hands": (0.05, _on_hands),
    "upside down": (0.05, _upside_down),
}
"""How often a posture comes, and the function that draws its angles."""
