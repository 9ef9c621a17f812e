"""The files of a small COCO. The photographs are random bytes."""

import random

PHOTOGRAPHS = {
    split: {f"{split}2017/{number:012}.jpg": random.Random(f"{split}{number}").randbytes(20_000) for number in range(count)}
    for split, count in (("train", 30), ("val", 12))
}
ANNOTATIONS = {
    f"annotations/{kind}_{split}2017.json": b'{"images": []}' * 20
    for kind in ("captions", "instances", "person_keypoints")
    for split in ("train", "val")
}
#: The files in the root after the split val was fetched.
VAL = {**PHOTOGRAPHS["val"], **ANNOTATIONS}
