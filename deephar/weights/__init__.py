"""Weight files: ``.h5`` in and out, and the index of those with a name.

A file written here has the layout of Keras 2's ``.h5`` weights (one group for each layer, found by
name), so ``model.load_weights`` of Keras reads it, too. Attributes of its root hold the network's
config and facts such as the score. Other files that can be read are Keras 2 files and the
``.weights.h5`` files of Keras 3. The config of the authors' files is inferred from their layers.

    deephar inspect FILE
    deephar convert FILE OUT.h5
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
from deephar.weights.joining import join
from deephar.weights.registry import (
    default_name,
    find,
    find_part,
    index,
    is_available,
    listed_as,
    load_model,
    names_of_file,
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
    "find_part",
    "index",
    "infer_config",
    "is_available",
    "join",
    "listed_as",
    "load",
    "load_model",
    "load_part",
    "load_shared",
    "names_of_file",
    "read_config",
    "read_facts",
    "register",
    "save",
    "weights_folder",
]
