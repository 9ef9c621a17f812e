"""Tests kernel banks: every file format, also with other readers, normalisation, centring, and refused kernels."""

import errno
import os
import time

import cv2
import numpy as np
import pytest
import scipy.io
import scipy.ndimage
from matlab73 import matlab73
from waiting import wait_until

from blurkit.errors import DiskFullError, UsageError, WriteError
from blurkit.kernels.bank import KernelBank, center

FORMATS = ["b.npz", "b.h5", "b.hdf5", "b.mat"]


@pytest.fixture
def bank(rng) -> KernelBank:
    """Kernels without symmetry and of several shapes. One has a single tap, and one has the largest side."""
    sparse = np.where(rng.random((301, 5)) < 0.1, rng.random((301, 5)), 0)
    arrays = [rng.random((5, 9)), rng.random((13, 13)) ** 8, rng.random((13, 13)), np.ones((1, 1)), sparse]
    return KernelBank.from_arrays(arrays, ["wide", "first shake", "a/b", "ein Ton: é", "日本"])


def assert_same(loaded: KernelBank, bank: KernelBank, tolerance: float) -> None:
    assert [k.shape for k in loaded] == [k.shape for k in bank]
    for ours, theirs in zip(loaded, bank, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_keeps_kernels_and_names(bank, tmp_path, name):
    bank.save(tmp_path / name)
    loaded = KernelBank.load(tmp_path / name)
    assert_same(loaded, bank, 0)
    assert loaded.names == bank.names
    assert os.listdir(tmp_path) == [name]
    os.rename(tmp_path / name, tmp_path / "kernels.data")  # the content decides, not the suffix
    assert_same(KernelBank.load(tmp_path / "kernels.data"), bank, 0)


@pytest.mark.parametrize("name", ["bank", "bank.v2/", "ready", "link"])
def test_a_folder_keeps_kernels_to_16_bits(bank, tmp_path, name):
    (tmp_path / "ready").mkdir()
    (tmp_path / "linked").mkdir()
    (tmp_path / "link").symlink_to("linked")
    path = f"{tmp_path}/{name}"
    bank.save(path)
    loaded = KernelBank.load(path)
    for ours, theirs in zip(loaded, bank, strict=True):
        step = theirs.max() / 65535
        # The error is half a step of rounding, and the sum of all errors spread over the kernel in proportion.
        assert np.abs(ours - theirs).max() <= step * (0.5 + 0.5 * theirs.size * theirs.max()) + 1e-7
    assert loaded.names == ("wide", "first_shake", "a_b", "ein_Ton_é", "日本")
    image = cv2.imread(f"{path}/00000_wide.png", cv2.IMREAD_UNCHANGED)
    assert (image.dtype, image.max(), image.shape) == (np.uint16, 65535, (5, 9))
    single = KernelBank.load(f"{path}/00001_first_shake.png")
    np.testing.assert_array_equal(single[0], loaded[1])
    assert single.names == ("00001_first_shake",)


def test_scipy_reads_the_mat_file(bank, tmp_path):
    bank.save(tmp_path / "b.mat")
    content = scipy.io.loadmat(tmp_path / "b.mat")
    assert content["kernels"].shape == content["names"].shape == (1, 5)
    for cell, kernel in zip(content["kernels"][0], bank, strict=True):
        assert cell.dtype == np.float32
        np.testing.assert_array_equal(cell, kernel)
    assert [str(cell.item()) for cell in content["names"][0]] == list(bank.names)


def test_cells_of_matlab_73_are_read(bank, tmp_path):
    (tmp_path / "b.mat").write_bytes(matlab73(bank))
    loaded = KernelBank.load(tmp_path / "b.mat")
    assert_same(loaded, bank, 0)
    assert loaded.names == bank.names


def test_no_format_keeps_the_time(bank, tmp_path, monkeypatch):
    for name in FORMATS:
        bank.save(tmp_path / name, overwrite=True)
        before = (tmp_path / name).read_bytes()
        with monkeypatch.context() as patch:
            patch.setattr("time.asctime", lambda *_: "another day")
            patch.setattr("time.time", lambda: 2e9)
            bank.save(tmp_path / name, overwrite=True)
        assert (tmp_path / name).read_bytes() == before
    # HDF5 does not call Python for the time, and stores whole seconds.
    before, second = (tmp_path / "b.h5").read_bytes(), int(time.time())
    wait_until(lambda: int(time.time()) > second)
    bank.save(tmp_path / "b.h5", overwrite=True)
    assert (tmp_path / "b.h5").read_bytes() == before


def test_from_arrays_normalizes(rng):
    kernel = rng.random((4, 6))
    kernel[0, 0] = -0.0005 * kernel.max()
    bank = KernelBank.from_arrays([kernel * 1e308, (kernel * 200).astype(np.int16)])
    expected = np.zeros((5, 7))
    expected[:4, :6] = np.maximum(kernel, 0) / np.maximum(kernel, 0).sum()
    np.testing.assert_allclose(bank[0], expected, atol=1e-7)
    assert bank.names == ("kernel_0", "kernel_1")
    assert len(bank) == 2
    for k in bank:
        assert k.dtype == np.float32
        assert not k.flags.writeable
        assert k.sum(dtype=np.float64) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        ([[1, -0.01]], "negative value -0.01"),
        ([[-1.0]], "negative"),
        ([[1, np.nan]], r"NaN or infinity at \(0, 1\)"),
        ([[0.0]], "sums to zero"),
        ([1, 2], "2-D"),
        (np.ones((2, 2, 2)), "2-D"),
        (np.zeros((0, 3)), "not empty"),
        ([["a"]], "real numbers"),
        ([[1j]], "real"),
        ([[1], [1, 2]], "not an array"),
    ],
)
def test_bad_kernels_are_named(array, message):
    with pytest.raises(UsageError, match=rf"kernel 1 \(two\).*{message}"):
        KernelBank.from_arrays([np.ones((3, 3)), array], ["one", "two"])


def test_bad_names_and_empty_banks_are_refused():
    for names, message in (("a", "2 kernels but 1 names"), ("aa", "distinct"), (["a", " b"], "blanks"), (["a", ""], "printable")):
        with pytest.raises(UsageError, match=message):
            KernelBank.from_arrays([np.ones((1, 1))] * 2, names)
    with pytest.raises(UsageError, match="at least one"):
        KernelBank.from_arrays([])


def test_center_agrees_with_brute_force_and_scipy(rng):
    for shape in ((1, 1), (1, 8), (9, 3), (6, 6), (15, 15)):
        kernel = np.where(rng.random(shape) < 0.6, rng.random(shape), 0)
        kernel[0, 0] += 0.1
        moved = center(kernel)
        side = moved.shape[0]
        assert moved.shape == (side, side)
        assert side % 2 == 1
        assert moved.dtype == np.float32
        assert moved.sum() == pytest.approx(1, abs=1e-6)
        for axis in (0, 1):
            taps = [(index, float(value)) for index, value in np.ndenumerate(moved)]
            centroid = sum(index[axis] * value for index, value in taps)
            assert centroid == pytest.approx(side // 2, abs=1e-5)
            spread = sum((index[axis] - side // 2) ** 2 * value for index, value in taps)
            total = kernel.sum()
            was = sum(index[axis] * v / total for index, v in np.ndenumerate(kernel))
            before = sum((index[axis] - was) ** 2 * v / total for index, v in np.ndenumerate(kernel))
            assert -1e-5 <= spread - before <= 0.25 + 1e-5
        assert side == 1 or max(moved[0].max(), moved[-1].max(), moved[:, 0].max(), moved[:, -1].max()) > 0  # smallest
        large = np.pad(kernel / kernel.sum(), 40)
        shift = [large.shape[a] // 2 - n for a, n in enumerate(scipy.ndimage.center_of_mass(large))]
        reference = scipy.ndimage.shift(large, shift, order=1)
        middle = tuple(slice(n // 2 - side // 2, n // 2 + side // 2 + 1) for n in large.shape)
        np.testing.assert_allclose(moved, reference[middle], atol=1e-6)
        np.testing.assert_allclose(center(moved), moved, atol=1e-6)
        assert center(moved).shape == moved.shape
    with pytest.raises(UsageError, match="sums to zero"):
        center(np.zeros((3, 3)))


def test_save_refuses_and_leaves_nothing_behind(bank, tmp_path, monkeypatch):
    bank.save(tmp_path / "b.npz")
    bank.save(tmp_path / "full")
    before = (tmp_path / "b.npz").read_bytes()
    for path, options, message in (
        ("b.npz", {}, "exists"),
        ("full", {"overwrite": True}, "not an empty folder"),
        ("b.npx", {}, r"'\.npz'"),
    ):
        with pytest.raises(UsageError, match=message):
            bank.save(tmp_path / path, **options)
    with pytest.raises(WriteError, match="No such file"):
        bank.save(tmp_path / "no/where.npz")

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.rename", fail)
    for path in ("b.npz", "new"):
        with pytest.raises(DiskFullError, match="make room"):
            bank.save(tmp_path / path, overwrite=True)
    assert sorted(os.listdir(tmp_path)) == ["b.npz", "full"]
    assert (tmp_path / "b.npz").read_bytes() == before
