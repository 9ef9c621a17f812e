"""Small roots of COCO and of Mapillary Vistas in the layout of their archives."""

import json
from pathlib import Path

import cv2
import numpy as np
from photographs import random_squares
from PIL import Image

HEIGHT, WIDTH = 72, 96

LICENCES = [
    {"id": 1, "name": "x", "url": "http://creativecommons.org/licenses/by-nc-sa/2.0/"},
    {"id": 4, "name": "x", "url": "http://creativecommons.org/licenses/by/2.0/"},
    {"id": 8, "name": "x", "url": "http://www.usa.gov/copyright.shtml"},
]
CATEGORIES = [{"id": 1, "name": "person"}, {"id": 44, "name": "bottle"}]

#: The keys of three photographs of Mapillary Vistas.
KEYS = ["-q5kvAT1Ptaty4NoODIMhA", "a0TJFhNKAixyz8gAm9fONQ", "__CRyFzoDOXn6unQ6a3DnQ"]
CLASSES = [
    {"name": "void--unlabeled", "readable": "Unlabeled", "instances": False, "color": [0, 0, 0]},
    {"name": "construction--flat--road", "readable": "Road", "instances": False, "color": [128, 64, 128]},
    {"name": "object--vehicle--car", "readable": "Car", "instances": True, "color": [0, 0, 142]},
]


def save_photograph(path: Path, seed: int) -> None:
    cv2.imwrite(str(path), random_squares(np.random.default_rng(seed), (HEIGHT // 8, WIDTH // 8), 8))


def rectangle(x: int, y: int, width: int, height: int) -> list[list[int]]:
    return [[x, y, x + width, y, x + width, y + height, x, y + height]]


def coco_document(count: int) -> dict:
    """A document of ``count`` images. Image i has i objects of 4 x 3 pixels, side by side."""
    images = [
        {"id": 100 + i, "file_name": f"{100 + i:012d}.jpg", "height": HEIGHT, "width": WIDTH, "license": (1, 4, 8)[i % 3]}
        for i in range(count)
    ]
    annotations = [
        {"id": 1000 * i + j, "image_id": 100 + i, "category_id": (1, 44)[j % 2], "segmentation": rectangle(6 * j, 5, 4, 3)}
        for i in range(count)
        for j in range(i)
    ]
    return {"info": {}, "licenses": [*LICENCES], "images": images, "annotations": annotations, "categories": [*CATEGORIES]}


def write_coco(root: Path, document: object, files: list[str] | None = None, split: str = "val2017") -> Path:
    """Write a split. ``document``: the JSON file or its bytes. ``files``: the photographs, by default those of the document."""
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    (root / split).mkdir()
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    (root / "annotations" / f"instances_{split}.json").write_bytes(data)
    for seed, name in enumerate([image["file_name"] for image in document["images"]] if files is None else files):
        (root / split / name).parent.mkdir(exist_ok=True)
        save_photograph(root / split / name, seed)
    return root


def scene(key: str) -> np.ndarray:
    """The instance values of a road and three cars, uint16."""
    values = np.zeros((HEIGHT, WIDTH), np.uint16)
    values[40:] = 256
    for number in range(3):
        values[30:50, 10 + 25 * number : 28 + 25 * number] = 2 * 256 + number + len(key) % 2
    return values


def save_labels(path: Path, labels: np.ndarray) -> None:
    """Write labels as a PNG file with a palette."""
    image = Image.fromarray(labels.astype(np.uint8), "P")
    image.putpalette([channel for index in range(256) for channel in (index, 255 - index, 7)])
    image.save(path)


def write_vistas(root: Path, split: str, keys: list[str], versions: tuple[str, ...] = ("v1.2",)) -> Path:
    """Write a split with these versions of annotations. An empty version is the old, flat layout."""
    images = root / split / "images"
    images.mkdir(parents=True)
    for seed, key in enumerate(keys):
        save_photograph(images / f"{key}.jpg", seed)
    for version in versions:
        (root / (f"config_{version}.json" if version else "config.json")).write_text(json.dumps({"labels": CLASSES}))
        for kind in ("instances", "labels"):
            (root / split / version / kind).mkdir(parents=True)
        for key in keys:
            values = scene(key)
            cv2.imwrite(str(root / split / version / "instances" / f"{key}.png"), values)
            save_labels(root / split / version / "labels" / f"{key}.png", values >> 8)
    return root
