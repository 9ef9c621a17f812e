"""The end of ``tox -e demo``: restores a photograph that the network never saw, and says what came of it and where to look."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import cv2

from blurkit.shard import open_dataset

PICTURES = {
    "pairs": "pairs.png",
    "curves": "run/curves.png",
    "validation": "run/validation.png",
    "scores": "scores/sheet.png",
    "blurred": "blurred.png",
    "restored": "restored.png",
}


#: Pairs above this PSNR in decibels are nearly sharp.
SHARP = 38


def main(folder: Path) -> None:
    """Restore the first held-out photograph below ``folder``; print decibels and the places of all pictures."""
    cv2.imwrite(str(folder / "blurred.png"), open_dataset(folder / "test")[0].blurred[..., ::-1])
    command = ["trainer", "deblur", folder / "run", folder / "blurred.png", "-o", folder / "restored.png"]
    subprocess.run([sys.executable, "-m", *command], check=True)
    scores = json.loads((folder / "scores" / "results.json").read_text())
    before, after = (scores[kind]["psnr"] for kind in ("blurred", "restored"))
    print(
        "\nIt learned one family of blur, hand-held photographs with paths of up to 16 px, and little else. On photographs that"
    )
    print(f"it never saw, {scores['n']} pairs: {before:.2f} dB blurred, {after:.2f} dB restored ({after - before:+.2f} dB).")
    print(_nearly_sharp(folder / "scores" / "images.csv"))
    for name, picture in PICTURES.items():
        print(f"{name:<11}{(folder / picture).resolve()}")


def _nearly_sharp(table: Path) -> str:
    """What became of the pairs that were hardly blurred, from the table of scores."""
    with table.open(newline="") as file:
        levels = [(float(row["psnr_blurred"]), float(row["psnr_restored"])) for row in csv.DictReader(file)]
    sharp = [after - before for before, after in levels if before > SHARP]
    if not sharp:
        return ""
    return f"Of these, {len(sharp)} were nearly sharp, above {SHARP} dB: {sum(sharp) / len(sharp):+.2f} dB.\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
