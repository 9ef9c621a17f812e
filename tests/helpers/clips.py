"""Videos and frames that show their own number, for the tests of clips."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from blurkit.decode import video
from blurkit.decode.video import open_video_file

FRAMES, HEIGHT, WIDTH = 40, 64, 96
FORMATS = {"avi": "MJPG", "mp4": "mp4v", "mov": "MJPG", "mkv": "mp4v", "webm": "VP80"}


def numbered(number: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A BGR frame of six columns that show the number in binary, bright for 1; the top quarter is blue."""
    columns = np.array([200 if number >> bit & 1 else 40 for bit in range(6)], np.uint8)
    frame = np.repeat(np.repeat(columns, width // 6)[None, :, None], height, 0) * np.ones(3, np.uint8)
    frame[: height // 4, :, 0] = 255
    return frame


def number_in(pixels: np.ndarray) -> int:
    """The number that an RGB frame of :func:`numbered` shows."""
    columns = pixels[pixels.shape[0] // 2 :].reshape(-1, 6, pixels.shape[1] // 6, 3).mean((0, 2, 3))
    return sum(1 << bit for bit, level in enumerate(columns) if level > 120)


def write_video(path: Path, frames: Iterable[np.ndarray], codec: str = "") -> Path:
    """Write a video of BGR frames, 25 per second, in the format that the suffix names, and return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = list(frames)
    fourcc = cv2.VideoWriter_fourcc(*(codec or FORMATS[path.suffix[1:].lower()]))
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, fourcc, 25, frames[0].shape[1::-1])
    assert writer.isOpened()
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


def write_numbers(path: Path, frames: int = FRAMES, codec: str = "") -> Path:
    """Write a video of numbered frames and return the path."""
    return write_video(path, map(numbered, range(frames)), codec)


def write_grey(path: Path, level: int = 0, height: int = 48, width: int = 64) -> None:
    """Write an image of one grey level."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((height, width, 3), level, np.uint8))


def in_order(path: Path) -> list[np.ndarray]:
    """All frames of a video, RGB, read in order by OpenCV."""
    capture, frames = cv2.VideoCapture(str(path)), []
    while (found := capture.read())[0]:
        frames.append(cv2.cvtColor(found[1], cv2.COLOR_BGR2RGB))
    return frames


def digests(clip: video.VideoFile, numbers: Iterable[int]) -> list[str]:
    """The sha256 of these frames. Worker processes call it."""
    return [hashlib.sha256(clip.read(number).pixels).hexdigest() for number in numbers]


def fork_within(path: str) -> Iterator[bool]:
    """Fork in the middle of a video. Yields if the child reads the right frames, then if the parent still does."""
    video._KEPT_FRAMES = 1
    clip = open_video_file(path)
    expected = digests(clip, range(20))
    clip.read(5)
    child = os.fork()
    if child == 0:
        try:
            os._exit(digests(clip, range(6, 16)) != expected[6:16])
        finally:
            os._exit(2)
    yield os.waitpid(child, 0)[1] == 0
    yield digests(clip, range(6, 20)) == expected[6:]
