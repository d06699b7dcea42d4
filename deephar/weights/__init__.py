"""Weight files: ``.h5`` in and out, and the index of those with a name.

A file written here has the layout that Keras 2 gave its ``.h5`` weights (one group a layer, found
by name), so ``model.load_weights`` of Keras reads it too. On top it carries the network's config
and facts such as the score, as attributes of the root. Read are these files, Keras 2 files, and
the ``.weights.h5`` files of Keras 3; of the authors' files the config is told from the layers.

    python -m deephar.weights inspect FILE
    python -m deephar.weights convert FILE OUT.h5
"""

from deephar.weights.authors import infer_config
from deephar.weights.commands import convert, describe
from deephar.weights.files import (
    CONFIG,
    FACTS,
    FORMAT,
    LoadReport,
    digest,
    load,
    load_part,
    load_shared,
    save,
)
from deephar.weights.registry import (
    default_name,
    find,
    index,
    listed_as,
    load_model,
    missing_index,
    read_config,
    read_facts,
    register,
    weights_folder,
)

__all__ = [
    "CONFIG",
    "FACTS",
    "FORMAT",
    "LoadReport",
    "convert",
    "default_name",
    "describe",
    "digest",
    "find",
    "index",
    "infer_config",
    "listed_as",
    "load",
    "load_model",
    "load_part",
    "load_shared",
    "missing_index",
    "read_config",
    "read_facts",
    "register",
    "save",
    "weights_folder",
]
