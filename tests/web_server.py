"""A server of the web on this machine, whose answers are as they should be, or are not."""

from __future__ import annotations

import base64
import contextlib
import http.server
import threading
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TABLE = b"x,y\n1,0\n2,1\n3,0\n"
USER = "Basic " + base64.b64encode(b"me:p@ss").decode()


class Web(http.server.BaseHTTPRequestHandler):
    """Answers as the name in the path says.

    Attributes:
        asked: the path and the Authorization of each request.
        table: what a.csv holds.
        other: where elsewhere.csv is.
    """

    asked: list[tuple[str, str | None]]
    table = TABLE
    other = ""

    def do_GET(self) -> None:
        """Answer."""
        path = self.path.partition("?")[0]
        self.asked.append((self.path, self.headers["Authorization"]))
        answers: dict[str, Callable[[], None]] = {
            "/a.csv": lambda: self._send(200, self.table),
            "/a%20b.csv": lambda: self._send(200, TABLE),
            "/own.csv": self._send_own,
            "/elsewhere.csv": lambda: self._send(302, b"", Location=self.other),
            "/page.csv": lambda: self._send(200, b"<html>", **{"Content-Type": "text/html"}),
            "/short.csv": lambda: self._send(200, TABLE, **{"Content-Length": "1000"}),
            "/huge.csv": lambda: self._send(200, TABLE, **{"Content-Length": str(10**18)}),
            "/empty.csv": lambda: self._send(200, b""),
            "/busy.csv": lambda: self._send(503, b""),
            "/silent.csv": lambda: time.sleep(1),
            "/stuck.csv": self._get_stuck,
        }
        answers.get(path, lambda: self._send(404, b""))()

    def _send(self, code: int, body: bytes, **headers: str) -> None:
        self.send_response(code)
        for key, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def _send_own(self) -> None:
        self._send(200 if self.headers["Authorization"] == USER else 401, TABLE)

    def _get_stuck(self) -> None:
        self._send(200, TABLE[:5], **{"Content-Length": str(len(TABLE))})
        self.wfile.flush()
        time.sleep(1)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def serve() -> Iterator[tuple[str, type[Web]]]:
    handler = type("Handler", (Web,), {"asked": []})
    with (
        pytest.MonkeyPatch.context() as patch,
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
    ):
        patch.setenv("no_proxy", "*")
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}", handler
        server.shutdown()
