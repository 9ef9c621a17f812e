"""Reads sequences of frames: a folder of images, or a video file.

The content of a video file decides its format; its name is ignored, see :mod:`blurkit.decode.capture`.

Containers often state a wrong number of frames, and seeking often reaches a wrong frame. So frames are counted by decoding all of
them, and a frame is reached by decoding all frames before it.
"""

from __future__ import annotations

import functools
import hashlib
import os
import sys
import threading
from array import array
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import cv2

from blurkit.decode.capture import open_capture, open_container
from blurkit.decode.container import Presentation, read_presentation
from blurkit.decode.ffmpeglog import with_complaints
from blurkit.decode.image import MAX_PIXELS, Decoded, Pixels, image_size, read_image, upright
from blurkit.decode.sequence import Colours
from blurkit.errors import BadImageError

# The most frames and bytes of recently read frames that are kept, so that overlapping windows of frames are decoded once.
_KEPT_FRAMES, _KEPT_BYTES = 16, 192 << 20

# If these files are cut, FFmpeg shows the last picture half and does not complain: they have no mark of their end. The decoder
# may show up to three other pictures after that one.
_UNSURE_FRAMES = {"mpegts": 4, "mpeg": 4, "flv": 4, "asf": 4}

#: The most frames a second that are believed. Some containers state their unit of time instead.
_MOST_RATE = 1000

#: Curves that no response of a recipe describes (ITU-T H.273).
_OTHER_CURVES = {8: "linear light", 9: "a logarithm", 10: "a logarithm", 16: "PQ", 17: "that of SMPTE ST 428-1", 18: "HLG"}
_CONVERT = "convert it to BT.709 first, for example by FFmpeg's filters zscale and tonemap"


@dataclass(frozen=True, slots=True)
class FrameFolder:
    """The frames of one folder. ``names``: file names, in the order of time."""

    folder: str
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def read(self, index: int) -> Decoded:
        """Returns a frame by its number from 0. Raises :class:`BadImageError`."""
        return read_image(self._path(index))

    def size(self, index: int) -> tuple[int, int]:
        """Returns (height, width) of a frame. Only its header is read. Raises :class:`BadImageError`."""
        return image_size(self._path(index))

    def _path(self, index: int) -> str:
        return os.path.join(self.folder, self.names[_checked_index(index, len(self))])


@dataclass(frozen=True, slots=True)
class VideoFile:
    """A video file; see :func:`open_video_file`.

    ``frames``: the number of usable frames. ``shape``: (height, width) of each frame, upright. ``damage``: why the frames after
    them cannot be used, or an empty text. ``length``: from the first frame to the last, in seconds, or 0 if it is not known.
    """

    path: str
    frames: int
    shape: tuple[int, int]
    damage: str = ""
    length: float = 0.0

    def __len__(self) -> int:
        return self.frames

    def read(self, index: int) -> Decoded:
        """Returns a frame by its number from 0. Its ``sha256`` is the hash of the video file.

        If the frame is among the last 16 that were read (fewer if they take more than 192 MiB), nothing is decoded. If the frame
        before it was read last, one frame is decoded. Otherwise all frames up to it are decoded. Raises :class:`BadImageError`.
        """
        _checked_index(index, self.frames)
        decoder, sha256 = _last.open(self.path)
        pixels = decoder.read(index)
        if pixels.shape[:2] != self.shape:
            raise BadImageError("corrupt", f"Frame {index} has (height, width) {pixels.shape[:2]}, the first one {self.shape}.")
        return Decoded(pixels, sha256, decoder.notes())

    def size(self, index: int) -> tuple[int, int]:
        """Returns (height, width) of a frame."""
        _checked_index(index, self.frames)
        return self.shape

    def playback(self) -> Playback:
        """Returns how the video is to be played. Raises :class:`BadImageError`."""
        stated = _last.open(self.path)[0].playback()
        mean = (self.frames - 1) / self.length if self.length > 0 else stated.rate
        # Some files state their unit of time, and the last frame may be shown for another time than the mean.
        is_right = abs(stated.rate - mean) <= mean * (0.01 + 1 / self.frames)
        return stated if is_right else replace(stated, rate=mean)

    def seconds(self) -> float:
        """Returns when the frame is shown that this thread decoded last, in seconds from the start."""
        return _last.open(self.path)[0].property(cv2.CAP_PROP_POS_MSEC) / 1000


@dataclass(frozen=True, slots=True)
class Playback:
    """How a video is to be played. ``rate``: frames a second, the mean, or 0 if the file does not say. ``aspect``: the width of
    an upright pixel over its height. ``colours``: all that the file says about them. ``demuxer``: FFmpeg's name of the container.
    ``left_out``: frames at the end that are not used, because nothing tells whether they are whole."""

    rate: float
    aspect: float
    colours: frozenset[Colours]
    demuxer: str
    left_out: int


def open_video_file(path: str, *, max_pixels: int = MAX_PIXELS) -> VideoFile:
    """Checks a video file and counts its frames. The video is decoded once.

    The last four frames of an MPEG stream, of WMV and of FLV are not used, because nothing tells whether they are whole.
    If the decoder reports damage at a frame, this frame, the frame before it and all later frames are not used: the decoder often
    notices damage one frame late, and it guesses the pixels after the damage. Raises :class:`BadImageError`: ``missing``,
    ``not_a_file``, ``link``, ``unreadable``, ``empty``, ``not_a_video``, ``too_large``, ``unsupported`` if its light has a curve
    that no recipe can name, such as HLG, or ``corrupt`` if no frame can be used.
    """
    decoder = _Decoder(*open_container(path))
    _check_curve(decoder.presentation)
    width, height = (int(decoder.property(number)) for number in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    if height * width > max_pixels:
        raise BadImageError("too_large", f"The frames have {width} x {height} pixels; the limit is {max_pixels} pixels.")
    frames, damage, length = decoder.count()
    if frames < 1:
        raise BadImageError("corrupt", f"No frame of the video can be used: {damage or 'it has none'}.")
    height, width = decoder.read(0).shape[:2]
    return VideoFile(path, frames, (height, width), damage, length)


def _check_curve(presentation: Presentation) -> None:
    """Raises ``unsupported`` for frames whose codes no response of a recipe turns into light."""
    stated = {colours.transfer for colours in presentation.colours} - {2}
    wide = any(colours.primaries == 9 or colours.matrix in (9, 10) for colours in presentation.colours)
    for transfer in sorted(stated & _OTHER_CURVES.keys()):
        message = f"The transfer curve of the video is {_OTHER_CURVES[transfer]}, which is not supported; {_CONVERT}."
        raise BadImageError("unsupported", message)
    if wide and not stated:
        message = f"The video has the colours of BT.2020 and names no transfer curve, so it may be HLG or PQ; {_CONVERT}."
        raise BadImageError("unsupported", message)


class _Decoder:
    """A decoder of one video file. It reads the frames in order."""

    def __init__(self, file: BinaryIO, demuxer: str) -> None:
        self._file, self._demuxer = file, demuxer
        self._kept: OrderedDict[int, Pixels] = OrderedDict()
        try:
            self.presentation = read_presentation(file.fileno(), demuxer)
            self._rewind()
        except BaseException:
            file.close()
            raise

    def __del__(self) -> None:
        self._file.close()

    def _rewind(self) -> None:
        # The file is opened again, because seeking back is inexact with many codecs.
        self._file.seek(0)
        self._capture, messages = with_complaints(lambda: open_capture(self._file, self._demuxer))
        self._next = 0
        if not self._capture.isOpened():
            detail = messages[0] if messages else "FFmpeg cannot open it"
            raise BadImageError("corrupt", f"The file has no video that can be decoded: {detail}.")
        if self.presentation.orientation is not None:
            self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)  # OpenCV cannot mirror

    def property(self, number: int) -> float:
        """Returns one of OpenCV's properties ``CAP_PROP_...``."""
        return float(self._capture.get(number))

    def playback(self) -> Playback:
        """Returns how the video is to be played."""
        rate, *parts = (self.property(number) for number in (cv2.CAP_PROP_FPS, cv2.CAP_PROP_SAR_NUM, cv2.CAP_PROP_SAR_DEN))
        aspect = parts[0] / parts[1] if min(parts) > 0 else 1.0
        turned = (self.presentation.orientation or 1) >= 5 or int(self.property(cv2.CAP_PROP_ORIENTATION_META)) % 180
        left_out = _UNSURE_FRAMES.get(self._demuxer, 0)
        rate = rate if 0 < rate <= _MOST_RATE else 0.0
        return Playback(rate, 1 / aspect if turned else aspect, self.presentation.colours, self._demuxer, left_out)

    def notes(self) -> tuple[str, ...]:
        """Returns the changes between the stream and the pixels."""
        notes = []
        kind = max(int(self.property(cv2.CAP_PROP_CODEC_PIXEL_FORMAT)), 0).to_bytes(4, "little")
        if kind[:1] == b"Y" and 8 < kind[3] <= 16:  # FFmpeg's own codes end in the number of bits, other codes in a letter
            notes.append(f"{kind[3]} bits to 8")
        orientation = self.presentation.orientation
        turns = {1: 0, 3: 180, 6: 90, 8: 270, None: int(self.property(cv2.CAP_PROP_ORIENTATION_META)) % 360}
        if turn := turns.get(orientation, -1):
            turned = f"mirrored as by EXIF orientation {orientation}" if turn < 0 else f"rotated by {turn} degrees"
            notes.append(f"{turned}, as the video's metadata say")
        return tuple(notes)

    def count(self) -> tuple[int, str, float]:
        """Returns the number of frames before any damage, the decoder's first complaint or an empty text, and the seconds from
        the first of these frames to the last."""
        times, (grabbed, messages) = array("d"), self._grab()
        while grabbed and not messages:
            times.append(self.property(cv2.CAP_PROP_POS_MSEC))
            grabbed, messages = self._grab()
        unsure = 1 if messages else _UNSURE_FRAMES.get(self._demuxer, 0)
        frames = max(len(times) - unsure, 0)
        return frames, messages[0] if messages else "", (times[frames - 1] - times[0]) / 1000 if frames else 0.0

    def read(self, index: int) -> Pixels:
        """Returns a frame by its number from 0, uint8 (H, W, 3), RGB."""
        if index in self._kept:
            self._kept.move_to_end(index)
            return self._kept[index].copy()
        if index < self._next:
            self._rewind()
        while self._next <= index:
            number, (grabbed, messages) = self._next, self._grab()
            if messages or not grabbed:
                self._next = sys.maxsize  # forces a rewind at the next call
                detail = messages[0] if messages else "the video ends"
                raise BadImageError("corrupt", f"Frame {number} cannot be decoded: {detail}.")
        (done, stored), _ = with_complaints(self._capture.retrieve)
        if not done or stored.ndim != 3 or stored.dtype != "uint8":
            raise BadImageError("corrupt", f"Frame {index} cannot be converted to RGB.")
        pixels = upright(cv2.cvtColor(stored, cv2.COLOR_BGR2RGB), self.presentation.orientation or 1)
        self._kept[index] = pixels
        while len(self._kept) > max(1, min(_KEPT_FRAMES, _KEPT_BYTES // pixels.nbytes)):
            self._kept.popitem(last=False)
        return pixels.copy()

    def _grab(self) -> tuple[bool, list[str]]:
        self._next += 1
        return with_complaints(self._capture.grab)


class _Last(threading.local):
    """The decoder that this thread used last.

    A forked child would share its parent's position in the file. So the key has the process id, and the child opens the file.
    """

    _key: tuple[Any, ...] = ()
    _decoder: _Decoder | None = None

    def open(self, path: str) -> tuple[_Decoder, str]:
        """Returns the decoder of a file, and the file's sha256."""
        file, demuxer = open_container(path)
        status = os.fstat(file.fileno())
        key = os.getpid(), path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
        if self._decoder is not None and self._key == key:
            file.close()
        else:
            self._decoder = None  # closes the previous file first
            self._decoder, self._key = _Decoder(file, demuxer), key
        return self._decoder, _sha256(path, key)


_last = _Last()


def _checked_index(index: int, length: int) -> int:
    if not 0 <= index < length:
        raise IndexError(f"there is no frame {index} in a clip of {length}")
    return index


@functools.lru_cache(maxsize=256)
def _sha256(path: str, key: tuple[Any, ...]) -> str:
    """``key``: identifies the version of the file, so that a replaced file is hashed again."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
