"""The index of the weights: names, what is checked, and what an error advises."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import h5py
import keras
import pytest
from authors_configs import AUTHORS, RECEPTION, SPNET
from networks import SMALL

from deephar import weights
from deephar.data.sets import ntu
from deephar.models import VARIANTS, ModelConfig, config_from_json, pose_model

PROJECT = Path(__file__).parents[2]
CONFIG = ModelConfig(**SMALL)


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model.h5"
    weights.save(pose_model(CONFIG), CONFIG, path, data="nothing", score={"PCKh@0.5": 1.5})
    return path


@pytest.mark.parametrize(
    ("name", "digest"),
    [("vgg16-medium", "cead3a826bea4ce9"), ("vgg16-light", "0124f13c6c4debe7")],
)
def test_the_shipped_poses_stay_as_they_are_when_heads_change(name, digest, monkeypatch):
    monkeypatch.setenv("DEEPHAR_WEIGHTS", str(PROJECT / "weights"))
    model, _ = weights.load_model(name)
    arrays = [keras.ops.convert_to_numpy(weight).tobytes() for weight in model.weights]
    assert hashlib.sha256(b"".join(arrays)).hexdigest()[:16] == digest


def test_index_names_files_and_checks_their_content(saved, monkeypatch):
    monkeypatch.setenv("DEEPHAR_WEIGHTS", str(saved.parent))
    weights.register("small", saved, licence="research only")
    entry = json.loads((saved.parent / "index.json").read_text())["small"]
    assert entry["score"] == {"PCKh@0.5": 1.5}
    assert entry["config"]["stem_features"] == 16
    assert weights.load_model("small")[1] == CONFIG
    with h5py.File(saved, "a") as file:
        file["block1_bn1/block1_bn1/beta:0"][0] += 1
    with pytest.raises(ValueError, match="its sha256 differs"):
        weights.load_model("small")
    with pytest.raises(FileNotFoundError, match=r"index\.json has these names: small"):
        weights.load_model("large")


def test_a_damaged_index_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPHAR_WEIGHTS", str(tmp_path))
    (tmp_path / "index.json").write_text("{")
    with pytest.raises(ValueError, match=r"index\.json is not a list of weights"):
        weights.load_model("small")
    (tmp_path / "index.json").write_text('{"small": {}}')
    with pytest.raises(ValueError, match=r"index\.json is not a list of weights"):
        weights.load_model("small")


@pytest.mark.parametrize(
    "fields",
    [
        {"config": None},
        {"config": []},
        {"file": None},
        {"facts": []},
        {"facts": {"actions": ["walk"]}},
    ],
)
def test_an_entry_of_another_form_is_named(tmp_path, monkeypatch, fields):
    monkeypatch.setenv("DEEPHAR_WEIGHTS", str(tmp_path))
    entry = {"file": "a.h5", "url": "https://there", "config": {}, **fields}
    (tmp_path / "index.json").write_text(json.dumps({"small": entry}))
    with pytest.raises(ValueError, match=r"index\.json is not a list of weights"):
        weights.load_model("small")


@pytest.mark.parametrize("config", [{"growth": "x"}, {"actions": None}, {"skeleton": "none"}])
def test_an_entry_with_a_damaged_config_is_named(tmp_path, monkeypatch, saved, config):
    monkeypatch.setenv("DEEPHAR_WEIGHTS", str(tmp_path))
    entry = {"file": saved.name, "url": "https://there", "config": config}
    (tmp_path / "index.json").write_text(json.dumps({"small": entry}))
    with pytest.raises(ValueError, match=r"index\.json has a damaged config of 'small'"):
        weights.load_model("small")


def test_a_folder_without_an_index_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPHAR_WEIGHTS", str(tmp_path))
    with pytest.raises(FileNotFoundError) as error:
        weights.load_model("cvpr18-mpii")
    assert f"{tmp_path / 'index.json'} does not exist" in str(error.value)
    assert f"Copy {PROJECT / 'weights' / 'index.json'} to {tmp_path}." in str(error.value)
    assert "Or unset $DEEPHAR_WEIGHTS." in str(error.value)


def test_index_takes_only_files_that_say_what_they_are(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPHAR_WEIGHTS", str(tmp_path))
    weights.save(pose_model(CONFIG), CONFIG, tmp_path / "a.h5", data="nothing")
    with pytest.raises(ValueError, match="does not tell its score"):
        weights.register("a", tmp_path / "a.h5", licence="none")


@pytest.fixture
def listed(tmp_path, monkeypatch):
    """Makes an index that lists ``authors.h5`` as "authors", and gives the path where it goes."""
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setenv("DEEPHAR_WEIGHTS", str(folder))

    def make(config, **fields):
        entry = {"file": "authors.h5", "url": "https://there/authors.h5", **fields}
        entry["config"] = json.loads(config.to_json())
        (folder / "index.json").write_text(json.dumps({"authors": entry}))
        return folder / "authors.h5"

    return make


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


def test_a_missing_listed_file_says_where_to_get_it(listed):
    path = listed(SPNET, md5="0" * 32)
    with pytest.raises(FileNotFoundError) as error:
        weights.load_model("authors")
    assert "Download it from https://there/authors.h5" in str(error.value)
    assert f"save it as {path}." in str(error.value)


def test_a_listed_file_is_taken_by_name_and_by_path(listed, spnet_file):
    path = listed(SPNET, md5=md5(spnet_file), score={"PCKh": 89}, facts={"subsampling": 2})
    spnet_file.rename(path)
    assert weights.load_model("authors")[1] == weights.load_model(path)[1] == SPNET
    assert weights.read_facts(path) == {"score": {"PCKh": 89}, "subsampling": 2}


def test_a_listed_file_with_another_md5_is_refused(listed, spnet_file):
    path = listed(SPNET, md5="0" * 32)
    spnet_file.rename(path)
    with pytest.raises(
        ValueError, match=r"authors\.h5 is not the file .*md5 differs.*https://there"
    ):
        weights.load_model("authors")
    assert weights.listed_as(path) is None


@pytest.mark.parametrize("hashed", [True, False])
def test_the_index_tells_what_the_layers_do_not(listed, clips_file, hashed):
    config = replace(AUTHORS["spnet_multitask2d_replica"], actions={"gym": 15}, num_frames=12)
    path = listed(config, **({"md5": md5(clips_file)} if hashed else {}))
    # A file without a published hash is known by its name.
    clips_file = clips_file.rename(clips_file.with_name("mine.h5" if hashed else path.name))
    assert weights.listed_as(clips_file) == "authors"
    assert weights.read_config(clips_file) == config


def test_without_a_hash_another_network_is_refused(listed, clips_file):
    config = AUTHORS["spnet_multitask2d_replica"]
    path = listed(replace(config, actions={"gym": 15}))
    clips_file.rename(path)
    assert weights.load_model("authors")[1].actions == {"gym": 15}
    listed(replace(config, actions={"penn": 12}, growth=24))
    with pytest.raises(ValueError, match=r"authors\.h5 is not the network that") as error:
        weights.load_model("authors")
    assert "growth=16 instead of 24, actions=[15] instead of [12]. Download" in str(error.value)
    assert weights.listed_as(path) is None
    listed(RECEPTION)
    with pytest.raises(ValueError, match="a ModelConfig instead of a ReceptionConfig"):
        weights.find("authors")


def test_without_a_hash_poses_are_not_taken_for_actions(listed, spnet_file):
    path = listed(AUTHORS["spnet_multitask2d_replica"])
    spnet_file.rename(path)
    with pytest.raises(ValueError, match=r"actions=\[\] instead of \[15\]"):
        weights.find("authors")


def test_without_a_hash_a_replica_makes_no_other_network(listed, clips_file):
    config = AUTHORS["spnet_multitask2d_replica"]
    path = listed(replace(config, pose_replica=False))
    clips_file.rename(path)
    assert weights.load_model("authors")[1] == config


@pytest.mark.parametrize("name", ["cvpr18-ntu", "tpami20-ntu"])
def test_the_authors_networks_for_ntu_name_their_actions(name):
    assert tuple(weights.index()[name]["facts"]["actions"]["ntu"]) == ntu.ACTIONS


def test_the_index_lists_networks_that_can_be_built():
    for name, entry in weights.index().items():
        config = config_from_json(json.dumps(entry["config"]))
        assert entry["licence"], name
        if "url" in entry:
            assert config.image_size == 256
            assert "github.com/dluvizon/deephar" in entry["licence"]
        else:
            assert weights.read_config(name) == config
    assert len([entry for entry in weights.index().values() if "url" in entry]) == 6
    mpii = weights.index()["cvpr18-mpii"]
    assert mpii["file"] == "weights_PE_MPII_cvpr18_19-09-2017.h5"
    assert mpii["md5"] == "d6b85ba4b8a3fc9d05c8ad73f763d999"
    penn = config_from_json(json.dumps(weights.index()["tpami20-penn"]["config"]))
    assert penn.pyramids_with_actions == (5, 6)
    smaller = replace(penn, num_pyramids=2, action_pyramids=(), pose_replica=False)
    assert smaller == VARIANTS["spnet-penn"]


# ------------------------------------------------------------------ which folder, and what to do


def test_weights_are_looked_for_in_three_places(tmp_path, monkeypatch):
    monkeypatch.delenv("DEEPHAR_WEIGHTS", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights").mkdir()
    assert weights.weights_folder() == PROJECT / "weights"
    (tmp_path / "weights" / "index.json").write_text("{}")
    assert weights.weights_folder().resolve() == tmp_path / "weights"
    monkeypatch.setenv("DEEPHAR_WEIGHTS", str(tmp_path / "mine"))
    assert weights.weights_folder() == tmp_path / "mine"


def test_a_path_wins_over_the_index(saved, tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPHAR_WEIGHTS", str(tmp_path / "nowhere"))
    assert weights.find(saved) == saved
    with pytest.raises(FileNotFoundError, match=r"There are no default weights .*runs/mpii/best"):
        weights.default_name()


def test_a_file_of_the_users_index_is_theirs_to_put_back(saved, tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPHAR_WEIGHTS", str(saved.parent))
    weights.register("small", saved, licence="none", default=True)
    assert weights.default_name() == "small"
    saved.unlink()
    with pytest.raises(FileNotFoundError, match=r"model\.h5 is missing\. Put it back into "):
        weights.find("small")


def test_an_index_that_cannot_be_written_is_explained(saved, monkeypatch):
    monkeypatch.setenv("DEEPHAR_WEIGHTS", str(saved.parent))
    (saved.parent / ".part.index.json").mkdir()  # where the new version would be written first
    with pytest.raises(OSError, match=r"could not be written .* a folder of your own.*WEIGHTS"):
        weights.register("small", saved, licence="none")


def test_only_files_of_the_folder_can_be_listed(saved, tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPHAR_WEIGHTS", str(tmp_path / "mine"))
    with pytest.raises(ValueError, match=r"model\.h5 is not in .*mine.*Move it there"):
        weights.register("small", saved, licence="none")
