"""Damaged copies of files: what disks, networks and editors do to them, and worse."""

import re

import numpy as np

_WORD = re.compile(rb'"[^"]*"|-?\d[\d.e+-]*|true|false|null')
_OTHER_WORDS = (
    b"null",
    b"true",
    b"-1",
    b"0",
    b"1e999",
    b"NaN",
    b"12345678901234567890",
    b"1e15",
    b'"x"',
    b'""',
    b"[]",
    b"{}",
    b"[1, [2]]",
    b'{"a": 1}',
    b"\xff",
)
_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def mutated(content, rng, *, text=False):
    """A copy of a file's content with one to four faults.

    Args:
        content: bytes.
        rng: `numpy.random.Generator`.
        text: whether the file is of words, which may be replaced by others.
    """
    faults = [_flip, _flip, _number, _cut_off, _insert, _repeat, _zero, _remove, _swap]
    if text:
        faults += [_other_word] * len(faults)
    for _ in range(rng.integers(1, 5)):
        if len(content) < 8:
            break
        content = faults[rng.integers(len(faults))](content, rng)
    return content


def _place(content, rng):
    """A place in a file; in its first part more often, since the structure is described there."""
    end = len(content) if rng.random() < 0.5 else min(len(content), 512)
    return int(rng.integers(end))


def _chunk(content, rng):
    start = _place(content, rng)
    return start, start + int(2 ** rng.uniform(0, np.log2(max(2, len(content) / 2))))


def _flip(content, rng):
    changed = bytearray(content)
    for _ in range(int(2 ** rng.uniform(0, 5))):
        changed[_place(content, rng)] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _number(content, rng):
    """Overwrites 1, 2, 4 or 8 bytes by a number at the edge of its range."""
    start, size = _place(content, rng), 2 ** int(rng.integers(4))
    value = _NUMBERS[rng.integers(len(_NUMBERS))] % 256**size
    number = value.to_bytes(size, "big" if rng.random() < 0.5 else "little")
    return content[:start] + number + content[start + size :]


def _cut_off(content, rng):
    return content[: _place(content, rng)]


def _insert(content, rng):
    start, end = _chunk(content, rng)
    return content[:start] + rng.bytes(end - start) + content[start:]


def _repeat(content, rng):
    start, end = _chunk(content, rng)
    return content[:end] + content[start:end] * int(rng.integers(1, 4)) + content[end:]


def _zero(content, rng):
    start, end = _chunk(content, rng)
    return content[:start] + bytes(len(content[start:end])) + content[end:]


def _remove(content, rng):
    start, end = _chunk(content, rng)
    return content[:start] + content[end:]


def _swap(content, rng):
    start, end = _chunk(content, rng)
    other = _place(content, rng)
    part, rest = content[start:end], content[:start] + content[end:]
    return rest[:other] + part + rest[other:]


def _other_word(content, rng):
    words = list(_WORD.finditer(content))
    if not words:
        return content
    word = words[rng.integers(len(words))]
    other = _OTHER_WORDS[rng.integers(len(_OTHER_WORDS))]
    return content[: word.start()] + other + content[word.end() :]
