"""Batches for Keras, of stills, clips and poses, mixed from several data sets in fixed shares."""

import dataclasses
from collections.abc import Mapping, Sequence

import keras
import numpy as np

from deephar.data.augment import Augmentation
from deephar.data.clips import WHOLE, check_frames, crop_clips, num_starts
from deephar.data.crops import crop_batch
from deephar.data.pool import CropPool
from deephar.data.samples import Sample, Video
from deephar.data.sequences import SequenceAugmentation, pose_clips
from deephar.skeletons import Skeleton, get_skeleton

# Attributes of batches that decide what is in them.
_SETTINGS = ("shares", "seed", "image_size", "dim", "frames", "subsampling", "augmentation")

# First number of a seed, so that orders and augmentations never share one.
_ORDER, _CROP = 0, 1


class MixedBatches(keras.utils.PyDataset):
    """What batches of stills and of clips have in common: which samples, in which order, and how.

    Subclasses give the pool, what goes to it besides the samples (`_options`), and put the arrays
    together (`_assemble`).
    """

    # Keras has workers of its own (`PyDataset(workers=...)`), which prepare whole batches. They are
    # not used, since they start on an epoch before `on_epoch_begin`, and their processes are forked
    # from one in which TensorFlow's threads run, which may lock up. Here, workers share the crops
    # of one batch and are told all they need with each task; TensorFlow prefetches batches anyway.

    def __init__(self, datasets, shares, seed, steps_per_epoch, shuffle, epoch, pool):
        super().__init__()
        _check(datasets, shares, steps_per_epoch, pool.workers)
        self.datasets = dict(datasets)
        self.shares = dict(shares)
        self.seed = seed
        self.shuffle = shuffle
        self.epoch = epoch
        self.batch_size = sum(self.shares.values())
        self._steps = self._count_steps(steps_per_epoch)
        self._pool = pool
        self._in_epoch = self._saw_last = False
        self.error = None

    def __len__(self):
        return self._steps

    def __getitem__(self, index):
        """Batch `index` of the epoch `self.epoch`: see the class.

        Raises:
            IndexError: there are no more batches.
        """
        picked = self._pick(index)
        seeds = [(_CROP, self.seed, self.epoch, index, slot) for slot in range(len(picked))]
        try:
            samples = [self.datasets[name][i] for name, i in picked]
            arrays = self._pool.crop(samples, seeds, *self._options())
        except Exception as error:
            self.error = error
            raise
        if index == len(self) - 1:
            self._saw_last = True
        return self._assemble([name for name, _ in picked], samples, *arrays)

    def samples(self, index: int) -> list[Sample | Video]:
        """The persons or videos in batch `index` of the epoch `self.epoch`, in their order there.

        Raises:
            IndexError: the index is not 0 to ``len(self) - 1``.
        """
        return [self.datasets[name][i] for name, i in self._pick(index)]

    def on_epoch_begin(self):
        """Called by Keras before it takes the first batch of an epoch."""
        self._in_epoch, self._saw_last = True, False

    def on_epoch_end(self):
        """Called by Keras after the last batch: the next batches belong to the next epoch."""
        # Keras also calls this before training, and after looking at one batch to build a model.
        if self._in_epoch and self._saw_last:
            self.epoch += 1
        self._in_epoch = self._saw_last = False
        self._pool.rest()

    def close(self):
        """Ends the workers. They start again when needed."""
        self._pool.close()

    def settings(self) -> dict:
        """All that decides what the batches are, besides the data sets, for JSON."""
        options = {
            name: dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value
            for name, value in vars(self).items()
            if name in _SETTINGS
        }
        return {"steps_per_epoch": len(self), **options}

    def _describe(self, what):
        shares = " + ".join(f"{share} {name}" for name, share in self.shares.items())
        return f"{type(self).__name__}({len(self)} of {shares}, {what}, epoch {self.epoch})"

    def _count_steps(self, steps):
        if self.shuffle:
            first, share = next(iter(self.shares.items()))
            return steps or -(-len(self.datasets[first]) // share)
        available = -(-sum(map(len, self.datasets.values())) // self.batch_size)
        if steps is not None and steps > available:
            raise ValueError(
                f"steps_per_epoch={steps}, but everyone once makes {available} batches; leave it "
                "out, or use shuffle=True."
            )
        return steps or available

    def _pick(self, index):
        """Names of data sets and positions there: what is in batch `index`."""
        if not 0 <= index < len(self):
            raise IndexError(f"There are {len(self)} batches, from 0; got {index}.")
        return self._pick_mixed(index) if self.shuffle else self._pick_in_order(index)

    def _pick_mixed(self, index):
        """The same with shuffling: each data set's share of batch `index`."""
        chosen = []
        for which, (name, share) in enumerate(self.shares.items()):
            count = len(self.datasets[name])
            # Places in an endless row of random orders of the data set.
            start = (self.epoch * len(self) + index) * share
            again, places = np.divmod(np.arange(start, start + share), count)
            for turn in np.unique(again):
                order = np.random.default_rng((_ORDER, self.seed, which, turn)).permutation(count)
                chosen += [(name, int(i)) for i in order[places[again == turn]]]
        return chosen

    def _pick_in_order(self, index):
        """The same without shuffling: batch `index` of one data set after the other."""
        chosen = []
        start, stop = index * self.batch_size, (index + 1) * self.batch_size
        for name in self.shares:
            count = len(self.datasets[name])
            chosen += [(name, i) for i in range(max(start, 0), min(stop, count))]
            start, stop = start - count, stop - count
        return chosen


class Batches(MixedBatches):
    """Batches of crops and targets, for ``model.fit`` and ``model.evaluate``.

    A batch is images float32 (B, S, S, 3) in [-1, 1], and ``{"pose": targets}`` with targets
    float32 (B, joints, dim + 1) as `deephar.data.pose_target` gives them. With ``dim=3``, data sets
    with and without 3D labels mix: z is not supervised where it is unknown.

    Every batch takes the same number of persons from each data set, each data set in an order of
    its own in which everyone comes once before anyone comes twice. Every random choice follows from
    the seed, the epoch, the number of the batch and the place in the batch: batches are the same
    bit for bit on every run, with any number of workers, and when training resumes at `epoch`.

    The epoch is counted by Keras's calls at the start and end of each epoch. Set `epoch` before an
    epoch starts to train from there. Pass ``shuffle=False`` to ``fit``: the persons are shuffled
    here, and Keras would put the batches in an order that no seed determines.

    Args:
        datasets: data sets by name; each with ``len()``, ``[i] -> Sample``.
        shares: number of persons from each data set in a batch, ``{"mpii": 16, "lsp": 8}``.
        image_size: side S of the crops in pixels.
        skeleton: skeleton of the targets.
        augmentation: random changes; None for none.
        seed: seed of all random choices.
        steps_per_epoch: batches in an epoch; by default as many as it takes for everyone in the
            data set listed first in `shares` to come at least once.
        workers: threads or processes that prepare the crops of a batch; 0 for none.
        use_multiprocessing: processes instead of threads. Threads are enough as a rule, since
            decoding and warping run outside of Python's lock. With processes, a script must do its
            work under ``if __name__ == "__main__":``, since each of them imports it.
        shuffle: False for evaluation: one data set after the other, everyone exactly once in
            order, the last batch smaller if need be.
        epoch: epoch to start with, from 0.
        dim: coordinates of a joint in the targets, 2 or 3.

    Attributes:
        epoch: the epoch that the next batches belong to.
        error: the exception that the last batch failed with, or None. TensorFlow turns it into
            one of its own, without its type.
        batch_size: persons in a (full) batch.

    Raises:
        ValueError: `shares` names other data sets than `datasets`, a share is no positive integer,
            a data set is empty, or `steps_per_epoch` or `workers` is out of range.
    """

    def __init__(
        self,
        datasets: Mapping,
        shares: Mapping[str, int],
        image_size: int = 256,
        skeleton: str | Skeleton = "pa16j",
        augmentation: Augmentation | None = None,
        seed: int = 0,
        steps_per_epoch: int | None = None,
        workers: int = 2,
        use_multiprocessing: bool = False,
        shuffle: bool = True,
        epoch: int = 0,
        dim: int = 2,
    ):
        pool = CropPool(workers, use_multiprocessing, crop_batch)
        super().__init__(datasets, shares, seed, steps_per_epoch, shuffle, epoch, pool)
        self.image_size = image_size
        self.skeleton = get_skeleton(skeleton)
        self.augmentation = augmentation
        self.dim = dim

    def __repr__(self):
        return self._describe(f"{self.image_size} px")

    def _options(self):
        return self.image_size, self.skeleton, self.augmentation, self.dim

    def _assemble(self, names, samples, images, targets):
        return images, {"pose": targets}


class ClipBatches(MixedBatches):
    """Batches of clips with their poses and actions, for ``model.fit`` and ``model.evaluate``.

    A batch is images float32 (B, T, S, S, 3) in [-1, 1] and a dict:

    - ``"pose"``: targets float32 (B, T, joints, dim + 1), as `deephar.data.pose_target` gives them;
    - ``"action_NAME"`` for each of `datasets`: float32 (B, classes), one-hot; rows of other data
      sets are 0.

    If there is more than one of `datasets`, or there are `stills`, a dict with the same keys comes
    third, the weights of the samples: float32 (B,) for an action, 1, but 0 in rows of other data
    sets; float32 (B, T) for the pose, all 1. Keras divides the loss of an output by B all the same,
    not by the sum of the weights.

    Stills ride along as clips that show one picture for all of their frames, so that the network
    does not forget poses that no video has; all their action weights are 0.

    In training, where a clip starts and its subsampling are drawn at random, and all frames of a
    clip are changed alike. For evaluation (``shuffle=False``), each video gives the clip in its
    middle. For the rest, the order, the seeds and the workers, see `Batches`.

    Args:
        datasets: data sets of videos by name, which is that of the action head, too.
        shares: number of clips from each data set in a batch, ``{"penn": 4}``.
        frames: T, frames of a clip.
        image_size: side S of the crops in pixels.
        skeleton: skeleton of the targets.
        dim: coordinates of a joint in the targets, 2 or 3.
        subsampling: distance of two frames of a clip, or ``"whole"`` (see
            `deephar.data.clip_indices`); in training also several of them, of which one is drawn
            for each clip.
        augmentation: random changes; None for none. Clips start at random places all the same.
        seed: seed of all random choices.
        steps_per_epoch: batches in an epoch; by default as many as it takes for all videos of the
            data set listed first in `shares` to come at least once.
        workers: threads or processes that prepare the crops of a batch; 0 for none.
        use_multiprocessing: processes instead of threads.
        shuffle: False for evaluation: one data set after the other, every video exactly once in
            order, the last batch smaller if need be.
        epoch: epoch to start with, from 0.
        stills: data sets of stills that ride along, with their shares:
            ``{"mpii": (MPII(...), 2)}``.

    Attributes:
        epoch: the epoch that the next batches belong to.
        error: the exception that the last batch failed with, or None.
        batch_size: clips in a (full) batch.
        classes: number of actions by name of the data set.

    Raises:
        ValueError: as `Batches`; a data set has no actions or labels only, a name of `stills` is
            one of `datasets`, there can be no such clips, or several subsamplings without
            `shuffle`.
    """

    def __init__(
        self,
        datasets: Mapping,
        shares: Mapping[str, int],
        frames: int,
        image_size: int = 256,
        skeleton: str | Skeleton = "pa16j",
        dim: int = 2,
        subsampling: int | str | Sequence = 1,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        steps_per_epoch: int | None = None,
        workers: int = 2,
        use_multiprocessing: bool = False,
        shuffle: bool = True,
        epoch: int = 0,
        stills: Mapping | None = None,
    ):
        stills = dict(stills or {})
        _check_shares(datasets, shares)
        _check_stills(datasets, stills)
        pool = CropPool(workers, use_multiprocessing, crop_clips)
        super().__init__(
            {**datasets, **{name: dataset for name, (dataset, _) in stills.items()}},
            {**shares, **{name: share for name, (_, share) in stills.items()}},
            seed,
            steps_per_epoch,
            shuffle,
            epoch,
            pool,
        )
        self.classes = {name: _count_actions(name, dataset) for name, dataset in datasets.items()}
        for dataset in datasets.values():
            check_frames(dataset[0])
        _check_clips(frames, subsampling, shuffle)
        self.frames = frames
        self.image_size = image_size
        self.skeleton = get_skeleton(skeleton)
        self.dim = dim
        self.subsampling = subsampling
        self.augmentation = augmentation

    def __repr__(self):
        return self._describe(f"{self.frames} frames of {self.image_size} px")

    def _options(self):
        return (
            self.frames,
            self.subsampling,
            self.shuffle,
            self.image_size,
            self.skeleton,
            self.dim,
            self.augmentation,
        )

    def _assemble(self, names, samples, images, poses):
        targets, weights = action_targets(self.classes, names, samples)
        targets["pose"] = poses
        weights["pose"] = np.ones(poses.shape[:2], np.float32)
        if len(self.datasets) == 1:  # all weights are 1, always
            return images, targets
        return images, targets, weights


class SequenceBatches(MixedBatches):
    """Batches of labelled pose sequences with their actions, to train the action heads alone.

    A batch is poses float32 (B, T, joints, dim + 1), as `deephar.data.pose_sequence` gives them,
    and a dict with ``"action_NAME"`` for each of `datasets`: float32 (B, classes), one-hot; rows of
    other data sets are 0. If there is more than one data set, a dict with the same keys comes
    third, the weights float32 (B,) of the samples: 1, but 0 for the actions of another data set.

    In training, where a clip starts is drawn at random, and `augmentation` changes the clip. For
    evaluation (``shuffle=False``), each video gives the clip in its middle, as it is. For the rest,
    the order and the seeds, see `Batches`. There are no workers: a clip takes less than 1 ms.

    Args:
        datasets: data sets of videos by name, which is that of the action head, too.
        shares: number of clips from each data set in a batch, ``{"penn": 32}``.
        frames: T, frames of a clip.
        skeleton: skeleton of the poses.
        dim: coordinates of a joint, 2 or 3.
        subsampling: distance of two frames of a clip, or ``"whole"``, see
            `deephar.data.clip_indices`.
        augmentation: random changes; None for none. Clips start at random places all the same.
        seed: seed of all random choices.
        steps_per_epoch: batches in an epoch; by default as many as it takes for all videos of the
            data set listed first in `shares` to come at least once.
        shuffle: False for evaluation: one data set after the other, every video exactly once in
            order, the last batch smaller if need be.
        epoch: epoch to start with, from 0.

    Attributes:
        epoch: the epoch that the next batches belong to.
        error: the exception that the last batch failed with, or None.
        batch_size: clips in a (full) batch.
        classes: number of actions by name of the data set.

    Raises:
        ValueError: as `Batches`; a data set has no actions.
    """

    def __init__(
        self,
        datasets: Mapping,
        shares: Mapping[str, int],
        frames: int,
        skeleton: str | Skeleton = "pa16j",
        dim: int = 2,
        subsampling: int | str = WHOLE,
        augmentation: SequenceAugmentation | None = None,
        seed: int = 0,
        steps_per_epoch: int | None = None,
        shuffle: bool = True,
        epoch: int = 0,
    ):
        pool = CropPool(workers=0, function=pose_clips)
        super().__init__(datasets, shares, seed, steps_per_epoch, shuffle, epoch, pool)
        self.classes = {name: _count_actions(name, dataset) for name, dataset in datasets.items()}
        self.frames = frames
        self.skeleton = get_skeleton(skeleton)
        self.dim = dim
        self.subsampling = subsampling
        self.augmentation = augmentation

    def __repr__(self):
        return self._describe(f"{self.frames} poses")

    def _options(self):
        return (
            self.frames,
            self.subsampling,
            self.shuffle,
            self.skeleton,
            self.dim,
            self.augmentation,
        )

    def _assemble(self, names, samples, poses):
        targets, weights = action_targets(self.classes, names, samples)
        return (poses, targets) if len(self.datasets) == 1 else (poses, targets, weights)


def action_targets(classes, names, samples):
    """Targets (B, classes) and weights (B,) of all action heads, for samples of the data sets."""
    targets, weights = {}, {}
    for head, count in classes.items():
        rows = [i for i, name in enumerate(names) if name == head]
        targets[f"action_{head}"] = np.zeros((len(names), count), np.float32)
        targets[f"action_{head}"][rows, [samples[i].action for i in rows]] = 1
        weights[f"action_{head}"] = np.zeros(len(names), np.float32)
        weights[f"action_{head}"][rows] = 1
    return targets, weights


def _check(datasets, shares, steps, workers):
    _check_shares(datasets, shares)
    for name, share in shares.items():
        if not isinstance(share, int | np.integer) or share < 1:
            raise ValueError(f"The share of {name!r} must be a positive integer, got {share!r}.")
        if len(datasets[name]) == 0:
            raise ValueError(f"The data set {name!r} is empty.")
    if steps is not None and steps < 1:
        raise ValueError(f"steps_per_epoch must be at least 1, got {steps}.")
    if workers < 0:
        raise ValueError(f"workers must not be negative, got {workers}.")


def _check_shares(datasets, shares):
    if not shares or set(shares) != set(datasets):
        raise ValueError(
            f"shares must name the data sets {', '.join(datasets)}, got {', '.join(shares)}."
        )


def _check_stills(datasets, stills):
    for name, entry in stills.items():
        if name in datasets:
            raise ValueError(f"stills and datasets both have {name!r}; use another name for one.")
        if not isinstance(entry, tuple) or len(entry) != 2:
            raise ValueError(f"stills must be {{name: (data set, share)}}; {name!r} is {entry!r}.")


def _check_clips(frames, subsampling, shuffle):
    several = isinstance(subsampling, Sequence) and not isinstance(subsampling, str)
    if several and not (shuffle and len(subsampling)):
        raise ValueError(
            "Several subsamplings are for training, where one is drawn for each clip; got "
            f"{subsampling!r} with shuffle={shuffle}."
        )
    for one in subsampling if several else [subsampling]:
        num_starts(max(frames, 1), frames, one)  # knows what clips there can be


def _count_actions(name, dataset):
    """Number of actions of a data set of videos."""
    if not hasattr(dataset, "actions"):
        raise ValueError(
            f"The data set {name!r} ({dataset!r}) has no actions: clips are made of data sets of "
            "videos; stills ride along with stills={name: (data set, share)}."
        )
    return len(dataset.actions)
