"""Sequences of frames: a folder of images, or a video file whose frames are decoded one after another.

A video is opened by its content, never by its name. FFmpeg, which decodes it within OpenCV, would also open playlists and lists
of files, which name other files and addresses; so the first bytes must be those of a container that holds its pictures itself,
FFmpeg is told which one that is, and it is handed an open file and no means to open another.

Containers count their frames wrongly and seek to the wrong ones, so frames are counted by decoding them all, and one is reached
by decoding everything before it.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import cv2

from blurkit.decode.image import MAX_PIXELS, Decoded, Pixels, bad_image, image_size, read_image
from blurkit.decode.nativelog import listen
from blurkit.errors import BadImageError
from blurkit.program.files import open_regular

# Of the frames that were read last, as many are kept: overlapping windows of frames, which step back a little, are decoded once.
_KEPT_FRAMES, _KEPT_BYTES = 16, 192 << 20

#: The containers that are opened, and below, how each starts, by FFmpeg's name of what reads it.
KINDS = "MP4, MOV, Matroska, WebM and AVI"

_STARTS = {
    "mov": re.compile(rb".{4}ftyp", re.DOTALL),
    "matroska": re.compile(rb"\x1aE\xdf\xa3"),
    "avi": re.compile(rb"RIFF.{4}AVI ", re.DOTALL),
}


@dataclass(frozen=True, slots=True)
class FrameFolder:
    """The images ``names`` of one folder, in the order of time."""

    folder: str
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def read(self, index: int) -> Decoded:
        """A frame by its number from 0. Raises :class:`BadImageError`."""
        return read_image(self._path(index))

    def size(self, index: int) -> tuple[int, int]:
        """(height, width) of a frame; its header alone is read. Raises :class:`BadImageError`."""
        return image_size(self._path(index))

    def _path(self, index: int) -> str:
        return os.path.join(self.folder, self.names[_within(index, len(self))])


@dataclass(frozen=True, slots=True)
class VideoFile:
    """A video file as :func:`open_video_file` found it.

    ``frames``: how many can be used. ``shape``: (height, width) of each, upright. ``damage``: why the frames after them cannot be
    used, or an empty text.
    """

    path: str
    frames: int
    shape: tuple[int, int]
    damage: str = ""

    def __len__(self) -> int:
        return self.frames

    def read(self, index: int) -> Decoded:
        """A frame by its number from 0; ``sha256`` is that of the whole file.

        Costs the decoding of one frame where the last one read was the frame before, of none where it is one of the last 16 read
        (fewer if they take more than 192 MiB), and of all frames up to it otherwise. Raises :class:`BadImageError`.
        """
        _within(index, self.frames)
        decoder, sha256 = _last.open(self.path)
        pixels = decoder.read(index)
        if pixels.shape[:2] != self.shape:
            raise BadImageError("corrupt", f"Frame {index} has (height, width) {pixels.shape[:2]}, the first one {self.shape}.")
        return Decoded(pixels, sha256, decoder.notes())

    def size(self, index: int) -> tuple[int, int]:
        """(height, width) of a frame."""
        _within(index, self.frames)
        return self.shape


def open_video_file(path: str, *, max_pixels: int = MAX_PIXELS) -> VideoFile:
    """Check a video file and count its frames, which decodes it once.

    A damaged video counts up to the frame before the one at which the decoder complains: what it shows from there on is
    guesswork, and damage is often noticed a frame late. Raises :class:`BadImageError`: ``missing``, ``not_a_file``, ``link``,
    ``unreadable``, ``empty``, ``not_a_video``, ``too_large``, or ``corrupt`` where no frame can be used.
    """
    decoder = _Decoder(*_opened(path))
    width, height = (int(decoder.property(number)) for number in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    if height * width > max_pixels:
        raise BadImageError("too_large", f"The frames have {width} x {height} pixels; the limit is {max_pixels} pixels.")
    frames, damage = decoder.count()
    if frames < 1:
        raise BadImageError("corrupt", f"No frame of the video can be used: {damage or 'it has none'}.")
    height, width = decoder.read(0).shape[:2]
    return VideoFile(path, frames, (height, width), damage)


class _Decoder:
    """One video file, decoded forward."""

    def __init__(self, file: BinaryIO, demuxer: str) -> None:
        self._file, self._demuxer = file, demuxer
        self._kept: OrderedDict[int, Pixels] = OrderedDict()
        self._rewind()

    def __del__(self) -> None:
        self._file.close()

    def _rewind(self) -> None:
        # Going back within a stream is inexact for many a codec.
        self._file.seek(0)
        self._capture, messages = _heard(lambda: _capture(self._file, self._demuxer))
        self._next = 0
        if not self._capture.isOpened():
            detail = messages[0] if messages else "FFmpeg cannot open it"
            raise BadImageError("corrupt", f"The file has no video that can be decoded: {detail}.")

    def property(self, number: int) -> float:
        """One of OpenCV's ``CAP_PROP_``."""
        return float(self._capture.get(number))

    def notes(self) -> tuple[str, ...]:
        """What was changed on the way from the stream to the pixels."""
        notes = []
        kind = max(int(self.property(cv2.CAP_PROP_CODEC_PIXEL_FORMAT)), 0).to_bytes(4, "little")
        if kind[:1] == b"Y" and 8 < kind[3] <= 16:  # FFmpeg's own codes end in the number of bits, others in a letter
            notes.append(f"{kind[3]} bits to 8")
        if rotation := int(self.property(cv2.CAP_PROP_ORIENTATION_META)) % 360:
            notes.append(f"rotated by {rotation} degrees, as the video's metadata say")
        return tuple(notes)

    def count(self) -> tuple[int, str]:
        """How many frames can be trusted, and what the decoder complained of, if it did."""
        frames, (grabbed, messages) = 0, self._grab()
        while grabbed and not messages:
            frames, (grabbed, messages) = frames + 1, self._grab()
        return (max(frames - 1, 0), messages[0]) if messages else (frames, "")

    def read(self, index: int) -> Pixels:
        """uint8 (H, W, 3), RGB: a frame by its number from 0."""
        if index in self._kept:
            self._kept.move_to_end(index)
            return self._kept[index].copy()
        if index < self._next:
            self._rewind()
        while self._next <= index:
            number, (grabbed, messages) = self._next, self._grab()
            if messages or not grabbed:
                self._next = sys.maxsize  # start again if anybody asks for another frame
                detail = messages[0] if messages else "the video ends"
                raise BadImageError("corrupt", f"Frame {number} cannot be decoded: {detail}.")
        (done, stored), _ = _heard(self._capture.retrieve)
        if not done or stored.ndim != 3 or stored.dtype != "uint8":
            raise BadImageError("corrupt", f"Frame {index} cannot be converted to RGB.")
        pixels = cv2.cvtColor(stored, cv2.COLOR_BGR2RGB)
        self._kept[index] = pixels
        while len(self._kept) > max(1, min(_KEPT_FRAMES, _KEPT_BYTES // pixels.nbytes)):
            self._kept.popitem(last=False)
        return pixels.copy()

    def _grab(self) -> tuple[bool, list[str]]:
        self._next += 1
        return _heard(self._capture.grab)


class _Last(threading.local):
    """The decoder that this thread used last. A forked child shares its parent's place in the file, so it opens its own."""

    _key: tuple[Any, ...] = ()
    _decoder: _Decoder | None = None

    def open(self, path: str) -> tuple[_Decoder, str]:
        """The decoder of a file, and the file's sha256."""
        file, demuxer = _opened(path)
        status = os.fstat(file.fileno())
        key = os.getpid(), path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
        if self._decoder is not None and self._key == key:
            file.close()
        else:
            self._decoder = None  # closes the last one
            self._decoder, self._key = _Decoder(file, demuxer), key
        return self._decoder, _sha256(path, key)


_last = _Last()


def _within(index: int, length: int) -> int:
    if not 0 <= index < length:
        raise IndexError(f"there is no frame {index} in a clip of {length}")
    return index


def _opened(path: str) -> tuple[BinaryIO, str]:
    """A regular file that is a video by its first bytes, and what reads it."""
    with bad_image(), open_regular(path, follow_links=False) as descriptor:
        start = os.pread(descriptor, 16, 0)
        if not start:
            raise BadImageError("empty", "The file is empty.")
        for demuxer, pattern in _STARTS.items():
            if pattern.match(start):
                return os.fdopen(os.dup(descriptor), "rb"), demuxer
    raise BadImageError("not_a_video", f"The file is none of {KINDS}, whatever its name says.")


def _capture(file: Any, demuxer: str) -> Any:
    # OpenCV takes these from the environment alone, each time that it opens a video. The whitelist matters in AVI, where a
    # subtitle may be a file of any other format, a playlist too. The others would let FFmpeg speak on standard output.
    options = {
        "OPENCV_FFMPEG_CAPTURE_OPTIONS": f"input_format;{demuxer}|format_whitelist;{demuxer}|protocol_whitelist;none",
        "OPENCV_FFMPEG_LOGLEVEL": None,
        "OPENCV_FFMPEG_DEBUG": None,
    }
    parameters = [cv2.CAP_PROP_N_THREADS, 1, cv2.CAP_PROP_HW_ACCELERATION, cv2.VIDEO_ACCELERATION_NONE]
    parameters += [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, 0, cv2.CAP_PROP_READ_TIMEOUT_MSEC, 0]  # a slow disk is no end of the video
    before = {name: os.environ.get(name) for name in options}
    try:
        _set_environment(options)
        return cv2.VideoCapture(file, cv2.CAP_FFMPEG, parameters)
    finally:
        _set_environment(before)


def _set_environment(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


_COMPLAINT = re.compile(rb"^\[[^\]\n]+ @ 0x[0-9a-f]+\] *([^\n]*)\n", re.MULTILINE)  # "[h264 @ 0x55a3c1] text"


def _heard(call: Callable[[], Any]) -> tuple[Any, list[str]]:
    """The result of ``call`` and what FFmpeg complained of meanwhile, which is not shown."""

    def inner() -> tuple[Any, list[str]]:
        result = call()
        printed = os.pread(2, 1 << 20, 0)  # while `listen` is at work, the descriptor is a file in memory
        complaints = _COMPLAINT.findall(printed)
        if complaints:
            os.ftruncate(2, 0)
            os.lseek(2, 0, os.SEEK_SET)
            os.write(2, _COMPLAINT.sub(b"", printed))
        return result, [complaint.decode("utf-8", "replace").strip().rstrip(".") for complaint in complaints]

    return listen(inner)[0]


@functools.lru_cache(maxsize=256)
def _sha256(path: str, key: tuple[Any, ...]) -> str:
    """``key``: what is another when another file has taken the file's place."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
