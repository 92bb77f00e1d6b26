"""Measures how well a few fields give the ruler of a microscope, as `edge-site ruler` measures it."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge import frames
from edge.errors import UserError
from edge.locate import Locator
from edge.output.tables import Table
from edge.red_cells import KnownRuler, RedCellRuler, RedCells
from edge.site.profile import Ruler
from edge.site.ruler import measure
from edge.system.progress import Progress, silent
from train.data import fields

_WRONG = 1.3  # a wrong ruler is too large or too small by this factor
_BY_FILM = "chula_rpi"  # the source whose films are also measured one by one


@dataclass(frozen=True)
class Drawn:
    """What draws of a few fields of one microscope say.

    Attributes:
        fields: number of fields that it has.
        ruler: by all of them; None where it can't be measured.
        draws: number of draws.
        given: in how many a ruler was measured.
        off: for each of these, how far it is from the ruler by all fields, as a share of that.
        held: how many of these intervals hold the ruler by all fields.
        noticed: in how many draws a run notices that a ruler is too large, and that one is too small.
        suspected: in how many a run takes the ruler by all fields for wrong.
    """

    fields: int
    ruler: Ruler | None
    draws: int
    given: int
    off: tuple[float, ...]
    held: int
    noticed: tuple[int, int]
    suspected: int


def site_ruler(folder: Path, count: int, draws: int, progress: Progress = silent) -> dict[str, Drawn]:
    """Draws fields of each source, and of each film of one source.

    Args:
        folder: a data set. Films and sources with fewer than `count` fields of one size are left out.
        count: number of fields in a draw.
        draws: number of draws.
        progress: see edge.system.progress.

    Raises:
        UserError: where the folder holds no fields.
    """
    marked, locator = fields.read(folder), Locator()
    if not marked:
        raise UserError(f"{folder} holds no fields.")
    seen: dict[str, list[tuple[tuple[int, int], RedCells]]] = defaultdict(list)
    for number, each in enumerate(marked):
        frame = frames.load(folder / each.path)
        found = (frame.width, frame.height), locator.locate(frame).red_cells
        for name in {each.source, f"{each.source}, {each.film}" if each.source == _BY_FILM else each.source}:
            seen[name].append(found)
        progress("Locating", number + 1, len(marked))
    result = {}
    for name, all_sizes in sorted(seen.items()):
        size = Counter(size for size, _ in all_sizes).most_common(1)[0][0]
        same = [red_cells for each, red_cells in all_sizes if each == size]
        if len(same) >= count:
            result[name] = _drawn(same, size, count, draws)
    return result


def _drawn(seen: Sequence[RedCells], size: tuple[int, int], count: int, draws: int) -> Drawn:
    whole, rng = _measured(seen, size), np.random.default_rng(0)
    off, held, noticed, suspected = [], 0, [0, 0], 0
    for _ in range(draws):
        few = [seen[i] for i in rng.choice(len(seen), count, replace=False)]
        ruler = _measured(few, size)
        if whole is None:
            held += ruler is not None
            continue
        if ruler:
            off.append(ruler.red_cell / whole.red_cell - 1)
            held += ruler.low <= whole.red_cell <= ruler.high
        for i, factor in enumerate((_WRONG, 1 / _WRONG)):
            noticed[i] += _doubted(few, size, whole.red_cell * factor)
        suspected += _doubted(few, size, whole.red_cell)
    given = len(off) if whole else held
    return Drawn(len(seen), whole, draws, given, tuple(off), held, (noticed[0], noticed[1]), suspected)


def _measured(seen: Sequence[RedCells], size: tuple[int, int]) -> Ruler | None:
    try:
        return measure(seen, size).ruler
    except UserError:
        return None


def _doubted(seen: Sequence[RedCells], size: tuple[int, int], red_cell: float) -> bool:
    """Whether a run of these fields says that a profile's ruler doesn't fit."""
    run = RedCellRuler(fixed=KnownRuler(red_cell, 0.0, size))
    for each in seen:
        run.add(each, size)
    return bool(run.complaint())


def table(result: dict[str, Drawn]) -> str:
    """The result as a Markdown table."""
    heads = ["fields of", "fields", "red cells, pixels", "measured", "off by, median and most", "within 5 %"]
    heads += ["interval holds", f"{_WRONG} times too large noticed", "too small noticed", "right one suspected"]
    rows = []
    for name, each in result.items():
        row = [name, str(each.fields), "not measured", f"{each.given}/{each.draws}"]
        if each.ruler:
            row[2] = f"{each.ruler.red_cell:.1f} ({each.ruler.low:.1f} to {each.ruler.high:.1f})"
            shares = [abs(share) for share in each.off]
            row += [f"{np.median(shares):.1%}, {max(shares):.1%}" if shares else "-"]
            row += [f"{sum(share <= 0.05 for share in shares)}/{each.given}", f"{each.held}/{each.given}"]
            row += [f"{each.noticed[0]}/{each.draws}", f"{each.noticed[1]}/{each.draws}"]
            row += [f"{each.suspected}/{each.draws}"]
        rows.append(row + ["-"] * (len(heads) - len(row)))
    return Table(heads, rows).markdown()
