"""Tests cutting a photograph into layers: together they give the photograph, and no layer holds pixels of another object."""

import numpy as np
import pytest
from moving_objects import coco_record
from photographs import disk_mask

from blurkit.blurring.layers.cutout import cut_out
from blurkit.blurring.layers.fill import GROWTH, grown
from blurkit.camera.response import load_response


def disk(y, x, radius):
    return disk_mask((90, 120), y, x, radius)


def laid(layers):
    scene = layers.background.astype(float)
    for layer, clear in zip(layers.objects, layers.clear, strict=True):
        scene = scene + clear[..., None] * (layer[..., :3] - layer[..., 3:] * scene)
    return scene + layers.residual.sum(axis=0)


@pytest.mark.parametrize(("name", "still"), [("106499", ()), ("338304", (1, 4)), ("239627", (0,)), ("417285", (5,))])
def test_the_layers_are_the_photograph(test_data, name, still):
    record = coco_record(test_data, name)
    linear, masks = load_response("srgb").decode(record.read().pixels), record.masks().masks[:6]
    moving = np.array([j not in still for j in range(len(masks))])
    layers = cut_out(linear, masks, moving)
    assert len(layers.objects) == len(layers.clear) == len(layers.residual) == moving.sum()
    np.testing.assert_allclose(laid(layers), linear, atol=1e-6)
    assert layers.objects[..., 3].min() >= 0
    assert layers.objects[..., 3].max() <= 1 + 1e-6
    far = ~grown(masks.any(axis=0), GROWTH)  # a moving object may continue behind a standing object
    assert np.array_equal(layers.background[far], linear[far])
    assert (layers.residual[:, far] == 0).all()


def test_the_background_knows_nothing_of_an_object_nor_the_object_of_the_background(rng):
    linear, mask = rng.random((90, 120, 3), dtype=np.float32), disk(40, 60, 20)
    layers = cut_out(linear, mask[None], np.array([True]))
    changed = np.where(grown(mask, GROWTH)[..., None], 5, linear).astype(np.float32)
    other = cut_out(changed, mask[None], np.array([True]))
    assert np.array_equal(other.background[~grown(mask, GROWTH)], layers.background[~grown(mask, GROWTH)])
    np.testing.assert_allclose(other.background[mask], layers.background[mask], atol=1e-6)
    changed = np.where(mask[..., None], linear, 5).astype(np.float32)
    assert np.array_equal(cut_out(changed, mask[None], np.array([True])).objects, layers.objects)


def test_outlines_are_soft_and_in_place():
    mask = disk(40, 60, 20)
    opacity = cut_out(np.ones((90, 120, 3), np.float32), mask[None], np.array([True])).objects[0, ..., 3]
    assert opacity.sum() == pytest.approx(mask.sum(), rel=1e-4)
    assert opacity[~grown(~mask, 3)] == pytest.approx(1)
    assert (opacity[~grown(mask, 3)] == 0).all()
    assert opacity[40, 82] < 0.1 < opacity[40, 81] < 0.4 < opacity[40, 80] < 0.6 < opacity[40, 79]


def test_an_object_goes_on_behind_what_hides_it():
    linear, body, bar = np.full((90, 120, 3), 0.1, np.float32), disk(45, 60, 30), np.zeros((90, 120), bool)
    bar[:, 55:65] = True
    linear[body], linear[bar] = 0.6, 0.9
    for moving in ([True, True], [True, False]):
        layers = cut_out(linear, np.stack((body & ~bar, bar)), np.array(moving))
        assert np.abs(layers.objects[0][30:60, 50:70] - (0.6, 0.6, 0.6, 1)).max() < 0.01
        assert layers.objects[0][:8, 50:70, 3].max() == 0
        assert np.array_equal(layers.clear[0], 1 - grown(bar, 1) * (not moving[1]))
    assert np.array_equal(layers.background[bar], linear[bar]), "what stands stays in the background"


def test_a_pixel_of_several_belongs_to_the_last():
    linear, back, front = np.full((90, 120, 3), 0.1, np.float32), disk(45, 50, 25), disk(45, 75, 25)
    linear[back] = 0.5
    linear[front] = 0.9
    layers = cut_out(linear, np.stack((back, front)), np.array([True, True]))
    assert layers.objects[0, ..., :3].max() < 0.51
    assert np.abs(layers.objects[1][~grown(~front, 3)] - (0.9, 0.9, 0.9, 1)).max() < 1e-5


def test_an_object_that_others_cover_is_no_layer_of_anything():
    masks = np.stack((disk(45, 50, 10), disk(45, 50, 20), np.zeros((90, 120), bool)))
    layers = cut_out(np.ones((90, 120, 3), np.float32), masks, np.array([True, False, True]))
    np.testing.assert_allclose(laid(layers), 1, atol=1e-6)
    assert (layers.objects[0, ..., 3] * layers.clear[0]).max() == 0
