"""Kills child processes at one of their system calls, with strace. The scripts of this folder import it; they have no threads."""

import collections
import ctypes
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def list_calls(work, folder):
    """The system calls of ``work()`` on files in a folder and on the folder itself: (name, how often it was called before, line).

    The count includes calls on other files, because strace counts them too.
    """
    with tempfile.TemporaryDirectory() as place:
        log = Path(place) / "log"
        assert run_traced(work, "-y", "-o", str(log)) == 0
        lines = log.read_text(errors="replace").splitlines()
    counts, calls = collections.Counter(), []
    for line in lines:
        if match := re.match(r"(\w+)\(", line):
            if str(folder) in line:
                calls.append((match[1], counts[match[1]], line))
            counts[match[1]] += 1
    return calls


def kill_at(work, name, before):
    """Do work in a child that is killed when it enters the system call ``name`` after ``before`` earlier calls of that name."""
    inject = f"inject={name}:signal=KILL:when={before + 1}"
    assert run_traced(work, "-o", os.devnull, "-e", f"trace={name}", "-e", inject) == -signal.SIGKILL, (name, before)


def run_traced(work, *options):
    """Do work in a child under strace. Returns the child's exit code. Exits with 77 if strace may not trace."""
    child = os.fork()
    if not child:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(0x59616D61, -1)  # PR_SET_PTRACER: any process may trace this one
        os.kill(os.getpid(), signal.SIGSTOP)
        work()
        os._exit(0)
    os.waitpid(child, os.WUNTRACED)
    tracer = subprocess.Popen(["strace", "-q", "-p", str(child), *options], stderr=subprocess.PIPE, text=True)
    while "TracerPid:\t0\n" in Path(f"/proc/{child}/status").read_text():
        if tracer.poll() is not None:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            print(tracer.stderr.read(), file=sys.stderr)
            sys.exit(77)
        time.sleep(0.001)
    os.kill(child, signal.SIGCONT)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    tracer.communicate(timeout=60)
    return code
