"""`deephar batch`, without a network."""

import pytest

from deephar.cli.main import main
from deephar.inference import batch

GOOD = {"error": None, "frames": 30, "warnings": []}
CUT_OFF = {"error": None, "frames": 20, "warnings": ["b.mp4 is cut off or damaged"]}
BROKEN = {"error": "c.mp4 is an empty file."}


@pytest.mark.parametrize(
    ("lines", "status", "printed"),
    [
        ({"a.mp4": GOOD}, 0, "1 of 1 videos, 30 frames\n"),
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
    lines = {name: {"video": name, **line} for name, line in lines.items()}
    asked = []

    def watch(videos, out, settings, *, workers, ray_address):
        asked.append((list(videos), out, settings.people, settings.form, workers, ray_address))
        return lines

    monkeypatch.setattr(batch, "watch_videos", watch)
    options = ["--people", "all", "--format", "csv", "--workers", "3"]
    assert main(["batch", str(tmp_path), "--out", "results", *options]) == status
    assert capsys.readouterr().out.startswith(printed)
    assert asked == [(list(lines), "results", "all", "csv", 3, None)]
