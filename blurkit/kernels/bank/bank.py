"""Banks of blur kernels, measured or generated.

A kernel is indexed by displacement and its centre is its middle tap: a unit impulse at p becomes the kernel centred on p
when an image is *convolved* with it. A bank keeps kernels exactly as their file shows them, and files differ: the measured
kernels of Levin et al. (CVPR 2009) are meant for *correlation*, so convolve with ``kernel[::-1, ::-1]`` of theirs.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from blurkit.camera.arrays import F32, F64
from blurkit.errors import UsageError
from blurkit.kernels.bank.read import read_kernels
from blurkit.kernels.bank.write import write_kernels
from blurkit.program.checks import require

#: Values above minus this fraction of the peak are the ringing of an estimated kernel; anything lower is an error.
RINGING = 1e-3

#: A float32 kernel whose sum is this close to 1 is left as it is, so that saving and loading never changes a bit.
SUM_TOLERANCE = 1e-6

#: Shifts below this many pixels are rounding errors of float32 taps, and following them would only widen the kernel.
SMALLEST_SHIFT = 1e-5


@dataclass(frozen=True, eq=False)
class KernelBank:
    """Kernels and their names; made by :meth:`from_arrays` or :meth:`load`, which check what this class promises.

    ``kernels``: read-only float32 arrays (k_i, k_i') of odd sides, finite, non-negative, each with the sum 1.
    ``names``: as many distinct strings.
    """

    kernels: tuple[F32, ...]
    names: tuple[str, ...]

    @classmethod
    def from_arrays(cls, arrays: Iterable[ArrayLike], names: Sequence[str] | None = None) -> KernelBank:
        """A bank from real 2-D arrays of any scale; the names default to ``kernel_0``, ``kernel_1``, ...

        Each array is divided by its sum. An even side gets one row or column of zeros at its end: every tap keeps its index,
        and tap ``side // 2`` becomes the centre. Negative values above -.001 of the peak, such as the ringing of estimated
        kernels, become 0. ``UsageError`` names the kernel that is not 2-D, real, finite, non-negative or that sums to zero.
        """
        arrays = list(arrays)
        require(bool(arrays), "a kernel bank needs at least one kernel")
        labels = [f"kernel_{i}" for i in range(len(arrays))] if names is None else list(names)
        require(len(labels) == len(arrays), f"{len(arrays)} kernels but {len(labels)} names")
        seen: set[str] = set()
        for i, name in enumerate(labels):
            which = f"the name of kernel {i}, {name!r},"
            text = isinstance(name, str) and name.isprintable() and name == name.strip() != ""
            require(text, f"{which} is not printable text without blanks at its ends")
            require(name not in seen, f"{which} belongs to an earlier kernel; names must be distinct")
            seen.add(name)
        kernels = [_normalized(array, f"kernel {i} ({name})") for i, (array, name) in enumerate(zip(arrays, labels, strict=True))]
        return cls(tuple(kernels), tuple(labels))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> KernelBank:
        """Every kernel of a ``.npz``, ``.npy``, HDF5, MATLAB (v4, v5, v7, v7.3) or PNG file, or of a folder of PNG files.

        The content decides the format. MATLAB's arrays come out as MATLAB shows them. The kernels of a stack are counted by
        the first axis, in MATLAB by the last, unless exactly two axes are equal: these are then the kernel's sides. Where a
        file holds more than kernels, variables with a kernel's name are taken, in order of preference ``kernels``, ``kernel``,
        ``psf``, ``f``, ``k``, ``h``; without one, all that look like a kernel. Files in a folder are taken in the
        order of their names. A kernel has at most 301 px on a side. Neither pickles nor links to other files are followed.
        ``UsageError`` says what is wrong, and what was found where nothing looks like a kernel.
        """
        arrays, names = read_kernels(Path(path))
        try:
            return cls.from_arrays(arrays, names)
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from error

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the bank, at once or not at all, in the format that the suffix names.

        ``.npz``, ``.h5``, ``.hdf5`` and ``.mat`` (version 5: a cell array ``kernels`` and one of ``names``) keep every bit.
        A folder (no suffix, a slash at the end, or one that exists and is empty) is filled with 16-bit
        greyscale PNG files, each kernel scaled to the peak 65535; blanks and signs in their names become ``_``.
        ``UsageError`` where a file exists (unless ``overwrite``), a folder is not empty, the format is unknown, or a kernel
        exceeds 301 px; ``WriteError`` or ``DiskFullError`` where writing fails.
        """
        write_kernels(path, self.kernels, self.names, overwrite=overwrite)

    def __len__(self) -> int:
        return len(self.kernels)

    def __getitem__(self, index: int) -> F32:
        return self.kernels[index]

    def __iter__(self) -> Iterator[F32]:
        return iter(self.kernels)


def center(kernel: ArrayLike) -> F32:
    """The kernel, float32 (k, k) with k odd and the sum 1, moved so that its centroid is its middle tap.

    The sub-pixel part of the move is a bilinear shift: it moves the centroid exactly and widens the kernel by at most a quarter
    of a squared pixel of variance per axis. k is the smallest odd side around the centroid that holds all nonzero taps.
    Takes and refuses what :meth:`KernelBank.from_arrays` does.
    """
    taps = np.pad(_normalized(kernel, "the kernel").astype(np.float64), 1)  # room for the shift
    middle = []
    for axis in (0, 1):
        mass = taps.sum(axis=1 - axis)
        centroid = float(mass @ np.arange(mass.size)) / float(mass.sum())
        middle.append(round(centroid))
        taps = _shift(taps, middle[axis] - centroid, axis)
    rows, columns = np.nonzero(taps.astype(np.float32))
    radius = int(max(np.abs(rows - middle[0]).max(), np.abs(columns - middle[1]).max()))
    result = np.zeros((2 * radius + 1, 2 * radius + 1))
    result[rows - middle[0] + radius, columns - middle[1] + radius] = taps[rows, columns]
    return (result / result.sum()).astype(np.float32)


def _shift(taps: F64, shift: float, axis: int) -> F64:
    """Move by ``shift`` in [-1, 1] px along ``axis``; the taps at both ends must be zero."""
    weight = abs(shift)
    if weight < SMALLEST_SHIFT:
        return taps
    return (1 - weight) * taps + weight * np.roll(taps, 1 if shift > 0 else -1, axis)


def _normalized(array: ArrayLike, which: str) -> F32:
    """A read-only kernel as :class:`KernelBank` promises it, or ``UsageError`` about ``which``."""
    try:
        given = np.asarray(array)
    except ValueError as error:
        raise UsageError(f"{which} is no array: {error}") from error
    require(given.dtype.kind in "biuf", f"{which} holds {given.dtype}, not real numbers")
    good = given.ndim == 2 and given.size > 0
    require(good, f"{which} has shape {given.shape}; a kernel is a 2-D array that is not empty")
    taps = given.astype(np.float64)
    if not np.isfinite(taps).all():
        raise UsageError(f"{which} holds NaN or infinity at {tuple(map(int, np.argwhere(~np.isfinite(taps))[0]))}")
    peak, lowest = float(taps.max()), float(taps.min())
    negative = f"the negative value {lowest:.3g} beside a peak of {peak:.3g}"
    require(lowest >= -RINGING * max(peak, 0.0), f"{which} has {negative}; blur kernels have none")
    require(peak != 0, f"{which} sums to zero; it blurs to black")
    taps = np.maximum(taps, 0)
    if given.dtype != np.float32 or abs(taps.sum() - 1) > SUM_TOLERANCE:
        taps /= peak  # before the sum, which might overflow
        taps /= taps.sum()
    result = np.pad(taps, [(0, 1 - side % 2) for side in taps.shape]).astype(np.float32)
    result.setflags(write=False)
    return result
