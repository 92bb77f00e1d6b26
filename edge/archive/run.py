"""A run over an archive: what isn't done yet is given to an engine, and what comes back is kept.

The folder of an archive:

    edge-archive.lock    held while a run writes
    journal/             what is done; see edge.archive.journal
    rows/site=NAME/      the rows of each site that is done whole, as Parquet
    summary.parquet      see edge.archive.summary
    processes.jsonl      which process did how much, in which time

Only this process writes, so that nothing is written twice, whatever becomes of the others.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge.archive import summary, table
from edge.archive.journal import Journal, quoted, records
from edge.archive.reader import Answered, Result, Row, Settings, Task, survey
from edge.archive.sources import Site
from edge.classify import Search
from edge.errors import UserError, writing
from edge.files import JUDGED
from edge.model import Model, known_ruler
from edge.system import memory
from edge.system.lock import lock
from edge.system.progress import Progress, silent

LOCK, JOURNAL, ROWS, LOG = "edge-archive.lock", "journal", "rows", "processes.jsonl"
# Pictures of a task. 32 are worth their way, and few enough to be done again after a kill. What comes back without an
# answer, as from a machine that was lost, is given out again, picture by picture.
_SIZES = (32, 1, 1)
_ROUNDS = 3  # how often a first look is given out
_ENDED = "can't be answered: the processes that read it ended; perhaps it needs more memory than there is."
Engine = Callable[[Settings, Mapping[str, bytes], Sequence[Task]], Generator[Result, None, None]]


@dataclass(frozen=True)
class Job:
    """What is to be done.

    Attributes:
        sites: the pictures.
        out: folder of the archive.
        settings: how pictures are answered.
        engine: gives tasks to processes, with what the first looks found; see edge.archive.pool and .cluster.
        anew: whether each site gets a first look again, though it has had one.
    """

    sites: Sequence[Site]
    out: Path
    settings: Settings
    engine: Engine
    anew: bool = False


@dataclass
class Outcome:
    """What a run did.

    Attributes:
        pictures: all that the sources name, with the rows of tables that name none.
        answered: those that were answered now; the others were done before.
        unreadable: those that have a row with an error.
        stopped: whether the run was stopped before its end.
    """

    pictures: int = 0
    answered: int = 0
    unreadable: int = 0
    stopped: bool = False


def run(job: Job, progress: Progress = silent, stopped: Callable[[], bool] = lambda: False) -> Outcome:
    """Answers what isn't done yet, and writes the rows of all sites that are done.

    Args:
        job: what is to be done.
        progress: see edge.system.progress.
        stopped: asked after each result.

    Raises:
        UserError: where another run writes to the folder, or where it can't be written; where the model can't be used;
            and where a first look fails again and again.
    """
    with locked(job.out):
        return _Run(job, progress, stopped).run()


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Makes the folder of an archive, and keeps other runs from it. Raises UserError if it is something else."""
    path = out / LOCK
    with writing(out):
        if out.exists() and not path.exists() and any(out.iterdir()):
            raise UserError(f"{out} holds something other than an archive; name a new folder.")
        out.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if not lock(descriptor):
            raise UserError(f"Another run writes to {out}; wait for its end, or name another folder.")
        yield
    finally:
        os.close(descriptor)


class _Run:
    def __init__(self, job: Job, progress: Progress, stopped: Callable[[], bool]) -> None:
        self._job, self._progress, self._stopped = job, progress, stopped
        self._model: Model = job.settings.opened()
        self._digest = job.settings.digest(self._model)
        self._journal = job.out / JOURNAL
        self._stamps = {each.path: each.stamp for site in job.sites for each in site.pictures}
        self._tried: set[str] = set()  # pictures that were answered in this run
        self._looked: set[str] = set()  # sites that had their first look in this run
        self._outcome = Outcome(sum(len(site.pictures) + len(site.wrong) for site in job.sites))
        with writing(job.out):
            self._journal.mkdir(exist_ok=True)
            (job.out / ROWS).mkdir(exist_ok=True)

    def run(self) -> Outcome:
        self._first_looks()
        self._rest()
        for number, site in enumerate(self._job.sites):
            self._progress("Writing sites", number, len(self._job.sites))
            self._write(site)
        self._progress("Writing sites", len(self._job.sites), len(self._job.sites))
        with writing(self._job.out):
            summary.write(self._job.out, records(self._journal))
        return self._outcome

    def _of(self, site: Site) -> Journal:
        journal = Journal(self._journal, site.name, site.source)
        journal.record.folder = self._job.settings.folder
        return journal

    def _by(self, journal: Journal) -> str:
        """Names what answers the pictures of a site."""
        return hashlib.sha256(self._digest.encode() + journal.record.first).hexdigest()

    def _first_looks(self) -> None:
        """Has a first look at each site that had none with these settings. It isn't repeated because pictures were
        added, unless there were too few of them at first: else all would have to be answered again.
        """
        for _ in range(_ROUNDS):
            tasks = [] if self._outcome.stopped else [task for site in self._job.sites if (task := self._first(site))]
            self._give_out(tasks)
        if not self._outcome.stopped and any(self._first(site) for site in self._job.sites):
            raise UserError(
                "The first look at a site failed again and again: the processes ended. Is a picture among its first "
                f"{JUDGED} too large for the memory, or is a machine of the cluster without the model?"
            )

    def _first(self, site: Site) -> Task | None:
        ruler, model, record = self._job.settings.ruler, self._model, self._of(site).record
        search = Search(
            whole=self._job.settings.whole_image, red_cell=known_ruler(model, ruler), pooled=ruler != "picture"
        )
        paths = [each.path for each in site.pictures]
        few = record.looked < JUDGED and len(paths) > 2 * record.looked
        wanted = record.settings != self._digest or few or self._job.anew
        if not paths or not wanted or site.name in self._looked:
            return None
        surveyed = survey(paths, model.policy, search)
        return Task(site.name, tuple(paths[:JUDGED]), first=True, surveyed=surveyed)

    def _rest(self) -> None:
        """Has the pictures answered that aren't done yet."""
        for size in _SIZES:
            tasks = (
                [] if self._outcome.stopped else [task for site in self._job.sites for task in self._left(site, size)]
            )
            self._give_out(tasks)
        for site in self._job.sites:
            for task in self._left(site, 1):
                if not self._outcome.stopped:
                    # Alone, so that it isn't blamed for another picture that was given to the same actor of a cluster.
                    self._give_out([task])
            paths = [path for task in self._left(site, 1) for path in task.paths]
            if paths and not self._outcome.stopped:
                self._keep(self._of(site), [Answered(path, "", [{"source": path, "error": _ENDED}]) for path in paths])

    def _left(self, site: Site, size: int) -> Iterator[Task]:
        """What isn't done yet of a site, in tasks of so many pictures."""
        journal = self._of(site)
        by, known, paths = self._by(journal), {}, []
        for each in site.pictures:
            done = journal.done.get(each.path)
            mine = done is not None and done.by == by and bool(done.sha256)
            if done and mine:
                known[each.path] = done.sha256
            if not (done and mine and done.stamp == each.stamp) and each.path not in self._tried:
                paths.append(each.path)
        for start in range(0, len(paths), size):
            some = tuple(paths[start : start + size])
            yield Task(site.name, some, {path: known[path] for path in some if path in known})

    def _give_out(self, tasks: Sequence[Task]) -> None:
        """Lets the engine do tasks, and keeps what comes back: each picture once, also if an engine sends it twice."""
        sites = {site.name: site for site in self._job.sites}
        journals = {name: self._of(sites[name]) for name in {task.site for task in tasks}}
        firsts = {task.site: journals[task.site].record.first for task in tasks if not task.first}
        awaited = {path for task in tasks for path in task.paths}
        if not tasks:
            return
        count = len(awaited)
        with closing(self._job.engine(self._job.settings, firsts, tasks)) as results:
            for result in results:
                journal = journals[result.site]
                answers = [each for each in result.answers if each.path in awaited]
                if result.first and answers:
                    journal.record.settings, journal.record.first = self._digest, result.first
                    journal.record.looked = sum(bool(each.sha256) for each in answers)
                    journal.save()
                    self._looked.add(result.site)
                self._keep(journal, answers)
                self._log(result)
                awaited.difference_update(each.path for each in answers)
                self._progress("Answering pictures", count - len(awaited), count)
                if self._stopped():
                    self._outcome.stopped = bool(awaited)
                    break

    def _keep(self, journal: Journal, answers: Sequence[Answered]) -> None:
        journal.add([(each, self._stamps[each.path]) for each in answers], self._by(journal))
        self._tried.update(each.path for each in answers)
        self._outcome.answered += sum(each.rows is not None for each in answers)

    def _log(self, result: Result) -> None:
        line = {
            "at": round(time.time(), 3),
            "process": result.process,
            "site": result.site,
            "first_look": result.first is not None,
            "pictures": len(result.answers),
            "seconds": round(result.seconds, 3),
            "memory": result.memory,
            "memory_here": memory.held(),
        }
        with writing(self._job.out), (self._job.out / LOG).open("a") as file:
            file.write(json.dumps(line) + "\n")

    def _write(self, site: Site) -> None:
        """Writes the rows of a site, if all its pictures are done and there is something new."""
        journal = self._of(site)
        by, done, record = self._by(journal), journal.done, journal.record
        if not all(each.path in done and done[each.path].by == by for each in site.pictures):
            return  # the run was stopped
        lines = [[each.path, each.slide, done[each.path].at] for each in site.pictures]
        written = hashlib.sha256(json.dumps([lines, site.wrong, by]).encode()).hexdigest()
        folder = self._job.out / ROWS / f"site={quoted(site.name)}"
        if record.written != written or not folder.is_dir():
            counts: summary.Counts = {}
            rows = summary.counted(self._pictures(site, journal), counts)
            with writing(self._job.out):
                _replace(folder, lambda new: table.write(new, rows, self._model.labels))
            record.written, record.counts = written, counts
            journal.save()
        self._outcome.unreadable += sum(each["unreadable"] for each in (record.counts or {}).values())

    def _pictures(self, site: Site, journal: Journal) -> Iterator[tuple[str, list[Row]]]:
        """The slide and the rows of each picture of a site, in order; at the end the rows of tables that name none."""
        slides = {each.path: each.slide for each in site.pictures}
        for path, done, rows in journal.rows(slides):
            slide, sha256 = slides[path], done.sha256 or None
            yield slide, [{"slide": slide, "sha256": sha256} | row for row in rows]
        for where, wrong in site.wrong:
            yield "", [{"slide": "", "source": where, "error": wrong}]


def _replace(folder: Path, write: Callable[[Path], None]) -> None:
    """Writes a folder under a temporary name outside of its parent, and puts it in the place of an earlier one.

    A run that is killed leaves the earlier one or none, and never both: the next run writes it again.
    """
    new, old = (folder.parent.parent / f"{folder.name}.{which}" for which in ("part", "old"))
    for each in (new, old):
        shutil.rmtree(each, ignore_errors=True)
    new.mkdir()
    try:
        write(new)
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
    finally:
        for each in (new, old):
            shutil.rmtree(each, ignore_errors=True)
