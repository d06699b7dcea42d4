"""Which weights an evaluation takes by default."""

import argparse
import hashlib
import json

import h5py
import pytest
from networks import HEADS, SMALL

from deephar import weights
from deephar.cli.evaluate import action_weights
from deephar.models import ModelConfig


def test_listed_files_that_are_missing_are_no_default(golden_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPHAR_WEIGHTS", str(tmp_path))
    clips_file = golden_folder / "spnet_multitask2d_replica.weights.keras2.h5"
    config = weights.infer_config(clips_file, num_frames=8)
    entry = {"file": "theirs.h5", "url": "https://there", "config": json.loads(config.to_json())}
    (tmp_path / "index.json").write_text(json.dumps({"theirs": entry}))
    args = argparse.Namespace(weights=None, stream=None, poses="predicted")
    with pytest.raises(FileNotFoundError, match=r"lists no weights for 'penn'.*entries: theirs"):
        action_weights(args, "penn")
    (tmp_path / "theirs.h5").write_bytes(clips_file.read_bytes())
    assert action_weights(args, "penn") == ("theirs", None)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({}, "main"),
        ({"stream": "pose"}, "main"),
        ({"stream": "fused"}, "fused"),
        ({"poses": "labels"}, "labels"),
    ],
)
def test_default_weights_are_made_for_the_kind_of_poses(tmp_path, monkeypatch, given, name):
    monkeypatch.setenv("DEEPHAR_WEIGHTS", str(tmp_path))
    entries = {}
    for entry, streams in (
        ("fused", ("pose", "appearance")),
        ("first", ("pose",)),
        ("main", ("pose",)),
        ("labels", ("pose",)),
    ):
        fields = {**SMALL, **HEADS, "actions": {"penn": 3}, "streams": streams}
        config = ModelConfig(**{**fields, "stem": "none" if entry == "labels" else "vgg16"})
        path = tmp_path / f"{entry}.h5"
        with h5py.File(path, "w") as file:
            file.attrs.update({weights.CONFIG: config.to_json(), weights.FORMAT: 1})
            file.attrs[weights.FACTS] = json.dumps({"actions": {"penn": ["a", "b", "other"]}})
        entries[entry] = {
            "file": path.name,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "config": json.loads(config.to_json()),
        }
    entries["main"]["default"] = True
    (tmp_path / "index.json").write_text(json.dumps(entries))
    args = argparse.Namespace(**{"weights": None, "stream": None, "poses": "predicted", **given})
    assert action_weights(args, "penn") == (name, ["a", "b"])
