"""Draws contact sheets, histograms and pages of pictures, and writes the card of a dataset."""

from typing import TYPE_CHECKING

from blurkit.lazy import offer

if TYPE_CHECKING:
    from blurkit.report.histograms import histogram as histogram
    from blurkit.report.histograms import text_histogram as text_histogram
    from blurkit.report.page import Page as Page
    from blurkit.report.plots import draw_histograms as draw_histograms
    from blurkit.report.sheet import draw_sheet as draw_sheet

_HOMES = {  # imported on first use: matplotlib is slow to import, and few commands draw
    "Page": "blurkit.report.page",
    "draw_histograms": "blurkit.report.plots",
    "draw_sheet": "blurkit.report.sheet",
    "histogram": "blurkit.report.histograms",
    "text_histogram": "blurkit.report.histograms",
}

__all__ = list(_HOMES)
__getattr__, __dir__ = offer(__name__, _HOMES)
