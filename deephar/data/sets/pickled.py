"""Reading arrays from a pickle without running it.

To load a pickle runs what is in it. Here, the few operations are followed that dicts, lists, texts,
numbers and NumPy arrays are written with; every other one is refused.
"""

import pickletools
from typing import Any, BinaryIO

import numpy as np

_MARK = object()
_ARRAY = object()  # an array that has no content yet

_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_MAKE_EMPTY = {"EMPTY_LIST": list, "EMPTY_DICT": dict}
_WITH_VALUE = (
    "INT",
    "LONG",
    "FLOAT",
    "STRING",
    "BYTES",
    "BYTEARRAY",
    "UNICODE",
)  # parts of their names
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_NAMES = ("numpy ndarray", "numpy dtype", "_codecs encode") + tuple(
    f"numpy.{core}.{name}"
    for core in ("core", "_core")
    for name in ("multiarray _reconstruct", "numeric _frombuffer")
)


def read_pickled(file: BinaryIO) -> Any:
    """The value in a pickle of dicts, lists, tuples, texts, numbers and arrays.

    Args:
        file: the open file, at the begin of the pickle.

    Raises:
        ValueError: There is something else in it.
        Exception: Of any kind, if it is damaged.
    """
    reader = _Reader()
    for operation, argument, _ in pickletools.genops(file):
        reader.follow(operation.name, argument)
    (value,) = reader.stack
    return value


class _Reader:
    """What a pickle has put on its stack so far, and what it refers to by numbers."""

    def __init__(self):
        self.stack, self._known = [], {}

    def follow(self, name, argument):
        stack = self.stack
        if name in ("PROTO", "FRAME", "STOP"):
            return
        if name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _MAKE_EMPTY:
            stack.append(_MAKE_EMPTY[name]())
        elif name in _TUPLES:
            stack[-_TUPLES[name] :] = [tuple(stack[-_TUPLES[name] :])]
        elif name == "MARK":
            stack.append(_MARK)
        elif name == "TUPLE":
            stack.append(tuple(self._since_mark()))
        elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self._known[len(self._known) if name == "MEMOIZE" else argument] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(self._known[argument])
        elif name in ("APPEND", "APPENDS"):
            items = self._since_mark() if name == "APPENDS" else [stack.pop()]
            stack[-1].extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            items = self._since_mark() if name == "SETITEMS" else [stack.pop(-2), stack.pop()]
            stack[-1].update(zip(items[::2], items[1::2], strict=True))
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            stack.append(argument or " ".join([stack.pop(-2), stack.pop()]))
            if stack[-1] not in _NAMES:
                raise ValueError(f"{stack[-1].replace(' ', '.')} does not belong in it")
        elif name == "REDUCE":
            arguments, function = stack.pop(), stack.pop()
            stack.append(_begun(function, arguments))
        elif name == "BUILD":
            self._build()
        elif any(part in name for part in _WITH_VALUE):
            stack.append(argument)
        else:
            raise ValueError(f"{name} does not belong in it")

    def _since_mark(self):
        start = max(place for place, value in enumerate(self.stack) if value is _MARK)
        values = self.stack[start + 1 :]
        del self.stack[start:]
        return values

    def _build(self):
        state, begun = self.stack.pop(), self.stack.pop()
        value = _array(*state[1:]) if begun is _ARRAY else begun.newbyteorder(state[1])
        number = next((n for n in reversed(self._known) if self._known[n] is begun), None)
        if number is not None:
            self._known[number] = value
        self.stack.append(value)


def _begun(function, arguments):
    """What a function makes before it gets its state."""
    if function == "numpy dtype":
        if not isinstance(arguments[0], str):
            raise ValueError("a type of several fields does not belong in it")
        return np.dtype(arguments[0])
    if function == "_codecs encode":
        return arguments[0].encode("latin1")
    if function.endswith(" _frombuffer"):
        data, dtype, shape, order = arguments
        return np.frombuffer(data, dtype).reshape(shape, order=order)
    if not function.endswith(" _reconstruct"):
        raise ValueError(f"a call of {function} does not belong in it")
    return _ARRAY


def _array(shape, dtype, fortran, content):
    if dtype.hasobject:
        array = np.fromiter(content, object, len(content))
    else:
        data = content.encode("latin1") if isinstance(content, str) else content
        array = np.frombuffer(data, dtype)
    return array.reshape(shape, order="F" if fortran else "C")
