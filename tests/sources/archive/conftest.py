"""Archives to unpack, and a server to download from."""

import hashlib
import random
import zipfile

import pytest
from archives import FILES
from downloads import CONTENT, QUICK, SIZE
from file_server import FileServer

from blurkit.sources.archive.download import download, part_path


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    return root


@pytest.fixture
def archive(tmp_path):
    """A usual archive: an entry for a folder, stored photographs, deflated text."""
    path = tmp_path / "sound.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("val/", b"")
        for name, content in FILES.items():
            zipped.writestr(name, content, zipfile.ZIP_DEFLATED if name.endswith(".json") else zipfile.ZIP_STORED)
    return path


@pytest.fixture
def hostile(tmp_path):
    """A function that makes an archive of a sound member and these members, each (ZipInfo or name, content)."""

    def make(*members, compression=zipfile.ZIP_STORED):
        path = tmp_path / "hostile.zip"
        with zipfile.ZipFile(path, "w", compression) as zipped:
            zipped.writestr("val/sound.jpg", random.Random(3).randbytes(1000))
            for member, content in members:
                zipped.writestr(member, content)
        return path

    return make


@pytest.fixture
def server(monkeypatch):
    """A server that has one file."""
    monkeypatch.setenv("no_proxy", "*")
    server = FileServer()
    server.files["/a.zip"] = CONTENT
    yield server
    server.close()


@pytest.fixture
def get(server, tmp_path):
    """A function that downloads a.zip, and checks that the file is right and that no part of it is left.

    ``said`` and ``reported`` are the messages and the byte counts of the last download.
    """

    def get(url=None, *, size=SIZE, retry_policy=QUICK):
        get.said, get.reported = [], []
        options = {
            "size": size,
            "sha256": hashlib.sha256(CONTENT).hexdigest(),
            "report": get.reported.append,
            "say": get.said.append,
        }
        download(url or f"{server.base}/a.zip", get.target, retry_policy=retry_policy, **options)
        assert get.target.read_bytes() == CONTENT
        assert not part_path(get.target).exists()

    get.target = tmp_path / "a.zip"
    return get
