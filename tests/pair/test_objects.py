"""Tests moving objects of a pair: their choice, their kernels against an independent splat, and their light."""

import dataclasses
import functools
import itertools
import math

import numpy as np
import pytest
from dataset_roots import CATEGORIES, coco_document, rectangle, write_coco, write_vistas
from photographs import random_photograph
from plain_recipes import PLAIN

from blurkit.blurring.layers.objects import blur_layers
from blurkit.camera.response import load_response
from blurkit.kernels.rasterization import exposure_weights
from blurkit.kernels.rotation import displacements
from blurkit.pair.camera_motion import draw_camera_motion
from blurkit.pair.draw import draw_motion
from blurkit.pair.objects import draw_objects
from blurkit.pair.pair import make_pair
from blurkit.pair.shake import Shake
from blurkit.pair.turn import Turn
from blurkit.pipeline.produce import make_samples
from blurkit.pipeline.settings import Settings
from blurkit.recipes.load import load_recipe
from blurkit.recipes.sections import Objects
from blurkit.sources import open_source
from blurkit.truth.box import Box
from blurkit.truth.masks import Masks
from blurkit.truth.scene import Scene

SRGB = load_response("srgb")
SHAPE = (150, 200)


@pytest.fixture(scope="module")
def photograph():
    return random_photograph(np.random.default_rng(3), (15, 20), 10)


def two_cars(names=("object--vehicle--car", "human--person"), crowd=(False, False)):
    """A large object on the left, and a smaller object that overlaps the large object."""
    planes = np.zeros((2, *SHAPE), bool)
    planes[0, 50:90, 60:110] = True
    planes[1, 70:100, 95:125] = True
    return Masks(planes, names, (3, 1), crowd)


def cropped(masks, box):
    y, x, height, width = box
    return masks.with_planes(masks.masks[:, y : y + height, x : x + width])


def scene_of(masks):
    return Scene(masks=functools.partial(cropped, masks))


def splat(points, weights, side):
    """Shares the weight of each point among the four pixels around the point, in plain loops."""
    kernel = np.zeros((side + 1, side + 1))
    for (x, y), weight in zip(points + side // 2, weights / weights.sum(), strict=True):
        column, row = math.floor(x), math.floor(y)
        for i, j in itertools.product((0, 1), repeat=2):
            kernel[row + i, column + j] += weight * abs(1 - i - (y - row)) * abs(1 - j - (x - column))
    return kernel[:-1, :-1]


def recipe_of(name, *settings):
    return load_recipe(name, [*PLAIN, "objects.least=50", *settings])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["objects", "street"])
def test_a_moved_objects_kernel_is_the_splat_of_both_motions(photograph, name, seed):
    recipe = recipe_of(name, "objects.count=2", "rotation.focal=1" if name == "street" else "trajectory.length=12")
    pair = make_pair(photograph, recipe, rng=np.random.default_rng(seed), size=(96, 128), scene=scene_of(two_cars()))
    assert len(pair.moves) == 2
    weights = exposure_weights(pair.moves.paths.shape[1], pair.parameters["exposure"])
    for number, own, kernel in zip(pair.moves.objects, pair.moves.paths, pair.moves.kernels, strict=True):
        y, x = (places.mean() + start for places, start in zip(np.nonzero(pair.objects.masks[number]), pair.crop, strict=False))
        if name == "street":
            center = (SHAPE[1] - 1) / 2, (SHAPE[0] - 1) / 2
            poses = pair.poses[: len(weights)]
            camera = -displacements(-poses, [(x, y)], focal=pair.parameters["focal"], center=center)[0]
        else:
            camera = pair.path[: len(weights)]
        expected = splat(camera + own[: len(weights)], weights, len(kernel))
        np.testing.assert_allclose(kernel, expected, atol=2e-6)
        assert kernel.sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("anchor", ["centroid", "start"])
def test_own_paths_are_as_drawn_and_anchored(anchor, rng):
    camera = draw_camera_motion(load_recipe("clean", ["kernel.exposure=0.5"]), SHAPE, rng=rng)
    rule = Objects(count=(40, 40), length=(10, 80), anxiety=(0.0,))
    moving = draw_objects(camera, rule, lambda box: Masks.none(*box[2:]), SHAPE, anchor=anchor, rng=rng)
    samples = len(camera.path)
    assert moving.own.shape == (40, samples, 2)
    lengths = np.hypot(*np.diff(moving.own, axis=1).transpose(2, 0, 1)).sum(axis=1) * samples / (samples - 1)
    assert lengths.min() > 9
    assert lengths.max() < 82
    assert np.ptp(lengths) > 40
    weights = exposure_weights(samples, 0.5)
    means = np.einsum("t,mtc->mc", weights / weights.sum(), moving.own[:, : len(weights)])
    anchored = means if anchor == "centroid" else moving.own[:, 0]
    np.testing.assert_allclose(anchored, 0, atol=1e-9)
    assert moving.reach >= camera.reach + np.abs(moving.own[:, : len(weights)]).max()


@pytest.mark.parametrize("name", ["objects", "street"])
def test_without_outlines_it_is_the_camera_alone(photograph, name):
    recipe = load_recipe(name)
    without = dataclasses.replace(recipe, objects=None)
    for seed in range(3):
        pair, plain = (make_pair(photograph, part, rng=np.random.default_rng(seed), size=(64, 64)) for part in (recipe, without))
        assert np.array_equal(pair.blurred, plain.blurred)
        assert np.array_equal(pair.saturation, plain.saturation)
        assert pair.parameters == plain.parameters
        assert pair.objects is None


@pytest.mark.parametrize("name", ["objects", "street"])
def test_far_from_objects_it_is_the_cameras_blur(photograph, name):
    """Far from objects the bits are equal. Near objects they differ."""
    recipe = recipe_of(name, "objects.length=12", "rotation.length=20" if name == "street" else "trajectory.length=12")
    masks = two_cars()
    box = Box(0, 0, *SHAPE)
    moving = draw_motion(recipe, SHAPE, scene_of(masks), rng=np.random.default_rng(1))
    blurred, plain = (
        motion.over(box, box, rng=np.random.default_rng(1)).blur(photograph, SRGB, box) for motion in (moving, moving.camera)
    )
    near = np.zeros(SHAPE, bool)
    rows, columns = np.nonzero(masks.masks.any(axis=0))
    far = moving.reach + 8
    near[rows.min() - far : rows.max() + far, columns.min() - far : columns.max() + far] = True
    assert (~near).sum() > 1500
    np.testing.assert_allclose(blurred[~near], plain[~near], atol=0 if name == "objects" else 1e-6)
    assert np.abs(blurred - plain)[masks.masks.any(axis=0)].max() > 0.05


@pytest.mark.parametrize("name", ["objects", "street"])
def test_the_light_is_that_of_all_layers(photograph, name):
    """The part of the photograph around the crop gives the same light as the whole photograph. The larger object is behind."""
    recipe = recipe_of(name, "objects.count=2", "objects.length=9")
    masks = two_cars()
    moving = draw_motion(recipe, SHAPE, scene_of(masks), rng=np.random.default_rng(4))
    crop = Box(60, 70, 40, 50)
    blur = moving.over(crop, crop, rng=np.random.default_rng(4))
    own = blur.truth.moves.paths[:, : len(moving.camera.weights)]
    assert blur.truth.moves.objects.tolist() == [0, 1]  # from back to front
    expected = blur_layers(SRGB.decode(photograph), masks.masks, moving.camera.paths(blur), own, box=crop)
    assert np.abs(blur.blur(photograph, SRGB, crop) - expected).max() < 2e-3  # paths are stored as float32
    swapped = blur_layers(SRGB.decode(photograph), masks.masks[::-1], moving.camera.paths(blur), own[::-1], box=crop)
    assert np.abs(swapped - expected).max() > 0.05


def test_far_from_the_corner_the_light_is_that_of_all_layers_too(photograph):
    """The photograph is so large that the part around the crop does not begin at its corner."""
    large = np.tile(photograph, (3, 3, 1))
    planes = np.zeros((1, *large.shape[:2]), bool)
    planes[0, 300:340, 420:470] = True
    masks = Masks(planes, ("human--person",), (1,), (False,))
    recipe = recipe_of("street", "objects.length=9", "rotation.length=8", "rotation.roll=8")
    moving = draw_motion(recipe, large.shape[:2], scene_of(masks), rng=np.random.default_rng(4))
    crop = Box(290, 410, 40, 50)
    blur = moving.over(crop, crop, rng=np.random.default_rng(4))
    own = blur.truth.moves.paths[:, : len(moving.camera.weights)]
    expected = blur_layers(SRGB.decode(large), planes, moving.camera.paths(blur), own, box=crop)
    assert np.abs(blur.blur(large, SRGB, crop) - expected).max() < 2e-3
    assert blur.truth.moves.objects.tolist() == [0]


@pytest.mark.parametrize(
    ("rule", "masks", "moved"),
    [
        (Objects(least=1), two_cars(), {0, 1}),
        (Objects(least=1), two_cars(crowd=(True, False)), {1}),
        (Objects(least=1), two_cars(crowd=(True, True)), set()),
        (Objects(least=901), two_cars(), {0}),
        (Objects(least=2001), two_cars(), set()),
        (Objects(least=1, classes=("person",)), two_cars(names=("car", "person")), {1}),
        (Objects(least=1, classes=("car",)), two_cars(names=("carrot", "car")), {1}),
        (Objects(least=1, classes=("car--",)), two_cars(names=("car--red", "car")), {0}),
        (Objects(least=1, classes=("boat",)), two_cars(), set()),
        (Objects(least=1, classes=("human--",)), two_cars(), {1}),
    ],
)
def test_only_what_can_move_moves(rule, masks, moved):
    camera = Shake(np.ones((1, 1), np.float32), np.zeros((30, 2)), parameters={"exposure": 1.0})
    box = Box(0, 0, *SHAPE)
    for seed in range(4):
        rng = np.random.default_rng(seed)
        rule = dataclasses.replace(rule, count=(2, 2))
        motion = draw_objects(camera, rule, functools.partial(cropped, masks), SHAPE, anchor="centroid", rng=rng)
        blur = motion.over(box, box, rng=rng)
        assert set(blur.truth.moves.objects.tolist()) == moved
        assert blur.uniform == (not moved)
        assert len(blur.truth.objects) == 2


def test_of_many_each_is_as_likely_and_no_more_than_drawn_move():
    planes = np.zeros((6, *SHAPE), bool)
    for number in range(6):
        planes[number, 20:40, 30 * number : 30 * number + 20] = True
    masks = Masks(planes, ("car",) * 6, (1,) * 6, (False,) * 6)
    camera = Shake(np.ones((1, 1), np.float32), np.zeros((10, 2)), parameters={"exposure": 1.0})
    counts, moved = np.zeros(4, int), np.zeros(6, int)
    for seed in range(300):
        rng = np.random.default_rng(seed)
        rule = Objects(count=(0, 3), least=1)
        motion = draw_objects(camera, rule, functools.partial(cropped, masks), SHAPE, anchor="centroid", rng=rng)
        objects = motion.over(Box(0, 0, *SHAPE), Box(0, 0, *SHAPE), rng=rng).truth.moves.objects
        counts[len(objects)] += 1
        moved[objects] += 1
    assert counts.min() > 50
    assert moved.min() > 0.7 * moved.mean()


def test_objects_outside_of_the_crop_are_neither_stored_nor_chosen(photograph):
    recipe = recipe_of("objects", "objects.count=5", "trajectory.length=5")
    for seed in range(4):
        pair = make_pair(photograph, recipe, rng=np.random.default_rng(seed), size=(30, 30), scene=scene_of(two_cars()))
        expected = cropped(two_cars(), pair.crop)
        assert pair.objects.names == expected.names
        assert np.array_equal(pair.objects.masks, expected.masks)
        sizes = expected.masks.sum(axis=(1, 2))
        assert pair.moves.objects.tolist() == np.flatnonzero(sizes >= 50).tolist()


def test_the_reach_of_a_rotation_covers_all_of_its_nodes():
    recipe = load_recipe("rotation", ["rotation.roll=30"])
    for shape in ((49, 145), (97, 60), (150, 200)):
        for seed in range(3):
            motion = draw_camera_motion(recipe, shape, rng=np.random.default_rng(seed))
            assert isinstance(motion, Turn)
            box = Box(0, 0, *shape)
            assert motion.over(box, box, rng=np.random.default_rng(0)).truth.nodes.reach <= motion.reach


def coco(folder):
    """One photograph of 72 x 96 pixels: a person, a bottle, and a crowd of persons."""
    document = coco_document(1)
    document["categories"] = CATEGORIES
    document["annotations"] = [
        {"id": 1, "image_id": 100, "category_id": 1, "segmentation": rectangle(20, 20, 24, 30)},
        {"id": 2, "image_id": 100, "category_id": 44, "segmentation": rectangle(60, 20, 20, 30)},
        {"id": 3, "image_id": 100, "category_id": 1, "iscrowd": 1, "segmentation": {"size": [72, 96], "counts": [0, 1440, 5472]}},
    ]
    (record,) = open_source("coco", root=write_coco(folder, document)).records
    return record


@pytest.mark.parametrize("factor", [1, 2])
def test_samples_of_coco_say_which_object_moved(tmp_path, factor):
    record = coco(tmp_path)
    settings = Settings(recipe_of("objects"), size=None, per_image=4, downscale=factor)
    samples = list(make_samples(record, settings))
    assert len(samples) == 4
    for sample in samples:
        assert sample.objects.names == ("person", "bottle", "person")
        assert sample.objects.crowd == (False, False, True)
        assert sample.moves.objects.tolist() == [0]  # bottles and crowds never move
        expected = np.zeros((72 // factor, 96 // factor), bool)
        expected[20 // factor : 50 // factor, 20 // factor : 44 // factor] = True
        assert np.array_equal(sample.masks[0], expected)
        assert np.array_equal(sample.kernel_at(35 // factor, 30 // factor), sample.moves.kernels[0])
        for y, x in ((30 // factor, 70 // factor), (60 // factor, 30 // factor)):
            assert np.array_equal(sample.kernel_at(y, x), sample.kernel)
        assert not np.array_equal(sample.moves.kernels[0], sample.kernel)


def test_a_crop_of_a_street_stores_the_moves_of_its_own_objects(tmp_path):
    write_vistas(tmp_path, "training", ["a" * 22])
    (record,) = open_source("mapillary", root=tmp_path).records
    settings = Settings(recipe_of("street", "rotation.length=8", "rotation.roll=5"), size=(48, 64), per_image=6)
    moved = 0
    for sample in make_samples(record, settings):
        whole = record.masks(sample.meta["crop"])
        assert np.array_equal(sample.masks, whole.masks)
        assert set(sample.objects.names) <= {"object--vehicle--car"}
        for number, kernel in zip(sample.moves.objects, sample.moves.kernels, strict=True):
            y, x = np.argwhere(sample.masks[number])[0]
            assert np.array_equal(sample.kernel_at(int(y), int(x)), kernel)
            moved += 1
        y, x = np.argwhere(~sample.masks.any(axis=0))[0]
        assert np.array_equal(sample.kernel_at(int(y), int(x)), sample.nodes.at(y, x))
    assert moved > 4


def test_of_two_that_overlap_the_kernel_is_that_of_the_one_in_front(photograph):
    recipe = recipe_of("objects", "objects.count=2")
    for seed in range(4):
        pair = make_pair(photograph, recipe, rng=np.random.default_rng(seed), scene=scene_of(two_cars()))
        assert pair.moves.objects.tolist() == [0, 1]
        assert pair.objects.masks[:, 80, 100].all()
