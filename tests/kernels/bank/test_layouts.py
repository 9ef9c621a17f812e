"""Tests in which order of axes, types of cells and sizes kernels are read."""

import json
import zipfile

import h5py
import numpy as np
import pytest
import safetensors.numpy
import scipy.io
from command_line import run

from blurkit.errors import UsageError
from blurkit.kernels.bank import KernelBank


@pytest.fixture
def square(rng):
    """Five kernels of 9 x 9 taps."""
    return scaled(rng.random((5, 9, 9), np.float32))


@pytest.fixture
def oblong(rng):
    """Five kernels of 7 x 11 taps."""
    return scaled(rng.random((5, 7, 11), np.float32))


def scaled(kernels):
    return kernels / kernels.sum((1, 2), keepdims=True)


def check(path, kernels):
    found = KernelBank.load(path)
    assert len(found) == len(kernels)
    for one, other in zip(found, kernels, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


#: How kernels (N, h, w) are stored.
ORDERS = {
    "N1hw": lambda stack: stack[:, None],
    "Nhw1": lambda stack: stack[..., None],
    "1Nhw": lambda stack: stack[None],
    "11Nhw": lambda stack: stack[None, None],
    "Nhw": lambda stack: stack,
    "hwN": lambda stack: np.moveaxis(stack, 0, -1),
    "hw1N": lambda stack: np.moveaxis(stack, 0, -1)[:, :, None],
    "hwN1": lambda stack: np.moveaxis(stack, 0, -1)[..., None],
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("count", [1, 5])
def test_orders_of_axes(square, oblong, tmp_path, order, count):
    """Of stacks with unequal sides the sums decide, in every format."""
    for stack in (square[:count], oblong[:count]):
        stored = np.ascontiguousarray(ORDERS[order](stack))
        np.save(tmp_path / "a.npy", stored)
        np.savez(tmp_path / "a.npz", psf=stored, other=np.ones((3, 3, 3, 3)))
        scipy.io.savemat(tmp_path / "a.mat", {"kernels": stored})
        safetensors.numpy.save_file({"kernels": stored}, tmp_path / "a.safetensors")
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["kernels"] = stored
        for name in ("a.npy", "a.npz", "a.mat", "a.safetensors", "a.h5"):
            check(tmp_path / name, stack)


def test_unscaled_stacks_lie_along_the_first_axis_and_of_matlab_along_the_last(rng, tmp_path):
    stack = rng.random((5, 7, 11))
    np.save(tmp_path / "a.npy", stack)
    check(tmp_path / "a.npy", scaled(stack))
    scipy.io.savemat(tmp_path / "a.mat", {"kernels": stack})
    check(tmp_path / "a.mat", scaled(np.moveaxis(stack, -1, 0)))


def test_kernels_in_several_channels_are_refused(rng, tmp_path):
    np.save(tmp_path / "a.npy", rng.random((4, 3, 9, 9)))
    with pytest.raises(UsageError, match="neither a matrix nor a stack"):
        KernelBank.load(tmp_path / "a.npy")


def cells(*arrays):
    cell = np.empty((1, len(arrays)), object)
    for number, array in enumerate(arrays):
        cell[0, number] = array
    return cell


def test_cells_of_matlab(square, oblong, tmp_path):
    kernels = [*square[:3], *oblong[:2]]
    for number, cell in enumerate(
        (
            cells(*kernels),
            cells(*kernels).T,
            cells(cells(*kernels[:2]), kernels[2], cells(cells(*kernels[3:]))),
            cells(*(kernel[:, :, None, None] for kernel in kernels)),
        )
    ):
        scipy.io.savemat(tmp_path / f"{number}.mat", {"kernels": cell})
        check(tmp_path / f"{number}.mat", kernels)


def test_what_is_no_file_of_safetensors_is_refused(tmp_path, square):
    path = tmp_path / "a.safetensors"
    safetensors.numpy.save_file({"kernels": square, "mask": np.ones(4, np.bool_)}, path)
    check(path, square)
    good = path.read_bytes()
    length = int.from_bytes(good[:8], "little")
    header = json.loads(good[8 : 8 + length])

    def changed(**values):
        text = json.dumps({"kernels": header["kernels"] | values}).encode()
        return len(text).to_bytes(8, "little") + text + good[8 + length :]

    for data in (
        b"",
        b"\xff" * 30,
        good[:-500],
        good[:20],
        changed(shape=[1 << 40, 9, 9]),
        changed(shape=[-5, -9, 9]),
        changed(data_offsets=[-8, 1612]),
        changed(data_offsets=[0, 1 << 50], shape=[1 << 40, 16, 16]),
        changed(dtype="X9"),
        changed(shape="no"),
    ):
        path.write_bytes(data)
        with pytest.raises(UsageError, match=r"a\.safetensors"):
            KernelBank.load(path)


def test_pickles_of_torch_are_named_and_not_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        archive.writestr("a/data.pkl", b"\x80\x02.")
    (tmp_path / "b.pth").write_bytes(b"\x80\x02.")
    for name in ("a.pt", "b.pth"):
        with pytest.raises(UsageError, match=rf"{name}.*pickles.*numpy\.savez"):
            KernelBank.load(tmp_path / name)


@pytest.mark.parametrize("name", ["a.npz", "a.h5", "a.mat", "folder"])
def test_kernels_of_any_size_that_a_recipe_draws_are_written_and_read(tmp_path, name):
    run("kernels", "-n", 3, "--set", "trajectory.length=[900,900]", "-o", name, cwd=tmp_path)
    bank = KernelBank.load(tmp_path / name)
    assert max(max(kernel.shape) for kernel in bank) > 301
    again = tmp_path / f"again-{name}"
    bank.save(again)
    tolerance = 1e-4 if name == "folder" else 0
    for one, other in zip(bank, KernelBank.load(again), strict=True):
        np.testing.assert_allclose(one, other, atol=tolerance * one.max())


def test_a_large_image_with_the_name_of_a_kernel_is_none(rng, tmp_path):
    np.savez(tmp_path / "a.npz", kernel=rng.random((400, 400)))
    with pytest.raises(UsageError, match="more than 301 px on a side"):
        KernelBank.load(tmp_path / "a.npz")
