"""What a run folder knows of its data, and the scores of its epochs."""

import hashlib
from types import SimpleNamespace

from deephar.data import (
    Frames,
    Synthetic,
)
from deephar.training.run import ValidationScore, fingerprint


def test_data_sets_of_the_same_names_are_told_apart_by_their_labels(tmp_path):
    first = Synthetic("train", videos=3, image_size=64)
    assert fingerprint(first) == fingerprint(Synthetic("train", videos=3, image_size=64))
    for other in ({"image_size": 128}, {"views": "front"}, {"seed": 1}):
        changed = Synthetic("train", videos=3, **{"image_size": 64, **other})
        assert fingerprint(changed) != fingerprint(first)


def test_names_of_all_frames_are_compared_without_building_them(monkeypatch):
    frames = Frames(Synthetic("train", videos=2, image_size=64, frames=5))
    names = "\n".join(frames[index].name for index in range(10))
    built, build = [], Frames.__getitem__
    monkeypatch.setattr(
        Frames, "__getitem__", lambda self, index: built.append(index) or build(self, index)
    )
    # Runs of before go on.
    assert fingerprint(frames)["names"] == hashlib.sha256(names.encode()).hexdigest()[:16]
    assert built == [0, 5, 9]


def test_all_processes_take_the_scores_of_the_first():
    devices = SimpleNamespace(gather=lambda own: [{**own, "val_accuracy": 60.0}, own])
    callback = ValidationScore(lambda: {"accuracy": 61.0}, devices)
    callback.set_model(SimpleNamespace(optimizer=SimpleNamespace(learning_rate=0.1)))
    logs = {"loss": 1.0}
    callback.on_epoch_end(0, logs)
    assert logs == {"loss": 1.0, "val_accuracy": 60.0, "learning_rate": 0.1}
