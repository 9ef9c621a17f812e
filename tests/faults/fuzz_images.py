"""Decodes mutated image files for minutes: ``python tests/faults/fuzz_images.py --minutes 10 --seed 3``.

A file that is handled wrongly is kept in the folder ``--out``. The exit code is 1 if there is one.
"""

import argparse
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "helpers"))

from image_fuzz import fuzz


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("fuzz"))
    options = parser.parse_args()
    for number, fault, data in fuzz(options.seed, minutes=options.minutes):
        print(number, fault or "files were mutated", flush=True)
        if fault:
            options.out.mkdir(exist_ok=True)
            (options.out / f"{options.seed}-{number}").write_bytes(data)
    return int(options.out.is_dir() and any(options.out.iterdir()))


if __name__ == "__main__":
    sys.exit(main())
