"""Tests pairs against the same steps taken with another library, and crops against the whole photograph."""

import dataclasses
import math
import pickle

import numpy as np
import pytest
from masked_samples import save
from photographs import random_photograph
from scipy import ndimage
from srgb import decode, encode

from blurkit.camera.response import load_response
from blurkit.errors import BadImageError, UsageError
from blurkit.kernels.rasterization import ANCHORS, statistics
from blurkit.pair.crop import draw_crop, valid_box
from blurkit.pair.pair import make_pair
from blurkit.pipeline.produce import make_samples
from blurkit.pipeline.settings import Settings
from blurkit.recipes.load import load_recipe
from blurkit.shard import open_dataset
from blurkit.sources import open_source


def convolve(image, kernel):
    return np.stack([ndimage.convolve(image[..., c], kernel.astype(float), mode="mirror") for c in range(3)], axis=-1)


@pytest.fixture
def photograph(rng):
    return random_photograph(rng, bright=300, grain=12)


@pytest.mark.parametrize("seed", range(6))
def test_clean_is_encode_of_kernel_times_decode_of_sharp(photograph, seed):
    pair = make_pair(photograph, load_recipe("clean"), rng=np.random.default_rng(seed))
    assert np.array_equal(pair.sharp, photograph)
    expected = encode(convolve(decode(photograph), pair.kernel)) * 255
    assert np.abs(pair.blurred - expected).max() < 0.51


def test_deblurgan_blurs_the_codes_themselves(photograph):
    pair = make_pair(photograph, load_recipe("deblurgan"), rng=np.random.default_rng(1))
    assert np.abs(pair.blurred - convolve(photograph.astype(float), pair.kernel)).max() < 0.51


@pytest.mark.parametrize("recipe", ["clean", "deblurgan"])
def test_brightness_is_kept(photograph, recipe):
    response = load_response(load_recipe(recipe).response.decode)
    for seed in range(10):
        pair = make_pair(photograph, load_recipe(recipe), rng=np.random.default_rng(seed))
        assert response.decode(pair.blurred).mean() == pytest.approx(response.decode(pair.sharp).mean(), rel=0.02)


@pytest.mark.parametrize("name", ["clean", "handheld", "deblurgan"])
def test_a_crop_of_the_pair_is_the_pair_of_the_crop(photograph, name):
    """A crop with a halo of true pixels has the same bits as a crop of the blurred photograph."""
    recipe = dataclasses.replace(load_recipe(name), noise=None, jpeg=None)
    for seed in range(8):
        cropped = make_pair(photograph, recipe, rng=np.random.default_rng(seed), size=(64, 96))
        y, x, height, width = cropped.crop
        whole = make_pair(photograph, recipe, rng=np.random.default_rng(seed))
        assert np.array_equal(cropped.kernel, whole.kernel)
        assert np.array_equal(cropped.sharp, photograph[y : y + height, x : x + width])
        if not recipe.saturation:  # highlights are drawn after the crop
            assert np.array_equal(cropped.blurred, whole.blurred[y : y + height, x : x + width])


def test_the_noise_is_the_models(photograph):
    """Noisy pixels of one grey. Their variance in linear light is shot * I + read^2, plus the variance of the quantisation."""
    grey = np.full((400, 600, 3), 128, np.uint8)
    recipe = load_recipe("handheld", ["jpeg=none", "noise.shot=1e-3", "noise.read_scatter=0"])
    pair = make_pair(grey, recipe, rng=np.random.default_rng(0))
    light = decode(pair.blurred)
    level = decode(np.array(128))
    step = decode(np.array(129)) - level
    read = math.exp((2.18 * math.log(1e-3) + 1.20) / 2)
    assert pair.parameters["shot"] == pytest.approx(1e-3)
    assert pair.parameters["read"] == pytest.approx(read)
    assert light.mean() == pytest.approx(level, rel=2e-3)
    assert light.var() == pytest.approx(1e-3 * level + read**2 + step**2 / 12, rel=0.02)


def test_highlights_spread_when_they_were_clipped():
    image = np.full((101, 101, 3), 20, np.uint8)
    image[50, 50] = 255
    plain = make_pair(image, load_recipe("clean", ["trajectory.near_identity=0"]), rng=np.random.default_rng(2))
    recipe = load_recipe("clean", ["trajectory.near_identity=0", "saturation.highlight=1.5"])
    raised = make_pair(image, recipe, rng=np.random.default_rng(2))
    assert raised.parameters["highlight"] == 1.5
    gain = (decode(raised.blurred) - decode(np.array(20))).sum() / (decode(plain.blurred) - decode(np.array(20))).sum()
    assert gain == pytest.approx(2.5, rel=0.1)


def test_another_encoding_serves_both_images(photograph):
    recipe = load_recipe("clean", ["response.encode=gamma2.2"])
    pair = make_pair(photograph, recipe, rng=np.random.default_rng(4))
    assert np.abs(pair.sharp - 255 * decode(photograph) ** (1 / 2.2)).max() < 0.51
    expected = 255 * convolve(decode(photograph), pair.kernel) ** (1 / 2.2)
    assert np.abs(pair.blurred - expected).max() < 0.52


def test_jpeg_is_drawn_for_its_share(photograph):
    recipe = load_recipe("handheld", ["jpeg.share=0.5"])
    drawn = [make_pair(photograph[:40, :40], recipe, rng=np.random.default_rng(seed)).parameters for seed in range(300)]
    qualities = [parameters["jpeg_quality"] for parameters in drawn if "jpeg_quality" in parameters]
    assert len(qualities) == pytest.approx(150, abs=35)
    assert 60 <= min(qualities) <= 63
    assert 97 <= max(qualities) <= 100


def low_frequency_shift(sharp, blurred):
    """The signed shift (x, y) in pixels of linear light: the slope of the cross-spectrum's phase over its lowest frequencies."""
    spectra = [np.fft.fft2(decode(np.arange(256))[codes].mean(axis=2)) for codes in (sharp, blurred)]
    cross = spectra[1] * spectra[0].conj()
    y, x = np.meshgrid(*map(np.fft.fftfreq, cross.shape), indexing="ij")
    low = (np.hypot(y, x) < 2.5 / max(cross.shape)) & (cross != cross[0, 0])
    slopes = -2 * np.pi * np.stack((x[low], y[low]), axis=1)
    share = np.sqrt(np.abs(cross[low]))  # where there is no light, there is no phase
    return np.linalg.lstsq(slopes * share[:, None], np.angle(cross[low]) * share, rcond=None)[0]


@pytest.mark.parametrize("name", ["clean", "handheld"])
def test_on_average_blurred_lies_where_sharp_does(name):
    """200 pairs. No highlight is clipped and no light crosses the border, so that a shift is a shift of the image itself."""
    photographs = [record.read().pixels for record in open_source("sample").records]
    spot = np.sqrt(np.outer(np.hanning(130), np.hanning(130)))[1:-1, 1:-1, None]
    recipe, shifts = load_recipe(name), []
    for seed in range(200):
        rng = np.random.default_rng((20, seed))
        photograph = photographs[seed % len(photographs)]
        y, x = rng.integers(0, np.subtract(photograph.shape[:2], 128))
        lit = np.rint(0.9 * spot * photograph[y : y + 128, x : x + 128]).astype(np.uint8)
        pair = make_pair(lit, recipe, rng=rng)
        shifts.append(low_frequency_shift(pair.sharp, pair.blurred))
    assert np.std(shifts) > 0.005, "a kernel's own asymmetry scatters single pairs"
    assert np.abs(np.mean(shifts, axis=0)).max() < 0.02


@pytest.mark.parametrize("anchor", ANCHORS)
def test_a_stored_kernel_lies_by_the_anchor_of_its_stored_path(anchor, tmp_path):
    recipe = load_recipe("clean", [f"kernel.anchor={anchor}", "kernel.exposure=[0.1, 0.3337, 1]"])
    (record, *_), settings = open_source("sample").records, Settings(recipe, size=(8, 8), per_image=60)
    save(tmp_path, make_samples(record, settings))
    dataset = open_dataset(tmp_path)
    assert len(dataset) == 60
    for pair in dataset:
        steps = pair.meta["exposure"] * len(pair.path)
        weights = np.clip(steps - np.arange(len(pair.path)), 0, 1)
        mean = np.average(pair.path, axis=0, weights=weights)
        places = {
            "centroid": mean,
            "start": pair.path[0],
            "midpoint": [np.interp(steps / 2 - 0.5, np.arange(len(pair.path)), axis) for axis in pair.path.T],
            "bbox": (pair.path.min(axis=0) + pair.path.max(axis=0)) / 2,
        }
        assert places[anchor] == pytest.approx((0, 0), abs=0.001)
        assert statistics(pair.kernel).centroid == pytest.approx(mean, abs=0.02)


@pytest.mark.parametrize("shape", [(1, 1), (1, 90), (3, 2), (17, 200), (513, 5)])
def test_any_size_and_aspect(shape, rng):
    image = rng.integers(0, 256, (*shape, 3), np.uint8)
    pair = make_pair(image, load_recipe("handheld"), rng=rng)
    assert pair.sharp.shape == pair.blurred.shape == (*shape, 3)


def test_the_same_generator_gives_the_same_pair(photograph):
    first, second = (make_pair(photograph, load_recipe(), rng=np.random.default_rng(9), size=(50, 60)) for _ in range(2))
    assert np.array_equal(first.blurred, second.blurred)
    assert first.parameters == second.parameters


def test_crops_keep_their_halo_inside_where_it_fits(rng):
    crops = np.array([draw_crop((200, 300), (100, 100), 40, rng=rng) for _ in range(500)])
    assert crops[:, 0].min() == 40
    assert crops[:, 0].max() == 60
    assert crops[:, 1].min() == 40
    assert crops[:, 1].max() == 160
    tight = np.array([draw_crop((120, 300), (100, 100), 40, rng=rng) for _ in range(500)])
    assert (tight[:, 0].min(), tight[:, 0].max()) == (0, 20)


@pytest.mark.parametrize(
    ("shape", "crop", "reach", "expected"),
    [
        ((200, 300), (40, 40, 100, 100), 40, (0, 0, 100, 100)),
        ((200, 300), (0, 250, 100, 50), 40, (40, 0, 60, 10)),
        ((50, 50), (0, 0, 50, 50), 30, (30, 30, 0, 0)),
    ],
)
def test_valid_is_what_saw_the_photograph_alone(shape, crop, reach, expected):
    assert valid_box(shape, crop, reach) == expected


def test_pixels_inside_valid_do_not_depend_on_the_border(photograph):
    """If the photograph is surrounded by other pixels, the valid part stays the same."""
    pair = make_pair(photograph, load_recipe("clean"), rng=np.random.default_rng(11))
    y, x, height, width = pair.valid
    inner = (slice(y, y + height), slice(x, x + width))
    padded = np.pad(photograph, ((60, 60), (60, 60), (0, 0)), constant_values=200)
    expected = encode(convolve(decode(padded), pair.kernel))[60:-60, 60:-60] * 255
    assert height > 50
    assert np.abs(pair.blurred - expected)[inner].max() < 0.51


IMAGE = r"an image is a NumPy array, uint8 \(H, W, 3\) RGB, got "
SIZE = r"size is \(height, width\) in pixels, the side of a square, or None for the whole image; got "
SEED = r"rng is a numpy.random.Generator or a seed, which is a whole number >= 0; got "
RECIPE = "recipe takes a result of load_recipe, or the name or file of a recipe; got "


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": np.zeros((90, 90, 3), np.float32)}, IMAGE + r"float32 \(90, 90, 3\)"),
        ({"image": np.zeros((90, 90, 3))}, IMAGE + r"float64 \(90, 90, 3\)"),
        ({"image": np.zeros((90, 90), np.uint8)}, IMAGE + r"uint8 \(90, 90\)"),
        ({"image": np.zeros((3, 90, 90), np.uint8)}, IMAGE + r"uint8 \(3, 90, 90\)"),
        ({"image": np.zeros((0, 90, 3), np.uint8)}, IMAGE + r"uint8 \(0, 90, 3\)"),
        ({"image": "a.jpg"}, IMAGE + "str"),
        ({"rng": "x"}, SEED + "'x'"),
        ({"rng": 1.5}, SEED + "1.5"),
        ({"rng": -1}, SEED + "-1"),
        ({"size": 0}, SIZE + "0"),
        ({"size": (64, 0)}, SIZE + r"\(64, 0\)"),
        ({"size": 12.5}, SIZE + "12.5"),
        ({"size": "64"}, SIZE + "'64'"),
        ({"size": True}, SIZE + "True"),
        ({"size": (64, 64, 3)}, SIZE + r"\(64, 64, 3\)"),
        ({"size": 128}, "90x90 pixels, smaller than the asked 128x128"),
        ({"recipe": None}, RECIPE + "NoneType"),
        ({"recipe": {"name": "clean"}}, RECIPE + "dict"),
        ({"recipe": "claen"}, "unknown recipe 'claen': .* did you mean 'clean'"),
    ],
)
def test_a_wrong_argument_is_told_what_is_taken_and_what_came(changes, message):
    arguments = {"image": np.zeros((90, 90, 3), np.uint8), "recipe": "clean", "rng": 3, "size": 64} | changes
    with pytest.raises(UsageError, match=message + "$" if "did you" not in message else message):
        make_pair(**arguments)


def test_a_tensor_is_no_image():
    torch = pytest.importorskip("torch")
    with pytest.raises(UsageError, match=IMAGE + "Tensor$"):
        make_pair(torch.zeros((90, 90, 3), dtype=torch.uint8), "clean", rng=3)


def test_a_photograph_smaller_than_the_crop_is_one_that_cannot_be_used():
    """In a dataset, this photograph becomes a line of the ledger, with its reason."""
    with pytest.raises(BadImageError, match="80x63 pixels, smaller than the asked 64x64") as caught:
        make_pair(np.zeros((63, 80, 3), np.uint8), "clean", rng=3, size=(64, 64))
    assert caught.value.reason == "too_small"
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), again.reason, str(again)) == (type(caught.value), "too_small", str(caught.value))


@pytest.mark.parametrize("size", [np.int64(48), 48, (48, 48), [48, 48]])
def test_a_name_a_seed_and_a_side_are_enough(photograph, size):
    pair = make_pair(photograph, "clean", rng=3, size=size)
    expected = make_pair(photograph, load_recipe("clean"), rng=np.random.default_rng(3), size=(48, 48))
    assert np.array_equal(pair.blurred, expected.blurred)
    assert pair.parameters == expected.parameters


def test_a_pair_introduces_itself_in_one_short_line(photograph):
    pair = make_pair(photograph, "clean", rng=3, size=(64, 96))
    assert repr(pair) == "Pair(64x96 pixels, kernel, path, 6 parameters)"
    for name in ("handheld", "rotation", "defocus"):
        text = repr(make_pair(photograph, name, rng=3, size=64))
        assert len(text) < 100
        assert "\n" not in text
        assert ("nodes, poses" in text) == (name == "rotation")
