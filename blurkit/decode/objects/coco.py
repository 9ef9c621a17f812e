"""The objects of COCO's photographs: where each one's lie in the JSON file, and their masks."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blurkit.decode.header import Header
from blurkit.decode.objects.frame import Frame, find_frame
from blurkit.decode.objects.json_stream import Element, elements, read_slices
from blurkit.decode.objects.outline import BadOutlineError, rasterise
from blurkit.errors import UsageError
from blurkit.truth.box import Box
from blurkit.truth.masks import Masks

_MOST_PROBLEMS = 20


class AnnotationIndex:
    """Which bytes of a JSON file are the annotations of which image, in 24 bytes each.

    ``categories``: the name of each class by its number. ``problems``: a sentence each for what is no annotation or category.
    """

    def __init__(
        self, images: NDArray[np.int64], spans: NDArray[np.int64], categories: dict[int, str], problems: tuple[str, ...]
    ) -> None:
        order = np.argsort(images, kind="stable")
        self._images, self._spans = images[order], spans[order]
        self.categories, self.problems = categories, problems

    def __len__(self) -> int:
        return len(self._images)

    def spans(self, image: int) -> NDArray[np.int64]:
        """The bytes (start, end) of the annotations of an image by its id, int64 (n, 2), in file order.

        A view: a million of them cost no more than the index.
        """
        first, last = (int(np.searchsorted(self._images, image, side)) for side in ("left", "right"))
        return self._spans[first:last]


def index_annotations(path: str) -> AnnotationIndex:
    """One pass over a JSON file of COCO's format; without ``annotations`` the index is empty.

    Raises :class:`UsageError` for a file that :func:`blurkit.decode.objects.json_stream.elements` refuses.
    """
    images, spans, categories = array("q"), array("q"), dict[int, str]()
    faults = _Faults()
    for element in elements(path, ("annotations", "categories")):
        value = element.value if isinstance(element.value, dict) else {}
        if element.key == "categories":
            number, name = value.get("id"), value.get("name")
            if type(number) is not int or not 0 <= number < 2**31 or not isinstance(name, str) or not _can_be_stored(name):
                faults.add(element, "a category is no object with an id of at most 31 bits and a proper name")
            elif categories.setdefault(number, name) != name:
                faults.add(element, f"the category {number} is named twice; {categories[number]!r} is used")
            continue
        image = value.get("image_id")
        if type(image) is not int or not -(2**63) <= image < 2**63:
            faults.add(element, "an annotation is no object with an integer image_id")
            continue
        images.append(image)
        spans.extend((element.start, element.end))
    return AnnotationIndex(
        np.asarray(images, np.int64), np.asarray(spans, np.int64).reshape(-1, 2), categories, faults.sentences()
    )


def _can_be_stored(name: str) -> bool:
    """Whether a class name survives as fixed-length UTF-8, which knows no NUL and no half of a surrogate pair."""
    return name.isprintable() and name != ""


class _Faults:
    """Sentences, of which the first few are kept and all are counted."""

    def __init__(self) -> None:
        self._kept: list[str] = []
        self._count = 0

    def add(self, element: Element, sentence: str) -> None:
        self._count += 1
        if len(self._kept) < _MOST_PROBLEMS:
            self._kept.append(f"{sentence} (byte {element.start})")

    def sentences(self) -> tuple[str, ...]:
        more = self._count - len(self._kept)
        return (*self._kept, f"and {more} more like these") if more else tuple(self._kept)


@dataclass(frozen=True, slots=True, eq=False)
class CocoAnnotation:
    """The annotations of one photograph.

    ``path``: the JSON file. ``spans``: their bytes (start, end), as an array (n, 2) or pairs. ``size``: the (height, width) that
    the file claims for the image. ``categories``: the name of each class by its number, the same object for all photographs.
    """

    path: str
    spans: NDArray[np.int64] | Sequence[tuple[int, int]]
    size: tuple[Any, Any]
    categories: Mapping[int, str]

    def masks(self, header: Header, box: Box | None) -> Masks:
        """The objects with a pixel in ``box``, in file order; see :class:`blurkit.sources.record.Annotation`.

        An object with a category or an outline that cannot be is left out, with a sentence in ``problems``. Memory: the masks
        within the box, and one of the whole photograph.
        """
        if not len(self.spans):
            return Masks.none(*(box or (0, 0, *header.size))[2:])
        frame = find_frame(self.size, header, box, "annotation in the JSON file")
        planes: list[NDArray[np.bool_]] = []
        kinds: list[tuple[str, int, bool]] = []
        problems: list[str] = []
        for entry in read_slices(self.path, [(int(start), int(end)) for start, end in self.spans]):
            if not isinstance(entry, dict):
                raise UsageError(f"{self.path}: the file was changed during the run; start again")
            try:
                plane = self._plane(entry, frame)
            except BadOutlineError as error:
                problems.append(f"The annotation {str(entry.get('id'))[:40]} {error}: it is left out.")
                continue
            if plane.any():
                planes.append(plane)
                kinds.append((self.categories[entry["category_id"]], entry["category_id"], entry.get("iscrowd") == 1))
        names, ids, crowd = zip(*kinds, strict=True) if kinds else ((), (), ())
        masks = np.stack(planes) if planes else np.zeros((0, *frame.cut_size), bool)
        return Masks(masks, names, ids, crowd, tuple(problems))

    def _plane(self, entry: dict[str, Any], frame: Frame) -> NDArray[np.bool_]:
        category = entry.get("category_id")
        if type(category) is not int or category not in self.categories:
            raise BadOutlineError(f"has the unknown category {str(category)[:40]}")
        mask = rasterise(entry.get("segmentation"), *frame.size)
        if not mask.any():
            raise BadOutlineError("has an outline that covers no pixel")
        return frame.cut(mask).astype(bool)
