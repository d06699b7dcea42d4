"""A recipe: what it refuses, and its way to JSON and back."""

import json
from dataclasses import replace

import pytest

from deephar.data import PredictedPoses
from deephar.models import VARIANTS, ModelConfig, ReceptionConfig
from deephar.training import (
    ActionStage,
    ActionTraining,
    PoseStage,
    PoseTraining,
    Recipe,
    Source,
)

NETWORK = VARIANTS["vgg16-light-64"]
MPII = Source("mpii", "datasets/MPII")
PENN = Source("penn", "datasets/PennAction")
LABELS = ModelConfig(stem="none", streams=("pose",), num_frames=8, actions={"penn": 15})


def pose_recipe(**changes):
    fields = {
        "network": NETWORK,
        "data": {"mpii": MPII, "lsp": Source("lsp", "datasets/LSP")},
        "stages": (PoseStage(shares={"mpii": 8, "lsp": 4}),),
    }
    return Recipe(**{**fields, **changes})


def action_recipe(*stages, **changes):
    stages = stages or (
        PoseStage(shares={"penn": 8, "mpii": 4}),
        ActionStage(shares={"penn": 4}, num_frames=8, subsampling=2, streams=("pose",)),
    )
    return Recipe(
        **{"network": NETWORK, "data": {"penn": PENN, "mpii": MPII}, **changes}, stages=stages
    )


@pytest.mark.parametrize(
    "recipe",
    [
        pose_recipe(validation=0.2, seed=3, mixed_precision=True, validation_limit=7),
        action_recipe(),
        pose_recipe(network=ReceptionConfig(image_size=64)),
        Recipe(
            network=LABELS,
            data={"penn": PENN},
            stages=(ActionStage(shares={"penn": 4}, training=ActionTraining(optimizer="adamw")),),
        ),
        action_recipe(
            ActionStage(
                start=("vgg16-medium",),
                shares={"penn": 4},
                frame_rate=8.0,
                poses="labels",
                other=True,
                streams=("pose",),
                augmentation=PredictedPoses(errors=0.5, speed=(0.9, 1.1)),
            ),
        ),
        pose_recipe(
            stages=(
                PoseStage(name="one", network={"num_pyramids": 1}, shares={"mpii": 1, "lsp": 1}),
                PoseStage(name="two", start=("one/last.h5",), shares={"mpii": 1, "lsp": 1}, seed=5),
            )
        ),
    ],
)
def test_a_recipe_survives_json(recipe):
    again = Recipe.from_json(recipe.to_json())
    assert again == recipe
    assert again.to_json() == recipe.to_json()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": 1}, "Recipe has no field colour. Its fields are network, data"),
        ({"stages": [{"kind": "pose", "speed": 2}]}, "PoseStage has no field speed"),
        ({"stages": [{"kind": "sleep"}]}, "kind pose or action, got 'sleep'"),
        (
            {"stages": [{"kind": "pose", "training": {"rate": 1}}]},
            "PoseTraining has no field rate",
        ),
        ({"augmentation": {"blur": 1}}, "Augmentation has no field blur"),
        ({"network": {"eyes": 3}}, "does not know.*eyes"),
        ({"data": {"mpii": {"kind": "mpii", "path": "x"}}}, "Source has no field path"),
        ({"data": 3}, "field data of a recipe cannot be read"),
        ({"stages": [3]}, "field stages of a recipe cannot be read"),
        ({"network": 3}, "fields of a network config"),
    ],
)
def test_unknown_and_damaged_fields_of_json_are_named(change, message):
    fields = json.loads(pose_recipe().to_json())
    with pytest.raises(ValueError, match=message):
        Recipe.from_json(json.dumps({**fields, **change}))


def test_missing_fields_of_json_are_named():
    with pytest.raises(ValueError, match=r"Recipe cannot be made .* 'data' and 'stages'"):
        Recipe.from_json(json.dumps({"network": json.loads(NETWORK.to_json())}))
    with pytest.raises(ValueError, match="fields of a recipe as a JSON object"):
        Recipe.from_json("[1]")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"validation": 0.0}, "validation must be between 0 and 1"),
        ({"validation_limit": 0}, "validation_limit must be at least 1"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"stages": ()}, "needs at least one data set and one stage"),
        ({"data": {}}, "needs at least one data set and one stage"),
        ({"network": LABELS}, "the network has no stem"),
        ({"network": "vgg16"}, "network must be a ModelConfig"),
        ({"data": {"mpii": "datasets/MPII"}}, "must be a Source, such as Source"),
        ({"stages": PoseStage()}, "stages must be a tuple of PoseStage"),
        ({"network": replace(NETWORK, peak_window=2)}, "--heat-map-weight"),
    ],
)
def test_values_out_of_range_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        pose_recipe(**change)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"shares": {"mpii": 0, "lsp": 1}}, "share of 'mpii' must be a positive integer"),
        ({"start": "vgg16-light"}, "start must be a tuple of names"),
        ({"shares": {"mpii": 1}}, "shares must name the data sets mpii, lsp"),
        (
            {"shares": {"mpii": 1, "lsp": 1, "coco": 1}},
            "shares must name the data sets mpii, lsp, got mpii, lsp, coco",
        ),
        ({"steps": 0}, "steps must be at least 1"),
        ({"seed": 2**32}, "seed must be a whole number"),
        ({"network": {"eyes": 2}}, "network has an unknown field"),
        ({"network": {"num_levels": 0}}, "num_levels must be at least 2"),
        ({"training": ActionTraining()}, "training must be of the class PoseTraining"),
    ],
)
def test_pose_stages_that_make_no_sense_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        pose_recipe(stages=(PoseStage(**{"shares": {"mpii": 1, "lsp": 1}, **fields}),))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_frames": 3}, "num_frames must be at least 4"),
        ({"subsampling": 0}, "subsampling must be 1, 2"),
        ({"streams": ("sound",)}, "streams must be some of pose, appearance"),
        ({"start": ("a.h5", "b.h5")}, "starts from one file"),
        ({"start": ()}, "comes first, so it needs weights"),
        (
            {"cache_features": True, "training": ActionTraining(finetune=True)},
            "features cannot be cached",
        ),
        ({"poses": "drawn"}, "poses must be predicted or labels"),
        ({"poses": "labels", "cache_features": True}, "can neither cache features"),
        ({"poses": "labels"}, "labelled poses, which have no appearance"),
        ({"other": True}, "learn the answer 'other' from labelled poses only"),
        ({"calibrate": True}, "calibrated only if it learns from labels"),
        ({"frame_rate": 0}, "frame_rate must be above 0"),
        ({"augmentation": PredictedPoses()}, "PredictedPoses, which needs clips of a fixed frame"),
        ({"frame_rate": 8.0, "subsampling": 2}, "a frame rate .* or a subsampling"),
    ],
)
def test_action_stages_that_make_no_sense_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        action_recipe(ActionStage(**{"shares": {"penn": 1}, "start": ("a.h5",), **fields}))


def test_heads_without_a_pose_network_cannot_be_calibrated():
    stage = ActionStage(shares={"penn": 1}, poses="labels", calibrate=True)
    with pytest.raises(ValueError, match="calibrated only on a pose network"):
        Recipe(network=LABELS, data={"penn": PENN}, stages=(stage,))


def test_stages_that_do_not_fit_each_other_are_refused():
    pose = PoseStage(shares={"mpii": 1, "lsp": 1})
    with pytest.raises(ValueError, match="needs a name of its own, got 'pose', 'pose'"):
        pose_recipe(stages=(pose, pose))
    with pytest.raises(ValueError, match="needs a name of its own"):
        pose_recipe(stages=(pose, replace(pose, name="")))
    finetune = ActionStage(name="all", shares={"penn": 1}, training=ActionTraining(finetune=True))
    start = PoseStage(shares={"penn": 1, "mpii": 1})
    with pytest.raises(ValueError, match="no actions were learned before"):
        action_recipe(start, finetune)
    action = ActionStage(shares={"penn": 1}, num_frames=8)
    assert action_recipe(start, action, finetune).stages[2] == finetune
    with pytest.raises(ValueError, match="has num_frames 16, but the stage before it has 8"):
        action_recipe(start, action, replace(finetune, num_frames=16))
    with pytest.raises(ValueError, match=r"another network than the recipe's \(num_pyramids\)"):
        action_recipe(replace(start, network={"num_pyramids": 1}), action)
    with pytest.raises(ValueError, match="learns actions of videos, but 'mpii' has stills"):
        pose_recipe(stages=(pose, ActionStage(shares={"mpii": 1})))
    for name in ("..", "/tmp", "a/b"):
        with pytest.raises(ValueError, match="name is that of a subfolder"):
            pose_recipe(stages=(replace(pose, name=name),))
    int8 = replace(pose, training=PoseTraining(freeze_stem=4, frozen_int8=True))
    with pytest.raises(ValueError, match="Leave out --frozen-int8, or give --no-mixed-precision"):
        pose_recipe(stages=(int8,), mixed_precision=True)
    with pytest.raises(ValueError, match="A ReceptionNet uses both streams"):
        action_recipe(network=ReceptionConfig())
    labels = ActionStage(shares={"penn": 1}, cache_features=True)
    with pytest.raises(ValueError, match="neither cached features nor fine-tuning"):
        Recipe(network=LABELS, data={"penn": PENN}, stages=(labels,))


def test_only_the_first_data_set_may_be_of_videos():
    with pytest.raises(ValueError, match="'penn' has videos, too"):
        pose_recipe(
            data={"mpii": MPII, "penn": PENN}, stages=(PoseStage(shares={"mpii": 1, "penn": 1}),)
        )


def test_unknown_data_sets_are_refused():
    with pytest.raises(ValueError, match="no data set 'mpi'"):
        Source("mpi", "datasets/MPII")


@pytest.mark.parametrize(
    "settings",
    [
        {"epochs": 0},
        {"epochs": 2.5},
        {"epochs": True},
        {"freeze_stem": 1.5},
        {"learning_rate": 0.0},
        {"schedule": "guess"},
        {"freeze_stem": 6},
        {"frozen_int8": True},
        {"warmup": -1},
        {"stem_rate": -0.1},
        {"average": 1.0},
        {"average": -0.1},
        {"average": float("nan")},
        {"heat_map_weight": float("nan")},
    ],
)
def test_pose_settings_out_of_range_are_refused(settings):
    (name,) = settings
    with pytest.raises(ValueError, match=name):
        PoseTraining(**settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": "guess"},
        {"schedule": "guess"},
        {"patience": 0},
        {"label_smoothing": 1.0},
        {"momentum": 1.0},
        {"average": 1.0},
        {"learning_rate": -1.0},
        {"weight_decay": -1.0},
    ],
)
def test_action_settings_out_of_range_are_refused(settings):
    (name,) = settings
    with pytest.raises(ValueError, match=name):
        ActionTraining(**settings)


def test_videos_are_not_lifted():
    with pytest.raises(ValueError, match="lifted is for data sets of stills, and 'penn' has"):
        Source("penn", "datasets/PennAction", lifted=True)
