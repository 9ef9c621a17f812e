"""Writes the description of a dataset for programs: Croissant 1.1, https://docs.mlcommons.org/croissant/."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from blurkit.program.progress import plural
from blurkit.report.card.facts import Facts
from blurkit.report.card.stamp import PLACE
from blurkit.sources.licence import licence_address

_HDF5 = "application/x-hdf5"


def croissant(facts: Facts) -> str:
    """Returns the description as JSON-LD, with a placeholder for the stamp.

    Unknown facts are left out: who publishes the dataset, when and where, and the licence if no licence is known.
    """
    licences = filter(None, facts.pairs_by_licence())
    cited = [origin.manifest for origin in facts.origins if origin.manifest is not None]
    document = {
        "@context": _context(),
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "blurkit:stamp": PLACE,
        "name": facts.title,
        "description": _description(facts),
        "version": "1.0.0",
        "identifier": f"sha256-sum:{facts.index['digest']}",
        "isLiveDataset": False,
        "keywords": ["motion blur", "deblurring", "image restoration", "paired images", "blurkit"],
        "license": [licence_address(name) or {"@type": "sc:CreativeWork", "name": name} for name in licences],
        "citeAs": "\n\n".join(manifest.citation for manifest in cited),
        "isBasedOn": [manifest.url for manifest in cited],
        "distribution": _distribution(facts),
        "recordSet": [_licence_counts(facts)] if facts.licences else [],
    }
    stated = {key: value for key, value in document.items() if value not in ("", []) or key == "distribution"}
    return json.dumps(stated, ensure_ascii=False, indent=1) + "\n"


def _context() -> dict[str, Any]:
    """The JSON-LD context of Croissant 1.1. It is read from a manifest in the package, which has the same context."""
    text = (resources.files("blurkit.data_manifests") / "sample.json").read_text(encoding="utf-8")
    return {key: value for key, value in sorted(json.loads(text)["@context"].items()) if key != "blurkit:layout"}


def _description(facts: Facts) -> str:
    configuration = facts.configuration
    size = "whole photographs" if configuration["size"] == "full" else f"crops of {configuration['size']} pixels (height x width)"
    return (
        f"{facts.summary} Size: {size}. Made by blurkit {configuration['versions']['blurkit']} with the recipe "
        f"{configuration['recipe']['name']}, seed {configuration['seed']}. Every pair is under the licence of its photograph, "
        "which is in the column `licence` of the shards."
    )


def _distribution(facts: Facts) -> list[dict[str, Any]]:
    files = [
        {
            "@type": "cr:FileObject",
            "@id": record["file"],
            "name": record["file"],
            "description": plural(record["samples"], "pair"),
            "contentUrl": record["file"],
            "contentSize": f"{record['bytes']} B",
            "encodingFormat": _HDF5,
            "sha256": record["sha256"],
        }
        for record in facts.index["shards"]
        if record["file"] is not None
    ]
    shards = {
        "@type": "cr:FileSet",
        "@id": "shards",
        "name": "shards",
        "description": "All shards: HDF5 files of format version 1, one row of every column for each pair.",
        "encodingFormat": _HDF5,
        "includes": "*.h5",
    }
    return [*files, shards] if files else []


def _licence_counts(facts: Facts) -> dict[str, Any]:
    kinds = {"source": "sc:Text", "licence": "sc:Text", "pairs": "sc:Integer"}
    return {
        "@type": "cr:RecordSet",
        "@id": "licences",
        "name": "licences",
        "description": "How many pairs are made of photographs of each source under each licence. An empty licence is not known.",
        "field": [
            {"@type": "cr:Field", "@id": f"licences/{name}", "name": f"licences/{name}", "dataType": kind}
            for name, kind in kinds.items()
        ],
        "data": [
            {"licences/source": source, "licences/licence": licence, "licences/pairs": pairs}
            for (source, licence), pairs in sorted(facts.licences.items())
        ],
    }
