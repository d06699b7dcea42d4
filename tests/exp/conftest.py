"""What the tests of the scripts share."""

import importlib.util
from pathlib import Path

import pytest
from networks import HEADS, SMALL

from deephar.models import VARIANTS, ModelConfig

EXP = Path(__file__).parents[2] / "exp"


@pytest.fixture(scope="session")
def load():
    """Loads a script under exp/ as a module: ``load("mpii/train_mpii.py")``."""

    def load_script(name):
        spec = importlib.util.spec_from_file_location(Path(name).stem, EXP / name)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load_script


@pytest.fixture(scope="session")
def run(load):
    """Runs a script under exp/, ``run("mpii/train_mpii.py", "--epochs", 1)``: its exit status."""
    return lambda name, *arguments: load(name).main(list(map(str, arguments)))


@pytest.fixture(scope="session", autouse=True)
def small_variant():
    """A small network for the scripts that train: ``--variant small --image-size 64``."""
    widths = {name: HEADS[name] for name in ("pose_features", "appearance_features")}
    with pytest.MonkeyPatch.context() as patch:
        small = ModelConfig(**{**SMALL, "image_size": 128}, **widths)
        patch.setitem(VARIANTS, "small", small)
        yield


@pytest.fixture(scope="session")
def exp_folder():
    """The folder of the scripts."""
    return EXP
