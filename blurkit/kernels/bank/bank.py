"""Banks of blur kernels, measured or generated.

A kernel is indexed by displacement, and its centre is its middle tap. If an image is *convolved* with the kernel, a unit impulse
at p becomes the kernel centred on p. A bank does not flip the kernels of a file, and files use different conventions. The
measured kernels of Levin et al. (CVPR 2009) and the estimates of J-MKPD (Carbajal et al., IEEE TCI 2023) are for *correlation*:
each pixel gathers its light at the place of the tap. :meth:`KernelBank.flipped` converts one convention into the other.
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

#: Negative values down to this fraction of the peak are the ringing of an estimated kernel. Lower values are an error.
RINGING = 1e-3

#: A float32 kernel is not divided by its sum if the sum is this close to 1, so that saving and loading never changes a bit.
SUM_TOLERANCE = 1e-6

#: A shift below this many pixels is a rounding error of float32 taps. It is ignored, because it would only widen the kernel.
SMALLEST_SHIFT = 1e-5


@dataclass(frozen=True, eq=False)
class KernelBank:
    """Kernels and their names. Make a bank with :meth:`from_arrays` or :meth:`load`, which check the arrays.

    ``kernels``: read-only float32 arrays (k_i, k_i') with odd sides, finite, non-negative, each with the sum 1. ``names``: one
    string for each kernel, all different.
    """

    kernels: tuple[F32, ...]
    names: tuple[str, ...]

    @classmethod
    def from_arrays(cls, arrays: Iterable[ArrayLike], names: Sequence[str] | None = None) -> KernelBank:
        """A bank from real 2-D arrays of any scale. The default names are ``kernel_0``, ``kernel_1``, ...

        Each array is divided by its sum. If a side is even, a row or column of zeros is added at its end. So every tap keeps its
        index, and tap ``side // 2`` becomes the centre. Negative values down to -.001 of the peak become 0; they are the ringing
        of estimated kernels. Raises ``UsageError``, which names the kernel, if an array is not 2-D, real, finite and
        non-negative, or if its sum is zero.
        """
        arrays = list(arrays)
        require(bool(arrays), "a kernel bank needs at least one kernel")
        labels = [f"kernel_{i}" for i in range(len(arrays))] if names is None else list(names)
        require(len(labels) == len(arrays), f"{len(arrays)} kernels but {len(labels)} names")
        seen: set[str] = set()
        for i, name in enumerate(labels):
            which = f"the name of kernel {i}, {name!r},"
            good = isinstance(name, str) and name.isprintable() and name == name.strip() != ""
            require(good, f"{which} is not printable text without blanks at its ends")
            require(name not in seen, f"{which} is also the name of an earlier kernel; names must be distinct")
            seen.add(name)
        kernels = [_normalized(array, f"kernel {i} ({name})") for i, (array, name) in enumerate(zip(arrays, labels, strict=True))]
        return cls(tuple(kernels), tuple(labels))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> KernelBank:
        """All kernels of a ``.npz``, ``.npy``, ``.safetensors``, HDF5, MATLAB (v4, v5, v7, v7.3) or PNG file, or of a folder of
        PNG files.

        The content decides the format, not the suffix. Arrays of MATLAB have the orientation that MATLAB shows. The kernels of
        a stack lie along its first axis, in MATLAB files along its last; more axes may have length 1, as in (N, 1, h, w). But if
        exactly two neighbouring axes have the same length, these two are the sides of the kernels. If no axes do, and the slices
        along one end sum to 1 and those along the other do not, the kernels lie along this end. If a file also holds other
        variables, the kernels are the variables with the first of these names: ``kernels``, ``kernel``, ``psfs``, ``psf``,
        ``f``, ``k``, ``h``. If no variable has such a name, the kernels are all variables that look like a kernel. Files of a
        folder are read in the order of their names. A kernel has at most 301 px on a side; or 4097 px if it sums to 1 or fades
        towards its border, and has one of the longer names or is a PNG file of 16 bits. Pickles are not loaded, and links to
        other files are not followed.

        Raises ``UsageError``, which says what is wrong. If nothing looks like a kernel, it lists what the file holds.
        """
        arrays, names = read_kernels(Path(path))
        try:
            return cls.from_arrays(arrays, names)
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from error

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the bank in the format of the suffix, completely or not at all.

        ``.npz``, ``.h5``, ``.hdf5`` and ``.mat`` (version 5, with the cell arrays ``kernels`` and ``names``) keep every bit. A
        path without a suffix, with a slash at its end, or of an existing empty folder means a folder of 16-bit greyscale PNG
        files. There each kernel is scaled to the peak 65535, and blanks and signs in its name become ``_``. ``.npy`` is one array
        (N, 1, k, k), as deepinv takes it, with zeros around the smaller kernels and without names. The cells of ``.mat`` are
        read by USRNet.

        Raises ``UsageError`` if the file exists and ``overwrite`` is False, if the folder is not empty, or if the format is
        unknown. Raises ``WriteError`` or ``DiskFullError`` if writing fails.
        """
        write_kernels(path, self.kernels, self.names, overwrite=overwrite)

    def flipped(self) -> KernelBank:
        """The bank with every kernel rotated by 180 degrees: kernels for correlation become kernels for convolution, and back."""
        kernels = tuple(np.ascontiguousarray(kernel[::-1, ::-1]) for kernel in self.kernels)
        for kernel in kernels:
            kernel.setflags(write=False)
        return KernelBank(kernels, self.names)

    def __len__(self) -> int:
        return len(self.kernels)

    def __getitem__(self, index: int) -> F32:
        return self.kernels[index]

    def __iter__(self) -> Iterator[F32]:
        return iter(self.kernels)


def center(kernel: ArrayLike) -> F32:
    """The kernel moved so that its centroid lies on its middle tap, float32 (k, k), k odd, sum 1.

    The sub-pixel part of the shift is bilinear. It moves the centroid exactly and adds at most a quarter of a squared pixel to
    the variance per axis. k is the smallest odd side around the centroid that holds all nonzero taps. The argument is checked and
    normalized as by :meth:`KernelBank.from_arrays`.
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
    """Move the taps by ``shift`` in [-1, 1] px along ``axis``. The taps at both ends must be zero."""
    weight = abs(shift)
    if weight < SMALLEST_SHIFT:
        return taps
    return (1 - weight) * taps + weight * np.roll(taps, 1 if shift > 0 else -1, axis)


def _normalized(array: ArrayLike, which: str) -> F32:
    """A read-only kernel as in :class:`KernelBank`. ``which``: what an error calls the kernel."""
    try:
        given = np.asarray(array)
    except ValueError as error:
        raise UsageError(f"{which} is not an array: {error}") from error
    require(given.dtype.kind in "biuf", f"{which} holds {given.dtype}, not real numbers")
    good = given.ndim == 2 and given.size > 0
    require(good, f"{which} has shape {given.shape}; a kernel is a 2-D array that is not empty")
    with np.errstate(invalid="ignore"):  # of a NaN; it is refused below
        taps = given.astype(np.float64)
    if not np.isfinite(taps).all():
        raise UsageError(f"{which} holds NaN or infinity at {tuple(map(int, np.argwhere(~np.isfinite(taps))[0]))}")
    peak, lowest = float(taps.max()), float(taps.min())
    negative = f"the negative value {lowest:.3g} beside a peak of {peak:.3g}"
    require(lowest >= -RINGING * max(peak, 0.0), f"{which} has {negative}; a blur kernel has no negative values")
    require(peak != 0, f"{which} sums to zero, so it would blur every image to black")
    taps = np.maximum(taps, 0)
    if given.dtype != np.float32 or abs(taps.sum() - 1) > SUM_TOLERANCE:
        taps /= peak  # first, because the sum could overflow
        taps /= taps.sum()
    result = np.pad(taps, [(0, 1 - side % 2) for side in taps.shape]).astype(np.float32)
    result.setflags(write=False)
    return result
