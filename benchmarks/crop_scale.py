"""Compares the red-cell ruler of single pictures with that of a whole run, and the nuclei measured with both."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.cell import Cell, single
from edge.classify import Search, find_cells
from edge.errors import UserError
from edge.field.large import LargePicture
from edge.frames import Frame, Picture, Unreadable
from edge.locate import Located, Locator, cells
from edge.output.tables import Table
from edge.red_cells import FEWEST, by_itself
from edge.system.progress import Progress, silent
from train.data import dataset, fields


@dataclass(frozen=True)
class Spread:
    """How the diameters of nuclei are distributed.

    Attributes:
        median: median diameter, in red-cell diameters.
        spread: standard deviation of the diameters' natural logarithms; 0.11 means about 11 %.
    """

    median: float
    spread: float

    def __str__(self) -> str:
        """As tables show it: "1.52 (± 11%)"."""
        return f"{self.median:.2f} (± {self.spread:.0%})"


@dataclass(frozen=True)
class Nuclei:
    """The nuclei of the cells of one label.

    Attributes:
        run: diameters measured with the ruler of the run.
        picture: diameters measured with the ruler of each single picture.
    """

    run: Spread
    picture: Spread


@dataclass(frozen=True)
class Run:
    """One run of pictures, which were measured together.

    Attributes:
        pictures: number of pictures.
        red_cell: median diameter of a red cell by the run's ruler, as a share of the picture's longer side.
        apart: root mean square of the logarithm of (single picture's ruler / run's ruler); 0.1 means about 10 %.
        nuclei: nuclei by label.
    """

    pictures: int
    red_cell: float
    apart: float
    nuclei: dict[str, Nuclei]


@dataclass(frozen=True)
class CropScale:
    """All figures of `benchmark ruler`.

    Attributes:
        cells: runs of test cells, by source.
        fields: runs of camera fields, by film (one blood smear).
    """

    cells: dict[str, Run]
    fields: dict[str, Run]


class _RememberingLocator(Locator):
    """A locator that keeps its results, so that each picture needs to be located only once for both rulers.

    Attributes:
        located: results by the path of the picture (Frame.source).
    """

    def __init__(self) -> None:
        super().__init__()
        self.located: dict[str, Located] = {}

    def locate(self, frame: Frame | LargePicture) -> Located:
        """Does what Locator.locate does, and keeps the result."""
        located = super().locate(frame)
        self.located[frame.source] = located.without_trace()
        return located


def crop_scale(folder: Path, progress: Progress = silent) -> CropScale:
    """Measures rulers and nuclei. The test cells of each source, and the camera fields of each film, are one run.

    Films with too few fields for a run are put together into one run per source. Runs without any marked white cell are
    left out, such as fields that were published for their red cells.

    Args:
        folder: a data set.
        progress: see edge.system.progress.

    Raises:
        UserError: if the folder isn't a data set, or if a run shows no cells.
    """
    runs: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for example in dataset.only(dataset.read(folder), "test"):
        runs[example.source].append((str(folder / example.path), example.label))
    films: dict[str, list[tuple[str, str]]] = defaultdict(list)
    marked = fields.read(folder)
    large = {film for film, count in Counter(each.film for each in marked).items() if count >= FEWEST}
    with_cells = set()
    for each in marked:
        name = each.film if each.film in large else f"{each.source}, small films"
        films[name].append((str(folder / each.path), ""))
        if each.boxes:
            with_cells.add(name)
    return CropScale(
        cells={name: _run(pictures, True, progress) for name, pictures in runs.items()},
        fields={name: _run(pictures, False, progress) for name, pictures in films.items() if name in with_cells},
    )


def _run(pictures: Sequence[tuple[str, str]], middle: bool, progress: Progress) -> Run:
    """Measures one run.

    Args:
        pictures: (path, label) of each picture.
        middle: whether to measure the cell in the middle of each picture; else the first cell found is measured.
        progress: see edge.system.progress.
    """
    labels = dict(pictures)
    sides, differences = [], []
    nuclei: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for picture, by_run, by_picture in _both_rulers(list(labels), progress):
        if middle:
            by_run, by_picture = single(picture, by_run), single(picture, by_picture)
        ours, own = by_run[0], by_picture[0]
        sides.append(ours.red_cell / max(picture.width, picture.height))
        differences.append(np.log(own.red_cell / ours.red_cell))
        nuclei[labels[picture.source]].append((ours.nucleus / ours.red_cell, own.nucleus / own.red_cell))
    if not sides:
        raise UserError(f"No cells are found in {pictures[0][0]} and the other pictures of its run.")
    return Run(
        pictures=len(pictures),
        red_cell=float(np.median(sides)),
        apart=float(np.sqrt(np.mean(np.square(differences)))),
        nuclei={
            label: Nuclei(*(_spread(diameters) for diameters in zip(*pairs, strict=True)))
            for label, pairs in nuclei.items()
            if label
        },
    )


def _both_rulers(
    paths: Sequence[str], progress: Progress
) -> Iterator[tuple[Picture, Sequence[Cell], Sequence[Cell]]]:  # fmt: skip
    """For each picture with cells: the picture, its cells by the run's ruler, and its cells by its own ruler."""
    locator = _RememberingLocator()
    for found in find_cells(paths, "cell", Search(pages=False), progress=progress, locator=locator):
        if isinstance(found, Unreadable):
            raise UserError(f"{found.source} {found.error}")
        located = locator.located.pop(found.picture.source)
        if found.cells:
            yield found.picture, found.cells, cells(located, by_itself(located.red_cells))


def _spread(diameters: Sequence[float]) -> Spread:
    return Spread(float(np.median(diameters)), float(np.std(np.log(diameters))))


def table(result: CropScale) -> str:
    """The result as Markdown tables."""
    of_cells = [
        [
            name,
            f"{run.red_cell:.3f}",
            f"{run.apart:.0%}",
            "; ".join(f"{label} {each.run}" for label, each in run.nuclei.items()),
            "; ".join(f"{label} {each.picture}" for label, each in run.nuclei.items()),
        ]
        for name, run in result.cells.items()
    ]
    of_fields = [
        [name, str(run.pictures), f"{run.red_cell:.4f}", f"{run.apart:.0%}"] for name, run in result.fields.items()
    ]
    single_picture = "a picture alone is off by"
    nuclei = ["nuclei in red cells, by the run's ruler", "by each picture's own"]
    tables = (
        Table(["test cells", "red cells, share of a picture's width", single_picture, *nuclei], of_cells),
        Table(["fields of", "pictures", "red cells, share of the width", single_picture], of_fields),
    )
    return "\n\n".join(each.markdown() for each in tables)
