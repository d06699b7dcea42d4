"""Batches for Keras, of stills, clips and poses, mixed from several data sets in fixed shares."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import keras
import numpy as np

from deephar.data.augment import Augmentation
from deephar.data.clips import check_frames, crop_clips
from deephar.data.crops import crop_batch
from deephar.data.inputs import InputSpec
from deephar.data.pool import CropPool
from deephar.data.predicted import PredictedPoses
from deephar.data.samples import Dataset, Sample, Video
from deephar.data.sequences import SequenceAugmentation, pose_clips

# First number of a seed: orders and augmentations never have the same one.
_ORDER, _CROP = 0, 1


class MixedBatches(keras.utils.PyDataset):
    """Base class: which items are in a batch, in which order, and with which seeds.

    Subclasses give the function that makes arrays of items, set `spec`, and assemble the arrays to
    a batch (`_assemble`).

    Several processes can share the work: set `part` to the number of the process, from 0, and the
    number of processes. ``[i]`` is then an equal part of the batch that one process makes, with the
    seeds of that part. `batch_size` and `samples` are those of the whole batch.

    Args:
        datasets: data sets by name.
        shares: number of items from each data set in a batch.
        function: makes a tuple of arrays of items, ``function(items, seeds=seeds)``.
        seed: seed of all random choices.
        steps_per_epoch: batches in an epoch; by default as many as it takes for all items of the
            data set listed first in `shares` to come at least once.
        workers: threads that make the arrays of a batch; 0 for none.

    Raises:
        ValueError: As `Batches`.
    """

    # The workers of Keras (`PyDataset(workers=...)`) prepare whole batches, and start on an epoch
    # before `on_epoch_begin`. They are not used. Here, workers share the crops of one batch;
    # TensorFlow prefetches batches anyway.

    def __init__(
        self,
        datasets: Mapping[str, Dataset],
        shares: Mapping[str, int],
        *,
        function: Callable,
        seed: int = 0,
        steps_per_epoch: int | None = None,
        workers: int = 0,
    ):
        super().__init__()
        _check(datasets, shares, steps_per_epoch, workers)
        self.datasets = dict(datasets)
        self.shares = dict(shares)
        self.seed = seed
        self.epoch = 0
        self.error = None
        self.batch_size = sum(self.shares.values())
        self.part = (0, 1)
        self._steps = steps_per_epoch or self._steps_for_everyone()
        self._pool = CropPool(function, workers)
        self._in_epoch = self._saw_last = False

    def __len__(self):
        return self._steps

    def __getitem__(self, index):
        """Batch `index` of the epoch `self.epoch`; see the class.

        Raises:
            IndexError: There are no more batches.
        """
        picked = self._pick(index)
        slots = self._slots()
        picked = [picked[slot] for slot in slots]
        seeds = [(_CROP, self.seed, self.epoch, index, slot) for slot in slots]
        try:
            samples = [self.datasets[name][i] for name, i in picked]
            arrays = self._pool.crop(samples, seeds)
        except Exception as error:
            self.error = error
            raise
        if index == len(self) - 1:
            self._saw_last = True
        return self._assemble([name for name, _ in picked], samples, *arrays)

    def samples(self, index: int) -> list[Sample | Video]:
        """The persons or videos in batch `index` of the epoch `self.epoch`, in their order there.

        Raises:
            IndexError: The index is not 0 to ``len(self) - 1``.
        """
        return [self.datasets[name][i] for name, i in self._pick(index)]

    def on_epoch_begin(self) -> None:
        """Called by Keras before it takes the first batch of an epoch."""
        self._in_epoch, self._saw_last = True, False

    def on_epoch_end(self) -> None:
        """Called by Keras after the last batch: the next batches belong to the next epoch."""
        # Keras also calls this before training, and after looking at one batch to build a model.
        if self._in_epoch and self._saw_last:
            self.epoch += 1
        self._in_epoch = self._saw_last = False
        self._pool.rest()

    def close(self) -> None:
        """Ends the workers. They start again when needed."""
        self._pool.close()

    def settings(self) -> dict:
        """Everything that determines the batches, except the data sets; for JSON."""
        augmentation = getattr(self, "augmentation", None)
        return {
            "steps_per_epoch": len(self),
            "shares": self.shares,
            "seed": self.seed,
            **dataclasses.asdict(self.spec),
            "augmentation": None if augmentation is None else dataclasses.asdict(augmentation),
        }

    def _describe(self, what):
        shares = " + ".join(f"{share} {name}" for name, share in self.shares.items())
        return f"{type(self).__name__}({len(self)} of {shares}, {what}, epoch {self.epoch})"

    def _steps_for_everyone(self):
        first, share = next(iter(self.shares.items()))
        return -(-len(self.datasets[first]) // share)

    def _slots(self):
        """Positions in the batch of the items that this process makes."""
        number, count = self.part
        size = self.batch_size // count
        return range(number * size, (number + 1) * size)

    def _pick(self, index):
        """The items of batch `index`: pairs of a data set's name and a position in it."""
        if not 0 <= index < len(self):
            raise IndexError(f"There are {len(self)} batches, from 0; got {index}.")
        chosen = []
        for which, (name, share) in enumerate(self.shares.items()):
            count = len(self.datasets[name])
            # Positions in an endless sequence of random orders of the data set.
            start = (self.epoch * len(self) + index) * share
            rounds, places = np.divmod(np.arange(start, start + share), count)
            for turn in np.unique(rounds):
                order = np.random.default_rng((_ORDER, self.seed, which, turn)).permutation(count)
                chosen += [(name, int(i)) for i in order[places[rounds == turn]]]
        return chosen


class Batches(MixedBatches):
    """Batches of crops and targets, for ``model.fit``.

    A batch is images float32 (B, S, S, 3) in [-1, 1], and ``{"pose": targets}`` with targets
    float32 (B, joints, dim + 1) as `deephar.data.pose_target` gives them. With ``dim=3``, data sets
    with and without 3D labels mix: z is not supervised where it is unknown.

    Every batch takes the same number of persons from each data set. Each data set has its own
    random order, in which every person comes once before any person comes twice. Every random
    choice follows from the seed, the epoch, the number of the batch and the position in the batch:
    batches are bit-identical on every run, with any number of workers, and when training resumes at
    `epoch`.

    Keras's calls at the start and end of an epoch count the epochs. Set `epoch` before an epoch
    starts to train from there. Pass ``shuffle=False`` to ``fit``: persons are shuffled here, and
    the order in which Keras would put the batches follows from no seed.

    Args:
        datasets: data sets by name; each with ``len()``, ``[i] -> Sample``.
        shares: number of persons from each data set in a batch, ``{"mpii": 16, "lsp": 8}``.
        spec: size of the crops, skeleton and coordinates of the targets.
        augmentation: random changes; None for none.
        seed: seed of all random choices.
        steps_per_epoch: batches in an epoch; by default as many as it takes for every person in
            the data set listed first in `shares` to come at least once.
        workers: threads that prepare the crops of a batch; 0 for none.

    Attributes:
        epoch: the epoch that the next batches belong to, from 0.
        error: the exception that the last batch failed with, or None. TensorFlow raises another
            one in its place.
        batch_size: persons in a batch.
        frozen: function that computes frozen layers; its result takes the place of the images. None
            for none.

    Raises:
        ValueError: `shares` names other data sets than `datasets`, a share is not a positive
            integer, a data set is empty, or `steps_per_epoch` or `workers` is out of range.
    """

    def __init__(
        self,
        datasets: Mapping[str, Dataset],
        shares: Mapping[str, int],
        *,
        spec: InputSpec,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        steps_per_epoch: int | None = None,
        workers: int = 2,
    ):
        super().__init__(
            datasets,
            shares,
            function=partial(crop_batch, spec=spec, augmentation=augmentation),
            seed=seed,
            steps_per_epoch=steps_per_epoch,
            workers=workers,
        )
        self.spec = spec
        self.augmentation = augmentation
        self.frozen = None

    def __repr__(self):
        return self._describe(f"{self.spec.image_size} px")

    def _assemble(self, names, samples, images, targets):
        return images if self.frozen is None else self.frozen(images), {"pose": targets}


class ClipBatches(MixedBatches):
    """Batches of clips with their poses and actions, for ``model.fit``.

    A batch is images float32 (B, T, S, S, 3) in [-1, 1] and a dict:

    - ``"pose"``: targets float32 (B, T, joints, dim + 1), as `deephar.data.pose_target` gives them;
    - ``"action_NAME"`` for each data set of videos: float32 (B, classes), one-hot; rows of other
      data sets are 0.

    If there are several data sets, a dict with the same keys comes third, the weights of the
    samples: float32 (B,) for an action, 1, but 0 in rows of other data sets; float32 (B, T) for the
    pose, all 1. Keras divides the loss of an output by B all the same, not by the sum of the
    weights.

    Data sets without `actions` are stills. They ride along as clips that show one picture in all
    frames, so that the network does not forget poses that no video has; all their action weights
    are 0.

    Where a clip starts is drawn at random, and all frames of a clip are changed alike. For the
    rest, the order, the seeds and the workers, see `Batches`.

    Args:
        datasets: data sets by name, at least one of them of videos. The name is that of the action
            head, too.
        shares: number of clips from each data set in a batch, ``{"penn": 4, "mpii": 2}``.
        spec: what the clips and targets look like.
        augmentation: random changes; None for none. Clips start at random places all the same.
        seed: seed of all random choices.
        steps_per_epoch: batches in an epoch; by default as many as it takes for all items of the
            data set listed first in `shares` to come at least once.
        workers: threads that prepare the crops of a batch; 0 for none.

    Attributes:
        epoch: the epoch that the next batches belong to, from 0.
        error: the exception that the last batch failed with, or None.
        batch_size: clips in a batch.
        classes: number of actions by name of the data set of videos.

    Raises:
        ValueError: As `Batches`; no data set has actions, one has labels only, or
            `spec.num_frames` is None.
    """

    def __init__(
        self,
        datasets: Mapping[str, Dataset],
        shares: Mapping[str, int],
        *,
        spec: InputSpec,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        steps_per_epoch: int | None = None,
        workers: int = 2,
    ):
        spec.require_num_frames()
        super().__init__(
            datasets,
            shares,
            function=partial(crop_clips, spec=spec, augmentation=augmentation),
            seed=seed,
            steps_per_epoch=steps_per_epoch,
            workers=workers,
        )
        videos = {name: dataset for name, dataset in datasets.items() if _has_videos(dataset)}
        self.classes = _count_actions(videos or datasets)
        for dataset in videos.values():
            check_frames(dataset[0])
        self.spec = spec
        self.augmentation = augmentation

    def __repr__(self):
        return self._describe(f"{self.spec.num_frames} frames of {self.spec.image_size} px")

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

    Where a clip starts is drawn at random, and `augmentation` changes the clip. For the rest, the
    order and the seeds, see `Batches`. There are no workers: a clip takes a few milliseconds.

    Args:
        datasets: data sets of videos by name, which is that of the action head, too.
        shares: number of clips from each data set in a batch, ``{"penn": 32}``.
        spec: frames and subsampling of the clips, skeleton and coordinates of the poses.
        augmentation: random changes; None for none. Clips start at random places all the same.
        blocks: number of prediction blocks that the action heads of a `multitask_model` take poses
            of. The poses then are ``{"pose": (B, T, blocks, joints, dim + 1)}``, the same for all
            blocks. None for an `action_model` of poses alone.
        seed: seed of all random choices.
        steps_per_epoch: batches in an epoch; by default as many as it takes for all videos of the
            data set listed first in `shares` to come at least once.

    Attributes:
        epoch: the epoch that the next batches belong to, from 0.
        error: the exception that the last batch failed with, or None.
        batch_size: clips in a batch.
        classes: number of actions by name of the data set.

    Raises:
        ValueError: As `Batches`; a data set has no actions, or `spec.num_frames` is None.
    """

    def __init__(
        self,
        datasets: Mapping[str, Dataset],
        shares: Mapping[str, int],
        *,
        spec: InputSpec,
        augmentation: SequenceAugmentation | PredictedPoses | None = None,
        blocks: int | None = None,
        seed: int = 0,
        steps_per_epoch: int | None = None,
    ):
        spec.require_num_frames()
        super().__init__(
            datasets,
            shares,
            function=partial(pose_clips, spec=spec, augmentation=augmentation),
            seed=seed,
            steps_per_epoch=steps_per_epoch,
        )
        self.classes = _count_actions(datasets)
        self.spec = spec
        self.augmentation = augmentation
        self.blocks = blocks

    def __repr__(self):
        return self._describe(f"{self.spec.num_frames} poses")

    def _assemble(self, names, samples, poses):
        targets, weights = action_targets(self.classes, names, samples)
        if self.blocks is not None:
            poses = {"pose": np.repeat(poses[:, :, None], self.blocks, axis=2)}
        return (poses, targets) if len(self.datasets) == 1 else (poses, targets, weights)


def action_targets(
    classes: Mapping[str, int], names: Sequence[str], samples: Sequence
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Targets (B, classes) and weights (B,) of all action heads, float32, by name of the head.

    Args:
        classes: number of actions by name of the data set.
        names: (B,), the data set of each sample.
        samples: (B,), with the index of their action as `action`.
    """
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
            f"The shares must name the data sets {', '.join(datasets)}, got {', '.join(shares)}."
        )


def _has_videos(dataset):
    return len(dataset) and isinstance(dataset[0], Video)


def _count_actions(datasets):
    """Number of actions of each data set of videos, by its name."""
    for name, dataset in datasets.items():
        if not hasattr(dataset, "actions"):
            raise ValueError(
                f"The data set {name!r} ({dataset!r}) has no actions. Clips are made of data sets "
                "of videos, to which ClipBatches adds stills."
            )
    return {name: len(dataset.actions) for name, dataset in datasets.items()}
