"""Reads the manifests of the known datasets in ``data_manifests``: home page, licence, archives, folders and splits.

The files are Croissant 1.1 (JSON-LD). They are read as plain JSON, so that an error message about a missing folder needs no
library. A test reads them with the reference implementation too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from blurkit.errors import UsageError, nearest

#: Source -> the name of the manifest of its newest release.
OF_SOURCE = {
    **{"coco": "coco_2017", "mapillary": "mapillary_vistas_2.0", "cityscapes": "cityscapes", "bdd100k": "bdd100k"},
    **{"gopro": "gopro_large", "sample": "sample"},
}

#: How the ids of photographs begin if they belong to the release that the manifest describes. Other datasets have COCO's format.
_OWN_IDS = {"coco": ("train2017/", "val2017/")}

_FOLDER = resources.files("blurkit.data_manifests")


def is_of_release(source: str, photograph: str) -> bool:
    """Whether a photograph of a source, given by its id, belongs to the release that the manifest of the source describes."""
    return source in OF_SOURCE and photograph.startswith(_OWN_IDS.get(source, ""))


@dataclass(frozen=True)
class Archive:
    """A file to download and unpack.

    ``bytes``: its size, or ``None`` if it is not known. ``sha256``, ``md5``: in hexadecimal digits, or an empty text if not
    known. ``split``: the only split that needs the file, or an empty text if all splits need it.
    """

    name: str
    url: str
    bytes: int | None
    sha256: str
    md5: str
    split: str


@dataclass(frozen=True)
class Split:
    """``name``: train, val or test. ``folder``: the dataset's own name of the split. ``images``: its photographs, or pairs."""

    name: str
    folder: str
    images: int


@dataclass(frozen=True)
class Manifest:
    """What is known about a dataset.

    ``licence``: a text for each licence. ``citation``: BibTeX. ``folder``: the usual name of the root. ``layout``: the folders as
    a printable tree with the root ``DIR``. ``obtain``: how to get the data, in one or two sentences. ``archives``: empty if the
    publisher gives no permanent address. ``photographs``: a row for each packaged photograph, with the keys ``file``, ``title``,
    ``author``, ``licence``, ``origin``, ``taken_from``, ``changes``, ``split``, ``width``, ``height``, ``bytes`` and ``sha256``;
    empty for other datasets.
    """

    name: str
    title: str
    description: str
    version: str
    licence: tuple[str, ...]
    url: str
    citation: str
    folder: str
    layout: str
    obtain: str
    archives: tuple[Archive, ...]
    splits: tuple[Split, ...]
    photographs: tuple[Mapping[str, Any], ...]

    def split(self, name: str) -> Split:
        """Returns a split by its name. Raises :class:`UsageError` for an unknown name."""
        for split in self.splits:
            if split.name == name:
                return split
        known = [split.name for split in self.splits]
        raise UsageError(f"{self.title} has no split {name!r}; it has {', '.join(known)}{nearest(name, known)}")


def manifest_names() -> list[str]:
    """Returns the names of all manifests, in alphabetical order."""
    return sorted(entry.name.removesuffix(".json") for entry in _FOLDER.iterdir() if entry.name.endswith(".json"))


def load_manifest(name: str) -> Manifest:
    """Returns the manifest with a name such as ``coco_2017``. Raises :class:`UsageError` for an unknown name."""
    known = manifest_names()
    if name not in known:
        raise UsageError(f"no dataset {name!r} is known; there are {', '.join(known)}{nearest(name, known)}")
    document = json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    files = {entry["name"]: entry for entry in document["distribution"] if entry["@type"] == "cr:FileObject"}
    return Manifest(
        name=name,
        title=document["name"],
        description=document["description"],
        version=document.get("version", ""),
        licence=tuple(_licences(document["license"])),
        url=document["url"],
        citation=document["citeAs"],
        folder=document["blurkit:folder"],
        layout="\n".join(document["blurkit:layout"]),
        obtain=document["blurkit:obtain"],
        archives=tuple(_archive(entry) for entry in files.values() if entry["encodingFormat"] == "application/zip"),
        splits=tuple(Split(row["name"], row["folder"], row["images"]) for row in _rows(document, "splits")),
        photographs=tuple(
            {**row, "bytes": _bytes(files[row["file"]]), "sha256": files[row["file"]]["sha256"]}
            for row in _rows(document, "photographs")
        ),
    )


def _archive(entry: dict[str, Any]) -> Archive:
    hashes = entry.get("sha256", ""), entry.get("md5", "")
    return Archive(entry["name"], entry["contentUrl"], _bytes(entry), *hashes, entry.get("blurkit:split", ""))


def _bytes(entry: dict[str, Any]) -> int | None:
    return int(entry["contentSize"].removesuffix(" B")) if "contentSize" in entry else None


def _licences(value: Any) -> Iterator[str]:
    """Yields a text for each licence. ``value``: an address, a work with a name and an address, or a list of them."""
    for licence in value if isinstance(value, list) else [value]:
        yield licence if isinstance(licence, str) else f"{licence['name']} ({licence['url']})"


def _rows(document: dict[str, Any], record_set: str) -> list[dict[str, Any]]:
    """Returns the rows of a record set, with keys without the set's name. There are no rows if there is no such set."""
    prefix = f"{record_set}/"
    data = [entry["data"] for entry in document["recordSet"] if entry["@id"] == record_set]
    return [{key.removeprefix(prefix): value for key, value in row.items()} for rows in data for row in rows]
