"""The formats by name."""

from __future__ import annotations

from collections.abc import Callable

from blurkit.export.deepinv import DeepinvExporter
from blurkit.export.exporter import Exporter, Job
from blurkit.export.folder import FolderExporter
from blurkit.export.lmdb import LmdbExporter
from blurkit.export.webdataset import WebdatasetExporter

FORMATS: dict[str, Callable[[Job], Exporter]] = {
    "folder": FolderExporter,
    "lmdb": LmdbExporter,
    "webdataset": WebdatasetExporter,
    "deepinv": DeepinvExporter,
}
