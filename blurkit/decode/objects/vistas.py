"""Reads the objects of Mapillary Vistas: the list of classes, and two PNG files with the class and the object of each pixel."""

from __future__ import annotations

import functools
import os
import struct
import zlib
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from blurkit.decode.body import read_body
from blurkit.decode.header import Header, png_chunks, read_header
from blurkit.decode.image import imdecode
from blurkit.decode.objects.frame import find_frame
from blurkit.decode.objects.json_stream import elements
from blurkit.errors import BadImageError, UnreadableFileError, UsageError
from blurkit.program.files import read_regular
from blurkit.truth.box import Box
from blurkit.truth.masks import Masks

_SLACK = 32 << 20  # bytes that a file may have in addition to 4 for each pixel
_BAD = "bad_annotation"  # also for a file of another size: it belongs to another photograph


class VistasClass(NamedTuple):
    """A class of objects. Its index in the list of classes is its value in the PNG files.

    ``name``: such as ``object--vehicle--car``. ``readable``: such as ``Car``. ``instances``: whether the files distinguish the
    objects of the class.
    """

    name: str
    readable: str
    instances: bool


def read_classes(path: str | os.PathLike[str]) -> tuple[VistasClass, ...]:
    """Returns the classes in a ``config_v1.2.json``, ``config_v2.0.json`` or ``config.json``. Raises :class:`UsageError`."""
    classes: list[VistasClass] = []
    for element in elements(path, ("labels",)):
        value = element.value if isinstance(element.value, dict) else {}
        name, readable, instances = value.get("name"), value.get("readable", ""), value.get("instances")
        if not isinstance(name, str) or not isinstance(readable, str) or not isinstance(instances, bool):
            raise UsageError(
                f"{path}: the class {len(classes)} (byte {element.start}) has no valid name, readable or instances; "
                "use the file that comes with the photographs"
            )
        classes.append(VistasClass(name, readable, instances))
    if not 0 < len(classes) <= 256:
        raise UsageError(f"{path}: lists {len(classes)} classes under 'labels'; use the file that comes with the photographs")
    return tuple(classes)


@dataclass(frozen=True, slots=True)
class VistasAnnotation:
    """The annotation of one photograph.

    ``instances``: the path of a PNG file with uint16 values: 256 times the class index, plus the number of the object.
    ``labels``: the path of a PNG file with class indices and a palette. ``classes``: from :func:`read_classes`, shared by all
    records.
    """

    instances: str
    labels: str
    classes: tuple[VistasClass, ...]

    def masks(self, header: Header, box: Box | None) -> Masks:
        """Returns the objects with a pixel in ``box``, ordered by class index and number.

        See :meth:`blurkit.sources.record.ImageRecord.masks`. Raises :class:`BadImageError` ``bad_annotation`` if a file is
        missing, damaged or of another kind, if it has neither the stored nor the upright size of the photograph, or if the two
        files contradict each other.
        """
        stored = _read_instances(self, header, _version(self.instances), _version(self.labels))
        frame = find_frame(stored.shape, header, box, "instance file")
        values = frame.cut(stored)
        counts = cv2.calcHist([values], [0], None, [1 << 16], [0, 1 << 16])  # np.unique would sort millions of pixels
        objects = [int(value) for value in np.flatnonzero(counts) if self.classes[value >> 8].instances]
        masks = np.empty((len(objects), *frame.cut_size), bool)
        for mask, value in zip(masks, objects, strict=True):
            np.equal(values, value, out=mask)
        ids = tuple(value >> 8 for value in objects)
        return Masks(masks, tuple(self.classes[index].name for index in ids), ids, (False,) * len(ids))


# The pairs of a photograph are made in succession, and reading its annotation takes longer than reading the photograph.
@functools.lru_cache(maxsize=1)
def _read_instances(
    annotation: VistasAnnotation, header: Header, instances: tuple[int, int], labels: tuple[int, int]
) -> NDArray[np.uint16]:
    """Returns the values of an instance file, in the stored frame, after a comparison with the label file.

    ``instances``, ``labels``: the versions of the two files, so that a changed file is read again.
    """
    what = "instance file"
    own, data = _read_png(annotation.instances, what, header)
    if (own.depth, own.colour, own.alpha) != (16, "grey", ""):
        raise _bad(f"The {what} is not grey with 16 bits but {own.colour} with {own.depth}: it has no numbers of objects.")
    values = _decode(data, np.uint16, own, what)
    indices = _read_labels(annotation, header)
    if indices.shape != values.shape:
        raise _bad("Only one of the instance file and the label file is turned upright.")
    differing = np.count_nonzero(values >> 8 != indices)
    if differing:
        raise _bad(f"The instance file and the label file give {differing} of {indices.size} pixels different classes.")
    return values


def _read_labels(annotation: VistasAnnotation, header: Header) -> NDArray[np.uint8]:
    """Returns the class indices, in the stored frame."""
    what = "label file"
    own, data = _read_png(annotation.labels, what, header)
    if own.depth != 8 or own.colour not in ("palette", "grey") or own.alpha == "alpha":
        raise _bad(f"The {what} must hold class indices of 8 bits; it holds {own.colour} with {own.depth} bits.")
    indices = _decode(_without_palette(data), np.uint8, own, what)
    highest = int(indices.max())
    if highest >= len(annotation.classes):
        raise _bad(f"The {what} has the class index {highest}, but there are {len(annotation.classes)} classes.")
    return indices


def _version(path: str) -> tuple[int, int]:
    """Returns (modification time, size) of a file, or zeros if there is none. A later read raises the error."""
    try:
        status = os.lstat(path)
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size


def _bad(message: str) -> BadImageError:
    return BadImageError(_BAD, message)


def _read_png(path: str, what: str, photograph: Header) -> tuple[Header, bytes]:
    """Returns the header of a PNG file, and its bytes after the check that the file is complete; see :func:`read_body`."""
    try:
        data = read_regular(path, most=_SLACK + 4 * photograph.height * photograph.width, follow_links=False)
        header = read_header(data)
        if header.format != "PNG":
            raise _bad(f"It is {header.format}, not PNG.")
        find_frame((header.height, header.width), photograph, None, what, _BAD)
        return header, read_body(data, header).data
    except UnreadableFileError as error:
        raise _bad(f"The {what} cannot be used. {error}") from error


def _without_palette(data: bytes) -> bytes:
    """Returns a PNG file whose grey values are the palette indices of ``data``. OpenCV would decode a palette to colours."""
    parts = [data[:8]]
    for kind, position, length in png_chunks(data, len(data)):  # few: `read_body` has counted them
        content = data[position : position + length]
        if kind == b"IHDR":
            content = content[:9] + b"\0" + content[10:]  # the colour type
        if kind != b"PLTE":
            parts.append(struct.pack(">I", length) + kind + content + struct.pack(">I", zlib.crc32(kind + content)))
    return b"".join(parts)


def _decode(data: bytes, dtype: type[np.uint8 | np.uint16], own: Header, what: str) -> NDArray[Any]:
    pixels, damage = imdecode(data, cv2.IMREAD_UNCHANGED)
    if pixels is None or damage or pixels.shape != (own.height, own.width) or pixels.dtype != dtype:
        raise _bad(f"The {what} cannot be used. The PNG data are damaged.")
    return np.asarray(pixels)
