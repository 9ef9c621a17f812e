"""The end of ``tox -e demo``: restores a photograph that the network never saw, and says what came of it and where to look."""

from __future__ import annotations

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


def main(folder: Path) -> None:
    """Restore the first held-out photograph below ``folder``; print decibels and the places of all pictures."""
    cv2.imwrite(str(folder / "blurred.png"), open_dataset(folder / "test")[0].blurred[..., ::-1])
    command = ["trainer", "deblur", folder / "run", folder / "blurred.png", "-o", folder / "restored.png"]
    subprocess.run([sys.executable, "-m", *command], check=True)
    scores = json.loads((folder / "scores" / "results.json").read_text())
    before, after = (scores[kind]["psnr"] for kind in ("blurred", "restored"))
    print(
        "\nIt learned one family of blur, camera shake on paths of 2 to 16 px in linear light, and little else. On a photograph"
    )
    print(
        f"that it never saw, {scores['n']} pairs: {before:.2f} dB blurred, {after:.2f} dB restored ({after - before:+.2f} dB).\n"
    )
    for name, picture in PICTURES.items():
        print(f"{name:<11}{(folder / picture).resolve()}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
