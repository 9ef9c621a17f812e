"""Tests the responses on tensors against those on arrays."""

import numpy as np
import pytest
import torch

from blurkit import load_response
from blurkit.errors import UsageError
from blurkit.torch.light import decode, encode, quantize

CURVES = ["srgb", "gamma2.2", "linear"]
CODES = np.arange(256, dtype=np.uint8)


@pytest.mark.parametrize("name", CURVES)
def test_the_light_of_a_code_is_exact(name):
    response = load_response(name)
    np.testing.assert_array_equal(decode(torch.from_numpy(CODES / np.float32(255)), response), response.table)


@pytest.mark.parametrize("name", CURVES)
def test_decoding_is_the_inverse_of_encoding(name, rng):
    response, encoded = load_response(name), torch.from_numpy(rng.random(1000))
    np.testing.assert_allclose(encode(decode(encoded, response), response), encoded, atol=2e-6)


@pytest.mark.parametrize("name", [*CURVES, "a7r3"])
def test_encoding_and_codes_equal_those_of_arrays(name, rng):
    response = load_response(name)
    light = np.concatenate((rng.random(5000) ** 3 * 1.1 - 0.02, response.thresholds[1:256], [0, 1, -1, 2])).astype(np.float32)
    light = light[np.isfinite(light)]
    np.testing.assert_allclose(encode(torch.from_numpy(light), response), response.encode(light), atol=2e-6)
    np.testing.assert_array_equal(quantize(torch.from_numpy(light), response), response.quantize(light))


def test_gradients(rng):
    response, values = load_response("srgb"), torch.from_numpy(rng.uniform(0.01, 0.99, 40)).requires_grad_()
    assert torch.autograd.gradcheck(lambda values: decode(values, response), [values], eps=1e-7)
    assert torch.autograd.gradcheck(lambda values: encode(values, response), [values], eps=1e-7)


def test_a_response_that_only_encodes_is_refused():
    with pytest.raises(UsageError, match="only encodes"):
        decode(torch.zeros(3), load_response("a7r3"))
