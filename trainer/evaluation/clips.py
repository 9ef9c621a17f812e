"""Restores videos frame by frame, and writes them whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from blurkit.decode.video import VideoFile, open_video_file
from blurkit.errors import BadImageError
from blurkit.program.files import sync_file, sync_folder, temporary_path
from blurkit.program.progress import Progress, plural
from trainer.evaluation.encoders import Encoder, Write, choose_encoder
from trainer.evaluation.restore import Restorer

#: Suffixes of videos that can be written.
CLIPS = (".mp4", ".mov", ".mkv")

#: A frame that is shown later or earlier than this, in frames, is worth a note.
_LATE = 1.0


def restore_clip(restore: Restorer, source: Path, target: Path, *, crf: int, quiet: bool) -> tuple[VideoFile, list[str]]:
    """Restores a video to ``target``. Returns the source and notes on what was changed.

    ``crf``: the constant rate factor of H.264, from 0 to 51. The video has the same number of frames, upright, at the same mean
    rate, with the sound and the metadata of the source if there is a program ffmpeg. Memory does not grow with the number of
    frames. Raises :class:`blurkit.errors.BadImageError` if the source is damaged, and then nothing is written, or if the video
    cannot be written; then nothing is left of it.
    """
    clip = open_video_file(str(source))
    if clip.damage:
        raise BadImageError(
            "corrupt",
            f"The video is damaged after {plural(len(clip), 'frame')}: {clip.damage}; cut it before this place, or repair it.",
        )
    playback = clip.playback()
    if not playback.rate:
        raise BadImageError("unsupported", "The video does not say how many frames a second it has.")
    encoder = choose_encoder(clip, playback, crf=crf)
    notes, first = list(clip.read(0).notes), clip.seconds()
    late, progress = 0.0, Progress(len(clip), quiet=quiet, unit="frames")
    try:
        with _written(target, encoder, len(clip)) as write:
            for index in range(len(clip)):
                pixels = clip.read(index).pixels
                late = max(late, abs((clip.seconds() - first) * playback.rate - index))
                write(restore(pixels))
                progress.done += 1
                progress.show()
    finally:
        progress.close()
    notes += encoder.notes
    if playback.left_out:
        notes.append(f"the last {playback.left_out} frames left out, because nothing tells whether they are whole")
    if late > _LATE:
        notes.append(f"its frames are not evenly spaced, and are now: up to {late / playback.rate:.2f} s earlier or later")
    return clip, notes


@contextlib.contextmanager
def _written(target: Path, encoder: Encoder, frames: int) -> Iterator[Write]:
    """A function that writes one frame. The file becomes ``target`` at the end of the block, if it has all ``frames``."""
    folder = temporary_path(target)  # encoders want a name with the suffix of the format
    folder.mkdir()
    try:
        file = folder / target.name
        with encoder.writing(file) as write:
            yield write
        if problem := _problem(file, frames):
            raise BadImageError("not_written", f"{target} could not be written whole: {problem} Is the disk full?")
        descriptor = os.open(file, os.O_RDONLY)
        try:
            sync_file(descriptor, target)
        finally:
            os.close(descriptor)
        os.rename(file, target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sync_folder(target.parent)


def _problem(file: Path, frames: int) -> str:
    """What is wrong with a written video, or an empty text. Neither encoder says reliably that it failed, as on a full disk."""
    try:
        written = open_video_file(str(file))
    except BadImageError as error:
        return str(error)
    if written.damage or len(written) != frames:
        return f"{len(written)} of {plural(frames, 'frame')}{', ' if written.damage else ''}{written.damage}."
    return ""
