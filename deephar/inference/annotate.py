"""Annotated videos: the pose and the action drawn over every frame, and the numbers as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from deephar.files import replacing
from deephar.geometry import BOX_MARGIN
from deephar.inference.boxes import POSE_MARGIN
from deephar.video import VideoWriter, video_info
from deephar.visualize import draw_action, line_width

# ---------------------------------------------------------------------------- annotating a video


def annotate_video(predictor, video, out, *, box=None, subsampling=None, progress=None):
    """Writes a video with skeleton, action and score over every frame, and the numbers as JSON.

    Of a network with depth, the pose from the front and from the side is drawn beside the frame
    (see `Person.draw_views`; not to scale, since the camera is not known). Both files appear
    complete or not at all.

    Args:
        predictor: a `Predictor`.
        video: path of a video file.
        out: path of the video to write, ending in ``.mp4``; the numbers go beside it, with the
            suffix ``.json``: of each frame the joints (see `Person`), the visibility, the box and
            the actions; and the actions of the whole video, averaged over its frames.
        box: see `Predictor.stream`.
        subsampling: see `Predictor.stream`.
        progress: function called with the number of frames done, and of all as the file tells it
            (0 if it does not).

    Returns:
        The paths of the video and of the JSON, and the actions of the whole video: (name, score),
        the best first; None of a network that knows none.

    Raises:
        FileNotFoundError, ValueError: as `Predictor.stream`; `out` does not end in ``.mp4`` or is
            the video itself.
        OSError: a file could not be written.
    """
    out = Path(out)
    if out.suffix.lower() != ".mp4":
        raise ValueError(f"{out}: the video is written as .mp4; give a path that ends in .mp4")
    info = video_info(video)
    if out.exists() and out.samefile(video):
        raise ValueError(f"{out}: is the video to be read; give another path to write to")
    numbers = out.with_suffix(".json")
    totals, count = {}, 0
    results = predictor.stream(video, box, subsampling=subsampling, keep_images=True)
    with (
        replacing(numbers) as numbers_part,
        open(numbers_part, "w", encoding="utf-8") as file,
        replacing(out) as part,
        VideoWriter(part, info.fps) as writer,
    ):
        # Written frame by frame, since a long video has more numbers than fit into memory.
        head = {"video": str(video), "fps": info.fps, "skeleton": predictor.skeleton.name}
        head["joints"] = predictor.skeleton.joints
        file.write(json.dumps(head)[:-1] + ', "frames": [')
        for result in results:
            writer.write(_annotated(result))
            file.write(("," if count else "") + "\n" + json.dumps(_numbers(result)))
            for name, score in result.action or ():
                totals[name] = totals.get(name, 0.0) + score
            count += 1
            if progress is not None:
                progress(count, info.frames)
        ranked = sorted(totals.items(), key=lambda item: -item[1])
        actions = [(name, round(total / count, 4)) for name, total in ranked] or None
        file.write("\n], " + json.dumps({"action_of_the_video": actions})[1:] + "\n")
        file.flush()
    return out, numbers, actions


def _annotated(result):
    """A frame with the pose and the action over it; if there is depth, two views at its right."""
    pose = result.joints, result.skeleton, result.visibility
    # By the window, which stays for a while: by the pose, lines would flicker from frame to frame.
    extent = (result.box[2] - result.box[0]) / (BOX_MARGIN * POSE_MARGIN)
    width = line_width(extent, result.image.shape)
    picture = draw_action(result.image, *pose, result.action, f"{result.time:.2f} s", width)
    if result.joints.shape[1] == 2:
        return picture
    height = len(picture)
    views = result.draw_views(size=-(-height // 2), stacked=True)
    return np.concatenate([picture, views[:height]], axis=1)


_TOLD = 5  # actions a frame in the file of numbers


def _numbers(result):
    """A frame's numbers for JSON."""
    return {
        "frame": result.index,
        "time": round(result.time, 4),
        "box": result.box.round(2).tolist(),
        "joints": result.joints.round(2).tolist(),
        "visibility": result.visibility.round(3).tolist(),
        "action": result.action and [(name, round(p, 4)) for name, p in result.action[:_TOLD]],
    }
