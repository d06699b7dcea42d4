"""The weights that have a name: those that come with the project, and the authors' files.

A name stands for the network of a file, or for the pose network inside it: the config of its entry
then has no actions, and that of the file has. So a file can have a name for poses and actions, and
another one for its poses alone.
"""

from __future__ import annotations

import json
import os
import shlex
from importlib import metadata
from pathlib import Path

import keras

from deephar.files import file_hash, read_text, replacing
from deephar.models import ModelConfig, ReceptionConfig, build_model, config_from_json
from deephar.weights.authors import differences, infer_config
from deephar.weights.files import (
    check_facts,
    load,
    load_inferred,
    load_part,
    stored_config,
    stored_facts,
)

INDEX = "index.json"
"""Name of the file that lists the weights of a folder."""

_FOLDER_VARIABLE = "DEEPHAR_WEIGHTS"
_ROOT = Path(__file__).parents[2]  # of a checkout; of an installed package, site-packages


def weights_folder() -> Path:
    """The folder of the listed weights.

    It is ``$DEEPHAR_WEIGHTS`` if that is set; otherwise ``./weights`` if it has an ``index.json``;
    otherwise the folder that comes with the project.
    """
    if _FOLDER_VARIABLE in os.environ:
        return Path(os.environ[_FOLDER_VARIABLE])
    here = Path("weights")
    return here if (here / INDEX).is_file() else _project_folder()


def index() -> dict[str, dict]:
    """The listed weights, by name.

    Returns:
        Name -> dict of ``file``, its ``sha256`` or published ``md5``, ``config``, ``data``,
        ``score`` and ``licence``; ``default`` of the one that ``Predictor()`` takes. Several names
        may have the same file: one stands for its network, others for the pose network inside it.
        Files that others have published have their ``url``, and may lack a hash. They are to be
        downloaded by the user.

    Raises:
        ValueError: ``index.json`` is damaged.
    """
    path = weights_folder() / INDEX
    if not path.is_file():
        return {}
    try:
        entries = json.loads(read_text(path))
        for name, entry in entries.items():
            if not isinstance(entry["file"], str) or not isinstance(entry["config"], dict):
                raise ValueError(f"{name} needs the name of its file, and a config as a dict")
            check_facts(entry.get("facts", {}))
            if not {"sha256", "md5", "url"} & set(entry):
                raise ValueError(f"{name} has neither sha256 nor md5 nor url")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            f"{path} is not a list of weights in JSON ({error}). {_how_to_restore(INDEX)}"
        ) from error
    return entries


def default_name() -> str:
    """The name of the weights that ``Predictor()`` takes.

    Raises:
        FileNotFoundError: The index names none, or is missing.
        ValueError: As `index`.
    """
    entries = index()
    for name, entry in entries.items():
        if entry.get("default"):
            return name
    known = ", ".join(sorted(entries)) or "none"
    reason = _missing_index_hint() or f"{weights_folder() / INDEX} marks none as the default."
    raise FileNotFoundError(
        f"There are no default weights (known names: {known}). Give a name or the path of a "
        "weights file, for example --weights runs/mpii/best.h5, or in Python "
        f'Predictor("runs/mpii/best.h5"). {reason}'
    )


def register(
    name: str,
    path: str | Path,
    *,
    licence: str,
    default: bool | None = None,
    pose_config: ModelConfig | ReceptionConfig | None = None,
    facts: dict | None = None,
) -> None:
    """Adds a file of the weights folder to the index.

    Other names of this file get its new hash.

    Args:
        name: what users will call it, e.g. ``"vgg16-medium"``.
        path: the ``.h5`` file, in ``weights_folder()``.
        licence: a sentence on the terms of use, since they follow those of the training data.
        default: whether ``Predictor()`` takes this file from now on, and no other; None keeps what
            the index says.
        pose_config: config of the pose network inside the file, if the name stands for it alone;
            None for the network of the file.
        facts: dict with ``data`` and ``score``; None for those of the file.

    Raises:
        FileNotFoundError: No such file.
        ValueError: The file lies elsewhere, there are no such facts, or the file has no actions
            besides the pose network of `pose_config`, or another pose network.
        OSError: The index cannot be written, e.g. in a read-only installation.
    """
    path = Path(path)
    folder = weights_folder()
    if path.resolve().parent != folder.resolve():
        raise ValueError(
            f"{path} is not in {folder}, and only files in that folder can be listed in its "
            f"{INDEX}. Move it there, or set ${_FOLDER_VARIABLE} to its folder."
        )
    facts = read_facts(path) if facts is None else facts
    lacking = [fact for fact in ("data", "score") if fact not in facts]
    if lacking:
        raise ValueError(
            f"{path} does not tell its {' and '.join(lacking)}. Save the weights with these facts."
        )
    config = read_config(path)
    if pose_config is not None:
        _require_pose_network(path, config, pose_config)
    entries = index()
    if default is None:
        default = entries.get(name, {}).get("default", False)
    if default:
        for other in entries.values():
            other.pop("default", None)
    digest = file_hash(path)
    for other in entries.values():
        if other["file"] == path.name and "sha256" in other:
            other["sha256"] = digest
    entries[name] = {
        "file": path.name,
        "sha256": digest,
        "config": json.loads((pose_config or config).to_json()),
        "data": facts["data"],
        "score": facts["score"],
        "licence": licence,
        **({"default": True} if default else {}),
    }
    _write_index(entries)


def _require_pose_network(path, config, pose_config):
    """Raises unless a file has actions and, besides, the weights of a pose network."""
    if pose_config.actions or not config.actions:
        raise ValueError(
            f"{path}: Only a file with actions has another name for its pose network, whose config "
            "has none. Leave pose_config out, or give actions={} in it."
        )
    load_part(build_model(pose_config), path)


def _write_index(entries: dict) -> None:
    path = weights_folder() / INDEX
    text = json.dumps(entries, indent=2, sort_keys=True) + "\n"
    try:
        with replacing(path) as part:
            part.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OSError(
            f"{error} To list weights in a folder of your own, copy {path} there and set "
            f"${_FOLDER_VARIABLE} to that folder."
        ) from error


def find(name: str | Path) -> Path:
    """The path of a weights file given by name or path.

    A listed file's content is checked: its hash, or its network where no hash is published.

    Raises:
        FileNotFoundError: Neither a known name nor a file; or the file of a known name is missing,
            the message says where to get it.
        ValueError: The listed file has other content, or `name` is a folder.
    """
    entries = index()
    if str(name) in entries:
        return _listed_file(str(name), entries[str(name)])
    if Path(name).is_dir():
        raise ValueError(
            f"{name} is a folder. Give a weights file in it, such as {Path(name) / 'best.h5'}."
        )
    if not Path(name).is_file():
        reason = _missing_index_hint()
        if not reason:
            known = ", ".join(sorted(entries)) or "none"
            reason = f"{weights_folder() / INDEX} has these names: {known}."
        raise FileNotFoundError(f"{name} is neither a weights file nor a known name. {reason}")
    return Path(name)


def find_part(name: str | Path) -> tuple[Path, ModelConfig | ReceptionConfig | None]:
    """The path of a weights file, and which part of its network is meant.

    Args:
        name: as for `find`.

    Returns:
        The path; and, for a name that stands for the pose network inside a file with actions, the
        config of that pose network, otherwise None.

    Raises:
        FileNotFoundError, ValueError: As `find`.
    """
    path, entry = find(name), index().get(str(name))
    if entry is None or entry["config"].get("actions"):
        return path, None
    stored = stored_config(path)
    if stored is None or not stored.actions:
        return path, None
    return path, _listed_config(str(name), entry)


def is_available(entry: dict) -> bool:
    """Whether the file of an entry of the index exists; its content is not checked."""
    return (weights_folder() / entry["file"]).is_file()


def _listed_file(name: str, entry: dict) -> Path:
    path = weights_folder() / entry["file"]
    if not path.is_file():
        raise FileNotFoundError(
            f"{name!r} is a known name, but its file {path} is missing. {_how_to_get(entry)}"
        )
    for kind in _hash_kinds(entry):
        if file_hash(path, kind) != entry[kind]:
            raise ValueError(
                f"{path} is not the file that {INDEX} lists as {name!r}: its {kind} differs. "
                f"{_how_to_get(entry)} To use the file as it is, give its path."
            )
    if not _hash_kinds(entry) and (others := differences(path, _listed_config(name, entry))):
        raise ValueError(
            f"{path} is not the network that {INDEX} lists as {name!r}: it has "
            f"{', '.join(others)}. {_how_to_get(entry)} Give this file another name."
        )
    return path


def _listed_config(name: str, entry: dict) -> ModelConfig | ReceptionConfig:
    try:
        return config_from_json(json.dumps(entry["config"]))
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{weights_folder() / INDEX} has a damaged config of {name!r} ({error}). "
            f"{_how_to_restore(INDEX)}"
        ) from error


def listed_as(path: str | Path) -> str | None:
    """The name under which the index lists a file, wherever it lies.

    Args:
        path: of the file. It is recognized by its content; where no hash is published, by the name
            of the file and its network.

    Returns:
        The name, or None; of several names, that of the whole network.
    """
    return next(iter(names_of_file(path)), None)


def names_of_file(path: str | Path) -> list[str]:
    """All names under which the index lists a file, that of the whole network first.

    Args:
        path: of the file, which is recognized as by `listed_as`.
    """
    entries, hashes, names = index(), {}, []
    for name, entry in entries.items():
        kinds = _hash_kinds(entry)
        for kind in set(kinds) - set(hashes):
            hashes[kind] = file_hash(path, kind)
        if all(hashes[kind] == entry[kind] for kind in kinds) and (
            kinds or _is_network_of(name, entry, path)
        ):
            names.append(name)
    return sorted(names, key=lambda name: not entries[name]["config"].get("actions"))


def _is_network_of(name: str, entry: dict, path: str | Path) -> bool:
    if entry["file"] != Path(path).name:
        return False
    config = _listed_config(name, entry)
    try:
        return not differences(path, config)
    except ValueError:  # not a network of the authors
        return False


def _hash_kinds(entry: dict) -> list[str]:
    return [kind for kind in ("sha256", "md5") if kind in entry]


# ---------------------------------------------------------------------- how the project is there


def _is_checkout() -> bool:
    return all((_ROOT / name).is_file() for name in ("setup.py", "pyproject.toml"))


def _project_folder() -> Path:
    """The weights that come with the project: in a checkout, or inside the installed package."""
    return _ROOT / "weights" if _is_checkout() else Path(__file__).parent / "shipped"


def _missing_index_hint() -> str:
    """Hint shown when index.json is missing; "" if it exists."""
    path = weights_folder() / INDEX
    if path.is_file():
        return ""
    unset = f" Or unset ${_FOLDER_VARIABLE}." if _FOLDER_VARIABLE in os.environ else ""
    return f"{path} does not exist, so no names are known. {_how_to_restore(INDEX)}{unset}"


def _how_to_get(entry: dict) -> str:
    if "url" not in entry:
        return _how_to_restore(entry["file"])
    path = weights_folder() / entry["file"]
    return f"Download it from {entry['url']} and save it as {path}."


def _how_to_restore(file: str) -> str:
    """How to get a file of the project back, depending on how the project was installed."""
    folder = weights_folder()
    if folder.resolve() != _project_folder().resolve():
        source = _project_folder() / file
        return f"Copy {source} to {folder}." if source.is_file() else f"Put it back into {folder}."
    if not _is_checkout():
        command = f"pip install --force-reinstall --no-deps {shlex.quote(_installed_from())}"
        return f"Install the package again, with: {command}"
    if (_ROOT / ".git").exists():
        return f"Restore it with: git -C {shlex.quote(str(_ROOT))} checkout weights/{file}"
    return f"Download the project again; the file belongs into {folder}."


def _installed_from() -> str:
    """What pip installs the package from: its name, or the address that pip has recorded."""
    try:
        record = metadata.distribution("deephar").read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        record = None
    if record is None:
        return "deephar"
    source = json.loads(record)
    vcs = source.get("vcs_info", {}).get("vcs")
    return f"{vcs}+{source['url']}" if vcs else source["url"]


# ------------------------------------------------------------------------------- whole networks


def load_model(name: str | Path) -> tuple[keras.Model, ModelConfig | ReceptionConfig]:
    """Builds the network that a weights file describes, with its weights.

    Args:
        name: a name in ``weights/index.json``, or the path of an ``.h5`` file that ``save`` has
            written, or of one of the authors. A name may stand for the pose network of a file with
            actions; then only that is built.

    Returns:
        The ``keras.Model`` and its ``ModelConfig`` or ``ReceptionConfig``.

    Raises:
        FileNotFoundError: Neither a known name nor a file.
        ValueError: The file is damaged, or does not tell its network.
    """
    path, pose_config = find_part(name)
    if pose_config is not None:
        model = build_model(pose_config)
        load_part(model, path)
        return model, pose_config
    stored, config = stored_config(path), _config_of_file(path)
    model = build_model(config)
    if stored is None:
        load_inferred(model, path)
    else:
        load(model, path)
    return model, config


def read_config(name: str | Path) -> ModelConfig | ReceptionConfig:
    """The config of the network of a weights file.

    It is the config inside the file; that of the index for a name that stands for the pose network
    inside the file. If there is none, it is inferred from the layers, if they are those of a
    network of the authors; what the layers do not tell is taken from the index, if it lists the
    file.

    Args:
        name: a name in the index, or the path of a file.

    Returns:
        Its ``ModelConfig`` or ``ReceptionConfig``.

    Raises:
        FileNotFoundError: As `find`.
        ValueError: As `find`; damaged, or without a (known) config, or one that its layers do not
            tell.
    """
    path, pose_config = find_part(name)
    return pose_config or _config_of_file(path)


def _config_of_file(path: Path) -> ModelConfig | ReceptionConfig:
    if (config := stored_config(path)) is not None:
        return config
    return infer_config(path, **hints(path))


def hints(path: str | Path) -> dict:
    """What the index knows of a file and its layers do not tell: arguments of ``infer_config``."""
    name = listed_as(path)
    if name is None:
        return {"num_frames": None, "heads": ()}
    config = _listed_config(name, index()[name])
    return {"num_frames": config.num_frames, "heads": tuple(config.actions)}


def read_facts(name: str | Path) -> dict:
    """The known facts about a weights file.

    They are the facts given to ``save``. For a file of another origin, they are those of the index
    if it lists the file; also for a name that stands for the pose network inside a file.

    Args:
        name: a name in the index, or the path of a file.

    Raises:
        FileNotFoundError: As `find`.
        ValueError: As `find`; damaged.
    """
    path, pose_config = find_part(name)
    if pose_config is not None:
        return _listed_facts(index()[str(name)])
    if facts := stored_facts(path):
        return facts
    if stored_config(path) is not None or (listed := listed_as(path)) is None:
        return {}
    return _listed_facts(index()[listed])


def _listed_facts(entry: dict) -> dict:
    return {
        **entry.get("facts", {}),
        **{fact: entry[fact] for fact in ("data", "score", "licence") if fact in entry},
    }
