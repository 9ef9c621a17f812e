"""What a source yields: one record per photograph, without its pixels."""

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
from blurkit.decode.video import FrameFolder, VideoFile
from blurkit.errors import UsageError
from blurkit.truth.box import Box
from blurkit.truth.masks import Masks

#: What would make an id ambiguous or unprintable: control characters, bytes that are not UTF-8, a "%" that looks like an escape.
_ESCAPED = re.compile("[\x00-\x1f\x7f\udc80-\udcff]|%(?=[0-9A-Fa-f]{2})")


#: Where the outlines of one photograph's objects are; small, and sent to the workers with its record.
Annotation: TypeAlias = CocoAnnotation | VistasAnnotation

#: Consecutive sharp frames.
Clip: TypeAlias = VideoFile | FrameFolder


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """``id``: the photograph's name, unique in its source and the same wherever that lies. ``path``: the file. ``source``: whose
    id it is. ``licence``: a short name, or an empty text where none is known. ``split``: train, val, test, or empty.

    ``annotation``: its objects. ``blurred``: real blurred photographs of the same scene, as (kind, path). ``clip`` and ``frame``:
    the sequence that it is part of, and its place there; a clip that is a video file holds the pixels too. ``disparity``: the
    file with its disparity map, or an empty text.
    """

    id: str
    path: str
    source: str
    licence: str = ""
    split: str = ""
    annotation: Annotation | None = None
    blurred: tuple[tuple[str, str], ...] = ()
    clip: Clip | None = None
    frame: int = 0
    disparity: str = ""

    def read(self) -> Decoded:
        """The photograph's pixels. Raises :class:`blurkit.errors.BadImageError`."""
        return read_image(self.path) if self.clip is None else self.clip.read(self.frame)

    def size(self) -> tuple[int, int]:
        """(height, width) as it would be decoded; the header alone is read. Raises :class:`blurkit.errors.BadImageError`."""
        return image_size(self.path) if self.clip is None else self.clip.size(self.frame)

    def masks(self, box: Box | None = None) -> Masks:
        """The masks of its objects, bool (n, h, w), within ``box`` of the upright photograph; none without an annotation.

        Raises :class:`blurkit.errors.BadImageError` where the annotation is damaged or of another size than the photograph.
        """
        if self.annotation is None:
            height, width = (box or (0, 0, *self.size()))[2:]
            return Masks.none(height, width)
        return self.annotation.masks(image_header(self.path), box)

    def read_blurred(self, kind: str) -> Decoded:
        """The real blurred photograph of a ready pair, such as ``blur`` or ``blur_gamma`` of GoPro."""
        paths = dict(self.blurred)
        if kind not in paths:
            raise UsageError(f"{self.id} has no real blurred photograph {kind!r}; it has {', '.join(paths) or 'none'}")
        return read_image(paths[kind])


@dataclass(frozen=True, slots=True)
class PassedOver:
    """An entry that is no photograph to be opened, with the reason for the ledger: a short word and a sentence."""

    id: str
    path: str
    reason: str
    message: str


@dataclass(frozen=True)
class Source:
    """``name``: keys the random streams. ``root``: where it lies. ``records``: the photographs, in an order that
    never changes. ``parts``: the sources that it was put together from, if any."""

    name: str
    root: Path
    records: Sequence[ImageRecord]
    passed_over: list[PassedOver] = field(default_factory=list)
    parts: tuple[Source, ...] = ()

    def places(self) -> dict[str, Path]:
        """Where each source lies whose records are here, by name."""
        return {part.name: part.root for part in self.parts or (self,)}


def path_id(path: str) -> str:
    """A relative path as a readable, reversible id: POSIX separators, odd bytes as ``%XX``."""
    text = path.replace(os.sep, "/")
    return _ESCAPED.sub(lambda match: "".join(f"%{byte:02X}" for byte in os.fsencode(match[0])), text)
