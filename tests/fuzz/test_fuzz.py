"""Damaged files are refused with the documented errors: no crash, no hang, no growth of memory.

`--mutations N` reads N damaged files of each kind.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

KINDS = ("h5", "mat", "npz", "skeleton", "json", "jpg", "png", "mp4")
LARGEST_GROWTH = 50  # MB, after the first quarter of the files
MOST_DEATHS = 20

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def events(request, tmp_path_factory):
    """What happened to the files, see `attack.py`."""
    folder, count = tmp_path_factory.mktemp("fuzz"), request.config.getoption("--mutations")
    left = [(kind, 0) for kind in KINDS]
    for _ in range(MOST_DEATHS):
        error = _attack(folder, count, left)
        events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
        kind, number, what = (*events[-1], None)[:3]
        if error is None or what != "begin":
            assert error is None, error
            break
        with open(folder / "events.jsonl", "a") as file:
            file.write(json.dumps([kind, number, f"died: {error}"]) + "\n")
        left = [(kind, number + 1), *((other, 0) for other in KINDS[KINDS.index(kind) + 1 :])]
    return events


def _attack(folder, count, left):
    """What a process has to say that dies while it reads files; None if it does not."""
    paths = [str(HERE.parent), str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "DEEPHAR_CACHE": "none"}
    command = [sys.executable, "-m", "fuzz.attack", str(folder), str(count)]
    command += [f"{kind}:{first}" for kind, first in left]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    return result.stderr[-3000:] or str(result.returncode) if result.returncode else None


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_read_or_refused(events, kind):
    outcomes = [event[2] for event in events if event[0] == kind and event[1] != "memory"]
    counts = Counter(outcomes)
    began = counts.pop("begin")
    memory = [event[2:] for event in events if event[:2] == [kind, "memory"]]
    print(f"{kind}: {began} files, {dict(counts.most_common())}, memory {memory}")
    assert began
    assert set(counts) <= {"read", "refused"}
    assert counts["refused"] or kind == "npz"
    for before, after in memory:
        assert after - before < LARGEST_GROWTH
