"""Where photographs come from: known datasets, folders, videos, and the choice among them."""

from blurkit.sources.known import Manifest, load_manifest
from blurkit.sources.open import SOURCES, open_source
from blurkit.sources.record import ImageRecord, PassedOver, Source

__all__ = ["SOURCES", "ImageRecord", "Manifest", "PassedOver", "Source", "load_manifest", "open_source"]
