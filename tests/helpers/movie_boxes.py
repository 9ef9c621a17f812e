"""Changes the boxes of MP4 files whose table of contents follows the frames, as OpenCV writes them."""

import struct

PATH = b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"


def box(kind: bytes, content: bytes) -> bytes:
    """A box of a type."""
    return struct.pack(">I", 8 + len(content)) + kind + content


def with_box(data: bytes, added: bytes) -> bytes:
    """An MP4 file whose first sample entry has another box. The table of contents follows the frames, so no offset changes."""
    start, end, sizes = 0, len(data), []
    for wanted in PATH:
        while data[start + 4 : start + 8] != wanted:
            start += int.from_bytes(data[start : start + 4], "big")
        sizes.append(start)
        start += 16 if wanted == b"stsd" else 8
    sizes.append(start)  # the sample entry
    end = start + int.from_bytes(data[start : start + 4], "big")
    changed = bytearray(data[:end] + added + data[end:])
    for at in sizes:
        changed[at : at + 4] = struct.pack(">I", int.from_bytes(data[at : at + 4], "big") + len(added))
    return bytes(changed)


def with_matrix(data: bytes, kind: bytes, values: tuple[int, int, int, int]) -> bytes:
    """An MP4 file whose track (tkhd) or movie (mvhd) is shown with a matrix (a, b, c, d)."""
    changed, one = bytearray(data), 1 << 16
    at = data.index(kind) + (44 if kind == b"tkhd" else 40)
    a, b, c, d = (value * one for value in values)
    changed[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    return bytes(changed)


def with_times(data: bytes, runs: list[tuple[int, int]]) -> bytes:
    """An MP4 file whose frames are shown for other times. ``runs``: (frames, units of time of each)."""
    at = data.index(b"stts") - 4
    end = at + int.from_bytes(data[at : at + 4], "big")
    times = box(b"stts", struct.pack(">II", 0, len(runs)) + b"".join(struct.pack(">II", *run) for run in runs))
    changed = bytearray(data[:at] + times + data[end:])
    for kind in PATH[:-1]:
        place = data.index(kind) - 4
        size = int.from_bytes(data[place : place + 4], "big") + len(times) - (end - at)
        changed[place : place + 4] = struct.pack(">I", size)
    return bytes(changed).replace(b"edts", b"free")  # an edit list would cut off the frames after the old end
