"""Fixtures shared by all tests: golden numbers, drawn persons, and real data where at hand."""

import json
import os
import sys
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:
    # The workers of `pytest -n` share the cores. With one thread each, they take less time.
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

# isort: split
import cv2
import numpy as np
import pytest

from deephar.skeletons import get_skeleton

GOLDEN = Path(__file__).parent / "golden"
SHARED = Path(os.environ.get("DEEPHAR_TEST_DATA", Path(__file__).parents[2] / "shared"))


def pytest_addoption(parser):
    parser.addoption(
        "--mutations", type=int, default=60, help="damaged files of each kind, see tests/fuzz"
    )
    parser.addoption(
        "--kills", type=int, default=0, help="runs to kill, see tests/training/test_kills.py"
    )


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(tmp_path_factory):
    """Keeps what is cached for the data of the tests out of the user's cache folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DEEPHAR_CACHE", raising=False)
        patch.delenv("DEEPHAR_CACHE", raising=False)
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def runtime_of_the_tests():
    """Has networks run on Keras, whatever is installed, unless a test says otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPHAR_RUNTIME", "keras")
        yield


@pytest.fixture(scope="session", autouse=True)
def graphs_as_they_are():
    """Has TensorFlow run graphs as they are. To optimize them takes longer than it saves here."""
    if "tensorflow" in sys.modules:
        from tensorflow import config

        config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


@pytest.fixture(scope="session", autouse=True)
def short_stem():
    """Makes the blocks of narrow stems short, for networks that are made in less time."""
    if "deephar.models.stems" not in sys.modules:
        yield None
        return
    from networks import SHORT_BLOCKS

    from deephar.models import stems

    with pytest.MonkeyPatch.context() as patch:
        whole = stems.VGG16_BLOCKS
        patch.setattr(stems, "VGG16_BLOCKS", SHORT_BLOCKS)
        yield whole


@pytest.fixture
def whole_stem(short_stem, monkeypatch):
    """Leaves narrow stems as they are."""
    monkeypatch.setattr("deephar.models.stems.VGG16_BLOCKS", short_stem)


def _op_by_op():
    """Has networks run op by op. To make graphs takes longer where they run a few times only."""
    import keras  # late: it takes seconds to import, many tests do not need it

    if keras.backend.backend() == "tensorflow":
        from tensorflow import config

        config.run_functions_eagerly(True)
        yield
        config.run_functions_eagerly(False)
    else:
        yield


op_by_op = pytest.fixture(_op_by_op)
module_op_by_op = pytest.fixture(_op_by_op, scope="module")


@pytest.fixture
def golden():
    """Loads a file of reference values by name: ``golden("fn_softargmax")`` -> dict of arrays."""

    def load(name):
        with np.load(GOLDEN / f"{name}.npz") as arrays:
            return dict(arrays)

    return load


@pytest.fixture
def golden_folder():
    """The folder of the reference values that come with the tests."""
    return GOLDEN


@pytest.fixture
def reference_network():
    """Input and outputs of one of the authors' networks, and its Keras 2 weights file; or a skip.

    ``reference_network("spnet_pose2d")`` -> dict of arrays ``x``, ``y00``, ..., and a path.
    """

    def load(name):
        for folder in (GOLDEN, SHARED / "reference"):
            weights = folder / f"{name}.weights.keras2.h5"
            if weights.is_file():
                with np.load(folder / f"{name}.npz") as arrays:
                    return dict(arrays), weights
        pytest.skip(f"the reference values of {name} are not at hand, they are too large to ship")

    return load


@pytest.fixture(scope="session")
def real_data():
    """Path of the folder with the real LSP, LSPET and MPII samples, or a skip."""
    folder = SHARED / "data"
    if not (folder / "MPII").is_dir():
        pytest.skip("real images are not at hand (set DEEPHAR_TEST_DATA to the folder with data/)")
    return folder


@pytest.fixture(scope="session")
def drawn_mpii(tmp_path_factory):
    """A folder in MPII layout with drawn persons: 24 to train on, 6 to validate."""
    folder = tmp_path_factory.mktemp("MPII")
    (folder / "images").mkdir()
    (folder / "annot").mkdir()
    rng = np.random.default_rng(0)
    for split, count in [("train", 24), ("valid", 6)]:
        persons = []
        for number in range(count):
            image, joints = draw_person(rng)
            name = f"{split}{number:03d}.jpg"
            cv2.imwrite(str(folder / "images" / name), image)
            middle = (joints.min(0) + joints.max(0)) / 2
            persons.append(
                {
                    "image": name,
                    "joints": (joints + 1).tolist(),  # the published annotation is 1-based
                    "joints_vis": [1] * 16,
                    "center": (middle + 1 - [0, 12]).tolist(),
                    "scale": float(np.ptp(joints[:, 1]) / 200),
                    "headsize": 15.0,
                }
            )
        (folder / "annot" / f"{split}.json").write_text(json.dumps(persons))
    return folder


def draw_person(rng, width=200, height=240):
    """A person of coloured limbs before a textured wall.

    Returns:
        A uint8 image (height, width, 3) and float joints (16, 2) in pixels, in MPII order.
    """
    skeleton = get_skeleton("mpii16")
    wall = rng.integers(60, 200, (height // 20, width // 20, 3)).astype(np.uint8)
    image = cv2.resize(wall, (width, height), interpolation=cv2.INTER_CUBIC)
    joints = _random_pose(rng) + rng.uniform(-15, 15, 2)
    for limb in skeleton.limbs:
        start, end = (joints[skeleton.index(name)] for name in (limb.start, limb.end))
        colour = tuple(
            int(c) for c in np.clip(np.array(limb.colour) + rng.integers(-30, 30), 0, 255)
        )
        cv2.line(image, _pixel(start), _pixel(end), colour, 9, cv2.LINE_AA)
    head = (joints[skeleton.index("neck")] + joints[skeleton.index("head_top")]) / 2
    cv2.circle(image, _pixel(head), 11, (120, 160, 220), -1, cv2.LINE_AA)
    return image, joints


def _pixel(point):
    return tuple(round(value) for value in point)


def _random_pose(rng):
    def swing(start, length, middle, spread):
        angle = np.deg2rad(middle + rng.uniform(-spread, spread))
        return start + length * np.array([np.sin(angle), np.cos(angle)])

    pelvis = np.array([100.0, 130.0])
    thorax = swing(pelvis, 50, 180, 15)
    neck = thorax + [0, -6]
    joints = {"pelvis": pelvis, "thorax": thorax, "neck": neck}
    joints["head_top"] = swing(neck, 25, 180, 20)
    for side, sign in [("right", -1), ("left", 1)]:
        joints[f"{side}_hip"] = pelvis + [12 * sign, 0]
        joints[f"{side}_knee"] = swing(joints[f"{side}_hip"], 40, 15 * sign, 30)
        joints[f"{side}_ankle"] = swing(joints[f"{side}_knee"], 38, 5 * sign, 25)
        joints[f"{side}_shoulder"] = thorax + [18 * sign, 2]
        joints[f"{side}_elbow"] = swing(joints[f"{side}_shoulder"], 28, 50 * sign, 50)
        joints[f"{side}_wrist"] = swing(joints[f"{side}_elbow"], 26, 60 * sign, 70)
    return np.array([joints[name] for name in get_skeleton("mpii16").joints])
