"""Samples for the tests of fields, poses, saturation, moves and radii in shards."""

import pytest
from true_samples import with_truth


@pytest.fixture
def samples(make_sample):
    """A function that makes samples of these sizes. The letters name their truth, see ``with_truth``."""
    return lambda sizes, kinds: [
        with_truth(make_sample(number, *size), letters, number)
        for number, (size, letters) in enumerate(zip(sizes, kinds, strict=True))
    ]
