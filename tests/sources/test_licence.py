"""Tests the names of licences: from their addresses, and as users write them."""

import json

import pytest

from blurkit.sources.licence import coco_licence, matches


@pytest.mark.parametrize(
    ("address", "licence"),
    [
        ("http://creativecommons.org/licenses/by-nc-sa/2.0/", "CC-BY-NC-SA-2.0"),
        ("HTTPS://CreativeCommons.org/licenses/BY-NC/2.0", "CC-BY-NC-2.0"),
        ("https://www.creativecommons.org/licenses/by-sa/4.0/deed.en", "CC-BY-SA-4.0"),
        ("https://creativecommons.org/licenses/by/4.0/legalcode", "CC-BY-4.0"),
        ("https://creativecommons.org/licenses/by/3.0/de/", "CC-BY-3.0-DE"),
        ("https://creativecommons.org/licenses/by/3.0/de/deed.en", "CC-BY-3.0-DE"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
        ("https://creativecommons.org/publicdomain/mark/1.0/", "public domain"),
        ("http://flickr.com/commons/usage/", "no-known-restrictions"),
        ("https://www.flickr.com/commons/usage/", "no-known-restrictions"),
        ("http://www.usa.gov/copyright.shtml", "US-government-work"),
        ("https://example.org/licenses/by/4.0/", "Own name"),
        ("", "Own name"),
        (None, "Own name"),
        (17, "Own name"),
    ],
)
def test_the_address_decides_and_the_name_comes_second(address, licence):
    assert coco_licence({"id": 4, "url": address, "name": " Own name "}) == licence


@pytest.mark.parametrize("entry", [{}, {"name": None}, {"name": 3, "url": []}, {"id": 1}])
def test_without_address_and_name_nothing_is_known(entry):
    assert coco_licence(entry) == ""


def test_the_licences_of_coco(test_data):
    text = (test_data / "coco" / "annotations" / "instances_train2017.json").read_text()
    assert [coco_licence(entry) for entry in json.loads(text)["licenses"]] == [
        "CC-BY-NC-SA-2.0",
        "CC-BY-NC-2.0",
        "CC-BY-NC-ND-2.0",
        "CC-BY-2.0",
        "CC-BY-SA-2.0",
        "CC-BY-ND-2.0",
        "no-known-restrictions",
        "US-government-work",
    ]


@pytest.mark.parametrize(
    ("licence", "wanted"),
    [
        *(("CC-BY-2.0", wanted) for wanted in ("by", "BY", "cc-by", "CC BY", "ccby", "cc-by-2.0", "CC BY 2.0", "cc_by_2.0")),
        ("CC-BY-4.0", "by"),
        ("CC-BY-3.0-DE", "by"),
        ("CC-BY-3.0-DE", "cc-by-3.0"),
        ("CC-BY-3.0-DE", "cc by 3.0 de"),
        ("CC-BY-NC-SA-2.0", "by nc sa"),
        ("CC0-1.0", "cc0"),
        ("CC0-1.0", "CC0 1.0"),
        ("public domain", "public-domain"),
        ("public domain", "PublicDomain"),
        ("", "unknown"),
        ("no-known-restrictions", "no known restrictions"),
        ("US-government-work", "us government work"),
    ],
)
def test_what_matches(licence, wanted):
    assert matches(licence, wanted)


@pytest.mark.parametrize(
    ("licence", "wanted"),
    [
        *((licence, "by") for licence in ("CC-BY-SA-2.0", "CC-BY-NC-2.0", "CC-BY-ND-2.0", "CC0-1.0", "", "public domain")),
        ("CC-BY-2.0", "cc-by-4.0"),
        ("CC-BY-2.0", "by-sa"),
        ("CC-BY-2.0", "unknown"),
        ("CC-BY-3.0", "cc-by-3.0-de"),
        ("CC-BY-2.0", "cc"),
        ("", "cc"),
        ("", "cc0"),
        ("CC0-1.0", "public domain"),
    ],
)
def test_what_does_not_match(licence, wanted):
    assert not matches(licence, wanted)
