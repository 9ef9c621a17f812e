"""Tests disparity maps beside photographs: finding them, reading them against other writers, and refusing bad files."""

import io
import struct

import cv2
import numpy as np
import pytest
from first_shard import make_first_shard

from blurkit.camera.downscaling import downscale_disparity
from blurkit.decode.disparity import find_map, read_disparity
from blurkit.errors import BadImageError
from blurkit.pipeline.plan import make_plan
from blurkit.pipeline.settings import Settings
from blurkit.recipes.load import load_recipe
from blurkit.sources import open_source

SHAPE = (5, 7)
HEADER = b"{'descr': '<f4', 'fortran_order': False, 'shape': (5, 7), }"


@pytest.fixture
def values(rng):
    drawn = rng.normal(40, 9, SHAPE).astype(np.float32)
    drawn[1, 2], drawn[3, 0] = np.nan, np.inf
    return drawn


def npy(array, version=None):
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version=version)
    return file.getvalue()


def npy_of(header, data=bytes(140), version=1):
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes((version, 0)) + length + header + data


def pfm(array, header=None, order="<"):
    scale = -1 if order == "<" else 1
    start = f"Pf\n{array.shape[1]} {array.shape[0]}\n{scale}\n".encode() if header is None else header
    return start + array[::-1].astype(order + "f4").tobytes()


def read(tmp_path, data, kind="npy", shape=SHAPE):
    path = tmp_path / f"map.disparity.{kind}"
    path.write_bytes(data)
    return read_disparity(str(path), shape)


def test_png_of_cityscapes(tmp_path, rng):
    """The formula of the dataset: disparity (v - 1) / 256 for v > 0, and 0 is unknown."""
    codes = rng.integers(1, 65536, SHAPE).astype(np.uint16)
    codes[1, 2] = 0
    cv2.imwrite(str(tmp_path / "codes.png"), codes)
    result = read(tmp_path, (tmp_path / "codes.png").read_bytes(), "png")
    assert result.dtype == np.float32
    expected = [[(int(code) - 1) / 256 if code else np.inf for code in row] for row in codes]
    np.testing.assert_array_equal(result, np.array(expected, np.float32))


@pytest.mark.parametrize("make", [lambda codes: codes.astype(np.uint8), lambda codes: np.dstack([codes] * 3), np.zeros_like])
def test_another_png_is_refused(tmp_path, rng, make):
    cv2.imwrite(str(tmp_path / "codes.png"), make(rng.integers(1, 200, SHAPE).astype(np.uint16)))
    with pytest.raises(BadImageError) as caught:
        read(tmp_path, (tmp_path / "codes.png").read_bytes(), "png")
    assert caught.value.reason == "bad_disparity"
    cv2.imwrite(str(tmp_path / "codes.png"), rng.integers(1, 200, SHAPE).astype(np.uint16))
    with pytest.raises(BadImageError, match="The disparity map cannot be used") as caught:
        read(tmp_path, (tmp_path / "codes.png").read_bytes()[:-20], "png")
    assert caught.value.reason == "bad_disparity"


@pytest.mark.parametrize("kind", ["<f2", "<f4", ">f4", "<f8", ">f8"])
@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_numpys_own_files(tmp_path, values, kind, version):
    for stored in (values.astype(kind), np.asfortranarray(values.astype(kind))):
        result = read(tmp_path, npy(stored, version))
        assert result.dtype == np.float32
        np.testing.assert_array_equal(result, values.astype(kind).astype(np.float32))


@pytest.mark.parametrize("order", ["<", ">"])
def test_pfm_is_read_from_the_bottom_up_in_either_order(tmp_path, values, order):
    np.testing.assert_array_equal(read(tmp_path, pfm(values, order=order), "pfm"), values)


def test_pfm_of_another_library(tmp_path, values):
    known = np.nan_to_num(values, nan=3, posinf=4)
    assert cv2.imwrite(str(tmp_path / "written.pfm"), known)
    np.testing.assert_array_equal(read(tmp_path, (tmp_path / "written.pfm").read_bytes(), "pfm"), known)


def test_middleburys_header(tmp_path, values):
    np.testing.assert_array_equal(read(tmp_path, pfm(values, b"Pf\n7 5\n-0.003922\n"), "pfm"), values)


def test_what_float32_cannot_hold_is_unknown(tmp_path):
    stored = np.full(SHAPE, 7.0)
    stored[2, 3] = 1e300
    result = read(tmp_path, npy(stored))
    assert result[2, 3] == np.inf
    assert np.isfinite(result).sum() == 34


HOSTILE = {
    "empty": (b"", "no .npy"),
    "pickle": (npy(np.array([[1.0, None]], object)), "no .npy"),
    "integers": (npy(np.ones(SHAPE, np.int16)), "no .npy"),
    "complex": (npy(np.ones(SHAPE, np.complex64)), "no .npy"),
    "records": (npy(np.ones(SHAPE, [("a", "f4")])), "no .npy"),
    "three axes": (npy(np.ones((5, 7, 1), np.float32)), "no .npy"),
    "one axis": (npy(np.ones(35, np.float32)), "no .npy"),
    "another size": (npy(np.ones((7, 5), np.float32)), r"shape \(7, 5\), the photograph \(5, 7\)"),
    "no pixel": (npy(np.ones((0, 7), np.float32)), r"shape \(0, 7\)"),
    "cut": (npy(np.ones(SHAPE, np.float32))[:-1], "does not hold"),
    "a byte too many": (npy(np.ones(SHAPE, np.float32)) + b"\0", "does not hold"),
    "cut in its header": (npy(np.ones(SHAPE, np.float32))[:30], "no .npy"),
    "cut in its length": (b"\x93NUMPY\x01\0\x10", "no .npy"),
    "only holes": (npy(np.full(SHAPE, np.nan)), "no finite value"),
    "only what is too large": (npy(np.full(SHAPE, 1e300)), "no finite value"),
    "an archive": (b"PK\x03\x04" + bytes(99), "no .npy"),
    "another version": (npy_of(HEADER, version=9), "no .npy"),
    "a header of gigabytes": (b"\x93NUMPY\x02\0\xff\xff\xff\xff" + HEADER, "no .npy"),
    "a claim of terabytes": (npy_of(HEADER.replace(b"5, 7", b"999999, 999999")), "does not hold the 999999 x 999999"),
    "a negative side": (npy_of(HEADER.replace(b"(5, 7)", b"(-5, -7)")), "no .npy"),
    "an open bracket": (npy_of(b"{'descr': ("), "no .npy"),
    "a tower of signs": (npy_of(b"-" * 9000 + b"1"), "no .npy"),
    "keys of two kinds": (npy_of(b"{'descr': '<f4', 'fortran_order': False, 1: 2}"), "no .npy"),
    "a call": (npy_of(b"{'descr': __import__('os').getcwd(), 'fortran_order': False, 'shape': (5, 7), }"), "no .npy"),
}
HOSTILE_PFM = {
    "empty": (b"", "no PFM"),
    "colours": (b"PF\n7 5\n-1\n" + bytes(420), "no PFM"),
    "cut": (pfm(np.ones(SHAPE))[:-1], "does not hold"),
    "a byte too many": (pfm(np.ones(SHAPE)) + b"\n", "does not hold"),
    "no scale": (b"Pf\n7 5\n" + bytes(140), "no PFM"),
    "two points": (pfm(np.ones(SHAPE), b"Pf\n7 5\n-1.0.0\n"), "no PFM"),
    "only points": (pfm(np.ones(SHAPE), b"Pf\n7 5\n-...\n"), "no PFM"),
    "no number": (pfm(np.ones(SHAPE), b"Pf\n7 5\nnan\n"), "no PFM"),
    "a negative side": (pfm(np.ones(SHAPE), b"Pf\n-7 -5\n-1\n"), "no PFM"),
    "a claim of terabytes": (pfm(np.ones(SHAPE), b"Pf\n999999 999999\n-1\n"), "does not hold the 999999 x 999999"),
    "turned": (pfm(np.ones((7, 5))), r"shape \(7, 5\)"),
    "only holes": (pfm(np.full(SHAPE, np.inf)), "no finite value"),
    "space without end": (b"Pf" + b" " * 100_000, "no PFM"),
}


@pytest.mark.parametrize(
    ("kind", "name"), [*(("npy", name) for name in HOSTILE), *(("pfm", name) for name in HOSTILE_PFM)], ids=str
)
def test_what_is_no_map_is_refused_by_name(tmp_path, kind, name):
    data, message = (HOSTILE if kind == "npy" else HOSTILE_PFM)[name]
    with pytest.raises(BadImageError, match=message) as caught:
        read(tmp_path, data, kind)
    assert caught.value.reason == "bad_disparity"


def test_a_map_that_is_no_file_is_not_read(tmp_path):
    with pytest.raises(BadImageError) as caught:
        read_disparity(str(tmp_path / "nothing.disparity.npy"), SHAPE)
    assert caught.value.reason == "missing"
    with open(tmp_path / "huge.disparity.pfm", "wb") as file:
        file.truncate(1 << 40)  # a sparse file: reading it would exhaust the memory
    with pytest.raises(BadImageError) as caught:
        read_disparity(str(tmp_path / "huge.disparity.pfm"), SHAPE)
    assert caught.value.reason == "too_large"


def test_maps_are_found_by_name():
    names = frozenset(("a.disparity.npy", "a.disparity.pfm", "b.disparity.pfm", "c.npy", "d.jpg.disparity.npy"))
    assert [find_map(f"{name}.jpg", names) for name in "abcd"] == ["a.disparity.npy", "b.disparity.pfm", "", ""]
    assert find_map("a.b.png", frozenset(("a.b.disparity.npy",))) == "a.b.disparity.npy"


@pytest.fixture
def folder(tmp_path, rng):
    """Photographs of 48 x 40 pixels with one map each, good or bad, and one without."""
    root = tmp_path / "photographs"
    (root / "inner").mkdir(parents=True)
    for name in ("bad", "good", "inner/small", "none"):
        cv2.imwrite(str(root / f"{name}.png"), rng.integers(0, 256, (40, 48, 3)))
    np.save(root / "good.disparity.npy", np.linspace(1, 2, 40 * 48).reshape(40, 48))
    (root / "bad.disparity.npy").write_bytes(b"no map")
    (root / "inner/small.disparity.pfm").write_bytes(pfm(np.ones((20, 24))))
    (root / "none.disparity.pfm").mkdir()
    return root


def test_a_folder_gives_each_photograph_its_map(folder):
    source = open_source(str(folder))
    found = {record.id: record.disparity for record in source.records}
    assert found == {
        "bad.png": str(folder / "bad.disparity.npy"),
        "good.png": str(folder / "good.disparity.npy"),
        "inner/small.png": str(folder / "inner/small.disparity.pfm"),
        "none.png": "",
    }
    assert [entry.id for entry in source.passed_over] == []  # neither maps nor the folder with the name of a map are left out


@pytest.mark.parametrize(("recipe", "failures"), [("defocus", 2), ("clean", 0)])
def test_bad_maps_are_lines_of_the_ledger_where_they_matter(folder, tmp_path, recipe, failures):
    plan = make_plan(open_source(str(folder)), Settings(load_recipe(recipe), size=(32, 32)))
    record = make_first_shard(plan, tmp_path)
    assert record["samples"] == 4 - failures
    assert [(line["id"], line["stage"], line["reason"]) for line in record["failures"]] == [
        ("bad.png", "disparity", "bad_disparity"),
        ("inner/small.png", "disparity", "bad_disparity"),
    ][:failures]


def test_a_smaller_map_has_the_nearest_of_each_block(values):
    smaller = downscale_disparity(values, 2)
    assert smaller.dtype == np.float32
    for i in range(2):
        for j in range(3):
            block = values[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
            assert smaller[i, j] == block[np.isfinite(block)].max()
    hole = np.full((4, 4), np.nan, np.float32)
    hole[0, 0] = 2
    assert np.isfinite(downscale_disparity(hole, 2)).tolist() == [[True, False], [False, False]]


def test_a_map_whose_known_part_is_cut_off_fails_that_photograph_alone(folder, tmp_path):
    known = np.full((40, 48), np.nan, np.float32)
    known[39] = 1
    np.save(folder / "good.disparity.npy", known)
    plan = make_plan(open_source(str(folder)), Settings(load_recipe("defocus"), size=(8, 8), downscale=3))
    record = make_first_shard(plan, tmp_path)
    assert record["samples"] == 1
    assert "downscaled by 3, has no finite value" in " ".join(line["message"] for line in record["failures"])
