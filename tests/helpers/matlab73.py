"""Kernel banks in the layout of MATLAB's version 7.3."""

import io

import h5py
import numpy as np
from numpy.typing import NDArray

from blurkit.kernels.bank import KernelBank


def matlab73(bank: KernelBank) -> bytes:
    """The bytes of a bank in MATLAB's HDF5: arrays are transposed, and cells are references into the group ``#refs#``.

    The file starts with 512 bytes: 116 of text, 8 unused, the version 0x0200, ``IM`` for little-endian, and zeros.
    """
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", userblock_size=512) as file:
        refs = file.create_group("#refs#")
        refs.attrs["H5PATH"] = np.bytes_("/#refs#")
        empty = array(refs, "a", np.zeros(2, np.uint64), "canonical empty")  # MATLAB keeps one in every such group
        empty.attrs["MATLAB_empty"] = np.uint8(1)
        texts = [np.frombuffer(name.encode("utf-16-le"), "<u2")[None] for name in bank.names]
        for variable, items, kind in (("kernels", bank.kernels, "single"), ("names", texts, "char")):
            cell = [array(refs, f"{variable}_{i}", item.T, kind).ref for i, item in enumerate(items)]
            data = np.empty((len(cell), 1), h5py.ref_dtype)
            data[:, 0] = cell
            array(file, variable, data, "cell")
    text = b"MATLAB 7.3 MAT-file, written by blurkit, HDF5 schema 1.00 .".ljust(116)
    return (text + bytes(8) + b"\x00\x02IM").ljust(512, b"\0") + buffer.getvalue()[512:]


def array(group: h5py.Group, name: str, data: NDArray[np.generic], kind: str) -> h5py.Dataset:
    dataset = group.create_dataset(name, data=data)
    dataset.attrs["MATLAB_class"] = np.bytes_(kind)
    if kind == "char":
        dataset.attrs["MATLAB_int_decode"] = np.int32(2)  # characters are kept in 2-byte integers
    if group.name != "/":
        dataset.attrs["H5PATH"] = np.bytes_(dataset.name)
    return dataset
