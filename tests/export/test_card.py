"""Tests the rows of the table of pairs."""

import json

import pytest
from exports import unknown
from true_samples import with_truth

from blurkit.export.card import row_of


@pytest.mark.parametrize("kind", ["n", "m", "r"])
def test_a_blur_that_varies_is_marked(make_sample, kind):
    sample = make_sample(3)
    assert row_of("000003", {}, sample)["uniform"] is True
    assert row_of("000003", {}, with_truth(sample, kind))["uniform"] is False
    assert row_of("000003", {}, unknown(sample))["uniform"] is None


def test_a_row_is_json_and_keeps_every_number(make_sample):
    sample = make_sample(3)
    row = json.loads(json.dumps(row_of("000003", {"file": "train.h5", "row": 3}, sample)))
    assert row.items() >= {"name": "000003", "file": "train.h5", "row": 3, "id": "züge/3.jpg", "crop": [3, 2, 70, 50]}.items()
    assert row["parameters"] == {"length": 3.5, "exposure": 1.0, "jpeg_quality": 80.0}
    assert row["credit"] == ""
