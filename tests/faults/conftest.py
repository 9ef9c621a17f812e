"""Fixtures that disturb runs of the real command line, and an undisturbed run of the same work.

A test disturbs a run, starts it again, and compares the whole folder with the undisturbed folder, byte by byte.
"""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import waiting
from command_line import run
from packaged import NINE
from PIL import Image

#: Two photographs per shard. The options of a test come after these and override them.
_OPTIONS = ("--size=64", "--per-image=3", "--set=shard_bytes=300000", "--recipe=clean", "--max-bad=50%", "--workers=1")


@pytest.fixture(scope="session")
def photographs(tmp_path_factory):
    """A folder of 18 photographs, 3 files that are no photographs in spite of their names, and a link. It gives eleven shards."""
    folder = tmp_path_factory.mktemp("source") / "photographs"
    for name in ("first", "second"):
        (folder / name).mkdir(parents=True)
        for path in NINE:
            shutil.copy(path, folder / name)
    whole = (folder / "first" / "coffee.jpg").read_bytes()
    (folder / "first" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "second" / "page.jpg").write_text("<!doctype html><title>404</title>")
    (folder / "second" / "empty.jpg").touch()
    (folder / "second" / "link.jpg").symlink_to("coffee.jpg")
    return folder


class CommandLine:
    """Runs of ``python -m blurkit``. Each process leads a process group."""

    def __init__(self, photographs, place):
        self.photographs, self.place = photographs, place
        self._started = []

    def start(self, out, *options, source=None, env=None, **how):
        """Start ``generate`` and return the process."""
        source = self.photographs if source is None else source
        return self._start("generate", "--src", str(source), "--out", str(out), *_OPTIONS, *options, env=env, **how)

    def generate(self, out, *options, **how):
        """Run ``generate`` to its end."""
        return self.finish(self.start(out, *options, **how))

    def refused(self, out, *options, source=None):
        """Run ``generate`` in this process, check that it is refused, and return its output."""
        source = self.photographs if source is None else source
        return run("generate", "--src", source, "--out", out, *_OPTIONS, *options, cwd=self.place, code=2)

    def verify(self, out, *options, code=0):
        """Run ``verify`` in this process, check the exit code, and return the output."""
        return run("verify", out, *options, cwd=self.place, code=code)

    def finish(self, process, patience=120):
        """Wait for a process and return its exit code and output. The limit ends a run that hangs."""
        stdout, stderr = process.communicate(timeout=patience)
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def close(self):
        """Kill the processes that a failed test left running."""
        for process in self._started:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.communicate()

    def _start(self, *arguments, env=None, **how):
        given = {"TMPDIR": str(self.place), **(env or {})}
        environment = {name: value for name, value in {**os.environ, **given}.items() if value is not None}
        how = {"cwd": self.place, "env": environment, "text": True, "encoding": "utf-8", "errors": "replace", **how}
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        command = [sys.executable, "-m", "blurkit", *arguments]
        process = subprocess.Popen(command, start_new_session=True, **pipes, **how)
        self._started.append(process)
        return process


@pytest.fixture
def blurkit(photographs, tmp_path):
    """The command line on the photographs, in an empty folder."""
    command = CommandLine(photographs, tmp_path)
    yield command
    command.close()


class Snapshot:
    """The present state of a finished dataset, to compare others with."""

    def __init__(self, folder):
        self.folder, self.files = folder, contents(folder)

    def check_same(self, folder, *, places=True):
        """The folder has the same files with the same bytes. Without ``places`` the photographs may be in another folder."""
        found = contents(folder)
        assert sorted(found) == sorted(self.files)
        differing = [name for name in found if found[name] != self.files[name]]
        assert [name for name in differing if places or name.endswith(".h5")] == []
        if not places:  # the index has a checksum of the plan, which names the folder of the photographs
            indices = [json.loads((place / "dataset.json").read_bytes()) for place in (self.folder, Path(folder))]
            assert {key for key in indices[0] if indices[0][key] != indices[1][key]} <= {"files", "check"}

    def check_whole(self, folder):
        """Each file with a final name is complete. The ledger is complete only at the end of a run."""
        found = contents(folder)
        final = [name for name in found if name != "ledger.jsonl" and not name.endswith(".tmp")]
        assert [name for name in final if found[name] != self.files.get(name)] == []


def contents(folder):
    """The sha256 of each file in a folder, except the locks."""
    paths = [path for path in Path(folder).iterdir() if not path.name.startswith(".lock")]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


@pytest.fixture(scope="session")
def undisturbed(photographs, tmp_path_factory):
    """The dataset of a run without disturbance."""
    place = tmp_path_factory.mktemp("undisturbed")
    command = CommandLine(photographs, place)
    done = command.generate(place / "shards", "--workers", "2")
    command.close()
    assert done.returncode == 0, done.stderr
    assert len(list((place / "shards").glob("*.h5"))) >= 9
    return Snapshot(place / "shards")


@pytest.fixture
def snapshot():
    """The class of snapshots, for undisturbed runs with other options."""
    return Snapshot


@pytest.fixture
def begun(undisturbed, tmp_path):
    """A copy of the undisturbed dataset, which the test damages."""
    return Path(shutil.copytree(undisturbed.folder, tmp_path / "shards"))


@pytest.fixture
def sabotage(tmp_path):
    """A function that returns the environment of a run in which every process, also a worker, executes some code at its start."""

    def prepare(code):
        folder = tmp_path / "sabotage"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(textwrap.dedent(code), encoding="utf-8")
        return {"PYTHONPATH": os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])}

    return prepare


@pytest.fixture
def lingering(sabotage, tmp_path):
    """A function that returns the environment of a run in which a process waits if a condition on an audit event is true.

    Before it waits, the process writes its id to the file ``lingering`` in ``tmp_path``.
    """

    def prepare(condition, seconds):
        return sabotage(
            f"""
            import os, sys, time

            def linger(event, arguments):
                if {condition}:
                    with open({str(tmp_path / "lingering")!r}, "w") as file:
                        file.write(str(os.getpid()))
                    time.sleep({seconds})

            sys.addaudithook(linger)
            """
        )

    return prepare


@pytest.fixture
def lingering_over(lingering):
    """A function that returns the environment of a run that waits when it opens a file with a name that ends in ``name``."""
    return lambda name, seconds: lingering(f'event == "open" and str(arguments[0]).endswith({name!r})', seconds)


@pytest.fixture
def slowly(lingering_over):
    """The environment of a run that waits 0.1 s at each photograph."""
    return lingering_over(".jpg", 0.1)


@pytest.fixture
def frozen():
    """A context manager that stops runs. They keep their locks and do not continue within the block."""

    @contextlib.contextmanager
    def freeze(*processes):
        for process in processes:
            os.killpg(process.pid, signal.SIGSTOP)
        yield
        for process in processes:
            assert process.poll() is None, "it came to its end too early"
            os.killpg(process.pid, signal.SIGCONT)

    return freeze


@pytest.fixture
def wait_until():
    """The function ``waiting.wait_until``."""
    return waiting.wait_until


@pytest.fixture
def worker_processes():
    """A function that lists the worker processes of a run."""

    def find(leader):
        try:
            children = Path(f"/proc/{leader}/task/{leader}/children").read_text().split()
            return [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]
        except (FileNotFoundError, ProcessLookupError):  # one of them has just ended
            return []

    return find


@pytest.fixture
def are_gone():
    """A function that returns true if all of these processes have ended. A zombie has ended."""

    def is_gone(process):
        try:
            return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except (FileNotFoundError, ProcessLookupError):
            return True

    return lambda processes: all(map(is_gone, processes))


@pytest.fixture
def disk(tmp_path):
    """A function that gives a small file system of its own this many bytes, and returns its folder. Again: it grows."""
    place = tmp_path / "disk"
    place.mkdir()

    def sized(size):
        options = f"size={size}" + (",remount" if os.path.ismount(place) else "")
        command = ["mount", "-t", "tmpfs", "-o", options, "blurkit-test", str(place)]
        done = subprocess.run(command, capture_output=True, text=True) if shutil.which("mount") else None
        if done is None or done.returncode:
            pytest.skip(f"cannot mount a small file system: {done.stderr.strip() if done else 'no mount command'}")
        return place

    yield sized
    if os.path.ismount(place):
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture(scope="session")
def fill_mixed(photographs):
    """A function that fills a folder with small photographs, and beside each a page, which is a line of the ledger."""

    def fill(folder, count):
        folder.mkdir()
        small = Image.open(photographs / "first" / "camera.jpg").resize((80, 80))
        for number in range(count):
            small.save(folder / f"{number:03d}-a.jpg")
            (folder / f"{number:03d}-b.jpg").write_text("no photograph, but a line for the ledger of every shard")
        return folder

    return fill
