"""Batches for Keras, mixed from several data sets in fixed shares."""

from collections.abc import Mapping

import keras
import numpy as np

from deephar.data.pool import CropPool
from deephar.data.samples import Sample
from deephar.data.transforms import Augmentation
from deephar.skeletons import Skeleton, get_skeleton

# First number of a seed, so that orders and augmentations never share one.
_ORDER, _CROP = 0, 1


class Batches(keras.utils.PyDataset):
    """Batches of crops and targets, for ``model.fit`` and ``model.evaluate``.

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

    Attributes:
        epoch: the epoch that the next batches belong to.
        error: the exception that the last batch failed with, or None. TensorFlow turns it into
            one of its own, without its type.
        batch_size: persons in a (full) batch.

    Raises:
        ValueError: `shares` names other data sets than `datasets`, a share is no positive integer,
            a data set is empty, or `steps_per_epoch` or `workers` is out of range.
    """

    # Keras has workers of its own (`PyDataset(workers=...)`), which prepare whole batches. They are
    # not used, since they start on an epoch before `on_epoch_begin`, and their processes are forked
    # from one in which TensorFlow's threads run, which may lock up. Here, workers share the crops
    # of one batch and are told all they need with each task; TensorFlow prefetches batches anyway.

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
    ):
        super().__init__()
        _check(datasets, shares, steps_per_epoch, workers)
        self.datasets = dict(datasets)
        self.shares = dict(shares)
        self.image_size = image_size
        self.skeleton = get_skeleton(skeleton)
        self.augmentation = augmentation
        self.seed = seed
        self.shuffle = shuffle
        self.epoch = epoch
        self.batch_size = sum(self.shares.values())
        self._steps = self._count_steps(steps_per_epoch)
        self._pool = CropPool(workers, use_multiprocessing)
        self._in_epoch = self._saw_last = False
        self.error = None

    def __len__(self):
        return self._steps

    def __getitem__(self, index):
        """Batch `index` of the epoch `self.epoch`.

        Returns:
            Images float32 (B, S, S, 3) in [-1, 1], and ``{"pose": targets}`` with targets float32
            (B, joints, 3) as `deephar.data.pose_target` gives them.

        Raises:
            IndexError: there are no more batches.
        """
        samples = self.samples(index)
        seeds = [(_CROP, self.seed, self.epoch, index, slot) for slot in range(len(samples))]
        try:
            images, targets = self._crop(samples, seeds)
        except Exception as error:
            self.error = error
            raise
        if index == len(self) - 1:
            self._saw_last = True
        return images, {"pose": targets}

    def samples(self, index: int) -> list[Sample]:
        """The persons in batch `index` of the epoch `self.epoch`, in their order there.

        Raises:
            IndexError: the index is not 0 to ``len(self) - 1``.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"There are {len(self)} batches, from 0; got {index}.")
        pick = self._pick_mixed if self.shuffle else self._pick_in_order
        return [self.datasets[name][i] for name, i in pick(index)]

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

    def __repr__(self):
        shares = " + ".join(f"{share} {name}" for name, share in self.shares.items())
        return f"Batches({len(self)} of {shares}, {self.image_size} px, epoch {self.epoch})"

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

    def _crop(self, samples, seeds):
        options = (self.image_size, self.skeleton, self.augmentation)
        return self._pool.crop(samples, seeds, *options)

    def _pick_mixed(self, index):
        """Names of data sets and positions there: each data set's share of batch `index`."""
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


def _check(datasets, shares, steps, workers):
    if not shares or set(shares) != set(datasets):
        raise ValueError(
            f"shares must name the data sets {', '.join(datasets)}, got {', '.join(shares)}."
        )
    for name, share in shares.items():
        if not isinstance(share, int | np.integer) or share < 1:
            raise ValueError(f"The share of {name!r} must be a positive integer, got {share!r}.")
        if len(datasets[name]) == 0:
            raise ValueError(f"The data set {name!r} is empty.")
    if steps is not None and steps < 1:
        raise ValueError(f"steps_per_epoch must be at least 1, got {steps}.")
    if workers < 0:
        raise ValueError(f"workers must not be negative, got {workers}.")
