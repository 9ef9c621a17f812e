"""Reads files from untrusted sources: photographs, videos, disparity maps and outlines of objects become checked arrays."""

from blurkit.decode.image import MAX_PIXELS, Decoded, decode_image, image_size, read_image

__all__ = ["MAX_PIXELS", "Decoded", "decode_image", "image_size", "read_image"]
