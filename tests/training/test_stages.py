"""Training by a recipe, from Python: what a notebook does."""

import json
import shutil
from dataclasses import replace

import keras
import numpy as np
import pytest

from deephar import weights
from deephar.data import MPII, Subset
from deephar.files import locked
from deephar.models import ModelConfig, build_model
from deephar.training import PoseStage, PoseTraining, Recipe, Source, read_recipe, train

pytestmark = pytest.mark.usefixtures("module_op_by_op")

TINY = ModelConfig(
    stem="vgg16-narrow", image_size=64, stem_features=8, growth=4, num_pyramids=1, num_levels=2
)
QUICK = PoseTraining(epochs=1)


def stage(name, **fields):
    fields = {"stem_weights": None, "shares": {"mpii": 2}, "steps": 1, "training": QUICK, **fields}
    return PoseStage(name=name, **fields)


def recipe(folder, *stages, **fields):
    fields = {"network": TINY, "validation": 0.2, **fields}
    return Recipe(**fields, data={"mpii": Source("mpii", str(folder))}, stages=stages)


@pytest.fixture(scope="module")
def two_stages(drawn_mpii, tmp_path_factory):
    """A run of two stages, the second with one more pyramid; recipe and folder."""
    made = recipe(
        drawn_mpii,
        stage("small"),
        stage("large", network={"num_pyramids": 2}, seed=7),
    )
    out = tmp_path_factory.mktemp("runs") / "two"
    assert train(made, out, workers=0) == out / "large" / "best.h5"
    return made, out


def test_a_run_folder_holds_its_recipe(two_stages):
    made, out = two_stages
    assert sorted(path.name for path in out.iterdir()) == ["large", "small"]
    for name in ("small", "large"):
        assert read_recipe(out / name) == made
        assert (out / name / "log.csv").exists()


@pytest.mark.parametrize("name", ["config.json", "recipe.json"])
def test_files_in_the_folder_that_are_of_others_are_kept(drawn_mpii, tmp_path, name):
    (tmp_path / name).write_text('{"mine": 1}')
    with pytest.raises(FileExistsError, match=f"{name} would be replaced, but is not an earlier"):
        train(recipe(drawn_mpii, stage("")), tmp_path)
    assert (tmp_path / name).read_text() == '{"mine": 1}'


def test_two_processes_cannot_train_in_one_folder(drawn_mpii, two_stages, tmp_path):
    made, out = two_stages
    for lock, resume in ((tmp_path / "new" / "train.lock", False), (out / "train.lock", True)):
        with locked(lock), pytest.raises(BlockingIOError, match="Another process is at work in"):
            train(made, lock.parent, resume=resume, workers=0)
    with locked(tmp_path / "stage" / "small" / "run.lock"), pytest.raises(BlockingIOError):
        train(made, tmp_path / "stage", workers=0)


def test_a_stage_goes_on_with_what_it_shares_with_the_one_before(two_stages, capsys):
    _, out = two_stages
    config = weights.read_config(out / "large" / "best.h5")
    assert config == replace(TINY, num_pyramids=2)
    start = json.loads((out / "large" / "config.json").read_text())["training"]["start"]
    assert start.startswith("what the network shares with")
    assert "small/best.h5" in start


def test_complete_stages_are_not_run_again(two_stages, capsys):
    made, out = two_stages
    before = (out / "large" / "last.h5").stat().st_mtime_ns
    train(made, out, resume=True, workers=0)
    assert capsys.readouterr().out.count("complete, all 1 epochs are done") == 2
    assert (out / "large" / "last.h5").stat().st_mtime_ns == before


def test_a_run_is_resumed_by_its_own_recipe_only(two_stages):
    made, out = two_stages
    with pytest.raises(FileExistsError, match="holds a run already"):
        train(made, out)
    first, second = made.stages
    other_data = {"mpii": Source("mpii", "elsewhere", {"split": "valid"})}
    for changes, message in [
        ({"seed": 1}, "seed was 0, now 1"),
        ({"network": replace(TINY, num_pyramids=2)}, "network.num_pyramids was 1, now 2"),
        ({"network": replace(TINY, image_size=128)}, "network.image_size was 64, now 128"),
        ({"data": other_data}, "data.mpii.options.split was absent, now valid"),
        ({"stages": (replace(first, stem_weights="imagenet"), second)}, "None, now imagenet"),
        ({"stages": (replace(first, start=("vgg16-light",)), second)}, "stage.start was"),
        ({"stages": (first, replace(second, steps=2))}, "stage.steps was 1, now 2"),
        ({"stages": (first, replace(second, seed=8))}, "stage.seed was 7, now 8"),
    ]:
        with pytest.raises(ValueError, match=message):
            train(replace(made, **changes), out, resume=True)
    supervised = PoseTraining(epochs=1, heat_map_weight=0.1)
    changed = {"network": replace(TINY, peak_window=2)}
    changed["stages"] = tuple(replace(stage, training=supervised) for stage in made.stages)
    with pytest.raises(ValueError, match=r"network\.peak_window was 0, now 2"):
        train(replace(made, **changed), out, resume=True)


def with_epochs(made, *epochs):
    return replace(
        made,
        stages=tuple(
            replace(stage, training=PoseTraining(epochs=count))
            for stage, count in zip(made.stages, epochs, strict=True)
        ),
    )


def test_the_last_stage_of_a_complete_run_may_get_more_epochs(two_stages, tmp_path, capsys):
    made, out = two_stages
    shutil.copytree(out, tmp_path / "run")
    run = tmp_path / "run"
    with pytest.raises(ValueError, match=r"small has 1 of 2 epochs, but .*large has been trained"):
        train(with_epochs(made, 2, 2), run, resume=True)
    longer = with_epochs(made, 1, 2)
    train(longer, run, resume=True, workers=0)
    assert "2 epochs in place of 1" in capsys.readouterr().out
    assert len((run / "large" / "log.csv").read_text().splitlines()) == 1 + 2
    assert read_recipe(run / "large") == longer
    train(longer, run, resume=True, workers=0)
    assert "large: complete, all 2 epochs are done" in capsys.readouterr().out
    with pytest.raises(ValueError, match="2 epochs are done, so there cannot be 1"):
        train(made, run, resume=True, workers=0)


def test_a_run_of_an_earlier_version_says_how_to_go_on(drawn_mpii, tmp_path):
    made = recipe(drawn_mpii, stage(""))
    with pytest.raises(FileNotFoundError, match="no run to --resume"):
        train(made, tmp_path, resume=True)
    (tmp_path / "state.h5").touch()
    (tmp_path / "last.h5").touch()
    with pytest.raises(ValueError, match=r"earlier version .* --weights .*last\.h5"):
        train(made, tmp_path, resume=True)


def test_a_complete_run_without_its_weights_is_refused(two_stages, tmp_path):
    made, out = two_stages
    shutil.copytree(out, tmp_path / "run")
    (tmp_path / "run" / "large" / "best.h5").unlink()
    with pytest.raises(FileNotFoundError, match=r"complete run, but its best\.h5 is missing"):
        train(made, tmp_path / "run", resume=True, workers=0)
    (tmp_path / "run" / "small" / "recipe.json").write_text("{}")
    with pytest.raises(ValueError, match=r"recipe\.json is not a recipe"):
        train(made, tmp_path / "run", resume=True, workers=0)


def test_a_damaged_recipe_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"recipe\.json does not exist"):
        read_recipe(tmp_path)
    (tmp_path / "recipe.json").write_text('{"network": 3}')
    with pytest.raises(ValueError, match=r"recipe\.json is not a recipe"):
        read_recipe(tmp_path)


def test_of_several_files_the_last_one_counts(drawn_mpii, tmp_path):
    files = []
    for seed in (1, 2):
        keras.utils.set_random_seed(seed)
        config = replace(TINY, num_pyramids=3 - seed)  # the first file has one pyramid more
        model = build_model(config)
        files.append(str(tmp_path / f"{seed}.h5"))
        weights.save(model, config, files[-1])
    slow = PoseTraining(epochs=1, learning_rate=1e-12)
    made = recipe(
        drawn_mpii, stage("", start=files, training=slow), network=replace(TINY, num_pyramids=2)
    )
    trained, _ = weights.load_model(train(made, tmp_path / "run", workers=0))
    first, last = (weights.load_model(file)[0] for file in files)
    for name, model in (("dp1_du1_r0_conv1", last), ("up2_uu0_r0_conv1", first)):
        for ours, theirs in zip(
            trained.get_layer(name).weights, model.get_layer(name).weights, strict=True
        ):
            np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_stages_start_from_the_pose_network_of_a_file_with_actions(
    drawn_mpii, tmp_path, monkeypatch
):
    monkeypatch.setenv("DEEPHAR_WEIGHTS", str(tmp_path))
    fields = {"num_frames": 4, "actions": {"penn": 3}, "pose_features": 16, "streams": ("pose",)}
    both, path = replace(TINY, **fields), tmp_path / "both.h5"
    weights.save(build_model(both), both, path, data="none", score=0)
    weights.register("both", path, licence="MIT")
    facts = {"data": "none", "score": 1}
    weights.register("poses", path, licence="MIT", pose_config=TINY, facts=facts)
    slow = PoseTraining(epochs=1, learning_rate=1e-12)
    made = recipe(drawn_mpii, stage("", start=("poses",), training=slow))
    trained, config = weights.load_model(train(made, tmp_path / "run", workers=0))
    assert config == TINY
    theirs = weights.load_model("poses")[0].get_layer("dp1_du1_r0_conv1").weights
    for ours, value in zip(trained.get_layer("dp1_du1_r0_conv1").weights, theirs, strict=True):
        np.testing.assert_allclose(ours, value, atol=1e-6)


def test_data_sets_in_memory_take_the_place_of_folders(drawn_mpii, tmp_path):
    made = recipe("nowhere", stage(""))
    with pytest.raises(FileNotFoundError, match="nowhere"):
        train(made, tmp_path / "a")
    with pytest.raises(ValueError, match="The recipe has no data set lsp"):
        train(made, tmp_path / "a", data={"lsp": MPII(drawn_mpii)})
    assert not (tmp_path / "a").exists()
    persons = Subset(MPII(drawn_mpii), range(6))
    best = train(made, tmp_path / "b", data={"mpii": persons}, workers=0)
    assert weights.read_config(best) == TINY


def test_the_precision_of_other_networks_stays_as_it_was(drawn_mpii, tmp_path):
    before = keras.config.dtype_policy().name
    made = recipe(drawn_mpii, stage(""), mixed_precision=True)
    train(made, tmp_path, workers=0)
    assert json.loads((tmp_path / "config.json").read_text())["dtype"] == "mixed_bfloat16"
    assert keras.config.dtype_policy().name == before
