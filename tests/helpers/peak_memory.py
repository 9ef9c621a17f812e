"""The memory that a new process needs to refuse an image."""

import subprocess
import sys
from pathlib import Path

_CODE = """
import resource, sys
from blurkit.decode import read_image
from blurkit.errors import BadImageError

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

before = peak()
try:
    read_image(sys.argv[1])
except BadImageError as error:
    print(error.reason, peak() - before)
"""


def refusal(path: Path) -> tuple[str, int]:
    """The reason why an image is refused, and the megabytes that this took."""
    done = subprocess.run([sys.executable, "-c", _CODE, path], capture_output=True, text=True, check=True)
    reason, megabytes = done.stdout.split()
    return reason, int(megabytes)
