"""Tests the choice of the frame, turning and cutting, against Pillow."""

import numpy as np
import pytest
from PIL import Image

from blurkit.decode.header import Header
from blurkit.decode.objects.frame import find_frame
from blurkit.errors import BadImageError, UsageError

TURNS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def turned(array, orientation):
    turn = TURNS[orientation]
    return array if turn is None else np.asarray(Image.fromarray(array).transpose(turn))


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_stored_frame_is_turned_and_the_upright_frame_is_not(rng, orientation, dtype):
    stored = rng.integers(0, 256, (20, 31)).astype(dtype)
    upright = turned(stored.astype(np.uint8), orientation)
    header = Header("JPEG", 20, 31, orientation=orientation)
    whole = find_frame((20, 31), header, None, "annotation")
    assert whole.cut_size == header.size == upright.shape
    np.testing.assert_array_equal(whole.cut(stored), upright)
    box = (3, 5, 11, 8)
    np.testing.assert_array_equal(find_frame((20, 31), header, box, "annotation").cut(stored), upright[3:14, 5:13])
    if orientation >= 5:
        np.testing.assert_array_equal(find_frame((31, 20), header, box, "annotation").cut(upright), upright[3:14, 5:13])


@pytest.mark.parametrize("size", [(21, 31), (31, 20), (0, 0), (None, None), ("20", "31"), (10**30, [[1] * 99])])
def test_another_size_is_refused_with_both_sizes(size):
    with pytest.raises(BadImageError, match="31 x 20") as caught:
        find_frame(size, Header("JPEG", 20, 31), None, "annotation")
    assert caught.value.reason == "size_mismatch"
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("box", [(0, 0, 21, 5), (0, 30, 5, 2), (-1, 0, 5, 5)])
def test_a_box_beyond_the_photograph_is_refused(box):
    with pytest.raises(UsageError, match="leaves the image of 20 x 31 pixels"):
        find_frame((20, 31), Header("JPEG", 20, 31), box, "annotation")
