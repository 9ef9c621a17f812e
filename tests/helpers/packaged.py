"""The folders with data that are installed with blurkit."""

from importlib import resources
from pathlib import Path

MANIFESTS = Path(str(resources.files("blurkit.data_manifests")))
PHOTOGRAPHS = MANIFESTS / "sample"

#: The number of photographs.
COUNT = 21

#: Nine of them, for tests that need no more.
NINE = [
    PHOTOGRAPHS / f"{name}.jpg"
    for name in ("astronaut", "brick", "camera", "coffee", "grass", "gravel", "hubble", "retina", "rocket")
]
