"""Mutates image files and decodes them: each one is read, or refused with a reason, in bounded time and memory."""

import random
import resource
import struct
import sys
import time

import numpy as np
from encoded_images import chunk, encode, encode_tiff, photograph, png_of

from blurkit.decode.image import decode_image, image_size
from blurkit.errors import BadImageError

#: The most pixels, so that a mutated size cannot make a sound image that takes long.
PIXELS = 4_000_000

#: Limits of one file: processor seconds and megabytes beyond the highest before. Files that are sound take a hundredth.
SECONDS, MEGABYTES = 2.0, 160

NUMBERS = (0, 1, 2, 3, 7, 8, 127, 128, 255, 256, 4095, 4096, 32767, 32768, 65535, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
TOKENS = (
    *(b"\xff\xd8", b"\xff\xd9", b"\xff\xda", b"\xff\xc4", b"\xff\xff", b"\xff\x00", b"\xff\xd0", b"IDAT", b"IEND", b"eXIf"),
    *(b"acTL", b"PLTE", b"tRNS", b"VP8X", b"VP8L", b"ANMF", b"EXIF", b"II*\0", b"MM\0*", b"!\xfe", b",", bytes(8)),
)


def seeds() -> list[bytes]:
    """Small images of every format and of most of their kinds."""
    photo = photograph()
    exif = photo.getexif()
    exif[274] = 6
    exif.get_ifd(34665)[41989] = 35
    clear = photo.convert("RGBA")
    pixels = np.asarray(photo)
    turned = {"save_all": True, "append_images": [photo.rotate(90)]}
    deep, few, many = pixels.astype(np.uint16) * 257, photo.quantize(9), photo.quantize(64)
    files = [
        encode(photo, "JPEG", exif=exif),
        encode(photo, "JPEG", progressive=True),
        encode(photo.convert("CMYK"), "JPEG"),
        encode(photo.convert("L"), "JPEG", restart_marker_rows=1),
        encode(photo, "PNG", exif=exif),
        encode(few, "PNG"),
        png_of(deep, chunk(b"iCCP", b"x\0\0rubbish")),
        encode(clear, "PNG", **turned),
        encode(photo, "WEBP", exif=exif),
        encode(clear, "WEBP", lossless=True),
        encode(photo, "WEBP", **turned),
        *(encode(image, "BMP") for image in (photo, few)),
        encode(many, "GIF"),
        encode(many, "GIF", save_all=True, append_images=[few.rotate(90)]),
        *(encode(photo, "TIFF", exif=exif, compression=name) for name in (None, "tiff_lzw", "jpeg", "packbits")),
        encode_tiff(deep, compression="zlib", predictor=True),
        encode_tiff(pixels, bigtiff=True),
        encode_tiff(np.moveaxis(pixels, 2, 0).copy(), planarconfig="separate", rowsperstrip=9),
    ]
    return files


def mutate(data: bytes, files: list[bytes], chance: random.Random) -> bytes:
    """One to six changes, most of them near the start, where the headers are."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        end = max(len(changed), 1)
        place = chance.randrange(min(end, chance.choice((32, 256, 1024, end))))
        how = chance.randrange(8)
        if how == 0:
            changed[place : place + 1] = bytes([chance.randrange(256)])
        elif how == 1 and place < len(changed):
            changed[place] ^= 1 << chance.randrange(8)
        elif how == 2:
            layout = chance.choice((">H", "<H", ">I", "<I"))
            width = struct.calcsize(layout)
            changed[place : place + width] = struct.pack(layout, chance.choice(NUMBERS) % (1 << 8 * width))
        elif how == 3:
            changed[place:place] = chance.choice(TOKENS)
        elif how == 4:
            del changed[place : place + chance.choice((1, 2, 4, 12, 100))]
        elif how == 5:
            changed[place:place] = changed[place : place + chance.choice((4, 12, 64, 500))] * chance.choice((1, 3, 50))
        elif how == 6:
            other = chance.choice(files)
            start = chance.randrange(len(other))
            changed[place:place] = other[start : start + chance.choice((8, 60, 600))]
        else:
            del changed[place + chance.randrange(1, 2000) :]
    return bytes(changed)


def peak() -> int:
    """The highest memory of this process so far, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def fault_of(data: bytes) -> str:
    """What is wrong with the way in which a file is decoded, or an empty text."""
    before, start = peak(), time.process_time()
    try:
        image_size(data, max_pixels=PIXELS)
        decoded = decode_image(data, max_pixels=PIXELS)
    except BadImageError as error:
        if not error.reason or not str(error).isprintable():
            return f"a refusal without words: {error!r}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    else:
        if decoded.pixels.dtype != np.uint8 or decoded.pixels.shape != (*image_size(data), 3):
            return f"pixels of shape {decoded.pixels.shape}, {decoded.pixels.dtype}"
    seconds, megabytes = time.process_time() - start, peak() - before
    return f"{seconds:.1f} s, {megabytes} MB" if seconds > SECONDS or megabytes > MEGABYTES else ""


def fuzz(seed: int, *, count: int = sys.maxsize, minutes: float = 60.0):
    """Yields (number, fault, file) of each mutated file that is handled wrongly; last, the number of files and no fault."""
    chance, files, end, number = random.Random(seed), seeds(), time.monotonic() + 60 * minutes, 0
    while number < count and time.monotonic() < end:
        data = mutate(chance.choice(files), files, chance)
        if fault := fault_of(data):
            yield number, fault, data
        number += 1
    yield number, "", b""
