"""Makes requests over HTTP and HTTPS. Redirections to other schemes are refused."""

from __future__ import annotations

from http.client import HTTPResponse
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from blurkit import __version__
from blurkit.errors import UsageError


def is_web_address(url: str) -> bool:
    """Whether an address has the scheme http or https and names a server."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0  # an invalid port raises
    except ValueError:
        return False


def open_url(url: str, headers: dict[str, str], timeout: float) -> HTTPResponse:
    """Returns the response to a request. Redirections are followed, and the proxies of the environment are used.

    ``timeout``: seconds that the server may be silent, also while the body is read. Raises ``urllib.error.HTTPError`` if the
    response is no success, ``OSError`` or ``http.client.HTTPException`` if there is no response, and :class:`UsageError` if a
    redirection leads to another scheme than http and https.
    """
    request = Request(url, headers={"User-Agent": f"blurkit/{__version__}", **headers})
    response: HTTPResponse = build_opener(_Redirections).open(request, timeout=timeout)
    return response


def describe(error: BaseException) -> str:
    """Returns why there was no response, in a few words."""
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, TimeoutError):
        return "the server was silent for too long"
    return str(getattr(reason, "strerror", None) or reason) or type(reason).__name__


class _Redirections(HTTPRedirectHandler):
    def http_error_302(self, req: Request, fp: Any, code: int, msg: str, headers: Any) -> Any:
        to = urlsplit(headers.get("Location", "")).scheme
        if to not in ("http", "https", ""):  # without scheme, the location is relative
            raise UsageError(f"{req.full_url} leads to {headers['Location']}: only http and https addresses are followed")
        return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302
