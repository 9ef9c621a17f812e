"""Reading blur kernels from NumPy, HDF5, MATLAB and PNG files. The content decides the format, not the suffix.

Pickles are never loaded, and links to other files are never followed.
"""

from __future__ import annotations

import re
import struct
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any

import cv2
import h5py
import numpy as np
import scipy.io

from blurkit.camera.arrays import Array
from blurkit.decode.arrays import read_array, read_header
from blurkit.errors import UsageError
from blurkit.kernels.bank.choice import LARGEST_SIDE, MAX_SIDE, Variable, array_variable, choose, fault
from blurkit.kernels.bank.limits import MOST_BYTES, Budget, check_size, check_storage
from blurkit.kernels.bank.matlab import check_matlab
from blurkit.kernels.bank.tensors import tensors
from blurkit.program.checks import require
from blurkit.program.files import read_regular

Kernels = tuple[list[Array], list[str] | None]

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


_PLAIN = "save the kernels as plain arrays instead: numpy.savez(path, *kernels)"


def read_kernels(path: Path) -> Kernels:
    """Return the kernels of a file or a folder, as stored, and their names or None. Raises ``UsageError`` if there are none."""
    reason = f"{path} is neither a file nor a folder" if path.exists() else f"{path}: no such file or folder"
    require(path.is_dir() or path.is_file(), reason)
    try:
        return _reader(path)(path)
    except UsageError:
        raise
    except Exception as error:  # a damaged file can make the libraries raise any error
        raise UsageError(f"{path}: damaged or unreadable ({type(error).__name__}: {error})") from error


def _reader(path: Path) -> Callable[[Path], Kernels]:
    if path.is_dir():
        return _read_folder
    check_size(path)
    with path.open("rb") as file:
        head = file.read(128)
    for signature, reader in ((PNG_SIGNATURE, _read_png), (b"\x93NUMPY", _read_npy), (b"PK\x03\x04", _read_npz)):
        if head.startswith(signature):
            return reader
    if h5py.is_hdf5(path):
        return _read_hdf5
    if head.startswith(b"MATLAB 5.0") or (head and path.suffix.lower() == ".mat"):  # version 4 has no signature
        return _read_matlab
    if path.suffix.lower() == ".safetensors":
        return _read_safetensors
    pickled = head.startswith(b"\x80") or path.suffix.lower() in (".pt", ".pth", ".ckpt", ".pkl", ".pickle")
    require(not pickled, f"{path}: unknown format, or pickles, which may run code when read; {_PLAIN}")
    advice = "kernels are read from .npz, .npy, .safetensors, HDF5, MATLAB and PNG files, and from folders of PNG files"
    raise UsageError(f"{path}: {'unknown format' if head else 'empty'}; {advice}")


def _read_folder(path: Path) -> Kernels:
    files = sorted(p for p in path.iterdir() if p.suffix.lower() == ".png" and not p.name.startswith("."))
    if not files:
        others = sorted(p.name for p in path.iterdir())
        listed = ", ".join(others[:5] + ["..."] * (len(others) > 5))
        raise UsageError(f"{path}: the folder has no PNG files; it holds {listed or 'nothing'}")
    stems = [p.stem for p in files]
    plain = [stem.partition("_")[2] for stem in stems]
    numbered = all(re.match(rf"0*{i}_.", stem) for i, stem in enumerate(stems)) and len(set(plain)) == len(plain)
    return [_decode_png(p) for p in files], plain if numbered else stems


def _read_png(path: Path) -> Kernels:
    return [_decode_png(path)], [path.stem]


def _decode_png(path: Path) -> Array:
    data = read_regular(path, most=MOST_BYTES)
    require(data.startswith(PNG_SIGNATURE) and len(data) >= 24, f"{path}: not a PNG file, in spite of its name")
    width, height = struct.unpack(">II", data[16:24])
    size = f"{path}: {height}x{width} pixels"  # checked before decoding, because the header may claim gigabytes
    most = LARGEST_SIDE if data[24:26] == b"\x10\0" else MAX_SIDE  # a bank that was saved as PNG files is grey with 16 bits
    require(max(width, height) <= most, f"{size}; with more than {most} on a side it is an image, not a kernel")
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise UsageError(f"{path}: a damaged PNG file")
    if image.ndim == 3:
        grey = bool((image[..., :3] == image[..., :1]).all())
        require(grey, f"{path}: the file is in colour, so it is an image, not a kernel")
        image = image[..., 0]
    reason = fault(image, named=False, alone=True, most=most)
    require(not reason, f"{size}, {reason}")
    return image


def _read_npy(path: Path) -> Kernels:
    with path.open("rb") as file:
        shape, dtype = _numpy_header(path, path.stem, file)

    def read() -> Array:
        with path.open("rb") as file:
            return read_array(file, most=MOST_BYTES)

    return choose(path, [array_variable(path.stem, shape, dtype, read, last=False)], [])


def _read_npz(path: Path) -> Kernels:
    variables, titles, budget = [], [], Budget(path)
    with zipfile.ZipFile(path) as archive:

        def read(member: str) -> Array:
            with archive.open(member) as file:
                budget.take(*_extent(read_header(file)))
                file.seek(0)
                return read_array(file, most=MOST_BYTES)

        pickled = any(member.endswith("data.pkl") for member in archive.namelist())
        require(not pickled, f"{path}: a file of PyTorch, with pickles, which may run code when read; {_PLAIN}")
        for member in archive.namelist():
            if not member.endswith(".npy"):
                continue
            name = member.removesuffix(".npy")
            with archive.open(member) as file:
                shape, dtype = _numpy_header(path, name, file)
            if name == "names" and dtype.kind == "U" and len(shape) == 1:
                titles = read(member).tolist()
            else:
                variables.append(array_variable(name, shape, dtype, partial(read, member), last=False))
        return choose(path, variables, titles)


def _read_safetensors(path: Path) -> Kernels:
    return choose(path, [array_variable(*tensor, last=False) for tensor in tensors(path)], [])


def _numpy_header(path: Path, name: str, file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and dtype without the values, so that a large image is not read. Raises UsageError for pickled objects."""
    shape, dtype, _ = read_header(file)
    require(not dtype.hasobject, f"{path}: {name} holds pickled objects, which may run code when read; {_PLAIN}")
    return shape, dtype


def _extent(header: tuple[tuple[int, ...], np.dtype[Any], bool]) -> tuple[tuple[int, ...], int]:
    return header[0], header[1].itemsize


def _read_hdf5(path: Path) -> Kernels:
    variables: list[Variable] = []
    titles: list[str] = []
    budget = Budget(path)
    with h5py.File(path, "r") as file:

        def visit(name: str, item: h5py.HLObject) -> None:
            if name.startswith("#") or not isinstance(item, h5py.Dataset) or item.shape is None:
                return
            if name == "names" and not _elsewhere(item):
                titles.extend(_hdf5_texts(file, item, budget))
            else:
                variables.append(_hdf5_variable(file, name, item, budget))

        file.visititems(visit)  # this follows only hard links, which never lead to another file
        return choose(path, variables, titles)


def _hdf5_variable(file: h5py.File, name: str, item: h5py.Dataset, budget: Budget) -> Variable:
    def read() -> Array:
        return _hdf5_values(item, budget)

    matlab = item.attrs.get("MATLAB_class")
    if _elsewhere(item):
        return Variable(name, "x".join(map(str, item.shape)), "its values lie in another file, which is not read", tuple)
    if h5py.check_ref_dtype(item.dtype) is h5py.Reference:
        cell = partial(_hdf5_cell, file, budget)
        return Variable(name, f"{item.size} cells", "", lambda: [cell(reference) for reference in read().ravel()])
    if matlab in (b"char", b"logical") or "MATLAB_empty" in item.attrs:
        return Variable(name, "MATLAB array", "text, truth values or empty", tuple)
    if matlab is None:
        return array_variable(name, item.shape, item.dtype, read, last=False)
    # MATLAB stores columns first and HDF5 rows first, so MATLAB shows the transpose of the stored array.
    return array_variable(name, item.shape[::-1], item.dtype, lambda: read().T, last=True)


def _hdf5_values(item: h5py.Dataset, budget: Budget) -> Array:
    """The values of a data set, after what it declares is checked."""
    check_storage(budget.path, item.name, item)
    budget.take(item.shape, item.dtype.itemsize, packed=item.chunks is not None)
    return np.asarray(item[()])


def _hdf5_cell(file: h5py.File, budget: Budget, reference: h5py.Reference) -> Array:
    """The matrix that a cell refers to, or an empty matrix if it refers to something else or is too large for a kernel."""
    item = file[reference] if reference else None
    if not isinstance(item, h5py.Dataset) or item.shape is None or len(item.shape) != 2 or max(item.shape) > LARGEST_SIDE:
        return np.zeros((0, 0))
    if _elsewhere(item) or "MATLAB_empty" in item.attrs:
        return np.zeros((0, 0))
    values = _hdf5_values(item, budget)
    return values.T if "MATLAB_class" in item.attrs else values


def _hdf5_texts(file: h5py.File, item: h5py.Dataset, budget: Budget) -> list[str]:
    if h5py.check_string_dtype(item.dtype):
        check_storage(budget.path, item.name, item)
        budget.take(item.shape, item.dtype.itemsize)
        texts = []
        for place in np.ndindex(item.shape):  # one by one: many texts can be one text in the file
            texts.append(str(item.asstr()[place]))
            budget.take((len(texts[-1]),), 4)
        return texts
    if h5py.check_ref_dtype(item.dtype) is h5py.Reference:
        codes = (_hdf5_cell(file, budget, reference).ravel() for reference in _hdf5_values(item, budget).ravel())
        return [code.astype("<u2").tobytes().decode("utf-16-le", "replace") for code in codes]
    return []


def _elsewhere(item: h5py.Dataset) -> bool:
    return bool(item.external) or bool(item.is_virtual)


def _matlab_cells(cells: Array) -> Iterator[Array]:
    """The arrays in a cell array and in the cell arrays within it, in MATLAB's order. Axes of length 1 beyond two are dropped."""
    for cell in cells.ravel(order="F"):
        if cell.dtype.hasobject:
            yield from _matlab_cells(cell)
        else:
            yield cell.squeeze() if cell.ndim > 2 and cell.squeeze().ndim == 2 else cell


def _read_matlab(path: Path) -> Kernels:
    def read(name: str, shape: tuple[int, ...]) -> Array:
        budget.take(shape, 8)
        return np.asarray(scipy.io.loadmat(path, variable_names=[name])[name])

    check_matlab(path)
    variables, titles, budget = [], [], Budget(path)
    for name, shape, kind in scipy.io.whosmat(path):
        if kind == "cell":
            cells = list(_matlab_cells(read(name, shape)))
            if name == "names":
                titles = [str(cell.item()) for cell in cells if cell.dtype.kind == "U" and cell.size == 1]
            else:
                variables.append(Variable(name, f"{len(cells)} cells", "", partial(tuple, cells)))
        elif kind in ("single", "double") or re.fullmatch(r"u?int\d+", kind):
            variables.append(array_variable(name, shape, np.dtype(kind), partial(read, name, shape), last=True))
        else:
            variables.append(Variable(name, kind, "not an array of numbers", tuple))
    return choose(path, variables, titles)
