"""The ruler: red cells of a run measured together, on drawn fields, on unsuitable pictures, and on real fields."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import DATA, command
from PIL import Image

from edge import classify, frames
from edge.cell import NO_RULER
from edge.crop import crop
from edge.frames import Frame
from edge.locate import Locator
from edge.model import Model, Prediction
from edge.red_cells import FEWEST, KnownRuler, Measure, RedCellRuler, RedCells, measure, outlines
from edge.simulator import drawing
from train.data import fields

CONTRAST = 50  # of a clear picture
TIGHT = DATA.parent / "cases/tight"


@pytest.fixture(scope="module")
def locator() -> Locator:
    return Locator()


def field(seed: int, red_cell: float) -> Frame:
    drawn, _ = drawing.field(np.random.default_rng(seed), 4, shape=(480, 640), look=drawing.Look(red_cell=red_cell))
    return Frame(drawn, "test", 0, 0.0)


def measured(locator: Locator, frames: list[Frame], ruler: RedCellRuler) -> list[float]:
    """The diameter of a red cell in each frame, by the ruler after it has seen all frames."""
    found = [locator.locate(each) for each in frames]
    for each in found:
        ruler.add(each.red_cells)
    return [each.measure(ruler).diameter for each in found]


def alone(locator: Locator, frame: Frame) -> float:
    """The diameter of a red cell, measured in this frame alone."""
    return locator.locate(frame).measure(None).diameter


@pytest.mark.parametrize("red_cell", [24, 40, 64])
def test_a_run_of_one_microscope_has_one_ruler(locator: Locator, red_cell: float) -> None:
    found = set(measured(locator, [field(i, red_cell) for i in range(FEWEST)], RedCellRuler()))
    assert len(found) == 1 and found.pop() == pytest.approx(0.92 * red_cell, rel=0.05)


def test_the_cells_of_a_run_share_its_ruler(locator: Locator) -> None:
    ruler = RedCellRuler()
    shown = [field(i, 40) for i in range(FEWEST)]
    measured(locator, shown, ruler)
    cells = [cell for each in shown for cell in locator.cells(each, ruler)]
    assert len(cells) >= 2 * FEWEST and len({cell.red_cell for cell in cells}) == 1


def test_too_few_pictures_are_measured_each_by_itself(locator: Locator) -> None:
    few = [field(i, 40) for i in range(FEWEST - 1)]
    found = measured(locator, few, RedCellRuler())
    assert found == [alone(locator, each) for each in few] and len(set(found)) > 1


def test_pictures_of_different_sizes_have_different_rulers(locator: Locator) -> None:
    ruler = RedCellRuler()
    measured(locator, [field(i, 40) for i in range(FEWEST)], ruler)
    drawn, _ = drawing.field(np.random.default_rng(0), 4, shape=(480, 800), look=drawing.Look(red_cell=60))
    other = Frame(drawn, "test", 0, 0.0)
    assert locator.locate(other).measure(ruler).diameter == alone(locator, other)


def test_two_magnifications_do_not_share_a_ruler(locator: Locator) -> None:
    """Each has a ruler of its own, if it has enough pictures."""
    mixed = [field(i, 30 if i % 2 else 60) for i in range(2 * FEWEST)]
    ruler = RedCellRuler()
    found = measured(locator, mixed, ruler)
    assert len(set(found[::2])) == len(set(found[1::2])) == 1
    assert found[:2] == [pytest.approx(0.92 * 60, rel=0.05), pytest.approx(0.92 * 30, rel=0.05)]
    assert ruler.magnifications() == [(FEWEST, FEWEST)]
    few = mixed[::2] + mixed[1:8:2]
    assert measured(locator, few, RedCellRuler())[FEWEST:] == [alone(locator, each) for each in few[FEWEST:]]


def test_enlarged_fields_of_a_source_do_not_share_its_ruler(locator: Locator, data: Path) -> None:
    """Half of the fields are enlarged about their white cell and cut to the old size, as another objective shows it."""
    seen: dict[float, list[RedCells]] = {1.0: [], 1.5: [], 2.0: []}
    chosen = [each for each in fields.read(data) if each.source == "bccd" and each.boxes][::8]
    for number, each in enumerate(chosen):
        with Image.open(data / each.path) as picture:
            (width, height), [box, *_] = picture.size, each.boxes
            for zoom in (1.5, 2.0) if number % 2 else (1.0,):
                w, h = width / zoom, height / zoom
                x = min(max(box.x + box.width / 2 - w / 2, 0), width - w)
                y = min(max(box.y + box.height / 2 - h / 2, 0), height - h)
                cut = picture.resize((width, height), box=(x, y, x + w, y + h))
                seen[zoom].append(locator.locate(Frame(np.asarray(cut), "test", number, 0.0)).red_cells)
    for zoom in (1.5, 2.0):
        ruler = RedCellRuler()
        for one in seen[1.0] + seen[zoom]:
            ruler.add(one)
        assert ruler.magnifications()
        rulers = {
            times: [m.diameter for one in seen[times] if (m := ruler.pooled(one.side, one.scale, one.estimate))]
            for times in (1.0, zoom)
        }
        assert np.median(rulers[1.0]) == pytest.approx(84, rel=0.05)
        assert np.median(rulers[zoom]) == pytest.approx(84 * zoom, rel=0.25)


def test_cells_resized_to_one_size_do_not_share_a_ruler(locator: Locator) -> None:
    """Each was cut out as large as its cell, then resized: the pictures have one size, but many magnifications."""
    rng = np.random.default_rng(0)
    shown = [_cell(rng, 160, red_cell) for red_cell in np.linspace(30, 75, 2 * FEWEST)]
    found = measured(locator, shown, RedCellRuler())
    assert found == [alone(locator, each) for each in shown]
    assert np.corrcoef(found, np.linspace(30, 75, 2 * FEWEST))[0, 1] > 0.9


def test_cells_cut_out_without_resizing_share_a_ruler(locator: Locator) -> None:
    """The pictures differ in size, but their red cells have the same diameter in pixels."""
    rng = np.random.default_rng(0)
    shown = [_cell(rng, size, 40) for size in range(120, 120 + 16 * 20, 20)]
    found = measured(locator, shown, RedCellRuler())
    assert max(found) - min(found) < 1e-6 * max(found) and found[0] == pytest.approx(0.92 * 40, rel=0.1)
    other = _cell(rng, 100, 80)
    ruler = RedCellRuler()
    measured(locator, shown, ruler)
    assert locator.locate(other).measure(ruler).diameter == alone(locator, other), "another microscope's"


def _cell(rng: np.random.Generator, size: int, red_cell: float) -> Frame:
    drawn = drawing.picture("lymphocyte", rng, size, drawing.Look(red_cell=red_cell))
    return Frame(drawn, "test", 0, 0.0)


@pytest.mark.parametrize(
    ("larger", "monocyte"),
    [
        ([0.05, 0.85, 0.1], 0.9),  # all rulers agree
        ([0.85, 0.05, 0.1], 0.6),  # the largest says lymphocyte, and is as sure of it
        ([0.99, 0.001, 0.009], 0.5),  # and is very sure of it: its cells look small
    ],
)
def test_a_ruler_that_is_far_off_makes_a_name_doubtful_but_does_not_change_it(
    larger: list[float], monocyte: float
) -> None:
    rest = np.zeros(2, np.float32)
    usual = Prediction(np.array([0.1, 0.7, 0.2], np.float32), rest, 1.0)
    found = classify.mean([usual, usual, Prediction(np.array(larger, np.float32), rest, 3.0)])
    share = found.kinds[1] / found.kinds[:2].sum()
    assert share > 0.5 and share == pytest.approx(monocyte, abs=0.1)
    assert found.kinds.sum() == pytest.approx(1) and found.distance == 3.0


def test_a_known_ruler_is_not_measured(locator: Locator) -> None:
    ruler = RedCellRuler(fixed=50)
    assert {cell.red_cell for cell in locator.cells(field(0, 40), ruler)} == {50}


@pytest.mark.parametrize(
    ("size", "times"),
    [
        ((640, 480), 1.0), ((480, 640), 1.0),
        ((1280, 960), 2.0), ((320, 240), 0.5), ((322, 240), 0.503),  # the whole field, in more or fewer pixels
        ((640, 360), 1.0), ((300, 300), 1.0),  # cut out of it
        ((120, 90), 1.0),  # of the field's shape, but no wider than a cell
        ((1280, 720), None), ((500, 500), None), ((720, 720), None),  # nobody knows
    ],
)  # fmt: skip
def test_a_ruler_of_one_size_of_pictures_serves_others_where_it_can(size: tuple[int, int], times: float | None) -> None:
    known = KnownRuler(40.0, 0.06, (640, 480))
    found = RedCellRuler(fixed=known).known(size)
    assert KnownRuler(40.0).times(size) == 1.0
    if times is None:
        assert found is None
    else:
        assert found and found.diameter == pytest.approx(40 * times, rel=0.01) and found.uncertainty == 0.06


def test_a_ruler_that_pictures_contradict_is_uncertain_and_reported(locator: Locator) -> None:
    shown = [(each, each.width, each.height) for each in (field(i, 40) for i in range(6))]
    located = [locator.locate(each) for each, _, _ in shown]
    for diameter, fits in ((0.92 * 40, True), (1.1 * 0.92 * 40, True), (1.3 * 0.92 * 40, False), (28.0, False)):
        ruler = RedCellRuler(fixed=KnownRuler(diameter, 0.0, (640, 480)))
        for number, each in enumerate(located):
            ruler.add(each.red_cells, (640, 480))
            if number < 2:
                assert not ruler.complaint()  # two pictures prove nothing
        found = {each.measure(ruler) for each in located}
        assert {each.diameter for each in found} == {diameter}
        assert [each.uncertainty == 0 for each in found] == [fits]
        assert ("doesn't fit" in ruler.complaint()) != fits


def test_half_the_size_is_compared_with_half_the_ruler(locator: Locator) -> None:
    ruler = RedCellRuler(fixed=KnownRuler(2 * 0.92 * 30, 0.0, (1280, 960)))
    for i in range(6):
        ruler.add(locator.locate(field(i, 30)).red_cells, (640, 480))
    assert not ruler.complaint()
    assert ruler.known((640, 480)) == Measure(0.92 * 30, 0.0)


def test_pictures_that_a_ruler_is_not_for_are_measured(locator: Locator) -> None:
    ruler, run = RedCellRuler(fixed=KnownRuler(50.0, 0.0, (320, 320))), RedCellRuler()
    for i in range(FEWEST):
        located = locator.locate(field(i, 40))
        for each in (ruler, run):
            each.add(located.red_cells, (640, 480))
    assert located.measure(ruler) == located.measure(run)
    assert "320x320 pixels and can't be used for those of 640x480" in ruler.complaint()


def test_an_uncertain_ruler_makes_an_answer_uncertain(locator: Locator) -> None:
    """The answer is a mean over several rulers. With the ruler of a run, there is no such doubt."""
    model, picture = Model(), drawing.picture("lymphocyte", np.random.default_rng(3))
    frame = Frame(picture, "test", 0, 0.0)
    cell = replace(locator.cells(frame)[0], uncertainty=0.12)
    far = 1 + 1.5**0.5 * cell.uncertainty
    crops = [
        crop(frame, replace(cell, red_cell=f * cell.red_cell), model.size, model.policy) for f in (1 / far, 1, far)
    ]
    seen = [model.predict(each) for each in crops]
    expected = np.mean([each.kinds for each in seen], axis=0)
    found = classify.predict(model, frame, cell).kinds
    assert found[2:] == pytest.approx(expected[2:], abs=1e-6) and found.sum() == pytest.approx(1, abs=1e-5)
    assert locator.cells(frame)[0].uncertainty >= 0.05
    sure = locator.cells(frame, RedCellRuler(fixed=cell.red_cell))[0]
    assert sure.uncertainty == 0 and classify.predict(model, frame, sure).kinds == pytest.approx(seen[1].kinds)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_without_red_cells_the_network_s_estimate_is_used(level: int) -> None:
    small = np.full((240, 320, 3), level, np.uint8)
    small[::7, ::5] = min(255, level + 2)  # a sensor's noise
    counts, _ = outlines(small, np.zeros((120, 160), np.uint8))
    found = measure(counts, 31.0, CONTRAST)
    assert not counts.any() and (found.diameter, found.cells) == (31.0, 0) and found.uncertainty >= NO_RULER
    assert not outlines(small[:40], np.zeros((20, 160), np.uint8))[0].any()


def test_round_things_are_counted_by_size() -> None:
    small = _spots(15)
    small[100:130, 30:60] = 150  # a square
    small[200:212, 20:120] = 150  # a rod
    counts, contrast = outlines(small, np.zeros((120, 160), np.uint8))
    found = measure(counts, 30.0, contrast)
    assert counts.sum() == 9 and found.cells == pytest.approx(2.97)
    assert found.diameter == pytest.approx(0.9 * 31, rel=0.06)
    marks = np.zeros((120, 160), np.uint8)
    marks[28:32, 58:62] = 255  # the second one is a nucleus
    assert outlines(small, marks)[0].sum() == 6


def test_round_things_counted_by_chance_are_no_ruler() -> None:
    counts, _ = outlines(_spots(15), np.zeros((120, 160), np.uint8))
    assert measure(counts, 40.0, CONTRAST, pictures=8).cells == pytest.approx(3 - 8 * 0.03)
    by_chance = measure(counts, 40.0, CONTRAST, pictures=150)
    assert (by_chance.diameter, by_chance.cells) == (40.0, 0) and by_chance.uncertainty >= NO_RULER


def _heap(*of: tuple[float, int]) -> np.ndarray:
    """A histogram with heaps of red cells: (diameter, number of outlines) of each."""
    marks = np.zeros((120, 160), np.uint8)
    return np.sum([outlines(_spots(round(d / 1.84)), marks)[0] * (n // 9) for d, n in of], axis=0)


def test_the_network_s_word_does_not_hide_a_heap_of_red_cells() -> None:
    """On film subject_53 of chula_rpi the network said 187 pixels, where 14 fields' outlines say 72."""
    counts = _heap((20, 90))
    found = measure(counts, 52.0, CONTRAST, nuclei=[40.0] * 10, pictures=14)
    assert found.diameter == pytest.approx(20, rel=0.05) and 0.07 < found.uncertainty < NO_RULER
    assert measure(counts, 20.0, CONTRAST, nuclei=[40.0] * 10, pictures=14).uncertainty == 0


def test_the_nuclei_tell_red_cells_from_platelets() -> None:
    """Two heaps are equally large. White cells' nuclei are one to two red cells wide."""
    counts = _heap((20, 45), (60, 45))
    small, large = measure(counts, 35.0, CONTRAST, [33.0] * 10), measure(counts, 35.0, CONTRAST, [100.0] * 10)
    assert small.diameter == pytest.approx(20, rel=0.05) and large.diameter == pytest.approx(60, rel=0.05)
    assert min(small.uncertainty, large.uncertainty) > 0.07, "the other heap and the network contradict"


def test_pale_red_cells_are_an_uncertain_ruler() -> None:
    """On pale fields of chula_rpi (contrast 13 to 31) a person measured up to 15 % less."""
    clear, pale = measure(_heap((20, 90)), 20.0, 50), measure(_heap((20, 90)), 20.0, 15)
    assert clear.diameter == pale.diameter and clear.uncertainty == 0 and 0.07 < pale.uncertainty < NO_RULER


def test_two_heaps_of_likely_red_cells_are_no_ruler() -> None:
    found = measure(_heap((20, 90), (32, 90)), 26.0, CONTRAST)
    assert found.uncertainty >= NO_RULER


def _spots(radius: int) -> np.ndarray:
    small = np.full((240, 320, 3), 230, np.uint8)
    ys, xs = np.mgrid[:240, :320]
    for x, y in [(40, 40), (120, 60), (220, 160)]:
        small[(xs - x) ** 2 + (ys - y) ** 2 <= radius**2] = 150
    return small


@pytest.mark.parametrize("share", [0.6, 0.45])
def test_pictures_cut_close_keep_about_their_ruler(data: Path, locator: Locator, share: float) -> None:
    """If no red cell is whole, one or two platelets in a hundred pictures must not become the ruler.

    The nuclei are lymphocytes alone, smaller than those of a usual run, which makes the ruler too small.
    """
    chosen = sorted((data / "cells/raabin/test/lymphocyte").glob("*.jpg"))[:300:2]
    whole, cut = RedCellRuler(), RedCellRuler()
    for path in chosen:
        frame = _frame(str(path))
        whole.add(locator.locate(frame).red_cells)
        side = int(share * min(frame.image.shape[:2]))
        y, x = ((n - side) // 2 for n in frame.image.shape[:2])
        middle = replace(frame, image=np.ascontiguousarray(frame.image[y : y + side, x : x + side]))
        cut.add(locator.locate(middle).red_cells)
    known, found = whole.pooled(256, 1.0, 0.0), cut.pooled(int(share * 256), 1.0, 0.0)
    assert known and found, "no picture is shrunk: pixels are alike"
    assert found.diameter == pytest.approx(known.diameter, rel=0.2)
    assert found.uncertainty >= NO_RULER > known.uncertainty


def test_real_fields_of_one_camera_agree(data: Path, locator: Locator) -> None:
    """The Raspberry Pi camera's thirteen slides of at least eight fields, each read as one run."""
    films: dict[str, list[str]] = {}
    for each in fields.read(data):
        if each.source == "chula_rpi":
            films.setdefault(each.film, []).append(str(data / each.path))
    films = {film: paths for film, paths in films.items() if len(paths) >= FEWEST}
    assert len(films) == 13
    diameters = {}
    for film, paths in films.items():
        cells = [cell for found in _found(paths, locator) for cell in found.cells]
        assert len({cell.red_cell for cell in cells}) == 1, film
        diameters[film] = cells[0].red_cell
    assert min(diameters.values()) >= 60 and max(diameters.values()) <= 85, diameters


def test_real_pictures_without_whole_red_cells_have_no_ruler(locator: Locator) -> None:
    """Their red cells measure about 30 pixels, but they are faint rings, cut by the border, or absent."""
    paths = sorted(str(path) for path in TIGHT.glob("*/*"))
    if not paths:
        pytest.skip(f"needs real pictures, but {TIGHT} is absent")
    for pooled in (True, False):
        found = _found(paths[::4], locator, classify.Search(single=True, pooled=pooled))
        known = [cell for each in found for cell in each.cells if cell.has_ruler]
        assert len(found) == 40 and all(cell.red_cell == pytest.approx(30, rel=0.2) for cell in known), pooled


def _found(paths: list[str], locator: Locator, search: classify.Search | None = None) -> list[classify.Found]:
    found = classify.find_cells(paths, "cell", search, locator=locator)
    return [each for each in found if isinstance(each, classify.Found)]


def _frame(path: str) -> Frame:
    frame = frames.read(path)
    assert isinstance(frame, Frame)
    return frame


def test_the_command_has_an_option_for_the_ruler(tmp_path: Path) -> None:
    for i in range(FEWEST):
        Image.fromarray(field(i, 40).image).save(tmp_path / f"{i}.png")

    def red_cells(*options: str) -> set[str]:
        answers = tmp_path / f"{len(options) and options[-1]}.csv"
        done = command("edge", tmp_path, "--csv", answers, *options)
        assert done.returncode == 0, done.stderr
        return {row["red_cell"] for row in csv.DictReader(answers.open(newline=""))}

    assert len(red_cells()) == 1 and len(red_cells("--ruler", "picture")) > 1
    assert red_cells("--ruler", "41.5") == {"41.5"}
    for wrong in ("0", "-3", "nan", "big"):
        done = command("edge", tmp_path, "--ruler", wrong)
        assert done.returncode == 2 and "pixels" in done.stderr and "Traceback" not in done.stderr
    done = command("edge", "--camera", "sim", "--ruler", "picture")
    assert done.returncode == 2 and "--ruler picture can't be used with --camera" in done.stderr
