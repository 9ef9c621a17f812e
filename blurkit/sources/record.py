"""Defines what a source yields: a record for each photograph, without its pixels."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from blurkit.decode.image import Decoded, image_header, image_size, read_image
from blurkit.decode.objects.coco import CocoAnnotation
from blurkit.decode.objects.vistas import VistasAnnotation
from blurkit.decode.place import ImagePlace
from blurkit.decode.video import FrameFolder, VideoFile
from blurkit.errors import UsageError
from blurkit.truth.box import Box
from blurkit.truth.masks import Masks

#: Matches what would make an id ambiguous or unprintable: control characters, bytes that are not UTF-8, and a "%" before two
#: hexadecimal digits.
_ESCAPED = re.compile("[\x00-\x1f\x7f\udc80-\udcff]|%(?=[0-9A-Fa-f]{2})")


#: Where a photograph's outlines of objects are stored. It is small, and it is sent to the workers with the record.
Annotation: TypeAlias = CocoAnnotation | VistasAnnotation

#: A sequence of consecutive sharp frames.
Clip: TypeAlias = VideoFile | FrameFolder


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """One photograph of a source.

    ``id``: the photograph's name, unique in its source; it does not depend on where the source is stored. ``path``: the file.
    ``source``: the name of the source. ``licence``: a short name, or an empty text if the licence is not known. ``split``:
    train, val, test, or an empty text.

    ``annotation``: the photograph's objects. ``blurred``: real blurred photographs of the same scene, as (kind, place).
    ``clip``, ``frame``: the sequence that the photograph is part of, and its number in the sequence, from 0; the pixels of a
    video's frame come from the clip. ``disparity``: the path of the disparity map, or an empty text. ``focal_35mm``,
    ``focal_pixels``: the focal length, equivalent in millimetres to that of 35 mm film, or in pixels of the decoded photograph; 0
    if the source does not know it. It has priority over Exif. ``part``: where the photograph is in its file, None if it is all
    of it.
    """

    id: str
    path: str
    source: str
    licence: str = ""
    split: str = ""
    annotation: Annotation | None = None
    blurred: tuple[tuple[str, ImagePlace], ...] = ()
    clip: Clip | None = None
    frame: int = 0
    disparity: str = ""
    focal_35mm: float = 0.0
    focal_pixels: float = 0.0
    part: ImagePlace | None = None

    def read(self) -> Decoded:
        """Returns the decoded photograph. Raises :class:`blurkit.errors.BadImageError`."""
        if self.part is not None:
            return self.part.read()
        return read_image(self.path) if self.clip is None else self.clip.read(self.frame)

    def size(self) -> tuple[int, int]:
        """Returns (height, width) of the decoded photograph, from its header. Raises :class:`blurkit.errors.BadImageError`."""
        if self.part is not None:
            return self.part.size()
        return image_size(self.path) if self.clip is None else self.clip.size(self.frame)

    def masks(self, box: Box | None = None) -> Masks:
        """Returns the masks of the photograph's objects, bool (n, h, w). A photograph without annotation has no objects.

        ``box``: the wanted rectangle of the upright photograph; ``None`` means all of it. Raises
        :class:`blurkit.errors.BadImageError` if the annotation is damaged or has another size than the photograph.
        """
        if self.annotation is None:
            height, width = (box or (0, 0, *self.size()))[2:]
            return Masks.none(height, width)
        return self.annotation.masks(image_header(self.path), box)

    def read_blurred(self, kind: str = "") -> Decoded:
        """Returns a real blurred photograph of the same scene.

        ``kind``: such as ``blur`` or ``blur_gamma`` of GOPRO_Large; empty for the first. Raises :class:`UsageError` if there is
        none of this kind, :class:`blurkit.errors.BadImageError`.
        """
        return self.blurred_place(kind).read()

    def blurred_place(self, kind: str = "") -> ImagePlace:
        """Returns where a real blurred photograph is stored, by its kind as for :meth:`read_blurred`. Raises
        :class:`UsageError`."""
        places = dict(self.blurred)
        if kind not in places and (kind or not places):
            raise UsageError(f"{self.id} has no real blurred photograph {kind!r}; it has {', '.join(places) or 'none'}")
        return places[kind or self.blurred[0][0]]


@dataclass(frozen=True, slots=True)
class PassedOver:
    """An entry that is left out. ``reason`` and ``message``: a short word and a sentence for the ledger."""

    id: str
    path: str
    reason: str
    message: str


@dataclass(frozen=True)
class Source:
    """A source of photographs.

    ``name``: part of the key of the random streams. ``root``: its folder or file. ``records``: the photographs, in a fixed
    order. ``passed_over``: the entries that are left out. ``parts``: the sources that were combined into this source, if any.
    ``outputs``: paths below the root that blurkit or trainer made; they are no photographs, and not in ``passed_over``.
    ``notices``: sentences about what the source holds and blurkit does not use.
    """

    name: str
    root: Path
    records: Sequence[ImageRecord]
    passed_over: list[PassedOver] = field(default_factory=list)
    parts: tuple[Source, ...] = ()
    outputs: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def places(self) -> dict[str, Path]:
        """Returns {name: root} of each source that has records here."""
        return {part.name: part.root for part in self.parts or (self,)}


def path_id(path: str) -> str:
    """Returns a readable and reversible id of a relative path: with POSIX separators, unprintable bytes as ``%XX``."""
    text = path.replace(os.sep, "/")
    return _ESCAPED.sub(lambda match: "".join(f"%{byte:02X}" for byte in os.fsencode(match[0])), text)
