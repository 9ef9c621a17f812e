"""Tests response curves against the published formulas, and that they have exact inverses."""

import hashlib

import numpy as np
import pytest
import srgb

from blurkit.camera.response import Response, load_response
from blurkit.errors import UsageError

CODES = np.arange(256, dtype=np.uint8)
NAMES = ["srgb", "gamma2.2", "gamma1.8", "linear"]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "camera.txt"
    path.write_text(", ".join(map(str, np.linspace(0, 1, 256) ** 1.7 * 0.9)))
    return str(path)


@pytest.mark.parametrize("name", NAMES)
def test_every_code_survives_decoding_and_encoding(name):
    response = load_response(name)
    linear = response.decode(CODES)
    assert linear.dtype == np.float32
    assert np.array_equal(response.quantize(linear), CODES)
    np.testing.assert_allclose(response.encode(linear) * 255, CODES, atol=1e-4)


def test_a_table_is_an_exact_inverse_too(table, tmp_path):
    response = load_response(table)
    assert np.array_equal(response.quantize(response.decode(CODES)), CODES)
    np.save(tmp_path / "camera.npy", np.linspace(0, 1, 256) ** 1.7 * 0.9)
    assert np.array_equal(load_response(str(tmp_path / "camera.npy")).table, response.table)


@pytest.mark.parametrize(
    ("name", "encode"), [("srgb", srgb.encode), ("gamma2.2", lambda x: x ** (1 / 2.2)), ("linear", lambda x: x)]
)
def test_quantize_is_encode_times_255_rounded(name, encode, rng):
    linear = np.concatenate([rng.random(200_000), rng.random(50_000) * 0.01]).astype(np.float32)
    exact = encode(linear.astype(np.float64)) * 255
    decided = np.abs(exact - np.floor(exact) - 0.5) > 1e-3  # a tie in the last digit may fall to either side
    assert np.array_equal(load_response(name).quantize(linear)[decided], np.rint(exact)[decided].astype(np.uint8))
    np.testing.assert_allclose(load_response(name).encode(linear), exact / 255, atol=2e-3)


def a7r3(linear):
    """The published polynomial, clipped, with its running maximum over a fine grid that contains the given values."""
    powers = np.power.outer(linear, np.arange(8))
    published = [-0.0095228, 8.698516, -45.157821, 150.711809, -308.197829, 368.308117, -235.163398, 61.832224]
    return np.maximum.accumulate(np.clip(powers @ published, 0, 1))


def test_the_a7r3_curve_is_the_running_maximum_of_its_polynomial():
    linear = np.unique(np.linspace(0, 1, 3_000_001).astype(np.float32))
    exact = a7r3(linear.astype(np.float64)) * 255
    codes = load_response("a7r3").quantize(linear)
    decided = np.abs(exact - np.floor(exact) - 0.5) > 1e-6
    assert decided.mean() > 0.999
    assert np.array_equal(codes[decided], np.rint(exact)[decided].astype(np.uint8))
    assert np.all(np.diff(codes.astype(int)) >= 0)
    assert set(codes) == set(range(256))
    assert np.abs(load_response("a7r3").encode(linear) * 255 - exact).max() < 0.7
    assert load_response("a7r3").encode([-1, 0, 1, 2]).tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("waves", [1, 3.3, 10])
def test_where_a_curve_falls_its_running_maximum_stands_in(waves):
    curve = lambda linear: 1.1 * linear - 0.05 + 0.2 * np.sin(2 * np.pi * waves * linear)  # noqa: E731
    linear = np.linspace(0, 1, 1_000_001).astype(np.float32)
    exact = np.maximum.accumulate(np.clip(curve(linear.astype(np.float64)), 0, 1)) * 255
    decided = np.abs(exact - np.floor(exact) - 0.5) > 1e-3
    codes = Response.from_curve("wave", curve).quantize(linear)
    assert np.array_equal(codes[decided], np.rint(exact)[decided].astype(np.uint8))


def test_a_forward_only_response_refuses_to_decode():
    response = load_response("a7r3")
    assert response.forward_only
    assert not load_response("srgb").forward_only
    with pytest.raises(UsageError, match=r"'a7r3' only encodes.*srgb"):
        response.decode(CODES)


def test_levels_that_a_curve_never_reaches_are_never_used():
    response = Response.from_curve("dull", lambda linear: 0.2 + 0.6 * linear)
    assert response.quantize(np.array([-1, 0, 0.5, 1, 9], np.float32)).tolist() == [51, 51, 128, 204, 204]
    np.testing.assert_allclose(response.encode([0.25, 0.5]), [0.35, 0.5], atol=2e-3)


# The bits of the thresholds decide pixels, so they must be the same when a dataset is made again.
@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("srgb", "8f0a822a35c7cac5"),
        ("gamma2.2", "f6ff454677abbc77"),
        ("gamma1.8", "c57a129206679142"),
        ("linear", "759bacb866c6856b"),
        ("a7r3", "60bc755aa26b95e7"),
    ],
)
def test_curves_keep_their_bits(name, digest):
    response = load_response(name)
    parts = [response.thresholds] if response.forward_only else [response.table, response.thresholds]
    assert hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()[:16] == digest


def test_srgb_decodes_by_the_standard():
    table = load_response("srgb").table
    assert table[[0, 10, 11, 128, 255]] == pytest.approx([0, 0.003035270, 0.003346536, 0.215860500, 1], abs=1e-8)


@pytest.mark.parametrize("name", [*NAMES, "a7r3"])
def test_values_outside_are_clipped(name):
    values = np.array([-5, -1e-9, 1.0001, 7, np.inf, -np.inf, np.nan], np.float32)
    assert load_response(name).quantize(values).tolist() == [0, 0, 255, 255, 255, 0, 0]


def test_shapes_are_kept():
    response = load_response("srgb")
    codes = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert response.decode(codes).shape == (2, 4, 3)
    assert np.array_equal(response.quantize(response.decode(codes)[:, ::2]), codes[:, ::2])


def test_the_light_itself_is_left_alone():
    light = np.array([-1, 0.5, 7], np.float32)
    load_response("srgb").quantize(light)
    assert light.tolist() == [-1, 0.5, 7]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros(256), "strictly increasing"),
        (np.linspace(0, 1, 255), "256 finite"),
        (np.linspace(0, 2, 256), "lies in"),
        (np.full(256, np.nan), "finite"),
    ],
)
def test_bad_tables_are_refused(values, message):
    with pytest.raises(UsageError, match=message):
        Response.from_table("mine", values)


def test_unknown_names_and_bad_files_say_so(tmp_path):
    with pytest.raises(UsageError, match="none of srgb"):
        load_response("rec709")
    with pytest.raises(UsageError, match=r"gamma2\.2"):
        load_response("gammaX")
    path = tmp_path / "bad.txt"
    path.write_text("1 2 three")
    with pytest.raises(UsageError, match="256 numbers"):
        load_response(str(path))


def test_decoding_takes_codes_alone():
    with pytest.raises(UsageError, match="uint8"):
        load_response("srgb").decode(np.zeros(3, np.float32))
