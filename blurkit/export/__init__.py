"""Writes the pairs of a dataset in the formats of other programs: one file for each format, and what they share."""

from blurkit.export.exporter import Exporter, Job
from blurkit.export.formats import FORMATS
from blurkit.export.run import export

__all__ = ["FORMATS", "Exporter", "Job", "export"]
