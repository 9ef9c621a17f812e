"""Known datasets: where each lies, what it holds, and what its manifest says of it."""

from blurkit.sources.known.manifest import Manifest, load_manifest

__all__ = ["Manifest", "load_manifest"]
