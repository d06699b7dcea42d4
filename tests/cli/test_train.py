"""The flags of the training scripts: how they change a recipe."""

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest

from deephar import weights
from deephar.cli.options import DataOption
from deephar.cli.train import TrainingScript
from deephar.models import VARIANTS, ModelConfig, ReceptionConfig, build_model
from deephar.training import (
    ActionStage,
    ActionTraining,
    PoseStage,
    PoseTraining,
    Recipe,
    Source,
)

POSE = Recipe(
    network=VARIANTS["vgg16"],
    data={"mpii": Source("mpii", "datasets/MPII"), "lspet": Source("lspet", "datasets/LSPET")},
    stages=(PoseStage(name="", shares={"mpii": 16, "lspet": 8}),),
)
SCRIPT = TrainingScript(doc="Trains.", recipe=POSE, optional=("lspet",))
DEEP = TrainingScript(
    doc="Trains.",
    recipe=replace(
        POSE,
        network=replace(VARIANTS["vgg16"], dim=3, depth="regression", skeleton="pa20j"),
        data={"h36m": Source("h36m", "datasets/H36M", {"protocol": 1})},
        stages=(PoseStage(name="", shares={"h36m": 4}),),
    ),
    skeletons=("pa20j",),
    options=(DataOption("--protocol", {"type": int}),),
)
PENN = Source("penn", "datasets/PennAction")
STAGES = TrainingScript(
    doc="Trains.",
    recipe=Recipe(
        network=VARIANTS["vgg16"],
        data={"penn": PENN, "mpii": Source("mpii", "datasets/MPII")},
        stages=(
            PoseStage(shares={"penn": 16, "mpii": 8}),
            ActionStage(shares={"penn": 8, "mpii": 4}),
            ActionStage(
                name="finetune",
                shares={"penn": 4, "mpii": 2},
                training=ActionTraining(finetune=True),
            ),
        ),
    ),
    optional=("mpii",),
    stages=("pose", "action"),
)


def recipe_of(*arguments, script=SCRIPT):
    args = script.parser().parse_args(["--out", "out", *arguments])
    return script.recipe_of(args)


def network_of(*arguments, script=SCRIPT):
    return recipe_of(*arguments, script=script).network


def test_without_flags_the_recipe_is_that_of_the_script():
    assert recipe_of("--lsp-extended", "datasets/LSPET") == POSE
    alone = recipe_of()
    assert list(alone.data) == ["mpii"]
    assert alone.stages[0].shares == {"mpii": 16}


def test_flags_override_fields_of_the_recipe():
    made = recipe_of(*"--epochs 5 --steps 7 --learning-rate 0.1 --seed 3 --validation 0.25".split())
    (stage,) = made.stages
    assert (stage.training.epochs, stage.steps, stage.training.learning_rate) == (5, 7, 0.1)
    assert (made.seed, made.validation) == (3, 0.25)
    made = recipe_of(*"--freeze-stem 3 --stem-rate 0.1 --heat-map-weight 0.2".split())
    training = PoseTraining(freeze_stem=3, stem_rate=0.1, heat_map_weight=0.2)
    assert made.stages[0].training == training
    made = recipe_of("--shares", "mpii=2", "--stem-weights", "none", "--mixed-precision")
    assert made.stages[0].shares == {"mpii": 2}
    assert made.stages[0].stem_weights is None
    assert made.mixed_precision


def test_the_precision_is_that_of_the_recipe_unless_overridden():
    script = replace(SCRIPT, recipe=replace(POSE, mixed_precision=True))
    assert recipe_of(script=script).mixed_precision
    assert not recipe_of("--no-mixed-precision", script=script).mixed_precision
    assert not recipe_of().mixed_precision


def test_a_resumed_run_has_the_variant_of_its_flags(tmp_path):
    (tmp_path / "recipe.json").write_text(recipe_of("--variant", "vgg16-light").to_json())
    given = "--out", str(tmp_path), "--resume", "--variant"
    for variant in ("vgg16-light", "vgg16-medium"):
        assert network_of(*given, variant) == VARIANTS[variant]


BEGUN = ["--variant", "vgg16-light", "--mpii", "datasets/MPII"]
OTHER_SETTINGS = [
    ("--variant vgg16-medium", "network.image_size was 128, now 256"),
    ("--image-size 64", "network.image_size was 128, now 64"),
    ("--heat-map-weight 0.1 --peak-window 2", "network.peak_window was 0, now 2"),
    ("--stem-weights none", "stage.stem_weights was imagenet, now None"),
    ("--weights vgg16-light", "stage.start was [], now ['vgg16-light']"),
    ("--validation 0.2", "validation was 0.1, now 0.2"),
    ("--seed 4", "seed was 0, now 4"),
    ("--mixed-precision", "mixed_precision was False, now True"),
    ("--batch pose=4", "stage.shares.mpii was 8, now 2; stage.shares.penn was 16, now 4"),
    ("--steps pose=5", "stage.steps was None, now 5"),
    ("--learning-rate pose=0.1", "stage.training.learning_rate was 0.001, now 0.1"),
    ("--freeze-stem 2", "stage.training.freeze_stem was 0, now 2"),
    ("--stem-rate 0.1", "stage.training.stem_rate was 1.0, now 0.1"),
    ("--schedule constant", "stage.training.schedule was cosine, now constant"),
    ("--frames 8", "stage.num_frames was None, now 8"),
    ("--subsampling 2", "stage.subsampling was None, now 2"),
    ("--stream pose", "stage.streams was None, now ['pose']"),
    ("--cache-features", "stage.cache_features was False, now True"),
    ("--drawn", "data.penn.kind was penn, now penn-drawn"),
    ("--data synthetic", "data.penn.kind was penn, now absent"),
]


@pytest.mark.parametrize(("flags", "message"), OTHER_SETTINGS)
def test_a_run_is_resumed_with_its_own_settings_only(flags, message, tmp_path, capsys):
    recipe = recipe_of(*BEGUN, script=STAGES)
    for stage in recipe.stages:
        (tmp_path / stage.name).mkdir()
        (tmp_path / stage.name / "recipe.json").write_text(recipe.to_json())
        log = json.dumps([{}] * stage.training.epochs).encode()
        with h5py.File(tmp_path / stage.name / "state.h5", "w") as file:
            file["log"] = np.frombuffer(log, np.uint8)
    given = ["--out", str(tmp_path), "--resume", *BEGUN, *flags.split()]
    assert STAGES.main(given) == 2
    error = capsys.readouterr().err
    assert "The run has other settings (" in error
    assert message in error


def test_flags_are_for_all_stages_or_for_some():
    made = recipe_of(
        *"--epochs action=2 --steps 9 --batch pose=4 --learning-rate pose=0.5".split(),
        *"--mpii datasets/MPII".split(),
        script=STAGES,
    )
    pose, action = made.stages
    assert (pose.training.epochs, action.training.epochs) == (60, 2)
    assert (pose.steps, action.steps) == (9, 9)
    assert (pose.shares, action.shares) == ({"penn": 4, "mpii": 2}, {"penn": 8, "mpii": 4})
    assert (pose.training.learning_rate, action.training.learning_rate) == (0.5, 0.0002)
    made = recipe_of("--stages", "pose,action,finetune", script=STAGES)
    assert [stage.name for stage in made.stages] == ["pose", "action", "finetune"]


def test_numbers_for_a_stage_that_is_not_run_are_refused():
    with pytest.raises(ValueError, match="--epochs has a number for finetune, which is not run"):
        recipe_of("--epochs", "finetune=3", script=STAGES)
    assert recipe_of("--epochs", "3", script=STAGES).stages[1].training.epochs == 3


def test_options_of_a_data_set_have_flags():
    assert recipe_of(script=DEEP).data["h36m"].options == {"protocol": 1}
    assert recipe_of("--protocol", "2", script=DEEP).data["h36m"].options == {"protocol": 2}


def test_the_built_in_set_takes_the_place_of_a_folder():
    made = recipe_of("--data", "synthetic", script=STAGES)
    assert made.data == {"synthetic": Source("synthetic")}
    assert made.stages[0].shares == {"synthetic": 16}
    with pytest.raises(ValueError, match="--drawn draws the labels of a folder"):
        recipe_of("--data", "synthetic", "--drawn", script=STAGES)
    assert recipe_of("--drawn", script=STAGES).data["penn"].kind == "penn-drawn"


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_gives_a_pose_network(variant):
    config = network_of("--variant", variant)
    assert config == replace(VARIANTS[variant], actions={})
    assert network_of("--variant", variant, "--image-size", "64").image_size == 64


def test_a_peak_window_is_chosen_for_any_network_that_has_one():
    supervised = "--heat-map-weight", "0.1"
    assert network_of("--variant", "vgg16-medium").peak_window == 0
    for start in ("--variant", "--weights"):
        given = start, "vgg16-medium", *supervised, "--peak-window"
        assert network_of(*given, "2").peak_window == 2
        assert network_of(*given, "0").peak_window == 0
    assert network_of("--weights", "vgg16-medium", *supervised).peak_window == 2
    with pytest.raises(ValueError, match="--peak-window does not go with a ReceptionConfig"):
        network_of("--variant", "reception-mpii", "--peak-window", "2")


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_learns_depth_where_data_have_it(variant):
    ours = VARIANTS[variant]
    config = network_of("--variant", variant, script=DEEP)
    assert (config.dim, config.skeleton, config.actions) == (3, "pa20j", {})
    fixed = ours.depth or ("volumetric" if isinstance(ours, ReceptionConfig) else None)
    assert config.depth == (fixed or "regression")
    config = network_of("--variant", variant, "--depth", "volumetric", script=DEEP)
    assert (config.dim, config.depth) == (3, "volumetric")
    assert network_of("--variant", variant, "--dim", "2", script=DEEP).dim == 2


def test_weights_bring_their_network_without_its_actions(tmp_path):
    config = ModelConfig(
        stem="vgg16-narrow",
        image_size=64,
        stem_features=16,
        growth=8,
        num_levels=2,
        num_frames=4,
        actions={"penn": 15},
    )
    path = tmp_path / "w.h5"
    weights.save(build_model(config), config, path)
    made = recipe_of("--weights", str(path))
    assert made.network == replace(config, actions={})
    assert made.stages[0].start == (str(path),)
    assert network_of("--weights", str(path), "--variant", "vgg16") == VARIANTS["vgg16"]
    with pytest.raises(ValueError, match="one that sees images"):
        network_of("--weights", "penn-pose-stream")
    with pytest.raises(ValueError, match="--skeleton does not go with --weights"):
        recipe_of("--weights", str(path), "--skeleton", "pa20j", script=DEEP)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        *(("--validation", value, "between 0 and 1") for value in ("0", "1", "-0.1", "nan", "x")),
        *(("--seed", value, "whole number from 0") for value in ("-1", "0.5", str(2**32))),
        ("--epochs", "pose=3", "expected a number, got 'pose=3'"),
        ("--shares", "mpii:16", "mpii=16,lsp=8"),
        ("--devices", "0", "expected 1, 2, ... or all, got '0'"),
        ("--devices", "two", "expected 1, 2, ... or all, got 'two'"),
    ],
)
def test_values_of_another_form_are_refused_at_once(capsys, option, value, message):
    with pytest.raises(SystemExit, match="2"):
        SCRIPT.parser().parse_args(["--out", "out", option, value])
    printed = capsys.readouterr().err
    assert f"argument {option}: expected " in printed
    assert message in printed


def test_a_training_script_reports_a_mistake_in_one_line(tmp_path, capsys):
    assert SCRIPT.main(["--data", "nowhere", "--out", str(tmp_path / "run")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: nowhere is not a folder")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("text", "devices"), [("2", 2), ("all", "all")])
def test_devices_are_a_number_or_all(text, devices):
    args = SCRIPT.parser().parse_args(["--out", "out", "--devices", text])
    assert args.devices == devices
