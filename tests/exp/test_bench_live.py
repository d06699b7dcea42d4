"""The benchmark of live sources, on a short film."""

import bench_live
import pytest
from blobs import ACTIONS, CLIPS, blob_network, film

from deephar import Predictor
from deephar.video import VideoWriter


def test_rate_latency_and_dropped_frames_are_printed(tmp_path, monkeypatch, capsys):
    path = tmp_path / "film.mp4"
    with VideoWriter(path, 20) as writer:
        for frame in film(10):
            writer.write(frame)
    predictor = Predictor.from_model(blob_network(CLIPS), CLIPS, actions=ACTIONS)
    monkeypatch.setattr(bench_live, "Predictor", lambda *_, **__: predictor)
    bench_live.main([str(path), "--seconds", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "200 x 150 pixels, 20 frames, 20.0 a second"
    assert 0 < float(lines[2].split()[0]) <= 25
    median, late = float(lines[3].split()[1]), float(lines[3].split()[4])
    assert 0 <= median <= late
    assert "of 20 frames" in lines[4]
    with pytest.raises(FileNotFoundError, match="does not exist"):
        bench_live.main([str(tmp_path / "none.mp4")])
