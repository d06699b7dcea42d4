"""Reads damaged files in a process of its own, which may crash or hang.

    python -m fuzz.attack FOLDER COUNT KIND:FIRST ...

reads `COUNT` damaged files of each kind, from number `FIRST` on, and appends what happens to
``FOLDER/events.jsonl``, a list in each line: ``[kind, number, "begin"]`` before a file is read and
``[kind, number, outcome]`` after it, "read", "refused" or what went wrong. When a kind is done,
``[kind, "memory", before, after]``, MB.
"""

import faulthandler
import gc
import json
import os
import resource
import signal
import sys
import traceback
import warnings
from pathlib import Path

import numpy as np
from fuzz.sources import all_sources

SEED = 20
SECONDS = 10  # of the processor, for one function that reads a file
WAIT = 60  # seconds for one file in any case; the processor may have other things to do
MOST_MEMORY = 1000  # MB for one file
DOCUMENTED = (ValueError, FileNotFoundError, PermissionError, OSError)


class Unpickled(BaseException):
    """A pickle in a file was about to be loaded."""


def refuse_pickles(event, arguments):
    if event == "pickle.find_class":
        raise Unpickled(arguments)


def outcome(source):
    """What happens when a file is read by all functions that read it."""
    result = "read"
    for read in source.reads:
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            read(source.path)
        except BaseException as error:
            # Subclasses are of other packages, and so is their message.
            if type(error) not in DOCUMENTED or source.path.name not in str(error):
                return "".join(traceback.format_exception(error)[-4:])
            result = "refused"
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    return result


def memory():
    """Memory in use, MB."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def peak():
    """The most memory in use until now, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def attack(kind, sources, numbers, note):
    before = None
    for number in numbers:
        source, rng = sources[number % len(sources)], np.random.default_rng((SEED, number))
        source.damage(rng)
        note(kind, number, "begin")
        most = peak()
        faulthandler.dump_traceback_later(WAIT, exit=True)
        result = outcome(source)
        faulthandler.cancel_dump_traceback_later()
        if peak() - most > MOST_MEMORY:
            result = f"took {peak() - most:.0f} MB"
        note(kind, number, result)
        source.mend()
        if number - numbers.start == len(numbers) // 4:  # all modules are loaded, all pools filled
            before = memory()
    note(kind, "memory", before, memory())


def main(folder, count, *kinds):
    faulthandler.enable()
    faulthandler.register(signal.SIGPROF, chain=True)
    sys.addaudithook(refuse_pickles)
    warnings.simplefilter("ignore")
    events = os.open(Path(folder) / "events.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    sources = all_sources(Path(folder) / f"files-{os.getpid()}")

    def note(*event):
        os.write(events, json.dumps(event).encode() + b"\n")

    for kind in kinds:
        name, first = kind.split(":")
        attack(name, sources[name], range(int(first), int(count)), note)


if __name__ == "__main__":
    main(*sys.argv[1:])
