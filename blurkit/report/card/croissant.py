"""The description of a dataset for programs: Croissant 1.1, https://docs.mlcommons.org/croissant/."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from blurkit.program.progress import plural
from blurkit.report.card.facts import Facts
from blurkit.report.card.stamp import PLACE
from blurkit.sources.licence import licence_address

_HDF5 = "application/x-hdf5"

#: The terms of Croissant 1.1 that stand for themselves.
_TERMS = (
    *("arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field", "fileObject", "fileProperty"),
    *("fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet"),
    *("references", "regex", "repeated", "replace", "samplingRate", "separator", "source", "subField", "transform"),
)

_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "blurkit": "urn:blurkit:",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    **{term: f"cr:{term}" for term in _TERMS},
}


def croissant(facts: Facts) -> str:
    """The description as JSON-LD, with a place for a stamp.

    What nobody has stated is left out: who publishes the dataset, when and where, and a licence where none is known.
    """
    licences = list(_licences(facts))
    cited = [origin.manifest for origin in facts.origins if origin.manifest is not None]
    document = {
        "@context": dict(sorted(_CONTEXT.items())),
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "blurkit:stamp": PLACE,
        "name": facts.title,
        "description": _description(facts),
        "version": "1.0.0",
        "identifier": f"sha256-sum:{facts.index['digest']}",
        "isLiveDataset": False,
        "keywords": ["motion blur", "deblurring", "image restoration", "paired images", "blurkit"],
        **({"license": licences} if licences else {}),
        **({"citeAs": "\n\n".join(manifest.citation for manifest in cited)} if cited else {}),
        **({"isBasedOn": [manifest.url for manifest in cited]} if cited else {}),
        "distribution": list(_distribution(facts)),
        **({"recordSet": [_licence_counts(facts)]} if facts.licences else {}),
    }
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def _description(facts: Facts) -> str:
    configuration = facts.configuration
    size = "whole photographs" if configuration["size"] == "full" else f"crops of {configuration['size']} pixels (height x width)"
    return (
        f"{facts.summary} Size: {size}. Made by blurkit {configuration['versions']['blurkit']} with the recipe "
        f"{configuration['recipe']['name']}, seed {configuration['seed']}. Every pair is under the licence of its photograph, "
        "which is in the column `licence` of the shards."
    )


def _licences(facts: Facts) -> Iterator[str | dict[str, str]]:
    """An address where there is one, else the name that the source gives."""
    for licence in filter(None, facts.pairs_by_licence()):
        yield licence_address(licence) or {"@type": "sc:CreativeWork", "name": licence}


def _distribution(facts: Facts) -> Iterator[dict[str, Any]]:
    files = [record for record in facts.index["shards"] if record["file"] is not None]
    for record in files:
        yield {
            "@type": "cr:FileObject",
            "@id": record["file"],
            "name": record["file"],
            "description": plural(record["samples"], "pair"),
            "contentUrl": record["file"],
            "contentSize": f"{record['bytes']} B",
            "encodingFormat": _HDF5,
            "sha256": record["sha256"],
        }
    if files:
        yield {
            "@type": "cr:FileSet",
            "@id": "shards",
            "name": "shards",
            "description": "All shards: HDF5 files of format version 1, one row of every column for each pair.",
            "encodingFormat": _HDF5,
            "includes": "*.h5",
        }


def _licence_counts(facts: Facts) -> dict[str, Any]:
    kinds = {"source": "sc:Text", "licence": "sc:Text", "pairs": "sc:Integer"}
    return {
        "@type": "cr:RecordSet",
        "@id": "licences",
        "name": "licences",
        "description": "How many pairs are made of photographs of each source under each licence; an empty licence is not known.",
        "field": [
            {"@type": "cr:Field", "@id": f"licences/{name}", "name": f"licences/{name}", "dataType": kind}
            for name, kind in kinds.items()
        ],
        "data": [
            {"licences/source": source, "licences/licence": licence, "licences/pairs": pairs}
            for (source, licence), pairs in sorted(facts.licences.items())
        ],
    }
