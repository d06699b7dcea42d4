"""What the frozen pose network gives for every frame of a data set, computed once and kept on disk.

Stage 2 trains the action heads on a pose network that does not change. Running it once over each
frame, and not again in every epoch, saves most of the work. In return, all frames of a video are
cropped by one window and not augmented, but for mirroring.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from deephar.data.batches import MixedBatches, action_targets
from deephar.data.clips import Clip, clip_indices, crop_clip, num_starts
from deephar.data.pool import CropPool
from deephar.files import replacing
from deephar.geometry import union_of_boxes
from deephar.models import frame_view

_META = "features.json"


def cache_features(model, config, dataset, folder, mirror=True, batch_size=32, progress=False):
    """Runs the pose network over all frames of a data set and keeps what it gives.

    What is in the folder already is used if it belongs to the same weights, videos and crops, and
    replaced if not.

    Args:
        model: a ``multitask_model``.
        config: its ``ModelConfig``.
        dataset: a data set of videos with frames.
        folder: where the files go; made if missing.
        mirror: whether mirror images are kept as well, to be drawn from in training.
        batch_size: frames a call of the network.
        progress: shows a Keras progress bar.

    Returns:
        `Features`.

    Raises:
        ValueError: a video cannot be used; names it.
        FileNotFoundError: a frame is missing; names it.
        OSError: the folder cannot be written.
    """
    folder = Path(folder)
    network = frame_view(model)
    counts = [len(dataset[index].joints) for index in range(len(dataset))]
    key = _key(network, config, dataset, mirror)
    if not _is_stored(folder, key):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _META).unlink(missing_ok=True)
        _compute(network, config, dataset, folder, counts, mirror, batch_size, progress)
        with replacing(folder / _META) as part:
            part.write_text(json.dumps({"key": key}) + "\n", encoding="utf-8")
    arrays = {name: np.load(_file(folder, name), mmap_mode="r") for name in sorted(network.output)}
    return Features(dataset, np.concatenate([[0], np.cumsum(counts)]), arrays)


@dataclass(frozen=True, eq=False)
class Features:
    """Outputs of the pose network for the frames of a data set of videos.

    A data set itself: ``[i]`` gives `VideoFeatures`.

    Attributes:
        dataset: the data set of videos.
        starts: integers (videos + 1,), the first row of each video in `arrays`.
        arrays: name of the output -> array (frames, views, ...), memory-mapped; the second view,
            if there is one, is the mirror image.
    """

    dataset: object
    starts: np.ndarray
    arrays: dict

    @property
    def name(self):
        return self.dataset.name

    @property
    def actions(self):
        return self.dataset.actions

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, index):
        video = self.dataset[index]
        rows = slice(int(self.starts[index]), int(self.starts[index + 1]))
        arrays = {name: array[rows] for name, array in self.arrays.items()}
        return VideoFeatures(video.name, video.action, arrays)

    def __repr__(self):
        return f"Features({self.starts[-1]} frames of {self.dataset!r})"

    def middle_clips(self, length, subsampling):
        """The middle clips of all videos: output name -> array (videos, length, ...)."""
        clips = []
        for index in range(len(self)):
            item = self[index]
            indices = clip_indices(item.num_frames, length, subsampling)
            clips.append({name: array[indices, 0] for name, array in item.arrays.items()})
        return {name: np.stack([clip[name] for clip in clips]) for name in self.arrays}


@dataclass(frozen=True, eq=False)
class VideoFeatures:
    """Outputs of the pose network for one video.

    Attributes:
        name: of the video.
        action: index of its action.
        arrays: output name -> array (frames, views, ...).
    """

    name: str
    action: int
    arrays: dict

    @property
    def num_frames(self):
        return len(next(iter(self.arrays.values())))


class FeatureBatches(MixedBatches):
    """Batches of clips of cached features, to train an ``action_model`` on.

    A batch is a dict of the inputs of the network, float32 (B, T, ...), and a dict of one-hot
    targets as `deephar.data.ClipBatches` gives them (with weights, if there are several data
    sets). Start, subsampling and mirroring are drawn at random.

    Args:
        datasets: `Features` by name, which is that of the action head, too.
        shares: number of clips from each of them in a batch.
        frames: T, frames of a clip.
        subsampling: as for `deephar.data.ClipBatches`.
        seed: seed of all random choices.
        steps_per_epoch: batches in an epoch; by default all videos of the first of them once.

    Raises:
        ValueError: as `deephar.data.ClipBatches`.
    """

    augmentation = None

    def __init__(self, datasets, shares, frames, subsampling=1, seed=0, steps_per_epoch=None):
        pool = CropPool(0, function=_draw_clips)  # reading is all the work
        super().__init__(datasets, shares, seed, steps_per_epoch, True, 0, pool)
        self.frames = frames
        self.subsampling = subsampling
        self.classes = {name: len(dataset.actions) for name, dataset in datasets.items()}

    def _options(self):
        return self.frames, self.subsampling

    def _assemble(self, names, samples, *arrays):
        inputs = dict(zip(sorted(samples[0].arrays), arrays, strict=True))
        targets, weights = action_targets(self.classes, names, samples)
        return (inputs, targets) if len(self.datasets) == 1 else (inputs, targets, weights)

    def __repr__(self):
        return self._describe(f"{self.frames} cached frames")


def _draw_clips(items, seeds, length, subsampling):
    """A random clip of each video: for each output, in order of the names, (B, T, ...)."""
    clips = []
    for item, seed in zip(items, seeds, strict=True):
        rng = np.random.default_rng(seed)
        step = subsampling
        if not isinstance(step, int | str):
            step = step[rng.integers(len(step))]
        start = int(rng.integers(num_starts(item.num_frames, length, step)))
        indices = clip_indices(item.num_frames, length, step, start)
        view = int(rng.integers(next(iter(item.arrays.values())).shape[1]))
        clips.append([item.arrays[name][indices, view] for name in sorted(item.arrays)])
    return tuple(np.stack(arrays).astype(np.float32) for arrays in zip(*clips, strict=True))


# ------------------------------------------------------------------------------------ computing


def _compute(network, config, dataset, folder, counts, mirror, batch_size, progress):
    views = 2 if mirror else 1
    files = {}
    bar = keras.utils.Progbar(len(dataset), unit_name="video") if progress else None
    row = 0
    for index, count in enumerate(counts):
        images = _crops(dataset[index], config)
        outputs = [_run(network, images, batch_size)]
        if mirror:
            outputs.append(_run(network, images[:, :, ::-1], batch_size))
        for name in network.output:
            values = np.stack([output[name] for output in outputs], axis=1)
            if name not in files:
                # Positions need the precision; features, which are most of the data, do not.
                dtype = np.float32 if name == "pose" else np.float16
                shape = (sum(counts), views, *values.shape[2:])
                files[name] = np.lib.format.open_memmap(_file(folder, name), "w+", dtype, shape)
            files[name][row : row + count] = values
        row += count
        if bar is not None:
            bar.update(index + 1)
    for file in files.values():
        file.flush()


def _crops(video, config):
    """float32 (N, S, S, 3): all frames, cropped by the square around all of the labelled boxes."""
    boxes = np.asarray(video.boxes, float)
    box = union_of_boxes(boxes[(boxes[:, :2] < boxes[:, 2:]).all(axis=-1)])
    clip = Clip(video, np.arange(len(video.joints)), box)
    return crop_clip(clip, config.image_size, config.skeleton, config.dim).images


def _run(network, images, batch_size):
    """Outputs for all images; always called with the same number of them, to be traced once."""
    parts = []
    for start in range(0, len(images), batch_size):
        batch = np.zeros((batch_size, *images.shape[1:]), np.float32)
        part = images[start : start + batch_size]
        batch[: len(part)] = part
        outputs = network.predict_on_batch(batch)
        parts.append({name: value[: len(part)] for name, value in outputs.items()})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _file(folder, name):
    return Path(folder) / f"{name}.npy"


def _is_stored(folder, key):
    try:
        return json.loads((folder / _META).read_text(encoding="utf-8"))["key"] == key
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _key(network, config, dataset, mirror):
    """Digest of all that the features depend on: weights, config, videos and their boxes."""
    digest = hashlib.sha256(f"{config.to_json()} {mirror} {dataset!r}".encode())
    for weight in network.get_weights():
        digest.update(np.ascontiguousarray(weight).data)
    for index in range(len(dataset)):
        video = dataset[index]
        digest.update(f"{video.name} {len(video.joints)} {video.size}".encode())
        digest.update(np.ascontiguousarray(video.boxes, float).data)
    return digest.hexdigest()
