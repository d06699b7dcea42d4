"""What the tests of networks share."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def few_runs(module_op_by_op):
    """Each network runs once or twice."""
