"""What the tests of roots that are not as they should be have in common."""

import pytest
from bad_roots import nothing_outside


@pytest.fixture
def nothing_outside_is_opened(tmp_path):
    """Files beside the root, and proof that the test opens none of them."""
    with nothing_outside(tmp_path):
        yield
