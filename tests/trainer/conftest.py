"""Fixtures for all tests of the trainer."""

import pytest
from tensors import threads


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Torch computes on one thread. Sums depend on the number of threads, and the tests share few cores."""
    with threads(1):
        yield
