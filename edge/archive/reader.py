"""What each process of a run does: it opens the model once, and answers the pictures that it is given.

The answers are those that `edge-classify` gives to all pictures of a site in one run. That looks at some of them before
it answers any: it measures red cells in up to 200, and asks of the first 1000 whether they are unlike home. So the
first task of each site is to do this, and what it finds is handed on to whoever answers the rest.
"""

import hashlib
import json
import os
import platform
import time
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge import __version__, locate, unlike
from edge.archive import storage
from edge.classify import Answer, Finder, Found, Predicted, Search, answer, predicted, to_survey
from edge.files import JUDGED, Job, judged, putting_aside
from edge.frames import Unreadable
from edge.kept import PixelStore
from edge.model import SHIPPED, Model, answering, known_ruler
from edge.output.sinks import rows
from edge.red_cells import RedCellRuler, RedCells
from edge.site.profile import SiteModel
from edge.system import memory
from edge.unlike import Unlike

if TYPE_CHECKING:
    from edge.decide import Rules

Row = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """How pictures are answered; see the options of `edge-archive run`.

    Attributes:
        model: path of the model file; None for the shipped one.
        profile: path of a site's profile; None for none.
        risk: the stated risk; None for the usual one.
        no_review: whether every cell gets an answer.
        ruler: "run", "picture", or the diameter of a red cell in pixels; None for the profile's, else "run".
        whole_image: whether each picture is one cell.
        folder: what relative paths are relative to; "" for the folder where a process is.
    """

    model: str | None = None
    profile: str | None = None
    risk: float | None = None
    no_review: bool = False
    ruler: str | float | None = None
    whole_image: bool = False
    folder: str = ""

    def opened(self) -> Model:
        """Raises UserError where model or profile can't be used."""
        model = self.model or SHIPPED
        return SiteModel(model, 1, self.profile) if self.profile else Model(model)

    def digest(self, model: Model) -> str:
        """Names everything that decides the answers to a picture, except for the picture and its site."""
        files = [_sha256(path) for path in (locate.SHIPPED, self.profile) if path]
        said = [self.risk, self.no_review, self.ruler, self.whole_image]
        return hashlib.sha256(json.dumps([__version__, model.sha256, *files, *said]).encode()).hexdigest()


@dataclass(frozen=True)
class First:
    """What the first look at a site found.

    Attributes:
        seen: the red cells of the pictures that were measured, with the width and height of each, in order.
        run: how unlike home the site is; None if the model can't say.
    """

    seen: Sequence[tuple[RedCells, tuple[int, int]]]
    run: Unlike | None

    def packed(self) -> bytes:
        """The same as a few kilobytes. Numbers stay as they are, to the last bit."""
        seen = [
            [asdict(one) | {"outlines": one.outlines.tolist(), "nuclei": [*map(float, one.nuclei)]}, size]
            for one, size in self.seen
        ]
        text = json.dumps({"seen": seen, "run": self.run and asdict(self.run)})
        return zlib.compress(text.encode(), 9)

    @classmethod
    def of(cls, packed: bytes) -> "First":
        """The inverse of `packed`. Raises ValueError, KeyError, TypeError or zlib.error where it is none."""
        document = json.loads(zlib.decompress(packed))
        seen = [
            (
                RedCells(**one | {"outlines": np.array(one["outlines"], np.int64), "nuclei": tuple(one["nuclei"])}),
                (width, height),
            )
            for one, (width, height) in document["seen"]
        ]
        return cls(seen, Unlike(**document["run"]) if document["run"] else None)

    def ruler(self, search: Search) -> RedCellRuler:
        """The ruler of the site."""
        ruler = RedCellRuler(fixed=search.red_cell)
        for one, size in self.seen:
            ruler.add(one, size)
        return ruler


@dataclass(frozen=True)
class Task:
    """Pictures of one site to be answered.

    Attributes:
        site: its name.
        paths: of the pictures.
        known: by path, the sha256 of a picture that is answered already, unless it has changed.
        first: whether this is the first look at the site; then `paths` are its first pictures, in order.
        surveyed: at the first look, the pictures to measure red cells in; None where `paths` are the whole site.
    """

    site: str
    paths: tuple[str, ...]
    known: Mapping[str, str] = field(default_factory=dict)
    first: bool = False
    surveyed: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Answered:
    """The answers to one picture.

    Attributes:
        path: of the picture.
        sha256: of its content; "" where that can't be said: it can't be read, or was changed meanwhile.
        rows: as in the JSON lines of `edge-classify`; None if the picture is as it was.
    """

    path: str
    sha256: str
    rows: list[Row] | None


@dataclass(frozen=True)
class Result:
    """What a task gave.

    Attributes:
        site: its name.
        answers: one for each picture.
        first: what the first look found, packed; None if it wasn't that.
        process: machine and number of the process that did it.
        seconds: that it took.
        memory: bytes that the process holds after it; 0 where that isn't known.
    """

    site: str
    answers: list[Answered]
    first: bytes | None = None
    process: str = ""
    seconds: float = 0.0
    memory: int = 0


class Reader:
    """Answers tasks, with a model that is opened once."""

    def __init__(self, settings: Settings, firsts: Mapping[str, bytes]) -> None:
        """firsts: by site, what the first look found. Raises UserError where the model can't be used."""
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as in edge-classify
        self.model = settings.opened()
        self._rules = answering(self.model, settings.risk, settings.no_review)
        self._firsts, self._folder = firsts, settings.folder
        self.search = Search(
            whole=settings.whole_image,
            red_cell=known_ruler(self.model, settings.ruler),
            pooled=settings.ruler != "picture",
        )
        self._locator = None
        if not settings.whole_image and self.model.policy != "whole-image":
            self._locator = locate.Locator()
        self._site = lru_cache(maxsize=1)(self._prepared)  # the tasks of a site come one after the other

    def __call__(self, task: Task) -> Result:
        began = time.monotonic()
        with storage.Copies(self._folder) as copies:
            result = self._first(task, copies) if task.first else self._rest(task, copies)
        process = f"{platform.node()}:{os.getpid()}"
        return replace(result, process=process, seconds=time.monotonic() - began, memory=memory.held())

    def _rest(self, task: Task, copies: storage.Copies) -> Result:
        ruler, rules, run = self._site(task.site)
        answers = []
        for path in task.paths:
            before = _Content(path, copies)
            if before.sha256 and before.sha256 == task.known.get(path):
                answers.append(Answered(path, before.sha256, None))
                continue
            finder = self._finder([before.copy], ruler)
            found = self._predicted(finder, before.copy)
            made = (each if isinstance(each, Unreadable) else answer(each, rules, run=run) for each in found)
            answers.append(self._answered(before, made, copies))
        return Result(task.site, answers)

    def _first(self, task: Task, copies: storage.Copies) -> Result:
        """As edge.files.run answers the first pictures of a run."""
        contents = [_Content(path, copies) for path in task.paths]
        paths = [each.copy for each in contents]
        if task.surveyed is None:
            surveyed = to_survey(paths, self.model.policy, self.search)
        else:
            surveyed = [copies.of(path) for path in task.surveyed]
        finder = self._finder(paths)
        seen = [each for path in surveyed for each in finder.survey(path)]
        aside, store = putting_aside(Job(paths, self.model, self._rules, self.search)), PixelStore()
        found = [
            [aside(each, store) if isinstance(each, Predicted) else each for each in self._predicted(finder, path)]
            for path in paths
        ]
        pictures = [each for several in found for each in several][:JUDGED]  # each page is one
        run = judged([each for each in pictures if isinstance(each, Predicted)], self.model)
        rules, shown = self._judged(run)
        answers = [
            self._answered(
                content,
                (each if isinstance(each, Unreadable) else answer(each, rules, run=shown) for each in several),
                copies,
            )
            for content, several in zip(contents, found, strict=True)
        ]
        return Result(task.site, answers, First(seen, shown).packed())

    def _prepared(self, site: str) -> "tuple[RedCellRuler, Rules, Unlike | None]":
        first = First.of(self._firsts[site])
        return first.ruler(self.search), *self._judged(first.run)

    def _judged(self, run: Unlike | None) -> "tuple[Rules, Unlike | None]":
        """The rules for a site, and what its rows say of how unlike home it is."""
        if run is None or self.model.home is None:
            return self._rules, None
        return unlike.held_to_more(self._rules, run), run

    def _finder(self, paths: Sequence[str], ruler: RedCellRuler | None = None) -> Finder:
        finder = Finder(paths, self.model.policy, self.search, self._locator)
        if ruler and finder.ruler:
            finder.ruler = ruler
        return finder

    def _predicted(self, finder: Finder, path: str) -> Iterable[Predicted | Unreadable]:
        for each in finder.found(path):
            yield predicted(each, self.model) if isinstance(each, Found) else each

    def _answered(
        self, content: "_Content", results: Iterable[Answer | Unreadable], copies: storage.Copies
    ) -> Answered:
        made = [row for each in results for row in rows(each, self.model.sha256)]
        if content.path in copies.errors:
            made = [{"source": content.path, "error": copies.errors[content.path]}]
        made = [row | {"source": content.path} for row in made]
        return Answered(content.path, content.sha256 if content.is_the_same() else "", made)


class _Content:
    """What a picture held when it was read."""

    def __init__(self, path: str, copies: storage.Copies) -> None:
        self.path, self.copy = path, copies.of(path)
        self._stamp = storage.stamp(self.copy)
        self.sha256 = storage.digest(self.copy)

    def is_the_same(self) -> bool:
        """Whether it still holds that."""
        return storage.stamp(self.copy) == self._stamp


def survey(paths: Sequence[str], policy: str, search: Search) -> tuple[str, ...] | None:
    """Where to measure red cells at the first look at a site; None where the first pictures are the whole site."""
    return None if len(paths) <= JUDGED else tuple(to_survey(paths, policy, search))


def _sha256(path: str | Path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
