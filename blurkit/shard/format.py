"""Format version 1: the content of a shard, and the checksums that cover it.

A shard is one HDF5 file. Every data set is contiguous and uncompressed, reached only by hard links, and holds numbers or
fixed-length UTF-8 text, so that a reader can map it into memory.

- ``sharp``, ``blurred``: uint8 (N, H, W, 3) RGB if all samples have one size; else flat, and each sample has an ``offset``, a
  ``height`` and a ``width``. If blurred images are drawn anew for each use, ``blurred`` is float16 linear light, or absent
- ``id``, ``source`` and others: one row per sample, see ``TEXTS`` and ``NUMBERS``
- ``kernel``: float32 (N, K, K), each kernel centred, with zeros around it; ``kernel_size``: its side, 0 if the kernel is unknown
- ``path``: float32 (P, 2), all paths one after the other; ``path_length``: the rows of each path
- ``mask``: uint8 (M,), the packed masks of all objects one after the other; ``mask_count``: the objects of each sample;
  ``mask_name``, ``mask_class`` and ``mask_crowd``: one row per object
- ``node_y``, ``node_x``, ``tap_count``, ``tap_place``, ``tap_weight``: kernel fields one after the other; each field has
  ``node_rows`` by ``node_columns`` nodes, and its taps reach ``node_reach`` pixels
- ``pose``: float32 (P, 3), the camera's rotation vectors; ``pose_length``: the vectors of each sample
- ``saturation``: uint8 (B,), the packed maps of the samples with ``saturation_stored`` = 1
- ``move_object``, ``move_path``, ``move_kernel``: objects that moved on their own; ``move_count``: the moved objects of each
  sample; their paths have ``move_length`` points, their kernels ``move_size`` pixels a side
- ``radius``: float32 (R,), the maps of the samples with ``radius_stored`` = 1
- ``parameters/<name>``: float64 (N,), the drawn values; not a number if nothing was drawn
- ``crc32``: uint32 (N, 2, bands), of sharp and blurred, one per band of ``BAND_ROWS`` rows, keyed with the sample's name
- ``row_crc32``: uint32 (N,), of everything else about the sample

If no sample of a shard has masks, fields, poses, saturation, moves or radii, their columns are absent: see
:mod:`blurkit.shard.columns`.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blurkit.errors import UsageError
from blurkit.shard.columns import Rows
from blurkit.shard.kinds import KINDS
from blurkit.truth.masks import Masks
from blurkit.truth.truth import Images, Truth

FORMAT_NAME = "blurkit-shard"
FORMAT_VERSION = 1

#: Rows of an image that one checksum covers. A crop checks only the bands that it touches, not the whole image.
BAND_ROWS = 64

FIELDS = ("sharp", "blurred")

#: What a dataset stores, with the dtype of ``blurred``: pairs; sharp images and the blurred light that reaches the sensor; or
#: sharp images alone. Blurred images of the last two are drawn anew for each use, see :mod:`blurkit.pair.redrawn`.
STORES = {"pairs": "|u1", "light": "<f2", "sharp": None}

#: Columns of text; and columns of numbers, with their dtype and the shape of a row. All else in ``Sample.meta`` are parameters.
TEXTS = ("source", "licence", "source_sha256", "notes")
NUMBERS = {"variant": ("<i4", ()), "crop": ("<i4", (4,)), "valid": ("<i4", (4,)), "seed": ("<u8", (5,))}

#: The conventions of the data. Every shard stores these texts, so a change would change its bytes.
CONVENTIONS = {
    "pixels": "uint8 RGB, rows from the top",
    "convolution": "true convolution: a unit impulse at p becomes the kernel centred on p; kernel[K//2, K//2] is no displacement",
    "kernel": "float32, sum 1, indexed [dy, dx]; its anchor (see the recipe) lies at the centre",
    "path": "(x, y) in pixels from the kernel's centre, equally spaced in time; the first parameters/exposure of it was seen",
    "mask": "numpy.packbits of each object's plane of height * width pixels, rows from the top, most significant bit first",
    "field": "a pixel of blurred gathers its light by the kernel there, bilinear between those of the nodes around it, which lie "
    "at node_y, node_x in pixels of the crop; nodes row by row; tap_place is the displacement (dy, dx)",
    "pose": "rotation vectors of the camera in radians, equally spaced in time; the first parameters/exposure of them was seen",
    "saturation": "packed like a mask: where the blurred light reached full well, before it was clipped",
    "move": "move_object is the number of a mask of the sample; its path is what its own motion added to the camera's, (x, y) in "
    "pixels, equally spaced in time; its kernel is that of both together, in the middle of what the crop shows of it",
    "radius": "of the circle of confusion in pixels, rows from the top, positive nearer than what is in focus",
    "boxes": "crop and valid are (y, x, height, width); crop in the photograph, valid in the crop",
    "seed": "entropy of numpy.random.Philox(numpy.random.SeedSequence(words)): the user's seed, then 4 words of "
    "blake2b('source/id#variant', digest_size=16), little-endian",
    "crc32": "zlib.crc32(rows, zlib.crc32(b'id#variant/field/band')), field sharp or blurred, 64 rows a band",
}

#: The default of ``Sample.objects``. A sample replaces it by masks of its own image size.
_NO_OBJECTS = Masks.none(0, 0)


@dataclass(frozen=True, eq=False, repr=False)
class Sample(Truth, Images):
    """One pair with its truth and metadata, as stored. Paths and poses are float32.

    ``id``: the photograph. ``meta``: ``variant``, ``source``, ``licence``, ``source_sha256``, ``notes`` (what decoding changed),
    ``crop``, ``valid``, ``seed``, and the drawn parameters, such as ``length`` and ``exposure``. ``objects``: the outlined
    objects, none by default; their ``problems`` are not stored. ``blurred`` is uint8, or another form of :data:`STORES`: float16
    linear light, or uint8 (0, 0, 3).
    """

    id: str
    meta: dict[str, Any]
    _: KW_ONLY
    objects: Masks = _NO_OBJECTS

    def __post_init__(self) -> None:
        if self.objects is _NO_OBJECTS:
            object.__setattr__(self, "objects", Masks.none(*self.sharp.shape[:2]))
        if any(not 0 <= number < len(self.objects) for number in self.moves.objects):
            raise UsageError(f"moves are of a sample's {len(self.objects)} objects, got numbers {self.moves.objects}")

    @property
    def store(self) -> str:
        """What is stored, see :data:`STORES`."""
        kinds = {kind: store for store, kind in STORES.items()}
        return kinds[self.blurred.dtype.str if self.blurred.size else None]

    @property
    def name(self) -> str:
        """The name of the sample in its dataset: photograph and variant."""
        return sample_name(self.id, self.meta["variant"])


def sample_name(image_id: str, variant: int) -> str:
    """The name of one sample."""
    return f"{image_id}#{variant}"


def band_count(height: int) -> int:
    """The number of bands of ``BAND_ROWS`` rows in an image of ``height`` rows."""
    return -(-height // BAND_ROWS)


def band_crc(name: str, field: str, band: int, image: NDArray[Any]) -> int:
    """The checksum of one band of an image. Its key also reveals rows that were swapped or copied over other rows."""
    return rows_crc(name, field, band, image[band * BAND_ROWS : (band + 1) * BAND_ROWS])


def rows_crc(name: str, field: str, band: int, rows: NDArray[Any]) -> int:
    """The checksum of the rows of one band."""
    return zlib.crc32(np.ascontiguousarray(rows).view(np.uint8).data, zlib.crc32(f"{name}/{field}/{band}".encode()))


def image_crcs(sample: Sample) -> NDArray[np.uint32]:
    """The checksums of both images, uint32 (2, bands)."""
    bands = range(band_count(len(sample.sharp)))
    crcs = [[band_crc(sample.name, field, band, getattr(sample, field)) for band in bands] for field in FIELDS]
    return np.array(crcs, np.uint32)


def stack_kernels(kernels: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The kernels in one array, float32 (N, K, K). Each is centred, with zeros around it up to the size of the largest kernel."""
    side = max(1, *map(len, kernels))  # an empty column has no offset in HDF5
    stack = np.zeros((len(kernels), side, side), "<f4")
    for canvas, kernel in zip(stack, kernels, strict=True):
        middle = slice((side - len(kernel)) // 2, (side + len(kernel)) // 2)
        canvas[middle, middle] = kernel
    return stack


def optional_truth(sample: Sample) -> dict[str, Rows]:
    """The rows of a sample for each of :data:`KINDS`. Raises :class:`UsageError` if its truth does not fit its images."""
    height, width = sample.sharp.shape[:2]
    return {name: kind.pack(getattr(sample, name), (height, width)) for name, kind in KINDS.items()}


def row_crc(sample: Sample, optional: Mapping[str, Rows]) -> int:
    """The checksum of everything about a sample except its pixels. It does not depend on padding, or on the other samples.

    ``optional``: the rows of the sample for each of :data:`KINDS`. They are used in place of the sample's own optional truth.
    """
    crc = zlib.crc32(f"{sample.name}\0{sample.sharp.shape}".encode())
    for key in TEXTS:
        crc = zlib.crc32(f"{key}={sample.meta[key]}\0".encode(), crc)
    for key, (kind, _) in NUMBERS.items():
        crc = zlib.crc32(np.asarray(sample.meta[key], kind).tobytes(), crc)
    crc = zlib.crc32(np.ascontiguousarray(sample.kernel, "<f4").data, zlib.crc32(str(sample.kernel.shape).encode(), crc))
    if sample.path.size:
        crc = zlib.crc32(np.ascontiguousarray(sample.path, "<f4").data, crc)
    for key, value in sorted(parameters(sample).items()):
        crc = zlib.crc32(key.encode() + np.float64(value).tobytes(), crc)
    for name, truth in KINDS.items():
        if truth.present(optional[name]):
            crc = truth.crc(optional[name], crc)
    return crc


def parameters(sample: Sample) -> dict[str, float]:
    """The parameters that were drawn for a sample, by name."""
    return {key: value for key, value in sample.meta.items() if key not in TEXTS and key not in NUMBERS}


def sample_digest(name: str, crcs: NDArray[np.uint32], row: int) -> int:
    """A 256-bit number for one sample. The digest of a dataset is their sum, so it does not depend on order or grouping."""
    data = name.encode() + b"\0" + np.ascontiguousarray(crcs, "<u4").tobytes() + row.to_bytes(4, "little")
    return int.from_bytes(hashlib.sha256(data).digest(), "big")


def digest_text(number: int) -> str:
    """A sum of sample digests, modulo 2**256, as 64 hexadecimal digits."""
    return f"{number % 2**256:064x}"
