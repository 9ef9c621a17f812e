"""The packages that a new Python interpreter has loaded."""

import subprocess
import sys


def loaded_after(statement: str) -> set[str]:
    """The top-level packages that are loaded after a statement in a new interpreter."""
    program = f"{statement}\nimport sys; print(*{{name.split('.')[0] for name in sys.modules}})"
    return set(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split())
