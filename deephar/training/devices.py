"""Training on several devices: of this machine, or of several processes on one or more machines.

On TensorFlow, `tf.distribute.MirroredStrategy` takes the devices of one process. On JAX,
`keras.distribution.DataParallel` takes those of all processes that `jax.distributed` connects. Each
device computes an equal part of every batch.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

_VARIABLES = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")

# In messages of JAX about a process that has gone.
_LOST = re.compile(r"gloo|nccl|coordination|heartbeat|connection (closed|reset)", re.IGNORECASE)

# When the first process is gone, JAX crashes the others. So it waits until they have left.
_SECONDS_TO_LEAVE = 2


@dataclass(frozen=True)
class Devices:
    """What a run is trained on; by default, one device of one process.

    Attributes:
        count: devices of all processes together.
        process: number of this process, from 0.
        processes: number of processes.
        strategy: on TensorFlow, the strategy for several devices.
    """

    count: int = 1
    process: int = 0
    processes: int = 1
    strategy: Any = None

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and prints."""
        return self.process == 0

    def building(self) -> contextlib.AbstractContextManager:
        """Context in which models to train are built and compiled."""
        return contextlib.nullcontext() if self.strategy is None else self.strategy.scope()

    def predicting(self, model: keras.Model) -> keras.Model:
        """A model with the same weights that predicts each input once.

        TensorFlow's strategy would predict it on each device, and give all of the results.
        """
        return model if self.strategy is None else keras.Model(model.input, model.output)

    def check_batch(self, size: int, name: str) -> None:
        """Raises unless a batch can be divided.

        Args:
            size: number of samples.
            name: what to call it.

        Raises:
            ValueError: The parts would not be equal.
        """
        if size % self.count:
            less = size - size % self.count
            raise ValueError(
                f"{name} has {size} samples, which cannot be divided equally between {self.count} "
                f"devices. Take {f'{less} or ' if less else ''}{less + self.count} samples."
            )

    def gather(self, value: Any) -> list:
        """The values of all processes, by number of the process.

        Args:
            value: that of this process; anything JSON can hold.
        """
        if self.processes == 1:
            return [value]
        from jax.experimental.multihost_utils import process_allgather

        text = np.frombuffer(json.dumps(value).encode(), np.uint8)
        sizes = process_allgather(np.int32(len(text)))
        padded = np.zeros(sizes.max(), np.uint8)
        padded[: len(text)] = text
        texts = process_allgather(padded)
        return [json.loads(bytes(t[:size])) for t, size in zip(texts, sizes, strict=True)]

    def wait(self) -> None:
        """Waits until all processes are here, such as for files of the first one."""
        if self.processes > 1:
            from jax.experimental.multihost_utils import sync_global_devices

            sync_global_devices("deephar")


@contextlib.contextmanager
def using_devices(wanted: int | str | None, *, resumable: bool = True) -> Iterator[Devices]:
    """Context manager that sets up devices, and connects the processes of a run.

    In one of several processes, an error ends the process without waiting for the others at the
    end of the program: they may be waiting for this one.

    Args:
        wanted: number of devices of each process, ``"all"``, or None for Keras's own choice.
        resumable: whether the run can be resumed, which the message of a `ConnectionError` says.

    Raises:
        ValueError: There are fewer devices; the processes cannot be connected, or have different
            numbers of devices; the backend has no way to train on several devices; or there are
            several processes, and None is wanted.
        ConnectionError: Another process has ended.
    """
    if wanted is None:
        if (count := _processes_wanted()) > 1:
            raise ValueError(
                f"JAX_NUM_PROCESSES is {count}, but each process would train alone, in the same "
                "folder. Add --devices all, or unset JAX_NUM_PROCESSES."
            )
        yield Devices()
        return
    if wanted != "all" and not (isinstance(wanted, int) and wanted > 0):
        raise ValueError(f"devices must be a positive integer or 'all', got {wanted!r}.")
    backend = keras.backend.backend()
    if backend == "tensorflow":
        yield _mirrored(wanted)
    elif backend == "jax":
        _connect()
        with _parallel(wanted, resumable) as devices:
            yield devices
    else:
        raise ValueError(
            f"Keras runs on {backend}, on which deephar does not train on several devices. Set "
            "KERAS_BACKEND=jax or tensorflow, or leave out --devices."
        )


def _processes_wanted():
    """Number of processes that the environment says a run has."""
    return int(os.environ.get("JAX_NUM_PROCESSES") or 1)


@contextlib.contextmanager
def on_one_device() -> Iterator[None]:
    """Context in which a small network learns and predicts on one device of each process.

    Keras would divide every batch between all devices, also one that cannot be divided.
    """
    several = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(several)


def is_first() -> bool:
    """Whether this process prints: it is the first of its run, or the only one."""
    if keras.backend.backend() != "jax":
        return True
    import jax

    return jax.process_index() == 0


def _number(wanted, names):
    """How many of the devices of this process to use."""
    if wanted == "all":
        return len(names)
    if wanted > len(names):
        raise ValueError(
            f"There are not {wanted} devices, only {', '.join(names)}. Give at most --devices "
            f"{len(names)}, or all."
        )
    return wanted


# ----------------------------------------------------------------------------------- TensorFlow

# Runs in one process share a strategy: TensorFlow takes the sums of a second one, whose numbers
# begin anew, for those of the first one, and ends with "Shape mismatch in the collective instance".
_STRATEGIES = {}


def _mirrored(wanted):
    import tensorflow as tf  # here alone: Keras has no counterpart of MirroredStrategy

    if _processes_wanted() > 1:
        raise ValueError(
            "JAX_NUM_PROCESSES is set, but Keras runs on tensorflow, on which deephar trains in "
            "one process. Set KERAS_BACKEND=jax."
        )
    found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    names = [device.name.removeprefix("/device:") for device in found]
    count = _number(wanted, names)
    used = tuple(names[:count])
    if used not in _STRATEGIES:
        _STRATEGIES[used] = tf.distribute.MirroredStrategy(used)
    return Devices(count, strategy=_STRATEGIES[used])


# ------------------------------------------------------------------------------------------ JAX


def _connect():
    """Connects the processes of a run, if the environment says that there are several."""
    import jax

    if jax.distributed.is_initialized():
        return
    address, processes, process = (os.environ.get(name) or None for name in _VARIABLES)
    given = any((address, processes, process))
    with contextlib.suppress(AttributeError):  # in versions that have no such service
        # It would take SIGTERM for a notice, and the process would not end.
        jax.config.update("jax_enable_preemption_service", False)
    try:
        # JAX takes what is not given from Slurm, Open MPI, Kubernetes or the TPU.
        jax.distributed.initialize(
            address,
            int(processes) if processes else None,
            int(process) if process else None,
        )
    except (ValueError, RuntimeError) as error:
        alone = isinstance(error, ValueError) or "before any JAX" in str(error)
        if not given and alone:
            return
        raise ValueError(
            f"The processes of the run cannot be connected ({str(error).rstrip('.')}). Start them "
            f"with srun, or set {', '.join(_VARIABLES)} for each: HOST:PORT of the first process, "
            "the number of processes, and the number of this one, from 0. Do so before JAX is used."
        ) from error


@contextlib.contextmanager
def _parallel(wanted, resumable):
    import jax

    process, processes = jax.process_index(), jax.process_count()
    with contextlib.ExitStack() as ending:
        if process:
            silence = ending.enter_context(open(os.devnull, "w"))
            ending.enter_context(contextlib.redirect_stdout(silence))
        try:
            names = _names_by_process(jax, processes)
            count = _number(wanted, names[process])
            mesh = [name for names_there in names for name in names_there[:count]]
            # Each process makes its own part of a batch, so Keras must not divide it again.
            parallel = keras.distribution.DataParallel(devices=mesh, auto_shard_dataset=False)
            with parallel.scope():
                yield Devices(len(mesh), process, processes)
        except BaseException as error:
            if processes == 1:
                raise
            atexit.register(_leave, process)
            if message := _message_of_loss(error):
                then = "in another folder."
                if resumable:
                    then = "with --resume, and the run goes on after its last complete epoch."
                raise ConnectionError(
                    f"Another process of this run has ended ({message}). Its own output says why. "
                    f"Start all processes again {then}"
                ) from error
            raise


def _names_by_process(jax, processes):
    """Names of the devices, as Keras calls them, a list for each process."""
    names = [[] for _ in range(processes)]
    for device in jax.devices():
        names[device.process_index].append(f"{device.platform}:{device.id}")
    if len({len(names_there) for names_there in names}) > 1:
        raise ValueError(
            "The processes have different numbers of devices "
            f"({', '.join(str(len(names_there)) for names_there in names)}). Choose the same "
            "number for each by JAX_LOCAL_DEVICE_IDS, as in 0,1."
        )
    return names


def _message_of_loss(error):
    """What JAX says of a process that has gone, in one line; None if the error is another one."""
    while error is not None:
        if isinstance(error, ValueError | RuntimeError) and _LOST.search(str(error)):
            return str(error).splitlines()[0]
        error = error.__cause__ or error.__context__
    return None


def _leave(process):
    """Ends this process. JAX would wait for the others first."""
    if process == 0:
        time.sleep(_SECONDS_TO_LEAVE)
    with contextlib.suppress(OSError, ValueError):  # nobody reads any more
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(2)
