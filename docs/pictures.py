"""Makes every picture of the documentation: ``python docs/pictures.py`` in the root of the repository."""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from blurkit import blur, camera_shake, load_recipe, load_response, rasterize
from blurkit.blurring.codes import blur_codes
from blurkit.camera.sensor import highlight_table
from blurkit.decode import read_image
from blurkit.kernels.rasterization import exposed_path
from blurkit.kernels.trajectory import ShakeTerms
from blurkit.pair.crop import laplacian_variance
from blurkit.pair.shake import draw_shake
from blurkit.sources import open_source
from trainer.evaluation.metrics import load_metrics

FOLDER = Path(__file__).parent / "_static"
LARGEST = 800_000

#: The least Laplacian variance that the documentation recommends.
SHARP = 100

#: One seed shows `clean` and `handheld` with the same paths: what differs is the sensor.
COMMANDS = (
    "blurkit preview -n 6 --size 160 --seed 26 -o docs/_static/preview.png",
    "blurkit preview -n 6 --size 160 --seed 3 --recipe clean -o docs/_static/preview-clean.png",
    "blurkit preview -n 6 --size 160 --seed 3 --recipe handheld -o docs/_static/preview-handheld.png",
    "blurkit preview -n 6 --size 160 --seed 3 --recipe deblurgan -o docs/_static/preview-deblurgan.png",
    "blurkit preview -n 4 --size 160 --seed 7 --recipe rotation -o docs/_static/preview-rotation.jpg",
    "blurkit preview -n 4 --size 160 --seed 2 --recipe defocus -o docs/_static/preview-defocus.jpg",
    "blurkit preview -n 4 --size 160 --seed 6 --recipe boracchi-foi -o docs/_static/preview-boracchi-foi.jpg",
    "blurkit preview -n 4 --size 160 --seed 5 --recipe vegan -o docs/_static/preview-vegan.jpg",
    "blurkit preview -n 3 --split test --size full --seed 5 --recipe objects -o docs/_static/preview-objects.jpg",
    "blurkit preview -n 3 --split test --size full --seed 2 --recipe street -o docs/_static/preview-street.jpg",
    "blurkit preview -n 5 --size 256 --src video --root pan --recipe frames -o docs/_static/preview-frames.jpg",
    "blurkit preview -n 5 --size 256 --src video --root pan --recipe frames-encoded -o docs/_static/preview-frames-encoded.jpg",
    "blurkit preview -n 4 --size 160 --seed 4 --recipe bank --set kernels=bank.npz -o docs/_static/preview-bank.jpg",
)

PAPER, PANEL, TEXT, OPENS, CLOSES, UNSEEN = "#17181b", "#08080a", "#d4d6db", "#2fd6ff", "#ff4787", "#ffffff60"
STYLE = {
    "figure.facecolor": PAPER, "axes.facecolor": PANEL, "savefig.facecolor": PAPER, "text.color": TEXT, "font.size": 13,
    "axes.edgecolor": PANEL, "axes.labelcolor": TEXT, "axes.titlecolor": TEXT, "axes.titlesize": 14,
}  # fmt: skip


def main() -> None:
    """Make the pictures and refuse those that are too large for a repository."""
    with tempfile.TemporaryDirectory() as folder:
        write_pan(Path(folder) / "pan")
        bank = ["kernels", "-n", "100", "--seed", "1", "--recipe", "deblurgan", "-o", f"{folder}/bank.npz"]
        subprocess.run([sys.executable, "-m", "blurkit", *bank], check=True)
        places = {"pan": f"{folder}/pan", "kernels=bank.npz": f"kernels={folder}/bank.npz"}
        for command in COMMANDS:
            words = [places.get(word, word) for word in shlex.split(command)]
            subprocess.run([sys.executable, "-m", *words, "--overwrite"], check=True, cwd=FOLDER.parent.parent)
    with plt.rc_context(STYLE):
        pictures = {
            "kernels.png": draw_kernels,
            "convention.png": draw_convention,
            "linear-light.png": draw_linear_light,
            "sharpness.jpg": draw_sharpness,
            "similarity.jpg": draw_similarity,
        }
        for name, draw in pictures.items():
            figure = draw()
            figure.savefig(FOLDER / name, dpi=120)
            plt.close(figure)
    for path in sorted(FOLDER.iterdir()):
        if path.stat().st_size > LARGEST:
            raise SystemExit(f"{path} has {path.stat().st_size} bytes, more than {LARGEST}: show fewer pairs, or write .jpg")


def write_pan(folder: Path) -> None:
    """Frames of a pan over a packaged photograph, two pixels apart."""
    photograph = next(record.path for record in open_source("sample").records if record.id == "rocket")
    codes = read_image(photograph).pixels
    folder.mkdir()
    for number in range(40):
        frame = codes[140 : 140 + 280, 2 * number : 2 * number + 420]
        (folder / f"{number:03d}.png").write_bytes(cv2.imencode(".png", frame[..., ::-1])[1].tobytes())


def draw_kernels() -> Figure:
    """Kernels of whole exposures at one scale: a row for each anxiety of ``clean``, a column for each draw of the terms."""
    trajectory = load_recipe("clean").trajectory
    assert trajectory is not None
    anxieties, columns, side, length = trajectory.anxiety, 8, 61, 60.0
    figure, grid = plt.subplots(len(anxieties), columns, figsize=(14, 1.78 * len(anxieties)), layout="constrained")
    for row, anxiety in zip(grid, anxieties, strict=True):
        row[0].set_ylabel(f"anxiety {anxiety:g}")
        for number, axes in enumerate(row):
            rng = np.random.default_rng(number)
            path = camera_shake(length=length, **ShakeTerms.draw(rng=rng).rates(anxiety), rng=rng)
            show_light(axes, np.sqrt(rasterize(path, size=side)))
            show_ends(axes, exposed_path(path) + side // 2, size=3)
    return figure


def draw_convention() -> Figure:
    """An impulse at p becomes the kernel centred on p."""
    rng = np.random.default_rng(3)
    path = camera_shake(length=22, diffusion=1.5, pull=0.5, reversals=0, rng=rng)
    kernel = rasterize(path)
    side, p = 41, (14, 24)
    impulse = np.zeros((side, side), np.float32)
    impulse[p] = 1
    blurred = blur(impulse, kernel)
    figure, axes = plt.subplots(1, 3, figsize=(13, 4.7), layout="constrained")
    show_light(axes[0], impulse, f"an impulse at p, here ({p[0]}, {p[1]})")
    show_light(axes[1], np.sqrt(kernel), f"a kernel of {len(kernel)} x {len(kernel)} taps")
    points = exposed_path(path) + len(kernel) // 2
    axes[1].plot(*points.T, color=OPENS, linewidth=1.2)
    show_ends(axes[1], points, size=7)
    show_light(axes[2], np.sqrt(np.maximum(blurred, 0)), "their convolution")
    for panel, (row, column) in zip(axes, (p, [len(kernel) // 2] * 2, p), strict=True):
        panel.axhline(row, color=UNSEEN, linewidth=0.8)
        panel.axvline(column, color=UNSEEN, linewidth=0.8)
    return figure


def draw_linear_light() -> Figure:
    """The same kernel on linear light, with highlights that were clipped, and on the codes as they are."""
    photograph = next(record.path for record in open_source("sample").records if record.id == "astronaut")
    codes = np.ascontiguousarray(read_image(photograph).pixels[300:480, 230:500])
    rng = np.random.default_rng(9)
    kernel = rasterize(camera_shake(length=26, diffusion=0.6, pull=0.3, reversals=0, rng=rng))
    srgb, linear = load_response("srgb"), load_response("linear")
    light = highlight_table(srgb, 1.0, 0.99)[codes]
    panels = {
        "sharp": codes,
        "blurred codes: highlights turn grey": blur_codes(codes, kernel, linear),
        "blurred linear light": blur_codes(codes, kernel, srgb),
        "linear light, clipped highlights restored": srgb.quantize(blur(light, kernel)),
    }
    figure, axes = plt.subplots(2, 2, figsize=(13, 9.1), layout="constrained")
    for panel, (title, image) in zip(axes.flat, panels.items(), strict=True):
        panel.imshow(image, interpolation="nearest")
        panel.set_title(title)
        panel.set_xticks([])
        panel.set_yticks([])
    return figure


def draw_sharpness() -> Figure:
    """Patches in the order of their Laplacian variance, and one patch under more and more blur."""
    photographs = {record.id: read_image(record.path).pixels for record in open_source("sample").records}
    side, columns = 192, 7
    box = (20, 140, side, side)  # a face
    blurred = {"sharp": photographs["astronaut"][20 : 20 + side, 140 : 140 + side]}
    for length in (2, 5, 10, 20, 40, 60):
        changes = [f"trajectory.length={length}", "trajectory.anxiety=0.001", "trajectory.near_identity=0", "kernel.exposure=1.0"]
        kernel = draw_shake(load_recipe("clean", changes), rng=np.random.default_rng(5)).kernel
        blurred[f"a path of {length} px"] = blur_codes(photographs["astronaut"], kernel, load_response("srgb"), box=box)
    figure, grid = plt.subplots(3, columns, figsize=(14, 8), layout="constrained")
    figure.suptitle(f"Laplacian variance, kept from {SHARP} on", fontsize=14)
    for axes, patch in zip(grid[:2].flat, graded_patches(photographs, side, 2 * columns), strict=True):
        show_sharpness(axes, patch)
    for axes, (title, patch) in zip(grid[2], blurred.items(), strict=True):
        show_sharpness(axes, patch, title)
    return figure


def draw_similarity() -> Figure:
    """One photograph, changed in several ways, over its value of each metric of structural similarity."""
    photograph = next(record.path for record in open_source("sample").records if record.id == "astronaut")
    sharp = np.ascontiguousarray(read_image(photograph).pixels[10:330, 90:410])
    rng = np.random.default_rng(4)
    path = camera_shake(length=60, diffusion=0.8, pull=0.4, reversals=0, rng=rng)
    blurred = {length: blur_codes(sharp, rasterize(path * (length / 60)), load_response("srgb")) for length in (4, 12, 30)}
    panels = {f"blur of {length} px": image for length, image in blurred.items()}
    panels["noise of 12 codes"] = np.clip(sharp + rng.normal(0, 12, sharp.shape), 0, 255).astype(np.uint8)
    panels["noise of colour only"] = np.clip(sharp + rng.normal(0, 1, (*sharp.shape[:2], 1)) * (25, -25, 25), 0, 255).astype(
        np.uint8
    )
    panels["moved by 2 px"] = np.roll(sharp, 2, axis=1)
    metrics = load_metrics("ssim,ssim_3d,cw_ssim")
    figure, grid = plt.subplots(2, 3, figsize=(13, 10.4), layout="constrained")
    for axes, (title, image) in zip(grid.flat, panels.items(), strict=True):
        axes.imshow(image, interpolation="nearest")
        axes.set_title(title)
        axes.set_xlabel("    ".join(f"{name} {metric.measure(image, sharp):.3f}" for name, metric in metrics.items()))
        axes.set_xticks([])
        axes.set_yticks([])
    return figure


def graded_patches(photographs: dict[str, NDArray[np.uint8]], side: int, number: int) -> list[NDArray[np.uint8]]:
    """Square patches, two of a photograph at most, each with about the same multiple of the Laplacian variance of the last."""
    patches = [
        (name, codes[y : y + side, x : x + side])
        for name, codes in photographs.items()
        for y in range(0, codes.shape[0] - side + 1, 40)
        for x in range(0, codes.shape[1] - side + 1, 40)
    ]
    values = np.array([laplacian_variance(patch) for _, patch in patches])
    chosen: list[int] = []
    for value in np.geomspace(values.min(), values.max(), number):
        names = [patches[index][0] for index in chosen]
        distance = np.abs(np.log(values / value))
        distance[[names.count(name) == 2 for name, _ in patches]] = np.inf
        distance[chosen] = np.inf
        chosen.append(int(np.argmin(distance)))
    return [patches[index][1] for index in sorted(chosen, key=lambda index: float(values[index]))]


def show_sharpness(axes: Axes, patch: NDArray[np.uint8], title: str = "") -> None:
    """A patch over its Laplacian variance, in the colour of what becomes of it."""
    value = laplacian_variance(patch)
    colour, fate = (OPENS, "kept") if value >= SHARP else (CLOSES, "dropped")
    axes.imshow(patch)
    axes.set_title(title)
    axes.set_xlabel(f"{value:,.0f}  {fate}", color=colour)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(color=colour, linewidth=3)


def show_ends(axes: Axes, points: NDArray[np.float64], size: float) -> None:
    """A ring where the shutter opens and a dot where it closes."""
    axes.plot(*points[0], "o", color=PANEL, markeredgecolor=OPENS, markersize=size)
    axes.plot(*points[-1], "o", color=CLOSES, markersize=size)


def show_light(axes: Axes, light: NDArray[np.float32], title: str = "") -> None:
    """An image of light in grey, without ticks."""
    axes.imshow(light, cmap="gray", interpolation="nearest")
    axes.set_title(title)
    axes.set_xticks([])
    axes.set_yticks([])


if __name__ == "__main__":
    main()
