"""Videos of a folder as clips with poses and actions, to train the whole network on their frames.

Nobody has labelled the joints. The poses that the network saw before stand in their place, so that
it learns the actions without losing sight of persons.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from deephar.data.samples import Subset, Video
from deephar.geometry import POSE_MARGIN, box_around, square_window
from deephar.inference.media import is_pose_file, load_video
from deephar.inference.videos import footage_of
from deephar.progress import with_progress
from deephar.training.watching import WatchedFolder, hold_out_groups

_SIDE = 1.5  # of the person's window, in the kept frames, as a multiple of the network's image
_VISIBLE = 0.5  # visibility from which a joint is labelled as visible


class WatchedClips(Sequence):
    """Watched videos as a data set of `deephar.data.Video`, with the poses that were seen in them.

    The frames that were watched are decoded once more, reduced, and kept in a folder: a file for
    each video, of which frames are read as they are needed.

    Args:
        watched: the videos.
        folder: where to keep the frames; made if missing.
        rate: frame rate at which the videos were watched.
        skeleton: the layout of the poses, or its name.
        image_size: side of the network's images, pixels.

    Attributes:
        watched: the videos.
        name, source, actions: as of `WatchedFolder`.
        split: ``"train"``.
        skeleton: the layout of the poses, or its name.

    Raises:
        ValueError: A video is a file of poses, and has no frames.
        FileNotFoundError, OSError: A video cannot be read any more, or the frames not be written.
    """

    split = "train"

    def __init__(
        self,
        watched: WatchedFolder,
        folder: str | Path,
        *,
        rate: float,
        skeleton: str,
        image_size: int,
    ):
        for item in watched:
            if is_pose_file(item.video.path):
                raise ValueError(
                    f"{item.name} is a file of poses, and the whole network learns from frames. "
                    "Remove it from the folder, or train the action heads alone."
                )
        self.watched, self.skeleton = watched, skeleton
        self.name, self.source, self.actions = watched.name, watched.source, watched.actions
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self._files = [folder / f"{number}.npy" for number in range(len(watched))]
        self._scales = [
            _keep_frames(item, path, rate, _SIDE * image_size)
            for item, path in with_progress(
                zip(watched, self._files, strict=True), len(watched), "video"
            )
        ]

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> Video:
        item = self.watched[index]
        frames = np.load(self._files[index], mmap_mode="r")
        views = item.views[0]
        poses = views.outputs["pose"][:, -1]
        joints = (poses[..., :2] + 0.5) * self._scales[index] - 0.5
        visible = (poses[..., -1] >= _VISIBLE).astype(float)
        boxes = _boxes(joints, views.seen)
        joints[~views.seen] = visible[~views.seen] = np.nan
        duration = views.positions[-1] - views.positions[0]
        return Video(
            frames=frames,
            joints=joints,
            visible=visible,
            skeleton=self.skeleton,
            boxes=boxes,
            size=(frames.shape[2], frames.shape[1]),
            action=item.action,
            name=item.name,
            frame_rate=(len(frames) - 1) / duration if duration > 0 else 1.0,
        )

    def __repr__(self) -> str:
        return f"WatchedClips({self.watched!r})"

    def names(self) -> list[str]:
        """Names of all videos, in order."""
        return self.watched.names()


def hold_out_clips(
    dataset: WatchedClips | Subset, fraction: float, *, seed: int = 0
) -> tuple[Subset, Subset]:
    """As `deephar.training.watching.hold_out_groups`, of the clips of watched videos."""
    parts = hold_out_groups(_watched_of(dataset), fraction, seed=seed)
    return tuple(Subset(dataset, part.indices) for part in parts)


def _watched_of(dataset):
    """The watched videos that a data set of clips, or a part of it, is made of."""
    if isinstance(dataset, Subset):
        return Subset(_watched_of(dataset.dataset), dataset.indices)
    return dataset.watched


def _keep_frames(item, path, rate, side):
    """Writes the frames of a video, reduced so that the person's window has a side in pixels.

    Returns the scale, (2,) of x and y.
    """
    views, kept = item.views[0], None
    joints = views.outputs["pose"][views.seen, -1, :, :2]
    sides = [square_window(box_around(frame, POSE_MARGIN))[1] for frame in joints]
    wanted = min(1.0, side / np.median(sides))
    count, footage = len(views.positions), load_video(footage_of(item.video)).thinned(rate)
    for number, (image, _) in enumerate(footage.frames):
        height, width = image.shape[:2]
        if kept is None:
            size = max(1, round(wanted * width)), max(1, round(wanted * height))
            shape = (count, size[1], size[0], 3)
            kept = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
        kept[number] = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.array([size[0] / width, size[1] / height])


def _boxes(joints, seen):
    """The box of the pose in each frame; without the person, that of the next frame."""
    known = np.flatnonzero(seen)
    place = np.searchsorted(known, np.arange(len(seen))).clip(max=len(known) - 1)
    return np.stack([box_around(joints[frame], POSE_MARGIN) for frame in known[place]])
