"""Reading MATLAB files of the versions 5 to 7.

After "MAT-File Format", The MathWorks. `scipy.io.loadmat` crashes on damaged files.
"""

import struct
import zlib
from collections.abc import Container, Iterator
from math import prod
from types import SimpleNamespace
from typing import Any

import numpy as np

_HEADER = 128  # bytes
_NUMBERS = dict(
    zip(
        (1, 2, 3, 4, 5, 6, 7, 9, 12, 13),
        ("i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8", "i8", "u8"),
        strict=True,
    )
)
_MATRIX, _COMPRESSED = 14, 15
_TEXTS = {16: "utf-8", 17: "utf-16", 18: "utf-32"}
_CELL, _STRUCTURE, _CHARACTERS, _FIRST_NUMERIC, _LAST_NUMERIC = 1, 2, 4, 6, 15
_COMPLEX = 8


class OtherVersionError(ValueError):
    """A MATLAB file of a version that is not read here."""


def read_matlab(content: bytes, names: Container[str]) -> dict[str, Any]:
    """Variables in the content of a file.

    Args:
        content: the whole file.
        names: the variables that are wanted.

    Returns:
        Variable by name; those that are not there are left out. Dimensions of length 1 are dropped.
        Structures are objects with an attribute a field.

    Raises:
        OtherVersionError: The file is of version 7.3.
        Exception: Of any kind, if it is damaged.
    """
    if content[:8] in (b"MATLAB 7", b"\x89HDF\r\n\x1a\n") or content[512:516] == b"\x89HDF":
        raise OtherVersionError("version 7.3")
    order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
    if order is None:
        raise ValueError("it does not begin like one")
    reader = _Reader(order)
    variables = {}
    for kind, data in reader.elements(memoryview(content)[_HEADER:]):
        if kind == _COMPRESSED:
            # The check sum at the end may be missing, as in 1605.mat of Penn Action.
            inflated = zlib.decompressobj().decompress(data)
            ((kind, data),) = reader.elements(memoryview(inflated))
        if kind == _MATRIX:
            name, value = reader.matrix(data, names)
            if name in names:
                variables[name] = value
    return variables


class _Reader:
    """Reads data elements.

    Args:
        order: byte order, "<" or ">".
    """

    def __init__(self, order):
        self._order = order
        self._tag = struct.Struct(f"{order}II")

    def elements(self, data: memoryview) -> Iterator[tuple[int, memoryview]]:
        """The kind and the content of each element of some data."""
        at = 0
        while at < len(data):
            kind, size = self._tag.unpack_from(data, at)
            if kind >> 16:  # up to four bytes, inside of the tag
                kind, size, start, end = kind & 0xFFFF, kind >> 16, at + 4, at + 8
            else:
                start = at + 8
                # What is compressed is not filled up to eight bytes.
                end = start + (size if kind == _COMPRESSED else -(-size // 8) * 8)
            if start + size > min(end, len(data)):
                raise ValueError("it is cut off")
            yield kind, data[start : start + size]
            at = end

    def matrix(self, data, names=None):
        """Name and value of an array; None for the value of one that is not among the names."""
        if not len(data):
            return "", np.array([])
        parts = self.elements(data)
        flags = int(self._array(next(parts))[0])
        shape = tuple(self._array(next(parts)).tolist())
        name = bytes(next(parts)[1]).decode("latin1")
        if names is not None and name not in names:
            return name, None
        if len(shape) < 2 or min(shape) < 0 or prod(shape) > len(data):
            raise ValueError(f"an array of the shape {shape} in {len(data)} bytes")
        return name, _squeezed(self._value(flags, shape, parts))

    def _value(self, flags, shape, parts):
        kind = flags & 0xFF
        if kind == _CELL:
            return _objects([self._inner(part) for part in parts], shape)
        if kind == _STRUCTURE:
            return _objects(self._structures(prod(shape), parts), shape)
        if kind == _CHARACTERS:
            return self._texts(next(parts), shape)
        if not _FIRST_NUMERIC <= kind <= _LAST_NUMERIC or flags >> 8 & _COMPLEX:
            raise ValueError(f"an array of the class {kind} cannot be read")
        return self._array(next(parts)).reshape(shape, order="F")

    def _inner(self, part):
        kind, data = part
        if kind != _MATRIX:
            raise ValueError(f"an element of the kind {kind} inside of an array")
        return self.matrix(data)[1]

    def _structures(self, count, parts):
        length = int(self._array(next(parts))[0])
        names = bytes(next(parts)[1])
        if length < 1:
            raise ValueError(f"fields with names of {length} bytes")
        starts = range(0, len(names), length)
        fields = [names[at : at + length].split(b"\0")[0].decode("latin1") for at in starts]
        values = [self._inner(part) for part in parts]
        if len(values) != count * len(fields):
            raise ValueError(f"{len(values)} values for {count} times {len(fields)} fields")
        rows = (values[i * len(fields) : (i + 1) * len(fields)] for i in range(count))
        return [SimpleNamespace(**dict(zip(fields, row, strict=True))) for row in rows]

    def _array(self, part):
        kind, data = part
        return np.frombuffer(data, self._order + _NUMBERS[kind]).astype(_NUMBERS[kind])

    def _texts(self, part, shape):
        kind, data = part
        if kind in _TEXTS:
            suffix = {"<": "-le", ">": "-be"}[self._order] if kind != 16 else ""
            text = bytes(data).decode(_TEXTS[kind] + suffix)
        else:
            text = "".join(map(chr, self._array(part)))
        if not prod(shape):
            return np.array([], "U1")
        letters = np.array(list(text)).reshape(shape, order="F").reshape(-1, shape[-1])
        return np.array(["".join(row) for row in letters]).reshape(shape[:-1])


def _objects(values, shape):
    return np.fromiter(values, object, len(values)).reshape(shape, order="F")


def _squeezed(array):
    if not array.size:
        return np.array([], array.dtype)
    array = np.squeeze(array)
    return array if array.ndim else array.item()
