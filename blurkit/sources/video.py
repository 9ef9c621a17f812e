"""Videos and folders of frames: every frame is a photograph, and knows its place in its clip."""

from __future__ import annotations

import collections
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from blurkit.decode.image import image_size
from blurkit.decode.video import KINDS, FrameFolder, VideoFile, open_video_file
from blurkit.errors import BadImageError, UsageError
from blurkit.sources.folder import found_instead
from blurkit.sources.listing import SUFFIXES, entries_of, pass_over, refusal
from blurkit.sources.record import ImageRecord, PassedOver, Source, path_id
from blurkit.sources.table import RecordTable

#: File names that are taken for videos. What the bytes are is found out when they are opened.
VIDEO_SUFFIXES = frozenset((".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi"))

LAYOUT = f"""a video file ({KINDS}), or a folder of them, or of frames:
DIR/
  0000.png  0001.png ...     one clip: images of one size in the order of their numbers
or
DIR/
  walk.mp4                   a clip
  pan/                       a clip
    0000.png  0001.png ..."""

_CLIP_REASONS = {
    "no_image_name": "its name ends like that of neither an image nor a video",
    "beside_clips": "an image beside videos or folders of frames; the images of a folder are a clip where nothing else is in it",
}

_Size: TypeAlias = tuple[int, int]


def open_video(root: Path) -> Source:
    """The frames of a video file, of a folder of frames, or of a folder of such clips, nested as you like.

    Ids are ``walk.mp4#000012`` and ``pan/0012.png``. Names come in the order of the numbers in them, so that ``frame_10`` follows
    ``frame_2``, and else by bytes. A clip has one size, that of most of its images; the header of each is read to find it. Images
    beside clips are no frames. Links are not followed. Opening a video decodes it once.

    Raises :class:`UsageError` where there is no frame, with where it looked and what it expects.
    """
    if not root.is_dir():
        return _open_file(root)
    walk = _Walk(root)
    records = RecordTable(walk.records())
    if not len(records):
        raise UsageError(f"no frames in {root} (found: {found_instead(walk.passed_over)}); --src video takes {LAYOUT}")
    return Source("video", root, records, walk.passed_over)


def _open_file(path: Path) -> Source:
    if not os.path.lexists(path):
        raise UsageError(f"{path}: no such file or folder; --src video takes {LAYOUT}")
    try:
        clip = open_video_file(str(path))
    except BadImageError as error:
        raise UsageError(f"{path}: {error} --src video takes {LAYOUT}") from error
    return Source("video", path, RecordTable(_video_frames(clip, path.name)), list(_damage(clip, path.name)))


def natural_key(name: str) -> tuple[list[int | bytes], bytes]:
    """Orders names by the numbers in them: ``frame_2``, ``frame_10``; names that differ in leading zeros alone by their bytes."""
    data = os.fsencode(name)
    return [int(part) if part.isdigit() else part for part in re.split(rb"([0-9]+)", data)], data


@dataclass
class _Walk:
    root: Path
    passed_over: list[PassedOver] = field(default_factory=list)

    def records(self, inside: str = "") -> Iterator[ImageRecord]:
        """The frames below one folder. Its own images are frames if there is nothing else in it to take frames from."""
        images, clips = [], False
        for entry, relative, kind in self._entries(inside):
            if kind == "image":
                images.append(entry)
                continue
            for record in self.records(relative) if kind == "folder" else self._video(entry, relative):
                clips = True
                yield record
        if clips:
            for entry in images:
                self._pass_over(os.path.join(inside, entry.name), entry.path, "beside_clips")
        elif images:
            yield from self._frames(inside, [entry.name for entry in images])

    def _entries(self, inside: str) -> Iterator[tuple[os.DirEntry[str], str, str]]:
        """The entries of a folder that may hold frames: (entry, relative path, ``image``, ``video`` or ``folder``)."""
        try:
            entries = entries_of(self.root / inside, natural_key)
        except OSError:
            if not inside:
                raise
            self._pass_over(inside, str(self.root / inside), "unreadable")
            return
        for entry in entries:
            relative = os.path.join(inside, entry.name)
            if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
                yield entry, relative, "folder"
            elif reason := refusal(entry, SUFFIXES | VIDEO_SUFFIXES):
                self._pass_over(relative, entry.path, reason)
            else:
                yield entry, relative, "image" if os.path.splitext(entry.name)[1].lower() in SUFFIXES else "video"

    def _video(self, entry: os.DirEntry[str], relative: str) -> Iterator[ImageRecord]:
        try:
            clip = open_video_file(entry.path)
        except BadImageError as error:
            self._pass_over(relative, entry.path, error.reason, str(error))
            return
        self.passed_over += _damage(clip, relative)
        yield from _video_frames(clip, relative)

    def _frames(self, inside: str, names: list[str]) -> Iterator[ImageRecord]:
        folder = os.path.join(self.root, inside) if inside else str(self.root)
        sizes = {name: _size(os.path.join(folder, name)) for name in names}
        known = collections.Counter(size for size in sizes.values() if size is not None)
        height, width = size = known.most_common(1)[0][0] if known else (0, 0)
        # A frame that cannot be read keeps its place: left out, its neighbours would count as successive.
        kept = tuple(name for name in names if sizes[name] in (size, None))
        clip = FrameFolder(folder, kept)
        for name, other in sizes.items():
            if other is not None and other != size:
                message = f"{other[1]} x {other[0]} pixels, where most images of this folder have {width} x {height}"
                self._pass_over(os.path.join(inside, name), os.path.join(folder, name), "other_size", message)
        for frame, name in enumerate(kept):
            yield ImageRecord(path_id(os.path.join(inside, name)), os.path.join(folder, name), "video", clip=clip, frame=frame)

    def _pass_over(self, relative: str, path: str, reason: str, message: str = "") -> None:
        self.passed_over.append(pass_over(relative, path, reason, message or _CLIP_REASONS.get(reason, "")))


def _size(path: str) -> _Size | None:
    try:
        return image_size(path)
    except BadImageError:
        return None


def _video_frames(clip: VideoFile, relative: str) -> Iterator[ImageRecord]:
    for frame in range(len(clip)):
        yield ImageRecord(f"{path_id(relative)}#{frame:06d}", clip.path, "video", clip=clip, frame=frame)


def _damage(clip: VideoFile, relative: str) -> Iterator[PassedOver]:
    if clip.damage:
        message = f"damaged: {clip.damage}; the {len(clip)} frames before it are used"
        yield PassedOver(f"{path_id(relative)}#{len(clip):06d}", clip.path, "damaged", message)
