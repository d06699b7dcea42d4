"""Outputs of the frozen pose network for all frames of a data set, computed once and kept on disk.

Stage 2 trains the action heads on a pose network that does not change. Running the network once
over all frames, and not in every epoch, saves most of the time. In return, all frames of a video
are cropped by one window, around the labelled boxes of all its frames, and not augmented except by
mirroring.
"""

import hashlib
import json
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from deephar import weights
from deephar.data.batches import MixedBatches, action_targets
from deephar.data.clips import Clip, clip_indices, crop_clip, labelled_box, num_starts
from deephar.data.inputs import InputSpec
from deephar.data.loading import batches_of, loaded_ahead
from deephar.files import replacing
from deephar.models import action_view, frame_view
from deephar.progress import ProgressBar

_META = "features.json"


def cache_features(
    model: keras.Model,
    config: Any,
    dataset: Any,
    *,
    folder: str | Path,
    mirror: bool = True,
    batch_size: int = 32,
    only_read: bool = False,
) -> "Features":
    """Runs the pose network over all frames of a data set and stores its outputs.

    Stored outputs in the folder are used again if weights, videos and crops are the same, and
    replaced otherwise.

    Args:
        model: a ``multitask_model``.
        config: its ``ModelConfig``.
        dataset: a data set of videos with frames.
        folder: folder for the files; made if missing.
        mirror: whether to store the outputs for mirror images, too.
        batch_size: frames per call of the network.
        only_read: whether another process has stored them, and they must be the same.

    Returns:
        `Features`.

    Raises:
        ValueError: A video cannot be used; or other outputs are stored, and may only be read.
        FileNotFoundError: A frame is missing.
        OSError: The folder cannot be written, or the disk is too full.
    """
    folder = Path(folder)
    network = _needed_outputs(model)
    key, facts = _describe_videos(network, config, dataset, mirror)
    if not _is_stored(folder, key):
        if only_read:
            raise ValueError(
                f"{folder} holds features of other files than those of {dataset!r} here. Give all "
                "processes of a run the same files, with the same paths and times."
            )
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _META).unlink(missing_ok=True)
        counts = [fact.num_frames for fact in facts]
        _compute(network, config, dataset, folder, counts, mirror, batch_size)
        with replacing(folder / _META) as part:
            part.write_text(json.dumps({"key": key}) + "\n", encoding="utf-8")
    else:
        print(f"using the features in {folder}", flush=True)
    arrays = {name: np.load(_file(folder, name), mmap_mode="r") for name in sorted(network.output)}
    return Features(dataset, facts, arrays)


def _needed_outputs(model):
    """The pose network, reduced to the outputs that the action heads take."""
    network = frame_view(model)
    outputs = {tensor.name: network.output[tensor.name] for tensor in action_view(model).inputs}
    return keras.Model(network.input, outputs)


class _Facts(NamedTuple):
    name: str
    action: int
    num_frames: int
    frame_rate: float


class Features:
    """Outputs of the pose network for the frames of a data set of videos, made by `cache_features`.

    Itself a data set: ``[i]`` gives `VideoFeatures`, without reading the video.

    Attributes:
        dataset: the data set of videos.
        name: name of the data set.
        actions: names of its actions.
        arrays: output name -> memory-mapped array (frames, views, ...). The second view, if any,
            is the mirror image.
    """

    def __init__(self, dataset: Any, facts: Sequence[Any], arrays: Mapping[str, np.ndarray]):
        self.dataset = dataset
        self.name = dataset.name
        self.actions = dataset.actions
        self.arrays = arrays
        self._facts = facts
        self._starts = np.concatenate([[0], np.cumsum([fact.num_frames for fact in facts])])

    def __len__(self):
        return len(self._facts)

    def __getitem__(self, index):
        rows = slice(int(self._starts[index]), int(self._starts[index + 1]))
        arrays = {name: array[rows] for name, array in self.arrays.items()}
        facts = self._facts[index]
        return VideoFeatures(facts.name, facts.action, arrays, facts.frame_rate)

    def __repr__(self):
        return f"Features({self._starts[-1]} frames of {self.dataset!r})"

    def middle_clips(self, spec: InputSpec) -> dict[str, np.ndarray]:
        """The middle clips of all videos: output name -> array (videos, T, ...).

        Args:
            spec: number of frames T and subsampling of the clips.
        """
        clips = []
        for index in range(len(self)):
            item = self[index]
            indices = clip_indices(item.num_frames, spec.num_frames, **_spacing(item, spec))
            clips.append({name: array[indices, 0] for name, array in item.arrays.items()})
        return {name: np.stack([clip[name] for clip in clips]) for name in self.arrays}


@dataclass(frozen=True, eq=False)
class VideoFeatures:
    """Outputs of the pose network for one video.

    Attributes:
        name: name of the video.
        action: index of its action.
        arrays: output name -> array (frames, views, ...).
        frame_rate: frames per second.
    """

    name: str
    action: int
    arrays: dict
    frame_rate: float

    @property
    def num_frames(self) -> int:
        return len(next(iter(self.arrays.values())))


class FeatureBatches(MixedBatches):
    """Batches of clips of cached features, to train an ``action_model``.

    A batch is a dict of the inputs of the network, float32 (B, T, ...), and a dict of one-hot
    targets as in `deephar.data.ClipBatches` (with weights, if there are several data sets). The
    start of a clip, and whether it is mirrored, is random.

    Args:
        datasets: `Features` by name, which is also the name of the action head.
        shares: number of clips of each data set in a batch.
        spec: number of frames and subsampling of the clips.
        seed: seed of all random choices.
        steps_per_epoch: batches per epoch; by default one pass over the first data set.

    Raises:
        ValueError: As `deephar.data.ClipBatches`.
    """

    def __init__(
        self,
        datasets: Mapping[str, Features],
        shares: Mapping[str, int],
        *,
        spec: InputSpec,
        seed: int = 0,
        steps_per_epoch: int | None = None,
    ):
        spec.require_num_frames()
        super().__init__(
            datasets,
            shares,
            function=partial(_draw_clips, spec=spec),  # no workers, since reading is fast
            seed=seed,
            steps_per_epoch=steps_per_epoch,
        )
        self.spec = spec
        self.classes = {name: len(dataset.actions) for name, dataset in datasets.items()}

    def _assemble(self, names, samples, *arrays):
        inputs = dict(zip(sorted(samples[0].arrays), arrays, strict=True))
        targets, weights = action_targets(self.classes, names, samples)
        return (inputs, targets) if len(self.datasets) == 1 else (inputs, targets, weights)

    def __repr__(self):
        return self._describe(f"{self.spec.num_frames} cached frames")


def _spacing(item, spec):
    """How the frames of a clip follow each other: arguments of `clip_indices`."""
    return {"subsampling": spec.subsampling, "step": spec.step(item.frame_rate)}


def _draw_clips(items, seeds, spec):
    """A random clip of each video: an array (B, T, ...) per output, in order of the names."""
    clips = []
    for item, seed in zip(items, seeds, strict=True):
        rng = np.random.default_rng(seed)
        size, spacing = (item.num_frames, spec.num_frames), _spacing(item, spec)
        start = int(rng.integers(num_starts(*size, **spacing)))
        indices = clip_indices(*size, start=start, **spacing)
        view = int(rng.integers(next(iter(item.arrays.values())).shape[1]))
        clips.append([item.arrays[name][indices, view] for name in sorted(item.arrays)])
    return tuple(np.stack(arrays).astype(np.float32) for arrays in zip(*clips, strict=True))


# ------------------------------------------------------------------------------------ computing


def _compute(network, config, dataset, folder, counts, mirror, batch_size):
    files = _create(network, folder, sum(counts), 2 if mirror else 1)
    bar = ProgressBar(sum(counts), "frame")
    jobs = _crop_jobs(dataset, config, counts, mirror, batch_size)
    images = (image for made in loaded_ahead(jobs, 2) for image in made)
    for batch in batches_of(images, batch_size):
        outputs = _run(network, np.stack([image.pixels for image in batch]), batch_size)
        for name, file in files.items():
            values = outputs[name].astype(file.dtype)
            if not np.isfinite(values).all():
                raise ValueError(
                    f"Video {batch[0].video!r}: The features are NaN or too large for 16 bits. "
                    "Train without caching, or train the pose network again if it has diverged."
                )
            for image, value in zip(batch, values, strict=True):
                file[image.row, image.view] = value
        bar.update(batch[-1].row + 1)
    for file in files.values():
        file.flush()


class _Image(NamedTuple):
    """One crop: its video, and its position in the arrays."""

    video: str
    row: int
    view: int
    pixels: np.ndarray


def _crop_jobs(dataset, config, counts, mirror, size):
    """Functions that each crop up to ``size`` frames of a video, for all frames of all videos."""
    row = 0
    for index, count in enumerate(counts):
        video = dataset[index]
        box = labelled_box(video, np.arange(count))
        for start in range(0, count, size):
            frames = np.arange(start, min(start + size, count))
            yield partial(_crop, Clip(video, frames, box), row + start, config, mirror)
        row += count


def _crop(clip, row, config, mirror):
    crops = crop_clip(clip, InputSpec.of(config)).images
    images = []
    for number, pixels in enumerate(crops, start=row):
        images.append(_Image(clip.video.name, number, 0, pixels))
        if mirror:
            images.append(_Image(clip.video.name, number, 1, pixels[:, ::-1]))
    return images


def _create(network, folder, frames, views):
    """Empty arrays on disk, one for each output."""
    # Only positions need 32 bits. Features are most of the data.
    forms = {
        name: (np.float32 if name == "pose" else np.float16, (frames, views, *output.shape[1:]))
        for name, output in network.output.items()
    }
    size = sum(np.dtype(dtype).itemsize * math.prod(shape) for dtype, shape in forms.values())
    free = shutil.disk_usage(folder).free
    print(f"features of {frames} frames: {size / 1e9:.1f} GB in {folder}", flush=True)
    if (
        size > 0.95 * free
    ):  # writing to a memory-mapped file kills the process when the disk is full
        raise OSError(
            f"{folder}: The features take {size / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free. "
            "Use another folder, fewer videos or a smaller network, or do not cache."
        )
    return {
        name: np.lib.format.open_memmap(_file(folder, name), "w+", dtype, shape)
        for name, (dtype, shape) in forms.items()
    }


def _run(network, images, batch_size):
    """Outputs for up to `batch_size` images, padded to full batches to be traced only once."""
    batch = np.zeros((batch_size, *images.shape[1:]), np.float32)
    batch[: len(images)] = images
    outputs = network.predict_on_batch(batch)
    return {name: value[: len(images)] for name, value in outputs.items()}


def _file(folder, name):
    return Path(folder) / f"{name}.npy"


def _is_stored(folder, key):
    try:
        return json.loads((folder / _META).read_text(encoding="utf-8"))["key"] == key
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _describe_videos(network, config, dataset, mirror):
    """Digest of weights, config and videos of the features, and `_Facts` of each video."""
    parts = (config.to_json(), weights.digest(network), network.dtype_policy.name, mirror, dataset)
    digest = hashlib.sha256(repr(parts).encode())
    facts = []
    for index in range(len(dataset)):
        video = dataset[index]
        facts.append(_Facts(video.name, video.action, len(video.joints), video.frame_rate))
        digest.update(f"{video.name} {len(video.joints)} {video.size}".encode())
        digest.update(_frame_marks(video.frames).encode())
        digest.update(np.ascontiguousarray(video.boxes, float).data)
    return digest.hexdigest(), facts


def _frame_marks(frames):
    """Marks that change with the frames: some of them, by file or by content."""
    marks = []
    for index in sorted({0, len(frames) // 2, len(frames) - 1}):
        frame = frames[index] if index == 0 or isinstance(frames[0], str) else None
        if isinstance(frame, str):
            status = Path(frame).stat()
            marks.append(f"{status.st_size} {status.st_mtime_ns}")
        elif frame is not None:  # drawn: one is enough, since drawing takes time
            marks.append(hashlib.sha256(np.ascontiguousarray(frame)).hexdigest())
    return " ".join(marks)
