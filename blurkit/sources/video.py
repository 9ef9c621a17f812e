"""Opens videos and folders of frames as a source. Each frame is a photograph with a clip and a place in the clip."""

from __future__ import annotations

import collections
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from blurkit.decode.capture import KINDS
from blurkit.decode.image import image_size
from blurkit.decode.video import FrameFolder, open_video_file
from blurkit.errors import BadImageError, UsageError
from blurkit.sources.listing import REASONS, SUFFIXES, VIDEO_SUFFIXES, Listing, is_open_folder
from blurkit.sources.record import ImageRecord, Source, path_id

LAYOUT = f"""a video file ({KINDS}), or a folder of them, or of frames:
DIR/
  0000.png  0001.png ...     one clip: images of one size in the order of their numbers
or
DIR/
  walk.mp4                   a clip
  pan/                       a clip
    0000.png  0001.png ..."""

_REASONS = REASONS | {
    "no_image_name": "its name ends like that of neither an image nor a video",
    "beside_clips": "an image beside videos or folders of frames; images are a clip only if their folder contains no other clip",
}


def open_video(root: Path) -> Source:
    """Returns the frames of a video file, of a folder of frames, or of a folder that contains clips at any depth.

    Ids are ``walk.mp4#000012`` and ``pan/0012.png``. Names are sorted by the numbers in them, so that ``frame_10`` follows
    ``frame_2``, and otherwise by bytes. All frames of a clip have one size, the size of most of its images; the header of each
    image is read. Images beside clips are not used. Links are not followed. Each video is decoded once.

    Raises :class:`UsageError` if there is no frame.
    """
    if root.is_dir():
        listing = Listing(root, _REASONS)
        return listing.source("video", _clips(listing, ""), f"no frames in {root}", f"; --src video takes {LAYOUT}")
    if not os.path.lexists(root):
        raise UsageError(f"{root}: no such file or folder; --src video takes {LAYOUT}")
    listing = Listing(root.parent, _REASONS)
    frames = list(_video(listing, root.name))
    if not frames:
        raise UsageError(f"{root}: {listing.passed_over[0].message} --src video takes {LAYOUT}")
    return replace(listing.source("video", frames, ""), root=root)


def natural_key(name: str) -> tuple[list[int | bytes], bytes]:
    """Returns a key that sorts names by the numbers in them: ``frame_2``, ``frame_10``. Equal numbers are sorted by bytes."""
    data = os.fsencode(name)
    return [int(part) if part.isdigit() else part for part in re.split(rb"([0-9]+)", data)], data


def _clips(listing: Listing, inside: str) -> Iterator[ImageRecord]:
    """Yields the frames below one folder. Its own images are frames only if the folder contains no clip."""
    images, has_clips = [], False
    for entry in listing.entries(inside, natural_key):
        relative = os.path.join(inside, entry.name)
        if is_open_folder(entry):
            frames = _clips(listing, relative)
        elif not listing.takes_foreign(inside, entry, SUFFIXES | VIDEO_SUFFIXES):
            continue
        elif os.path.splitext(entry.name)[1].lower() in SUFFIXES:
            images.append(entry.name)
            continue
        else:
            frames = _video(listing, relative)
        for record in frames:
            has_clips = True
            yield record
    if not has_clips:
        yield from _frames(listing, inside, images)
    else:
        for name in images:
            listing.pass_over(os.path.join(inside, name), "beside_clips")


def _video(listing: Listing, relative: str) -> Iterator[ImageRecord]:
    """Yields the usable frames of a video file. A damaged part, or a file that is no video, is noted in the listing."""
    try:
        clip = open_video_file(str(listing.root / relative))
    except BadImageError as error:
        listing.pass_over(relative, error.reason, str(error))
        return
    for frame in range(len(clip)):
        yield ImageRecord(f"{path_id(relative)}#{frame:06d}", clip.path, "video", clip=clip, frame=frame)
    if clip.damage:
        message = f"damaged: {clip.damage}; the {len(clip)} frames before it are used"
        listing.pass_over(f"{relative}#{len(clip):06d}", "damaged", message, path=clip.path)


def _frames(listing: Listing, inside: str, names: list[str]) -> Iterator[ImageRecord]:
    """Yields the images of one folder as the frames of a clip."""
    folder = str(listing.root / inside)
    sizes = {name: _size(os.path.join(folder, name)) for name in names}
    known = collections.Counter(size for size in sizes.values() if size is not None)
    height, width = size = known.most_common(1)[0][0] if known else (0, 0)
    # A frame that cannot be read keeps its place in the clip. Otherwise the frames before and after it would seem consecutive.
    clip = FrameFolder(folder, tuple(name for name in names if sizes[name] in (size, None)))
    for name, other in sizes.items():
        if other is not None and other != size:
            message = f"{other[1]} x {other[0]} pixels, where most images of this folder have {width} x {height}"
            listing.pass_over(os.path.join(inside, name), "other_size", message)
    for frame, name in enumerate(clip.names):
        yield ImageRecord(path_id(os.path.join(inside, name)), os.path.join(folder, name), "video", clip=clip, frame=frame)


def _size(path: str) -> tuple[int, int] | None:
    try:
        return image_size(path)
    except BadImageError:
        return None
