"""The weights that have a name: those that come with the project, and the authors' files."""

import hashlib
import json
import os
from pathlib import Path

from deephar.files import replacing, sha256
from deephar.weights.authors import differences, infer_config
from deephar.weights.files import check_facts, load, stored_config, stored_facts


def weights_folder():
    """The folder of the listed weights: ``$DEEPHAR_WEIGHTS``, ``./weights``, or the project's."""
    if "DEEPHAR_WEIGHTS" in os.environ:
        return Path(os.environ["DEEPHAR_WEIGHTS"])
    here = Path("weights")
    return here if (here / "index.json").is_file() else Path(__file__).parents[2] / "weights"


def index():
    """The listed weights, by name.

    Returns:
        Name -> dict of ``file``, its ``sha256`` or published ``md5``, ``config``, ``data``,
        ``score`` and ``licence``; ``default`` of the one that ``Predictor()`` takes.
        Files of others, which are to be fetched, have their ``url``, and may lack a hash.

    Raises:
        ValueError: ``index.json`` is damaged.
    """
    path = weights_folder() / "index.json"
    if not path.is_file():
        return {}
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        for name, entry in entries.items():
            if not isinstance(entry["file"], str) or not isinstance(entry["config"], dict):
                raise ValueError(f"{name} needs the name of its file, and a config as a dict")
            check_facts(entry.get("facts", {}))
            if not {"sha256", "md5", "url"} & set(entry):
                raise ValueError(f"{name} has neither sha256 nor md5 nor url")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path}: not a list of weights in JSON ({error}); restore it") from error
    return entries


def default_name() -> str:
    """The name of the weights that ``Predictor()`` takes.

    Raises:
        FileNotFoundError: the index names none, or is missing.
        ValueError: as `index`.
    """
    entries = index()
    for name, entry in entries.items():
        if entry.get("default"):
            return name
    path = weights_folder() / "index.json"
    known = ", ".join(sorted(entries)) or "none yet"
    lost = f"; {missing}" if (missing := missing_index()) else ""
    raise FileNotFoundError(
        f"{path} names no default weights (entries: {known}): say which weights to use, by a name "
        "or the path of a weights file, as in --weights runs/mpii/best.h5 (in Python: "
        f'Predictor("runs/mpii/best.h5")){lost}'
    )


def missing_index():
    """What to do about an ``index.json`` that is not there; "" if it is there."""
    path = weights_folder() / "index.json"
    if path.is_file():
        return ""
    if "DEEPHAR_WEIGHTS" in os.environ:
        remedy = "copy weights/index.json of the project into the folder, or unset the variable"
        return (
            f"{path} is not there, to which $DEEPHAR_WEIGHTS leads, so no name is known: {remedy}"
        )
    return f"{path} is not there, so no name is known: fetch the project again"


def register(name, path, licence, default=None):
    """Adds a file of the weights folder to the index.

    Args:
        name: what users will call it, e.g. ``"vgg16-medium"``.
        path: the ``.h5`` file, in ``weights_folder()``; its facts must tell ``data`` and ``score``.
        licence: a sentence on the terms of use, since they follow those of the training data.
        default: whether ``Predictor()`` takes this file from now on, and no other; by default as
            before.

    Raises:
        ValueError: the file lies elsewhere, or lacks these facts.
    """
    path = Path(path)
    folder = weights_folder()
    if path.resolve().parent != folder.resolve():
        raise ValueError(
            f"{path}: only files in {folder} can be listed in its index; move it there"
        )
    facts = read_facts(path)
    lacking = [fact for fact in ("data", "score") if fact not in facts]
    if lacking:
        raise ValueError(f"{path}: says nothing of its {' and '.join(lacking)}; save it with them")
    entry = {
        "file": path.name,
        "sha256": sha256(path),
        "config": json.loads(read_config(path).to_json()),
        "data": facts["data"],
        "score": facts["score"],
        "licence": licence,
    }
    entries = index()
    if default is None:
        default = entries.get(name, {}).get("default", False)
    entries[name] = entry
    if default:
        for other in entries.values():
            other.pop("default", None)
        entry["default"] = True
    text = json.dumps(entries, indent=2, sort_keys=True) + "\n"
    with replacing(folder / "index.json") as part:
        part.write_text(text, encoding="utf-8")


def find(name):
    """The path of a weights file given by name or path.

    A listed file's content is checked: its hash, or its network where none is published.

    Raises:
        FileNotFoundError: neither a known name nor a file; or a listed file that is to be fetched
            first, the message says from where.
        ValueError: the listed file has other content.
    """
    entries = index()
    if str(name) in entries:
        return _listed_file(str(name), entries[str(name)])
    if not Path(name).is_file():
        if lost := missing_index():
            raise FileNotFoundError(f"{name}: no such weights file; if it is a name, {lost}")
        known = ", ".join(sorted(entries)) or "none"
        raise FileNotFoundError(
            f"{name}: no such weights file, and no name in {weights_folder() / 'index.json'} "
            f"(known names: {known})"
        )
    return Path(name)


def _listed_file(name, entry):
    path = weights_folder() / entry["file"]
    source = f"download it from {entry['url']}" if "url" in entry else "fetch the project again"
    if not path.is_file():
        raise FileNotFoundError(
            f"{name}: its file is not there; {source} and put it into {path.parent} as {path.name}"
        )
    for kind in _hashes(entry):
        if _digest(path, kind) != entry[kind]:
            raise ValueError(
                f"{path}: differs from the file that {path.parent / 'index.json'} lists as "
                f"{name!r} (its {kind} is another); {source}, or give its path instead"
            )
    if not _hashes(entry) and (others := differences(path, _listed_config(name, entry))):
        raise ValueError(
            f"{path}: its network is not that which {path.parent / 'index.json'} lists as "
            f"{name!r}: {', '.join(others)}; {source}, or give this file another name"
        )
    return path


def _listed_config(name, entry):
    from deephar.models import config_from_json

    try:
        return config_from_json(json.dumps(entry["config"]))
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{weights_folder() / 'index.json'}: the config of {name!r} is damaged ({error}); "
            "restore it"
        ) from error


def listed_as(path):
    """The name under which the index lists a file, wherever it lies.

    Args:
        path: of the file. It is known by its content; where no hash is published, by the name of
            the file and its network.

    Returns:
        The name, or None.
    """
    digests = {}
    for name, entry in index().items():
        kinds = _hashes(entry)
        for kind in set(kinds) - set(digests):
            digests[kind] = _digest(path, kind)
        if all(digests[kind] == entry[kind] for kind in kinds) and (
            kinds or _is_network_of(name, entry, path)
        ):
            return name
    return None


def _is_network_of(name, entry, path):
    if entry["file"] != Path(path).name:
        return False
    config = _listed_config(name, entry)
    try:
        return not differences(path, config)
    except ValueError:  # not of a network of the authors
        return False


def _hashes(entry):
    return [kind for kind in ("sha256", "md5") if kind in entry]


def _digest(path, kind):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()


# ------------------------------------------------------------------------------- whole networks


def load_model(name):
    """Builds the network that a weights file describes, with its weights.

    Args:
        name: a name in ``weights/index.json``, or the path of an ``.h5`` file that ``save`` has
            written, or of one of the authors.

    Returns:
        The ``keras.Model`` and its ``ModelConfig`` or ``ReceptionConfig``.

    Raises:
        FileNotFoundError: neither a known name nor a file.
        ValueError: the file is damaged, or does not tell its network.
    """
    from deephar.models import build_model

    path = find(name)
    config = read_config(path)
    model = build_model(config)
    load(model, path)
    return model, config


def read_config(path):
    """The config of the network of a weights file.

    It is the one inside the file. Without one, it is told from the layers if they are those of a
    network of the authors; what they cannot tell is taken from the index, if it lists the file.

    Args:
        path: of the file.

    Returns:
        Its ``ModelConfig`` or ``ReceptionConfig``.

    Raises:
        FileNotFoundError: no such file.
        ValueError: damaged, or without a (known) config, or one that its layers do not tell.
    """
    if (config := stored_config(path)) is not None:
        return config
    return infer_config(path, **hints(path))


def hints(path):
    """What the index knows of a file and its layers do not tell: arguments of ``infer_config``."""
    name = listed_as(path)
    if name is None:
        return {"num_frames": None, "heads": ()}
    config = _listed_config(name, index()[name])
    return {"num_frames": config.num_frames, "heads": tuple(config.actions)}


def read_facts(path):
    """What is known of a weights file, as a dict.

    The facts given to ``save``; for a file of another origin, those of the index if it lists it.
    """
    if facts := stored_facts(path):
        return facts
    if stored_config(path) is not None or (name := listed_as(path)) is None:
        return {}
    entry = index()[name]
    return {
        **entry.get("facts", {}),
        **{fact: entry[fact] for fact in ("data", "score", "licence") if fact in entry},
    }
