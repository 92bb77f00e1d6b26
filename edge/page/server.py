"""Serves the page in a thread of its own: on this machine alone, or with a token to others."""

import logging
import re
import secrets
import socket
import ssl
import threading
import time
from pathlib import Path
from typing import Self

from edge.errors import UserError, reason
from edge.page.live import Live
from edge.page.sessions import Sessions

USUAL = "127.0.0.1:8080"
_MOST = 64  # connections at the same time
_IDLE = 30  # seconds after which an idle connection is closed
_PATIENCE = 3.0  # seconds for the last answers at the end


class Server:
    """The page, served until `close`.

    Attributes:
        address: to type into a browser; beyond this machine with the token, which a browser doesn't send along.
    """

    def __init__(
        self,
        place: Path | None,
        at: str = USUAL,
        live: Live | None = None,
        tls: tuple[Path | None, Path | None] = (None, None),
    ) -> None:
        """Starts to serve.

        Args:
            place: a session file, or a folder with them; None to show a run without a session.
            at: HOST:PORT, or HOST, PORT alone. Port 0 takes any that is free.
            live: the run that counts into the session, if one does.
            tls: files with the certificate and its key, PEM; None for no TLS.

        Raises:
            UserError: where the address can't be had, a file can't be used, or a library is missing.
        """
        try:
            import uvicorn

            from edge.page.app import Page
            from edge.page.connection import Connection
            from edge.page.guard import LOCAL
        except ImportError:
            raise UserError("The page needs more libraries: pip install 'edge-classify[page]'.") from None
        host, port = parse(at)
        certificate, key = _checked(tls)
        sessions = Sessions(place) if place else None
        self._socket = _bound(host, port)
        self.port = self._socket.getsockname()[1]
        token = "" if host in LOCAL else secrets.token_urlsafe(16)
        app = Page(sessions, live).guarded(token, secure=certificate is not None)
        shown = _own_address() if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
        end = f"/sign-in#{token}" if token else "/"
        self.address = f"http{'s' if certificate else ''}://{shown}:{self.port}{end}"
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            http=Connection,
            ws="none",
            lifespan="off",
            limit_concurrency=_MOST,
            timeout_keep_alive=_IDLE,
            timeout_graceful_shutdown=1,
            ssl_certfile=certificate,
            ssl_keyfile=key,
        )
        logging.getLogger("uvicorn").setLevel(logging.CRITICAL)  # what a stranger sends is no news
        self._server = uvicorn.Server(config)
        # A daemon, because a browser that doesn't read must not keep the process from ending.
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), daemon=True, name="page")
        self._thread.start()
        until = time.monotonic() + _PATIENCE
        while not self._server.started and self._thread.is_alive() and time.monotonic() < until:
            time.sleep(0.01)

    def invitation(self, code: bool) -> str:
        """The line that says where the page is. code: whether the token's address is drawn above it as a QR code."""
        return f"{qr_code(self.address) if code and '#' in self.address else ''}The page: {self.address}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the server; answers that are under way get a moment."""
        self._server.should_exit = True
        self._thread.join(_PATIENCE)
        self._socket.close()


def parse(text: str) -> tuple[str, int]:
    """HOST:PORT, HOST or PORT -> (host, port). Raises UserError."""
    found = re.fullmatch(r"(?:(\[[0-9a-fA-F:.]+\]|[\w.-]*?):)?(\d{1,5})|([\w.-]*[a-zA-Z.][\w.-]*)", text.strip())
    if not found or int(found[2] or 0) > 65535:
        raise UserError(f"{text!r} is no address for the page; give HOST:PORT, such as {USUAL} or 0.0.0.0:8080.")
    usual_host, usual_port = USUAL.split(":")
    return (found[1] or found[3] or usual_host).strip("[]"), int(found[2] or usual_port)


def qr_code(address: str) -> str:
    """An address as a QR code of text; "" where the library for it is missing."""
    try:
        import io

        import segno
    except ImportError:
        return ""
    text = io.StringIO()
    segno.make(address, error="l").terminal(text, compact=True)
    return text.getvalue()


def _bound(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=_MOST)
    except OSError as error:
        raise UserError(
            f"The page can't be served at {host}:{port}: {reason(error).partition(' (while')[0]}; give another address."
        ) from None


def _checked(tls: tuple[Path | None, Path | None]) -> tuple[str | None, str | None]:
    """The certificate and its key, tried out."""
    certificate, key = tls
    if certificate is None and key is None:
        return None, None
    if certificate is None or key is None:
        raise UserError("TLS needs both --tls-certificate and --tls-key.")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except (OSError, ssl.SSLError, ValueError) as error:
        raise UserError(f"{certificate} with {key} can't be used for TLS: {reason(error)}.") from None
    return str(certificate), str(key)


def _own_address() -> str:
    """This machine's address in its network; its name where it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing; only finds the way
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()
