"""Tests banks that declare much more than they hold: they are refused before memory is allocated. Nothing waits for a pipe."""

import os
import struct
import tracemalloc
import zipfile
import zlib

import h5py
import numpy as np
import pytest
import scipy.io

from blurkit.errors import UsageError
from blurkit.kernels.bank import KernelBank

#: A stack of kernels of half a gigabyte and more.
DECLARED = (2000, 301, 301)
MOST_MB = 64


def declared_stack(path):
    """A data set that was never written, so it has no chunk: HDF5 reads zeros."""
    with h5py.File(path, "w") as file:
        file.create_dataset("kernels", DECLARED, "f8", chunks=(1, 301, 301), compression="gzip")


def one_large_chunk(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("kernels", (5, 301, 301), "f8", maxshape=DECLARED, chunks=DECLARED, compression="gzip")


def chunk_that_expands(path):
    """HDF5 doubles its buffer until a chunk is inflated, whatever the chunk declares."""
    with h5py.File(path, "w") as file:
        item = file.create_dataset("kernels", (1, 9, 9), "f8", chunks=(1, 9, 9), compression="gzip")
        item.id.write_direct_chunk((0, 0, 0), zlib.compress(bytes(400 << 20), 1)[: 1 << 20])


def many_names_of_one_array(path):
    with h5py.File(path, "w") as file:
        file["one"] = np.zeros((300, 300))
        file["one"].attrs["MATLAB_empty"] = 0
        del file["one"].attrs["MATLAB_empty"]
        file["psf"] = np.array([file["one"].ref] * 2000, h5py.ref_dtype)


def many_names_of_one_text(path):
    with h5py.File(path, "w") as file:
        file["kernels"] = np.full((3, 5, 5), 0.04)
        file.create_dataset("names", (1 << 30,), h5py.string_dtype())


def strange_filter(path):
    with h5py.File(path, "w") as file:
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk((1, 5, 5))
        properties.set_filter(32000, h5py.h5z.FLAG_OPTIONAL)
        properties.set_filter(h5py.h5z.FILTER_NBIT, h5py.h5z.FLAG_OPTIONAL)
        h5py.h5d.create(file.id, b"kernels", h5py.h5t.IEEE_F64LE, h5py.h5s.create_simple((3, 5, 5)), properties)


def zip_that_declares(path):
    header = str({"descr": "<f8", "fortran_order": False, "shape": DECLARED}).encode().ljust(117) + b"\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("kernels.npy", b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header)


def array_that_declares(path):
    header = str({"descr": "<f8", "fortran_order": False, "shape": DECLARED}).encode().ljust(117) + b"\n"
    path.write_bytes(b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header)


def matlab_that_expands(path):
    scipy.io.savemat(path, {"psf": np.eye(5)})
    expander = zlib.compressobj(9)
    head = struct.pack("<IIII", 6, 8, 6, 0) + struct.pack("<IIii", 5, 8, 1, 1 << 27) + struct.pack("<HH4s", 1, 3, b"psf")
    packed = expander.compress(struct.pack("<II", 14, len(head) + 8 + (1 << 30)) + head + struct.pack("<II", 9, 1 << 30))
    packed += b"".join(expander.compress(bytes(1 << 24)) for _ in range(64)) + expander.flush()
    path.write_bytes(path.read_bytes()[:128] + struct.pack("<II", 15, len(packed)) + packed)


BOMBS = {
    "declared.h5": (declared_stack, "declares more kernels"),
    "chunk.h5": (one_large_chunk, "chunks of"),
    "expands.h5": (chunk_that_expands, "more bytes than it declares"),
    "references.h5": (many_names_of_one_array, "declares more kernels"),
    "texts.h5": (many_names_of_one_text, "declares more kernels"),
    "filter.h5": (strange_filter, "unknown filter"),
    "declared.npz": (zip_that_declares, r"declares more kernels|limit is"),
    "declared.npy": (array_that_declares, "limit is"),
    "expands.mat": (matlab_that_expands, "more than 512 MB"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_small_file_that_declares_much_is_refused(tmp_path, name):
    write, message = BOMBS[name]
    write(tmp_path / name)
    assert (tmp_path / name).stat().st_size < 2 << 20
    tracemalloc.start()
    try:
        with pytest.raises(UsageError, match=message):
            KernelBank.load(tmp_path / name)
        assert tracemalloc.get_traced_memory()[1] < MOST_MB << 20
    finally:
        tracemalloc.stop()


def test_a_pipe_among_kernels_is_no_kernel(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    os.mkfifo(tmp_path / "pipe.h5")
    for path in (tmp_path, tmp_path / "pipe.h5"):
        with pytest.raises(UsageError, match=r"not a file|neither a file"):
            KernelBank.load(path)


@pytest.mark.parametrize("options", [{}, {"compression": "gzip", "shuffle": True, "fletcher32": True}, {"compression": "lzf"}])
def test_kernels_that_are_stored_in_chunks_are_read(tmp_path, rng, options):
    kernels = rng.random((7, 5, 5))
    with h5py.File(tmp_path / "bank.h5", "w") as file:
        file.create_dataset("kernels", data=kernels, **options)
    loaded = KernelBank.load(tmp_path / "bank.h5")
    np.testing.assert_allclose([kernel * scale for kernel, scale in zip(loaded, kernels.sum((1, 2)), strict=True)], kernels, 1e-5)
