"""What is installed with blurkit: the manifests of datasets, and photographs."""

from importlib import resources
from pathlib import Path

MANIFESTS = Path(str(resources.files("blurkit.data_manifests")))
PHOTOGRAPHS = MANIFESTS / "sample"
