"""The samples on which masks in shards are tested."""

import pytest
from masked_samples import with_objects


@pytest.fixture
def samples(make_sample):
    """A function that makes samples of these sizes with as many objects each."""
    return lambda sizes, counts: with_objects([make_sample(number, *size) for number, size in enumerate(sizes)], counts)
