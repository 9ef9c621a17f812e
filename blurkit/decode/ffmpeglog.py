"""Catches FFmpeg's complaints about a video, and tells those about pixels from those about metadata.

FFmpeg hides damage: it fills what is missing with what was there before, and says so in its log alone. So a complaint counts as
damage unless it is known to be harmless.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import TypeVar

from blurkit.decode.nativelog import catch_messages

_Result = TypeVar("_Result")

# "[h264 @ 0x55a3c1] text"
_COMPLAINT = re.compile(rb"^(\[[^\]\n]+ @ 0x[0-9a-f]+\] *[^\n]*)\n", re.MULTILINE)

#: What FFmpeg says about metadata, time and its own work. No pixel depends on it.
_HARMLESS = re.compile(
    r"\bEXIF\b|TIFF header|\bAPP\w* field|unable to decode APP|\bICC\b|multi.?picture"
    r"|\bSEI\b|supplemental|closed caption|timecode|\bmetadata\b|\bchapter|cover art|attached pic|\bsubtitle"
    r"|deprecated pixel format|accelerated colorspace|\bcolor (?:range|space|primaries)"
    r"|monoton\w* \w*dts|pts has no value|invalid timestamps|out of order|edit list|\btime ?scale|\bbit ?rate|frame rate"
    r"|\bduration|Increasing reorder buffer|not enough frames|analyzeduration|probesize",
    re.IGNORECASE,
)

#: Parts of FFmpeg that do not decode: what they say is about their own work.
_OTHER_PARTS = re.compile(
    r"\[(?:sw_?scaler|swresample|aac|mp3\w*|ac3|eac3|pcm_\w+|opus|vorbis|amrnb|amrwb|adpcm_\w+|flac|alac|wmav\d)"
)


def with_complaints(call: Callable[[], _Result]) -> tuple[_Result, list[str]]:
    """Returns the result of ``call``, and FFmpeg's complaints about pixels during the call. No complaint is shown."""

    def inner() -> tuple[_Result, list[str]]:
        result = call()
        printed = os.pread(2, 1 << 20, 0)  # within `catch_messages` the descriptor is a file in memory
        complaints = [complaint.decode("utf-8", "replace") for complaint in _COMPLAINT.findall(printed)]
        if complaints:
            os.ftruncate(2, 0)
            os.lseek(2, 0, os.SEEK_SET)
            os.write(2, _COMPLAINT.sub(b"", printed))
        return result, [text.partition("]")[2].strip().rstrip(".") for text in complaints if not is_harmless(text)]

    return catch_messages(inner)[0]


def is_harmless(complaint: str) -> bool:
    """Whether a line of FFmpeg's log, such as ``[mjpeg @ 0x55a3c1] invalid TIFF header in EXIF data``, is about no pixel."""
    return bool(_OTHER_PARTS.match(complaint) or _HARMLESS.search(complaint))
