"""What every request has to pass before the page sees it: host, origin, size, and the token beyond this machine."""

import asyncio
import hmac
import logging
import secrets
import time
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request, cookie_parser
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger(__name__)

LARGEST = 64 * 1024  # bytes of a request's body; a verdict about 5,000 cells has about 35,000
_SLOWEST = 10.0  # seconds that a body may take
LOCAL = ("localhost", "127.0.0.1", "::1")
OPEN = ("/sign-in", "/static/")  # what can be had without the token
HEADERS = {
    "content-security-policy": "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """Wraps the application.

    Attributes:
        token: what a person has to give to sign in; "" on loopback, where nobody has to.
    """

    def __init__(self, app: ASGIApp, token: str = "", secure: bool = False) -> None:
        """secure: whether the page is served by TLS, so that the cookie goes nowhere else."""
        self.token, self._app, self._secure = token, app, secure
        self._secret = secrets.token_urlsafe(32)  # the cookie's value; it ends with the server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] != "http":  # a WebSocket
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        response = self._refused(scope)
        try:
            if scope["method"] == "POST":
                receive = _limited(receive)
            if response is None and scope["method"] == "POST" and scope["path"] == "/sign-in":
                response = self._sign_in(await Request(scope, receive).body())
            if response is None:
                await self._app(scope, receive, with_headers)
        except ClientDisconnect:
            return
        except HTTPException as error:
            response = PlainTextResponse(error.detail, error.status_code)
        except Exception as error:  # a fault of the program; the count must go on
            logger.error("The page failed at %s (%s: %s).", ascii(scope["path"]), type(error).__name__, error)
            response = PlainTextResponse("The page failed; the program's log says more.", 500)
        if response is not None and not started:
            await response(scope, receive, with_headers)

    def _refused(self, scope: Scope) -> Response | None:
        """Why a request goes no further; None if it may."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self.token and _name(host) not in LOCAL:  # another site's name that leads here: DNS rebinding
            return PlainTextResponse("Open the page as http://localhost with its port.", 421)
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return PlainTextResponse("Not allowed.", 405)
        if scope["method"] == "POST" and not _same_site(headers, scope["scheme"], host):
            return PlainTextResponse("This change comes from another site.", 403)
        if self.token and not scope["path"].startswith(OPEN) and not self._signed_in(headers):
            if scope["method"] == "GET" and "text/html" in headers.get("accept", ""):
                return Response(status_code=303, headers={"location": "/sign-in"})
            return PlainTextResponse("Sign in first.", 401)
        return None

    @property
    def _cookie(self) -> str:
        return f"edge-count-{self._secret[:6]}"  # browsers send cookies to every port of a host

    def _signed_in(self, headers: Headers) -> bool:
        found = cookie_parser(headers.get("cookie", "")).get(self._cookie, "")
        return hmac.compare_digest(found.encode(), self._secret.encode())

    def _sign_in(self, body: bytes) -> Response:
        """Takes the token, and gives a cookie for it."""
        if not self.token or not hmac.compare_digest(body.strip(), self.token.encode()):
            return PlainTextResponse("Wrong token.", 403)
        response = PlainTextResponse("Signed in.")
        response.set_cookie(self._cookie, self._secret, httponly=True, samesite="strict", secure=self._secure)
        return response


def _name(host: str) -> str:
    """The name in a Host header, without its port; "" if it is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _same_site(headers: Headers, scheme: str, host: str) -> bool:
    """Whether the page itself sent a request. All browsers send Origin with a POST; without it nothing is changed."""
    return headers.get("origin") == f"{scheme}://{host}" and headers.get("sec-fetch-site", "same-origin") == (
        "same-origin"
    )


def _limited(receive: Receive) -> Receive:
    """Receives a body that is neither too large nor too slow; else raises HTTPException."""
    size, until = 0, time.monotonic() + _SLOWEST

    async def next_part() -> Message:
        nonlocal size
        try:
            message = await asyncio.wait_for(receive(), until - time.monotonic())
        except TimeoutError:
            raise HTTPException(408, "The request takes too long.") from None
        size += len(message.get("body", b""))
        if size > LARGEST:
            raise HTTPException(413, "Too large.")
        return message

    return next_part
