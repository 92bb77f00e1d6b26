"""The page's addresses: what each shows, and what each changes."""

import asyncio
import json
import math
import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from edge import __version__
from edge.count import signing
from edge.count.alike import alike
from edge.count.export.advice import advice
from edge.count.journal import Journal
from edge.count.report import FORMATS
from edge.count.report.content import content
from edge.count.report.page import MARKS
from edge.count.review import Review
from edge.count.summary import summary
from edge.count.verdicts import KEYS, LONGEST_NOTE, Verdict
from edge.count.words import Words, accepted
from edge.errors import UserError
from edge.page.gallery import confirmed, gallery, may_see_all, said
from edge.page.guard import Guard
from edge.page.live import Live
from edge.page.sessions import Sessions, version

_LARGEST = 2**53  # a JSON number that is exact everywhere
_LATEST = 12  # cells on the live page
_ALIKE, _COMPARED = 6, 1000  # so many cells are shown that look like one, of so many that are compared
_EVERY = 0.5  # seconds; how old what it says of the session may be
_CLOSED = "Answers and verdicts stay hidden until every reader is done."
_KEPT = {"cache-control": "private, max-age=86400, immutable"}  # a cell's picture never changes
_REPORT = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox"
_TYPES = {"html": "text/html", "pdf": "application/pdf", "csv": "text/csv", "openelis": "text/csv", "hl7": "text/plain"}

Values = dict[str, Any]


class Page:
    """The page of some sessions, and of the run that counts into one of them, or into none."""

    def __init__(self, sessions: Sessions | None, live: Live | None = None) -> None:
        self._held, self._live = sessions, live
        self._only = sessions.only if sessions else ""  # "" for no session, None for many
        self._counted: tuple[float, Values] = (-math.inf, {})  # what the live page says of the session, and since when
        self._asking = asyncio.Lock()
        self._templates = Environment(loader=PackageLoader("edge.page"), autoescape=True, undefined=StrictUndefined)

    def guarded(self, token: str = "", secure: bool = False) -> Guard:
        """The application behind its guard. token: see Guard; secure: whether it is served by TLS."""
        routes = [
            Route("/", self._list),
            Route("/sign-in", lambda request: self._html(request, "sign-in.html")),
            Route("/doctor", self._doctor),
            Route("/doctor.json", self._doctor),
            Mount("/static", StaticFiles(packages=[("edge.page", "static")])),
        ]
        if self._held:
            routes += [
                Route("/s/{key}", self._review),
                Route("/s/{key}/report", self._report),
                Route("/s/{key}/cells", self._cells),
                Route("/s/{key}/version", self._version),
                Route("/s/{key}/focus", self._focus),
                Route("/s/{key}/alike/{number}", self._alike),
                Route("/s/{key}/crops/{number}.jpg", self._crop),
                Route("/s/{key}/fields/{number}.jpg", self._field),
                Route("/s/{key}/report.{name}", self._download),
                *(Route(f"/s/{{key}}/{each}", self._changing(do), methods=["POST"]) for each, do in _CHANGES.items()),
            ]
        if live := self._live:
            routes += [
                Route("/live", lambda request: self._html(request, "live.html", key=self._only)),
                Route("/live/picture", self._picture),
                Route("/live/state", self._state),
                *(
                    Route(f"/live/{change.__name__}", self._steer(change), methods=["POST"])
                    for change in (live.pause, live.finish, live.flat, live.brighter, live.darker)
                ),
            ]
        handlers: Any = {UserError: self._failed, HTTPException: self._missing}
        return Guard(Starlette(routes=routes, exception_handlers=handlers), token, secure)

    # Pages

    def _html(self, request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        say = _words(request)
        marks = {kind: letter for kind, (letter, _) in MARKS.items()} | {"review": "…"}
        common = {"say": say, "t": say.page, "marks": marks, "live": self._live, "only": self._only is not None}
        return HTMLResponse(self._templates.get_template(template).render(**common, **values), status)

    def _list(self, request: Request) -> Response:
        if self._only is not None:
            return RedirectResponse("/live" if self._live else f"/s/{self._only}", 303)
        listed, broken = self._sessions.listed()
        return self._html(request, "list.html", sessions=listed, broken=broken)

    def _review(self, request: Request) -> Response:
        with self._journal(request) as journal:
            found, signed = self._sessions.outcome(journal), journal.signature()
            reader = request.query_params.get("reader", "").strip()
            about = {"key": request.path_params["key"], "name": Path(journal.path).stem, "settings": journal.settings}
            if not reader:
                return self._html(request, "reader.html", readers=found.readers, **about)
            signed_by = signed.reader if signed else ""
            return self._html(request, "review.html", reader=reader, keys=KEYS, signed=signed_by, **about)

    def _report(self, request: Request) -> Response:
        with self._journal(request) as journal:
            found = self._sessions.outcome(journal)
            signed = signing.signature(journal)
            about: Values = {"key": request.path_params["key"], "name": Path(journal.path).stem, "signed": signed}
            about["refused"] = "" if signed else _words(request).translated(signing.why_not(found))
            about["reader"] = request.query_params.get("reader", "")
            visible = may_see_all(found)
            about["advice"] = advice(journal.path, found) if visible else ""
        return self._html(request, "report.html", visible=visible, formats=list(FORMATS), **about)

    def _doctor(self, request: Request) -> Response:
        """What edge-doctor finds without the camera, which a run may have; as a file, without this machine's paths."""
        from edge.doctor import runtime_checks, system_checks

        folder = self._held.folder if self._held else Path()
        found = [system_checks.python(), *system_checks.libraries(), system_checks.disk(folder), system_checks.clock()]
        if not self._live or self._live.over:  # answering pictures would slow down the run
            found += runtime_checks.models()
        found.append(system_checks.power())
        if request.url.path == "/doctor":
            return self._html(request, "doctor.html", findings=found)
        text = json.dumps({"version": __version__, "findings": [each.row() for each in found]}, indent=1)
        for path in (folder.resolve(), folder, Path.home()):
            text = text.replace(f"{json.dumps(str(path))[1:-1]}", "...") if len(str(path)) > 1 else text
        headers = {"content-disposition": 'attachment; filename="edge-doctor.json"'}
        return Response(text, media_type="application/json", headers=headers)

    # What pages load

    def _cells(self, request: Request) -> Response:
        with self._journal(request) as journal:
            stamp, found = version(journal), self._sessions.outcome(journal)
            values = gallery(journal, found, request.query_params.get("reader", "").strip(), _words(request))
        return JSONResponse({**values, "version": stamp})

    def _version(self, request: Request) -> Response:
        with self._journal(request) as journal:
            return JSONResponse({"version": version(journal)})

    def _focus(self, request: Request) -> Response:
        with self._journal(request) as journal:
            return JSONResponse({cell.id: self._sessions.focus(journal, cell.id) for cell in journal.cells()})

    def _alike(self, request: Request) -> Response:
        """The cells that look most like one, among the latest that a person has named."""
        number, reader = _number(request.path_params["number"]), request.query_params.get("reader", "").strip()
        with self._journal(request) as journal:
            named = confirmed(self._sessions.outcome(journal), reader)
            named.pop(number, None)
            latest = list(named)[-_COMPARED:]
            look = self._sessions.look(journal, number)
            found = alike(look, [self._sessions.look(journal, each) for each in latest], _ALIKE)
        return JSONResponse({"alike": [[latest[place], named[latest[place]]] for place in found]})

    def _crop(self, request: Request) -> Response:
        with self._journal(request) as journal:
            jpeg = journal.crop(_number(request.path_params["number"]))
        return Response(jpeg, media_type="image/jpeg", headers=_KEPT)

    def _field(self, request: Request) -> Response:
        with self._journal(request) as journal:
            jpeg = journal.field_picture(_number(request.path_params["number"]))
        if jpeg is None:
            raise HTTPException(404)
        return Response(jpeg, media_type="image/jpeg", headers=_KEPT)

    def _download(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in FORMATS:
            raise HTTPException(404)
        ending, write = FORMATS[name]
        with self._journal(request) as journal, tempfile.TemporaryDirectory() as folder:
            if not may_see_all(self._sessions.outcome(journal)):
                raise UserError(_CLOSED)
            about, part = content(journal, _words(request).language), Path(folder) / "report"
            write(about, part)
            body = part.read_bytes()
        headers = {"content-security-policy": _REPORT, "x-frame-options": "SAMEORIGIN"} if name == "html" else {}
        if name != "html" or "download" in request.query_params:
            headers["content-disposition"] = f'attachment; filename="{about.name}{ending}"'
        return Response(body, media_type=_TYPES.get(name, "application/json"), headers=headers)

    # The live run

    async def _picture(self, request: Request) -> Response:
        """The next picture after the one that a browser has. Its headers say which it is, and when it was taken."""
        assert self._live
        found = await self._live.picture(_number(request.query_params.get("after", "0")))
        if found is None:
            return Response(status_code=204)
        headers = {"x-number": str(found.number), "x-taken": f"{found.taken:.4f}", "x-boxes": found.boxes}
        return Response(found.jpeg, media_type="image/jpeg", headers=headers)

    async def _state(self, request: Request) -> Response:
        assert self._live
        async with self._asking:  # once for all browsers; another thread would take more time than the answer does
            if self._held and time.monotonic() - self._counted[0] > _EVERY:
                self._counted = time.monotonic(), await run_in_threadpool(self._of_session)
            state = self._live.state() | self._counted[1]
        if self._held:
            del state["answers"]  # they are no secret only where nobody reviews
        unlike = [_words(request).translated(each) for each in state.get("unlike", ())]
        return JSONResponse(state | {"unlike": unlike})

    def _of_session(self) -> Values:
        """What the live page says of the session that is counted into."""
        with Journal.open(self._sessions.place, read_only=True) as journal:
            found = self._sessions.outcome(journal)
            about = summary(journal, found) if may_see_all(found) else None
        settings = found.settings
        latest = [each.cell for each in found.judged[-_LATEST:] if not each.cell.added]
        values: Values = {"counted": found.counted, "target": settings.target, "cells": len(found.judged)}
        values["latest"] = [[cell.id, "" if settings.blind else cell.answer] for cell in reversed(latest)]
        if about:
            values["shares"] = {label: asdict(share) for label, share in about.shares.items()}
            values |= {"counts": dict(about.counts), "waiting": len(found.open), "unlike": about.unlike}
        elif settings.blind:
            values["counted"] = None
        return values

    def _steer(self, change: Callable[[], None]) -> Callable[[Request], Response]:
        def endpoint(_: Request) -> Response:
            change()
            return JSONResponse({})

        return endpoint

    # Helpers

    @property
    def _sessions(self) -> Sessions:
        assert self._held
        return self._held

    def _journal(self, request: Request, read_only: bool = True) -> Journal:
        file = self._sessions.file(request.path_params["key"])
        if file is None:
            raise HTTPException(404)
        return Journal.open(file, read_only)

    def _changing(self, change: Callable[[Review, Values], Values]) -> Callable[[Request], Any]:
        """An endpoint that changes a session. Its answer goes out when the change is on the disk."""

        def changed(request: Request, values: Values) -> Values:
            with self._journal(request, read_only=False) as journal:
                done = change(Review(journal, _text(values, "reader").strip()), values)
                return {**done, "version": version(journal)}

        async def endpoint(request: Request) -> Response:
            values = _object(await request.body())
            return JSONResponse(await run_in_threadpool(changed, request, values))

        return endpoint

    def _failed(self, request: Request, error: UserError) -> Response:
        if request.method == "POST" or "text/html" not in request.headers.get("accept", ""):
            return JSONResponse({"error": error.message}, 400)
        return self._html(request, "message.html", 400, message=error.message)

    def _missing(self, request: Request, error: HTTPException) -> Response:
        message = _words(request).page["missing"] if error.status_code == 404 else error.detail
        return self._html(request, "message.html", error.status_code, message=message)


# Changes; each returns what the reader says now about the cells that it changed


def _judge(review: Review, values: Values) -> Values:
    cells = values.get("cells")
    if not isinstance(cells, list) or not cells:
        raise UserError("No cell was chosen.")
    verdict = Verdict(_text(values, "kind"), _text(values, "note")) if values.get("kind") else None
    review.judge([_whole(each) for each in cells], verdict)
    return _now(review, cells)


def _add(review: Review, values: Values) -> Values:
    x, y = (_real(values.get(name)) for name in ("x", "y"))
    number = review.add(_whole(values.get("field")), x, y, Verdict(_text(values, "kind")))
    return _now(review, [number]) | {"added": number}


def _sign(review: Review, _: Values) -> Values:
    return {"signed": signing.sign(review.journal, review.reader).reader}


def _now(review: Review, cells: list[int]) -> Values:
    mine = {cell: review.journal.said_of(cell).get(review.reader) for cell in cells}
    return {"mine": {cell: said(verdict) for cell, verdict in mine.items()}}


_CHANGES: dict[str, Callable[[Review, Values], Values]] = {
    "judge": _judge,
    "undo": lambda review, _: _now(review, review.undo()),
    "redo": lambda review, _: _now(review, review.redo()),
    "add": _add,
    "sign": _sign,
}

# What comes from outside


def _words(request: Request) -> Words:
    """The words of the language that the browser asks for."""
    return accepted(request.headers.get("accept-language", ""))


def _object(body: bytes) -> Values:
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise UserError("The request is no JSON object.")
    return values


def _text(values: Values, name: str) -> str:
    text = values.get(name, "")
    if not isinstance(text, str) or not text.isprintable() or len(text) > LONGEST_NOTE:
        raise UserError(f"{name} must be one line of text with at most {LONGEST_NOTE} characters.")
    return text


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < _LARGEST:
        raise UserError("A cell or a field is a whole number from 1 on.")
    return value


def _real(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < _LARGEST:
        raise UserError("x and y are numbers, in pixels of the field.")
    return float(value)


def _number(digits: str) -> int:
    if not re.fullmatch(r"[0-9]{1,15}", digits):
        raise HTTPException(404)
    return int(digits)
