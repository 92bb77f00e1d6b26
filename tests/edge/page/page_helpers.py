"""A served page, and a client that speaks to it as a browser does."""

import http.client
import json
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conftest import ROOT

from edge.count.journal import Journal
from edge.page.server import Server

sys.path.append(str(ROOT / "tests" / "edge" / "count"))
from count_helpers import fill, new_session

__all__ = ["Answer", "Client", "fill", "key_of", "new_session", "started"]


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Keeps the cookie, and sends Origin with a POST."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.port, self.host, self.cookie = port, host, ""

    def request(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        sent = {"Host": f"{self.host}:{self.port}"}
        if method == "POST":
            sent |= {"Origin": f"http://{self.host}:{self.port}", "Sec-Fetch-Site": "same-origin"}
        if self.cookie:
            sent["Cookie"] = self.cookie
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, sent | (headers or {}))
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            if "set-cookie" in found:
                self.cookie = found["set-cookie"].partition(";")[0]
            return Answer(answer.status, found, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.request("GET", path, headers=headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self.request("POST", path, body, headers)

    def silent(self, path: str) -> socket.socket:
        """A connection that asks and never reads."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n\r\n".encode())
        return connection

    def sign_in(self, server: Server) -> None:
        assert self.post("/sign-in", server.address.partition("#")[2].encode()).status == 200


def started(*arguments: object, module: str = "edge.count.cli") -> tuple[subprocess.Popen[str], int]:
    """`edge-count` in a process of its own, and the port of its page. module: another command's."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    for line in process.stderr:
        if line.startswith("The page: "):
            return process, int(line.rpartition(":")[2].partition("/")[0])
    raise AssertionError(process.wait())


def key_of(file: Path) -> str:
    with Journal.open(file, read_only=True) as journal:
        return journal.id
