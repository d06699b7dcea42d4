"""Annotated videos: the pose and the action drawn over every frame, and the numbers as JSON."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deephar.files import replacing
from deephar.geometry import BOX_MARGIN
from deephar.inference.boxes import POSE_MARGIN
from deephar.progress import ProgressBar
from deephar.video import VideoWriter, video_info
from deephar.visualize import draw_action, line_width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deephar.inference.predictor import Predictor

_LISTED_ACTIONS = 5  # per frame in the JSON file


def annotate_video(
    predictor: Predictor,
    video: str | os.PathLike,
    out: str | os.PathLike,
    *,
    box: Sequence[float] | None = None,
    subsampling: int | str | None = None,
    progress: bool = False,
) -> tuple[Path, Path, list[tuple[str, float]] | None]:
    """Writes a video with skeleton, action and score over every frame, and the numbers as JSON.

    With depth, the pose from the front and from the side is drawn beside the frame (see
    `Person.draw_views`; not to scale, because the camera is not known). Both files appear complete
    or not at all.

    Args:
        predictor: a `Predictor`.
        video: path of a video file.
        out: path of the video to write, ending in ``.mp4``. The numbers go beside it, with the
            suffix ``.json``: of each frame `joints`, `depth`, `visibility`, `box` and `crop` (see
            `Person`) and the best actions; and the actions of the whole video, averaged over its
            frames.
        box: see `Predictor.stream`.
        subsampling: see `Predictor.stream`.
        progress: shows a progress bar on a terminal.

    Returns:
        The paths of the video and of the JSON, and the actions of the whole video: (name, score),
        the best first; None of a network without actions.

    Raises:
        FileNotFoundError: As `Predictor.stream`.
        ValueError: As `Predictor.stream`; `out` does not end in ``.mp4`` or is the video itself.
        OSError: A file cannot be written.
    """
    out = Path(out)
    if out.suffix.lower() != ".mp4":
        raise ValueError(f"{out} must end in .mp4, which is the format that is written.")
    info = video_info(video)
    if out.exists() and out.samefile(video):
        raise ValueError(f"{out} is the video to be read. Give another path to write to.")
    numbers = out.with_suffix(".json")
    persons = predictor.stream(video, box, subsampling=subsampling, keep_images=True)
    bar = ProgressBar(info.frames or None, "frame", shown=progress)
    with (
        replacing(numbers) as numbers_part,
        open(numbers_part, "w", encoding="utf-8") as file,
        replacing(out) as part,
        VideoWriter(part, info.fps) as writer,
    ):
        head = {
            "video": str(video),
            "fps": info.fps,
            "skeleton": predictor.skeleton.name,
            "joints": predictor.skeleton.joints,
        }
        actions = _write(persons, writer, file, head, bar)
    return out, numbers, actions


def _write(persons, writer, file, head, bar):
    """Writes frames and numbers one by one: those of a long video do not fit into memory."""
    totals, count = {}, 0
    file.write(json.dumps(head)[:-1] + ', "frames": [')
    for count, person in enumerate(persons, 1):
        writer.write(_annotated(person))
        file.write(("," if count > 1 else "") + "\n" + json.dumps(_numbers(person)))
        for name, score in person.action or ():
            totals[name] = totals.get(name, 0.0) + score
        bar.update(count)
    ranked = sorted(totals.items(), key=lambda item: -item[1])
    actions = [(name, round(total / count, 4)) for name, total in ranked] or None
    file.write("\n], " + json.dumps({"action_of_the_video": actions})[1:] + "\n")
    file.flush()
    return actions


def _annotated(person):
    """A frame with the pose and the action over it; with depth, two views at its right."""
    # The crop stays the same for a while. With the size of the pose, the width would flicker.
    extent = (person.crop[2] - person.crop[0]) / (BOX_MARGIN * POSE_MARGIN)
    picture = draw_action(
        person.image,
        person.joints,
        person.skeleton,
        visibility=person.visibility,
        actions=person.action,
        note=f"{person.time:.2f} s",
        width=line_width(extent, person.image.shape),
    )
    if person.depth is None:
        return picture
    height = len(picture)
    views = person.draw_views(size=-(-height // 2), stacked=True)
    return np.concatenate([picture, views[:height]], axis=1)


def _numbers(person):
    """A frame's numbers for JSON."""
    actions = person.action and person.action[:_LISTED_ACTIONS]
    return {
        "frame": person.index,
        "time": round(person.time, 4),
        "box": person.box.round(2).tolist(),
        "crop": person.crop.round(2).tolist(),
        "joints": person.joints.round(2).tolist(),
        "depth": None if person.depth is None else person.depth.round(2).tolist(),
        "visibility": person.visibility.round(3).tolist(),
        "action": actions and [(name, round(score, 4)) for name, score in actions],
    }
