"""How well red cells are measured in one picture and over a run, and how large nuclei are by either ruler."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.cell import Cell, single
from edge.classify import find_cells
from edge.errors import UserError
from edge.frames import Frame, Picture, Unreadable
from edge.locate import Located, Locator, cells
from edge.output.tables import Table
from edge.red_cells import FEWEST, by_itself
from edge.system.progress import Progress, silent
from train.data import dataset, fields


@dataclass(frozen=True)
class Spread:
    """Diameters of nuclei, in red-cell diameters.

    Attributes:
        median: of them.
        spread: standard deviation of their logarithms.
    """

    median: float
    spread: float

    def __str__(self) -> str:
        """ "1.52 (± 11%)"."""
        return f"{self.median:.2f} (± {self.spread:.0%})"


@dataclass(frozen=True)
class Nuclei:
    """The nuclei of the cells of one label.

    Attributes:
        run: by the run's ruler.
        picture: by the ruler of each picture by itself.
    """

    run: Spread
    picture: Spread


@dataclass(frozen=True)
class Run:
    """One run of pictures.

    Attributes:
        pictures: how many.
        red_cell: median diameter of a red cell by the run's ruler, in shares of a picture's longer side.
        apart: root mean square difference between the logarithms of the two rulers.
        nuclei: by label.
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
        fields: runs of camera fields, by film.
    """

    cells: dict[str, Run]
    fields: dict[str, Run]


class _RememberingLocator(Locator):
    """A locator that remembers what it located, so that each picture is located only once.

    Attributes:
        located: by the picture's source.
    """

    def __init__(self) -> None:
        super().__init__()
        self.located: dict[str, Located] = {}

    def locate(self, frame: Frame) -> Located:
        """See Locator."""
        located = super().locate(frame)
        self.located[frame.source] = located.without_trace()
        return located


def crop_scale(folder: Path, progress: Progress = silent) -> CropScale:
    """Measures the test cells of each source and the camera fields of each film as a run.

    Films of fewer fields than a run needs are one run together. Runs without a marked white cell, such as fields
    that were published for their red cells, are left out.

    Args:
        folder: a data set.
        progress: see edge.system.progress.

    Raises:
        UserError: where the folder isn't a data set, or where a run shows no cells.
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
    """One run. pictures: (path, label); middle: whether the cell is the one in the middle, else the first one."""
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
        raise UserError(f"No cells are found in {pictures[0][0]} and the pictures measured together with it.")
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
    """Each picture that shows cells: the cells by the run's ruler, and the same by the picture's own."""
    locator = _RememberingLocator()
    for found in find_cells(paths, "cell", progress=progress, locator=locator):
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
