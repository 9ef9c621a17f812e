"""Tests reading kernels from files of other programs, and refuses images, pickles, links and damaged files."""

import os
import zipfile
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
import scipy.io
import scipy.signal
from matlab73 import matlab73
from psnr import psnr_up_to_a_shift

from blurkit.errors import UsageError
from blurkit.kernels.bank import KernelBank


@pytest.fixture
def photograph() -> np.ndarray:
    """An image that must not be mistaken for a kernel, although it is small (200x200), non-negative and in [0, 1]."""
    y, x = np.mgrid[:200, :200] / 200
    return 0.3 + 0.2 * np.sin(20 * x * y) + 0.4 * y


def test_stacks_and_single_arrays_of_others(rng, tmp_path):
    kernels = rng.random((4, 7, 7)).astype(np.float32)
    kernels /= kernels.sum(axis=(1, 2), keepdims=True)
    np.save(tmp_path / "stack.npy", kernels)
    np.savez(tmp_path / "stack.npz", psf=kernels, image=rng.random((50, 50)))
    np.savez(tmp_path / "plain.npz", *kernels)
    np.save(tmp_path / "last.npy", np.moveaxis(kernels, 0, -1))
    scipy.io.savemat(tmp_path / "stack.mat", {"PSF": np.moveaxis(kernels, 0, -1), "n": 4.0})
    scipy.io.savemat(tmp_path / "first.mat", {"PSF": kernels})
    scipy.io.savemat(tmp_path / "v4.mat", {f"kernel{i}": kernel for i, kernel in enumerate(kernels)}, format="4")
    grid = np.empty((2, 2), object)
    grid[0, 0], grid[1, 0], grid[0, 1], grid[1, 1] = kernels  # MATLAB counts down the columns
    scipy.io.savemat(tmp_path / "grid.mat", {"k": grid})
    with h5py.File(tmp_path / "shard.h5", "w") as file:
        file["kernel"], file["sharp"] = kernels, np.zeros((4, 9, 9, 3), np.uint8)
    with h5py.File(tmp_path / "stack73.mat", "w", userblock_size=512) as file:
        file["kernels"] = kernels.transpose(0, 2, 1)  # a 7x7x4 array of MATLAB's
        file["kernels"].attrs["MATLAB_class"] = np.bytes_("single")
    files = sorted(tmp_path.iterdir())
    assert len(files) == 10
    for path in files:
        np.testing.assert_allclose(list(KernelBank.load(path)), kernels, atol=1e-7)
    np.save(tmp_path / "disk.npy", np.full((9, 9), 255, np.uint8))
    np.testing.assert_allclose(KernelBank.load(tmp_path / "disk.npy")[0], 1 / 81)
    assert KernelBank.load(tmp_path / "disk.npy").names == ("disk",)


def test_an_image_is_never_taken_for_a_kernel(photograph, tmp_path):
    shake = np.outer(np.hanning(9), np.hanning(7))
    for name in ("f", "k", "true_h", "anything"):
        np.savez(tmp_path / "a.npz", x=photograph, y=photograph, identity=np.eye(3), **{name: shake})
        assert KernelBank.load(tmp_path / "a.npz").names == (name,)
    box = np.ones((5, 5))  # only its name shows that it is a kernel
    for name in ("blur_kernel_07", "PSF2", "gtKernel"):
        np.savez(tmp_path / "a.npz", x=photograph, y=photograph, k=shake, **{name: box})
        assert KernelBank.load(tmp_path / "a.npz").names == (name,)
    np.savez(tmp_path / "a.npz", x=photograph, y=photograph, g=np.outer(np.hamming(9), np.hamming(9)))
    assert KernelBank.load(tmp_path / "a.npz").names == ("g",)  # it is not scaled, and its border is not quite dark
    np.savez(tmp_path / "b.npz", f=photograph, k=shake)  # in many papers f is the observed image
    assert KernelBank.load(tmp_path / "b.npz").names == ("k",)
    np.savez(tmp_path / "c.npz", x=photograph, y=photograph, sigma=2.0, f=photograph, psf=np.zeros((302, 302)))
    with pytest.raises(UsageError, match=r"c\.npz.*looks like a blur kernel.*f \(200x200 float64.*psf.*more than 301"):
        KernelBank.load(tmp_path / "c.npz")
    for image in (photograph * 255, np.zeros((9, 302)), np.dstack([np.eye(5) * c for c in (9, 99, 199)])):
        cv2.imwrite(str(tmp_path / "image.png"), image.astype(np.uint8))
        with pytest.raises(UsageError, match=r"image\.png.*(fades|image, not a kernel)"):
            KernelBank.load(tmp_path / "image.png")


def test_pickles_are_refused_unread(tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "exploded"),)

    np.savez(tmp_path / "a.npz", kernel=np.ones((3, 3)), kernels=np.array([Bomb(), None], object), allow_pickle=True)
    np.save(tmp_path / "a.npy", np.array([Bomb()], object), allow_pickle=True)
    for name in ("a.npz", "a.npy"):
        with pytest.raises(UsageError, match=rf"{name}.*pickle"):
            KernelBank.load(tmp_path / name)
    assert not (tmp_path / "exploded").exists()


def test_hdf5_never_leads_to_another_file(rng, tmp_path):
    kernel = np.full((3, 3), 1 / 9)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["kernel"] = kernel
    kernel.tofile(tmp_path / "raw.bin")
    layout = h5py.VirtualLayout((3, 3), "f8")
    layout[:] = h5py.VirtualSource(tmp_path / "other.h5", "kernel", (3, 3))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["kernels"] = h5py.ExternalLink("other.h5", "kernel")
        file["psf"] = h5py.SoftLink("/kernels")
        raw = file.create_dataset("raw", (3, 3), "f8", external=[(str(tmp_path / "raw.bin"), 0, 72)])
        virtual = file.create_virtual_dataset("virtual", layout)
        file.create_dataset("kernel", (2, 1), h5py.ref_dtype)[:, 0] = [raw.ref, virtual.ref]
        np.testing.assert_array_equal(file["raw"], kernel)
        np.testing.assert_array_equal(file["virtual"], kernel)
    with pytest.raises(UsageError, match=r"raw.*another file") as caught:
        KernelBank.load(tmp_path / "a.h5")
    assert "psf" not in str(caught.value)


def test_unreadable_files_are_named(rng, tmp_path):
    bank = KernelBank.from_arrays(rng.random((3, 9, 9)), ["a", "b", "c"])
    halves = ("half.npz", "half.h5", "half.mat", "half73.mat")
    for name in halves[:3]:
        bank.save(tmp_path / name)
    (tmp_path / halves[3]).write_bytes(matlab73(bank))
    for name in halves:
        data = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(data[: len(data) // 2])
    bank.save(tmp_path / "cut")
    last = tmp_path / "cut/00002_c.png"
    last.write_bytes(last.read_bytes()[:-40])
    (tmp_path / "a.txt").write_text("kernel")
    (tmp_path / "a.pkl").write_bytes(b"\x80\x04N.")
    (tmp_path / "empty.npz").touch()
    (tmp_path / "text.mat").write_text("no matrix " * 40)
    (tmp_path / "nothing").mkdir()
    os.mkfifo(tmp_path / "fifo")
    with zipfile.ZipFile(tmp_path / "zip.npz", "w") as archive:
        archive.writestr("readme.txt", "no arrays")
    reasons = {
        "missing": "no such file",
        "fifo": "neither a file",
        "a.txt": "unknown format",
        "a.pkl": "unknown format",
        "empty.npz": "empty",
        "text.mat": "damaged",
        "nothing": "holds nothing",
        "zip.npz": "no arrays at all",
        "cut": "00002_c.png: a damaged",
        **dict.fromkeys(halves, "damaged"),
    }
    for name, reason in reasons.items():
        with pytest.raises(UsageError, match=reason) as caught:
            KernelBank.load(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)


def agreement(content: dict[str, np.ndarray], kernel: np.ndarray) -> float:
    """PSNR in dB of the blurred photograph and the sharp photograph convolved with a kernel."""
    return psnr_up_to_a_shift(scipy.signal.fftconvolve(content["x"], kernel, mode="same"), content["y"], reach=5)


def test_measured_kernels_of_levin(test_data: Path):
    """The v7.3 bank and the kernels beside the photographs have the same orientation: both blur by correlation."""
    bank = KernelBank.load(test_data / "blurred_pairs/kernels/Levin09.mat")
    assert len(bank) == 8
    files = sorted((test_data / "blurred_pairs/levin09").glob("im*_ker*.mat"))
    assert len(files) == 16
    for path in files:
        content = scipy.io.loadmat(path)
        loaded = KernelBank.load(path)  # beside two images of 255x255 px
        assert loaded.names == ("f",)
        np.testing.assert_allclose(loaded[0], content["f"], atol=1e-7)
        np.testing.assert_allclose(bank[int(path.stem[-2:]) - 1], content["f"], atol=1e-7)  # neither transposed nor turned
        turned = agreement(content, loaded[0][::-1, ::-1])
        assert turned > 38
        assert turned > agreement(content, loaded[0]) + 2


def test_measured_kernels_of_two_files_agree(test_data: Path):
    """Two of the twelve kernels of a v5 file are the last two kernels of Levin with a margin of one pixel."""
    twelve = KernelBank.load(test_data / "blurred_pairs/kernels/kernels_12.mat")
    levin = KernelBank.load(test_data / "blurred_pairs/kernels/Levin09.mat")
    assert len(twelve) == 12
    for one, other in ((twelve[8], levin[7]), (twelve[9], levin[6])):
        np.testing.assert_allclose(one, np.pad(other, 1), atol=1e-7)
