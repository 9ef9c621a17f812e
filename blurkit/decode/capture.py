"""Recognises video files by their first bytes, and opens them with OpenCV so that FFmpeg reads nothing else.

FFmpeg would also open playlists and lists of files, which name other files and addresses. So it gets an open file, and the name
of the one container that it may be.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, BinaryIO

import cv2

from blurkit.decode.header import IMAGE_BRANDS
from blurkit.decode.image import bad_image
from blurkit.errors import BadImageError
from blurkit.program.files import open_regular

#: The containers that are opened.
KINDS = "MP4, MOV, 3GP, Matroska, WebM, AVI, MPEG, Ogg, WMV and FLV"

# FFmpeg's name of the demuxer -> the first bytes of its files.
_STARTS = {
    "mov": re.compile(rb".{4}(?:ftyp|moov|mdat|wide|free|skip|pnot)", re.DOTALL),
    "matroska": re.compile(rb"\x1aE\xdf\xa3"),
    "avi": re.compile(rb"RIFF.{4}AVI ", re.DOTALL),
    "mpegts": re.compile(rb"(?:\x47.{187}\x47|.{4}\x47.{191}\x47)", re.DOTALL),
    "mpeg": re.compile(rb"\0\0\x01\xba", re.DOTALL),
    "ogg": re.compile(rb"OggS\0"),
    "asf": re.compile(rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),
    "flv": re.compile(rb"FLV\x01"),
}


def open_container(path: str) -> tuple[BinaryIO, str]:
    """Opens a regular file whose first bytes are those of a video. Returns the file and the name of its demuxer.

    Raises :class:`BadImageError`: the reasons of :func:`blurkit.program.files.open_regular`, ``empty`` and ``not_a_video``.
    """
    with bad_image(), open_regular(path, follow_links=False) as descriptor:
        start = os.pread(descriptor, 400, 0)
        if not start:
            raise BadImageError("empty", "The file is empty.")
        for demuxer, pattern in _STARTS.items():
            if pattern.match(start):
                return os.fdopen(os.dup(descriptor), "rb"), demuxer
    raise BadImageError("not_a_video", f"The file is none of {KINDS}, whatever its name says.")


def is_video(path: str) -> bool:
    """Whether the first bytes of a file are those of a video, and not of HEIC or AVIF. Nothing is decoded."""
    try:
        file, _ = open_container(path)
    except BadImageError:
        return False
    with file:
        start = file.read(12)
    return start[4:8] != b"ftyp" or start[8:] not in IMAGE_BRANDS


def open_capture(file: Any, demuxer: str) -> Any:
    """Returns OpenCV's decoder of an open video file. ``demuxer``: the only container that FFmpeg may take it for."""
    # OpenCV reads these options only from the environment, each time that it opens a video. The whitelist matters for AVI: a
    # subtitle stream may hold a file of any format, even a playlist. The other two variables would make FFmpeg print its log.
    options = {
        "OPENCV_FFMPEG_CAPTURE_OPTIONS": f"input_format;{demuxer}|format_whitelist;{demuxer}|protocol_whitelist;none",
        "OPENCV_FFMPEG_LOGLEVEL": None,
        "OPENCV_FFMPEG_DEBUG": None,
    }
    parameters = [cv2.CAP_PROP_N_THREADS, 1, cv2.CAP_PROP_HW_ACCELERATION, cv2.VIDEO_ACCELERATION_NONE]
    parameters += [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, 0, cv2.CAP_PROP_READ_TIMEOUT_MSEC, 0]  # no timeout: disks may be slow
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
