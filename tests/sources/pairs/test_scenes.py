"""Tests which pairs belong to one scene."""

import pytest

from blurkit.sources.pairs import scene_folders

GROUPS = {
    "gopro": (["a/blur/1.png", "a/blur/2.png", "b/blur/1.png"], ["a/blur", "a/blur", "b/blur"]),
    "a folder for each pair": (["1/01/blur/b.png", "1/02/blur/b.png", "2/03/blur/b.png"], ["1", "1", "2"]),
    "variants of one name": (["1/01/b", "1/01/b", "2/02/b", "2/03/b"], ["1", "1", "2", "2"]),
    "flat": (["blur/1.png", "blur/2.png"], ["blur", "blur"]),
    "no scenes": (["1/b.png", "2/b.png"], ["", ""]),
    "one": (["b.png"], [""]),
}


@pytest.mark.parametrize("group", GROUPS)
def test_scene_folders(group):
    names, expected = GROUPS[group]
    assert scene_folders(names) == expected
