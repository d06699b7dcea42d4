"""The benchmark of repetitions: what it makes, and what it prints."""

import bench_repetitions
import numpy as np
import pytest

from deephar.data.samples import Video


def pushup(frames=30):
    """One repetition of a drawn person, as in a label file."""
    joints = np.linspace(10, 90, 26).reshape(13, 2) + np.zeros((frames, 1, 1))
    joints[:, :5, 1] += 40 * np.sin(np.pi * np.arange(frames) / (frames - 1))[:, None]
    return Video(
        frames=[],
        joints=joints,
        visible=np.ones((frames, 13)),
        skeleton="penn13",
        boxes=np.tile([0.0, 0, 100, 130], (frames, 1)),
        size=(120, 140),
        action=0,
        name="0001",
    )


@pytest.mark.parametrize("count", [0, 5])
def test_a_made_sequence_holds_as_many_repetitions(count):
    rng = np.random.default_rng(0)
    times, joints, visibility = bench_repetitions.made_sequence(pushup(), count, rng)
    assert joints.shape == (len(times), 16, 2)
    assert visibility.shape == joints.shape[:2]
    assert np.all(np.diff(times) > 0)
    assert count * 29 / 30 / 1.4 + 1 <= times[-1] <= count * (29 / 30 / 0.7 + 0.7) + 4
    shoulder = joints[:, 4, 1] - np.median(joints[:, [10, 11], 1], axis=1)
    ups = np.diff((shoulder - np.percentile(shoulder, [5, 95]).mean() > 0).astype(int)) > 0
    assert count == 0 or ups.sum() >= count


def test_a_row_for_each_action_is_printed(monkeypatch, capsys):
    class Dataset(list):
        actions = tuple(bench_repetitions.REPEATED)

        def names(self):
            return [video.name for video in self]

    monkeypatch.setattr(bench_repetitions, "PennAction", lambda *_, **__: Dataset([pushup()]))
    monkeypatch.setattr(bench_repetitions, "REPEATED", Dataset.actions[:1])
    bench_repetitions.main(["--rounds", "2"])
    row = capsys.readouterr().out.splitlines()[-1].split()
    assert row[:2] == ["all", "2"]
    assert float(row[2]) <= 1
