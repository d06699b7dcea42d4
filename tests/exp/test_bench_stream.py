"""The benchmark of the sliding window."""

import pytest
from networks import CLIPS, SMALL, save_untrained

from deephar.models import ModelConfig


@pytest.mark.parametrize("config", [CLIPS, ModelConfig(**SMALL)])
def test_the_sliding_window_is_timed_with_any_weights(config, run, tmp_path, capsys):
    path = save_untrained(tmp_path / "w.h5", config)
    options = ["--weights", path, "--frames", 20, "--windows", 3, "--rounds", 1]
    run("bench/bench_stream.py", *options)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{path}: windows of 16 frames, stride 1"
    assert lines[1].startswith("stream ")
    assert lines[4].endswith("% of the pose)")
    speeds = [float(line.split()[-4]) for line in lines[1:3]]  # rounded to two digits
    ratio = float(lines[-1].removeprefix("ratio: "))
    assert ratio == pytest.approx(speeds[0] / speeds[1], rel=0.1)
