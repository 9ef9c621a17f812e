"""Encodes videos: by the program ffmpeg, which keeps the sound, or else by OpenCV."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import IO, Protocol, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from blurkit.decode.nativelog import catch_messages
from blurkit.decode.video import Playback, VideoFile
from blurkit.errors import BadImageError
from blurkit.program.files import write_all

Pixels: TypeAlias = NDArray[np.uint8]
Write: TypeAlias = Callable[[Pixels], object]

#: Numbers of ITU-T H.273 for the matrix -> ffmpeg's name of it in the filter scale.
_MATRICES = {1: "bt709", 5: "bt470", 6: "smpte170m", 7: "smpte240m", 9: "bt2020"}

#: Numbers of ITU-T H.273 that are carried over. Others are reserved, or not for video of 8 bits.
_CARRIED = {"primaries": (1, 4, 5, 6, 7, 8, 9), "transfer": (1, 4, 5, 6, 7, 11, 13, 14, 15), "matrix": tuple(_MATRICES)}

_PROGRAM = "ffmpeg"


class Encoder(Protocol):
    """Writes a video. ``notes``: what it cannot keep."""

    @property
    def notes(self) -> list[str]: ...

    def writing(self, file: Path) -> contextlib.AbstractContextManager[Write]:
        """A function that writes one frame, uint8 (H, W, 3) RGB. The file is complete at the end of the block."""


def choose_encoder(clip: VideoFile, playback: Playback, *, crf: int) -> Encoder:
    """Returns an encoder for the restored frames of a clip. ``crf``: see :func:`trainer.evaluation.clips.restore_clip`.

    Raises :class:`BadImageError` if nothing here can write frames of this size.
    """
    program = shutil.which(_PROGRAM)
    if program:
        listed = subprocess.run(
            [program, "-hide_banner", "-encoders"], stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        if b"libx264" in listed.stdout:
            return _Ffmpeg(program, clip, playback, crf)
        return _Ffmpeg(program, clip, playback, None, ["the program ffmpeg has no libx264, so it is in MPEG-4 Part 2"])
    height, width = clip.shape
    if height % 2 or width % 2:
        message = f"Frames of {width} x {height} pixels, an odd number, can only be written if the program ffmpeg is installed."
        raise BadImageError("unsupported", message)
    notes = ["the program ffmpeg is not installed, so it is in MPEG-4 Part 2, and without its sound if it has any"]
    if playback.aspect != 1:
        notes.append(f"pixels {playback.aspect:.4g} times as wide as high became square")
    return _OpenCv(clip.shape, playback.rate, notes)


@dataclass(frozen=True)
class _Ffmpeg:
    """``crf``: of H.264, or ``None`` for MPEG-4 Part 2."""

    program: str
    clip: VideoFile
    playback: Playback
    crf: int | None
    notes: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def writing(self, file: Path) -> Iterator[Write]:
        with tempfile.TemporaryFile() as messages:
            # In a session of its own: a signal from the keyboard is for this process, which then ends the program.
            process = subprocess.Popen(
                self.command(file),
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=messages,
                start_new_session=True,
            )
            with process, contextlib.ExitStack() as stack:
                stack.callback(process.kill)  # if the block ends early; else it has ended by then
                pipe = process.stdin
                assert pipe is not None

                def write(pixels: Pixels) -> None:
                    try:
                        write_all(pipe.fileno(), np.ascontiguousarray(pixels).data)
                    except BrokenPipeError as error:  # it ends before it has all frames
                        process.wait()
                        raise _failed(messages) from error

                yield write
                pipe.close()
                if process.wait():
                    raise _failed(messages)

    def command(self, file: Path) -> list[str]:
        """The command. Frames come from standard input, everything else from the source, which may name no other file."""
        height, width = self.clip.shape
        rate, aspect = (Fraction(value).limit_denominator(1001) for value in (self.playback.rate, self.playback.aspect))
        whole = ("-f", "rawvideo", "-pixel_format", "rgb24", "-video_size", f"{width}x{height}", "-framerate", str(rate))
        demuxer = self.playback.demuxer
        source = ("-f", demuxer, "-format_whitelist", demuxer, "-protocol_whitelist", "file")
        filters = [*self._colours(), f"setsar={aspect.numerator}/{aspect.denominator}"]
        codec = ("mpeg4", "-q:v", "2") if self.crf is None else ("libx264", "-crf", str(self.crf))
        return [
            *(self.program, "-hide_banner", "-loglevel", "error", "-nostdin", "-y"),
            *(*whole, "-i", "pipe:0", *source, "-i", f"file:{os.path.abspath(self.clip.path)}"),
            *("-map", "0:v", "-map", "1:a?", "-map_metadata", "1", "-c:a", "copy", "-max_muxing_queue_size", "9999"),
            *("-c:v", *codec, "-vf", ",".join(filters), f"file:{os.path.abspath(file)}"),
        ]

    def _colours(self) -> Iterator[str]:
        """Filters that give the restored video the colours of the source: the reader has used them to make RGB.

        What the source does not state stays unstated, and then the matrix is that of BT.601, as in the reader.
        """
        stated = {name: {getattr(colours, name) for colours in self.playback.colours} - {2} for name in _CARRIED}
        only = {name: next(iter(values)) for name, values in stated.items() if len(values) == 1}
        only = {name: value for name, value in only.items() if value in _CARRIED[name]}
        named = f":out_color_matrix={_MATRICES[only['matrix']]}" if "matrix" in only else ""
        yield f"scale=flags=bicubic+accurate_rnd+full_chroma_int:out_range=tv{named}"  # by default it rounds down
        odd = self.crf is not None and any(side % 2 for side in self.clip.shape)
        yield "format=yuv444p" if odd else "format=yuv420p"  # in libx264, chroma of half the size needs an even size
        names = {"primaries": "color_primaries", "transfer": "color_trc", "matrix": "colorspace"}
        if only:
            yield "setparams=" + ":".join(f"{names[name]}={value}" for name, value in only.items())


def _failed(messages: IO[bytes]) -> BadImageError:
    messages.seek(0)
    said = "; ".join(messages.read(2000).decode("utf-8", "replace").strip().splitlines()[:3]) or "it does not say why"
    advice = " An --out that ends in .mkv takes any sound." if "tag for codec" in said else ""
    return BadImageError("not_written", f"The program ffmpeg cannot write it: {said}.{advice}")


@dataclass(frozen=True)
class _OpenCv:
    shape: tuple[int, int]
    rate: float
    notes: list[str]

    @contextlib.contextmanager
    def writing(self, file: Path) -> Iterator[Write]:
        codec = cv2.VideoWriter.fourcc(*"mp4v")
        writer, _ = catch_messages(lambda: cv2.VideoWriter(str(file), cv2.CAP_FFMPEG, codec, self.rate, self.shape[::-1]))
        if not writer.isOpened():
            raise BadImageError("not_written", f"OpenCV cannot write {file.suffix} files here; install the program ffmpeg.")
        try:
            yield lambda pixels: writer.write(np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)))
        finally:
            catch_messages(writer.release)
