"""The benchmark of the runtimes."""

import pytest
from blobs import film
from networks import POSES, save_untrained

from deephar.video import VideoWriter


def test_every_runtime_is_timed_with_any_weights(run, tmp_path, capsys):
    pytest.importorskip("openvino")
    with VideoWriter(tmp_path / "film.mp4", 20) as writer:
        for frame in film(6):
            writer.write(frame)
    path = save_untrained(tmp_path / "w.h5", POSES)
    options = ["--weights", path, "--batches", 2, "--rounds", 1, "--runtimes", "openvino"]
    run("bench/bench_runtime.py", tmp_path / "film.mp4", *options, "--frames", 4)
    lines = capsys.readouterr().out.splitlines()
    titles = next(line for line in lines if line.startswith("frames a second"))
    assert "OpenVINO float32" in titles
    rows = [line for line in lines if line.startswith(f"{path}, ")]
    assert len(rows) == 3
    assert all(float(number) > 0 for row in rows for number in row.split()[-3:])
    assert float(lines[-1].removeprefix("ratio: ")) > 0
