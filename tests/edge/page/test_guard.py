"""Who gets in, and what nobody can send."""

import http.client
import json
import logging
import os
import random
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from page_helpers import Client, fill, key_of, new_session

from edge.count.journal import Journal
from edge.count.verdicts import Verdict
from edge.errors import UserError
from edge.page.server import Server, parse, qr_code


@pytest.fixture
def file(tmp_path: Path) -> Path:
    with new_session(tmp_path) as journal:
        fill(journal, ["lymphocyte", "review", "monocyte"])
        return Path(journal.path)


@pytest.fixture
def local(file: Path) -> Iterator[tuple[Server, Client, str]]:
    with Server(file, "127.0.0.1:0") as server:
        yield server, Client(server.port), f"/s/{key_of(file)}"


@pytest.fixture
def remote(file: Path) -> Iterator[tuple[Server, Client, str]]:
    with Server(file, "0.0.0.0:0") as server:
        yield server, Client(server.port, "pi.local"), f"/s/{key_of(file)}"


def contents(file: Path) -> list[object]:
    with Journal.open(file, read_only=True) as journal:
        return list(journal.rows(10**9))


def test_on_this_machine_no_token_is_asked_for(local: tuple[Server, Client, str]) -> None:
    server, client, here = local
    assert server.address == f"http://127.0.0.1:{server.port}/"
    assert client.get("/").headers["location"] == here
    assert client.get(f"{here}/cells?reader=Ada").status == 200


def test_another_sites_name_for_this_machine_is_refused(local: tuple[Server, Client, str]) -> None:
    """DNS rebinding: evil.example leads to 127.0.0.1, and its scripts would be of the same origin."""
    server, _, here = local
    for host in ("evil.example", "127.0.0.1.evil.example", "127.0.0.1@evil.example", ""):
        assert Client(server.port, host).get(f"{here}/cells?reader=Ada").status in (400, 421), host
    for host in ("localhost", "127.0.0.1"):
        assert Client(server.port, host).get(f"{here}/cells?reader=Ada").status == 200


def test_beyond_this_machine_there_is_only_the_sign_in_without_the_token(remote: tuple[Server, Client, str]) -> None:
    server, client, here = remote
    for path in ("/", here, f"{here}/cells?reader=A", f"{here}/crops/1.jpg", f"{here}/report.pdf", "/live", "/nothing"):
        assert client.get(path).status == 401, path
        assert client.get(path, Accept="text/html").headers.get("location") == "/sign-in", path
    assert client.post(f"{here}/judge", {"reader": "Ada", "cells": [1], "kind": "monocyte"}).status == 401
    assert client.get("/sign-in").status == 200 and client.get("/static/page.css").status == 200
    for wrong in (b"", b"x", b"\xff\xfe", b"a" * 1000):
        assert client.post("/sign-in", wrong).status == 403
    for cookie in ("edge-count=1", "=", "a" * 5000, 'edge-count-x="\\777'):
        assert client.get("/", Cookie=cookie).status == 401
    client.sign_in(server)
    assert client.get(f"{here}/cells?reader=Ada").status == 200
    token = server.address.partition("#")[2]
    assert len(token) >= 20 and token not in client.cookie
    answer = Client(server.port, "pi.local").post("/sign-in", token.encode())
    for attribute in ("HttpOnly", "SameSite=strict"):
        assert attribute in answer.headers["set-cookie"]


def test_a_change_from_another_site_is_refused(local: tuple[Server, Client, str], file: Path) -> None:
    server, client, here = local
    before, own = contents(file), f"http://127.0.0.1:{server.port}"
    change = {"reader": "Ada", "cells": [1], "kind": "monocyte"}
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": own, "Sec-Fetch-Site": "cross-site"},
        {"Origin": own, "Sec-Fetch-Site": "same-site"},
        {"Origin": f"https://127.0.0.1:{server.port}"},
        {"Origin": "http://127.0.0.1"},
    ):
        assert client.request("POST", f"{here}/judge", change, headers).status == 403, headers
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        assert client.request(method, f"{here}/judge", change, {"Origin": own}).status == 405
    assert client.get(f"{here}/judge").status == 405
    assert contents(file) == before
    assert client.post(f"{here}/judge", change).status == 200
    with Journal.open(file, read_only=True) as journal:
        assert journal.said_of(1) == {"Ada": Verdict("monocyte")}


def test_every_answer_has_strict_headers(local: tuple[Server, Client, str]) -> None:
    _, client, here = local
    for path in ("/", here, f"{here}/report", "/static/review.js", "/nothing", f"{here}/crops/99.jpg"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy, path
        assert headers["x-content-type-options"] == "nosniff" and "server" not in headers
    framed = client.get(f"{here}/report.html").headers["content-security-policy"]
    assert "script" not in framed and framed.endswith("sandbox")  # it has styles of its own, but runs nothing


def test_a_body_may_be_neither_large_nor_endless(local: tuple[Server, Client, str]) -> None:
    server, client, here = local
    assert client.post(f"{here}/judge", b"x" * 70_000).status == 413
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as raw:
        host = f"127.0.0.1:{server.port}"
        head = f"POST {here}/judge HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n"
        chunks = (b"4000\r\n" + b"x" * 0x4000 + b"\r\n") * 6
        raw.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunks)
        assert b" 413 " in raw.recv(100)


@pytest.mark.parametrize("method", ["HEAD", "GET", "POST", "X"])
@pytest.mark.parametrize("later", [False, True], ids=["at once", "after the answer began"])
def test_a_body_that_breaks_off_is_refused_without_an_error(
    method: str, later: bool, local: tuple[Server, Client, str], caplog: pytest.LogCaptureFixture
) -> None:
    server, client, here = local
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as raw:
        head = f"{method} {here} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nTransfer-Encoding: chunked\r\n\r\n"
        broken = b"--x\r\n\r\n"
        raw.sendall(head.encode() + (b"" if later else broken))
        if later:
            raw.sendall(broken if raw.recv(16) else b"")
        while raw.recv(1 << 16):  # until the page closes the connection
            pass
    assert not caplog.records and client.get(here).status == 200


NASTY = [
    b"..",
    b"%2e%2e",
    b"/etc/passwd",
    b"%00",
    b"\xff",
    b"%ff",
    b"'",
    b"~2",
    b"9" * 400,
    b"-1",
    b"{{7*7}}",
    b"%s",
    b"\\",
]


def test_nothing_that_is_sent_breaks_the_page(
    local: tuple[Server, Client, str], file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server, client, here = local
    before, chance = contents(file), random.Random(7)
    paths = ["/", here, "/static/page.css", "/sign-in", "/s/", "/live/state"]
    paths += [
        f"{here}/{name}" for name in ("cells", "crops/1.jpg", "fields/1.jpg", "report.pdf", "undo", "judge", "add")
    ]
    values: list[object] = [None, 1, -1, 2**70, 1e400, "x", [], [[]], {}, True, [1, "1"], [10**6], "\ud800", "a\nb"]
    for number in range(int(os.environ.get("FUZZ", "400"))):  # 10,000 take five minutes
        path = chance.choice(paths).encode()
        for _ in range(chance.randrange(3)):
            place = chance.randrange(len(path) + 1)
            path = path[:place] + chance.choice(NASTY) + path[place:]
        head = [b"Host: " + (f"127.0.0.1:{server.port}".encode() if chance.random() < 0.9 else chance.choice(NASTY))]
        method, body = chance.choice([b"GET", b"GET", b"POST", b"HEAD", b"X"]), b""
        if method == b"POST":
            head.append(f"Origin: http://127.0.0.1:{server.port}".encode())
            names = ("reader", "cells", "kind", "note", "field", "x", "y")
            fields = ", ".join(f'"{name}": {json.dumps(chance.choice(values))}' for name in names)
            body = chance.choice(
                [f"{{{fields}}}".encode(), b"[" * 60_000, b"\xff", b"null", b'{"reader": "Ada", "cells": [7]}']
            )
            head.append(b"Content-Length: %d" % len(body))
        for _ in range(chance.randrange(3)):
            name = chance.choice(
                [b"Cookie", b"Accept-Language", b"Accept", b"Range", b"Upgrade", b"Content-Type", b"X"]
            )
            value = chance.choice(
                [*NASTY, b"text/html", b"fr;q=x,,;q=", b"bytes=9-1", b"bytes=" + b"0-1," * 500, b"websocket"]
            )
            head.append(name + b": " + value)
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as raw:
            raw.sendall(
                method + b" " + path + b" HTTP/1.1\r\n" + b"\r\n".join([*head, b"Connection: close", b"", b""]) + body
            )
            answer = raw.recv(16)
        assert answer[9:10] in (b"2", b"3", b"4"), (number, method, path, head, body[:200], answer)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING], caplog.text
    assert contents(file) == before
    assert client.get(here).status == 200


def test_where_a_page_may_be_served() -> None:
    assert parse("8080") == ("127.0.0.1", 8080)
    assert parse("0.0.0.0:80") == ("0.0.0.0", 80)
    assert parse("pi.local") == ("pi.local", 8080)
    assert parse("[::1]:81") == ("::1", 81)
    for wrong in ("", "a:b", "host:99999", "a b", "http://x:1", "pictures/x.png"):
        with pytest.raises(UserError, match="HOST:PORT"):
            parse(wrong)


def test_an_address_that_is_taken_or_a_wrong_certificate_is_a_sentence(file: Path) -> None:
    with Server(file, "127.0.0.1:0") as server, pytest.raises(UserError, match="give another address"):
        Server(file, f"127.0.0.1:{server.port}")
    with pytest.raises(UserError, match="TLS needs both"):
        Server(file, "127.0.0.1:0", tls=(file, None))
    with pytest.raises(UserError, match="can't be used for TLS"):
        Server(file, "127.0.0.1:0", tls=(file, file))


def test_tls(file: Path, tmp_path: Path) -> None:
    if not shutil.which("openssl"):
        pytest.skip("needs openssl to make a certificate")
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    make = f"req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -out {certificate} -keyout {key}"
    subprocess.run(["openssl", *make.split()], check=True, capture_output=True)
    with Server(file, "0.0.0.0:0", tls=(certificate, key)) as server:
        context = ssl.create_default_context(cafile=str(certificate))
        connection = http.client.HTTPSConnection("localhost", server.port, context=context, timeout=20)
        token = server.address.partition("#")[2]
        connection.request("POST", "/sign-in", token.encode(), {"Origin": f"https://localhost:{server.port}"})
        answer = connection.getresponse()
        assert answer.status == 200 and "Secure" in str(answer.getheader("set-cookie"))


def test_the_address_is_also_a_qr_code() -> None:
    pytest.importorskip("segno")
    assert len(qr_code("http://192.168.1.20:8080/sign-in#abc").splitlines()) > 10
