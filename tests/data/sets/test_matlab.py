"""MATLAB files: read as SciPy reads whole ones, and refused where SciPy crashes."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from deephar.data.sets.matlab import OtherVersionError, read_matlab


def written(compressed=False, **variables):
    """Content of a file that SciPy has written."""
    buffer = io.BytesIO()
    savemat(buffer, variables, do_compression=compressed)
    return buffer.getvalue()


def cell(*values):
    array = np.empty((1, len(values)), object)
    array[0, :] = values
    return array


VARIABLES = {
    "numbers": np.arange(24.0).reshape(2, 3, 4),
    "small": np.array([[1, 2, 3]], np.uint8),
    "one": 3.5,
    "none": np.empty((0, 0)),
    "text": "bench_press",
    "letter": "a",
    "umlaut": "Übung",
    "empty": "",
    "rows": np.array(["ab", "cd"]),
    "cells": cell("a.jpg", np.ones((2, 2)), cell(1.0, 2.0), np.empty((0, 0))),
    "structure": {"name": "x", "inner": {"id": 4, "point": np.arange(3)}, "list": [1, 2]},
    "structures": np.array([[(1.0, "a"), (2.0, "b")]], [("x", object), ("name", object)]),
}


def same(ours, theirs):
    if isinstance(ours, SimpleNamespace):
        assert list(vars(ours)) == theirs._fieldnames
        return all(same(value, getattr(theirs, name)) for name, value in vars(ours).items())
    if isinstance(ours, np.ndarray) and ours.dtype == object:
        assert ours.shape == theirs.shape
        return all(map(same, ours.ravel(), theirs.ravel()))
    np.testing.assert_array_equal(ours, theirs, strict=isinstance(ours, np.ndarray))
    return type(ours) is type(theirs)


@pytest.mark.parametrize("compressed", [False, True])
def test_all_kinds_of_variables_are_read_as_scipy_does(compressed):
    content = written(compressed, **VARIABLES)
    found = read_matlab(content, VARIABLES)
    expected = loadmat(io.BytesIO(content), squeeze_me=True, struct_as_record=False)
    assert found.keys() == VARIABLES.keys()
    for name, value in found.items():
        assert same(value, expected[name]), name


def test_variables_that_are_not_wanted_are_left_out():
    assert read_matlab(written(a=1.0, b=2.0), ("b", "c")) == {"b": 2.0}


def test_an_array_that_cannot_be_in_the_file_is_refused():
    content = written(x=np.ones((3, 4)))
    shape = np.array([3, 4], np.int32).tobytes()
    for other in ((-3, 4), (3, 5), (2**31 - 1, 2**31 - 1)):
        with pytest.raises(ValueError, match="shape"):
            read_matlab(content.replace(shape, np.array(other, np.int32).tobytes()), ("x",))
    with pytest.raises(ValueError, match="cut off"):
        read_matlab(content[:-8], ("x",))


def test_other_versions_are_told_apart():
    with pytest.raises(OtherVersionError, match=r"7\.3"):
        read_matlab(b"MATLAB 7.3 MAT-file" + bytes(600), ())
    with pytest.raises(ValueError, match="does not begin"):
        read_matlab(b"no MATLAB file", ())
