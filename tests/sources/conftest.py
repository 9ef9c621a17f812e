"""Fixtures for the tests of damaged and hostile roots."""

import pytest
from bad_roots import nothing_outside


@pytest.fixture
def nothing_outside_is_opened(tmp_path):
    """Put files beside the root, and check at the end of the test that none of them was opened."""
    with nothing_outside(tmp_path):
        yield
