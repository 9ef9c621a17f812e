"""Tests that images are read from arrays: as NumPy reads them, one at a time, and that damage is an error that names the file."""

import os
import zipfile

import numpy as np
import pytest

from blurkit.decode.image_arrays import array_names, find_array, read_array_image
from blurkit.decode.place import ImagePlace
from blurkit.errors import BadImageError


def stack(count=5, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (count, 20, 14, 3), np.uint8)


@pytest.fixture(params=["npy", "npz", "compressed"])
def stored(request, tmp_path):
    """The path of a stack of images, and its key."""
    path = tmp_path / ("all.npy" if request.param == "npy" else "all.npz")
    if request.param == "npy":
        np.save(path, stack())
        return str(path), ""
    (np.savez if request.param == "npz" else np.savez_compressed)(path, labels=np.arange(3), sharp=stack())
    return str(path), "sharp"


def test_each_image_is_that_of_numpy_in_any_order(stored):
    array = find_array(*stored)
    assert (array.count, array.height, array.width) == (5, 20, 14)
    for number in (0, 1, 4, 2, 2):
        assert np.array_equal(read_array_image(*stored, number), stack()[number])
    with pytest.raises(BadImageError, match="has no image 5"):
        read_array_image(*stored, 5)


def test_a_single_image(tmp_path):
    np.save(tmp_path / "one.npy", stack()[0])
    place = ImagePlace(str(tmp_path / "one.npy"))
    assert place.count() is None
    assert place.size() == (20, 14)
    assert np.array_equal(place.read().pixels, stack()[0])
    right = ImagePlace(place.path, half="right")
    assert right.size() == (20, 7)
    assert np.array_equal(right.read().pixels, stack()[0][:, 7:])


def test_a_file_that_is_cut_off_is_named_and_kills_nobody(stored):
    path, key = stored
    assert read_array_image(path, key, 0).shape == (20, 14, 3)
    os.truncate(path, os.path.getsize(path) // 2)
    with pytest.raises(BadImageError, match=r"all\.np[yz]: the array cannot be read"):
        read_array_image(path, key, 4)


def test_an_array_that_declares_more_images_than_its_file_can_hold_is_not_believed(tmp_path):
    np.save(tmp_path / "all.npy", stack())
    data = (tmp_path / "all.npy").read_bytes()
    count = f"({len(stack())}, 20".encode()
    (tmp_path / "all.npy").write_bytes(data.replace(count, b"(9" + count[2:], 1))
    with pytest.raises(BadImageError, match=r"all\.npy: the array cannot be read: the file is cut off"):
        find_array(str(tmp_path / "all.npy"))


def test_damage_in_a_compressed_array_is_named(tmp_path):
    path = tmp_path / "all.npz"
    np.savez_compressed(path, sharp=np.zeros((400, 20, 14, 3), np.uint8))
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("sharp.npy").header_offset + 60
    data = bytearray(path.read_bytes())
    data[start : start + 200] = b"\xff" * 200
    path.write_bytes(data)
    with pytest.raises(BadImageError, match=r"all\.npz: the array cannot be read"):
        [read_array_image(str(path), "sharp", number) for number in range(400)]


def test_what_is_no_array_of_images_is_refused_by_its_kind(tmp_path):
    for number, array in enumerate((np.zeros((8, 8, 3)), np.zeros((8, 8), np.uint8), np.asfortranarray(stack()))):
        np.save(tmp_path / f"{number}.npy", array)
        with pytest.raises(BadImageError, match=r"an array is uint8 \(H, W, 3\) or \(N, H, W, 3\), this is"):
            find_array(str(tmp_path / f"{number}.npy"))
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(BadImageError, match=r"objects\.npy"):
        read_array_image(str(tmp_path / "objects.npy"))
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(BadImageError, match=r"text\.npz: the array cannot be read"):
        array_names(str(tmp_path / "text.npz"))


def test_the_names_of_the_arrays(tmp_path):
    np.savez(tmp_path / "two.npz", blur=stack(), sharp=stack(seed=2))
    assert array_names(str(tmp_path / "two.npz")) == ["blur", "sharp"]
    with pytest.raises(BadImageError, match="no item named"):
        find_array(str(tmp_path / "two.npz"), "other")
