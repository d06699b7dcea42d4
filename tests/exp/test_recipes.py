"""The recipes of the training scripts, without flags."""

import importlib.util
from dataclasses import replace

import pytest

from deephar import weights
from deephar.training import PoseStage


@pytest.fixture(
    params=[
        "mpii",
        "lsp",
        "h36m",
        "ntu",
        "pennaction",
        "synthetic",
        "light",
        "medium",
        "3d",
        "company",
    ]
)
def script(request, exp_folder):
    """The `TrainingScript` of each training script."""
    names = {
        "pennaction": "pennaction/train_penn.py",
        "light": "mpii/train_vgg16_light.py",
        "medium": "mpii/train_vgg16_medium.py",
        "3d": "mpii/train_vgg16_light_3d.py",
        "company": "mpii/train_vgg16_light_company.py",
    }
    default = f"{request.param}/train_{request.param}.py"
    return load_script(exp_folder / names.get(request.param, default))


def load_script(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, "SCRIPT", None) or module.main.__self__


def test_without_flags_a_script_trains_by_its_recipe(script):
    made = script.recipe_of(script.parser().parse_args(["--out", "out"]))
    data = {k: v for k, v in script.recipe.data.items() if k not in script.optional}
    names = script.stages or [stage.name for stage in script.recipe.stages]
    stages = [
        replace(stage, shares={k: v for k, v in stage.shares.items() if k in data})
        for stage in script.recipe.stages
        if stage.name in names
    ]
    assert made == replace(script.recipe, data=data, stages=tuple(stages))


@pytest.mark.parametrize("name", ["vgg16-light", "vgg16-medium"])
def test_shipped_weights_have_the_network_of_their_recipe(exp_folder, name):
    script = load_script(exp_folder / f"mpii/train_{name.replace('-', '_')}.py")
    recipe = script.recipe
    assert recipe.network_of(recipe.stages[-1]) == weights.read_config(name)


def test_flags_override_the_numbers_of_every_script(script):
    flags = "--seed 5 --epochs 3 --learning-rate 0.5 --heat-map-weight 0.7".split()
    made = script.recipe_of(script.parser().parse_args(["--out", "out", *flags]))
    assert {made.seed_of(stage) for stage in made.stages} == {5}
    for stage in made.stages:
        assert (stage.training.epochs, stage.training.learning_rate) == (3, 0.5)
        if isinstance(stage, PoseStage):
            assert stage.training.heat_map_weight == 0.7
