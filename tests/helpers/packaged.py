"""The folders with data that are installed with blurkit."""

from importlib import resources
from pathlib import Path

MANIFESTS = Path(str(resources.files("blurkit.data_manifests")))
PHOTOGRAPHS = MANIFESTS / "sample"

#: The number of photographs.
COUNT = 21
