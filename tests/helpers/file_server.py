"""A local web server that serves files from memory, with faults on demand."""

import http.server
import re
import socket
import threading


class FileServer:
    """``files``: path -> bytes. ``faults``: one fault for each of the next requests, or ``None``.

    A fault is a function of the request's handler. It returns true if it has answered the request. ``requests``: the path and
    headers of each request. ``bodies``: the bytes of the body that were sent to each request. ``sent``: their sum. ``silent``:
    the connections that are open at the moment and get no data.
    """

    def __init__(self):
        self.files, self.faults, self.requests, self.bodies = {}, [], [], []
        self.etags = True  # or the text of an ETag
        self.ranges = True
        self.slowness = 0.0  # seconds before each block
        self.silent = 0
        server = self

        class Handler(_Handler):
            place = server

        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.closing = threading.Event()
        self.base = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def sent(self):
        return sum(self.bodies)

    def keep_silent(self):
        """Keep a connection open for 30 s, or until the server is closed, and send nothing."""
        self.silent += 1
        self.closing.wait(30)
        self.silent -= 1

    def close(self):
        self.closing.set()
        self._http.shutdown()
        self._thread.join()
        self._http.socket.close()


class _Handler(http.server.BaseHTTPRequestHandler):
    place: FileServer
    limit = None  # bytes of the body, then the connection is cut

    def do_GET(self):
        self.number = len(self.place.bodies)
        self.place.bodies.append(0)
        self.place.requests.append((self.path, dict(self.headers)))
        fault = self.place.faults.pop(0) if self.place.faults else None
        if fault is not None and fault(self):
            return
        content = self.place.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        etag = f'"{hash(content):x}"' if self.place.etags is True else self.place.etags
        begin = self._begin(etag)
        if begin >= len(content) > 0:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.end_headers()
            return
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        if etag:
            self.send_header("ETag", etag)
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        self.send_body(content[begin:])

    def send_body(self, body):
        for start in range(0, len(body), 16384):
            block = body[start : start + 16384]
            if self.limit is not None:
                block = block[: self.limit]
                self.limit -= len(block)
            if self.place.closing.wait(self.place.slowness) or not block:
                break
            self.place.bodies[self.number] += len(block)  # before the client can have it
            try:
                self.wfile.write(block)
            except OSError:  # the client has gone
                break
        self.close_connection = True

    def _begin(self, etag):
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if match is None or not self.place.ranges or self.headers.get("If-Range", etag) != etag:
            return 0
        return int(match[1])

    def log_message(self, *arguments):
        """Say nothing."""


def asked(server):
    """The name of the file in each request."""
    return [path.rpartition("/")[2] for path, _ in server.requests]


def cut(after):
    """The connection ends after this number of bytes of the body."""

    def fault(handler):
        handler.limit = after

    return fault


def status(code):
    """The answer is an error."""

    def fault(handler):
        handler.send_error(code)
        return True

    return fault


def redirect(address):
    """The answer is a redirection."""

    def fault(handler):
        handler.send_response(302)
        handler.send_header("Location", address)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return True

    return fault


def stall(after=None):
    """The server sends no answer, or stops after this number of bytes of the body."""

    def fault(handler):
        if after is not None:
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(handler.place.files[handler.path])))
            handler.end_headers()
            handler.wfile.write(handler.place.files[handler.path][:after])
        handler.place.keep_silent()
        handler.close_connection = True
        return True

    return fault


def reset(handler):
    """The connection is reset before an answer."""
    linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.connection.close()
    handler.close_connection = True
    handler.wfile = open("/dev/null", "wb")  # noqa: SIM115
    return True


def answer(code, headers, body):
    """The answer has this code, these headers and this body."""

    def fault(handler):
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.send_body(body)
        return True

    return fault
