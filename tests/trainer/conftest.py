"""What all tests of the trainer have in common."""

import pytest
from tensors import threads


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Torch computes on one thread: sums are split among threads, and two cores are shared by many tests."""
    with threads(1):
        yield
