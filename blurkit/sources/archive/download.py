"""Downloads a file over HTTP. An interrupted download resumes, and the file gets its final name only if its hash is right.

During the download the file is called ``NAME.part``. The note ``.NAME.origin`` beside it holds the address and the server's
validator of the file's version (ETag, RFC 9110, sections 8.8 and 13.1.5), so that a resumed download gets the same version. The
note stays when the file is complete. It shows that blurkit downloaded the file and may delete it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError

from blurkit.errors import BlurkitError, UsageError
from blurkit.program.files import require_space, sync_file, sync_folder, write_all, write_atomic
from blurkit.program.lenient import naming
from blurkit.program.locks import locked
from blurkit.program.progress import data_size, duration
from blurkit.sources.archive.http import describe, is_web_address, open_url

#: The lock file in the folder of a download. It prevents two runs from writing one file.
LOCK = ".lock"

_CHUNK = 1 << 20
_STRONG_ETAG = re.compile(r'"[\x21\x23-\x7e]*"')
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_TRY_AGAIN = (408, 429)  # status codes, in addition to 5xx


class DownloadError(BlurkitError):
    """A file cannot be downloaded, or it is not the expected file."""


class RetryableError(Exception):
    """An attempt failed, but another attempt may succeed."""


@dataclass(frozen=True)
class RetryPolicy:
    """How often a download is tried.

    ``timeout``: seconds that a server may be silent. ``pauses``: seconds before each further attempt; there is one attempt more
    than pauses. ``advance``: if the file has grown by so many bytes, the attempts are counted from one again, for large files on
    unreliable connections.
    """

    timeout: float = 60.0
    pauses: tuple[float, ...] = (1, 2, 4, 8, 16, 32)
    advance: int = 1 << 20


def download(
    url: str,
    target: Path,
    *,
    size: int | None,
    sha256: str,
    report: Callable[[int], None],
    say: Callable[[str], None] = lambda sentence: None,
    retry_policy: RetryPolicy = RetryPolicy(),
) -> None:
    """Downloads the file at ``url`` to ``target``. If the right file is already there, it is kept.

    ``size``: in bytes, or ``None`` if it is not known. ``sha256``: of the expected file. ``report`` is called with the number of
    bytes on the disk, at first with those of earlier calls, and with 0 when the download starts again from the beginning. ``say``
    is called with a sentence for each failed attempt. If the process is killed at any moment, the next call resumes.

    Raises :class:`DownloadError` if the file is not the expected file or if all attempts failed, :class:`UsageError` if the
    scheme is not http or https or if ``target`` is another file, :class:`blurkit.errors.LockedError`,
    :class:`blurkit.errors.DiskFullError`.
    """
    if not is_web_address(url):
        raise UsageError(f"{url} is no http or https address; if you have the file, copy it to {target}")
    part = part_path(target)
    with locked(target.parent / LOCK, what="fetch", option="--root"):
        if os.path.lexists(target):
            _require_right(target, size, sha256)
            if part.exists():  # the rest of an earlier download; since then, the user has provided the file
                part.unlink()
                delete_version_note(target)
            return
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        try:
            transfer = _Transfer(url, target, size, descriptor, report, say, _noted_version(target, url))
            report(transfer.have)
            advice = f"make room for {target.name}, or choose another --root"
            require_space(target.parent, (size or 0) - transfer.have, advice)
            transfer.persist(retry_policy)
            sync_file(descriptor, part)
        finally:
            with naming("close", part):
                os.close(descriptor)
        if (got := _sha256(part)) != sha256:
            part.unlink()
            delete_version_note(target)
            raise DownloadError(
                f"{url} is not the expected file: sha256 {got}, expected {sha256}. The download is deleted; run the same "
                "command again to start anew, or use --mirror to get the file from another server"
            )
        with naming("rename", target):
            os.rename(part, target)
        sync_folder(target.parent)


def part_path(target: Path) -> Path:
    """Returns the path of a file during its download."""
    return target.with_name(target.name + ".part")


def is_downloaded(target: Path) -> bool:
    """Whether :func:`download` made this file. False for a file that the user provided."""
    return target.exists() and _note_path(target).exists()


def delete_version_note(target: Path) -> None:
    """Deletes the note about a file's address and version. From then on, the file counts as provided by the user."""
    _note_path(target).unlink(missing_ok=True)


def _note_path(target: Path) -> Path:
    return target.with_name(f".{target.name}.origin")


def _noted_version(target: Path, url: str) -> str:
    """Returns the validator of the version that was downloaded from ``url``, or an empty text."""
    try:
        note = json.loads(_note_path(target).read_bytes())
        return str(note["etag"]) if note["url"] == url else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _require_right(target: Path, size: int | None, sha256: str) -> None:
    found = target.stat().st_size if target.is_file() else None
    if found is None or size not in (None, found) or _sha256(target) != sha256:
        fault = "is no file" if found is None else f"is another file ({data_size(found)}) than the expected file"
        raise UsageError(f"{target} {fault} (sha256 {sha256}); move it away or delete it, then run the same command again")


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass
class _Transfer:
    """The state of one download. ``version``: the server's validator of the bytes on the disk."""

    url: str
    target: Path
    size: int | None
    descriptor: int
    report: Callable[[int], None]
    say: Callable[[str], None]
    version: str

    @property
    def have(self) -> int:
        return os.fstat(self.descriptor).st_size

    @property
    def etag(self) -> str:
        """The validator, if it is a strong one, which identifies every byte; otherwise an empty text."""
        return self.version if _STRONG_ETAG.fullmatch(self.version) else ""

    def persist(self, retry_policy: RetryPolicy) -> None:
        """Tries until the file is complete. Raises :class:`DownloadError` after the last attempt."""
        failures, highest = 0, self.have
        while True:
            try:
                return self._attempt(retry_policy.timeout)
            except RetryableError as cut:
                if self.have >= highest + retry_policy.advance:
                    failures, highest = 0, self.have
                failures += 1
                if failures > len(retry_policy.pauses):
                    raise DownloadError(
                        f"{self.url}: {cut}; given up after {failures} attempts. The partial file is kept: run the same "
                        "command again to resume"
                    ) from cut
                pause = retry_policy.pauses[failures - 1]
                attempts = f"attempt {failures + 1} of {len(retry_policy.pauses) + 1}"
                self.say(f"{self.target.name}: {cut}; {attempts} in {duration(pause)}")
                time.sleep(pause)

    def _attempt(self, timeout: float) -> None:
        """Requests the missing bytes once. Raises :class:`RetryableError` if another attempt may succeed."""
        if self.size is not None and self.have > self.size:
            self._start_anew()
        if self.have == self.size:
            return
        headers = {"Range": f"bytes={self.have}-"} if self.have else {}
        if headers and self.etag:  # if the version has changed, the server sends the whole file
            headers["If-Range"] = self.etag
        try:
            response = open_url(self.url, headers, timeout)
        except HTTPError as error:
            with error:
                self._answer_refusal(error)
        except (OSError, HTTPException) as error:
            if isinstance(getattr(error, "reason", None), ssl.SSLCertVerificationError):
                raise DownloadError(f"{self.url}: {error}; check the address and the clock of this machine") from error
            raise RetryableError(describe(error)) from error
        else:
            with response:
                self._receive(response)

    def _answer_refusal(self, error: HTTPError) -> None:
        if error.code == 416 and self.have:
            if self.size is None and error.headers.get("Content-Range") == f"bytes */{self.have}":
                return  # the file is complete
            self._start_anew()
            raise RetryableError("the server cannot continue the partial file, which is dropped") from error
        sentence = f"the server answered {error.code} {error.reason}"
        if error.code >= 500 or error.code in _TRY_AGAIN:
            raise RetryableError(sentence) from error
        raise DownloadError(
            f"{error.url or self.url}: {sentence}; check the address, or try another one with --mirror"
        ) from error

    def _receive(self, response: HTTPResponse) -> None:
        """Checks that a response is the file or its missing part, and writes its body."""
        begin, total = _extent(response)
        if response.headers.get_content_type() == "text/html":
            raise DownloadError(f"{response.url}: a web page came instead of the file; does the network have a login page?")
        if self.size is not None and total not in (None, self.size):
            raise DownloadError(f"{response.url} has {total:,} bytes, expected {self.size:,}: it is another file; try --mirror")
        version = response.headers.get("ETag", "")
        if begin and (begin != self.have or (self.etag and version not in ("", self.etag))):
            self._start_anew()
            raise RetryableError("the file on the server has changed; the partial file is dropped")
        if not begin:
            if self.have:
                self.say(f"{self.target.name}: the server sends the file from its beginning; {data_size(self.have)} are dropped")
            self._start_anew()
            self.version = version
            write_atomic(_note_path(self.target), json.dumps({"url": self.url, "etag": version}).encode())
        self._copy(response, self.size if self.size is not None else total)

    def _copy(self, response: HTTPResponse, end: int | None) -> None:
        have = self.have
        while True:
            try:
                data = response.read1(_CHUNK)  # does not wait for a whole chunk, so that progress is shown early
            except (OSError, HTTPException) as error:
                raise RetryableError(f"the connection was cut after {data_size(have)}: {describe(error)}") from error
            if not data:
                break
            if end is not None and have + len(data) > end:
                self._start_anew()
                raise DownloadError(f"{response.url} goes on after the expected {end:,} bytes: it is another file; try --mirror")
            with naming("write", part_path(self.target)):
                write_all(self.descriptor, data, have)
            have += len(data)
            self.report(have)
        if end is not None and have < end:
            raise RetryableError(f"the connection was cut after {data_size(have)}")

    def _start_anew(self) -> None:
        os.ftruncate(self.descriptor, 0)
        self.report(0)


def _extent(response: HTTPResponse) -> tuple[int, int | None]:
    """Returns (first byte, size of the whole file or ``None``) of a response."""
    if response.status == 200:
        return 0, response.length
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if response.status != 206 or match is None:
        raise DownloadError(f"{response.url}: unexpected response: {response.status} {response.reason}")
    return int(match[1]), None if match[2] == "*" else int(match[2])
