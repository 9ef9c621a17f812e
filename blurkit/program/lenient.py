"""What a file system does not offer: calls that can be given up, with one notice of what is then not guaranteed.

Network and FUSE file systems such as CIFS, Lustre and sshfs lack some calls. Without the calls named here a run still makes the
right files, but a promise about power cuts or about two runs at once is weaker. The notice says which. Any other call that is
refused is an error, which names the call and the file system.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from blurkit.errors import WriteError

#: What file systems answer to a call that they do not have.
NOT_OFFERED = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL)

#: The same for calls on a folder, for which some answer that it is not permitted.
NOT_OFFERED_ON_FOLDERS = (*NOT_OFFERED, errno.EPERM, errno.EACCES, errno.EBADF, errno.EISDIR)

#: The same for locks, which NFS refuses if its server has no lock service.
NO_LOCKS = (*NOT_OFFERED, errno.ENOLCK)

#: The devices that a notice was given for. Worker processes inherit it, so that they do not repeat the notice.
_TOLD = "_BLURKIT_FILE_SYSTEMS_TOLD"


def give_up(call: str, path: Path, error: OSError) -> None:
    """Say once for each file system what is not guaranteed on it. ``call``: what ``path``, a file or a folder, was refused."""
    folder = path if path.is_dir() else path.parent
    device = str(os.stat(folder).st_dev)
    told = os.environ.get(_TOLD, "").split()
    if device in told:
        return
    os.environ[_TOLD] = " ".join([*told, device])
    lacks = {call: error.strerror, **_lacks(folder)}
    losses = "; ".join(f"{name} ({reason}): {_LOSSES[name]}" for name, reason in lacks.items())
    print(f"notice: {folder} is on a file system{_kind_text(folder)} without {losses}", file=sys.stderr, flush=True)


#: What is lost without a call.
_LOSSES = {
    "fsync of files": "a power cut can leave files there that are not complete",
    "fsync of folders": "a power cut can undo there what was just written, so run the same command again after one",
    "flock": "each run leaves a file there that names it while it runs, which keeps other runs out less surely than a lock",
    "statvfs": "free space is not known there, and not checked before the start",
}


def _lacks(folder: Path) -> dict[str, str | None]:
    """The calls that can be tried in a folder without leaving anything there, and that are refused, each with the reason."""
    found: dict[str, str | None] = {}

    def attempt(call: str, answers: Sequence[int], act: Callable[[], object]) -> None:
        try:
            act()
        except OSError as error:
            if error.errno in answers:
                found[call] = error.strerror

    with contextlib.suppress(OSError), tempfile.TemporaryFile(dir=folder) as file:
        attempt("fsync of files", NOT_OFFERED, lambda: os.fsync(file.fileno()))
        attempt("flock", NO_LOCKS, lambda: fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB))
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        attempt("fsync of folders", NOT_OFFERED_ON_FOLDERS, lambda: os.fsync(descriptor))
        os.close(descriptor)
    attempt("statvfs", NOT_OFFERED_ON_FOLDERS, lambda: os.statvfs(folder))
    return found


@contextlib.contextmanager
def naming(call: str, path: Path) -> Iterator[None]:
    """Errors within the block name the file. If the file system refuses the call altogether, they name both of them too."""
    try:
        yield
    except OSError as error:
        if error.errno in (*NOT_OFFERED, errno.EPERM):
            lack = f"the file system there{_kind_text(path.parent)} refuses {call} ({error.strerror})"
            raise WriteError(f"{path}: {lack}, which cannot be done without; choose a folder on another disk") from error
        error.filename = str(path)
        raise


def _kind_text(folder: Path) -> str:
    kind = file_system(folder)
    return f" ({kind})" if kind else ""


def file_system(folder: Path) -> str:
    """The kind of file system of a folder, such as ``ext4`` or ``fuse.sshfs``. Empty if it is not known."""
    try:
        device = os.stat(folder).st_dev
        wanted = f"{os.major(device)}:{os.minor(device)}"
        lines = Path("/proc/self/mountinfo").read_text(errors="replace").splitlines()
    except OSError:
        return ""
    kinds = [line.partition(" - ")[2].split()[0] for line in lines if line.split()[2] == wanted]
    return kinds[-1] if kinds else ""
