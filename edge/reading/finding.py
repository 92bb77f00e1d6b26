"""Which files a user means by files, folders and glob patterns, and what is left out of folders."""

import glob
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from edge.reading.drawn import is_drawn, is_for_saving
from edge.reading.formats import SUFFIXES, VIDEOS

_ONE = re.compile(r"\[(\w)\]")  # brackets around one character: a part of a name, since as a pattern they'd be needless
_ENDINGS = 6  # so many endings are named in a sentence


@dataclass
class Listing:
    """Files to read, and how many are left out of the folders that were named.

    Attributes:
        files: paths in order, without duplicates. A path that can't be read is among them, so that the attempt reports
            the error: one that doesn't exist, a folder without permission, a link to a folder outside.
        others: number of files that aren't pictures, by the ending of their name.
        drawn: number of pictures that this tool drew answers on.
        saved: number of pictures in folders that `--save` wrote.
    """

    files: list[str] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    drawn: int = 0
    saved: int = 0

    def left_out(self) -> str:
        """A sentence about what is left out; "" if nothing is."""
        named = [f"{count} {ending}" for ending, count in self.others.most_common(_ENDINGS)]
        rest = self.others.total() - sum(count for _, count in self.others.most_common(_ENDINGS))
        parts = [f"files of other kinds ({', '.join(named + ([f'{rest} more'] if rest else []))})"] if named else []
        parts += [f"pictures with answers drawn on them ({self.drawn})"] if self.drawn else []
        parts += [f"pictures that --save wrote ({self.saved})"] if self.saved else []
        hint = " A video is read with --camera." if VIDEOS & {ending.lower() for ending in self.others} else ""
        return f"Left out: {'; '.join(parts)}.{hint}" if parts else ""


def find(paths: Iterable[str]) -> Listing:
    """Lists the picture files in folders with all subfolders, those that match glob patterns, and all files named.

    In a folder, hidden files, files of other kinds and what this tool wrote itself are left out. A file that is named,
    or that a pattern matches, is always listed. Brackets around one character, as in cell[1].png, are part of the name.
    """
    listing = Listing()
    found: dict[str, None] = {}
    for path in paths:
        matches = [path]
        pattern = _ONE.sub(r"[[]\1]", path)
        if not os.path.exists(path) and glob.has_magic(path):
            matches = sorted(glob.glob(pattern, recursive=True)) or [path]
        for match in matches:
            found.update(dict.fromkeys(_below(match, listing) if os.path.isdir(match) else [match]))
    listing.files = list(found)
    return listing


def _below(top: str, listing: Listing) -> Iterator[str]:
    """The pictures below a folder, and the folders below it that can't be read."""
    closed: list[str] = []
    whole = os.path.realpath(top)
    for here, folders, files in os.walk(top, onerror=lambda error: closed.append(str(error.filename))):
        yield from closed
        closed.clear()
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in folders:
            inner = os.path.join(here, name)
            # A link is never followed, because it may lead round in a circle. What it shows is read anyway if it is
            # below `top`.
            if os.path.islink(inner) and os.path.commonpath([whole, os.path.realpath(inner)]) != whole:
                yield inner
        saved = here != top and is_for_saving(files)
        for name in sorted(files):
            ending = os.path.splitext(name)[1]
            if name.startswith("."):
                continue
            if ending.lower() not in SUFFIXES:
                listing.others[ending or "without ending"] += 1
            elif saved:
                listing.saved += 1
            elif is_drawn(os.path.join(here, name)):
                listing.drawn += 1
            else:
                yield os.path.join(here, name)
    yield from closed
