"""Compares recipes with real blur: ``python docs/real_blur.py DATA [RECIPE ...]`` in the root of the repository.

DATA holds ``blurred_pairs/reds_320x180/*/{sharp,blur}`` and ``blurred_pairs/blur_only``, and sharp photographs in ``photos`` and
``mapillary``. The table is printed as Markdown; the pictures, of statistics alone, go to ``docs/_static``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from blur_measures import MEASURES, Floats, edge_blur, gradients, luma, pair_blur, shape_exponent, stacked
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pictures import FOLDER, STYLE, TEXT

from blurkit import load_recipe, load_response
from blurkit.decode import read_image
from blurkit.pipeline.produce import load_photograph, make_sample
from blurkit.pipeline.settings import Settings
from blurkit.recipes.recipe import Recipe
from blurkit.sources import ImageRecord, open_source

Pixels = NDArray[np.uint8]

RECIPES = ("handheld", "rotation", "street")
#: What brings the recipe ``street`` nearer to the real pairs; and the roll, where no objects move to make blur vary.
NEARER = ("rotation.length=[2, 40]", "rotation.anxiety=[0, 0.0003]", "kernel.exposure=[0.5]", "noise.shot=[1e-6, 1e-4]")
ROLL = "rotation.roll=[20, 80]"
#: Synthetic pairs of each photograph: twice as many as real ones of REDS, and more of the few streets.
DRAWS, STREET_DRAWS = 2, 6
#: Photographs are averaged over blocks until their longer side is about so many pixels.
SIDE = 640

#: Ticks are for readers here; those of the pictures of images are left out.
PLOTS: dict[Any, Any] = {
    **STYLE, "xtick.color": TEXT, "ytick.color": TEXT, "axes.grid": True, "grid.color": "#2a2c31", "axes.axisbelow": True
}  # fmt: skip
COLOURS = {
    "sharp": "#8d929c",
    "real": "#ffffff",
    "handheld": "#2fd6ff",
    "rotation": "#ffb02e",
    "street": "#7ee081",
    "nearer": "#ff4787",
}
LABELS = {"reds": "REDS, 320 x 180 px", "photos": "photographs, about 640 px", "streets": "Mapillary, about 640 px"}
QUANTILES = (0.1, 0.5, 0.9)


@dataclass
class Group:
    """Statistics of images of one kind: exponents and counts of the gradients, in codes from -255 to 255; for each image the
    matrices of its patches, from edges, and from pairs, with the shifts of the latter."""

    exponents: list[float] = field(default_factory=list)
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(511, np.int64))
    edges: list[Floats] = field(default_factory=list)
    pairs: list[Floats] = field(default_factory=list)
    shifts: list[float] = field(default_factory=list)

    def add(self, pixels: Pixels, sharp: Pixels | None = None) -> None:
        """Count an image of RGB codes, and, where its sharp partner is given, what lies between the two."""
        grey = luma(pixels)
        differences = gradients(grey)
        self.exponents.append(shape_exponent(differences))
        self.counts += np.bincount(differences.astype(int) + 255, minlength=511)
        self.edges.append(stacked(edge_blur(grey)))
        if sharp is not None:
            found = list(pair_blur(light(sharp), light(pixels)))
            self.pairs.append(stacked(matrix for matrix, _ in found))
            self.shifts += [float(np.hypot(*shift)) for _, shift in found]


def main() -> None:
    """Measure, print and draw."""
    if len(sys.argv) < 2 or not (Path(sys.argv[1]) / "blurred_pairs").is_dir():
        raise SystemExit("usage: python docs/real_blur.py DATA [RECIPE ...], where DATA/blurred_pairs is")
    data, recipes = Path(sys.argv[1]), {name: load_recipe(name) for name in sys.argv[2:] or RECIPES}
    rolling = recipes | {"nearer": load_recipe("street", (*NEARER, ROLL))}
    moving = recipes | {"nearer": load_recipe("street", NEARER)}
    groups = {"reds": reds(data, rolling), "photos": photographs(data, rolling), "streets": streets(data, moving)}
    for name, kinds in groups.items():
        print(f"\n{LABELS[name]}\n\n{table(kinds)}")
    with plt.rc_context(PLOTS):
        draw_gradients(groups).savefig(FOLDER / "real-blur-gradients.png", dpi=100)
        draw_pairs(groups).savefig(FOLDER / "real-blur-pairs.png", dpi=100)
        draw_edges(groups).savefig(FOLDER / "real-blur-edges.png", dpi=100)


def reds(data: Path, recipes: dict[str, Recipe]) -> dict[str, Group]:
    """Real pairs, and synthetic ones of the same sharp frames."""
    records = [record for record in open_source(str(data / "blurred_pairs/reds_320x180")).records if "/sharp/" in record.id]
    kinds = groups_of(recipes)
    for record in records:
        kinds["real"].add(read_image(record.path.replace("/sharp/", "/blur/")).pixels, record.read().pixels)
    return blurred(records, recipes, kinds)


def photographs(data: Path, recipes: dict[str, Recipe]) -> dict[str, Group]:
    """Real blurred photographs without a sharp partner, and sharp photographs of others, with synthetic blur."""
    kinds = groups_of(recipes)
    for record in open_source(str(data / "blurred_pairs/blur_only")).records:
        kinds["real"].add(load_photograph(record, settings(record, next(iter(recipes.values())))).pixels)
    return blurred([*open_source(str(data / "photos")).records, *mapillary(data)], recipes, kinds, pairs=False)


def streets(data: Path, recipes: dict[str, Recipe]) -> dict[str, Group]:
    """Photographs of streets whose objects are outlined, so that they can move."""
    return blurred([record for record in mapillary(data) if len(record.masks())], recipes, groups_of(recipes), draws=STREET_DRAWS)


def mapillary(data: Path) -> list[ImageRecord]:
    """The photographs of Mapillary Vistas that are large enough."""
    source = open_source("mapillary", root=data / "mapillary/mapillary-vistas-dataset_public_v2.0")
    return [record for record in source.records if max(record.size()) >= SIDE]


def groups_of(recipes: dict[str, Recipe]) -> dict[str, Group]:
    """An empty group for each kind of image."""
    return {kind: Group() for kind in ("sharp", "real", *recipes)}


def blurred(
    records: list[ImageRecord], recipes: dict[str, Recipe], kinds: dict[str, Group], *, draws: int = DRAWS, pairs: bool = True
) -> dict[str, Group]:
    """The groups with whole photographs and ``draws`` of each by each recipe added, the same at every run."""
    for record in records:
        photograph = load_photograph(record, settings(record, next(iter(recipes.values()))))
        kinds["sharp"].add(photograph.pixels)
        for kind, recipe in recipes.items():
            for variant in range(draws):
                sample = make_sample(photograph, settings(record, recipe), variant)
                kinds[kind].add(sample.blurred, sample.sharp if pairs else None)
    return kinds


def settings(record: ImageRecord, recipe: Recipe) -> Settings:
    """Whole photographs of about :data:`SIDE` pixels."""
    return Settings(recipe, size=None, downscale=max(1, round(max(record.size()) / SIDE)))


def light(pixels: Pixels) -> Floats:
    """Linear luminance, by the sRGB curve and the Rec. 601 weights, (h, w)."""
    return np.asarray(load_response("srgb").table[pixels] @ (0.299, 0.587, 0.114), np.float64)


def table(kinds: dict[str, Group]) -> str:
    """Quantiles of everything, as Markdown: a row for each kind of image and measure of it."""
    rows = ["| images | n | exponent | from | " + " | ".join(MEASURES) + " |", "|" + "---|" * (4 + len(MEASURES))]
    for kind, group in kinds.items():
        for way, frames in (("pairs", group.pairs), ("edges", group.edges)):
            if frames:
                cells = [quantiles(measure(frames)) for measure in MEASURES.values()]
                rows.append(f"| {kind} | {len(frames)} | {quantiles(group.exponents)} | {way} | " + " | ".join(cells) + " |")
        if group.shifts:
            rows.append(f"| {kind} | | | shift [px] | {quantiles(group.shifts)} |" + " |" * (len(MEASURES) - 1))
    return "\n".join(rows)


def quantiles(values: Iterable[float]) -> str:
    """10, 50 and 90 %, where there are any."""
    found = np.asarray(values)
    return ", ".join(f"{value:.2f}" for value in np.quantile(found, QUANTILES)) if found.size else ""


def draw_gradients(groups: dict[str, dict[str, Group]]) -> Figure:
    """The density of gradients on a logarithmic scale, and the exponents of the images."""
    figure, grid = panels(2)
    for (density, exponent), name in zip(grid, ("reds", "photos"), strict=True):
        for kind, group in groups[name].items():
            density.plot(np.arange(-255, 256), np.log10(np.maximum(group.counts, 0.5) / group.counts.sum()), **line(kind))
            exponent.ecdf(group.exponents, **line(kind))
        density.set(title=LABELS[name], xlabel="gradient of the luma [codes / px]", ylabel="log10 of the share of pixels")
        density.set(xlim=(-120, 120), ylim=(-6, 0))
        exponent.set(title=LABELS[name], xlabel="exponent of the gradients' density", ylabel="share of images")
        density.legend(frameon=False)
    return figure


def draw_pairs(groups: dict[str, dict[str, Group]]) -> Figure:
    """The blur between sharp and blurred, where both are known; over the photographs of streets the real pairs of REDS again."""
    figure, grid = panels(3)
    names = list(MEASURES)
    for axes, name, label in zip(grid.flat, names + names[2:], ["reds"] * 4 + ["streets"] * 2, strict=True):
        kinds = groups[label] | {"real": groups["reds"]["real"]}
        draw_measure(axes, name, {kind: MEASURES[name](group.pairs) for kind, group in kinds.items() if group.pairs})
        axes.set_title(LABELS[label])
    return figure


def draw_edges(groups: dict[str, dict[str, Group]]) -> Figure:
    """The blur of edges, of photographs alone."""
    figure, grid = panels(2)
    for row, label in zip(grid, ("reds", "photos"), strict=True):
        for axes, name in zip(row, list(MEASURES)[:2], strict=True):
            draw_measure(axes, name, {kind: MEASURES[name](group.edges) for kind, group in groups[label].items()})
            axes.set_title(LABELS[label])
    return figure


def panels(rows: int) -> tuple[Figure, NDArray[Any]]:
    """Empty panels, two in a row."""
    return plt.subplots(rows, 2, figsize=(14, 4.6 * rows), layout="constrained")


def draw_measure(axes: Axes, name: str, values: dict[str, Floats]) -> None:
    """Cumulative shares of one measure, a curve for each kind of image."""
    for kind, found in values.items():
        axes.ecdf(found, **line(kind))
    axes.set(xlabel=name, ylabel="share of frames" if "frame" in name else "share of patches")
    if "[px]" in name:
        axes.set_xscale("log")
        axes.set_xticks([1, 2, 4, 8, 16, 32], ["1", "2", "4", "8", "16", "32"], minor=False)
        axes.set_xticks([], minor=True)
        axes.set_xlim(0.7, 45)
    axes.legend(frameon=False)


def line(kind: str) -> dict[str, Any]:
    """How a kind of image is drawn."""
    return {"color": COLOURS.get(kind, "#b79cff"), "label": kind, "linewidth": 3 if kind == "real" else 1.8}


if __name__ == "__main__":
    main()
