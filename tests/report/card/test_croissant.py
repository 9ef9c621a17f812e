"""Tests the Croissant description of a dataset with the reference implementation of Croissant."""

import collections
import hashlib
import json

import pytest
from croissant_reader import ignore_deprecation, mlcroissant

from blurkit.pipeline.choices import Choices
from blurkit.report.card.croissant import croissant
from blurkit.report.card.facts import gather
from blurkit.shard.index import Dataset

pytestmark = ignore_deprecation


@pytest.fixture
def described(write, tmp_path):
    """A function: a small dataset of two shards, with these sources in its configuration, and mlcroissant's view of it."""

    def describe(*sources):
        records = []
        for name in ("00000.h5", "00001.h5"):
            path, samples, written = write([(70, 50)] * 3, name)
            records.append({"file": name, "samples": len(samples), "bytes": path.stat().st_size, "sha256": written.sha256})
        configuration = {**Choices().plan().configuration, "images_of": dict.fromkeys(sources, 3)}
        index = {"digest": "c" * 64, "samples": 6, "bytes": 1, "failed": 0, "skipped": 0}
        index |= {"configuration": configuration, "shards": [*records, {"file": None, "samples": 0, "bytes": 0, "sha256": None}]}
        facts = gather(Dataset(tmp_path, [record["file"] for record in records], [3, 3], index), [])
        (tmp_path / "croissant.json").write_text(croissant(facts), encoding="utf-8")
        return facts, mlcroissant.Dataset(tmp_path / "croissant.json")

    return describe


def missing(name, *properties):
    return {f'[Metadata({name})] Property "{iri}" is recommended, but does not exist.' for iri in properties}


DATE, CITE = "https://schema.org/datePublished", "http://mlcommons.org/croissant/citeAs"


@pytest.mark.parametrize(("sources", "unstated"), [(("coco", "gopro", "folder"), (DATE,)), (("folder",), (DATE, CITE))])
def test_it_is_valid_croissant_1_1_and_lacks_what_nobody_has_stated_alone(described, sources, unstated):
    facts, dataset = described(*sources)
    assert dataset.metadata.ctx.is_v1_1()
    assert dataset.metadata.ctx.issues.errors == set()
    assert dataset.metadata.ctx.issues.warnings == missing(facts.title, *unstated)


def test_it_names_every_shard_with_its_size_and_hash(described, tmp_path):
    metadata = described("coco")[1].metadata
    assert [file.content_url for file in metadata.file_objects] == ["00000.h5", "00001.h5"]
    for file in metadata.file_objects:
        content = (tmp_path / file.content_url).read_bytes()
        assert (file.content_size, file.sha256) == (f"{len(content)} B", hashlib.sha256(content).hexdigest())
        assert file.encoding_formats == ["application/x-hdf5"]
    (shards,) = metadata.file_sets
    assert sorted(path.name for pattern in shards.includes for path in tmp_path.glob(pattern)) == ["00000.h5", "00001.h5"]


def test_it_says_what_the_dataset_is(described):
    facts, dataset = described("coco", "gopro")
    metadata = dataset.metadata
    assert metadata.name == facts.title == "Motion-blurred pairs: COCO 2017 + GOPRO_Large"
    assert metadata.license == ["https://creativecommons.org/publicdomain/zero/1.0/"]
    assert "6 pairs" in metadata.description
    assert metadata.version == "1.0.0"
    assert not metadata.creators
    assert {"lin2014coco", "nah2017deep"} <= set(metadata.cite_as.replace("{", ",").split(","))
    assert json.loads(croissant(facts))["isLiveDataset"] is False


def test_licences_can_be_counted_by_programs(described):
    facts, dataset = described("folder")
    rows = [{key.split("/")[1]: value for key, value in row.items()} for row in dataset.records("licences")]
    texts = [{key: value.decode() if isinstance(value, bytes) else value for key, value in row.items()} for row in rows]
    assert collections.Counter({(row["source"], row["licence"] or ""): row["pairs"] for row in texts}) == facts.licences
