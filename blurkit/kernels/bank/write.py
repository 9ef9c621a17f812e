"""Writing kernel banks to NumPy, HDF5 and MATLAB v5 files and to folders of PNG images.

A file is encoded in memory, written under a temporary name and renamed, so that nobody can read an incomplete bank. The same bank
always gives the same bytes, because no format stores the time.
"""

from __future__ import annotations

import errno
import io
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import cv2
import h5py
import numpy as np
import scipy.io

from blurkit.camera.arrays import F32
from blurkit.errors import DiskFullError, WriteError, nearest
from blurkit.kernels.stack import stacked
from blurkit.program.checks import require
from blurkit.program.files import sync_folder, temporary_path, write_atomic
from blurkit.program.lenient import naming

Kernels = Sequence[F32]


def write_kernels(path: str | os.PathLike[str], kernels: Kernels, names: Sequence[str], *, overwrite: bool) -> None:
    """Write kernels and their names in the format of the suffix, completely or not at all. See ``KernelBank.save``."""
    target = Path(path)
    folder = target.is_dir() or not target.suffix or os.fspath(path).endswith(os.sep)
    encoders = {".npz": _npz, ".npy": _npy, ".h5": _hdf5, ".hdf5": _hdf5, ".mat": _matlab}
    suffix = target.suffix.lower()
    advice = f"a bank is written as {', '.join(encoders)}, or without a suffix as a folder of PNG files"
    require(folder or suffix in encoders, f"{path}: unknown suffix {suffix!r}{nearest(suffix, encoders)}; {advice}")
    data = b"" if folder else encoders[suffix](kernels, names)
    try:
        if folder:
            _write_folder(target, kernels, names)
        else:
            advice = "choose another name, or replace the file with --overwrite (in Python, overwrite=True)"
            require(overwrite or not os.path.lexists(target), f"{path} exists; {advice}")
            write_atomic(target, data)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DiskFullError(f"{path}: {error.strerror}; make room and write the bank again") from error
        raise WriteError(f"{path}: cannot be written: {error.strerror or error}") from error


def _write_folder(path: Path, kernels: Kernels, names: Sequence[str]) -> None:
    path = path.resolve()  # the rename below replaces an empty folder, but not a link to one
    empty = not path.exists() or (path.is_dir() and not any(path.iterdir()))
    require(empty, f"{path} exists and is not an empty folder; choose another name")
    # It has the same parent, because a rename is atomic only within one file system. mkdtemp would make a private folder.
    temporary = temporary_path(path)
    with naming("mkdir", path):
        temporary.mkdir()
    try:
        width = max(5, len(str(len(kernels) - 1)))
        for i, (kernel, name) in enumerate(zip(kernels, names, strict=True)):
            image = np.rint(kernel * (65535 / kernel.max().astype(np.float64))).astype(np.uint16)
            safe = re.sub(r"[^\w.-]+", "_", name)[:60]  # 60 characters of up to 4 bytes: a file name has at most 255 bytes
            (temporary / f"{i:0{width}d}_{safe}.png").write_bytes(cv2.imencode(".png", image)[1].tobytes())
        os.sync()  # once for all files: syncing each of a thousand takes minutes on a slow disk
        with naming("rename", path):
            os.rename(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    sync_folder(path.parent)


def _npz(kernels: Kernels, names: Sequence[str]) -> bytes:
    buffer, width = io.BytesIO(), len(str(len(kernels) - 1))
    arrays = {f"kernel_{i:0{width}d}": kernel for i, kernel in enumerate(kernels)}
    np.savez_compressed(buffer, allow_pickle=False, names=np.array(names, np.str_), **arrays)
    return buffer.getvalue()


def _npy(kernels: Kernels, names: Sequence[str]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, stacked(kernels)[:, None], allow_pickle=False)
    return buffer.getvalue()


def _hdf5(kernels: Kernels, names: Sequence[str]) -> bytes:
    text = np.array([name.encode() for name in names])
    text = text.astype(h5py.string_dtype("utf-8", text.itemsize))  # of fixed length, so that the file has no HDF5 object types
    buffer, width = io.BytesIO(), len(str(len(kernels) - 1))
    with h5py.File(buffer, "w") as file:
        for i, kernel in enumerate(kernels):
            file[f"kernels/{i:0{width}d}"] = kernel
        file["names"] = text
    return buffer.getvalue()


def _matlab(kernels: Kernels, names: Sequence[str]) -> bytes:
    cells = {}
    for variable, items in (("kernels", kernels), ("names", names)):
        cells[variable] = np.empty((1, len(items)), object)
        for i, item in enumerate(items):  # one by one, because NumPy would stack kernels of equal size
            cells[variable][0, i] = item
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, cells, do_compression=True)
    return b"MATLAB 5.0 MAT-file, written by blurkit".ljust(116) + buffer.getvalue()[116:]  # the text of scipy holds the time
