"""Which weights an evaluation takes by default."""

import argparse
import json

import pytest

from deephar import weights
from deephar.cli.evaluate import action_weights


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
