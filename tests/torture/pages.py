"""The page gets requests that no browser sends: each is answered or refused, and a stranger's changes nothing."""

import json
import logging
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from attempts import damaged

from edge.count.journal import Journal
from edge.count.outcome import outcome
from edge.page.live import Live
from edge.page.server import Server
from edge.system.signals import Stop

sys.path.append(str(Path(__file__).parents[1] / "edge" / "count"))
from count_helpers import fill, new_session

COUNT, SECONDS = 1000, 60
REQUESTS = 10  # of one attempt
_PATIENCE = 20.0  # seconds for an answer
_SECRET = b"what lies beside the session"
_PLACES = (
    *("/", "/sign-in", "/doctor.json", "/static/page.js", "/static/../app.py", "/live", "/live/state", "/s/KEY"),
    *("/live/picture", "/s/KEY/report", "/s/KEY/cells", "/s/KEY/version", "/s/KEY/focus", "/s/KEY/alike/1"),
    *("/s/KEY/crops/1.jpg", "/s/KEY/fields/1.jpg", "/s/KEY/report.json", "/s/KEY/report.hl7", "/s/../secret.txt"),
)
_CHANGING = [f"/s/KEY/{change}" for change in ("judge", "judge", "add", "undo", "redo", "sign")]
_CHANGING += [f"/live/{change}" for change in ("pause", "finish", "flat", "brighter", "darker")]
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "CONNECT", "BREW", "get")
_ODD_TEXTS = (
    *("", "..", "../secret.txt", "..%2f..%2fsecret.txt", "%2e%2e/secret.txt", "/etc/passwd", "//evil.example/", "%00"),
    *("%ff%fe", "%", "%zz", "'\"<script>", "1" * 400, "-1", "0", "1e9", "%D9%A1", "a" * 5000, "\N{SNOWMAN}", "KEY~2"),
)
_ODD_VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 2**53, 1e308, 0.5, "", "a\nb", "\ud800", "é" * 600, [], [[]], {}, {"kind": {}}, [1, 1, 2]),
    *("monocyte", "unsure", "not a cell", "lymphocyte'); drop table cells; --", [True], ["1"], list(range(3000))),
)
_HEADERS = (
    *("Accept: text/html", "Accept-Language: de,*;q=x", "Accept-Language: " + "a," * 900, "Range: bytes=0-", "Host: x"),
    *(
        "Content-Length: -1",
        "Content-Length: 5",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: gzip",
        "Cookie: =;=",
    ),
    *(
        "Cookie: edge-count-x=" + "a" * 3000,
        "Cookie: \xff",
        "Expect: 100-continue",
        "Connection: keep-alive",
        "X: \x00",
    ),
    *(
        "Content-Type: application/x-www-form-urlencoded",
        "Content-Type: multipart/form-data; boundary=x",
        "Upgrade: h2c",
    ),
    *("Origin: null", "Sec-Fetch-Site: cross-site", "X-Forwarded-For: 127.0.0.1", "X-HTTP-Method-Override: POST"),
)
_SOCKET = [
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: " + "A" * 22 + "==",
]


def attempt(random: np.random.Generator, folder: Path) -> str | None:
    with new_session(folder) as journal:
        fill(journal, ["review", "lymphocyte", "monocyte"])
        path, key = Path(journal.path), journal.id
    (folder / "secret.txt").write_bytes(_SECRET)
    host = str(random.choice(["127.0.0.1", "0.0.0.0"]))
    live = Live(Stop())

    def held() -> list[object]:
        """What a stranger may not change."""
        with Journal.open(path, read_only=True) as journal:
            steered = live.paused, live.again, live._retake, live._steps, live._stop.asked
            return [*journal.rows(10**9), steered]

    with _log() as log, Server(path, f"{host}:0", live) as server:
        known = _signed_in(server)
        for _ in range(REQUESTS):
            stranger = random.random() < 0.5
            before = held()
            request, whole = _request(random, key, [] if stranger else known)
            answer = _sent(server.port, request, whole)
            changed = "a stranger changed something" if stranger and held() != before else ""
            if broke := _wrong(answer, whole) or changed:
                return f"{broke}: {request[:300]!r}"
        if log:
            return f"the log says: {log[0]}"
        last = _sent(server.port, _http("GET", f"/s/{key}/version", known), True)
        if not last.startswith(b"HTTP/1.1 200"):
            return f"the page ended: {last[:100]!r}"
    if strange := {file.name for file in folder.rglob("*") if not file.name.startswith((path.name, "secret.txt"))}:
        return f"written beside the session: {sorted(strange)}"
    with Journal.open(path) as journal:
        outcome(journal)
    return None


def _request(random: np.random.Generator, key: str, known: list[str]) -> tuple[bytes, bool]:
    """A request, and whether it is one by the rules of HTTP. known: the headers of somebody who is signed in."""

    def one(of: Any) -> Any:
        return of[random.integers(len(of))]

    method, place, headers, body = "GET", one(_PLACES), list(known), b""
    if random.random() < 0.5:
        method, place = "POST", one(_CHANGING)
        values = {"reader": "Ada", "cells": [1], "kind": "monocyte", "field": 1, "x": 50, "y": 50}
        for _ in range(random.integers(3)):
            values[one([*values, "note"])] = one(_ODD_VALUES)
        text = json.dumps(values)
        body = one([text, text, text, "[" * 70_000, "a=1&b=2", "--x\r\n\r\n--x--", "", "{" * 900, "nan"]).encode()
        body = damaged(body, random, 3) if random.random() < 0.2 else body
    if random.random() < 0.3:
        method = one(_METHODS)
    if random.random() < 0.5:
        parts = place.split("/")
        parts[random.integers(1, len(parts))] = one(_ODD_TEXTS)
        place = "/".join(parts)
    if random.random() < 0.5:
        place += f"?reader={quote(one([*_ODD_TEXTS, 'Ada']))}&after={one(_ODD_TEXTS)}"
    whole = random.random() < 0.6
    if not whole:
        headers += [one(_HEADERS) for _ in range(random.integers(1, 4))]
        if random.random() < 0.2:
            headers, body = [*headers, *_SOCKET], random.bytes(60)
    place = place.replace("KEY", key)
    request = _http(method, quote(place, safe="/%?&=.~-_"), headers, body)
    return (damaged(request, random, 3), False) if not whole and random.random() < 0.5 else (request, whole)


def _http(method: str, place: str, headers: list[str], body: bytes = b"") -> bytes:
    usual = ["Host: localhost"] if not any(each.startswith("Host") for each in headers) else []
    lines = [f"{method} {place or '/'} HTTP/1.1", *usual, *headers, "Connection: close", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + body


def _sent(port: int, request: bytes, whole: bool) -> bytes:
    """What the page answers."""
    with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE if whole else 0.2) as connection:
        parts = []
        try:
            connection.sendall(request)
            while part := connection.recv(1 << 20):
                parts.append(part)
        except TimeoutError:
            if whole:
                raise
        except ConnectionError:  # it hung up on what it wasn't going to read
            pass
        return b"".join(parts)


def _wrong(answer: bytes, whole: bool) -> str:
    if _SECRET in answer:
        return "a file beside the session was shown"
    if b"Traceback" in answer:
        return "a traceback was shown"
    status = answer[9:12]
    if whole and not answer:
        return "no answer"
    return (
        f"status {status.decode('latin-1')}" if answer and (answer[:5] != b"HTTP/" or status[:1] not in b"1234") else ""
    )


def _signed_in(server: Server) -> list[str]:
    """The headers of somebody who may change the session."""
    _, _, token = server.address.partition("#")
    same = [f"Host: localhost:{server.port}", f"Origin: http://localhost:{server.port}"]
    if not token:
        return same
    answer = _sent(server.port, _http("POST", "/sign-in", same, token.encode()), True)
    cookie = next(line for line in answer.split(b"\r\n") if line.lower().startswith(b"set-cookie: "))
    return [*same, f"Cookie: {cookie[12:].partition(b';')[0].decode()}"]


@contextmanager
def _log() -> Iterator[list[str]]:
    """What is logged as an error, with the levels that the page sets: what h11 refuses by itself is no news."""
    heard: list[str] = []

    class Ears(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(self.format(record))

    ears, root = Ears(logging.ERROR), logging.getLogger()
    root.addHandler(ears)
    try:
        yield heard
    finally:
        root.removeHandler(ears)
