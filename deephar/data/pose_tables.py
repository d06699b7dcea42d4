"""Poses as tables and as COCO results, for other programs.

A table has one row for each joint of each person in each frame, with the columns `COLUMNS`:

- ``video``: the video, or the picture;
- ``frame``: number of the frame, from 0; 0 of a picture;
- ``time``: seconds from the beginning; 0 of a picture;
- ``person``: the person's number in the video (0 where one is followed), or name in the data set;
- ``joint``: name of the joint;
- ``x``, ``y``: pixels, the centre of the top left pixel is (0, 0);
- ``visibility``: what the network gives, in [0, 1].
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from deephar.data.loading import batches_of
from deephar.files import replacing

_TYPES = {
    **{"video": str, "frame": int, "time": float, "person": str},
    **{"joint": str, "x": float, "y": float, "visibility": float},
}
COLUMNS = tuple(_TYPES)
_ROWS = 10_000  # that are written together
FORMATS = {"coco": "-coco.json", "csv": "-joints.csv", "parquet": "-joints.parquet"}
"""What `export_numbers` writes: the end of the file's name, by format."""


def pose_rows(where: Sequence, joints: Sequence[str], pose: np.ndarray) -> Iterator[tuple]:
    """The rows of a pose.

    Args:
        where: video, frame, time and person.
        joints: names of the joints.
        pose: float (J, 3): x, y and visibility.
    """
    for joint, values in zip(joints, np.asarray(pose, float).tolist(), strict=True):
        yield (*where, joint, *values)


def write_table(
    path: str | Path, rows: Iterable[Sequence], *, columns: Mapping[str, type] = _TYPES
) -> Path:
    """Writes rows as a table, some thousands at a time.

    Args:
        path: file to write, ``.csv`` or ``.parquet``.
        rows: values of each row, see `pose_rows`; None where there is none.
        columns: types of the columns by their names: str, int or float. By default
            `COLUMNS`.

    Raises:
        ValueError: Parquet is wanted, and the package pyarrow is not installed.
        OSError: The file cannot be written.
    """
    path = Path(path)
    if path.suffix == ".parquet":
        _write_parquet(path, rows, columns)
        return path
    with replacing(path) as part, open(part, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    return path


def require_parquet() -> None:
    """Raises ValueError if pyarrow, which writes Parquet, is not installed."""
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise ValueError(
            "Parquet needs the package pyarrow. Run pip install pyarrow, or write CSV."
        ) from error


def _write_parquet(path, rows, columns):
    require_parquet()
    import pyarrow
    from pyarrow import parquet

    types = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64()}
    schema = pyarrow.schema([(name, types[kind]) for name, kind in columns.items()])
    with replacing(path) as part, parquet.ParquetWriter(part, schema) as writer:
        for some in batches_of(rows, _ROWS):
            arrays = [
                pyarrow.array([None if value is None else kind(value) for value in values])
                for kind, values in zip(columns.values(), zip(*some, strict=True), strict=True)
            ]
            writer.write_table(pyarrow.table(arrays, names=list(columns)).cast(schema))


def coco_result(image: int | str, pose: np.ndarray, *, category: int = 1) -> dict:
    """A person in the form of COCO's results: ``keypoints`` are x, y and score of each joint.

    The person's ``score`` is the mean of those of the joints.

    Args:
        image: ``image_id``; of a video, the number of the frame.
        pose: float (J, 3): x, y in pixels and visibility.
        category: ``category_id``.
    """
    pose = np.asarray(pose, float)
    return {
        "image_id": image,
        "category_id": category,
        "keypoints": pose.ravel().tolist(),
        "score": float(pose[:, 2].mean()),
    }


def write_coco(path: str | Path, results: Iterable[dict]) -> Path:
    """Writes results (`coco_result`) as JSON that pycocotools reads.

    Raises:
        OSError: The file cannot be written.
    """
    with replacing(path) as part:
        part.write_text(json.dumps(list(results)) + "\n", encoding="utf-8")
    return Path(path)


def export_numbers(path: str | Path, form: str) -> Path:
    """Writes the JSON of ``deephar demo`` in another form beside it.

    Args:
        path: the JSON file, OUT.json, of one person or of everybody.
        form: a key of `FORMATS`: ``"coco"`` for COCO results, in which ``image_id`` is the number
            of the frame; ``"csv"`` or ``"parquet"`` for a table.

    Returns:
        The path, such as OUT-coco.json.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: Parquet is wanted, and the package pyarrow is not installed.
        OSError: The file cannot be written.
    """
    path = Path(path)
    content = json.loads(path.read_text(encoding="utf-8"))
    video, joints = str(content["video"]), content["joints"]
    persons = [
        (frame, person) for frame in content["frames"] for person in frame.get("people", [frame])
    ]
    out = path.with_name(path.stem + FORMATS[form])
    if form == "coco":
        return write_coco(out, (coco_result(f["frame"], _pose(p)) for f, p in persons))
    rows = (
        row
        for frame, person in persons
        for row in pose_rows(
            (video, frame["frame"], frame["time"], person.get("track", 0)), joints, _pose(person)
        )
    )
    return write_table(out, rows)


def _pose(person):
    return np.column_stack([person["joints"], person["visibility"]])
