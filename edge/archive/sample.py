"""The cells of an archive that are most worth a person's look, as a counting session.

Cells that are left for review, the least sure first, in turns from all slides, so that one bad slide doesn't fill it.
"""

import heapq
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge import __version__
from edge.archive import storage, table
from edge.archive.journal import quoted, records
from edge.archive.reader import Row
from edge.archive.run import JOURNAL, ROWS
from edge.cell import Cell
from edge.classify import Answer
from edge.count.journal import Journal
from edge.count.recorder import Recorder
from edge.count.records import Run, Settings
from edge.decide import REVIEW, Decision
from edge.errors import UserError, must_be_new
from edge.field.large import open_large
from edge.frames import Picture, Unreadable, pages
from edge.system.progress import Progress, silent
from edge.system.run_id import new_run

# Reasons that blame the picture: a person sees no more than the program does.
_PICTURE = ("cut by the border", "out of focus", "too bright", "too dark")


@dataclass(frozen=True)
class Sample:
    """What a sample holds.

    Attributes:
        cells: number of cells in the session.
        slides: number of slides that they come from.
        repeated: cells that show one that the session has already, and were left out.
        gone: pictures that were changed or removed since they were answered, and were left out.
    """

    cells: int
    slides: int
    repeated: int
    gone: int


def sample(archive: Path, count: int, out: Path, site: str | None = None, progress: Progress = silent) -> Sample:
    """Makes a counting session.

    Args:
        archive: folder of the archive.
        count: number of cells.
        out: file of the session.
        site: takes cells of this site alone; None for all.
        progress: see edge.system.progress.

    Raises:
        UserError: if there is no doubtful cell or no such site, or if the session can't be written.
    """
    must_be_new(out)
    chosen = doubtful(archive, count, site)
    if not chosen:
        raise UserError(f"{archive} holds no cell that is left for review{f' at the site {site!r}' if site else ''}.")
    settings = Settings(target=count, counted="white", note=f"doubtful cells of {archive}"[:200], fields=count)
    with Journal.create(out, settings) as journal:
        run = Run(new_run(), time.time(), str(archive), "", chosen[0]["model"], software=__version__)
        journal.begin(run)
        pictures: dict[tuple[str, int], list[Row]] = defaultdict(list)
        for row in chosen:
            pictures[row["source"], row["frame"]].append(row)
        gone = 0
        with Recorder(journal, run.id, True, lambda: None, lambda _: None) as recorder:
            for number, rows in enumerate(pictures.values()):
                progress("Reading pictures", number, len(pictures))
                gone += not _record(recorder, rows)
            progress("Reading pictures", len(pictures), len(pictures))
    slides = {(row["site"], row["slide"]) for row in chosen}
    if not recorder.added and gone:
        out.unlink()
        raise UserError(f"All {gone} pictures are gone or were changed; give the command of edge-archive run again.")
    return Sample(recorder.added, len(slides), recorder.repeated + recorder.known, gone)


def doubtful(archive: Path, count: int, site: str | None = None) -> list[Row]:
    """The rows of the cells that are most worth a look, with the keys "site" and "folder"; see the top of this file."""
    best: dict[tuple[str, str], list[tuple[float, tuple[str, int, int], Row]]] = defaultdict(list)
    for row in _left_for_review(archive, site):
        sure = max(row["probabilities"].values()) + (row.get("reason") in _PICTURE)
        place = (row["source"], row["frame"], row["cell"])
        mine = best[row["site"], row["slide"]]
        heapq.heappush(mine, (-sure, place, row))  # the surest is at the top, and goes first
        if len(mine) > count:
            heapq.heappop(mine)
    turns = [
        (turn, -minus_sure, place, row)
        for slide in best.values()
        for turn, (minus_sure, place, row) in enumerate(sorted(slide, key=lambda each: (-each[0], each[1])))
    ]
    return [row for *_, row in sorted(turns, key=lambda each: each[:3])[:count]]


def _left_for_review(archive: Path, site: str | None) -> Iterator[Row]:
    known = {record.site: record.folder for record in records(archive / JOURNAL)}
    if not known:
        raise UserError(f"{archive} holds no answers yet; edge-archive run writes them.")
    if site is not None and site not in known:
        raise UserError(f"{archive} has no site {site!r}; its sites are {', '.join(known)}.")
    for name in known if site is None else [site]:
        for row in table.read(archive / ROWS / f"site={quoted(name)}"):
            if row.get("label") == REVIEW:
                yield row | {"site": name, "folder": known[name]}


def _record(recorder: Recorder, rows: Sequence[Row]) -> bool:
    """Adds the cells of one picture. False if it isn't there any more as it was answered."""
    source, frame = rows[0]["source"], rows[0]["frame"]
    with storage.Copies(rows[0]["folder"]) as copies:
        path = copies.of(source)
        if storage.digest(path) != rows[0]["sha256"]:
            return False
        found: Picture | Unreadable | None = open_large(path, refused=False)
        found = found or next((each for each in pages(path) if each.number == frame), None)
        if found is None or isinstance(found, Unreadable):
            return False
        cells = [
            (_cell(row), Decision(row["label"], row["probabilities"], reason=row.get("reason", ""))) for row in rows
        ]
        recorder.add(Answer(found, cells))
    return True


def _cell(row: Row) -> Cell:
    """The cell of a row. Its box is clipped to the picture, so its middle is that of the side that isn't cut off."""
    x, y, width, height = row["box"]
    half = row["diameter"] / 2
    centre = (x + half if x else width - half, y + half if y else height - half)
    return Cell(
        (x, y, width, height), row["cell"], centre, half, row["diameter"], row["red_cell"], row["at_border"], 1.0
    )
