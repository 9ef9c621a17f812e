"""Opens the known datasets: finds their folders, their photographs and their manifests."""

from blurkit.sources.known.manifest import Manifest, load_manifest

__all__ = ["Manifest", "load_manifest"]
