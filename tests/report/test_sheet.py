"""Tests contact sheets by their pixels."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from drawn_pictures import bounds, flat, near, read
from numpy.lib.stride_tricks import sliding_window_view

from blurkit.errors import UsageError
from blurkit.kernels.rasterization import exposed_path, rasterize
from blurkit.report.page import CLOSES, FORMATS, OPENS, Page, fitted, text_width
from blurkit.report.plots import draw_histograms
from blurkit.report.sheet import draw_sheet
from blurkit.shard.format import Sample
from blurkit.truth.masks import Masks
from blurkit.truth.object_motion import ObjectMotion

NO_PATH = np.empty((0, 2), np.float32)
DELTA = np.ones((1, 1), np.float32)
SIGNATURES = {".png": b"\x89PNG", ".jpg": b"\xff\xd8", ".jpeg": b"\xff\xd8"}


def moving(points, exposure=1.0, **meta):
    """A sample of a path, with black images."""
    path = exposed_path(points, exposure=exposure).astype(np.float32)
    kernel = rasterize(points, exposure=exposure)
    return Sample(flat(0), flat(0), kernel, path, "moving", {"exposure": exposure, **meta})


def test_each_photograph_is_there_in_full(tmp_path):
    colors = [((200, 30 + 15 * i, 10), (10, 30 + 15 * i, 200)) for i in range(6)]
    samples = [Sample(flat(a), flat(b), DELTA, NO_PATH, f"image {i}", {}) for i, (a, b) in enumerate(colors)]
    draw_sheet(samples, tmp_path / "sheet.png", title="a title", subtitle="a subtitle")
    image = read(tmp_path / "sheet.png")
    assert image.shape[1] == 1880
    assert 3 * 320 < image.shape[0] < 3 * 480
    for sharp, blurred in colors:
        boxes = []
        for color in (sharp, blurred):
            top, bottom, left, right = bounds((image == color).all(axis=2))
            assert (bottom - top, right - left) == (320, 320)
            assert (image[top:bottom, left:right] == color).all()
            boxes.append((top, left))
        assert boxes[0][0] == boxes[1][0]
        assert 320 < boxes[1][1] - boxes[0][1] < 330


def test_photographs_keep_every_pixel(rng, tmp_path):
    noise = rng.integers(0, 256, (2, 320, 320, 3), np.uint8)
    draw_sheet([Sample(noise[0], noise[1], DELTA, NO_PATH, "a", {})] * 2, tmp_path / "sheet.png")
    image = read(tmp_path / "sheet.png")
    corners = sliding_window_view(image, (1, 8, 3))
    for picture in noise:
        places = np.argwhere((corners == picture[:1, :8]).all(axis=(3, 4, 5)))
        assert len(places) == 2
        for row, column, _ in places:
            np.testing.assert_array_equal(image[row : row + 320, column : column + 320], picture)


def test_the_path_lies_on_the_light_of_its_kernel(tmp_path):
    points = np.linspace((0, 0), (30, 12), 400)
    draw_sheet([moving(points)] * 2, tmp_path / "sheet.png")
    image = read(tmp_path / "sheet.png")[60:, 600:920].astype(int)  # the first sample's kernel
    saturation = image.max(axis=2) - image.min(axis=2)
    path = saturation > 60
    light = (saturation < 12) & (image.min(axis=2) > 40)
    light[bounds(path)[1] + 15 :] = False  # the scale bar and the captions
    light[: bounds(path)[0] - 15] = False
    np.testing.assert_allclose(np.mean(bounds(path)[:2]), np.mean(bounds(light)[:2]), atol=2)
    np.testing.assert_allclose(np.mean(bounds(path)[2:]), np.mean(bounds(light)[2:]), atol=2)
    scale = 6  # 240 / (1.2 * 31)
    assert bounds(path)[3] - bounds(path)[2] == pytest.approx(30 * scale, abs=14)
    starts, ends = near(image, OPENS), near(image, CLOSES)
    assert bounds(starts)[2] == bounds(path)[2]
    assert abs(bounds(ends)[3] - bounds(path)[3]) <= 1


def test_only_the_exposed_part_is_coloured(tmp_path):
    corner = np.concatenate((np.linspace((0, 0), (20, 0), 100), np.linspace((20, 0), (20, 20), 100)))
    extents = []
    for exposure in (0.5, 1.0):
        draw_sheet([moving(corner, exposure)] * 2, tmp_path / "sheet.png")
        image = read(tmp_path / "sheet.png")[60:, 600:920].astype(int)
        top, bottom, left, right = bounds(image.max(axis=2) - image.min(axis=2) > 60)
        extents.append((bottom - top, right - left))
    assert extents[0][0] < 16 < 60 < extents[0][1]
    assert extents[1][0] == pytest.approx(extents[1][1], abs=8)


def test_odd_samples_are_drawn(rng, tmp_path):
    points = np.cumsum(rng.normal(size=(5000, 2)) * 0.3, axis=0)
    ids = ["写真/東京.jpg", "$x^2$ $\\frac{$", "a\nb\x00\udcff", "long/" * 800, "العربية 😀", "", "%s {0}", "œ é ß"]
    shapes = [(40, 8000), (8000, 40), (1, 1), (480, 640), (640, 480), (8, 8), (320, 320), (2, 3000)]
    disk = np.hypot(*np.mgrid[-150:151, -150:151]) < 140
    kernels = [DELTA, (disk / disk.sum()).astype(np.float32), rasterize(points), rasterize(points, exposure=0.1)]
    metas = [{}, {"exposure": 1.0, "length": float("nan")}, {"variant": 1, "shot": 1e-4}, {"exposure": 0.1, "jpeg_quality": 60.0}]
    samples = []
    for i, (name, shape) in enumerate(zip(ids, shapes, strict=True)):
        path = exposed_path(points, exposure=metas[i % 4].get("exposure", 1.0)).astype(np.float32) if i % 4 >= 2 else NO_PATH
        image = rng.integers(0, 256, (*shape, 3), np.uint8)
        samples.append(Sample(image, image, kernels[i % 4], path, name, metas[i % 4]))
    still = Sample(flat(9), flat(9), DELTA, np.zeros((1, 2), np.float32), "still", {"exposure": 1.0, "length": 0.0})
    for count in (1, 3, 20):
        draw_sheet(([*samples, still] * 5)[:count], tmp_path / "sheet.png", title=ids[0] * 30, subtitle=ids[1] * 99)
        height, width, _ = read(tmp_path / "sheet.png").shape
        assert 1800 <= width <= 1900
        assert 200 < height < 6000


@pytest.mark.parametrize("suffix", [*FORMATS, ".PNG"])
def test_formats(tmp_path, suffix):
    path = tmp_path / "folder" / f"sheet{suffix}"
    for _ in range(2):
        draw_sheet([moving(np.zeros((1, 2)))], path)
        assert path.read_bytes().startswith(SIGNATURES[suffix.lower()])
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_sheet_is_the_same_every_time(tmp_path):
    for name in ("a.png", "b.png"):
        draw_sheet([moving(np.linspace((0, 0), (9, 4), 50), 0.5)], tmp_path / name, title="a")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_what_cannot_be_drawn_is_refused(tmp_path):
    for name in ("sheet.bmp", "sheet"):
        with pytest.raises(UsageError, match=r"picture format.*\.png, \.jpg, \.jpeg"):
            draw_sheet([moving(np.zeros((1, 2)))], tmp_path / name)
        with pytest.raises(UsageError, match="picture format"):
            draw_histograms({"a": [1.0]}, tmp_path / name)
    with pytest.raises(UsageError, match="at least one sample"):
        draw_sheet([], tmp_path / "sheet.png")
    with pytest.raises(UsageError, match="no columns"):
        draw_histograms({}, tmp_path / "sheet.png")
    assert not list(tmp_path.iterdir())


def test_text_is_cut_in_the_middle_and_escaped():
    assert fitted("short.jpg", 20, 300) == "short.jpg"
    assert fitted("a\n写\udcff", 20) == "a\\n\\u5199\\udcff"
    name = "2019/holidays/a-rather-long-name_0001.jpg"
    for room in (60, 150, 300):
        text = fitted(name, 20, room)
        first, last = text.split("…")
        assert name.startswith(first)
        assert name.endswith(last)
        assert 0 <= len(first) - len(last) <= 1
        assert text_width(text, 20) <= room
        longer = f"{name[: len(first) + 1]}…{name[len(name) - len(last) - 1 :]}"
        assert text_width(longer, 20) > room
    assert fitted("", 20, 10) == ""
    assert fitted("abc", 20, 0) == "a…"


def test_the_width_of_text_is_that_of_its_ink(tmp_path):
    for text in ("HHHHHHHH", "H l l l H"):
        page = Page(600, 60)
        page.text(50, 40, text, 30, "#ffffff")
        page.save(tmp_path / "text.png")
        top, bottom, left, right = bounds(read(tmp_path / "text.png").max(axis=2) > 128)
        assert right - left == pytest.approx(text_width(text, 30), abs=8)
        assert bottom == pytest.approx(40, abs=1)
        assert bottom - top == pytest.approx(0.729 * 30, abs=1.5)  # the height of capitals in DejaVu Sans


def test_no_global_state_of_matplotlib():
    program = "import sys, blurkit.report.sheet; print('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "False\n"


def test_objects_that_moved_are_outlined_and_their_paths_drawn(tmp_path):
    """The outline over the sharp image, the path over the blurred one, and nothing of either where no object is."""
    planes = np.zeros((2, 320, 320), bool)
    planes[0, 40:100, 50:90] = planes[1, 200:260, 150:260] = True
    own = np.linspace((-30, 0), (30, 0), 200, dtype=np.float32)[None]
    moves = ObjectMotion(np.array([1], np.int32), own, np.ones((1, 1, 1), np.float32))
    still = Sample(flat(0), flat(0), DELTA, NO_PATH, "still", {})
    objects = Masks(planes, ("a", "b"), (1, 1), (False, False))
    draw_sheet([still, still], tmp_path / "plain.png")
    draw_sheet([dataclasses.replace(still, objects=objects, moves=moves), still], tmp_path / "moved.png")
    plain, image = read(tmp_path / "plain.png").astype(int), read(tmp_path / "moved.png").astype(int)
    top = bounds((plain == 0).all(axis=2))[0]
    sharp, blurred = (image[top : top + 320, left : left + 320] for left in (32, 357))
    np.testing.assert_allclose(bounds(near(sharp, OPENS)), (200, 260, 150, 260), atol=2)
    outline = sharp.max(axis=2) > 60
    assert outline[38:102, 48:92].any()
    assert not outline[45:95, 55:85].any()
    assert not outline[205:255, 155:255].any()
    np.testing.assert_allclose(bounds(blurred.max(axis=2) > 60), (230, 230, 175, 235), atol=8)


def test_a_mean_of_frames_has_an_empty_panel(tmp_path):
    sample = Sample(flat(90), flat(99), np.empty((0, 0), np.float32), NO_PATH, "mean", {"frames": 9.0})
    draw_sheet([sample, sample], tmp_path / "sheet.png")
    panel = read(tmp_path / "sheet.png")[130:430, 690:910]
    assert (panel == panel[0, 0]).all()
