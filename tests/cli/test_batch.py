"""`deephar batch`, without a network."""

import pytest

from deephar.cli.main import main
from deephar.inference import batch
from deephar.inference.batch import Watched

GOOD = Watched("a.mp4", None, None, 30, 0, False)
CUT_OFF = Watched("b.mp4", None, None, 20, 1, False)
DONE_BEFORE = GOOD._replace(skipped=True)
BROKEN = Watched("c.mp4", "c.mp4 is an empty file.", None, 0, 0, False)


@pytest.mark.parametrize(
    ("lines", "status", "printed"),
    [
        ({"a.mp4": GOOD}, 0, "1 of 1 videos, 30 frames\nsee"),
        (
            {"a.mp4": DONE_BEFORE, "b.mp4": CUT_OFF},
            0,
            "2 of 2 videos, 50 frames, 1 with warnings; skipped 1 that had been done before\nsee",
        ),
        (
            {"a.mp4": DONE_BEFORE, "b.mp4": DONE_BEFORE},
            0,
            "2 of 2 videos, 60 frames; skipped 2 that had been done before, nothing was left to do"
            "\nsee",
        ),
        (
            {"a.mp4": GOOD, "b.mp4": CUT_OFF, "c.mp4": BROKEN},
            1,
            "c.mp4: c.mp4 is an empty file.\n2 of 3 videos, 50 frames, 1 with warnings\n",
        ),
    ],
)
def test_what_became_of_the_videos_is_told(lines, status, printed, tmp_path, monkeypatch, capsys):
    for name in lines:
        (tmp_path / name).touch()
    asked = []

    def watch(videos, out, settings, *, workers, ray_address):
        asked.append((list(videos), out, settings.people, settings.form, workers, ray_address))
        return lines

    monkeypatch.setattr(batch, "watch_videos", watch)
    options = ["--people", "all", "--format", "csv", "--workers", "3"]
    assert main(["batch", str(tmp_path), "--out", "results", *options]) == status
    assert capsys.readouterr().out.startswith(printed)
    assert asked == [(list(lines), "results", "all", "csv", 3, None)]
