"""Reads the objects of COCO's photographs: an index of the annotations in the JSON file, and the masks of one photograph."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blurkit.decode.header import Header
from blurkit.decode.objects.frame import Frame, find_frame
from blurkit.decode.objects.json_stream import elements, read_slices
from blurkit.decode.objects.outline import BadOutlineError, rasterise
from blurkit.errors import UsageError
from blurkit.truth.box import Box
from blurkit.truth.masks import Masks

_MOST_PROBLEMS = 20


@dataclass(frozen=True, eq=False)
class AnnotationIndex:
    """Where the annotations of each image are in a JSON file. An annotation takes 24 bytes.

    ``images``: the image id of each annotation, int64 (n,), in rising order. ``spans``: the byte offsets (start, end) of each
    annotation, int64 (n, 2), in file order for each image. ``categories``: class number -> class name. ``problems``: a sentence
    for each invalid annotation or category.
    """

    path: str
    images: NDArray[np.int64]
    spans: NDArray[np.int64]
    categories: Mapping[int, str]
    problems: tuple[str, ...] = ()

    def of(self, image: int) -> AnnotationIndex:
        """Returns the index of one image's annotations."""
        first, last = (int(np.searchsorted(self.images, image, side)) for side in ("left", "right"))
        return AnnotationIndex(self.path, self.images[first:last], self.spans[first:last], self.categories)


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
            number, name = value.get("id"), value.get("name")
            # Shards store a name as UTF-8 of fixed length, which cannot hold a NUL or half of a surrogate pair.
            if type(number) is not int or not 0 <= number < 2**31 or not (isinstance(name, str) and name and name.isprintable()):
                fault = "a category has no id of at most 31 bits or no valid name"
            elif categories.setdefault(number, name) != name:
                fault = f"the category {number} is named twice; {categories[number]!r} is used"
        elif is_id(value.get("image_id")):
            images.append(value["image_id"])
            spans.extend((element.start, element.end))
        else:
            fault = "an annotation has no integer image_id"
        faults += fault != ""
        if fault and faults <= _MOST_PROBLEMS:
            problems.append(f"{fault} (byte {element.start})")
    if faults > _MOST_PROBLEMS:
        problems.append(f"and {faults - _MOST_PROBLEMS} more like these")
    order = np.argsort(np.asarray(images, np.int64), kind="stable")
    ids, places = np.asarray(images, np.int64)[order], np.asarray(spans, np.int64).reshape(-1, 2)[order]
    return AnnotationIndex(path, ids, places, categories, tuple(problems))


def is_id(value: Any) -> bool:
    """Whether a JSON value is an integer with fewer than 64 bits."""
    return type(value) is int and abs(value) < 2**63


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
        frame = find_frame(self.size, header, box, "annotation in the JSON file")
        planes: list[NDArray[np.bool_]] = []
        kinds: list[tuple[str, int, bool]] = []
        problems: list[str] = []
        for entry in read_slices(own.path, own.spans.tolist()):
            if not isinstance(entry, dict):
                raise UsageError(f"{own.path}: the file was changed during the run; start again")
            try:
                plane = _plane(entry, frame, own.categories)
            except BadOutlineError as error:
                problems.append(f"The annotation {str(entry.get('id'))[:40]} {error}: it is left out.")
                continue
            if plane.any():
                planes.append(plane)
                kinds.append((own.categories[entry["category_id"]], entry["category_id"], entry.get("iscrowd") == 1))
        names, ids, crowd = zip(*kinds, strict=True) if kinds else ((), (), ())
        return Masks(np.array(planes, bool).reshape(-1, *frame.cut_size), names, ids, crowd, tuple(problems))


def _plane(entry: dict[str, Any], frame: Frame, categories: Mapping[int, str]) -> NDArray[np.bool_]:
    category = entry.get("category_id")
    if type(category) is not int or category not in categories:
        raise BadOutlineError(f"has the unknown category {str(category)[:40]}")
    mask = rasterise(entry.get("segmentation"), *frame.size)
    if not mask.any():
        raise BadOutlineError("has an outline that covers no pixel")
    return frame.cut(mask).astype(bool)
