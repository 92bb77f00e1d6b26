"""A stand-in for Kaggle on this machine: what kagglehub asks for when it downloads a public data set.

kagglehub's client only takes one of a few fixed addresses, without a port. So it is set to ask http://localhost, with
127.0.0.1:PORT as its proxy, and no test can reach the network. As on the real Kaggle, a download is redirected to a
storage server, which can continue in the middle of a file.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

_SERVICE = "/api/v1/datasets.DatasetApiService/"
_VERSION = 3


class Kaggle(ThreadingHTTPServer):
    """A stand-in for Kaggle's API and storage on this machine.

    Attributes:
        archives: content of each zip file, by OWNER/NAME.
        break_after: number of bytes after which each transfer breaks off; None for never.
        checksum: the checksum to state instead of the archive's own.
        status: the HTTP status with which every request is refused; None to refuse none.
        requests: method, path and range of each request.
    """

    def __init__(self, archives: Mapping[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.archives = archives
        self.break_after: int | None = None
        self.checksum: str | None = None
        self.status: int | None = None
        self.requests: list[tuple[str, str, str | None]] = []

    def environment(self, home: Path) -> dict[str, str]:
        """The environment that sends a child process to this server. home: an empty folder, to hide the user's own."""
        proxy = f"http://127.0.0.1:{self.server_address[1]}"
        return {
            "KAGGLE_API_ENVIRONMENT": "LOCALHOST",
            **dict.fromkeys(("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"), proxy),
            **dict.fromkeys(("no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"), ""),
            **dict.fromkeys(("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY"), ""),
            "KAGGLE_CONFIG_DIR": str(home),
            "KAGGLEHUB_CACHE": str(home / "kagglehub"),
            "HOME": str(home),
        }


class _Handler(BaseHTTPRequestHandler):
    server: Kaggle

    def do_POST(self) -> None:
        """The API: which version is the newest, and where does it lie?"""
        path = self._note()
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        handle = f"{request['ownerSlug']}/{request['datasetSlug']}"
        if self.server.status:
            self._answer(self.server.status, {"code": self.server.status, "message": "Not now.\nReally."})
        elif handle not in self.server.archives:
            self._answer(403, {"code": 403, "message": "Permission 'datasets.get' was denied"})
        elif path == f"{_SERVICE}GetDataset":
            self._answer(200, {"ref": handle, "currentVersionNumber": _VERSION})
        elif path == f"{_SERVICE}DownloadDataset" and request["datasetVersionNumber"] == _VERSION:
            self.send_response(302)
            self.send_header("Location", f"http://storage.invalid/{handle}/archive.zip")
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self._answer(404, {"code": 404, "message": "Not found"})

    def do_GET(self) -> None:
        """The storage: the archive, or the rest of it."""
        archive = self.server.archives[self._note().removeprefix("/").removesuffix("/archive.zip")]
        start = int((self.headers["Range"] or "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", "application/zip")
        self.send_header("Content-Length", str(len(archive) - start))
        self.send_header("Accept-Ranges", "bytes")
        md5 = self.server.checksum or base64.b64encode(hashlib.md5(archive).digest()).decode()
        self.send_header("x-goog-hash", f"md5={md5}")
        self.end_headers()
        end = None if self.server.break_after is None else start + self.server.break_after
        self.wfile.write(archive[start:end])

    def _note(self) -> str:
        path = urlsplit(self.path).path
        self.server.requests.append((self.command, path, self.headers["Range"]))
        return path

    def _answer(self, status: int, document: dict) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass
