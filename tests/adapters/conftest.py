"""Fixtures for the tests of this folder."""

import pytest
from tensors import threads


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Torch computes on one thread, because the tests share few cores."""
    with threads(1):
        yield
