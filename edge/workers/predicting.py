"""edge.classify.predict_files by several processes: the same results in the same order, for any number of them.

The red cells that all processes measured make one ruler, as if one process had measured them in the order of the run.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from edge.classify import Finder, Found, Predicted, Search, predicted, to_survey
from edge.frames import Unreadable
from edge.kept import MEMORY, PixelStore
from edge.model import Model
from edge.system.progress import Progress
from edge.workers.process import Ended, Worker

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from edge.red_cells import RedCellRuler, RedCells

Aside = Callable[[Predicted], Predicted]


def predict_files(
    files: Sequence[str],
    model: Model,
    search: Search,
    aside: Aside,
    jobs: int,
    progress: Progress,
    tell: Callable[[str], None],
) -> Iterator[Predicted | Unreadable]:
    """Reads picture files by `jobs` workers, and gives what the network says to them in the order of the files.

    Args:
        files: paths, without duplicates.
        model: an opened classifier, with one thread.
        search: which cells get an answer.
        aside: reduces a prediction to what is needed of it later; see edge.classify.set_aside.
        jobs: number of workers.
        progress: see edge.system.progress.
        tell: gets a sentence about a worker that ended early. Its pictures are then read by this process.
    """
    surveyed = to_survey(files, model.policy, search)
    owner = _dealt(files, surveyed, jobs)
    work = _Work(model, search, aside, jobs)
    parts: list[_Part] = []
    try:
        for number in range(jobs):
            own = [path for path in files if owner[path] == number]
            parts.append(_Part(work, own, [path for path in surveyed if owner[path] == number], tell))
        ruler: RedCellRuler | None = None
        if surveyed:
            from edge.red_cells import RedCellRuler as Ruler

            ruler = Ruler(fixed=search.red_cell)
            for number, path in enumerate(surveyed):
                for seen, size in parts[owner[path]].survey(path):
                    ruler.add(seen, size)
                progress("Reading pictures", number + 1, len(files))
            for part in parts:
                part.go_on(ruler)
        done, known = len(surveyed), set(surveyed)
        for path in files:
            if path not in known:
                done += 1
                progress("Reading pictures", done, len(files))
            for each in parts[owner[path]].results(path):
                if ruler and isinstance(each, Predicted):
                    each = replace(each, found=replace(each.found, ruler=ruler))
                yield each
    finally:
        for part in parts:
            part.stop()


def _dealt(files: Sequence[str], surveyed: Sequence[str], jobs: int) -> dict[str, int]:
    """Which worker reads each file: they take turns, so that each has as much of the survey and of the rest."""
    known = set(surveyed)
    rest = [path for path in files if path not in known]
    return {path: number % jobs for some in (surveyed, rest) for number, path in enumerate(some)}


class _Work:
    """What all workers need. For the attributes see `predict_files`."""

    def __init__(self, model: Model, search: Search, aside: Aside, jobs: int) -> None:
        self.model, self.search, self._aside, self._jobs = model, search, aside, jobs

    def finder(self, files: Sequence[str]) -> Finder:
        store = PixelStore(MEMORY // self._jobs)
        return Finder(files, self.model.policy, self.search, store=store)

    def results(self, finder: Finder, path: str) -> Iterator[Predicted | Unreadable]:
        for found in finder.found(path):
            each = predicted(found, self.model) if isinstance(found, Found) else found
            yield self._aside(each) if isinstance(each, Predicted) else each

    def run(self, files: Sequence[str], surveyed: Sequence[str], pipe: "Connection") -> None:
        """In the worker: sends what `_Part` asks for, file by file."""
        finder = self.finder(files)
        for path in surveyed:
            pipe.send(finder.survey(path))
        if surveyed:
            finder.ruler = pipe.recv()
        for path in files:
            for each in self.results(finder, path):
                if isinstance(each, Predicted):  # the ruler is known where it goes, and is large
                    each = replace(each, found=replace(each.found, ruler=None))
                pipe.send(each)
            pipe.send(None)


class _Part:
    """The files of one worker. If it ends early, this process reads those that are left."""

    def __init__(self, work: _Work, files: Sequence[str], surveyed: Sequence[str], tell: Callable[[str], None]) -> None:
        self._work, self._files, self._tell = work, files, tell
        self._worker = Worker(partial(work.run, files, surveyed))
        self._finder: Finder | None = None  # this process's own, once the worker has ended
        self._ruler: RedCellRuler | None = None

    def survey(self, path: str) -> "list[tuple[RedCells, tuple[int, int]]]":
        """See Finder.survey. The files are asked for in the order that was given."""
        if not self._finder:
            try:
                seen: list[tuple[RedCells, tuple[int, int]]] = self._worker.receive()
                return seen
            except Ended as end:
                self._take_over(end)
        return self._own().survey(path)

    def go_on(self, ruler: "RedCellRuler") -> None:
        """After the survey: gives the run's ruler."""
        self._ruler = ruler
        if self._finder:
            self._finder.ruler = ruler
            return
        try:
            self._worker.send(ruler)
        except Ended as end:
            self._take_over(end)

    def results(self, path: str) -> Iterator[Predicted | Unreadable]:
        """What the network says to the pictures in one file; the files are asked for in their order."""
        count = 0
        while not self._finder:
            try:
                each: Any = self._worker.receive()
            except Ended as end:
                self._take_over(end)
                break
            if each is None:
                return
            count += 1
            yield each
        yield from islice(self._work.results(self._own(), path), count, None)

    def stop(self) -> None:
        self._worker.stop()

    def _own(self) -> Finder:
        assert self._finder
        return self._finder

    def _take_over(self, end: Ended) -> None:
        self._tell(f"A worker process {end}; its other pictures were read without it.")
        self._finder = self._work.finder(self._files)
        if self._ruler:
            self._finder.ruler = self._ruler
