"""Finds the photographs: known datasets, folders and videos, and the selection of photographs from them."""

from blurkit.sources.known import Manifest, load_manifest
from blurkit.sources.open import SOURCES, open_source
from blurkit.sources.record import ImageRecord, PassedOver, Source

__all__ = ["SOURCES", "ImageRecord", "Manifest", "PassedOver", "Source", "load_manifest", "open_source"]
