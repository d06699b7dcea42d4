"""The benchmark of the search for everybody in a picture."""

import cv2
import numpy as np
from networks import POSES, save_untrained
from scipy.io import savemat


def test_persons_are_counted_with_any_weights(run, tmp_path, capsys):
    (tmp_path / "images").mkdir()
    rng = np.random.default_rng(0)
    for number in (1001, 1002):
        image = rng.integers(0, 256, (120, 100, 3), np.uint8)
        cv2.imwrite(str(tmp_path / "images" / f"im{number:04d}.jpg"), image)
    joints = rng.uniform(20, 80, (3, 14, 1002))
    savemat(tmp_path / "joints.mat", {"joints": joints})
    path = save_untrained(tmp_path / "w.h5", POSES)
    arguments = ["--data", tmp_path, "--weights", path, "--runtime", "keras", "--pictures", 1]
    run("bench/bench_people.py", *arguments)
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith("recall ")
    assert lines[3].startswith("precision ")
