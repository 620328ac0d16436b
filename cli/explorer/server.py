"""The server behind the page: loopback only, files of the page and answers of the engine as JSON.

    /                     the page                    /api/start?STATE   controls, and the state
    /api/curve?STATE      lines                       /api/code?STATE    command and Python
    /api/phase?STATE      cells and boundaries        STATE: see `cli.explorer.state`

``/coarse`` after curve or phase asks for fewer points. A failure is ``{"error": one line}`` with
status 400 (a bad value), 403 (asked by another site) or 500. A browser lets any site send requests
to this machine; the Host header and Sec-Fetch-Site tell them from the page's own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from asymptotics.errors import AsymptoticsError, InvalidInput
from cli.explorer.answers import Answers
from cli.explorer.code import code
from cli.explorer.state import State
from cli.explorer.vocabulary import vocabulary

HOST = "127.0.0.1"

_STATIC = Path(__file__).parent / "static"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
_FILES = {f"/{path.name}": path for path in _STATIC.iterdir() if path.suffix in _TYPES}
_FILES["/"] = _STATIC / "index.html"

_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class ExploreServer(ThreadingHTTPServer):
    """Listens on loopback; port 0 is any free one. OSError if the port is taken."""

    # an open connection of a browser does not keep the program from ending
    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__((HOST, port), _Handler)
        answers = Answers()
        self.answers: dict[str, Callable[[State], dict[str, Any]]] = {
            "/api/curve": answers.curve,
            "/api/curve/coarse": partial(answers.curve, coarse=True),
            "/api/phase": answers.phase,
            "/api/phase/coarse": partial(answers.phase, coarse=True),
            "/api/code": code,
        }

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://{HOST}:{self.server_port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing where the browser went away, as it does when a page is left."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: ExploreServer
    protocol_version = "HTTP/1.1"
    # headers and body are two small writes: without this each answer waits 40 ms for the first
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """A file of the page, or an answer."""
        target = urlsplit(self.path)
        if self.headers.get("Host") not in self._own_names():
            self._json(403, {"error": "only this machine's own pages are answered"})
        elif target.path in _FILES:
            path = _FILES[target.path]
            self._send(200, f"{_TYPES[path.suffix]}; charset=utf-8", path.read_bytes())
        elif self.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
            self._json(403, {"error": "asked by a page of another site"})
        else:
            self._json(*self._answer(target.path, target.query))

    def _own_names(self) -> tuple[str, str]:
        port = self.server.server_port
        return f"{HOST}:{port}", f"localhost:{port}"

    def _answer(self, path: str, query: str) -> tuple[int, dict[str, Any]]:
        try:
            if path == "/api/start":
                return 200, _start(query)
            if path not in self.server.answers:
                return 404, {"error": f"nothing at {path}"}
            return 200, self.server.answers[path](State.read(query))
        except AsymptoticsError as error:
            return 400, {"error": str(error)}
        except Exception as error:
            # the page says it in place, where a traceback in the terminal would not be seen
            return 500, {"error": f"{type(error).__name__}: {error}"}

    def _json(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content, allow_nan=False).encode()
        self._send(status, "application/json", body)

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        headers = {"Content-Type": kind, "Content-Length": str(len(body)), **_HEADERS}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """No line for each request."""


def _start(query: str) -> dict[str, Any]:
    """Controls, and the state of the link; a bad link is said, and the defaults stand."""
    try:
        return {**vocabulary(), "state": State.read(query).query()}
    except InvalidInput as error:
        return {**vocabulary(), "state": State().query(), "error": f"this link: {error}"}
