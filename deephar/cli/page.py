"""The page of ``deephar app``, made with Gradio (``pip install 'deephar[app]'``)."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deephar import examples
from deephar.data.pose_tables import coco_result, pose_rows, write_coco, write_table
from deephar.inference.annotate import annotate_people, annotate_video, draw_people
from deephar.inference.intervals import Interval, in_words
from deephar.inference.media import load_picture, load_video
from deephar.video import video_info

if TYPE_CHECKING:
    import gradio

    from deephar.inference.predictor import Predictor

ONE, ALL = "one person", "everybody"

_KEPT = 3600  # seconds that results are kept
_INTERVALS = ["person", "action", "start (s)", "end (s)", "duration (s)", "repetitions"]
_JOINTS = ["person", "joint", "x", "y", "visibility"]
_INTRODUCTION = """# deephar

Poses and actions of persons. What you upload is read on the computer that serves this page, and
deleted when the result is there."""


@dataclass(frozen=True)
class Limits:
    """What the page takes.

    Attributes:
        seconds: longest video.
        megabytes: largest file.

    Raises:
        ValueError: A limit is not positive.
    """

    seconds: float = 60
    megabytes: int = 100

    def __post_init__(self):
        if not (self.seconds > 0 and self.megabytes > 0):
            raise ValueError(
                f"The limits must be positive, got {self.seconds} seconds and {self.megabytes} MB."
            )


def require_gradio() -> None:
    """Raises ValueError if Gradio is not installed."""
    try:
        import gradio  # noqa: F401
    except ImportError as error:
        raise ValueError(
            "The page needs the package gradio. Run pip install 'deephar[app]'."
        ) from error


def build_page(
    predictor: Predictor, folder: str | os.PathLike, *, limits: Limits | None = None
) -> gradio.Blocks:
    """The page of a predictor.

    Args:
        predictor: what sees.
        folder: where results are written, and where uploads lie: Gradio's folder for files.
        limits: see `Limits`.
    """
    import gradio as gr

    limits = limits or Limits()
    work = _Work(predictor, Path(folder), limits)
    with gr.Blocks(title="deephar", analytics_enabled=False, delete_cache=(60, _KEPT)) as page:
        gr.Markdown(_INTRODUCTION)
        with gr.Tab("Video", id="video"):
            with gr.Row():
                with gr.Column():
                    video = gr.Video(
                        label=f"a video of up to {limits.seconds:g} seconds and "
                        f"{limits.megabytes} MB, or your webcam",
                        sources=["upload", "webcam"],
                        elem_id="video-in",
                    )
                    whom = gr.Radio([ONE, ALL], value=ONE, label="show")
                    start = gr.Button("Start", variant="primary", elem_id="video-start")
                    gr.Examples([[str(examples.VIDEO)]], [video])
                with gr.Column():
                    shown = gr.Video(show_label=False, elem_id="video-out", autoplay=True)
                    curve = gr.Image(show_label=False, elem_id="video-curve", buttons=[])
            table = gr.Dataframe(headers=_INTERVALS, label="what was done", elem_id="video-table")
            files = gr.File(label="files", file_count="multiple", elem_id="video-files")
            start.click(
                work.video, [video, whom], [video, shown, curve, table, files], **_ONE_AT_A_TIME
            )
        with gr.Tab("Picture", id="picture"):
            with gr.Row():
                with gr.Column():
                    picture = gr.Image(
                        label=f"a picture of up to {limits.megabytes} MB, or your webcam",
                        type="filepath",
                        sources=["upload", "webcam", "clipboard"],
                        elem_id="picture-in",
                    )
                    crowd = gr.Radio([ONE, ALL], value=ONE, label="show")
                    look = gr.Button("Start", variant="primary", elem_id="picture-start")
                    shots = [examples.PICTURE, examples.OTHER_PICTURE]
                    gr.Examples([[str(path)] for path in shots], [picture])
                seen = gr.Image(show_label=False, elem_id="picture-out")
            joints = gr.Dataframe(headers=_JOINTS, label="joints", elem_id="picture-table")
            numbers = gr.File(label="files", file_count="multiple", elem_id="picture-files")
            look.click(
                work.picture, [picture, crowd], [picture, seen, joints, numbers], **_ONE_AT_A_TIME
            )
    return page


def launch(
    page: gradio.Blocks, limits: Limits, *, host: str = "127.0.0.1", port: int | None = None
) -> tuple[gradio.Blocks, str]:
    """Serves a page without blocking; ``page.close()`` ends it.

    Args:
        page: see `build_page`.
        limits: of `build_page`.
        host: the address that is listened at: this computer alone, or 0.0.0.0 for anybody.
        port: None for the first free one from 7860 on.

    Returns:
        The page and its address.

    Raises:
        OSError: The port is in use.
    """
    import gradio as gr

    # Nothing is loaded from elsewhere, fonts included.
    theme = gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"])
    _, address, _ = page.queue(default_concurrency_limit=1).launch(
        server_name=host,
        server_port=port,
        prevent_thread_lock=True,
        quiet=True,
        share=False,
        max_file_size=f"{limits.megabytes}mb",
        theme=theme,
        footer_links=[],
    )
    return page, address


# One network looks at one upload, whichever button is pressed.
_ONE_AT_A_TIME = {"concurrency_id": "predictor", "concurrency_limit": 1}
_EXAMPLES = {path.name for path in (examples.VIDEO, examples.PICTURE, examples.OTHER_PICTURE)}


class _Work:
    """What the buttons do. A user's mistake is a message on the page."""

    def __init__(self, predictor, folder, limits):
        self._predictor, self._folder, self._limits = predictor, folder, limits

    def video(self, path: str | None, whom: str) -> tuple[Any, ...]:
        """The cleared input, the annotated video, the curve, the table and the files."""
        with self._upload(path, "video") as path:
            rate = self._check_length(path)
            out = Path(tempfile.mkdtemp(dir=self._folder)) / f"{path.stem}-poses.mp4"
            annotate = annotate_people if whom == ALL else annotate_video
            # The header may say less than there is.
            footage = load_video(path).within(self._limits.seconds)
            written = annotate(self._predictor, footage, out, fps=rate, smooth=True)
        per_person = written.intervals if whom == ALL else {1: written.intervals}
        rows = [_row(number, it) for number, its in per_person.items() for it in its]
        files = [str(file) for file in written[:4] if file is not None]
        picture = written.picture and str(written.picture)
        return None, str(written.video), picture, rows or None, files

    def picture(self, path: str | None, whom: str) -> tuple[Any, ...]:
        """The cleared input, the picture with the poses, the table and the files."""
        with self._upload(path, "picture") as path:
            image = load_picture(path)
            people = self._predictor.people if whom == ALL else self._one_person
            persons = [replace(it, track=n) for n, it in enumerate(people(image), start=1)]
        poses = [np.column_stack([person.joints, person.visibility]) for person in persons]
        joints = self._predictor.skeleton.joints
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        rows = [
            row
            for number, pose in enumerate(poses, start=1)
            for row in pose_rows((path.name, 0, 0.0, number), joints, pose)
        ]
        files = [
            write_coco(folder / f"{path.stem}.json", [coco_result(0, pose) for pose in poses]),
            write_table(folder / f"{path.stem}.csv", rows),
        ]
        table = [[*row[3:5], *(round(value, 2) for value in row[5:])] for row in rows]
        return None, draw_people(image, persons), table or None, [str(file) for file in files]

    def _one_person(self, image):
        person = self._predictor(image)
        return [person] if person.seen else []

    @contextmanager
    def _upload(self, path: str | None, what: str) -> Iterator[Path]:
        """An upload, which is deleted in the end; errors are shown without its folder."""
        import gradio as gr

        if path is None:
            raise gr.Error(f"Choose a {what} first.", title="Nothing to look at")
        try:
            yield Path(path)
        except (OSError, ValueError) as error:
            message = str(error).replace(str(path), Path(path).name)
            raise gr.Error(message, title=f"This {what} cannot be used", duration=None) from error
        finally:
            is_upload = Path(path).resolve().is_relative_to(self._folder.resolve())
            # Gradio copies an example once, for everybody.
            if is_upload and Path(path).name not in _EXAMPLES:
                Path(path).unlink(missing_ok=True)

    def _check_length(self, path):
        """The frame rate of a video that is not too long, as its header says."""
        info = video_info(path)
        seconds = info.frames / info.fps
        if seconds > self._limits.seconds:
            raise ValueError(
                f"The video lasts {seconds:.0f} seconds, and this page takes up to "
                f"{self._limits.seconds:g}. Cut it, or use deephar demo, which has no limit."
            )
        return info.fps


def _row(number: int, interval: Interval) -> list:
    seconds = (round(it, 1) for it in (interval.start, interval.end, interval.duration))
    return [number, in_words(interval.action), *seconds, interval.repetitions]
