"""The objects of Mapillary Vistas: its classes, and the two PNG files that say which pixel belongs to what."""

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

_SLACK = 32 << 20  # bytes that a file may hold besides 4 for each pixel
_BAD = "bad_annotation"  # of another size too: a file for every photograph then belongs to another one


class VistasClass(NamedTuple):
    """``name``: such as ``object--vehicle--car``; ``readable``: such as ``Car``; ``instances``: whether its objects are told
    apart. Its place among the classes is its index in the files."""

    name: str
    readable: str
    instances: bool


def read_classes(path: str | os.PathLike[str]) -> tuple[VistasClass, ...]:
    """The classes that a ``config_v1.2.json``, ``config_v2.0.json`` or ``config.json`` lists.

    Raises :class:`UsageError` for a file that is no such list.
    """
    classes: list[VistasClass] = []
    for element in elements(path, ("labels",)):
        value = element.value if isinstance(element.value, dict) else {}
        name, readable, instances = value.get("name"), value.get("readable", ""), value.get("instances")
        if not isinstance(name, str) or not isinstance(readable, str) or not isinstance(instances, bool):
            raise UsageError(
                f"{path}: the class {len(classes)} (byte {element.start}) has no name, or not whether it has instances; "
                "take the file that comes with the photographs"
            )
        classes.append(VistasClass(name, readable, instances))
    if not 0 < len(classes) <= 256:
        raise UsageError(f"{path}: lists {len(classes)} classes under 'labels'; take the file that comes with the photographs")
    return tuple(classes)


@dataclass(frozen=True, slots=True)
class VistasAnnotation:
    """``instances``: the path of a PNG file of uint16, 256 times the class index plus the number of the object. ``labels``: that
    of a PNG file of class indices with a palette. ``classes``: as :func:`read_classes` found them, one object for all records."""

    instances: str
    labels: str
    classes: tuple[VistasClass, ...]

    def masks(self, header: Header, box: Box | None) -> Masks:
        """The objects with a pixel in ``box``, by class index and number; see :meth:`blurkit.sources.record.ImageRecord.masks`.

        Raises :class:`BadImageError` ``bad_annotation`` where a file is missing, damaged, of another kind, or fits neither the
        stored nor the upright photograph, or where the two contradict each other.
        """
        whole = _read_instances(self, header, _version(self.instances), _version(self.labels))
        frame = find_frame(whole.shape, header, box, "instance file")
        values = frame.cut(whole)
        counts = cv2.calcHist([values], [0], None, [1 << 16], [0, 1 << 16])  # np.unique would sort millions of pixels
        objects = [int(value) for value in np.flatnonzero(counts) if self.classes[value >> 8].instances]
        masks = np.empty((len(objects), *frame.cut_size), bool)
        for mask, value in zip(masks, objects, strict=True):
            np.equal(values, value, out=mask)
        ids = tuple(value >> 8 for value in objects)
        return Masks(masks, tuple(self.classes[index].name for index in ids), ids, (False,) * len(ids))


@functools.lru_cache(maxsize=1)  # the pairs of a photograph come one after the other, and its files take longer to read than it
def _read_instances(
    annotation: VistasAnnotation, header: Header, instances: tuple[int, int], labels: tuple[int, int]
) -> NDArray[np.uint16]:
    """The values of an instance file as they are stored, held against the label file; in these versions of both."""
    what = "instance file"
    own, data = _read_png(annotation.instances, what, header)
    if (own.depth, own.colour, own.alpha) != (16, "grey", ""):
        raise _bad(f"The {what} is not grey with 16 bits but {own.colour} with {own.depth}: which object is which is lost.")
    values = _decode(data, np.uint16, own, header, what)
    indices = _read_labels(annotation, header)
    if indices.shape != values.shape:
        raise _bad("Of the instance file and the label file one is turned and the other is not.")
    differing = np.count_nonzero(values >> 8 != indices)
    if differing:
        raise _bad(f"The instance file and the label file give {differing} of {indices.size} pixels different classes.")
    return values


def _read_labels(annotation: VistasAnnotation, header: Header) -> NDArray[np.uint8]:
    """Class indices as they are stored."""
    what = "label file"
    own, data = _read_png(annotation.labels, what, header)
    if own.depth != 8 or own.colour not in ("palette", "grey") or own.alpha == "alpha":
        raise _bad(f"The {what} holds no class indices of 8 bits but {own.colour} with {own.depth} bits.")
    indices = _decode(_without_palette(data), np.uint8, own, header, what)
    highest = int(indices.max())
    if highest >= len(annotation.classes):
        raise _bad(f"The {what} has the class index {highest}, but there are {len(annotation.classes)} classes.")
    return indices


def _version(path: str) -> tuple[int, int]:
    """What changes when a file is written anew; zeros where there is none, which reading it will say."""
    try:
        status = os.lstat(path)
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size


def _bad(message: str) -> BadImageError:
    return BadImageError(_BAD, message)


def _read_png(path: str, what: str, photograph: Header) -> tuple[Header, bytes]:
    """The header of a PNG file and its bytes, proved whole, without what no pixel depends on."""
    try:
        data = read_regular(path, most=_SLACK + 4 * photograph.height * photograph.width, follow_links=False)
        header = read_header(data)
        if header.format != "PNG":
            raise _bad(f"It is {header.format}, not PNG.")
        return header, read_body(data, header).data
    except UnreadableFileError as error:
        raise _bad(f"The {what} cannot be used. {error}") from error


def _without_palette(data: bytes) -> bytes:
    """A PNG file whose grey values are the palette indices of another, for OpenCV would give their colours."""
    parts = [data[:8]]
    for kind, position, length in png_chunks(data):
        content = data[position : position + length]
        if kind == b"IHDR":
            content = content[:9] + b"\0" + content[10:]  # the colour type
        if kind != b"PLTE":
            parts.append(struct.pack(">I", length) + kind + content + struct.pack(">I", zlib.crc32(kind + content)))
    return b"".join(parts)


def _decode(data: bytes, dtype: type[np.uint8 | np.uint16], own: Header, photograph: Header, what: str) -> NDArray[Any]:
    find_frame((own.height, own.width), photograph, None, what, _BAD)
    pixels, messages = imdecode(data, cv2.IMREAD_UNCHANGED)
    if pixels is None or messages or pixels.shape != (own.height, own.width) or pixels.dtype != dtype:
        raise _bad(f"The {what} cannot be used. The PNG data are damaged.")
    return np.asarray(pixels)
