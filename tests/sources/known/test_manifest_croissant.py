"""Tests that the manifests are valid Croissant: the reference implementation reads the same values as blurkit."""

import json

import pytest
from croissant_reader import ignore_deprecation, mlcroissant
from packaged import MANIFESTS

from blurkit.sources.known.manifest import load_manifest, manifest_names

pytestmark = ignore_deprecation

#: The facts that mlcroissant recommends but the publisher does not state.
UNSTATED = {
    name: {f'[Metadata({title})] Property "https://schema.org/version" is recommended, but does not exist.'}
    for name, title in {"gopro_large": "GOPRO_Large", "cityscapes": "Cityscapes", "bdd100k": "BDD100K, 100K images"}.items()
}


@pytest.fixture(scope="module", params=manifest_names())
def pair(request):
    """A dataset as mlcroissant reads it, which raises where it is not valid, and as blurkit does."""
    return mlcroissant.Dataset(MANIFESTS / f"{request.param}.json"), load_manifest(request.param)


def rows(dataset, record_set):
    records = dataset.records(record_set)
    return [{key.split("/")[1]: value for key, value in record.items()} for record in records]


def text(value):
    return value.decode() if isinstance(value, bytes) else value


def test_it_is_valid_croissant_1_1_without_warnings(pair):
    dataset, manifest = pair
    assert dataset.metadata.ctx.is_v1_1()
    assert dataset.metadata.ctx.issues.errors == set()
    assert dataset.metadata.ctx.issues.warnings == UNSTATED.get(manifest.name, set())


def test_the_description_is_the_same(pair):
    dataset, manifest = pair
    metadata = dataset.metadata
    expected = (manifest.title, manifest.description, manifest.version or None, manifest.url, manifest.citation)
    assert (metadata.name, metadata.description, metadata.version, metadata.url, metadata.cite_as) == expected
    assert metadata.creators
    assert metadata.date_published.year >= 2016
    licences = [one if isinstance(one, str) else f"{one.name} ({one.url})" for one in metadata.license]
    assert sorted(licences) == sorted(manifest.licence)


def test_the_extension_reaches_other_readers_as_urn_blurkit(pair):
    dataset, manifest = pair
    extension = dataset.metadata.extra_properties
    assert extension["urn:blurkit:folder"] == manifest.folder
    assert extension["urn:blurkit:obtain"] == manifest.obtain
    assert "\n".join(json.loads(extension["urn:blurkit:layout"])) == manifest.layout


def test_the_archives_are_the_same(pair):
    dataset, manifest = pair
    files = [file for file in dataset.metadata.file_objects if file.encoding_formats == ["application/zip"]]
    read = {
        (
            file.name,
            file.content_url,
            file.content_size,
            file.sha256,
            file.md5 or "",
            file.extra_properties.get("urn:blurkit:split", ""),
        )
        for file in files
    }
    assert read == {
        (archive.name, archive.url, archive.bytes and f"{archive.bytes} B", archive.sha256, archive.md5, archive.split)
        for archive in manifest.archives
    }


def test_the_records_are_the_same(pair):
    dataset, manifest = pair
    splits = [(text(row["name"]), text(row["folder"]), row["images"]) for row in rows(dataset, "splits")]
    assert splits == [(split.name, split.folder, split.images) for split in manifest.splits]
    if manifest.photographs:
        read = [{key: text(value) for key, value in row.items()} for row in rows(dataset, "photographs")]
        assert read == [{key: photograph[key] for key in read[0]} for photograph in manifest.photographs]
        assert set(read[0]) == set(manifest.photographs[0]) - {"bytes", "sha256"}
        files = [file for file in dataset.metadata.file_objects if file.encoding_formats == ["image/jpeg"]]
        hashes = {(file.name, file.sha256, file.content_size) for file in files}
        assert hashes == {(photo["file"], photo["sha256"], f"{photo['bytes']} B") for photo in manifest.photographs}
