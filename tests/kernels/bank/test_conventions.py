"""Tests the files that other programs write and read, against a plain statement of what each does with a kernel."""

import numpy as np
import pytest
import scipy.io
import scipy.ndimage
import torch

import blurkit
from blurkit.kernels.bank import KernelBank


@pytest.fixture
def bank(rng) -> KernelBank:
    """Kernels without symmetry, of two sizes."""
    return KernelBank.from_arrays([rng.random((5, 5)), rng.random((9, 9)) ** 4, rng.random((5, 5))])


@pytest.fixture
def image(rng):
    return rng.random((30, 40), np.float32)


def test_usrnet_takes_a_cell_and_convolves_with_a_wrapped_border(bank, image, tmp_path):
    bank.save(tmp_path / "kernels.mat")
    cells = scipy.io.loadmat(tmp_path / "kernels.mat")["kernels"]
    for number, kernel in enumerate(KernelBank.load(tmp_path / "kernels.mat")):
        theirs = scipy.ndimage.convolve(image, cells[0, number].astype(np.float64), mode="wrap")
        np.testing.assert_allclose(theirs, blurkit.blur(image, kernel, border="wrap"), atol=1e-6)


def test_deepinv_takes_a_stack_with_one_channel_and_convolves(bank, image, tmp_path):
    bank.save(tmp_path / "kernels.npy")
    filters = torch.from_numpy(np.load(tmp_path / "kernels.npy"))
    assert filters.shape == (3, 1, 9, 9)
    padded = torch.nn.functional.pad(torch.from_numpy(image)[None, None], (4, 4, 4, 4), mode="reflect")
    for theirs, kernel in zip(torch.nn.functional.conv2d(padded, filters.flip(-2, -1))[0], bank, strict=True):
        np.testing.assert_allclose(theirs, blurkit.blur(image, kernel), atol=1e-6)
    for loaded, kernel in zip(KernelBank.load(tmp_path / "kernels.npy"), bank, strict=True):
        np.testing.assert_array_equal(loaded, np.pad(kernel, (9 - len(kernel)) // 2))


def test_j_mkpd_gathers_with_a_correlation(bank, image, tmp_path):
    bank.flipped().save(tmp_path / "kernels.npy")
    gathering = torch.from_numpy(np.load(tmp_path / "kernels.npy"))
    padded = torch.nn.functional.pad(torch.from_numpy(image)[None, None], (4, 4, 4, 4), mode="reflect")
    blurred = torch.nn.functional.conv2d(padded, gathering)[0]
    for theirs, kernel in zip(blurred, KernelBank.load(tmp_path / "kernels.npy").flipped(), strict=True):
        np.testing.assert_allclose(theirs, blurkit.blur(image, kernel), atol=1e-6)


def test_flipping_twice_changes_nothing(bank):
    assert bank.flipped().names == bank.names
    for kernel, once, twice in zip(bank, bank.flipped(), bank.flipped().flipped(), strict=True):
        np.testing.assert_array_equal(twice, kernel)
        np.testing.assert_array_equal(once, kernel[::-1, ::-1])
        assert not twice.flags.writeable
