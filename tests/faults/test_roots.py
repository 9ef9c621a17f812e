"""Tests with a trace of system calls that no file outside the named folders, the installation and the caches is opened."""

import os
import re
import shutil
import site
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from packaged import PHOTOGRAPHS

import blurkit

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")]

#: One opened file: its folder if the name is relative, its name, the flags, and the result.
_OPEN = re.compile(
    r'open(?:at|at2)?\((?:(?:AT_FDCWD|\d+)(?:<([^>]*)>)?, )?"((?:[^"\\]|\\.)*)", \{?(?:flags=)?([A-Z_|]+).* = (-?\d+)'
)
#: What every program on the system reads.
_SYSTEM = ("/lib", "/usr", "/etc", "/proc", "/sys", "/dev", "/bin", "/opt", "/var/cache/fontconfig")


def opened(trace, cwd):
    """The absolute paths of files that were opened, with their flags."""
    for line in trace.read_text(errors="replace").splitlines():
        if (match := _OPEN.search(line)) and int(match[4]) >= 0:
            yield Path(os.path.normpath(Path(match[1] or cwd, match[2].encode().decode("unicode_escape")))), match[3].split("|")


def within(path, roots):
    return any(path == root or root in path.parents for root in map(Path, roots))


@pytest.fixture
def traced(tmp_path):
    """A function that runs a program under a trace and checks what it opened. Only the second list of folders may be written."""
    installation = {
        Path(sys.prefix),
        Path(sys.base_prefix),
        *map(Path, site.getsitepackages()),
        Path(sysconfig.get_path("stdlib")),
    }
    installation |= {Path(blurkit.__file__).parents[1], Path(sys.executable).resolve().parents[1]}
    caches = [tmp_path / name for name in ("home", "cache", "temporary")]
    for folder in caches:
        folder.mkdir()
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("of no concern to the program")
    environment = {**os.environ, "HOME": str(caches[0]), "BLURKIT_CACHE": str(caches[1]), "TMPDIR": str(caches[2])}
    environment |= {"MPLCONFIGDIR": str(caches[1]), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    environment = {name: value for name, value in environment.items() if not name.startswith("XDG_")}

    def run(program, *arguments, reads, writes):
        trace = tmp_path / "trace"
        command = ["strace", "-f", "-y", "-qq", "-o", trace, "-e", "trace=open,openat,openat2", sys.executable, "-m", program]
        done = subprocess.run([*command, *map(str, arguments)], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        files = list(opened(trace, tmp_path))
        assert any(within(path, writes) for path, _ in files), "the trace shows nothing"
        strange = {path for path, _ in files if not within(path, (*_SYSTEM, *installation, *caches, *reads, *writes))}
        assert strange <= {tmp_path, Path("/")}
        written = {path for path, flags in files if {"O_WRONLY", "O_RDWR", "O_CREAT"} & set(flags)}
        devices = {Path("/dev/null"), Path("/dev/tty")}
        assert {path for path in written - devices if not within(path, (*caches, *writes, "/dev/shm", "/proc/self"))} == set()

    return run


def test_only_what_the_user_names_is_opened(traced, tmp_path):
    photographs, shards, run, restored = (tmp_path / name for name in ("photographs", "shards", "run", "restored"))
    shutil.copytree(PHOTOGRAPHS, photographs)
    (photographs / "link.jpg").symlink_to(tmp_path / "secret" / "key")
    (photographs / "folder").symlink_to(tmp_path / "secret")
    small = ("--size", "64", "--recipe", "clean", "--limit", "4", "--workers", "1", "--max-bad", "50%")
    traced("blurkit", "generate", "--src", photographs, "--out", shards, *small, reads=[photographs], writes=[shards])
    traced("blurkit", "verify", shards, reads=[shards], writes=[tmp_path / "nothing", shards])
    settings = ("--set", "steps=2", "--set", "crop=32", "--set", "generator.width=4", "--set", "validate_pairs=1")
    traced("trainer", "run", "--data", shards, "--out", run, "--device", "cpu", *settings, reads=[shards], writes=[run])
    (photographs / "link.jpg").unlink()
    traced("trainer", "deblur", run, photographs, "-o", restored, reads=[run, photographs], writes=[restored])
