"""Reads the objects of COCO's photographs: an index of the annotations in the JSON file, and the masks of one photograph."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blurkit.decode.header import Header
from blurkit.decode.image import image_header
from blurkit.decode.objects.frame import Frame, find_frame, is_unsure
from blurkit.decode.objects.json_stream import elements, read_slices
from blurkit.decode.objects.outline import BadOutlineError, rasterise, without_stray_pieces
from blurkit.errors import BadImageError, UsageError
from blurkit.truth.box import Box
from blurkit.truth.masks import Masks

_MOST_PROBLEMS = 20

#: The most photographs whose headers are read to find out in which frame outlines are drawn.
_MOST_VOTERS = 5000

_NUMBER = re.compile(r"\s*([+-]?[0-9]{1,18})(?:\.0+)?\s*")

_UNSURE = (
    "The photograph is mirrored or turned by 180 degrees, and nothing tells whether its outlines are drawn on the stored or on "
    "the upright pixels: the stored ones are taken."
)


@dataclass(frozen=True, eq=False)
class AnnotationIndex:
    """Where the annotations of each image are in a JSON file. An annotation takes 24 bytes.

    ``images``: the image id of each annotation, int64 (n,), in rising order. ``spans``: the byte offsets (start, end) of each
    annotation, int64 (n, 2), in file order for each image. ``categories``: class number -> class name. ``problems``: a sentence
    for each invalid annotation or category. ``upright``: whether outlines are drawn on the upright pixels, where a photograph's
    size does not tell; ``None`` if it is not known.
    """

    path: str
    images: NDArray[np.int64]
    spans: NDArray[np.int64]
    categories: Mapping[int, str]
    problems: tuple[str, ...] = ()
    upright: bool | None = None

    def of(self, image: int) -> AnnotationIndex:
        """Returns the index of one image's annotations."""
        first, last = (int(np.searchsorted(self.images, image, side)) for side in ("left", "right"))
        return AnnotationIndex(self.path, self.images[first:last], self.spans[first:last], self.categories, upright=self.upright)


def index_annotations(path: str) -> AnnotationIndex:
    """Returns the index of a JSON file in COCO's format. The file is read once.

    The index is empty if the file has no ``annotations``. Raises :class:`UsageError` as
    :func:`blurkit.decode.objects.json_stream.elements` does.
    """
    images, spans, categories = array("q"), array("q"), dict[int, str]()
    problems: list[str] = []
    faults = 0
    for element in elements(path, ("annotations", "categories")):
        value, fault = element.value if isinstance(element.value, dict) else {}, ""
        if element.key == "categories":
            number, name = _as_class(value.get("id")), value.get("name")
            # Shards store a name as UTF-8 of fixed length, which cannot hold a NUL or half of a surrogate pair.
            if number is None or not (isinstance(name, str) and name and name.isprintable()):
                fault = f"a category has no id of at most 31 bits or no valid name: {_short(value.get('id'))}, {_short(name)}"
            elif categories.setdefault(number, name) != name:
                fault = f"the category {number} is named twice; {categories[number]!r} is used"
        elif (image := as_id(value.get("image_id"))) is not None:
            images.append(image)
            spans.extend((element.start, element.end))
        else:
            fault = f"an annotation has the image_id {_short(value.get('image_id'))}, which is no id"
        faults += fault != ""
        if fault and faults <= _MOST_PROBLEMS:
            problems.append(f"{fault} (byte {element.start})")
    if faults > _MOST_PROBLEMS:
        problems.append(f"and {faults - _MOST_PROBLEMS} more like these")
    order = np.argsort(np.asarray(images, np.int64), kind="stable")
    ids, places = np.asarray(images, np.int64)[order], np.asarray(spans, np.int64).reshape(-1, 2)[order]
    return AnnotationIndex(path, ids, places, categories, tuple(problems))


def as_id(value: Any) -> int | None:
    """Returns the integer that a JSON value means as an id, or ``None`` if it means none.

    Some tools write ids as texts (``"7"``) or as floating-point numbers (``7.0``). Another text becomes an integer of 63 bits,
    which depends on the text alone.
    """
    if type(value) is int:
        return value if abs(value) < 2**63 else None
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 2**53 else None
    if not isinstance(value, str) or not value.strip():
        return None
    if match := _NUMBER.fullmatch(value):
        return int(match[1])
    return 1 << 62 | int.from_bytes(hashlib.blake2b(value.encode(errors="replace"), digest_size=8).digest(), "big") >> 2


def _as_class(value: Any) -> int | None:
    """Returns the number of a class, which has at most 31 bits, or ``None``."""
    number = as_id(value)
    return number if number is not None and 0 <= number < 2**31 else None


def decide_frame(index: AnnotationIndex, images: Iterable[tuple[str, int, tuple[Any, Any]]]) -> tuple[AnnotationIndex, str]:
    """Returns the index with the frame of its outlines, and a sentence about it, or an empty text if nothing needs it.

    ``images``: (path, id, (height, width) in the JSON file). A photograph that is turned by 90 degrees shows by its size whether
    outlines are drawn on the stored or on the upright pixels. One that is mirrored or turned by 180 degrees does not, and follows
    the others. The headers of the first photographs are read.
    """
    votes: dict[bool, str] = {}
    unsure = ""
    for path, number, size in itertools.islice(images, _MOST_VOTERS):
        if not len(index.of(number).spans):
            continue
        try:
            header = image_header(path)
        except BadImageError:  # decoding fails too, and then adds a line to the ledger
            continue
        if is_unsure(header):
            unsure = unsure or os.path.basename(path)
        elif header.orientation > 1 and size in (header.size, (header.height, header.width)):
            votes.setdefault(size == header.size, os.path.basename(path))
    if len(votes) == 2:
        both = f"the stored pixels of {votes[False]} and on the upright pixels of {votes[True]}"
        return index, f"outlines are drawn on {both}: the size of each photograph decides"
    if not votes or not unsure:
        return index, ""
    ((upright, decider),) = votes.items()
    pixels = "upright" if upright else "stored"
    message = f"outlines are drawn on the {pixels} pixels, as {decider} shows; so those of {unsure} and the like are too"
    return replace(index, upright=upright), message


@dataclass(frozen=True, slots=True)
class CocoAnnotation:
    """The annotations of one photograph.

    ``index``: the index of the JSON file, shared by all photographs. If the annotation is sent to another process, only the index
    of its own photograph is sent. ``size``: (height, width) of the photograph according to the file. ``image``: the photograph's
    id in the file.
    """

    index: AnnotationIndex
    size: tuple[Any, Any]
    image: int

    def __reduce__(self) -> tuple[Any, ...]:
        return CocoAnnotation, (self.index.of(self.image), self.size, self.image)

    def masks(self, header: Header, box: Box | None) -> Masks:
        """Returns the objects with a pixel in ``box``, in file order; see :meth:`blurkit.sources.record.ImageRecord.masks`.

        An object with an invalid category or outline is left out, and ``problems`` gets a sentence about it. Memory: the masks
        within the box, and one mask of the whole photograph.
        """
        own = self.index.of(self.image)
        if not len(own.spans):
            return Masks.none(*(box or (0, 0, *header.size))[2:])
        frame = find_frame(self.size, header, box, "annotation in the JSON file", upright_if_unsure=own.upright)
        planes: list[NDArray[np.bool_]] = []
        kinds: list[tuple[str, int, bool]] = []
        problems: list[str] = [_UNSURE] if is_unsure(header) and own.upright is None else []
        for entry in read_slices(own.path, own.spans.tolist()):
            if not isinstance(entry, dict):
                raise UsageError(f"{own.path}: the file was changed during the run; start again")
            name = f"The annotation {str(entry.get('id'))[:40]}"
            segmentation, stray = without_stray_pieces(entry.get("segmentation"))
            try:
                category = _category(entry, own.categories)
                plane = _plane(segmentation, frame)
            except BadOutlineError as error:
                problems.append(f"{name} {error}: it is left out.")
                continue
            if stray:
                problems.append(f"{name} has {stray} polygons of fewer than three points: they are left out.")
            if plane.any():
                planes.append(plane)
                kinds.append((own.categories[category], category, entry.get("iscrowd") == 1))
        names, ids, crowd = zip(*kinds, strict=True) if kinds else ((), (), ())
        return Masks(np.array(planes, bool).reshape(-1, *frame.cut_size), names, ids, crowd, tuple(problems))


def _category(entry: dict[str, Any], categories: Mapping[int, str]) -> int:
    category = _as_class(entry.get("category_id"))
    if category is None or category not in categories:
        raise BadOutlineError(f"has the unknown category {_short(entry.get('category_id'))}")
    return category


def _plane(segmentation: Any, frame: Frame) -> NDArray[np.bool_]:
    mask = rasterise(segmentation, *frame.size)
    if not mask.any():
        raise BadOutlineError("has an outline that covers no pixel")
    return frame.cut(mask).astype(bool)


def _short(value: Any) -> str:
    return repr(value)[:40].encode(errors="replace").decode()
