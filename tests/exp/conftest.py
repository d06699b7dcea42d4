"""What the tests of the scripts share."""

import importlib.util
from pathlib import Path

import pytest
from networks import HEADS, SMALL

from deephar.models import VARIANTS, ModelConfig

EXP = Path(__file__).parents[2] / "exp"


@pytest.fixture(scope="session")
def run():
    """Runs a script under exp/, ``run("mpii/train_mpii.py", "--epochs", 1)``: its exit status."""

    def run_script(name, *arguments):
        spec = importlib.util.spec_from_file_location(Path(name).stem, EXP / name)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.main(list(map(str, arguments)))

    return run_script


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
