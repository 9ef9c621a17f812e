"""Tests that mutated image files are read, or refused with a reason. ``image_fuzz.py`` runs longer, from any seed."""

import pytest
from image_fuzz import fuzz


@pytest.mark.parametrize("count", [300, pytest.param(20_000, marks=pytest.mark.slow)])
def test_mutated_images_are_read_or_refused(count):
    *faults, (number, _, _) = fuzz(20261130, count=count)
    assert number == count
    assert [(place, fault) for place, fault, _ in faults] == []
