"""The whole path of a picture: Frame -> Cells -> crops -> Predictions -> Decisions.

Each picture is decoded once, and the locator runs on it once. In a run of many pictures, the red cells of up to 200 of
them are measured before the first cell is cut out. Until then, edge.kept holds the pixels that will be needed.

>>> from edge import classify, frames, model
>>> opened = model.Model()
>>> answers = classify.classify(frames.expand(["docs"]), opened, opened.rules(0.01))
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from edge.cell import Cell, single, whole_image
from edge.crop import crop, extent
from edge.decide import LEAST, Decision, Rules, decide, may_be_named
from edge.errors import UserError
from edge.frames import Frame, Picture, TooLarge, Unreadable, count_pages, pages, read
from edge.kept import Box, KeptPicture, PixelStore
from edge.model import Model, Prediction
from edge.quality import picture_doubt
from edge.system.progress import Observer, Progress, silent, unobserved
from edge.unlike import Look, Unlike, look, moved

if TYPE_CHECKING:
    from edge.field.large import LargePicture
    from edge.locate import Located, Locator, LocatorTrace
    from edge.red_cells import KnownRuler, RedCellRuler, RedCells

_SURVEY = 200  # red cells are measured in at most this many pictures, spread evenly over the run
_WHOLE = 12_000_000  # bytes: the first pictures are held whole, up to this size, until the run has a ruler
# Pixels are kept before the run's final ruler is known. So a margin is kept in case it gets larger: by the first factor
# if the run has a ruler already, by the second if it has none. With these factors, no picture of
# ../shared/data has to be read twice, whichever of its folders form a run.
_MARGIN_WITH_RULER, _MARGIN_WITHOUT = 1.2, 1.35
# An uncertain ruler's three values: the measured one, and those that are smaller and larger by so many standard
# deviations. Their variance is the ruler's. Compared with three values 1 apart, as before, it is 4 instead of 6 names
# on chula_rpi by film (2 instead of 4 wrong), and 18 instead of 27 on ../shared/cases/tight (4 wrong in both). 3**0.5
# apart with the weights 1/6, 2/3, 1/6 (Gauss-Hermite), it is 6 (4 wrong) and 40 (9 wrong).
_APART = 1.5**0.5
_STAYS = 0.1  # share of the middle ruler's logit between the names that stays if the other rulers contradict


@dataclass(frozen=True)
class Search:
    """Which cells of a picture get an answer, and how its red cells are measured.

    Attributes:
        single: only the cell nearest to the middle, or the whole picture if no cell is found.
        whole: the whole picture is treated as one cell, without a search for nuclei.
        red_cell: diameter of a red cell in pixels, or the site's ruler, if it is known; otherwise None.
        pooled: if True, the red cells of all pictures of a run are measured together, as if from one microscope;
            if False, those of each picture by itself.
        trace: keep what the locator saw, for `--explain` (a third of a megabyte per picture).
        keep_whole: keep whole pictures, so that answers can be drawn on them.
        pages: whether each page of a file is a picture; if False, a file with several of them counts as unreadable.
        threads: number of threads that the locator uses.
    """

    single: bool = False
    whole: bool = False
    red_cell: "float | KnownRuler | None" = None
    pooled: bool = True
    trace: bool = False
    keep_whole: bool = False
    pages: bool = True
    threads: int = 1


@dataclass(frozen=True)
class Found:
    """One picture with its cells.

    Attributes:
        picture: its pixels, or only those that later steps need.
        cells: ordered from top to bottom.
        red_cell: diameter of a red cell in pixels; 0 if the locator didn't run.
        trace: what the locator saw; None unless the search asks for it.
        ruler: what measured the red cells of its run; None if the locator didn't run.
        doubt: why its cells can't be found or judged, in a few words; "" if they can.
    """

    picture: Picture
    cells: Sequence[Cell]
    red_cell: float = 0.0
    trace: "LocatorTrace | None" = None
    ruler: "RedCellRuler | None" = None
    doubt: str = ""


@dataclass(frozen=True)
class Predicted:
    """One picture with its cells and the network's output for each cell.

    Attributes:
        found: the picture and its cells.
        predictions: one per cell, in the order of the cells.
        doubts: for each cell, what is wrong with its picture, "" for nothing; None if this wasn't judged yet.
        looks: at one of its cells, for edge.unlike; empty if the picture wasn't looked at.
    """

    found: Found
    predictions: Sequence[Prediction]
    doubts: Sequence[str] | None = None
    looks: Sequence[Look] = ()


@dataclass(frozen=True)
class Sighting:
    """What a run at a camera knows of a cell that it counted.

    Attributes:
        id: identity of the cell, which no other cell of any run has; see edge.system.run_id.
        seconds: since the run's start until the frame was taken, by a clock that never jumps; see Frame.clock.
        seen_before: whether it was perhaps counted before the stage moved unseen.
    """

    id: str
    seconds: float = 0.0
    seen_before: bool = False


@dataclass(frozen=True)
class Answer:
    """One picture with the answers for its cells.

    Attributes:
        picture: its pixels, or only those that were kept.
        cells: each cell with its answer.
        found: how the cells were found; None in a live run.
        run: how unlike home the run is that the picture belongs to; None if that wasn't judged.
        sighting: of its one cell; None unless the run is at a camera.
    """

    picture: Picture
    cells: Sequence[tuple[Cell, Decision]]
    found: Found | None = None
    run: Unlike | None = None
    sighting: Sighting | None = None


def classify(
    files: Sequence[str],
    model: Model,
    rules: Rules,
    search: Search | None = None,
    shift: float = 0.0,
    progress: Progress = silent,
) -> Iterator[Answer | Unreadable]:
    """Reads picture files and answers the cells in them, in the order of the files and of their pages.

    Args:
        files: paths, as edge.frames.expand gives them.
        model: an opened classifier.
        rules: how answers are made, from Model.rules.
        search: which cells get an answer.
        shift: subtracted from the logit of the second name (monocyte); see edge.site.unlabelled_threshold.
        progress: see edge.system.progress.

    Yields:
        An Answer for each picture, an Unreadable for one that can't be read, and a LeftOut (a kind of Unreadable) for a
        page that is no picture of its own.
    """
    for each in predict_files(files, model, search, progress):
        yield each if isinstance(each, Unreadable) else answer(each, rules, shift)


def predict_files(
    files: Sequence[str], model: Model, search: Search | None = None, progress: Progress = silent
) -> Iterator[Predicted | Unreadable]:
    """Like `classify` without its last step: yields the network's output for each cell, and no answers yet."""
    for found in find_cells(files, model.policy, search, progress=progress):
        yield found if isinstance(found, Unreadable) else predicted(found, model)


def predicted(found: Found, model: Model) -> Predicted | Unreadable:
    """Runs the network on each cell of a picture."""
    try:
        return Predicted(found, [predict(model, found.picture, cell) for cell in found.cells])
    except UserError as error:  # a part of a large picture is damaged, or a file had to be read again and is gone
        source = found.picture.source
        gone = "can no longer be read: it was removed or changed during the run."
        kept = isinstance(found.picture, KeptPicture)
        return Unreadable(source, gone if kept else str(error).removeprefix(f"{source} "))


def answer(predicted: Predicted, rules: Rules, shift: float = 0.0, run: Unlike | None = None) -> Answer:
    """Makes the answers for the cells of one picture. run: how unlike home its run is; None if that wasn't judged."""
    found = predicted.found
    if predicted.doubts is None:
        doubts = [partial(picture_doubt, found.picture, cell) for cell in found.cells]
    else:
        doubts = [partial(str, each) for each in predicted.doubts]
    decisions = [
        decide(moved(each.kinds, run), rules, shift, each.distance, doubt)
        for each, doubt in zip(predicted.predictions, doubts, strict=True)
    ]
    return Answer(found.picture, list(zip(found.cells, decisions, strict=True)), found, run)


def find_cells(
    files: Sequence[str],
    policy: str,
    search: Search | None = None,
    run: Sequence[str] | None = None,
    progress: Progress = silent,
    locator: "Locator | None" = None,
    observe: Observer = unobserved,
) -> Iterator[Found | Unreadable]:
    """Reads picture files and finds their cells, in the order of the files and of their pages. Each page is decoded and
    located once.

    Args:
        files: paths, without duplicates.
        policy: how the cells will be cropped, a key of edge.crop.POLICIES. With "whole-image", for models that were
            trained on whole pictures, each picture is one cell.
        search: which cells to find, and how to measure red cells.
        run: the pictures whose red cells are measured together, if these are more than `files`; None for `files`.
        progress: see edge.system.progress.
        locator: an open locator; None to open one.
        observe: called at the end of each step of a picture: "decode", "locate", "measure" (its red cells, up to
            twice) and "keep" (the surroundings of its cells).
    """
    search = search or Search()
    surveyed = to_survey(files if run is None else run, policy, search)
    finder = Finder(files, policy, search, locator, observe)
    total = len(set(surveyed) | set(files))
    for number, path in enumerate(surveyed):
        finder.survey(path)
        progress("Reading pictures", number + 1, total)
    done = len(surveyed)
    for path in files:
        if not finder.holds(path):
            done += 1
            progress("Reading pictures", min(done, total), total)
        yield from finder.found(path)


def to_survey(run: Sequence[str], policy: str, search: Search) -> list[str]:
    """The pictures of a run in which red cells are measured before the first cell is cut out, at most _SURVEY."""
    if policy == "whole-image" or search.whole or not search.pooled:
        return []
    from edge.red_cells import FEWEST, RedCellRuler

    ruler = RedCellRuler(fixed=search.red_cell)
    if not ruler.measures or not (ruler.fixed or _are_at_least(FEWEST, run, search)):
        return []
    return list(run[:: -(-len(run) // _SURVEY)])


def find(frame: Frame, policy: str, locator: "Locator | None", search: Search | None = None) -> Found:
    """Finds the cells of one frame. policy: see `find_cells`. locator: None to take the whole frame as one cell.

    Red cells are measured in this frame alone, unless `search.red_cell` gives their diameter.
    """
    from edge.red_cells import RedCellRuler

    search = search or Search()
    if search.whole or policy == "whole-image" or locator is None:
        return Found(frame, whole_image(frame))
    return _found(frame, locator.locate(frame), RedCellRuler(fixed=search.red_cell), search)


def _frames(path: str, search: Search, observe: Observer) -> Iterator[Frame | Unreadable]:
    """Reads the pictures in one file."""
    for frame in pages(path) if search.pages else [read(path)]:
        observe("decode", path)
        yield frame


def _pictures(path: str, search: Search, observe: Observer) -> "Iterator[Frame | LargePicture | Unreadable]":
    """Reads the pictures in one file; one that is too large for the memory is opened, to be read part by part."""
    from edge.field.large import open_large

    large = open_large(path, refused=False)
    for frame in [large] if large else _frames(path, search, observe):
        each = open_large(path) or frame if isinstance(frame, TooLarge) else frame
        if not isinstance(each, Frame | Unreadable) and search.keep_whole:
            each = Unreadable(path, "is too large for answers to be drawn on it; leave out --annotate.")
        yield each


def _located(
    path: str, locator: "Locator", search: Search, observe: Observer
) -> "Iterator[tuple[Frame | LargePicture, Located] | Unreadable]":
    """Reads the pictures in one file and finds their nuclei."""
    for frame in _pictures(path, search, observe):
        known = search.red_cell if isinstance(search.red_cell, float | int) else 0
        if not isinstance(frame, Unreadable) and known > 2 * max(frame.width, frame.height):
            size = f"{frame.width}x{frame.height}"
            why = f"has {size} pixels, so it shows no red cell of {known:g}; correct --ruler."
            frame = Unreadable(path, why, frame.number)
        if isinstance(frame, Unreadable):
            yield frame
            continue
        try:
            located = locator.locate(frame)
        except UserError as error:  # a part of a large picture is damaged
            yield Unreadable(path, str(error).removeprefix(f"{path} "), frame.number)
            continue
        observe("locate", path)
        yield frame, located


def _are_at_least(fewest: int, run: Sequence[str], search: Search) -> bool:
    """Whether a run holds so many pictures. Each page is one; only the headers of few files are read."""
    if len(run) >= fewest:
        return True
    return search.pages and sum(map(count_pages, run)) >= fewest


def _found(picture: Picture, located: "Located", ruler: "RedCellRuler", search: Search) -> Found:
    from edge.locate import cells

    measure = located.measure(ruler)
    found = cells(located, measure)
    chosen = single(picture, found) if search.single else found
    trace = located.trace if search.trace else None
    return Found(picture, chosen, measure.diameter, trace, ruler, located.doubt)


class Finder:
    """Finds the cells in the pictures of a run, in two passes.

    First, `survey` measures the red cells in some of them, and keeps the parts that later steps need. Then, `found`
    gives the cells of each picture, by the ruler that this made.

    Attributes:
        ruler: of the run; None if the pictures are taken whole.
    """

    def __init__(
        self,
        files: Sequence[str],
        policy: str,
        search: Search,
        locator: "Locator | None" = None,
        observe: Observer = unobserved,
        store: PixelStore | None = None,
    ) -> None:
        """files: those that `found` will be asked for. For the others see `find_cells`. store: for what is kept."""
        self.ruler: RedCellRuler | None = None
        self._locator, self._policy, self._search, self._observe = locator, policy, search, observe
        self._wanted, self._store = set(files), store or PixelStore()
        self._held: dict[str, list[tuple[Picture, Located] | Unreadable]] = {}
        # The first pictures, until the run's ruler is known.
        self._whole: list[tuple[Frame | LargePicture, Located]] | None = []
        if not search.whole and policy != "whole-image":
            from edge.locate import Locator  # whole pictures don't need it
            from edge.red_cells import RedCellRuler as Ruler

            self._locator = locator or Locator(threads=search.threads)
            self.ruler = Ruler(fixed=search.red_cell)

    def survey(self, path: str) -> "list[tuple[RedCells, tuple[int, int]]]":
        """Reads the pictures in one file -> the red cells, and the width and height, of each."""
        assert self._locator and self.ruler
        seen = []
        self._held[path] = []
        for each in _located(path, self._locator, self._search, self._observe):
            if isinstance(each, Unreadable):
                self._held[path].append(each)
                continue
            frame, located = each
            seen.append((located.red_cells, (frame.width, frame.height)))
            self.ruler.add(*seen[-1])
            self._observe("measure", path)
            if path in self._wanted:
                self._hold(frame, located)
        return seen

    def holds(self, path: str) -> bool:
        """Whether a file was surveyed, and its pictures weren't asked for since."""
        return path in self._held

    def found(self, path: str) -> Iterator[Found | Unreadable]:
        """The pictures in one file with their cells, in the order of its pages. Ask once all files are surveyed."""
        if not self._locator or not self.ruler:
            for frame in _frames(path, self._search, self._observe):
                yield frame if isinstance(frame, Unreadable) else Found(frame, whole_image(frame))
            return
        self._keep_parts()
        held: Iterable[tuple[Picture, Located] | Unreadable]
        if self.holds(path):
            held = self._held.pop(path)
            held.sort(key=lambda each: (each if isinstance(each, Unreadable) else each[0]).number)
        else:
            held = _located(path, self._locator, self._search, self._observe)
        for each in held:
            found = each if isinstance(each, Unreadable) else _found(*each, self.ruler, self._search)
            self._observe("measure", path)
            yield found

    def _hold(self, frame: "Frame | LargePicture", located: "Located") -> None:
        """Keeps a picture whole at first, and only the needed parts of it once the run's ruler is known."""
        from edge.red_cells import FEWEST

        if self._whole is None:
            self._keep(frame, located)
            return
        self._whole.append((frame, located))
        if len(self._whole) >= FEWEST or sum(3 * each.width * each.height for each, _ in self._whole) > _WHOLE:
            self._keep_parts()

    def _keep_parts(self) -> None:
        for frame, located in self._whole or ():
            self._keep(frame, located)
        self._whole = None

    def _keep(self, frame: "Frame | LargePicture", located: "Located") -> None:
        kept = self._store.keep(frame, self._boxes(frame, located)) if isinstance(frame, Frame) else frame
        self._held[frame.source].append((kept, located if self._search.trace else located.without_trace()))
        self._observe("keep", frame.source)

    def _boxes(self, frame: Frame, located: "Located") -> list[Box]:
        """The parts of a frame that its answers will need, whichever ruler applies in the end: the run's or its own."""
        from edge.locate import cells
        from edge.red_cells import by_itself

        assert self.ruler
        nothing_found = self._search.single and not located.nuclei
        known = self.ruler.known((frame.width, frame.height))
        settled = known or self.ruler.settled(located.side, located.scale)
        if self._search.keep_whole or nothing_found or not settled:
            return [(0, 0, frame.width, frame.height)]
        own = by_itself(located.red_cells)
        pooled = known or self.ruler.pooled(located.side, located.scale, located.estimate, roughly=True)
        largest = []
        for alone, together in zip(cells(located, own), cells(located, pooled or own), strict=True):
            margin = _MARGIN_WITH_RULER if pooled else _MARGIN_WITHOUT
            size = max(alone.red_cell * _largest(alone), together.red_cell * margin * _largest(together))
            largest.append(replace(alone, red_cell=size))
        chosen = single(frame, largest) if self._search.single else largest
        return [extent(frame, cell, self._policy) for cell in chosen]


def predict(model: Model, picture: Picture, cell: Cell) -> Prediction:
    """Runs the network on one cell. If the cell's ruler is uncertain, takes the mean over three possible rulers."""
    return mean([model.predict(each) for each in crops(model, picture, cell)])


def crops(model: Model, picture: Picture, cell: Cell) -> list[np.ndarray]:
    """The model's input for one cell, uint8 [size, size, 3]: one crop, or three if its ruler is uncertain."""
    rulers = [cell]
    if cell.uncertainty:
        factors = (1 / _largest(cell), 1, _largest(cell))
        rulers = [replace(cell, red_cell=cell.red_cell * each) for each in factors]
    return [crop(picture, each, model.size, model.policy) for each in rulers]


def _largest(cell: Cell) -> float:
    """The largest ruler that `crops` takes for a cell, in units of its red_cell."""
    return 1 + _APART * cell.uncertainty


def mean(predictions: Sequence[Prediction]) -> Prediction:
    """One prediction for a cell that was seen by several rulers, the likeliest of them in the middle.

    Probabilities and features are means, and the distance is the largest. Which of the two names is likelier, the
    middle ruler decides: by a ruler that is far off, the network is sure of the wrong name. The other rulers only make
    the name less certain; where most of them contradict, hardly more than one half remains for it.
    """
    if len(predictions) == 1:
        return predictions[0]
    kinds = np.stack([each.kinds for each in predictions]).mean(axis=0)
    odds = [math.log(max(LEAST, float(each.kinds[1])) / max(LEAST, float(each.kinds[0]))) for each in predictions]
    middle = odds[len(odds) // 2]
    together = sum(odds) / len(odds)
    if together * middle < _STAYS * middle * middle:
        together = _STAYS * middle
    second = 1 / (1 + math.exp(-together))
    kinds[:2] = kinds[:2].sum() * np.array([1 - second, second], kinds.dtype)
    features = np.stack([each.features for each in predictions]).mean(axis=0)
    return Prediction(kinds, features, max(each.distance for each in predictions))


def second_name_shares(kinds: Iterable[Sequence[float]]) -> list[float]:
    """The probability of the second name (monocyte), given that a cell has one of the two names (see edge.decide).

    Cells that are more likely *other* are left out. kinds: for each cell, the probabilities of the kinds.
    """
    names = [each[:2] for each in kinds]
    return [float(pair[1] / sum(pair)) for pair in names if sum(pair) >= 0.5]


def set_aside(
    predicted: Predicted, model: Model, search: Search, rules: Rules, store: PixelStore, looked_at: bool = True
) -> Predicted:
    """Reduces a prediction to a few hundred bytes per cell, for answers that have to wait until all pictures are read.

    The picture of each cell is judged now, before its pixels are dropped. Only pixels that will be drawn are stored.

    Args:
        predicted: the picture with its predictions.
        model: what made them.
        search: what will be needed of the picture.
        rules: the least strict rules that may be applied later. A cell that they refuse, unless it is a close call,
            never gets a name. So its picture isn't judged.
        store: takes the pixels.
        looked_at: whether one of its cells is measured for edge.unlike.
    """
    picture, cells = predicted.found.picture, predicted.found.cells
    doubts = [
        picture_doubt(picture, cell) if may_be_named(each.kinds, rules, each.distance) else ""
        for cell, each in zip(cells, predicted.predictions, strict=True)
    ]
    boxes: list[Box] = []
    if search.keep_whole:
        boxes = [(0, 0, picture.width, picture.height)]
    elif search.trace:
        boxes = [extent(picture, cell, model.policy) for cell in cells]
    looks = [seen] if looked_at and cells and (seen := look(picture, cells[len(cells) // 2])) else []
    found = replace(predicted.found, picture=store.keep(picture, boxes))
    return Predicted(found, predicted.predictions, doubts, looks)
