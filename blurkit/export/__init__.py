"""Writes the pairs of a dataset in the formats of other programs: one file for each format, and what they share."""

from blurkit.export.deepinv import DeepinvExporter
from blurkit.export.exporter import Exporter, Job
from blurkit.export.folder import FolderExporter
from blurkit.export.lmdb import LmdbExporter
from blurkit.export.run import export
from blurkit.export.webdataset import WebdatasetExporter

#: The formats by name.
FORMATS: dict[str, type[Exporter]] = {
    "folder": FolderExporter,
    "lmdb": LmdbExporter,
    "webdataset": WebdatasetExporter,
    "deepinv": DeepinvExporter,
}

__all__ = ["FORMATS", "Exporter", "Job", "export"]
