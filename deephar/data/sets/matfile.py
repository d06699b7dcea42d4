"""Reading annotation files written by MATLAB."""

from pathlib import Path
from typing import Any

import numpy as np

from deephar.data.sets.matlab import OtherVersionError, read_matlab


def load_mat(path: str | Path, names: tuple[str, ...], remedy: str) -> dict:
    """Variables of a ``.mat`` file, with clear errors.

    Args:
        path: the file.
        names: variables that must be in it; only these are read.
        remedy: a sentence for the error messages, how to get the right file.

    Returns:
        Variable by name. Dimensions of length 1 are dropped; structures are objects with an
        attribute a field, arrays of structures are object arrays of those (see `structures`).

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not a MATLAB file, is damaged, or lacks one of the variables.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist. {remedy}")
    try:
        content = read_matlab(path.read_bytes(), names)
    except OtherVersionError as error:
        raise ValueError(
            f"{path} is in the format of MATLAB 7.3. Save it again with -v7. {remedy}"
        ) from error
    except Exception as error:  # a damaged file makes struct and zlib raise all kinds of them
        raise ValueError(f"{path} cannot be read as a MATLAB file ({error}). {remedy}") from error
    missing = [name for name in names if name not in content]
    if missing:
        raise ValueError(f"{path} holds no variable {missing[0]!r}. {remedy}")
    return content


def structures(value: Any) -> list:
    """The elements of an array of structures or of a cell array of any size.

    `load_mat` turns an array with a single element into that element, and leaves an empty array for
    "no structure". This function gives a list in all cases.

    >>> structures(np.empty((0, 0))), structures("one")
    ([], ['one'])
    """
    if isinstance(value, np.ndarray):
        return list(value.ravel())
    return [] if value is None else [value]


def number(value: Any) -> float:
    """A scalar field as a float; NaN where it is missing, empty or no number.

    >>> number("1"), number(np.empty(0))
    (1.0, nan)
    """
    try:
        values = np.asarray(value, float).ravel()
    except (TypeError, ValueError):
        return float("nan")
    return float(values[0]) if len(values) else float("nan")
